// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes keys and tokens in the directory given: keys/ as the broker reads them, and `tokens`, one a line:
//
//   NAME <tab> REASON <tab> token as JSON text        REASON: the label of the counter that must grow; "good" if it must be taken
//
// Honest ones, and what honest makers would make, come from jose; the others are put together by hand.
import { mkdirSync, writeFileSync } from "node:fs";
import { createHmac, createSign, generateKeyPairSync, sign as signRaw } from "node:crypto";
import * as jose from "jose";

const directory = process.argv[2];
mkdirSync(`${directory}/keys`, { recursive: true });

const secret = "a secret of more than thirty-two bytes, for tests";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const strangerRsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const strangerEc = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key) => key.export({ type: "spki", format: "pem" });
writeFileSync(`${directory}/keys/shop.hs256`, secret);
writeFileSync(`${directory}/keys/bank.rs256.pem`, pem(rsa.publicKey));
writeFileSync(`${directory}/keys/phone.es256.pem`, pem(ec.publicKey));
const jwk = async (key, more) => ({ ...(await jose.exportJWK(key)), ...more });
writeFileSync(
  `${directory}/keys.json`,
  JSON.stringify({
    keys: [
      { kty: "oct", k: Buffer.from(secret).toString("base64url"), kid: "shop", alg: "HS256" },
      await jwk(rsa.publicKey, { kid: "bank", use: "sig", alg: "RS256" }),
      await jwk(ec.publicKey, { kid: "phone", use: "sig" }),
    ],
  }),
);

const now = Math.floor(Date.now() / 1000);
const rights = { sub: ["stock/**"], pub: ["stock/**"] };
const claims = { sub: "u1", iss: "shop.example", aud: "ahora", exp: now + 3600, iat: now, ahora: rights };
const shop = new TextEncoder().encode(secret);

// ---- putting together by hand ----

const b64 = (data) => Buffer.from(data).toString("base64url");
const json = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const hmac = (input, key = secret) => createHmac("sha256", key).update(input).digest();
const input = (header, payload) => `${b64(json(header))}.${b64(json(payload))}`;
const withHmac = (header, payload = claims, key = secret) => {
  const signed = input(header, payload);
  return `${signed}.${b64(hmac(signed, key))}`;
};
const withRsa = (header, payload = claims, key = rsa.privateKey) => {
  const signed = input(header, payload);
  return `${signed}.${b64(createSign("RSA-SHA256").update(signed).sign(key))}`;
};
const withEc = (header, payload = claims, key = ec.privateKey, dsaEncoding = "ieee-p1363") => {
  const signed = input(header, payload);
  return `${signed}.${b64(signRaw("sha256", Buffer.from(signed), { key, dsaEncoding }))}`;
};
const hs = { alg: "HS256", typ: "JWT", kid: "shop" };
const rs = { alg: "RS256", typ: "JWT", kid: "bank" };
const es = { alg: "ES256", typ: "JWT", kid: "phone" };
const without = (name) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
const honest = withHmac(hs);
const [honestHeader, honestClaims, honestSignature] = honest.split(".");

// ---- by jose ----

const made = (header, key, payload = claims) => new jose.SignJWT(payload).setProtectedHeader(header).sign(key);

const lines = [];
const add = (reason, name, token) => lines.push([name, reason, JSON.stringify(token)].join("\t"));

// ---- good ones ----
add("good", "HS256 by jose", await made(hs, shop));
add("good", "RS256 by jose", await made(rs, rsa.privateKey));
add("good", "ES256 by jose", await made(es, ec.privateKey));
add("good", "audience in a list", await made(hs, shop, { ...claims, aud: ["others", "ahora"] }));
add("good", "no typ", await made({ alg: "ES256", kid: "phone" }, ec.privateKey));
add("good", "jku that is ignored", await made({ ...rs, jku: "http://127.0.0.1:1/keys" }, rsa.privateKey));
add("good", "embedded jwk that is ignored", await made({ ...es, jwk: await jose.exportJWK(strangerEc.publicKey) }, ec.privateKey));
add("good", "nbf a moment ahead", await made(hs, shop, { ...claims, nbf: now + 2 }));

// ---- the algorithm ----
for (const alg of ["none", "None", "NONE", "nOnE"]) {
  add("shape", `alg ${alg}, no signature`, `${input({ ...hs, alg }, claims)}.`);
  add("header", `alg ${alg}, a signature`, withHmac({ ...hs, alg }));
}
add("shape", "UnsecuredJWT by jose", new jose.UnsecuredJWT(claims).encode());
for (const alg of ["hs256", "HS256 ", "HS384", "HS512", "RS384", "RS512", "PS256", "ES384", "ES256K", "EdDSA", "", "HS256\0"]) {
  add(alg.includes("\0") ? "shape" : "header", `alg ${JSON.stringify(alg)}`, withHmac({ ...hs, alg }));
}
add("header", "alg missing", withHmac({ typ: "JWT", kid: "shop" }));
for (const alg of [null, 256, true, ["HS256"], { HS256: 1 }]) {
  add("header", `alg ${JSON.stringify(alg)}`, withHmac({ ...hs, alg }));
}
add("header", "HS512 by jose", await made({ ...hs, alg: "HS512" }, new TextEncoder().encode(secret.padEnd(64, "x"))));
add("header", "PS256 by jose", await made({ ...rs, alg: "PS256" }, rsa.privateKey));
add("algorithm", "the public RSA key as HMAC secret", withHmac({ ...hs, kid: "bank" }, claims, pem(rsa.publicKey)));
add("algorithm", "the public EC key as HMAC secret", withHmac({ ...hs, kid: "phone" }, claims, pem(ec.publicKey)));
add("algorithm", "the public RSA key as HMAC secret, without its line end", withHmac({ ...hs, kid: "bank" }, claims, pem(rsa.publicKey).trim()));
add("algorithm", "RS256 with the name of the secret", withRsa({ ...rs, kid: "shop" }));
add("algorithm", "RS256 with the name of the EC key", withRsa({ ...rs, kid: "phone" }));
add("algorithm", "ES256 with the name of the RSA key", withEc({ ...es, kid: "bank" }));

// ---- the key ----
add("key", "no kid", withHmac({ alg: "HS256", typ: "JWT" }));
for (const kid of [
  "nobody", "SHOP", "shop ", "../keys/shop", "../../../../dev/null", "/etc/passwd", "shop.hs256", "keys/shop.hs256", "shop' OR '1'='1",
  "x' UNION SELECT 'secret' --", "| whoami", "http://127.0.0.1/key", "%00", "shop/../shop", "ахора",
]) {
  add("key", `kid ${JSON.stringify(kid)}`, withHmac({ ...hs, kid }));
}
add("shape", "kid with a NUL", withHmac({ ...hs, kid: "shop\0" }));
for (const kid of ["", null, 1, true, ["shop"], { shop: 1 }, "k".repeat(129)]) {
  add("header", `kid ${JSON.stringify(kid).slice(0, 40)}`, withHmac({ ...hs, kid }));
}
add("signature", "a blank secret", withHmac(hs, claims, ""));
add("signature", "a secret of NULs", withHmac(hs, claims, Buffer.alloc(32)));
add("signature", "the name of the key as secret", withHmac(hs, claims, "shop"));
add("signature", "a well-known secret", withHmac(hs, claims, "secret"));
add("signature", "another RSA key", withRsa(rs, claims, strangerRsa.privateKey));
add("signature", "another EC key", withEc(es, claims, strangerEc.privateKey));
const strangerJwk = await jose.exportJWK(strangerRsa.publicKey);
add("signature", "embedded jwk of the signer", withRsa({ ...rs, jwk: { ...strangerJwk, kid: "bank" } }, claims, strangerRsa.privateKey));
add("key", "embedded jwk and no kid", withRsa({ alg: "RS256", jwk: strangerJwk }, claims, strangerRsa.privateKey));
add("signature", "embedded oct jwk", withHmac({ ...hs, jwk: { kty: "oct", k: b64("x".repeat(32)) } }, claims, "x".repeat(32)));
for (const name of ["jku", "x5u"]) {
  add("signature", `${name} to the signer's keys`, withRsa({ ...rs, [name]: "http://127.0.0.1:1/jwks.json" }, claims, strangerRsa.privateKey));
}
add("signature", "x5c of the signer", withRsa({ ...rs, x5c: [b64("not a certificate")] }, claims, strangerRsa.privateKey));

// ---- the signature ----
add("shape", "no signature", `${honestHeader}.${honestClaims}.`);
add("shape", "no signature and no dot", `${honestHeader}.${honestClaims}`);
add("signature", "a null signature", `${honestHeader}.${honestClaims}.AA`);
add("signature", "a signature of NULs", `${honestHeader}.${honestClaims}.${b64(Buffer.alloc(32))}`);
add("signature", "half a signature", `${honestHeader}.${honestClaims}.${honestSignature.slice(0, 20)}`);
add("signature", "a signature and more", `${honestHeader}.${honestClaims}.${b64(Buffer.concat([hmac(`${honestHeader}.${honestClaims}`), Buffer.from("x")]))}`);
add("signature", "one bit", `${honestHeader}.${honestClaims}.${b64(hmac(`${honestHeader}.${honestClaims}`).map((byte, i) => (i === 31 ? byte ^ 1 : byte)))}`);
add("signature", "another's claims", `${honestHeader}.${b64(json({ ...claims, sub: "root" }))}.${honestSignature}`);
add("signature", "another's header", `${b64(json({ ...hs, x: 1 }))}.${honestClaims}.${honestSignature}`);
add("shape", "bits behind the last byte", `${honestHeader}.${honestClaims}.${honestSignature.slice(0, -1)}${honestSignature.at(-1) === "A" ? "B" : String.fromCharCode(honestSignature.charCodeAt(honestSignature.length - 1) + 1)}`);
add("signature", "ES256 with r and s of zero", `${input(es, claims)}.${b64(Buffer.alloc(64))}`);
add("signature", "ES256 with r of zero", `${input(es, claims)}.${b64(Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 1)]))}`);
const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
add("signature", "ES256 with r and s of the order", `${input(es, claims)}.${b64(Buffer.concat([order, order]))}`);
add("signature", "ES256 as DER", withEc(es, claims, ec.privateKey, "der"));
add("signature", "ES256 with 63 bytes", withEc(es).replace(/\.([^.]*)$/, (_, s) => `.${b64(Buffer.from(s, "base64url").subarray(0, 63))}`));
add("signature", "RS256 with an empty padding", `${input(rs, claims)}.${b64(Buffer.alloc(256))}`);
add("signature", "RS256 of one byte", `${input(rs, claims)}.${b64("x")}`);

// ---- the shape ----
add("shape", "empty", "");
add("shape", "one dot", ".");
add("shape", "two dots", "..");
add("shape", "three dots", "...");
add("shape", "four parts", `${honest}.x`);
add("shape", "five parts, a JWE by jose", await new jose.EncryptJWT(claims).setProtectedHeader({ alg: "dir", enc: "A128CBC-HS256" }).encrypt(new Uint8Array(32)));
add("shape", "flattened JSON by jose", json(await new jose.FlattenedSign(Buffer.from(json(claims))).setProtectedHeader(hs).sign(shop)));
add("shape", "general JSON by jose", json(await new jose.GeneralSign(Buffer.from(json(claims))).addSignature(shop).setProtectedHeader(hs).sign()));
add("header", "nested JWT", withHmac({ ...hs, cty: "JWT" }, honest));
add("shape", "a JWT as claims", withHmac(hs, honest));
add("shape", "padding", honest.split(".").map((part) => part + "=".repeat((4 - (part.length % 4)) % 4 || 4)).join("."));
add("shape", "the other alphabet", `${honestHeader}.${Buffer.from(json({ ...claims, x: "ÿÿÿ>>>???" })).toString("base64").replace(/=/g, "")}+/.${honestSignature}`);
add("shape", "a blank in front", ` ${honest}`);
add("shape", "a blank behind", `${honest} `);
add("shape", "a line end inside", honest.replace(".", ".\n"));
add("shape", "Bearer twice", `Bearer ${honest}`);
add("shape", "quotes around", `"${honest}"`);
add("shape", "a letter beyond ASCII", `${honest}é`);
add("shape", "a part of a length that cannot be", `${honestHeader}A.${honestClaims}.${honestSignature}`);
add("shape", "a list for a header", withHmac("[]"));
add("shape", "a text for a header", withHmac('"HS256"'));
add("shape", "a list for claims", withHmac(hs, "[]"));
add("shape", "null for claims", withHmac(hs, "null"));
add("shape", "no JSON in the header", withHmac("{alg:HS256}"));
add("shape", "no JSON in the claims", withHmac(hs, "{'sub':'u1'}"));
add("shape", "JSON and more", withHmac(hs, `${json(claims)}{}`));
add("shape", "a byte order mark", withHmac(hs, `\ufeff${json(claims)}`));
add("shape", "bytes that are not UTF-8", (() => { const s = `${b64(json(hs))}.${b64(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))}`; return `${s}.${b64(hmac(s))}`; })());
add("shape", "alg twice", withHmac('{"alg":"none","alg":"HS256","kid":"shop"}'));
add("shape", "kid twice", withHmac('{"alg":"HS256","kid":"nobody","kid":"shop"}'));
add("shape", "sub twice", withHmac(hs, `{"sub":"u1","sub":"root",${json(claims).slice(1)}`));
add("shape", "exp twice, once escaped", withHmac(hs, `{"\\u0065xp":1,${json(claims).slice(1)}`));
add("shape", "deep claims", withHmac(hs, `{"sub":"u1","exp":${now + 60},"x":${"[".repeat(200)}${"]".repeat(200)}}`));
add("shape", "a deep header", withHmac(`{"alg":"HS256","kid":"shop","x":${"[".repeat(50)}${"]".repeat(50)}}`));
add("too_long", "a token of 9 KB", withHmac(hs, { ...claims, x: "x".repeat(7000) }));
add("too_long", "a token of 60 KB", withHmac(hs, { ...claims, x: "x".repeat(45000) }));
for (const [name, value] of [["crit", ["exp"]], ["crit", []], ["b64", false], ["zip", "DEF"], ["enc", "A128GCM"]]) {
  add("header", `${name} ${json(value)}`, withHmac({ ...hs, [name]: value }));
}
for (const typ of ["jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"]) {
  add("good", `typ ${typ}`, withHmac({ ...hs, typ }));
}
add("good", "an access token of RFC 9068", await made({ ...es, typ: "at+jwt" }, ec.privateKey));
for (const typ of ["JWE", "JOSE+JSON", "secevent+jwt", "dpop+jwt", "logout+jwt", "token-introspection+jwt", "kb+jwt", "at+jwt ", "at jwt",
  "at+jwt\0", "text/at+jwt", "application/application/at+jwt", "application/", ["at+jwt"], "", 1, null]) {
  add(`${typ}`.includes("\0") ? "shape" : "header", `typ ${JSON.stringify(typ)}`, withHmac({ ...hs, typ }));
}

// ---- the claims ----
const timed = (name, value) => withHmac(hs, json({ ...without(name), MARK: 0 }).replace('"MARK":0', `"${name}":${value}`));
add("time", "no exp", withHmac(hs, without("exp")));
for (const value of [`"${now + 3600}"`, "null", "true", "[]", "-1", `${now + 3600}.5`, "1e10", `-${now}`, "9007199254740993"]) {
  add("time", `exp ${value}`, timed("exp", value));
}
add("shape", "exp 1e400", timed("exp", "1e400"));
add("shape", "exp of 40 digits", timed("exp", "9".repeat(40)));
add("shape", "exp NaN", timed("exp", "NaN"));
add("expired", "exp of zero", timed("exp", "0"));
add("expired", "exp a minute ago", timed("exp", now - 60));
add("expired", "exp an hour ago, by jose", await made(hs, shop, { ...claims, exp: now - 3600 }));
add("early", "nbf in an hour, by jose", await made(hs, shop, { ...claims, nbf: now + 3600 }));
add("early", "iat in an hour", withHmac(hs, { ...claims, iat: now + 3600 }));
add("time", "nbf a text", timed("nbf", `"${now}"`));
add("time", "iat a float", timed("iat", `${now}.25`));
add("issuer", "another issuer", withHmac(hs, { ...claims, iss: "evil.example" }));
add("issuer", "an issuer that begins alike", withHmac(hs, { ...claims, iss: "shop.example.evil.example" }));
add("issuer", "issuers in a list", withHmac(hs, { ...claims, iss: ["shop.example"] }));
add("issuer", "no issuer", withHmac(hs, without("iss")));
add("audience", "another audience", withHmac(hs, { ...claims, aud: "others" }));
add("audience", "no audience", withHmac(hs, without("aud")));
add("audience", "an empty list of audiences", withHmac(hs, { ...claims, aud: [] }));
add("audience", "an audience that is no text", withHmac(hs, { ...claims, aud: ["ahora", 1] }));
add("audience", "an audience in a map", withHmac(hs, { ...claims, aud: { ahora: true } }));
add("claims", "no subject", withHmac(hs, without("sub")));
for (const sub of ["", 1, null, ["u1"], "anonymous", "a\nb", "\u007f", "s".repeat(129)]) {
  add("claims", `sub ${JSON.stringify(sub).slice(0, 30)}`, withHmac(hs, { ...claims, sub }));
}
add("shape", "sub with a NUL", withHmac(hs, { ...claims, sub: "u1\0root" }));
add("claims", "a jti that is no text", withHmac(hs, { ...claims, jti: 7 }));
for (const ahora of [null, [], "all", { sub: "**" }, { sub: ["stock"] }, { sub: ["stock/**/x"] }, { Sub: ["**"] }, { sub: ["order/{ids}"] }, { ops: ["all"] }, { fields: "*" }, { every_ms: -1 }]) {
  add("claims", `ahora ${json(ahora)}`, withHmac(hs, { ...claims, ahora }));
}
for (const ids of ["*", "a/b", "..", ["x", "**"], 7, { a: 1 }]) {
  add("claims", `order/{ids}, ids ${json(ids)}`, withHmac(hs, { ...claims, ids, ahora: { sub: ["order/{ids}"] } }));
}

// ---- API keys ----
add("api_key", "an API key of nobody", `ahk_${b64(Buffer.alloc(32))}`);
add("api_key", "an API key without a key", "ahk_");

writeFileSync(`${directory}/tokens`, `${lines.join("\n")}\n`);
console.log(`${lines.length} tokens`);

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* What is published: sizes, the ways to load it, its types, and what it depends on. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { INTERNAL } from "../scripts/internal.mjs";

const READER_BYTES_MAX = 8 * 1024;
const CLIENT_BYTES_MAX = 9 * 1024;
const home = process.cwd();
const place = mkdtempSync(join(tmpdir(), "ahora-package-"));
const dist = join(place, "node_modules/@ahora/client/dist");

before(() => {
  // As if it had been installed from a registry
  execFileSync(process.execPath, ["scripts/build.mjs"], { env: { ...process.env, AHORA_JS_OUT: dist }, stdio: "inherit" });
  writeFileSync(join(dist, "../package.json"), readFileSync(join(home, "package.json")));
  for (const name of ["react", "@msgpack", "@types", "ws"]) {
    symlinkSync(join(home, "node_modules", name), join(place, "node_modules", name));
  }
  writeFileSync(join(place, "package.json"), '{"type":"module"}');
});

after(() => rmSync(place, { recursive: true, force: true }));

async function sizeOf(code: string): Promise<{ minified: number; gzipped: number }> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: place },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    external: ["react"],
    write: false,
  });
  const bytes = outputFiles[0]?.contents ?? new Uint8Array();
  return { minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length };
}

const run = (file: string, code: string) => {
  writeFileSync(join(place, file), code);
  return execFileSync(process.execPath, [file], { cwd: place, encoding: "utf8" }).trim();
};

test("sizes, as an app's bundler makes them", async (t) => {
  const reader = await sizeOf('export { createReader } from "@ahora/client";');
  const client = await sizeOf('export { createClient } from "@ahora/client";');
  const cases: [string, string][] = [
    ["and with MessagePack", 'export { createClient } from "@ahora/client"; export { msgpack } from "@ahora/client/msgpack";'],
    ["or with React hooks", 'export { createClient } from "@ahora/client"; export * from "@ahora/client/react";'],
    ["the kinds alone", 'export * from "@ahora/client/kinds";'],
    ["one helper alone", 'export { waitBand } from "@ahora/client/kinds";'],
  ];
  t.diagnostic(`createReader (the line, resume, subscriptions): ${reader.gzipped} bytes gzipped, ${reader.minified} minified (at most ${READER_BYTES_MAX})`);
  t.diagnostic(`createClient (with publishing and get): ${client.gzipped} bytes gzipped, ${client.minified} minified (at most ${CLIENT_BYTES_MAX})`);
  for (const [name, code] of cases) {
    const { gzipped, minified } = await sizeOf(code);
    t.diagnostic(`${name}: ${gzipped} bytes gzipped, ${minified} minified`);
  }
  const script = readFileSync(join(dist, "ahora.min.js"));
  t.diagnostic(`ahora.min.js: ${gzipSync(script, { level: 9 }).length} bytes gzipped, ${script.length} minified`);
  assert.ok(reader.gzipped <= READER_BYTES_MAX, `createReader has ${reader.gzipped} bytes`);
  assert.ok(client.gzipped <= CLIENT_BYTES_MAX, `createClient has ${client.gzipped} bytes`);
  assert.ok((await sizeOf('import "@ahora/client";')).minified < 100, "an import that is not used costs nothing");
});

test("names made short are ours alone", () => {
  const language = [Object, Array, String, Number, Function, Map, Set, Promise, RegExp, Error, Uint8Array, Symbol, Math, JSON, globalThis, performance];
  const taken = new Set(language.flatMap((of) => [of, (of as { prototype?: object }).prototype ?? {}]).flatMap((of) => Object.getOwnPropertyNames(of)));
  const types = ["types", "client", "reader", "subscription", "error", "react", "kinds", "msgpack", "generated/kinds"].map((name) => `esm/${name}.d.ts`);
  const code = readdirSync(join(home, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const said = code.flatMap((name) => readFileSync(join(home, "src", name), "utf8").match(/"\w+"/g) ?? []);
  for (const name of INTERNAL) {
    const word = new RegExp(`\\b${name}\\b`);
    assert.ok(!taken.has(name), `${name} is a name of the language`);
    assert.ok(!said.includes(`"${name}"`), `${name} is a text, which is not made short`);
    for (const file of types) {
      const members = readFileSync(join(dist, file), "utf8").replace(/\/\*[^]*?\*\//g, "");
      assert.doesNotMatch(members, word, `${file} shows ${name} to apps`);
    }
  }
});

test("JSON only carries no codec", async () => {
  const { outputFiles } = await build({ stdin: { contents: 'export * from "@ahora/client";', resolveDir: place }, bundle: true, format: "esm", write: false });
  assert.doesNotMatch(outputFiles[0]?.text ?? "", /msgpack/i);
});

const USE = `
const client = createClient({ url: "http://127.0.0.1:1", WebSocket: class { close() {} } });
const sub = client.subscribe("stock/1/*");
console.log(sub.state, client.connection.state, waitBand({ availability: "available" }, 0).band, msgpack.name, typeof useTopic, new AhoraError("closed", "x").code);
client.close();`;
const SAID = "subscribing connecting now msgpack function closed";

test("as an ES module", () => {
  const imports = `import { createClient, AhoraError } from "@ahora/client"; import { waitBand } from "@ahora/client/kinds";
    import { msgpack } from "@ahora/client/msgpack"; import { useTopic } from "@ahora/client/react";`;
  assert.equal(run("use.mjs", imports + USE), SAID);
});

test("as CommonJS", () => {
  const requires = `const { createClient, AhoraError } = require("@ahora/client"); const { waitBand } = require("@ahora/client/kinds");
    const { msgpack } = require("@ahora/client/msgpack"); const { useTopic } = require("@ahora/client/react");`;
  assert.equal(run("use.cjs", requires + USE), SAID);
});

test("as a script tag, where there is neither a DOM nor Node", () => {
  const page = createContext({ setTimeout: () => 0, clearTimeout: () => {}, location: { origin: "https://shop.example", protocol: "https:" } });
  runInContext(readFileSync(join(dist, "ahora.min.js"), "utf8"), page);
  const code = 'const c = Ahora.createClient(); c.connect(); [typeof Ahora.quoteStay, c.connection.reason.code, c.connection.final].join()';
  assert.equal(runInContext(code, page), "function,no_websocket,true");
});

test("where there is no WebSocket, a typed error, and none that nobody catches", () => {
  const code = `import { createClient } from "@ahora/client"; delete globalThis.WebSocket;
    const c = createClient("http://127.0.0.1:1"); c.subscribe("a/b"); c.set("a/b", {}).catch((e) => console.log(e.code)); console.log(c.connection.reason.code);`;
  assert.equal(run("none.mjs", code), "no_websocket\nno_websocket");
});

test("types, for those who import and those who require", () => {
  const use = `
import { createClient, type Entry, type Stock } from "@ahora/client";
import { useTopic } from "@ahora/client/react";
const client = createClient("http://x");
const sku: string = "1";
const stock = client.subscribe(\`stock/\${sku}/*\`, { where: { available: { gte: 1 }, "position.lat": { lt: 5 } } });
const available: number | undefined = stock.get("x")?.data.available;
const entry: Entry<Stock> | undefined = stock.get("x");
const both = client.subscribe(["room/a/b/*", "order/1"]);
const any: unknown = client.subscribe(sku).get("x")?.data["anything"];
const named: number | undefined = client.subscribe<"stock">(sku).get("x")?.data.available;
const demand: number | undefined = client.subscribe("$demand/**").get("x")?.data.subscribers;
const status: string | undefined = useTopic("order/1").data?.status;
void client.adjust("stock/1/a", { available: -1 });
void client.patch("stock/1/a", { price: null }, { key: true, if_newer: true });
void client.patch(sku, { whatever: [1] });
// @ts-expect-error a text is no stock
void client.adjust("stock/1/a", { price: -1 });
// @ts-expect-error no such field
stock.get("x")?.data.availabel;
// @ts-expect-error required
void client.set("stock/1/a", {});
// @ts-expect-error it is frozen
if (entry) entry.data.available = 1;
export { available, any, named, demand, status, both };
`;
  writeFileSync(join(place, "types.mts"), use);
  writeFileSync(join(place, "types.cts"), use);
  const tsc = join(home, "node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022", "--lib", "es2022", "--types", ""];
  try {
    execFileSync(process.execPath, [tsc, ...flags, "types.mts", "types.cts"], { cwd: place, encoding: "utf8" });
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }
});

test("one dependency, exact versions, and a lock without hosts of our own", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as { version: string; dependencies: object; devDependencies: object; sideEffects: boolean };
  assert.deepEqual(Object.keys(manifest.dependencies), ["@msgpack/msgpack"]);
  assert.equal(manifest.sideEffects, false);
  assert.ok(readFileSync("src/connection.ts", "utf8").includes(`"ahora-js/${manifest.version}"`), "what hello says");
  for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version as string, /^\d+\.\d+\.\d+$/);
  }
  const hosts = readFileSync("package-lock.json", "utf8").match(/"resolved": "https?:\/\/[^/"]+/g) ?? [];
  assert.ok(hosts.every((host) => host.endsWith("//registry.npmjs.org")));
});

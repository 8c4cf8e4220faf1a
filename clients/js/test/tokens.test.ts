// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Real tokens, which the real broker looks at. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { type Client, createClient } from "../src/index.js";
import { tokenEnd } from "../src/token.js";
import { Broker, freePort, hasBroker, until } from "./support/broker.js";

const SECRET = "JbNR8zp2U3z48E3ML8eWJ-LHgFjBZnUIwj7Es_rFQL8yi73LdZSzhlQjedCqhxlt";
const place = mkdtempSync(join(tmpdir(), "ahora-keys-"));
const options = { skip: !hasBroker && "there is no broker to test with", timeout: 120_000 };
let broker: Broker;

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
function mint(lifeS: number, sub: string[] = ["stock/**"], pub: string[] = ["stock/**"]): string {
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: "HS256", typ: "JWT", kid: "shop" })}.${part({ sub: "anna", iat: now, exp: now + lifeS, ahora: { sub, pub } })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

before(async () => {
  mkdirSync(join(place, "keys"));
  writeFileSync(join(place, "keys/shop.hs256"), SECRET);
  broker = new Broker(await freePort(), { AUTH_KEYS: join(place, "keys"), AUTH_SKEW_MS: "0" });
  if (hasBroker) {
    await broker.start();
  }
});
after(async () => {
  await broker.fini();
  rmSync(place, { recursive: true, force: true });
});

function follow(client: Client) {
  const lines: string[] = [];
  client.on("state", ({ state, reason }) => lines.push(state === "disconnected" ? `${state} ${reason?.code}` : state));
  return { lines, sub: client.subscribe("stock/**") };
}

test("when a token ends is read from any payload, without what an engine may lack", () => {
  for (let i = 0; i < 200; i++) {
    const text = String.fromCodePoint(...Array.from({ length: i % 40 }, (_, at) => ((i * 131 + at * 7919) % 0xd000) + 32));
    assert.equal(tokenEnd(`x.${part({ [text]: text, exp: 1_800_000_000 + i })}.y`), (1_800_000_000 + i) * 1000, text);
  }
  for (const none of [undefined, "", "opaque", "a.b.c", `x.${part({ exp: "soon" })}.y`, `x.${part([])}.y`]) {
    assert.equal(tokenEnd(none), Infinity);
  }
});

test("a token that ends is renewed on the same line", options, async () => {
  const asked: string[] = [];
  const client = createClient({ url: broker.url, WebSocket, getToken: ({ reason }) => (asked.push(reason), mint(asked.length === 1 ? 8 : 600)) });
  const { lines, sub } = follow(client);
  await sub.ready();
  const firstEnds = Date.now() + 8_000;
  await until("the first token is over", () => Date.now() > firstEnds + 1_500);
  await client.set("stock/1/a", { available: 1 });
  await until("the change", () => sub.get("stock/1/a")?.data.available === 1);
  assert.deepEqual(asked, ["connect", "expiring"]);
  assert.deepEqual(lines, ["connecting", "connected"]);
  client.close();
});

test("one that could not be renewed is over: 4401, another one, and the subscription resumes", options, async () => {
  const asked: string[] = [];
  const never = new Promise<string>(() => {});
  const getToken = ({ reason }: { reason: string }) => {
    asked.push(reason);
    return reason === "expiring" ? never : mint(asked.length === 1 ? 2 : 600);
  };
  const client = createClient({ url: broker.url, WebSocket, getToken });
  const { lines, sub } = follow(client);
  const states: string[] = [];
  sub.on("state", (state) => states.push(state));
  await until("unauthorized, and back", () => lines.includes("disconnected unauthorized") && sub.state === "live");
  assert.ok(asked.includes("unauthorized"));
  assert.deepEqual(states, ["live", "behind", "subscribing", "live"]);
  client.close();
});

test("a token that is no token: the client stops, and says why", options, async () => {
  const client = createClient({ url: broker.url, WebSocket, token: "not.a.token" });
  const { lines, sub } = follow(client);
  await until("it stops", () => client.connection.final && client.connection.reason !== undefined);
  assert.equal(client.connection.reason?.code, "unauthorized");
  assert.equal(sub.state, "subscribing");
  await assert.rejects(client.set("stock/1/a", { available: 1 }), { code: "unauthorized", sent: false });
  assert.deepEqual(lines, ["connecting", "disconnected unauthorized"]);
  client.close();
});

test("what the token does not allow is refused, typed, and the line goes on", options, async () => {
  const client = createClient({ url: broker.url, WebSocket, token: mint(600, ["stock/1/*"], ["stock/1/*"]) });
  const allowed = client.subscribe("stock/1/*");
  const other = client.subscribe("room/**");
  await allowed.ready();
  await assert.rejects(other.ready(), { code: "forbidden" });
  await assert.rejects(client.set("stock/2/a", { available: 1 }), { code: "forbidden" });
  await client.set("stock/1/b", { available: 1 });
  assert.equal(client.connection.state, "connected");
  client.close();
});

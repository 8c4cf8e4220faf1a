// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Tokens that are asked for, end and are refused, scripted. Real ones: tokens.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AhoraError } from "../src/index.js";
import { settle } from "./support/fake.js";
import { scene } from "./support/scene.js";

const jwt = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.y`;

test("a token is asked for when one is needed, and kept as long as it holds", async () => {
  const asked: string[] = [];
  const { env, connect } = scene({ getToken: ({ reason }) => (asked.push(reason), "plain") });
  await connect();
  assert.equal(env.line.sent[0]?.token, "plain");
  env.line.events.close(1006, "");
  env.pass(1_000);
  await settle();
  env.line.open();
  assert.equal(env.line.sent[0]?.token, "plain");
  assert.deepEqual(asked, ["connect"]);
});

test("a token that ends is renewed in band, before it does", async () => {
  let minted = 0;
  const scenery = scene({ getToken: () => jwt({ iat: scenery.env.now() / 1000, exp: scenery.env.now() / 1000 + 400, n: ++minted }) });
  const { env, connect, client } = scenery;
  await connect();
  const first = env.line.sent[0]?.token;
  const beats = (ms: number) => {
    for (let i = 0; i < ms; i += 10_000) {
      env.pass(10_000);
      env.line.say({ op: "beat", seq: 5, now: env.now() });
    }
  };
  beats(330_000);
  await settle();
  assert.equal(env.line.last("auth"), undefined);
  beats(20_000);
  await settle();
  const auth = env.line.last("auth");
  assert.notEqual(auth?.token, first);
  env.line.say({ op: "ok", id: auth?.id });
  assert.equal(minted, 2);
  beats(350_000);
  await settle();
  assert.equal(env.line.all("auth").length, 2, "and again");
  assert.equal(client.connection.state, "connected");
});

test("a renewal that fails is told, and tried again not too fast", async () => {
  let asked = 0;
  const scenery = scene({
    getToken: () => {
      if (++asked > 1) {
        throw new Error("offline");
      }
      return jwt({ exp: scenery.env.now() / 1000 + 100 });
    },
  });
  const { env, connect, errors } = scenery;
  await connect();
  for (let i = 0; i < 10; i++) {
    env.pass(10_000);
    env.line.say({ op: "beat", seq: 5, now: env.now() });
    await settle();
  }
  assert.ok(asked > 2 && asked < 12, `${asked}`);
  assert.ok(errors.length > 0 && errors.every(({ code }) => code === "token_failed"));
});

test("4401: a new token at once, then with the back-off", async () => {
  const asked: string[] = [];
  const { env, client, connect, states } = scene({ getToken: ({ reason }) => (asked.push(reason), `t${asked.length}`) });
  await connect();
  env.pass(10_000);
  env.line.say({ op: "error", code: "unauthorized", detail: "the token is over" });
  env.line.events.close(4401, "unauthorized");
  assert.equal(client.connection.reason?.code, "unauthorized");
  assert.equal(client.connection.reason?.detail, "the token is over");
  env.pass(0);
  await settle();
  assert.equal(env.lines.length, 2);
  env.line.open();
  assert.equal(env.line.sent[0]?.token, "t2");
  for (let i = 0; i < 20; i++) {
    env.line.events.close(4401, "unauthorized");
    const wait = (client.connection.retryAt ?? 0) - env.now();
    assert.ok(wait >= 250, `${wait}`);
    env.pass(wait);
    await settle();
    env.line.open();
  }
  assert.deepEqual(new Set(asked.slice(1)), new Set(["unauthorized"]));
  assert.equal(states.filter(({ final }) => final).length, 0);
});

test("4401 without a way to get another token: for good, until connect", async () => {
  const { env, client, connect } = scene({ token: "only" });
  await connect();
  const waiting = client.set("stock/1/a", { available: 1 });
  env.line.events.close(4401, "unauthorized");
  await assert.rejects(waiting, AhoraError);
  assert.equal(client.connection.final, true);
  env.pass(1_000_000);
  assert.equal(env.lines.length, 1);
  await assert.rejects(client.set("stock/1/a", { available: 1 }), { code: "unauthorized", sent: false });
  client.connect();
  assert.equal(env.lines.length, 2);
});

test("getToken that throws, that gives no text, that never answers", async () => {
  for (const getToken of [() => Promise.reject(new Error("no")), () => 7 as unknown as string, () => new Promise<string>(() => {})]) {
    const { env, client } = scene({ getToken });
    client.connect();
    await settle();
    env.pass(30_000);
    assert.equal(client.connection.reason?.code, "token_failed");
    assert.equal(env.lines.length, 0);
  }
  const { env, connect } = scene({ getToken: () => null });
  await connect();
  assert.equal("token" in (env.line.sent[0] ?? {}), false, "null: none is needed");
});

test("refusals are counted anew by connect", async () => {
  const asked: string[] = [];
  const { env, client } = scene({ getToken: ({ reason }) => (asked.push(reason), "t") });
  client.connect();
  await settle();
  for (let i = 0; i < 2; i++) {
    env.pass(0);
    await settle();
    env.line.open();
    env.line.events.close(4401, "");
  }
  client.disconnect();
  client.connect();
  await settle();
  assert.deepEqual(asked, ["connect", "unauthorized", "connect"]);
  env.line.open();
  env.line.events.close(4401, "");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 0); // the first one again: at once
});

test("a renewal the broker refuses is told, and that token is not used again", async () => {
  const asked: string[] = [];
  const end = () => Math.floor(env.now() / 1000) + 3_600;
  const { env, errors, connect } = scene({ getToken: ({ reason }) => (asked.push(reason), jwt({ exp: end(), n: asked.length })) });
  await connect();
  env.line.say({ op: "beat", seq: 5, now: env.now() });
  for (let i = 0; i < 3_590 && !env.line.last("auth"); i++) {
    env.pass(1_000);
    env.line.say({ op: "beat", seq: 5, now: env.now() });
    await settle();
  }
  const auth = env.line.last("auth");
  assert.ok(auth);
  env.line.say({ op: "error", id: auth.id, code: "unauthorized", detail: "no" });
  assert.deepEqual(errors.map(({ code }) => code), ["unauthorized"]);
  env.line.events.close(1006, "");
  env.pass(500);
  await settle();
  assert.deepEqual(asked, ["connect", "expiring", "connect"]);
});

test("each line that held may be refused once without a wait; forbidden always waits", async () => {
  const { env, client, connect, greet } = scene({ getToken: () => "t" });
  const waitAfter = (code: number) => (env.line.events.close(code, ""), (client.connection.retryAt ?? 0) - env.now());
  await connect();
  for (let i = 0; i < 3; i++) {
    env.pass(6_000);
    assert.equal(waitAfter(4401), 0);
    env.pass(0);
    await settle();
    greet();
  }
  env.pass(6_000);
  assert.equal(waitAfter(4403), 250);
});

test("tokens that are over as soon as they come are not asked for in a fast loop", async () => {
  let asked = 0;
  const { env, connect } = scene({ getToken: () => (asked++, jwt({ exp: env.now() / 1000 })) });
  await connect();
  for (let i = 0; i < 100; i++) {
    env.pass(100);
    await settle();
  }
  assert.ok(asked >= 2 && asked <= 4, `${asked}`);
});

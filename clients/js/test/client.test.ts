// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* The client with a scripted line and a clock that only moves when told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AhoraError, type ClientOptions, createClient, type ConnectionState, type Entry, type SubscriptionEvent } from "../src/index.js";
import { FakeEnvironment, settle } from "./support/fake.js";

const WELCOME = { op: "welcome", session: "s", epoch: "e1", server: "x/1", limits: {}, beat_ms: 15_000, seq: 5, now: 1_800_000_000_000 };
type Fields = Record<string, unknown>;

function scene(options: ClientOptions = {}) {
  const env = new FakeEnvironment();
  const client = createClient({ url: "http://broker.example", environment: env, ...options });
  const states: ConnectionState[] = [];
  const errors: AhoraError[] = [];
  client.on("state", (state) => states.push(state));
  client.on("error", (error) => errors.push(error));
  const greet = (more: Fields = {}) => {
    env.line.open();
    env.line.say({ ...WELCOME, now: env.now(), ...more });
  };
  const connect = async (more: Fields = {}) => {
    client.connect();
    await settle();
    greet(more);
  };
  const follow = (match: string | string[], more: object = {}) => {
    const sub = client.subscribe(match, more);
    const told: unknown[] = [];
    sub.on("update", ({ topic, seq }) => told.push(`${topic}@${seq}`));
    sub.on("remove", ({ topic }, why) => told.push(`${topic} ${why}`));
    sub.on("stale", ({ topic }) => told.push(`${topic} stale`));
    sub.on("sync", (_, skipped) => told.push(`sync${skipped || ""}`));
    sub.on("state", (state) => told.push(state));
    return { sub, told };
  };
  const live = (resumed = false, seq = 5, ...data: object[]) => {
    const id = env.line.last("sub")?.id;
    env.line.say({ op: "subscribed", id, resumed }, ...data, { op: "live", id, seq });
  };
  return { env, client, states, errors, greet, connect, follow, live };
}

const set = (topic: string, ref: number, seq: number, data: object, more: object = {}) => ({ op: "set", topic, ref, seq, at: 1_000, data, ...more });
const patch = (ref: number, seq: number, data: object | undefined, more: object = {}) => ({ op: "patch", ref, seq, at: 2_000, data, ...more });

// ---- the line ----

test("nothing is opened before something is wanted", () => {
  const { env, client } = scene();
  assert.equal(env.lines.length, 0);
  assert.equal(client.connection.state, "disconnected");
  client.subscribe("stock/1/*");
  assert.equal(env.lines.length, 1);
  assert.equal(env.line.url, "ws://broker.example/v1/ws");
  assert.equal(env.line.protocol, "ahora.v1.json");
});

test("urls", () => {
  const urlOf = (url: string) => {
    const env = new FakeEnvironment();
    createClient({ url, environment: env }).connect();
    return env.line.url;
  };
  assert.equal(urlOf("https://a.example/"), "wss://a.example/v1/ws");
  assert.equal(urlOf("ws://[::1]:7600"), "ws://[::1]:7600/v1/ws");
  assert.equal(urlOf("https://a.example/live/"), "wss://a.example/live/v1/ws");
  assert.equal(urlOf("wss://a.example/v1/ws"), "wss://a.example/v1/ws");
  for (const url of ["", "a.example", "ftp://a.example", "http://u:p@a.example", "http://a.example?token=x", "http://a.example#x", "http:// a"]) {
    assert.throws(() => createClient(url), { code: "bad_url" }, url);
  }
  assert.throws(() => createClient(), { code: "bad_url" });
});

test("connecting, connected, disconnected with its reason, and again", async () => {
  const { env, client, states, connect } = scene({ name: "shop/2", source: "till-1", onLost: "delete", graceMs: 5_000 });
  await connect();
  assert.deepEqual(env.line.sent[0], { op: "hello", client: "shop/2", source: "till-1", on_lost: "delete", grace_ms: 5_000 });
  assert.equal(client.connection.epoch, "e1");
  env.line.events.close(1006, "");
  assert.deepEqual(states.map(({ state }) => state), ["connecting", "connected", "disconnected"]);
  assert.equal(states[2]?.reason?.code, "disconnected");
  assert.equal(states[2]?.final, false);
  assert.equal((states[2]?.retryAt ?? 0) - env.now(), 250); // half of 0 to 500 ms
  env.pass(249);
  assert.equal(env.lines.length, 1);
  env.pass(2);
  assert.equal(env.lines.length, 2);
  assert.equal(states.at(-1)?.state, "connecting");
  assert.equal(states.at(-1)?.reason?.code, "disconnected"); // why it is not connected yet
});

test("full jitter from 0.5 to 20 s, and from the start again after a line that held", async () => {
  const { env, client, connect, greet } = scene();
  env.chance = 0.999999;
  await connect();
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    env.line.events.close(1006, "");
    waits.push((client.connection.retryAt ?? 0) - env.now());
    env.pass(waits.at(-1) as number);
  }
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
  greet();
  env.pass(4_999);
  env.line.events.close(1006, "");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 20_000, "5 s are needed to count as a line that held");
  env.pass(20_000);
  greet();
  env.pass(5_000);
  env.line.events.close(1006, "");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 500);
});

test("a broker that greets and cuts at once is not met with a fast loop, whatever it says", async () => {
  const { env, connect, greet } = scene();
  await connect();
  for (let i = 0; i < 200; i++) {
    env.line.say({ op: "bye", reason: "x", retry_ms: 0 });
    env.line.events.close(1001, "");
    const lines = env.lines.length;
    env.pass(20_000);
    if (env.lines.length > lines) {
      greet();
    }
  }
  const before = env.lines.length;
  for (let passed = 0; passed < 600_000; passed += 1_000) {
    env.pass(1_000);
    if (env.line.closedWith === undefined && env.line.sent.length === 0) {
      greet();
      env.line.say({ op: "bye", reason: "x", retry_ms: 0 });
      env.line.events.close(1001, "");
    }
  }
  assert.ok(env.lines.length - before < 80, `${env.lines.length - before} lines in ten minutes`);
});

test("bye is obeyed", async () => {
  const { env, client, connect, states } = scene();
  await connect();
  env.pass(10_000);
  env.line.say({ op: "bye", reason: "draining", retry_ms: 4_211 });
  assert.equal(client.connection.state, "connected");
  env.line.events.close(1001, "");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 4_211);
  assert.equal(states.at(-1)?.reason?.code, "bye");
  env.page?.wake();
  assert.equal(env.lines.length, 1, "the broker asked for this wait: a page that is shown does not shorten it");
  env.pass(4_211);
  assert.equal(env.lines.length, 2);
});

test("an error that the session survived is not why it is lost later", async () => {
  const { env, client, connect, errors } = scene();
  await connect();
  env.line.say({ op: "error", code: "bad_message", detail: "x", retry_ms: 90_000 });
  assert.equal(errors[0]?.code, "bad_message");
  env.pass(10_000);
  env.line.say({ op: "beat", seq: 5, now: env.now() });
  env.line.events.close(1006, "");
  assert.equal(client.connection.reason?.code, "disconnected");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 250);
});

test("after bye the broker has 5 s to close", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.pass(10_000);
  env.line.say({ op: "beat", seq: 5, now: env.now() }, { op: "bye", reason: "draining", retry_ms: 100 });
  env.pass(5_000);
  assert.equal(client.connection.state, "disconnected");
  env.pass(100);
  assert.equal(env.lines.length, 2);
});

test("two beats of silence are the end of the line", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.pass(29_000);
  env.line.say({ op: "beat", seq: 6, now: env.now() });
  env.pass(29_999);
  assert.equal(client.connection.state, "connected");
  env.pass(1);
  assert.equal(client.connection.reason?.code, "silent");
  assert.notEqual(env.line.closedWith, undefined);
});

test("after a suspension the line is asked, and is dead if it does not answer in 5 s", async () => {
  for (const answers of [true, false]) {
    const { env, client, connect } = scene();
    await connect();
    env.suspend(3_600_000);
    assert.ok(env.line.last("ping"), "a late timer is our fault, not the line's");
    assert.equal(client.connection.state, "connected");
    env.pass(4_000);
    if (answers) {
      env.line.say({ op: "pong", id: env.line.last("ping")?.id, now: env.now() });
    }
    env.pass(1_000);
    assert.equal(client.connection.state, answers ? "connected" : "disconnected");
  }
});

test("a clock that jumps makes us ask, too", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.jump(3_600_000);
  env.pass(10_000);
  assert.ok(env.line.last("ping"));
  assert.equal(client.connection.state, "connected");
  env.line.say({ op: "pong", id: 1, now: env.now() });
  env.jump(-7_200_000);
  env.pass(10_000);
  assert.equal(env.line.all("ping").length, 2);
});

test("a page that is shown, or a network that is back, does not wait on", async () => {
  const { env, connect, greet } = scene();
  await connect();
  env.line.events.close(1006, "");
  env.page?.wake();
  assert.equal(env.lines.length, 2);
  greet();
  env.page?.wake();
  assert.ok(env.line.last("ping"), "a line that looks well is asked");
});

test("asleep while hidden, if asked", async () => {
  const { env, client, connect, follow, live } = scene({ sleepWhileHidden: 60_000 });
  const { sub } = follow("stock/1/*");
  await connect();
  live();
  const beat = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      env.pass(10_000);
      if (env.line.closedWith === undefined) {
        env.line.say({ op: "beat", seq: 5, now: env.now() });
      }
    }
  };
  env.page?.hidden(true);
  beat(50_000);
  env.page?.hidden(false);
  beat(30_000);
  assert.equal(client.connection.state, "connected");
  env.page?.hidden(true);
  beat(60_000);
  assert.equal(client.connection.reason?.code, "asleep");
  assert.equal(sub.state, "behind");
  env.pass(600_000);
  assert.equal(env.lines.length, 1);
  env.page?.hidden(false);
  env.page?.wake();
  assert.equal(env.lines.length, 2);
});

test("no sleep for who did not ask", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.page?.hidden(true);
  for (let i = 0; i < 100; i++) {
    env.pass(10_000);
    env.line.say({ op: "beat", seq: 5, now: env.now() });
  }
  assert.equal(client.connection.state, "connected");
});

test("no answer to the upgrade or to hello in 10 s", async () => {
  const { env, client } = scene();
  client.connect();
  env.pass(6_000);
  env.line.open();
  env.pass(4_000);
  assert.equal(client.connection.reason?.code, "connect_failed");
});

test("what the other side is not", async () => {
  const cases: [string, (env: FakeEnvironment) => void][] = [
    ["connect_failed", (env) => env.line.events.close(1006, "connect ECONNREFUSED 127.0.0.1:1")],
    ["wrong_protocol", (env) => env.line.events.close(1006, "Server sent no subprotocol")],
    ["wrong_protocol", (env) => env.line.events.close(1006, "Unexpected server response: 400")],
    ["connect_failed", (env) => env.line.events.close(1006, "Unexpected server response: 404")],
    ["wrong_protocol", (env) => env.line.open("ahora.v9.json")],
    ["wrong_protocol", (env) => env.line.open("")],
    ["bad_frame", (env) => (env.line.open(), env.line.events.frame("{"))],
    ["bad_frame", (env) => (env.line.open(), env.line.events.frame(new ArrayBuffer(3)))],
    ["bad_frame", (env) => (env.line.open(), env.line.say({ op: "welcome", epoch: "e1" }))],
    ["bad_frame", (env) => (env.line.open(), env.line.say({ ...WELCOME, epoch: "e 1" }))],
    ["bad_frame", (env) => (env.line.open(), env.line.say(WELCOME, WELCOME))],
    ["bad_frame", (env) => (env.line.open(), env.line.say(set("stock/1/a", 1, 1, {})))],
    ["bad_frame", (env) => (env.line.open(), env.line.say(WELCOME, patch(7, 1, {})))],
    ["bad_frame", (env) => (env.line.open(), env.line.say(WELCOME, { op: "party" }))],
    ["bad_frame", (env) => (env.line.open(), env.line.events.frame(`${JSON.stringify(WELCOME)}\n${"[".repeat(200_000)}`))],
    ["bad_frame", (env) => (env.line.open(), env.line.events.frame(`${JSON.stringify(WELCOME)}\n{"op":"set","topic":"stock/1/a","ref":1,"seq":1,"at":1,"data":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`))],
    ["bad_message", (env) => env.line.events.close(4400, "bad_message")],
    ["too_many", (env) => env.line.events.close(4429, "too_many")],
    ["overloaded", (env) => env.line.events.close(1013, "overloaded")],
    ["draining", (env) => (env.line.open(), env.line.say({ op: "error", code: "draining", detail: "x" }), env.line.events.close(1013, "draining"))],
  ];
  for (const [code, happens] of cases) {
    const { env, client, states } = scene();
    client.connect();
    happens(env);
    assert.equal(client.connection.state, "disconnected", code);
    assert.equal(client.connection.reason?.code, code);
    assert.equal(states.at(-1)?.final, false, "it may be another one next time");
    assert.ok(client.connection.reason instanceof AhoraError);
    env.pass(500);
    assert.equal(env.lines.length, 2);
  }
});

test("no WebSocket here: said at once, and for good", () => {
  const { env, client, states } = scene();
  env.openFails = new AhoraError("no_websocket", "x");
  client.connect();
  assert.equal(states.at(-1)?.reason?.code, "no_websocket");
  assert.equal(states.at(-1)?.final, true);
  env.pass(100_000);
  assert.equal(env.lines.length, 0);
});

test("a constructor that throws is a line that could not be opened", () => {
  const { env, client } = scene();
  env.openFails = new Error("SecurityError: mixed content");
  client.connect();
  assert.equal(client.connection.reason?.code, "connect_failed");
  assert.match(client.connection.reason?.detail ?? "", /mixed content/);
});

test("disconnect and connect", async () => {
  const { env, client, connect, follow, live, greet, states } = scene();
  const { sub, told } = follow("stock/1/*");
  await connect();
  live();
  client.disconnect();
  assert.equal(sub.state, "behind");
  assert.equal(states.at(-1)?.final, true);
  env.pass(1_000_000);
  assert.equal(env.lines.length, 1);
  client.connect();
  greet();
  assert.equal(env.line.last("sub")?.since, "e1-5");
  live(true, 6);
  assert.deepEqual(told, ["live", "sync", "behind", "subscribing", "live", "sync"]);
});

test("close ends everything, leaves no timer, and says so to who comes later", async () => {
  const { env, client, connect, follow } = scene();
  const { sub } = follow("stock/1/*");
  await connect();
  const waiting = client.set("stock/1/a", { available: 1 });
  env.line.waiting = 2_000_000;
  const unsent = client.set("stock/1/b", { available: 1 });
  client.close();
  assert.equal(sub.state, "unsubscribed");
  await assert.rejects(waiting, { code: "disconnected", sent: true });
  await assert.rejects(unsent, { code: "closed", sent: false });
  assert.equal(env.timers, 0);
  assert.equal(env.page, undefined);
  assert.throws(() => client.subscribe("stock/1/*"), { code: "closed" });
  await assert.rejects(client.get("stock/1/*"), { code: "closed" });
  client.close();
});

// ---- tokens ----

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

// ---- subscriptions ----

test("a snapshot, then changes; new objects only for what changed", async () => {
  const { env, connect, follow, live } = scene();
  const { sub, told } = follow("stock/1/*");
  const changes: unknown[] = [];
  sub.on("change", (snapshot) => changes.push(snapshot));
  await connect();
  assert.deepEqual(env.line.last("sub"), { op: "sub", id: env.line.last("sub")?.id, match: "stock/1/*" });
  assert.equal(sub.state, "subscribing");
  live(false, 5, set("stock/1/a", 1, 4, { available: 1, deep: { x: [1], y: 2 } }), set("stock/1/b", 2, 5, { available: 2 }));
  assert.deepEqual(told, ["stock/1/a@4", "stock/1/b@5", "live", "sync"]);
  assert.equal(changes.length, 1, "once for the batch");
  const before = sub.snapshot;
  assert.equal(sub.snapshot, before);
  const a = before.get("stock/1/a") as Entry<never>;
  env.line.say(patch(1, 6, { deep: { y: 3, z: null } }));
  const after = sub.snapshot;
  assert.notEqual(after, before);
  assert.deepEqual(before.get("stock/1/a"), a, "what was shown stays what it was");
  assert.deepEqual(after.get("stock/1/a")?.data, { available: 1, deep: { x: [1], y: 3 } });
  assert.equal(after.get("stock/1/b"), before.get("stock/1/b"));
  assert.equal((after.get("stock/1/a")?.data as Fields & { deep: { x: unknown } }).deep.x, (a.data as { deep: { x: unknown } }).deep.x);
  assert.throws(() => ((after.get("stock/1/a")?.data as { available: number }).available = 7));
  assert.throws(() => ((after.get("stock/1/a") as { seq: number }).seq = 7));
});

test("a merge patch is RFC 7396, and takes no prototype", async () => {
  const { env, connect, follow, live } = scene();
  const { sub } = follow("stock/1/a");
  await connect();
  live(false, 1, set("stock/1/a", 1, 1, { a: { b: 1 }, c: [1], d: 5 }));
  env.line.events.frame('{"op":"patch","ref":1,"seq":2,"at":1,"data":{"a":{"b":null,"e":{"f":null,"g":1}},"c":{"h":null,"i":2},"d":null,"__proto__":{"polluted":true}}}');
  const data = sub.get("stock/1/a")?.data as unknown as Fields;
  assert.deepEqual(JSON.stringify(data), '{"a":{"e":{"g":1}},"c":{"i":2},"__proto__":{"polluted":true}}');
  assert.equal(Object.getPrototypeOf(data), Object.prototype);
  assert.equal(({} as Fields).polluted, undefined);
});

test("a version that is not newer is not told again, and nothing goes back", async () => {
  const { env, connect, follow, live } = scene();
  const { sub, told } = follow("stock/1/*");
  await connect();
  live(false, 5, set("stock/1/a", 1, 5, { available: 5 }), set("stock/1/a", 1, 5, { available: 5 }), set("stock/1/a", 1, 4, { available: 4 }));
  const entry = sub.get("stock/1/a");
  env.line.say(patch(1, 5, { available: 1 }), patch(1, 3, { available: 2 }), { op: "remove", topic: "stock/1/a", seq: 4, why: "deleted" });
  assert.equal(sub.get("stock/1/a"), entry);
  assert.deepEqual(told, ["stock/1/a@5", "live", "sync"]);
  env.line.say({ op: "remove", topic: "stock/1/a", seq: 5, why: "left" }, set("stock/1/a", 2, 5, { available: 5 }));
  assert.deepEqual(told.slice(3), ["stock/1/a left", "stock/1/a@5"], "what left may come back as it was");
});

test("the same twice is one subscription on the wire", async () => {
  const { env, client, connect, live } = scene();
  const one = client.subscribe("stock/1/*", { where: { available: { gte: 1 }, price: { eq: "1" } } });
  const two = client.subscribe(["stock/1/*"], { where: { price: { eq: "1" }, available: { gte: 1 } } });
  await connect();
  assert.equal(env.line.all("sub").length, 1);
  live(false, 5, set("stock/1/a", 1, 4, { available: 1, price: "1" }));
  assert.equal(one.snapshot, two.snapshot);
  const three = client.subscribe("stock/1/*", { where: { available: { gte: 1 }, price: { eq: "1" } } });
  let synced = 0;
  three.on("sync", (snapshot) => (synced += snapshot.size));
  await settle();
  assert.equal(synced, 1, "who joins is told what is there");
  assert.equal((await three.ready()).size, 1);
  one.unsubscribe();
  three.unsubscribe();
  env.pass(1_000);
  assert.equal(env.line.all("unsub").length, 0);
  env.line.say(patch(1, 6, { available: 3 }));
  assert.equal(two.get("stock/1/a")?.seq, 6);
  assert.equal(one.state, "unsubscribed");
  two.unsubscribe();
  env.pass(249);
  assert.equal(env.line.all("unsub").length, 0, "it lingers");
  env.pass(1);
  assert.equal(env.line.all("unsub").length, 1);
});

test("who comes back soon finds it as it was", async () => {
  const { env, client, connect, follow, live } = scene();
  const { sub } = follow("stock/1/*");
  await connect();
  live(false, 5, set("stock/1/a", 1, 4, {}));
  sub.unsubscribe();
  env.pass(100);
  const again = client.subscribe("stock/1/*");
  assert.equal(again.state, "live");
  env.pass(10_000);
  assert.equal(env.line.all("unsub").length, 0);
  assert.equal(env.line.all("sub").length, 1);
});

test("AbortSignal", async () => {
  const { client, connect } = scene();
  const controller = new AbortController();
  const sub = client.subscribe("stock/1/*", { signal: controller.signal });
  await connect();
  controller.abort();
  assert.equal(sub.state, "unsubscribed");
  assert.equal(client.subscribe("stock/1/*", { signal: controller.signal }).state, "unsubscribed");
  await assert.rejects(client.set("stock/1/a", { available: 1 }, { signal: controller.signal }), { name: "AbortError" });
  const later = new AbortController();
  const waiting = client.get("stock/1/*", { signal: later.signal });
  later.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("after a cut: marked at once, resumed by token, and what did not change is confirmed", async () => {
  const { env, connect, follow, live, greet } = scene();
  const { sub, told } = follow("stock/1/*");
  await connect();
  live(false, 5, set("stock/1/a", 1, 3, { available: 1 }), set("stock/1/b", 2, 4, { available: 2 }), set("stock/1/c", 3, 5, {}, { stale: true }));
  env.line.say({ op: "beat", seq: 9, now: env.now() });
  const fresh = sub.snapshot;
  told.length = 0;
  env.line.events.close(1006, "");
  assert.deepEqual([...sub.snapshot.values()].map(({ stale }) => stale), ["disconnected", "disconnected", "overdue"]);
  assert.equal(sub.get("stock/1/a")?.fresh, false);
  assert.equal(fresh.get("stock/1/a")?.fresh, true, "what was shown stays what it was");
  env.pass(1_000);
  greet({ seq: 12 });
  assert.equal(env.line.last("sub")?.since, "e1-9", "the beat covered it");
  live(true, 12, set("stock/1/b", 1, 11, { available: 7 }));
  assert.deepEqual([...sub.snapshot.values()].map(({ stale, data }) => [stale, (data as { available?: number }).available]), [
    [false, 1],
    [false, 7],
    ["overdue", undefined],
  ]);
  assert.deepEqual(told, ["behind", "subscribing", "stock/1/b@11", "live", "sync"]);
  env.line.say(patch(1, 13, { available: 8 }));
  assert.equal(sub.get("stock/1/b")?.seq, 13);
});

test("a cut in the middle of a snapshot is not resumed; what did not come again is gone", async () => {
  const { env, connect, follow, live, greet } = scene();
  const { sub, told } = follow("stock/1/*", { since: "e0-3" });
  await connect();
  assert.equal(env.line.last("sub")?.since, "e0-3");
  const id = env.line.last("sub")?.id;
  env.line.say({ op: "subscribed", id, resumed: false }, set("stock/1/a", 1, 3, {}), set("stock/1/b", 2, 4, {}));
  assert.equal(sub.token, undefined);
  env.line.events.close(1006, "");
  env.pass(1_000);
  greet();
  assert.equal("since" in (env.line.last("sub") ?? {}), false);
  live(false, 9, set("stock/1/b", 1, 4, {}), set("stock/1/c", 2, 9, {}));
  assert.deepEqual([...sub.snapshot.keys()], ["stock/1/b", "stock/1/c"]);
  assert.ok(told.includes("stock/1/a gone"));
  assert.equal(sub.token, "e1-9");
});

test("another epoch: seqs mean nothing any more", async () => {
  const { env, connect, follow, live, greet } = scene();
  const { sub, told } = follow("stock/1/*");
  await connect();
  live(false, 900, set("stock/1/a", 1, 900, { available: 1 }), set("stock/1/b", 2, 800, {}));
  env.line.events.close(1006, "");
  env.pass(1_000);
  greet({ epoch: "e2", seq: 3 });
  assert.equal(env.line.last("sub")?.since, "e1-900", "the broker says whether it can");
  live(false, 3, set("stock/1/a", 1, 2, { available: 5 }));
  assert.deepEqual([...sub.snapshot.values()].map(({ topic, seq }) => `${topic}@${seq}`), ["stock/1/a@2"]);
  assert.ok(told.includes("stock/1/b gone"));
});

test("a resync while connected: forget, snapshot, live", async () => {
  const { connect, follow, live } = scene();
  const { sub } = follow("stock/1/*");
  await connect();
  live(false, 5, set("stock/1/a", 1, 3, {}), set("stock/1/b", 2, 4, {}));
  live(false, 9, set("stock/1/b", 2, 4, {}));
  assert.deepEqual([...sub.snapshot.keys()], ["stock/1/b"]);
});

test("stale and fresh again, by patches without data", async () => {
  const { env, connect, follow, live } = scene();
  const { sub, told } = follow("service/bike/*");
  await connect();
  live(false, 5, set("service/bike/1", 1, 5, { state: "available" }));
  const { data } = sub.get("service/bike/1") as Entry;
  env.line.say(patch(1, 6, undefined, { stale: true }));
  assert.equal(sub.get("service/bike/1")?.stale, "overdue");
  assert.equal(sub.get("service/bike/1")?.data, data);
  env.line.say(patch(1, 7, undefined));
  assert.equal(sub.get("service/bike/1")?.stale, false);
  assert.deepEqual(told, ["service/bike/1@5", "live", "sync", "service/bike/1 stale", "service/bike/1@7"]);
});

test("two subscriptions that overlap: each is shown its own", async () => {
  const { env, client, connect } = scene();
  const all = client.subscribe("stock/1/*");
  const some = client.subscribe("stock/1/*", { where: { available: { gte: 5 } } });
  const near = client.subscribe("stock/**", { near: { lat: 0, lon: 0, radius_m: 1_000, limit: 1 } });
  await connect();
  for (const { id } of env.line.all("sub")) {
    env.line.say({ op: "subscribed", id, resumed: false }, { op: "live", id, seq: 1 });
  }
  env.line.say(
    set("stock/1/a", 1, 2, { available: 9, position: { lat: 0.001, lon: 0 } }),
    set("stock/1/b", 2, 3, { available: 1, position: { lat: 0.002, lon: 0 } }),
    set("stock/1/c", 3, 4, { available: 7 }),
  );
  const keys = (sub: { snapshot: ReadonlyMap<string, unknown> }) => [...sub.snapshot.keys()].map((topic) => topic.slice(-1)).join("");
  assert.deepEqual([keys(all), keys(some), keys(near)], ["abc", "ac", "a"]);
  env.line.say(patch(1, 5, { available: 2, position: { lat: 0.003 } }), patch(2, 6, { available: 5 }));
  assert.deepEqual([keys(all), keys(some), keys(near)], ["abc", "cb", "b"]);
  some.unsubscribe();
  all.unsubscribe();
  env.pass(1_000);
  assert.equal(env.line.all("unsub").length, 2);
  env.line.say(patch(3, 7, { position: { lat: 80, lon: 80 } }));
  assert.equal(keys(near), "b", "something may be under way for those that ended");
});

test("a subscription that is refused", async () => {
  const { env, connect, follow, greet, client } = scene();
  const { sub, told } = follow("nothing/1/*");
  const codes: string[] = [];
  sub.on("error", ({ code }) => codes.push(code));
  await connect();
  const ready = sub.ready();
  env.line.say({ op: "error", id: env.line.last("sub")?.id, code: "unknown_kind", detail: "no such kind" });
  await assert.rejects(ready, { code: "unknown_kind" });
  assert.equal(sub.state, "unsubscribed");
  assert.equal(sub.error?.code, "unknown_kind");
  assert.deepEqual(codes, ["unknown_kind"]);
  assert.deepEqual(told, ["unsubscribed"]);
  env.line.events.close(1006, "");
  env.pass(1_000);
  greet();
  assert.equal(env.line.all("sub").length, 0);
  client.subscribe("nothing/1/*");
  assert.equal(env.line.all("sub").length, 1, "who asks again is asked for again");
});

test("refused for a passing reason: again when the broker says", async () => {
  const { env, connect, follow, live } = scene();
  const { sub } = follow("stock/1/*");
  await connect();
  env.line.say({ op: "error", id: env.line.last("sub")?.id, code: "overloaded", detail: "x", retry_ms: 2_000 });
  assert.equal(sub.state, "subscribing");
  assert.equal(sub.error?.code, "overloaded");
  env.pass(1_999);
  assert.equal(env.line.all("sub").length, 1);
  env.pass(1);
  assert.equal(env.line.all("sub").length, 2);
  live();
  assert.equal(sub.state, "live");
  assert.equal(sub.error, undefined);
});

test("only what has a circle can move", () => {
  const { client } = scene();
  assert.throws(() => client.subscribe("a/b").move({ lat: 0, lon: 0 }), { code: "invalid" });
});

test("move: one at a time, the last counts, and no token until it is live again", async () => {
  const { env, client, connect, live } = scene();
  const sub = client.subscribe("service/bike/**", { near: { lat: 1, lon: 1, radius_m: 500 } });
  await connect();
  live(false, 5, set("service/bike/1", 1, 5, { position: { lat: 1, lon: 1 } }));
  const id = env.line.last("sub")?.id;
  sub.move({ lat: 2, lon: 2 });
  sub.move({ lat: 3, lon: 3 });
  sub.move({ lat: 4, lon: 4, radius_m: 900 });
  assert.deepEqual(env.line.all("move").map(({ near }) => near), [{ lat: 2, lon: 2, radius_m: 500 }]);
  assert.equal(sub.token, undefined);
  env.line.say({ op: "ok", id }, { op: "live", id, seq: 6 });
  assert.deepEqual(env.line.last("move")?.near, { lat: 4, lon: 4, radius_m: 900 });
  assert.equal(sub.state, "subscribing", "that live was of the circle before");
  env.line.say({ op: "ok", id }, { op: "remove", topic: "service/bike/1", seq: 5, why: "left" }, { op: "live", id, seq: 7 });
  assert.equal(sub.state, "live");
  assert.equal(sub.snapshot.size, 0);
  assert.equal(sub.token, "e1-7");
});

test("who moves away from others gets a subscription of its own", async () => {
  const { env, client, connect, live } = scene();
  const near = { lat: 1, lon: 1, radius_m: 500 };
  const one = client.subscribe("service/bike/**", { near });
  const two = client.subscribe("service/bike/**", { near });
  await connect();
  live(false, 5, set("service/bike/1", 1, 5, { position: { lat: 1, lon: 1 } }));
  two.move({ lat: 2, lon: 2 });
  assert.equal(env.line.all("sub").length, 2);
  assert.equal(env.line.all("move").length, 0);
  assert.deepEqual([...two.snapshot.keys()], ["service/bike/1"], "what was shown stays until the new circle is complete");
  live(false, 6);
  assert.equal(two.snapshot.size, 0);
  assert.equal(one.snapshot.size, 1);
  assert.equal(one.state, "live");
});

test("a loop over events skips versions when it is slow, and ends on the newest", async () => {
  const { env, client, connect, live } = scene();
  const sub = client.subscribe("stock/1/*");
  await connect();
  const seen: string[] = [];
  const loop = (async () => {
    for await (const event of sub) {
      seen.push(event.type === "sync" ? "sync" : `${event.type} ${event.entry.seq}`);
      await settle();
    }
  })();
  await settle();
  live(false, 1, set("stock/1/a", 1, 1, {}));
  await settle();
  for (let seq = 2; seq <= 500; seq++) {
    env.line.say(patch(1, seq, { available: seq }));
  }
  for (let i = 0; i < 10; i++) {
    await settle();
  }
  assert.deepEqual(seen, ["update 1", "sync", "update 500"]);
  env.line.say(set("stock/1/b", 2, 601, {}), set("stock/1/c", 3, 602, {}), patch(2, 603, { available: 1 }));
  for (let i = 0; i < 10; i++) {
    await settle();
  }
  assert.deepEqual(seen.slice(3), ["update 602", "update 603"], "in the order of the newest");
  env.line.say({ op: "remove", topic: "stock/1/a", seq: 604, why: "deleted" });
  sub.unsubscribe();
  await loop;
  assert.equal(seen.at(-1), "remove 500");
});

test("a loop throws why the subscription was refused, and break ends it", async () => {
  const { env, client, connect, live } = scene();
  const sub = client.subscribe("stock/1/*");
  await connect();
  live();
  for await (const event of sub as AsyncIterable<SubscriptionEvent<unknown>>) {
    assert.equal(event.type, "sync");
    break;
  }
  assert.equal(sub.state, "live");
  const loop = (async () => {
    for await (const _ of client.subscribe("nothing/1/*")) {
      // never
    }
  })();
  env.line.say({ op: "error", id: env.line.last("sub")?.id, code: "unknown_kind", detail: "x" });
  await assert.rejects(loop, { code: "unknown_kind" });
});

test("a listener that throws harms nobody else", async () => {
  const { env, connect, follow, live, errors } = scene();
  const { sub, told } = follow("stock/1/*");
  sub.on("update", () => {
    throw new Error("the app's bug");
  });
  await connect();
  live(false, 1, set("stock/1/a", 1, 1, {}));
  assert.deepEqual(told, ["stock/1/a@1", "live", "sync"]);
  assert.equal(errors[0]?.code, "listener_failed");
  assert.equal((errors[0]?.cause as Error).message, "the app's bug");
  assert.equal(env.line.closedWith, undefined);
});

test("the age of an entry is by the broker's clock", async () => {
  const { env, connect, follow, live } = scene();
  const { sub } = follow("stock/1/*");
  await connect({ now: 1_900_000_000_000 });
  live(false, 1, { ...set("stock/1/a", 1, 1, {}), at: 1_900_000_000_000 - 5_000 });
  assert.equal(sub.get("stock/1/a")?.age, 5_000);
  env.pass(2_000);
  assert.equal(sub.get("stock/1/a")?.age, 7_000);
  env.line.say({ op: "beat", seq: 1, now: 1_900_000_001_500 });
  assert.equal(sub.get("stock/1/a")?.age, 7_000, "a message that came late makes nothing younger");
});

test("more documents than may be held cost the line", async () => {
  const { client, connect, follow, live } = scene({ documentsMax: 2 });
  follow("stock/1/*");
  await connect();
  live(false, 1, set("stock/1/a", 1, 1, {}), set("stock/1/b", 2, 2, {}), set("stock/1/c", 3, 3, {}));
  assert.equal(client.connection.reason?.code, "bad_frame");
});

// ---- publishing ----

test("a publish and its answers", async () => {
  const { env, client, connect } = scene();
  await connect();
  const one = client.patch("stock/1/a", { available: 2 }, { if_seq: 7, fresh_ms: 1_000, ack: "applied" });
  const pub = env.line.last("pub");
  assert.deepEqual(pub, {
    op: "pub",
    changes: [{ op: "patch", topic: "stock/1/a", data: { available: 2 }, if_seq: 7, fresh_ms: 1_000 }],
    ack: "applied",
    id: pub?.id,
  });
  env.line.say({ op: "published", id: pub?.id, results: [{ error: { code: "conflict", detail: "x", seq: 9 } }] });
  await assert.rejects(one, { name: "AhoraError", code: "conflict", seq: 9 });
  const list = client.publish([{ op: "touch", topic: "a/b" }, { op: "delete", topic: "a/c" }]);
  env.line.say({ op: "published", id: env.line.last("pub")?.id, results: [{ seq: 3 }, { error: { code: "not_found", detail: "x" } }] });
  const results = await list;
  assert.equal(results[0]?.seq, 3);
  assert.equal(results[1]?.error?.code, "not_found");
  const atomic = client.publish([{ op: "touch", topic: "a/b" }, { op: "delete", topic: "a/c" }], { atomic: true });
  env.line.say({
    op: "published",
    id: env.line.last("pub")?.id,
    results: [{ error: { code: "aborted", detail: "x" } }, { error: { code: "from_the_future", detail: "y" } }],
  });
  await assert.rejects(atomic, (error: AhoraError) => error.code === "internal" && error.index === 1 && error.results?.length === 2);
  const refused = client.get("a/*");
  env.line.say({ op: "error", id: env.line.last("get")?.id, code: "forbidden", detail: "x" });
  await assert.rejects(refused, { code: "forbidden" });
  const silent = client.publish([{ op: "touch", topic: "a/b" }], { ack: "none" });
  assert.deepEqual(await silent, [{ seq: 0 }]);
});

test("what JSON cannot say is refused before it is sent", async () => {
  const { env, client, connect } = scene();
  await connect();
  const cases: [unknown, string][] = [
    [{ op: "patch", topic: "stock/1/a", data: { price: NaN } }, "invalid"],
    [{ op: "patch", topic: "stock/1/a", data: { x: [{ y: Infinity }] } }, "invalid"],
    [{ op: "set", topic: "stock/1/a", data: { x: 1n } }, "invalid"],
    [{ op: "set", topic: "stock/1/a", data: { x: () => 1 } }, "invalid"],
  ];
  const circle: Fields = {};
  circle.self = circle;
  cases.push([{ op: "set", topic: "stock/1/a", data: circle }, "invalid"], [[{ op: "touch", topic: "a/b" }, { op: "set", topic: "a/c", data: { x: NaN } }], "invalid"]);
  for (const [change, code] of cases) {
    await assert.rejects(client.publish(change as never), { code, sent: false }, `${code}`);
  }
  assert.equal(env.line.all("pub").length, 0);
});

test("a cut: with keys it goes again, without it is not known", async () => {
  const { env, client, connect, greet } = scene();
  await connect();
  const keyed = client.adjust("stock/1/a", { available: -1 }, { key: "sale-1" });
  const plain = client.adjust("stock/1/b", { available: -1 });
  const got = client.get("stock/1/*");
  const made = client.publish([{ op: "touch", topic: "a/b" }, { op: "touch", topic: "a/c" }], { key: true });
  const keys = (env.line.last("pub")?.changes as { key: string }[]).map(({ key }) => key);
  assert.match(keys.join(), /^(.+)@0,\1@1$/);
  env.line.events.close(1006, "");
  await assert.rejects(plain, { code: "disconnected", sent: true });
  const later = client.touch("stock/1/c");
  env.pass(1_000);
  greet();
  assert.deepEqual(env.line.sent.map(({ op, changes }) => (changes ? (changes as { topic: string; key?: string }[]).map((c) => c.key ?? c.topic).join() : op)), [
    "hello",
    "sale-1",
    "get",
    keys.join(),
    "stock/1/c",
  ]);
  for (const { id, op, changes } of env.line.sent) {
    if (op === "pub") {
      env.line.say({ op: "published", id, results: (changes as []).map(() => ({ seq: 8 })) });
    } else if (op === "get") {
      env.line.say({ op: "snapshot", id, seq: 8, items: [{ topic: "stock/1/a", seq: 1, at: 1, data: {}, stale: true }], more: true });
    }
  }
  assert.deepEqual(await keyed, { seq: 8 });
  assert.deepEqual(await later, { seq: 8 });
  assert.equal((await made).length, 2);
  const { items, more } = await got;
  assert.equal(items[0]?.stale, "overdue");
  assert.equal(more, true);
});

test("not again in another epoch, after the keys are forgotten, or for the fifth time", async () => {
  for (const why of ["epoch", "time", "sends"]) {
    const { env, client, connect, greet } = scene();
    await connect();
    const keyed = client.adjust("stock/1/a", { available: -1 }, { key: "sale-1", timeoutMs: 10_000_000 });
    keyed.catch(() => {});
    for (let i = 0; i < (why === "sends" ? 4 : 1); i++) {
      env.line.events.close(1006, "");
      env.pass(why === "time" ? 8_000 : 10_000);
      if (why === "time") {
        for (let passed = 0; passed < 540_000; passed += 9_000) {
          env.pass(9_000);
        }
      }
      greet(why === "epoch" ? { epoch: "e2" } : {});
    }
    await assert.rejects(keyed, { code: "disconnected" }, why);
  }
});

test("too late, and a full outbox", async () => {
  const { env, client, connect } = scene({ outboxMax: 2, timeoutMs: 5_000 });
  const one = client.touch("a/b");
  const two = client.touch("a/c");
  await assert.rejects(client.touch("a/d"), { code: "outbox_full", sent: false });
  env.pass(5_000);
  await assert.rejects(one, { code: "timeout", sent: false });
  await assert.rejects(two, { code: "timeout", sent: false });
  await connect();
  const three = client.touch("a/e");
  env.pass(5_000);
  await assert.rejects(three, { code: "timeout", sent: true });
  env.line.say({ op: "published", id: env.line.last("pub")?.id, results: [{ seq: 1 }] });
  assert.equal(client.connection.state, "connected", "an answer that nobody waits for any more is none that breaks the protocol");
});

test("the broker's pauses, a leaving broker and a full socket hold publishes back", async () => {
  const { env, client, connect } = scene();
  await connect();
  const one = client.touch("a/b");
  env.line.say({ op: "published", id: env.line.last("pub")?.id, results: [{ error: { code: "rate_limited", detail: "x", retry_ms: 700 } }] });
  await assert.rejects(one, { code: "rate_limited", retryMs: 700 });
  void client.touch("a/c").catch(() => {});
  assert.equal(env.line.all("pub").length, 1);
  env.pass(700);
  assert.equal(env.line.all("pub").length, 2);
  env.line.waiting = 2_000_000;
  void client.touch("a/d").catch(() => {});
  env.pass(200);
  assert.equal(env.line.all("pub").length, 2);
  env.line.waiting = 0;
  env.pass(100);
  assert.equal(env.line.all("pub").length, 3);
  env.line.say({ op: "bye", reason: "draining", retry_ms: 1 });
  void client.touch("a/e").catch(() => {});
  assert.equal(env.line.all("pub").length, 3);
  client.close();
});

test("an answer that fits no question costs the line", async () => {
  const { env, client, connect } = scene();
  await connect();
  const one = client.publish([{ op: "touch", topic: "a/b" }]);
  env.line.say({ op: "published", id: env.line.last("pub")?.id, results: [] });
  assert.equal(client.connection.reason?.code, "bad_frame");
  await assert.rejects(one, { code: "disconnected" });
});

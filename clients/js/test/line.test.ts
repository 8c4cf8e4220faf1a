// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* The life of the line, scripted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AhoraError, createClient } from "../src/index.js";
import { FakeEnvironment, settle } from "./support/fake.js";
import { patch, scene, set, WELCOME } from "./support/scene.js";

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

test("who disconnects when it hears of connecting is obeyed", () => {
  const { env, client } = scene();
  client.on("state", ({ state }) => state === "connecting" && client.disconnect());
  client.connect();
  env.pass(60_000);
  assert.equal(env.lines.length, 0);
  assert.equal(client.connection.state, "disconnected");
  assert.equal(client.connection.final, true);
});

test("connect begins anew: attempts and waits are counted from there", () => {
  const { env, client } = scene();
  client.connect();
  for (let i = 0; i < 4; i++) {
    env.line.events.close(1006, "");
    env.pass((client.connection.retryAt ?? 0) - env.now());
  }
  assert.equal(client.connection.attempt, 5);
  client.disconnect();
  client.connect();
  assert.equal(client.connection.attempt, 1);
  env.line.events.close(1006, "");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 250);
});

test("a wait that is no number costs the line, and is not waited for", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.line.say({ op: "error", code: "overloaded", retry_ms: "soon" });
  assert.equal(client.connection.reason?.code, "bad_frame");
  env.pass(501);
  assert.equal(env.lines.length, 2);
});

test("what a former line still brings is ignored, and a token that comes when nobody connects any more", async () => {
  const { env, client, connect, greet } = scene();
  await connect();
  const former = env.line;
  client.disconnect();
  client.connect();
  former.open();
  former.events.frame('{"op":"nonsense"}');
  former.events.close(1006, "");
  assert.equal(client.connection.state, "connecting");
  assert.deepEqual(env.line.sent, []);
  greet();
  assert.equal(client.connection.state, "connected");

  let give = (_: string) => {};
  const late = scene({ getToken: () => new Promise<string>((resolve) => (give = resolve)) });
  late.client.connect();
  late.client.disconnect();
  give("t");
  await settle();
  assert.equal(late.env.lines.length, 0);
});

test("a beat of a millisecond is not taken at its word", async () => {
  const { env, client, connect } = scene();
  await connect({ beat_ms: 1 });
  env.pass(150);
  assert.equal(client.connection.state, "connected");
  env.pass(51);
  assert.equal(client.connection.reason?.code, "silent");
});

test("what was said before a welcome is not why the line is lost after it", async () => {
  const { env, client } = scene();
  client.connect();
  env.line.open();
  env.line.say({ op: "error", code: "draining", detail: "x" }, { ...WELCOME, now: env.now() });
  env.line.events.close(1006, "");
  assert.equal(client.connection.reason?.code, "disconnected");
});

test("who disconnects in the middle of a frame is told nothing more of it", async () => {
  const { env, client, connect, follow, live } = scene();
  await connect();
  const { sub, told } = follow("stock/1/*");
  live();
  sub.on("update", () => client.disconnect());
  env.line.say(set("stock/1/a", 1, 6, { n: 1 }), set("stock/1/b", 2, 7, { n: 1 }));
  assert.deepEqual([...sub.snapshot.keys()], ["stock/1/a"]);
  assert.ok(!told.includes("stock/1/b@7"));
  assert.equal(client.connection.reason?.code, "closed");
});

test("who disconnects when it hears of connected asks for nothing", async () => {
  const { env, client, connect, follow } = scene();
  follow("stock/1/*");
  client.on("state", ({ state }) => state === "connected" && client.disconnect());
  await connect();
  assert.deepEqual(env.line.all("sub"), []);
});

test("a wait of years is one of ten minutes", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.pass(6_000);
  env.line.say({ op: "bye", retry_ms: 1e12 });
  env.line.events.close(1001, "");
  assert.equal((client.connection.retryAt ?? 0) - env.now(), 600_000);
});

test("a broker whose clock was set back is believed", async () => {
  const { env, client, connect } = scene();
  await connect();
  env.line.say({ op: "beat", seq: 5, now: env.now() - 60_000 });
  assert.equal(client.now(), env.now() - 60_000);
});

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Publishes and gets until they are answered, scripted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AhoraError } from "../src/index.js";
import { type Fields, scene } from "./support/scene.js";

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

test("not again in another epoch, after the keys are forgotten, by the broker's clock either, or for the fifth time", async () => {
  for (const why of ["epoch", "time", "clock", "sends"]) {
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
      greet(why === "epoch" ? { epoch: "e2" } : why === "clock" ? { now: env.now() + 3_600_000 } : {});
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

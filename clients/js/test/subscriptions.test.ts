// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* What subscriptions show, scripted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Entry, type SubscriptionEvent } from "../src/index.js";
import { settle } from "./support/fake.js";
import { type Fields, patch, scene, set } from "./support/scene.js";

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

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Random publishes, cuts, stalls, moves and restarts from a seed; in the end what every client shows is what the broker holds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import WebSocket from "ws";
import { type AhoraError, type Client, createClient, type Entry, type Fields, type Subscription, type SubscribeOptions } from "../src/index.js";
import { msgpack } from "../src/msgpack.js";
import { Broker, freePort, hasBroker, until } from "./support/broker.js";
import { FaultyProxy } from "./support/proxy.js";

const SEEDS = (process.env.AHORA_SEEDS ?? "1,2,3").split(",").map(Number);
const STEPS = 120;

/** mulberry32: the same seed, the same run of our side. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Followed {
  sub: Subscription<Fields>;
  query: string;
  /** with what the margin of a circle may hold besides: who was inside leaves only beyond it */
  atMost: string;
}

/** Whatever order things come in, an app is never shown a topic that goes back, in one epoch. */
function watch(sub: Subscription<Fields>): void {
  const seqs = new Map<string, number>();
  sub.on("update", ({ topic, seq }) => {
    assert.ok(seq >= (seqs.get(topic) ?? 0), `${topic} went back from ${seqs.get(topic)} to ${seq}`);
    seqs.set(topic, seq);
  });
  sub.on("remove", ({ topic }) => seqs.delete(topic));
}

const queryOf = (match: string, { where, near }: SubscribeOptions<Fields>) =>
  `match=${encodeURIComponent(match)}${where ? `&where=${encodeURIComponent(JSON.stringify(where))}` : ""}${near ? `&near=${near.lat},${near.lon},${near.radius_m}` : ""}`;

const followedAs = (match: string, options: SubscribeOptions<Fields>) => {
  const { near } = options;
  const wider = near && { ...near, radius_m: near.radius_m + Math.max(10, near.radius_m * 0.05) };
  return { query: queryOf(match, options), atMost: queryOf(match, { ...options, near: wider }) };
};

const shown = (entries: ReadonlyMap<string, Entry<Fields>>) =>
  Object.fromEntries([...entries].sort().map(([topic, { seq, data, stale }]) => [topic, { seq, data, stale }]));

async function held(broker: Broker, query: string): Promise<object> {
  const response = await fetch(`${broker.url}/v1/topics?${query}`, { headers: { Accept: "application/x-ndjson" } });
  const items = (await response.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line) as { topic: string; seq: number; data: Fields; stale?: boolean });
  return Object.fromEntries(items.sort((a, b) => (a.topic < b.topic ? -1 : 1)).map(({ topic, seq, data, stale }) => [topic, { seq, data, stale: stale ? "overdue" : false }]));
}

class Town {
  followed: Followed[] = [];
  clients: Client[] = [];
  answers: Promise<unknown>[] = [];
  sales = 0;
  taken = 0;

  constructor(
    private readonly broker: Broker,
    private readonly proxy: FaultyProxy,
    private readonly random: () => number,
  ) {}

  #int = (below: number) => Math.floor(this.random() * below);
  #pick = <T>(list: readonly T[]): T => list[this.#int(list.length)] as T;
  #place = () => ({ lat: 50 + this.random() * 0.02, lon: 6 + this.random() * 0.02 });

  follow(client: Client, match: string, options: SubscribeOptions<Fields> = {}): void {
    const sub = client.subscribe(match, options as never) as unknown as Subscription<Fields>;
    watch(sub);
    this.followed.push({ sub, ...followedAs(match, options) });
  }

  #change(): object {
    const topic = this.#int(2) ? `stock/${this.#int(4)}/b${this.#int(6)}` : `service/bike/${this.#pick(["north", "south"])}/u${this.#int(8)}`;
    const data = topic.startsWith("stock") ? { available: this.#int(20), price: `${this.#int(99)}.50`, price_currency: "EUR" } : { num_available: this.#int(5), position: this.#place() };
    const op = this.#pick(["set", "set", "patch", "touch", "delete"]);
    return op === "set" || op === "patch" ? { op, topic, data } : { op, topic };
  }

  async #publish(): Promise<void> {
    const changes = Array.from({ length: 1 + this.#int(20) }, () => this.#change());
    await fetch(`${this.broker.url}/v1/publish`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ changes, ack: "applied" }) });
  }

  /** A sale with a key: whatever happens to the line, it is applied once. The client gives it up after five cuts; then the app says it again. */
  #sell(): void {
    const client = this.#pick(this.clients);
    const key = `sale-${++this.sales}`;
    const sell = async (): Promise<void> => {
      try {
        await client.adjust("stock/till/main", { available: -1 }, { key, timeoutMs: 50_000 });
        this.taken++;
      } catch (error) {
        assert.equal((error as AhoraError).code, "disconnected", `a sale with a key was not answered: ${String(error)}`);
        await sell();
      }
    };
    this.answers.push(sell());
  }

  async step(): Promise<void> {
    const dice = this.random();
    if (dice < 0.5) {
      await this.#publish();
    } else if (dice < 0.65) {
      this.#sell();
    } else if (dice < 0.8) {
      this.proxy.cut();
    } else if (dice < 0.85) {
      this.proxy.cutAfter(this.#int(6_000));
      this.proxy.cut();
    } else if (dice < 0.9) {
      this.proxy.stall();
      await this.#publish();
      await this.#publish();
      this.proxy.flow();
    } else if (dice < 0.95) {
      this.#move();
    } else if (dice < 0.98) {
      this.proxy.slow(0, 1 + this.#int(40));
    } else {
      await this.broker.kill();
      await this.broker.start();
    }
    await new Promise((done) => setTimeout(done, this.#int(30)));
  }

  #move(): void {
    const movers = this.followed.filter(({ query }) => query.includes("near="));
    const mover = this.#pick(movers);
    const near = { ...this.#place(), radius_m: 300 + this.#int(900) };
    mover.sub.move(near);
    Object.assign(mover, followedAs("service/bike/**", { near }));
  }
}

for (const seed of SEEDS) {
  test(`seed ${seed}`, { skip: !hasBroker && "there is no broker to test with", timeout: 180_000 }, async (t) => {
    const random = randomOf(seed);
    const port = await freePort();
    const broker = new Broker(port, { FRESHNESS_FRESH_MS: "service:0" });
    const proxy = new FaultyProxy(await freePort(), port);
    await broker.start();
    await proxy.start();
    const town = new Town(broker, proxy, random);
    const errors: string[] = [];
    try {
      await broker.publish([{ op: "set", topic: "stock/till/main", data: { available: 1_000 } }]);
      for (const codec of [undefined, msgpack]) {
        const client = createClient({ url: `http://127.0.0.1:${proxy.port}`, WebSocket, codec });
        client.on("error", (error) => errors.push(String(error.cause ?? error)));
        town.clients.push(client);
        town.follow(client, "stock/**");
        town.follow(client, "stock/1/*", { where: { available: { gte: 10 } } as never });
        town.follow(client, "stock/2/b3");
        town.follow(client, "stock/*/b1", { every: 40 });
        town.follow(client, "service/bike/**", { near: { lat: 50.01, lon: 6.01, radius_m: 700 } });
      }
      const alone = createClient({ url: `http://127.0.0.1:${proxy.port}`, WebSocket });
      town.clients.push(alone);
      town.follow(alone, "service/bike/**", { where: { num_available: { in: [1, 2] } } as never });
      for (let i = 0; i < STEPS; i++) {
        await town.step();
      }
      proxy.flow();
      await Promise.all(town.answers);
      for (const { sub, query, atMost } of town.followed) {
        const agree = async () => {
          const [least, most] = [await held(broker, query), await held(broker, atMost)];
          const mine = JSON.parse(JSON.stringify(shown(sub.snapshot))) as object;
          return sub.state === "live" && isDeepStrictEqual({ ...mine, ...least }, mine) && isDeepStrictEqual({ ...most, ...mine }, most);
        };
        try {
          await until(query, agree);
        } catch {
          assert.deepEqual({ state: sub.state, ...shown(sub.snapshot) }, { state: "live", ...(await held(broker, query)) }, query);
        }
      }
      const till = (await broker.read("stock/till/main")).get("stock/till/main")?.data as { available: number };
      assert.equal(till.available, 1_000 - town.taken, "each sale counts once");
      assert.deepEqual(errors, []);
      t.diagnostic(`${proxy.connections} lines, ${town.taken} sales, ${town.followed.length} subscriptions`);
    } finally {
      town.clients.forEach((client) => client.close());
      await proxy.fini();
      await broker.fini();
    }
  });
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* The driver of @ahora/client (tests/scenarios/README.md): commands in, events out, a line each. */
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { AhoraError, type Change, type Client, createClient, type Subscription } from "../../src/index.js";
import { msgpack } from "../../src/msgpack.js";

interface Command {
  do: string;
  url?: string;
  encoding?: string;
  token?: string;
  tokens?: string[];
  sub?: string;
  match?: string | string[];
  every_ms?: number;
  where?: object;
  near?: { lat: number; lon: number; radius_m: number };
  since?: string;
  pub?: string;
  changes?: Change[];
  atomic?: boolean;
  get?: string;
}

let client: Client;
const subs = new Map<string, Subscription<object>>();
const say = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
const codeOf = (error: unknown) => (error instanceof AhoraError ? error.code : String(error));

function open({ url, encoding, token, tokens }: Command): void {
  const getToken = tokens ? () => Promise.resolve((tokens.length > 1 ? tokens.shift() : tokens[0]) as string) : undefined;
  client = createClient({ url, token, getToken, WebSocket, codec: encoding === "msgpack" ? msgpack : undefined });
  client.on("state", ({ state, reason, final }) => {
    if (state === "connected") {
      say({ line: "connected" });
    } else if (state === "disconnected") {
      say({ line: final ? "stopped" : "disconnected", reason: reason?.code, detail: reason?.detail });
    }
  });
  client.on("error", (error) => say({ error: error.code, detail: error.detail }));
  client.connect();
}

function subscribe({ sub = "", match = "", every_ms, where, near, since }: Command): void {
  const handle = client.subscribe(match, { every: every_ms, where: where as never, near, since }) as Subscription<object>;
  subs.set(sub, handle);
  let state = handle.state;
  handle.on("state", (now) => {
    if (now === "behind") {
      say({ sub, event: "behind" });
    } else if (now === "subscribing" && state !== now) {
      say({ sub, event: "subscribed" });
    }
    state = now;
  });
  const set = ({ topic, seq, at, data, stale, age }: { topic: string; seq: number; at: number; data: object; stale: unknown; age: number }) =>
    say({ sub, event: "set", topic, seq, at, data, stale: stale !== false, age_ms: age });
  handle.on("update", set);
  handle.on("stale", (entry) => set(entry));
  handle.on("remove", ({ topic }, why) => say({ sub, event: "remove", topic, why }));
  handle.on("sync", (_, skipped) => say({ sub, event: "live", skipped }));
  handle.on("error", (error) => say({ sub, event: "refused", code: error.code }));
}

function publish({ pub, changes = [], atomic }: Command): void {
  client.publish(changes, { atomic }).then(
    (results) => say({ pub, results: results.map(({ seq, error }: { seq?: number; error?: AhoraError }) => (error ? { error: error.code } : { seq })) }),
    (error: unknown) => say({ pub, outcome: codeOf(error) }),
  );
}

function get({ get: name, match = "" }: Command): void {
  client.get(match).then(
    ({ items }) => say({ get: name, topics: items.map(({ topic }) => topic) }),
    (error: unknown) => say({ get: name, error: codeOf(error) }),
  );
}

const COMMANDS: Record<string, (command: Command) => void> = {
  open,
  subscribe,
  move: ({ sub = "", near }) => near && subs.get(sub)?.move(near),
  unsubscribe: ({ sub = "" }) => subs.get(sub)?.unsubscribe(),
  publish,
  get,
};

say({ driver: "js", can: ["msgpack", "tokens", "age"] });
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line) as Command;
    COMMANDS[command.do]?.(command);
  })
  .on("close", () => client?.close());

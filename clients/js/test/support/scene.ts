// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* A client with a scripted line and a clock that only moves when told, and what is mostly done with it. */
import { type AhoraError, type ClientOptions, createClient, type ConnectionState } from "../../src/index.js";
import { FakeEnvironment, settle } from "./fake.js";

export const WELCOME = { op: "welcome", session: "s", epoch: "e1", server: "x/1", limits: {}, beat_ms: 15_000, seq: 5, now: 1_800_000_000_000 };
export type Fields = Record<string, unknown>;

export function scene(options: ClientOptions = {}) {
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

export const set = (topic: string, ref: number, seq: number, data: object, more: object = {}) => ({ op: "set", topic, ref, seq, at: 1_000, data, ...more });
export const patch = (ref: number, seq: number, data: object | undefined, more: object = {}) => ({ op: "patch", ref, seq, at: 2_000, data, ...more });

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Messages of the broker: what must be in them (docs/protocol.md, section 4). Keys that are not named here are ignored. */
import { AhoraError, type ErrorCode, type FieldError, type PublishResult } from "./error.js";
import { type Fields, isFields } from "./merge.js";
import type { Why } from "./types.js";

export interface Item {
  topic: string;
  seq: number;
  at: number;
  data: Fields;
  stale?: boolean;
}

export interface ErrorBody {
  code: string;
  detail?: string;
  seq?: number;
  errors?: FieldError[];
  retry_ms?: number;
}

export type Reply =
  | { op: "welcome"; session: string; epoch: string; server: string; limits?: Record<string, number>; beat_ms: number; seq: number; now: number }
  | { op: "subscribed"; id: number; resumed: boolean }
  | ({ op: "set"; ref: number } & Item)
  | { op: "patch"; ref: number; seq: number; at: number; data?: Fields; stale?: boolean }
  | { op: "remove"; topic: string; seq: number; why: Why }
  | { op: "live"; id: number; seq: number; skipped?: number }
  | { op: "beat"; seq: number; now: number }
  | { op: "snapshot"; id: number; seq: number; items: Item[]; more?: boolean }
  | { op: "published"; id: number; results: ({ seq: number; error?: undefined } | { error: ErrorBody })[] }
  | { op: "ok"; id: number }
  | { op: "pong"; id: number; now: number }
  | ({ op: "error"; id?: number } & ErrorBody)
  | { op: "bye"; reason?: string; retry_ms: number };

type Check = (value: unknown) => boolean;
const integer: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const positive: Check = (value) => integer(value) && (value as number) > 0;
const text: Check = (value) => typeof value === "string";
const flag: Check = (value) => typeof value === "boolean";
const list: Check = Array.isArray;
const item: Check = (value) => isFields(value) && fits(value, ITEM);
const result: Check = (value) => isFields(value) && (positive(value.seq) || (isFields(value.error) && text(value.error.code)));
const optional = (check: Check): Check => (value) => value === undefined || check(value);
const listOf = (check: Check): Check => (value) => list(value) && (value as unknown[]).every(check);

type Shape = Record<string, Check>;
const ITEM: Shape = { topic: text, seq: positive, at: integer, data: isFields, stale: optional(flag) };
const WHYS = ["deleted", "expired", "left", "denied"];

const SHAPES: Record<string, Shape> = {
  welcome: { session: text, epoch: (value) => text(value) && /^[A-Za-z0-9]{1,32}$/.test(value as string), beat_ms: positive, seq: integer, now: integer },
  subscribed: { id: positive, resumed: flag },
  set: { ...ITEM, ref: positive },
  patch: { ref: positive, seq: positive, at: integer, data: optional(isFields), stale: optional(flag) },
  remove: { topic: text, seq: integer, why: (value) => WHYS.includes(value as string) },
  live: { id: positive, seq: integer, skipped: optional(integer) },
  beat: { seq: integer, now: integer },
  snapshot: { id: positive, seq: integer, items: listOf(item) },
  published: { id: positive, results: listOf(result) },
  ok: { id: positive },
  pong: { id: positive, now: integer },
  error: { code: text },
  bye: { retry_ms: integer },
};

function fits(value: object, shape: Shape): boolean {
  return Object.keys(shape).every((key) => (shape[key] as Check)((value as Record<string, unknown>)[key]));
}

/** Throws what is wrong with it. */
export function readReply(message: unknown): Reply {
  const shape = isFields(message) && text(message.op) && Object.hasOwn(SHAPES, message.op as string) ? SHAPES[message.op as string] : undefined;
  if (!shape || !fits(message as object, shape)) {
    const op = isFields(message) ? String(message.op).slice(0, 40) : typeof message;
    throw new TypeError(shape ? `a ${op} that lacks something` : `unknown message: ${op}`);
  }
  return message as unknown as Reply;
}

const CODES =
  "bad_message bad_topic bad_pattern unauthorized forbidden not_found unknown_kind conflict superseded out_of_range too_large invalid aborted " +
  "rate_limited too_many store_full overloaded draining internal";

/** Codes of a later version read as `internal`: programs know what to do with that. */
export function errorOf(body: ErrorBody): AhoraError {
  const code = CODES.split(" ").includes(body.code) ? (body.code as ErrorCode) : "internal";
  return new AhoraError(code, String(body.detail ?? code), {
    errors: Array.isArray(body.errors) ? body.errors : undefined,
    seq: body.seq,
    retryMs: body.retry_ms,
  });
}

export function resultOf(body: { seq: number; error?: undefined } | { error: ErrorBody }): PublishResult {
  return body.error ? { error: errorOf(body.error) } : { seq: body.seq };
}

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

/* Letters of the table below. */
const CHECKS: Record<string, Check> = {
  i: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  p: (value) => Number.isSafeInteger(value) && (value as number) > 0,
  t: (value) => typeof value === "string",
  b: (value) => typeof value === "boolean",
  m: isFields,
  a: Array.isArray,
  e: (value) => /^[a-z\d]{1,32}$/i.test(value as string),
  w: (value) => ["deleted", "expired", "left", "denied"].includes(value as string),
  I: (value) => Array.isArray(value) && value.every((item) => fits(item, ITEM)),
  R: (value) => Array.isArray(value) && value.every((result) => fits(result, "seq:p") || fits((result as Fields | null)?.error, SHAPES.error as string)),
};
const ITEM = "topic:t seq:p at:i data:m stale?b";

/** What must be there, `key:check`, and what may be, `key?check`. */
const SHAPES: Record<string, string> = {
  welcome: "session:t epoch:e beat_ms:p seq:i now:i",
  subscribed: "id:p resumed:b",
  set: `ref:p ${ITEM}`,
  patch: "ref:p seq:p at:i data?m stale?b",
  remove: "topic:t seq:i why:w",
  live: "id:p seq:i skipped?i",
  beat: "seq:i now:i",
  snapshot: "id:p seq:i items:I",
  published: "id:p results:R",
  ok: "id:p",
  pong: "id:p now:i",
  error: "code:t detail?t seq?i errors?a retry_ms?i",
  bye: "retry_ms:i",
};

function fits(value: unknown, shape: string): boolean {
  return (
    isFields(value) &&
    shape.split(" ").every((part) => {
      const [key, check] = part.split(/[:?]/) as [string, string];
      return (part.includes("?") && value[key] === undefined) || CHECKS[check]?.(value[key]);
    })
  );
}

/** Throws what is wrong with it. */
export function readReply(message: unknown): Reply {
  const op = String((message as Reply | null)?.op);
  if (!Object.hasOwn(SHAPES, op) || !fits(message, SHAPES[op] as string)) {
    throw new TypeError(`no message: ${op}`);
  }
  return message as Reply;
}

const CODES =
  "bad_message bad_topic bad_pattern unauthorized forbidden not_found unknown_kind conflict superseded out_of_range too_large invalid aborted " +
  "rate_limited too_many store_full overloaded draining internal";

/** Codes of a later version read as `internal`: programs know what to do with that. */
export function errorOf(body: ErrorBody): AhoraError {
  const code = CODES.split(" ").includes(body.code) ? (body.code as ErrorCode) : "internal";
  return new AhoraError(code, body.detail ?? code, { errors: body.errors, seq: body.seq, retryMs: body.retry_ms });
}

export function resultOf(body: { seq: number; error?: undefined } | { error: ErrorBody }): PublishResult {
  return body.error ? { error: errorOf(body.error) } : { seq: body.seq };
}

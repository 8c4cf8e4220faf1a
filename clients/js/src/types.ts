// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import type { AhoraError, FieldError } from "./error.js";
import type { Kinds } from "./index.js";
import type { Fields } from "./merge.js";

/** What the broker tells of demand (docs/protocol.md, Demand). */
export interface Demand {
  readonly subscribers: number;
  readonly every_ms: number;
  readonly since_at: number;
}

/** The document a topic or a pattern stands for, by its first segment. Kinds of your own: declare them in the interface `Kinds`. */
export type DocumentOf<P extends string> = P extends `$demand/${string}`
  ? Demand
  : P extends `${infer K}/${string}`
    ? K extends keyof Kinds
      ? Kinds[K]
      : Fields
    : Fields;

/** Why an entry is not to be trusted: its producer broke its promise, or we have no line and cannot know. */
export type Stale = false | "overdue" | "disconnected";

/** One document, as far as we know it. Frozen; another version of it is another object. */
export interface Entry<D = Fields> {
  readonly topic: string;
  /** the version: grows with each change of the topic */
  readonly seq: number;
  /** when it happened at its source: Unix milliseconds by the broker's clock */
  readonly at: number;
  readonly data: D;
  readonly stale: Stale;
  /** not stale */
  readonly fresh: boolean;
  /** milliseconds since `at`, by the broker's clock, now: another value each time it is read */
  readonly age: number;
}

/** As much of an AbortSignal as we need: not every platform has its type. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", run: () => void): void;
  removeEventListener(type: "abort", run: () => void): void;
}

export type Scalar = null | boolean | number | string;

export interface Condition {
  readonly eq?: Scalar;
  readonly ne?: Scalar;
  readonly lt?: number | string;
  readonly lte?: number | string;
  readonly gt?: number | string;
  readonly gte?: number | string;
  readonly in?: readonly Scalar[];
  readonly exists?: boolean;
}

/** Field (a name, a dotted path, or a JSON pointer) to condition; all must hold. */
export type Where<D = Fields> = { readonly [K in keyof D & string]?: Condition } & {
  readonly [path: `${string}.${string}` | `/${string}`]: Condition;
};

export interface Near {
  readonly lat: number;
  readonly lon: number;
  /** metres */
  readonly radius_m: number;
  /** only the nearest so many */
  readonly limit?: number | undefined;
}

/** What is left out stays as it was. */
export interface Move {
  readonly lat: number;
  readonly lon: number;
  readonly radius_m?: number | undefined;
}

export interface SubscribeOptions<D = Fields> {
  /** a token of an earlier subscription: what did not change since is not sent */
  since?: string | undefined;
  /** milliseconds: not more often than */
  every?: number | undefined;
  where?: Where<D> | undefined;
  near?: Near | undefined;
  signal?: Signal | undefined;
}

export type SubscriptionState = "subscribing" | "live" | "behind" | "unsubscribed";

/** `gone`: removed while we were away, or it no longer belongs to the view; the broker did not say why. */
export type Why = "deleted" | "expired" | "left" | "denied" | "gone";

export interface Update<D = Fields> {
  /** what was held before; undefined if the topic is new here */
  readonly previous: Entry<D> | undefined;
  /** the merge patch that was sent, if it was one */
  readonly patch: Fields | undefined;
}

export type SubscriptionEvent<D = Fields> =
  | { readonly type: "sync"; readonly snapshot: ReadonlyMap<string, Entry<D>>; readonly skipped: number }
  | ({ readonly type: "update"; readonly entry: Entry<D> } & Update<D>)
  | { readonly type: "stale"; readonly entry: Entry<D> }
  | { readonly type: "remove"; readonly entry: Entry<D>; readonly why: Why };

export interface SubscriptionEvents<D = Fields> {
  /** complete, and so again after each cut, each `move` and each time we were slow; `skipped` versions were passed over */
  sync: (snapshot: ReadonlyMap<string, Entry<D>>, skipped: number) => void;
  /** once for each batch in which anything changed, also `stale` of an entry */
  change: (snapshot: ReadonlyMap<string, Entry<D>>) => void;
  update: (entry: Entry<D>, update: Update<D>) => void;
  remove: (entry: Entry<D>, why: Why) => void;
  /** the producer broke its promise; a cut is told by `state` and `change` */
  stale: (entry: Entry<D>) => void;
  state: (state: SubscriptionState) => void;
  error: (error: AhoraError) => void;
}

export interface ConnectionState {
  readonly state: "connecting" | "connected" | "disconnected";
  /** why it is not connected */
  readonly reason?: AhoraError | undefined;
  /** when it tries again: Unix milliseconds by our clock */
  readonly retryAt?: number | undefined;
  /** attempts since the last line that held */
  readonly attempt: number;
  /** it does not try again by itself */
  readonly final: boolean;
  readonly epoch?: string | undefined;
  readonly session?: string | undefined;
  readonly server?: string | undefined;
  readonly limits?: Readonly<Record<string, number>> | undefined;
}

export interface ClientEvents {
  state: (connection: ConnectionState) => void;
  error: (error: AhoraError) => void;
}

// ---- publishing ----

export interface ChangeOptions {
  /** when it happened at the source: Unix milliseconds */
  at?: number | undefined;
  /** apply only if the topic's seq is exactly this; 0: only if it does not exist */
  if_seq?: number | undefined;
  /** apply only if `at` is later than the document's */
  if_newer?: boolean | undefined;
  /** idempotency key, 1 to 64 bytes */
  key?: string | undefined;
  fresh_ms?: number | undefined;
  expire_ms?: number | undefined;
}

type DeepPatch<D> = { readonly [K in keyof D]?: (D[K] extends object | undefined ? DeepPatch<D[K]> | D[K] : D[K]) | null };
type Integers<D> = { readonly [K in keyof D as NonNullable<D[K]> extends number ? K : never]?: number };

export type PatchOf<D> = D extends Fields ? Fields : DeepPatch<D>;
export type AdjustOf<D> = string extends keyof D ? Readonly<Record<string, number>> : Integers<D>;

export type Change =
  | ({ op: "set" | "patch"; topic: string; data: object } & ChangeOptions)
  | ({ op: "adjust"; topic: string; data: object } & ChangeOptions)
  | ({ op: "touch" | "delete"; topic: string } & ChangeOptions);

export interface PublishOptions {
  /** all changes, or none */
  atomic?: boolean | undefined;
  /** an idempotency key for those that have none: with it a publish is sent again after a cut. true: one is made up.
   *  Of a list each gets the key and `@` with its number. */
  key?: string | true | undefined;
  /** `durable`, the default: on disk. `applied`: a killed process does not lose it. `none`: not answered. */
  ack?: "durable" | "applied" | "none" | undefined;
  timeoutMs?: number | undefined;
  signal?: Signal | undefined;
}

export interface Published {
  /** 0 with `ack: "none"` */
  readonly seq: number;
}

export interface GetOptions<D = Fields> {
  where?: Where<D> | undefined;
  near?: Near | undefined;
  limit?: number | undefined;
  timeoutMs?: number | undefined;
  signal?: Signal | undefined;
}

export interface Got<D = Fields> {
  readonly seq: number;
  readonly items: readonly Entry<D>[];
  /** there are more than `limit`, or than the broker gives at once */
  readonly more: boolean;
}

// ---- what a client is made of ----

export type Frame = string | Uint8Array<ArrayBufferLike>;

/** Messages to and from frames. `decode` throws on what is no legal frame. */
export interface Codec {
  /** the end of the subprotocol's name */
  readonly name: string;
  encode(message: object): Frame;
  decode(frame: string | ArrayBuffer): unknown[];
}

/** One WebSocket. */
export interface Line {
  send(frame: Frame): void;
  close(code: number): void;
  /** bytes that wait for the network */
  readonly waiting: number;
}

export interface LineEvents {
  open(protocol: string): void;
  frame(frame: string | ArrayBuffer): void;
  /** exactly once, and nothing after it */
  close(code: number, reason: string): void;
}

/** Everything outside: tests give a scripted one. */
export interface Environment {
  open(url: string, protocol: string, events: LineEvents): Line;
  /** Unix milliseconds; may jump */
  now(): number;
  /** milliseconds that only grow; may stand still while the machine sleeps */
  ticks(): number;
  /** returns what cancels it */
  timer(run: () => void, ms: number): () => void;
  /** 0 up to but not including 1 */
  random(): number;
  /** hears of the page: returns what ends it */
  watch(page: { wake(): void; doubt(): void; hidden(hidden: boolean): void }): () => void;
}

export interface ClientOptions {
  /** http, https, ws or wss; without it the page's own origin */
  url?: string | undefined;
  /** a JWT that does not change; see getToken */
  token?: string | undefined;
  /** gives a JWT; called when one is needed, and again before it expires. null: none is needed */
  getToken?: ((context: { reason: "connect" | "expiring" | "unauthorized" }) => string | null | Promise<string | null>) | undefined;
  codec?: Codec | undefined;
  /** the constructor, where there is no global one */
  WebSocket?: unknown;
  /** what we say we are: name/version */
  name?: string | undefined;
  source?: string | undefined;
  onLost?: "stale" | "delete" | undefined;
  graceMs?: number | undefined;
  /** milliseconds: a page hidden for so long lets the line go until it is shown */
  sleepWhileHidden?: number | undefined;
  /** a publish or get without an answer is rejected after; 30,000 */
  timeoutMs?: number | undefined;
  /** a subscription nobody wants any more stays for so long, in case somebody comes back; 250 */
  lingerMs?: number | undefined;
  /** publishes and gets that may wait; 10,000 */
  outboxMax?: number | undefined;
  /** documents that may be held, against a broker that is none; 1,000,000 */
  documentsMax?: number | undefined;
  environment?: Environment | undefined;
}

export type { AhoraError, FieldError };

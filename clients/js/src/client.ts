// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { Calls } from "./calls.js";
import { readChanges, throwFirst } from "./changes.js";
import { json } from "./codec.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { HeldEntry } from "./entry.js";
import { environmentOf, pageOrigin } from "./environment.js";
import { AhoraError, type PublishResult } from "./error.js";
import { Feed, type View } from "./feed.js";
import { freeze } from "./merge.js";
import { Mirror } from "./mirror.js";
import { parseToken, patternFault } from "./name.js";
import { errorOf, type Reply, resultOf } from "./reply.js";
import { Subscription, type SubscriptionOwner } from "./subscription.js";
import type {
  AdjustOf, Change, ChangeOptions, ClientEvents, ClientOptions, Codec, ConnectionState, DocumentOf, Entry, Environment, GetOptions, Got,
  Near, PatchOf, Published, PublishOptions, Signal, SubscribeOptions,
} from "./types.js";
import type { Kinds } from "./index.js";

const PATTERNS_MAX = 64;

type Single = ChangeOptions & Pick<PublishOptions, "ack" | "timeoutMs" | "signal"> & { key?: string | true | undefined };

/** http://host -> ws://host/v1/ws. Throws `bad_url`. */
export function endpointOf(url: string | undefined): string {
  const parts = /^(http|ws)(s?):\/\/([^/?#@\s]+)((?:\/[^?#\s]*)?)$/i.exec(url ?? pageOrigin() ?? "");
  if (!parts) {
    throw new AhoraError("bad_url", url === undefined ? "no url was given, and there is no page to take it from" : `not an address of a broker: ${url}`);
  }
  const [, , secure, host, path] = parts as unknown as [string, string, string, string, string];
  const base = path.replace(/\/+$/, "");
  return `ws${secure.toLowerCase()}://${host}${base.endsWith("/v1/ws") ? base : `${base}/v1/ws`}`;
}

export class Client {
  #env: Environment;
  #codec: Codec;
  #connection: Connection;
  #mirror: Mirror;
  #calls: Calls;
  #emitter: Emitter<ClientEvents>;
  #lastId = 0;
  #closed = false;
  #failing = false;
  #timeoutMs: number;
  #lingerMs: number;
  #lingering = new Map<Feed, () => void>();
  #handles = new Set<Subscription<never>>();
  #cancelResend: (() => void) | undefined;
  #now = () => this.#connection.now();

  constructor(options: ClientOptions = {}) {
    const url = endpointOf(options.url);
    this.#env = options.environment ?? environmentOf(options.WebSocket);
    this.#codec = options.codec ?? json;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#lingerMs = options.lingerMs ?? 250;
    this.#emitter = new Emitter((error) => this.#failed(error));
    const nextId = () => ++this.#lastId;
    const ticks = () => this.#env.ticks();
    const isReady = () => this.#connection.isReady;
    const send = (message: object) => this.#connection.send(message);
    this.#connection = new Connection(url, this.#codec, options, this.#env, {
      state: (state) => this.#onState(state),
      fault: (error) => this.#fault(error),
      ready: (sameEpoch) => {
        this.#mirror.ready(sameEpoch);
        this.#calls.ready(sameEpoch);
      },
      reply: (reply) => this.#reply(reply),
      flush: () => this.#mirror.flush(),
      lost: () => {
        this.#mirror.lost();
        this.#calls.lost();
      },
      busy: () => this.#calls.count > 0,
      nextId,
    });
    this.#mirror = new Mirror(options.documentsMax ?? 1_000_000, {
      now: this.#now,
      ticks,
      epoch: () => this.#connection.epoch,
      isReady,
      send,
      nextId,
      arm: () => this.#armResend(),
    });
    this.#calls = new Calls(options.outboxMax ?? 10_000, {
      ticks,
      timer: (run, ms) => this.#env.timer(run, ms),
      isOpen: () => isReady() && !this.#connection.isLeaving,
      waiting: () => this.#connection.waiting,
      encode: (message) => this.#codec.encode(message),
      send: (frame) => this.#connection.sendFrame(frame),
      nextId,
    });
  }

  // ---- the line ----

  get connection(): ConnectionState {
    return this.#connection.state;
  }

  /** Returns what takes the listener away. */
  on<K extends keyof ClientEvents>(event: K, listener: ClientEvents[K]): () => void {
    return this.#emitter.on(event, listener);
  }

  /** Also after `disconnect`, or after the broker refused us for good. Otherwise the first subscribe, publish or get connects. */
  connect(): void {
    this.#assertOpen();
    this.#connection.connect();
  }

  /** Until `connect`. Subscriptions stay, and are behind; calls that wait are rejected. */
  disconnect(): void {
    this.#disconnect("disconnect was called");
  }

  /** For good: subscriptions end, calls are rejected. */
  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      for (const handle of [...this.#handles]) {
        handle.unsubscribe();
      }
      for (const cancel of this.#lingering.values()) {
        cancel();
      }
      this.#lingering.clear();
      this.#cancelResend?.();
      this.#disconnect("close was called");
    }
  }

  #disconnect(detail: string): void {
    const reason = new AhoraError("closed", detail);
    this.#calls.cancel(reason);
    this.#connection.disconnect(reason);
  }

  /** The broker's clock, Unix milliseconds, as far as it can be known here. */
  now(): number {
    return this.#connection.now();
  }

  // ---- subscriptions ----

  subscribe<const P extends string>(match: P | readonly P[], options?: SubscribeOptions<DocumentOf<P>>): Subscription<DocumentOf<P>>;
  subscribe<K extends keyof Kinds>(match: string | readonly string[], options?: SubscribeOptions<Kinds[K]>): Subscription<Kinds[K]>;
  subscribe(match: string | readonly string[], options?: SubscribeOptions<never>): unknown {
    this.#assertOpen();
    const view = viewOf(match, options ?? {});
    const signal = options?.signal;
    const feed = signal?.aborted ? new Feed(0, "", view) : this.#mirror.find(view);
    const handle = new Subscription<never>(feed, this.#owner, signal);
    if (handle.state !== "unsubscribed") {
      this.#lingering.get(feed)?.();
      this.#lingering.delete(feed);
      this.#handles.add(handle);
      const off = handle.on("state", (state) => {
        if (state === "unsubscribed") {
          off();
          this.#handles.delete(handle);
        }
      });
      this.#connection.want();
    }
    return handle;
  }

  #owner: SubscriptionOwner = {
    failed: (error) => this.#failed(error),
    soon: (run) => void Promise.resolve().then(run),
    leave: (feed) => this.#leave(feed),
    move: (feed, to) => {
      if (feed.listeners.size > 1) {
        return this.#mirror.fork(feed, to);
      }
      this.#mirror.move(feed, to);
      return feed;
    },
  };

  /** Kept for a moment: a page that goes from one view to the next often wants the same again. */
  #leave(feed: Feed): void {
    if (feed.listeners.size > 0 || !this.#mirror.feeds.has(feed.id)) {
      return;
    }
    if (this.#closed) {
      this.#mirror.drop(feed);
      return;
    }
    this.#lingering.get(feed)?.();
    const cancel = this.#env.timer(() => {
      this.#lingering.delete(feed);
      if (feed.listeners.size === 0) {
        this.#mirror.drop(feed);
      }
    }, this.#lingerMs);
    this.#lingering.set(feed, cancel);
  }

  #armResend(): void {
    this.#cancelResend?.();
    this.#cancelResend = undefined;
    const at = this.#connection.isReady ? this.#mirror.deadline : Infinity;
    if (at < Infinity) {
      this.#cancelResend = this.#env.timer(() => this.#mirror.resend(), Math.max(0, Math.ceil(at - this.#env.ticks())));
    }
  }

  // ---- publishing ----

  publish(change: Change, options?: PublishOptions): Promise<Published>;
  publish(changes: readonly Change[], options: PublishOptions & { atomic: true }): Promise<Published[]>;
  publish(changes: readonly Change[], options?: PublishOptions): Promise<PublishResult[]>;
  async publish(given: Change | readonly Change[], options: PublishOptions = {}): Promise<Published | Published[] | PublishResult[]> {
    const isList = Array.isArray(given);
    const list = (isList ? given : [given]) as readonly Change[];
    const { atomic, ack } = options;
    const changes = readChanges(list, isList, options, () => this.#makeKey());
    const message = { op: "pub", changes, atomic: atomic || undefined, ack };
    const reply = await this.#call(
      message,
      { repeatable: changes.every(({ key }) => key !== undefined), changes: changes.length, silent: ack === "none", ...options },
    );
    if (reply?.op !== "published") {
      return isList ? changes.map(() => ({ seq: 0 })) : { seq: 0 };
    }
    const results = reply.results.map(resultOf);
    if (!isList && results[0]?.error) {
      throw results[0].error;
    }
    if (atomic) {
      throwFirst(results);
    }
    return isList ? results : (results[0] as Published);
  }

  /** Replaces the document. */
  set<const P extends string>(topic: P, data: DocumentOf<P>, options: Single = {}): Promise<Published> {
    return this.#single({ op: "set", topic, data: data as object }, options);
  }

  /** Merges (RFC 7396): null removes a field. */
  patch<const P extends string>(topic: P, data: PatchOf<DocumentOf<P>>, options: Single = {}): Promise<Published> {
    return this.#single({ op: "patch", topic, data: data as object }, options);
  }

  /** Adds to integer fields, within their bounds. */
  adjust<const P extends string>(topic: P, data: AdjustOf<DocumentOf<P>>, options: Single = {}): Promise<Published> {
    return this.#single({ op: "adjust", topic, data: data as object }, options);
  }

  /** "Still so": renews freshness. */
  touch(topic: string, options: Single = {}): Promise<Published> {
    return this.#single({ op: "touch", topic }, options);
  }

  delete(topic: string, options: Single = {}): Promise<Published> {
    return this.#single({ op: "delete", topic }, options);
  }

  #single(change: Change, { ack, timeoutMs, signal, key, ...rest }: Single): Promise<Published> {
    return this.publish({ ...change, ...rest }, { ack, timeoutMs, signal, key });
  }

  #makeKey(): string {
    const part = () => Math.floor(this.#env.random() * 2 ** 48).toString(36);
    return `${part()}.${part()}`;
  }

  // ---- reading once ----

  async get<const P extends string>(match: P | readonly P[], options: GetOptions<DocumentOf<P>> = {}): Promise<Got<DocumentOf<P>>> {
    const { where, near, limit } = options;
    const view = viewOf(match, { where, near });
    const message = { op: "get", match: view.match, where, near, limit };
    const reply = await this.#call(message, { repeatable: true, changes: 0, silent: false, ...options });
    if (reply?.op !== "snapshot") {
      throw new AhoraError("internal", "no snapshot came");
    }
    const items = reply.items.map(({ topic, seq, at, data, stale }) => new HeldEntry(this.#now, topic, seq, at, freeze(data), stale ? "overdue" : false));
    return { seq: reply.seq, items: items as unknown as Entry<DocumentOf<P>>[], more: reply.more ?? false };
  }

  #call(
    message: object & { op: string },
    call: { repeatable: boolean; changes: number; silent: boolean; timeoutMs?: number | undefined; signal?: Signal | undefined },
  ) {
    this.#assertOpen();
    const { state } = this.#connection;
    if (state.final && state.reason) {
      throw new AhoraError(state.reason.code, state.reason.detail, { sent: false });
    }
    const { repeatable, changes, silent, timeoutMs = this.#timeoutMs, signal } = call;
    const answer = this.#calls.make({ message, repeatable, changes, silent, timeoutMs, signal });
    this.#connection.want();
    return answer;
  }

  // ---- what happens ----

  #reply(reply: Reply): void {
    if (this.#mirror.reply(reply) || this.#calls.reply(reply)) {
      return;
    }
    if (reply.op === "error" && !reply.id) {
      this.#fault(errorOf(reply));
    }
  }

  #onState(state: ConnectionState): void {
    if (state.final && state.reason) {
      this.#calls.cancel(state.reason);
    }
    this.#emitter.emit("state", state);
  }

  #fault(error: AhoraError): void {
    this.#emitter.emit("error", error);
  }

  /** A listener of the app threw: its bug must not look like ours, and must not be lost. */
  #failed(cause: unknown): void {
    if (!this.#failing && this.#emitter.has("error")) {
      this.#failing = true; // the listener for errors may throw, too
      this.#emitter.emit("error", new AhoraError("listener_failed", String((cause as Error)?.message ?? cause), { cause }));
      this.#failing = false;
      return;
    }
    this.#env.timer(() => {
      throw cause;
    }, 0);
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new AhoraError("closed", "close was called");
    }
  }
}

function isCircle(near: Near): boolean {
  const { lat, lon, radius_m, limit = 1 } = near;
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && radius_m > 0 && radius_m <= 20_000_000 && Number.isInteger(limit) && limit > 0;
}

/** Throws AhoraError for what no broker would take. */
function viewOf(match: string | readonly string[], options: SubscribeOptions<never>): View {
  const patterns = typeof match === "string" ? [match] : [...match];
  if (patterns.length === 0 || patterns.length > PATTERNS_MAX) {
    throw new AhoraError("bad_pattern", `1 to ${PATTERNS_MAX} patterns at a time`);
  }
  for (const pattern of patterns) {
    const fault = patternFault(pattern);
    if (fault) {
      throw new AhoraError("bad_pattern", `\`${pattern}\` ${fault}`);
    }
  }
  const { since, every, where, near } = options;
  if (near && !isCircle(near)) {
    throw new AhoraError("invalid", "`near` is no circle");
  }
  if (every !== undefined && !(Number.isInteger(every) && every >= 0)) {
    throw new AhoraError("invalid", "`every` must be whole milliseconds");
  }
  return { match: patterns, since: since !== undefined && parseToken(since) ? since : undefined, every, where, near };
}

/** A client, and nothing sent yet: it connects when something is wanted of it. */
export function createClient(options: ClientOptions | string = {}): Client {
  return new Client(typeof options === "string" ? { url: options } : options);
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { json } from "./codec.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { environmentOf, pageOrigin } from "./environment.js";
import { AhoraError } from "./error.js";
import { Feed } from "./feed.js";
import { Mirror } from "./mirror.js";
import { errorOf, type Reply } from "./reply.js";
import { Subscription } from "./subscription.js";
import type { ClientEvents, ClientOptions, ConnectionState, DocumentOf, Environment, SubscribeOptions } from "./types.js";
import type { Kinds } from "./index.js";

/** What more a client may do with the line: publishes and gets. */
export interface Extension {
  ready(sameEpoch: boolean): void;
  lost(): void;
  /** True if the message was for it. */
  reply(reply: Reply): boolean;
  /** The line does not come back by itself. */
  cancel(reason: AhoraError): void;
  busy(): boolean;
}

/** http://host -> ws://host/v1/ws. Throws `bad_url`. */
export function endpointOf(url: string | undefined): string {
  const parts = /^(http|ws)(s?):\/\/([^/?#@\s]+)((?:\/[^?#\s]*)?)$/i.exec(url ?? pageOrigin() ?? "");
  if (!parts) {
    throw new AhoraError("bad_url", `${url ?? "none, and no page to take it from"}`);
  }
  const [, , secure, host, path] = parts as unknown as [string, string, string, string, string];
  const base = path.replace(/\/+$/, "");
  return `ws${secure.toLowerCase()}://${host}${base.endsWith("/v1/ws") ? base : `${base}/v1/ws`}`;
}

/** The core: the line, and subscriptions. Whoever only shows documents needs no more. */
export class Reader {
  readonly #env: Environment;
  readonly #connection: Connection;
  readonly #mirror: Mirror;
  readonly #extension: Extension | undefined;
  readonly #emitter: Emitter<ClientEvents>;
  #closed = false;
  #failing = false;

  constructor(options: ClientOptions = {}, extend?: (connection: Connection) => Extension) {
    this.#env = options.environment ?? environmentOf(options.WebSocket);
    this.#emitter = new Emitter(this.#failed);
    this.#connection = new Connection(endpointOf(options.url), options.codec ?? json, options, this.#env, {
      state: (state) => this.#onState(state),
      fault: (error) => this.#emitter.emit("error", error),
      ready: (sameEpoch) => {
        this.#mirror.ready(sameEpoch);
        this.#extension?.ready(sameEpoch);
      },
      reply: (reply) => this.#reply(reply),
      flush: () => this.#mirror.flush(),
      lost: () => {
        this.#mirror.lost();
        this.#extension?.lost();
      },
      busy: () => this.#extension?.busy() ?? false,
    });
    this.#mirror = new Mirror(this.#connection, options.documentsMax, options.lingerMs);
    this.#extension = extend?.(this.#connection);
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
    this.assertOpen();
    this.#connection.connect();
  }

  /** Until `connect`. Subscriptions stay, and are behind; calls that wait are rejected. */
  disconnect(): void {
    this.#connection.disconnect(new AhoraError("closed", "disconnected by the app"));
  }

  /** For good: subscriptions end, calls are rejected. */
  close(): void {
    this.#closed = true;
    this.#mirror.close();
    this.disconnect();
  }

  /** The broker's clock, Unix milliseconds, as far as it can be known here. */
  now(): number {
    return this.#connection.now();
  }

  // ---- subscriptions ----

  subscribe<const P extends string>(match: P | readonly P[], options?: SubscribeOptions<DocumentOf<P>>): Subscription<DocumentOf<P>>;
  subscribe<K extends keyof Kinds>(match: string | readonly string[], options?: SubscribeOptions<Kinds[K]>): Subscription<Kinds[K]>;
  subscribe(match: string | readonly string[], options: SubscribeOptions<never> = {}): never {
    this.assertOpen();
    const { signal, since, every, where, near } = options;
    const view = { match: [match].flat(), since, every, where, near };
    const feed = signal?.aborted ? new Feed(0, view) : this.#mirror.find(view);
    const handle = new Subscription(feed, this.#mirror, this.#failed, signal);
    this.#connection.want();
    return handle as never;
  }

  // ---- what happens ----

  #reply(reply: Reply): void {
    if (!this.#mirror.reply(reply) && !this.#extension?.reply(reply) && reply.op === "error" && !reply.id) {
      this.#emitter.emit("error", errorOf(reply));
    }
  }

  #onState(state: ConnectionState): void {
    if (state.final && state.reason) {
      this.#extension?.cancel(state.reason);
    }
    this.#emitter.emit("state", state);
  }

  /** A listener of the app threw: its bug must not look like ours, and must not be lost. */
  readonly #failed = (cause: unknown) => {
    const heard = !this.#failing; // the listener for errors may throw, too
    this.#failing = true;
    if (!heard || !this.#emitter.emit("error", new AhoraError("listener_failed", String(cause), { cause }))) {
      this.#env.timer(() => {
        throw cause;
      }, 0);
    }
    this.#failing = false;
  };

  /** @internal */
  assertOpen(): void {
    if (this.#closed) {
      throw new AhoraError("closed", "close was called");
    }
  }
}

/** A client that only follows. It connects when something is wanted of it. */
export function createReader(options: ClientOptions | string = {}): Reader {
  return new Reader(typeof options === "string" ? { url: options } : options);
}

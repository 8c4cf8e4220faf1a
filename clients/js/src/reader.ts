// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { json } from "./codec.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { environmentOf, pageOrigin } from "./environment.js";
import { AhoraError } from "./error.js";
import { Feed, type View } from "./feed.js";
import { Mirror } from "./mirror.js";
import { Subscription } from "./subscription.js";
import type { ClientEvents, ClientOptions, ConnectionState, DocumentOf, SubscribeOptions } from "./types.js";
import type { Kinds } from "./index.js";

/** http://host -> ws://host/v1/ws. Throws `bad_url`. */
export function endpointOf(url: string | undefined): string {
  const [, host, path = ""] = /^(?:http|ws)(s?:\/\/[^/?#@\s]+)(\/[^?#\s]*)?$/i.exec(url ?? pageOrigin() ?? "") ?? [];
  if (!host) {
    throw new AhoraError("bad_url", url ?? "no url");
  }
  return `ws${host.toLowerCase()}${path.replace(/(\/v1\/ws)?\/*$/, "")}/v1/ws`;
}

/** The core: the line, and subscriptions. Whoever only shows documents needs no more. */
export class Reader extends Emitter<ClientEvents> {
  /** @internal */
  readonly wire: Connection;
  readonly #mirror: Mirror;
  #closed = false;
  #failing = false;

  constructor(options: ClientOptions = {}) {
    const { codec = json, environment = environmentOf(options.WebSocket) } = options;
    super((cause) => this.#failed(cause));
    this.wire = new Connection({ ...options, url: endpointOf(options.url), codec, environment }, this);
    this.#mirror = new Mirror(this.wire);
    this.wire.parts.push(this.#mirror);
  }

  // ---- the line ----

  get connection(): ConnectionState {
    return this.wire.state;
  }

  /** Also after `disconnect`, or after the broker refused us for good. Otherwise the first subscribe, publish or get connects. */
  connect(): void {
    this.assertOpen();
    this.wire.connect();
  }

  /** Until `connect`. Subscriptions stay, and are behind; calls that wait are rejected. */
  disconnect(): void {
    this.wire.disconnect(new AhoraError("closed", "disconnect"));
  }

  /** For good: subscriptions end, calls are rejected. */
  close(): void {
    this.#closed = true;
    this.#mirror.close();
    this.disconnect();
  }

  /** The broker's clock, Unix milliseconds, as far as it can be known here. */
  now(): number {
    return this.wire.now();
  }

  // ---- subscriptions ----

  subscribe<const P extends string>(match: P | readonly P[], options?: SubscribeOptions<DocumentOf<P>>): Subscription<DocumentOf<P>>;
  subscribe<K extends keyof Kinds>(match: string | readonly string[], options?: SubscribeOptions<Kinds[K]>): Subscription<Kinds[K]>;
  subscribe(match: string | readonly string[], options: SubscribeOptions<never> = {}): never {
    this.assertOpen();
    const { signal, ...rest } = options;
    const view: View = { ...rest, match: [match].flat() };
    const feed = signal?.aborted ? new Feed(0, view) : this.#mirror.find(view);
    const handle = new Subscription(feed, this.#mirror, this.#failed, signal);
    this.wire.want();
    return handle as never;
  }

  // ---- what happens ----

  /** A listener of the app threw: its bug must not look like ours, and must not be lost. */
  readonly #failed = (cause: unknown) => {
    const heard = !this.#failing; // the listener for errors may throw, too
    this.#failing = true;
    if (!heard || !this.emit("error", new AhoraError("listener_failed", String(cause), { cause }))) {
      this.wire.timer(() => {
        throw cause;
      }, 0);
    }
    this.#failing = false;
  };

  /** @internal */
  assertOpen(): void {
    if (this.#closed) {
      throw new AhoraError("closed", "closed");
    }
  }
}

/** A client that only follows. It connects when something is wanted of it. */
export function createReader(options: ClientOptions | string = {}): Reader {
  return new Reader(typeof options === "string" ? { url: options } : options);
}

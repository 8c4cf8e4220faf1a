// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { type CallOptions, Calls, type Request } from "./calls.js";
import { readChanges, throwFirst } from "./changes.js";
import { entryOf } from "./entry.js";
import { AhoraError, type PublishResult } from "./error.js";
import { Reader } from "./reader.js";
import { type Reply, resultOf } from "./reply.js";
import type {
  AdjustOf, Change, ChangeOptions, ClientOptions, DocumentOf, Entry, GetOptions, Got, PatchOf, Published, PublishOptions,
} from "./types.js";

type Single = Omit<ChangeOptions, "key"> & Omit<PublishOptions, "atomic">;

/** A reader that publishes, and reads once. */
export class Client extends Reader {
  readonly #calls: Calls;

  constructor(options: ClientOptions = {}) {
    super(options);
    this.#calls = new Calls(this.wire);
    this.wire.parts.push(this.#calls);
  }

  // ---- publishing ----

  publish(change: Change, options?: PublishOptions): Promise<Published>;
  publish(changes: readonly Change[], options: PublishOptions & { atomic: true }): Promise<Published[]>;
  publish(changes: readonly Change[], options?: PublishOptions): Promise<PublishResult[]>;
  async publish(given: Change | readonly Change[], options: PublishOptions = {}): Promise<Published | Published[] | PublishResult[]> {
    const isList = Array.isArray(given);
    const list = (isList ? given : [given]) as readonly Change[];
    const { atomic, ack } = options;
    const changes = readChanges(list, isList, options, () => this.wire.draw());
    const reply = await this.#call({ op: "pub", changes, atomic, ack }, options);
    const results = reply ? (reply as Extract<Reply, { op: "published" }>).results.map(resultOf) : changes.map(() => ({ seq: 0 }));
    if (atomic || !isList) {
      throwFirst(results);
    }
    return isList ? results : (results[0] as Published);
  }

  /** Replaces the document. */
  set<const P extends string>(topic: P, data: DocumentOf<P>, options?: Single): Promise<Published> {
    return this.#single({ op: "set", topic, data: data as object }, options);
  }

  /** Merges (RFC 7396): null removes a field. */
  patch<const P extends string>(topic: P, data: PatchOf<DocumentOf<P>>, options?: Single): Promise<Published> {
    return this.#single({ op: "patch", topic, data: data as object }, options);
  }

  /** Adds to integer fields, within their bounds. */
  adjust<const P extends string>(topic: P, data: AdjustOf<DocumentOf<P>>, options?: Single): Promise<Published> {
    return this.#single({ op: "adjust", topic, data: data as object }, options);
  }

  /** "Still so": renews freshness. */
  touch(topic: string, options?: Single): Promise<Published> {
    return this.#single({ op: "touch", topic }, options);
  }

  delete(topic: string, options?: Single): Promise<Published> {
    return this.#single({ op: "delete", topic }, options);
  }

  #single(change: Change, { ack, timeoutMs, signal, key, ...rest }: Single = {}): Promise<Published> {
    return this.publish({ ...change, ...rest }, { ack, timeoutMs, signal, key });
  }

  // ---- reading once ----

  async get<const P extends string>(match: P | readonly P[], options: GetOptions<DocumentOf<P>> = {}): Promise<Got<DocumentOf<P>>> {
    const { where, near, limit } = options;
    const reply = await this.#call({ op: "get", match, where, near, limit }, options);
    const { seq, items, more = false } = reply as Extract<Reply, { op: "snapshot" }>;
    const entries = items.map((item) => entryOf(this.wire.now, item));
    return { seq, items: entries as unknown as Entry<DocumentOf<P>>[], more };
  }

  #call(request: Request, options: CallOptions) {
    this.assertOpen();
    const { final, reason } = this.wire.state;
    if (final && reason) {
      throw new AhoraError(reason.code, reason.detail, { sent: false });
    }
    const answer = this.#calls.make(request, options);
    this.wire.want();
    return answer;
  }

}

/** A client, and nothing sent yet: it connects when something is wanted of it. */
export function createClient(options: ClientOptions | string = {}): Client {
  return new Client(typeof options === "string" ? { url: options } : options);
}

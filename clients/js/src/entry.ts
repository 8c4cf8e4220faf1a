// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import type { Entry, Stale } from "./types.js";

/** An immutable version of a document. `age` asks the clock when it is read, so it is nothing that makes another version. */
export class HeldEntry<D> implements Entry<D> {
  readonly #now: () => number;

  constructor(
    now: () => number,
    readonly topic: string,
    readonly seq: number,
    readonly at: number,
    readonly data: D,
    readonly stale: Stale,
  ) {
    this.#now = now;
    Object.freeze(this);
  }

  get fresh(): boolean {
    return !this.stale;
  }

  get age(): number {
    return Math.max(0, this.#now() - this.at);
  }

  /** The same document, trusted otherwise. */
  as(stale: Stale): HeldEntry<D> {
    return stale === this.stale ? this : new HeldEntry(this.#now, this.topic, this.seq, this.at, this.data, stale);
  }
}

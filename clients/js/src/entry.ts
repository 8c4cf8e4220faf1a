// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { freeze } from "./merge.js";
import type { Entry, Stale } from "./types.js";

interface Told<D> {
  readonly topic: string;
  readonly seq: number;
  readonly at: number;
  readonly data: D;
}

/** An immutable version of a document. `age` asks the clock when it is read, so it is nothing that makes another version. */
export class HeldEntry<D> implements Entry<D> {
  declare readonly topic: string;
  declare readonly seq: number;
  declare readonly at: number;
  declare readonly data: D;
  declare readonly stale: Stale;
  readonly #now: () => number;

  constructor(now: () => number, { topic, seq, at, data }: Told<D>, stale: Stale) {
    this.#now = now;
    Object.freeze(Object.assign(this, { topic, seq, at, data: freeze(data), stale }));
  }

  get fresh(): boolean {
    return !this.stale;
  }

  get age(): number {
    return Math.max(0, this.#now() - this.at);
  }

  /** The same document, trusted otherwise. */
  as(stale: Stale): HeldEntry<D> {
    return new HeldEntry(this.#now, this, stale);
  }
}

/** A document as the broker tells of it: `stale` is yes or no there. */
export function entryOf<D>(now: () => number, told: Told<D> & { stale?: boolean }): HeldEntry<D> {
  return new HeldEntry(now, told, told.stale ? "overdue" : false);
}

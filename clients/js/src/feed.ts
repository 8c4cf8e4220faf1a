// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * One subscription on the wire, shared by every handle that wants the same. What it holds is a map of topics; the map an app sees
 * is made when it is asked for, and stays the same object until something changes.
 *
 *   subscribing ──live──▶ live ──line lost──▶ behind ──subscribed──▶ subscribing ──live──▶ live
 *        └───────────────────┴── refused for good, unsubscribed ──▶ unsubscribed
 */
import type { AhoraError } from "./error.js";
import type { HeldEntry } from "./entry.js";
import type { Fields } from "./merge.js";
import { matcher } from "./name.js";
import { isNear, whereHolds, distanceOf } from "./narrow.js";
import type { Near, SubscriptionState, Update, Where, Why } from "./types.js";

export interface FeedListener {
  onSync(skipped: number): void;
  onChange(): void;
  onUpdate(entry: HeldEntry<Fields>, update: Update): void;
  onStale(entry: HeldEntry<Fields>): void;
  onRemove(entry: HeldEntry<Fields>, why: Why): void;
  onState(): void;
  onError(error: AhoraError): void;
}

export interface View {
  readonly match: readonly string[];
  readonly since: string | undefined;
  readonly every: number | undefined;
  readonly where: Where<never> | undefined;
  readonly near: Near | undefined;
}

/** Keys in order, so that the same options written in another order are the same. */
function stable(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(stable);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  return Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, stable(item)]);
}

export function viewKey(view: View): string {
  return JSON.stringify(stable({ ...view, match: [...new Set(view.match)].sort() }));
}

export class Feed {
  readonly listeners = new Set<FeedListener>();
  readonly entries = new Map<string, HeldEntry<Fields>>();
  state: SubscriptionState = "subscribing";
  error: AhoraError | undefined;
  /** it was complete once */
  synced = false;
  /** asked for in this connection */
  sent = false;
  /** `move` sent and not answered, or answered and not live since */
  moving = 0;
  /** the newest circle has not been told yet: one at a time */
  moveLater = false;
  /** between `subscribed` with resumed false and `live`: the document count then */
  resyncFrom: number | undefined;
  /** not to be asked for before, in ticks */
  againAt = 0;
  /** how far it was complete */
  epoch = "";
  seq = -1;

  #matchers: ((topic: string) => boolean)[];
  #shown: ReadonlyMap<string, HeldEntry<Fields>> | undefined;
  #changed = false;
  #since: string | undefined;

  constructor(
    public id: number,
    public key: string,
    public view: View,
  ) {
    this.#matchers = view.match.map(matcher);
    this.#since = view.since;
  }

  get isNarrow(): boolean {
    return this.view.where !== undefined || this.view.near !== undefined;
  }

  get snapshot(): ReadonlyMap<string, HeldEntry<Fields>> {
    this.#shown ??= new Map(this.entries);
    return this.#shown;
  }

  /** What resumes it, undefined if only a whole snapshot is right. */
  get token(): string | undefined {
    return this.seq >= 0 ? `${this.epoch}-${this.seq}` : this.#since;
  }

  selects(topic: string): boolean {
    return this.#matchers.some((matches) => matches(topic));
  }

  /** Whether a document that another subscription brings is one of this view, too. */
  admits(topic: string, data: Fields): boolean {
    return whereHolds(this.view.where, data) && isNear(this.view.near, data, this.entries.has(topic));
  }

  request(): object {
    const { match, every, where, near } = this.view;
    return { op: "sub", id: this.id, match: match.length === 1 ? match[0] : match, since: this.token, every_ms: every, where, near };
  }

  // ---- what happens to it ----

  tell(run: (listener: FeedListener) => void): void {
    for (const listener of [...this.listeners]) {
      run(listener);
    }
  }

  setState(state: SubscriptionState): void {
    if (state !== this.state) {
      this.state = state;
      this.tell((listener) => listener.onState());
    }
  }

  touch(): void {
    this.#shown = undefined;
    this.#changed = true;
  }

  /** Puts an entry in. Says so unless it is only trusted otherwise. */
  put(entry: HeldEntry<Fields>, patch: Fields | undefined): void {
    const previous = this.entries.get(entry.topic);
    if (previous === entry) {
      return;
    }
    this.entries.set(entry.topic, entry);
    this.touch();
    if (previous && previous.seq === entry.seq && previous.data === entry.data && previous.stale === "disconnected") {
      return;
    }
    const overdue = entry.stale === "overdue" && previous !== undefined && previous.stale !== "overdue";
    if (!overdue || previous.data !== entry.data) {
      this.tell((listener) => listener.onUpdate(entry, { previous, patch }));
    }
    if (overdue) {
      this.tell((listener) => listener.onStale(entry));
    }
  }

  remove(topic: string, why: Why): void {
    const entry = this.entries.get(topic);
    if (entry && this.entries.delete(topic)) {
      this.touch();
      this.tell((listener) => listener.onRemove(entry, why));
    }
  }

  /** With other subscriptions about, more than the nearest `limit` may have come in. */
  keepNearest(): void {
    const near = this.view.near;
    if (!near?.limit || this.entries.size <= near.limit) {
      return;
    }
    const far = [...this.entries.values()].sort((a, b) => distanceOf(near, a.data) - distanceOf(near, b.data)).slice(near.limit);
    for (const { topic } of far) {
      this.remove(topic, "left");
    }
  }

  /** From here to the next `live` a cut must not resume. */
  forgetPosition(): void {
    this.seq = -1;
    this.#since = undefined;
  }

  lose(): void {
    this.sent = false;
    this.moving = 0;
    this.moveLater = false;
    this.againAt = 0;
    this.resyncFrom = undefined;
    for (const [topic, entry] of this.entries) {
      if (entry.fresh) {
        this.entries.set(topic, entry.as("disconnected"));
        this.touch();
      }
    }
    if (this.synced && this.state !== "unsubscribed") {
      this.setState("behind");
    }
  }

  /** Complete up to `seq`. What was doubted and did not come again is confirmed. */
  live(epoch: string, seq: number, skipped: number): void {
    this.epoch = epoch;
    this.seq = seq;
    this.synced = true;
    this.resyncFrom = undefined;
    for (const [topic, entry] of this.entries) {
      if (entry.stale === "disconnected") {
        this.entries.set(topic, entry.as(false));
        this.touch();
      }
    }
    this.setState("live");
    this.flush();
    this.tell((listener) => listener.onSync(skipped));
  }

  flush(): void {
    if (this.#changed) {
      this.#changed = false;
      this.tell((listener) => listener.onChange());
    }
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * One subscription on the wire, shared by every handle that wants the same. What it holds is a map of topics; the map an app sees
 * is made when it is asked for, and stays the same object until something changes.
 *
 *   subscribing ──live──▶ live ──line lost──▶ behind ──subscribed──▶ subscribing ──live──▶ live
 *        └───────────────────┴── refused for good, unsubscribed ──▶ unsubscribed
 */
import type { HeldEntry } from "./entry.js";
import type { AhoraError } from "./error.js";
import { type Fields, isFields } from "./merge.js";
import { matcher } from "./name.js";
import { distanceOf, isNear, whereHolds } from "./narrow.js";
import type { Near, SubscriptionEvents, SubscriptionState, Where, Why } from "./types.js";

/** A handle hears what it tells its own listeners: the name of an event and its values. */
export type Hear = <K extends keyof SubscriptionEvents>(event: K, ...values: Parameters<SubscriptionEvents[K]>) => void;

export interface View {
  readonly match: readonly string[];
  readonly since?: string | undefined;
  readonly every?: number | undefined;
  readonly where?: Where<never> | undefined;
  readonly near?: Near | undefined;
}

/** The same options written in another order are the same: keys in order, what is undefined left out. */
export function viewKey(view: View): string {
  const inOrder = (_: string, value: unknown) => (isFields(value) ? Object.fromEntries(Object.entries(value).sort()) : value);
  return JSON.stringify({ ...view, match: [...view.match].sort() }, inOrder);
}

export class Feed {
  readonly handles = new Set<Hear>();
  readonly held = new Map<string, HeldEntry<Fields>>();
  readonly id: number;
  view: View;
  key: string;
  state: SubscriptionState = "subscribing";
  error: AhoraError | undefined;
  /** it was complete once */
  synced = false;
  /** asked for in this connection */
  asked = false;
  /** `move` sent and not answered */
  moving = false;
  /** the newest circle has not been told yet: one at a time */
  moveLater = false;
  /** between `subscribed` with resumed false and `live`: the document count then */
  resyncFrom = -1;
  /** not to be asked for before, in ticks */
  againAt = 0;
  /** what resumes it; undefined if only a whole snapshot is right */
  token: string | undefined;
  /** wanted again: it is not dropped */
  stay = () => {};
  /** how far it was complete */
  seq = 0;

  readonly #matchers: ((topic: string) => boolean)[];
  #shown: ReadonlyMap<string, HeldEntry<Fields>> | undefined;
  #changed = false;

  constructor(id: number, view: View) {
    this.id = id;
    this.view = view;
    this.key = viewKey(view);
    this.token = view.since;
    this.#matchers = view.match.map(matcher);
  }

  get snapshot(): ReadonlyMap<string, HeldEntry<Fields>> {
    this.#shown ??= new Map(this.held);
    return this.#shown;
  }

  selects(topic: string): boolean {
    return this.#matchers.some((matches) => matches(topic));
  }

  /** Whether a document that another subscription brings is one of this view, too. */
  admits(topic: string, data: Fields): boolean {
    return whereHolds(this.view.where, data) && isNear(this.view.near, data, this.held.has(topic));
  }

  request(): object {
    const { match, every, where, near } = this.view;
    return { op: "sub", id: this.id, match: match[1] ? match : match[0], since: this.token, every_ms: every, where, near };
  }

  // ---- what happens to it ----

  readonly tell: Hear = (event, ...values) => {
    for (const hear of [...this.handles]) {
      hear(event, ...values);
    }
  };

  setState(state: SubscriptionState): void {
    if (state !== this.state) {
      this.state = state;
      this.tell("state", state);
    }
  }

  renew(): void {
    this.#shown = undefined;
    this.#changed = true;
  }

  /** Puts an entry in. Says so unless it is only trusted otherwise. */
  put(entry: HeldEntry<Fields>, patch: Fields | undefined): void {
    const previous = this.held.get(entry.topic);
    const same = previous?.data === entry.data;
    this.held.set(entry.topic, entry);
    this.renew();
    if (same && previous.seq === entry.seq && previous.stale === "disconnected") {
      return;
    }
    const overdue = entry.stale && previous && previous.stale !== "overdue";
    if (!overdue || !same) {
      this.tell("update", entry, { previous, patch });
    }
    if (overdue) {
      this.tell("stale", entry);
    }
  }

  remove(topic: string, why: Why): void {
    const entry = this.held.get(topic);
    if (entry) {
      this.held.delete(topic);
      this.renew();
      this.tell("remove", entry, why);
    }
  }

  /** With other subscriptions about, more than the nearest `limit` may have come in. */
  keepNearest(): void {
    const near = this.view.near;
    if (near?.limit && this.held.size > near.limit) {
      const byDistance = [...this.held.values()].sort((a, b) => distanceOf(near, a.data) - distanceOf(near, b.data));
      for (const { topic } of byDistance.slice(near.limit)) {
        this.remove(topic, "left");
      }
    }
  }

  /** From true to false: the line is gone, and what is held may be old. */
  trust(trusted: boolean): void {
    for (const [topic, entry] of this.held) {
      if (entry.stale === (trusted ? "disconnected" : false)) {
        this.held.set(topic, entry.as(trusted ? false : "disconnected"));
        this.renew();
      }
    }
  }

  lose(): void {
    this.asked = this.moving = this.moveLater = false;
    this.againAt = 0;
    this.resyncFrom = -1;
    this.trust(false);
    if (this.synced) {
      this.setState("behind");
    }
  }

  /** How far it is complete. */
  reach(epoch: string, seq: number): void {
    this.seq = seq;
    this.token = `${epoch}-${seq}`;
  }

  /** Complete. What was doubted and did not come again is confirmed. */
  live(skipped: number): void {
    this.synced = true;
    this.resyncFrom = -1;
    this.error = undefined;
    this.trust(true);
    this.setState("live");
    this.flush();
    this.tell("sync", this.snapshot, skipped);
  }

  flush(): void {
    if (this.#changed) {
      this.#changed = false;
      this.tell("change", this.snapshot);
    }
  }
}

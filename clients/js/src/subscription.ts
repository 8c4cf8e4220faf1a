// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { Emitter } from "./emitter.js";
import { HeldEntry } from "./entry.js";
import { AhoraError } from "./error.js";
import type { Feed, FeedListener } from "./feed.js";
import type { Fields } from "./merge.js";
import type { Entry, Move, Signal, SubscriptionEvent, SubscriptionEvents, SubscriptionState, Update, Why } from "./types.js";

export interface SubscriptionOwner {
  failed(error: unknown): void;
  soon(run: () => void): void;
  /** nobody listens to the feed any more */
  leave(feed: Feed): void;
  move(feed: Feed, to: Move): Feed;
}

/** One caller's view of documents. Several that want the same share what is on the wire, and the snapshot. */
export class Subscription<D = Fields> implements AsyncIterable<SubscriptionEvent<D>> {
  #feed: Feed;
  #emitter: Emitter<SubscriptionEvents<D>>;
  #iterators = new Set<Conflated<D>>();
  #over: AhoraError | undefined;
  #isOver = false;
  #stopSignal: (() => void) | undefined;
  readonly #listener: FeedListener;

  /** @internal */
  constructor(
    feed: Feed,
    private readonly owner: SubscriptionOwner,
    signal: Signal | undefined,
  ) {
    this.#feed = feed;
    this.#emitter = new Emitter((error) => owner.failed(error));
    this.#listener = this.#listenerOf();
    this.#follow(feed);
    if (signal) {
      const stop = () => this.unsubscribe();
      signal.addEventListener("abort", stop);
      this.#stopSignal = () => signal.removeEventListener("abort", stop);
      if (signal.aborted) {
        stop();
      }
    }
  }

  get match(): readonly string[] {
    return this.#feed.view.match;
  }

  get state(): SubscriptionState {
    return this.#isOver ? "unsubscribed" : this.#feed.state;
  }

  /** Why it was refused; also while it is tried again. */
  get error(): AhoraError | undefined {
    return this.#over ?? (this.#feed.state === "live" ? undefined : this.#feed.error);
  }

  /** Documents by topic. The same Map as long as nothing changed. */
  get snapshot(): ReadonlyMap<string, Entry<D>> {
    return this.#feed.snapshot as ReadonlyMap<string, unknown> as ReadonlyMap<string, Entry<D>>;
  }

  /** It was complete at least once: an empty snapshot means that there is nothing. */
  get synced(): boolean {
    return this.#feed.synced;
  }

  /** What to hand as `since` another time; undefined until it was complete. */
  get token(): string | undefined {
    return this.#feed.token;
  }

  get(topic: string): Entry<D> | undefined {
    return this.snapshot.get(topic);
  }

  /** Returns what takes the listener away. */
  on<K extends keyof SubscriptionEvents<D>>(event: K, listener: SubscriptionEvents<D>[K]): () => void {
    return this.#emitter.on(event, listener);
  }

  /** The snapshot, once it is complete. Rejects if the subscription is refused or ended first. */
  ready(): Promise<ReadonlyMap<string, Entry<D>>> {
    return new Promise((resolve, reject) => {
      const offs: (() => void)[] = [];
      const look = () => {
        const { state } = this;
        if (state === "live" || state === "unsubscribed") {
          offs.forEach((off) => off());
          if (state === "live") {
            resolve(this.snapshot);
          } else {
            reject(this.error ?? new AhoraError("closed", "unsubscribed"));
          }
        }
      };
      offs.push(this.on("state", look));
      look();
    });
  }

  /** Another circle. What is shown stays until the new one is complete. */
  move(to: Move): void {
    const { near } = this.#feed.view;
    const radius = to.radius_m ?? near?.radius_m ?? 0;
    if (!near || !(Math.abs(to.lat) <= 90 && Math.abs(to.lon) <= 180 && radius > 0 && radius <= 20_000_000)) {
      throw new AhoraError("invalid", near ? "a circle that is none" : "only a subscription with `near` can move");
    }
    if (this.#isOver) {
      return;
    }
    const feed = this.owner.move(this.#feed, to);
    if (feed !== this.#feed) {
      const former = this.#feed;
      former.listeners.delete(this.#listener);
      this.#follow(feed);
      this.owner.leave(former);
      this.#emitter.emit("state", this.state);
      this.#emitter.emit("change", this.snapshot);
    }
  }

  unsubscribe(): void {
    this.#end(undefined);
  }

  [Symbol.asyncIterator](): AsyncIterator<SubscriptionEvent<D>> {
    const iterator = new Conflated<D>(() => this.#iterators.delete(iterator));
    if (this.#isOver) {
      iterator.end(this.#over);
    } else {
      this.#iterators.add(iterator);
      if (this.#feed.state === "live") {
        iterator.push("sync", { type: "sync", snapshot: this.snapshot, skipped: 0 });
      }
    }
    return iterator;
  }

  #follow(feed: Feed): void {
    this.#feed = feed;
    feed.listeners.add(this.#listener);
    if (feed.state === "live") {
      // Who joins is told what those before were told, once there was time to listen
      this.owner.soon(() => {
        if (this.#feed === feed && this.state === "live") {
          this.#emitter.emit("change", this.snapshot);
          this.#emitter.emit("sync", this.snapshot, 0);
        }
      });
    }
  }

  #push(key: string, event: SubscriptionEvent<D>): void {
    for (const iterator of this.#iterators) {
      iterator.push(key, event);
    }
  }

  #listenerOf(): FeedListener {
    const of = (entry: HeldEntry<Fields>) => entry as unknown as Entry<D>;
    const emitter = this.#emitter;
    return {
      onSync: (skipped) => {
        this.#push("sync", { type: "sync", snapshot: this.snapshot, skipped });
        emitter.emit("sync", this.snapshot, skipped);
      },
      onChange: () => emitter.has("change") && emitter.emit("change", this.snapshot),
      onUpdate: (entry, update) => {
        this.#push(entry.topic, { type: "update", entry: of(entry), ...(update as unknown as Update<D>) });
        emitter.emit("update", of(entry), update as unknown as Update<D>);
      },
      onStale: (entry) => {
        this.#push(entry.topic, { type: "stale", entry: of(entry) });
        emitter.emit("stale", of(entry));
      },
      onRemove: (entry, why: Why) => {
        this.#push(entry.topic, { type: "remove", entry: of(entry), why });
        emitter.emit("remove", of(entry), why);
      },
      onState: () => {
        if (this.#feed.state === "unsubscribed") {
          this.#end(this.#feed.error);
        } else {
          emitter.emit("state", this.state);
        }
      },
      onError: (error) => emitter.emit("error", error),
    };
  }

  #end(error: AhoraError | undefined): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#over = error;
    this.#stopSignal?.();
    for (const iterator of [...this.#iterators]) {
      iterator.end(error);
    }
    this.#emitter.emit("state", "unsubscribed");
    if (error) {
      this.#emitter.emit("error", error);
    }
    this.#feed.listeners.delete(this.#listener);
    this.owner.leave(this.#feed);
  }
}

/** Events for one loop. A loop that is slow skips versions and ends on the newest: one event a topic waits, never a queue. */
class Conflated<D> implements AsyncIterator<SubscriptionEvent<D>> {
  #waiting = new Map<string, SubscriptionEvent<D>>();
  #takers: { resolve: (result: IteratorResult<SubscriptionEvent<D>>) => void; reject: (error: unknown) => void }[] = [];
  #over = false;
  #error: AhoraError | undefined;

  constructor(private readonly onEnd: () => void) {}

  push(key: string, event: SubscriptionEvent<D>): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, event);
    this.#serve();
  }

  end(error: AhoraError | undefined): void {
    this.#over = true;
    this.#error = error;
    this.onEnd();
    this.#serve();
  }

  next(): Promise<IteratorResult<SubscriptionEvent<D>>> {
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      this.#serve();
    });
  }

  return(): Promise<IteratorResult<SubscriptionEvent<D>>> {
    this.#waiting.clear();
    this.end(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      const [first] = this.#waiting;
      if (!first && !this.#over) {
        return;
      }
      const taker = this.#takers.shift();
      if (first) {
        this.#waiting.delete(first[0]);
        taker?.resolve({ done: false, value: first[1] });
      } else if (this.#error) {
        taker?.reject(this.#error);
        this.#error = undefined;
      } else {
        taker?.resolve({ done: true, value: undefined });
      }
    }
  }
}

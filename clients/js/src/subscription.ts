// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { Emitter } from "./emitter.js";
import { AhoraError } from "./error.js";
import type { Feed, Hear } from "./feed.js";
import type { Fields } from "./merge.js";
import type { Mirror } from "./mirror.js";
import { listen, type Target } from "./listen.js";
import type { Entry, Move, Signal, SubscriptionEvent, SubscriptionEvents, SubscriptionState } from "./types.js";

type Snapshot<D> = ReadonlyMap<string, Entry<D>>;

/** One caller's view of documents. Several that want the same share what is on the wire, and the snapshot. */
export class Subscription<D = Fields> extends Emitter<SubscriptionEvents<D>> implements AsyncIterable<SubscriptionEvent<D>> {
  #feed: Feed;
  #isOver = false;
  #joins = false; // it is about to be told what those before were told
  #over: AhoraError | undefined;
  readonly #offSignal: () => void;
  readonly #mirror: Mirror;

  /** @internal */
  constructor(feed: Feed, mirror: Mirror, failed: (error: unknown) => void, signal: Signal | undefined) {
    super(failed);
    this.#mirror = mirror;
    this.#feed = feed;
    void this.#follow(feed);
    this.#offSignal = listen(signal as Target | undefined, "abort", () => this.unsubscribe());
    if (signal?.aborted) {
      this.unsubscribe();
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
    return this.#over ?? this.#feed.error;
  }

  /** Documents by topic. The same Map as long as nothing changed. */
  get snapshot(): Snapshot<D> {
    return this.#feed.snapshot as ReadonlyMap<string, unknown> as Snapshot<D>;
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

  /** The snapshot, once it is complete. Rejects if the subscription is refused or ended first. */
  async ready(): Promise<Snapshot<D>> {
    while (this.state !== "live") {
      if (this.state === "unsubscribed") {
        throw this.#over ?? new AhoraError("closed", "unsubscribed");
      }
      await new Promise<void>((resolve) => {
        const off = this.on("state", () => {
          off();
          resolve();
        });
      });
    }
    return this.snapshot;
  }

  /** Another circle. What is shown stays until the new one is complete. */
  move(to: Move): void {
    if (!this.#feed.view.near) {
      throw new AhoraError("invalid", "no `near`");
    }
    const former = this.#feed;
    if (!this.#isOver) {
      this.#feed = this.#mirror.move(former, to);
    }
    if (this.#feed !== former) {
      former.handles.delete(this.#hear);
      this.#mirror.leave(former);
      void this.#follow(this.#feed);
      this.emit("state", this.state);
      this.emit("change", this.snapshot);
    }
  }

  unsubscribe(): void {
    this.#end();
  }

  /** A loop that is slow skips versions and ends on the newest: one event a topic waits, never a queue. */
  [Symbol.asyncIterator](): AsyncGenerator<SubscriptionEvent<D>, undefined> {
    const waiting = new Map<string, SubscriptionEvent<D>>();
    let wake = () => {};
    const push = (key: string, event: SubscriptionEvent<D>) => {
      waiting.delete(key);
      waiting.set(key, event);
      wake();
    };
    const offs = [
      this.on("sync", (snapshot, skipped) => push("", { type: "sync", snapshot, skipped })),
      this.on("update", (entry, update) => push(entry.topic, { type: "update", entry, ...update })),
      this.on("stale", (entry) => push(entry.topic, { type: "stale", entry })),
      this.on("remove", (entry, why) => push(entry.topic, { type: "remove", entry, why })),
      this.on("state", () => wake()),
    ];
    if (this.state === "live" && !this.#joins) {
      push("", { type: "sync", snapshot: this.snapshot, skipped: 0 });
    }
    return this.#loop(waiting, (run) => (wake = run), () => offs.forEach((off) => off()));
  }

  async *#loop(waiting: Map<string, SubscriptionEvent<D>>, onWake: (run: () => void) => void, over: () => void) {
    try {
      for (;;) {
        for (const [key, event] of waiting) {
          waiting.delete(key);
          yield event;
        }
        if (this.#isOver) {
          if (this.#over) {
            throw this.#over;
          }
          return undefined;
        }
        await new Promise<void>(onWake);
      }
    } finally {
      over();
    }
  }

  async #follow(feed: Feed): Promise<void> {
    feed.handles.add(this.#hear);
    if (feed.state === "live") {
      // Who joins is told what those before were told, once there was time to listen
      this.#joins = true;
      await undefined;
      this.#joins = false;
      if (this.#feed === feed && this.state === "live") {
        this.emit("change", this.snapshot);
        this.emit("sync", this.snapshot, 0);
      }
    }
  }

  readonly #hear: Hear = (event, ...values) => {
    if (event === "state" && this.#feed.state === "unsubscribed") {
      this.#end(this.#feed.error);
    } else {
      this.emit(event, ...(values as never));
    }
  };

  #end(error?: AhoraError): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#over = error;
      this.#offSignal();
      this.emit("state", "unsubscribed");
      if (error) {
        this.emit("error", error);
      }
      this.#feed.handles.delete(this.#hear);
      this.#mirror.leave(this.#feed);
    }
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * The documents this connection was told of, and the feeds they belong to. The broker sends each document once, whatever number
 * of subscriptions it is for: `set` names it and gives it a number, `patch` comes on top of what was sent, by that number.
 */
import type { Connection, Part } from "./connection.js";
import { entryOf, type HeldEntry } from "./entry.js";
import { errorOf, type Reply } from "./reply.js";
import { Feed, viewKey, type View } from "./feed.js";
import { type Fields, freeze, merge } from "./merge.js";
import type { Move, Near } from "./types.js";

const enum Ms {
  RETRY = 1_000, // a subscription refused for a passing reason that names no time
  RETRY_MAX = 600_000,
}
const PASSING = "draining overloaded rate_limited internal";

/** Where the feeds of a pattern are looked for: those with a star together. */
const placeOf = (pattern: string) => (pattern.includes("*") ? "*" : pattern);

type ReplyOf<K extends Reply["op"]> = Extract<Reply, { op: K }>;

interface Doc {
  readonly topic: string;
  ref: number;
  seq: number;
  entry: HeldEntry<Fields>;
  /** when it came last, by the count of documents */
  touched: number;
  /** the feeds that select it, as of `asOf` */
  feeds: readonly Feed[];
  asOf: number;
}

export class Mirror implements Part {
  readonly #connection: Connection;
  readonly #feeds = new Map<number, Feed>();
  readonly #places = new Map<string, Set<Feed>>(); // feeds of single topics, and at "*" those with a star
  readonly #docs = new Map<string, Doc>();
  readonly #refs = new Map<number, Doc>();
  readonly #unsubs = new Set<number>();
  #cancelResend = () => {};
  #version = 0; // of the set of feeds
  #count = 0; // data messages

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  // ---- feeds come and go ----

  find(view: View): Feed {
    const key = viewKey(view);
    let feed = this.#at(view.match).find((feed) => feed.key === key);
    feed?.stay();
    if (!feed) {
      feed = new Feed(this.#connection.nextId(), view);
      this.#index(feed, true);
      this.#subscribe(feed);
    }
    return feed;
  }

  /** A handle is gone. The last one leaves the feed for a moment: a page that goes from one view to the next often wants the same again. */
  leave(feed: Feed): void {
    if (feed.handles.size === 0 && this.#feeds.has(feed.id)) {
      feed.stay();
      feed.stay = this.#connection.timer(() => this.#drop(feed), this.#connection.settings.lingerMs ?? 250);
    }
  }

  close(): void {
    for (const feed of [...this.#feeds.values()]) {
      feed.setState("unsubscribed");
      feed.stay();
      this.#drop(feed);
    }
    this.#cancelResend();
  }

  #index(feed: Feed, add: boolean): void {
    const change = add ? "add" : "delete";
    this.#version++;
    if (add) {
      this.#feeds.set(feed.id, feed);
    } else {
      this.#feeds.delete(feed.id);
    }
    for (const pattern of feed.view.match) {
      const place = placeOf(pattern);
      const feeds = this.#places.get(place) ?? new Set();
      feeds[change](feed);
      this.#places.set(place, feeds);
      if (feeds.size === 0) {
        this.#places.delete(place);
      }
    }
  }

  #subscribe(feed: Feed): void {
    if (this.#connection.isReady && !feed.asked && this.#connection.ticks() >= feed.againAt) {
      feed.asked = true;
      this.#connection.send(feed.request());
    }
  }

  #drop(feed: Feed): void {
    this.#index(feed, false);
    if (this.#connection.isReady && feed.asked) {
      this.#unsubs.add(feed.id);
      this.#connection.send({ op: "unsub", id: feed.id });
    }
    this.#sweepOrphans();
  }

  /**
   * Another circle. Who shares the feed with others gets one of its own, which shows what the former showed until the new circle
   * is complete. Moves are sent one at a time: of those asked for meanwhile the last counts.
   */
  move(feed: Feed, to: Move): Feed {
    const view = { ...feed.view, since: undefined, near: { ...feed.view.near, ...to } as Near };
    if (feed.handles.size > 1) {
      const own = this.find(view);
      if (own.handles.size === 0 && own.held.size === 0) {
        feed.held.forEach((entry, topic) => own.held.set(topic, entry));
        own.renew();
      }
      return own;
    }
    feed.view = view;
    feed.key = viewKey(view);
    feed.token = undefined;
    feed.moveLater = feed.moving;
    if (feed.asked && !feed.moving) {
      this.#sendMove(feed);
    }
    return feed;
  }

  #sendMove(feed: Feed): void {
    const { limit: _, ...near } = feed.view.near as Near;
    feed.moving = true;
    feed.moveLater = false;
    feed.setState("subscribing");
    this.#connection.send({ op: "move", id: feed.id, near });
  }

  /** The feeds that may be told of these. */
  #at(patterns: readonly string[]): Feed[] {
    return [...new Set(patterns.flatMap((pattern) => [...(this.#places.get(placeOf(pattern)) ?? [])]))];
  }

  // ---- the line ----

  ready(sameEpoch: boolean): void {
    if (!sameEpoch) {
      for (const doc of this.#docs.values()) {
        doc.seq = 0; // of another history
      }
    }
    this.#resend();
  }

  /** Asks for what is not asked for, as far as its time has come. */
  #resend(): void {
    let next = Infinity;
    for (const feed of [...this.#feeds.values()]) {
      this.#subscribe(feed);
      next = feed.asked ? next : Math.min(next, feed.againAt);
    }
    this.#cancelResend();
    if (this.#connection.isReady && next < Infinity) {
      this.#cancelResend = this.#connection.timer(() => this.#resend(), next - this.#connection.ticks());
    }
  }

  lost(): void {
    this.#cancelResend();
    this.#refs.clear();
    this.#unsubs.clear();
    for (const doc of this.#docs.values()) {
      doc.ref = 0;
    }
    for (const feed of [...this.#feeds.values()]) {
      feed.lose();
    }
    this.#sweepOrphans();
  }

  flush(): void {
    for (const feed of [...this.#feeds.values()]) {
      feed.flush();
    }
  }

  /** Documents that no feed holds. Patches may be under way for them until `unsub` is answered. */
  #sweepOrphans(): void {
    for (const doc of this.#unsubs.size > 0 ? [] : this.#docs.values()) {
      if (!this.#feedsOf(doc).some((feed) => feed.held.has(doc.topic))) {
        this.#dropDoc(doc);
      }
    }
  }

  #dropDoc(doc: Doc): void {
    this.#docs.delete(doc.topic);
    this.#refs.delete(doc.ref);
  }

  // ---- messages ----

  /** Throws what is wrong with it. */
  hear<K extends Reply["op"]>(reply: ReplyOf<K> & { op: K }): void {
    this.#takes[reply.op]?.(reply);
  }

  #feedsOf(doc: Doc): readonly Feed[] {
    if (doc.asOf !== this.#version) {
      doc.asOf = this.#version;
      doc.feeds = this.#at([doc.topic, "*"]).filter((feed) => feed.selects(doc.topic));
    }
    return doc.feeds;
  }

  #update(doc: Doc, reply: ReplyOf<"set" | "patch">, data: Fields): void {
    doc.entry = entryOf(this.#connection.now, { ...reply, topic: doc.topic, data }); // throws if it nests too deep
    doc.seq = reply.seq;
  }

  #deliver(doc: Doc, newer: boolean, patch?: Fields): void {
    const { topic, entry } = doc;
    const feeds = this.#feedsOf(doc).filter((feed) => feed.asked);
    const shared = feeds.length + this.#unsubs.size > 1; // of what is unsubscribed something may still be under way
    doc.touched = ++this.#count;
    for (const feed of feeds) {
      const held = feed.held.get(topic);
      if (shared && !feed.admits(topic, entry.data)) {
        feed.remove(topic, "left");
      } else if (!held || newer || held.stale === "disconnected") {
        feed.put(entry, held && newer ? patch : undefined);
        if (shared) {
          feed.keepNearest();
        }
      }
    }
  }

  /** What each message does; an `id` may be that of a call. */
  readonly #takes: { readonly [K in Reply["op"]]?: (reply: ReplyOf<K>) => void } = {
    set: (reply) => {
      const { topic, seq, ref, data } = reply;
      let doc = this.#docs.get(topic);
      if (!doc) {
        if (this.#docs.size >= (this.#connection.settings.documentsMax ?? 1_000_000)) {
          throw new TypeError("too many documents");
        }
        doc = { topic, seq: 0 } as Doc; // the rest follows
        this.#docs.set(topic, doc);
      }
      const newer = seq > doc.seq;
      if (newer) {
        this.#update(doc, reply, data);
      }
      this.#refs.delete(doc.ref);
      this.#refs.set(ref, doc);
      doc.ref = ref;
      this.#deliver(doc, newer);
    },

    patch: (reply) => {
      const { seq, data } = reply;
      const doc = this.#refs.get(reply.ref);
      if (!doc) {
        throw new TypeError("a patch of nothing");
      }
      const held = doc.entry;
      const newer = seq > doc.seq || (seq === doc.seq && reply.stale !== undefined && reply.stale !== (held.stale === "overdue"));
      if (newer) {
        const merges = data && seq > doc.seq && Object.keys(data).length > 0;
        this.#update(doc, reply, merges ? merge(held.data, freeze(data)) : held.data);
      }
      this.#deliver(doc, newer, data);
    },

    remove: ({ topic, seq, why }) => {
      const doc = this.#docs.get(topic);
      if (doc && seq >= doc.seq) {
        for (const feed of this.#feedsOf(doc)) {
          feed.remove(topic, why);
        }
        this.#dropDoc(doc);
      }
    },

    subscribed: ({ id, resumed }) => {
      const feed = this.#feeds.get(id);
      if (feed?.asked) {
        if (!resumed) {
          // From here to the next `live` a cut must not resume
          feed.resyncFrom = this.#count;
          feed.token = undefined;
        }
        feed.setState("subscribing");
      }
    },

    live: ({ id, seq, skipped }) => {
      const feed = this.#feeds.get(id);
      if (feed?.asked && !feed.moving) {
        // else unsubscribed meanwhile, or one comes after the move, too
        const gone = [...feed.held.keys()].filter((topic) => (this.#docs.get(topic)?.touched ?? 0) <= feed.resyncFrom);
        gone.forEach((topic) => feed.remove(topic, "gone"));
        if (gone.length > 0) {
          this.#sweepOrphans();
        }
        feed.reach(this.#connection.epoch, seq);
        feed.live(skipped ?? 0);
      }
    },

    beat: ({ seq }) => {
      for (const feed of this.#feeds.values()) {
        if (feed.state === "live" && feed.asked && seq > feed.seq) {
          feed.reach(this.#connection.epoch, seq);
        }
      }
    },

    ok: ({ id }) => {
      const feed = this.#feeds.get(id);
      this.#unsubs.delete(id);
      if (!feed?.moving) {
        this.#sweepOrphans();
        return;
      }
      feed.moving = false;
      if (feed.moveLater) {
        this.#sendMove(feed);
      }
    },

    error: (reply) => {
      const id = reply.id ?? 0;
      const feed = this.#feeds.get(id);
      this.#unsubs.delete(id);
      if (!feed?.asked) {
        return;
      }
      const error = errorOf(reply);
      if (feed.moving) {
        // The circle stays where it was on the broker's side; the caller knows, and may move again
        feed.moving = false;
        feed.setState(feed.synced ? "live" : "subscribing");
      } else {
        feed.error = error;
        feed.lose();
        if (error.retryMs || PASSING.includes(error.code)) {
          feed.againAt = this.#connection.ticks() + Math.min(Ms.RETRY_MAX, error.retryMs || Ms.RETRY);
          this.#resend();
        } else {
          this.#index(feed, false);
          feed.setState("unsubscribed");
        }
      }
      feed.tell("error", error);
    },
  };
}

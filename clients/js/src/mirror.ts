// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * The documents this connection was told of, and the feeds they belong to. The broker sends each document once, whatever number
 * of subscriptions it is for: `set` names it and gives it a number, `patch` comes on top of what was sent, by that number.
 */
import { HeldEntry } from "./entry.js";
import { errorOf, type Reply } from "./reply.js";
import { Feed, viewKey, type View } from "./feed.js";
import { type Fields, freeze, merge } from "./merge.js";
import { heldFault } from "./name.js";
import type { Move } from "./types.js";

const RETRY_MS_MAX = 600_000;
const RETRY_MS = 1_000; // a subscription refused for a passing reason that names no time
const PASSING = ["draining", "overloaded", "rate_limited", "internal"];

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

export interface MirrorHooks {
  now(): number;
  ticks(): number;
  epoch(): string;
  isReady(): boolean;
  send(message: object): void;
  nextId(): number;
  /** the earliest `againAt` may have changed */
  arm(): void;
}

export class Mirror {
  readonly feeds = new Map<number, Feed>();
  #byKey = new Map<string, Feed>();
  #byTopic = new Map<string, Set<Feed>>(); // feeds of single topics
  #open = new Set<Feed>(); // feeds with a star
  #docs = new Map<string, Doc>();
  #refs = new Map<number, Doc>();
  #version = 0; // of the set of feeds
  #count = 0; // data messages
  #unsubs = new Set<number>();

  constructor(
    private readonly documentsMax: number,
    private readonly hooks: MirrorHooks,
  ) {}

  // ---- feeds come and go ----

  find(view: View): Feed {
    const key = viewKey(view);
    const found = this.#byKey.get(key);
    if (found) {
      return found;
    }
    const feed = new Feed(this.hooks.nextId(), key, view);
    this.#byKey.set(key, feed);
    this.#index(feed, true);
    this.#subscribe(feed);
    return feed;
  }

  #index(feed: Feed, add: boolean): void {
    this.#version++;
    if (add) {
      this.feeds.set(feed.id, feed);
    } else {
      this.feeds.delete(feed.id);
    }
    for (const pattern of feed.view.match) {
      if (pattern.includes("*")) {
        this.#open[add ? "add" : "delete"](feed);
        continue;
      }
      const all = this.#byTopic.get(pattern) ?? new Set();
      all[add ? "add" : "delete"](feed);
      if (all.size > 0) {
        this.#byTopic.set(pattern, all);
      } else {
        this.#byTopic.delete(pattern);
      }
    }
  }

  #subscribe(feed: Feed): void {
    if (this.hooks.isReady() && !feed.sent && this.hooks.ticks() >= feed.againAt) {
      feed.sent = true;
      this.hooks.send(feed.request());
    }
  }

  drop(feed: Feed): void {
    if (!this.feeds.has(feed.id)) {
      return;
    }
    this.#forget(feed);
    if (this.hooks.isReady() && feed.sent) {
      this.#unsubs.add(feed.id);
      this.hooks.send({ op: "unsub", id: feed.id });
    } else {
      this.#sweepOrphans();
    }
  }

  #forget(feed: Feed): void {
    this.#index(feed, false);
    if (this.#byKey.get(feed.key) === feed) {
      this.#byKey.delete(feed.key);
    }
  }

  /** Another circle for everybody who shares the feed. Moves are sent one at a time: of those asked for meanwhile the last counts. */
  move(feed: Feed, to: Move): void {
    const { near } = feed.view;
    if (!near) {
      return;
    }
    if (this.#byKey.get(feed.key) === feed) {
      this.#byKey.delete(feed.key);
    }
    feed.view = { ...feed.view, near: { ...near, ...to, radius_m: to.radius_m ?? near.radius_m } };
    feed.key = viewKey(feed.view);
    if (!this.#byKey.has(feed.key)) {
      this.#byKey.set(feed.key, feed);
    }
    feed.forgetPosition();
    if (!this.hooks.isReady() || !feed.sent) {
      return;
    }
    if (feed.moving > 0) {
      feed.moveLater = true;
    } else {
      this.#sendMove(feed);
    }
  }

  /** A feed of its own for one who moves away from others: it shows what it showed until the new circle is complete. */
  fork(feed: Feed, to: Move): Feed {
    const near = { ...feed.view.near, ...to, radius_m: to.radius_m ?? feed.view.near?.radius_m ?? 0 };
    const forked = this.find({ ...feed.view, since: undefined, near });
    if (!forked.synced && forked.entries.size === 0) {
      for (const entry of feed.entries.values()) {
        forked.entries.set(entry.topic, entry);
      }
      forked.touch();
    }
    return forked;
  }

  #sendMove(feed: Feed): void {
    const { lat = 0, lon = 0, radius_m = 0 } = feed.view.near ?? {};
    feed.moving++;
    feed.moveLater = false;
    feed.setState("subscribing");
    this.hooks.send({ op: "move", id: feed.id, near: { lat, lon, radius_m } });
  }

  // ---- the line ----

  ready(sameEpoch: boolean): void {
    if (!sameEpoch) {
      for (const doc of this.#docs.values()) {
        doc.seq = 0; // of another history
      }
    }
    this.resend();
  }

  /** Asks for what is not asked for, as far as its time has come. */
  resend(): void {
    for (const feed of [...this.feeds.values()]) {
      this.#subscribe(feed);
    }
    this.hooks.arm();
  }

  /** When `resend` wants to be called, in ticks. */
  get deadline(): number {
    let at = Infinity;
    for (const feed of this.feeds.values()) {
      at = feed.sent ? at : Math.min(at, feed.againAt);
    }
    return at;
  }

  lost(): void {
    this.#refs.clear();
    this.#unsubs.clear();
    for (const doc of this.#docs.values()) {
      doc.ref = 0;
    }
    for (const feed of [...this.feeds.values()]) {
      feed.lose();
    }
    this.#sweepOrphans();
  }

  flush(): void {
    for (const feed of [...this.feeds.values()]) {
      feed.flush();
    }
  }

  /** Documents that no feed holds. Patches may be under way for them until `unsub` is answered. */
  #sweepOrphans(): void {
    if (this.#unsubs.size > 0) {
      return;
    }
    for (const doc of this.#docs.values()) {
      if (!this.#feedsOf(doc).some((feed) => feed.entries.has(doc.topic))) {
        this.#drop(doc);
      }
    }
  }

  #drop(doc: Doc): void {
    this.#docs.delete(doc.topic);
    if (this.#refs.get(doc.ref) === doc) {
      this.#refs.delete(doc.ref);
    }
  }

  // ---- messages ----

  /** True if it was about a subscription. Throws what is wrong with it. */
  reply(reply: Reply): boolean {
    switch (reply.op) {
      case "set":
        this.#set(reply);
        return true;
      case "patch":
        this.#patch(reply);
        return true;
      case "remove":
        this.#remove(reply);
        return true;
      case "subscribed":
        this.#subscribed(reply);
        return true;
      case "live":
        this.#live(reply);
        return true;
      case "beat":
        this.#beat(reply);
        return true;
      case "ok":
        return this.#ok(reply);
      case "error":
        return this.#refused(reply);
      default:
        return false;
    }
  }

  #feedsOf(doc: Doc): readonly Feed[] {
    if (doc.asOf !== this.#version) {
      doc.asOf = this.#version;
      const feeds = new Set(this.#byTopic.get(doc.topic));
      for (const feed of this.#open) {
        if (feed.selects(doc.topic)) {
          feeds.add(feed);
        }
      }
      doc.feeds = [...feeds];
    }
    return doc.feeds;
  }

  #set(reply: Extract<Reply, { op: "set" }>): void {
    const { topic, seq, at, ref } = reply;
    let doc = this.#docs.get(topic);
    const newer = !doc || seq > doc.seq;
    if (newer) {
      const stale = reply.stale ? "overdue" : false;
      const entry = new HeldEntry(this.hooks.now, topic, seq, at, freeze(reply.data), stale);
      if (doc) {
        doc.entry = entry;
        doc.seq = seq;
      } else {
        if (heldFault(topic) || this.#docs.size >= this.documentsMax) {
          throw new RangeError(heldFault(topic) ? "a set of no topic" : "more documents than this client may hold");
        }
        doc = { topic, ref: 0, seq, entry, touched: 0, feeds: [], asOf: -1 };
        this.#docs.set(topic, doc);
      }
    }
    const held = doc as Doc;
    if (held.ref !== ref) {
      this.#refs.delete(held.ref);
      held.ref = ref;
      this.#refs.set(ref, held);
    }
    this.#deliver(held, newer, undefined);
  }

  #patch(reply: Extract<Reply, { op: "patch" }>): void {
    const doc = this.#refs.get(reply.ref);
    if (!doc) {
      throw new TypeError("a patch of a document that is not held");
    }
    const { seq, at, data } = reply;
    const held = doc.entry;
    const stale = reply.stale ? "overdue" : false;
    const newer = seq > doc.seq || (seq === doc.seq && reply.stale !== undefined && stale !== held.stale);
    if (newer) {
      const merged = data && seq > doc.seq && Object.keys(data).length > 0 ? freeze(merge(held.data, data)) : held.data;
      doc.seq = seq;
      doc.entry = new HeldEntry(this.hooks.now, doc.topic, seq, at, merged, stale);
    }
    this.#deliver(doc, newer, data);
  }

  #deliver(doc: Doc, newer: boolean, patch: Fields | undefined): void {
    doc.touched = ++this.#count;
    const feeds = this.#feedsOf(doc).filter((feed) => feed.sent);
    const shared = feeds.length + this.#unsubs.size > 1; // of what is unsubscribed something may still be under way
    for (const feed of feeds) {
      const held = feed.entries.get(doc.topic);
      if (shared && feed.isNarrow && !feed.admits(doc.topic, doc.entry.data)) {
        feed.remove(doc.topic, "left");
      } else if (!held || newer || held.stale === "disconnected") {
        feed.put(doc.entry, held && newer ? patch : undefined);
        if (shared) {
          feed.keepNearest();
        }
      }
    }
  }

  #remove(reply: Extract<Reply, { op: "remove" }>): void {
    const doc = this.#docs.get(reply.topic);
    if (!doc || reply.seq < doc.seq) {
      return;
    }
    for (const feed of this.#feedsOf(doc)) {
      feed.remove(doc.topic, reply.why);
    }
    this.#drop(doc);
  }

  #subscribed(reply: Extract<Reply, { op: "subscribed" }>): void {
    const feed = this.feeds.get(reply.id);
    if (!feed?.sent) {
      return; // unsubscribed meanwhile
    }
    if (!reply.resumed) {
      feed.resyncFrom = this.#count;
      feed.forgetPosition();
    }
    feed.setState("subscribing");
  }

  #live(reply: Extract<Reply, { op: "live" }>): void {
    const feed = this.feeds.get(reply.id);
    if (!feed?.sent || feed.moving > 0 || feed.moveLater) {
      return; // one comes after the move, too
    }
    if (feed.resyncFrom !== undefined) {
      for (const topic of [...feed.entries.keys()]) {
        if ((this.#docs.get(topic)?.touched ?? 0) <= feed.resyncFrom) {
          feed.remove(topic, "gone");
        }
      }
      this.#sweepOrphans();
    }
    feed.live(this.hooks.epoch(), reply.seq, reply.skipped ?? 0);
  }

  #beat(reply: Extract<Reply, { op: "beat" }>): void {
    for (const feed of this.feeds.values()) {
      if (feed.state === "live" && feed.sent) {
        feed.seq = Math.max(feed.seq, reply.seq);
      }
    }
  }

  #ok(reply: Extract<Reply, { op: "ok" }>): boolean {
    const feed = this.feeds.get(reply.id);
    if (feed && feed.moving > 0) {
      feed.moving--;
      if (feed.moveLater) {
        this.#sendMove(feed);
      }
      return true;
    }
    if (!this.#unsubs.delete(reply.id)) {
      return false;
    }
    this.#sweepOrphans();
    return true;
  }

  #refused(reply: Extract<Reply, { op: "error" }>): boolean {
    const feed = this.feeds.get(reply.id ?? 0);
    if (!feed?.sent) {
      return this.#unsubs.delete(reply.id ?? 0);
    }
    const error = errorOf(reply);
    if (feed.moving > 0) {
      // The circle stays where it was on the broker's side; the caller knows, and may move again
      feed.moving = 0;
      feed.setState(feed.synced ? "live" : "subscribing");
      feed.tell((listener) => listener.onError(error));
      return true;
    }
    const passing = error.retryMs !== undefined || PASSING.includes(error.code);
    feed.error = error;
    feed.lose();
    if (passing) {
      feed.againAt = this.hooks.ticks() + Math.min(RETRY_MS_MAX, Math.max(RETRY_MS / 10, error.retryMs ?? RETRY_MS));
      this.hooks.arm();
    } else {
      this.#forget(feed);
      feed.setState("unsubscribed");
    }
    feed.tell((listener) => listener.onError(error));
    return true;
  }
}

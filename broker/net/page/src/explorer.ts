// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The topics a pattern selects, as they change, and one of them in full. However many changes come, the page is painted once a frame, and
// only the rows that are seen.
import type { Client, Entry, Subscription } from "@ahora/client";
import type { Watchers } from "./demand.ts";
import { difference, documentView } from "./document_view.ts";
import { byId, make, mark, oncePerFrame, say, whileSeen } from "./dom.ts";
import { age, clock, count, summary } from "./format.ts";
import { VirtualList } from "./virtual_list.ts";

const EVERY_MS = 250; // the newest of each topic so often: nobody reads faster
const ORDER_MS = 250; // the order of many topics is made anew not more often than
const MANY = 1000;
const HISTORY_MAX = 12;
const ROW_PX = 54;

interface Row extends HTMLDivElement {
  parts: { topic: HTMLElement; state: HTMLElement; summary: HTMLElement; meta: HTMLElement };
  key?: string;
  seq?: number;
  flashed?: number;
}

interface Seen {
  at: number;
  seq: number;
  text: string;
}

function makeRow(): Row {
  const row = make("div", { class: "topic-row" }) as Row;
  const parts = {
    topic: make("span", { class: "mono name" }),
    state: make("span", { class: "when" }),
    summary: make("span", { class: "summary" }),
    meta: make("span", { class: "meta" }),
  };
  row.append(parts.topic, parts.state, parts.summary, parts.meta);
  row.parts = parts;
  return row;
}

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Explorer {
  private subscription: Subscription | null = null;
  private documents = new Map<string, Entry>();
  private order: string[] = [];
  private orderDirty = true;
  private orderedMs = 0;
  private selected: string | null = null;
  private before: Record<string, unknown> | undefined;
  private seen: Seen[] = [];
  private readonly list: VirtualList<Row>;
  private readonly pattern = make("input", {
    id: "pattern", class: "mono", name: "pattern", value: "**", spellcheck: "false", autocomplete: "off", autocapitalize: "off", list: "patterns",
    placeholder: "stock/4711/*", "aria-describedby": "pattern-help",
  });
  private readonly onlyStale = make("input", { type: "checkbox", id: "only-stale" });
  private readonly sort = make("select", { id: "sort" },
    make("option", { value: "topic" }, "by topic"),
    make("option", { value: "newest" }, "newest first"),
    make("option", { value: "oldest" }, "oldest first"));
  private readonly total = make("span", { class: "count" });
  private readonly message = make("p", { class: "problem", role: "alert", hidden: true });
  private readonly empty = make("p", { class: "empty", hidden: true });
  private readonly detail = make("div", { class: "detail", role: "region", "aria-label": "Document" });
  private readonly schedule = oncePerFrame(() => this.paint());
  watchers: Watchers | null = null;
  /** Asked to change this one by hand. */
  onEdit: (topic: string, data: Record<string, unknown>) => void = () => {};

  constructor(private readonly client: Client) {
    this.list = new VirtualList<Row>("Topics", ROW_PX, {
      make: makeRow,
      fill: (row, key) => this.fill(row, key),
      select: (key) => this.select(key),
    });
    this.list.element.id = "topic-list";
    this.build();
    whileSeen(1000, () => this.schedule());
    addEventListener("hashchange", () => this.fromAddress());
  }

  private build(): void {
    const form = make("form", { class: "search", role: "search", onsubmit: (event: Event) => {
      event.preventDefault();
      this.follow(this.pattern.value.trim() || "**");
    } },
      make("label", { for: "pattern", class: "hidden" }, "Pattern"),
      this.pattern,
      make("button", { type: "submit", class: "primary" }, "Follow"),
      make("p", { id: "pattern-help", class: "hidden" }, "A star is one segment, two stars at the end are any number of them."));
    const choices = make("div", { class: "choices" },
      make("label", { for: "sort", class: "hidden" }, "Order"), this.sort,
      make("label", { class: "check" }, this.onlyStale, "only stale"));
    for (const control of [this.sort, this.onlyStale]) {
      control.addEventListener("change", () => {
        this.orderDirty = true;
        this.orderedMs = 0;
        this.schedule();
      });
    }
    byId("topics").append(
      make("header", {}, make("h2", { id: "topics-title" }, "Topics"), this.total),
      form, choices, this.message,
      make("div", { class: "split" }, make("div", { class: "listing" }, this.list.element, this.empty), this.detail),
      make("datalist", { id: "patterns" }));
    this.paintDetail();
  }

  /** Patterns that are worth a try. */
  suggest(kinds: string[]): void {
    byId("patterns").replaceChildren(...["**", ...kinds.map((kind) => `${kind}/**`)].map((value) => make("option", { value })));
  }

  /** The pattern in the address, if there is one. */
  static asked(): string | null {
    const text = location.hash.slice(1);
    if (text === "" || text === "topics") return null;
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  private fromAddress(): void {
    const asked = Explorer.asked();
    if (asked !== null && asked !== this.pattern.value) this.follow(asked);
  }

  /** Nothing is followed before somebody asks: there is too much of it. */
  wait(topics: number): void {
    this.empty.hidden = false;
    say(this.empty, `This broker holds ${count(topics, "topic")}. Ask for some of them: stock/4711/*`);
    this.pattern.value = "";
  }

  follow(pattern: string): void {
    this.subscription?.unsubscribe();
    this.documents = new Map();
    this.pattern.value = pattern;
    this.message.hidden = true;
    this.pattern.removeAttribute("aria-invalid");
    if (Explorer.asked() !== pattern && !(pattern === "**" && Explorer.asked() === null)) history.replaceState(null, "", `#${encodeURIComponent(pattern).replaceAll("%2F", "/").replaceAll("%24", "$")}`);
    const subscription = this.client.subscribe(pattern, { every: EVERY_MS });
    this.subscription = subscription;
    const isCurrent = () => this.subscription === subscription;
    const reread = () => {
      if (!isCurrent()) return;
      this.documents = new Map(subscription.snapshot);
      this.touchOrder();
    };
    subscription.on("sync", reread);
    subscription.on("state", reread);
    subscription.on("update", (entry) => isCurrent() && this.update(entry));
    subscription.on("stale", (entry) => isCurrent() && this.update(entry));
    subscription.on("remove", (entry, why) => isCurrent() && this.remove(entry, why));
    subscription.on("error", (error) => {
      if (!isCurrent()) return;
      this.message.hidden = false;
      say(this.message, error.detail || error.message);
      this.pattern.setAttribute("aria-invalid", "true");
    });
    this.touchOrder();
  }

  private update(entry: Entry): void {
    const before = this.documents.get(entry.topic);
    this.documents.set(entry.topic, entry);
    if (before === undefined || before.stale !== entry.stale || this.sort.value !== "topic") this.touchOrder();
    if (entry.topic === this.selected && (before === undefined || before.seq !== entry.seq || before.stale !== entry.stale)) {
      this.before = before?.data;
      const text = entry.stale === "overdue" && before?.stale === false ? "went stale" : difference(entry.data, before?.data);
      this.note(entry.seq, text);
    }
    this.schedule();
  }

  private remove(entry: Entry, why: string): void {
    this.documents.delete(entry.topic);
    this.touchOrder();
    if (entry.topic === this.selected) this.note(entry.seq, `removed: ${why}`);
  }

  private note(seq: number, text: string): void {
    this.seen.unshift({ at: this.client.now(), seq, text });
    this.seen.length = Math.min(this.seen.length, HISTORY_MAX);
    this.detailDirty = true;
  }

  /** Something beside the documents changed. */
  repaint(): void {
    this.schedule();
  }

  private touchOrder(): void {
    this.orderDirty = true;
    this.schedule();
  }

  private reorder(): void {
    const now = performance.now();
    if (!this.orderDirty) return;
    if (this.documents.size > MANY && now - this.orderedMs < ORDER_MS) {
      setTimeout(this.schedule, ORDER_MS);
      return;
    }
    this.orderDirty = false;
    this.orderedMs = now;
    let entries = [...this.documents.values()];
    if (this.onlyStale.checked) entries = entries.filter((entry) => entry.stale !== false);
    const byTopic = (a: Entry, b: Entry) => (a.topic < b.topic ? -1 : 1);
    const orders: Record<string, (a: Entry, b: Entry) => number> = {
      topic: byTopic,
      newest: (a, b) => b.seq - a.seq || byTopic(a, b),
      oldest: (a, b) => a.seq - b.seq || byTopic(a, b),
    };
    this.order = entries.sort(orders[this.sort.value] ?? byTopic).map((entry) => entry.topic);
    this.list.setKeys(this.order);
    const waiting = this.subscription !== null && this.subscription.state === "subscribing";
    if (this.subscription !== null) {
      this.empty.hidden = this.order.length > 0;
      say(this.empty, waiting ? "Asking…" : this.onlyStale.checked ? "Nothing is stale." : "No topic matches.");
    }
  }

  private paint(): void {
    this.reorder();
    this.list.paint();
    let stale = 0;
    for (const entry of this.documents.values()) stale += entry.stale === "overdue" ? 1 : 0;
    say(this.total, this.subscription === null ? "" : count(this.documents.size, "topic") + (stale > 0 ? `, ${stale} stale` : ""));
    this.paintDetail();
  }

  private fill(row: Row, key: string): void {
    const entry = this.documents.get(key);
    const { topic, state, summary: text, meta } = row.parts;
    if (entry === undefined) {
      mark(row, "gone", true);
      return;
    }
    const isSame = row.key === key;
    const changed = isSame && row.seq !== entry.seq;
    if (!isSame || changed) {
      say(topic, key);
      topic.title = key;
      say(text, summary(entry.data));
    }
    const old = age(entry.at, this.client.now());
    say(state, entry.stale === "overdue" ? `stale · ${old}` : entry.stale === "disconnected" ? `unknown · ${old}` : old);
    const watchers = this.watchers?.of(key) ?? 0;
    say(meta, `seq ${entry.seq}${watchers > 0 ? ` · ${watchers} watching` : ""}`);
    mark(row, "gone", false);
    mark(row, "stale", entry.stale === "overdue");
    mark(row, "unknown", entry.stale === "disconnected");
    row.key = key;
    row.seq = entry.seq;
    if (changed && !stillness.matches && performance.now() - (row.flashed ?? 0) > 400) {
      row.flashed = performance.now();
      row.animate([{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }], { duration: 900, easing: "ease-out" });
    }
  }

  // ---- the one in full ----

  private detailDirty = true;
  private ageText: HTMLElement | null = null;
  private shown: Entry | undefined;

  private select(topic: string): void {
    if (topic !== this.selected) {
      this.selected = topic;
      this.before = undefined;
      this.seen = [];
    }
    this.detailDirty = true;
    this.schedule();
  }

  private paintDetail(): void {
    const topic = this.selected;
    const entry = topic === null ? undefined : this.documents.get(topic);
    if (!this.detailDirty && entry === this.shown) {
      if (this.ageText !== null && entry !== undefined) say(this.ageText, age(entry.at, this.client.now()));
      return;
    }
    this.detailDirty = false;
    this.shown = entry;
    if (topic === null) {
      this.detail.replaceChildren(make("p", { class: "empty" }, "Choose a topic to see its document change."));
      return;
    }
    const head = make("h3", { class: "mono" }, topic);
    if (entry === undefined) {
      this.detail.replaceChildren(head, make("p", { class: "empty" }, "It is not there any more."), this.trail());
      return;
    }
    this.ageText = make("dd", {}, age(entry.at, this.client.now()));
    const state = entry.stale === "overdue" ? "stale" : entry.stale === "disconnected" ? "unknown: not connected" : "fresh";
    const patterns = this.watchers?.patternsOf(topic) ?? [];
    this.detail.replaceChildren(
      head,
      make("dl", { class: "facts-list" },
        make("div", {}, make("dt", {}, "State"), make("dd", { class: entry.stale === false ? "good" : "bad" }, state)),
        make("div", {}, make("dt", {}, "Age"), this.ageText),
        make("div", {}, make("dt", {}, "Seq"), make("dd", {}, String(entry.seq))),
        make("div", {}, make("dt", {}, "Watching"), make("dd", { title: patterns.join("\n") }, String(this.watchers?.of(topic) ?? 0)))),
      documentView(entry.data, this.before),
      make("div", { class: "actions" },
        make("button", { type: "button", onclick: () => this.onEdit(topic, entry.data) }, "Change by hand"),
        make("a", { class: "button", href: `/v1/topics/${topic.split("/").map(encodeURIComponent).join("/")}`, target: "_blank", rel: "noopener" }, "As JSON")),
      this.trail());
  }

  private trail(): HTMLElement {
    if (this.seen.length === 0) return make("p", { class: "small" }, "Its changes are listed here as they come.");
    return make("ol", { class: "trail" }, ...this.seen.map(({ at, seq, text }) =>
      make("li", {}, make("time", {}, clock(at)), make("span", {}, text), make("span", { class: "small" }, `seq ${seq}`))));
  }
}


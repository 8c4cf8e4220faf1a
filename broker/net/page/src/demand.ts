// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Who watches what: the broker's own topics below $demand, as a panel, and as a count for each topic.
import type { Client, Demand } from "@ahora/client";
import { byId, make, oncePerFrame, say, whileSeen } from "./dom.ts";
import { count, duration } from "./format.ts";
import { selects } from "./pattern.ts";

const PREFIX = "$demand/";
const SHOWN_MAX = 8;

export class Watchers {
  private readonly patterns = new Map<string, Demand>();
  private counts = new Map<string, number>(); // of topics that were asked for
  private readonly list = make("ul", { class: "bars" });
  private readonly total = make("span", { class: "count" });

  constructor(private readonly client: Client, private readonly follow: (pattern: string) => void, private readonly changed: () => void) {
    byId("watchers").append(
      make("header", {}, make("h2", { id: "watchers-title" }, "Who watches"), this.total),
      this.list);
    const paint = oncePerFrame(() => this.paint());
    const demand = client.subscribe("$demand/**");
    demand.on("change", (snapshot) => {
      this.patterns.clear();
      for (const [topic, entry] of snapshot) this.patterns.set(topic.slice(PREFIX.length), entry.data);
      this.counts = new Map();
      this.changed();
      paint();
    });
    whileSeen(5000, paint); // for how long
    demand.on("error", () => say(this.total, "not told here"));
    paint();
  }

  /** How many subscriptions select this topic. */
  of(topic: string): number {
    let sum = this.counts.get(topic);
    if (sum === undefined) {
      sum = 0;
      for (const [pattern, demand] of this.patterns) if (selects(pattern, topic)) sum += demand.subscribers;
      if (this.counts.size > 20_000) this.counts.clear();
      this.counts.set(topic, sum);
    }
    return sum;
  }

  patternsOf(topic: string): string[] {
    return [...this.patterns.keys()].filter((pattern) => selects(pattern, topic)).sort();
  }

  private paint(): void {
    const all = [...this.patterns].sort(([a, x], [b, y]) => y.subscribers - x.subscribers || (a < b ? -1 : 1));
    const most = all[0]?.[1].subscribers ?? 1;
    say(this.total, count(all.length, "pattern"));
    const rows = all.slice(0, SHOWN_MAX).map(([pattern, demand]) => {
      const bar = make("span", { class: "bar", "aria-hidden": true });
      bar.style.inlineSize = `${Math.max(3, (100 * demand.subscribers) / most)}%`;
      const pace = demand.every_ms > 0 ? ` · at most every ${demand.every_ms} ms` : "";
      return make("li", {},
        make("button", { type: "button", class: "link mono", title: "Show these topics", onclick: () => this.follow(pattern) }, pattern),
        make("span", { class: "value" }, count(demand.subscribers, "subscription")),
        make("span", { class: "small" }, `for ${duration(this.client.now() - demand.since_at)}${pace}`),
        bar);
    });
    if (all.length > SHOWN_MAX) rows.push(make("li", { class: "small" }, `and ${count(all.length - SHOWN_MAX, "more pattern", "more patterns")}`));
    if (all.length === 0) rows.push(make("li", { class: "empty" }, "Nobody follows anything yet."));
    this.list.replaceChildren(...rows);
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// One product in every branch, the nearest that has it, and a piece set aside: two tabs cannot take the last one twice.
import type { AhoraError, Client, Entry, Stock, Subscription } from "@ahora/client";
import type { Place } from "@ahora/client/kinds";
import { nearestWithStock } from "@ahora/client/kinds";
import { Card, ageOf } from "./card.ts";
import { make, makeSvg, mark, oncePerFrame, say } from "./dom.ts";
import { clock, count } from "./format.ts";
import { CENTRE, at, branches, distance, metres } from "./town_plan.ts";
import type { Point } from "./town_plan.ts";

/** What the app knows of its products; the broker knows how many there are. */
const products: Record<string, { name: string; picture: string }> = {
  "4711": { name: "Espresso pot", picture: "M20 12h16l3 14-4 6 4 20H17l4-20-4-6zM36 16c9-2 13 2 12 8s-7 9-11 8M26 12V8h4v4" },
  "4712": { name: "Enamel kettle", picture: "M14 50c-4-12 0-28 16-28s20 16 16 28zM20 22c0-14 20-14 20 0M46 36l10-10M28 16h4" },
  "5020": { name: "Mug", picture: "M14 18h28v30a6 6 0 0 1-6 6H20a6 6 0 0 1-6-6zM42 24h6a6 6 0 0 1 6 6v6a6 6 0 0 1-6 6h-6" },
  "6130": { name: "Coffee grinder", picture: "M18 28h24l4 26H14zM22 28c0-12 16-12 16 0M30 18V10h14M44 7v6M26 38h8v6h-8z" },
};

function placeOf(branch: string): Place | undefined {
  const known = branches[branch];
  if (known === undefined) return undefined;
  const [lat, lon] = at(known.x, known.y);
  return { lat, lon };
}

interface Row {
  element: HTMLElement;
  away: HTMLElement;
  pieces: HTMLElement;
  bar: HTMLElement;
  badge: HTMLElement;
  when: HTMLElement;
}

export class Product {
  private readonly card = new Card("product", "In stock", "Is it there, and if not, in which branch?");
  private readonly choice = make("div", { class: "segments", role: "radiogroup", "aria-label": "Product" });
  private readonly title = make("h3", { class: "name" });
  private readonly price = make("p", { class: "price" });
  private readonly answer = make("p", { class: "answer" });
  private readonly picture = makeSvg("path", { fill: "none", "stroke-width": 2.5, "stroke-linecap": "round", "stroke-linejoin": "round" });
  private readonly list = make("ul", { class: "branches", "aria-label": "Branches" });
  private readonly take = make("button", { type: "button", class: "primary" }, "Set one aside");
  private readonly told = make("p", { class: "told", role: "status" });
  private readonly rows = new Map<string, Row>();
  private sku = "4711";
  private place: Point = CENTRE;
  private nearest: Entry<Stock> | null = null;
  private subscription: Subscription<Stock>;
  readonly paint = oncePerFrame(() => this.draw());

  constructor(private readonly client: Client) {
    for (const [sku, { name }] of Object.entries(products)) {
      const input = make("input", { type: "radio", name: "sku", value: sku, checked: sku === this.sku, onchange: () => this.choose(sku) });
      this.choice.append(make("label", {}, input, make("span", {}, name)));
    }
    this.card.body.append(
      this.choice,
      make("div", { class: "head" },
        make("div", { class: "picture" }, makeSvg("svg", { viewBox: "0 0 60 60", "aria-hidden": "true" }, this.picture) as unknown as Node),
        make("div", {}, this.title, this.price, this.answer)),
      this.list,
      make("div", { class: "actions" }, this.take, this.told));
    this.take.addEventListener("click", () => void this.reserve());
    this.subscription = this.follow();
  }

  /** Where distances are counted from. */
  moveTo(place: Point): void {
    this.place = place;
    this.paint();
  }

  private follow(): Subscription<Stock> {
    const subscription = this.client.subscribe(`stock/${this.sku}/*`);
    subscription.on("change", this.paint);
    say(this.title, products[this.sku]?.name ?? this.sku);
    this.picture.setAttribute("d", products[this.sku]?.picture ?? "");
    return subscription;
  }

  private choose(sku: string): void {
    this.subscription.unsubscribe();
    this.sku = sku;
    say(this.told, "");
    this.subscription = this.follow();
    this.paint();
  }

  private row(branch: string): Row {
    let row = this.rows.get(branch);
    if (row === undefined) {
      const bar = make("span", { class: "bar", "aria-hidden": true });
      const badge = make("span", { class: "badge" }, "nearest");
      const away = make("span", { class: "away" });
      const pieces = make("span", { class: "pieces" });
      const when = make("span", { class: "when" });
      const element = make("li", {}, make("b", {}, branches[branch]?.name ?? branch), badge, away, pieces, when, bar);
      row = { element, away, pieces, bar, badge, when };
      this.rows.set(branch, row);
    }
    return row;
  }

  private draw(): void {
    const now = this.client.now();
    const entries = [...this.subscription.snapshot.values()].map((entry) => {
      const branch = entry.topic.split("/")[2] ?? "";
      const known = branches[branch];
      return { entry, branch, data: entry.data, away: known === undefined ? Infinity : metres(this.place, at(known.x, known.y)) };
    }).sort((a, b) => a.away - b.away);
    const best = nearestWithStock(this.subscription.snapshot, { from: { lat: this.place[0], lon: this.place[1] }, branches: placeOf });
    this.nearest = best?.entry ?? null;
    const elements = entries.map(({ entry, branch, data, away }) => {
      const row = this.row(branch);
      say(row.away, Number.isFinite(away) ? distance(away) : "");
      say(row.pieces, data.available > 0 ? `${data.available} left` : data.restock_at === undefined ? "sold out" : `sold out, more at ${clock(data.restock_at).slice(0, 5)}`);
      say(row.when, ageOf(entry, now));
      row.bar.style.inlineSize = `${Math.min(100, (100 * data.available) / 12)}%`;
      mark(row.element, "out", data.available === 0);
      mark(row.element, "few", data.availability === "limited_availability");
      row.badge.hidden = entry !== best?.entry;
      return row.element;
    });
    if (elements.length !== this.list.childElementCount || elements.some((element, index) => this.list.children[index] !== element)) this.list.replaceChildren(...elements);
    const price = entries[0]?.data;
    say(this.price, price?.price === undefined ? "" : `${price.price} ${price.price_currency === "EUR" ? "€" : price.price_currency}`);
    const total = entries.reduce((sum, { data }) => sum + data.available, 0);
    say(this.answer, best === undefined ? (entries.length > 0 ? "Sold out everywhere" : "") : `${branches[best.branch]?.name ?? best.branch}, ${distance(best.distance ?? 0)} from here · ${count(total, "piece")} in town`);
    const canTake = best !== undefined && best.entry.stale !== "disconnected";
    if (this.take.disabled === canTake) this.take.disabled = !canTake;
    say(this.take, best === undefined ? "Set one aside" : `Set one aside at ${branches[best.branch]?.name ?? best.branch}`);
    this.card.age(this.subscription.snapshot.values(), now);
  }

  private async reserve(): Promise<void> {
    const entry = this.nearest;
    if (entry === null) return;
    const name = branches[entry.topic.split("/")[2] ?? ""]?.name ?? "";
    try {
      await this.client.publish([{ op: "adjust", topic: entry.topic, data: { available: -1 } }], { atomic: true, key: true });
      say(this.told, `One is yours at ${name}.`);
    } catch (error) {
      const { code, detail } = error as AhoraError;
      say(this.told, code === "out_of_range" ? "Somebody was faster: that was the last one." : code === "forbidden" ? "This page may only look." : `Not done: ${detail}`);
    }
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// One order on its way: how far it is, when it comes, and what happened to it so far.
import type { Client, Entry, Order, Subscription } from "@ahora/client";
import { orderProgress } from "@ahora/client/kinds";
import { Card } from "./card.ts";
import { make, mark, oncePerFrame, say } from "./dom.ts";
import { clock, count, duration } from "./format.ts";

const steps = ["Ordered", "Packed", "On the way", "Out for delivery", "Delivered"];
const words: Record<string, string> = {
  confirmed: "Confirmed", processing: "Being packed", pre_transit: "Waiting for the carrier", in_transit: "On the way", out_for_delivery: "Out for delivery",
  delivered: "Delivered", delayed: "Delayed", attempted_delivery: "Nobody was at home", available_for_pickup: "Waiting at the shop",
};

export class OrderCard {
  private readonly card = new Card("order", "Your order", "Where is it, and when does it come?");
  private readonly select = make("select", { id: "order-number" });
  private readonly headline = make("p", { class: "headline" });
  private readonly line = make("p", { class: "line" });
  private readonly progress = make("ol", { class: "steps" }, ...steps.map((step) => make("li", {}, make("span", {}, step))));
  private readonly events = make("ol", { class: "events", "aria-label": "What happened so far" });
  private readonly subscription: Subscription<Order>;
  private topic: string | null = null;
  private drawn = "";
  readonly paint = oncePerFrame(() => this.draw());

  constructor(private readonly client: Client) {
    this.card.body.append(
      make("div", { class: "pick" }, make("label", { for: "order-number" }, "Order"), this.select),
      this.headline, this.line, this.progress, this.events);
    this.select.addEventListener("change", () => {
      this.topic = this.select.value;
      this.paint();
    });
    this.subscription = client.subscribe("order/*");
    this.subscription.on("change", this.paint);
  }

  /** Follows one until it is gone; then the one that is farthest and not yet there. */
  private choose(): Entry<Order> | undefined {
    const { snapshot } = this.subscription;
    const topics = [...snapshot.keys()].sort();
    if (this.topic === null || !snapshot.has(this.topic)) {
      const rank = (topic: string) => ((snapshot.get(topic)?.data.progress ?? 0) + 1) % 5;
      this.topic = topics.reduce<string | null>((best, topic) => (best === null || rank(topic) > rank(best) ? topic : best), null);
    }
    if (topics.join() !== this.drawn) {
      this.drawn = topics.join();
      this.select.replaceChildren(...topics.map((topic) => make("option", { value: topic }, topic.split("/")[1] ?? topic)));
    }
    if (this.topic !== null && this.select.value !== this.topic) this.select.value = this.topic;
    return this.topic === null ? undefined : snapshot.get(this.topic);
  }

  private draw(): void {
    const entry = this.choose();
    const now = this.client.now();
    this.card.age(entry === undefined ? [] : [entry], now);
    if (entry === undefined) {
      say(this.headline, "No order is on its way.");
      return;
    }
    const order = entry.data;
    const progress = orderProgress(order, now);
    const { eta } = progress;
    const state = words[order.status] ?? order.status;
    say(this.headline, eta === undefined ? state : progress.late ? `${state}, later than it should` : `Arrives about ${clock(eta.until).slice(0, 5)}`);
    const parts = [
      order.message,
      eta === undefined || progress.late ? undefined : `in ${duration(eta.until - now)}`,
      order.status !== "out_for_delivery" || order.stops_remaining === undefined ? undefined : `${count(order.stops_remaining, "stop")} before you`,
      order.provider?.toUpperCase(),
    ];
    say(this.line, parts.filter((part) => part !== undefined && part !== "").join(" · "));
    progress.steps.forEach((step, index) => {
      const element = this.progress.children[index];
      if (element === undefined) return;
      mark(element, "done", step.state === "done");
      mark(element, "now", step.state === "current");
      if (step.state === "current") element.setAttribute("aria-current", "step");
      else element.removeAttribute("aria-current");
    });
    this.drawEvents(order.events ?? []);
  }

  private drawEvents(events: NonNullable<Order["events"]>): void {
    const rows = [...events].reverse().slice(0, 6);
    const text = JSON.stringify(rows);
    if (this.events.dataset.text === text) return;
    this.events.dataset.text = text;
    this.events.replaceChildren(...rows.map(({ status, at, place }) =>
      make("li", {}, make("time", {}, clock(at)), make("span", {}, words[status] ?? status), make("span", { class: "small" }, place ?? ""))));
  }
}

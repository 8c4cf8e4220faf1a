// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The head of a card of the demo: what it is, the question it answers, and how old what it shows is.
import type { Entry } from "@ahora/client";
import { byId, make, mark, say } from "./dom.ts";
import { duration } from "./format.ts";

export class Card {
  readonly element: HTMLElement;
  readonly body = make("div", { class: "body" });
  private readonly freshness = make("p", { class: "age" }, "…");

  constructor(id: string, title: string, question: string) {
    this.element = byId(id);
    this.element.append(
      make("header", {}, make("div", {}, make("h2", { id: `${id}-title` }, title), make("p", { class: "question" }, question)), this.freshness),
      this.body);
  }

  /** Of what it shows, the newest tells how far the whole is up to date; what went stale by itself is marked where it stands. */
  age(entries: Iterable<Entry<unknown>>, now: number): void {
    let newest = -Infinity;
    let cut = false;
    for (const entry of entries) {
      newest = Math.max(newest, entry.at);
      cut ||= entry.stale === "disconnected";
    }
    mark(this.element, "cut-off", cut);
    if (newest === -Infinity) say(this.freshness, cut ? "not connected" : "nothing yet");
    else say(this.freshness, cut ? `as of ${duration(now - newest)} ago` : `changed ${duration(now - newest)} ago`);
  }
}

/** How old one thing is, in words. */
export function ageOf(entry: Entry<unknown>, now: number): string {
  const old = duration(now - entry.at);
  if (entry.stale === "overdue") return `silent for ${old}`;
  return entry.stale === "disconnected" ? `as of ${old} ago` : `${old} ago`;
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Rooms left for each night, and a stay: all its nights are taken together, or none.
import type { AhoraError, Client, Entry, Room, Subscription } from "@ahora/client";
import type { Stay } from "@ahora/client/kinds";
import { nightsOf, quoteStay, stayChanges } from "@ahora/client/kinds";
import { Card } from "./card.ts";
import { make, mark, oncePerFrame, say } from "./dom.ts";
import { count } from "./format.ts";

const types: Record<string, string> = { single: "Single", double: "Double", suite: "Suite" };
const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function dayOf(date: string): Date {
  return new Date(`${date}T00:00:00Z`);
}

function after(date: string, days: number): string {
  return new Date(dayOf(date).getTime() + days * 86_400_000).toISOString().slice(0, 10);
}

interface Cell {
  button: HTMLButtonElement;
  left: HTMLElement;
  said: HTMLElement;
  price: HTMLElement;
}

export class Hotel {
  private readonly card = new Card("hotel", "Rooms left", "What is left for these nights, and what does the stay cost?");
  private readonly choice = make("div", { class: "segments", role: "radiogroup", "aria-label": "Room" });
  private readonly grid = make("table", { class: "calendar" });
  private readonly quote = make("p", { class: "quote" });
  private readonly book = make("button", { type: "button", class: "primary" }, "Book the stay");
  private readonly told = make("p", { class: "told", role: "status" });
  private readonly cells = new Map<string, Cell>();
  private shownDates = "";
  private type = "double";
  private first: string | null = null;
  private last: string | null = null;
  private subscription: Subscription<Room>;
  readonly paint = oncePerFrame(() => this.draw());

  constructor(private readonly client: Client) {
    for (const [type, name] of Object.entries(types)) {
      const input = make("input", { type: "radio", name: "room", value: type, checked: type === this.type, onchange: () => this.choose(type) });
      this.choice.append(make("label", {}, input, make("span", {}, name)));
    }
    this.card.body.append(this.choice, this.grid, make("div", { class: "actions" }, this.quote, this.book), this.told);
    this.book.addEventListener("click", () => void this.take());
    this.subscription = this.follow();
  }

  private follow(): Subscription<Room> {
    const subscription = this.client.subscribe(`room/central/${this.type}/*`);
    subscription.on("change", this.paint);
    return subscription;
  }

  private choose(type: string): void {
    this.subscription.unsubscribe();
    this.type = type;
    this.subscription = this.follow();
    this.paint();
  }

  private get nights(): Map<string, Entry<Room>> {
    const today = new Date(this.client.now()).toISOString().slice(0, 10);
    return new Map([...this.subscription.snapshot.values()]
      .map((entry) => [entry.topic.split("/")[3] ?? "", entry] as const)
      .filter(([date]) => date >= today)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, 14));
  }

  /** Weeks as rows, Monday first. */
  private lay(dates: string[]): void {
    if (this.shownDates === dates.join()) return;
    this.shownDates = dates.join();
    this.cells.clear();
    const first = dates[0];
    const rows: HTMLElement[] = [];
    if (first !== undefined) {
      const before = (dayOf(first).getUTCDay() + 6) % 7;
      const weeks = Math.ceil((before + dates.length) / 7);
      for (let week = 0; week < weeks; week++) {
        rows.push(make("tr", {}, ...weekdays.map((_, day) => {
          const date = after(first, week * 7 + day - before);
          return dates.includes(date) ? make("td", {}, this.cell(date)) : make("td", { class: "none" });
        })));
      }
    }
    this.grid.replaceChildren(
      make("caption", { class: "hidden" }, "Rooms left for each night. Choose the first and the last night of a stay."),
      make("thead", {}, make("tr", {}, ...weekdays.map((day) => make("th", { scope: "col" }, day)))),
      make("tbody", {}, ...rows));
  }

  /** What is seen is short; what is read out is whole: "Friday 27 Nov, 16 rooms left, 109 €". */
  private cell(date: string): HTMLButtonElement {
    const left = make("b", {});
    const said = make("span", { class: "hidden" });
    const price = make("small", {});
    const day = dayOf(date);
    const part = (options: Intl.DateTimeFormatOptions) => day.toLocaleDateString("en-GB", { ...options, timeZone: "UTC" });
    const withMonth = day.getUTCDate() === 1 || this.cells.size === 0;
    const button = make("button", { type: "button", class: "night", onclick: () => this.pick(date) },
      make("span", { class: "day" },
        make("span", { class: "hidden" }, `${part({ weekday: "long" })} `),
        withMonth ? part({ day: "numeric", month: "short" }) : part({ day: "numeric" }),
        make("span", { class: "hidden" }, withMonth ? ", " : ` ${part({ month: "long" })}, `)),
      left, said, price);
    this.cells.set(date, { button, left, said, price });
    return button;
  }

  /** The first choice begins a stay, the second ends it. */
  private pick(date: string): void {
    if (this.first !== null && this.last === this.first && date > this.first) this.last = date;
    else this.first = this.last = date;
    say(this.told, "");
    this.paint();
  }

  /** The day of leaving is the one after the last night. */
  private get stay(): Stay | null {
    if (this.first === null || this.last === null) return null;
    return { hotel: "central", type: this.type, arrival: this.first, departure: after(this.last, 1) };
  }

  /** The first three nights in a row that are free. */
  private propose(nights: Map<string, Entry<Room>>): void {
    const free = [...nights].map(([date, { data }]) => ({ date, isFree: data.booking_limit > 0 }));
    const start = free.findIndex((_, index) => index + 3 <= free.length && free.slice(index, index + 3).every(({ isFree }) => isFree));
    if (start < 0) return;
    this.first = free[start]?.date ?? null;
    this.last = free[start + 2]?.date ?? null;
  }

  private draw(): void {
    const nights = this.nights;
    this.lay([...nights.keys()]);
    if (this.first === null) this.propose(nights);
    const stay = this.stay;
    const chosen = stay === null ? [] : nightsOf(stay.arrival, stay.departure);
    for (const [date, { button, left, said, price }] of this.cells) {
      const room = nights.get(date)?.data;
      const isOut = room === undefined || room.availability === "sold_out" || room.availability === "closed";
      say(left, isOut ? "–" : String(room.booking_limit));
      say(said, isOut ? " sold out, " : room.booking_limit === 1 ? " room left, " : " rooms left, ");
      say(price, room?.price === undefined ? "" : `${Math.round(Number(room.price))} €`);
      mark(button, "out", isOut);
      mark(button, "few", room?.availability === "limited");
      mark(button, "stay", chosen.includes(date));
      button.setAttribute("aria-pressed", String(chosen.includes(date)));
    }
    this.drawQuote(stay);
    this.card.age(nights.values(), this.client.now());
  }

  private drawQuote(stay: Stay | null): void {
    if (stay === null) {
      say(this.quote, "Choose the nights of a stay.");
      this.book.disabled = true;
      return;
    }
    const quote = quoteStay(this.subscription.snapshot, stay);
    const day = (date: string) => dayOf(date).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    const price = quote.total === undefined ? "On request" : `${quote.total.amount} ${quote.total.currency === "EUR" ? "€" : quote.total.currency}`;
    const text = `${count(quote.nights.length, "night")}, ${day(stay.arrival)} to ${day(stay.departure)}`;
    this.quote.replaceChildren(
      make("b", {}, quote.bookable ? price : "Not all nights are free"),
      ` ${text}${quote.bookable ? ` · ${count(quote.left, "room")} left` : ""}`);
    this.book.disabled = !quote.bookable || this.client.connection.state !== "connected";
  }

  private async take(): Promise<void> {
    const stay = this.stay;
    if (stay === null) return;
    const changes = stayChanges(stay);
    try {
      await this.client.publish(changes, { atomic: true, key: true });
      say(this.told, `Booked: ${count(changes.length, "night")}, one room.`);
    } catch (error) {
      const { code, detail } = error as AhoraError;
      say(this.told, code === "out_of_range" ? "One of these nights has just been sold out, so none was taken." : code === "forbidden" ? "This page may only look." : `Not done: ${detail}`);
    }
  }
}

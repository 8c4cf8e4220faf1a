// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import type { Room } from "../generated/kinds.js";
import type { Change, Entry } from "../types.js";

export interface Stay {
  readonly hotel: string;
  /** room type: inv_type_code */
  readonly type: string;
  /** the first night, YYYY-MM-DD */
  readonly arrival: string;
  /** the day of leaving: the last night is the one before */
  readonly departure: string;
  /** rooms; 1 */
  readonly rooms?: number | undefined;
  /** a rate plan of `rates`; without it the lowest open rate, `price` */
  readonly plan?: string | undefined;
}

export type StayProblem = "no_nights" | "unknown" | "closed" | "sold_out" | "closed_to_arrival" | "closed_to_departure" | "min_los" | "max_los" | "no_plan";

export interface StayNight {
  readonly date: string;
  readonly entry: Entry<Room> | undefined;
  readonly left: number;
  readonly price: string | undefined;
}

export interface StayQuote {
  /** it can be booked, as far as we know */
  readonly bookable: boolean;
  /** something it rests on is stale */
  readonly stale: boolean;
  readonly nights: readonly StayNight[];
  /** rooms left on every night */
  readonly left: number;
  /** of all nights and rooms; undefined if a price is missing or currencies differ */
  readonly total: { readonly amount: string; readonly currency: string } | undefined;
  /** why not, each with the night it is about */
  readonly problems: readonly { readonly problem: StayProblem; readonly date: string }[];
}

const DAY_MS = 86_400_000;
const NIGHTS_MAX = 999;
const DECIMALS = 4;

function dayOf(date: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : NaN;
  return new Date(ms).toJSON()?.slice(0, 10) === date ? ms / DAY_MS : NaN;
}

/** The nights from arrival to the one before departure; none if a date does not exist or they are in the wrong order. */
export function nightsOf(arrival: string, departure: string): string[] {
  const [from, to] = [dayOf(arrival), dayOf(departure)];
  const count = to - from;
  return count > 0 && count <= NIGHTS_MAX ? Array.from({ length: count }, (_, i) => new Date((from + i) * DAY_MS).toJSON().slice(0, 10)) : [];
}

/** Money is a decimal of up to 4 places: summed as whole ten-thousandths, never as a float. */
function sum(prices: readonly string[], times: number): string {
  const unit = (price: string) => {
    const [whole = "0", rest = ""] = price.split(".");
    return BigInt(whole) * 10n ** BigInt(DECIMALS) + BigInt(rest.padEnd(DECIMALS, "0"));
  };
  const places = Math.max(...prices.map((price) => price.split(".")[1]?.length ?? 0));
  const digits = (prices.reduce((all, price) => all + unit(price), 0n) * BigInt(times)).toString().padStart(DECIMALS + 1, "0");
  const cut = digits.length - DECIMALS;
  return places === 0 ? digits.slice(0, cut) : `${digits.slice(0, cut)}.${digits.slice(cut, cut + places)}`;
}

function priceOf(room: Room | undefined, plan: string | undefined): { amount: string; currency: string } | undefined {
  const rate = plan === undefined ? undefined : room?.rates?.[plan];
  const [amount, currency] = plan === undefined ? [room?.price, room?.price_currency] : [rate?.amount_after_tax, rate?.currency_code];
  return amount !== undefined && currency !== undefined && /^\d{1,12}(\.\d{1,4})?$/.test(amount) ? { amount, currency } : undefined;
}

function problemsOf(stay: Stay, dates: readonly string[], rooms: ReadonlyMap<string, Room | undefined>): { problem: StayProblem; date: string }[] {
  const problems: { problem: StayProblem; date: string }[] = [];
  const wanted = stay.rooms ?? 1;
  const check = (bad: boolean | undefined, problem: StayProblem, date: string) => bad && problems.push({ problem, date });
  for (const date of dates) {
    const room = rooms.get(date);
    const rate = stay.plan === undefined ? undefined : room?.rates?.[stay.plan];
    check(!room, "unknown", date);
    check(room && (room.status === "close" || rate?.status === "close"), "closed", date);
    check(room && room.booking_limit < wanted, "sold_out", date);
    check(room && stay.plan !== undefined && !rate, "no_plan", date);
  }
  const first = rooms.get(stay.arrival);
  const rate = stay.plan === undefined ? undefined : first?.rates?.[stay.plan];
  check(dates.length === 0, "no_nights", stay.arrival);
  check(first?.closed_to_arrival, "closed_to_arrival", stay.arrival);
  check(rooms.get(stay.departure)?.closed_to_departure, "closed_to_departure", stay.departure);
  check(dates.length < Math.max(first?.min_los ?? 1, rate?.min_los ?? 1), "min_los", stay.arrival);
  check(first?.max_los !== undefined && dates.length > first.max_los, "max_los", stay.arrival);
  return problems;
}

/**
 * What a stay costs and whether it can be had, from the rooms of a subscription (`room/HOTEL/TYPE/*`). Lengths of stay and
 * closed-to-arrival are those of the first night, closed-to-departure that of the day of leaving. Books nothing: see stayChanges.
 */
export function quoteStay(snapshot: ReadonlyMap<string, Entry<Room>>, stay: Stay): StayQuote {
  const dates = nightsOf(stay.arrival, stay.departure);
  const entryOf = (date: string) => snapshot.get(`room/${stay.hotel}/${stay.type}/${date}`);
  const rooms = new Map([...dates, stay.departure].map((date) => [date, entryOf(date)?.data]));
  const problems = problemsOf(stay, dates, rooms);
  const prices = dates.map((date) => priceOf(rooms.get(date), stay.plan));
  const currency = prices[0]?.currency;
  const complete = currency !== undefined && prices.every((price) => price?.currency === currency);
  const nights = dates.map((date, i) => ({ date, entry: entryOf(date), left: rooms.get(date)?.booking_limit ?? 0, price: prices[i]?.amount }));
  return {
    bookable: problems.length === 0,
    stale: nights.some(({ entry }) => !entry || !entry.fresh),
    nights,
    left: nights.length > 0 ? Math.min(...nights.map(({ left }) => left)) : 0,
    total: complete ? { amount: sum(prices.map((price) => price?.amount ?? "0"), stay.rooms ?? 1), currency } : undefined,
    problems,
  };
}

/** The stay as one list, to be published `atomic` with a `key`: all nights or none. */
export function stayChanges(stay: Stay): Change[] {
  return nightsOf(stay.arrival, stay.departure).map((date) => ({
    op: "adjust",
    topic: `room/${stay.hotel}/${stay.type}/${date}`,
    data: { booking_limit: -(stay.rooms ?? 1) },
  }));
}

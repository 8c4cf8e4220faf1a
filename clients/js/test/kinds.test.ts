// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HeldEntry } from "../src/entry.js";
import type { Order, Room, Service, Stock } from "../src/index.js";
import { branchesWithStock, nearestAvailable, nearestWithStock, nightsOf, orderProgress, quoteStay, stayChanges, waitBand } from "../src/kinds.js";
import { distanceM, whereHolds } from "../src/narrow.js";
import { root } from "./support/broker.js";

const entries = <D>(documents: Record<string, D>) =>
  new Map(Object.entries(documents).map(([topic, data]) => [topic, new HeldEntry<D>(() => 10_000, { topic, seq: 1, at: 1_000, data }, false)]));

test("types made from the schemas are not stale", () => {
  execFileSync(process.execPath, ["scripts/generate_kinds.mjs", "--check"]);
});

test("the nearest branch that has it", () => {
  const stock = entries<Stock>({ "stock/1/mitte": { available: 0 }, "stock/1/nord": { available: 3 }, "stock/1/west": { available: 9 }, "stock/1/lager": { available: 50 } });
  const branches = { mitte: { lat: 0, lon: 0 }, nord: { lat: 1, lon: 0 }, west: { lat: 0, lon: 2 } };
  const from = { lat: 0.1, lon: 0 };
  assert.deepEqual(branchesWithStock(stock, { from, branches }).map(({ branch }) => branch), ["nord", "west", "lager"]);
  assert.equal(nearestWithStock(stock, { from, branches, quantity: 5 })?.branch, "west");
  assert.equal(nearestWithStock(stock, { from, branches, quantity: 51 }), undefined);
  assert.equal(nearestWithStock(stock)?.branch, "lager", "without places the fullest");
  assert.equal(Math.round(nearestWithStock(stock, { from, branches })?.distance ?? 0), 100_076);
  assert.equal(nearestWithStock(stock, { branches: (branch) => (branch === "constructor" ? { lat: 0, lon: 0 } : undefined) })?.branch, "lager");
});

test("a stay over its nights", () => {
  const room = (more: Partial<Room> = {}): Room => ({ booking_limit: 2, price: "89.90", price_currency: "EUR", ...more });
  const stay = { hotel: "inn", type: "double", arrival: "2027-02-27", departure: "2027-03-02" };
  const night = (date: string) => `room/inn/double/${date}`;
  const rooms = entries<Room>({ [night("2027-02-27")]: room(), [night("2027-02-28")]: room({ price: "100.1" }), [night("2027-03-01")]: room({ booking_limit: 1 }) });
  const quote = quoteStay(rooms, stay);
  assert.deepEqual([quote.bookable, quote.left, quote.total, quote.problems], [true, 1, { amount: "279.90", currency: "EUR" }, []]);
  assert.deepEqual(quote.nights.map(({ date, price }) => [date, price]), [["2027-02-27", "89.90"], ["2027-02-28", "100.1"], ["2027-03-01", "89.90"]]);
  assert.deepEqual(quoteStay(rooms, { ...stay, rooms: 2 }).problems, [{ problem: "sold_out", date: "2027-03-01" }]);
  assert.equal(quoteStay(rooms, { ...stay, rooms: 2 }).total?.amount, "559.80");
  assert.deepEqual(quoteStay(rooms, { ...stay, departure: "2027-03-03" }).problems, [{ problem: "unknown", date: "2027-03-02" }]);
  assert.deepEqual(quoteStay(rooms, { ...stay, departure: "2027-02-27" }).problems.map(({ problem }) => problem), ["no_nights", "min_los"]);
  assert.deepEqual(stayChanges({ ...stay, rooms: 2 })[2], { op: "adjust", topic: night("2027-03-01"), data: { booking_limit: -2 } });
  const rules = entries<Room>({
    [night("2027-02-27")]: room({ closed_to_arrival: true, min_los: 4 }),
    [night("2027-02-28")]: room({ status: "close" }),
    [night("2027-03-01")]: room({ price_currency: "CHF" }),
    [night("2027-03-02")]: room({ closed_to_departure: true }),
  });
  const refused = quoteStay(rules, stay);
  assert.deepEqual(refused.problems.map(({ problem }) => problem), ["closed", "closed_to_arrival", "closed_to_departure", "min_los"]);
  assert.equal(refused.total, undefined, "two currencies make no sum");
  const plans = entries<Room>({ [night("2027-02-27")]: room({ rates: { BAR: { amount_after_tax: "12.3456", currency_code: "EUR", min_los: 2 } } }) });
  const planned = quoteStay(plans, { ...stay, departure: "2027-02-28", plan: "BAR" });
  assert.deepEqual([planned.total?.amount, planned.problems.map(({ problem }) => problem)], ["12.3456", ["min_los"]]);
  assert.equal(quoteStay(entries<Room>({ [night("2027-02-27")]: room({ price: "999999999999.9999" }) }), { ...stay, departure: "2027-02-28", rooms: 9 }).total?.amount, "8999999999999.9991");
});

test("nights: leap years, months, and dates that are none", () => {
  assert.deepEqual(nightsOf("2028-02-28", "2028-03-01"), ["2028-02-28", "2028-02-29"]);
  for (const [from, to] of [["2027-02-30", "2027-03-05"], ["2027-03-05", "2027-03-01"], ["x", "y"], ["2027-01-01", "2099-01-01"], ["2027-1-1", "2027-1-2"]] as const) {
    assert.deepEqual(nightsOf(from, to), []);
  }
});

test("how far an order is: the table is that of the schema", () => {
  const schema = JSON.parse(readFileSync(join(root, "proto/kinds/order.json"), "utf8")) as {
    properties: { status: { enum: Order["status"][] } };
    "x-ahora": { derive: { rules: { when?: { status: { in: string[] } }; value: number }[] }[] };
  };
  const rules = schema["x-ahora"].derive[0]?.rules ?? [];
  for (const status of schema.properties.status.enum) {
    const value = rules.find(({ when }) => !when || when.status.in.includes(status))?.value;
    assert.equal(orderProgress({ status }, 0).step, value, status);
  }
  const order: Order = {
    status: "delayed",
    progress: 2,
    eta_at: 5_000,
    events: [{ status: "confirmed", at: 1 }, { status: "picked_up", at: 2 }, { status: "delayed", at: 3 }],
  };
  const progress = orderProgress(order, 6_000);
  assert.deepEqual([progress.name, progress.fraction, progress.problem, progress.late, progress.finished], ["on_the_way", 0.5, true, true, false]);
  assert.deepEqual(progress.steps.map(({ state, at }) => [state, at]), [["done", 1], ["done", 2], ["current", 2], ["ahead", undefined], ["ahead", undefined]]);
  const done = orderProgress({ status: "delivered", progress: 4, expected_arrival_from_at: 1, expected_arrival_until_at: 2 }, 9);
  assert.deepEqual([done.finished, done.late, done.eta, done.steps[4]?.state], [true, false, undefined, "done"]);
  assert.deepEqual(orderProgress({ status: "in_transit", expected_arrival_until_at: 9 }, 1).eta, { from: 9, until: 9 });
});

test("how long one waits", () => {
  const band = (service: Service, now = 0) => waitBand(service, now).band;
  assert.equal(band({ is_operating: false, wait_time: 10 }), "closed");
  assert.equal(band({ availability: "closed" }), "closed");
  assert.equal(band({ availability: "available" }), "now");
  assert.equal(band({ wait_time: 120 }), "short");
  assert.equal(band({ wait_time: 120, wait_time_max: 901 }), "long");
  assert.equal(band({ wait_time: 1_801 }), "very_long");
  assert.equal(band({ wait_time: null }), "unknown");
  assert.equal(band({ availability: "busy" }), "unknown");
  assert.deepEqual(waitBand({ eta_at: 70_000 }, 10_000), { band: "short", from: 60, until: 60 });
});

test("the nearest that can be had, stale ones last", () => {
  const units = entries<Service>({
    "service/bike/a": { availability: "available", position: { lat: 0, lon: 0.1 } },
    "service/bike/b": { availability: "busy", position: { lat: 0, lon: 0 } },
    "service/bike/c": { availability: "available", position: { lat: 0, lon: 0.2 } },
  });
  const near = units.get("service/bike/a") as HeldEntry<Service>;
  units.set(near.topic, near.as("overdue"));
  assert.deepEqual(nearestAvailable(units, { lat: 0, lon: 0 }).map(({ entry }) => entry.topic), ["service/bike/c", "service/bike/a"]);
});

test("where, as the broker sees it", () => {
  const data = { n: 10, text: "b", nothing: null, deep: { list: [1], "a.b": 2 }, yes: true, own: { constructor: 1 } };
  const holds = (where: object) => whereHolds(where as never, data as never);
  for (const where of [
    { n: { eq: 10 } }, { n: { gte: 10, lt: 11 } }, { n: { in: [1, 10] } }, { text: { gt: "a" } }, { nothing: { exists: true } }, { nothing: { eq: null } },
    { missing: { exists: false } }, { missing: { ne: 1 } }, { n: { ne: "10" } }, { "/deep/a.b": { eq: 2 } }, { "deep.list": { exists: true } }, { yes: { eq: true } },
    { text: { lt: "\u{1F600}" } }, { "deep.list": { ne: 1 } },
  ]) {
    assert.equal(holds(where), true, JSON.stringify(where));
  }
  for (const where of [
    { n: { gt: "9" } }, { n: { eq: "10" } }, { missing: { eq: null } }, { missing: { lt: 1 } }, { "deep.list": { eq: 1 } }, { "deep.list.0": { exists: true } },
    { constructor: { exists: true } }, { toString: { exists: true } }, { n: { gte: 1 }, text: { eq: "c" } }, { yes: { gt: 0 } },
  ]) {
    assert.equal(holds(where), false, JSON.stringify(where));
  }
  assert.equal(whereHolds({ t: { lt: "\u{1F600}" } } as never, { t: "\uFF5E" } as never), true, "texts compare by their bytes, not by UTF-16");
});

test("distances", () => {
  assert.equal(Math.round(distanceM({ lat: 52.52, lon: 13.405 }, { lat: 48.8566, lon: 2.3522 }) / 1_000), 877);
  assert.ok(distanceM({ lat: 0, lon: 179.999 }, { lat: 0, lon: -179.999 }) < 223);
});

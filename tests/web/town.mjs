// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// What the demo needs to show something: the documents that packaging/demo.awk sets, without chance.

export function night(offset) {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}

export function town() {
  const changes = [];
  const set = (topic, data, more = {}) => changes.push({ op: "set", topic, data, ...more });
  ["markt", "bahnhof", "dom", "campus", "hafen", "nord"].forEach((branch, index) =>
    set(`stock/4711/${branch}`, { available: index + 1, limited_at: 2, price: "24.90", price_currency: "EUR" }));
  for (let offset = 0; offset < 15; offset++) {
    for (const type of ["single", "double", "suite"]) {
      set(`room/central/${type}/${night(offset)}`, { booking_limit: offset === 6 ? 0 : 2 + (offset % 5), capacity: 20, status: "open", price: "109.00", price_currency: "EUR" });
    }
  }
  set("order/2301", { status: "confirmed", provider: "dhl", stops_remaining: 4, eta_at: Date.now() + 1_800_000 });
  changes.push({ op: "patch", topic: "order/2301", data: { status: "in_transit", place: "Depot North", message: "On its way to your town" } });
  const at = (x, y) => ({ lat: 50.7753 + y * 0.001079, lon: 6.0839 + x * 0.001706, bearing: 90, speed: 5 });
  for (let unit = 1; unit <= 9; unit++) set(`service/bike/centre/b${unit}`, { state: unit % 2 ? "available" : "on_trip", position: at((unit % 3) - 1, (unit % 5) - 2) }, { fresh_ms: 0 });
  set("service/taxi/centre/t1", { state: "available", travel_cost: "9.50", travel_cost_currency: "EUR", position: at(1, 1) }, { fresh_ms: 0 });
  set("service/dock/centre/rathaus", { num_available: 7, num_docks_available: 9, capacity: 16, position: at(0.5, 0) }, { fresh_ms: 0 });
  set("service/courier/centre/c1", { state: "on_trip", position: at(-1, 0) }, { fresh_ms: 0 });
  return changes;
}

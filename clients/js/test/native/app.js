// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// An app that follows, publishes, is cut, comes back, is refused, and moves. `please` asks the world for what an app cannot do.
/* global URL_OF_BROKER, print */
import { AhoraError, createClient } from "@ahora/client";
import { nearestWithStock, stayChanges } from "@ahora/client/kinds";

const say = (about, what) => print(JSON.stringify({ did: "say", about, what }));
const please = (what) => print(JSON.stringify({ did: "please", what }));
const once = (of, event) => new Promise((resolve) => {
  const off = of.on(event, (...values) => {
    off();
    resolve(values);
  });
});
const shown = (snapshot) => [...snapshot.values()].map(({ topic, data, stale }) => `${topic}=${data.available}${stale ? ` ${stale}` : ""}`).sort();

async function main() {
  const client = createClient({ url: URL_OF_BROKER, name: "native/1" });
  client.on("state", ({ state, reason }) => say("line", [state, reason && reason.code]));
  const stock = client.subscribe("stock/4711/*");
  const only = client.subscribe("stock/4711/*", { where: { available: { gte: 5 } } });
  const snapshot = await stock.ready();
  await only.ready();
  say("snapshot", shown(snapshot));
  say("where", shown(only.snapshot));
  const entry = stock.get("stock/4711/a");
  say("entry", [Object.isFrozen(entry), Object.isFrozen(entry.data), entry.fresh, entry.age >= 0 && entry.age < 600000, Object.keys(entry)]);

  const updated = once(stock, "update");
  const { seq } = await client.adjust("stock/4711/a", { available: -3 }, { key: "sale-1" });
  const [entryThen, { previous }] = await updated;
  say("sold", [seq === entryThen.seq, previous.data.available, entryThen.data.available, previous === entry]);
  say("where, then", shown(only.snapshot));

  const refused = await client.set("stock", { available: 1 }).catch((error) => error);
  say("refused", [refused instanceof AhoraError, refused instanceof Error, refused.name, refused.code, String(refused.stack).length > 0]);
  const list = await client.publish([{ op: "touch", topic: "stock/4711/a" }, { op: "touch", topic: "stock/none/a" }]);
  say("list", list.map((result) => (result.error ? result.error.code : "ok")));
  const stay = { hotel: "inn", type: "double", arrival: "2027-05-01", departure: "2027-05-03" };
  await client.publish(stayChanges(stay), { atomic: true, key: true });
  const { items } = await client.get("room/inn/double/*");
  say("rooms", items.map(({ topic, data }) => `${topic}=${data.booking_limit}`).sort());

  const synced = once(stock, "sync");
  const behind = once(stock, "state");
  please("cut");
  await behind;
  say("behind", [stock.state, ...shown(stock.snapshot)]);
  const sale = client.adjust("stock/4711/b", { available: -1 }, { key: "sale-2" });
  await synced;
  await sale;
  say("back", [stock.state, ...shown(stock.snapshot)]);

  const bikes = client.subscribe("service/bike/*", { near: { lat: 52.52, lon: 13.405, radius_m: 300 } });
  say("near", [...(await bikes.ready()).keys()]);
  const moved = once(bikes, "sync");
  bikes.move({ lat: 52.53, lon: 13.405 });
  await moved;
  say("moved", [...bikes.snapshot.keys()]);

  const branches = { a: { lat: 52.52, lon: 13.4 }, b: { lat: 52.52, lon: 13.5 } };
  const nearest = nearestWithStock(stock.snapshot, { from: { lat: 52.52, lon: 13.49 }, branches });
  say("nearest", nearest && nearest.branch);
  client.close();
  say("end", [client.connection.state, stock.state]);
}
main().catch((error) => say("failed", String(error && error.stack)));

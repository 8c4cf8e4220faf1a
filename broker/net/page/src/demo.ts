// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// What an app would show: four cards on one line to the broker, and a plug to pull.
import "leaflet/dist/leaflet.css";
import "./base.css";
import "./demo.css";
import { createClient } from "@ahora/client";
import { Access } from "./access.ts";
import { startColours } from "./colours.ts";
import { byId, mark, say, whileSeen } from "./dom.ts";
import { duration } from "./format.ts";
import { Hotel } from "./hotel.ts";
import { OrderCard } from "./order.ts";
import { Product } from "./product.ts";
import { Town } from "./town.ts";

const access = new Access(() => {
  client.disconnect();
  client.connect();
});
const client = createClient({ name: "demo/0.1.0", getToken: () => access.token });
const product = new Product(client);
const hotel = new Hotel(client);
const order = new OrderCard(client);
const town = new Town(client, (place) => product.moveTo(place));
const cards = [product, hotel, order, town];

// ---- the line, and the plug ----

let cutSince: number | null = null;
let pulled = false;

function showLine(): void {
  const { state } = client.connection;
  const pill = byId("state");
  pill.dataset.state = state;
  say(pill, state === "connected" ? "live" : pulled ? "unplugged" : state === "connecting" ? "connecting" : "not connected");
  const wasCut = cutSince !== null;
  if (state === "connected") cutSince = null;
  else cutSince ??= Date.now();
  const cut = byId("cut");
  if (state === "connected" && wasCut && !cut.hidden) {
    say(byId("cut-text"), "Back, and up to date: only what changed meanwhile was sent.");
    say(byId("cut-for"), "");
    cut.classList.add("back");
    setTimeout(() => (cut.hidden = client.connection.state === "connected"), 6000);
  }
  mark(document.body, "cut-off", state !== "connected");
  tellCut();
}

/** Not before it has lasted a little: a page that has just been opened is no cut. */
function tellCut(): void {
  if (cutSince === null) return;
  const ms = Date.now() - cutSince;
  const cut = byId("cut");
  if (!pulled && ms < 2000) return;
  cut.hidden = false;
  cut.classList.remove("back");
  say(byId("cut-text"), `No line. What you see is what was known, and may have changed.${pulled ? "" : " It tries again by itself."}`);
  say(byId("cut-for"), `Since ${duration(ms)}.`); // not read out each second
}

byId("plug").addEventListener("click", () => {
  pulled = !pulled;
  const plug = byId("plug");
  plug.setAttribute("aria-pressed", String(pulled));
  say(plug, pulled ? "Put it back" : "Pull the plug");
  if (pulled) client.disconnect();
  else client.connect();
  showLine();
});
client.on("state", ({ reason }) => {
  showLine();
  if (reason?.code === "unauthorized") access.ask();
});

startColours();
showLine();
whileSeen(1000, () => {
  tellCut();
  for (const card of cards) card.paint();
});

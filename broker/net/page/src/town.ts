// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// What is around me: bikes, couriers, taxis and docks in a circle that moves with the map. The broker is told of the new circle (`move`), and sends
// only what that changes. The map is drawn from a few lines and blocks, without tiles.
import type { Client, Entry, Service, Subscription } from "@ahora/client";
import * as L from "leaflet";
import { Card, ageOf } from "./card.ts";
import { make, makeSvg, mark, oncePerFrame, say } from "./dom.ts";
import { CENTRE, COLUMNS, ROWS, at, blocks, branches, distance, labels, metres, river } from "./town_plan.ts";
import type { Point } from "./town_plan.ts";

const RADIUS_M = 420;
const MOVE_MS = 150; // while the map is dragged, the circle follows so often
const LISTED_MAX = 6;

type Sort = "bike" | "courier" | "taxi" | "dock";
const sorts: Record<Sort, { one: string; many: string }> = {
  bike: { one: "bike", many: "bikes" },
  courier: { one: "courier", many: "couriers" },
  taxi: { one: "taxi", many: "taxis" },
  dock: { one: "dock", many: "docks" },
};

function sortOf(topic: string): Sort {
  const name = topic.split("/")[1] ?? "";
  return name in sorts ? (name as Sort) : "bike";
}

function nameOf(topic: string): string {
  const unit = topic.split("/").at(-1) ?? "";
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return sortOf(topic) === "dock" ? capital(unit) : `${capital(sorts[sortOf(topic)].one)} ${unit.replace(/^[bct]0?/, "")}`;
}

/** Each sort has a shape of its own: a dot, an arrow that points where it goes, a square, a bar. */
function shapeOf(sort: Sort): SVGElement {
  const shapes: Record<Sort, SVGElement> = {
    bike: makeSvg("circle", { cx: 12, cy: 12, r: 6.5 }),
    courier: makeSvg("path", { d: "M12 2.5 19 20 12 16 5 20Z" }),
    taxi: makeSvg("rect", { x: 6, y: 4, width: 12, height: 16, rx: 3.5 }),
    dock: makeSvg("rect", { x: 2, y: 5, width: 20, height: 14, rx: 4 }),
  };
  return makeSvg("svg", { viewBox: "0 0 24 24", width: 24, height: 24, "aria-hidden": "true" }, shapes[sort]);
}

function stateOf(data: Service, sort: Sort): string {
  if (sort === "dock") return `dock, ${data.num_available ?? 0} of ${data.capacity ?? 0}`;
  const words: Record<string, string> = { available: "free", on_trip: "on a trip", reserved: "reserved" };
  return (words[data.state ?? ""] ?? data.state ?? "") + (sort === "taxi" && data.state === "available" ? `, about ${data.travel_cost} €` : "");
}

class Marker {
  private readonly shape: SVGElement;
  private readonly text = make("span", { class: "text" });
  private readonly element: HTMLElement;
  private readonly marker: L.Marker;

  constructor(map: L.Map, private readonly topic: string, where: Point) {
    const sort = sortOf(topic);
    this.shape = shapeOf(sort);
    this.element = make("div", { class: `unit ${sort}` }, this.shape as unknown as Node, this.text);
    this.marker = L.marker(where, { icon: L.divIcon({ html: this.element, className: "unit-icon", iconSize: [24, 24] }), keyboard: false, interactive: false });
    this.marker.addTo(map);
  }

  update(entry: Entry<Service>): void {
    const data = entry.data;
    const { position } = data;
    if (position === undefined) return;
    const now = this.marker.getLatLng();
    if (now.lat !== position.lat || now.lng !== position.lon) this.marker.setLatLng([position.lat, position.lon]);
    const sort = sortOf(this.topic);
    if (sort === "courier" || sort === "taxi") this.shape.style.transform = `rotate(${position.bearing ?? 0}deg)`;
    if (sort === "dock") say(this.text, String(data.num_available ?? ""));
    mark(this.element, "busy", data.state !== undefined && data.state !== "available");
    mark(this.element, "stale", entry.stale === "overdue");
    mark(this.element, "unknown", entry.stale === "disconnected");
    if (sort !== "dock") say(this.text, entry.stale === "overdue" ? "?" : "");
  }

  remove(): void {
    this.marker.remove();
  }
}

export class Town {
  private readonly card = new Card("town", "Around me", "Is there a bike or a taxi, and how far?");
  private readonly map: L.Map;
  private readonly circle: L.Circle;
  private readonly subscription: Subscription<Service>;
  private readonly markers = new Map<string, Marker>();
  private readonly nearest = make("ul", { class: "nearest", "aria-label": "Nearest" });
  private readonly total = make("p", { class: "total" });
  private movedMs = 0;
  private settle: ReturnType<typeof setTimeout> | undefined;
  readonly paint = oncePerFrame(() => this.draw());

  constructor(private readonly client: Client, private readonly onPlace: (place: Point) => void) {
    const canvas = make("div", { class: "map" });
    const hint = make("p", { class: "hidden", id: "map-hint" }, "A map of the town. Drag it, or use the arrow keys, to look elsewhere; the list beside it says what is near.");
    this.card.body.append(canvas, make("div", { class: "around" }, this.total, this.nearest, this.legend()), hint);
    this.map = L.map(canvas, {
      center: CENTRE,
      zoom: 15.5,
      zoomSnap: 0.5,
      minZoom: 14.5,
      maxZoom: 18,
      zoomControl: false,
      maxBounds: [at(-COLUMNS - 4, -ROWS - 4), at(COLUMNS + 4, ROWS + 4)],
      scrollWheelZoom: false, // the page scrolls; two fingers and the buttons zoom
    });
    this.map.attributionControl.setPrefix("Leaflet");
    L.control.zoom({ position: "topright" }).addTo(this.map);
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "Map of the town");
    canvas.setAttribute("aria-describedby", "map-hint");
    this.plan();
    this.circle = L.circle(CENTRE, { radius: RADIUS_M, className: "circle", interactive: false }).addTo(this.map);
    this.subscription = client.subscribe("service/**", { near: { lat: CENTRE[0], lon: CENTRE[1], radius_m: RADIUS_M } });
    this.subscription.on("change", this.paint);
    this.map.on("move", () => this.follow());
    new ResizeObserver(() => this.map.invalidateSize({ pan: false })).observe(canvas);
    this.draw();
  }

  private legend(): HTMLElement {
    return make("ul", { class: "legend", "aria-label": "Signs on the map" },
      ...(Object.keys(sorts) as Sort[]).map((sort) => make("li", {}, make("span", { class: `unit ${sort}` }, shapeOf(sort) as unknown as Node), sorts[sort].one)),
      make("li", {}, make("span", { class: "unit bike busy" }, shapeOf("bike") as unknown as Node), "taken"),
      make("li", {}, make("span", { class: "unit courier stale" }, shapeOf("courier") as unknown as Node), "silent"));
  }

  private plan(): void {
    const renderer = L.svg({ padding: 1 });
    const draw = { renderer, interactive: false, stroke: false };
    L.polygon([at(-COLUMNS, -ROWS), at(COLUMNS, -ROWS), at(COLUMNS, ROWS), at(-COLUMNS, ROWS)], { ...draw, className: "street" }).addTo(this.map);
    L.polyline(river(), { renderer, interactive: false, className: "river" }).addTo(this.map);
    for (const block of blocks()) L.polygon(block.corners, { ...draw, className: block.kind }).addTo(this.map);
    for (const { name, x, y } of Object.values(branches)) {
      L.marker(at(x, y), { interactive: false, keyboard: false, icon: L.divIcon({ html: make("span", {}, name), className: "branch", iconSize: [0, 0] }) }).addTo(this.map);
    }
    for (const { text, x, y, kind } of labels) {
      L.marker(at(x, y), { interactive: false, keyboard: false, icon: L.divIcon({ html: make("span", {}, text), className: `label ${kind}`, iconSize: [0, 0] }) }).addTo(this.map);
    }
  }

  get centre(): Point {
    const { lat, lng } = this.map.getCenter();
    return [lat, lng];
  }

  /** The circle goes with the map: now and then while it is dragged, and once more when it rests. */
  private follow(): void {
    this.circle.setLatLng(this.centre);
    clearTimeout(this.settle);
    const wait = this.movedMs + MOVE_MS - performance.now();
    if (wait <= 0) this.move();
    else this.settle = setTimeout(() => this.move(), wait);
  }

  private move(): void {
    this.movedMs = performance.now();
    const [lat, lon] = this.centre;
    this.subscription.move({ lat, lon });
    this.onPlace([lat, lon]);
    this.paint();
  }

  private draw(): void {
    const { snapshot } = this.subscription;
    for (const [topic, marker] of this.markers) {
      if (snapshot.has(topic)) continue;
      marker.remove();
      this.markers.delete(topic);
    }
    for (const [topic, entry] of snapshot) {
      const { position } = entry.data;
      if (position === undefined) continue;
      let marker = this.markers.get(topic);
      if (marker === undefined) {
        marker = new Marker(this.map, topic, [position.lat, position.lon]);
        this.markers.set(topic, marker);
      }
      marker.update(entry);
    }
    this.drawList([...snapshot.values()]);
    this.card.age(snapshot.values(), this.client.now());
  }

  private drawList(entries: Entry<Service>[]): void {
    const here = this.centre;
    const now = this.client.now();
    const near = entries
      .map((entry) => {
        const { position } = entry.data;
        return { entry, away: position === undefined ? Infinity : metres(here, [position.lat, position.lon]) };
      })
      .sort((a, b) => a.away - b.away);
    const free = near.filter(({ entry }) => entry.stale === false && entry.data.state === "available").length;
    const isCut = entries.some((entry) => entry.stale === "disconnected");
    say(this.total, isCut ? `${near.length} were within ${RADIUS_M} m` : `${free} free of ${near.length} within ${RADIUS_M} m`);
    const wanted = near.filter(({ entry }) => sortOf(entry.topic) !== "courier").slice(0, LISTED_MAX);
    while (this.nearest.childElementCount > wanted.length) this.nearest.lastElementChild?.remove();
    wanted.forEach(({ entry, away }, index) => {
      let row = this.nearest.children[index] as HTMLElement | undefined;
      if (row === undefined) {
        row = make("li", {}, make("span", { class: "unit" }), make("b"), make("span", { class: "away" }), make("span", { class: "what" }), make("span", { class: "when" }));
        this.nearest.append(row);
      }
      const sort = sortOf(entry.topic);
      const [sign, name, far, what, when] = [...row.children] as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];
      if (row.dataset.sort !== sort) {
        row.dataset.sort = sort;
        sign.className = `unit ${sort}`;
        sign.replaceChildren(shapeOf(sort) as unknown as Node);
      }
      const data = entry.data;
      mark(sign, "busy", data.state !== undefined && data.state !== "available");
      mark(sign, "stale", entry.stale === "overdue");
      mark(sign, "unknown", entry.stale === "disconnected");
      mark(row, "stale", entry.stale === "overdue");
      say(name, nameOf(entry.topic));
      say(far, distance(away));
      say(what, stateOf(data, sort));
      say(when, ageOf(entry, now));
    });
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// One document, whole: fields and values, with what changed last marked for a moment.
import { make } from "./dom.ts";
import { clock, field } from "./format.ts";

type Data = Record<string, unknown>;

function isMap(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function scalar(key: string, value: unknown): HTMLElement {
  const kind = value === null ? "null" : typeof value;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const shown = make("span", { class: `value ${kind}` }, text);
  if (key.endsWith("_at") && typeof value === "number" && value > 1e11) {
    return make("span", {}, shown, " ", make("span", { class: "small" }, clock(value)));
  }
  return shown;
}

/** A list of small maps or scalars is a line for each. */
function line(item: unknown): string {
  if (!isMap(item)) return JSON.stringify(item);
  return Object.entries(item).map(([key, value]) => field(key, value)).join(" · ");
}

function rows(value: unknown, before: unknown, isNew: boolean): HTMLElement {
  if (Array.isArray(value)) return items(value, Array.isArray(before) ? before : [], isNew);
  const list = make("dl", {});
  const entries = Object.entries(value as Data);
  for (const [key, item] of entries) {
    const old = isMap(before) ? before[key] : undefined;
    const differs = isNew && JSON.stringify(old) !== JSON.stringify(item);
    const nested = typeof item === "object" && item !== null;
    list.append(make("div", { class: differs ? (nested ? "row nested" : "row new") : nested ? "row nested" : "row" },
      make("dt", {}, key),
      make("dd", {}, nested ? rows(item, old, isNew) : scalar(key, item))));
  }
  if (entries.length === 0) list.append(make("div", { class: "row" }, make("dt", { class: "small" }, "no fields"), make("dd")));
  return list;
}

function items(list: unknown[], before: unknown[], isNew: boolean): HTMLElement {
  return make("ul", { class: "items" }, ...list.map((item, index) =>
    make("li", { class: isNew && JSON.stringify(item) !== JSON.stringify(before[index]) ? "new" : "" }, line(item))));
}

/** `before`: what it was; what differs from it is marked. */
export function documentView(data: Data, before: Data | undefined): HTMLElement {
  return make("div", { class: "document" }, rows(data, before, before !== undefined));
}

/** What changed, in a line. */
export function difference(data: Data, before: Data | undefined): string {
  if (before === undefined) return "set";
  const keys = [...new Set([...Object.keys(before), ...Object.keys(data)])].filter((key) => JSON.stringify(before[key]) !== JSON.stringify(data[key]));
  if (keys.length === 0) return "renewed, nothing in it changed";
  return keys.map((key) => {
    if (!(key in data)) return `${key} removed`;
    const value = data[key];
    const text = typeof value === "object" ? "changed" : `${before[key] !== undefined && typeof before[key] !== "object" ? `${before[key]} → ` : ""}${value}`;
    return `${key} ${text}`;
  }).join(", ");
}

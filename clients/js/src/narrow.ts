// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * `where` and `near` looked at on our side. Data messages do not say which subscription they are for: where two subscriptions
 * of one client select the same topic, only this tells a narrowed one what is its own (docs/protocol.md, Views).
 */
import { isFields, type Fields, type Value } from "./merge.js";
import type { Condition, Near, Scalar, Where } from "./types.js";

const EARTH_M = 6_371_008.8;

/** What stands at a field name, a dotted path, or a JSON pointer; undefined: nothing. */
function fieldAt(data: Fields, path: string): Value | undefined {
  const names = path[0] === "/"
    ? path.slice(1).split("/").map((name) => name.replace(/~1/g, "/").replace(/~0/g, "~"))
    : path.split(".");
  return names.reduce<Value | undefined>((value, name) => (isFields(value) && Object.hasOwn(value, name) ? value[name] : undefined), data);
}

/** Texts compare by their bytes, which is by their code points: UTF-16 alone would put U+E000 to U+FFFF behind all beyond them. */
function compare(a: Value | undefined, b: Scalar): number {
  if (typeof a === "number" && typeof b === "number") {
    return a - b;
  }
  if (typeof a !== "string" || typeof b !== "string") {
    return NaN;
  }
  const [x, y] = [[...a], [...b]];
  const at = x.findIndex((letter, i) => letter !== y[i]);
  return (x[at]?.codePointAt(0) ?? -1) - (y[at < 0 ? x.length : at]?.codePointAt(0) ?? -1);
}

function conditionHolds(value: Value | undefined, operator: string, operand: unknown): boolean {
  const order = compare(value, operand as Scalar);
  const holds: { [operator: string]: boolean } = {
    eq: value === operand,
    ne: value !== operand,
    lt: order < 0,
    lte: order <= 0,
    gt: order > 0,
    gte: order >= 0,
    in: [operand].flat().includes(value),
    exists: (value !== undefined) === operand,
  };
  return holds[operator] ?? true; // an operator of a later version: the broker knows
}

export function whereHolds(where: Where<never> | undefined, data: Fields): boolean {
  return Object.entries((where ?? {}) as Record<string, Condition>).every(([path, condition]) =>
    Object.entries(condition).every(([operator, operand]) => conditionHolds(fieldAt(data, path), operator, operand)),
  );
}

/** Metres along a sphere of the Earth's mean radius. */
export function distanceM(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const rad = Math.PI / 180;
  const dLat = Math.sin(((b.lat - a.lat) * rad) / 2);
  const dLon = Math.sin(((b.lon - a.lon) * rad) / 2);
  const h = dLat * dLat + Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * dLon * dLon;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Metres from `near` to a document, Infinity if it has no position. */
export function distanceOf(near: { lat: number; lon: number }, data: object): number {
  const { lat, lon } = Object((data as Fields).position ?? data) as Fields;
  const legal = typeof lat === "number" && typeof lon === "number" && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  return legal ? distanceM(near, { lat, lon }) : Infinity;
}

/** Those already in leave only beyond a margin: the broker's own, unless it is configured otherwise. */
export function isNear(near: Near | undefined, data: Fields, inside: boolean): boolean {
  return !near || distanceOf(near, data) <= near.radius_m + (inside && !near.limit ? Math.max(10, near.radius_m * 0.05) : 0);
}

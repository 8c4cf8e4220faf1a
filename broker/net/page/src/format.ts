// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers and instants as people read them.

/** 950, 1.2k, 12k, 3.4M */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size < 1000) return size < 10 && value % 1 !== 0 ? value.toFixed(1) : value.toFixed(0);
  const [divisor, unit] = size < 1e6 ? [1e3, "k"] : size < 1e9 ? [1e6, "M"] : [1e9, "G"];
  const scaled = value / divisor;
  return (Math.abs(scaled) < 10 ? scaled.toFixed(1) : scaled.toFixed(0)) + unit;
}

/** 512 B, 1.5 MB */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

/** 7 s, 12 min, 3 h, 4 d */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

export function age(at: number, now: number): string {
  return duration(now - at);
}

export function clock(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
}

type Value = unknown;

function isMap(value: Value): value is Record<string, Value> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One field as short text. */
export function field(key: string, value: Value): string {
  if ((key === "at" || key.endsWith("_at")) && typeof value === "number" && value > 1e11) return clock(value);
  if (isMap(value) && typeof value.lat === "number" && typeof value.lon === "number") {
    return `${value.lat.toFixed(4)}, ${value.lon.toFixed(4)}`;
  }
  if (Array.isArray(value)) return `[${value.length}]`;
  return isMap(value) ? "{…}" : String(value);
}

/** A document in a line: the telling fields first. */
export function summary(data: Record<string, Value>): string {
  const first = ["available", "booking_limit", "status", "state", "num_available", "availability"];
  const keys = [...first.filter((key) => key in data), ...Object.keys(data).filter((key) => !first.includes(key))];
  return keys.filter((key) => !key.endsWith("_currency")).map((key) => `${key} ${field(key, data[key])}`).join(" · ");
}

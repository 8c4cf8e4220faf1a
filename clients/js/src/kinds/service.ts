// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { distanceOf } from "../narrow.js";
import type { Service } from "../generated/kinds.js";
import type { Entry } from "../types.js";
import type { Place } from "./stock.js";

export interface WaitBand {
  /** closed; now: nobody waits; then up to 5, 15, 30 minutes and more; unknown: it does not say */
  readonly band: "closed" | "now" | "short" | "medium" | "long" | "very_long" | "unknown";
  /** seconds */
  readonly from: number | undefined;
  readonly until: number | undefined;
}

const BANDS: readonly (readonly [number, WaitBand["band"]])[] = [
  [0, "now"],
  [300, "short"],
  [900, "medium"],
  [1_800, "long"],
  [Infinity, "very_long"],
];

/** How long one waits, in words an app can show. The longer time counts: a promise that is broken is worse than a longer one. `now`: client.now(). */
export function waitBand(service: Service, now: number): WaitBand {
  if (service.availability === "closed" || service.is_operating === false) {
    return { band: "closed", from: undefined, until: undefined };
  }
  const eta = service.eta_at === undefined ? undefined : Math.max(0, Math.round((service.eta_at - now) / 1000));
  const from = service.wait_time ?? eta ?? (service.availability === "available" ? 0 : undefined);
  if (from === undefined) {
    return { band: "unknown", from: undefined, until: undefined };
  }
  const until = Math.max(from, service.wait_time_max ?? from);
  const band = BANDS.find(([limit]) => until <= limit)?.[1] ?? "very_long";
  return { band, from, until };
}

export interface NearbyUnit {
  /** metres */
  readonly distance: number;
  readonly entry: Entry<Service>;
}

/** The units that can be had, the nearest first. Stale ones come last: they may be gone. */
export function nearestAvailable(services: ReadonlyMap<string, Entry<Service>>, from: Place): NearbyUnit[] {
  return [...services.values()]
    .filter(({ data }) => data.availability === "available")
    .map((entry) => ({ distance: distanceOf(from, entry.data), entry }))
    .sort((a, b) => Number(Boolean(a.entry.stale)) - Number(Boolean(b.entry.stale)) || a.distance - b.distance);
}

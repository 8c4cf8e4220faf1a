// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { distanceM } from "../narrow.js";
import type { Stock } from "../generated/kinds.js";
import type { Entry } from "../types.js";

export interface Place {
  readonly lat: number;
  readonly lon: number;
}

export interface BranchStock {
  readonly branch: string;
  readonly available: number;
  /** metres; undefined if it is not known where the branch or the customer is */
  readonly distance: number | undefined;
  readonly entry: Entry<Stock>;
}

export interface NearestOptions {
  /** where the customer is */
  from?: Place | undefined;
  /** where the branches are: stock does not say */
  branches?: Readonly<Record<string, Place>> | ((branch: string) => Place | undefined) | undefined;
  /** so many are wanted; 1 */
  quantity?: number | undefined;
}

/** The branches that have so many, the nearest first; those at an unknown distance last, the fullest first. */
export function branchesWithStock(stock: Iterable<Entry<Stock>> | ReadonlyMap<string, Entry<Stock>>, options: NearestOptions = {}): BranchStock[] {
  const { from, branches = {}, quantity = 1 } = options;
  const placeOf = typeof branches === "function" ? branches : (branch: string) => (Object.hasOwn(branches, branch) ? branches[branch] : undefined);
  const entries = stock instanceof Map ? stock.values() : (stock as Iterable<Entry<Stock>>);
  return [...entries]
    .filter(({ data }) => data.available >= quantity)
    .map((entry) => {
      const branch = entry.topic.split("/")[2] ?? "";
      const place = placeOf(branch);
      return { branch, available: entry.data.available, distance: from && place ? distanceM(from, place) : undefined, entry };
    })
    .sort((a, b) => (a.distance ?? Infinity) - (b.distance ?? Infinity) || b.available - a.available || (a.branch < b.branch ? -1 : 1));
}

/** The nearest branch that has so many; undefined if none has. */
export function nearestWithStock(stock: Iterable<Entry<Stock>> | ReadonlyMap<string, Entry<Stock>>, options?: NearestOptions): BranchStock | undefined {
  return branchesWithStock(stock, options)[0];
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// What /v1/status said, once a second, for five minutes. Counters become rates here. While the page is hidden nothing is asked; the hole
// is drawn as a hole.

export interface Status {
  version: string;
  epoch: string;
  seq: number;
  uptime_ms: number;
  shards: number;
  topics: number;
  documents_bytes: number;
  connections: number;
  websockets: number;
  sessions: number;
  subscriptions: number;
  subscriptions_live: number;
  changes: number;
  changes_refused: number;
  deliveries: number;
  skipped: number;
  freshness: { stale: number; due: number; due_lag_ms: number; went_stale: number };
  memory: { rss_bytes: number; peak_bytes: number };
  store: { seq_durable: number; seq_checkpoint: number; journal_bytes: number; full: boolean };
  draining: boolean;
}

export const series = [
  "connections", "sessions",
  "changes", "refused",
  "deliveries", "skipped",
  "stale", "due",
  "rss", "documents",
  "unsynced", "unfolded",
] as const;
export type Series = (typeof series)[number];

export const WINDOW_S = 300;
const HOLE_MS = 4000; // longer than that between two samples: we were not looking

export class History {
  /** Seconds since the Unix epoch, and one row of values for each series. */
  readonly times: number[] = [];
  readonly values = Object.fromEntries(series.map((name) => [name, [] as (number | null)[]])) as Record<Series, (number | null)[]>;
  last: Status | null = null;
  private lastMs = 0;

  /** `nowMs` of a clock that does not jump; `wallMs` is what the axis shows. */
  add(status: Status, nowMs: number, wallMs: number): void {
    const before = this.last;
    const restarted = before === null || status.uptime_ms < before.uptime_ms;
    const elapsed = (nowMs - this.lastMs) / 1000;
    if (!restarted && nowMs - this.lastMs > HOLE_MS) this.hole(wallMs);
    const rate = (now: number, then: number | undefined) =>
      restarted || then === undefined || elapsed <= 0 ? null : Math.max(0, (now - then) / elapsed);
    this.push(wallMs, {
      connections: status.connections,
      sessions: status.sessions,
      changes: rate(status.changes, before?.changes),
      refused: rate(status.changes_refused, before?.changes_refused),
      deliveries: rate(status.deliveries, before?.deliveries),
      skipped: rate(status.skipped, before?.skipped),
      stale: status.freshness.stale,
      due: status.freshness.due,
      rss: status.memory.rss_bytes,
      documents: status.documents_bytes,
      unsynced: Math.max(0, status.seq - status.store.seq_durable),
      unfolded: Math.max(0, status.seq - status.store.seq_checkpoint),
    });
    this.last = status;
    this.lastMs = nowMs;
  }

  /** The newest value that is known. */
  newest(name: Series): number | null {
    return this.values[name].at(-1) ?? null;
  }

  private hole(wallMs: number): void {
    this.push(wallMs - 1, Object.fromEntries(series.map((name) => [name, null])) as Record<Series, null>);
  }

  private push(wallMs: number, row: Record<Series, number | null>): void {
    const at = Math.max(wallMs / 1000, (this.times.at(-1) ?? 0) + 0.001); // clocks are set back; axes are not
    this.times.push(at);
    for (const name of series) this.values[name].push(row[name]);
    while (this.times.length > 0 && (this.times[0] ?? 0) < at - WINDOW_S) {
      this.times.shift();
      for (const name of series) this.values[name].shift();
    }
  }
}

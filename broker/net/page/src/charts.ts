// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The six cards on top of the dashboard.
import { Chart } from "./chart.ts";
import type { ChartCard } from "./chart.ts";
import { bytes, count, duration, short } from "./format.ts";
import type { History } from "./history.ts";

const rate = (value: number) => short(value);

const cards: ChartCard[] = [
  {
    title: "Connections",
    lines: [{ series: "connections", label: "all" }, { series: "sessions", label: "sessions" }],
    format: short,
    least: 4,
    note: ({ last }) => (last === null ? "" : count(last.subscriptions, "subscription")),
  },
  {
    title: "Changes a second",
    lines: [{ series: "changes", label: "accepted" }, { series: "refused", label: "refused" }],
    format: rate,
    least: 4,
    note: ({ last }) => (last === null ? "" : `seq ${last.seq.toLocaleString("en")}`),
  },
  {
    title: "Deliveries a second",
    lines: [{ series: "deliveries", label: "sent" }, { series: "skipped", label: "skipped" }],
    format: rate,
    least: 4,
    note: ({ last }) => (last === null ? "" : `${count(last.skipped, "version")} skipped so far`),
  },
  {
    title: "Freshness",
    lines: [{ series: "stale", label: "stale" }, { series: "due", label: "due" }],
    format: short,
    least: 4,
    note: ({ last }) => (last === null ? "" : `of ${count(last.topics, "topic")}`),
  },
  {
    title: "Memory",
    lines: [{ series: "rss", label: "process" }, { series: "documents", label: "documents" }],
    format: bytes,
    least: 1e6,
    note: ({ last }) => (last === null ? "" : `peak ${bytes(last.memory.peak_bytes)}`),
  },
  {
    title: "Store lag",
    lines: [{ series: "unsynced", label: "not on disk" }, { series: "unfolded", label: "not in the checkpoint" }],
    format: short,
    least: 4,
    note: ({ last }) => (last === null ? "" : last.store.full ? "full: publishing is refused" : `journal ${bytes(last.store.journal_bytes)}`),
  },
];

export function makeCharts(parent: HTMLElement, history: History): () => void {
  const charts = cards.map((card) => new Chart(card, history));
  parent.append(...charts.map((chart) => chart.element));
  return () => charts.forEach((chart) => chart.update());
}

export function facts({ last }: History): string {
  if (last === null) return "";
  return `ahora ${last.version} · up ${duration(last.uptime_ms)} · epoch ${last.epoch}${last.draining ? " · draining" : ""}`;
}

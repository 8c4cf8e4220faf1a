// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// One card of the dashboard: a figure, what it means, and its last five minutes (uPlot). The first series is a filled line, the second a
// dashed one, so that they are told apart without colour.
import uPlot from "uplot";
import { colour, onColours } from "./colours.ts";
import { make, say } from "./dom.ts";
import type { History, Series } from "./history.ts";
import { WINDOW_S } from "./history.ts";

export interface ChartLine {
  series: Series;
  label: string;
}

export interface ChartCard {
  title: string;
  lines: [ChartLine, ChartLine];
  /** Values on the axis and in the legend. */
  format: (value: number) => string;
  /** A word on what cannot be drawn. */
  note: (history: History) => string;
  /** The axis reaches at least so far. */
  least: number;
}

const HEIGHT_PX = 132;
const AXIS_PX = 46;
const LABEL_PX = 56;
const SHORTEST_S = 20; // the axis is never shorter: a single value would be a wall

function lineOptions(card: ChartCard, index: 0 | 1): uPlot.Series {
  const stroke = () => colour(index === 0 ? "line-a" : "line-b");
  return {
    label: card.lines[index].label,
    stroke,
    width: index === 0 ? 2 : 1.75,
    ...(index === 0 ? { fill: () => colour("fill-a") } : { dash: [5, 4] }),
    points: { show: false },
    spanGaps: false,
  };
}

/** None at the very edge: it would be cut. */
function timeOf(plot: uPlot, tick: number, stepS: number): string {
  const at = plot.valToPos(tick, "x");
  if (at > plot.width - AXIS_PX - LABEL_PX / 2) return "";
  return new Date(tick * 1000).toTimeString().slice(0, stepS >= 60 ? 5 : 8);
}

function axes(card: ChartCard): uPlot.Axis[] {
  const common: uPlot.Axis = {
    stroke: () => colour("soft"),
    font: "11px Inter, system-ui, sans-serif",
    ticks: { show: false },
    grid: { stroke: () => colour("grid"), width: 1 },
    border: { show: false },
  };
  return [
    {
      ...common,
      grid: { show: false },
      size: 22,
      gap: 4,
      space: 70,
      values: (plot, ticks) => ticks.map((tick) => timeOf(plot, tick, (ticks[1] ?? 0) - (ticks[0] ?? 0))),
    },
    { ...common, size: AXIS_PX, gap: 6, space: 34, values: (_, ticks) => ticks.map((tick) => (tick % 1 !== 0 && card.least >= 1 ? "" : card.format(tick))) },
  ];
}

export class Chart {
  readonly element: HTMLElement;
  private readonly figure = make("p", { class: "figure" }, "–");
  private readonly note = make("p", { class: "note" });
  private readonly canvas = make("div", { class: "plot", role: "img" });
  private readonly legend: [HTMLElement, HTMLElement];
  private readonly plot: uPlot;

  constructor(private readonly card: ChartCard, private readonly history: History) {
    this.legend = [make("b", {}, "–"), make("b", {}, "–")];
    const keys = card.lines.map((line, index) =>
      make("span", { class: "key" }, make("i", { class: index === 0 ? "swatch a" : "swatch b" }), `${line.label} `, this.legend[index]));
    this.element = make("article", { class: "card chart" },
      make("header", {}, make("h3", {}, card.title), this.figure),
      this.canvas,
      make("footer", {}, ...keys, this.note));
    this.plot = new uPlot({
      width: 300,
      height: HEIGHT_PX,
      padding: [8, 4, 0, 0],
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: { time: true, range: () => this.span() },
        y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(card.least, (high ?? 0) * 1.15)] },
      },
      axes: axes(card),
      series: [{}, lineOptions(card, 0), lineOptions(card, 1)],
    }, this.data(), this.canvas);
    new ResizeObserver(() => this.fit()).observe(this.canvas);
    onColours(() => this.plot.redraw(false));
  }

  /** Grows with what is known until it has its five minutes. */
  private span(): [number, number] {
    const { times } = this.history;
    const end = times.at(-1) ?? Date.now() / 1000;
    return [end - Math.min(WINDOW_S, Math.max(SHORTEST_S, end - (times[0] ?? end))), end];
  }

  private data(): uPlot.AlignedData {
    const [a, b] = this.card.lines;
    return [this.history.times, this.history.values[a.series], this.history.values[b.series]] as uPlot.AlignedData;
  }

  private fit(): void {
    const width = Math.floor(this.canvas.clientWidth);
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT_PX });
  }

  update(): void {
    this.plot.setData(this.data());
    const values = this.card.lines.map((line) => this.history.newest(line.series));
    const texts = values.map((value) => (value === null ? "–" : this.card.format(value)));
    say(this.figure, texts[0] ?? "–");
    texts.forEach((text, index) => say(this.legend[index as 0 | 1], text));
    say(this.note, this.card.note(this.history));
    this.canvas.setAttribute("aria-label",
      `${this.card.title}, the last minutes. ${this.card.lines.map((line, index) => `${line.label}: ${texts[index]}`).join(", ")}.`);
  }
}

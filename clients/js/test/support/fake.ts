// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* An outside without sockets, clock or chance: time passes when it is told to, and lines do what the test says. */
import type { Environment, Frame, Line, LineEvents } from "../../src/types.js";

export class FakeLine implements Line {
  sent: Record<string, unknown>[] = [];
  closedWith: number | undefined;
  waiting = 0;

  constructor(
    readonly url: string,
    readonly protocol: string,
    readonly events: LineEvents,
  ) {}

  send(frame: Frame): void {
    this.sent.push(...String(frame).split("\n").map((line) => JSON.parse(line) as Record<string, unknown>));
  }

  close(code: number): void {
    this.closedWith = code;
  }

  open(protocol = this.protocol): void {
    this.events.open(protocol);
  }

  say(...messages: object[]): void {
    this.events.frame(messages.map((message) => JSON.stringify(message)).join("\n"));
  }

  /** The newest message of this op. */
  last(op: string): Record<string, unknown> | undefined {
    return this.sent.findLast((message) => message.op === op);
  }

  all(op: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message.op === op);
  }
}

interface Timer {
  at: number;
  run: () => void;
}

export class FakeEnvironment implements Environment {
  lines: FakeLine[] = [];
  chance = 0.5;
  page: Parameters<Environment["watch"]>[0] | undefined;
  openFails: unknown;
  #ticks = 0;
  #wall = 1_800_000_000_000;
  #timers = new Set<Timer>();

  open(url: string, protocol: string, events: LineEvents): Line {
    if (this.openFails) {
      throw this.openFails;
    }
    const line = new FakeLine(url, protocol, events);
    this.lines.push(line);
    return line;
  }

  now = () => this.#wall;
  ticks = () => this.#ticks;
  random = () => this.chance;

  timer(run: () => void, ms: number): () => void {
    const timer = { at: this.#ticks + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  watch(page: Parameters<Environment["watch"]>[0]): () => void {
    this.page = page;
    return () => {
      this.page = undefined;
    };
  }

  get line(): FakeLine {
    const line = this.lines.at(-1);
    if (!line) {
      throw new Error("no line was opened");
    }
    return line;
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Time passes; timers run in their order. */
  pass(ms: number): void {
    const end = this.#ticks + ms;
    for (let turns = 0; ; turns++) {
      if (turns > 100_000) {
        throw new Error("a timer that comes again at once, for ever");
      }
      const next = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      const to = next ? Math.max(this.#ticks, next.at) : end;
      this.#wall += to - this.#ticks;
      this.#ticks = to;
      if (!next) {
        return;
      }
      this.#timers.delete(next);
      next.run();
    }
  }

  /** The wall clock jumps: a laptop was asleep, or somebody set the time. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  /** The machine was suspended with its monotonic clock running: timers come late. */
  suspend(ms: number): void {
    this.#wall += ms;
    this.#ticks += ms;
    this.pass(0);
  }
}

/** Promises that are settled get to their callbacks. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await Promise.resolve();
  }
}

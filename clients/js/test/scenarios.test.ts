// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Plays tests/scenarios with a client in a process of its own. The format is described there. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { Broker, freePort, hasBroker, PATIENCE_MS, root } from "./support/broker.js";
import { FaultyProxy } from "./support/proxy.js";
import { ScriptedServer } from "./support/scripted.js";

type Fields = Record<string, unknown>;
type Step = Record<string, unknown>;
interface Scenario {
  name: string;
  needs?: string[];
  encodings?: string[];
  configure?: Record<string, string>;
  steps: Step[];
}

/** At least these keys and values. */
function fits(found: unknown, wanted: unknown): boolean {
  if (typeof wanted !== "object" || wanted === null) {
    return found === wanted;
  }
  const { $gt, $lt } = wanted as { $gt?: number; $lt?: number };
  if ($gt !== undefined) {
    return typeof found === "number" && found > $gt && ($lt === undefined || found < $lt);
  }
  if (Array.isArray(wanted)) {
    return Array.isArray(found) && found.length === wanted.length && wanted.every((item, i) => fits(found[i], item));
  }
  return typeof found === "object" && found !== null && Object.entries(wanted).every(([key, value]) => fits((found as Fields)[key], value));
}

function filled(value: unknown, i: number, round: number): unknown {
  if (typeof value === "string") {
    return value === "$filler" ? String(round).padStart(64, "x") : value.replaceAll("{i}", String(i));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if ("$i" in value) {
    return i + round;
  }
  return Array.isArray(value)
    ? value.map((item) => filled(item, i, round))
    : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, i, round)]));
}

class Driver {
  events: Fields[] = [];
  can: string[] = [];
  #child: ChildProcess;
  #wake: (() => void)[] = [];

  constructor() {
    const command = process.env.AHORA_SCENARIO_DRIVER;
    this.#child = command ? spawn(command, [], { stdio: "pipe" }) : spawn(process.execPath, [join(import.meta.dirname, "support/driver.js")], { stdio: "pipe" });
    this.#child.stderr?.on("data", (text: Buffer) => this.#hear({ stderr: text.toString() }));
    this.#child.on("exit", (code, signal) => this.#hear({ exit: code ?? signal }));
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => this.#hear(JSON.parse(line) as Fields));
  }

  #hear(event: Fields): void {
    this.events.push(event);
    this.#wake.splice(0).forEach((wake) => wake());
  }

  say(command: object): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Until something is heard, or a moment has passed. */
  async hear(): Promise<void> {
    await new Promise<void>((done) => {
      const timer = setTimeout(done, 50);
      this.#wake.push(() => {
        clearTimeout(timer);
        done();
      });
    });
  }

  async fini(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((done) => this.#child.once("exit", done));
      this.#child.stdin?.end();
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
      await gone;
      clearTimeout(timer);
    }
  }
}

class Play {
  #broker: Broker;
  #server: ScriptedServer | undefined;
  #driver = new Driver();
  #cursor = 0;
  #mark = 0;

  private constructor(
    private readonly scenario: Scenario,
    private readonly encoding: string,
    private readonly port: number,
    private readonly proxy: FaultyProxy,
  ) {
    this.#broker = new Broker(port, scenario.configure);
  }

  static async start(scenario: Scenario, encoding: string): Promise<Play> {
    const port = await freePort();
    const proxy = new FaultyProxy(await freePort(), port);
    await proxy.start();
    return new Play(scenario, encoding, port, proxy);
  }

  async fini(): Promise<void> {
    await this.#driver.fini();
    await this.proxy.fini();
    await this.#server?.fini();
    await this.#broker.fini();
  }

  async run(t: TestContext): Promise<void> {
    await this.#until("the driver says what it is", () => this.#driver.events.some((event) => "driver" in event));
    const { can } = this.#driver.events[0] as { can: string[] };
    const missing = [...(this.scenario.needs ?? []), ...(this.encoding === "msgpack" ? ["msgpack"] : [])].filter((need) => !can.includes(need));
    if (missing.length > 0) {
      t.skip(`the driver cannot: ${missing.join(", ")}`);
      return;
    }
    for (const [i, step] of this.scenario.steps.entries()) {
      const [key, value] = Object.entries(step)[0] as [string, unknown];
      try {
        await this.#step(key, value);
      } catch (error) {
        const log = this.#driver.events.slice(-30).map((event) => JSON.stringify(event)).join("\n");
        throw new Error(`step ${i + 1}, ${JSON.stringify(step).slice(0, 300)}: ${(error as Error).message}\n${log}`, { cause: error });
      }
    }
    const ended = this.#driver.events.find((event) => "exit" in event || "stderr" in event);
    assert.equal(ended, undefined, `the driver is not well: ${JSON.stringify(ended)}`);
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      assert.ok(Date.now() < end, `never came: ${what}`);
      await this.#driver.hear();
    }
  }

  async #step(key: string, value: unknown): Promise<void> {
    switch (key) {
      case "broker":
        return void (await this.#broker[value as "start" | "kill" | "stop" | "wipe"]());
      case "server":
        this.#server = new ScriptedServer(this.port);
        return;
      case "proxy":
        return this.#fault(value);
      case "client":
        return this.#client(value as Fields);
      case "publish":
        return this.#broker.publish(value as object[]);
      case "fill":
        return this.#fill(value as { topic: string; count: number; from?: number; rounds?: number; data: object });
      case "expect":
        return this.#expect(value);
      case "never":
        return assert.deepEqual(this.#driver.events.slice(this.#mark).filter((event) => fits(event, value)), []);
      case "mark":
        this.#mark = this.#driver.events.length;
        return;
      case "count": {
        const { event, is } = value as { event: Fields; is: number };
        const found = this.#driver.events.slice(this.#mark).filter((one) => fits(one, event));
        return assert.equal(found.length, is, JSON.stringify(found));
      }
      case "until": {
        const { topic, data } = value as { topic: string; data: object };
        return this.#until(JSON.stringify(value), async () => fits((await this.#broker.read(topic)).get(topic)?.data, data));
      }
      case "same":
        return this.#same(value as { sub: string; match: string });
      case "read":
        return this.#until(JSON.stringify(value), () => this.#server?.take((message) => fits(message, value)) !== undefined);
      case "send":
        return this.#server?.send(value as unknown[]);
      case "close":
        return this.#server?.close(value as number);
      case "drop":
        return this.#server?.drop();
      default:
        throw new Error(`no such step: ${key}`);
    }
  }

  #client(command: Fields): void {
    const url = `http://127.0.0.1:${this.proxy.port}`;
    this.#driver.say(command.do === "open" ? { ...command, url, encoding: this.encoding } : command);
  }

  #fault(value: unknown): void {
    if (typeof value === "string") {
      this.proxy[value as "flow" | "cut" | "refuse" | "stall" | "hole"]();
      return;
    }
    const { cut_after_bytes, delay_ms = 0, chunk_bytes = 0 } = value as { cut_after_bytes?: number; delay_ms?: number; chunk_bytes?: number };
    if (cut_after_bytes !== undefined) {
      this.proxy.cutAfter(cut_after_bytes);
    } else {
      this.proxy.slow(delay_ms, chunk_bytes);
    }
  }

  async #fill({ topic, count, from = 0, rounds = 1, data }: { topic: string; count: number; from?: number; rounds?: number; data: object }): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const changes = Array.from({ length: count }, (_, i) => ({
        op: "set",
        topic: filled(topic, from + i, round),
        data: filled(data, from + i, round),
      }));
      await this.#broker.publish(changes);
    }
  }

  async #expect(wanted: unknown): Promise<void> {
    await this.#until(JSON.stringify(wanted), () => {
      const at = this.#driver.events.findIndex((event, i) => i >= this.#cursor && fits(event, wanted));
      if (at >= 0) {
        this.#cursor = at + 1;
      }
      return at >= 0;
    });
  }

  /** What the events add up to. */
  #shown(sub: string): Map<string, object> {
    const shown = new Map<string, object>();
    for (const event of this.#driver.events) {
      if (event.sub === sub && event.event === "set") {
        const { seq, data, stale } = event;
        shown.set(event.topic as string, { seq, data, stale });
      } else if (event.sub === sub && event.event === "remove") {
        shown.delete(event.topic as string);
      }
    }
    return shown;
  }

  async #same({ sub, match }: { sub: string; match: string }): Promise<void> {
    try {
      await this.#until("the same", async () => isDeepStrictEqual(this.#shown(sub), await this.#broker.read(match)));
    } catch {
      assert.deepEqual(this.#shown(sub), await this.#broker.read(match));
    }
  }
}

const folder = join(root, "tests/scenarios");
const only = process.env.AHORA_SCENARIO;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".json") && (!only || name.includes(only)))) {
  const scenario = JSON.parse(readFileSync(join(folder, file), "utf8")) as Scenario;
  const scripted = scenario.steps.some((step) => "server" in step);
  for (const encoding of scenario.encodings ?? ["json"]) {
    test(`${scenario.name} (${encoding})`, { skip: !scripted && !hasBroker && "there is no broker to test with", timeout: 3 * PATIENCE_MS }, async (t) => {
      const play = await Play.start(scenario, encoding);
      try {
        await play.run(t);
      } finally {
        await play.fini();
      }
    });
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * What is published, in React Native's engine (Hermes), transpiled by React Native's own preset, with the real broker. The engine's command line has no
 * network and reads nothing while it runs: the line is kept here, and the app is run from its beginning each time something more has happened
 * (test/native/host.js). It must do again what it did before: that it does, is what the design promises.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import WebSocket from "ws";
import { Broker, freePort, hasBroker, PATIENCE_MS } from "./support/broker.js";

interface Did {
  did: "open" | "send" | "close" | "say" | "please" | "wait";
  line: number;
  url: string;
  protocols: string;
  frame: string;
  code: number;
  about: string;
  what: unknown;
  until: number | null;
}
type Happened = { at: number; what: "open" | "frame" | "close" | "time"; line?: number; [more: string]: unknown };

const home = resolve("test/native");
const hermes = join(home, "node_modules/hermes-engine-cli/linux64-bin/hermes");
const hasEngine = process.platform === "linux" && process.arch === "x64" && existsSync(hermes); // there is none for other machines
const missing = !hasBroker ? "there is no broker to test with" : !hasEngine && "React Native's engine is not here (npm ci in test/native)";
const place = mkdtempSync(join(tmpdir(), "ahora-native-"));
after(() => rmSync(place, { recursive: true, force: true }));

/** The app with what is published, one file, as React Native's packager hands it to the engine. */
async function transpiled(url: string): Promise<string> {
  const dist = join(place, "node_modules/@ahora/client");
  execFileSync(process.execPath, ["scripts/build.mjs", "--no-types"], { env: { ...process.env, AHORA_JS_OUT: join(dist, "dist") }, stdio: "inherit" });
  writeFileSync(join(dist, "package.json"), readFileSync("package.json"));
  const { outputFiles } = await build({
    entryPoints: [join(home, "app.js")],
    bundle: true,
    format: "esm",
    target: "esnext",
    nodePaths: [join(place, "node_modules")],
    define: { URL_OF_BROKER: JSON.stringify(url) },
    write: false,
  });
  const require = createRequire(join(home, "package.json"));
  const babel = require("@babel/core") as { transformSync(code: string, options: object): { code: string } };
  const options = { presets: [[require.resolve("@react-native/babel-preset"), { enableBabelRuntime: false }]], babelrc: false, configFile: false, compact: false };
  return babel.transformSync(outputFiles[0]?.text ?? "", { ...options, filename: join(place, "app.js") }).code;
}

class World {
  readonly #happened: Happened[] = [{ at: Date.now(), what: "time" }];
  readonly #lines: WebSocket[] = [];
  #done: string[] = [];
  #wake = () => {};
  readonly said: [string, unknown][] = [];
  runs = 0;

  constructor(
    readonly app: string,
    readonly please: (what: unknown, lines: WebSocket[]) => Promise<void>,
  ) {}

  #happen(what: Happened["what"], more: object = {}): void {
    this.#happened.push({ at: Date.now(), what, ...more });
    this.#wake();
  }

  #open(url: string, protocol: string): void {
    const line = this.#lines.length;
    const socket = new WebSocket(url, protocol);
    this.#lines.push(socket);
    socket.on("open", () => this.#happen("open", { line, protocol: socket.protocol }));
    socket.on("message", (data) => this.#happen("frame", { line, data: String(data) }));
    socket.on("close", (code, reason) => this.#happen("close", { line, code, reason: String(reason) }));
    socket.on("error", () => {});
  }

  async #run(): Promise<Did[]> {
    const script = join(place, "run.js");
    writeFileSync(script, `var HAPPENED = ${JSON.stringify(this.#happened)};\n${readFileSync(join(home, "host.js"), "utf8")}\n${this.app}`);
    const { stdout } = await promisify(execFile)(hermes, ["-w", "-Xmicrotask-queue", script], { maxBuffer: 2 ** 26, timeout: PATIENCE_MS });
    this.runs++;
    return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Did);
  }

  /** Until the app has said `end` or `failed`. */
  async play(): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const known = this.#happened.length;
      const did = await this.#run();
      const last = did.pop();
      const texts = did.map((one) => JSON.stringify(one));
      assert.deepEqual(texts.slice(0, this.#done.length), this.#done, "what it did, it does again");
      const fresh = did.slice(this.#done.length);
      this.#done = texts;
      for (const one of fresh) {
        await this.#answer(one);
      }
      if (this.said.some(([about]) => about === "end" || about === "failed")) {
        return;
      }
      assert.ok(Date.now() < end, `the app waits: ${JSON.stringify(this.said)}`);
      assert.equal(last?.did, "wait");
      await this.#more(known, last?.until ?? null);
    }
  }

  async #answer(one: Did): Promise<void> {
    switch (one.did) {
      case "open":
        return this.#open(one.url, one.protocols);
      case "send":
        return void this.#lines[one.line]?.send(one.frame);
      case "close":
        return this.#lines[one.line]?.close(one.code);
      case "say":
        return void this.said.push([one.about, one.what]);
      case "please":
        return this.please(one.what, this.#lines);
      default:
        assert.fail(one.did);
    }
  }

  /** Until something happened that the app does not know, if only that its time has come. */
  async #more(known: number, until: number | null): Promise<void> {
    if (this.#happened.length === known) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((done) => {
        this.#wake = done;
        timer = setTimeout(done, Math.min(PATIENCE_MS, Math.max(0, (until ?? Infinity) - Date.now())));
      });
      clearTimeout(timer);
    }
    if (this.#happened.length === known) {
      this.#happen("time");
    }
  }

  fini(): void {
    this.#lines.forEach((socket) => socket.terminate());
  }
}

test("an app in React Native's engine: follows, sells, is refused, is cut and comes back, moves", { skip: missing }, async (t) => {
  const broker = new Broker(await freePort());
  await broker.start();
  const set = (topic: string, data: object) => ({ op: "set", topic, data });
  const bike = (lat: number) => ({ availability: "available", position: { lat, lon: 13.405 } });
  await broker.publish([
    set("stock/4711/a", { available: 7 }),
    set("stock/4711/b", { available: 2 }),
    set("room/inn/double/2027-05-01", { booking_limit: 4 }),
    set("room/inn/double/2027-05-02", { booking_limit: 4 }),
    set("service/bike/one", bike(52.52)),
    set("service/bike/two", bike(52.53)),
  ]);
  const world = new World(await transpiled(broker.url), async (what, lines) => {
    assert.equal(what, "cut");
    lines[lines.length - 1]?.terminate();
    await broker.publish([set("stock/4711/c", { available: 9 }), { op: "delete", topic: "stock/4711/a" }]);
  });
  await world.play();
  t.diagnostic(`${world.runs} runs in ${execFileSync(hermes, ["--version"], { encoding: "utf8" }).match(/Hermes release version: \S+/)?.[0] ?? "Hermes"}`);
  world.fini();
  await broker.fini();
  assert.deepEqual(world.said, [
    ["line", ["connecting", null]],
    ["line", ["connected", null]],
    ["snapshot", ["stock/4711/a=7", "stock/4711/b=2"]],
    ["where", ["stock/4711/a=7"]],
    ["entry", [true, true, true, true, ["topic", "seq", "at", "data", "stale"]]],
    ["sold", [true, 7, 4, true]],
    ["where, then", []],
    ["refused", [true, true, "AhoraError", "bad_topic", true]],
    ["list", ["ok", "not_found"]],
    ["rooms", ["room/inn/double/2027-05-01=3", "room/inn/double/2027-05-02=3"]],
    ["line", ["disconnected", "disconnected"]],
    ["behind", ["behind", "stock/4711/a=4 disconnected", "stock/4711/b=2 disconnected"]],
    ["line", ["connecting", "disconnected"]],
    ["line", ["connected", null]],
    ["back", ["live", "stock/4711/b=1", "stock/4711/c=9"]],
    ["near", ["service/bike/one"]],
    ["moved", ["service/bike/two"]],
    ["nearest", "b"],
    ["line", ["disconnected", "closed"]],
    ["end", ["disconnected", "unsubscribed"]],
  ]);
});

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* The real broker, on a free port of loopback, with a data directory of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** As long as the slowest machine may need; waiting ends with what is waited for. */
export const PATIENCE_MS = 60_000;

export const root = resolve(process.cwd(), "../..");
export const brokerBinary = resolve(root, process.env.AHORAD ?? "build/ahorad");
export const hasBroker = existsSync(brokerBinary);

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

export class Broker {
  readonly #data = mkdtempSync(join(tmpdir(), "ahora-js-"));
  #child: ChildProcess | undefined;
  log = "";

  constructor(
    readonly port: number,
    private readonly configuration: Record<string, string> = {},
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const env = { ...process.env, ...Object.fromEntries(Object.entries(this.configuration).map(([key, value]) => [`AHORA_${key}`, value])) };
    const child = spawn(brokerBinary, ["--listen", `127.0.0.1:${this.port}`, "--data", join(this.#data, "data")], { env });
    this.#child = child;
    await new Promise<void>((done, failed) => {
      const hear = (text: Buffer) => {
        this.log += text.toString();
        if (/ info ready /.test(this.log.slice(this.log.lastIndexOf(" info start ")))) {
          done();
        }
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.once("exit", (code, signal) => failed(new Error(`the broker ended (${code ?? signal}):\n${this.log}`)));
      setTimeout(() => failed(new Error(`the broker is not ready:\n${this.log}`)), PATIENCE_MS).unref();
    });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((done) => child.once("exit", done));
      child.kill(signal);
      await gone;
    }
  }

  kill = () => this.#end("SIGKILL");
  stop = () => this.#end("SIGTERM");
  wipe = () => rmSync(join(this.#data, "data"), { recursive: true, force: true });

  async publish(changes: object[]): Promise<void> {
    for (let i = 0; i < changes.length; i += 500) {
      const response = await fetch(`${this.url}/v1/publish`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ changes: changes.slice(i, i + 500), ack: "applied" }),
      });
      const { results } = (await response.json()) as { results?: { error?: object }[] };
      const refused = results?.find(({ error }) => error);
      if (!results || refused) {
        throw new Error(`a publish of the test was refused: ${JSON.stringify(refused ?? response.status)}`);
      }
    }
  }

  /** What it holds: topic to document. */
  async read(match: string): Promise<Map<string, { seq: number; data: object; stale: boolean }>> {
    const response = await fetch(`${this.url}/v1/topics?match=${encodeURIComponent(match)}`, { headers: { Accept: "application/x-ndjson" } });
    const lines = (await response.text()).split("\n").filter((line) => line !== "");
    const items = lines.map((line) => JSON.parse(line) as { topic: string; seq: number; data: object; stale?: boolean });
    return new Map(items.map(({ topic, seq, data, stale }) => [topic, { seq, data, stale: stale ?? false }]));
  }

  async fini(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
  }
}

/** Waits until it holds, looking again and again. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) {
      throw new Error(`never came: ${what}`);
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}

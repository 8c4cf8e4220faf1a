// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// A broker of a case's own, in a temporary directory on a free port: started, killed, started again on the same store.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

export const PATIENCE_MS = 60_000; // what is waited for comes long before; on a slow machine too

/** Until `ask` gives something that is true. */
export async function until(what, ask) {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((go) => setTimeout(go, 25));
  }
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class Broker {
  static async start(ahorad, settings = {}) {
    const broker = new Broker();
    broker.ahorad = ahorad;
    broker.settings = settings;
    broker.directory = await mkdtemp(path.join(tmpdir(), "ahora-web-"));
    broker.port = await freePort();
    await broker.run();
    return broker;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** `settings`: SECTION_KEY as in the environment. */
  async run() {
    const environment = Object.fromEntries(Object.entries(this.settings).map(([key, value]) => [`AHORA_${key}`, value]));
    this.log = "";
    this.process = spawn(this.ahorad, ["--listen", `127.0.0.1:${this.port}`, "--data", path.join(this.directory, "data")], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.process.stderr.on("data", (text) => (this.log = (this.log + text).slice(-20_000)));
    this.ended = once(this.process, "exit");
    await until("the broker is ready", async () => {
      if (this.process.exitCode !== null) throw new Error(`the broker did not start: ${this.log}`);
      return fetch(`${this.url}/readyz`).then((response) => response.ok, () => false);
    });
  }

  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill("SIGTERM");
    const [code, signal] = await this.ended;
    await rm(this.directory, { recursive: true, force: true });
    if (code !== 0 && signal !== "SIGKILL") throw new Error(`the broker ended with ${code ?? signal}: ${this.log}`);
  }

  async publish(changes, headers = {}) {
    const response = await fetch(`${this.url}/v1/publish`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ changes, ack: "applied" }),
    });
    const { results } = await response.json();
    for (const result of results) if (result.error) throw new Error(JSON.stringify(result.error));
    return results;
  }

  async get(topic) {
    const response = await fetch(`${this.url}/v1/topics/${topic}`);
    return response.ok ? response.json() : null;
  }

  async status() {
    return (await fetch(`${this.url}/v1/status`)).json();
  }
}

/** Between the page and the broker: a line that can be cut, and mended. */
export class Wire {
  static async start(port) {
    const { connect } = await import("node:net");
    const wire = new Wire();
    wire.ends = new Set();
    wire.isCut = false;
    wire.server = createServer((near) => {
      if (wire.isCut) return near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const [one, other] of [[near, far], [far, near]]) {
        wire.ends.add(one);
        one.on("error", () => {});
        one.on("close", () => {
          wire.ends.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    }).listen(0, "127.0.0.1");
    await once(wire.server, "listening");
    return wire;
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  cut() {
    this.isCut = true;
    for (const end of this.ends) end.destroy();
  }

  mend() {
    this.isCut = false;
  }

  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The real broker as a child, and ways to talk to it: well-behaved (ask, Session) and byte by byte (askRaw).
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const PATIENCE_MS = 30000;

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Broker {
  static async start(binary, kinds) {
    const broker = new Broker();
    broker.directory = mkdtempSync(join(tmpdir(), "ahora-suites-"));
    broker.port = await freePort();
    broker.log = join(broker.directory, "log");
    const flags = ["--listen", `127.0.0.1:${broker.port}`, "--data", join(broker.directory, "data"), "--kinds", kinds];
    broker.child = spawn(binary, flags, { stdio: ["ignore", "ignore", openSync(broker.log, "w")] });
    broker.ended = new Promise((resolve) => broker.child.on("exit", (code, signal) => resolve(signal ?? code)));
    broker.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const deadline = Date.now() + PATIENCE_MS; ; ) {
      const ready = await broker.ask("GET", "/readyz").catch(() => undefined);
      if (ready?.status === 200) return broker;
      if (Date.now() > deadline || broker.child.exitCode !== null) throw new Error(readFileSync(broker.log, "utf8"));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it as an operator does: 0 if it lived, and left nothing behind that a sanitizer would name. */
  async stop() {
    this.agent.destroy();
    this.child.kill("SIGTERM");
    const end = await this.ended;
    if (end !== 0) process.stderr.write(readFileSync(this.log, "utf8").slice(-4000));
    rmSync(this.directory, { recursive: true, force: true });
    return end;
  }

  get lives() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** One request; `body` is text or bytes. Rejects if there is no whole answer. */
  ask(method, path, { headers = {}, body } = {}) {
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.port, method, path, headers, agent: this.agent, timeout: PATIENCE_MS };
      const request = http.request(options, (response) => {
        const pieces = [];
        response.on("data", (piece) => pieces.push(piece));
        response.on("end", () => resolve(answer(response.statusCode, response.headers["content-type"], Buffer.concat(pieces))));
        response.on("error", reject);
      });
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", reject);
      request.end(body);
    });
  }

  /** These very bytes on a connection of their own, which is then closed on our side: what came, as text in Latin 1. */
  askRaw(bytes) {
    return new Promise((resolve, reject) => {
      const pieces = [];
      const socket = net.connect(this.port, "127.0.0.1", () => socket.end(bytes));
      socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error("no answer")));
      socket.on("data", (piece) => pieces.push(piece));
      socket.on("error", reject);
      socket.on("close", () => resolve(Buffer.concat(pieces).toString("latin1")));
    });
  }
}

function answer(status, type, bytes) {
  const text = bytes.toString("utf8");
  let json;
  if (type?.includes("json")) json = JSON.parse(text);
  return { status, type, text, bytes, json, code: type === "application/problem+json" ? json.code : undefined };
}

/** A WebSocket session that asks one thing after the other. */
export class Session {
  static open(broker, subprotocol = "ahora.v1.json", hello = { op: "hello" }) {
    return new Promise((resolve, reject) => {
      const session = new Session();
      session.heard = [];
      session.socket = new WebSocket(`ws://127.0.0.1:${broker.port}/v1/ws`, subprotocol, { perMessageDeflate: false });
      session.socket.on("open", () => {
        const text = subprotocol === "ahora.v1.json";
        session.socket.send(text ? JSON.stringify(hello) : Buffer.from("81a26f70a568656c6c6f", "hex"));
        session.hear().then((first) => resolve(Object.assign(session, { first })), reject);
      });
      session.socket.on("message", (data, isBinary) => session.take(isBinary ? [data] : data.toString("utf8").split("\n")));
      session.socket.on("close", (code) => session.take([{ closed: code }]));
      session.socket.on("error", (error) => session.take([{ closed: error.message }]));
    });
  }

  take(messages) {
    for (const message of messages) {
      const value = typeof message === "string" ? JSON.parse(message) : message;
      if (value.op === "beat") continue;
      if (this.waiting) {
        this.waiting(value);
        this.waiting = undefined;
      } else {
        this.heard.push(value);
      }
    }
  }

  /** The next message, `{closed: CODE}` at the end. MessagePack comes as bytes. */
  hear() {
    if (this.heard.length > 0) return Promise.resolve(this.heard.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing was heard")), PATIENCE_MS);
      this.waiting = (value) => {
        clearTimeout(timer);
        resolve(value);
      };
    });
  }

  ask(data) {
    this.socket.send(data);
    return this.hear();
  }

  /** A text frame of bytes that need not be UTF-8. */
  askText(bytes) {
    this.socket.send(bytes, { binary: false });
    return this.hear();
  }

  close() {
    this.socket.terminate();
  }
}

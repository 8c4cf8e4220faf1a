// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* A network that fails on command, between client and broker: bytes are cut, held back, swallowed or cut in crumbs, never changed. */
import { createServer, connect, type Server, type Socket } from "node:net";

/**
 * A socket whose other side has ended is closing its own: to reset it in that moment is EINVAL, after which Node 20 forgets the handle
 * without closing it, and a process that has nothing else to do never ends.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
}

export class FaultyProxy {
  #server: Server;
  #pairs = new Set<{ client: Socket; broker: Socket }>();
  #refusing = false;
  #stalled = false;
  #hole = false;
  #cutAfter: number | undefined;
  #delayMs = 0;
  #chunkBytes = 0;
  connections = 0;

  constructor(
    readonly port: number,
    private readonly target: number,
  ) {
    this.#server = createServer((client) => this.#accept(client));
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(this.port, "127.0.0.1", done));
  }

  async fini(): Promise<void> {
    this.#cut();
    await new Promise((done) => this.#server.close(done));
  }

  // ---- faults ----

  flow(): void {
    const held = this.#hole;
    this.#refusing = this.#stalled = this.#hole = false;
    this.#delayMs = this.#chunkBytes = 0;
    if (held) {
      this.#cut(); // what was swallowed is missing: such a stream must not go on
    }
    for (const { broker } of this.#pairs) {
      broker.resume();
    }
  }

  cut = () => this.#cut();

  refuse(): void {
    this.#refusing = true;
    this.#cut();
  }

  /** Takes nothing from the broker any more: its side of the line fills up. */
  stall(): void {
    this.#stalled = true;
    for (const { broker } of this.#pairs) {
      broker.pause();
    }
  }

  /** Takes everything and passes nothing on. */
  hole(): void {
    this.#hole = true;
  }

  cutAfter(bytes: number): void {
    this.#cutAfter = bytes;
  }

  slow(delayMs: number, chunkBytes: number): void {
    this.#delayMs = delayMs;
    this.#chunkBytes = chunkBytes;
  }

  #cut(): void {
    for (const { client, broker } of this.#pairs) {
      reset(client);
      reset(broker);
    }
    this.#pairs.clear();
  }

  // ---- passing on ----

  #accept(client: Socket): void {
    this.connections++;
    client.on("error", () => {});
    if (this.#refusing) {
      reset(client);
      return;
    }
    const broker = connect(this.target, "127.0.0.1");
    const pair = { client, broker };
    const close = () => {
      this.#pairs.delete(pair);
      client.destroy();
      broker.destroy();
    };
    this.#pairs.add(pair);
    broker.on("error", close);
    broker.on("close", () => (this.#stalled ? undefined : close()));
    client.on("close", close);
    client.on("data", (bytes) => void this.#pass(bytes, broker));
    let left = this.#cutAfter;
    let queue = Promise.resolve();
    this.#cutAfter = undefined;
    broker.on("data", (bytes) => {
      const some = left === undefined ? bytes : bytes.subarray(0, left);
      left = left === undefined ? undefined : left - some.length;
      const over = left === 0;
      broker.pause();
      queue = queue.then(async () => {
        await this.#pass(some, client);
        if (over) {
          reset(client);
          close();
        } else if (!this.#stalled) {
          broker.resume();
        }
      });
    });
    if (this.#stalled) {
      broker.pause();
    }
  }

  async #pass(bytes: Buffer, to: Socket): Promise<void> {
    if (this.#hole) {
      return;
    }
    const size = this.#chunkBytes || bytes.length;
    for (let i = 0; i < bytes.length && !to.destroyed; i += size) {
      if (this.#delayMs > 0) {
        await new Promise((done) => setTimeout(done, this.#delayMs));
      }
      const goesOn = to.write(bytes.subarray(i, i + size));
      if (!goesOn && !to.destroyed) {
        await new Promise<void>((done) => {
          to.once("drain", done);
          to.once("close", done);
        });
      } else if (this.#chunkBytes > 0) {
        await new Promise((done) => setImmediate(done));
      }
    }
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* A server that says what it is told to: for what no real broker does. */
import { type WebSocket, WebSocketServer } from "ws";

export class ScriptedServer {
  #server: WebSocketServer;
  #socket: WebSocket | undefined;
  #received: Record<string, unknown>[] = [];
  id: unknown;
  accepted = 0;

  constructor(port: number) {
    this.#server = new WebSocketServer({ host: "127.0.0.1", port, handleProtocols: (offered) => [...offered][0] ?? false });
    this.#server.on("connection", (socket) => {
      this.accepted++;
      this.#socket = socket;
      socket.on("error", () => {});
      socket.on("message", (data) => {
        for (const line of String(data).split("\n")) {
          this.#received.push(JSON.parse(line) as Record<string, unknown>);
        }
      });
    });
  }

  /** The first message that fits and was not taken yet; what came before it is passed over. */
  take(fits: (message: Record<string, unknown>) => boolean): Record<string, unknown> | undefined {
    const at = this.#received.findIndex(fits);
    const found = at < 0 ? undefined : this.#received[at];
    if (found) {
      this.#received.splice(0, at + 1);
      this.id = found.id;
    }
    return found;
  }

  send(messages: unknown[]): void {
    for (const message of messages) {
      this.#socket?.send(typeof message === "string" ? message : this.#filled(JSON.stringify(message)));
    }
  }

  #filled(text: string): string {
    return text
      .replaceAll('"$id"', JSON.stringify(this.id ?? 0))
      .replace(/"\$now([+-]\d+)"/g, (_, offset: string) => String(Date.now() + Number(offset)));
  }

  close(code: number): void {
    this.#socket?.close(code);
  }

  drop(): void {
    this.#socket?.terminate();
  }

  async fini(): Promise<void> {
    for (const socket of this.#server.clients) {
      socket.terminate();
    }
    await new Promise((done) => this.#server.close(done));
  }
}

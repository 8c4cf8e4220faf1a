// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* The outside as it is: WebSocket, clock, timers, and the page if there is one. The only file that touches globals. */
import { AhoraError } from "./error.js";
import { listen, type Target } from "./listen.js";
import type { Environment, LineEvents } from "./types.js";

interface SocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: unknown }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  send(data: unknown): void;
  close(code?: number): void;
}
type SocketClass = new (url: string, protocol: string) => SocketLike;

interface Globals {
  WebSocket?: SocketClass;
  performance?: { now(): number };
  document?: { readonly visibilityState: string };
  location?: { origin: string };
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}
const globals = globalThis as unknown as Globals & Target;

/** What the page came from; `null` or another scheme if that is no web server. */
export function pageOrigin(): string | undefined {
  return globals.location?.origin;
}

function open(Socket: SocketClass | undefined, url: string, protocol: string, events: LineEvents) {
  if (!Socket) {
    throw new AhoraError("no_websocket", "no WebSocket");
  }
  const socket = new Socket(url, protocol);
  let fault: string | undefined;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => events.open(socket.protocol);
  socket.onmessage = ({ data }) => events.frame(data as string | ArrayBuffer);
  socket.onerror = ({ message }) => (fault = message);
  socket.onclose = ({ code, reason }) => events.close(code, String(reason || fault || ""));
  return {
    send(frame: unknown) {
      if (socket.readyState === 1) {
        socket.send(frame); // a socket that is closing would only complain
      }
    },
    close(code: number) {
      try {
        socket.close(code); // pages may close with 1000 and 3000 to 4999 only
      } catch {
        // it was never open
      }
    },
    get waiting() {
      return socket.bufferedAmount;
    },
  };
}

function watch(page: Parameters<Environment["watch"]>[0]): () => void {
  const look = () => {
    const hidden = globals.document?.visibilityState === "hidden";
    page.hidden(hidden);
    if (!hidden) {
      page.wake();
    }
  };
  const all = { online: page.wake, offline: page.doubt, pageshow: look, visibilitychange: look }; // the document's reach the window, too
  const offs = Object.entries(all).map(([type, run]) => listen(globals, type, run));
  look();
  return () => offs.forEach((off) => off());
}

export function environmentOf(Socket?: unknown): Environment {
  return {
    open: (url, protocol, events) => open((Socket as SocketClass | undefined) ?? globals.WebSocket, url, protocol, events),
    now: () => Date.now(),
    ticks: () => globals.performance?.now() ?? Date.now(),
    timer(run, ms) {
      const timer = globals.setTimeout(run, Math.min(ms, 2 ** 31 - 1));
      return () => globals.clearTimeout(timer);
    },
    random: () => Math.random(),
    watch,
  };
}

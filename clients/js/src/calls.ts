// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * Publishes and gets, in the order they were asked for, until they are answered.
 *
 *   queued ──sent──▶ sent ──answer──▶ settled
 *      ▲              │ line lost: a get, and a publish whose changes all have keys, goes again after the next welcome,
 *      └──────────────┘ if that is the same epoch and the broker still remembers the keys
 *                     └──▶ rejected: line lost otherwise, too late, given up by the caller
 */
import type { Connection, Part } from "./connection.js";
import { AhoraError } from "./error.js";
import { errorOf, type Reply } from "./reply.js";
import { listen, type Target } from "./listen.js";
import type { Change, Frame, PublishOptions, Signal } from "./types.js";

/* As enums, which a bundler writes out as numbers. */
const enum Max {
  SENDS = 4, // a publish that went down with so many lines is not tried again: it may be the cause
  WAITING = 1_048_576, // bytes in the socket; beyond it nothing more is given to it
}

const enum Ms {
  RESEND = 540_000, // the broker remembers keys for 10 minutes; one is our margin
  DRAIN = 50, // a WebSocket does not say when it has room again
  HOLD_MAX = 600_000,
}

export interface CallOptions {
  timeoutMs?: number | undefined;
  signal?: Signal | undefined;
}

type Answer = Extract<Reply, { op: "published" | "snapshot" }>;

export interface Request {
  readonly op: "pub" | "get";
  readonly changes?: readonly Change[];
  readonly ack?: PublishOptions["ack"];
  readonly [field: string]: unknown;
}

interface Call {
  readonly changes: readonly Change[];
  /** none: settled when it is handed to the line */
  readonly ack: PublishOptions["ack"];
  readonly frame: Frame;
  sends: number;
  isSent: boolean;
  firstSentAt: number;
  /** By the broker's clock, which its memory of keys goes by: one that was set forward while it was down has forgotten them. */
  takenAt: number;
  settle(answer: Answer | undefined): void;
  reject(reason: unknown): void;
}

export class Calls implements Part {
  readonly #connection: Connection;
  readonly #calls = new Map<number, Call>(); // in order
  #holdUntil = 0;
  #cancelPump = () => {};

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  busy(): boolean {
    return this.#calls.size > 0;
  }

  /** Rejects with AhoraError, or with the signal's reason. undefined: handed to the line, no answer wanted. */
  async make(request: Request, options: CallOptions): Promise<Answer | undefined> {
    const { outboxMax = 10_000, timeoutMs: usual = 30_000 } = this.#connection.settings;
    const { signal, timeoutMs = usual } = options;
    const { changes = [], ack } = request;
    const id = this.#connection.nextId();
    if (signal?.aborted) {
      throw signal.reason;
    }
    if (this.#calls.size >= outboxMax) {
      throw new AhoraError("outbox_full", "too many wait", { sent: false });
    }
    const frame = this.#connection.encode({ ...request, id });
    return new Promise((resolve, reject) => {
      const end = <T>(settle: (value: T) => void) => (value: T) => {
        this.#calls.delete(id);
        cancel();
        offSignal();
        settle(value);
      };
      const call: Call = { changes, ack, frame, sends: 0, isSent: false, firstSentAt: 0, takenAt: Infinity, settle: end(resolve), reject: end(reject) };
      const offSignal = listen(signal as Target | undefined, "abort", () => call.reject(signal?.reason));
      const cancel = this.#connection.timer(() => call.reject(new AhoraError("timeout", "no answer in time", { sent: call.sends > 0 })), timeoutMs);
      this.#calls.set(id, call);
      this.#pump();
    });
  }

  /** Sends what waits, as long as the line takes it. */
  #pump(): void {
    this.#cancelPump();
    const hold = this.#holdUntil - this.#connection.ticks();
    for (const call of [...this.#calls.values()]) {
      if (call.isSent) {
        continue;
      }
      if (!this.#connection.takesCalls) {
        return;
      }
      if (hold > 0 || this.#connection.waiting > Max.WAITING) {
        this.#cancelPump = this.#connection.timer(() => this.#pump(), Math.max(hold, Ms.DRAIN));
        return;
      }
      this.#send(call);
    }
  }

  #send(call: Call): void {
    call.isSent = true;
    call.firstSentAt ||= this.#connection.ticks();
    call.takenAt = Math.min(call.takenAt, this.#connection.now());
    call.sends++;
    this.#connection.sendFrame(call.frame);
    if (call.ack === "none" && this.#connection.isReady) {
      call.settle(undefined);
    }
  }

  #rejectSent(which: (call: Call) => boolean): void {
    for (const call of [...this.#calls.values()]) {
      if (call.isSent && which(call)) {
        call.reject(new AhoraError("disconnected", "cut before the answer", { sent: true }));
      }
    }
  }

  lost(): void {
    this.#cancelPump();
    // A get goes again, and a publish whose changes all have keys
    this.#rejectSent(({ changes }) => changes.some(({ key }) => key === undefined));
  }

  ready(sameEpoch: boolean): void {
    const isForgotten = ({ sends, firstSentAt, takenAt }: Call) =>
      !sameEpoch ||
      sends >= Max.SENDS ||
      this.#connection.ticks() - firstSentAt >= Ms.RESEND ||
      this.#connection.now() - takenAt >= Ms.RESEND;
    this.#rejectSent((call) => call.changes.length > 0 && isForgotten(call));
    for (const call of this.#calls.values()) {
      call.isSent = false;
    }
    this.#pump();
  }

  cancel({ code, detail }: AhoraError): void {
    for (const call of [...this.#calls.values()]) {
      call.reject(new AhoraError(code, detail, { sent: call.sends > 0 }));
    }
  }

  /** Throws if it answers something else than it was asked. */
  hear(reply: Reply): void {
    const results = reply.op === "published" ? reply.results : [];
    for (const body of [reply as { retry_ms?: number }, ...results.map(({ error }) => error)]) {
      if (body?.retry_ms) {
        this.#holdUntil = this.#connection.ticks() + Math.min(Ms.HOLD_MAX, body.retry_ms);
      }
    }
    const call = this.#calls.get((reply as { id?: number }).id ?? 0);
    if (!call?.isSent) {
      return; // given up by the caller, or no call
    }
    const { length } = call.changes;
    if (reply.op === "error") {
      call.reject(errorOf(reply));
    } else if (results.length === length && reply.op === (length > 0 ? "published" : "snapshot")) {
      call.settle(reply as Answer);
    } else {
      throw new TypeError(`${reply.op} that nobody asked for`);
    }
  }
}

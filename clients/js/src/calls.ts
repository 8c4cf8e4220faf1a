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
import { AhoraError } from "./error.js";
import { errorOf, type Reply } from "./reply.js";
import type { Frame, Signal } from "./types.js";

const RESEND_MS = 540_000; // the broker remembers keys for 10 minutes; one is our margin
const SENDS_MAX = 4; // a publish that went down with so many lines is not tried again: it may be the cause
const WAITING_MAX = 1_048_576; // bytes in the socket; beyond it nothing more is given to it
const DRAIN_MS = 50; // a WebSocket does not say when it has room again
const HOLD_MS_MAX = 600_000;

export interface CallRequest {
  message: object & { op: string };
  /** sent again after a cut: a get, or every change has a key */
  repeatable: boolean;
  /** of a publish; 0 for a get */
  changes: number;
  /** settled when it is handed to the line */
  silent: boolean;
  timeoutMs: number;
  signal: Signal | undefined;
}

type Answer = Extract<Reply, { op: "published" | "snapshot" }>;

interface Call extends CallRequest {
  readonly id: number;
  readonly frame: Frame;
  sends: number;
  isSent: boolean;
  firstSentAt: number;
  settle(answer: Answer | AhoraError | undefined): void;
}

export interface CallHooks {
  ticks(): number;
  timer(run: () => void, ms: number): () => void;
  /** the line takes calls */
  isOpen(): boolean;
  waiting(): number;
  encode(message: object): Frame;
  send(frame: Frame): void;
  nextId(): number;
}

export class Calls {
  #calls = new Map<number, Call>(); // in order
  #holdUntil = 0;
  #cancelPump: (() => void) | undefined;

  constructor(
    private readonly max: number,
    private readonly hooks: CallHooks,
  ) {}

  get count(): number {
    return this.#calls.size;
  }

  /** undefined: handed to the line, no answer wanted. */
  make(request: CallRequest): Promise<Answer | undefined> {
    const { signal } = request;
    if (signal?.aborted) {
      return Promise.reject(signal.reason);
    }
    if (this.#calls.size >= this.max) {
      return Promise.reject(new AhoraError("outbox_full", `${this.max} calls wait for their answer`, { sent: false }));
    }
    const id = this.hooks.nextId();
    let frame: Frame;
    try {
      frame = this.hooks.encode({ ...request.message, id });
    } catch (error) {
      return Promise.reject(new AhoraError("invalid", `cannot be written: ${String((error as Error)?.message)}`, { cause: error }));
    }
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        this.#calls.delete(id);
        cleanUp();
        reject(reason);
      };
      const cancel = this.hooks.timer(
        () => giveUp(new AhoraError("timeout", `no answer for ${request.timeoutMs} ms`, { sent: call.sends > 0 })),
        request.timeoutMs,
      );
      const onAbort = () => giveUp(signal?.reason);
      const cleanUp = () => {
        cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      const call: Call = {
        ...request,
        id,
        frame,
        sends: 0,
        isSent: false,
        firstSentAt: 0,
        settle: (answer) => {
          this.#calls.delete(id);
          cleanUp();
          if (answer instanceof AhoraError) {
            reject(answer);
          } else {
            resolve(answer);
          }
        },
      };
      signal?.addEventListener("abort", onAbort);
      this.#calls.set(id, call);
      this.pump();
    });
  }

  /** Sends what waits, as long as the line takes it. */
  pump(): void {
    this.#cancelPump?.();
    this.#cancelPump = undefined;
    if (!this.hooks.isOpen()) {
      return;
    }
    const hold = this.#holdUntil - this.hooks.ticks();
    for (const call of [...this.#calls.values()]) {
      if (call.isSent) {
        continue;
      }
      if (hold > 0 || this.hooks.waiting() > WAITING_MAX) {
        this.#cancelPump = this.hooks.timer(() => this.pump(), Math.max(hold, DRAIN_MS));
        return;
      }
      this.#send(call);
      if (!this.hooks.isOpen()) {
        return;
      }
    }
  }

  #send(call: Call): void {
    call.isSent = true;
    call.firstSentAt = call.sends++ > 0 ? call.firstSentAt : this.hooks.ticks();
    this.hooks.send(call.frame);
    if (call.silent && this.hooks.isOpen()) {
      call.settle(undefined);
    }
  }

  lost(): void {
    this.#cancelPump?.();
    this.#cancelPump = undefined;
    for (const call of [...this.#calls.values()]) {
      if (call.isSent && !call.repeatable) {
        call.settle(lostCall());
      }
    }
  }

  ready(sameEpoch: boolean): void {
    const now = this.hooks.ticks();
    for (const call of [...this.#calls.values()]) {
      if (!call.isSent) {
        continue;
      }
      const remembered = sameEpoch && call.sends < SENDS_MAX && now - call.firstSentAt < RESEND_MS;
      if (call.changes === 0 || remembered) {
        call.isSent = false;
      } else {
        call.settle(lostCall());
      }
    }
    this.pump();
  }

  cancel(error: AhoraError): void {
    for (const call of [...this.#calls.values()]) {
      call.settle(new AhoraError(error.code, error.detail, { sent: call.sends > 0 }));
    }
  }

  /** True if it was an answer to a call. Throws if it fits none. */
  reply(reply: Reply): boolean {
    if (reply.op === "error") {
      return this.#refused(reply);
    }
    if (reply.op !== "published" && reply.op !== "snapshot") {
      return false;
    }
    const call = this.#calls.get(reply.id);
    if (!call?.isSent) {
      return true; // given up by the caller
    }
    const fits = reply.op === "snapshot" ? call.changes === 0 : call.changes === reply.results.length;
    if (!fits) {
      throw new TypeError(`a ${reply.op} that fits no question`);
    }
    if (reply.op === "published") {
      for (const { error } of reply.results) {
        this.#hold(error?.retry_ms);
      }
    }
    call.settle(reply);
    return true;
  }

  #refused(reply: Extract<Reply, { op: "error" }>): boolean {
    this.#hold(reply.retry_ms);
    const call = this.#calls.get(reply.id ?? 0);
    if (!call?.isSent) {
      return false;
    }
    call.settle(errorOf(reply));
    return true;
  }

  #hold(retryMs: number | undefined): void {
    if (retryMs !== undefined && retryMs > 0) {
      this.#holdUntil = this.hooks.ticks() + Math.min(HOLD_MS_MAX, retryMs);
    }
  }
}

function lostCall(): AhoraError {
  return new AhoraError("disconnected", "the line was lost before the answer: whether it was applied is not known", { sent: true });
}

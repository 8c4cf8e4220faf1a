// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * The life of the line. Given everything outside (Environment) it does the same thing every time.
 *
 *   idle ──connect()──▶ token ──▶ opening ──open──▶ greeting ──welcome──▶ ready
 *                         ▲          │                 │                    │
 *                      waiting ◀─────┴─────────────────┴────────────────────┘  lost, silent, bye, bad frames
 *   any ──disconnect()──▶ idle      ready, waiting ──hidden for long──▶ asleep ──shown──▶ token
 *
 * One timer for all deadlines. Whatever belongs to a former line is ignored: callbacks compare the line they were made for.
 * A line that held less than Ms.STEADY does not begin the back-off anew, and no hint of the broker shortens it: a broker that
 * greets and cuts at once is not met with a fast loop.
 */
import { drawWait } from "./backoff.js";
import type { Emitter } from "./emitter.js";
import { AhoraError, type ErrorCode } from "./error.js";
import { readReply, errorOf, type Reply } from "./reply.js";
import { tokenEnd } from "./token.js";
import type { ClientEvents, ClientOptions, Codec, ConnectionState, Environment, Frame, Line } from "./types.js";

/** Milliseconds. */
const enum Ms {
  OPEN = 10_000, // opening and greeting together
  TOKEN = 30_000,
  STEADY = 5_000,
  PROBE = 5_000, // a doubtful line has so long to answer a ping
  LEAVE = 5_000, // after bye the broker has so long to close
  RENEW = 5_000, // from one renewal of the token to the next at least
  RETRY_MAX = 600_000,
  TICK = 10_000, // how often we look whether the clock jumped, as it does when a laptop was asleep
  JUMP = 2_000,
}

const enum Id {
  AUTH = 1, // of each `auth`; those of the parts come after it
}

type Phase = "idle" | "token" | "opening" | "greeting" | "ready" | "waiting" | "asleep";

/** What lives on the line: documents, and calls. */
export interface Part {
  ready(sameEpoch: boolean): void;
  /** Looks whether the message is for it; throws if it breaks the protocol. */
  hear(reply: Reply): void;
  /** after the last message of a frame */
  flush?(): void;
  lost(): void;
  /** The line does not come back by itself. */
  cancel?(reason: AhoraError): void;
  /** somebody waits for an answer */
  busy?(): boolean;
}

const CLOSES: Record<number, ErrorCode> = {
  1013: "overloaded",
  4400: "bad_message",
  4401: "unauthorized",
  4403: "forbidden",
  4429: "too_many",
};

/** What the app asked for, and what stands in for the rest. */
export interface Settings extends ClientOptions {
  url: string;
  codec: Codec;
  environment: Environment;
}

export class Connection {
  readonly #env: Environment;
  readonly #emitter: Emitter<ClientEvents>;
  readonly settings: Settings;
  state: ConnectionState = Object.freeze({ state: "disconnected", attempt: 0, final: true });
  epoch = "";
  beatMs = 15_000;
  /** in the order in which they are asked whose a message is */
  readonly parts: Part[] = [];

  #phase: Phase = "idle";
  #line: Line | undefined;
  #generation = 0;
  #attempt = 0;
  #waits = 0; // drawn since the last line that held
  #refusals = 0; // 4401 since the last line that held
  #lastError: AhoraError | undefined; // of the broker, to nobody in particular: says why it closes
  #hinted = false;

  #token: string | undefined;
  #tokenRenewAt = Infinity; // by the broker's clock

  #phaseBy = Infinity; // it is opened, greeted, tried again, or left after a bye
  #readyAt = 0;
  #silentBy = 0; // something must have been heard
  #isProbing = false;
  #renewAt = Infinity;
  #sleepAt = Infinity;
  #clockOffset = 0;
  #skew = NaN; // until a broker has told its time

  #cancelTimer = () => {};
  #unwatch: (() => void) | undefined;
  #lastId: number = Id.AUTH;

  constructor(settings: Settings, emitter: Emitter<ClientEvents>) {
    this.settings = settings;
    this.#env = settings.environment;
    this.#token = settings.token;
    this.#emitter = emitter;
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  /** After bye, what is sent would be refused. */
  get takesCalls(): boolean {
    return this.isReady && this.#phaseBy === Infinity;
  }

  ticks(): number {
    return this.#env.ticks();
  }

  draw(): number {
    return this.#env.random();
  }

  timer(run: () => void, ms: number): () => void {
    return this.#env.timer(run, Math.ceil(ms));
  }

  nextId(): number {
    return ++this.#lastId;
  }

  encode(message: object): Frame {
    return this.settings.codec.encode(message);
  }

  /** Bytes that wait for the network. */
  get waiting(): number {
    return this.#line?.waiting ?? 0;
  }

  /** The broker's clock, Unix milliseconds. */
  readonly now = () => Math.round(this.#env.now() + (this.#skew || 0));

  // ---- asked from outside ----

  /** Opens the line if nothing keeps it closed but that nobody wanted it. */
  want(): void {
    if (this.#phase === "asleep" || (this.#phase === "idle" && !this.state.reason)) {
      this.connect();
    }
  }

  connect(): void {
    if (this.#phase !== "idle" && this.#phase !== "asleep") {
      return;
    }
    this.#clockOffset = this.#env.now() - this.#env.ticks();
    this.#unwatch ??= this.#env.watch({
      wake: () => this.#wake(),
      doubt: () => this.#probe(),
      hidden: (hidden) => this.#hidden(hidden),
    });
    this.#waits = this.#refusals = this.#attempt = 0;
    this.#begin();
  }

  disconnect(reason: AhoraError): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#sleepAt = Infinity;
    this.#end("idle", reason);
  }

  send(message: object): void {
    this.sendFrame(this.encode(message));
  }

  /** Nothing, if the line is gone. */
  sendFrame(frame: Frame): void {
    try {
      this.#line?.send(frame);
    } catch (error) {
      this.#lose(new AhoraError("disconnected", "closed", { cause: error }), 4400);
    }
  }

  // ---- opening ----

  #begin(): void {
    this.#attempt++;
    this.#generation++;
    this.#enter("token", Ms.TOKEN);
    const open = this.#own(() => this.#open());
    this.#tell({ state: "connecting", reason: this.state.reason });
    const isGood = this.#token !== undefined && this.now() < this.#tokenRenewAt;
    if (this.settings.getToken && !isGood) {
      this.#ask(this.#refusals > 0 ? "unauthorized" : "connect").then(open, this.#own((error) => this.#lose(tokenFault(error))));
    } else {
      open();
    }
  }

  #enter(phase: Phase, ms = Infinity): void {
    this.#phase = phase;
    this.#phaseBy = this.#env.ticks() + ms;
    this.#arm();
  }

  /** Made for this attempt and its line: later it does nothing. */
  #own<A extends unknown[]>(run: (...values: A) => void): (...values: A) => void {
    const generation = this.#generation;
    return (...values) => generation === this.#generation && run(...values);
  }

  async #ask(reason: "connect" | "expiring" | "unauthorized"): Promise<void> {
    const token = await this.settings.getToken?.({ reason });
    if (typeof token !== "string" && token != null) {
      throw new TypeError("no text");
    }
    this.#token = token ?? undefined;
    // A quarter of the time that it has left before its end, a minute at most
    const end = tokenEnd(this.#token);
    this.#tokenRenewAt = end - Math.min(60_000, (end - this.now()) / 4);
  }

  #open(): void {
    this.#enter("opening", Ms.OPEN);
    try {
      this.#line = this.#env.open(this.settings.url, `ahora.v1.${this.settings.codec.name}`, {
        open: this.#own((protocol) => this.#opened(protocol)),
        frame: this.#own((frame) => this.#frame(frame)),
        close: this.#own((code, reason) => this.#closed(code, reason)),
      });
    } catch (error) {
      if (error instanceof AhoraError) {
        this.#end("idle", error);
      } else {
        this.#lose(new AhoraError("connect_failed", String(error), { cause: error }));
      }
    }
  }

  #opened(protocol: string): void {
    if (protocol !== `ahora.v1.${this.settings.codec.name}`) {
      this.#lose(new AhoraError("wrong_protocol", `it speaks "${protocol}"`));
      return;
    }
    const { name = "ahora-js/0.1.0", source, onLost, graceMs } = this.settings;
    this.#phase = "greeting";
    this.send({ op: "hello", token: this.#token, client: name, source, on_lost: onLost, grace_ms: graceMs });
  }

  #welcome(reply: Extract<Reply, { op: "welcome" }>): void {
    const { epoch, session, server, limits } = reply;
    const sameEpoch = epoch === this.epoch;
    this.epoch = epoch;
    this.beatMs = Math.max(100, reply.beat_ms);
    this.#heard();
    this.#readyAt = this.#env.ticks();
    this.#lastError = undefined;
    this.#enter("ready");
    this.#planRenewal();
    this.#tell({ state: "connected", epoch, session, server, limits });
    if (this.isReady) {
      this.parts.forEach((part) => part.ready(sameEpoch));
    }
  }

  // ---- what the line brings ----

  #heard(): void {
    this.#isProbing = false;
    this.#silentBy = this.#env.ticks() + 2 * this.beatMs;
  }

  #frame(frame: string | ArrayBuffer): void {
    const line = this.#line;
    this.#heard();
    if (this.takesCalls) {
      this.#lastError = undefined; // the session went on
    }
    try {
      for (const message of this.settings.codec.decode(frame)) {
        this.#reply(readReply(message));
        if (this.#line !== line) {
          break;
        }
      }
    } catch (error) {
      if (this.#line === line) {
        this.#lose(new AhoraError("bad_frame", String(error).slice(0, 200), { cause: error }), 4400);
      }
    }
    this.parts.forEach((part) => part.flush?.());
  }

  #reply(reply: Reply): void {
    const { op } = reply;
    if (this.#phase !== (op === "welcome" ? "greeting" : "ready") && op !== "error" && op !== "bye") {
      throw new TypeError(`${op} out of turn`);
    }
    if ("now" in reply) {
      this.#clock(reply.now);
    }
    if (op === "welcome") {
      this.#welcome(reply);
      return;
    }
    if (op === "bye") {
      this.#lastError = new AhoraError(op, reply.reason ?? op, { retryMs: reply.retry_ms });
      this.#enter(this.#phase, Ms.LEAVE);
      return;
    }
    // To nobody in particular, or to us: the token was refused
    const ours = op === "error" && (!reply.id || reply.id === Id.AUTH) ? errorOf(reply) : undefined;
    if (ours) {
      this.#lastError = ours;
      if ((reply as { id?: number }).id) {
        this.#token = undefined;
      }
    }
    this.parts.forEach((part) => part.hear(reply));
    if (ours) {
      this.#emitter.emit("error", ours);
    }
  }

  #closed(code: number, reason: string): void {
    const said = this.#lastError;
    const known = CLOSES[code];
    const foreign = /subprotocol|response: (400|426)/.test(reason);
    const fallback = foreign ? "wrong_protocol" : this.isReady ? "disconnected" : "connect_failed";
    const error = new AhoraError(
      said?.code ?? known ?? fallback,
      said?.detail ?? (reason || `closed with ${code}`),
      { closeCode: code, retryMs: said?.retryMs },
    );
    if (code !== 4401 && code !== 4403) {
      this.#lose(error);
      return;
    }
    // A token that was refused is not tried again. Without a way to get another there is nothing to wait for.
    this.#refusals = this.#isSteady() ? 1 : this.#refusals + 1;
    if (this.settings.getToken) {
      this.#token = undefined;
      this.#lose(error, 1000, code === 4401 && this.#refusals === 1);
    } else {
      this.#end("idle", error);
    }
  }

  /** A late message makes the broker's clock look slow, never fast: the largest difference is the nearest to the truth. */
  #clock(brokerNow: number): void {
    const skew = brokerNow - this.#env.now();
    this.#skew = Math.abs(skew - this.#skew) <= Ms.JUMP ? Math.max(skew, this.#skew) : skew;
  }

  // ---- tokens that end ----

  #planRenewal(notBefore = 0): void {
    const left = Math.max(this.#tokenRenewAt - this.now(), notBefore);
    this.#renewAt = this.settings.getToken ? this.#env.ticks() + left : Infinity;
    this.#arm();
  }

  #renew(): void {
    this.#renewAt = Infinity;
    this.#ask("expiring")
      .then(
        this.#own(() => this.send({ op: "auth", id: Id.AUTH, token: this.#token })),
        this.#own((error: unknown) => void this.#emitter.emit("error", tokenFault(error))),
      )
      .then(this.#own(() => this.#planRenewal(Ms.RENEW * (1 + this.draw()))));
  }

  // ---- losing ----

  #isSteady(): boolean {
    return this.isReady && this.#env.ticks() - this.#readyAt >= Ms.STEADY;
  }

  #lose(reason: AhoraError, closeCode?: number, atOnce = false): void {
    const hint = Math.min(Ms.RETRY_MAX, this.#lastError?.retryMs ?? -1);
    const steady = this.#isSteady();
    if (steady) {
      this.#waits = this.#attempt = 0;
    }
    this.#hinted = hint >= 0;
    const wait = atOnce ? 0 : this.#hinted && steady ? hint : Math.max(hint, drawWait(this.#waits++, this.draw()));
    this.#end("waiting", reason, closeCode, wait);
  }

  /** Leaves the line, whatever it is doing, for `phase`. */
  #end(phase: "idle" | "waiting" | "asleep", reason: AhoraError, closeCode = 1000, wait = Infinity): void {
    const line = this.#line;
    const retryAt = wait < Infinity ? this.#env.now() + wait : undefined;
    const final = phase === "idle";
    this.#line = undefined;
    this.#generation++;
    this.#renewAt = Infinity;
    this.#lastError = undefined;
    this.#enter(phase, wait);
    const tell = this.#own(() => this.#tell({ state: "disconnected", reason, retryAt, final }));
    line?.close(closeCode);
    this.parts.forEach((part) => part.lost());
    tell(); // unless a listener has connected meanwhile
    this.parts.forEach((part) => part.flush?.());
  }

  #tell(state: Omit<ConnectionState, "attempt" | "final"> & { final?: boolean }): void {
    this.state = Object.freeze({ attempt: this.#attempt, final: false, ...state });
    const { final, reason } = this.state;
    if (final) {
      this.parts.forEach((part) => part.cancel?.(reason as AhoraError));
    }
    this.#emitter.emit("state", this.state);
  }

  // ---- time ----

  /** Whether a page that is hidden for long lets the line go. */
  get #mayRest(): boolean {
    return this.isReady || this.#phase === "waiting";
  }

  #arm(): void {
    const now = this.#env.ticks();
    const ready = this.isReady ? Math.min(this.#silentBy, this.#renewAt, now + Math.min(Ms.TICK, this.beatMs)) : Infinity;
    const deadline = Math.min(this.#phaseBy, ready, this.#mayRest ? this.#sleepAt : Infinity);
    this.#cancelTimer();
    if (deadline < Infinity) {
      this.#cancelTimer = this.timer(() => this.#onTime(), deadline - now);
    }
  }

  #onTime(): void {
    const now = this.#env.ticks();
    const offset = this.#env.now() - now;
    const jumped = Math.abs(offset - this.#clockOffset) > Ms.JUMP;
    this.#clockOffset = offset;
    if (now >= this.#phaseBy) {
      this.#phaseIsOver(now);
    } else if (this.isReady) {
      this.#look(now, jumped);
    }
    if (now >= this.#sleepAt && this.#mayRest) {
      this.#fallAsleep(now);
    }
    this.#arm();
  }

  #phaseIsOver(now: number): void {
    const late = "no answer in time";
    if (this.#phase !== "waiting") {
      const why = this.#phase === "token" ? tokenFault(late) : this.#lastError; // that is a bye
      this.#lose(why ?? new AhoraError("connect_failed", late));
    } else if (now < this.#sleepAt) {
      this.#begin();
    }
  }

  #look(now: number, jumped: boolean): void {
    const late = now - this.#silentBy;
    if (late >= 0 && (this.#isProbing || (late < this.beatMs && !jumped))) {
      this.#lose(new AhoraError("silent", this.#isProbing ? "no pong" : "no beat"), 4000);
    } else if (late >= 0 || jumped) {
      // We are the ones who were away: what came meanwhile may not have been read yet
      this.#probe();
    } else if (now >= this.#renewAt) {
      this.#renew();
    }
  }

  /** A ping that must be answered soon. Whatever comes is an answer. */
  #probe(): void {
    if (this.isReady && !this.#isProbing) {
      this.#isProbing = true;
      this.#silentBy = this.#env.ticks() + Ms.PROBE;
      this.send({ op: "ping", id: this.nextId() });
      this.#arm();
    }
  }

  /** The page or the network is back: no reason to wait on, unless the broker asked for it. */
  #wake(): void {
    if (this.#phase === "asleep") {
      this.connect();
    } else if (this.#phase === "waiting" && !this.#hinted) {
      this.#begin();
    } else {
      this.#probe();
    }
  }

  #hidden(hidden: boolean): void {
    const after = this.settings.sleepWhileHidden;
    this.#sleepAt = !hidden || after === undefined ? Infinity : Math.min(this.#sleepAt, this.#env.ticks() + after);
    this.#arm();
  }

  #fallAsleep(now: number): void {
    if (this.parts.some((part) => part.busy?.())) {
      this.#sleepAt = now + 1_000;
    } else {
      this.#sleepAt = Infinity;
      this.#end("asleep", new AhoraError("asleep", "hidden"));
    }
  }
}

function tokenFault(error: unknown): AhoraError {
  return new AhoraError("token_failed", `getToken: ${String(error)}`, { cause: error });
}

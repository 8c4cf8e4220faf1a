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
import { Backoff } from "./backoff.js";
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

type Phase = "idle" | "token" | "opening" | "greeting" | "ready" | "waiting" | "asleep";

/** What lives on the line: documents, and calls. */
export interface Part {
  ready(sameEpoch: boolean): void;
  /** True if the message was for it; throws if it breaks the protocol. */
  reply(reply: Reply): boolean;
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

export class Connection {
  state: ConnectionState = Object.freeze({ state: "disconnected", attempt: 0, final: true });
  epoch = "";
  beatMs = 15_000;
  /** in the order in which they are asked whose a message is */
  readonly parts: Part[] = [];

  #phase: Phase = "idle";
  #line: Line | undefined;
  #generation = 0;
  #backoff: Backoff;
  #attempt = 0;
  #refusals = 0; // 4401 since the last line that held
  #lastError: AhoraError | undefined; // of the broker, to nobody in particular: says why it closes
  #hintMs: number | undefined;
  #hinted = false;

  #token: string | undefined;
  #tokenRenewAt = Infinity; // by the broker's clock
  #authId = 0;

  #openBy = Infinity;
  #readyAt = 0;
  #heardAt = 0;
  #probeBy = Infinity;
  #leaveBy = Infinity;
  #renewAt = Infinity;
  #retryAt = Infinity;
  #sleepAt = Infinity;
  #clockOffset = 0;
  #skew: number | undefined;

  #cancelTimer = () => {};
  #unwatch: (() => void) | undefined;
  #lastId = 0;
  readonly #url: string;
  readonly #codec: Codec;
  readonly #options: ClientOptions;
  readonly #env: Environment;
  readonly #emitter: Emitter<ClientEvents>;

  constructor(url: string, codec: Codec, options: ClientOptions, env: Environment, emitter: Emitter<ClientEvents>) {
    this.#url = url;
    this.#codec = codec;
    this.#options = options;
    this.#env = env;
    this.#emitter = emitter;
    this.#token = options.token;
    this.#backoff = new Backoff(env.random);
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  /** After bye, what is sent would be refused. */
  get takesCalls(): boolean {
    return this.isReady && this.#leaveBy === Infinity;
  }

  ticks(): number {
    return this.#env.ticks();
  }

  random(): number {
    return this.#env.random();
  }

  timer(run: () => void, ms: number): () => void {
    return this.#env.timer(run, Math.max(0, Math.ceil(ms)));
  }

  nextId(): number {
    return ++this.#lastId;
  }

  encode(message: object): Frame {
    return this.#codec.encode(message);
  }

  /** Bytes that wait for the network. */
  get waiting(): number {
    return this.#line?.waiting ?? 0;
  }

  /** The broker's clock, Unix milliseconds. */
  readonly now = () => Math.round(this.#env.now() + (this.#skew ?? 0));

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
    this.#backoff.attempts = 0;
    this.#refusals = 0;
    this.#attempt = 0;
    this.#begin();
  }

  disconnect(reason: AhoraError): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#sleepAt = Infinity;
    this.#end("idle", reason, 1000);
  }

  /** A message to the broker; nothing if the line is not ready. */
  send(message: object): void {
    this.sendFrame(this.encode(message));
  }

  sendFrame(frame: Frame): void {
    if (this.#phase === "ready") {
      this.#transmit(frame);
    }
  }

  /** What came breaks the protocol, or the line is not to be kept for another reason of ours. */
  fail(code: ErrorCode, detail: string, cause?: unknown): void {
    this.#lose(new AhoraError(code, detail, { cause }), 4400);
  }

  // ---- opening ----

  #begin(): void {
    this.#attempt++;
    this.#hinted = false;
    const generation = ++this.#generation;
    if (!this.#options.getToken || this.#tokenIsGood()) {
      this.#open();
      return;
    }
    this.#phase = "token";
    this.#openBy = this.#env.ticks() + Ms.TOKEN;
    this.#tell({ state: "connecting" });
    this.#arm();
    this.#ask(this.#refusals > 0 ? "unauthorized" : "connect").then(
      () => generation === this.#generation && this.#phase === "token" && this.#open(),
      (error: unknown) => generation === this.#generation && this.#phase === "token" && this.#lose(tokenFault(error)),
    );
  }

  #tokenIsGood(): boolean {
    return this.#token !== undefined && this.now() < this.#tokenRenewAt;
  }

  async #ask(reason: "connect" | "expiring" | "unauthorized"): Promise<string | undefined> {
    const token = await this.#options.getToken?.({ reason });
    if (typeof token !== "string" && token != null) {
      throw new TypeError("no text");
    }
    this.#token = token ?? undefined;
    // A quarter of the time that it has left before its end, a minute at most
    const end = tokenEnd(this.#token);
    this.#tokenRenewAt = end - Math.min(60_000, Math.max(0, end - this.now()) / 4);
    return this.#token;
  }

  #open(): void {
    this.#phase = "opening";
    this.#openBy = this.#env.ticks() + Ms.OPEN;
    this.#tell({ state: "connecting" });
    const mine = (line: Line | undefined) => line !== undefined && line === this.#line;
    let line: Line | undefined;
    try {
      line = this.#env.open(this.#url, `ahora.v1.${this.#codec.name}`, {
        open: (protocol) => mine(line) && this.#opened(protocol),
        frame: (frame) => mine(line) && this.#frame(frame),
        close: (code, reason) => mine(line) && this.#closed(code, reason),
      });
      this.#line = line;
      this.#arm();
    } catch (error) {
      if (error instanceof AhoraError) {
        this.#end("idle", error);
      } else {
        this.#lose(new AhoraError("connect_failed", String(error), { cause: error }));
      }
    }
  }

  #opened(protocol: string): void {
    if (protocol !== `ahora.v1.${this.#codec.name}`) {
      this.#lose(new AhoraError("wrong_protocol", `it speaks "${protocol}"`), 1000);
      return;
    }
    const { name, source, onLost, graceMs } = this.#options;
    this.#phase = "greeting";
    const hello = { op: "hello", token: this.#token, client: name ?? "ahora-js/0.1.0", source, on_lost: onLost, grace_ms: graceMs };
    this.#transmit(this.encode(hello));
  }

  #welcome(reply: Extract<Reply, { op: "welcome" }>): void {
    if (this.#phase !== "greeting") {
      throw new TypeError("two welcomes");
    }
    const sameEpoch = reply.epoch === this.epoch;
    const now = this.#env.ticks();
    this.#phase = "ready";
    this.epoch = reply.epoch;
    this.beatMs = Math.min(600_000, Math.max(100, reply.beat_ms));
    this.#readyAt = now;
    this.#openBy = Infinity;
    this.#lastError = undefined;
    this.#clock(reply.now);
    this.#planRenewal();
    const { epoch, session, server, limits } = reply;
    this.#tell({ state: "connected", epoch, session, server, limits });
    this.#arm();
    if (this.#phase === "ready") {
      this.parts.forEach((part) => part.ready(sameEpoch));
    }
  }

  // ---- what the line brings ----

  #transmit(frame: Frame): void {
    try {
      this.#line?.send(frame);
    } catch (error) {
      this.fail("disconnected", "closed", error);
    }
  }

  #frame(frame: string | ArrayBuffer): void {
    const line = this.#line;
    this.#heardAt = this.#env.ticks();
    this.#probeBy = Infinity;
    if (this.takesCalls) {
      this.#lastError = this.#hintMs = undefined; // the session went on
    }
    try {
      for (const message of this.#codec.decode(frame)) {
        this.#reply(readReply(message));
        if (this.#line !== line) {
          break;
        }
      }
    } catch (error) {
      if (this.#line === line) {
        this.fail("bad_frame", String(error).slice(0, 200), error);
      }
    }
    this.parts.forEach((part) => part.flush?.());
  }

  #reply(reply: Reply): void {
    switch (reply.op) {
      case "welcome":
        this.#welcome(reply);
        return;
      case "bye":
        this.#hintMs = reply.retry_ms;
        this.#leaveBy = this.#env.ticks() + Ms.LEAVE;
        this.#lastError = new AhoraError("bye", reply.reason ?? "bye", { retryMs: reply.retry_ms });
        this.#arm();
        return;
      case "beat":
      case "pong":
        this.#clock(reply.now);
        break;
      case "ok":
      case "error":
        if (this.#answersAuth(reply)) {
          return;
        }
        if (reply.op === "error" && !reply.id) {
          this.#lastError = errorOf(reply);
          this.#hintMs = reply.retry_ms ?? this.#hintMs;
        }
    }
    if (this.#phase !== "ready" && reply.op !== "error") {
      throw new TypeError(`${reply.op} before welcome`);
    }
    if (!this.parts.some((part) => part.reply(reply)) && reply.op === "error" && !reply.id) {
      this.#emitter.emit("error", errorOf(reply));
    }
  }

  #closed(code: number, reason: string): void {
    const said = this.#lastError;
    const known = CLOSES[code];
    const opening = this.#phase === "opening";
    const foreign = opening && /subprotocol|response: (400|426)/.test(reason);
    const fallback = foreign ? "wrong_protocol" : this.#phase === "ready" ? "disconnected" : "connect_failed";
    const error = new AhoraError(
      said?.code ?? known ?? fallback,
      said?.detail ?? (reason || `closed with ${code}`),
      { closeCode: code, retryMs: said?.retryMs },
    );
    if (code === 4401 || code === 4403) {
      this.#refused(error, code);
    } else {
      this.#lose(error);
    }
  }

  /** A token that was refused is not tried again. Without a way to get another there is nothing to wait for. */
  #refused(error: AhoraError, code: number): void {
    this.#refusals = this.#isSteady() ? 1 : this.#refusals + 1;
    if (this.#options.getToken) {
      this.#token = undefined;
      this.#lose(error, undefined, code === 4401 && this.#refusals === 1);
    } else {
      this.#end("idle", error);
    }
  }

  /** A late message makes the broker's clock look slow, never fast: the largest difference is the nearest to the truth. */
  #clock(brokerNow: number): void {
    const skew = brokerNow - this.#env.now();
    const held = this.#skew;
    this.#skew = held === undefined || Math.abs(skew - held) > Ms.JUMP ? skew : Math.max(skew, held);
  }

  // ---- tokens that end ----

  #planRenewal(notBefore = 0): void {
    const left = Math.max(this.#tokenRenewAt - this.now(), notBefore);
    this.#renewAt = this.#options.getToken ? this.#env.ticks() + left : Infinity;
    this.#arm();
  }

  #renew(): void {
    const generation = this.#generation;
    const current = () => generation === this.#generation;
    this.#renewAt = Infinity;
    this.#ask("expiring")
      .then((token) => {
        if (current()) {
          this.#authId = this.nextId();
          this.send({ op: "auth", id: this.#authId, token });
        }
      })
      .catch((error: unknown) => current() && this.#emitter.emit("error", tokenFault(error)))
      .then(() => current() && this.#planRenewal(Ms.RENEW * (1 + this.random())));
  }

  #answersAuth(reply: Extract<Reply, { op: "ok" | "error" }>): boolean {
    const mine = reply.id !== undefined && reply.id === this.#authId;
    if (mine && reply.op === "error") {
      this.#token = undefined;
      this.#emitter.emit("error", errorOf(reply));
    }
    return mine;
  }

  // ---- losing ----

  #isSteady(): boolean {
    return this.#phase === "ready" && this.#env.ticks() - this.#readyAt >= Ms.STEADY;
  }

  #lose(reason: AhoraError, closeCode?: number, atOnce = false): void {
    if (!["token", "opening", "greeting", "ready"].includes(this.#phase)) {
      return;
    }
    const hint = Math.min(Ms.RETRY_MAX, this.#hintMs ?? -1);
    const steady = this.#isSteady();
    if (steady) {
      this.#backoff.attempts = this.#attempt = 0;
    }
    this.#hintMs = undefined;
    this.#hinted = hint >= 0;
    const wait = atOnce ? 0 : this.#hinted && steady ? hint : Math.max(hint, this.#backoff.nextMs());
    this.#retryAt = this.#env.ticks() + wait;
    this.#end("waiting", reason, closeCode, this.#env.now() + wait);
  }

  /** Leaves the line, whatever it is doing, for `phase`. */
  #end(phase: "idle" | "waiting" | "asleep", reason: AhoraError, closeCode = 1000, retryAt?: number): void {
    const line = this.#line;
    this.#line = undefined;
    this.#generation++;
    this.#phase = phase;
    this.#openBy = this.#probeBy = this.#leaveBy = this.#renewAt = Infinity;
    this.#authId = 0;
    this.#lastError = undefined;
    line?.close(closeCode);
    this.parts.forEach((part) => part.lost());
    if (this.#phase === phase && !this.#line) {
      this.#tell({ state: "disconnected", reason, retryAt, final: phase === "idle" });
      this.#arm();
    }
    this.parts.forEach((part) => part.flush?.());
  }

  #tell(state: Partial<ConnectionState> & Pick<ConnectionState, "state">): void {
    if (state.state === "connecting" && this.state.state === "connecting" && this.state.attempt === this.#attempt) {
      return;
    }
    const reason = state.state === "connecting" ? this.state.reason : state.reason;
    this.state = Object.freeze({ ...state, reason, attempt: this.#attempt, final: state.final ?? false });
    if (this.state.final && reason) {
      this.parts.forEach((part) => part.cancel?.(reason));
    }
    this.#emitter.emit("state", this.state);
  }

  // ---- time ----

  #deadline(): number {
    switch (this.#phase) {
      case "token":
      case "opening":
      case "greeting":
        return this.#openBy;
      case "waiting":
        return Math.min(this.#retryAt, this.#sleepAt);
      case "ready": {
        const look = this.#env.ticks() + Math.min(Ms.TICK, this.beatMs);
        const silent = this.#probeBy === Infinity ? this.#heardAt + 2 * this.beatMs : this.#probeBy;
        return Math.min(silent, this.#leaveBy, this.#renewAt, this.#sleepAt, look);
      }
      default:
        return Infinity;
    }
  }

  #arm(): void {
    this.#cancelTimer();
    const deadline = this.#deadline();
    if (deadline < Infinity) {
      this.#cancelTimer = this.timer(() => this.#onTime(), deadline - this.#env.ticks());
    }
  }

  #onTime(): void {
    const now = this.#env.ticks();
    const offset = this.#env.now() - now;
    const jumped = Math.abs(offset - this.#clockOffset) > Ms.JUMP;
    this.#clockOffset = offset;
    if (this.#phase === "waiting" && now >= this.#retryAt && now < this.#sleepAt) {
      this.#begin();
    } else if (now >= this.#openBy) {
      this.#lose(
        this.#phase === "token" ? tokenFault("no answer in time") : new AhoraError("connect_failed", "no answer in time"),
      );
    } else if (this.#phase === "ready") {
      this.#onTimeReady(now, jumped);
    }
    if (now >= this.#sleepAt && (this.#phase === "ready" || this.#phase === "waiting")) {
      this.#fallAsleep(now);
    }
    this.#arm();
  }

  #onTimeReady(now: number, jumped: boolean): void {
    const silence = now - this.#heardAt;
    if (now >= this.#leaveBy) {
      this.#lose(this.#lastError ?? new AhoraError("bye", "bye"), 1000);
    } else if (now >= this.#probeBy) {
      this.#lose(new AhoraError("silent", "no pong"), 4000);
    } else if (silence >= 3 * this.beatMs || jumped) {
      // We are the ones who were away: what came meanwhile may not have been read yet
      this.#probe();
    } else if (silence >= 2 * this.beatMs && this.#probeBy === Infinity) {
      this.#lose(new AhoraError("silent", "no beat"), 4000);
    } else if (now >= this.#renewAt) {
      this.#renew();
    }
  }

  /** A ping that must be answered soon. Whatever comes is an answer. */
  #probe(): void {
    if (this.#phase === "ready" && this.#probeBy === Infinity) {
      this.#probeBy = this.#env.ticks() + Ms.PROBE;
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
    const after = this.#options.sleepWhileHidden;
    const was = this.#sleepAt;
    this.#sleepAt = !hidden || after === undefined ? Infinity : Math.min(was, this.#env.ticks() + after);
    if (this.#sleepAt !== was) {
      this.#arm();
    }
  }

  #fallAsleep(now: number): void {
    if (this.parts.some((part) => part.busy?.())) {
      this.#sleepAt = now + 1_000;
      return;
    }
    this.#sleepAt = Infinity;
    this.#end("asleep", new AhoraError("asleep", "hidden"));
  }
}

function tokenFault(error: unknown): AhoraError {
  return new AhoraError("token_failed", `getToken: ${String(error)}`, { cause: error });
}

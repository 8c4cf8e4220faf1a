// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/** Codes of the protocol (docs/protocol.md, section 5). They do not change their meaning. */
export type ProtocolCode =
  | "bad_message" | "bad_topic" | "bad_pattern" | "unauthorized" | "forbidden" | "not_found" | "unknown_kind" | "conflict" | "superseded"
  | "out_of_range" | "too_large" | "invalid" | "aborted" | "rate_limited" | "too_many" | "store_full" | "overloaded" | "draining" | "internal";

/** Codes of this client: what can go wrong on our side of the line. */
export type ClientCode =
  /** the URL is none, or no WebSocket constructor is there */
  | "bad_url" | "no_websocket"
  /** the line could not be opened: refused, not there, no answer in time, or not a broker */
  | "connect_failed"
  /** the other side does not speak a protocol version of ours */
  | "wrong_protocol"
  /** what came breaks the protocol */
  | "bad_frame"
  /** the line was lost; a publish: before the answer, so it may have been applied */
  | "disconnected"
  /** nothing was heard for 2 beats */
  | "silent"
  /** the broker says that it is about to close */
  | "bye"
  /** getToken threw, or took too long */
  | "token_failed"
  /** a publish or get was not answered in time */
  | "timeout"
  /** the outbox is full */
  | "outbox_full"
  /** close() or disconnect() was called */
  | "closed"
  /** the page is hidden and the line was let go */
  | "asleep"
  /** a function the app gave us threw: told to those who listen for errors */
  | "listener_failed";

export type ErrorCode = ProtocolCode | ClientCode;

/** A field at fault: a JSON pointer below the change, and English for people. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export interface ErrorExtras {
  errors?: readonly FieldError[] | undefined;
  seq?: number | undefined;
  retryMs?: number | undefined;
  index?: number | undefined;
  results?: readonly PublishResult[] | undefined;
  sent?: boolean | undefined;
  closeCode?: number | undefined;
  cause?: unknown;
}

/** The outcome of one change of a list. */
export type PublishResult =
  | { readonly seq: number; readonly error?: undefined }
  | { readonly seq?: undefined; readonly error: AhoraError };

/** Everything that this library rejects with or tells of. Programs look at `code`; `detail` is for people, and may change. */
export class AhoraError extends Error {
  override readonly name = "AhoraError";
  declare readonly code: ErrorCode;
  declare readonly detail: string;
  /** `invalid` and `out_of_range`: which fields */
  declare readonly errors?: readonly FieldError[] | undefined;
  /** `conflict`: the topic's current seq, 0 if it does not exist */
  declare readonly seq?: number | undefined;
  /** when to try again */
  declare readonly retryMs?: number | undefined;
  /** an atomic list: which change failed, and what became of each */
  declare readonly index?: number | undefined;
  declare readonly results?: readonly PublishResult[] | undefined;
  /** a publish that got no answer: it was sent, so it may have been applied */
  declare readonly sent?: boolean | undefined;
  /** the code of the WebSocket's close, if that is what happened */
  declare readonly closeCode?: number | undefined;

  constructor(code: ErrorCode, detail: string, extras: ErrorExtras = {}) {
    super(`${code}: ${detail}`);
    const known: { [name: string]: unknown } = { code, detail, ...extras };
    for (const name in known) {
      if (known[name] === undefined) {
        delete known[name]; // an error is read in consoles
      }
    }
    Object.assign(this, known);
  }
}

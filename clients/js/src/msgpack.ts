// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import { Decoder, Encoder } from "@msgpack/msgpack";
import type { Codec } from "./types.js";

/* What a message may hold (docs/protocol.md, section 2), against frames that promise gigabytes. */
const decoder = new Decoder({ maxMapLength: 1024, maxArrayLength: 1_048_576, maxBinLength: 0, maxExtLength: 0 });
const encoder = new Encoder({ ignoreUndefined: true });

/* The library refuses the key `__proto__`, which documents may hold: it is decoded under a name that no legal text contains. */
const PROTO = "__proto__";
const ALIAS = "__prot\0__";

function withAlias(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  for (let i = copy.indexOf(95); i >= 0; i = copy.indexOf(95, i + 1)) {
    if ([...PROTO].every((letter, at) => copy[i + at] === letter.charCodeAt(0))) {
      copy[i + 6] = 0;
    }
  }
  return copy;
}

function withoutAlias(value: unknown, depth = 0): unknown {
  if (typeof value === "string") {
    return value.replaceAll(ALIAS, PROTO);
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  if (depth > 32) {
    throw new RangeError("nested too deep");
  }
  if (Array.isArray(value)) {
    return value.map((item) => withoutAlias(item, depth + 1));
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [withoutAlias(key) as string, withoutAlias(item, depth + 1)]));
}

function decodeAll(frame: Uint8Array): unknown[] {
  return [...decoder.decodeMulti(frame)];
}

/** `ahora.v1.msgpack`: messages one after the other. */
export const msgpack: Codec = {
  name: "msgpack",
  encode: (message) => encoder.encode(message),
  decode(frame) {
    if (typeof frame === "string") {
      throw new TypeError("a text frame");
    }
    const bytes = new Uint8Array(frame);
    try {
      return decodeAll(bytes);
    } catch (error) {
      if (error instanceof Error && error.message.includes(PROTO)) {
        return decodeAll(withAlias(bytes)).map((message) => withoutAlias(message));
      }
      throw error;
    }
  },
};

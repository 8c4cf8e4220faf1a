// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import type { Codec } from "./types.js";

/** `ahora.v1.json`: one message a line. */
export const json: Codec = {
  name: "json",
  encode: (message) => JSON.stringify(message),
  decode(frame) {
    if (typeof frame !== "string") {
      throw new TypeError("a binary frame");
    }
    return frame.split("\n").filter(Boolean).map((line) => JSON.parse(line) as unknown);
  },
};

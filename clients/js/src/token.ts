// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* When a JWT ends, as far as it says so. It is not verified: that is the broker's business. */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** base64url as one-byte characters; there is no `atob` everywhere. The claims we want are ASCII. */
function decode(text: string): string {
  let out = "";
  let bits = 0;
  let held = 0;
  for (const letter of text.replace(/=+$/, "")) {
    const value = LETTERS.indexOf(letter);
    if (value < 0) {
      return "";
    }
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += String.fromCharCode((held >> bits) & 0xff);
    }
  }
  return out;
}

/** Unix milliseconds of `exp` and `iat`; Infinity: it does not end, or does not say. */
export function tokenLife(token: string): { from: number | undefined; until: number } {
  try {
    const claims = JSON.parse(decode(token.split(".")[1] ?? "")) as { exp?: unknown; iat?: unknown };
    return {
      from: typeof claims.iat === "number" ? claims.iat * 1000 : undefined,
      until: typeof claims.exp === "number" ? claims.exp * 1000 : Infinity,
    };
  } catch {
    return { from: undefined, until: Infinity };
  }
}

/** How long before its end a token is renewed: a quarter of its life, a minute at most. */
export function renewAheadMs(from: number, until: number): number {
  return Math.min(60_000, Math.max(0, until - from) / 4);
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* When a JWT ends, as far as it says so. It is not verified: that is the broker's business. */

/** Not every engine has `atob`; React Native's had none for long. */
function fromBase64(text: string): string {
  let bits = 0;
  let bytes = "";
  [...text].forEach((letter, i) => {
    const code = letter.charCodeAt(0);
    bits = (bits << 6) | (code > 96 ? code - 71 : code === 95 ? 63 : code > 64 ? code - 65 : code > 47 ? code + 4 : 62); // a-z _ A-Z 0-9 -
    if (i % 4 > 0) {
      bytes += String.fromCharCode((bits >> (6 - 2 * (i % 4))) & 255);
    }
  });
  return bytes;
}

/** Unix milliseconds of `exp`; Infinity: it does not end, or does not say. */
export function tokenEnd(token: string | undefined): number {
  try {
    const { exp } = JSON.parse(fromBase64(token?.split(".")[1] as string)) as { exp: number };
    return exp * 1000 || Infinity;
  } catch {
    return Infinity;
  }
}

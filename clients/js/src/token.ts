// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* When a JWT ends, as far as it says so. It is not verified: that is the broker's business. */

/** Unix milliseconds of `exp`; Infinity: it does not end, or does not say, or there is no `atob` here to read it with. */
export function tokenEnd(token: string | undefined): number {
  try {
    const { atob } = globalThis as unknown as { atob: (text: string) => string };
    const base64 = token?.split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(base64 as string)) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : Infinity;
  } catch {
    return Infinity;
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/** Full jitter: a wait drawn from 0 to 0.5 s, 1 s, 2 s … 20 s, so that clients which were cut together do not come back together. */
export function drawWait(before: number, random: number): number {
  return Math.round(random * Math.min(20_000, 500 * 2 ** before));
}

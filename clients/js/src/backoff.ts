// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/** Full jitter: a wait drawn from 0 to 0.5 s, 1 s, 2 s … 20 s, so that clients which were cut together do not come back together. */
export class Backoff {
  #attempts = 0;

  constructor(
    private readonly random: () => number,
    private readonly firstMs = 500,
    private readonly lastMs = 20_000,
  ) {}

  get attempts(): number {
    return this.#attempts;
  }

  nextMs(): number {
    const ceiling = Math.min(this.lastMs, this.firstMs * 2 ** Math.min(this.#attempts, 16));
    this.#attempts++;
    return Math.floor(this.random() * (ceiling + 1));
  }

  reset(): void {
    this.#attempts = 0;
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

type Listener = (...values: never[]) => void;

/** Listeners by event. What they throw goes to `failed`, and never back into the machine that told them. */
export class Emitter<Events extends { [K in keyof Events]: Listener }> {
  #listeners = new Map<keyof Events, Set<Listener>>();

  constructor(private readonly failed: (error: unknown) => void) {}

  on<K extends keyof Events>(event: K, listener: Events[K]): () => void {
    const all = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, all);
    // Wrapped, so that the same function given twice is called twice and each `off` takes away its own
    const own = (...values: never[]) => listener(...values);
    all.add(own);
    return () => void all.delete(own);
  }

  has(event: keyof Events): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  emit<K extends keyof Events>(event: K, ...values: Parameters<Events[K]>): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(...(values as never[]));
      } catch (error) {
        this.failed(error);
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

type Listener = (...values: never[]) => void;

/** Listeners by event. What they throw goes to `failed`, and never back into the machine that told them. */
export class Emitter<Events extends { [K in keyof Events]: Listener }> {
  readonly #listeners = new Set<[keyof Events, Listener]>();
  readonly #failed: (cause: unknown) => void;

  /** @internal */
  constructor(failed: (cause: unknown) => void) {
    this.#failed = failed;
  }

  /** Returns what takes the listener away. */
  on<K extends keyof Events>(event: K, listener: Events[K]): () => void {
    const own: [keyof Events, Listener] = [event, listener];
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Whether anybody listens. @internal */
  emit<K extends keyof Events>(event: K, ...values: Parameters<Events[K]>): boolean {
    const listeners = [...this.#listeners].filter(([of]) => of === event);
    for (const [, listener] of listeners) {
      try {
        listener(...(values as never[]));
      } catch (error) {
        this.#failed(error);
      }
    }
    return listeners.length > 0;
  }
}

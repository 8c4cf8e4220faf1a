// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

export interface Target {
  addEventListener?(type: string, run: () => void): void;
  removeEventListener?(type: string, run: () => void): void;
}

/** Returns what ends it. Nothing, where there is nothing to listen to. */
export function listen(target: Target | undefined, type: string, run: () => void): () => void {
  target?.addEventListener?.(type, run);
  return () => target?.removeEventListener?.(type, run);
}

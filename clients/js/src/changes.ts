// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * What an app publishes, before it is sent. JSON would write something else for what it cannot say: that is refused here. Which topics,
 * operations and keys there are is the broker's business.
 */
import { AhoraError, type PublishResult } from "./error.js";
import type { Change, PublishOptions } from "./types.js";

const enum Max {
  DEPTH = 13,
}

/** JSON writes NaN and infinity as null, which in a patch means "remove". */
function isLegal(value: unknown, depth: number): boolean {
  if (typeof value === "object" && value !== null) {
    return depth < Max.DEPTH && Object.values(value).every((item) => isLegal(item, depth + 1));
  }
  return typeof value === "number" ? Number.isFinite(value) : !["bigint", "function", "symbol"].includes(typeof value);
}

/** The changes as they are sent, each with its key. Throws AhoraError. */
export function readChanges(changes: readonly Change[], isList: boolean, options: PublishOptions, random: () => number): Change[] {
  const shared = options.key === true ? `${random().toString(36)}${random().toString(36)}` : options.key;
  return changes.map((change, index) => {
    if (!isLegal(change, -1)) {
      throw new AhoraError("invalid", "data that JSON cannot hold", { index, sent: false });
    }
    return { ...change, key: change.key ?? (shared && isList ? `${shared}@${index}` : shared) };
  });
}

/** Throws the failure of an atomic list: that of the change which is to blame. */
export function throwFirst(results: readonly PublishResult[]): void {
  const failed = results.findIndex(({ error }) => error && error.code !== "aborted");
  const index = failed < 0 ? results.findIndex(({ error }) => error) : failed;
  const error = results[index]?.error;
  if (error) {
    throw new AhoraError(error.code, error.detail, { ...error, index, results });
  }
}

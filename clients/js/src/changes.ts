// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* What an app publishes, checked before it is sent: what the broker would take for something else must not reach it. */
import { AhoraError, type PublishResult } from "./error.js";
import { isFields } from "./merge.js";
import { isTopic } from "./name.js";
import type { Change, PublishOptions } from "./types.js";

const OPS = "set patch adjust touch delete".split(" ");

/** JSON writes NaN and infinity as null, which in a patch means "remove". */
function isLegal(value: unknown, depth: number): boolean {
  if (typeof value === "object" && value !== null) {
    return depth < 13 && Object.values(value).every((item) => isLegal(item, depth + 1));
  }
  return typeof value === "number" ? Number.isFinite(value) : value === null || ["string", "boolean", "undefined"].includes(typeof value);
}

/** The changes as they are sent, each with its key. Throws AhoraError. */
export function readChanges(changes: readonly Change[], isList: boolean, options: PublishOptions, makeKey: () => string): Change[] {
  const refuse = (code: "invalid" | "bad_topic", detail: string, index: number): never => {
    throw new AhoraError(code, detail, { index, sent: false });
  };
  if (changes.length < 1 || changes.length > 1_000) {
    refuse("invalid", "1 to 1,000 changes", 0);
  }
  const shared = options.key === true ? makeKey() : options.key;
  return changes.map((change, i) => {
    const { op, topic, data } = change as Change & { data?: unknown };
    const key = change.key ?? (shared !== undefined && isList ? `${shared}@${i}` : shared);
    const kind = OPS.indexOf(op);
    if (!isTopic(topic)) {
      refuse("bad_topic", `no topic: ${topic}`, i);
    }
    if (kind < 0 || (kind < 3 ? !isFields(data) || !isLegal(data, 0) : data !== undefined)) {
      refuse("invalid", "wrong `op`, or `data` that is no map of plain, finite values", i);
    }
    if (key !== undefined && (key === "" || key.length > 64)) {
      refuse("invalid", "a key has 1 to 64 bytes", i);
    }
    return { ...change, key };
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

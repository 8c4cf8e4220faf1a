// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* What an app publishes, checked before it is sent: what the broker would take for something else must not reach it. */
import { AhoraError, type PublishResult } from "./error.js";
import { isFields } from "./merge.js";
import { topicFault } from "./name.js";
import type { Change, PublishOptions } from "./types.js";

const CHANGES_MAX = 1_000;
const KEY_BYTES_MAX = 64;
const DEPTH_MAX = 13;
const WITH_DATA = ["set", "patch", "adjust"];
const WITHOUT_DATA = ["touch", "delete"];

/** JSON writes NaN and infinity as null, which in a patch means "remove". */
function isLegal(value: unknown, depth: number): boolean {
  if (typeof value === "number") {
    return Number.isFinite(value);
  }
  if (typeof value !== "object" || value === null) {
    return value === undefined || ["string", "boolean", "object"].includes(typeof value);
  }
  return depth < DEPTH_MAX && Object.values(value).every((item) => isLegal(item, depth + 1));
}

function refuse(code: "invalid" | "bad_topic", detail: string, index: number): never {
  throw new AhoraError(code, detail, { index, sent: false });
}

function checked(change: Change, index: number, key: string | undefined): Change {
  const { op, topic } = change;
  const data = (change as { data?: unknown }).data;
  const fault = topicFault(topic);
  if (fault) {
    refuse("bad_topic", `the topic ${fault}`, index);
  }
  if (WITH_DATA.includes(op) ? !isFields(data) || !isLegal(data, 0) : !WITHOUT_DATA.includes(op) || data !== undefined) {
    refuse("invalid", `a \`${op}\` needs ${WITH_DATA.includes(op) ? "a map of plain, finite values" : "no data"}`, index);
  }
  const own = change.key ?? key;
  if (own !== undefined && (own === "" || own.length > KEY_BYTES_MAX)) {
    refuse("invalid", "a key has 1 to 64 bytes", index);
  }
  return own === change.key ? change : { ...change, key: own };
}

/** The changes as they are sent, each with its key. Throws AhoraError. */
export function readChanges(changes: readonly Change[], isList: boolean, options: PublishOptions, makeKey: () => string): Change[] {
  if (changes.length === 0 || changes.length > CHANGES_MAX) {
    refuse("invalid", `1 to ${CHANGES_MAX} changes at a time`, 0);
  }
  const key = options.key === true ? makeKey() : options.key;
  return changes.map((change, i) => checked(change, i, key === undefined || !isList ? key : `${key}@${i}`));
}

/** Throws the failure of an atomic list: that of the change which is to blame. */
export function throwFirst(results: readonly PublishResult[]): void {
  const failed = results.findIndex(({ error }) => error && error.code !== "aborted");
  const index = failed >= 0 ? failed : results.findIndex(({ error }) => error);
  const error = results[index]?.error;
  if (error) {
    const { code, detail, errors, seq, retryMs } = error;
    throw new AhoraError(code, detail, { errors, seq, retryMs, index, results });
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/** A value of a document. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };
export type Fields = { readonly [key: string]: Value };

const enum Max {
  DEPTH = 32, // Documents nest 13 deep at most; what is deeper is no document, and must not exhaust the stack
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Freezes a value all the way down, so that what an app is shown stays what the broker said. Throws if it nests too deep. */
export function freeze<T>(value: T, depth = 0): T {
  if (Object.isFrozen(value)) {
    return value; // as all that is no object is
  }
  if (depth > Max.DEPTH) {
    throw new TypeError("nested too deep");
  }
  for (const item of Object.values(value as object)) {
    freeze(item, depth + 1);
  }
  return Object.freeze(value);
}

/**
 * RFC 7396. `target` stays as it is; parts that the patch does not name are shared with it, so that unchanged parts stay identical.
 * The patch was frozen before, so it does not nest too deep. By way of a Map, as an assignment to `__proto__` would set the prototype.
 */
export function merge(target: Value | undefined, patch: Fields): Fields {
  const merged = new Map(Object.entries(isFields(target) ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      merged.delete(key);
    } else {
      merged.set(key, isFields(value) ? merge(merged.get(key), value) : value);
    }
  }
  return Object.fromEntries(merged);
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/** A value of a document. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };
export type Fields = { readonly [key: string]: Value };

/** Documents nest 13 deep at most; what is deeper is no document, and must not exhaust the stack. */
const DEPTH_MAX = 32;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Freezes a value all the way down, so that what an app is shown stays what the broker said. Throws if it nests too deep. */
export function freeze<T>(value: T, depth = 0): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) {
    return value;
  }
  if (depth > DEPTH_MAX) {
    throw new RangeError("nested too deep");
  }
  for (const item of Object.values(value)) {
    freeze(item, depth + 1);
  }
  return Object.freeze(value);
}

/** A plain assignment to `__proto__` would set the prototype. */
function put(fields: Record<string, Value>, key: string, value: Value): void {
  if (key === "__proto__") {
    Object.defineProperty(fields, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    fields[key] = value;
  }
}

/** RFC 7396. `target` stays as it is; parts that the patch does not name are shared with it, so that unchanged parts stay identical. */
export function merge(target: Value | undefined, patch: Fields, depth = 0): Fields {
  if (depth > DEPTH_MAX) {
    throw new RangeError("nested too deep");
  }
  const merged: Record<string, Value> = isFields(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key] as Value;
    if (value === null) {
      delete merged[key];
    } else {
      put(merged, key, isFields(value) ? merge(Object.hasOwn(merged, key) ? merged[key] : undefined, value, depth + 1) : value);
    }
  }
  return merged;
}

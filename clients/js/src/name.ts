// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Topics, patterns and tokens (docs/protocol.md, section 1). */

const SEGMENT = "(?!\\.\\.?(?:/|$))[\\w.~:@=-]{1,64}";
const DEMAND = "$demand";

const isName = (text: unknown, form: string) => typeof text === "string" && text.length < 256 && new RegExp(form).test(text);

/** A topic one may write. */
export function isTopic(text: unknown): boolean {
  return isName(text, `^${SEGMENT}(/${SEGMENT}){1,7}$`);
}

/** `*` is a segment, `**` the last one; `**` alone is everything. Topics of the broker's own begin with `$demand`. */
export function isPattern(text: unknown): boolean {
  return isName(text, `^(\\*\\*|(\\$demand|\\*|${SEGMENT})(/(\\*|${SEGMENT})){0,6}/(\\*\\*?|${SEGMENT}))$`);
}

/** A topic the broker may tell of: those of demand end in a pattern. */
export function isHeld(text: string): boolean {
  return isTopic(text) || (text.startsWith(DEMAND) && isPattern(text));
}

/** A pattern made ready to be matched against many topics. `*` is one segment, a final `**` one or more. */
export function matcher(pattern: string): (topic: string) => boolean {
  const segments = pattern.split("/");
  const open = segments[segments.length - 1] === "**" && segments.pop();
  return (topic) => {
    const parts = topic.split("/");
    return (
      // Stars at the start of a pattern do not reach the broker's own topics
      (parts[0] !== DEMAND || segments[0] === DEMAND) &&
      (open ? parts.length > segments.length : parts.length === segments.length) &&
      segments.every((segment, i) => segment === "*" || segment === parts[i])
    );
  };
}

export function isToken(text: string): boolean {
  const parts = /^[A-Za-z0-9]{1,32}-(0|[1-9]\d{0,15})$/.exec(text);
  return parts !== null && Number.isSafeInteger(Number(parts[1]));
}

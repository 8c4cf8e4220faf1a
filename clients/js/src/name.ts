// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Topics, patterns and tokens (docs/protocol.md, section 1). */

const SEGMENT = /^[A-Za-z0-9\-_.~:@=]{1,64}$/;
const BYTES_MAX = 255;
const DEMAND = "$demand";

/** What is wrong with a name, undefined if nothing. Legal names are ASCII, so characters are bytes. */
function fault(text: string, isPattern: boolean): string | undefined {
  if (typeof text !== "string" || text === "") {
    return "is empty";
  }
  if (text.length > BYTES_MAX) {
    return "is longer than 255 bytes";
  }
  const segments = text.split("/");
  if (segments.length > 8) {
    return "has more than 8 segments";
  }
  const last = segments.length - 1;
  const alone = isPattern && segments[last] === "**"; // `**` stands for more than one, too
  if (segments.length < 2 && !alone) {
    return "has fewer than 2 segments";
  }
  for (let i = 0; i <= last; i++) {
    const segment = segments[i] as string;
    if (isPattern && (segment === "*" || (segment === "**" && i === last))) {
      continue;
    }
    if ((i === 0 && segment === DEMAND) || (SEGMENT.test(segment) && segment !== "." && segment !== "..")) {
      continue;
    }
    return segment === "**" && isPattern ? "has `**` before its end" : `has a segment that is none: \`${segment.slice(0, 80)}\``;
  }
  return undefined;
}

/** English for people, or undefined if `text` is a topic one may write. */
export function topicFault(text: string): string | undefined {
  return typeof text === "string" && text.startsWith(DEMAND) ? "begins with `$`" : fault(text, false);
}

export function patternFault(text: string): string | undefined {
  return fault(text, true);
}

/** The same for a topic the broker tells of: those of demand end in a pattern. */
export function heldFault(text: string): string | undefined {
  return fault(text, typeof text === "string" && text.startsWith(DEMAND));
}

/** A pattern made ready to be matched against many topics. `*` is one segment, a final `**` one or more. */
export function matcher(pattern: string): (topic: string) => boolean {
  if (!pattern.includes("*")) {
    return (topic) => topic === pattern;
  }
  const segments = pattern.split("/");
  const open = segments[segments.length - 1] === "**";
  const fixed = open ? segments.slice(0, -1) : segments;
  return (topic) => {
    const parts = topic.split("/");
    if (open ? parts.length <= fixed.length : parts.length !== fixed.length) {
      return false;
    }
    // Stars at the start of a pattern do not reach the broker's own topics
    if (parts[0] === DEMAND && segments[0] !== DEMAND) {
      return false;
    }
    return fixed.every((segment, i) => segment === "*" || segment === parts[i]);
  };
}

export interface Token {
  readonly epoch: string;
  readonly seq: number;
}

export function parseToken(text: string): Token | undefined {
  const parts = /^([A-Za-z0-9]{1,32})-(0|[1-9][0-9]{0,15})$/.exec(text);
  const seq = Number(parts?.[2]);
  return parts && Number.isSafeInteger(seq) ? { epoch: parts[1] as string, seq } : undefined;
}

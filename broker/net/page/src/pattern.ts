// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Patterns as the protocol has them: `*` is one segment, a final `**` one or more; stars in front do not reach `$demand`.

export function selects(pattern: string, topic: string): boolean {
  const wanted = pattern.split("/");
  const segments = topic.split("/");
  if (topic.startsWith("$") && wanted[0]?.startsWith("*")) return false;
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === "**" && i === wanted.length - 1) return segments.length > i;
    if (i >= segments.length || (wanted[i] !== "*" && wanted[i] !== segments[i])) return false;
  }
  return wanted.length === segments.length;
}

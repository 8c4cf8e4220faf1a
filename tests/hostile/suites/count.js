// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Counts what held and tells what did not.
export class Count {
  constructor(name) {
    this.name = name;
    this.checks = 0;
    this.failures = 0;
  }

  expect(holds, what) {
    this.checks++;
    if (!holds) {
      this.failures++;
      if (this.failures <= 40) console.log(`${this.name}: ${what}`);
    }
    return holds;
  }

  /** A refusal with a code of the protocol and the status that belongs to it. */
  refused(answer, what) {
    const good = answer.status >= 400 && answer.status < 500 && typeof answer.code === "string" && /^[a-z_]+$/.test(answer.code);
    return this.expect(good, `${what}: not a typed refusal: ${answer.status} ${answer.text.slice(0, 200)}`);
  }
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Where in a JSON text a field stands: JSON pointer (RFC 6901) to range. The text is known to be good JSON.

export interface Range {
  start: number;
  end: number;
}

class Reader {
  at = 0;
  readonly ranges = new Map<string, Range>();

  constructor(private readonly text: string) {}

  private skip(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++;
  }

  private word(): string {
    const start = this.at;
    if (this.text[this.at] === '"') {
      this.at++;
      while (this.at < this.text.length && this.text[this.at] !== '"') this.at += this.text[this.at] === "\\" ? 2 : 1;
      this.at++;
    } else {
      while (this.at < this.text.length && !/[\s,\]}]/.test(this.text[this.at] ?? "")) this.at++;
    }
    return this.text.slice(start, this.at);
  }

  /** `from`: where its key begins, so that what is marked is the whole field. */
  value(pointer: string, from?: number): void {
    this.skip();
    const start = from ?? this.at;
    const first = this.text[this.at];
    if (first === "{") this.items(pointer, "}", true);
    else if (first === "[") this.items(pointer, "]", false);
    else this.word();
    this.ranges.set(pointer, { start, end: this.at });
  }

  private items(pointer: string, end: string, isMap: boolean): void {
    this.at++;
    for (let index = 0; ; index++) {
      this.skip();
      if (this.at >= this.text.length || this.text[this.at] === end) break;
      const from = this.at;
      let name = String(index);
      if (isMap) {
        name = JSON.parse(this.word()) as string;
        this.skip();
        this.at++; // the colon
      }
      this.value(`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, isMap ? from : undefined);
      this.skip();
      if (this.text[this.at] === ",") this.at++;
    }
    this.at++;
  }
}

/** The field, or the nearest around it that is there. */
export function locate(text: string, pointer: string): Range {
  const reader = new Reader(text);
  reader.value("");
  for (let wanted = pointer; ; wanted = wanted.slice(0, wanted.lastIndexOf("/"))) {
    const range = reader.ranges.get(wanted);
    if (range !== undefined) return range;
    if (wanted === "") return { start: 0, end: text.length };
  }
}

export function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length - 1;
}

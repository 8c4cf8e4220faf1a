// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// One change by hand. What is wrong with it is said at the field: beside its line in the text, and as a list that leads there.
import type { AhoraError, Change, Client } from "@ahora/client";
import { byId, make, say } from "./dom.ts";
import { lineOf, locate } from "./pointer.ts";

const ops = {
  set: "set: replace the document",
  patch: "patch: merge into it, null removes",
  adjust: "adjust: add integers",
  touch: "touch: renew, change nothing",
  delete: "delete: remove the topic",
} as const;
type Op = keyof typeof ops;

interface Fault {
  detail: string;
  /** In the data; null: of the change as a whole. */
  pointer: string | null;
}

function fault(at: { pointer: string; detail: string }): Fault {
  return { detail: at.detail, pointer: at.pointer.startsWith("/data") ? at.pointer.slice("/data".length) : null };
}

export class Publisher {
  private readonly op = make("select", { id: "publish-op" }, ...Object.entries(ops).map(([value, text]) => make("option", { value }, text)));
  private readonly topic = make("input", { id: "publish-topic", class: "mono", spellcheck: "false", autocomplete: "off", required: true, placeholder: "stock/4711/markt", "aria-describedby": "publish-faults" });
  private readonly data = make("textarea", { id: "publish-data", class: "mono", rows: 8, spellcheck: "false", "aria-describedby": "publish-faults" });
  private readonly ifSeq = make("input", { id: "publish-seq", inputmode: "numeric", pattern: "[0-9]*", placeholder: "any" });
  private readonly freshMs = make("input", { id: "publish-fresh", inputmode: "numeric", pattern: "[0-9]*", placeholder: "as its kind" });
  private readonly gutter = make("div", { class: "gutter", "aria-hidden": true });
  private readonly faults = make("ul", { class: "faults", id: "publish-faults" });
  private readonly result = make("p", { class: "result", role: "status" });
  private readonly send = make("button", { type: "submit", class: "primary" }, "Publish");
  private readonly details = make("details", {});
  private marked: number[] = []; // lines

  constructor(private readonly client: Client) {
    this.data.value = '{\n  "available": 5\n}';
    const dataField = make("div", { class: "field wide", id: "publish-data-field" },
      make("label", { for: "publish-data" }, "Document, JSON"),
      make("div", { class: "editor" }, this.gutter, this.data));
    this.details.append(
      make("summary", {}, make("h2", { id: "publish-title" }, "Publish by hand")),
      make("form", { class: "publish", novalidate: true, onsubmit: (event: Event) => {
        event.preventDefault();
        void this.submit();
      } },
        make("div", { class: "field wide" }, make("label", { for: "publish-op" }, "Operation"), this.op),
        make("div", { class: "field wide" }, make("label", { for: "publish-topic" }, "Topic"), this.topic),
        dataField,
        make("div", { class: "field" }, make("label", { for: "publish-seq" }, "Only if seq is"), this.ifSeq),
        make("div", { class: "field" }, make("label", { for: "publish-fresh" }, "Fresh for, ms"), this.freshMs),
        this.faults,
        make("div", { class: "actions wide" }, this.send, this.result)));
    this.details.open = matchMedia("(min-width: 72rem)").matches; // where there is room for it
    byId("publish").append(this.details);
    this.op.addEventListener("change", () => (dataField.hidden = this.op.value === "touch" || this.op.value === "delete"));
    this.data.addEventListener("input", () => this.lines());
    this.data.addEventListener("scroll", () => (this.gutter.scrollTop = this.data.scrollTop), { passive: true });
    this.lines();
  }

  /** Begins with what the topic holds. */
  edit(topic: string, data: Record<string, unknown>): void {
    this.details.open = true;
    this.topic.value = topic;
    this.op.value = "patch";
    this.op.dispatchEvent(new Event("change"));
    this.data.value = JSON.stringify(data, null, 2);
    this.show([]);
    say(this.result, "");
    byId("publish").scrollIntoView({ block: "nearest" });
    this.data.focus();
  }

  private lines(): void {
    const count = this.data.value.split("\n").length;
    this.gutter.replaceChildren(...Array.from({ length: count }, (_, line) =>
      make("span", { class: this.marked.includes(line) ? "bad" : "" }, this.marked.includes(line) ? "▶" : String(line + 1))));
    this.gutter.scrollTop = this.data.scrollTop;
  }

  /** The change as the form has it, or what keeps it from being one. */
  private read(): Change | Fault[] {
    const op = this.op.value as Op;
    const topic = this.topic.value.trim();
    if (topic === "") return [{ detail: "A topic is needed.", pointer: null }];
    const more: Record<string, number> = {};
    for (const [key, input] of [["if_seq", this.ifSeq], ["fresh_ms", this.freshMs]] as const) {
      const text = input.value.trim();
      if (text === "") continue;
      if (!/^\d+$/.test(text)) return [{ detail: `${key} is a whole number.`, pointer: null }];
      more[key] = Number(text);
    }
    if (op === "touch" || op === "delete") return { op, topic, ...more } as Change;
    try {
      return { op, topic, data: JSON.parse(this.data.value), ...more } as Change;
    } catch (error) {
      const at = Number(/position (\d+)/.exec((error as Error).message)?.[1] ?? NaN);
      if (!Number.isNaN(at)) this.marked = [lineOf(this.data.value, at)];
      return [{ detail: `This is no JSON: ${(error as Error).message}`, pointer: null }];
    }
  }

  private async submit(): Promise<void> {
    this.show([]);
    const change = this.read();
    if (Array.isArray(change)) {
      const lines = this.marked;
      this.show(change);
      this.marked = lines;
      this.lines();
      return;
    }
    this.send.disabled = true;
    say(this.result, "");
    try {
      const [result] = await this.client.publish([change]);
      if (result?.error !== undefined || result === undefined) this.refused(result?.error);
      else say(this.result, `Accepted, seq ${result.seq}.`);
    } catch (error) {
      this.refused(error);
    } finally {
      this.send.disabled = false;
    }
  }

  private refused(error: unknown): void {
    const { code, detail, errors, seq } = error as Partial<AhoraError>;
    const texts: Record<string, string> = {
      forbidden: "You may not publish this. An access token with the right to may help.",
      unauthorized: "Publishing needs an access token.",
      conflict: `Somebody was faster: the topic has seq ${seq ?? "?"} now.`,
    };
    const faults = (errors ?? []).map(fault);
    this.show(faults.length > 0 ? faults : [{ detail: texts[code ?? ""] ?? detail ?? String(error), pointer: null }]);
    say(this.result, `Refused: ${code ?? "no answer"}.`);
  }

  private show(faults: Fault[]): void {
    const text = this.data.value;
    this.marked = [];
    const inData = faults.filter((one) => one.pointer !== null);
    for (const one of inData) {
      try {
        this.marked.push(lineOf(text, locate(text, one.pointer as string).start));
      } catch {
        // the text is another by now
      }
    }
    this.faults.replaceChildren(...faults.map((one) =>
      make("li", {}, one.pointer === null ? one.detail : make("button", { type: "button", class: "link", onclick: () => this.go(one.pointer as string) },
        make("code", {}, one.pointer.slice(1).replaceAll("/", " › ") || "document"), ` ${one.detail}`))));
    this.data.setAttribute("aria-invalid", String(inData.length > 0));
    this.topic.setAttribute("aria-invalid", String(faults.some((one) => one.pointer === null && /topic|kind/i.test(one.detail))));
    this.lines();
  }

  private go(pointer: string): void {
    const { start, end } = locate(this.data.value, pointer);
    this.data.focus();
    this.data.setSelectionRange(start, end);
  }
}

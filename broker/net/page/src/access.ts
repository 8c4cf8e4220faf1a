// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The access token of this tab: asked for when the broker wants one, kept until the tab is closed, never in a URL.
import { byId, make, say } from "./dom.ts";

const KEY = "ahora.token";

export class Access {
  private readonly input = make("input", { id: "token-text", class: "mono", autocomplete: "off", spellcheck: "false" });

  private readonly why = make("p", {});

  /** `changed`: there is another one, or none. */
  constructor(private readonly changed: () => void) {
    const dialog = this.dialog;
    dialog.append(make("form", { method: "dialog", onsubmit: () => this.take() },
      make("h2", { id: "token-title" }, "Access token"),
      this.why,
      make("label", { for: "token-text" }, "Token"), this.input,
      make("div", { class: "actions" },
        make("button", { type: "submit", class: "primary" }, "Use it"),
        make("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
    const button = byId<HTMLButtonElement>("key");
    button.addEventListener("click", () => this.ask());
    button.hidden = this.token === null;
  }

  private get dialog(): HTMLDialogElement {
    return byId<HTMLDialogElement>("token");
  }

  get token(): string | null {
    try {
      return sessionStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  get headers(): Record<string, string> {
    return this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
  }

  /** The broker said no to what we had. */
  ask(): void {
    byId("key").hidden = false;
    say(this.why, this.token === null
      ? "This broker wants to know who asks. It is kept until this tab is closed."
      : "The one you gave has ended, or is not known to this broker. Give another.");
    if (!this.dialog.open) this.dialog.showModal();
  }

  private take(): void {
    const text = this.input.value.trim();
    this.input.value = "";
    try {
      if (text === "") sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, text);
    } catch {
      return;
    }
    this.changed();
  }
}

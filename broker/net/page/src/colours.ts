// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Light, dark, or as the system has it: one button that goes round.
import { byId } from "./dom.ts";
import { paint, systemIsDark } from "./paint.ts";

const choices = ["system", "light", "dark"] as const;
type Choice = (typeof choices)[number];
const signs: Record<Choice, string> = { system: "◐", light: "☀", dark: "☾" };
const listeners: (() => void)[] = [];

function chosen(): Choice {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}

function choose(choice: Choice): void {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  try {
    localStorage.setItem("ahora.theme", choice);
  } catch {
    // then it holds for this page alone
  }
  show();
}

function show(): void {
  paint();
  const button = byId("theme");
  button.textContent = signs[chosen()];
  button.setAttribute("aria-label", `Colours: ${chosen()}`);
  button.title = `Colours: ${chosen()}`;
  for (const listener of listeners) listener();
}

/** Called after each change of the colours in force. */
export function onColours(listener: () => void): void {
  listeners.push(listener);
}

export function startColours(): void {
  byId("theme").addEventListener("click", () => {
    choose(choices[(choices.indexOf(chosen()) + 1) % choices.length] ?? "system");
  });
  systemIsDark.addEventListener("change", show);
  show();
}

/** The value of a custom property as it is now, for what is drawn on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

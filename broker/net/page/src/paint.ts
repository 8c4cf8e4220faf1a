// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Which of the two sets of colours is in force: what was chosen here (`data-theme`), or else what the system says. The stylesheets look at `data-dark` alone.

export const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export function paint(): void {
  const root = document.documentElement;
  const chosen = root.dataset.theme;
  root.toggleAttribute("data-dark", chosen === "dark" || (chosen !== "light" && systemIsDark.matches));
}

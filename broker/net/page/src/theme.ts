// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs before the first paint, so that nobody is blinded for a moment: the colours that were chosen here last.
import { paint } from "./paint.ts";

try {
  const chosen = localStorage.getItem("ahora.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing: the system's colours
}
paint();

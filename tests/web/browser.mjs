// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's Chromium, and pages that are watched: an error of a script or of the console, and a violation of the Content-Security-Policy, fail the case.
import { chromium } from "playwright-core";
import { PATIENCE_MS } from "./broker.mjs";

export async function launch() {
  const root = process.getuid?.() === 0; // Chromium's sandbox does not run as root
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: root ? ["--no-sandbox"] : [] });
}

// What Chromium itself says of a line that is down; cases that cut it expect that.
const LINE_DOWN = /net::ERR_|WebSocket connection to|WebSocket is already in CLOSING or CLOSED|Failed to load resource: the server responded with a status of 503/;

// And of what a token does not allow.
const REFUSED = /Failed to load resource: the server responded with a status of 40[13]/;

export class Viewer {
  constructor(browser) {
    this.browser = browser;
    this.contexts = [];
    this.complaints = [];
    this.expectsCuts = false;
    this.expectsRefusals = false;
  }

  async context(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    this.contexts.push(context);
    await context.exposeFunction("tellViolation", (text) => this.complaints.push(`Content-Security-Policy: ${text}`));
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => window.tellViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    return context;
  }

  async open(url, options = {}) {
    const context = options.context ?? (await this.context(options));
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(`${url}: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (this.expectsCuts && LINE_DOWN.test(message.text())) return;
      if (this.expectsRefusals && REFUSED.test(message.text())) return;
      this.complaints.push(`${url}: console: ${message.text()}`);
    });
    await page.goto(url);
    return page;
  }

  async close() {
    await Promise.all(this.contexts.map((context) => context.close()));
    if (this.complaints.length > 0) throw new Error(`the browser complained:\n${[...new Set(this.complaints)].join("\n")}`);
  }
}

/** The page says that it has a line. */
export async function live(page) {
  await page.locator("#state", { hasText: /^live$/ }).waitFor();
}

export async function text(page, selector) {
  return (await page.locator(selector).first().textContent()) ?? "";
}

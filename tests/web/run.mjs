// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Every case, one after another, each with a broker and browser contexts of its own. Usage: node run.mjs AHORAD [word...]
import { Broker } from "./broker.mjs";
import { Viewer, launch } from "./browser.mjs";

const [ahorad, ...words] = process.argv.slice(2);
const files = ["pages", "dashboard", "demo", "line", "load", "eyes", "access", "script_tag"];
const CASE_MS = 90_000;

let passed = 0;
let failed = 0;
const browser = await launch();
for (const file of files) {
  const { cases } = await import(`./cases/${file}.mjs`);
  for (const [name, one] of Object.entries(cases)) {
    if (words.length > 0 && !words.some((word) => `${file} ${name}`.includes(word))) continue;
    const start = Date.now();
    const { settings, run } = typeof one === "function" ? { settings: {}, run: one } : one;
    const viewer = new Viewer(browser);
    let broker = null;
    const notes = [];
    let timer;
    try {
      broker = await Broker.start(ahorad, typeof settings === "function" ? await settings() : settings);
      const late = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error(`not done after ${CASE_MS} ms`)), CASE_MS)));
      await Promise.race([run({ broker, viewer, browser, note: (text) => notes.push(text) }), late]);
      await viewer.close();
      await broker.stop();
      passed++;
      console.log(`ok    ${file}: ${name} (${Date.now() - start} ms)${notes.map((text) => `\n      ${text}`).join("")}`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${file}: ${name}\n${error.stack}\n${viewer.complaints.join("\n")}\n${broker?.log ?? ""}`);
      await viewer.close().catch(() => {});
      await broker?.stop().catch(() => {});
    } finally {
      clearTimeout(timer);
    }
  }
}
await browser.close();
console.log(`${passed} passed${failed > 0 ? `, ${failed} failed` : ""}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

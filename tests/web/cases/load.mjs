// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// A thousand updates a second. Nothing is said about time: between one thousand and the next, frames are painted and a key is answered, and in the end
// the page shows the last of everything. Long tasks are counted and told.
import assert from "node:assert/strict";
import { live } from "../browser.mjs";
import { town } from "../town.mjs";

const ROUNDS = 5;
const BATCHES = 10;
const BATCH = 100;

async function watch(page) {
  await page.evaluate(() => {
    window.seen = { frames: 0, longTasks: 0, longest: 0 };
    const frame = () => {
      window.seen.frames++;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        window.seen.longTasks++;
        window.seen.longest = Math.max(window.seen.longest, Math.round(duration));
      }
    }).observe({ type: "longtask" });
  });
}

const seen = (page) => page.evaluate(() => ({ ...window.seen }));

/** Ten batches of a hundred, spread over a second: `change` makes one. */
async function thousand(broker, round, change) {
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = Date.now();
    await broker.publish(Array.from({ length: BATCH }, (_, index) => change(round, batch * BATCH + index)));
    await new Promise((go) => setTimeout(go, Math.max(0, 1000 / BATCHES - (Date.now() - start))));
  }
}

export const cases = {
  "1,000 updates a second in the list of topics": async ({ broker, viewer, note }) => {
    const topic = (index) => `stock/${1000 + index}/markt`;
    await broker.publish(Array.from({ length: BATCHES * BATCH }, (_, index) => ({ op: "set", topic: topic(index), data: { available: 0 } })));
    const page = await viewer.open(`${broker.url}/#stock/**`);
    await live(page);
    await page.locator("#topics .count", { hasText: "1,000 topics" }).waitFor();
    await watch(page);
    await page.focus("#topic-list");
    let before = await seen(page);
    for (let round = 1; round <= ROUNDS; round++) {
      await thousand(broker, round, (now, index) => ({ op: "patch", topic: topic(index), data: { available: now } }));
      await page.keyboard.press("ArrowDown");
      await page.locator(".detail h3", { hasText: topic(round - 1) }).waitFor();
      const after = await seen(page);
      assert.ok(after.frames > before.frames, "no frame while a thousand updates came");
      before = after;
    }
    await page.locator(".topic-row.chosen .summary", { hasText: `available ${ROUNDS}` }).waitFor();
    note(`${ROUNDS * BATCHES * BATCH} updates, ${before.frames} frames, ${before.longTasks} long tasks, the longest ${before.longest} ms`);
  },

  "1,000 updates a second on the map": async ({ broker, viewer, note }) => {
    const units = 200;
    const at = (round, index) => ({ lat: 50.7753 + 0.0025 * Math.sin(index + round / 7), lon: 6.0839 + 0.0035 * Math.cos(index * 1.7 + round / 9), bearing: 90 });
    const topic = (index) => `service/${index % 3 ? "bike" : "taxi"}/centre/u${index}`;
    await broker.publish([...town(), ...Array.from({ length: units }, (_, index) => ({ op: "set", topic: topic(index), data: { state: "available", position: at(0, index) }, fresh_ms: 0 }))]);
    const page = await viewer.open(`${broker.url}/demo`);
    await live(page);
    await page.locator(".unit-icon").nth(150).waitFor();
    await watch(page);
    let before = await seen(page);
    for (let round = 1; round <= ROUNDS; round++) {
      await thousand(broker, round, (now, index) => ({ op: "patch", topic: topic(index % units), data: { position: at(now + Math.floor(index / units) / 5, index % units), ...(index === 999 ? { num_available: now } : {}) } }));
      const type = ["single", "double", "suite"][round % 3];
      await page.locator(`input[name=room][value=${type}]`).check();
      await page.locator(".night").nth(13).waitFor();
      const after = await seen(page);
      assert.ok(after.frames > before.frames, "no frame while a thousand updates came");
      before = after;
    }
    note(`${ROUNDS * BATCHES * BATCH} updates of ${units} units, ${before.frames} frames, ${before.longTasks} long tasks, the longest ${before.longest} ms`);
  },
};

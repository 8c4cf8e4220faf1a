// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// For every kind of eye: axe finds nothing in light and dark, a phone needs no scrolling sideways, and who wants no motion gets none.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { live } from "../browser.mjs";
import { town } from "../town.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** axe comes in beside the page's own scripts: by the debugger, which the policy does not concern. */
async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), rules);
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`).join(" | ")}`);
}

async function fill(broker) {
  await broker.publish([...town(), { op: "touch", topic: "service/taxi/centre/t1", fresh_ms: 20 }]);
}

async function settle(page, path) {
  await live(page);
  if (path === "/demo") {
    await page.locator(".night").nth(13).waitFor();
    await page.locator(".unit-icon").nth(5).waitFor();
    await page.locator(".nearest li.stale").waitFor();
  } else {
    await page.locator(".topic-row").first().click();
    await page.locator(".detail .document").waitFor();
    await page.locator("#watchers .link").first().waitFor();
  }
}

export const cases = {};
for (const [path, name] of [["/", "dashboard"], ["/demo", "demo"]]) {
  for (const colorScheme of ["light", "dark"]) {
    cases[`axe finds nothing: ${name}, ${colorScheme}`] = async ({ broker, viewer }) => {
      await fill(broker);
      const page = await viewer.open(broker.url + path, { colorScheme, reducedMotion: "reduce" });
      await settle(page, path);
      assert.deepEqual(await violations(page), []);
      if (path === "/demo") {
        await page.click("#plug");
        await page.locator("#cut:visible").waitFor();
        await page.locator(".card.cut-off").nth(3).waitFor();
      } else {
        await page.fill("#publish-data", '{"available": -1}');
        await page.fill("#publish-topic", "stock/1/a");
        await page.click("#publish button[type=submit]");
        await page.locator(".faults li").first().waitFor();
      }
      assert.deepEqual(await violations(page), []);
    };
  }

  cases[`a phone scrolls down and not sideways: ${name}`] = async ({ broker, viewer }) => {
    await fill(broker);
    const page = await viewer.open(broker.url + path, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await settle(page, path);
    for (const width of [320, 360, 412, 768]) {
      await page.setViewportSize({ width, height: 740 });
      await page.evaluate(() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))));
      const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= window, `${wide} px wide in a window of ${window}`);
      const cut = await page.evaluate(() => [...document.querySelectorAll("button, input, select")].filter((element) => {
        const { width: w, right, left } = element.getBoundingClientRect();
        return w > 0 && element.closest(".hidden, .leaflet-container") === null && (right > document.documentElement.clientWidth + 1 || left < -1);
      }).map((element) => element.outerHTML.slice(0, 80)));
      assert.deepEqual(cut, []);
    }
  };
}

cases["the colours are chosen, and kept"] = async ({ broker, viewer }) => {
  const context = await viewer.context({ colorScheme: "light" });
  const page = await viewer.open(broker.url, { context });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.click("#theme");
  await page.click("#theme");
  assert.equal(await page.getAttribute("#theme", "aria-label"), "Colours: dark");
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.goto(`${broker.url}/demo`);
  assert.equal(await ground(), dark);
};

cases["the system's colours are followed, also when they change"] = async ({ broker, viewer }) => {
  const page = await viewer.open(broker.url, { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const becomesOther = (was) => page.waitForFunction((was) => getComputedStyle(document.body).backgroundColor !== was, was);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  await becomesOther(dark);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  await becomesOther(light);
  assert.equal(await ground(), dark);
};

cases["who wants no motion gets none"] = async ({ broker, viewer }) => {
  await fill(broker);
  const page = await viewer.open(`${broker.url}/demo`, { reducedMotion: "reduce" });
  await settle(page, "/demo");
  const seconds = await page.evaluate(() => Math.max(...[...document.querySelectorAll("*")].map((element) => parseFloat(getComputedStyle(element).transitionDuration))));
  assert.ok(seconds < 0.01, `a transition of ${seconds} s`);
};

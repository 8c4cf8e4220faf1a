// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { until } from "../broker.mjs";
import { live, text } from "../browser.mjs";
import { town } from "../town.mjs";

const row = (page, topic) => page.locator(".topic-row:visible", { has: page.locator(`.name:text-is("${topic}")`) });

export const cases = {
  "figures are drawn as they are": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(broker.url);
    await live(page);
    const { topics, seq } = await broker.status();
    await page.locator(".chart .note", { hasText: `of ${topics} topics` }).waitFor();
    await page.locator(".chart .note", { hasText: `seq ${seq.toLocaleString("en")}` }).waitFor();
    assert.equal(await page.locator(".chart canvas").count(), 6);
    await broker.publish(Array.from({ length: 40 }, (_, index) => ({ op: "patch", topic: "stock/4711/dom", data: { on_hand: index } })));
    await page.locator(".chart .note", { hasText: `seq ${(seq + 40).toLocaleString("en")}` }).waitFor();
    await until("the changes were drawn as a rate", async () => /accepted: [1-9]/.test(await page.locator(".plot").nth(1).getAttribute("aria-label")) || (await page.locator(".key b").nth(2).textContent()) !== "0");
  },

  "topics change where they stand": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(broker.url);
    await live(page);
    await page.fill("#pattern", "stock/4711/*");
    await page.press("#pattern", "Enter");
    await page.locator("#topics .count", { hasText: "6 topics" }).waitFor();
    await broker.publish([{ op: "patch", topic: "stock/4711/dom", data: { available: 41 } }]);
    await row(page, "stock/4711/dom").locator(".summary", { hasText: "available 41" }).waitFor();
    await broker.publish([{ op: "delete", topic: "stock/4711/nord" }]);
    await page.locator("#topics .count", { hasText: "5 topics" }).waitFor();
    assert.equal(await row(page, "stock/4711/nord").count(), 0);
    await broker.publish([{ op: "touch", topic: "stock/4711/hafen", fresh_ms: 50 }]);
    await row(page, "stock/4711/hafen").locator(".when", { hasText: "stale" }).waitFor();
    await page.locator("#topics .count", { hasText: "5 topics, 1 stale" }).waitFor();
    await page.check("#only-stale");
    await until("only that one is listed", async () => (await page.locator(".topic-row:visible").count()) === 1);
  },

  "one document is shown in full, with its changes and who watches it": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(`${broker.url}/#order/*`);
    await live(page);
    await row(page, "order/2301").click();
    await page.locator(".detail h3", { hasText: "order/2301" }).waitFor();
    await page.locator(".facts-list dd").nth(3).and(page.locator(":text-is('1')")).waitFor();
    await page.locator("#watchers .link", { hasText: "order/*" }).waitFor();
    await broker.publish([{ op: "patch", topic: "order/2301", data: { status: "out_for_delivery" } }]);
    await page.locator(".trail li", { hasText: "status in_transit → out_for_delivery" }).waitFor();
    assert.match(await text(page, ".document .items"), /out_for_delivery/);
  },

  "the keyboard is enough": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(`${broker.url}/#stock/4711/*`);
    await live(page);
    await row(page, "stock/4711/bahnhof").waitFor();
    await page.focus("#only-stale");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "topic-list");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("End");
    await page.locator(".detail h3", { hasText: "stock/4711/nord" }).waitFor();
    const active = await page.locator("#topic-list").getAttribute("aria-activedescendant");
    assert.match(await page.locator(`#${active}`).textContent(), /stock\/4711\/nord/);
  },

  "a pattern that is none is refused at its field": async ({ broker, viewer }) => {
    const page = await viewer.open(broker.url);
    await live(page);
    await page.fill("#pattern", "nothing/**");
    await page.press("#pattern", "Enter");
    await page.locator("#topics .problem:visible").waitFor();
    assert.equal(await page.getAttribute("#pattern", "aria-invalid"), "true");
    await page.fill("#pattern", "stock/**");
    await page.press("#pattern", "Enter");
    await page.locator("#topics .problem").waitFor({ state: "hidden" });
  },

  "a change by hand, and what is wrong with it at its line": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(broker.url);
    await live(page);
    await page.fill("#publish-topic", "stock/77/dom");
    await page.fill("#publish-data", '{\n  "available": -1,\n  "price": "1.50"\n}');
    await page.click("#publish button[type=submit]");
    await page.locator(".faults li", { hasText: "available" }).waitFor();
    assert.deepEqual(await page.locator(".gutter .bad").count(), 2);
    assert.equal(await page.getAttribute("#publish-data", "aria-invalid"), "true");
    await page.locator(".faults button", { hasText: "available" }).click();
    assert.equal(await page.evaluate(() => {
      const area = document.getElementById("publish-data");
      return area.value.slice(area.selectionStart, area.selectionEnd);
    }), '"available": -1');
    await page.fill("#publish-data", '{"available": 3');
    await page.click("#publish button[type=submit]");
    await page.locator(".faults li", { hasText: "no JSON" }).waitFor();
    assert.equal(await broker.get("stock/77/dom"), null);
    await page.fill("#publish-data", '{"available": 3}');
    await page.click("#publish button[type=submit]");
    await page.locator("#publish .result", { hasText: "Accepted" }).waitFor();
    assert.equal((await broker.get("stock/77/dom")).data.available, 3);
    await page.selectOption("#publish-op", "adjust");
    await page.fill("#publish-data", '{"available": -5}');
    await page.click("#publish button[type=submit]");
    await page.locator("#publish .result", { hasText: "out_of_range" }).waitFor();
  },

  "10,000 topics are as light as ten": async ({ broker, viewer, note }) => {
    for (let from = 0; from < 10_000; from += 1000) {
      await broker.publish(Array.from({ length: 1000 }, (_, index) => ({ op: "set", topic: `stock/${10_000 + from + index}/markt`, data: { available: 1 } })));
    }
    const page = await viewer.open(broker.url);
    await live(page);
    await page.locator("#topics .count", { hasText: "10,000 topics" }).waitFor();
    await page.locator('#topic-list [aria-setsize="10000"]').first().waitFor(); // the list is put into order a little later
    await page.focus("#topic-list");
    await page.keyboard.press("End");
    await page.locator(".detail h3", { hasText: "stock/19999/markt" }).waitFor();
    const rows = await page.locator(".topic-row").count();
    assert.ok(rows < 60, `${rows} rows are in the page`);
    note(`${rows} rows in the page, ${await page.evaluate(() => document.querySelectorAll("*").length)} elements in all`);
    await broker.publish([{ op: "patch", topic: "stock/19999/markt", data: { available: 9 } }]);
    await row(page, "stock/19999/markt").locator(".summary", { hasText: "available 9" }).waitFor();
  },
};

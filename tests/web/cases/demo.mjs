// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { until } from "../broker.mjs";
import { live, text } from "../browser.mjs";
import { night, town } from "../town.mjs";

const branch = (page, name) => page.locator(".branches li", { has: page.locator(`b:text-is("${name}")`) });

/** What a page shows of documents, without ages, which are of the moment. */
async function shown(page) {
  return page.evaluate(() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((element) => element.textContent);
    return JSON.stringify({
      pieces: texts(".branches b").map((name, index) => [name, texts(".branches .pieces")[index]]),
      nights: texts(".night b"),
      order: texts("#order .headline, #order .events li"),
      near: texts(".nearest b").map((name, index) => [name, texts(".nearest .away")[index], texts(".nearest .what")[index]]),
    });
  });
}

async function equal(one, other) {
  await until("both tabs show the same", async () => (await shown(one)) === (await shown(other)));
}

export const cases = {
  "four cards show what is there": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(`${broker.url}/demo`);
    await live(page);
    await branch(page, "Nord").locator(".pieces", { hasText: "6 left" }).waitFor();
    await page.locator("#order .headline", { hasText: "Arrives about" }).waitFor();
    await until("the nights are there", async () => (await page.locator(".night").count()) === 14);
    await page.locator(".nearest li").first().waitFor();
    assert.equal(await page.locator(".steps .now").textContent(), "On the way");
    assert.ok((await page.locator(".unit-icon").count()) > 5);
    assert.equal(await page.locator(".leaflet-tile").count(), 0);
  },

  "the nearest branch is one that has it": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(`${broker.url}/demo`);
    await live(page);
    await branch(page, "Markt").locator(".badge:visible").waitFor();
    await broker.publish([{ op: "patch", topic: "stock/4711/markt", data: { available: 0 } }]);
    await branch(page, "Dom").locator(".badge:visible").waitFor();
    assert.match(await text(page, ".answer"), /^Dom, 2\d0 m/);
  },

  "the last piece is sold once": async ({ broker, viewer }) => {
    await broker.publish(town());
    const pages = [await viewer.open(`${broker.url}/demo`), await viewer.open(`${broker.url}/demo`)];
    for (const page of pages) {
      await live(page);
      await page.locator("#product button", { hasText: "at Markt" }).waitFor();
    }
    await Promise.all(pages.map((page) => page.evaluate(() => document.querySelector("#product button.primary").click())));
    await until("both were answered", async () => (await Promise.all(pages.map((page) => text(page, "#product .told")))).every((told) => told !== ""));
    const told = await Promise.all(pages.map((page) => text(page, "#product .told")));
    const markt = (await broker.get("stock/4711/markt")).data.available;
    assert.equal(markt, 0);
    assert.equal(told.filter((one) => /yours at Markt/.test(one)).length, 1, told.join(" / "));
    assert.equal(told.filter((one) => /yours|faster/.test(one)).length, 2, told.join(" / "));
  },

  "a stay is booked whole or not at all": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(`${broker.url}/demo`);
    await live(page);
    await page.locator("#hotel .actions button:enabled").click();
    await page.locator("#hotel .told", { hasText: "Booked: 3 nights" }).waitFor();
    for (const [offset, left] of [[0, 1], [1, 2], [2, 3], [3, 5]]) assert.equal((await broker.get(`room/central/double/${night(offset)}`)).data.booking_limit, left);
    await page.locator(".night").nth(5).click();
    await page.locator(".night").nth(7).click();
    await page.locator("#hotel .quote", { hasText: "Not all nights are free" }).waitFor();
    assert.ok(await page.locator("#hotel .actions button").isDisabled());
  },

  "two tabs side by side stay equal": async ({ broker, viewer }) => {
    await broker.publish(town());
    const [one, other] = [await viewer.open(`${broker.url}/demo`), await viewer.open(`${broker.url}/demo`)];
    await live(one);
    await live(other);
    for (let round = 1; round <= 15; round++) {
      await broker.publish([
        { op: "adjust", topic: "stock/4711/dom", data: { available: 1 } },
        { op: "patch", topic: "service/bike/centre/b1", data: { state: round % 2 ? "on_trip" : "available", position: { lat: 50.7753 + round * 1e-4 } } },
        { op: "adjust", topic: `room/central/double/${night(round % 5)}`, data: { booking_limit: 1 } },
        ...(round % 5 === 0 ? [{ op: "patch", topic: "order/2301", data: { status: round === 5 ? "out_for_delivery" : "delivered" } }] : []),
      ]);
    }
    await branch(one, "Dom").locator(".pieces", { hasText: "18 left" }).waitFor();
    await equal(one, other);
    assert.match(await shown(one), /Delivered/);
  },

  "the circle goes with the map": async ({ broker, viewer }) => {
    await broker.publish([...town(), { op: "set", topic: "service/taxi/centre/far", data: { state: "available", travel_cost: "20.00", travel_cost_currency: "EUR", position: { lat: 50.7753, lon: 6.094 } }, fresh_ms: 0 }]);
    const page = await viewer.open(`${broker.url}/demo`);
    await live(page);
    const near = page.locator(".nearest li", { hasText: "Taxi far" });
    await page.locator(".nearest li").first().waitFor();
    assert.equal(await near.count(), 0);
    const before = (await broker.status()).deliveries;
    const box = await page.locator(".map").boundingBox();
    for (let drag = 0; drag < 3 && (await near.count()) === 0; drag++) {
      await page.mouse.move(box.x + box.width - 60, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + 60, box.y + box.height / 2, { steps: 12 });
      await page.mouse.up();
      await near.waitFor({ timeout: 2000 }).catch(() => {});
    }
    await near.waitFor();
    assert.ok((await broker.status()).deliveries > before);
    await page.locator(".answer", { hasText: /from here/ }).waitFor();
  },

  "what falls silent is marked": async ({ broker, viewer }) => {
    await broker.publish(town());
    const page = await viewer.open(`${broker.url}/demo`);
    await live(page);
    await broker.publish([{ op: "touch", topic: "service/taxi/centre/t1", fresh_ms: 50 }]);
    await page.locator(".unit.taxi.stale .text", { hasText: "?" }).waitFor();
    await page.locator(".nearest .stale .when", { hasText: "silent for" }).waitFor();
    await broker.publish([{ op: "touch", topic: "service/taxi/centre/t1", fresh_ms: 0 }]);
    await page.locator(".map .unit.taxi.stale").waitFor({ state: "detached" });
  },

  "pulling the plug marks everything, putting it back resumes": async ({ broker, viewer }) => {
    await broker.publish(town());
    const [page, other] = [await viewer.open(`${broker.url}/demo`), await viewer.open(`${broker.url}/demo`)];
    await live(page);
    await live(other);
    await branch(page, "Dom").locator(".pieces", { hasText: "3 left" }).waitFor();
    await page.locator(".nearest li").first().waitFor();
    await page.click("#plug");
    await page.locator("#cut:visible", { hasText: "No line" }).waitFor();
    await until("all four cards are marked", async () => (await page.locator(".card.cut-off").count()) === 4);
    await page.locator("#product .age", { hasText: "as of" }).waitFor();
    assert.ok(await page.locator("#product button.primary").isDisabled());
    await broker.publish([
      { op: "patch", topic: "stock/4711/dom", data: { available: 12 } },
      { op: "delete", topic: "stock/4711/nord" },
      { op: "delete", topic: "service/taxi/centre/t1" },
    ]);
    await branch(other, "Dom").locator(".pieces", { hasText: "12 left" }).waitFor();
    assert.match(await text(page, ".branches"), /3 left/);
    const before = await broker.status();
    await page.click("#plug");
    await branch(page, "Dom").locator(".pieces", { hasText: "12 left" }).waitFor();
    await page.locator("#cut.back").waitFor();
    await until("no card is marked", async () => (await page.locator(".card.cut-off").count()) === 0);
    assert.equal(await branch(page, "Nord").count(), 0);
    await equal(page, other);
    const after = await broker.status();
    assert.ok(after.resumes >= before.resumes + 3, "it resumed by token");
  },
};

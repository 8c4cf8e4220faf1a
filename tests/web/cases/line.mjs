// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines that break: no network, a broker that is killed, a tab in the background.
import assert from "node:assert/strict";
import { Wire, until } from "../broker.mjs";
import { live, text } from "../browser.mjs";
import { town } from "../town.mjs";

const pieces = (page, name) => page.locator(".branches li", { has: page.locator(`b:text-is("${name}")`) }).locator(".pieces");

export const cases = {
  "offline, and back": async ({ broker, viewer }) => {
    viewer.expectsCuts = true;
    await broker.publish(town());
    const wire = await Wire.start(broker.port);
    const context = await viewer.context();
    const page = await viewer.open(`${wire.url}/demo`, { context });
    await live(page);
    await pieces(page, "Dom").and(page.locator(":text-is('3 left')")).waitFor();
    await context.setOffline(true);
    wire.cut();
    await page.locator("#state:not([data-state=connected])").waitFor();
    await page.locator("#cut:visible").waitFor();
    await page.locator("#product .age", { hasText: "as of" }).waitFor();
    await broker.publish([{ op: "patch", topic: "stock/4711/dom", data: { available: 8 } }]);
    assert.equal(await pieces(page, "Dom").textContent(), "3 left");
    wire.mend();
    await context.setOffline(false);
    await pieces(page, "Dom").and(page.locator(":text-is('8 left')")).waitFor();
    await live(page);
    await until("nothing is marked any more", async () => (await page.locator(".card.cut-off").count()) === 0);
    await page.close();
    await wire.stop();
  },

  "the broker is killed, and starts again": async ({ broker, viewer }) => {
    viewer.expectsCuts = true;
    await broker.publish(town());
    const [demo, dashboard] = [await viewer.open(`${broker.url}/demo`), await viewer.open(`${broker.url}/#stock/**`)];
    await live(demo);
    await live(dashboard);
    await pieces(demo, "Dom").and(demo.locator(":text-is('3 left')")).waitFor();
    await dashboard.locator("#topics .count", { hasText: "6 topics" }).waitFor();
    const { epoch } = await broker.status();
    await broker.kill();
    await demo.locator("#cut:visible").waitFor();
    await dashboard.locator(".topic-row.unknown:visible").first().waitFor();
    await broker.run();
    assert.equal((await broker.status()).epoch, epoch);
    await broker.publish([{ op: "patch", topic: "stock/4711/dom", data: { available: 7 } }, { op: "delete", topic: "stock/4711/nord" }]);
    await pieces(demo, "Dom").and(demo.locator(":text-is('7 left')")).waitFor();
    await live(demo);
    await live(dashboard);
    await dashboard.locator("#topics .count", { hasText: "5 topics" }).waitFor();
    await until("no row is marked", async () => (await dashboard.locator(".topic-row.unknown:visible").count()) === 0);
    const { resumes } = await broker.status();
    assert.ok(resumes >= 3, "they resumed by token, across the restart");
  },

  "a tab that slept in the background is up to date when it wakes": async ({ broker, viewer }) => {
    await broker.publish(town());
    const context = await viewer.context();
    const page = await viewer.open(`${broker.url}/demo`, { context });
    await live(page);
    await pieces(page, "Dom").and(page.locator(":text-is('3 left')")).waitFor();
    const session = await context.newCDPSession(page);
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    for (let round = 0; round < 200; round++) await broker.publish([{ op: "adjust", topic: "stock/4711/dom", data: { available: 1 } }]);
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await pieces(page, "Dom").and(page.locator(":text-is('203 left')")).waitFor();
    await live(page);
  },

  "a page that opens before its broker waits for it": async ({ broker, viewer }) => {
    viewer.expectsCuts = true;
    const wire = await Wire.start(broker.port);
    const page = await viewer.open(`${wire.url}/`);
    await live(page);
    wire.cut();
    await page.locator("#state[data-state=connecting], #state[data-state=disconnected]").waitFor();
    await broker.publish(town());
    wire.mend();
    await live(page);
    await page.locator("#topics .count", { hasText: "topics" }).waitFor();
    assert.match(await text(page, "#facts"), /epoch/);
    await page.close();
    await wire.stop();
  },
};

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// A broker that wants to know who asks: the pages ask for a token, say what it does not allow, and ask again when it has ended.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { until } from "../broker.mjs";
import { live } from "../browser.mjs";
import { town } from "../town.mjs";

const SECRET = "0123456789abcdef0123456789abcdef";
const keys = mkdtempSync(path.join(tmpdir(), "ahora-web-keys-"));
writeFileSync(path.join(keys, "shop.hs256"), `${SECRET}\n`);
process.on("exit", () => import("node:fs").then(({ rmSync }) => rmSync(keys, { recursive: true, force: true })));
const settings = { AUTH_KEYS: keys, AUTH_OPEN_FIGURES: "true" };

function token(claims, seconds = 3600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: "HS256", typ: "JWT", kid: "shop" })}.${part({ iat: now, exp: now + seconds, ...claims })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

const all = { sub: "operator", ahora: { sub: ["**", "order/**", "$demand/**"], pub: ["**", "order/**"], admin: true } };
const reader = { sub: "reader", ahora: { sub: ["**", "order/**", "$demand/**"] } };

async function give(page, text) {
  await page.locator("#token[open]").waitFor();
  await page.fill("#token-text", text);
  await page.click("#token button[type=submit]");
}

const fill = (broker) => broker.publish(town(), { Authorization: `Bearer ${token(all)}` });

export const cases = {
  "a token is asked for, and kept for the tab": {
    settings,
    run: async ({ broker, viewer }) => {
      viewer.expectsCuts = true; // a line that is being opened is given up for the new token
      await fill(broker);
      const context = await viewer.context();
      const page = await viewer.open(broker.url, { context });
      await give(page, token(all));
      await live(page);
      await page.locator(".topic-row:visible").first().waitFor();
      await page.locator("#sessions .name", { hasText: "127.0.0.1" }).first().waitFor();
      await page.goto(`${broker.url}/demo`);
      await live(page);
      await page.locator(".branches li").first().waitFor();
      assert.doesNotMatch(page.url(), /eyJ/);
    },
  },

  "who may only read is told so": {
    settings,
    run: async ({ broker, viewer }) => {
      viewer.expectsCuts = true; // a line that is being opened is given up for the new token
      await fill(broker);
      viewer.expectsRefusals = true;
      const page = await viewer.open(`${broker.url}/demo`);
      await give(page, token(reader));
      await live(page);
      await page.locator("#product button.primary:enabled").click();
      await page.locator("#product .told", { hasText: "may only look" }).waitFor();
      await page.goto(broker.url);
      await live(page);
      assert.ok(await page.locator("#sessions").isHidden());
      await page.fill("#publish-topic", "stock/77/dom");
      await page.click("#publish button[type=submit]");
      await page.locator("#publish .result", { hasText: "forbidden" }).waitFor();
      await page.locator(".faults li", { hasText: "may not publish" }).waitFor();
    },
  },

  "a token that ends is asked for again, and nothing is silently old meanwhile": {
    settings: { ...settings, AUTH_SKEW_MS: "0" },
    run: async ({ broker, viewer }) => {
      viewer.expectsCuts = true; // a line that is being opened is given up for the new token
      await fill(broker);
      const page = await viewer.open(`${broker.url}/demo`);
      await give(page, token(all, 4));
      await live(page);
      await page.locator(".branches li").first().waitFor();
      await page.locator("#token[open]", { hasText: "has ended" }).waitFor();
      await until("all four cards are marked", async () => (await page.locator(".card.cut-off").count()) === 4);
      await give(page, token(all));
      await live(page);
      await until("no card is marked", async () => (await page.locator(".card.cut-off").count()) === 0);
    },
  },
};

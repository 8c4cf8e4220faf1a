// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The pictures of the README, of the made-up town that `make run` shows. Usage: node screenshots.mjs BUILD OUT (from anywhere; paths as they are)
// It runs packaging/demo.sh, waits until there is something to see, and ends it.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PATIENCE_MS, freePort, until } from "./broker.mjs";
import { launch, live } from "./browser.mjs";

const [build, out] = process.argv.slice(2).map((name) => path.resolve(name));
const root = fileURLToPath(new URL("../..", import.meta.url));
const BYTES_MAX = 200_000;
const HISTORY_MS = 75_000; // so that the charts have something to tell

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const demo = spawn("packaging/demo.sh", [build], { cwd: root, env: { ...process.env, AHORA_PORT: String(port) }, stdio: "ignore" });
await until("the demo runs", () => fetch(`${url}/readyz`).then((response) => response.ok, () => false));
const browser = await launch();

async function open(where, options) {
  const context = await browser.newContext({ deviceScaleFactor: 1, locale: "en-GB", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  await page.goto(url + where, { timeout: PATIENCE_MS });
  await live(page);
  return page;
}

async function picture(page, name) {
  const file = path.join(out, `${name}.png`);
  await page.evaluate(() => {
    scrollTo(0, 0);
    document.activeElement?.blur();
  });
  await page.mouse.move(0, 0);
  await page.waitForTimeout(1200);
  await page.screenshot({ path: file });
  execFileSync("pngquant", ["--force", "--skip-if-larger", "--strip", "--quality=80-98", "--output", file, file]);
  const { size } = await stat(file);
  if (size > BYTES_MAX) throw new Error(`${name}.png has ${size} bytes`);
  console.log(`${name}.png ${size} bytes`);
}

const followers = ["stock/4711/*", "stock/4711/*", "order/*", "room/central/**", "service/courier/**"].map((pattern) =>
  spawn(path.join(build, "ahora"), ["sub", "-s", url, pattern], { stdio: "ignore" }));
const DESK = { width: 1360, height: 1330 };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

try {
  const dashboard = await open("/", { viewport: DESK, colorScheme: "light" });
  await dashboard.locator('.topic-row:visible:has-text("order/")').nth(4).click();
  await dashboard.waitForTimeout(HISTORY_MS);
  await picture(dashboard, "dashboard-light");
  await dashboard.emulateMedia({ colorScheme: "dark" });
  await picture(dashboard, "dashboard-dark");
  await dashboard.emulateMedia({ colorScheme: "light" });
  await dashboard.setViewportSize(PHONE.viewport);
  await picture(dashboard, "dashboard-phone");
  await dashboard.context().close();

  const town = await open("/demo", { viewport: { width: 1360, height: 1130 }, colorScheme: "light" });
  await town.locator(".nearest li").nth(3).waitFor();
  await picture(town, "demo");
  await town.click("#plug");
  await town.locator(".card.cut-off").nth(3).waitFor();
  await town.waitForTimeout(9000);
  await picture(town, "demo-unplugged");
  await town.context().close();

  const phone = await open("/demo", { ...PHONE, colorScheme: "dark" });
  await phone.locator(".nearest li").nth(3).waitFor();
  await picture(phone, "demo-phone");
} finally {
  for (const follower of followers) follower.kill("SIGTERM");
  await browser.close();
  demo.kill("SIGTERM");
  await once(demo, "exit");
}

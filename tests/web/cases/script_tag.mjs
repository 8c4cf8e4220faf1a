// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The ten lines of the README, pasted into a file: /ahora.js from a script tag, in a page whose origin is `null`.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { town } from "../town.mjs";

/** What stands in README.md between the lines that begin and end a page. */
async function pasted(url) {
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  const found = /^ {4}<!doctype html>\n(?: {4}.*\n)+/m.exec(readme);
  assert.ok(found, "README.md has a page to paste");
  return found[0].replace(/^ {4}/gm, "").replaceAll("http://127.0.0.1:7600", url);
}

async function withFile(broker, work) {
  const directory = await mkdtemp(path.join(tmpdir(), "ahora-web-"));
  try {
    const file = path.join(directory, "stock.html");
    await writeFile(file, await pasted(broker.url));
    await work(pathToFileURL(file).href);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export const cases = {
  "ten lines in a file show stock live": {
    settings: { LISTEN_ALLOWED_ORIGINS: "null" },
    run: async ({ broker, viewer }) => {
      await broker.publish(town());
      await withFile(broker, async (url) => {
        const page = await viewer.open(url);
        await page.locator("li", { hasText: "stock/4711/dom: 3" }).waitFor();
        await broker.publish([{ op: "adjust", topic: "stock/4711/dom", data: { available: -2 } }]);
        await page.locator("li", { hasText: "stock/4711/dom: 1" }).waitFor();
        await broker.publish([{ op: "delete", topic: "stock/4711/nord" }]);
        await page.locator("li", { hasText: "stock/4711/nord" }).waitFor({ state: "detached" });
        await page.close();
      });
    },
  },

  "and nothing of a broker that does not allow them": async ({ broker, viewer }) => {
    viewer.expectsCuts = true;
    await broker.publish(town());
    await withFile(broker, async (url) => {
      const page = await viewer.open(url);
      await page.waitForFunction(() => typeof window.Ahora === "object");
      const refused = async () => Number(/^ahora_http_origins_refused_total (\d+)/m.exec(await (await fetch(`${broker.url}/metrics`)).text())[1]);
      while ((await refused()) < 1) await new Promise((go) => setTimeout(go, 50));
      assert.equal(await page.locator("li").count(), 0);
      await page.close();
    });
  },
};

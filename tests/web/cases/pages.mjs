// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// How the files are served.
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { request } from "node:http";
import { freePort } from "../broker.mjs";
import { live } from "../browser.mjs";
import { town } from "../town.mjs";

/** Not fetch: that would undo the encoding. */
function ask(url, headers = {}) {
  return new Promise((done, fail) => {
    request(url, { headers }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) }));
    }).on("error", fail).end();
  });
}

const HTML = { Accept: "text/html" };

export const cases = {
  "a browser gets the dashboard, everybody else a list": async ({ broker }) => {
    const page = await ask(`${broker.url}/`, HTML);
    assert.match(page.headers["content-type"], /^text\/html/);
    assert.match(page.body.toString(), /<title>ahora · dashboard<\/title>/);
    const list = await ask(`${broker.url}/`);
    assert.match(list.headers["content-type"], /^text\/plain/);
    assert.match(list.headers.vary, /Accept/);
  },

  "files are gzipped for those who take it": async ({ broker }) => {
    for (const path of ["/demo", "/ahora.js", "/page/dashboard.js", "/page/demo.css", "/page/icon.svg"]) {
      const plain = await ask(broker.url + path);
      const zipped = await ask(broker.url + path, { "Accept-Encoding": "br, gzip" });
      const refused = await ask(broker.url + path, { "Accept-Encoding": "gzip;q=0, identity" });
      assert.equal(plain.status, 200, path);
      assert.equal(plain.headers["content-encoding"], undefined);
      assert.equal(refused.headers["content-encoding"], undefined);
      assert.equal(zipped.headers["content-encoding"], "gzip");
      assert.ok(zipped.body.length < plain.body.length, path);
      assert.deepEqual(gunzipSync(zipped.body), plain.body);
      assert.notEqual(zipped.headers.etag, plain.headers.etag);
    }
  },

  "an entity tag answers 304": async ({ broker }) => {
    const url = `${broker.url}/page/dashboard.js`;
    const { headers } = await ask(url);
    assert.equal((await ask(url, { "If-None-Match": headers.etag })).status, 304);
    assert.equal((await ask(url, { "If-None-Match": `W/"x", ${headers.etag}` })).body.length, 0);
    assert.equal((await ask(url, { "If-None-Match": headers.etag, "Accept-Encoding": "gzip" })).status, 200);
  },

  "the policy is strict, and nothing needs an exception": async ({ broker }) => {
    for (const path of ["/", "/demo"]) {
      const { headers, body } = await ask(broker.url + path, HTML);
      assert.doesNotMatch(headers["content-security-policy"], /unsafe|https?:|\*|data:|blob:/);
      assert.match(headers["content-security-policy"], /default-src 'none'.*script-src 'self'.*style-src 'self'.*frame-ancestors 'none'/);
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["referrer-policy"], "no-referrer");
      assert.doesNotMatch(body.toString(), /<style|style=|onclick=|src="http|href="http/);
    }
  },

  "nobody else's files are fetched": async ({ broker, viewer }) => {
    const context = await viewer.context();
    const asked = new Set();
    context.on("request", (request) => asked.add(new URL(request.url()).origin));
    for (const path of ["/", "/demo"]) {
      const page = await viewer.open(broker.url + path, { context });
      await page.locator("#state[data-state=connected]").waitFor();
    }
    assert.deepEqual([...asked], [broker.url]);
  },

  "on a public listener stands the demo, which may look, and not the dashboard": {
    settings: async () => ({ LISTEN_PUBLIC: `127.0.0.1:${await freePort()}` }),
    run: async ({ broker, viewer }) => {
      await broker.publish(town());
      const url = `http://${broker.settings.LISTEN_PUBLIC}`;
      for (const path of ["/", "/v1/status", "/metrics", "/v1/admin/sessions/slowest"]) assert.equal((await ask(url + path, HTML)).status, 404, path);
      for (const path of ["/demo", "/ahora.js", "/page/demo.js"]) assert.equal((await ask(url + path)).status, 200, path);
      const page = await viewer.open(`${url}/demo`);
      await live(page);
      await page.locator("#product button.primary:enabled").click();
      await page.locator("#product .told", { hasText: "may only look" }).waitFor();
      assert.equal((await broker.get("stock/4711/markt")).data.available, 1);
    },
  },

  "what is not there is 404": async ({ broker }) => {
    for (const path of ["/page/", "/page/none.js", "/page/files.h", "/page/theme.js.gz"]) assert.equal((await ask(broker.url + path)).status, 404, path);
  },
};

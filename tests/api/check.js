// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls every operation of /openapi.json, says and hears every message of /asyncapi.json, and holds each answer against its schema.
// Usage: node check.js AHORAD SCRATCH_DIRECTORY

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import assert from "node:assert/strict";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { Parser } from "@asyncapi/parser";
import WebSocket from "ws";
import { startBroker } from "./broker.js";

const [program, scratch] = process.argv.slice(2);
const broker = await startBroker(program, scratch, { AHORA_LIMITS_BEAT_MS: "200", AHORA_LIMITS_PUBLISH_RATE_MAX: "0" });
const count = { calls: 0, messages: 0 };

// ---- the descriptions themselves ----

async function fetched(path, type, cors) {
  const answer = await fetch(broker.url + path, { headers: cors ? { Origin: broker.url } : {} });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-type"), type);
  if (cors) assert.equal(answer.headers.get("access-control-allow-origin"), broker.url);
  const again = await fetch(broker.url + path, { headers: { "If-None-Match": answer.headers.get("etag") } });
  assert.equal(again.status, 304, `${path}: its ETag is not known again`);
  assert.equal((await fetch(broker.url + path, { method: "PUT" })).status, 405);
  return answer.json();
}

const openapi = await fetched("/openapi.json", "application/vnd.oai.openapi+json;version=3.1", true);
const asyncapi = await fetched("/asyncapi.json", "application/vnd.aai.asyncapi+json;version=3.0.0", true);
writeFileSync(`${scratch}/openapi.json`, JSON.stringify(openapi, null, 2));

// A schema of either description, with its references; kinds have an $id of their own, which would hide them.
function judge(description) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats(ajv);
  for (const schema of Object.values(description.components.schemas)) delete schema.$id;
  ajv.addSchema({ paths: description.paths, components: description.components }, "api");
  const cache = new Map();
  return (pointer, value, what) => {
    if (!cache.has(pointer)) cache.set(pointer, ajv.compile({ $ref: `api#${pointer}` }));
    const validate = cache.get(pointer);
    if (!validate(value)) {
      assert.fail(`${what}: ${JSON.stringify(value)} is not as ${pointer} says: ${ajv.errorsText(validate.errors)}`);
    }
  };
}

const escape = (part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));

// ---- the prose says the same ----

const prose = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
const codes = prose.split("\n## 5. ")[1].split("\n## 6. ")[0];
for (const code of openapi.components.schemas.ErrorCode.enum) assert.ok(codes.includes(`\`${code}\``), `protocol.md does not know ${code}`);
for (const [, code, status] of codes.matchAll(/`([a-z_]+)` (\d{3})/g)) {
  const problem = openapi.components.responses[`Problem${status}`];
  assert.ok(problem?.description.split(", ").includes(code), `${code} is no ${status} in /openapi.json`);
}
for (const op of Object.keys(asyncapi.components.messages)) assert.ok(prose.includes(`\`${op}\``), `protocol.md does not know ${op}`);

// ---- HTTP ----

const holds = judge(openapi);
const operations = new Map(); // operationId -> {path, method, operation}
for (const [path, item] of Object.entries(openapi.paths)) {
  for (const [method, operation] of Object.entries(item)) operations.set(operation.operationId, { path, method, operation });
}
const called = new Set();
const statuses = new Map(); // operationId -> set of statuses seen

// fetch() hides trailing details we need (upgrade answers), so: plain requests.
function ask(method, path, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const call = request(broker.url + path, { method, headers, agent: false }, (answer) => {
      const parts = [];
      answer.on("data", (part) => {
        parts.push(part);
        if (answer.headers["content-type"] === "text/event-stream" && Buffer.concat(parts).includes("event: live")) answer.destroy();
      });
      answer.on("close", () => resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
    });
    call.on("upgrade", (answer, socket) => {
      socket.destroy();
      resolve({ status: answer.statusCode, headers: answer.headers, text: "" });
    });
    call.on("error", reject);
    call.end(body);
  });
}

// Follows a reference inside the description.
function resolved(node) {
  while (node?.$ref) node = node.$ref.slice(2).split("/").reduce((at, part) => at[part.replaceAll("~1", "/")], openapi);
  return node;
}

async function call(id, status, { rest, query = "", headers, body, code } = {}) {
  const { path, method, operation } = operations.get(id);
  const answer = await ask(method.toUpperCase(), path.replace(/\{.*\}/, rest) + query, { headers, body });
  const what = `${id} ${rest ?? ""}${query}`;
  assert.equal(answer.status, status, `${what}: ${answer.text}`);
  called.add(id);
  statuses.set(id, (statuses.get(id) ?? new Set()).add(status));
  count.calls++;
  const documented = operation.responses[status];
  assert.ok(documented, `${what}: status ${status} is not described`);
  const response = resolved(documented);
  for (const name of Object.keys(response.headers ?? {})) assert.ok(answer.headers[name.toLowerCase()], `${what}: no ${name}`);
  if (answer.text === "") return answer;
  const type = answer.headers["content-type"];
  const content = response.content?.[type];
  assert.ok(content, `${what}: a body of ${type} is not described for ${status}`);
  if (type.includes("json")) {
    const base = documented.$ref ? documented.$ref.slice(1) : `/paths/${escape(path)}/${method}/responses/${status}`;
    const values = type === "application/x-ndjson" ? answer.text.trim().split("\n").map((line) => JSON.parse(line)) : [JSON.parse(answer.text)];
    for (const value of values) holds(`${base}/content/${escape(type)}/schema`, value, what);
    if (code) {
      assert.equal(values[0].code, code);
      assert.ok(operation["x-ahora-codes"].includes(code), `${what}: ${code} is not among its codes`);
    }
    answer.json = values[0];
  }
  return answer;
}

const json = { "Content-Type": "application/json" };
const stock = JSON.stringify({ available: 5, price: "24.90", price_currency: "EUR" });

const created = await call("putTopic", 201, { rest: "stock/4711/lyon", headers: json, body: stock });
await call("putTopic", 200, { rest: "stock/4711/lyon", headers: json, body: stock, query: "?ack=applied&fresh_ms=60000" });
await call("putTopic", 412, { rest: "stock/4711/lyon", headers: { ...json, "If-Match": created.headers.etag }, body: stock, code: "conflict" });
await call("putTopic", 422, { rest: "stock/4711/lyon", headers: json, body: '{"available":"many"}', code: "invalid" });
await call("putTopic", 404, { rest: "nothing/1", headers: json, body: "{}", code: "unknown_kind" });
await call("putTopic", 400, { rest: "stock", headers: json, body: "{}", code: "bad_topic" });
await call("putTopic", 415, { rest: "stock/4711/lyon", headers: { "Content-Type": "text/csv" }, body: "a,b" });
await call("putTopic", 413, { rest: "stock/4711/lyon", headers: { ...json, "Content-Length": "999999999" }, body: "{", code: "too_large" }).catch((error) => {
  if (error.code !== "ECONNRESET" && error.code !== "EPIPE") throw error; // the broker need not read the rest
});
const held = await call("getTopic", 200, { rest: "stock/4711/lyon" });
await call("getTopic", 304, { rest: "stock/4711/lyon", headers: { "If-None-Match": held.headers.etag } });
await call("getTopic", 404, { rest: "stock/4711/none", code: "not_found" });
await call("patchTopic", 200, { rest: "stock/4711/lyon", headers: { "Content-Type": "application/merge-patch+json" }, body: '{"price":"19.90"}' });
await call("adjustTopic", 200, { rest: "stock/4711/lyon", headers: { ...json, "Idempotency-Key": "r1" }, body: '{"available":-1}' });
await call("adjustTopic", 409, { rest: "stock/4711/lyon", headers: json, body: '{"available":-9}', code: "out_of_range" });
await call("putTopic", 201, { rest: "service/courier/mitte/1", headers: json, body: '{"state":"on_trip","position":{"lat":52.52,"lon":13.4}}' });
await call("listTopics", 200, { query: "?match=stock/*/*&limit=1" });
await call("listTopics", 200, { query: "?match=stock/*/*&match=service/**", headers: { Accept: "application/x-ndjson" } });
await call("listTopics", 200, { query: `?where=${encodeURIComponent('{"available":{"gte":1}}')}` });
await call("listTopics", 200, { query: "?match=service/**&near=52.52,13.4,500" });
await call("listTopics", 400, { query: "?match=stock/**/x", code: "bad_pattern" });
await call("listTopics", 422, { query: "?near=91,0,5", code: "invalid" });
const mixed = JSON.stringify({ changes: [{ op: "touch", topic: "stock/4711/lyon" }, { op: "delete", topic: "stock/9/none" }] });
await call("publish", 200, { headers: json, body: mixed });
await call("publish", 200, {
  headers: { "Content-Type": "application/x-ndjson" },
  body: '{"op":"touch","topic":"stock/4711/lyon"}\n{"op":"set","topic":"stock/1/a","data":{"available":-1}}\n',
});
await call("publish", 400, { headers: json, body: '{"changes":[]}', code: "bad_message" });
const nights = { op: "set", topic: "room/inn/single", start: "2027-05-01", end: "2027-05-03", data: { booking_limit: 2 } };
await call("publishRange", 200, { headers: { ...json, "Idempotency-Key": "stay" }, body: JSON.stringify({ changes: [nights] }) });
await call("publishRange", 422, { headers: json, body: JSON.stringify({ changes: [{ ...nights, end: "2027-02-30" }] }), code: "invalid" });
await call("stream", 200, { query: "?match=stock/*/*" });
await call("stream", 404, { query: "?match=nothing/*", code: "unknown_kind" });
const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" };
await call("websocket", 101, { headers: { ...upgrade, "Sec-WebSocket-Protocol": "ahora.v1.json" } });
await call("websocket", 400, { headers: upgrade, code: "bad_message" });
await call("websocket", 426);
await call("listKinds", 200);
await call("getKind", 200, { rest: "stock" });
await call("getKind", 404, { rest: "nothing", code: "unknown_kind" });
await call("deleteTopic", 200, { rest: "stock/4711/lyon" });
await call("deleteTopic", 404, { rest: "stock/4711/lyon", code: "not_found" });
await call("getPageFile", 404, { rest: "nothing.js", code: "not_found" });
await call("backup", 201, { headers: json, body: '{"name":"monday"}' });
await call("backup", 409, { headers: json, body: '{"name":"monday"}' });
await call("disconnect", 200, { headers: json, body: '{"session":"s999999"}' });
await call("disconnect", 400, { headers: json, body: "{}", code: "bad_message" });
await call("revoke", 400, { headers: json, body: "{}", code: "bad_message" });
await call("reload", 200);
// Whatever else there is takes no argument and answers a question. Without node the program has no pages.
const hasPages = (await fetch(`${broker.url}/demo`)).status === 200;
for (const [id, { path, method, operation }] of operations) {
  const optional = operation.tags.includes("pages") && id !== "getRoot";
  if (!called.has(id) && method === "get" && !path.includes("{")) await call(id, optional && !hasPages ? 404 : 200);
}
for (const path of ["/v1/nothing", "/v1/topics/"]) assert.ok((await ask("GET", path)).status >= 400);

// ---- WebSocket ----

const says = judge(asyncapi);
const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncapi));
const bad = diagnostics.filter((diagnostic) => diagnostic.severity <= 1);
assert.ok(document, `asyncapi.json does not parse: ${JSON.stringify(diagnostics.slice(0, 5))}`);
assert.deepEqual(bad.map((one) => `${one.path.join(".")}: ${one.message}`), []);

const messages = new Set(Object.keys(asyncapi.components.messages));
const used = new Set();
const socket = new WebSocket(broker.url.replace("http", "ws") + "/v1/ws", "ahora.v1.json");
const heard = [];
let wake = () => {};
socket.on("message", (data) => {
  for (const line of data.toString().split("\n")) {
    const message = JSON.parse(line);
    says(`/components/messages/${message.op}/payload`, message, "heard");
    used.add(message.op);
    count.messages++;
    heard.push(message);
  }
  wake();
});
socket.on("close", () => wake());
const say = (message) => {
  says(`/components/messages/${message.op}/payload`, message, "said");
  used.add(message.op);
  count.messages++;
  socket.send(JSON.stringify(message));
};
const hear = async (op) => {
  for (;;) {
    const at = heard.findIndex((message) => message.op === op);
    if (at >= 0) return heard.splice(0, at + 1).at(-1);
    assert.notEqual(socket.readyState, WebSocket.CLOSED, `closed while waiting for ${op}`);
    await new Promise((resolve) => (wake = resolve));
  }
};

await new Promise((resolve) => socket.once("open", resolve));
say({ op: "hello", client: "check/1", source: "check", on_lost: "stale", grace_ms: 0 });
await hear("welcome");
say({ op: "sub", id: 1, match: ["stock/4711/*"], where: { available: { gte: 0 } }, every_ms: 0 });
await hear("subscribed");
await hear("live");
say({ op: "sub", id: 2, match: "service/**", near: { lat: 52.52, lon: 13.4, radius_m: 500 } });
await hear("live");
say({ op: "pub", id: 3, changes: [{ op: "set", topic: "stock/4711/lyon", data: { available: 3 }, key: "k1" }], ack: "applied" });
await hear("set");
say({ op: "pub", id: 4, atomic: true, changes: [{ op: "adjust", topic: "stock/4711/lyon", data: { available: -1 } }] });
await hear("patch");
say({ op: "pub", id: 5, changes: [{ op: "delete", topic: "stock/4711/lyon", if_seq: 1 }, { op: "delete", topic: "stock/4711/lyon" }] });
await hear("remove");
await hear("published");
say({ op: "move", id: 2, near: { lat: 52.53, lon: 13.4 } });
await hear("ok");
say({ op: "get", id: 6, match: "service/**", limit: 1 });
await hear("snapshot");
say({ op: "ping", id: 7 });
await hear("pong");
say({ op: "unsub", id: 1 });
await hear("ok");
say({ op: "auth", id: 8, token: "x.y.z" }); // no tokens are configured: accepted, or refused
say({ op: "sub", id: 9, match: "nothing/*" });
await hear("error");
await hear("beat");
await call("listSessions", 200, { query: "?limit=5" });
await call("listSlowest", 200);
await call("drain", 202);
await hear("bye");
socket.close();
await broker.stop();
for (const id of operations.keys()) assert.ok(called.has(id), `${id} was not called`);
for (const op of messages) assert.ok(used.has(op), `${op} was neither said nor heard`);

console.log(`openapi.json: ${operations.size} operations, ${count.calls} calls; asyncapi.json: ${messages.size} kinds of messages, ${count.messages} messages`);

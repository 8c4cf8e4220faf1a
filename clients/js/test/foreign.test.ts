// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Real sockets to what is no broker: each gives a typed error, a wait, and nothing that nobody catches. */
import assert from "node:assert/strict";
import { createServer as createHttp, type RequestListener } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { type AhoraError, createClient } from "../src/index.js";
import { Broker, freePort, hasBroker, until } from "./support/broker.js";

const strays: unknown[] = [];
process.on("unhandledRejection", (error) => strays.push(error));

async function listening(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Until it was refused twice, so that coming back is seen, too. */
async function refused(url: string, more: object = {}): Promise<AhoraError> {
  const client = createClient({ url, WebSocket, ...more });
  const reasons: AhoraError[] = [];
  client.on("state", ({ state, reason }) => state === "disconnected" && reason && reasons.push(reason));
  const sub = client.subscribe("stock/**");
  const publish = client.set("stock/1/a", { available: 1 }).catch((error: AhoraError) => error);
  await until("two refusals", () => reasons.length >= 2);
  assert.equal(sub.state, "subscribing");
  assert.equal(sub.synced, false);
  client.close();
  assert.equal(((await publish) as AhoraError).code, "closed");
  assert.equal(reasons[0]?.code, reasons[1]?.code);
  assert.deepEqual(strays, []);
  return reasons[0] as AhoraError;
}

test("nobody listens", async () => {
  const error = await refused(`http://127.0.0.1:${await freePort()}`);
  assert.equal(error.code, "connect_failed");
  assert.match(error.detail, /ECONNREFUSED/);
});

test("a name that is none", async () => {
  assert.equal((await refused("http://no-such-host.invalid")).code, "connect_failed");
});

test("web servers that are no broker", async () => {
  const answers: [number, string][] = [[200, "connect_failed"], [404, "connect_failed"], [400, "wrong_protocol"], [426, "wrong_protocol"], [503, "connect_failed"]];
  for (const [status, code] of answers) {
    const answer: RequestListener = (_, response) => response.writeHead(status).end("<html>");
    const server = createHttp(answer).on("upgrade", (_, socket) => socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`));
    assert.equal((await refused(await listening(server))).code, code, String(status));
    server.close();
  }
});

test("a server that speaks something else, and one that hangs up", async () => {
  for (const bytes of ["SSH-2.0-OpenSSH_9.2\r\n", "", "\0\0\0\0"]) {
    const server = createServer((socket) => socket.on("error", () => {}).end(bytes));
    assert.equal((await refused(await listening(server))).code, "connect_failed");
    server.close();
  }
});

test("a WebSocket server without our subprotocol", async () => {
  const port = await freePort();
  const server = new WebSocketServer({ host: "127.0.0.1", port, handleProtocols: () => false });
  assert.equal((await refused(`http://127.0.0.1:${port}`)).code, "wrong_protocol");
  server.clients.forEach((socket) => socket.terminate());
  server.close();
});

test("what the broker alone can refuse is told by its code, and the line stays", { skip: !hasBroker && "there is no broker to test with" }, async () => {
  const broker = new Broker(await freePort());
  await broker.start();
  const client = createClient({ url: broker.url, WebSocket });
  const cases: [unknown, string][] = [
    [{ op: "set", topic: "stock", data: {} }, "bad_topic"],
    [{ op: "set", topic: "stock/*/a", data: {} }, "bad_topic"],
    [{ op: "set", data: {} }, "bad_message"],
    [{ op: "set", topic: "stock/1/a" }, "bad_message"],
    [{ op: "set", topic: "stock/1/a", data: [] }, "bad_message"],
    [{ op: "grow", topic: "stock/1/a" }, "bad_message"],
    [{ op: "touch", topic: "stock/1/a", key: "" }, "bad_message"],
    [{ op: "touch", topic: "stock/1/a", key: "k".repeat(65) }, "bad_message"],
    [[], "bad_message"],
  ];
  for (const [change, code] of cases) {
    const said = await client.publish(change as never).then(JSON.stringify, (error: AhoraError) => error.code);
    assert.equal(said, code, JSON.stringify(change));
  }
  assert.equal(client.connection.attempt, 1);
  assert.deepEqual(await client.set("stock/1/a", { available: 1 }).then(({ seq }) => seq > 0), true);
  client.close();
  await broker.fini();
});

test("a broker of another version", { skip: !hasBroker && "there is no broker to test with" }, async () => {
  const broker = new Broker(await freePort());
  await broker.start();
  const codec = { name: "from-the-future", encode: () => "", decode: () => [] };
  assert.equal((await refused(broker.url, { codec })).code, "wrong_protocol");
  await broker.fini();
});

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// What somebody writes in an afternoon: topics, subscribers, the last value of each, on Bun's WebSocket server (uWebSockets inside).
// It speaks the yardstick's few bytes (bench/raw.c). Usage: bun bun_server.js PORT
const DIGITS = 7;
const last = new Map();
const live = Buffer.from([0x4c, 0, 0, 0, 0, 0, 0, 0, 0]);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("ready\n");
  },
  websocket: {
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    maxPayloadLength: 16 << 20,
    backpressureLimit: 1 << 30,
    message(socket, message) {
      const letter = message[0];
      if (letter === 0x53) { // S topic
        const topic = message.latin1Slice(1, 1 + DIGITS);
        socket.subscribe(topic);
        const value = last.get(topic);
        if (value) socket.sendBinary(value);
        socket.sendBinary(live);
      } else if (letter === 0x50 || letter === 0x70) { // P or p, id, count, bytes, {topic document}
        const count = message.readUInt16BE(9), bytes = message.readUInt32BE(11);
        for (let i = 0, at = 15; i < count; i++, at += DIGITS + bytes) {
          const topic = message.latin1Slice(at, at + DIGITS);
          const value = message.subarray(at + DIGITS, at + DIGITS + bytes);
          last.set(topic, value);
          server.publish(topic, value);
        }
        if (letter === 0x50) socket.sendBinary(Buffer.concat([Buffer.from("A"), message.subarray(1, 9)]));
      } else if (letter === 0x51) { // Q id
        socket.sendBinary(message.subarray(0, 9));
      }
    },
  },
});

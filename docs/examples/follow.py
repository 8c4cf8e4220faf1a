#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
"""A client of ahora in one file, with nothing but Python's own library, written from docs/protocol.md alone.

    follow.py http://127.0.0.1:7600 'stock/4711/*'

Keeps the documents that the pattern selects, prints each version once, comes back after a cut, and resumes where it was. Standard input may hold
changes, one JSON map a line: they are published, and the results printed. Ends when standard input ends and all is answered, or goes on
for ever with `--forever`. AHORA_TOKEN holds a token, if the broker wants one.

It is meant to be read: what a client must do is in `Replica` and `Session.hear`; the rest is WebSocket (RFC 6455) by hand.
"""
import base64
import hashlib
import json
import os
import random
import selectors
import socket
import struct
import sys
import time
import urllib.parse

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Lost(Exception):
    """The line is gone, or not worth keeping. `retry_ms` is when the broker wants us back."""

    def __init__(self, why, retry_ms=None, final=False):
        super().__init__(why)
        self.retry_ms = retry_ms
        self.final = final


class Line:
    """One WebSocket: whole text messages in and out. Nothing a server sends makes it hold more than `message_bytes_max`."""

    message_bytes_max = 16 << 20

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port or 7600
        self.socket = socket.create_connection((host, port), timeout=10)
        key = base64.b64encode(os.urandom(16))
        self.socket.sendall(
            b"GET /v1/ws HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n\r\n" % (host.encode(), port, key)
        )
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self.read()
            if len(self.bytes) > 16384:
                raise Lost("an endless answer to the upgrade")
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        if b" 101 " not in lines[0] + b" ":
            raise Lost(f"no WebSocket: {lines[0].decode('latin-1')}", final=b" 401" in lines[0] or b" 403" in lines[0])
        if headers.get(b"sec-websocket-accept") != accept or headers.get(b"sec-websocket-protocol") != b"ahora.v1.json":
            raise Lost("the upgrade was not answered as asked")
        self.joined = b""

    def read(self):
        got = self.socket.recv(65536)
        if not got:
            raise Lost("closed by the other side")
        self.bytes += got

    def send(self, opcode, payload):
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65536:
            head += struct.pack(">BH", 0x80 | 126, len(payload))
        else:
            head += struct.pack(">BQ", 0x80 | 127, len(payload))
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.socket.sendall(head + mask + masked)

    def messages(self):
        """The messages whose bytes are all here."""
        while True:
            if len(self.bytes) < 2:
                return
            first, second = self.bytes[0], self.bytes[1]
            size, at = second & 0x7F, 2
            if size >= 126:
                at = 4 if size == 126 else 10
                if len(self.bytes) < at:
                    return
                size = int.from_bytes(self.bytes[2:at], "big")
            if first & 0x70 or second & 0x80:
                raise Lost("a frame that breaks RFC 6455")
            if size + len(self.joined) > self.message_bytes_max:
                raise Lost("a message that is too large")
            if len(self.bytes) < at + size:
                return
            payload, self.bytes = self.bytes[at : at + size], self.bytes[at + size :]
            opcode = first & 0x0F
            if opcode == 8:
                code = int.from_bytes(payload[:2], "big")
                raise Lost(f"closed by the broker: {code} {payload[2:].decode('utf-8', 'replace')}", final=code in (4401, 4403))
            if opcode == 9:
                self.send(10, payload)
            elif opcode in (0, 1):
                self.joined += payload
                if first & 0x80:
                    whole, self.joined = self.joined, b""
                    yield whole.decode("utf-8")


def merged(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class Replica:
    """The documents followed, as section 4 of the protocol says they change. `refs` are of one connection."""

    def __init__(self):
        self.items = {}  # topic -> {seq, at, data, stale}
        self.refs = {}
        self.epoch = None
        self.token = None
        self.unseen = None  # topics that a new snapshot has not brought yet

    def begin(self, epoch):
        self.refs = {}
        if epoch != self.epoch:  # a seq of another epoch says nothing
            for item in self.items.values():
                item["seq"] = 0
            self.epoch = epoch

    def set(self, message):
        topic = message["topic"]
        self.refs[message["ref"]] = topic
        if self.unseen is not None:
            self.unseen.discard(topic)
        if message["seq"] <= self.items.get(topic, {"seq": 0})["seq"]:
            return None
        self.items[topic] = {"seq": message["seq"], "at": message["at"], "data": message["data"], "stale": message.get("stale", False)}
        return topic

    def patch(self, message):
        topic = self.refs.get(message["ref"])
        item = self.items.get(topic)
        if item is None:
            raise Lost("a patch for a document that is not held")
        if message["seq"] <= item["seq"]:
            return None
        data = merged(item["data"], message["data"]) if "data" in message else item["data"]
        self.items[topic] = {"seq": message["seq"], "at": message["at"], "data": data, "stale": message.get("stale", False)}
        return topic

    def remove(self, message):
        item = self.items.get(message["topic"])
        if item is None or message["seq"] < item["seq"]:
            return None
        del self.items[message["topic"]]
        return message["topic"]


def say(event):
    print(json.dumps(event, separators=(",", ":"), ensure_ascii=False), flush=True)


class Session:
    def __init__(self, url, match, forever):
        self.url, self.match, self.forever = url, match, forever
        self.replica = Replica()
        self.changes = {}  # id -> change, not yet answered
        self.last_id = 1
        self.input = b""
        self.input_over = False
        self.attempts = 0
        self.inputs = selectors.SelectSelector()  # which takes files, too
        self.inputs.register(sys.stdin, selectors.EVENT_READ)

    # ---- what the broker says ----

    def hear(self, message):
        op = message["op"]
        if op == "welcome":
            self.replica.begin(message["epoch"])
            self.beat_s = message["beat_ms"] / 1000
            self.subscribe()
            for id, change in self.changes.items():  # sent before the cut and not answered: only a key makes it safe
                if "key" in change:
                    self.tell({"op": "pub", "id": id, "changes": [change]})
            for id in [id for id, change in self.changes.items() if "key" not in change]:
                say({"op": "unknown", "change": self.changes.pop(id)})
        elif op == "subscribed":
            if not message["resumed"]:
                self.replica.token = None
                self.replica.unseen = set(self.replica.items)
        elif op == "set" or op == "patch":
            topic = getattr(self.replica, op)(message)
            if topic:
                say({"op": "set", "topic": topic, **self.replica.items[topic]})
        elif op == "remove":
            topic = self.replica.remove(message)
            if topic:
                say({"op": "remove", "topic": topic, "why": message["why"]})
        elif op == "live":
            for topic in sorted(self.replica.unseen or ()):
                del self.replica.items[topic]
                say({"op": "remove", "topic": topic, "why": "gone"})
            self.replica.unseen = None
            self.replica.token = f"{self.replica.epoch}-{message['seq']}"
            say({"op": "live", "token": self.replica.token})
        elif op == "beat":
            if self.replica.token and self.replica.unseen is None:
                self.replica.token = f"{self.replica.epoch}-{message['seq']}"
        elif op == "published":
            self.changes.pop(message["id"], None)
            say({"op": "published", "results": message["results"]})
        elif op == "error":
            if "id" in message:
                self.changes.pop(message["id"], None)
            say({"op": "error", "code": message["code"], "detail": message["detail"]})
        elif op == "bye":
            raise Lost(f"bye: {message['reason']}", message["retry_ms"])

    # ---- what we say ----

    def tell(self, message):
        self.line.send(1, json.dumps(message).encode())

    def subscribe(self):
        request = {"op": "sub", "id": 1, "match": self.match}
        if self.replica.token:
            request["since"] = self.replica.token
        self.tell(request)

    def read_input(self):
        got = os.read(sys.stdin.fileno(), 65536)
        if not got:
            self.input_over = True
            self.inputs.unregister(sys.stdin)
        *lines, self.input = (self.input + got).split(b"\n")
        for line in filter(None, lines):
            self.last_id += 1
            self.changes[self.last_id] = json.loads(line)
            self.tell({"op": "pub", "id": self.last_id, "changes": [self.changes[self.last_id]]})

    def is_done(self):
        return self.input_over and not self.changes and self.replica.token and not self.forever

    # ---- a line, from opening to losing it ----

    def run_line(self):
        self.beat_s, welcomed = 5, False
        self.line = Line(self.url)
        hello = {"op": "hello", "client": "follow.py/1"}
        if os.environ.get("AHORA_TOKEN"):
            hello["token"] = os.environ["AHORA_TOKEN"]
        self.tell(hello)
        self.inputs.register(self.line.socket, selectors.EVENT_READ)
        heard = time.monotonic()
        try:
            while not self.is_done():
                for text in self.line.messages():
                    for part in text.split("\n"):
                        self.hear(json.loads(part))
                        welcomed = True
                    self.attempts = 0
                for ready, _ in self.inputs.select(max(0.01, heard + 2 * self.beat_s - time.monotonic())):
                    if ready.fileobj is self.line.socket:
                        self.line.read()
                        heard = time.monotonic()
                    elif welcomed:
                        self.read_input()
                if time.monotonic() > heard + 2 * self.beat_s:
                    raise Lost("the line is silent")
        finally:
            self.inputs.unregister(self.line.socket)
            self.line.socket.close()

    def run(self):
        while not self.is_done():
            try:
                self.run_line()
            except (Lost, OSError, ValueError, KeyError, TypeError) as why:  # the last three: not what the protocol says
                if getattr(why, "final", False):
                    sys.exit(f"refused: {why}")
                wait = getattr(why, "retry_ms", None)
                if wait is None:  # full jitter, 0.5 s doubling to 20 s
                    wait = random.uniform(0, min(20_000, 500 * 2**self.attempts))
                    self.attempts = min(self.attempts + 1, 6)
                say({"op": "lost", "why": str(why), "stale": len(self.replica.items)})
                time.sleep(wait / 1000)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--forever"]
    if len(words) != 2:
        sys.exit("usage: follow.py URL PATTERN [--forever] < changes")
    Session(words[0], words[1], "--forever" in sys.argv).run()

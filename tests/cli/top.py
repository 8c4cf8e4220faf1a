#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
"""`ahora top` as somebody at a terminal meets it, through a pseudo terminal, and as a pipe does. Usage: top.py AHORA URL"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

AHORA, URL = sys.argv[1:3]
PATIENCE_S = 60  # only ends a test that hangs


def ahora(*words):
    return subprocess.run([AHORA, *words], env={**os.environ, "AHORA_URL": URL}, capture_output=True, text=True, timeout=PATIENCE_S)


class Terminal:
    def __init__(self, rows, columns, *words):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["AHORA_URL"] = URL
            os.environ["TERM"] = "xterm"
            os.environ.pop("NO_COLOR", None)
            time.sleep(0.2)  # the size is set before it looks
            os.execv(AHORA, [AHORA, "top", *words])
        self.resize(rows, columns, tell=False)

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.pid, signal.SIGWINCH)

    def wait_for(self, what):
        deadline = time.monotonic() + PATIENCE_S
        while not what(self.seen):
            assert time.monotonic() < deadline, f"not seen: {self.seen[-2000:]!r}"
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode()
                except OSError:
                    assert what(self.seen), f"ended: {self.seen[-2000:]!r}"

    def end(self):
        while True:  # what is left, until the terminal is closed
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                break
            if not got:
                break
            self.seen += got.decode()
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def pictures(seen):
    """What was drawn, without escapes: one list of lines for each picture."""
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part) for part in seen.split("\x1b[H")[1:]]
    return [part.replace("\r", "").split("\n") for part in plain]


def holds(words):
    return lambda seen: any(words in line for picture in pictures(seen)[-1:] for line in picture)


def change():
    assert ahora("adjust", "stock/hot/x", "available=+1").returncode == 0


assert ahora("put", "stock/hot/x", '{"available":1}').returncode == 0

# On a terminal: the other screen, the figures, the hottest topic, in no more lines and columns than there are.
terminal = Terminal(16, 60, "--every", "200")
terminal.wait_for(holds("holds"))


def hot(seen):
    change()
    return holds("stock/hot/x")(seen)


terminal.wait_for(hot)
assert terminal.seen.startswith("\x1b[?1049h\x1b[?25l"), repr(terminal.seen[:40])
for picture in pictures(terminal.seen)[:-1]:
    assert len(picture) <= 16 and all(len(line) <= 60 for line in picture), picture
before = len(pictures(terminal.seen))
terminal.resize(8, 100)
terminal.wait_for(lambda seen: len(pictures(seen)) > before + 3)
for picture in pictures(terminal.seen)[-3:-1]:
    assert len(picture) <= 8, picture
assert any(len(line) > 60 for line in pictures(terminal.seen)[-2]), pictures(terminal.seen)[-2]
os.write(terminal.fd, b"x")  # no key
os.write(terminal.fd, b"q")
assert terminal.end() == 0
assert terminal.seen.endswith("\x1b[?25h\x1b[?1049l"), repr(terminal.seen[-60:])

# Ctrl-C ends it as well, and gives the terminal back.
terminal = Terminal(24, 80)
terminal.wait_for(holds("rates"))
os.write(terminal.fd, b"\x03")
assert terminal.end() == 0
assert terminal.seen.endswith("\x1b[?25h\x1b[?1049l")

# In a pipe: plain lines, one block a look, and an end.
out = ahora("top", "stock/**", "--every", "100", "--count", "3")
assert out.returncode == 0 and "\x1b" not in out.stdout, out
assert out.stdout.count("ahora top ") == 3 and out.stdout.count("rates") == 3, out.stdout
assert "slowest sessions" in out.stdout, out.stdout  # this broker tells

# What can be wrong.
assert ahora("top", "-s", "http://127.0.0.1:1", "--count", "1").returncode == 2
assert ahora("top", "stock/**/x").returncode == 1
refused = ahora("top", "nothing/*", "--count", "1", "--every", "50")
assert refused.returncode == 0 and "unknown_kind" in refused.stdout, refused
print("top: fine")

// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The real broker as a child process, on a port of the system's choice, and what the check says to it.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 60_000; // only ends a test that hangs

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export async function startBroker(program, directory, environment = {}) {
  const port = await freePort();
  const child = spawn(program, ["--listen", `127.0.0.1:${port}`, "--data", `${directory}/data`], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, AHORA_LOG_LEVEL: "warn", ...environment },
  });
  process.on("exit", () => child.kill("SIGKILL")); // a check that fails leaves nothing behind
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error("the broker does not start");
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.status === 200) break;
    await sleep(20);
  }
  return {
    url,
    port,
    child,
    async stop() {
      const ended = child.exitCode === null ? once(child, "exit") : null;
      child.kill("SIGTERM");
      await ended;
    },
  };
}

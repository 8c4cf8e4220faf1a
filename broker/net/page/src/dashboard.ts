// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The dashboard: /v1/status once a second for the charts, everything else by the client, over one line.
import "uplot/dist/uPlot.min.css";
import "./base.css";
import "./dashboard.css";
import { createClient } from "@ahora/client";
import type { ConnectionState } from "@ahora/client";
import { Access } from "./access.ts";
import { facts, makeCharts } from "./charts.ts";
import { startColours } from "./colours.ts";
import { Watchers } from "./demand.ts";
import { byId, say, whileSeen } from "./dom.ts";
import { Explorer } from "./explorer.ts";
import { History } from "./history.ts";
import type { Status } from "./history.ts";
import { Publisher } from "./publish.ts";
import { Sessions } from "./sessions.ts";

const TOPICS_UNASKED = 20_000; // of more than so many, none is followed before somebody asks
const STATUS_MS = 1000;
const SESSIONS_MS = 3000; // the broker looks at every session to answer that

const access = new Access(() => {
  client.disconnect();
  client.connect();
});
const client = createClient({ name: "dashboard/0.1.0", getToken: () => access.token });
const history = new History();
const updateCharts = makeCharts(byId("charts"), history);
const explorer = new Explorer(client);
const watchers = new Watchers(client, (pattern) => explorer.follow(pattern), () => explorer.repaint());
const publisher = new Publisher(client);
const sessions = new Sessions(access);
explorer.watchers = watchers;
explorer.onEdit = (topic, data) => publisher.edit(topic, data);

// ---- the line ----

function showConnection(connection: ConnectionState): void {
  const pill = byId("state");
  const texts: Record<string, string> = { connected: "live", connecting: "connecting", disconnected: "not connected" };
  pill.dataset.state = connection.state;
  pill.title = connection.state === "connected" ? "" : (connection.reason?.detail ?? "");
  say(pill, texts[connection.state] ?? connection.state);
}
client.on("state", (connection) => {
  showConnection(connection);
  if (connection.state === "connected") {
    void sessions.refresh();
    void learnKinds();
  }
  if (connection.reason?.code === "unauthorized") access.ask();
});
showConnection(client.connection);

// ---- the figures ----

let asking = false;
let explored = false;

async function measure(): Promise<void> {
  if (asking) return;
  asking = true;
  try {
    const response = await fetch("/v1/status", { headers: access.headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
    if (response.status === 401 || response.status === 403) access.ask();
    if (!response.ok) return;
    const status = (await response.json()) as Status;
    history.add(status, performance.now(), Date.now());
    updateCharts();
    say(byId("facts"), facts(history));
    explore(status);
  } catch {
    // the broker is not there: the pill says so, and the charts keep their hole
  } finally {
    asking = false;
  }
}

/** The first thing to look at: what the address asks for, or everything, if that is not too much. */
function explore(status: Status): void {
  if (explored) return;
  explored = true;
  const asked = Explorer.asked();
  if (asked !== null) explorer.follow(asked);
  else if (status.topics <= TOPICS_UNASKED) explorer.follow("**");
  else explorer.wait(status.topics);
}

async function learnKinds(): Promise<void> {
  try {
    const response = await fetch("/v1/kinds", { headers: access.headers });
    if (!response.ok) return;
    const { kinds } = (await response.json()) as { kinds: Record<string, unknown> };
    explorer.suggest(Object.keys(kinds));
  } catch {
    // then there are no suggestions
  }
}

startColours();
whileSeen(STATUS_MS, () => void measure());
whileSeen(SESSIONS_MS, () => {
  if (client.connection.state === "connected") void sessions.refresh();
});
void measure();

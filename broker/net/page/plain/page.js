// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The live page: one EventSource, one table per kind. Documents are text here, never markup.
"use strict";

const ROWS_MAX = 200; // of one kind; more would be a wall of text
const byId = (id) => document.getElementById(id);
const documents = new Map(); // topic -> {data, at, stale, row}
let refs = new Map(); // ref -> topic, good for one connection
let epoch = "";
let changes = 0;
let rate = NaN; // per second; unknown at first
let source = null;
const kinds = new Map(); // kind -> {section, title, body, more}

function make(tag, parent, className) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  return parent.appendChild(element);
}

function say(text, className) {
  byId("state").textContent = text;
  byId("state").className = className;
}

// RFC 7396
function merge(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const merged = target !== null && typeof target === "object" && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

// ---- what is shown ----

function kindOf(topic) {
  const name = topic.slice(0, topic.indexOf("/"));
  let kind = kinds.get(name);
  if (kind === undefined) {
    const section = document.createElement("section");
    const next = [...kinds.keys()].filter((other) => other > name).sort()[0];
    byId("kinds").insertBefore(section, next === undefined ? null : kinds.get(next).section);
    const title = make("h2", section);
    const body = make("tbody", make("table", make("div", section, "rows")));
    kind = { section, title, body, more: make("p", section, "more"), topics: 0, shown: 0, stale: 0 };
    title.append(name + " ");
    kind.small = make("small", title);
    kinds.set(name, kind);
  }
  return kind;
}

function text(key, value, currency) {
  if (key.endsWith("_at") && value > 1e11) return new Date(value).toLocaleTimeString();
  if (currency !== undefined) return `${value} ${currency}`;
  if (Array.isArray(value) && value.every((item) => typeof item?.status === "string")) {
    return value.map((item) => item.status).join(" → "); // an order's history
  }
  if (value !== null && typeof value === "object") {
    return typeof value.lat === "number" ? `${value.lat.toFixed(4)}, ${Number(value.lon).toFixed(4)}` : JSON.stringify(value);
  }
  return String(value);
}

function addRow(kind, topic) {
  const row = document.createElement("tr");
  row.dataset.topic = topic;
  make("td", row).textContent = topic.slice(topic.indexOf("/") + 1);
  make("td", row);
  make("td", row);
  let low = 0;
  let high = kind.body.rows.length;
  while (low < high) { // in the order of topics
    const middle = (low + high) >> 1;
    if (kind.body.rows[middle].dataset.topic < topic) low = middle + 1;
    else high = middle;
  }
  kind.body.insertBefore(row, kind.body.rows[low] || null);
  kind.shown++;
  return row;
}

function show(topic, entry, before) {
  if (!entry.row) return;
  entry.row.className = entry.stale ? "stale" : "";
  const cell = entry.row.cells[1];
  cell.textContent = "";
  for (const [key, value] of Object.entries(entry.data)) {
    if (key.endsWith("_currency") && key.slice(0, -9) in entry.data) continue; // beside its amount
    const isNew = before !== undefined && JSON.stringify(before[key]) !== JSON.stringify(value);
    const shown = text(key, value, entry.data[key + "_currency"]);
    const out = key === "available" && value === 0;
    const field = make("span", cell, (isNew ? "new" : "") + (out ? " out" : "") + (shown.length > 40 ? " long" : ""));
    make("i", field).textContent = key + " ";
    field.append(shown);
    cell.append(" ");
  }
}

function hold(topic, data, at, stale, isLive) {
  let entry = documents.get(topic);
  const before = entry && entry.data;
  if (entry === undefined) {
    const kind = kindOf(topic);
    kind.topics++;
    entry = { kind, row: kind.shown < ROWS_MAX ? addRow(kind, topic) : null };
    documents.set(topic, entry);
  }
  const turned = entry.stale !== undefined && entry.stale !== stale;
  Object.assign(entry, { data, at, stale });
  show(topic, entry, isLive ? before || {} : undefined);
  changes += isLive;
  if (turned) tick(); // at once, not at the next second
}

function drop(topic) {
  const entry = documents.get(topic);
  if (entry === undefined) return;
  documents.delete(topic);
  const kind = entry.kind;
  kind.topics--;
  if (entry.row) {
    entry.row.remove();
    kind.shown--;
  }
  if (kind.topics === 0) {
    kind.section.remove();
    kinds.delete([...kinds].find(([, other]) => other === kind)[0]);
  }
}

function dropAll() {
  documents.clear();
  kinds.clear();
  byId("kinds").textContent = "";
}

function age(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (seconds < 100) return seconds + " s";
  if (seconds < 6000) return Math.round(seconds / 60) + " min";
  return seconds < 172800 ? Math.round(seconds / 3600) + " h" : Math.round(seconds / 86400) + " d";
}

function tick() {
  for (const kind of kinds.values()) kind.stale = 0;
  for (const entry of documents.values()) {
    if (entry.row) entry.row.cells[2].textContent = (entry.stale ? "stale, " : "") + age(entry.at);
    entry.kind.stale += entry.stale ? 1 : 0;
  }
  for (const kind of kinds.values()) {
    kind.small.textContent = `${kind.topics} topics` + (kind.stale > 0 ? `, ${kind.stale} stale` : "");
    kind.more.textContent = kind.topics > kind.shown ? `${kind.topics - kind.shown} more: narrow the pattern to see them` : "";
    kind.more.hidden = kind.topics === kind.shown;
  }
  byId("count").textContent = `${documents.size} topics` + (rate >= 0 ? `, ${rate.toFixed(0)} changes/s` : "");
}

function measure() {
  if (changes > 0 || rate >= 0) rate = rate >= 0 ? rate + 0.3 * (changes - rate) : changes;
  changes = 0;
  tick();
}

// ---- the stream ----

function follow(match) {
  if (source) source.close();
  dropAll();
  let isLive = false;
  const on = (name, handle) => source.addEventListener(name, (event) => {
    const message = JSON.parse(event.data);
    const [from] = event.lastEventId.split("-");
    if (from && epoch && from !== epoch) dropAll(); // another history: what we hold means nothing in it
    epoch = from || epoch;
    handle(message);
  });
  say("connecting", "");
  source = new EventSource("/v1/stream?match=" + encodeURIComponent(match));
  source.onopen = () => {
    refs = new Map();
    isLive = false;
  };
  source.onerror = (event) => {
    if (event.data !== undefined) { // an `error` of the broker
      source.close();
      say(JSON.parse(event.data).detail, "bad");
    } else if (source.readyState === EventSource.CLOSED) {
      say("refused: is the pattern right?", "bad");
    } else say("lost, trying again", "bad");
  };
  on("subscribed", (message) => {
    if (!message.resumed) dropAll();
    isLive = false;
  });
  on("set", (message) => {
    refs.set(message.ref, message.topic);
    hold(message.topic, message.data, message.at, message.stale === true, isLive);
  });
  on("patch", (message) => {
    const topic = refs.get(message.ref);
    const entry = documents.get(topic);
    if (entry) hold(topic, merge(entry.data, message.data || {}), message.at, message.stale === true, isLive);
  });
  on("remove", (message) => {
    drop(message.topic);
    changes++;
  });
  on("live", () => {
    isLive = true;
    say("live", "live");
    tick();
  });
}

byId("follow").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = byId("match").value.trim();
});
addEventListener("hashchange", () => start());

function start() {
  const match = decodeURIComponent(location.hash.slice(1)) || "**";
  byId("match").value = match;
  follow(match);
}

setInterval(measure, 1000);
start();

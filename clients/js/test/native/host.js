// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// What React Native gives to an app beside the engine, as far as the client may touch it: timers and WebSocket. No DOM, no location, no TextDecoder,
// no atob. The engine alone has no network: what happened outside so far stands in HAPPENED, and what the app does about it is printed. Run again
// with one event more, it does the same as before, and something more.
/* global HAPPENED, print */
(function () {
  "use strict";
  const engineTask = globalThis.setTimeout; // runs in order, and knows no time
  const tell = (what) => print(JSON.stringify(what));
  const timers = new Map();
  const sockets = [];
  let now = HAPPENED.length > 0 ? HAPPENED[0].at : 0;
  let lastTimer = 0;

  Date.now = () => now;
  Math.random = () => 0.5;
  globalThis.setTimeout = (run, ms) => {
    timers.set(++lastTimer, { due: now + Math.max(1, ms || 0), run });
    return lastTimer;
  };
  globalThis.clearTimeout = (timer) => void timers.delete(timer);
  globalThis.window = globalThis; // React Native has this, and nothing of a page in it
  globalThis.navigator = { product: "ReactNative" };

  globalThis.WebSocket = function (url, protocols) {
    const line = sockets.push(this) - 1;
    this.readyState = 0;
    this.protocol = undefined;
    this.bufferedAmount = undefined; // declared there, and never set
    this.send = (frame) => {
      if (this.readyState !== 1) {
        throw new Error("INVALID_STATE_ERR");
      }
      tell({ did: "send", line, frame });
    };
    this.close = (code) => {
      if (this.readyState < 2) {
        this.readyState = 2;
        tell({ did: "close", line, code });
      }
    };
    tell({ did: "open", line, url, protocols });
  };

  const bring = {
    open(socket, { protocol }) {
      socket.readyState = 1;
      socket.protocol = protocol;
      socket.onopen({});
    },
    frame(socket, { data }) {
      if (socket.readyState < 2) {
        socket.onmessage({ data });
      }
    },
    close(socket, { code, reason }) {
      socket.readyState = 3;
      socket.onclose({ code, reason });
    },
  };

  function nextDue(until) {
    const due = [...timers].filter(([, timer]) => timer.due <= until).sort(([a, x], [b, y]) => x.due - y.due || a - b);
    return due[0];
  }

  // Each timer and each event in a task of its own, so that promises get their turn between them
  function step(at) {
    const event = HAPPENED[at];
    if (!event) {
      const next = nextDue(Infinity);
      tell({ did: "wait", until: next ? next[1].due : null });
      return;
    }
    const timer = nextDue(event.at);
    if (timer) {
      timers.delete(timer[0]);
      now = Math.max(now, timer[1].due);
      timer[1].run();
      engineTask(() => step(at), 0);
      return;
    }
    now = event.at;
    if (event.what !== "time") {
      bring[event.what](sockets[event.line], event);
    }
    engineTask(() => step(at + 1), 0);
  }
  engineTask(() => step(0), 0);
})();

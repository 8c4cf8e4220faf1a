// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* Hooks in React's test renderer, in strict mode, with a scripted line. No DOM. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement, StrictMode, type ReactElement } from "react";
import { act, create, type ReactTestRenderer } from "react-test-renderer";
import { createClient } from "../src/index.js";
import { AhoraProvider, useConnection, useTopic, type UseTopicResult, useTopics, type UseTopicsOptions, type UseTopicsResult } from "../src/react.js";
import { FakeEnvironment } from "./support/fake.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const set = (topic: string, ref: number, seq: number, data: object) => ({ op: "set", topic, ref, seq, at: seq * 1_000, data });

function scene() {
  const env = new FakeEnvironment();
  const client = createClient({ url: "http://broker.example", environment: env });
  const greet = () => {
    env.line.open();
    env.line.say({ op: "welcome", session: "s", epoch: "e1", server: "x", limits: {}, beat_ms: 15_000, seq: 5, now: env.now() });
  };
  const live = (...data: object[]) => {
    const id = env.line.last("sub")?.id;
    env.line.say({ op: "subscribed", id, resumed: false }, ...data, { op: "live", id, seq: 5 });
  };
  const mount = (element: ReactElement): ReactTestRenderer => {
    let tree: ReactTestRenderer | undefined;
    act(() => {
      tree = create(createElement(StrictMode, null, createElement(AhoraProvider, { client }, element)));
    });
    return tree as ReactTestRenderer;
  };
  return { env, client, greet, live, mount };
}

function topics(match: string, options: UseTopicsOptions<never> = {}) {
  const seen: UseTopicsResult<unknown>[] = [];
  const Show = (props: { options?: UseTopicsOptions<never>; match?: string }) => {
    seen.push(useTopics(props.match ?? match, props.options ?? options) as UseTopicsResult<unknown>);
    return null;
  };
  const last = () => seen.at(-1) as UseTopicsResult<unknown>;
  return { Show, seen, last };
}

test("pending, success, stale and fresh again; strict mode is one subscription on the wire", () => {
  const { env, greet, live, mount } = scene();
  const { Show, last } = topics("stock/1/*");
  const tree = mount(createElement(Show));
  assert.deepEqual([last().status, last().isPending, last().data], ["pending", true, undefined]);
  act(greet);
  assert.equal(env.lines.length, 1);
  assert.equal(env.line.all("sub").length, 1);
  act(() => live(set("stock/1/a", 1, 4, { available: 1 })));
  assert.deepEqual([last().status, last().isSuccess, last().data?.size, last().fetchStatus, last().isStale], ["success", true, 1, "idle", false]);
  assert.equal(last().dataUpdatedAt, 4_000);
  act(() => env.line.events.close(1006, ""));
  assert.deepEqual([last().status, last().isStale, last().fetchStatus, last().entries[0]?.stale], ["success", true, "paused", "disconnected"]);
  act(() => env.pass(1_000));
  act(greet);
  act(() => live(set("stock/1/a", 1, 4, { available: 1 })));
  assert.equal(last().isStale, false);
  act(() => tree.unmount());
  env.pass(1_000);
  assert.equal(env.line.all("unsub").length, 1);
});

test("a render for what changed, and none for what did not", () => {
  const { env, greet, live, mount } = scene();
  const { Show, seen, last } = topics("stock/1/*", { throttle: 0 });
  mount(createElement(Show));
  act(greet);
  act(() => live(set("stock/1/a", 1, 4, { available: 1 }), set("stock/1/b", 2, 5, { available: 2 })));
  const before = last();
  const renders = seen.length;
  act(() => env.line.say({ op: "beat", seq: 9, now: env.now() }));
  assert.equal(seen.length, renders);
  act(() => env.line.say({ op: "patch", ref: 1, seq: 10, at: 10_000, data: { available: 7 } }));
  assert.notEqual(last().data, before.data);
  assert.equal(last().data?.get("stock/1/b"), before.data?.get("stock/1/b"));
});

test("changes that come fast are rendered together, and the last one is shown", async () => {
  const { env, greet, live, mount } = scene();
  const { Show, seen, last } = topics("stock/1/*", { throttle: 50 });
  mount(createElement(Show));
  act(greet);
  act(() => live(set("stock/1/a", 1, 4, { available: 1 })));
  const renders = seen.length;
  await act(async () => {
    for (let seq = 5; seq < 1_005; seq++) {
      env.line.say({ op: "patch", ref: 1, seq, at: seq, data: { available: seq } });
    }
    await new Promise((done) => setTimeout(done, 120));
  });
  assert.equal(last().entries[0]?.seq, 1_004);
  assert.ok(seen.length - renders <= 2 * 4, `${seen.length - renders} renders`); // strict mode renders twice
});

test("while changes come fast, most of them are rendered by those that follow", () => {
  const { env, greet, live, mount } = scene();
  const { Show, seen } = topics("stock/1/*", { throttle: 60_000 });
  const tree = mount(createElement(Show));
  act(greet);
  act(() => live(set("stock/1/a", 1, 4, { available: 1 })));
  const renders = seen.length;
  for (let seq = 5; seq < 55; seq++) {
    act(() => env.line.say({ op: "patch", ref: 1, seq, at: seq, data: { available: seq } }));
  }
  assert.equal(seen.length, renders);
  act(() => tree.unmount());
});

test("another pattern is another subscription; another circle is a move", () => {
  const { env, greet, live, mount, client } = scene();
  const { Show, last } = topics("service/bike/**", { near: { lat: 1, lon: 1, radius_m: 500 } });
  const tree = mount(createElement(Show));
  act(greet);
  act(() => live(set("service/bike/1", 1, 4, { position: { lat: 1, lon: 1 } })));
  const again = (props: object) =>
    act(() => tree.update(createElement(StrictMode, null, createElement(AhoraProvider, { client }, createElement(Show, props)))));
  again({ options: { near: { lat: 1, lon: 1, radius_m: 500 } } });
  assert.equal(env.line.all("move").length, 0, "the same circle in another object");
  again({ options: { near: { lat: 2, lon: 1, radius_m: 500 } } });
  assert.equal(env.line.all("move").length, 1);
  assert.equal(env.line.all("sub").length, 1);
  assert.equal(last().entries.length, 1, "what was shown stays until the new circle is complete");
  again({ match: "service/taxi/**" });
  assert.equal(env.line.all("sub").length, 2);
  assert.equal(last().isPending, true);
});

test("one document", () => {
  const { env, greet, live, mount } = scene();
  let result: UseTopicResult<{ available: number }> | undefined;
  const Show = () => {
    const { data, ...rest } = useTopic("stock/1/a", { throttle: 0 });
    result = { data, ...rest };
    return null;
  };
  mount(createElement(Show));
  act(greet);
  act(() => live());
  assert.deepEqual([result?.status, result?.isMissing, result?.data], ["success", true, undefined]);
  act(() => env.line.say(set("stock/1/a", 1, 6, { available: 3 })));
  assert.equal(result?.data?.available, 3);
  assert.equal(result?.entry?.topic, "stock/1/a");
  assert.equal(result?.isMissing, false);
});

test("refused", () => {
  const { env, greet, mount } = scene();
  const { Show, last } = topics("nothing/1/*");
  mount(createElement(Show));
  act(greet);
  act(() => env.line.say({ op: "error", id: env.line.last("sub")?.id, code: "unknown_kind", detail: "x" }));
  assert.deepEqual([last().status, last().isError, last().error?.code], ["error", true, "unknown_kind"]);
});

test("a client that was closed is an error like any other", () => {
  const { client, mount } = scene();
  client.close();
  const { Show, last } = topics("stock/1/*");
  mount(createElement(Show));
  assert.deepEqual([last().status, last().error?.code], ["error", "closed"]);
});

test("not enabled: nothing is asked for", () => {
  const { env, mount } = scene();
  const { Show, last } = topics("stock/1/*", { enabled: false });
  mount(createElement(Show));
  assert.equal(env.lines.length, 0);
  assert.equal(last().isPending, true);
});

test("the connection", () => {
  const { env, client, greet, mount } = scene();
  const seen: string[] = [];
  const Show = () => {
    const { state, isConnected, reason } = useConnection();
    seen.push(`${state} ${isConnected} ${reason?.code ?? ""}`);
    return null;
  };
  mount(createElement(Show));
  act(() => client.connect());
  act(greet);
  act(() => env.line.events.close(1006, ""));
  assert.deepEqual([...new Set(seen)], ["disconnected false ", "connecting false ", "connected true ", "disconnected false disconnected"]);
});

test("without a provider: said plainly", () => {
  const Show = () => {
    useTopics("stock/1/*");
    return null;
  };
  const quiet = console.error;
  console.error = () => {};
  try {
    assert.throws(() => act(() => void create(createElement(Show))), /AhoraProvider/);
  } finally {
    console.error = quiet;
  }
});

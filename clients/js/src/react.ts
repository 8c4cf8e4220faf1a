// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/*
 * React hooks, with the names of TanStack Query. Rendering subscribes to nothing: the subscription begins when the component is mounted and
 * ends with it, and the client lets it linger, so that strict mode and a page that goes to the next one cost nothing on the wire.
 */
import { createContext, createElement, type ReactElement, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { Client } from "./client.js";
import type { AhoraError } from "./error.js";
import type { Subscription } from "./subscription.js";
import type { ConnectionState, DocumentOf, Entry, Near, SubscribeOptions, SubscriptionState } from "./types.js";

interface Timers {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  setInterval(run: () => void, ms: number): unknown;
  clearInterval(timer: unknown): void;
}
const timers = globalThis as unknown as Timers;

const Context = /* @__PURE__ */ createContext<Client | undefined>(undefined);

export function AhoraProvider({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  return createElement(Context.Provider, { value: client }, children);
}

/** The provider's client, for publishing. */
export function useClient(): Client {
  const client = useContext(Context);
  if (!client) {
    throw new Error("there is no AhoraProvider above this component");
  }
  return client;
}

export interface UseTopicsOptions<D> extends Omit<SubscribeOptions<D>, "signal"> {
  /** false: not yet */
  enabled?: boolean | undefined;
  /** milliseconds between renders while changes come fast; the first one is shown at once; 16 */
  throttle?: number | undefined;
  /** instead of the provider's */
  client?: Client | undefined;
}

interface Base {
  readonly status: "pending" | "error" | "success";
  /** the first documents are not all there */
  readonly isPending: boolean;
  readonly isSuccess: boolean;
  /** refused, and nothing to show */
  readonly isError: boolean;
  readonly error: AhoraError | undefined;
  /** what is shown is not to be trusted: the line is lost, or a producer broke its promise */
  readonly isStale: boolean;
  /** fetching: documents are coming; paused: the line is lost; idle: all is there, changes come as they happen */
  readonly fetchStatus: "fetching" | "paused" | "idle";
  /** when what is shown was newest, by the broker's clock, Unix milliseconds; 0: nothing is */
  readonly dataUpdatedAt: number;
  readonly state: SubscriptionState;
}

export interface UseTopicsResult<D> extends Base {
  /** by topic; undefined while pending. The same Map as long as nothing changed */
  readonly data: ReadonlyMap<string, Entry<D>> | undefined;
  /** the same as a list */
  readonly entries: readonly Entry<D>[];
}

export interface UseTopicResult<D> extends Base {
  readonly data: D | undefined;
  readonly entry: Entry<D> | undefined;
  /** all is there, and the topic does not exist */
  readonly isMissing: boolean;
}

const NOTHING: UseTopicsResult<never> = Object.freeze({
  data: undefined,
  entries: Object.freeze([]) as readonly never[],
  status: "pending",
  isPending: true,
  isSuccess: false,
  isError: false,
  error: undefined,
  isStale: false,
  fetchStatus: "fetching",
  dataUpdatedAt: 0,
  state: "subscribing",
});

function resultOf<D>(handle: Subscription<D>, failed: AhoraError | undefined): UseTopicsResult<D> {
  const { state, synced, snapshot } = handle;
  const error = failed ?? handle.error;
  const isError = !synced && error !== undefined;
  const entries = synced ? [...snapshot.values()] : [];
  return {
    data: synced ? snapshot : undefined,
    entries,
    status: synced ? "success" : isError ? "error" : "pending",
    isPending: !synced && !isError,
    isSuccess: synced,
    isError,
    error,
    isStale: synced && (state === "behind" || state === "unsubscribed" || entries.some(({ stale }) => stale)),
    fetchStatus: state === "live" ? "idle" : state === "subscribing" ? "fetching" : "paused",
    dataUpdatedAt: entries.reduce((newest, { at }) => Math.max(newest, at), 0),
    state,
  };
}

/** What a component shows, kept for React: one subscription while it is mounted. */
class Store<D> {
  #handle: Subscription<D> | undefined;
  #failed: AhoraError | undefined;
  #result: UseTopicsResult<D> = NOTHING;
  #listeners = new Set<() => void>();
  #timer: unknown;
  #quietUntil = 0;
  near: Near | undefined;

  constructor(
    private readonly client: Client,
    private readonly match: string | readonly string[],
    private readonly options: UseTopicsOptions<D>,
  ) {
    this.near = options.near;
  }

  readonly get = (): UseTopicsResult<D> => this.#result;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1 && this.options.enabled !== false) {
      this.#start();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) {
        this.#stop();
      }
    };
  };

  move(near: Near | undefined): void {
    const { near: held } = this;
    this.near = near;
    if (near && held && (near.lat !== held.lat || near.lon !== held.lon || near.radius_m !== held.radius_m)) {
      this.#handle?.move(near);
    }
  }

  #start(): void {
    const { since, every, where } = this.options;
    try {
      const handle = this.client.subscribe(this.match, { since, every, where, near: this.near } as never) as unknown as Subscription<D>;
      this.#handle = handle;
      handle.on("change", () => this.#soon());
      handle.on("sync", () => this.#now());
      handle.on("state", () => this.#now());
      handle.on("error", () => this.#now());
    } catch (error) {
      this.#failed = error as AhoraError; // a pattern that is none: the component shows it like any other refusal
    }
    this.#now();
  }

  #stop(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    timers.clearTimeout(this.#timer);
    this.#timer = undefined;
    handle?.unsubscribe();
  }

  /** The first change at once, those that follow fast together: a thousand changes a second are sixty renders. */
  #soon(): void {
    const wait = Math.min(this.#quietUntil - Date.now(), this.options.throttle ?? 16);
    if (wait <= 0) {
      this.#now();
    } else {
      this.#timer ??= timers.setTimeout(() => this.#now(), wait);
    }
  }

  #now(): void {
    timers.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#quietUntil = Date.now() + (this.options.throttle ?? 16);
    if (this.#handle) {
      this.#result = resultOf(this.#handle, this.#failed);
    } else if (this.#failed) {
      this.#result = { ...NOTHING, status: "error", isPending: false, isError: true, error: this.#failed, fetchStatus: "paused", state: "unsubscribed" };
    } else {
      return;
    }
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

function useStore<D>(match: string | readonly string[], options: UseTopicsOptions<D>): UseTopicsResult<D> {
  const provided = useContext(Context);
  const client = options.client ?? provided;
  if (!client) {
    throw new Error("there is no AhoraProvider above this component");
  }
  const { since, every, where, near, enabled, throttle } = options;
  // Another centre or radius is a move of the same subscription, everything else another subscription
  const key = JSON.stringify([match, since, every, where, near && [near.limit], enabled, throttle]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for what it is made of
  const store = useMemo(() => new Store<D>(client, match, options), [client, key]);
  useEffect(() => store.move(near), [store, near?.lat, near?.lon, near?.radius_m]);
  return useSyncExternalStore(store.subscribe, store.get, () => NOTHING as UseTopicsResult<D>);
}

/** Everything a pattern selects. */
export function useTopics<const P extends string>(
  match: P | readonly P[],
  options: UseTopicsOptions<DocumentOf<P>> = {},
): UseTopicsResult<DocumentOf<P>> {
  return useStore<DocumentOf<P>>(match, options);
}

/** One document. */
export function useTopic<const P extends string>(
  topic: P,
  options: Omit<UseTopicsOptions<DocumentOf<P>>, "where" | "near"> = {},
): UseTopicResult<DocumentOf<P>> {
  const all = useStore<DocumentOf<P>>(topic, options as UseTopicsOptions<DocumentOf<P>>);
  return useMemo(() => {
    const { data, entries: _, ...rest } = all;
    const entry = data?.get(topic);
    return { ...rest, entry, data: entry?.data, isMissing: all.isSuccess && !entry };
  }, [all, topic]);
}

export interface UseConnectionResult extends ConnectionState {
  readonly isConnected: boolean;
  readonly isConnecting: boolean;
}

/** The line: connecting, connected, or disconnected with a reason and the time of the next attempt. */
export function useConnection(options: { client?: Client | undefined } = {}): UseConnectionResult {
  const provided = useContext(Context);
  const client = options.client ?? provided;
  if (!client) {
    throw new Error("there is no AhoraProvider above this component");
  }
  const subscribe = useMemo(() => (listener: () => void) => client.on("state", listener), [client]);
  const get = () => client.connection;
  const connection = useSyncExternalStore(subscribe, get, get);
  return useMemo(
    () => ({ ...connection, isConnected: connection.state === "connected", isConnecting: connection.state === "connecting" }),
    [connection],
  );
}

/** The broker's clock, again every so many milliseconds: for ages that grow on the screen. */
export function useNow(everyMs = 1_000, options: { client?: Client | undefined } = {}): number {
  const provided = useContext(Context);
  const client = options.client ?? provided;
  const now = () => client?.now() ?? Date.now();
  const [value, set] = useState(now);
  useEffect(() => {
    const timer = timers.setInterval(() => set(now()), everyMs);
    return () => timers.clearInterval(timer);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `now` is made of the client
  }, [client, everyMs]);
  return value;
}

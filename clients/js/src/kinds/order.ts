// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import type { Order } from "../generated/kinds.js";

export const ORDER_STEPS = ["ordered", "packed", "on_the_way", "out_for_delivery", "done"] as const;
export type OrderStep = (typeof ORDER_STEPS)[number];

/** What the broker writes as `progress`, for documents that are older than it (docs/kinds/order.md). */
const PROGRESS: Readonly<Record<Order["status"], number>> = {
  payment_due: 0,
  confirmed: 0,
  processing: 1,
  pre_transit: 1,
  picked_up: 2,
  in_transit: 2,
  delayed: 2,
  return_to_sender: 2,
  out_for_delivery: 3,
  available_for_pickup: 3,
  attempted_delivery: 3,
  delivered: 4,
  returned: 4,
  failure: 4,
  cancelled: 4,
};
const PROBLEMS: readonly string[] = ["payment_due", "attempted_delivery", "delayed", "return_to_sender", "returned", "failure", "cancelled"];

export interface OrderProgress {
  /** 0 to 4 */
  readonly step: number;
  readonly name: OrderStep;
  /** 0 to 1, for a bar */
  readonly fraction: number;
  readonly finished: boolean;
  /** something the customer should be told of: delayed, failed, returned … */
  readonly problem: boolean;
  /** each step, with when it was first reached, if the history says so */
  readonly steps: readonly { readonly name: OrderStep; readonly state: "done" | "current" | "ahead"; readonly at: number | undefined }[];
  /** when it will be there: a time, or a window; Unix milliseconds */
  readonly eta: { readonly from: number; readonly until: number } | undefined;
  /** the time of arrival is over, and it is not there */
  readonly late: boolean;
}

function etaOf(order: Order): OrderProgress["eta"] {
  const from = order.eta_at ?? order.expected_arrival_from_at ?? order.expected_arrival_until_at;
  const until = order.eta_at ?? order.expected_arrival_until_at ?? order.expected_arrival_from_at;
  return from === undefined || until === undefined ? undefined : { from, until };
}

/** How far an order is. `now`: client.now(). */
export function orderProgress(order: Order, now: number): OrderProgress {
  const step = order.progress ?? PROGRESS[order.status] ?? 2;
  const finished = step === 4;
  const eta = finished ? undefined : etaOf(order);
  const reached = (progress: number) => order.events?.find(({ status }) => (PROGRESS[status as Order["status"]] ?? 2) >= progress)?.at;
  return {
    step,
    name: ORDER_STEPS[step] ?? "done",
    fraction: step / 4,
    finished,
    problem: PROBLEMS.includes(order.status),
    steps: ORDER_STEPS.map((name, i) => ({
      name,
      state: i < step || finished ? "done" : i === step ? "current" : "ahead",
      at: i <= step ? reached(i) : undefined,
    })),
    eta,
    late: eta !== undefined && now > eta.until,
  };
}

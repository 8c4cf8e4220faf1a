// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

// Made from proto/kinds by `npm run generate`: do not edit.

/** One order on its way: `order/{order_number}`. Where is my order? Spelling of states: EasyPost, Shopify and schema.org. */
export interface Order {
  readonly status: "payment_due" | "confirmed" | "processing" | "pre_transit" | "picked_up" | "in_transit" | "out_for_delivery" | "available_for_pickup" | "attempted_delivery" | "delayed" | "delivered" | "return_to_sender" | "returned" | "failure" | "cancelled";
  /** The carrier's own code. */
  readonly status_detail?: string;
  /** A line for the customer. */
  readonly message?: string;
  /** Where it is, as the carrier calls it. */
  readonly place?: string;
  /** WGS84 degrees; metres; degrees from true north; metres a second. */
  readonly position?: {
    readonly lat: number;
    readonly lon: number;
    readonly accuracy?: number;
    readonly bearing?: number;
    readonly speed?: number;
  };
  /** Unix milliseconds. */
  readonly expected_arrival_from_at?: number;
  /** Unix milliseconds; not before expected_arrival_from_at. */
  readonly expected_arrival_until_at?: number;
  /** Unix milliseconds. */
  readonly eta_at?: number;
  readonly provider?: string;
  readonly tracking_number?: string;
  /** https only. */
  readonly tracking_url?: string;
  readonly stops_remaining?: number;
  /** Metres. */
  readonly distance_remaining?: number;
  /** Written by the broker: the last 32 changes of status, oldest first. */
  readonly events?: readonly {
    readonly status: string;
    readonly at: number;
    /** The status_detail that came with the status. */
    readonly detail?: string;
    /** The place that came with the status. */
    readonly place?: string;
  }[];
  /** Written by the broker: 0 ordered, 1 packed, 2 on the way, 3 out for delivery, 4 done. */
  readonly progress?: number;
}

/** Rooms of one type left for one night: `room/{hotel_code}/{inv_type_code}/{stay_date}`. What is left for these nights? A stay takes one room on each of its nights, as one atomic list. */
export interface Room {
  /** Rooms left to sell (OpenTravel). adjust keeps it at or above 0. */
  readonly booking_limit: number;
  /** Rooms of this type there are. */
  readonly capacity?: number;
  /** At or below so many rooms the availability is limited. Default: 3. */
  readonly limited_at?: number;
  /** close: stop sell. */
  readonly status?: "open" | "close";
  readonly closed_to_arrival?: boolean;
  readonly closed_to_departure?: boolean;
  /** Shortest stay, nights. */
  readonly min_los?: number;
  /** Longest stay, nights. */
  readonly max_los?: number;
  /** The lowest open rate, a decimal such as 89.00. */
  readonly price?: string;
  /** ISO 4217; required with a price. */
  readonly price_currency?: string;
  /** Rate plan code to rate; at most 16. */
  readonly rates?: { readonly [name: string]: {
    readonly amount_after_tax: string;
    readonly currency_code: string;
    readonly number_of_guests?: number;
    readonly status?: "open" | "close";
    readonly min_los?: number;
  } };
  /** Written by the broker. */
  readonly availability?: "closed" | "sold_out" | "limited" | "available";
}

/** A service around you: one unit, one station or one desk: `service/{service_type}/{unit}` or `service/{service_type}/{area}/{unit}`. Is the service available around me, and how long does it take? Couriers, taxis, bikes and docks, desks. */
export interface Service {
  /** GBFS: installed and open. */
  readonly is_operating?: boolean;
  /** MDS: of one unit. */
  readonly state?: "available" | "reserved" | "on_trip" | "stopped" | "non_operational" | "non_contactable" | "removed";
  /** Bikes, seats, agents that can be had now. */
  readonly num_available?: number;
  readonly num_online?: number;
  readonly num_docks_available?: number;
  readonly capacity?: number;
  readonly queue_length?: number;
  /** Seconds; null: unknown. */
  readonly wait_time?: number | null;
  /** Seconds; null: unknown. */
  readonly wait_time_max?: number | null;
  /** Seconds; null: unknown. */
  readonly longest_wait_time?: number | null;
  /** Unix milliseconds. */
  readonly eta_at?: number;
  /** A decimal, such as 12.50. */
  readonly travel_cost?: string;
  /** ISO 4217; required with travel_cost. */
  readonly travel_cost_currency?: string;
  /** WGS84 degrees; metres; degrees from true north; metres a second. What near looks at. */
  readonly position?: {
    readonly lat: number;
    readonly lon: number;
    readonly accuracy?: number;
    readonly bearing?: number;
    readonly speed?: number;
  };
  /** Written by the broker. */
  readonly availability?: "closed" | "busy" | "available";
}

/** Stock of one product in one branch: `stock/{sku}/{branch_code}`. Is it in stock here, and if not, in which branch? stock/{sku}/* is every branch of a product. */
export interface Stock {
  /** Units that can be sold now. adjust keeps it at or above 0. */
  readonly available: number;
  /** Units in the building, sold or not. */
  readonly on_hand?: number;
  /** Units set aside. */
  readonly reserved?: number;
  /** Units of orders that are placed and not yet fulfilled. */
  readonly committed?: number;
  readonly damaged?: number;
  /** Units on their way to the branch. */
  readonly incoming?: number;
  /** At or below so many units the availability is limited. Default: 2. */
  readonly limited_at?: number;
  /** A decimal, such as 24.90. */
  readonly price?: string;
  /** A decimal, such as 19.90. */
  readonly sale_price?: string;
  /** ISO 4217; required with a price. */
  readonly price_currency?: string;
  readonly pickup_method?: "buy" | "reserve" | "ship_to_store" | "not_supported";
  readonly pickup_sla?: string;
  /** When more is expected: Unix milliseconds. */
  readonly restock_at?: number;
  /** Written by the broker. A producer may set preorder, backorder or discontinued, which stays. */
  readonly availability?: "out_of_stock" | "limited_availability" | "in_stock" | "preorder" | "backorder" | "discontinued";
}

/** Kind to document. Kinds of your own: `declare module "@ahora/client" { interface Kinds { traffic: Traffic } }`. */
export interface BuiltInKinds {
  order: Order;
  room: Room;
  service: Service;
  stock: Stock;
}

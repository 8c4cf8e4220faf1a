// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

import type { BuiltInKinds } from "./generated/kinds.js";

/** Kind to document. Add your own: `declare module "@ahora/client" { interface Kinds { traffic: Traffic } }`. */
export interface Kinds extends BuiltInKinds {}

export { Client, createClient } from "./client.js";
export { createReader, Reader } from "./reader.js";
export { json } from "./codec.js";
export { AhoraError } from "./error.js";
export type { ClientCode, ErrorCode, FieldError, ProtocolCode, PublishResult } from "./error.js";
export type { Order, Room, Service, Stock } from "./generated/kinds.js";
export type { Fields, Value } from "./merge.js";
export type { Subscription } from "./subscription.js";
export type * from "./types.js";

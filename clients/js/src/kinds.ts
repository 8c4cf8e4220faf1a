// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* What apps ask of the four kinds (docs/kinds). Pure functions of documents. */
export * from "./kinds/order.js";
export * from "./kinds/room.js";
export * from "./kinds/service.js";
export * from "./kinds/stock.js";
export { distanceM } from "./narrow.js";
export { isPattern, isTopic } from "./name.js";

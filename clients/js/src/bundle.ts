// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

/* The script tag: everything but React and MessagePack, as the global `Ahora`. */
export * from "./index.js";
export * from "./kinds.js";

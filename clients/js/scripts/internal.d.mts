// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

export declare const INTERNAL: string[];

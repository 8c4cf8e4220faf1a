// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The slowest sessions, as /v1/admin/sessions tells of them.
import type { Access } from "./access.ts";
import { byId } from "./dom.ts";

export class Sessions {
  constructor(private readonly access: Access) {}

  async refresh(): Promise<void> {
    byId("sessions").hidden = true;
    void this.access;
  }
}

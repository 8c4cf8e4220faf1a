// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The slowest sessions, as /v1/admin/sessions/slowest tells of them. Where it does not answer, there is no such card.
import type { Access } from "./access.ts";
import { byId, make, say } from "./dom.ts";
import { bytes, count, duration, short } from "./format.ts";

const SHOWN = 5;

interface Session {
  session: string;
  subject: string;
  source?: string;
  address: string;
  encoding: string;
  age_ms: number;
  subscriptions: number;
  skipped: number;
  behind: number;
  unsent_bytes: number;
  rtt_us: number;
  choked: boolean;
  follows: string[];
}

function state(session: Session): string {
  if (session.choked) return "waits for its socket";
  return session.behind > 0 ? `${short(session.behind)} behind` : "up to date";
}

export class Sessions {
  private readonly total = make("span", { class: "count" });
  private readonly list = make("ul", { class: "bars" });

  private refusedToken: string | null | undefined; // asking again would get the same answer

  constructor(private readonly access: Access) {
    byId("sessions").append(make("header", {}, make("h2", { id: "sessions-title" }, "Slowest sessions"), this.total), this.list);
  }

  async refresh(): Promise<void> {
    const card = byId("sessions");
    const { token } = this.access;
    if (token === this.refusedToken) return;
    try {
      const response = await fetch(`/v1/admin/sessions/slowest?limit=${SHOWN}`, { headers: this.access.headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
      card.hidden = !response.ok;
      this.refusedToken = response.status === 401 || response.status === 403 || response.status === 404 ? token : undefined;
      if (response.ok) this.show(((await response.json()) as { sessions: Session[] }).sessions);
    } catch {
      // the line is told of elsewhere
    }
  }

  private show(sessions: Session[]): void {
    const choked = sessions.filter((session) => session.choked).length; // to be behind for a moment is nothing: it may be paced
    say(this.total, choked > 0 ? count(choked, "held up", "held up") : "none held up");
    const most = Math.max(1, ...sessions.map(({ behind }) => behind));
    this.list.replaceChildren(...sessions.map((session) => {
      const bar = make("span", { class: "bar", "aria-hidden": true });
      bar.style.inlineSize = `${(100 * session.behind) / most}%`;
      const facts = [
        session.follows[0] === undefined ? "follows nothing" : session.follows[0] + (session.follows.length > 1 ? ` and ${session.follows.length - 1} more` : ""),
        session.skipped > 0 ? `${short(session.skipped)} skipped` : null,
        session.unsent_bytes > 0 ? `${bytes(session.unsent_bytes)} unsent` : null,
        session.rtt_us < 100 ? null : `${(session.rtt_us / 1000).toFixed(session.rtt_us < 10_000 ? 1 : 0)} ms away`,
        `for ${duration(session.age_ms)}`,
      ];
      return make("li", {},
        make("span", { class: "mono name", title: session.session }, session.source ?? `${session.session} · ${session.address}`),
        make("span", { class: session.choked ? "value bad" : "value" }, state(session)),
        make("span", { class: "small" }, facts.filter((fact) => fact !== null).join(" · ")),
        bar);
    }));
    if (sessions.length === 0) this.list.replaceChildren(make("li", { class: "empty" }, "Nobody is connected."));
  }
}

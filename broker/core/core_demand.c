/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Who follows what, between those who subscribe and those who ask: subscriptions are counted by pattern (interest.h), what changed is
 * reported to the ledger, and topics below $demand tell it (demand.h) as long as somebody asks, and a while longer.
 */
#include "broker/core/state.h"

/* What changed about who follows what, up to so many patterns. */
#define INTERESTS_A_TURN 4096

void core_report_interests(struct core *core) {
    struct interest_count count;
    if (core->ledger.follows) {
        follow_report(core);
        return;
    }
    demand_note_askers(&core->demand, 0, core->demand_followers);
    for (int i = 0; i < INTERESTS_A_TURN && interests_next(&core->interests, &count); i++) {
        core->metrics.demand_unreported += !demand_report(&core->demand, 0, &count);
    }
}

bool core_count_interest(struct core *core, struct subscription *subscription) {
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        const struct name *pattern = &subscription->cursors[i].view->pattern;
        subscription->asks_demand |= name_is_own(pattern);
        if (name_is_own(pattern) || interests_add(&core->interests, pattern->text, subscription->every_ms)) {
            continue;
        }
        for (; i > 0; i--) { /* back to how it was */
            const struct name *before = &subscription->cursors[i - 1].view->pattern;
            if (!name_is_own(before)) {
                interests_remove(&core->interests, before->text, subscription->every_ms);
            }
        }
        return false;
    }
    core->demand_followers += subscription->asks_demand;
    subscription->counted = true;
    return true;
}

void core_uncount_interest(struct core *core, struct subscription *subscription) {
    if (!subscription->counted) {
        return;
    }
    for (uint32_t i = 0; i < subscription->cursor_count; i++) {
        const struct name *pattern = &subscription->cursors[i].view->pattern;
        if (!name_is_own(pattern)) {
            interests_remove(&core->interests, pattern->text, subscription->every_ms);
        }
    }
    core->demand_followers -= subscription->asks_demand;
    subscription->counted = false;
}

void core_wake_demand(struct core *core, const struct name *patterns, size_t count) {
    bool asks = false;
    for (size_t i = 0; i < count; i++) {
        asks |= name_is_own(&patterns[i]);
    }
    if (!asks || core->draining) {
        return;
    }
    if (core->ledger.follows) { /* its sessions have waited for it already; without memory it stays as it is */
        (void)follow_ask(core, NULL);
        return;
    }
    core_ask_demand(core);
}

void core_ask_demand(struct core *core) {
    core->demand_awake_ms = core->mono_ms + core->limits.demand_linger_ms;
    core_report_interests(core);
    core->work += demand_wake(&core->demand);
}

void core_run_demand(struct core *core, size_t changes_max) {
    if (demand_askers(&core->demand) > 0) {
        core->demand_awake_ms = core->mono_ms + core->limits.demand_linger_ms;
    } else if (core->demand.awake && core->mono_ms >= core->demand_awake_ms) {
        demand_sleep(&core->demand);
    }
    core->due_changes += demand_run(&core->demand, changes_max);
}

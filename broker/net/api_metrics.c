/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* GET /metrics: every counter there is, in Prometheus' text format 0.0.4. One table row per metric. */
#include "broker/net/api.h"
#include "broker/net/broker.h"
#include "broker/net/process_memory.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    const char *help;
    size_t offset;
    bool is_gauge;
};

#define CORE(field, gauge, name, help)                                                                                         \
    { name, help, offsetof(struct metrics, field), gauge }
#define NET(field, gauge, name, help)                                                                                          \
    { name, help, offsetof(struct net_metrics, field), gauge }
#define STORE(field, gauge, name, help)                                                                                        \
    { name, help, offsetof(struct store_metrics, field), gauge }

static const struct row core_rows[] = {
    CORE(sessions, true, "sessions", "Sessions now"),
    CORE(sessions_total, false, "sessions_total", "Sessions opened"),
    CORE(subscriptions, true, "subscriptions", "Subscriptions now"),
    CORE(subscriptions_live, true, "subscriptions_live", "Subscriptions that have everything"),
    CORE(views, true, "views", "Views now"),
    CORE(views_narrowed, true, "views_narrowed", "Views narrowed by where or near now"),
    CORE(moves, false, "moves_total", "Circles moved"),
    CORE(view_looks, false, "view_looks_total", "Narrowed views that changes were held against"),
    CORE(places, true, "places", "Topics in all views together"),
    CORE(topics, true, "topics", "Topics now"),
    CORE(topics_stale, true, "topics_stale", "Topics now that are stale"),
    CORE(removals, true, "removals", "Removals remembered for resume"),
    CORE(documents_bytes, true, "documents_bytes", "Bytes of all documents"),
    CORE(keys, true, "keys", "Idempotency keys remembered"),
    CORE(promises, true, "promises", "Topics that go stale or expire unless they are written"),
    CORE(due, true, "due", "Topics whose time to go stale, expire or be lost has come, and that wait for their turn"),
    CORE(due_lag_ms, true, "due_lag_milliseconds", "How long the first of them has waited"),
    CORE(due_turn_max, true, "due_turn_max", "The most topics one turn looked at because their time had come"),
    CORE(sources, true, "sources", "Sources known: of sessions, and of who last wrote a topic"),
    CORE(demand_topics, true, "demand_topics", "Patterns told below $demand"),
    CORE(demand_untold, true, "demand_untold", "Followed patterns not told, because as many are told as may be"),
    CORE(demand_awake, true, "demand_awake", "1 if somebody is told of demand"),
    CORE(demand_changes, false, "demand_changes_total", "Changes of topics below $demand"),
    CORE(demand_unreported, false, "demand_unreported_total", "Counts of a pattern lost for want of memory"),
    CORE(stale, false, "stale_total", "Documents that went stale"),
    CORE(expired, false, "expired_total", "Topics removed because nobody wrote them in time"),
    CORE(lost, false, "lost_total", "Topics that went stale or were removed with their source"),
    CORE(due_waits, false, "due_waits_total", "Times that what was due had to wait for room in the store"),
    CORE(messages_in, false, "messages_received_total", "Protocol messages received"),
    CORE(keys_repeated, false, "keys_repeated_total", "Changes answered from a known idempotency key"),
    CORE(deliveries, false, "deliveries_total", "Set, patch and remove messages handed to sockets"),
    CORE(deliveries_live, false, "deliveries_live_total", "Of these, by the fast path"),
    CORE(skipped, false, "skipped_total", "Versions passed over by slow readers"),
    CORE(fell_behind, false, "fell_behind_total", "Live subscriptions that met a choked socket"),
    CORE(resumes, false, "resumes_total", "Subscriptions resumed from a token"),
    CORE(resumes_refused, false, "resumes_refused_total", "Tokens answered with a snapshot"),
    CORE(resyncs, false, "resyncs_total", "Stalled subscriptions given a new snapshot"),
    CORE(encodings, false, "encodings_total", "Documents encoded for a session that catches up"),
    CORE(encodings_shared, false, "encodings_shared_total",
         "Documents told to such a session as they were encoded for another"),
    CORE(snapshots, false, "snapshots_total", "Snapshots given"),
    CORE(beats, false, "beats_total", "Beats sent"),
    CORE(growth_refused, false, "growth_refused_total", "Changes and subscriptions refused because memory is short"),
    CORE(kinds_full, false, "kinds_full_total", "Changes refused because as much of their kind is held as may be"),
    CORE(messages_limited, false, "messages_limited_total", "Messages refused because their session is faster than it may be"),
    CORE(flooders, false, "flooders_total", "Sessions ended because they sent on although they were refused"),
    CORE(publishes_held, false, "publishes_held_total", "Times a session was not read because too many of its publishes wait"),
    CORE(renewals, false, "renewals_total", "Sessions that went on under a new token"),
    CORE(sessions_expired, false, "sessions_expired_total", "Sessions closed because their token ended"),
    CORE(subscriptions_denied, false, "subscriptions_denied_total", "Subscriptions ended by a token with narrower rights"),
    CORE(hello_timeouts, false, "hello_timeouts_total", "Sessions without hello in time"),
};

static const struct row net_rows[] = {
    NET(accepted, false, "connections_accepted_total", "Connections accepted"),
    NET(refused_full, false, "connections_refused_full_total", "Connections refused: as many as may be, or no descriptor left"),
    NET(refused_address, false, "connections_refused_address_total", "Connections refused: too many from one address"),
    NET(refused_other, false, "connections_refused_other_total", "Connections refused for want of memory"),
    NET(handshakes_waiting, true, "handshakes_waiting", "Connections that wait to be let in now"),
    NET(handshakes_waited, false, "handshakes_waited_total", "Connections that had to wait to be let in"),
    NET(handshakes_refused, false, "handshakes_refused_total", "Connections told to come back later: too many came at once"),
    NET(turns_long, false, "turns_long_total", "Turns of the loops longer than turn_ms"),
    NET(joins_refused, false, "joins_refused_total", "WebSockets and event streams refused because memory is short"),
    NET(subjects_refused, false, "subjects_refused_total", "Sessions refused: too many of one subject"),
    NET(event_streams, true, "event_streams", "Event streams now"),
    NET(event_streams_refused, false, "event_streams_refused_total", "Event streams refused: as many as may be"),
    NET(tls_connections, true, "tls_connections", "Connections with TLS now"),
    NET(tls_handshakes, false, "tls_handshakes_total", "TLS handshakes done"),
    NET(tls_resumed, false, "tls_resumed_total", "Of these, by a ticket of an earlier one"),
    NET(tls_failed, false, "tls_handshakes_failed_total", "TLS handshakes that failed"),
    NET(tls_reloads_refused, false, "tls_reloads_refused_total", "Reloads of certificate and key that failed"),
    NET(timeouts_handshake, false, "timeouts_handshake_total", "TLS handshakes not done in time"),
    NET(websockets, true, "websockets", "WebSockets now"),
    NET(upgrades, false, "websocket_upgrades_total", "Upgrades to WebSocket"),
    NET(upgrades_refused, false, "websocket_upgrades_refused_total", "Upgrades refused"),
    NET(origins_refused, false, "http_origins_refused_total", "Requests refused for their Origin or Host"),
    NET(url_tokens_refused, false, "http_url_tokens_refused_total", "Requests with a token in their URL"),
    NET(roles_refused, false, "http_roles_refused_total", "Requests at a public address for what is internal"),
    NET(figures_refused, false, "http_figures_refused_total", "Requests for metrics or status without the right to them"),
    NET(messages_refused, false, "websocket_messages_refused_total",
        "WebSocket messages of the wrong kind, too large, or too many at once"),
    NET(fragments_refused, false, "websocket_fragments_refused_total", "WebSockets closed for a message of too many fragments"),
    NET(idle_frames_refused, false, "websocket_idle_frames_refused_total",
        "WebSockets closed for more pings, pongs and empty fragments than may come"),
    NET(frames_refused, false, "websocket_frames_refused_total",
        "WebSocket frames against RFC 6455, each the last of its connection"),
    NET(closed_by_us, false, "websocket_closes_total", "WebSockets closed by the broker"),
    NET(requests, false, "http_requests_total", "HTTP requests"),
    NET(bodies_refused, false, "http_bodies_refused_total", "Requests refused because too many bodies were under way"),
    NET(bodies_evicted, false, "http_bodies_evicted_total",
        "Bodies and streams ended because they dawdled where others waited"),
    NET(publishes_limited, false, "http_publishes_limited_total", "Requests refused because they publish faster than they may"),
    NET(streams_paced, false, "http_streams_paced_total", "Times an NDJSON stream had to wait until it may publish again"),
    NET(timeouts_header, false, "timeouts_header_total", "Request heads not complete in time"),
    NET(timeouts_body, false, "timeouts_body_total", "Request bodies not complete in time"),
    NET(timeouts_idle, false, "timeouts_idle_total", "Kept connections without another request"),
    NET(timeouts_stall, false, "timeouts_stall_total", "Peers that neither sent nor read"),
    NET(timeouts_close, false, "timeouts_close_total", "Peers that did not answer a close"),
    NET(writes, false, "session_writes_total", "Writes to sessions"),
    NET(written_bytes, false, "session_written_bytes_total", "Bytes written to sessions"),
    NET(choked, false, "session_choked_total", "Times a session's socket took no more"),
    NET(yields, false, "session_yields_total", "Times a session had its share of a turn"),
    NET(turns, false, "turns_total", "Turns of the loops that did something"),
    NET(tls_floods, false, "tls_floods_total", "TLS connections ended for too many records without data"),
    NET(tls_clients_revoked, false, "tls_clients_revoked_total",
        "Certificates of clients that were in when they were found to hold no longer"),
    NET(auth_accepted_behind, false, "auth_accepted_behind_total",
        "Credentials that were judged while a good one waited, summed over the good ones"),
    NET(auth_waiting, true, "auth_waiting", "Requests and sessions whose credentials wait to be judged"),
    NET(auth_waited, false, "auth_waited_total", "Requests whose credentials had to wait, so that those who are in need not"),
    NET(auth_accepted, false, "auth_accepted_total", "Tokens and API keys that were found good"),
    NET(sessions_revoked, false, "sessions_revoked_total", "Sessions closed because their credentials were revoked"),
    NET(access_reloads, false, "access_reloads_total", "Times keys and revocations were read again"),
    NET(access_reloads_failed, false, "access_reloads_failed_total", "Times they could not be, and the old ones stayed"),
    NET(shard_waits, false, "shard_waits_total", "Times the ledger waited for a shard whose queue of changes was full"),
};

static const struct row store_rows[] = {
    STORE(turns, false, "store_turns_total", "Turns appended to the journal"),
    STORE(bytes, false, "store_bytes_total", "Bytes appended to the journal"),
    STORE(syncs, false, "store_syncs_total", "Syncs of the journal"),
    STORE(folds, false, "store_folds_total", "Segments folded into the checkpoint"),
    STORE(folded_records, false, "store_folded_records_total", "Records written to the checkpoint"),
    STORE(damaged, false, "store_damaged_total", "Stored records that failed their checksum"),
    STORE(full_events, false, "store_full_total", "Times the store was full"),
    STORE(io_errors, false, "store_io_errors_total", "Failures of the disk"),
    STORE(seq_durable, true, "store_seq_durable", "Everything up to this seq is on disk"),
    STORE(seq_checkpoint, true, "store_seq_checkpoint", "The checkpoint stands for this seq"),
    STORE(journal_bytes, true, "store_journal_bytes", "Bytes of all journal segments"),
    STORE(checkpoint_bytes, true, "store_checkpoint_bytes", "Bytes of the checkpoint"),
};

static void put_family(struct buffer *out, const char *name, const char *help, bool is_gauge) {
    char text[256];
    snprintf(text, sizeof text, "# HELP ahora_%s %s.\n# TYPE ahora_%s %s\n", name, help, name, is_gauge ? "gauge" : "counter");
    buffer_put_text(out, text);
}

static void put_value(struct buffer *out, const char *name, const char *label, const char *label_value, uint64_t value) {
    char text[160];
    if (label == NULL) {
        snprintf(text, sizeof text, "ahora_%s %" PRIu64 "\n", name, value);
    } else {
        snprintf(text, sizeof text, "ahora_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, label_value, value);
    }
    buffer_put_text(out, text);
}

static void put_rows(struct buffer *out, const struct row *rows, size_t count, const void *values) {
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)values + rows[i].offset, sizeof value);
        put_family(out, rows[i].name, rows[i].help, rows[i].is_gauge);
        put_value(out, rows[i].name, NULL, NULL, value);
    }
}

static void put_codes(struct buffer *out, const char *name, const char *help, const uint64_t *values) {
    put_family(out, name, help, false);
    for (int code = 1; code < AHORA_CODES; code++) {
        put_value(out, name, "code", ahora_code_name((enum ahora_code)code), values[code]);
    }
}

static void put_core(struct buffer *out, const struct broker *broker, const struct metrics *metrics) {
    put_rows(out, core_rows, sizeof core_rows / sizeof core_rows[0], metrics);
    put_family(out, "changes_total", "Changes accepted", false);
    for (int op = 0; op < CHANGE_OPS; op++) {
        put_value(out, "changes_total", "op", change_op_name((enum change_op)op), metrics->changes[op]);
    }
    put_codes(out, "changes_refused_total", "Changes refused", metrics->changes_refused);
    put_codes(out, "errors_total", "Error messages sent", metrics->errors);
    put_family(out, "seq", "Seq of the last change", true);
    put_value(out, "seq", NULL, NULL, (uint64_t)core_seq(broker->core));
}

static void put_process(struct buffer *out, struct broker *broker, const struct net_metrics *metrics) {
    put_family(out, "connections", "Connections now, HTTP and WebSocket", true);
    put_value(out, "connections", NULL, NULL, connection_limits_count(&broker->shards->limits));
    put_family(out, "connections_max", "Connections there may be", true);
    put_value(out, "connections_max", NULL, NULL, broker->shards->limits.connections_max);
    if (listen_has_tls(&broker->config)) {
        put_family(out, "tls_certificate_expires_seconds", "When the certificate expires, seconds since 1970", true);
        put_value(out, "tls_certificate_expires_seconds", NULL, NULL, (uint64_t)tls_context_expires_s(&broker->shards->tls));
    }
    put_family(out, "shards", "Loops that fan out", true);
    put_value(out, "shards", NULL, NULL, broker->shards->count);
    put_family(out, "memory_rss_bytes", "Memory of the process", true);
    put_value(out, "memory_rss_bytes", NULL, NULL, process_memory_rss());
    put_family(out, "memory_bytes",
               "Memory of the process that is not mapped from files, as it is held against memory_bytes_max", true);
    put_value(out, "memory_bytes", NULL, NULL, atomic_load(&broker->shards->pressure.bytes));
    put_family(out, "memory_bytes_max", "Past it nothing new is taken in", true);
    put_value(out, "memory_bytes_max", NULL, NULL, atomic_load(&broker->shards->pressure.bytes_max));
    put_family(out, "memory_high", "1 while nothing new is taken in because memory is short", true);
    put_value(out, "memory_high", NULL, NULL, atomic_load(&broker->shards->pressure.is_high));
    put_family(out, "memory_high_total", "Times memory became short", false);
    put_value(out, "memory_high_total", NULL, NULL, atomic_load(&broker->shards->pressure.high_count));
    put_family(out, "ready", "1 if the broker takes work", true);
    put_value(out, "ready", NULL, NULL, broker->phase == PHASE_READY ? 1 : 0);
    put_family(out, "http_responses_total", "HTTP answers by class", false);
    static const char *const classes[6] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (int i = 2; i < 6; i++) {
        put_value(out, "http_responses_total", "class", classes[i], metrics->responses[i]);
    }
}

static void put_refusals(struct buffer *out, const struct net_metrics *metrics) {
    put_family(out, "auth_refused_total", "Credentials refused, by the reason that nobody is told", false);
    for (int refusal = REFUSAL_NONE + 1; refusal < REFUSALS; refusal++) {
        put_value(out, "auth_refused_total", "reason", refusal_name((enum refusal)refusal), metrics->auth_refused[refusal]);
    }
}

static void metrics_end(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    struct buffer out;
    buffer_init(&out, 1 << 20);
    struct shard_figures sum;
    shards_sum(broker, &sum);
    put_process(&out, broker, &sum.net);
    put_rows(&out, net_rows, sizeof net_rows / sizeof net_rows[0], &sum.net);
    put_refusals(&out, &sum.net);
    if (broker->phase != PHASE_LOADING) {
        struct store_metrics store;
        store_metrics(broker->store, &store);
        put_core(&out, broker, &sum.core);
        put_rows(&out, store_rows, sizeof store_rows / sizeof store_rows[0], &store);
        put_family(&out, "store_full", "1 while publishing is refused for want of space", true);
        put_value(&out, "store_full", NULL, NULL, store.full ? 1 : 0);
        put_family(&out, "store_fold_broken", "1 while folding into the checkpoint keeps failing", true);
        put_value(&out, "store_fold_broken", NULL, NULL, store.fold_broken ? 1 : 0);
    }
    exchange_answer(exchange, &(struct answer){200, "text/plain; version=0.0.4; charset=utf-8", "Cache-Control: no-store\r\n",
                                               buffer_span(&out)});
    buffer_fini(&out);
}

const struct handler api_metrics = {.body = BODY_NONE, .is_figures = true, .end = metrics_end};

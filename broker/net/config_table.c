/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/where.h"
#include "broker/net/config.h"

#define KEY(section, name, type, field, min, max, text)                                                                        \
    { section, name, type, offsetof(struct config, field), min, max, text }
#define CORE(name, type, min, max, text) KEY("limits", #name, type, core.name, min, max, text)

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define HOUR_MS INT64_C(3600000)
#define MANY INT64_C(1000000000)

/* 64-bit fields throughout: struct limits and store_options hold size_t and int64_t. */
_Static_assert(sizeof(size_t) == sizeof(int64_t), "configuration values are 64 bits wide");

const struct config_key config_keys[] = {
    KEY("listen", "address", CONFIG_TEXT, listen, 1, 0,
        "where to listen: ADDR:PORT, IPv6 in brackets, several separated by commas"),
    KEY("listen", "insecure_open", CONFIG_BOOL, insecure_open, 0, 0,
        "allow addresses other than loopback although anybody there may read and write everything"),
    KEY("listen", "allowed_origins", CONFIG_TEXT, allowed_origins, 0, 0,
        "web pages of other origins that may use the broker, separated by blanks; * for all, null for files"),
    KEY("listen", "vanished_ms", CONFIG_DURATION, vanished_ms, 0, HOUR_MS,
        "an idle peer that the network reaches no more is dropped after about; 0: as the system has it"),
    KEY("threads", "shards", CONFIG_NUMBER, shards, 0, 32,
        "loops that fan out, each on a thread of its own with its own share of the connections; 0: one for each core"),
    KEY("store", "data", CONFIG_TEXT, data, 1, 0, "the directory of the store, created if missing"),
    KEY("store", "sync", CONFIG_SYNC, store.sync_ms, 1, HOUR_MS,
        "when the journal is synced to disk: every (as soon as somebody waits for `durable`, the rest within 10 ms), a "
        "duration, or off"),
    KEY("store", "segment_bytes", CONFIG_BYTES, store.segment_bytes, MIB, GIB,
        "of one journal segment, preallocated; at least four of the largest documents"),
    KEY("store", "journal_bytes_max", CONFIG_BYTES, store.journal_bytes_max, 2 * MIB, 1024 * GIB,
        "all segments together; publishing gets store_full beyond it"),
    KEY("store", "checkpoint_bytes_max", CONFIG_BYTES, store.checkpoint_bytes_max, MIB, 16384 * GIB,
        "of the checkpoint (LMDB)"),
    KEY("kinds", "directory", CONFIG_TEXT, kinds, 0, 0,
        "the directory of your own kinds, one JSON Schema NAME.json each; none if empty"),
    KEY("log", "level", CONFIG_LEVEL, log_level, 0, 0, "error, warn, info or debug"),

    KEY("limits", "connections_max", CONFIG_NUMBER, connections_max, 0, MANY,
        "connections at once; 0: what the hard limit of open files allows, up to 65,472"),
    KEY("limits", "connections_per_address_max", CONFIG_NUMBER, connections_per_address_max, 1, MANY,
        "connections at once from one IPv4 address or one IPv6 /64"),
    KEY("limits", "limit_loopback", CONFIG_BOOL, limit_loopback, 0, 0, "count loopback addresses too"),
    CORE(message_bytes_max, CONFIG_BYTES, KIB, 64 * MIB, "one WebSocket message from a client"),
    CORE(document_bytes_max, CONFIG_BYTES, 64, 16 * MIB,
         "one document as MessagePack, at most a quarter of segment_bytes; an NDJSON line may have twice as many and 4 KiB"),
    CORE(topics_max, CONFIG_NUMBER, 1, MANY, "topics held"),
    CORE(documents_bytes_max, CONFIG_BYTES, MIB, 1024 * GIB, "all documents together"),
    CORE(removals_max, CONFIG_NUMBER, 0, MANY, "removals remembered for clients that resume"),
    CORE(keys_max, CONFIG_NUMBER, 0, MANY, "idempotency keys remembered; beyond it the oldest are forgotten"),
    CORE(key_ms, CONFIG_DURATION, 0, 24 * HOUR_MS, "how long an idempotency key is remembered"),
    CORE(at_ahead_ms_max, CONFIG_DURATION, 0, 24 * HOUR_MS, "how far ahead of our clock `at` may lie"),
    CORE(subscriptions_max, CONFIG_NUMBER, 1, 1000000, "subscriptions of one session"),
    CORE(patterns_max, CONFIG_NUMBER, 1, 64, "patterns of one subscription"),
    CORE(view_topics_max, CONFIG_NUMBER, 1, MANY, "topics one subscription may follow"),
    CORE(views_max, CONFIG_NUMBER, 1, MANY, "different patterns that are followed"),
    CORE(places_max, CONFIG_NUMBER, 1, MANY, "topics in the views of all followed patterns together"),
    CORE(every_ms_max, CONFIG_DURATION, 1, 24 * HOUR_MS, "the longest `every_ms`"),
    CORE(where_conditions_max, CONFIG_NUMBER, 1, WHERE_CONDITIONS_MAX, "conditions of one `where`"),
    CORE(where_values_max, CONFIG_NUMBER, 1, WHERE_VALUES_MAX, "values of one `in`"),
    CORE(where_bytes_max, CONFIG_BYTES, 64, WHERE_BYTES_MAX, "one `where` as MessagePack"),
    CORE(where_scans_max, CONFIG_NUMBER, 0, 1000000,
         "different `where` of one pattern with nothing but `ne` and `exists: false`: every change looks at all of them"),
    CORE(nears_max, CONFIG_NUMBER, 0, 1000000, "subscriptions with `near` of one session"),
    CORE(near_limit_max, CONFIG_NUMBER, 1, 1000000, "the largest `limit` of a `near`"),
    CORE(near_margin_percent, CONFIG_NUMBER, 0, 100, "of the radius: so far beyond it a document stays in a circle"),
    CORE(near_margin_m, CONFIG_NUMBER, 0, 1000000, "and at least so many metres"),
    CORE(lefts_max, CONFIG_NUMBER, 0, MANY, "documents that left one view, remembered for clients that resume"),
    CORE(promise_ms_max, CONFIG_DURATION, 1, 366 * 24 * HOUR_MS, "the longest `fresh_ms` and `expire_ms`"),
    CORE(due_changes_max, CONFIG_NUMBER, 1, 1000000,
         "topics that go stale, expire or are lost in one turn; what is due beyond it waits for the next"),
    CORE(sources_max, CONFIG_NUMBER, 0, MANY, "names of sources known at once"),
    CORE(grace_ms, CONFIG_DURATION, 0, 24 * HOUR_MS, "a source without a session is lost after, if its `hello` did not say"),
    CORE(grace_ms_max, CONFIG_DURATION, 0, 24 * HOUR_MS, "the longest `grace_ms`"),
    CORE(hello_ms, CONFIG_DURATION, 100, HOUR_MS, "`hello` must arrive within"),
    CORE(beat_ms, CONFIG_DURATION, 100, HOUR_MS, "idle sessions hear a beat so often"),
    CORE(outbox_bytes_max, CONFIG_BYTES, KIB, GIB,
         "answers a session has not read yet; beyond it nothing more is read from it"),
    CORE(publishes_max, CONFIG_NUMBER, 1, 1000000, "publishes of one session that wait for the disk"),
    CORE(publish_rate_max, CONFIG_NUMBER, 0, MANY, "changes a second of one session or HTTP connection; 0: unlimited"),
    CORE(get_items_max, CONFIG_NUMBER, 1, 1000000, "items of one `get`"),
    CORE(get_bytes_max, CONFIG_BYTES, KIB, GIB, "bytes of one `get` answer"),
    CORE(block_bytes, CONFIG_BYTES, KIB, MIB, "changes of one view are laid into messages of about this size"),

    KEY("freshness", "fresh_ms", CONFIG_TEXT, fresh_ms, 0, 0,
        "how long documents are fresh unless a write says otherwise: KIND:DURATION, several separated by blanks; 0: for ever"),
    KEY("freshness", "expire_ms", CONFIG_TEXT, expire_ms, 0, 0,
        "topics nobody writes are removed after, unless a write says otherwise: as above"),

    KEY("demand", "topics_max", CONFIG_NUMBER, core.demand_topics_max, 0, 1000000,
        "patterns told below $demand at once; 0: demand is never told"),
    KEY("demand", "every_ms", CONFIG_DURATION, core.demand_every_ms, 0, HOUR_MS,
        "the count of a pattern is told not more often than"),
    KEY("demand", "linger_ms", CONFIG_DURATION, core.demand_linger_ms, 0, HOUR_MS,
        "a pattern that nobody follows any more is still told for"),
    KEY("demand", "rate_max", CONFIG_NUMBER, core.demand_rate_max, 1, 1000000, "changes below $demand a second, all together"),

    KEY("http", "header_ms", CONFIG_DURATION, header_ms, 100, HOUR_MS, "a request head must be complete within"),
    KEY("http", "header_bytes_max", CONFIG_BYTES, header_bytes_max, KIB, 16 * KIB, "of one request head"),
    KEY("http", "body_ms", CONFIG_DURATION, body_ms, 100, HOUR_MS,
        "a request body must be complete within; streams of lines may take their time"),
    KEY("http", "idle_ms", CONFIG_DURATION, idle_ms, 100, HOUR_MS, "a kept connection waits so long for the next request"),
    KEY("http", "stall_ms", CONFIG_DURATION, stall_ms, 100, HOUR_MS,
        "a peer that neither goes on with its stream of lines nor reads what it asked for is dropped after"),
    KEY("http", "body_bytes_max", CONFIG_BYTES, body_bytes_max, KIB, GIB,
        "of one request body that is not a stream; one document may have twice document_bytes_max and 4 KiB"),
    KEY("http", "bodies_bytes_max", CONFIG_BYTES, bodies_bytes_max, KIB, 1024 * GIB, "of all request bodies held at once"),
    KEY("http", "requests_max", CONFIG_NUMBER, requests_max, 1, MANY,
        "requests with a complete body that wait for their answer at once; and NDJSON streams at once"),
    KEY("http", "page_items_max", CONFIG_NUMBER, page_items_max, 1, 1000000, "items of one JSON page of GET /v1/topics"),
    KEY("http", "listed_topics_max", CONFIG_NUMBER, listed_topics_max, 1, MANY,
        "topics that all listings under way may hold; one alone may hold more"),
    KEY("http", "range_nights_max", CONFIG_NUMBER, range_nights_max, 1, 1000, "nights of one range write"),
    KEY("http", "stream_results_max", CONFIG_NUMBER, stream_results_max, 1, 1000000,
        "results of one NDJSON stream that wait for the disk"),

    KEY("websocket", "close_ms", CONFIG_DURATION, close_ms, 100, HOUR_MS, "a peer must answer our close within"),
    KEY("websocket", "receive_bytes", CONFIG_BYTES, receive_bytes, 4 * KIB, MIB,
        "what is read from a WebSocket at once, into a buffer of which every loop has one"),
    KEY("websocket", "notsent_lowat_bytes", CONFIG_BYTES, notsent_lowat_bytes, KIB, 16 * MIB,
        "TCP_NOTSENT_LOWAT of every connection: what a slow reader may have waiting in the kernel"),
    KEY("websocket", "messages_bytes_max", CONFIG_BYTES, messages_bytes_max, KIB, 1024 * GIB,
        "of all messages that have not arrived in full; the newest is refused beyond it"),
    KEY("websocket", "turn_bytes_max", CONFIG_BYTES, turn_bytes_max, 16 * KIB, 64 * MIB,
        "written to one session in one turn of the loop, so that none starves the others"),

    KEY("drain", "drain_ms", CONFIG_DURATION, drain_ms, 0, HOUR_MS, "after SIGTERM, connections have so long to finish"),
    KEY("drain", "retry_ms", CONFIG_DURATION, retry_ms, 0, HOUR_MS, "clients are told to come back within, spread evenly"),
};

const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/plan.h"

#include <string.h>

#define SHORT "--duration 2s --warmup 500ms "
#define LONG "--duration 3s --warmup 1s "
#define ALL "all"

/* The columns A to G of docs/benchmarks.md, then what only ahora does. About 3 minutes. */
#define ENTRY(id_, title_, scenario_, options_, targets_, metric_, less_, runs_)                                               \
    {                                                                                                                          \
        .id = id_, .title = title_, .scenario = scenario_, .options = options_, .targets = targets_, .metric = metric_,        \
        .is_less_better = less_, .runs = runs_                                                                                 \
    }

static const struct entry bench[] = {
    ENTRY("a-fanout", "A: one topic, 1,000 subscribers", "fanout", SHORT, "ahora,raw", "deliveries", false, 3),
    ENTRY("a1-pingfan", "A1: the same, one change in flight", "pingfan", SHORT, "ahora,raw", "deliveries", false, 3),
    ENTRY("b-spread", "B: 100 topics, 10 subscribers each", "spread", SHORT, "ahora,raw", "deliveries", false, 3),
    ENTRY("c-crowd", "C: 10,000 subscribers, 10 changes a second", "crowd", SHORT, "ahora,raw", "p99", true, 2),
    ENTRY("d-latency", "D: 1,000 topics, 5,000 changes a second", "latency", SHORT, "ahora,raw", "p50", true, 3),
    ENTRY("e-idle", "E: memory of an idle subscribed connection", "idle", SHORT, "ahora,raw", "pss_per_connection", true, 2),
    ENTRY("f-join", "F: processor time of a join", "join", SHORT, "ahora,raw", "cpu_per_join", true, 2),
    ENTRY("g-applied", "G: changes taken in, answered when applied", "ingest", SHORT "--ack applied", "ahora,raw", "accepted",
          false, 3),
    ENTRY("g-durable", "G: answered when on disk, 4 producers", "ingest", SHORT "--ack durable --pubs 4", "ahora", "accepted",
          false, 2),
    ENTRY("g-paced", "G: 100,000 changes a second on schedule, answered when on disk, 4 producers", "ingest",
          SHORT "--ack durable --pubs 4 --rate 100k", "ahora", "p99", true, 2),
    ENTRY("slow", "10 good readers beside 10 stalled ones, 100 topics", "slow", SHORT, "ahora,raw", "p99", true, 1),
    ENTRY("resume", "5,000 come back with a token", "resume", SHORT, "ahora", "cpu_per_resume", true, 1),
    ENTRY("churn", "500 sessions a second come and go", "churn", SHORT, "ahora,raw", "p99", true, 1),
    ENTRY("wildcard", "1,000 topics, 100 subscribers of patterns that select all", "wildcard", SHORT, "ahora", "p99", true, 1),
    ENTRY("near", "10,000 units on the move, 10,000 circles", "near", SHORT, "ahora", "p99", true, 1),
    ENTRY("mix", "Readers that move, dashboards, slow readers, 4 producers", "mix", SHORT, "ahora", "p99", true, 1),
    ENTRY("replay", "Real buses, replayed to 20 followers of all", "replay", SHORT, "ahora", "p99", true, 1),
};

/* Everything beside the peers. About 30 minutes. */
static const struct entry peers[] = {
    ENTRY("peers-a-fanout", "A: one topic, 1,000 subscribers", "fanout", LONG, ALL, "deliveries", false, 3),
    ENTRY("peers-a1-pingfan", "A1: the same, one change in flight", "pingfan", LONG, ALL, "deliveries", false, 3),
    ENTRY("peers-b-spread", "B: 100 topics, 10 subscribers each", "spread", LONG, ALL, "deliveries", false, 3),
    ENTRY("peers-c-crowd", "C: 10,000 subscribers, 10 changes a second", "crowd", LONG, ALL, "p99", true, 2),
    ENTRY("peers-d-latency", "D: 1,000 topics, 5,000 changes a second", "latency", LONG, ALL, "p50", true, 3),
    ENTRY("peers-e-idle", "E: memory of an idle subscribed connection", "idle", LONG, ALL, "pss_per_connection", true, 2),
    ENTRY("peers-e-many", "E: as many idle connections as one process may hold files for", "idle", LONG "--count 19000", ALL,
          "reach_all", true, 1),
    ENTRY("peers-e-100k", "E: 100,000 idle connections over 6 brokers and 6 clients", "idle",
          LONG "--count 100k --brokers 6 --no-pin", "ahora", "machine_per_connection", true, 1),
    ENTRY("peers-e-1m", "E: a million idle connections over 53 brokers and 53 clients", "idle",
          LONG "--count 1M --brokers 53 --no-pin", "ahora", "machine_per_connection", true, 1),
    ENTRY("peers-f-join", "F: processor time of a join", "join", LONG, ALL, "cpu_per_join", true, 2),
    ENTRY("peers-g-none-1", "G: changes taken in, not answered one by one", "ingest", LONG "--ack none", ALL, "accepted", false,
          2),
    ENTRY("peers-g-none-4", "G: the same, 4 producers", "ingest", LONG "--ack none --pubs 4", ALL, "accepted", false, 2),
    ENTRY("peers-g-applied-1", "G: answered when applied", "ingest", LONG "--ack applied", ALL, "accepted", false, 2),
    ENTRY("peers-g-applied-4", "G: the same, 4 producers", "ingest", LONG "--ack applied --pubs 4", ALL, "accepted", false, 2),
    ENTRY("peers-g-json", "G: JSON over WebSocket, answered when applied", "ingest", LONG "--ack applied --encoding json",
          "ahora", "accepted", false, 2),
    ENTRY("peers-g-ndjson", "G: NDJSON over HTTP, answered when applied", "ingest", LONG "--ack applied --encoding ndjson",
          "ahora", "accepted", false, 2),
    ENTRY("peers-g-durable-1", "G: answered when on disk", "ingest", LONG "--ack durable", "ahora", "accepted", false, 2),
    ENTRY("peers-g-durable-4", "G: the same, 4 producers", "ingest", LONG "--ack durable --pubs 4", "ahora", "accepted", false,
          2),
    ENTRY("peers-g-paced", "G: 100,000 changes a second on schedule, answered when on disk, 4 producers", "ingest",
          LONG "--ack durable --pubs 4 --rate 100k", "ahora", "p99", true, 2),
    ENTRY("peers-tls-fanout", "A over TLS, beside plain", "fanout", LONG, "ahora,ahora-tls", "cpu_per_delivery", true, 2),
    ENTRY("peers-tls-pingfan", "A1 over TLS, beside plain", "pingfan", LONG, "ahora,ahora-tls", "cpu_per_delivery", true, 2),
    ENTRY("peers-tls-idle", "E over TLS, beside plain", "idle", LONG, "ahora,ahora-tls", "pss_per_connection", true, 1),
    ENTRY("peers-tls-join", "F over TLS, beside plain", "join", LONG, "ahora,ahora-tls", "cpu_per_join", true, 1),
    ENTRY("peers-topics", "A million topics: memory of each, and ready again", "topics", "--topics 1M", "ahora",
          "memory_per_topic", true, 1),
    ENTRY("peers-slow", "10 good readers beside 10 stalled ones, 100 topics", "slow", "--duration 6s", "ahora,raw", "p99", true,
          2),
    ENTRY("peers-slow-1000", "1,000 good readers beside 1,000 stalled ones, 10,000 changes a second", "slow",
          "--duration 6s --topics 1000 --subs 1 --stalled 1 --rate 10k", "ahora,raw", "p99", true, 2),
    ENTRY("peers-resume", "5,000 come back with a token", "resume", LONG, "ahora", "cpu_per_resume", true, 2),
    ENTRY("peers-churn", "500 sessions a second come and go", "churn", LONG, "ahora,raw", "p99", true, 2),
    ENTRY("peers-wildcard", "1,000 topics, 100 subscribers of patterns that select all", "wildcard", LONG, "ahora", "p99", true,
          2),
    ENTRY("peers-near", "10,000 units on the move, 10,000 circles", "near", LONG, "ahora", "p99", true, 2),
    ENTRY("peers-mix", "Readers that move, dashboards, slow readers, 4 producers", "mix", LONG, "ahora", "p99", true, 2),
    ENTRY("peers-replay-bus", "Real buses, replayed to 20 followers of all", "replay", LONG, "ahora", "p99", true, 2),
    ENTRY("peers-replay-stock", "A real shop's stock, replayed to 20 followers of all", "replay", LONG "--trace stock", "ahora",
          "p99", true, 2),
};

#define FLAT "flat: what a delivery costs does not depend on it"

static const struct entry sweeps[] = {
    {.id = "sweep-subs",
     .title = "Subscribers of one topic",
     .scenario = "fanout",
     .options = SHORT,
     .targets = "ahora,raw",
     .runs = 1,
     .x_name = "subscribers",
     .points = {{10, "-c 10"},
                {30, "-c 30"},
                {100, "-c 100"},
                {300, "-c 300"},
                {1000, "-c 1000"},
                {3000, "-c 3000"},
                {10000, "-c 10000"},
                {19000, "-c 19000"},
                {100000, "-c 100k"}},
     .plotted = {"cpu_per_delivery", "deliveries"},
     .expected =
         "falls, then flat: what a change costs is shared by more and more deliveries, until sockets no longer fit the caches"},
    {.id = "sweep-topics",
     .title = "Topics held, of which 1,000 change",
     .scenario = "latency",
     .options = SHORT "--active 1000",
     .targets = "ahora,raw",
     .runs = 1,
     .x_name = "topics",
     .points = {{10, "-t 10"}, {100, "-t 100"}, {1000, "-t 1000"}, {10000, "-t 10k"}, {100000, "-t 100k"}, {1000000, "-t 1M"}},
     .plotted = {"cpu_per_delivery", "p50", "server_memory"},
     .expected = FLAT "; memory grows with them"},
    {.id = "sweep-patterns",
     .title = "Patterns that select the same topic",
     .scenario = "wildcard",
     .options = SHORT "-t 1 -c 64 -R 500",
     .targets = "ahora",
     .runs = 1,
     .x_name = "patterns",
     .points = {{1, "--patterns 1"}, {2, "--patterns 2"}, {4, "--patterns 4"}, {8, "--patterns 8"}},
     .plotted = {"cpu_per_delivery", "p50"},
     .expected = "linear, and little: a change touches each view once, its 64 subscribers are the same"},
    {.id = "sweep-views",
     .title = "Subscriptions of a session; 64 sessions, 4 of them on each topic",
     .scenario = "latency",
     .options = SHORT "--count 64 -R 5000",
     .targets = "ahora",
     .runs = 1,
     .x_name = "subscriptions",
     .points = {{1, "-t 16 --views 1"},
                {2, "-t 32 --views 2"},
                {4, "-t 64 --views 4"},
                {8, "-t 128 --views 8"},
                {16, "-t 256 --views 16"},
                {32, "-t 512 --views 32"},
                {64, "-t 1024 --views 64"}},
     .plotted = {"cpu_per_delivery", "p50"},
     .expected = FLAT},
    {.id = "sweep-subscriptions",
     .title = "Subscriptions held, of which a change reaches 1,000; at most 10,000 connections, several subscriptions of each",
     .scenario = "latency",
     .options = SHORT "-R 100",
     .targets = "ahora",
     .runs = 1,
     .x_name = "subscriptions",
     .points = {{1000, "--count 1000 -t 1 --views 1"},
                {10000, "--count 10k -t 10 --views 1"},
                {20000, "--count 10k -t 20 --views 2"},
                {50000, "--count 10k -t 50 --views 5"},
                {100000, "--count 10k -t 100 --views 10"},
                {300000, "--count 10k -t 300 --views 30"},
                {1000000, "--count 10k -t 1000 --views 100"}},
     .plotted = {"cpu_per_delivery", "p50", "server_memory"},
     .expected = FLAT "; memory grows with them"},
    {.id = "sweep-size",
     .title = "Bytes of a document beside the probe's count and time (22 more), 100 subscribers of one topic",
     .scenario = "fanout",
     .options = SHORT "-c 100",
     .targets = "ahora,raw",
     .runs = 1,
     .x_name = "bytes",
     .points = {{16, "--size 38"},
                {32, "--size 54"},
                {64, "--size 86"},
                {128, "--size 150"},
                {256, "--size 278"},
                {512, "--size 534"},
                {1024, "--size 1046"},
                {2048, "--size 2070"},
                {4096, "--size 4118"},
                {16384, "--size 16406"}},
     .plotted = {"cpu_per_delivery", "deliveries"},
     .expected = "flat, then linear where copying into sockets is most of the work"},
    {.id = "sweep-shards",
     .title = "Shards, all cores for the server and the load",
     .scenario = "spread",
     .options = SHORT "--no-pin",
     .targets = "ahora",
     .runs = 1,
     .x_name = "shards",
     .points = {{1, "--server-args=--shards=1"}, {2, "--server-args=--shards=2"}, {4, "--server-args=--shards=4"}},
     .plotted = {"deliveries", "cpu_per_delivery", "p50"},
     .expected = "deliveries grow with cores that nobody else uses; what one costs stays the same"},
};

#define COUNT(entries) (sizeof(entries) / sizeof((entries)[0]))

static const struct plan plans[] = {
    {"bench", "ahora beside the yardstick", bench, COUNT(bench)},
    {"peers", "ahora beside the peers", peers, COUNT(peers)},
    {"sweeps", "how cost grows", sweeps, COUNT(sweeps)},
};

const struct plan *plan_at(size_t index) {
    return index < COUNT(plans) ? &plans[index] : NULL;
}

const struct plan *plan_find(const char *name) {
    for (size_t i = 0; i < COUNT(plans); i++) {
        if (strcmp(plans[i].name, name) == 0) {
            return &plans[i];
        }
    }
    return NULL;
}

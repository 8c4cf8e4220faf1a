/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Real events, replayed on schedule to subscribers that follow all of them. Each event gets the count and time that every document of the
 * bench carries: a set or patch as two more fields; an adjust as two more sums, whose results are again the next count and the time. A
 * delete carries nothing; a topic that has been deleted is not asked for in the end. In JSON.
 */
#include "bench/load.h"
#include "bench/scenario.h"
#include "bench/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 2000000

struct replay {
    struct run *run;
    struct trace trace;
    int64_t *told_ns; /* of each topic: the time its document carries */
    size_t next;
};

static const char *op_name(char op) {
    return op == 's' ? "set" : op == 'p' ? "patch" : op == 'a' ? "adjust" : "delete";
}

/* The message's text into `text`; how long it is. */
static size_t write_event(struct replay *replay, const struct event *event, uint64_t id, int64_t due_ns, char *text,
                          size_t room) {
    struct topic *topic = &replay->run->topics[event->topic];
    int bytes = snprintf(text, room,
                         "{\"op\":\"pub\",\"id\":%" PRIu64 ",\"ack\":\"applied\",\"changes\":[{\"op\":\"%s\",\"topic\":\"%s\"",
                         DIALECT_WIDE | id, op_name(event->op), replay->trace.topics[event->topic]);
    size_t used = (size_t)bytes;
    topic->is_gone = event->op == 'd';
    if (event->op != 'd') {
        uint64_t number = DIALECT_WIDE | (uint64_t)event->topic << COUNT_BITS | ++topic->published;
        int64_t told = due_ns - replay->told_ns[event->topic];
        bool adds = event->op == 'a';
        replay->told_ns[event->topic] = due_ns;
        used += (size_t)snprintf(text + used, room - used, ",\"data\":{\"#\":%" PRIu64 ",\"t\":%" PRId64 "%s%.*s}",
                                 adds ? 1 : number, adds ? told : (int64_t)(DIALECT_WIDE | (uint64_t)due_ns),
                                 event->bytes > 0 ? "," : "", (int)event->bytes, replay->trace.text + event->data);
    }
    return used + (size_t)snprintf(text + used, room - used, "}]}");
}

static void publish_event(struct replay *replay, int64_t due_ns) {
    char text[16384];
    struct run *run = replay->run;
    struct producer *producer = &run->producers[0];
    const struct event *event = &replay->trace.events[replay->next++];
    producer_note(run, producer, due_ns, 1);
    size_t bytes = write_event(replay, event, producer->messages, due_ns, text, sizeof text);
    dialect_put_frame_head(producer->connection.dialect, &producer->connection.out, bytes);
    buffer_put(&producer->connection.out, text, bytes);
}

static void play_events(struct replay *replay, struct schedule *schedule, int64_t duration_ns, const char *what) {
    struct run *run = replay->run;
    int64_t rate = run->options->rate;
    int64_t begin = schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)rate);
    while (run->failure == NULL && replay->next < replay->trace.event_count) {
        int64_t due = schedule->begin_ns + (int64_t)((double)schedule->sent * 1e9 / (double)rate);
        int64_t now = clock_ns();
        if (due >= begin + duration_ns) {
            break;
        }
        if (due <= now && schedule->sent % 64 != 63) {
            run->tally.late += now - due > LATE_NS;
            publish_event(replay, due);
            schedule->sent++;
            continue;
        }
        if (due <= now) { /* far behind: let others have their turn all the same */
            publish_event(replay, due);
            schedule->sent++;
        }
        run_flush(run);
        run_poll(run, due - clock_ns());
        run_note(run, what, run->tally.deliveries, (double)(now - begin) / (double)duration_ns);
        while (run->moved_count > 0) {
            run->topics[run->moved[--run->moved_count]].is_listed = false;
        }
    }
}

static bool wait_until_answered(struct run *run) {
    struct producer *producer = &run->producers[0];
    run_flush(run);
    for (int64_t until = clock_ns() + PATIENCE_NS; producer_in_flight(producer) > 0 && run->failure == NULL;) {
        run_poll(run, NS_PER_MS);
        if (clock_ns() > until) {
            run_fail(run, "some events were never answered");
        }
    }
    return run->failure == NULL;
}

static bool follow_all(struct replay *replay, char *match, size_t match_bytes) {
    struct run *run = replay->run;
    const char *first = replay->trace.topics[0];
    uint32_t count = (uint32_t)run->options->subscribers;
    snprintf(match, match_bytes, "%.*s/**", (int)strcspn(first, "/"), first);
    if (!run_resize_topics(run, replay->trace.topic_count) || !run_make_subscribers(run, count)) {
        return false;
    }
    struct interest interest = {.count = run->topic_count, .stars = 1, .match = match};
    for (uint32_t i = 0; i < count; i++) {
        if (!subscriber_follow(&run->subscribers[i], &interest)) {
            return false;
        }
    }
    replay->told_ns = calloc(run->topic_count, sizeof *replay->told_ns);
    return replay->told_ns != NULL && run_join(run, count, 64, 0) && run_open_producers(run);
}

static void play_all(struct replay *replay, struct result *result) {
    struct run *run = replay->run;
    struct schedule schedule = {.begin_ns = clock_ns()};
    play_events(replay, &schedule, run->options->warmup_ms * NS_PER_MS, "warming up");
    run_mark(run, RECORD_DELIVERIES);
    play_events(replay, &schedule, run->options->duration_ms * NS_PER_MS, "measuring");
    struct tally tally = run_tally(run);
    run->recording = RECORD_NOTHING;
    result_put_percentiles(result);
    load_put_deliveries(result, &tally);
    result_put(result, "events", (double)replay->next, "");
    if (wait_until_answered(run)) {
        load_finish(run, result);
    }
}

bool play_replay(struct run *run, struct result *result) {
    const struct options *options = run->options;
    struct replay replay = {.run = run};
    const char *why = NULL;
    char match[80];
    if (strcmp(options->encoding, "json") != 0) {
        run_fail(run, "replay speaks JSON only");
        return false;
    }
    if (!trace_load(&replay.trace, options->traces, options->trace, EVENTS_MAX, &why)) {
        result->skipped = why;
        trace_fini(&replay.trace);
        return false;
    }
    snprintf(result->setting, sizeof result->setting,
             "traces %s: %zu events of %u topics, %lld subscribers of all, %lld/s on schedule", options->trace,
             replay.trace.event_count, replay.trace.topic_count, (long long)options->subscribers, (long long)options->rate);
    bool ready = follow_all(&replay, match, sizeof match);
    if (ready) {
        play_all(&replay, result);
    }
    free(replay.told_ns);
    trace_fini(&replay.trace);
    return ready && run->failure == NULL;
}

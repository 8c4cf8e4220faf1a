/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/listing.h"
#include "tests/traces/derived.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http.h"
#include "tests/support/rules.h"

#define DIFFERENCES_PRINTED 5

struct listing {
    const char *pattern;
    const struct trace *traces;
    size_t trace_count;
    size_t items;
    size_t differences;
    char last_topic[256];
};

static void listing_differ(struct listing *listing, const char *topic, const char *what, const json_t *have,
                           const json_t *want) {
    if (listing->differences++ >= DIFFERENCES_PRINTED) {
        return;
    }
    char *left = have != NULL ? json_dumps(have, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    char *right = want != NULL ? json_dumps(want, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    printf("  GET match=%s: %s %s: %s, not %s\n", listing->pattern, topic, what, left != NULL ? left : "absent",
           right != NULL ? right : "absent");
    free(left);
    free(right);
}

/* Pages come in byte order of their topics: that also shows that none comes twice. */
static void listing_take(struct listing *listing, const json_t *item) {
    const char *topic = json_string_value(json_object_get(item, "topic"));
    const json_t *data = json_object_get(item, "data");
    if (topic == NULL || strlen(topic) >= sizeof listing->last_topic) {
        listing_differ(listing, "?", "is not an item", item, NULL);
        return;
    }
    if (strcmp(topic, listing->last_topic) <= 0) {
        listing_differ(listing, topic, "out of order", NULL, NULL);
    }
    snprintf(listing->last_topic, sizeof listing->last_topic, "%s", topic);
    listing->items++;
    const struct trace_topic *expected = NULL;
    for (size_t i = 0; i < listing->trace_count && expected == NULL; i++) {
        expected = trace_find(&listing->traces[i], topic);
    }
    if (expected == NULL || expected->expected == NULL || !rules_match(listing->pattern, topic)) {
        listing_differ(listing, topic, "is listed", data, NULL);
    } else if (data == NULL || !derived_equal(data, expected->expected)) {
        listing_differ(listing, topic, "holds", data, expected->expected);
    } else if (json_integer_value(json_object_get(item, "seq")) != expected->seq) {
        json_t *seq = json_integer(expected->seq);
        listing_differ(listing, topic, "has seq", json_object_get(item, "seq"), seq);
        json_decref(seq);
    }
}

/* The number of items of one answer, -1 if there is none. */
static long listing_page(struct listing *listing, uint16_t port) {
    struct bytes target = {0};
    bytes_printf(&target, "/v1/topics?match=%s", listing->pattern);
    if (listing->last_topic[0] != '\0') {
        bytes_printf(&target, "&after=%s", listing->last_topic);
    }
    struct http_response response;
    bool is_whole = http_request(port, "GET", bytes_text(&target), "Accept: application/x-ndjson\r\n", NULL, 0, &response);
    bytes_fini(&target);
    if (!is_whole || response.status != 200) {
        printf("  GET match=%s: status %d%s\n", listing->pattern, response.status, is_whole ? "" : ", not whole");
        http_response_fini(&response);
        return -1;
    }
    size_t before = listing->items + listing->differences;
    size_t offset = 0;
    bool is_bad = false;
    const char *body = http_response_body(&response);
    size_t size = bytes_size(&response.reader.body);
    for (json_t *item; (item = codec_decode(CODEC_JSON, body, size, &offset, &is_bad)) != NULL;) {
        listing_take(listing, item);
        json_decref(item);
    }
    http_response_fini(&response);
    return is_bad ? -1 : (long)(listing->items + listing->differences - before);
}

size_t listing_compare(uint16_t port, const char *pattern, const struct trace *traces, size_t trace_count) {
    struct listing listing = {.pattern = pattern, .traces = traces, .trace_count = trace_count};
    long count;
    do {
        count = listing_page(&listing, port);
    } while (count > 0 && listing.differences == 0);
    size_t expected = 0;
    for (size_t i = 0; i < trace_count; i++) {
        for (size_t j = 0; j < traces[i].topic_count; j++) {
            const struct trace_topic *topic = &traces[i].topics[j];
            expected += topic->expected != NULL && rules_match(pattern, topic->name);
        }
    }
    if (count < 0 || listing.items != expected) {
        printf("  GET match=%s: %zu topics, not %zu\n", pattern, listing.items, expected);
        listing.differences++;
    }
    return listing.differences;
}

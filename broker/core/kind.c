/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/kind.h"

#include "broker/core/date.h"
#include "broker/core/kind_compile.h"
#include "broker/core/word_slots.h"
#include "proto/json.h"

bool kind_init(struct kind *kind, struct span name, struct span json, struct violations *errors) {
    const char *detail = "";
    *kind = (struct kind){0};
    errors->count = 0;
    buffer_init(&kind->json, SCHEMA_BYTES_MAX);
    buffer_init(&kind->packed, 2 * SCHEMA_BYTES_MAX);
    if (json.bytes > SCHEMA_BYTES_MAX) {
        violations_add(errors, NULL, "the file is larger than %d bytes", SCHEMA_BYTES_MAX);
        return false;
    }
    buffer_put_span(&kind->json, json);
    if (json_to_pack(json, AHORA_DEPTH_MAX, &kind->packed, &detail) != AHORA_OK) {
        violations_add(errors, NULL, "%s", detail);
        return false;
    }
    if (kind->json.failed) {
        violations_add(errors, NULL, "no memory");
        return false;
    }
    return kind_compile(kind, name, errors);
}

void kind_fini(struct kind *kind) {
    schema_fini(&kind->schema);
    buffer_fini(&kind->packed);
    buffer_fini(&kind->json);
}

/* NULL, or what keeps the topic from having this form. */
static const char *form_fault(const struct address *address, const struct name *topic) {
    int64_t days;
    if (address->count != topic->count) {
        return "the topic has too many or too few segments for its kind";
    }
    for (unsigned i = 1; i < topic->count; i++) {
        if (address->literals[i].data != NULL && !span_equal(address->literals[i], topic->segments[i])) {
            return "a segment of the topic is another than its kind wants there";
        }
        if (address->dates[i] && !date_parse(topic->segments[i], &days)) {
            return "a segment of the topic must be a date such as 2027-05-01";
        }
    }
    return NULL;
}

const char *kind_address_fault(const struct kind *kind, const struct name *topic) {
    const char *fault = NULL;
    for (unsigned i = 0; i < kind->address_count; i++) {
        const char *other = form_fault(&kind->addresses[i], topic);
        if (other == NULL) {
            return NULL;
        }
        fault = fault == NULL || kind->addresses[i].count == topic->count ? other : fault;
    }
    return fault;
}

bool kind_ends_in_date(const struct kind *kind, unsigned segments) {
    for (unsigned i = 0; i < kind->address_count; i++) {
        if (kind->addresses[i].count == segments && kind->addresses[i].dates[segments - 1]) {
            return true;
        }
    }
    return false;
}

const struct kind *kind_of_demand(void) {
    static const struct kind kind = {.name = "$demand"};
    return &kind;
}

/* The least whole number that is not below it, or the greatest not above it. */
static int64_t whole_bound(const struct scalar *bound, bool least) {
    int64_t whole = 0;
    if (scalar_is_whole(bound, &whole)) {
        return whole;
    }
    if (bound->number >= 9e18 || bound->number <= -9e18) {
        return bound->number > 0 ? INT64_MAX : INT64_MIN;
    }
    whole = (int64_t)bound->number; /* towards 0 */
    return whole + (least && bound->number > 0) - (!least && bound->number < 0);
}

void kind_bounds(const struct kind *kind, struct span field, int64_t *min, int64_t *max) {
    *min = INT64_MIN;
    *max = INT64_MAX;
    const uint32_t place = schema_find(&kind->schema, &kind->schema.nodes[0], field);
    if (place == WORD_NONE) {
        return;
    }
    const struct schema_node *node = schema_node_of(&kind->schema, place);
    if (node->minimum.type != PACK_END) {
        *min = whole_bound(&node->minimum, true);
    }
    if (node->maximum.type != PACK_END) {
        *max = whole_bound(&node->maximum, false);
    }
}

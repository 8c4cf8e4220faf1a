/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/traces/derived.h"

#include <string.h>

#include "tests/support/codec.h"

#define EVENTS_MAX 32

static bool is_of(const char *topic, const char *kind) {
    return strncmp(topic, kind, strlen(kind)) == 0 && topic[strlen(kind)] == '/';
}

static bool is_text(const json_t *document, const char *field, const char *text) {
    const char *found = json_string_value(json_object_get(document, field));
    return found != NULL && strcmp(found, text) == 0;
}

static json_int_t number(const json_t *document, const char *field, json_int_t otherwise) {
    const json_t *value = json_object_get(document, field);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static const char *stock_availability(const json_t *document) {
    json_int_t available = number(document, "available", 0);
    return available == 0                                   ? "out_of_stock"
           : available <= number(document, "limited_at", 2) ? "limited_availability"
                                                            : "in_stock";
}

static const char *room_availability(const json_t *document) {
    json_int_t left = number(document, "booking_limit", 0);
    if (is_text(document, "status", "close")) {
        return "closed";
    }
    return left == 0 ? "sold_out" : left <= number(document, "limited_at", 3) ? "limited" : "available";
}

static const char *service_availability(const json_t *document) {
    static const char *const busy[] = {"reserved", "on_trip", "stopped"};
    static const char *const closed[] = {"non_operational", "non_contactable", "removed"};
    if (json_is_false(json_object_get(document, "is_operating"))) {
        return "closed";
    }
    if (json_object_get(document, "num_available") != NULL) {
        return number(document, "num_available", 0) > 0 ? "available" : "busy";
    }
    for (int i = 0; i < 3; i++) {
        if (is_text(document, "state", busy[i])) {
            return "busy";
        }
        if (is_text(document, "state", closed[i])) {
            return "closed";
        }
    }
    return is_text(document, "state", "available") ? "available" : NULL;
}

static json_int_t order_progress(const char *status) {
    static const char *const steps[5][6] = {
        {"payment_due", "confirmed"},
        {"processing", "pre_transit"},
        {"picked_up", "in_transit", "delayed", "return_to_sender"},
        {"out_for_delivery", "available_for_pickup", "attempted_delivery"},
        {"delivered", "returned", "failure", "cancelled"},
    };
    for (int step = 0; step < 5; step++) {
        for (int i = 0; i < 6 && steps[step][i] != NULL; i++) {
            if (strcmp(status, steps[step][i]) == 0) {
                return step;
            }
        }
    }
    return -1;
}

static void write_order(json_t *document, const json_t *old) {
    const char *status = json_string_value(json_object_get(document, "status"));
    json_t *events = json_deep_copy(json_object_get(old, "events"));
    if (events == NULL) {
        events = json_array();
    }
    const json_t *last = json_array_get(events, json_array_size(events) - 1);
    if (json_array_size(events) == 0 || !is_text(last, "status", status)) {
        json_array_append_new(events, json_pack("{s:s}", "status", status));
    }
    if (json_array_size(events) > EVENTS_MAX) {
        json_array_remove(events, 0);
    }
    json_object_set_new(document, "events", events);
    json_object_set_new(document, "progress", json_integer(order_progress(status)));
}

void derived_write(const char *topic, json_t *document, const json_t *old) {
    const char *availability = NULL;
    if (is_of(topic, "order")) {
        write_order(document, old);
        return;
    }
    if (is_of(topic, "stock")) {
        availability = stock_availability(document);
    } else if (is_of(topic, "room")) {
        availability = room_availability(document);
    } else if (is_of(topic, "service")) {
        availability = service_availability(document);
    }
    if (availability != NULL) {
        json_object_set_new(document, "availability", json_string(availability));
    } else {
        json_object_del(document, "availability");
    }
}

bool derived_equal(const json_t *held, const json_t *expected) {
    if (json_object_get(held, "events") == NULL) {
        return codec_values_equal(held, expected);
    }
    json_t *copy = json_deep_copy(held);
    size_t i;
    json_t *event;
    bool instants = true;
    json_array_foreach(json_object_get(copy, "events"), i, event) {
        instants = instants && json_is_integer(json_object_get(event, "at"));
        json_object_del(event, "at");
    }
    bool is_equal = instants && codec_values_equal(copy, expected);
    json_decref(copy);
    return is_equal;
}

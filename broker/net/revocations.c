/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/revocations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 64

struct revocation_slot {
    struct revocation revocation; /* value.data NULL: empty; else owned */
};

/* FNV-1a. What is revoked comes from the operator, so nobody aims at a slot. */
static uint64_t hash_of(enum revocation_kind kind, struct span value) {
    uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)kind;
    for (size_t i = 0; i < value.bytes; i++) {
        hash = (hash ^ value.data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

/* Where it stands, or may be put. There is always an empty slot. */
static struct revocation_slot *find(const struct revocations *revocations, enum revocation_kind kind, struct span value) {
    size_t at = (size_t)hash_of(kind, value) & (revocations->capacity - 1);
    for (;; at = (at + 1) & (revocations->capacity - 1)) {
        struct revocation_slot *slot = &revocations->slots[at];
        if (slot->revocation.value.data == NULL ||
            (slot->revocation.kind == kind && span_equal(slot->revocation.value, value))) {
            return slot;
        }
    }
}

static bool grow(struct revocations *revocations) {
    if (revocations->count * 2 < revocations->capacity) {
        return true;
    }
    struct revocations larger = {.capacity = revocations->capacity == 0 ? CAPACITY_FIRST : 2 * revocations->capacity};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < revocations->capacity; i++) {
        const struct revocation *revocation = &revocations->slots[i].revocation;
        if (revocation->value.data != NULL) {
            find(&larger, revocation->kind, revocation->value)->revocation = *revocation;
        }
    }
    larger.count = revocations->count;
    free(revocations->slots);
    *revocations = larger;
    return true;
}

bool revocations_add(struct revocations *revocations, const struct revocation *revocation) {
    if (revocations->count == REVOCATIONS_MAX || !grow(revocations)) {
        return false;
    }
    struct revocation_slot *slot = find(revocations, revocation->kind, revocation->value);
    if (slot->revocation.value.data != NULL) {
        if (revocation->before_s > slot->revocation.before_s) {
            slot->revocation.before_s = revocation->before_s;
        }
        return true;
    }
    uint8_t *value = malloc(revocation->value.bytes + 1);
    if (value == NULL) {
        return false;
    }
    memcpy(value, revocation->value.data, revocation->value.bytes);
    slot->revocation = *revocation;
    slot->revocation.value.data = value;
    revocations->count++;
    return true;
}

void revocations_fini(struct revocations *revocations) {
    for (size_t i = 0; i < revocations->capacity; i++) {
        uint8_t *value;
        memcpy(&value, &revocations->slots[i].revocation.value.data, sizeof value);
        free(value);
    }
    free(revocations->slots);
    *revocations = (struct revocations){0};
}

/* A credential that does not say when it was issued cannot show that it is newer. */
static bool holds(const struct revocations *revocations, enum revocation_kind kind, struct span value, int64_t issued_s) {
    const struct revocation *found = &find(revocations, kind, value)->revocation;
    return found->value.data != NULL && (issued_s < found->before_s);
}

bool revocations_hold(const struct revocations *revocations, const struct rights *rights) {
    if (revocations->count == 0 || rights == NULL || rights->is_anonymous) {
        return false;
    }
    return (rights->id.data != NULL && holds(revocations, REVOKE_ID, rights->id, -1)) ||
           holds(revocations, REVOKE_SUBJECT, span_of_text(rights->principal), rights->issued_s);
}

/* ---- as text ---- */

const char *revocation_fault(const struct revocation *revocation) {
    const size_t bytes_max = revocation->kind == REVOKE_ID ? RIGHTS_ID_BYTES_MAX : RIGHTS_PRINCIPAL_BYTES_MAX;
    if (revocation->value.bytes == 0 || revocation->value.bytes > bytes_max) {
        return "it must have 1 to 128 bytes";
    }
    for (size_t i = 0; i < revocation->value.bytes; i++) {
        if (revocation->value.data[i] < 0x20 || revocation->value.data[i] == 0x7f) {
            return "it must be printable";
        }
    }
    return revocation->before_s < 0 ? "`before` must not be negative" : NULL;
}

static const char *const kind_names[] = {[REVOKE_ID] = "jti ", [REVOKE_SUBJECT] = "sub "};
static const char before_word[] = " before ";

void revocation_put(struct buffer *out, const struct revocation *revocation) {
    buffer_put_text(out, kind_names[revocation->kind]);
    buffer_put_span(out, revocation->value);
    if (revocation->before_s != INT64_MAX) {
        buffer_put_text(out, before_word);
        buffer_put_decimal(out, revocation->before_s);
    }
    buffer_put_text(out, "\n");
}

/* "… before 1795000000" at the end of a line of a subject; a subject may hold blanks itself. */
static void take_before(struct revocation *revocation) {
    const size_t word = sizeof before_word - 1;
    const struct span value = revocation->value;
    size_t digits = 0;
    int64_t number = 0;
    int64_t factor = 1;
    while (digits < 12 && digits < value.bytes && value.data[value.bytes - 1 - digits] >= '0' &&
           value.data[value.bytes - 1 - digits] <= '9') {
        number += factor * (value.data[value.bytes - 1 - digits] - '0');
        factor *= 10;
        digits++;
    }
    if (digits > 0 && value.bytes > digits + word && memcmp(value.data + value.bytes - digits - word, before_word, word) == 0) {
        revocation->before_s = number;
        revocation->value.bytes -= digits + word;
    }
}

static const char *read_line(struct revocations *revocations, struct span line) {
    while (line.bytes > 0 && (line.data[line.bytes - 1] == '\r' || line.data[line.bytes - 1] == ' ')) {
        line.bytes--;
    }
    if (line.bytes == 0 || line.data[0] == '#') {
        return NULL;
    }
    struct revocation revocation = {.before_s = INT64_MAX};
    if (line.bytes < 4 || (memcmp(line.data, "jti ", 4) != 0 && memcmp(line.data, "sub ", 4) != 0)) {
        return "a line begins with jti or sub";
    }
    revocation.kind = line.data[0] == 'j' ? REVOKE_ID : REVOKE_SUBJECT;
    revocation.value = span_of(line.data + 4, line.bytes - 4);
    if (revocation.kind == REVOKE_SUBJECT) {
        take_before(&revocation);
    }
    const char *fault = revocation_fault(&revocation);
    if (fault != NULL) {
        return fault;
    }
    return revocations_add(revocations, &revocation) ? NULL : "too many, or no memory";
}

bool revocations_read(struct revocations *revocations, struct span text, char *why, size_t why_bytes) {
    for (size_t number = 1; text.bytes > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.bytes);
        const size_t bytes = end == NULL ? text.bytes : (size_t)(end - text.data);
        const char *fault = read_line(revocations, span_of(text.data, bytes));
        if (fault != NULL) {
            snprintf(why, why_bytes, "line %zu: %s", number, fault);
            return false;
        }
        text = end == NULL ? (struct span){0} : span_of(end + 1, text.bytes - bytes - 1);
    }
    return true;
}

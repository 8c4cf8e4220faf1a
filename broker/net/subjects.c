/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/subjects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 /* a power of two */

/* How many idle ones are looked at when a new one comes: more go than come. */
#define FORGET_AT_ONCE 4
#define IDLE_MS 10000

struct subject {
    struct link idle;
    struct subject *next;
    size_t sessions;
    struct allowance allowance;
    int64_t rate; /* that the allowance was last looked at with */
    char name[];
};

bool subjects_init(struct subjects *subjects, uint64_t seed) {
    memset(subjects, 0, sizeof *subjects);
    pthread_mutex_init(&subjects->mutex, NULL);
    list_init(&subjects->idle);
    subjects->seed = seed;
    subjects->buckets = calloc(BUCKETS, sizeof *subjects->buckets);
    return subjects->buckets != NULL;
}

static struct subject **bucket_of(struct subjects *subjects, const char *name) {
    uint64_t hash = subjects->seed;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return &subjects->buckets[(size_t)(hash >> 20) & (BUCKETS - 1)];
}

static void forget(struct subjects *subjects, struct subject *subject) {
    struct subject **place = bucket_of(subjects, subject->name);
    while (*place != subject) {
        place = &(*place)->next;
    }
    *place = subject->next;
    link_remove(&subject->idle);
    subjects->count--;
    free(subject);
}

void subjects_fini(struct subjects *subjects) {
    if (subjects->buckets == NULL) {
        return;
    }
    for (struct link *link; !list_is_empty(&subjects->idle);) {
        link = subjects->idle.next;
        forget(subjects, CONTAINER_OF(link, struct subject, idle));
    }
    assert(subjects->count == 0);
    free(subjects->buckets);
    pthread_mutex_destroy(&subjects->mutex);
    subjects->buckets = NULL;
}

/* Those who owe something are remembered until they do not. */
static void forget_idle(struct subjects *subjects, int64_t now_ms) {
    for (int i = 0; i < FORGET_AT_ONCE && !list_is_empty(&subjects->idle); i++) {
        struct subject *oldest = CONTAINER_OF(subjects->idle.next, struct subject, idle);
        if (now_ms - oldest->allowance.filled_ms < IDLE_MS ||
            (oldest->rate > 0 && allowance_left(&oldest->allowance, oldest->rate, now_ms) < oldest->rate)) {
            return;
        }
        forget(subjects, oldest);
    }
}

static struct subject *find_or_add(struct subjects *subjects, const char *name, int64_t rate, int64_t now_ms) {
    struct subject **bucket = bucket_of(subjects, name);
    for (struct subject *subject = *bucket; subject != NULL; subject = subject->next) {
        if (strcmp(subject->name, name) == 0) {
            return subject;
        }
    }
    const size_t bytes = strlen(name) + 1;
    struct subject *subject = calloc(1, sizeof *subject + bytes);
    if (subject != NULL) {
        memcpy(subject->name, name, bytes);
        allowance_init(&subject->allowance, rate, now_ms);
        subject->next = *bucket;
        *bucket = subject;
        list_init(&subject->idle);
        subjects->count++;
    }
    return subject;
}

/* ---- sessions ---- */

struct subject *subjects_enter(struct subjects *subjects, const char *name, size_t sessions_max) {
    pthread_mutex_lock(&subjects->mutex);
    struct subject *subject = find_or_add(subjects, name, 0, 0);
    if (subject != NULL && subject->sessions >= sessions_max) {
        subject = NULL;
    } else if (subject != NULL) {
        subject->sessions++;
        link_remove(&subject->idle);
    }
    pthread_mutex_unlock(&subjects->mutex);
    return subject;
}

void subjects_leave(struct subjects *subjects, struct subject *subject) {
    if (subject == NULL) {
        return;
    }
    pthread_mutex_lock(&subjects->mutex);
    assert(subject->sessions > 0);
    if (--subject->sessions == 0) {
        list_append(&subjects->idle, &subject->idle);
    }
    pthread_mutex_unlock(&subjects->mutex);
}

/* ---- changes ---- */

static struct subject *touch(struct subjects *subjects, const char *name, int64_t rate, int64_t now_ms) {
    forget_idle(subjects, now_ms);
    struct subject *subject = find_or_add(subjects, name, rate, now_ms);
    if (subject == NULL) {
        return NULL;
    }
    if (subject->rate != rate && subject->rate == 0) { /* its first change */
        allowance_init(&subject->allowance, rate, now_ms);
    }
    subject->rate = rate;
    if (subject->sessions == 0) {
        link_remove(&subject->idle);
        list_append(&subjects->idle, &subject->idle);
    }
    return subject;
}

int64_t subjects_take(struct subjects *subjects, const char *name, int64_t rate, int64_t now_ms, int64_t count) {
    pthread_mutex_lock(&subjects->mutex);
    struct subject *subject = touch(subjects, name, rate, now_ms);
    const int64_t retry_ms = subject == NULL ? 0 : allowance_take(&subject->allowance, rate, now_ms, count);
    pthread_mutex_unlock(&subjects->mutex);
    return retry_ms;
}

int64_t subjects_left(struct subjects *subjects, const char *name, int64_t rate, int64_t now_ms) {
    pthread_mutex_lock(&subjects->mutex);
    struct subject *subject = touch(subjects, name, rate, now_ms);
    const int64_t left = subject == NULL ? rate : allowance_left(&subject->allowance, rate, now_ms);
    pthread_mutex_unlock(&subjects->mutex);
    return left;
}

size_t subjects_count(struct subjects *subjects) {
    pthread_mutex_lock(&subjects->mutex);
    const size_t count = subjects->count;
    pthread_mutex_unlock(&subjects->mutex);
    return count;
}

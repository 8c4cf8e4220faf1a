/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/cores.h"

#include <sched.h>
#include <stdlib.h>

#define CORE_MAX 4095

static bool add_core(struct cores *cores, int core) {
    for (int i = 0; i < cores->count; i++) {
        if (cores->at[i] == core) {
            return false;
        }
    }
    if (cores->count == LOADS_MAX) {
        return false;
    }
    cores->at[cores->count++] = core;
    return true;
}

/* A number at *text, which then stands behind it; -1: there is none. */
static int take_number(const char **text) {
    char *behind;
    if (**text < '0' || **text > '9') {
        return -1;
    }
    long number = strtol(*text, &behind, 10);
    *text = behind;
    return number <= CORE_MAX ? (int)number : -1;
}

bool cores_parse(const char *text, struct cores *out) {
    *out = (struct cores){.count = 0};
    for (;; text++) {
        int first = take_number(&text);
        int last = first;
        if (*text == '-') {
            text++;
            last = take_number(&text);
        }
        if (first < 0 || last < first) {
            return false;
        }
        for (int core = first; core <= last; core++) {
            if (!add_core(out, core)) {
                return false;
            }
        }
        if (*text != ',') {
            return *text == '\0';
        }
    }
}

void cores_beside(int other, struct cores *out) {
    cpu_set_t set;
    *out = (struct cores){.count = 0};
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return;
    }
    for (int core = 0; core < CPU_SETSIZE && out->count < LOADS_MAX; core++) {
        if (core != other && CPU_ISSET((size_t)core, &set)) {
            out->at[out->count++] = core;
        }
    }
}

int cores_of(const struct cores *cores, int number) {
    return cores->count > 0 ? cores->at[number % cores->count] : -1;
}

double cores_busiest(const struct cores *cores, const double *shares, int count) {
    const int step = cores->count > 0 ? cores->count : count; /* processes so far apart share a core */
    double busiest = 0;
    for (int first = 0; first < step && first < count; first++) {
        double sum = 0;
        for (int i = first; i < count; i += step) {
            sum += shares[i];
        }
        busiest = sum > busiest ? sum : busiest;
    }
    return busiest;
}

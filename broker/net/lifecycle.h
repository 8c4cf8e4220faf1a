/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * The phases of the process: open the store and listen, load in slices, be ready, drain, stop. Loop thread.
 *
 *   LOADING ── loaded ──▶ READY ── SIGTERM, SIGINT ──▶ DRAINING ── the last connection gone, or drain_ms ──▶ STOPPED
 *
 * A second signal ends the process at once. The store is closed after the loop has ended.
 */
#ifndef NET_LIFECYCLE_H
#define NET_LIFECYCLE_H

#include <stdbool.h>

struct broker;

/* Loads some records. True while there are more. */
bool lifecycle_load_slice(struct broker *broker);

void lifecycle_on_signal(struct broker *broker, int number);
void lifecycle_on_time(struct broker *broker);

/* Draining ends with the last connection. */
void lifecycle_check_drained(struct broker *broker);

#endif

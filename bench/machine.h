/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* The machine and the day, for reports. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>
#include <stdint.h>

void machine_cpu(char *out, size_t out_bytes);
void machine_date(char *out, size_t out_bytes); /* UTC, RFC 3339 */

/* "2 cores, AMD EPYC, 24 GiB, Linux 6.1" */
void machine_text(char *out, size_t out_bytes);

/* Bytes; -1: it does not say. */
int64_t machine_memory_available(void);

#endif

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* A run of a trace's events as bytes of the protocol, in the encoding of the trace's data. Stateless. */
#ifndef AHORA_TESTS_BATCH_H
#define AHORA_TESTS_BATCH_H

#include "tests/traces/trace.h"

/* {"op":"pub","id":…,"ack":…,"changes":[…]}. A POST has the same body: unknown keys are ignored. */
void batch_append_publish(const struct trace *trace, size_t first, size_t count, size_t id, const char *ack, struct bytes *out);

/* One change a line. */
void batch_append_lines(const struct trace *trace, size_t first, size_t count, struct bytes *out);

#endif

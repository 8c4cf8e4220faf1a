/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* What GET /v1/topics says, against the traces' expected state. Stateless. */
#ifndef AHORA_TESTS_LISTING_H
#define AHORA_TESTS_LISTING_H

#include "tests/traces/trace.h"

/*
 * Asks for the topics that match the pattern, as NDJSON and page by page if the broker wants it so, and compares: the same topics,
 * each once, the same documents, the seq of the last published change. Returns the number of differences and prints the first few.
 */
size_t listing_compare(uint16_t port, const char *pattern, const struct trace *traces, size_t trace_count);

#endif

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Days of the calendar (proleptic Gregorian, ISO 8601 `YYYY-MM-DD`) as numbers, without clock or time zone. Pure.
 */
#ifndef CORE_DATE_H
#define CORE_DATE_H

#include "proto/buffer.h"

#define DATE_BYTES 10

/* False: not ten characters that name a day that exists. *days: since 1970-01-01. */
bool date_parse(struct span text, int64_t *days);

/* Writes ten characters, no terminator; the year must lie in 0 to 9999. */
void date_put(char text[DATE_BYTES], int64_t days);

/* 0 Monday to 6 Sunday. */
unsigned date_weekday(int64_t days);

#endif

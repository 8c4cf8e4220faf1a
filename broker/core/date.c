/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/date.h"

#include <assert.h>

static bool digits_read(const uint8_t *at, unsigned count, unsigned *number) {
    *number = 0;
    for (unsigned i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        *number = 10 * *number + (at[i] - '0');
    }
    return true;
}

static unsigned days_of_month(unsigned year, unsigned month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leaps);
}

/*
 * Years begin in March here, so that the leap day is the last of them, and 400 years, an era, have 146,097 days. Every five months from
 * March on have 153 days: (153 m + 2) / 5 days lie before month m.
 */
static int64_t days_of(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

bool date_parse(struct span text, int64_t *days) {
    unsigned year, month, day;
    const uint8_t *at = text.data;
    if (text.bytes != DATE_BYTES || at[4] != '-' || at[7] != '-' || !digits_read(at, 4, &year) ||
        !digits_read(at + 5, 2, &month) || !digits_read(at + 8, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month)) {
        return false;
    }
    *days = days_of(year, month, day);
    return true;
}

static void digits_put(char *at, unsigned count, int64_t number) {
    while (count > 0) {
        at[--count] = (char)('0' + number % 10);
        number /= 10;
    }
}

void date_put(char text[DATE_BYTES], int64_t days) {
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const int64_t day_of_era = days - era * 146097;
    const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153;
    const int64_t year = year_of_era + era * 400 + (month >= 10);
    assert(year >= 0 && year <= 9999);
    digits_put(text, 4, year);
    text[4] = '-';
    digits_put(text + 5, 2, month < 10 ? month + 3 : month - 9);
    text[7] = '-';
    digits_put(text + 8, 2, day_of_year - (153 * month + 2) / 5 + 1);
}

unsigned date_weekday(int64_t days) {
    return (unsigned)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/text_form.h"

#include <assert.h>

#include "broker/core/date.h"
#include "broker/core/uri.h"

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_uuid(struct span text) {
    for (size_t i = 0; i < text.bytes; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.data[i] != '-' : !is_hex(text.data[i])) {
            return false;
        }
    }
    return text.bytes == 36;
}

static bool is_date(struct span text) {
    int64_t days;
    return date_parse(text, &days);
}

static size_t digits(struct span text, size_t at) {
    size_t count = 0;
    while (at + count < text.bytes && is_digit(text.data[at + count])) {
        count++;
    }
    return count;
}

static bool is_money(struct span text) {
    const size_t whole = digits(text, 0);
    if (whole < 1 || whole > 12) {
        return false;
    }
    if (whole == text.bytes) {
        return true;
    }
    const size_t parts = digits(text, whole + 1);
    return text.data[whole] == '.' && parts >= 1 && parts <= 4 && whole + 1 + parts == text.bytes;
}

static bool is_currency(struct span text) {
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] < 'A' || text.data[i] > 'Z') {
            return false;
        }
    }
    return text.bytes == 3;
}

static bool is_anything(struct span text) {
    (void)text;
    return true;
}

static const struct {
    const char *name; /* of `format`; NULL: not to be had there */
    const char *text;
    bool (*fits)(struct span text);
} forms[TEXT_FORMS] = {
    [TEXT_FORM_NONE] = {NULL, "text", is_anything},
    [TEXT_FORM_DATE] = {"date", "a date such as 2027-05-01", is_date},
    [TEXT_FORM_URI] = {"uri", "a URI such as https://example.com/", uri_is_legal},
    [TEXT_FORM_UUID] = {"uuid", "a UUID", is_uuid},
    [TEXT_FORM_MONEY] = {NULL, "a decimal such as \"24.90\"", is_money},
    [TEXT_FORM_CURRENCY] = {NULL, "a currency such as EUR (ISO 4217)", is_currency},
};

bool text_form_fits(enum text_form form, struct span text) {
    assert(form < TEXT_FORMS);
    return forms[form].fits(text);
}

const char *text_form_text(enum text_form form) {
    return forms[form].text;
}

enum text_form text_form_find(struct span name) {
    for (int form = 0; form < TEXT_FORMS; form++) {
        if (forms[form].name != NULL && span_is(name, forms[form].name)) {
            return (enum text_form)form;
        }
    }
    return TEXT_FORM_NONE;
}

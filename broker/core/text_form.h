/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Forms that a text may be required to have: JSON Schema's `format` (date, uri, uuid), and money and currency codes. Pure.
 */
#ifndef CORE_TEXT_FORM_H
#define CORE_TEXT_FORM_H

#include "proto/buffer.h"

enum text_form {
    TEXT_FORM_NONE,
    TEXT_FORM_DATE,     /* 2027-05-01, a day that exists (RFC 3339 full-date) */
    TEXT_FORM_URI,      /* with its scheme (RFC 3986, `URI`) */
    TEXT_FORM_UUID,     /* 8-4-4-4-12 hexadecimal digits */
    TEXT_FORM_MONEY,    /* 1 to 12 digits, perhaps a point and 1 to 4 more */
    TEXT_FORM_CURRENCY, /* three letters A to Z (ISO 4217) */
    TEXT_FORMS,
};

bool text_form_fits(enum text_form form, struct span text);

/* "a date such as 2027-05-01" */
const char *text_form_text(enum text_form form);

/* The form that a schema calls so in `format`; TEXT_FORM_NONE: there is none. */
enum text_form text_form_find(struct span name);

#endif

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * What the HTTP API's calls say of themselves: one row for each handler of the route table, from which /openapi.json is written.
 * A handler without a row, and a row without a route, fail the unit tests. Constant, any thread.
 */
#ifndef NET_OPERATION_H
#define NET_OPERATION_H

#include "broker/net/api.h"

#define OPERATION_CODE(code) (UINT64_C(1) << (code))
#define OPERATION_BODIES 3
#define OPERATION_ANSWERS 4

struct operation_content {
    const char *type;   /* media type; NULL ends a list */
    const char *schema; /* of components.schemas; "" for text */
};

struct operation_answer {
    int status; /* 0 ends the list */
    const char *text;
    const char *headers; /* of components.headers, separated by blanks; NULL: none */
    struct operation_content contents[2];
};

struct operation {
    const struct handler *handler;
    const char *id;
    const char *tag;
    const char *summary;
    const char *description; /* NULL: none */
    const char *rest;        /* what the path's open part is called: "topic"; NULL: it has none */
    const char *parameters;  /* of components.parameters, separated by blanks; NULL: none */
    bool body_is_optional;
    struct operation_content bodies[OPERATION_BODIES];
    struct operation_answer answers[OPERATION_ANSWERS];
    uint64_t codes; /* bits of the error codes it may answer with */
};

/* In the order of the description; NULL past the last. */
const struct operation *operation_at(size_t index);

const struct operation *operation_find(const struct handler *handler); /* NULL: it has no row */

#endif

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/narrow_query.h"

#include "broker/net/broker.h"
#include "proto/json.h"

static bool refuse_fault(struct exchange *exchange, const struct request_fault *fault) {
    struct buffer errors;
    buffer_init(&errors, 4096);
    pack_put_list(&errors, 1);
    pack_put_map(&errors, 2);
    pack_put_key(&errors, "pointer");
    pack_put_text(&errors, span_of_text(fault->pointer));
    pack_put_key(&errors, "detail");
    pack_put_text(&errors, span_of_text(fault->detail));
    exchange_problem(exchange,
                     &(struct problem){.code = AHORA_INVALID, .detail = fault->detail, .errors = buffer_span(&errors)});
    buffer_fini(&errors);
    return false;
}

static bool refuse(struct exchange *exchange, const char *detail, const char *parameter) {
    struct request_fault fault;
    request_fault_set(&fault, detail, parameter, (struct span){0}, NULL);
    return refuse_fault(exchange, &fault);
}

/* JSON text as one packed value in `out`. */
static bool pack(struct span text, struct buffer *out) {
    const char *detail = NULL;
    return json_to_pack(text, AHORA_DEPTH_MAX, out, &detail) == AHORA_OK && !out->failed;
}

/* Absent is fine: then `text` is empty. */
static bool read_text(struct exchange *exchange, const char *name, struct buffer *text) {
    bool malformed = false;
    buffer_init(text, (size_t)exchange->broker->config.header_bytes_max);
    exchange_query(exchange, name, text, &malformed);
    return !malformed && !text->failed;
}

static bool read_where(struct exchange *exchange, struct narrow_query *query) {
    struct buffer text;
    bool fine = read_text(exchange, "where", &text);
    if (fine && text.bytes > 0) {
        fine = pack(buffer_span(&text), &query->where_bytes);
        query->where = buffer_span(&query->where_bytes);
    }
    buffer_fini(&text);
    return fine || refuse(exchange, "`where` must be a map as JSON", "where");
}

/* Three numbers as JSON writes them, between commas. */
static bool put_circle(struct span text, int64_t limit, struct buffer *out) {
    static const char *const keys[] = {"lat", "lon", "radius_m"};
    struct buffer list;
    struct buffer packed;
    buffer_init(&list, text.bytes + 2);
    buffer_init(&packed, 256);
    buffer_put_text(&list, "[");
    buffer_put_span(&list, text);
    buffer_put_text(&list, "]");
    bool fine = !list.failed && pack(buffer_span(&list), &packed);
    struct pack_reader reader = pack_reader_of(buffer_span(&packed));
    if (fine && pack_read_list(&reader) == 3) {
        pack_put_map(out, limit > 0 ? 4 : 3);
        for (int i = 0; i < 3; i++) {
            pack_put_key(out, keys[i]);
            pack_put_raw(out, pack_skip(&reader));
        }
        if (limit > 0) {
            pack_put_key(out, "limit");
            pack_put_int(out, limit);
        }
    } else {
        fine = false;
    }
    buffer_fini(&list);
    buffer_fini(&packed);
    return fine && !out->failed;
}

static bool read_near(struct exchange *exchange, struct narrow_query *query) {
    struct buffer text;
    int64_t limit = 0;
    bool fine = read_text(exchange, "near", &text) && exchange_query_int(exchange, "near_limit", 1, INT32_MAX, &limit);
    if (fine && text.bytes > 0) {
        fine = put_circle(buffer_span(&text), limit, &query->near_bytes);
        query->near = buffer_span(&query->near_bytes);
    }
    buffer_fini(&text);
    return fine || refuse(exchange, "`near` must be LAT,LON,RADIUS_M, and `near_limit` a positive integer", "near");
}

bool narrow_query_read(struct exchange *exchange, struct narrow_query *query) {
    const struct limits *limits = core_limits(exchange->broker->core);
    struct request_fault fault = {.detail = "out of memory"};
    *query = (struct narrow_query){0};
    buffer_init(&query->where_bytes, 65536);
    buffer_init(&query->near_bytes, 4096);
    if (!read_where(exchange, query) || !read_near(exchange, query)) {
        return false;
    }
    enum ahora_code code = AHORA_OK;
    if (query->where.data != NULL) {
        code = where_parse(query->where, limits, &query->parsed, &fault);
    }
    if (code == AHORA_OK && query->near.data != NULL) {
        code = circle_parse(query->near, limits, NULL, &query->circle, &fault);
    }
    if (code == AHORA_INVALID) {
        return refuse_fault(exchange, &fault);
    }
    if (code != AHORA_OK) {
        exchange_refuse(exchange, code, fault.detail);
    }
    return code == AHORA_OK;
}

void narrow_query_fini(struct narrow_query *query) {
    where_unref(query->parsed);
    buffer_fini(&query->where_bytes);
    buffer_fini(&query->near_bytes);
    *query = (struct narrow_query){0};
}

struct filter narrow_query_filter(const struct narrow_query *query) {
    return (struct filter){query->parsed, query->near.data != NULL ? &query->circle : NULL};
}

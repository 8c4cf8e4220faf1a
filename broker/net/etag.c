/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/etag.h"

#include <string.h>

static void skip_separators(struct span *list) {
    while (list->bytes > 0 && (list->data[0] == ' ' || list->data[0] == '\t' || list->data[0] == ',')) {
        list->data++;
        list->bytes--;
    }
}

bool etag_next(struct span *list, struct span *tag, bool *weak) {
    skip_separators(list);
    *weak = list->bytes >= 2 && list->data[0] == 'W' && list->data[1] == '/';
    size_t start = *weak ? 2 : 0;
    if (list->bytes <= start || list->data[start] != '"') {
        return false;
    }
    const uint8_t *end = memchr(list->data + start + 1, '"', list->bytes - start - 1);
    if (end == NULL) {
        return false;
    }
    *tag = (struct span){list->data + start + 1, (size_t)(end - list->data) - start - 1};
    size_t used = (size_t)(end - list->data) + 1;
    list->data += used;
    list->bytes -= used;
    return true;
}

/* The seq of a tag of this epoch; -1 for any other. */
static int64_t seq_of(struct span tag, const struct core *core) {
    struct token token;
    return token_parse(tag, &token) && strcmp(token.epoch, core_epoch(core)) == 0 ? token.seq : -1;
}

bool etag_lists(const struct http_head *head, const char *header, const struct core *core, int64_t seq, bool weak) {
    struct span list = http_header_find(head, header);
    struct span tag;
    bool is_weak;
    if (list.data != NULL && span_is(list, "*")) {
        return seq > 0;
    }
    while (etag_next(&list, &tag, &is_weak)) {
        if ((weak || !is_weak) && seq_of(tag, core) == seq) {
            return true;
        }
    }
    return false;
}

bool etag_choose(const struct http_head *head, const struct core *core, int64_t seq, int64_t *chosen) {
    struct span list = http_header_find(head, "if-match");
    struct span tag;
    bool weak;
    *chosen = seq;
    if (span_is(list, "*")) {
        return seq > 0;
    }
    int64_t first = -1;
    while (etag_next(&list, &tag, &weak)) {
        int64_t listed = weak ? -1 : seq_of(tag, core);
        if (listed == seq && listed > 0) {
            return true;
        }
        first = first < 0 ? listed : first;
    }
    *chosen = first;
    return first > 0;
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Rights as they are made: what a token or key says is read into a draft, whose patterns have their claims filled in; when its size is
 * known it becomes one object, which is constant from then on.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/grant.h"
#include "broker/core/mask.h"
#include "broker/core/rights.h"

/* What is read before its size is known: texts one behind the other, and where they are. */
struct list {
    struct buffer text;
    uint32_t count;
    uint32_t ends[RIGHTS_PATTERNS_MAX];
};

struct draft {
    const struct rights_claims *claims;
    struct list subs;
    struct list pubs;
    struct list sources;
    struct buffer mask;
    uint32_t expanded; /* claims filled in so far */
    const char *fault;
};

/* A list of values multiplies what stands behind it, and an empty one at the end leaves no pattern that would be counted. */
#define EXPANDED_MAX (8 * RIGHTS_PATTERNS_MAX)

#define LIST_BYTES_MAX ((size_t)RIGHTS_PATTERNS_MAX * (AHORA_TOPIC_BYTES_MAX + 1))

static bool refuse(struct draft *draft, const char *fault) {
    draft->fault = fault;
    return false;
}

static bool list_add(struct draft *draft, struct list *list, struct span text, uint32_t count_max) {
    if (list->count == count_max) {
        return refuse(draft, "too many patterns or sources");
    }
    buffer_put_span(&list->text, text);
    list->ends[list->count++] = (uint32_t)list->text.bytes;
    return true;
}

static struct span list_at(const struct list *list, uint32_t index) {
    const uint32_t start = index == 0 ? 0 : list->ends[index - 1];
    return span_of(list->text.data + start, list->ends[index] - start);
}

static struct span claim_of(const struct draft *draft, struct span name) {
    return draft->claims->claims.data == NULL ? (struct span){0} : pack_find_key(draft->claims->claims, name);
}

static bool put_segment(struct draft *draft, struct buffer *text, struct span value) {
    if (name_segment_fault(value) != NULL) {
        return refuse(draft, "a claim named in a pattern is no legal segment");
    }
    buffer_put_span(text, value);
    return true;
}

static bool expand(struct draft *draft, struct list *list, struct span head, struct span rest);

/* The rest of the pattern for one value of the claim. */
static bool expand_value(struct draft *draft, struct list *list, struct span head, struct span value, struct span behind) {
    uint8_t memory[AHORA_TOPIC_BYTES_MAX + 1];
    if (head.bytes + value.bytes > AHORA_TOPIC_BYTES_MAX || ++draft->expanded > EXPANDED_MAX) {
        return refuse(draft, "a pattern is too long with its claims, or stands for too many");
    }
    struct buffer text;
    buffer_init(&text, AHORA_TOPIC_BYTES_MAX);
    buffer_put_span(&text, head);
    bool fine = put_segment(draft, &text, value);
    const size_t bytes = text.bytes;
    if (fine && !text.failed) {
        memcpy(memory, text.data, bytes);
    }
    fine = fine && (!text.failed || refuse(draft, "no memory"));
    buffer_fini(&text);
    return fine && expand(draft, list, span_of(memory, bytes), behind);
}

static bool expand_claim(struct draft *draft, struct list *list, struct span head, struct span name, struct span behind) {
    if (span_is(name, "sub")) {
        return expand_value(draft, list, head, draft->claims->principal, behind);
    }
    struct pack_reader reader = pack_reader_of(claim_of(draft, name));
    uint32_t left = 1;
    if (pack_peek(&reader) == PACK_LIST) {
        left = pack_read_list(&reader);
    } else if (pack_peek(&reader) != PACK_TEXT) {
        return refuse(draft, "a claim named in a pattern is neither a text nor a list of texts");
    }
    for (; left > 0; left--) {
        if (pack_peek(&reader) != PACK_TEXT) {
            return refuse(draft, "a claim named in a pattern is neither a text nor a list of texts");
        }
        if (!expand_value(draft, list, head, pack_read_text(&reader), behind)) {
            return false;
        }
    }
    return true;
}

/* A pattern without any braces left. */
static bool add_pattern(struct draft *draft, struct list *list, struct span text) {
    struct name name;
    if (name_parse_pattern(text, &name, NULL) != AHORA_OK) {
        return refuse(draft, "a granted pattern is malformed");
    }
    return list_add(draft, list, text, RIGHTS_PATTERNS_MAX);
}

static unsigned slashes_in(struct span text) {
    unsigned count = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        count += text.data[i] == '/';
    }
    return count;
}

/* `rest` with every `{claim}` in it filled in, behind `head`. As deep as a pattern has segments. */
static bool expand(struct draft *draft, struct list *list, struct span head, struct span rest) {
    const uint8_t *open = rest.bytes == 0 ? NULL : memchr(rest.data, '{', rest.bytes);
    if (head.bytes + rest.bytes > 2 * AHORA_TOPIC_BYTES_MAX || slashes_in(head) + slashes_in(rest) >= AHORA_SEGMENTS_MAX) {
        return refuse(draft, "a granted pattern is too long");
    }
    uint8_t memory[2 * AHORA_TOPIC_BYTES_MAX];
    const size_t before = open == NULL ? rest.bytes : (size_t)(open - rest.data);
    if (head.bytes > 0) {
        memcpy(memory, head.data, head.bytes);
    }
    if (before > 0) {
        memcpy(memory + head.bytes, rest.data, before);
    }
    const struct span done = span_of(memory, head.bytes + before);
    if (open == NULL) {
        return add_pattern(draft, list, done);
    }
    const uint8_t *close = memchr(open, '}', rest.bytes - before);
    if (close == NULL || done.bytes == 0 || done.data[done.bytes - 1] != '/' ||
        (close + 1 < rest.data + rest.bytes && close[1] != '/')) {
        return refuse(draft, "a claim in a pattern must be a whole segment behind the first");
    }
    const struct span name = span_of(open + 1, (size_t)(close - open - 1));
    const struct span behind = span_of(close + 1, (size_t)(rest.data + rest.bytes - close - 1));
    return expand_claim(draft, list, done, name, behind);
}

static bool read_patterns(struct draft *draft, struct span value, struct list *list) {
    struct pack_reader reader = pack_reader_of(value);
    if (pack_peek(&reader) != PACK_LIST) {
        return refuse(draft, "`sub` and `pub` must be lists of patterns");
    }
    for (uint32_t left = pack_read_list(&reader); left > 0; left--) {
        if (pack_peek(&reader) != PACK_TEXT) {
            return refuse(draft, "`sub` and `pub` must be lists of patterns");
        }
        if (!expand(draft, list, (struct span){0}, pack_read_text(&reader))) {
            return false;
        }
    }
    return true;
}

static bool read_sub(struct draft *draft, struct rights *rights, struct span value) {
    (void)rights;
    return read_patterns(draft, value, &draft->subs);
}

static bool read_pub(struct draft *draft, struct rights *rights, struct span value) {
    (void)rights;
    return read_patterns(draft, value, &draft->pubs);
}

static bool read_ops(struct draft *draft, struct rights *rights, struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    if (pack_peek(&reader) != PACK_LIST) {
        return refuse(draft, "`ops` must be a list");
    }
    rights->ops = 0;
    for (uint32_t left = pack_read_list(&reader); left > 0; left--) {
        const struct span name = pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : (struct span){0};
        unsigned op = 0;
        while (op < CHANGE_OPS && !span_is(name, change_op_name((enum change_op)op))) {
            op++;
        }
        if (op == CHANGE_OPS) {
            return refuse(draft, "`ops` must name set, patch, adjust, touch or delete");
        }
        rights->ops |= 1u << op;
    }
    return true;
}

static bool read_fields(struct draft *draft, struct rights *rights, struct span value) {
    (void)rights;
    const char *fault = mask_compile(value, &draft->mask);
    return fault == NULL || refuse(draft, fault);
}

static bool read_number(struct draft *draft, struct span value, int64_t *number) {
    struct pack_reader reader = pack_reader_of(value);
    if (pack_peek(&reader) != PACK_INT) {
        return refuse(draft, "`every_ms` and `max_subs` must be integers");
    }
    *number = pack_read_int(&reader);
    return *number >= 0 || refuse(draft, "`every_ms` and `max_subs` must not be negative");
}

static bool read_every_ms(struct draft *draft, struct rights *rights, struct span value) {
    return read_number(draft, value, &rights->every_ms);
}

static bool read_max_subs(struct draft *draft, struct rights *rights, struct span value) {
    return read_number(draft, value, &rights->max_subs);
}

static bool read_source(struct draft *draft, struct rights *rights, struct span value) {
    (void)rights;
    struct pack_reader reader = pack_reader_of(value);
    if (pack_peek(&reader) != PACK_LIST) {
        return refuse(draft, "`source` must be a list of names");
    }
    for (uint32_t left = pack_read_list(&reader); left > 0; left--) {
        const struct span name = pack_peek(&reader) == PACK_TEXT ? pack_read_text(&reader) : (struct span){0};
        if (name.bytes == 0 || name.bytes > AHORA_SEGMENT_BYTES_MAX || memchr(name.data, '*', name.bytes - 1) != NULL) {
            return refuse(draft, "`source` must hold names, or beginnings of names with a star behind");
        }
        if (!list_add(draft, &draft->sources, name, RIGHTS_SOURCES_MAX)) {
            return false;
        }
    }
    return true;
}

static bool read_truth(struct draft *draft, struct span value, const char *fault, bool *truth) {
    struct pack_reader reader = pack_reader_of(value);
    if (pack_peek(&reader) != PACK_BOOL) {
        return refuse(draft, fault);
    }
    *truth = pack_read_bool(&reader);
    return true;
}

static bool read_admin(struct draft *draft, struct rights *rights, struct span value) {
    return read_truth(draft, value, "`admin` must be true or false", &rights->admin);
}

static bool read_figures(struct draft *draft, struct rights *rights, struct span value) {
    return read_truth(draft, value, "`figures` must be true or false", &rights->figures);
}

/* A key that we do not know might have taken something away: it is refused. */
static bool read_ahora(struct draft *draft, struct rights *rights) {
    static const struct {
        const char *name;
        bool (*read)(struct draft *draft, struct rights *rights, struct span value);
    } keys[] = {
        {"sub", read_sub},       {"pub", read_pub},           {"ops", read_ops},
        {"fields", read_fields}, {"every_ms", read_every_ms}, {"max_subs", read_max_subs},
        {"source", read_source}, {"admin", read_admin},       {"figures", read_figures},
    };
    struct pack_reader reader = pack_reader_of(draft->claims->ahora);
    if (draft->claims->ahora.data == NULL) {
        return true;
    }
    if (pack_peek(&reader) != PACK_MAP) {
        return refuse(draft, "`ahora` must be a map");
    }
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        const struct span name = pack_read_text(&reader);
        const struct span value = pack_skip(&reader);
        size_t i = 0;
        while (i < sizeof keys / sizeof keys[0] && !span_is(name, keys[i].name)) {
            i++;
        }
        if (i == sizeof keys / sizeof keys[0]) {
            return refuse(draft, "`ahora` has a key of no meaning");
        }
        if (!keys[i].read(draft, rights, value)) {
            return false;
        }
    }
    return true;
}

/* ---- the object: everything in one piece ---- */

static uint8_t *place_text(uint8_t **at, struct span text) {
    uint8_t *placed = *at;
    if (text.bytes > 0) {
        memcpy(placed, text.data, text.bytes);
    }
    *at += text.bytes;
    return placed;
}

static void place_grants(struct grant *grants, const struct list *list, uint8_t **at) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct span text = list_at(list, i);
        struct name name;
        const enum ahora_code code = name_parse_pattern(text, &name, NULL);
        assert(code == AHORA_OK && "it was parsed before");
        (void)code;
        grants[i] = grant_of(&name, place_text(at, text));
    }
}

static struct rights *place(const struct draft *draft, const struct rights *head) {
    const size_t grants = ((size_t)draft->subs.count + draft->pubs.count) * sizeof(struct grant);
    const size_t sources = draft->sources.count * sizeof(struct span);
    const size_t texts = draft->subs.text.bytes + draft->pubs.text.bytes + draft->sources.text.bytes + draft->mask.bytes +
                         draft->claims->id.bytes;
    struct rights *rights = malloc(sizeof *rights + grants + sources + texts);
    if (rights == NULL) {
        return NULL;
    }
    *rights = *head;
    struct grant *subs = (struct grant *)(rights + 1);
    struct grant *pubs = subs + draft->subs.count;
    struct span *names = (struct span *)(void *)(pubs + draft->pubs.count);
    uint8_t *at = (uint8_t *)(names + draft->sources.count);
    place_grants(subs, &draft->subs, &at);
    place_grants(pubs, &draft->pubs, &at);
    for (uint32_t i = 0; i < draft->sources.count; i++) {
        const struct span name = list_at(&draft->sources, i);
        names[i] = span_of(place_text(&at, name), name.bytes);
    }
    rights->subs = subs;
    rights->pubs = pubs;
    rights->sources = names;
    rights->sub_count = draft->subs.count;
    rights->pub_count = draft->pubs.count;
    rights->source_count = draft->sources.count;
    if (draft->mask.bytes > 0) {
        rights->mask = span_of(place_text(&at, buffer_span(&draft->mask)), draft->mask.bytes);
    }
    if (draft->claims->id.data != NULL) {
        rights->id = span_of(place_text(&at, draft->claims->id), draft->claims->id.bytes);
    }
    return rights;
}

static bool read_principal(struct draft *draft, struct rights *rights) {
    const struct span principal = draft->claims->principal;
    if (principal.bytes == 0 || principal.bytes > RIGHTS_PRINCIPAL_BYTES_MAX ||
        memchr(principal.data, '\0', principal.bytes) != NULL) {
        return refuse(draft, "the subject is missing or too long");
    }
    if (draft->claims->id.bytes > RIGHTS_ID_BYTES_MAX) {
        return refuse(draft, "`jti` is too long");
    }
    memcpy(rights->principal, principal.data, principal.bytes);
    rights->is_anonymous = span_is(principal, RIGHTS_ANONYMOUS);
    return true;
}

enum ahora_code rights_create(const struct rights_claims *claims, struct rights **rights, const char **fault) {
    struct rights head = {
        .refs = 1,
        .ops = (1u << CHANGE_OPS) - 1,
        .max_subs = -1,
        .expires_ms = claims->expires_ms,
        .issued_s = claims->issued_s,
        .origin = claims->origin,
    };
    struct draft draft = {.claims = claims};
    buffer_init(&draft.subs.text, LIST_BYTES_MAX);
    buffer_init(&draft.pubs.text, LIST_BYTES_MAX);
    buffer_init(&draft.sources.text, LIST_BYTES_MAX);
    buffer_init(&draft.mask, 2 * (size_t)MASK_BYTES_MAX);
    *rights = NULL;
    enum ahora_code code = AHORA_UNAUTHORIZED;
    if (read_principal(&draft, &head) && read_ahora(&draft, &head)) {
        const bool failed = draft.subs.text.failed || draft.pubs.text.failed || draft.sources.text.failed || draft.mask.failed;
        *rights = failed ? NULL : place(&draft, &head);
        code = *rights == NULL ? AHORA_OVERLOADED : AHORA_OK;
    }
    *fault = draft.fault;
    buffer_fini(&draft.subs.text);
    buffer_fini(&draft.pubs.text);
    buffer_fini(&draft.sources.text);
    buffer_fini(&draft.mask);
    return code;
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/mask.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

struct mask_path {
    size_t depth;
    struct span parts[MASK_DEPTH_MAX];
};

struct mask_draft {
    struct mask_path paths[MASK_FIELDS_MAX];
    size_t count;
    uint8_t text[MASK_BYTES_MAX]; /* parts of pointers without their escapes */
    size_t text_bytes;
};

/* A part of a JSON pointer (RFC 6901) without its escapes; data NULL: a ~ that is none, or no room. */
static struct span unescape(struct mask_draft *draft, struct span part) {
    uint8_t *start = draft->text + draft->text_bytes;
    size_t bytes = 0;
    if (draft->text_bytes + part.bytes >= sizeof draft->text) {
        return (struct span){0};
    }
    for (size_t i = 0; i < part.bytes; i++) {
        uint8_t c = part.data[i];
        if (c == '~') {
            if (++i == part.bytes || (part.data[i] != '0' && part.data[i] != '1')) {
                return (struct span){0};
            }
            c = part.data[i] == '0' ? '~' : '/';
        }
        start[bytes++] = c;
    }
    draft->text_bytes += bytes;
    return span_of(start, bytes);
}

static bool read_path(struct mask_draft *draft, struct span field, struct mask_path *path) {
    const bool is_pointer = field.bytes > 0 && field.data[0] == '/';
    const uint8_t mark = is_pointer ? '/' : '.';
    struct span rest = is_pointer ? span_of(field.data + 1, field.bytes - 1) : field;
    for (path->depth = 0;;) {
        const uint8_t *end = rest.bytes == 0 ? NULL : memchr(rest.data, mark, rest.bytes);
        struct span part = span_of(rest.data, end == NULL ? rest.bytes : (size_t)(end - rest.data));
        if (path->depth == MASK_DEPTH_MAX || (!is_pointer && part.bytes == 0)) {
            return false;
        }
        struct span read = is_pointer ? unescape(draft, part) : part;
        if (read.data == NULL) {
            return false;
        }
        path->parts[path->depth++] = read;
        if (end == NULL) {
            return true;
        }
        rest = span_of(end + 1, rest.bytes - part.bytes - 1);
    }
}

static int compare_parts(struct span a, struct span b) {
    const size_t shorter = a.bytes < b.bytes ? a.bytes : b.bytes;
    const int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* Part by part; a path stands in front of those that go on behind it. */
static int by_path(const void *a, const void *b) {
    const struct mask_path *left = a;
    const struct mask_path *right = b;
    for (size_t i = 0; i < left->depth && i < right->depth; i++) {
        const int order = compare_parts(left->parts[i], right->parts[i]);
        if (order != 0) {
            return order;
        }
    }
    return (left->depth > right->depth) - (left->depth < right->depth);
}

/* How many of the sorted paths from the first have its part at `depth`. */
static size_t same_part(const struct mask_path *paths, size_t count, size_t depth) {
    size_t same = 1;
    while (same < count && compare_parts(paths[same].parts[depth], paths[0].parts[depth]) == 0) {
        same++;
    }
    return same;
}

/* The map of what the sorted paths, all alike above `depth`, go on with. The shortest of those with one part comes first: if it ends here,
   all below it is shown. */
static void put_level(struct buffer *out, const struct mask_path *paths, size_t count, size_t depth) {
    uint32_t entries = 0;
    for (size_t i = 0; i < count; i += same_part(paths + i, count - i, depth)) {
        entries++;
    }
    pack_put_map(out, entries);
    for (size_t i = 0; i < count;) {
        const size_t same = same_part(paths + i, count - i, depth);
        pack_put_text(out, paths[i].parts[depth]);
        if (paths[i].depth == depth + 1) {
            pack_put_nil(out);
        } else {
            put_level(out, paths + i, same, depth + 1);
        }
        i += same;
    }
}

const char *mask_compile(struct span fields, struct buffer *mask) {
    struct mask_draft draft;
    struct pack_reader reader = pack_reader_of(fields);
    if (pack_peek(&reader) != PACK_LIST) {
        return "`fields` must be a list";
    }
    draft.count = pack_read_list(&reader);
    draft.text_bytes = 0;
    if (draft.count > MASK_FIELDS_MAX || fields.bytes > MASK_BYTES_MAX) {
        return "`fields` is too long";
    }
    for (size_t i = 0; i < draft.count; i++) {
        if (pack_peek(&reader) != PACK_TEXT || !read_path(&draft, pack_read_text(&reader), &draft.paths[i])) {
            return "`fields` must hold names, dotted paths or JSON pointers";
        }
    }
    if (draft.count > 1) {
        qsort(draft.paths, draft.count, sizeof draft.paths[0], by_path);
    }
    put_level(mask, draft.paths, draft.count, 0);
    return NULL;
}

/* ---- masking ---- */

static bool is_map(struct span value) {
    const struct pack_reader reader = pack_reader_of(value);
    return pack_peek(&reader) == PACK_MAP;
}

/* Whether an entry is shown at all, with what the mask says of it. */
static bool is_shown(struct span mask, struct span key, struct span value, bool is_patch, struct span *below) {
    *below = pack_find_key(mask, key);
    return below->bytes > 0 && (is_patch || !is_map(*below) || is_map(value));
}

static uint32_t count_shown(struct span mask, struct span map, bool is_patch) {
    struct pack_reader reader = pack_reader_of(map);
    struct span below;
    uint32_t shown = 0;
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        const struct span key = pack_read_text(&reader);
        shown += is_shown(mask, key, pack_skip(&reader), is_patch, &below);
    }
    return shown;
}

/* A patch that puts something else where the mask looks for a map takes what was shown of it away: null. */
static void put_map(struct buffer *out, struct span mask, struct span map, bool is_patch) {
    struct pack_reader reader = pack_reader_of(map);
    pack_put_map(out, count_shown(mask, map, is_patch));
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        const struct span key = pack_read_text(&reader);
        const struct span value = pack_skip(&reader);
        struct span below;
        if (!is_shown(mask, key, value, is_patch, &below)) {
            continue;
        }
        pack_put_text(out, key);
        if (!is_map(below)) {
            pack_put_raw(out, value);
        } else if (is_map(value)) {
            put_map(out, below, value, is_patch);
        } else {
            pack_put_nil(out);
        }
    }
}

void mask_put(struct buffer *out, struct span mask, struct span document) {
    put_map(out, mask, document, false);
}

bool mask_put_patch(struct buffer *out, struct span mask, struct span patch) {
    if (count_shown(mask, patch, true) == 0) {
        return false;
    }
    put_map(out, mask, patch, true);
    return true;
}

bool mask_shows(struct span mask, const struct span *path, size_t depth) {
    for (size_t i = 0; i < depth; i++) {
        mask = pack_find_key(mask, path[i]);
        if (mask.bytes == 0) {
            return false;
        }
        if (!is_map(mask)) {
            return true;
        }
    }
    return false;
}

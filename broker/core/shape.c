/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/shape.h"

#include <assert.h>

/* What the fields that the broker writes were, are and must be. */
struct written {
    uint32_t count;
    struct {
        struct span name;
        struct span old;    /* in the predecessor */
        struct span found;  /* in the document as the change makes it */
        struct span wanted; /* empty: it is not to be */
    } fields[DERIVE_FIELDS_MAX + 1];
};

void shaper_init(struct shaper *shaper, size_t document_bytes_max) {
    buffer_init(&shaper->document, document_bytes_max);
    buffer_init(&shaper->patch, 2 * document_bytes_max);
    buffer_init(&shaper->history, document_bytes_max);
}

void shaper_fini(struct shaper *shaper) {
    buffer_fini(&shaper->document);
    buffer_fini(&shaper->patch);
    buffer_fini(&shaper->history);
}

static uint32_t index_of(const struct written *written, struct span name) {
    uint32_t index = 0;
    while (index < written->count && !span_equal(written->fields[index].name, name)) {
        index++;
    }
    return index;
}

static bool says_one(const struct written *written, struct span map) {
    struct pack_reader reader = pack_reader_of(map);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        if (index_of(written, pack_read_text(&reader)) < written->count) {
            return true;
        }
        (void)pack_skip(&reader);
    }
    return false;
}

static void find_fields(struct written *written, const struct shaper *shaper, const struct shape_input *input) {
    const struct schema *schema = &input->kind->schema;
    written->count = derive_count(&input->kind->derive);
    for (uint32_t i = 0; i < written->count; i++) {
        const uint32_t property = derive_property(&input->kind->derive, i);
        const bool there = shaper->fields.seen >> property & 1;
        written->fields[i].name = schema->properties[schema->nodes[0].property_first + property].name;
        written->fields[i].found = there ? shaper->fields.values[property] : (struct span){0};
        written->fields[i].wanted = (struct span){0};
    }
}

/* What was there matters to a patch, which tells what is different, and to a history, which grows; else nobody looks. A patch that does not
   speak of these fields left them as they were, which saves a look into the predecessor, too. */
static void find_old(struct written *written, const struct shape_input *input) {
    const bool untouched = input->is_patch && !says_one(written, input->said);
    for (uint32_t i = 0; i < written->count; i++) {
        const bool matters = input->old.bytes > 0 && (input->is_patch || derive_needs_old(&input->kind->derive, i));
        written->fields[i].old = untouched ? written->fields[i].found
                                 : matters ? pack_find_key(input->old, written->fields[i].name)
                                           : (struct span){0};
    }
}

/* ---- writing ---- */

static bool has_one(const struct written *written) {
    for (uint32_t i = 0; i < written->count; i++) {
        if (written->fields[i].found.bytes > 0) {
            return true;
        }
    }
    return false;
}

/* In the order in which the document has them; new ones follow. One that has none of them yet, as most do, is copied as it stands. */
static void put_document(struct buffer *out, struct span document, const struct written *written, uint32_t count) {
    struct pack_reader reader = pack_reader_of(document);
    buffer_cut(out, 0);
    pack_put_map(out, count);
    uint32_t left = pack_read_map(&reader);
    if (left > 0 && !has_one(written)) {
        pack_put_raw(out, span_of(reader.at, (size_t)(reader.end - reader.at)));
        left = 0;
    }
    for (; left > 0; left--) {
        const struct span key = pack_read_text(&reader);
        const struct span value = pack_skip(&reader);
        const uint32_t index = index_of(written, key);
        const struct span put = index < written->count ? written->fields[index].wanted : value;
        if (put.bytes > 0) {
            pack_put_text(out, key);
            pack_put_raw(out, put);
        }
    }
    for (uint32_t i = 0; i < written->count; i++) {
        if (written->fields[i].found.bytes == 0 && written->fields[i].wanted.bytes > 0) {
            pack_put_text(out, written->fields[i].name);
            pack_put_raw(out, written->fields[i].wanted);
        }
    }
}

static bool changes(const struct written *written, uint32_t index) {
    return !span_equal(written->fields[index].old, written->fields[index].wanted);
}

/* Fields of the patch that are the producer's own. */
static uint32_t count_own(struct span patch, const struct written *written) {
    struct pack_reader reader = pack_reader_of(patch);
    uint32_t own = 0;
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        own += index_of(written, pack_read_text(&reader)) == written->count;
        (void)pack_skip(&reader);
    }
    return own;
}

static void put_patch(struct buffer *out, struct span patch, const struct written *written, uint32_t count) {
    struct pack_reader reader = pack_reader_of(patch);
    buffer_cut(out, 0);
    pack_put_map(out, count);
    for (uint32_t left = pack_read_map(&reader); left > 0; left--) {
        const struct span key = pack_read_text(&reader);
        const struct span value = pack_skip(&reader);
        if (index_of(written, key) == written->count) {
            pack_put_text(out, key);
            pack_put_raw(out, value);
        }
    }
    for (uint32_t i = 0; i < written->count; i++) {
        if (!changes(written, i)) {
            continue;
        }
        pack_put_text(out, written->fields[i].name);
        if (written->fields[i].wanted.bytes > 0) {
            pack_put_raw(out, written->fields[i].wanted);
        } else {
            pack_put_nil(out);
        }
    }
}

static enum ahora_code shape_document(struct shaper *shaper, const struct shape_input *input, const struct written *written,
                                      struct shape_output *output, const char **detail) {
    struct pack_reader reader = pack_reader_of(input->next);
    uint32_t count = pack_read_map(&reader);
    bool differs = false;
    for (uint32_t i = 0; i < written->count; i++) {
        const struct span found = written->fields[i].found;
        const struct span wanted = written->fields[i].wanted;
        differs = differs || !span_equal(found, wanted);
        count += (wanted.bytes > 0) - (found.bytes > 0);
    }
    if (!differs) {
        return AHORA_OK;
    }
    if (count > AHORA_MAP_ENTRIES_MAX) {
        *detail = "the document would have too many fields";
        return AHORA_INVALID;
    }
    put_document(&shaper->document, input->next, written, count);
    output->document = buffer_span(&shaper->document);
    *detail = "the document is too large";
    return shaper->document.failed ? AHORA_TOO_LARGE : AHORA_OK;
}

static enum ahora_code shape_patch(struct shaper *shaper, const struct shape_input *input, const struct written *written,
                                   struct shape_output *output, const char **detail) {
    struct pack_reader reader = pack_reader_of(input->said);
    const uint32_t said = pack_read_map(&reader);
    const uint32_t own = count_own(input->said, written);
    uint32_t changed = 0;
    for (uint32_t i = 0; i < written->count; i++) {
        changed += changes(written, i);
    }
    if (own == said && changed == 0) {
        return AHORA_OK;
    }
    if (own + changed > AHORA_MAP_ENTRIES_MAX) {
        *detail = "the patch would have too many fields";
        return AHORA_INVALID;
    }
    put_patch(&shaper->patch, input->said, written, own + changed);
    output->patch = buffer_span(&shaper->patch);
    *detail = "the patch is too large";
    return shaper->patch.failed ? AHORA_TOO_LARGE : AHORA_OK;
}

/* Of a list that does not fit, nothing is left: the document would lose its history. */
static bool derive_all(struct shaper *shaper, const struct shape_input *input, struct written *written) {
    buffer_cut(&shaper->history, 0);
    for (uint32_t i = 0; i < written->count; i++) {
        written->fields[i].wanted = derive_value(&input->kind->derive, &input->kind->schema, i, &shaper->fields,
                                                 written->fields[i].old, input->said, input->at, &shaper->history);
    }
    return !shaper->history.failed;
}

enum ahora_code shaper_run(struct shaper *shaper, const struct shape_input *input, struct shape_output *output,
                           const char **detail) {
    struct written written;
    *output = (struct shape_output){input->next, input->is_patch ? input->said : (struct span){0}};
    if (!schema_check(&input->kind->schema, input->next, &shaper->fields, &shaper->violations)) {
        *detail = "the document is not what its kind allows";
        return AHORA_INVALID;
    }
    if (derive_count(&input->kind->derive) == 0) {
        return AHORA_OK;
    }
    find_fields(&written, shaper, input);
    find_old(&written, input);
    if (!derive_all(shaper, input, &written)) {
        *detail = "the document is too large";
        return AHORA_TOO_LARGE;
    }
    enum ahora_code code = shape_document(shaper, input, &written, output, detail);
    if (code == AHORA_OK && input->is_patch) {
        code = shape_patch(shaper, input, &written, output, detail);
    }
    return code;
}

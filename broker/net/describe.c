/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/describe.h"

#include <assert.h>
#include <stdio.h>

#include "proto/embed.h"
#include "proto/json.h"
#include "proto/message_schema.h"

EMBED(describe_schemas, "broker/net/describe/schemas.json");

void describe_put_key(struct buffer *out, bool first, const char *name) {
    buffer_put_text(out, first ? "" : ",");
    json_put_text(out, span_of_text(name));
    buffer_put_text(out, ":");
}

void describe_put_pair(struct buffer *out, bool first, const char *name, const char *text) {
    describe_put_key(out, first, name);
    json_put_text(out, span_of_text(text));
}

void describe_put_info(struct buffer *out, const char *title, const char *description) {
    describe_put_key(out, true, "info");
    buffer_put_text(out, "{");
    describe_put_pair(out, true, "title", title);
    describe_put_pair(out, false, "version", AHORA_VERSION);
    describe_put_pair(out, false, "description", description);
    describe_put_key(out, false, "license");
    buffer_put_text(out, "{\"name\":\"Apache-2.0\",\"url\":\"https://www.apache.org/licenses/LICENSE-2.0\"}}");
}

/* The members of the file: without its outer braces. */
static struct span written_schemas(void) {
    struct span text = span_of(describe_schemas_begin, (size_t)(describe_schemas_end - describe_schemas_begin));
    while (text.bytes > 0 && text.data[text.bytes - 1] != '}') {
        text.bytes--;
    }
    assert(text.bytes > 2 && text.data[0] == '{');
    return span_of(text.data + 1, text.bytes - 2);
}

/* Component names have letters, digits, '.', '-' and '_'; those of kinds may have others. */
static void put_kind_name(struct buffer *out, const char *name) {
    buffer_put_text(out, "Kind.");
    for (; *name != '\0'; name++) {
        char code[8];
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') ||
                     *name == '-' || *name == '_';
        snprintf(code, sizeof code, plain ? "%c" : ".%02x", (unsigned char)*name);
        buffer_put_text(out, code);
    }
}

static void put_kinds(struct buffer *out, const struct kinds *kinds) {
    for (size_t i = 0; kinds_at(kinds, i) != NULL; i++) {
        buffer_put_text(out, ",\"");
        put_kind_name(out, kinds_at(kinds, i)->name);
        buffer_put_text(out, "\":");
        buffer_put_span(out, buffer_span(&kinds_at(kinds, i)->json));
    }
}

/* A document is one of a kind; the topic says which. */
static void put_document(struct buffer *out, const struct kinds *kinds) {
    describe_put_key(out, false, "Document");
    buffer_put_text(
        out, "{\"type\":\"object\",\"description\":\"The document of a topic; the topic's first segment names its kind.\","
             "\"anyOf\":[{\"$ref\":\"#/components/schemas/Demand\"}");
    for (size_t i = 0; kinds_at(kinds, i) != NULL; i++) {
        buffer_put_text(out, ",{\"$ref\":\"#/components/schemas/");
        put_kind_name(out, kinds_at(kinds, i)->name);
        buffer_put_text(out, "\"}");
    }
    buffer_put_text(out, "]}");
}

void describe_put_schemas(struct buffer *out, const struct kinds *kinds) {
    describe_put_key(out, true, "schemas");
    buffer_put_text(out, "{");
    buffer_put_span(out, written_schemas());
    describe_put_key(out, false, "ErrorCode");
    message_codes_schema(out, 0);
    describe_put_key(out, false, "Change");
    message_change_schema(out);
    put_document(out, kinds);
    put_kinds(out, kinds);
    buffer_put_text(out, "}");
}

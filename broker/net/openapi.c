/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/describe.h"
#include "broker/net/operation.h"
#include "broker/net/route.h"

#include <stdio.h>
#include <string.h>

#include "proto/embed.h"
#include "proto/json.h"
#include "proto/message_schema.h"

EMBED(describe_parameters, "broker/net/describe/parameters.json");

static const char about[] =
    "Current state of topics, pushed to whoever follows them. The contract in words is docs/protocol.md; "
    "these are the paths of this broker, its messages are in /asyncapi.json.";

static const struct {
    const char *name, *text;
} tags[] = {
    {"topics", "Documents, one by one or as many as a pattern selects"},
    {"changes", "Several changes at once"},
    {"following", "Documents, then changes as they happen"},
    {"kinds", "What documents look like"},
    {"operating", "Status, metrics, probes"},
    {"descriptions", "The API, described for machines"},
    {"pages", "For people"},
};

/* Path items hold methods in this spelling. */
static void put_method(struct buffer *out, enum http_method method) {
    char name[16];
    snprintf(name, sizeof name, "%s", http_method_name(method));
    for (char *c = name; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    describe_put_key(out, true, name);
}

static void put_references(struct buffer *out, const char *names, const char *folder, bool first) {
    while (names != NULL && *names != '\0') {
        size_t bytes = strcspn(names, " ");
        char reference[128];
        snprintf(reference, sizeof reference, "%s{\"$ref\":\"#/components/%s/%.*s\"}", first ? "" : ",", folder, (int)bytes,
                 names);
        buffer_put_text(out, reference);
        first = false;
        names += bytes + strspn(names + bytes, " ");
    }
}

/* Topics hold slashes, which stand in the path as they are: more than OpenAPI can say. */
static void put_parameters(struct buffer *out, const struct operation *operation, bool has_rest) {
    describe_put_key(out, false, "parameters");
    buffer_put_text(out, "[");
    if (has_rest) {
        bool topic = strcmp(operation->rest, "topic") == 0;
        buffer_put_text(out, "{\"in\":\"path\",\"required\":true");
        describe_put_pair(out, false, "name", operation->rest);
        describe_put_pair(out, false, "description",
                          topic ? "A topic. Its slashes are part of the path, as they are." : "As the name says.");
        buffer_put_text(out, topic ? ",\"allowReserved\":true,\"schema\":{\"$ref\":\"#/components/schemas/Topic\"}}"
                                   : ",\"schema\":{\"type\":\"string\"}}");
    }
    put_references(out, operation->parameters, "parameters", !has_rest);
    buffer_put_text(out, "]");
}

static void put_contents(struct buffer *out, const struct operation_content *contents, size_t count) {
    describe_put_key(out, false, "content");
    buffer_put_text(out, "{");
    for (size_t i = 0; i < count && contents[i].type != NULL; i++) {
        char schema[128] = "{\"schema\":{\"type\":\"string\"}}";
        if (contents[i].schema[0] != '\0') {
            snprintf(schema, sizeof schema, "{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}", contents[i].schema);
        }
        describe_put_key(out, i == 0, contents[i].type);
        buffer_put_text(out, schema);
    }
    buffer_put_text(out, "}");
}

static void put_body(struct buffer *out, const struct operation *operation) {
    if (operation->bodies[0].type != NULL) {
        describe_put_key(out, false, "requestBody");
        buffer_put_text(out, operation->body_is_optional ? "{\"required\":false" : "{\"required\":true");
        put_contents(out, operation->bodies, OPERATION_BODIES);
        buffer_put_text(out, "}");
    }
}

static void put_headers(struct buffer *out, const char *names) {
    bool first = true;
    if (names == NULL) {
        return;
    }
    describe_put_key(out, false, "headers");
    buffer_put_text(out, "{");
    while (*names != '\0') {
        size_t bytes = strcspn(names, " ");
        char header[160];
        snprintf(header, sizeof header, "%s\"%.*s\":{\"$ref\":\"#/components/headers/%.*s\"}", first ? "" : ",", (int)bytes,
                 names, (int)bytes, names);
        buffer_put_text(out, header);
        first = false;
        names += bytes + strspn(names + bytes, " ");
    }
    buffer_put_text(out, "}");
}

static void put_status(struct buffer *out, bool first, int status) {
    char text[16];
    snprintf(text, sizeof text, "%d", status);
    describe_put_key(out, first, text);
}

static bool status_is_answer(const struct operation *operation, int status) {
    for (size_t i = 0; i < OPERATION_ANSWERS && operation->answers[i].status != 0; i++) {
        if (operation->answers[i].status == status) {
            return true;
        }
    }
    return false;
}

/* Is `code` the first of those in `codes` that have its status? */
static bool is_first_of_status(uint64_t codes, int code) {
    int status = ahora_code_status((enum ahora_code)code);
    for (int earlier = AHORA_OK + 1; earlier < code; earlier++) {
        if ((codes & OPERATION_CODE(earlier)) != 0 && ahora_code_status((enum ahora_code)earlier) == status) {
            return false;
        }
    }
    return true;
}

static void put_responses(struct buffer *out, const struct operation *operation) {
    describe_put_key(out, false, "responses");
    buffer_put_text(out, "{");
    for (size_t i = 0; i < OPERATION_ANSWERS && operation->answers[i].status != 0; i++) {
        const struct operation_answer *answer = &operation->answers[i];
        put_status(out, i == 0, answer->status);
        buffer_put_text(out, "{");
        describe_put_pair(out, true, "description", answer->text);
        put_headers(out, answer->headers);
        if (answer->contents[0].type != NULL) {
            put_contents(out, answer->contents, 2);
        }
        buffer_put_text(out, "}");
    }
    for (int code = AHORA_OK + 1; code < AHORA_CODES; code++) {
        int status = ahora_code_status((enum ahora_code)code);
        if ((operation->codes & OPERATION_CODE(code)) != 0 && is_first_of_status(operation->codes, code) &&
            !status_is_answer(operation, status)) {
            char reference[64];
            put_status(out, false, status);
            snprintf(reference, sizeof reference, "{\"$ref\":\"#/components/responses/Problem%d\"}", status);
            buffer_put_text(out, reference);
        }
    }
    buffer_put_text(out, "}");
}

/* Which of the codes of those statuses it may be. */
static void put_codes(struct buffer *out, uint64_t codes) {
    bool first = true;
    describe_put_key(out, false, "x-ahora-codes");
    buffer_put_text(out, "[");
    for (int code = AHORA_OK + 1; code < AHORA_CODES; code++) {
        if ((codes & OPERATION_CODE(code)) != 0) {
            buffer_put_text(out, first ? "" : ",");
            json_put_text(out, span_of_text(ahora_code_name((enum ahora_code)code)));
            first = false;
        }
    }
    buffer_put_text(out, "]");
}

/* A prefix, with something behind it (route.c). */
static bool has_rest(const struct route *route) {
    size_t bytes = strlen(route->path);
    return bytes > 1 && route->path[bytes - 1] == '/';
}

/* A handler of several paths is several operations: the first has its name, the others the first word of their path besides. */
static void put_id(struct buffer *out, const struct operation *operation, const struct route *route, enum http_method method) {
    char id[96];
    const char *word = "";
    for (size_t i = 0; route_at(i) != route; i++) {
        word = route_at(i)->handlers[method] == operation->handler ? route->path + 1 : word;
    }
    snprintf(id, sizeof id, "%s%s%.*s", operation->id, word[0] == '\0' ? "" : "_", (int)strcspn(word, "/"), word);
    describe_put_pair(out, true, "operationId", id);
}

static void put_operation(struct buffer *out, const struct operation *operation, const struct route *route,
                          enum http_method method) {
    put_method(out, method);
    buffer_put_text(out, "{");
    put_id(out, operation, route, method);
    describe_put_pair(out, false, "summary", operation->summary);
    if (operation->description != NULL) {
        describe_put_pair(out, false, "description", operation->description);
    }
    describe_put_key(out, false, "tags");
    buffer_put_text(out, "[");
    json_put_text(out, span_of_text(operation->tag));
    buffer_put_text(out, "]");
    put_parameters(out, operation, has_rest(route));
    put_body(out, operation);
    put_responses(out, operation);
    put_codes(out, operation->codes);
    buffer_put_text(out, "}");
}

static const struct operation *described(const struct route *route, enum http_method method) {
    return route->handlers[method] == NULL ? NULL : operation_find(route->handlers[method]);
}

static void put_path(struct buffer *out, const struct route *route, bool first) {
    char path[128];
    const char *rest = NULL;
    bool first_method = true;
    for (int method = 0; method < HTTP_METHODS && rest == NULL; method++) {
        const struct operation *operation = described(route, (enum http_method)method);
        rest = operation != NULL && has_rest(route) ? operation->rest : NULL;
    }
    snprintf(path, sizeof path, "%s%s%s%s%s", route->path, rest != NULL ? "{" : "", rest != NULL ? rest : "",
             rest != NULL ? "}" : "", route->suffix != NULL ? route->suffix : "");
    describe_put_key(out, first, path);
    buffer_put_text(out, "{");
    for (int method = 0; method < HTTP_METHODS; method++) {
        const struct operation *operation = described(route, (enum http_method)method);
        if (operation != NULL) {
            buffer_put_text(out, first_method ? "" : ",");
            put_operation(out, operation, route, (enum http_method)method);
            first_method = false;
        }
    }
    buffer_put_text(out, "}");
}

/* One for each status: its codes, and the problem that holds one of them. */
static void put_problems(struct buffer *out) {
    bool first = true;
    describe_put_key(out, false, "responses");
    buffer_put_text(out, "{");
    for (int code = AHORA_OK + 1; code < AHORA_CODES; code++) {
        if (!is_first_of_status(~UINT64_C(0), code)) {
            continue;
        }
        int status = ahora_code_status((enum ahora_code)code);
        char text[64];
        snprintf(text, sizeof text, "Problem%d", status);
        describe_put_key(out, first, text);
        buffer_put_text(out, "{\"description\":\"");
        bool first_name = true;
        for (int same = code; same < AHORA_CODES; same++) {
            if (ahora_code_status((enum ahora_code)same) == status) {
                buffer_put_text(out, first_name ? "" : ", ");
                buffer_put_text(out, ahora_code_name((enum ahora_code)same));
                first_name = false;
            }
        }
        buffer_put_text(out, "\",\"content\":{\"application/problem+json\":{\"schema\":{\"allOf\":[{\"$ref\":"
                             "\"#/components/schemas/Problem\"},{\"properties\":{\"code\":");
        message_codes_schema(out, status);
        buffer_put_text(out, "}}]}}}}");
        first = false;
    }
    buffer_put_text(out, "}");
}

static void put_tags(struct buffer *out) {
    describe_put_key(out, false, "tags");
    buffer_put_text(out, "[");
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        buffer_put_text(out, i > 0 ? ",{" : "{");
        describe_put_pair(out, true, "name", tags[i].name);
        describe_put_pair(out, false, "description", tags[i].text);
        buffer_put_text(out, "}");
    }
    buffer_put_text(out, "]");
}

static void put_components(struct buffer *out, const struct kinds *kinds) {
    describe_put_key(out, false, "components");
    buffer_put_text(out, "{");
    describe_put_schemas(out, kinds);
    describe_put_key(out, false, "parameters");
    buffer_put(out, describe_parameters_begin, (size_t)(describe_parameters_end - describe_parameters_begin));
    buffer_put_text(out, ",\"headers\":{\"ETag\":{\"description\":\"The version.\",\"schema\":{\"type\":\"string\"}}}");
    put_problems(out);
    buffer_put_text(out,
                    ",\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}}}");
}

void describe_openapi(struct buffer *out, const struct kinds *kinds) {
    buffer_put_text(out, "{\"openapi\":\"3.1.0\",");
    describe_put_info(out, "ahora", about);
    /* An empty requirement: whether access needs a token is the operator's choice. */
    buffer_put_text(out, ",\"servers\":[{\"url\":\"/\"}],\"security\":[{},{\"bearer\":[]}]");
    put_tags(out);
    describe_put_key(out, false, "paths");
    buffer_put_text(out, "{");
    bool first = true;
    for (size_t i = 0; route_at(i) != NULL; i++) {
        put_path(out, route_at(i), first);
        first = false;
    }
    buffer_put_text(out, "}");
    put_components(out, kinds);
    buffer_put_text(out, "}\n");
}

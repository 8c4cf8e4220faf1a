/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Judges documents by schemas, as the broker does: pairs of lines come in, a schema of the kind `k` and a list of documents. One line goes
 * out for each pair: a digit for each document, 1 for legal, or `! POINTER REASON` if the schema is refused.
 */
#include "broker/core/kind.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json.h"

/* Without its line end; data NULL at the end of the input. */
static struct span read_line(char **line, size_t *capacity) {
    ssize_t bytes = getline(line, capacity, stdin);
    return bytes <= 0 ? (struct span){0} : span_of(*line, (size_t)bytes - ((*line)[bytes - 1] == '\n'));
}

static void judge_documents(const struct kind *kind, struct span list) {
    struct pack_reader reader = pack_reader_of(list);
    struct schema_fields fields;
    struct violations violations;
    for (uint32_t left = pack_read_list(&reader); left > 0; left--) {
        putchar(schema_check(&kind->schema, pack_skip(&reader), &fields, &violations) ? '1' : '0');
    }
    putchar('\n');
}

static void judge(struct span schema, struct span documents) {
    struct violations errors;
    struct kind kind;
    struct buffer packed;
    buffer_init(&packed, SIZE_MAX);
    if (!kind_init(&kind, span_of_text("k"), schema, &errors)) {
        printf("! %s %s\n", errors.items[0].pointer, errors.items[0].detail);
    } else if (json_to_pack(documents, AHORA_DEPTH_MAX, &packed, NULL) != AHORA_OK) {
        printf("! the documents are not legal\n");
    } else {
        judge_documents(&kind, buffer_span(&packed));
    }
    kind_fini(&kind);
    buffer_fini(&packed);
}

int main(void) {
    char *schema_line = NULL, *documents_line = NULL;
    size_t schema_capacity = 0, documents_capacity = 0;
    for (;;) {
        const struct span schema = read_line(&schema_line, &schema_capacity);
        const struct span documents = schema.data == NULL ? schema : read_line(&documents_line, &documents_capacity);
        if (documents.data == NULL) {
            break;
        }
        judge(schema, documents);
    }
    free(schema_line);
    free(documents_line);
    return 0;
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/hostile/frame_script.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint8_t hex_byte(const char *text) {
    assert(isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]));
    char digits[3] = {text[0], text[1], '\0'};
    return (uint8_t)strtoul(digits, NULL, 16);
}

static const char *put_hex(const char *text, struct bytes *out) {
    for (; isxdigit((unsigned char)text[0]); text += 2) {
        uint8_t byte = hex_byte(text);
        bytes_append(out, &byte, 1);
    }
    return text;
}

static const char *put_text(const char *text, struct bytes *out) {
    for (; *text != '>'; text++) {
        assert(*text != '\0');
        char byte = *text == '\'' ? '"' : *text;
        bytes_append(out, &byte, 1);
    }
    return text + 1;
}

static const char *put_many(const char *text, char byte, struct bytes *out) {
    char *end;
    size_t count = strtoul(text, &end, 10);
    memset(bytes_reserve(out, count), byte, count);
    bytes_commit(out, count);
    return end;
}

const char *script_payload(const char *text, struct bytes *out) {
    while (*text != ' ' && *text != '\0') {
        switch (*text++) {
        case '<':
            text = put_text(text, out);
            break;
        case '{':
            text = put_hex(text, out);
            assert(*text == '}');
            text++;
            break;
        case '_':
            text = put_many(text, ' ', out);
            break;
        case 'x':
            text = put_many(text, 'x', out);
            break;
        default:
            assert(!"a script's payload");
        }
    }
    return text;
}

struct head {
    uint8_t first;
    bool is_masked;
    uint8_t mask[4];
    int length_bytes; /* 0: as short as it can be */
    bool is_announced;
    uint64_t announced;
};

static const char *read_head(const char *text, struct head *head) {
    *head = (struct head){.first = hex_byte(text), .is_masked = true, .mask = {0x37, 0xfa, 0x21, 0x3d}};
    for (text += 2;; text++) {
        if (*text == '~') {
            head->is_masked = false;
        } else if (*text == '/') {
            head->length_bytes = text[1] == '1' ? 2 : 8;
            text += 2;
        } else if (*text == '%') {
            for (int i = 0; i < 4; i++) {
                head->mask[i] = hex_byte(text + 1 + 2 * i);
            }
            text += 8;
        } else if (*text == '!') {
            char *end;
            head->is_announced = true;
            head->announced = strtoull(text + 1, &end, 10);
            text = end - 1;
        } else {
            return text;
        }
    }
}

static void put_frame(const struct head *head, const struct bytes *payload, struct bytes *out) {
    uint64_t length = head->is_announced ? head->announced : bytes_size(payload);
    int length_bytes = head->length_bytes > 0 ? head->length_bytes : length < 126 ? 0 : length < 65536 ? 2 : 8;
    uint8_t second = (uint8_t)(length_bytes == 0 ? length : length_bytes == 2 ? 126 : 127);
    second |= head->is_masked ? 0x80 : 0;
    bytes_append(out, &head->first, 1);
    bytes_append(out, &second, 1);
    for (int i = length_bytes; i > 0; i--) {
        uint8_t byte = (uint8_t)(length >> (8 * (i - 1)));
        bytes_append(out, &byte, 1);
    }
    if (head->is_masked) {
        bytes_append(out, head->mask, 4);
    }
    char *place = bytes_reserve(out, bytes_size(payload) + 1);
    for (size_t i = 0; i < bytes_size(payload); i++) {
        place[i] = (char)(bytes_data(payload)[i] ^ (head->is_masked ? head->mask[i % 4] : 0));
    }
    bytes_commit(out, bytes_size(payload));
}

static const char *frame(const char *text, struct bytes *out) {
    struct head head;
    struct bytes payload = {0};
    text = script_payload(read_head(text, &head), &payload);
    put_frame(&head, &payload, out);
    bytes_fini(&payload);
    return text;
}

static const char *word(const char *text, struct bytes *out) {
    return *text == '=' ? put_hex(text + 1, out) : frame(text, out);
}

static const char *many(const char *text, struct bytes *out) {
    char *end;
    unsigned long count = strtoul(text, &end, 10);
    const char *again = end + strspn(end, " ");
    const char *rest = again;
    for (unsigned long i = 0; i < count; i++) {
        rest = word(again, out);
    }
    return rest;
}

enum script_step script_next(const char **script, struct bytes *out) {
    const char *text = *script + strspn(*script, " ");
    enum script_step step = SCRIPT_BYTES;
    if (*text == '\0') {
        step = SCRIPT_END;
    } else if (*text == '|') {
        step = SCRIPT_PAUSE;
        text++;
    } else if (strncmp(text, "EOF", 3) == 0) {
        step = SCRIPT_EOF;
        text += 3;
    } else {
        text = *text == '*' ? many(text + 1, out) : word(text, out);
    }
    *script = text;
    return step;
}

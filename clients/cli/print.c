/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "clients/cli/print.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proto/json.h"
#include "proto/pack.h"

bool print_is_terminal(FILE *to) {
    return isatty(fileno(to)) == 1;
}

const char *print_color(FILE *to, enum print_color color) {
    static const char *const codes[] = {
        [PRINT_PLAIN] = "\33[0m",   [PRINT_DIM] = "\33[2m",  [PRINT_GREEN] = "\33[32m",
        [PRINT_YELLOW] = "\33[33m", [PRINT_RED] = "\33[31m", [PRINT_CYAN] = "\33[36m",
    };
    const char *no_color = getenv("NO_COLOR");
    bool plain = (no_color != NULL && *no_color != '\0') || !print_is_terminal(to);
    return plain ? "" : codes[color];
}

void print_time(char text[16], int64_t at) {
    time_t seconds = (time_t)(at / 1000);
    struct tm local = {0};
    localtime_r(&seconds, &local);
    snprintf(text, 16, "%02u:%02u:%02u.%03u", (unsigned)local.tm_hour % 24, (unsigned)local.tm_min % 60,
             (unsigned)local.tm_sec % 61, (unsigned)(at % 1000) % 1000);
}

/* One buffer for all output; the process prints from one thread. */
static struct buffer *text_buffer(void) {
    static struct buffer buffer;
    if (buffer.bytes_max == 0) {
        buffer_init(&buffer, SIZE_MAX / 2);
    }
    buffer_clear(&buffer, 65536);
    return &buffer;
}

/* How many bytes at the front are a character that drives a terminal instead of being shown by it; 0: none. */
static size_t unsafe_bytes(struct span text) {
    const uint8_t *at = text.data;
    if (at[0] < 0x20 || at[0] == 0x7f) {
        return 1; /* C0, DEL */
    }
    if (text.bytes >= 2 && at[0] == 0xc2 && at[1] < 0xa0) {
        return 2; /* C1: U+0080 to U+009F */
    }
    /* What turns the direction of the text around it: U+202A to U+202E, U+2066 to U+2069. */
    bool is_embedding = text.bytes >= 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae;
    bool is_isolate = text.bytes >= 3 && at[0] == 0xe2 && at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
    return is_embedding || is_isolate ? 3 : 0;
}

static unsigned code_point(const uint8_t *at, size_t bytes) {
    return bytes == 1   ? at[0]
           : bytes == 2 ? (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu)
                        : (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
}

void print_visible(FILE *to, struct span text, bool is_json) {
    while (text.bytes > 0) {
        size_t bytes = unsafe_bytes(text);
        if (bytes == 0) {
            fputc(text.data[0], to);
        } else if (is_json) {
            fprintf(to, "\\u%04x", code_point(text.data, bytes));
        } else {
            fputc('?', to);
        }
        bytes += bytes == 0;
        text = span_of(text.data + bytes, text.bytes - bytes);
    }
}

/* For programs it is left as it is. */
static void put_json(FILE *to, struct span json) {
    if (print_is_terminal(to)) {
        print_visible(to, json, true);
    } else {
        fwrite(json.data, 1, json.bytes, to);
    }
}

void print_json(FILE *to, struct ahora_bytes value) {
    struct buffer *text = text_buffer();
    json_put(text, span_of(value.data, value.bytes));
    put_json(to, buffer_span(text));
}

void print_json_text(FILE *to, struct ahora_bytes value) {
    struct buffer *text = text_buffer();
    json_put_text(text, span_of(value.data, value.bytes));
    put_json(to, buffer_span(text));
}

static void print_clean(FILE *to, struct span text) {
    print_visible(to, text, false);
}

/* Text without quotes, all else as JSON. */
static void print_value(FILE *to, struct span value) {
    struct pack_reader reader = pack_reader_of(value);
    if (pack_peek(&reader) == PACK_TEXT) {
        print_clean(to, pack_read_text(&reader));
        return;
    }
    struct buffer *text = text_buffer();
    json_put(text, value);
    print_visible(to, buffer_span(text), true);
}

void print_fields(FILE *to, struct ahora_bytes map) {
    struct pack_reader reader = pack_reader_of(span_of(map.data, map.bytes));
    uint32_t count = pack_peek(&reader) == PACK_MAP ? pack_read_map(&reader) : 0;
    for (uint32_t i = 0; i < count; i++) {
        fputs(i == 0 ? "" : " ", to);
        fputs(print_color(to, PRINT_DIM), to);
        print_clean(to, pack_read_text(&reader));
        fputc('=', to);
        fputs(print_color(to, PRINT_PLAIN), to);
        print_value(to, pack_skip(&reader));
    }
}

static unsigned widest_key(struct pack_reader reader, uint32_t count) {
    size_t widest = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = pack_read_text(&reader).bytes;
        pack_skip(&reader);
        widest = bytes > widest ? bytes : widest;
    }
    return widest < 40 ? (unsigned)widest : 40;
}

/* Recursion ends with the document's depth, which was checked when it was read. */
void print_tree(FILE *to, struct ahora_bytes map, unsigned depth) {
    struct pack_reader reader = pack_reader_of(span_of(map.data, map.bytes));
    uint32_t count = pack_peek(&reader) == PACK_MAP ? pack_read_map(&reader) : 0;
    unsigned width = widest_key(reader, count);
    for (uint32_t i = 0; i < count; i++) {
        struct span key = pack_read_text(&reader);
        struct span value = pack_skip(&reader);
        struct pack_reader inner = pack_reader_of(value);
        fprintf(to, "%*s%s", (int)(2 * depth), "", print_color(to, PRINT_DIM));
        print_clean(to, key);
        fputs(print_color(to, PRINT_PLAIN), to);
        if (pack_peek(&inner) == PACK_MAP) {
            fputc('\n', to);
            print_tree(to, (struct ahora_bytes){value.data, value.bytes}, depth + 1);
            continue;
        }
        fprintf(to, "%*s", (int)(key.bytes < width ? width - key.bytes : 0) + 2, "");
        print_value(to, value);
        fputc('\n', to);
    }
}

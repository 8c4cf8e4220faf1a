/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * scheme ":" hier-part [ "?" query ] [ "#" fragment ], where hier-part is "//" authority path-abempty, or a path.
 *
 * Every reader below takes from the front of *rest what it can, and says whether that was what it reads.
 */
#include "broker/core/uri.h"

static bool is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_one_of(uint8_t byte, const char *bytes) {
    return byte != '\0' && strchr(bytes, byte) != NULL;
}

/* unreserved / sub-delims */
static bool is_plain(uint8_t byte) {
    return is_letter(byte) || is_digit(byte) || is_one_of(byte, "-._~!$&'()*+,;=");
}

static void drop(struct span *rest, size_t bytes) {
    rest->data += bytes;
    rest->bytes -= bytes;
}

static bool take(struct span *rest, char byte) {
    if (rest->bytes == 0 || rest->data[0] != (uint8_t)byte) {
        return false;
    }
    drop(rest, 1);
    return true;
}

/* Plain characters, pct-encoded ones and those of `more`. */
static void take_run(struct span *rest, const char *more) {
    while (rest->bytes > 0) {
        const uint8_t *at = rest->data;
        if (is_plain(*at) || is_one_of(*at, more)) {
            drop(rest, 1);
        } else if (*at == '%' && rest->bytes >= 3 && is_hex(at[1]) && is_hex(at[2])) {
            drop(rest, 3);
        } else {
            return;
        }
    }
}

static bool take_scheme(struct span *rest) {
    size_t bytes = 0;
    while (bytes < rest->bytes && (is_letter(rest->data[bytes]) ||
                                   (bytes > 0 && (is_digit(rest->data[bytes]) || is_one_of(rest->data[bytes], "+-."))))) {
        bytes++;
    }
    drop(rest, bytes);
    return bytes > 0 && take(rest, ':');
}

/* dec-octet: no leading zero, at most 255. */
static bool take_octet(struct span *rest) {
    unsigned number = 0;
    size_t bytes = 0;
    while (bytes < rest->bytes && bytes < 3 && is_digit(rest->data[bytes])) {
        number = 10 * number + (rest->data[bytes++] - '0');
    }
    const bool fine = bytes > 0 && number <= 255 && (bytes == 1 || rest->data[0] != '0');
    drop(rest, bytes);
    return fine;
}

static bool is_ipv4(struct span text) {
    for (int i = 0; i < 4; i++) {
        if ((i > 0 && !take(&text, '.')) || !take_octet(&text)) {
            return false;
        }
    }
    return text.bytes == 0;
}

/* Up to `:` or the end: 1 to 4 hexadecimal digits, or as the last an IPv4 address, which counts twice. 0: neither. */
static unsigned take_group(struct span *rest) {
    size_t bytes = 0;
    while (bytes < rest->bytes && rest->data[bytes] != ':') {
        bytes++;
    }
    const struct span group = span_of(rest->data, bytes);
    drop(rest, bytes);
    bool hex = bytes >= 1 && bytes <= 4;
    for (size_t i = 0; i < bytes; i++) {
        hex = hex && is_hex(group.data[i]);
    }
    return hex ? 1 : rest->bytes == 0 && is_ipv4(group) ? 2 : 0;
}

/* Eight groups, or fewer and one `::`. */
static bool is_ipv6(struct span text) {
    unsigned groups = 0;
    bool gap = false;
    if (text.bytes >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = true;
        drop(&text, 2);
    }
    while (text.bytes > 0) {
        const unsigned taken = take_group(&text);
        groups += taken;
        if (taken == 0 || groups > 8) {
            return false;
        }
        if (text.bytes == 0) {
            break;
        }
        (void)take(&text, ':');
        if (text.bytes == 0 || (text.data[0] == ':' && gap)) {
            return false;
        }
        if (take(&text, ':')) {
            gap = true;
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_later_ip(struct span text) {
    size_t digits = 0;
    if (!take(&text, 'v') && !take(&text, 'V')) {
        return false;
    }
    while (text.bytes > 0 && is_hex(text.data[0])) {
        drop(&text, 1);
        digits++;
    }
    if (digits == 0 || !take(&text, '.') || text.bytes == 0) {
        return false;
    }
    while (text.bytes > 0 && (is_plain(text.data[0]) || text.data[0] == ':')) {
        drop(&text, 1);
    }
    return text.bytes == 0;
}

static bool take_bracketed(struct span *rest) {
    const uint8_t *end = memchr(rest->data, ']', rest->bytes);
    if (end == NULL) {
        return false;
    }
    const struct span inside = span_of(rest->data, (size_t)(end - rest->data));
    drop(rest, inside.bytes + 1);
    return is_ipv6(inside) || is_later_ip(inside);
}

/* [ userinfo "@" ] host [ ":" port ] */
static bool take_authority(struct span *rest) {
    struct span after = *rest;
    take_run(&after, ":");
    if (take(&after, '@')) {
        *rest = after;
    }
    if (take(rest, '[')) {
        if (!take_bracketed(rest)) {
            return false;
        }
    } else {
        take_run(rest, "");
    }
    if (take(rest, ':')) {
        while (rest->bytes > 0 && is_digit(rest->data[0])) {
            drop(rest, 1);
        }
    }
    return rest->bytes == 0 || is_one_of(rest->data[0], "/?#");
}

bool uri_is_legal(struct span text) {
    struct span rest = text;
    if (!take_scheme(&rest)) {
        return false;
    }
    if (rest.bytes >= 2 && rest.data[0] == '/' && rest.data[1] == '/') {
        drop(&rest, 2);
        if (!take_authority(&rest)) {
            return false;
        }
    }
    take_run(&rest, ":@/");
    if (take(&rest, '?')) {
        take_run(&rest, ":@/?");
    }
    if (take(&rest, '#')) {
        take_run(&rest, ":@/?");
    }
    return rest.bytes == 0;
}

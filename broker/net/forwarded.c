/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/forwarded.h"

#include "broker/net/broker.h"
#include "broker/net/connection.h"
#include "broker/net/exchange.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ADDRESS_TEXT_BYTES 64

static bool parse_address(const char *text, size_t bytes, struct in6_addr *address) {
    char copy[ADDRESS_TEXT_BYTES];
    if (bytes == 0 || bytes >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, copy, &address->s6_addr[12]) == 1) {
        address->s6_addr[10] = 0xff;
        address->s6_addr[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, copy, address) == 1;
}

/* "10.0.0.0/8": 8 of 32 bits, which are 104 of 128. */
static bool parse_network(const char *text, size_t bytes, struct in6_addr *address, unsigned *bits) {
    const char *slash = memchr(text, '/', bytes);
    size_t address_bytes = slash == NULL ? bytes : (size_t)(slash - text);
    if (!parse_address(text, address_bytes, address)) {
        return false;
    }
    unsigned most = memchr(text, ':', address_bytes) == NULL ? 32 : 128;
    unsigned value = most;
    if (slash != NULL) {
        size_t digits = bytes - address_bytes - 1;
        value = 0;
        for (size_t i = 0; i < digits && digits <= 3; i++) {
            char digit = slash[1 + i];
            value = digit >= '0' && digit <= '9' ? value * 10 + (unsigned)(digit - '0') : 1000;
        }
        if (digits == 0 || digits > 3 || value > most) {
            return false;
        }
    }
    *bits = value + (128 - most);
    return true;
}

static bool is_inside(const struct in6_addr *address, const struct in6_addr *network, unsigned bits) {
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return memcmp(address, network, whole) == 0 &&
           (rest == 0 || ((address->s6_addr[whole] ^ network->s6_addr[whole]) & mask) == 0);
}

/* The next item of a list separated by blanks or commas; false at its end. */
static bool next_item(const char **rest, const char **item, size_t *bytes) {
    *rest += strspn(*rest, ", \t");
    *item = *rest;
    *bytes = strcspn(*rest, ", \t");
    *rest += *bytes;
    return *bytes > 0;
}

bool forwarded_is_trusted(const struct in6_addr *address, const char *trusted) {
    const char *item;
    size_t bytes;
    while (next_item(&trusted, &item, &bytes)) {
        struct in6_addr network;
        unsigned bits;
        if (parse_network(item, bytes, &network, &bits) && is_inside(address, &network, bits)) {
            return true;
        }
    }
    return false;
}

bool forwarded_check(const char *trusted, char *why, size_t why_bytes) {
    const char *item;
    size_t bytes;
    while (next_item(&trusted, &item, &bytes)) {
        struct in6_addr network;
        unsigned bits;
        if (!parse_network(item, bytes, &network, &bits)) {
            snprintf(why, why_bytes, "'%.*s' is neither an address nor a network (10.0.0.0/8)", (int)(bytes < 64 ? bytes : 64),
                     item);
            return false;
        }
    }
    return true;
}

/* ---- the header ---- */

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]:4711"; proxies differ. */
static bool parse_entry(struct span entry, struct in6_addr *address) {
    const char *text = (const char *)entry.data;
    size_t bytes = entry.bytes;
    if (bytes > 2 && text[0] == '[') {
        const char *end = memchr(text, ']', bytes);
        return end != NULL && parse_address(text + 1, (size_t)(end - text) - 1, address);
    }
    const char *colon = memchr(text, ':', bytes);
    bool has_port = colon != NULL && memchr(colon + 1, ':', bytes - (size_t)(colon - text) - 1) == NULL;
    return parse_address(text, has_port ? (size_t)(colon - text) : bytes, address);
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

/* The last item of a list separated by commas, taken off it. */
static struct span take_last(struct span *list) {
    size_t at = list->bytes;
    while (at > 0 && list->data[at - 1] != ',') {
        at--;
    }
    struct span item = span_of(list->data + at, list->bytes - at);
    list->bytes = at > 0 ? at - 1 : 0;
    while (item.bytes > 0 && is_blank(item.data[0])) {
        item = span_of(item.data + 1, item.bytes - 1);
    }
    while (item.bytes > 0 && is_blank(item.data[item.bytes - 1])) {
        item.bytes--;
    }
    return item;
}

/* Reads on to the left while proxies of ours wrote it. True: `client` is found, or something that is no address. */
static bool read_list(struct span list, const char *trusted, struct in6_addr *client, bool *found) {
    while (list.bytes > 0) {
        struct in6_addr address;
        if (!parse_entry(take_last(&list), &address)) {
            return true; /* "unknown": what is left of it is anybody's word */
        }
        *client = address;
        *found = true;
        if (!forwarded_is_trusted(&address, trusted)) {
            return true;
        }
    }
    return false;
}

bool forwarded_client(const struct http_head *head, const char *trusted, struct in6_addr *client) {
    static const char name[] = "x-forwarded-for";
    bool found = false;
    for (size_t i = head->header_count; i > 0; i--) {
        const struct http_header *header = &head->headers[i - 1];
        if (header->name.bytes == sizeof name - 1 && strncasecmp((const char *)header->name.data, name, sizeof name - 1) == 0 &&
            read_list(header->value, trusted, client, &found)) {
            break;
        }
    }
    return found;
}

bool forwarded_admit(struct exchange *exchange) {
    struct broker *broker = exchange->broker;
    struct transport *transport = exchange->connection->transport;
    struct sockaddr_in6 client = {.sin6_family = AF_INET6};
    if (!transport->is_proxied || !forwarded_client(&exchange->head, broker->config.trusted_proxies, &client.sin6_addr) ||
        memcmp(&client.sin6_addr, &transport->address.sin6_addr, sizeof client.sin6_addr) == 0) {
        return true;
    }
    if (!connection_limits_move(&broker->shards->limits, &transport->count, (const struct sockaddr *)&client)) {
        broker->metrics.refused_address++;
        exchange_problem(
            exchange,
            &(struct problem){.code = AHORA_TOO_MANY, .detail = "too many connections from this address", .retry_ms = 5000});
        return false;
    }
    transport->address = client;
    return true;
}

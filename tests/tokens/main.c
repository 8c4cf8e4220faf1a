/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Shows every token of a file (make.js) to a real broker in each way there is: in `hello`, over both encodings; in `auth`; on the upgrade; and
 * with an HTTP request that would write. A bad one must be refused each time, with the one text that all of them get, and counted
 * under its reason; at the end nothing may have been written. A good one must be taken each time.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/broker_process.h"
#include "tests/support/http.h"
#include "tests/support/wire.h"

#define LINE_BYTES 400000
#define PATIENCE_MS 60000
#define HEADER_BYTES_MAX 7000 /* what fits a request head beside the rest of it */

static const char text_of_all[] = "the credentials are not valid";

struct shown {
    const char *name;
    const char *reason; /* "good" */
    const char *token;
    json_t *text; /* the token as JSON */
};

static struct broker_process broker;
static char *good_token;
static unsigned failures;
static unsigned checks;

static void complain(const struct shown *shown, const char *way, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void complain(const struct shown *shown, const char *way, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("tokens: %s, %s: ", shown->name, way);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    failures++;
}

static bool is_good(const struct shown *shown) {
    return strcmp(shown->reason, "good") == 0;
}

/* ---- over WebSocket ---- */

static json_t *hello_with(json_t *token) {
    return json_pack("{s:s, s:O}", "op", "hello", "token", token);
}

static void expect_error(const struct shown *shown, const char *way, json_t *message) {
    if (strcmp(wire_text(message, "code"), "unauthorized") != 0 || strcmp(wire_text(message, "detail"), text_of_all) != 0) {
        complain(shown, way, "answered %s %s \"%s\"", wire_text(message, "op"), wire_text(message, "code"),
                 wire_text(message, "detail"));
    }
}

static void show_in_hello(const struct shown *shown, enum codec codec) {
    struct wire wire;
    const char *way = codec == CODEC_JSON ? "hello, JSON" : "hello, MessagePack";
    checks++;
    if (!wire_open(&wire, broker.port, codec) || !wire_send_new(&wire, hello_with(shown->text))) {
        complain(shown, way, "no connection");
        wire_fini(&wire);
        return;
    }
    json_t *message = wire_receive(&wire, PATIENCE_MS);
    if (is_good(shown)) {
        if (strcmp(wire_text(message, "op"), "welcome") != 0) {
            complain(shown, way, "refused: %s", wire_text(message, "code"));
        }
    } else {
        expect_error(shown, way, message);
        const int code = wire_receive_close(&wire, PATIENCE_MS);
        if (code != 4401 || strcmp(wire.close_reason, "unauthorized") != 0) {
            complain(shown, way, "closed with %d %s", code, wire.close_reason);
        }
    }
    json_decref(message);
    wire_fini(&wire);
}

/* A session in good standing shows it, and then writes: a bad token changes nothing about who it is. */
static void show_in_auth(const struct shown *shown) {
    struct wire wire;
    json_t *good = json_string(good_token);
    checks++;
    if (!wire_open(&wire, broker.port, CODEC_JSON) || !wire_send_new(&wire, hello_with(good))) {
        complain(shown, "auth", "no connection");
    }
    json_decref(good);
    json_decref(wire_receive_op(&wire, "welcome", PATIENCE_MS));
    wire_send_new(&wire, json_pack("{s:s, s:i, s:O}", "op", "auth", "id", 3, "token", shown->text));
    json_t *message = wire_receive(&wire, PATIENCE_MS);
    if (!is_good(shown)) {
        expect_error(shown, "auth", message);
    } else if (strcmp(wire_text(message, "op"), "ok") != 0) {
        complain(shown, "auth", "refused: %s", wire_text(message, "code"));
    }
    json_decref(message);
    wire_send_new(&wire, json_pack("{s:s, s:i}", "op", "ping", "id", 4));
    message = wire_receive_op(&wire, "pong", PATIENCE_MS);
    if (message == NULL) {
        complain(shown, "auth", "the session is gone: %d", wire.close_code);
    }
    json_decref(message);
    wire_fini(&wire);
}

/* ---- in a header ---- */

/* Can it stand in a header at all? */
static bool fits_header(const char *token) {
    size_t bytes = 0;
    for (const char *c = token; *c != '\0'; c++, bytes++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c == 0x7f) {
            return false;
        }
    }
    return bytes > 0 && bytes <= HEADER_BYTES_MAX && token[0] != ' ' && token[bytes - 1] != ' ';
}

static void show_on_upgrade(const struct shown *shown, const char *header) {
    struct wire wire;
    const struct wire_options options = {.headers = header};
    checks++;
    const bool opened = wire_open_with(&wire, broker.port, CODEC_JSON, &options);
    if (opened != is_good(shown) || (!opened && wire.status != 401)) {
        complain(shown, "upgrade", "status %d", wire.status);
    }
    wire_fini(&wire);
}

static void show_in_request(const struct shown *shown, const char *header, const char *method, const char *target,
                            const char *body) {
    struct http_response response;
    checks++;
    (void)http_request(broker.port, method, target, header, body, body == NULL ? 0 : strlen(body), &response);
    if (is_good(shown)) {
        if (response.status != 200 && response.status != 201) {
            complain(shown, method, "status %d", response.status);
        }
    } else {
        char challenge[64] = "";
        json_t *problem = http_response_json(&response);
        (void)http_response_header(&response, "WWW-Authenticate", challenge, sizeof challenge);
        if (response.status != 401 || strcmp(wire_text(problem, "detail"), text_of_all) != 0 ||
            strcmp(challenge, "Bearer") != 0) {
            complain(shown, method, "status %d, \"%s\"", response.status, wire_text(problem, "detail"));
        }
        json_decref(problem);
    }
    http_response_fini(&response);
}

static void show_in_header(const struct shown *shown) {
    static char header[HEADER_BYTES_MAX + 256];
    if (!fits_header(shown->token)) {
        return;
    }
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", shown->token);
    show_on_upgrade(shown, header);
    show_in_request(shown, header, "PUT", is_good(shown) ? "/v1/topics/stock/good/x" : "/v1/topics/stock/bad/x",
                    "{\"available\":1}");
    show_in_request(shown, header, "GET", "/v1/topics?match=stock/bad/*", NULL);
}

/* ---- counters ---- */

static double counted(const char *reason) {
    struct http_response response;
    char name[128];
    double value = -1;
    snprintf(name, sizeof name, "\nahora_auth_refused_total{reason=\"%s\"} ", reason);
    if (http_request(broker.port, "GET", "/metrics", NULL, NULL, 0, &response)) {
        const char *found = strstr(http_response_body(&response), name);
        value = found == NULL ? -1 : strtod(found + strlen(name), NULL);
    }
    http_response_fini(&response);
    return value;
}

/* A shard tells the others what it counted at the end of its turn. */
static void expect_counted(const struct shown *shown, double expected) {
    double value = counted(shown->reason);
    for (int waited_ms = 0; value < expected && waited_ms < PATIENCE_MS; waited_ms += 10) {
        usleep(10000);
        value = counted(shown->reason);
    }
    if (value < expected) {
        complain(shown, "counter", "%s is %g, not %g", shown->reason, value, expected);
    }
}

static void show(const struct shown *shown) {
    const double before = is_good(shown) ? 0 : counted(shown->reason);
    const unsigned checks_before = checks;
    show_in_hello(shown, CODEC_JSON);
    show_in_hello(shown, CODEC_MSGPACK);
    show_in_auth(shown);
    show_in_header(shown);
    if (!is_good(shown)) {
        expect_counted(shown, before + (checks - checks_before));
    }
}

/* A NUL cannot stand in the text of a message at all, which is refused before anybody looks at the token. */
static bool can_travel(const json_t *text) {
    return strlen(json_string_value(text)) == json_string_length(text);
}

static bool read_line(char *line, struct shown *shown) {
    char *reason = strchr(line, '\t');
    char *token = reason == NULL ? NULL : strchr(reason + 1, '\t');
    if (token == NULL) {
        return false;
    }
    *reason++ = '\0';
    *token++ = '\0';
    *shown = (struct shown){.name = line, .reason = reason, .text = json_loads(token, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)};
    shown->token = json_string_value(shown->text);
    return shown->token != NULL && can_travel(shown->text);
}

static unsigned show_all(FILE *file) {
    static char line[LINE_BYTES];
    unsigned bad = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        struct shown shown = {0};
        if (!read_line(line, &shown)) {
            printf("tokens: a line is malformed\n");
            failures++;
            continue;
        }
        if (good_token == NULL) {
            good_token = strdup(shown.token); /* the first is good */
        }
        bad += !is_good(&shown);
        show(&shown);
        json_decref(shown.text);
    }
    return bad;
}

static void expect_nothing_written(void) {
    const struct shown nobody = {.name = "all", .reason = "good"};
    static char header[HEADER_BYTES_MAX + 256];
    struct http_response response;
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", good_token);
    (void)http_request(broker.port, "GET", "/v1/topics/stock/bad/x", header, NULL, 0, &response);
    if (response.status != 404) {
        complain(&nobody, "GET", "a bad token wrote: %d", response.status);
    }
    http_response_fini(&response);
}

static bool log_holds_token(void) {
    static char line[LINE_BYTES];
    FILE *log = fopen(broker.log, "r");
    bool found = false;
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        found |= strstr(line, "eyJ") != NULL || strstr(line, "ahk_") != NULL;
    }
    if (log != NULL) {
        fclose(log);
    }
    return found;
}

int main(int count, char **words) {
    char path[512];
    if (count != 2 && (count != 3 || strcmp(words[2], "--set") != 0)) {
        printf("usage: tokens DIRECTORY [--set]\n");
        return 2;
    }
    const bool is_set = count == 3; /* the same keys as one JSON Web Key Set */
    snprintf(path, sizeof path, is_set ? "%s/keys.json" : "%s/keys", words[1]);
    setenv(is_set ? "AHORA_AUTH_JWKS" : "AHORA_AUTH_KEYS", path, 1);
    setenv("AHORA_AUTH_OPEN_FIGURES", "true", 1);
    setenv("AHORA_AUTH_ISSUER", "shop.example", 1);
    setenv("AHORA_AUTH_AUDIENCE", "ahora", 1);
    snprintf(path, sizeof path, "%s/tokens", words[1]);
    FILE *file = fopen(path, "r");
    if (file == NULL || !broker_process_init(&broker, "tokens") || !broker_process_start(&broker, NULL)) {
        printf("tokens: no file, or no broker\n");
        return 1;
    }
    const unsigned bad = show_all(file);
    expect_nothing_written();
    if (broker_process_term(&broker) != 0 || log_holds_token()) {
        printf("tokens: the broker ended badly, or its log holds a token\n");
        failures++;
    }
    printf("%u bad tokens, each refused in up to 6 ways: %u checks, %u failures\n", bad, checks, failures);
    broker_process_fini(&broker);
    free(good_token);
    fclose(file);
    return failures > 0 || bad < 60 ? 1 : 0;
}

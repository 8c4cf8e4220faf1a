/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/config.h"

#include "broker/net/config_kinds.h"
#include "broker/net/config_promise.h"
#include "broker/net/forwarded.h"
#include "broker/net/listen_address.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void config_init(struct config *config) {
    memset(config, 0, sizeof *config);
    snprintf(config->data, sizeof config->data, "ahora-data");
    config->log_level = LOG_INFO;
    store_options_default(&config->store);
    limits_default(&config->core);
    config->auth_skew_ms = 5000;
    config->auth_token_bytes_max = 8192;
    config->auth_judge_ms = 2;
    config->auth_waiting_max = 4096;
    config->shards = 1;
    snprintf(config->tls_client_certificates, sizeof config->tls_client_certificates, "required");
    snprintf(config->tls_min_version, sizeof config->tls_min_version, "1.2");
    config->handshake_ms = 10000;
    config->handshakes_max = 1024;
    config->handshake_steps_max = 4;
    config->idle_records_max = 64; /* a handshake takes some ten; whoever updates keys does so once in many gigabytes */
    config->vanished_ms = 60000;
    config->connections_per_address_max = 1000;
    config->sessions_per_subject_max = 1000;
    config->handshake_rate_max = 20000;
    config->handshakes_waiting_max = 4096;
    config->handshake_wait_ms = 5000;
    config->turn_ms = 5;
    config->header_ms = 10000;
    config->header_bytes_max = 8192;
    config->body_ms = 60000;
    config->idle_ms = 30000;
    config->stall_ms = 60000;
    config->body_bytes_max = 4 << 20;
    config->bodies_bytes_max = 256 << 20;
    config->yield_ms = 5000;
    config->requests_max = 1024;
    config->page_items_max = 1000;
    config->listed_topics_max = 8 << 20;
    config->range_nights_max = 1000;
    config->stream_results_max = 4096;
    config->event_streams_max = 10000;
    config->close_ms = 5000;
    config->receive_bytes = 65536;
    config->notsent_lowat_bytes = 16384;
    config->fragments_max = 1024;
    config->idle_frames_rate_max = 500;
    config->messages_bytes_max = 256 << 20;
    config->turn_bytes_max = 256 << 10;
    config->drain_ms = 5000;
    config->retry_ms = 5000;
    config->return_rate_max = 2000;
}

static const struct config_key *find_key(const char *section, const char *name) {
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].name, name) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}

static void *field_of(struct config *config, const struct config_key *key) {
    return (char *)config + key->offset;
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit byte_units[] = {{"", 1},          {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
                                         {"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}, {NULL, 0}};
static const struct unit time_units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/* Digits and a unit. False: malformed or beyond int64. */
static bool parse_amount(const char *value, const struct unit *units, int64_t *amount) {
    if (!isdigit((unsigned char)value[0])) {
        return false;
    }
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno != 0) {
        return false;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0) {
            return !__builtin_mul_overflow((int64_t)number, units->factor, amount);
        }
    }
    return false;
}

static const struct unit *units_of(enum config_type type) {
    return type == CONFIG_BYTES ? byte_units : type == CONFIG_DURATION ? time_units : no_units;
}

bool config_parse_amount(enum config_type type, const char *text, int64_t *amount) {
    return parse_amount(text, units_of(type), amount);
}

bool config_parse_duration(const char *text, int64_t *duration_ms) {
    return parse_amount(text, time_units, duration_ms);
}

static bool set_amount(struct config *config, const struct config_key *key, const char *value, char *why, size_t why_bytes) {
    int64_t amount;
    if (!config_parse_amount(key->type, value, &amount)) {
        snprintf(why, why_bytes, "%s.%s: '%.64s' is not %s", key->section, key->name, value,
                 key->type == CONFIG_BYTES      ? "a number of bytes (65536, 64K, 64M, 64G)"
                 : key->type == CONFIG_DURATION ? "a duration (500, 500ms, 5s, 10m, 1h)"
                                                : "a number");
        return false;
    }
    if (amount < key->min || amount > key->max) {
        snprintf(why, why_bytes, "%s.%s: must be from %" PRId64 " to %" PRId64, key->section, key->name, key->min, key->max);
        return false;
    }
    memcpy(field_of(config, key), &amount, sizeof amount);
    return true;
}

static bool set_text(struct config *config, const struct config_key *key, const char *value, char *why, size_t why_bytes) {
    size_t bytes = strlen(value);
    if ((int64_t)bytes < key->min || bytes >= CONFIG_TEXT_BYTES_MAX) {
        snprintf(why, why_bytes, "%s.%s: must have %d to %d bytes", key->section, key->name, (int)key->min,
                 CONFIG_TEXT_BYTES_MAX - 1);
        return false;
    }
    memcpy(field_of(config, key), value, bytes + 1);
    return true;
}

static bool set_bool(struct config *config, const struct config_key *key, const char *value, char *why, size_t why_bytes) {
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    for (int truth = 0; truth < 2; truth++) {
        for (int i = 0; i < 3; i++) {
            if (strcasecmp(value, words[truth][i]) == 0) {
                bool flag = truth == 1;
                memcpy(field_of(config, key), &flag, sizeof flag);
                return true;
            }
        }
    }
    snprintf(why, why_bytes, "%s.%s: '%.64s' is neither true nor false", key->section, key->name, value);
    return false;
}

static bool set_level(struct config *config, const struct config_key *key, const char *value, char *why, size_t why_bytes) {
    for (int i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(value, log_level_name((enum log_level)i)) == 0) {
            config->log_level = (enum log_level)i;
            return true;
        }
    }
    snprintf(why, why_bytes, "%s.%s: '%.64s' is not error, warn, info or debug", key->section, key->name, value);
    return false;
}

static bool set_sync(struct config *config, const struct config_key *key, const char *value, char *why, size_t why_bytes) {
    if (strcmp(value, "every") == 0) {
        config->store.sync = SYNC_EVERY;
        return true;
    }
    if (strcmp(value, "off") == 0) {
        config->store.sync = SYNC_OFF;
        return true;
    }
    int64_t amount;
    if (!parse_amount(value, time_units, &amount) || amount < key->min || amount > key->max) {
        snprintf(why, why_bytes, "%s.%s: '%.64s' is not every, off or a duration up to 1h", key->section, key->name, value);
        return false;
    }
    config->store.sync = SYNC_INTERVAL;
    config->store.sync_ms = amount;
    return true;
}

typedef bool config_setter(struct config *config, const struct config_key *key, const char *value, char *why, size_t why_bytes);

static config_setter *const setters[] = {
    [CONFIG_TEXT] = set_text, [CONFIG_NUMBER] = set_amount, [CONFIG_BYTES] = set_amount, [CONFIG_DURATION] = set_amount,
    [CONFIG_BOOL] = set_bool, [CONFIG_LEVEL] = set_level,   [CONFIG_SYNC] = set_sync,
};

bool config_set(struct config *config, const char *section, const char *name, const char *value, char *why, size_t why_bytes) {
    const struct config_key *key = find_key(section, name);
    if (key == NULL) {
        snprintf(why, why_bytes, "there is no key '%.64s' in section '%.64s'", name, section);
        return false;
    }
    return setters[key->type](config, key, value, why, why_bytes);
}

struct file_reader {
    struct config *config;
    const char *path;
    FILE *errors;
    int line_number;
    FILE *file;
};

static void report(struct config *config, FILE *errors, const char *place, int line, const char *why) {
    config->errors++;
    if (line > 0) {
        fprintf(errors, "%s:%d: %s\n", place, line, why);
    } else {
        fprintf(errors, "%s: %s\n", place, why);
    }
}

/* libinih asks for lines, so that we can count them; it has no other way to tell a handler where it is. */
static char *read_line(char *line, int bytes, void *stream) {
    struct file_reader *reader = stream;
    char *got = fgets(line, bytes, reader->file);
    if (got != NULL) {
        reader->line_number++;
    }
    return got;
}

static int on_pair(void *user, const char *section, const char *name, const char *value) {
    struct file_reader *reader = user;
    char why[256];
    if (!config_set(reader->config, section, name, value != NULL ? value : "", why, sizeof why)) {
        report(reader->config, reader->errors, reader->path, reader->line_number, why);
    }
    return 1;
}

void config_read_file(struct config *config, const char *path, FILE *errors) {
    struct file_reader reader = {.config = config, .path = path, .errors = errors, .file = fopen(path, "re")};
    if (reader.file == NULL) {
        report(config, errors, path, 0, strerror(errno));
        return;
    }
    int line = ini_parse_stream(read_line, &reader, on_pair, &reader);
    if (line > 0) {
        report(config, errors, path, line, "this is neither a section, a key with a value, nor a comment");
    } else if (line < 0) {
        report(config, errors, path, 0, "cannot be read");
    }
    fclose(reader.file);
}

/* "LIMITS_TOPICS_MAX" against "limits", "topics_max". */
static bool variable_names(const char *variable, size_t bytes, const char *section, const char *name) {
    size_t section_bytes = strlen(section);
    return bytes == section_bytes + 1 + strlen(name) && strncasecmp(variable, section, section_bytes) == 0 &&
           variable[section_bytes] == '_' && strncasecmp(variable + section_bytes + 1, name, strlen(name)) == 0;
}

static void read_variable(struct config *config, const char *variable, FILE *errors) {
    size_t bytes = strcspn(variable, "=");
    const char *rest = variable + strlen("AHORA_");
    size_t rest_bytes = bytes - strlen("AHORA_");
    bool ours = false;
    char why[256] = "there is no such key";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (variable_names(rest, rest_bytes, key->section, key->name)) {
            if (setters[key->type](config, key, variable[bytes] == '=' ? variable + bytes + 1 : "", why, sizeof why)) {
                return;
            }
            ours = true;
            break;
        }
        size_t section_bytes = strlen(key->section);
        ours |= rest_bytes > section_bytes && strncasecmp(rest, key->section, section_bytes) == 0 && rest[section_bytes] == '_';
    }
    if (ours) {
        char place[128];
        snprintf(place, sizeof place, "environment: %.*s", (int)(bytes < 100 ? bytes : 100), variable);
        report(config, errors, place, 0, why);
    }
}

void config_read_environment(struct config *config, char *const *environment, FILE *errors) {
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "AHORA_", strlen("AHORA_")) == 0) {
            read_variable(config, *environment, errors);
        }
    }
}

static void check_word(struct config *config, FILE *errors, const char *name, const char *value, const char *const words[2]) {
    if (strcmp(value, words[0]) != 0 && strcmp(value, words[1]) != 0) {
        char why[64];
        snprintf(why, sizeof why, "must be %s or %s", words[0], words[1]);
        report(config, errors, name, 0, why);
    }
}

/* An address of one's own replaces the one that is there by itself. */
static void check_listening(struct config *config, FILE *errors) {
    char why[512];
    if (config->listen[0] == '\0' && config->listen_public[0] == '\0' && config->listen_internal[0] == '\0') {
        snprintf(config->listen, sizeof config->listen, "127.0.0.1:7600");
    }
    check_word(config, errors, "tls.min_version", config->tls_min_version, (const char *const[]){"1.2", "1.3"});
    check_word(config, errors, "tls.client_certificates", config->tls_client_certificates,
               (const char *const[]){"required", "optional"});
    if (!forwarded_check(config->trusted_proxies, why, sizeof why)) {
        report(config, errors, "listen.trusted_proxies", 0, why);
    }
    if (!listen_check(config, why, sizeof why)) {
        config->errors++;
        fprintf(errors, "%s\n", why);
    } else if (config->tls_certificate[0] != '\0' && !listen_has_tls(config)) {
        report(config, errors, "tls.certificate", 0, "no address to listen on has tls: in front");
    }
}

void config_check(struct config *config, FILE *errors) {
    check_listening(config, errors);
    if (config->store.journal_bytes_max < 2 * config->store.segment_bytes) {
        report(config, errors, "store.journal_bytes_max", 0, "must hold at least two segments");
    }
    if (config->core.document_bytes_max > config->core.message_bytes_max) {
        report(config, errors, "limits.document_bytes_max", 0, "must not exceed limits.message_bytes_max");
    }
    if ((int64_t)config->core.document_bytes_max > (int64_t)config->store.segment_bytes / 4) {
        report(config, errors, "limits.document_bytes_max", 0, "must not exceed a quarter of store.segment_bytes");
    }
    char why[256];
    const char *wrong = config_read_promises(config, why, sizeof why);
    if (wrong != NULL) {
        report(config, errors, wrong, 0, why);
    }
    wrong = config_read_bounds(config, why, sizeof why);
    if (wrong != NULL) {
        report(config, errors, wrong, 0, why);
    }
    if (config->core.grace_ms > config->core.grace_ms_max) {
        report(config, errors, "limits.grace_ms", 0, "must not exceed limits.grace_ms_max");
    }
    if (config->bodies_bytes_max < config->body_bytes_max) {
        report(config, errors, "http.bodies_bytes_max", 0, "must not be below http.body_bytes_max");
    }
    if (config->messages_bytes_max < (int64_t)config->core.message_bytes_max) {
        report(config, errors, "websocket.messages_bytes_max", 0, "must not be below limits.message_bytes_max");
    }
}

static void print_value(const struct config *config, const struct config_key *key, FILE *out) {
    const char *field = (const char *)config + key->offset;
    int64_t amount;
    bool flag;
    switch (key->type) {
    case CONFIG_TEXT:
        fputs(field, out);
        return;
    case CONFIG_BOOL:
        memcpy(&flag, field, sizeof flag);
        fputs(flag ? "true" : "false", out);
        return;
    case CONFIG_LEVEL:
        fputs(log_level_name(config->log_level), out);
        return;
    case CONFIG_SYNC:
        if (config->store.sync != SYNC_INTERVAL) {
            fputs(config->store.sync == SYNC_EVERY ? "every" : "off", out);
            return;
        }
        break;
    case CONFIG_NUMBER:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        break;
    }
    memcpy(&amount, field, sizeof amount);
    fprintf(out, "%" PRId64, amount);
}

void config_print(const struct config *config, FILE *out) {
    const char *section = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (strcmp(section, key->section) != 0) {
            fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", key->section);
            section = key->section;
        }
        fprintf(out, "%s = ", key->name);
        print_value(config, key, out);
        fputc('\n', out);
    }
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Writes the keys of the configuration as source for scdoc, from the table that reads them: the middle of docs/man/ahora.conf.5.scd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/net/config.h"

static const char *const types[] = {
    [CONFIG_TEXT] = "text",
    [CONFIG_NUMBER] = "number",
    [CONFIG_BYTES] = "bytes",
    [CONFIG_DURATION] = "duration",
    [CONFIG_BOOL] = "true or false",
    [CONFIG_LEVEL] = "error, warn, info or debug",
    [CONFIG_SYNC] = "every, off or a duration",
};

/* What scdoc would take as markup is escaped. */
static void put_text(const char *text) {
    for (; *text != '\0'; text++) {
        if (strchr("_*#\\<>`~", *text) != NULL) {
            putchar('\\');
        }
        putchar(*text);
    }
}

/* The default as it is printed for a file: "name = value" behind "[section]". */
static void put_default(const char *printed, const struct config_key *key) {
    char wanted[96];
    snprintf(wanted, sizeof wanted, "[%s]\n", key->section);
    const char *at = strstr(printed, wanted);
    snprintf(wanted, sizeof wanted, "\n%s = ", key->name);
    at = at == NULL ? NULL : strstr(at, wanted);
    if (at == NULL) {
        return;
    }
    at += strlen(wanted);
    char value[300];
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\n"), at);
    fputs(", default ", stdout);
    put_text(value[0] == '\0' ? "none" : value);
}

int main(void) {
    static struct config config;
    char *printed = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&printed, &bytes);
    config_init(&config);
    if (memory == NULL) {
        return 1;
    }
    config_print(&config, memory);
    fclose(memory);
    const char *section = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (strcmp(section, key->section) != 0) {
            section = key->section;
            fputs("## ", stdout);
            put_text("[");
            printf("%s]\n\n", section);
        }
        fputs("*", stdout);
        put_text(key->name);
        printf("* (%s", types[key->type]);
        put_default(printed, key);
        fputs(")\n\t", stdout);
        put_text(key->text);
        fputs("\n\n", stdout);
    }
    free(printed);
    return 0;
}

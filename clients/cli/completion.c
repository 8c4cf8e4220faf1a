/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Completion for bash, written from the table of commands: which options a command has, which words a value may be. It needs nothing but
 * bash itself.
 */
#include <string.h>

#include "clients/cli/command.h"

static const char head[] = "# Completion of ahora for bash, written by `ahora completion bash`.\n"
                           "_ahora() {\n"
                           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i\n"
                           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                           "        case ${COMP_WORDS[i]} in\n"
                           "        -s | --server) i=$((i + 1)) ;;\n"
                           "        : | =) i=$((i + 1)) ;; # bash takes words apart at these: the rest of the one before\n"
                           "        -*) ;;\n"
                           "        *)\n"
                           "            command=${COMP_WORDS[i]}\n"
                           "            break\n"
                           "            ;;\n"
                           "        esac\n"
                           "    done\n"
                           "    COMPREPLY=()\n"
                           "    if [[ $word == '=' ]]; then\n"
                           "        word=\n"
                           "    elif [[ $before == '=' ]]; then\n"
                           "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
                           "    fi\n";

static const char tail[] = "    if [[ $word == -* ]]; then\n"
                           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
                           "    elif [[ -n $files ]]; then\n"
                           "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
                           "    fi\n"
                           "}\n"
                           "complete -o filenames -F _ahora ahora 2>/dev/null || complete -F _ahora ahora\n";

static void put_commands(FILE *to) {
    fputs("    if [[ -z $command ]]; then\n        mapfile -t COMPREPLY < <(compgen -W \"", to);
    for (size_t i = 0; command_at(i) != NULL; i++) {
        fprintf(to, "%s ", command_at(i)->name);
    }
    fputs("help version completion\" -- \"$word\")\n        return\n    fi\n", to);
}

/* What follows an option that takes a value: one of its words, a file, or something that only the user knows. */
static void put_values(FILE *to) {
    fputs("    case $before in\n", to);
    for (size_t i = 0; options_at(i) != NULL; i++) {
        const struct option_row *row = options_at(i);
        const char *words = options_words(row->name);
        if (row->value == NULL) {
            continue;
        }
        fprintf(to, "    --%s", row->name);
        if (row->letter != 0) {
            fprintf(to, " | -%c", row->letter);
        }
        if (words != NULL) {
            fprintf(to, ")\n        mapfile -t COMPREPLY < <(compgen -W \"%s\" -- \"$word\")\n        return\n        ;;\n",
                    words);
        } else if (strcmp(row->value, "FILE") == 0) {
            fputs(")\n        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n        return\n        ;;\n", to);
        } else {
            fputs(") return ;;\n", to);
        }
    }
    fputs("    esac\n", to);
}

static void put_options(FILE *to, const struct command *command) {
    fprintf(to, "    %s)\n        options=\"", command->name);
    for (size_t i = 0; options_at(i) != NULL; i++) {
        if ((options_at(i)->bit & command->options) != 0) {
            fprintf(to, "--%s ", options_at(i)->name);
        }
    }
    fprintf(to, "\"\n%s        ;;\n", strstr(command->arguments, "FILE") != NULL ? "        files=yes\n" : "");
}

void command_completion(FILE *to) {
    fputs(head, to);
    put_commands(to);
    put_values(to);
    fputs("    local options= files=\n    case $command in\n    help)\n        mapfile -t COMPREPLY < <(compgen -W \"", to);
    for (size_t i = 0; command_at(i) != NULL; i++) {
        fprintf(to, "%s ", command_at(i)->name);
    }
    fputs(
        "\" -- \"$word\")\n        return\n        ;;\n    completion)\n        COMPREPLY=(bash)\n        return\n        ;;\n",
        to);
    for (size_t i = 0; command_at(i) != NULL; i++) {
        put_options(to, command_at(i));
    }
    fputs("    esac\n", to);
    fputs(tail, to);
}

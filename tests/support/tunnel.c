/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/tunnel.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/http.h"

#define READY_MS 30000
#define POLL_MS 10

static void run_child(const struct tunnel_options *options) {
    const char *binary = getenv("AHORA_TEST_TLS");
    char port[8];
    char broker_port[8];
    binary = binary != NULL ? binary : "build/tests/tls-tunnel";
    snprintf(port, sizeof port, "%u", options->port);
    snprintf(broker_port, sizeof broker_port, "%u", options->broker_port);
    execl(binary, binary, port, broker_port, options->ca, options->certificate, options->key, (char *)NULL);
    perror(binary);
    _exit(127);
}

bool tunnel_process_start(struct tunnel_process *tunnel, const struct tunnel_options *options) {
    tunnel->pid = fork();
    if (tunnel->pid == 0) {
        run_child(options);
    }
    for (int waited_ms = 0; tunnel->pid > 0 && waited_ms < READY_MS; waited_ms += POLL_MS) {
        int fd = http_connect(options->port, 0);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    fprintf(stderr, "tunnel: it does not listen\n");
    return false;
}

void tunnel_process_stop(struct tunnel_process *tunnel) {
    if (tunnel->pid > 0) {
        kill(tunnel->pid, SIGKILL);
        waitpid(tunnel->pid, NULL, 0);
        tunnel->pid = 0;
    }
}

/* True if the command succeeds; else what it printed is shown. */
static bool run(const char *command) {
    char line[512];
    FILE *pipe = popen(command, "r");
    char all[4096] = "";
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        strncat(all, line, sizeof all - strlen(all) - 1);
    }
    bool good = pipe != NULL && pclose(pipe) == 0;
    if (!good) {
        fprintf(stderr, "%s\n%s", command, all);
    }
    return good;
}

#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

bool certificate_make(const char *directory, const char *name) {
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && openssl req -x509 " NEW_KEY " -keyout '%s.key' -out '%s.pem' -days 2 -subj '/CN=%s' "
             "-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>&1",
             directory, name, name, name);
    return run(command);
}

bool certificate_make_signed(const char *directory, const char *name, const char *ca, const char *subject, int days) {
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && openssl req " NEW_KEY " -keyout '%s.key' -out '%s.csr' -subj '%s' 2>&1 && "
             "openssl x509 -req -in '%s.csr' -CA '%s.pem' -CAkey '%s.key' -days %d -out '%s.pem' 2>&1",
             directory, name, name, subject, name, ca, ca, days, name);
    return run(command);
}

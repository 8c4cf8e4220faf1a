/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/server.h"

#include "bench/clock.h"
#include "bench/secure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64
#define READY_NS (20 * NS_PER_S)
#define STOP_NS (20 * NS_PER_S)
#define POLL_NS (5 * NS_PER_MS)

bool core_pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (core < 0 || i == core) {
            CPU_SET((size_t)i, &set);
        }
    }
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

/* ---- asking it over HTTP ---- */

static int dial(const struct server *server) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 5};
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)(const void *)&server->address, sizeof server->address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The whole answer to a GET as text; false if there was none. */
static bool http_get(const struct server *server, const char *path, char *out, size_t out_bytes) {
    int fd = dial(server);
    if (fd < 0) {
        return false;
    }
    char request[256];
    int bytes =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, server->authority);
    size_t have = 0;
    if (send(fd, request, (size_t)bytes, MSG_NOSIGNAL) == bytes) {
        ssize_t received;
        while (have + 1 < out_bytes && (received = recv(fd, out + have, out_bytes - 1 - have, 0)) > 0) {
            have += (size_t)received;
        }
    }
    out[have] = '\0';
    close(fd);
    return have > 0;
}

static bool is_ahora(const struct server *server) {
    return (server->target->abilities & CAN_BE_AHORA) != 0;
}

static bool is_ready(const struct server *server) {
    if (!is_ahora(server)) {
        int fd = dial(server);
        if (fd >= 0) {
            close(fd);
        }
        return fd >= 0;
    }
    char answer[1024];
    return http_get(server, "/readyz", answer, sizeof answer) && strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

int64_t server_seq(const struct server *server) {
    char answer[16384];
    if (!is_ahora(server) || !http_get(server, "/v1/status", answer, sizeof answer)) {
        return -1;
    }
    const char *seq = strstr(answer, "\"seq\":");
    return seq != NULL ? strtoll(seq + strlen("\"seq\":"), NULL, 10) : -1;
}

/* ---- starting ---- */

static uint16_t pick_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *name = (struct sockaddr *)(void *)&address;
    socklen_t size = sizeof address;
    uint16_t port = 0;
    if (fd >= 0 && bind(fd, name, size) == 0 && getsockname(fd, name, &size) == 0) {
        port = ntohs(address.sin_port);
    }
    if (fd >= 0) {
        close(fd);
    }
    return port;
}

static void set_address(struct server *server, uint32_t host, uint16_t port) {
    server->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = host, .sin_port = htons(port)};
    server->load_address = server->address;
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &server->address.sin_addr, text, sizeof text);
    snprintf(server->authority, sizeof server->authority, "%s:%u", text, port);
}

struct words {
    char *items[ARGUMENTS_MAX];
    size_t count;
    char texts[4096];
    size_t used;
};

/* Adds the words of `text`, which blanks separate. */
static void add_words(struct words *words, const char *text) {
    while (text != NULL && *text != '\0') {
        size_t bytes = strcspn(text, " ");
        if (bytes > 0 && words->count < ARGUMENTS_MAX - 1 && words->used + bytes + 1 <= sizeof words->texts) {
            char *word = words->texts + words->used;
            memcpy(word, text, bytes);
            word[bytes] = '\0';
            words->items[words->count++] = word;
            words->used += bytes + 1;
        }
        text += bytes + (text[bytes] == ' ');
    }
    words->items[words->count] = NULL;
}

static bool write_config(const struct target *target, const struct target_places *places) {
    char text[4096];
    if (!target_expand(target->config, places, text, sizeof text)) {
        return false;
    }
    FILE *file = fopen(places->config, "w");
    if (file == NULL) {
        return false;
    }
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

/* Only this version's ahorad has them all; a peer gets what its line in the table says. */
static bool collect_words(const struct server *server, const struct server_plan *plan, struct words *words) {
    char text[1024];
    char config[160];
    const struct target *target = plan->target;
    add_words(words, plan->prefix);
    add_words(words, plan->program);
    snprintf(config, sizeof config, "%s/config", server->directory);
    if (target->is_secure) {
        snprintf(text, sizeof text, "--config %s --listen %s,tls:127.0.0.1:%u", config, server->authority,
                 ntohs(server->load_address.sin_port));
        add_words(words, text);
    } else if (target->arguments == NULL) {
        snprintf(text, sizeof text, "--listen %s", server->authority);
        add_words(words, text);
    }
    if (is_ahora(server)) {
        snprintf(text, sizeof text, "--data %s/data --log-level warn", server->directory);
        add_words(words, text);
        add_words(words, plan->arguments);
    }
    struct target_places places = {.directory = server->directory,
                                   .config = config,
                                   .peers = plan->peers,
                                   .port = ntohs(server->address.sin_port),
                                   .port_beside = pick_port()};
    if (target->config != NULL && !write_config(target, &places)) {
        return false;
    }
    if (target->arguments != NULL && !target_expand(target->arguments, &places, text, sizeof text)) {
        return false;
    }
    add_words(words, target->arguments != NULL ? text : NULL);
    return true;
}

/* In the child: only what is safe after fork. Never returns. */
static void run_child(const struct server *server, int core, char *const *arguments, pid_t parent) {
    char log[160];
    snprintf(log, sizeof log, "%s/log", server->directory);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(126);
    }
    if (core >= 0) {
        core_pin(core);
    }
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp(arguments[0], arguments);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static void print_log(const struct server *server) {
    char path[160];
    char line[1024];
    snprintf(path, sizeof path, "%s/log", server->directory);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        fprintf(stderr, "  %s: %s", server->target->name, line);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static bool has_ended(struct server *server) {
    if (server->pid != 0 && waitpid(server->pid, NULL, WNOHANG) == server->pid) {
        server->pid = 0;
        server->watched = 0;
    }
    return server->pid == 0;
}

static bool wait_until_ready(struct server *server) {
    for (int64_t until = clock_ns() + READY_NS; clock_ns() < until && !has_ended(server);) {
        if (is_ready(server)) {
            return true;
        }
        clock_sleep_ns(POLL_NS);
    }
    fprintf(stderr, "ahora-bench: %s did not get ready\n", server->target->name);
    print_log(server);
    return false;
}

/* The process itself; its directory and address are there. */
static bool launch(struct server *server, const struct server_plan *plan) {
    struct words words = {.count = 0};
    if (!collect_words(server, plan, &words)) {
        fprintf(stderr, "ahora-bench: cannot write what %s starts with\n", server->target->name);
        return false;
    }
    pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        run_child(server, plan->core, words.items, self);
    }
    server->pid = pid > 0 ? pid : 0;
    server->watched = server->pid;
    return pid > 0;
}

static bool spawn(struct server *server, const struct server_plan *plan) {
    const char *parent = getenv("TMPDIR");
    snprintf(server->directory, sizeof server->directory, "%s/ahora-bench-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(server->directory) == NULL) {
        fprintf(stderr, "ahora-bench: cannot make %s: %s\n", server->directory, strerror(errno));
        server->directory[0] = '\0';
        return false;
    }
    set_address(server, htonl(INADDR_LOOPBACK), pick_port());
    if (plan->target->is_secure) {
        do {
            server->load_address.sin_port = htons(pick_port());
        } while (server->load_address.sin_port == server->address.sin_port);
        if (!secure_make_certificate(server->directory)) {
            fprintf(stderr, "ahora-bench: cannot make a certificate in %s\n", server->directory);
            return false;
        }
    }
    return launch(server, plan);
}

/* host:port, ws://host:port or http://host:port, with an IPv4 address. */
static bool use_url(struct server *server, const struct server_plan *plan) {
    if (plan->target->is_secure || strncmp(plan->url, "wss:", 4) == 0 || strncmp(plan->url, "https:", 6) == 0) {
        fprintf(stderr, "ahora-bench: over TLS only a broker that the bench starts itself: no --server with ahora-tls or %s\n",
                plan->url);
        return false;
    }
    const char *host = strstr(plan->url, "://");
    host = host != NULL ? host + 3 : plan->url;
    char text[64];
    snprintf(text, sizeof text, "%s", host);
    char *port = strchr(text, ':');
    struct in_addr address;
    if (port == NULL) {
        fprintf(stderr, "ahora-bench: %s: want host:port\n", plan->url);
        return false;
    }
    *port++ = '\0';
    if (inet_pton(AF_INET, strcmp(text, "localhost") == 0 ? "127.0.0.1" : text, &address) != 1) {
        fprintf(stderr, "ahora-bench: %s: want an IPv4 address\n", plan->url);
        return false;
    }
    set_address(server, address.s_addr, (uint16_t)strtoul(port, NULL, 10));
    server->watched = (pid_t)plan->pid;
    return true;
}

bool server_start(struct server *server, const struct server_plan *plan) {
    *server = (struct server){.target = plan->target, .plan = plan};
    if (plan->url != NULL ? !use_url(server, plan) : !spawn(server, plan)) {
        return false;
    }
    if (plan->url != NULL) {
        bool ready = is_ready(server);
        if (!ready) {
            fprintf(stderr, "ahora-bench: nobody ready at %s\n", plan->url);
        }
        return ready;
    }
    return wait_until_ready(server);
}

/* ---- stopping ---- */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void end_process(struct server *server) {
    if (server->pid != 0) {
        kill(server->pid, SIGTERM);
        for (int64_t until = clock_ns() + STOP_NS; clock_ns() < until && !has_ended(server);) {
            clock_sleep_ns(POLL_NS);
        }
    }
    if (server->pid != 0) {
        fprintf(stderr, "ahora-bench: %s does not stop, killed\n", server->target->name);
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

int64_t server_restart(struct server *server) {
    if (server->pid == 0) {
        return -1;
    }
    end_process(server);
    int64_t begin = clock_ns();
    return launch(server, server->plan) && wait_until_ready(server) ? clock_ns() - begin : -1;
}

int64_t server_crash(struct server *server) {
    if (server->pid == 0) {
        return -1;
    }
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
    int64_t begin = clock_ns();
    return launch(server, server->plan) && wait_until_ready(server) ? clock_ns() - begin : -1;
}

void server_stop(struct server *server) {
    end_process(server);
    if (server->directory[0] != '\0') {
        nftw(server->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        server->directory[0] = '\0';
    }
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "tests/support/broker_process.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/http.h"

#define ARGUMENTS_MAX 32
#define DIRECTORIES_MAX 1000
#define POLL_MS 10

static int64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

uint16_t port_pick(void) {
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

/* One that did not exist: several tests of one name may run at once, and one may have left its own. */
static bool directory_make(struct broker_process *broker, const char *name) {
    const char *parent = getenv("TMPDIR");
    for (int attempt = 0; attempt < DIRECTORIES_MAX; attempt++) {
        snprintf(broker->directory, sizeof broker->directory, "%s/ahora-%s-%d-%d", parent != NULL ? parent : "/tmp", name,
                 (int)getpid(), attempt);
        if (mkdir(broker->directory, 0700) == 0) {
            return true;
        }
        if (errno != EEXIST) {
            return false;
        }
    }
    return false;
}

static bool secure(struct broker_process *broker) {
    char certificate[192];
    snprintf(certificate, sizeof certificate, "%s/broker.pem", broker->directory);
    broker->secure_port = port_pick();
    const struct tunnel_options options = {.port = broker->port, .broker_port = broker->secure_port, .ca = certificate};
    return broker->secure_port != 0 && certificate_make(broker->directory, "broker") &&
           tunnel_process_start(&broker->tunnel, &options);
}

/* For the broker's environment. */
static void set_file(const struct broker_process *broker, const char *name, const char *file) {
    char path[192];
    if (broker->secure_port != 0) {
        snprintf(path, sizeof path, "%s/%s", broker->directory, file);
        setenv(name, path, 1);
    }
}

bool broker_process_init(struct broker_process *broker, const char *name) {
    *broker = (struct broker_process){0};
    if (!directory_make(broker, name)) {
        fprintf(stderr, "broker_process: cannot make %s: %s\n", broker->directory, strerror(errno));
        broker->directory[0] = '\0';
        return false;
    }
    snprintf(broker->data, sizeof broker->data, "%s/data", broker->directory);
    snprintf(broker->log, sizeof broker->log, "%s/log", broker->directory);
    broker->port = port_pick();
    return broker->port != 0 && (getenv("AHORA_TEST_TLS") == NULL || secure(broker));
}

/* In the child, after fork: only what is safe there. Never returns. */
static void child_run(const struct broker_process *broker, const char *binary, char *const *arguments, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(126); /* the parent died before the line above */
    }
    int log = open(broker->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    execv(binary, arguments);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", binary, strerror(errno));
    _exit(127);
}

bool broker_process_spawn(struct broker_process *broker, const char *const *arguments) {
    assert(broker->pid == 0);
    const char *binary = getenv("AHORAD");
    binary = binary != NULL ? binary : "build/ahorad";
    char listen[32];
    bool is_secure = broker->secure_port != 0;
    snprintf(listen, sizeof listen, "%s127.0.0.1:%u", is_secure ? "tls:" : "", is_secure ? broker->secure_port : broker->port);
    set_file(broker, "AHORA_TLS_CERTIFICATE", "broker.pem");
    set_file(broker, "AHORA_TLS_KEY", "broker.key");
    const char *list[ARGUMENTS_MAX] = {binary, "--listen", listen, "--data", broker->data};
    size_t count = 5;
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        assert(count < ARGUMENTS_MAX - 1);
        list[count++] = arguments[i];
    }
    union {
        const char **in;
        char **out;
    } argv = {.in = list};
    /* Made here, so that who reads the log finds one, however late the child comes to run. */
    close(open(broker->log, O_WRONLY | O_CREAT, 0600));
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        child_run(broker, binary, argv.out, parent);
    }
    broker->pid = pid > 0 ? pid : 0;
    if (is_secure) {
        unsetenv("AHORA_TLS_CERTIFICATE");
        unsetenv("AHORA_TLS_KEY");
    }
    return pid > 0;
}

static void process_reaped(struct broker_process *broker, int status) {
    broker->pid = 0;
    broker->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool broker_process_is_running(struct broker_process *broker) {
    int status;
    if (broker->pid != 0 && waitpid(broker->pid, &status, WNOHANG) == broker->pid) {
        process_reaped(broker, status);
    }
    return broker->pid != 0;
}

bool broker_process_wait_ready(struct broker_process *broker) {
    int64_t deadline_ms = clock_ms() + BROKER_READY_MS;
    while (broker_process_is_running(broker) && clock_ms() < deadline_ms) {
        if (http_status(broker->port, "/readyz") == 200) {
            return true;
        }
        sleep_ms(POLL_MS);
    }
    fprintf(stderr, "broker_process: not ready (%s, status %d)\n", broker->pid != 0 ? "running" : "ended", broker->exit_status);
    broker_process_print_log(broker);
    return false;
}

bool broker_process_start(struct broker_process *broker, const char *const *arguments) {
    return broker_process_spawn(broker, arguments) && broker_process_wait_ready(broker);
}

void broker_process_kill(struct broker_process *broker) {
    if (broker->pid == 0) {
        return;
    }
    int status = 0;
    kill(broker->pid, SIGKILL);
    while (waitpid(broker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    process_reaped(broker, status);
}

int broker_process_term(struct broker_process *broker) {
    if (broker_process_is_running(broker)) {
        kill(broker->pid, SIGTERM);
    }
    return broker_process_wait_end(broker);
}

int broker_process_wait_end(struct broker_process *broker) {
    int64_t deadline_ms = clock_ms() + BROKER_STOP_MS;
    while (broker_process_is_running(broker) && clock_ms() < deadline_ms) {
        sleep_ms(POLL_MS);
    }
    if (broker->pid != 0) {
        broker_process_kill(broker);
        return -1;
    }
    return broker->exit_status;
}

int64_t broker_process_memory_kb(const struct broker_process *broker, const char *field) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)broker->pid);
    FILE *file = broker->pid != 0 ? fopen(path, "r") : NULL;
    if (file == NULL) {
        return 0;
    }
    char line[256];
    size_t name_bytes = strlen(field);
    int64_t kilobytes = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, name_bytes) == 0 && line[name_bytes] == ':') {
            kilobytes = strtoll(line + name_bytes + 1, NULL, 10);
        }
    }
    fclose(file);
    return kilobytes;
}

void broker_process_print_log(const struct broker_process *broker) {
    FILE *file = fopen(broker->log, "r");
    if (file == NULL) {
        return;
    }
    fprintf(stderr, "---- log of the broker ----\n");
    char line[1024];
    while (fgets(line, sizeof line, file) != NULL) {
        fputs(line, stderr);
    }
    fprintf(stderr, "---- end of the log ----\n");
    fclose(file);
}

static int entry_remove(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void broker_process_wipe(struct broker_process *broker) {
    assert(broker->pid == 0);
    nftw(broker->data, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

void broker_process_fini(struct broker_process *broker) {
    broker_process_kill(broker);
    tunnel_process_stop(&broker->tunnel);
    if (broker->directory[0] != '\0' && !broker->is_kept) {
        nftw(broker->directory, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
    *broker = (struct broker_process){0};
}

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/backup.h"

#include "broker/net/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct backup {
    uv_work_t work;
    struct broker *broker;
    void *owner; /* NULL: nobody is told */
    void (*on_done)(void *owner, const struct backup_outcome *outcome);
    char name[BACKUP_NAME_BYTES_MAX + 1];
    char data[CONFIG_TEXT_BYTES_MAX];
    char to[PATH_MAX];
    char detail[512];
    atomic_int pid; /* of the process; 0: none */
    int64_t began_ms;
    bool done;
    bool exists;
};

bool backup_name_is_fine(struct span name) {
    for (size_t i = 0; i < name.bytes; i++) {
        const uint8_t byte = name.data[i];
        const bool fine = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                          byte == '-' || byte == '_';
        if (!fine) {
            return false;
        }
    }
    return name.bytes > 0 && name.bytes <= BACKUP_NAME_BYTES_MAX;
}

/* ---- on a thread of the pool ---- */

static void fail(struct backup *backup, const char *what, int reason) {
    snprintf(backup->detail, sizeof backup->detail, "%s: %s", what, strerror(reason));
}

/* Settings of the broker are none of the copying process's business. NULL: no memory. */
static char **environment_without_ours(void) {
    size_t count = 0;
    size_t kept = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **words = calloc(count + 1, sizeof *words);
    for (size_t i = 0; words != NULL && i < count; i++) {
        if (strncmp(environ[i], "AHORA_", strlen("AHORA_")) != 0) {
            words[kept++] = environ[i];
        }
    }
    return words;
}

/* posix_spawn shares our memory until it executes: nothing of a large broker is copied. */
static pid_t spawn(struct backup *backup, int errors) {
    char *const words[] = {(char[]){"ahorad"}, (char[]){"--data"}, backup->data, (char[]){"--backup"}, backup->to, NULL};
    posix_spawn_file_actions_t actions;
    char **environment = environment_without_ours();
    pid_t pid = 0;
    if (environment == NULL) {
        fail(backup, "the copying process does not start", ENOMEM);
        return 0;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    int reason = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, words, environment);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    if (reason != 0) {
        fail(backup, "the copying process does not start", reason);
        return 0;
    }
    return pid;
}

/* What it says is little, and goes into `detail` for the case that it failed. */
static void listen_to(struct backup *backup, int from) {
    size_t used = 0;
    for (;;) {
        char more[256];
        ssize_t bytes = read(from, more, sizeof more);
        if (bytes < 0 && errno == EINTR) {
            continue;
        }
        if (bytes <= 0) {
            break;
        }
        size_t room = sizeof backup->detail - 1 - used;
        size_t kept = (size_t)bytes < room ? (size_t)bytes : room;
        memcpy(backup->detail + used, more, kept);
        used += kept;
    }
    backup->detail[used > 0 && backup->detail[used - 1] == '\n' ? used - 1 : used] = '\0';
}

static void copy(struct backup *backup) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail(backup, "no pipe", errno);
        return;
    }
    pid_t pid = spawn(backup, ends[1]);
    close(ends[1]);
    if (pid > 0) {
        int status = 0;
        atomic_store(&backup->pid, pid);
        listen_to(backup, ends[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        atomic_store(&backup->pid, 0);
        backup->done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    close(ends[0]);
}

static void work(uv_work_t *request) {
    struct backup *backup = request->data;
    char folder[PATH_MAX];
    struct stat status;
    snprintf(folder, sizeof folder, "%s/backups", backup->data);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        fail(backup, "the folder of backups cannot be made", errno);
        return;
    }
    backup->exists = stat(backup->to, &status) == 0;
    if (backup->exists) {
        snprintf(backup->detail, sizeof backup->detail, "there is a backup of this name");
        return;
    }
    copy(backup);
}

/* ---- on the loop thread ---- */

static void after(uv_work_t *request, int status) {
    struct backup *backup = request->data;
    struct broker *broker = backup->broker;
    (void)status;
    loop_enter(broker);
    broker->backup = NULL;
    atomic_store(&broker->shards->backing_up, false);
    const struct backup_outcome outcome = {
        .done = backup->done,
        .exists = backup->exists,
        .name = backup->name,
        .detail = backup->detail[0] != '\0' ? backup->detail : "the copying process was ended",
        .took_ms = broker->now_ms - backup->began_ms,
    };
    if (!outcome.done) {
        log_event(&broker->log, LOG_ERROR, "backup-failed", "name=%s reason=\"%s\"", outcome.name, outcome.detail);
    }
    if (backup->owner != NULL) {
        backup->on_done(backup->owner, &outcome);
    }
    free(backup);
}

struct backup *backup_start(struct broker *broker, struct span name, void *owner,
                            void (*on_done)(void *owner, const struct backup_outcome *outcome)) {
    struct backup *backup = calloc(1, sizeof *backup);
    if (backup == NULL || atomic_exchange(&broker->shards->backing_up, true)) {
        free(backup);
        return NULL;
    }
    backup->broker = broker;
    backup->owner = owner;
    backup->on_done = on_done;
    backup->began_ms = broker->now_ms;
    backup->work.data = backup;
    memcpy(backup->name, name.data, name.bytes);
    snprintf(backup->data, sizeof backup->data, "%s", broker->config.data);
    snprintf(backup->to, sizeof backup->to, "%s/backups/%s", backup->data, backup->name);
    if (uv_queue_work(&broker->loop.uv, &backup->work, work, after) != 0) {
        atomic_store(&broker->shards->backing_up, false);
        free(backup);
        return NULL;
    }
    broker->backup = backup;
    return backup;
}

void backup_forget(struct backup *backup) {
    backup->owner = NULL;
}

void backup_stop(struct broker *broker) {
    struct backup *backup = broker->backup;
    if (backup == NULL) {
        return;
    }
    backup_forget(backup);
    pid_t pid = atomic_load(&backup->pid);
    if (pid > 0) {
        kill(pid, SIGKILL);
    }
    (void)uv_cancel((uv_req_t *)&backup->work);
}

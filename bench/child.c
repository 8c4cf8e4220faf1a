/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/child.h"

#include "bench/clock.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_NS (2 * NS_PER_MS)

bool child_start(struct child *children, int number, int parting, child_body body, void *context) {
    int ends[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < number; i++) { /* or the others would not see their ends */
            close(children[i].fd);
        }
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, parting);
        if (getppid() == parent) {
            body(ends[1], number, context);
        }
        _exit(1);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    children[number] = (struct child){.pid = pid, .fd = ends[0]};
    return true;
}

bool child_tell(int fd, const void *message, size_t bytes) {
    return send(fd, message, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

bool child_hear(int fd, void *message, size_t bytes) {
    return recv(fd, message, bytes, 0) == (ssize_t)bytes;
}

bool child_be_patient(const struct child *child, int seconds) {
    struct timeval patience = {.tv_sec = seconds};
    return setsockopt(child->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0;
}

static void end_one(struct child *child, int64_t until) {
    pid_t ended = 0;
    while ((ended = waitpid(child->pid, NULL, WNOHANG)) == 0 && clock_ns() < until) {
        clock_sleep_ns(POLL_NS);
    }
    if (ended == 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    child->pid = 0;
}

void child_end_all(struct child *children, int count, int64_t patience_ns) {
    int64_t until = clock_ns() + patience_ns;
    for (int i = 0; i < count; i++) {
        if (children[i].fd >= 0) {
            close(children[i].fd);
        }
        children[i].fd = -1;
    }
    for (int i = 0; i < count; i++) {
        if (children[i].pid > 0) {
            end_one(&children[i], until);
        }
    }
}

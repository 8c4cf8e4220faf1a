/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/base/result.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

static const char *const texts[] = {
    [RESULT_OK] = "ok",
    [RESULT_NO_MEMORY] = "no memory",
    [RESULT_NO_SPACE] = "no space",
    [RESULT_IO] = "input/output failed",
    [RESULT_DAMAGED] = "damaged",
    [RESULT_VERSION] = "written by a newer version",
    [RESULT_LOCKED] = "held by another process",
    [RESULT_NOT_FOUND] = "not found",
    [RESULT_DENIED] = "permission denied",
    [RESULT_INVALID] = "invalid",
    [RESULT_AGAIN] = "not now",
};

const char *result_text(enum result result) {
    assert((size_t)result < sizeof texts / sizeof texts[0]);
    return texts[result];
}

static const struct {
    int number;
    enum result result;
} causes[] = {
    {0, RESULT_OK},           {ENOMEM, RESULT_NO_MEMORY},     {ENOSPC, RESULT_NO_SPACE}, {EDQUOT, RESULT_NO_SPACE},
    {EFBIG, RESULT_NO_SPACE}, {ENOENT, RESULT_NOT_FOUND},     {EACCES, RESULT_DENIED},   {EPERM, RESULT_DENIED},
    {EROFS, RESULT_DENIED},   {EINVAL, RESULT_INVALID},       {ENOTDIR, RESULT_INVALID}, {EISDIR, RESULT_INVALID},
    {EEXIST, RESULT_INVALID}, {ENAMETOOLONG, RESULT_INVALID}, {EAGAIN, RESULT_AGAIN},    {EINTR, RESULT_AGAIN},
    {EMFILE, RESULT_AGAIN},   {ENFILE, RESULT_AGAIN},
};

enum result result_of_errno(int number) {
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        if (causes[i].number == number) {
            return causes[i].result;
        }
    }
    return RESULT_IO;
}

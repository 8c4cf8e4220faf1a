/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * How a store knows that it is still itself: the boot id of the machine, the place of its files, and the names of histories.
 * No state, any thread.
 */
#ifndef STORE_IDENTITY_H
#define STORE_IDENTITY_H

#include "broker/base/result.h"
#include "include/ahora/protocol.h"

#define IDENTITY_BOOT_BYTES 40   /* a UUID as text, terminated, rounded up */
#define IDENTITY_PLACE_BYTES 128 /* two times inode and birth time as text */
#define IDENTITY_EPOCH_BYTES 12  /* of 36 letters: 62 bits, no two alike */

/* The id the kernel gave this boot; all-zero text if it has none: then every start looks like one of the same boot. */
void identity_read_boot(char boot_id[IDENTITY_BOOT_BYTES]);

/*
 * What a copy of the directory does not share with the original: inode and birth time of the checkpoint's file and of the journal's
 * directory. Not the device number, which may change from boot to boot. `path` is the store's directory.
 */
enum result identity_read_place(char place[IDENTITY_PLACE_BYTES], const char *path) MUST_CHECK;

/* A new name for a history. */
enum result identity_new_epoch(char epoch[AHORA_EPOCH_BYTES_MAX + 1]) MUST_CHECK;

#endif

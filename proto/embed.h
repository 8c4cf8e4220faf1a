/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * Files that are part of the program. Each is taken in as it is when the source that names it is assembled; -MMD does not see that, so the
 * Makefile says which object depends on which files.
 */
#ifndef PROTO_EMBED_H
#define PROTO_EMBED_H

/* Declares name_begin and name_end. Paths are seen from the root of the repository, where make runs. Behind the end stands a zero byte. */
#define EMBED(name, path)                                                                                                      \
    __asm__(".pushsection .rodata\n"                                                                                           \
            ".hidden " #name "_begin\n.global " #name "_begin\n" #name "_begin:\n"                                             \
            ".incbin \"" path "\"\n"                                                                                           \
            ".hidden " #name "_end\n.global " #name "_end\n" #name "_end:\n"                                                   \
            ".byte 0\n"                                                                                                        \
            ".popsection\n");                                                                                                  \
    extern const char name##_begin[];                                                                                          \
    extern const char name##_end[]

#endif

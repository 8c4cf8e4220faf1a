/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/*
 * RFC 6455 as a table: what a peer may send, legal or not, and what the broker must do. The rows are data, rfc6455.c plays them over raw sockets.
 *
 * A script of frames is a line of words:
 *
 *   81<text>      a frame: its first byte in hex, then pieces of its payload. `<..>` is text in which ' stands for "; `{..}` are bytes in hex;
 *                 `_5` five spaces, `x5` five times x. The frame is masked, its length written as short as it can be, unless before the pieces
 *                 there is `~` (no mask), `/16` or `/64` (a longer length), `%aabbccdd` (this mask), `!9` (this length, whatever follows)
 *   =8180         bytes in hex, as they stand
 *   |             what was said so far is sent, and the broker has had a turn of its loop since
 *   EOF           the peer shuts its side
 *   *1000 WORD    the word so many times
 *
 * What is wanted is a line of words, too:
 *
 *   on            the session goes on: a ping of the protocol behind the script is answered
 *   1002          a Close with that code, and the end of the line; `eof`: the end of the line without a Close
 *   pong<text>    a Pong with that payload; those that are named come in this order, and no other
 *   pongs=1..9    instead: so many Pongs
 *   data=2        so many answers of the protocol besides; not looked at if absent
 */
#ifndef TESTS_HOSTILE_RFC6455_H
#define TESTS_HOSTILE_RFC6455_H

#include <stdbool.h>
#include <stddef.h>

struct frame_case {
    const char *section; /* of RFC 6455; "protocol": of docs/protocol.md */
    const char *name;
    const char *send;
    const char *want;
    bool is_msgpack;  /* the session's subprotocol */
    bool is_bytewise; /* one byte at a time */
    bool is_bare;     /* the session has not said hello */
};

/* A request differs from a good one by lines: `-Name` takes a header away, `=Name: value` replaces it, `+Name: value` appends it, `@` replaces the
   request line, `>` is a script of frames right behind the head. A line that begins with `!` stands for the whole request; \n in it is as sent. */
struct handshake_case {
    const char *section;
    const char *name;
    const char *edits;
    int status;           /* 101: accepted, and a hello is answered */
    const char *protocol; /* that was chosen; NULL: ahora.v1.json */
    const char *accept;   /* NULL: that of the usual key */
};

extern const struct handshake_case handshake_cases[];
extern const size_t handshake_case_count;
extern const struct frame_case framing_cases[];
extern const size_t framing_case_count;
extern const struct frame_case text_cases[];
extern const size_t text_case_count;
extern const struct frame_case closing_cases[];
extern const size_t closing_case_count;
extern const struct frame_case flood_cases[];
extern const size_t flood_case_count;

#endif

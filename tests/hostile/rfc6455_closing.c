/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Sections 5.5.1 to 5.5.3 and 7: pings, closing, and lines that end in the middle of something. */
#include "tests/hostile/rfc6455.h"

#define LEGAL(code, hex)                                                                                                       \
    { "7.4", "close " code, "88{" hex "}", code, 0, 0, 0 }
#define ILLEGAL(code, hex)                                                                                                     \
    { "7.4", "close " code, "88{" hex "}", "1002", 0, 0, 0 }
#define REASON(name, hex, want)                                                                                                \
    { "5.5.1", name, "88{03e8" hex "}", want, 0, 0, 0 }
#define X120                                                                                                                   \
    "787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878" \
    "787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"

const struct frame_case closing_cases[] = {
    /* 5.5.2, 5.5.3 */
    {"5.5.2", "an empty ping", "89", "pong on", 0, 0, 0},
    {"5.5.2", "a ping gives back its payload", "89<abc>", "pong<abc> on", 0, 0, 0},
    {"5.5.2", "which need not be text", "89{00ff80c1}", "pong{00ff80c1} on", 0, 0, 0},
    {"5.5.2", "in a session of MessagePack", "89<abc>", "pong<abc> on", 1, 0, 0},
    {"5.5.2", "before hello", "89<abc>", "pong<abc>", 0, 0, 1},
    {"5.5.2", "three pings, in order", "89<a> | 89<b> | 89<c>", "pong<a> pong<b> pong<c> on", 0, 0, 0},
    {"5.5.2", "one byte at a time", "89<abc>", "pong<abc> on", 0, 1, 0},
    {"5.5.3", "a thousand pings at once: the newest is answered, others may be", "*1000 89<x>", "pongs=1..1000 on", 0, 0, 0},
    {"5.5.3", "a pong that nobody asked for", "8a<abc>", "on", 0, 0, 0},
    {"5.5.3", "an empty one", "8a", "on", 0, 0, 0},
    {"5.5.3", "a thousand of them", "*1000 8a<x>", "on", 0, 0, 0},

    /* 7.4: codes */
    {"7.1.5", "a close without a code", "88", "1005", 0, 0, 0},
    {"5.5.1", "a close with half a code", "88{03}", "1002", 0, 0, 0},
    LEGAL("1000", "03e8"),
    LEGAL("1001", "03e9"),
    LEGAL("1002", "03ea"),
    LEGAL("1003", "03eb"),
    LEGAL("1007", "03ef"),
    LEGAL("1008", "03f0"),
    LEGAL("1009", "03f1"),
    LEGAL("1010", "03f2"),
    LEGAL("1011", "03f3"),
    LEGAL("1012", "03f4"),
    LEGAL("1013", "03f5"),
    LEGAL("1014", "03f6"),
    LEGAL("3000", "0bb8"),
    LEGAL("3999", "0f9f"),
    LEGAL("4000", "0fa0"),
    LEGAL("4400", "1130"),
    LEGAL("4999", "1387"),
    ILLEGAL("0", "0000"),
    ILLEGAL("1", "0001"),
    ILLEGAL("999", "03e7"),
    ILLEGAL("1004", "03ec"),
    ILLEGAL("1005", "03ed"),
    ILLEGAL("1006", "03ee"),
    ILLEGAL("1015", "03f7"),
    ILLEGAL("1016", "03f8"),
    ILLEGAL("1100", "044c"),
    ILLEGAL("2000", "07d0"),
    ILLEGAL("2999", "0bb7"),
    ILLEGAL("5000", "1388"),
    ILLEGAL("65535", "ffff"),

    /* reasons */
    REASON("a reason", "627965", "1000"),
    REASON("a reason of 123 bytes", X120 "787878", "1000"),
    REASON("a reason of 124 bytes", X120 "78787878", "1002"),
    REASON("a reason in UTF-8", "f09f9880", "1000"),
    REASON("a reason that is no UTF-8", "ff", "1007"),
    REASON("an overlong reason", "c0af", "1007"),
    REASON("a reason with a surrogate", "eda080", "1007"),
    REASON("a reason beyond U+10FFFF", "f4908080", "1007"),
    REASON("a reason that ends inside a code point", "e282", "1007"),
    {"5.5.1", "a close in a session of MessagePack", "88{03e8}", "1000", 1, 0, 0},
    {"5.5.1", "a close before hello", "88{03e8}", "1000", 0, 0, 1},
    {"5.5.1", "a close, byte by byte", "88{03e8627965}", "1000", 0, 1, 0},

    /* 5.5.1, 7.1: what comes behind a close is not looked at */
    {"5.5.1", "data behind a close", "88{03e8} 81<{'op':'ping','id':1}>", "data=0 1000", 0, 0, 0},
    {"5.5.1", "a ping behind a close", "88{03e8} 89<a>", "1000", 0, 0, 0},
    {"5.5.1", "a second close", "88{03e8} 88{03e9}", "1000", 0, 0, 0},
    {"5.5.1", "nonsense behind a close", "88{03e8} =ffffffffffff", "1000", 0, 0, 0},
    {"5.5.1", "data before a close is worked on", "81<{'op':'ping','id':1}> 88{03e8}", "data=1 1000", 0, 0, 0},
    {"7.1.2", "both close at once: ours is sent, theirs is its answer", "81<x> 88{03e8}", "4400", 0, 0, 0},
    {"7.1.7", "behind a failure nothing is looked at", "83<x> 81<{'op':'ping','id':1}>", "data=0 1002", 0, 0, 0},
    {"7.1.7", "nor pings", "83<x> *100 89<a>", "1002", 0, 0, 0},

    /* the line ends */
    {"7.1.1", "the line ends between two frames", "EOF", "eof", 0, 0, 0},
    {"7.1.1", "behind the first byte", "=81 EOF", "eof", 0, 0, 0},
    {"7.1.1", "inside a length of 16 bits", "=81fe01 EOF", "eof", 0, 0, 0},
    {"7.1.1", "inside a length of 64 bits", "=81ff00000000 EOF", "eof", 0, 0, 0},
    {"7.1.1", "inside a mask", "=81853747 EOF", "eof", 0, 0, 0},
    {"7.1.1", "before the payload", "=818537fa213d EOF", "eof", 0, 0, 0},
    {"7.1.1", "inside the payload", "81!100<{'op':> EOF", "eof", 0, 0, 0},
    {"7.1.1", "between two fragments", "01<{'op':> EOF", "eof", 0, 0, 0},
    {"7.1.1", "inside a control frame", "89!5<a> EOF", "eof", 0, 0, 0},
    {"7.1.1", "inside a close", "88!5{03} EOF", "eof", 0, 0, 0},
    {"7.1.1", "behind a message that is answered nevertheless", "81<{'op':'ping','id':1}> | EOF", "data=1 eof", 0, 0, 0},
    {"7.1.1", "before hello", "EOF", "eof", 0, 0, 1},
    {"7.1.1", "right behind a close", "88{03e8} | EOF", "1000", 0, 0, 0},
};
const size_t closing_case_count = sizeof closing_cases / sizeof closing_cases[0];

/* idle_frames_rate_max is 100 here: frames that say nothing, or next to nothing. */
const struct frame_case flood_cases[] = {
    {"protocol 4", "pings without end", "*5000 89", "pongs=0..5000 4429", 0, 0, 0},
    {"protocol 4", "pings without end in a session of MessagePack", "*5000 89<x>", "pongs=0..5000 4429", 1, 0, 0},
    {"protocol 4", "pings without end before hello", "*5000 89", "pongs=0..5000 4429", 0, 0, 1},
    {"protocol 4", "pongs without end", "*5000 8a", "4429", 0, 0, 0},
    {"protocol 4", "empty fragments without end", "01<{> *5000 00", "4429", 0, 0, 0},
    {"protocol 4", "as many as may come at once", "01<{'op':'ping',> *90 00 80<'id':1}>", "data=1 on", 0, 0, 0},
    {"protocol 4", "fragments of one byte say something", "01<{'op':'ping','id':1}> *1022 00_1 80_1", "data=1 on", 0, 0, 0},
    {"protocol 4", "and of those there may be 1024, whichever is the last", "01<{'op':'ping','id':1}> *1023 00_1 80_1",
     "data=0 1009", 0, 0, 0},
    {"protocol 4", "fragments of one byte without end", "01<{> *5000 00_1", "data=0 1009", 0, 0, 0},
    {"protocol 4", "the same in MessagePack", "02{82} *5000 00{a2}", "data=0 1009", 1, 0, 0},
    {"protocol 4", "the same before hello", "01<{> *5000 00_1", "data=0 1009", 0, 0, 1},
    {"protocol 4", "fragments before and behind a ping are of one message", "01<{> *600 00_1 89<a> *600 00_1",
     "pong<a> data=0 1009", 0, 0, 0},
    {"protocol 4", "every message has fragments of its own",
     "01<{'op':'ping','id':1}> *1000 00_1 80_1 01<{'op':'ping','id':2}> *1000 00_1 80_1", "data=2 on", 0, 0, 0},
};
const size_t flood_case_count = sizeof flood_cases / sizeof flood_cases[0];

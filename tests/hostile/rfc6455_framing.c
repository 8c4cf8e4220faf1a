/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Section 5: frames, fragments, control frames, lengths. */
#include "tests/hostile/rfc6455.h"

#define PING1 "81<{'op':'ping','id':1}>"
#define PACK_PING1 "82{82a26f70a470696e67a2696401}"

const struct frame_case framing_cases[] = {
    {"5.2", "a text frame", PING1, "data=1 on", 0, 0, 0},
    {"5.2", "a binary frame", PACK_PING1, "data=1 on", 1, 0, 0},
    {"5.2", "two frames at once", PING1 " 81<{'op':'ping','id':2}>", "data=2 on", 0, 0, 0},
    {"5.2", "one byte at a time", PING1 " 89<a> " PING1, "pong<a> data=2 on", 0, 1, 0},

    /* the first byte */
    {"5.2", "RSV1", "c1<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.2", "RSV2", "a1<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.2", "RSV3", "91<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.2", "all three", "f1<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.2", "RSV1 on MessagePack", "c2{82a26f70a470696e67a2696401}", "1002", 1, 0, 0},
    {"5.2", "RSV1 on a ping", "c9<a>", "1002", 0, 0, 0},
    {"5.2", "RSV2 on a close", "a8{03e8}", "1002", 0, 0, 0},
    {"5.2", "RSV3 on a pong", "9a<a>", "1002", 0, 0, 0},
    {"5.2", "RSV1 on the last fragment", "01<{'op':'ping',> c0<'id':1}>", "1002", 0, 0, 0},
    {"5.2", "opcode 3", "83<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 4", "84<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 5", "85<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 6", "86<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 7", "87<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 11", "8b<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 12", "8c<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 13", "8d<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 14", "8e<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 15", "8f<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 3, empty", "83", "1002", 0, 0, 0},
    {"5.2", "opcode 3, not final", "03<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 11, not final", "0b<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 3 inside a message", "01<{'op':'ping',> 83<x>", "1002", 0, 0, 0},
    {"5.2", "opcode 11 inside a message", "01<{'op':'ping',> 8b<x>", "1002", 0, 0, 0},

    /* 5.1, 5.3: the mask */
    {"5.1", "text without a mask", "81~<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.1", "MessagePack without a mask", "82~{82a26f70a470696e67a2696401}", "1002", 1, 0, 0},
    {"5.1", "an empty ping without a mask", "89~", "1002", 0, 0, 0},
    {"5.1", "a ping without a mask", "89~<a>", "1002", 0, 0, 0},
    {"5.1", "a pong without a mask", "8a~<a>", "1002", 0, 0, 0},
    {"5.1", "a close without a mask", "88~{03e8}", "1002", 0, 0, 0},
    {"5.1", "an empty close without a mask", "88~", "1002", 0, 0, 0},
    {"5.1", "the last fragment without a mask", "01<{'op':'ping',> 80~<'id':1}>", "1002", 0, 0, 0},
    {"5.1", "a ping without a mask inside a message", "01<{'op':'ping',> 89~<a> 80<'id':1}>", "1002", 0, 0, 0},
    {"5.1", "a long text without a mask", "81~<{'op':'ping','id':1}>_70000", "1002", 0, 0, 0},
    {"5.3", "a mask of zeros", "81%00000000<{'op':'ping','id':1}>", "data=1 on", 0, 0, 0},
    {"5.3", "a mask of ones", "81%ffffffff<{'op':'ping','id':1}>", "data=1 on", 0, 0, 0},
    {"5.3", "a mask with one byte set", "81%000000ff<{'op':'ping','id':1}>", "data=1 on", 0, 0, 0},
    {"5.3", "each fragment has its own mask", "01%01020304<{'op':'pin> 80%f0e0d0c0<g','id':1}>", "data=1 on", 0, 0, 0},
    {"5.3", "a ping between them has one, too", "01%01020304<{'op':'pin> 89%99887766<ab> 80%f0e0d0c0<g','id':1}>",
     "pong<ab> data=1 on", 0, 0, 0},

    /* lengths */
    {"5.2", "a length of 125", "81<{'op':'ping','id':1}>_105", "data=1 on", 0, 0, 0},
    {"5.2", "a length of 126", "81<{'op':'ping','id':1}>_106", "data=1 on", 0, 0, 0},
    {"5.2", "a length of 127", "81<{'op':'ping','id':1}>_107", "data=1 on", 0, 0, 0},
    {"5.2", "a length of 65,535", "81<{'op':'ping','id':1}>_65515", "data=1 on", 0, 0, 0},
    {"5.2", "a length of 65,536", "81<{'op':'ping','id':1}>_65516", "data=1 on", 0, 0, 0},
    {"5.2", "16 bits for a length of 21", "81/16<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.2", "16 bits for a length of 125", "81/16<{'op':'ping','id':1}>_105", "1002", 0, 0, 0},
    {"5.2", "16 bits for a length of 0", "81/16", "1002", 0, 0, 0},
    {"5.2", "64 bits for a length of 21", "81/64<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.2", "64 bits for a length of 126", "81/64<{'op':'ping','id':1}>_106", "1002", 0, 0, 0},
    {"5.2", "64 bits for a length of 65,535", "81/64<{'op':'ping','id':1}>_65515", "1002", 0, 0, 0},
    {"5.2", "64 bits for a length of 0", "81/64", "1002", 0, 0, 0},
    {"5.2", "a length of 2^63", "81/64!9223372036854775808<x>", "1002", 0, 0, 0},
    {"5.2", "a length of 2^64-1", "81/64!18446744073709551615<x>", "1002", 0, 0, 0},
    {"5.2", "a length of 2^63 + 21", "81/64!9223372036854775829<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"7.4.1", "a length of 2^63-1", "81/64!9223372036854775807<x>", "1009", 0, 0, 0},
    {"7.4.1", "a length of 2^32 + 21", "81/64!4294967317<{'op':'ping','id':1}>", "1009", 0, 0, 0},
    {"5.2", "the last fragment of 2^63", "01<{'op':'ping',> 80/64!9223372036854775808<x>", "1002", 0, 0, 0},
    {"7.4.1", "the last fragment of 2^63-1", "01<{'op':'ping',> 80/64!9223372036854775807<x>", "1009", 0, 0, 0},

    /* 5.5: control frames */
    {"5.5", "a ping of 125 bytes", "89x125",
     "pong{"
     "78787878787878787878787878787878787878787878787878"
     "78787878787878787878787878787878787878787878787878"
     "78787878787878787878787878787878787878787878787878"
     "78787878787878787878787878787878787878787878787878"
     "78787878787878787878787878787878787878787878787878} on",
     0, 0, 0},
    {"5.5", "a ping of 126 bytes", "89x126", "1002", 0, 0, 0},
    {"5.5", "a ping of 65,536 bytes", "89x65536", "1002", 0, 0, 0},
    {"5.5", "a ping of 2^63-1 bytes", "89/64!9223372036854775807", "1002", 0, 0, 0},
    {"5.5", "a ping of 5 bytes with 16 bits of length", "89/16<abcde>", "1002", 0, 0, 0},
    {"5.5", "a pong of 126 bytes", "8ax126", "1002", 0, 0, 0},
    {"5.5", "a close of 126 bytes", "88{03e8}x124", "1002", 0, 0, 0},
    {"5.5", "a close with 64 bits of length", "88/64{03e8}", "1002", 0, 0, 0},
    {"5.5", "a ping in fragments", "09<a> 80<b>", "1002", 0, 0, 0},
    {"5.5", "an empty ping that is not final", "09", "1002", 0, 0, 0},
    {"5.5", "a pong in fragments", "0a<a> 80<b>", "1002", 0, 0, 0},
    {"5.5", "a close in fragments", "08{03e8} 80", "1002", 0, 0, 0},
    {"5.5", "a ping in fragments inside a message", "01<{'op':'ping',> 09<a> 80<'id':1}>", "1002", 0, 0, 0},

    /* 5.4: fragments */
    {"5.4", "two fragments", "01<{'op':'ping',> 80<'id':1}>", "data=1 on", 0, 0, 0},
    {"5.4", "two fragments of MessagePack", "02{82a26f70a470} 80{696e67a2696401}", "data=1 on", 1, 0, 0},
    {"5.4", "three fragments", "01<{'op':> 00<'ping',> 80<'id':1}>", "data=1 on", 0, 0, 0},
    {"5.4", "an empty first fragment", "01 80<{'op':'ping','id':1}>", "data=1 on", 0, 0, 0},
    {"5.4", "an empty last fragment", "01<{'op':'ping','id':1}> 80", "data=1 on", 0, 0, 0},
    {"5.4", "empty fragments in the middle", "01<{'op':'ping',> *50 00 80<'id':1}>", "data=1 on", 0, 0, 0},
    {"5.4", "a thousand empty fragments", "01<{'op':'ping',> *1000 00 80<'id':1}>", "data=1 on", 0, 0, 0},
    {"5.4", "a message of a fragment for each byte",
     "01<{> 00<'> 00<o> 00<p> 00<'> 00<:> 00<'> 00<p> 00<i> 00<n> 00<g> 00<'> 00<,> 00<'> 00<i> 00<d> 00<'> 00<:> 00<1> 80<}>",
     "data=1 on", 0, 0, 0},
    {"5.4", "the same, byte by byte", "01<{'op':'pi> 00 00<ng','id'> 80<:1}>", "data=1 on", 0, 1, 0},
    {"5.4", "pings between the fragments", "01<{'op':'ping',> 89<a> 00<'id'> 89<b> 80<:1}>", "pong<a> pong<b> data=1 on", 0, 0,
     0},
    {"5.4", "pings between the fragments of MessagePack", "02{82a26f70a470} 89<a> 80{696e67a2696401}", "pong<a> data=1 on", 1,
     0, 0},
    {"5.4", "a pong between the fragments", "01<{'op':'ping',> 8a<a> 80<'id':1}>", "data=1 on", 0, 0, 0},
    {"5.4", "a close between the fragments", "01<{'op':'ping',> 88{03e8}", "1000", 0, 0, 0},
    {"5.4", "a continuation of nothing", "80<{'op':'ping','id':1}>", "1002", 0, 0, 0},
    {"5.4", "an empty continuation of nothing", "80", "1002", 0, 0, 0},
    {"5.4", "a continuation of nothing, not final", "00<{'op':'ping',> 80<'id':1}>", "1002", 0, 0, 0},
    {"5.4", "a continuation behind a whole message", PING1 " 80<x>", "data=1 1002", 0, 0, 0},
    {"5.4", "a continuation behind the last fragment", "01<{'op':'ping',> 80<'id':1}> 80<x>", "data=1 1002", 0, 0, 0},
    {"5.4", "a text frame inside a message", "01<{'op':'ping',> 81<'id':1}>", "data=0 1002", 0, 0, 0},
    {"5.4", "a text fragment inside a message", "01<{'op':'ping',> 01<'id':1}>", "data=0 1002", 0, 0, 0},
    {"5.4", "a binary frame inside a text", "01<{'op':'ping',> 82<'id':1}>", "data=0 1002", 0, 0, 0},
    {"5.4", "a frame inside a message of MessagePack", "02{82a26f70a470} 82{696e67a2696401}", "data=0 1002", 1, 0, 0},

    /* the subprotocol says which kind of frame */
    {"protocol 2", "a binary frame in JSON", "82<{'op':'ping','id':1}>", "data=0 4400", 0, 0, 0},
    {"protocol 2", "a text frame in MessagePack", "81<{'op':'ping','id':1}>", "data=0 4400", 1, 0, 0},
    {"protocol 2", "an empty binary frame in JSON", "82", "data=0 4400", 0, 0, 0},
    {"protocol 2", "a binary message in fragments in JSON", "02<{'op':'ping',> 80<'id':1}>", "data=0 4400", 0, 0, 0},
    {"protocol 4", "an empty text", "81", "data=1 4400", 0, 0, 0},
    {"protocol 4", "an empty binary", "82", "data=1 4400", 1, 0, 0},
    {"protocol 4", "an empty message in two fragments", "01 80", "data=1 4400", 0, 0, 0},

    /* sizes: message_bytes_max is 65,536 here */
    {"7.4.1", "as large as may be", "81<{'op':'ping','id':1}>_65516", "data=1 on", 0, 0, 0},
    {"7.4.1", "one byte too large", "81<{'op':'ping','id':1}>_65517", "data=0 1009", 0, 0, 0},
    {"7.4.1", "too large is said before it comes", "81!65537", "1009", 0, 0, 0},
    {"7.4.1", "as large as may be, in two fragments", "01<{'op':'ping','id':1}>_30000 80_35516", "data=1 on", 0, 0, 0},
    {"7.4.1", "one byte too large in two fragments", "01<{'op':'ping','id':1}>_30000 80_35517", "data=0 1009", 0, 0, 0},
    {"7.4.1", "the second is announced too large", "01<{'op':'ping','id':1}>_30000 80!35517", "data=0 1009", 0, 0, 0},
    {"7.4.1", "one byte too large, in a thousand fragments", "01<{'op':'ping','id':1}>_36 *1000 00_65 00_480 80_1",
     "data=0 1009", 0, 0, 0},
    {"7.4.1", "too large in fragments without an end", "01<{> *700 00x100", "data=0 1009", 0, 0, 0},
    {"7.4.1", "too large, MessagePack", "82!65537", "1009", 1, 0, 0},
};
const size_t framing_case_count = sizeof framing_cases / sizeof framing_cases[0];

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Section 4: what asks for a WebSocket, and what only looks like it. */
#include "tests/hostile/rfc6455.h"

#define MSGPACK "ahora.v1.msgpack"
#define HELLO "81<{'op':'hello'}>"

const struct handshake_case handshake_cases[] = {
    {"4.2.1", "as a browser asks",
     "+Origin: http://127.0.0.1\n+User-Agent: x\n+Cache-Control: no-cache\n+Pragma: no-cache\n"
     "+Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
     101, NULL, NULL},
    {"4.2.1", "as little as it takes", "", 101, NULL, NULL},

    /* 4.2.1 item 1: the request line */
    {"4.2.1 (1)", "POST", "@POST /v1/ws HTTP/1.1", 405, NULL, NULL},
    {"4.2.1 (1)", "HEAD", "@HEAD /v1/ws HTTP/1.1", 426, NULL, NULL},
    {"4.2.1 (1)", "PUT", "@PUT /v1/ws HTTP/1.1", 405, NULL, NULL},
    {"4.2.1 (1)", "CONNECT", "@CONNECT /v1/ws HTTP/1.1", 405, NULL, NULL},
    {"4.2.1 (1)", "the method in small letters", "@get /v1/ws HTTP/1.1", 405, NULL, NULL},
    {"4.2.1 (1)", "HTTP/1.0", "@GET /v1/ws HTTP/1.0", 426, NULL, NULL},
    {"4.2.1 (1)", "HTTP/1.2 is a later 1.1", "@GET /v1/ws HTTP/1.2", 101, NULL, NULL},
    {"4.2.1 (1)", "HTTP/2.0", "@GET /v1/ws HTTP/2.0", 505, NULL, NULL},
    {"4.2.1 (1)", "the preface of HTTP/2", "!PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL, NULL},
    {"4.2.1 (1)", "an upgrade to h2c is no WebSocket",
     "=Upgrade: h2c\n=Connection: Upgrade, HTTP2-Settings\n+HTTP2-Settings: AAMAAABkAAQ", 426, NULL, NULL},
    {"4.2.1 (1)", "no version of HTTP", "@GET /v1/ws", 400, NULL, NULL},
    {"4.2.1 (1)", "two blanks in the request line", "@GET  /v1/ws HTTP/1.1", 400, NULL, NULL},
    {"4.2.1 (1)", "a tab in the request line", "@GET\t/v1/ws HTTP/1.1", 400, NULL, NULL},
    {"4.2.1 (1)", "absolute form", "@GET http://127.0.0.1/v1/ws HTTP/1.1", 101, NULL, NULL},
    {"4.2.1 (1)", "a URI of the scheme ws", "@GET ws://127.0.0.1/v1/ws HTTP/1.1", 400, NULL, NULL},
    {"4.2.1 (1)", "a query", "@GET /v1/ws?a=b&c=%20 HTTP/1.1", 101, NULL, NULL},
    {"4.2.1 (1)", "another path", "@GET /v1/wss HTTP/1.1", 404, NULL, NULL},
    {"4.2.1 (1)", "a path below it", "@GET /v1/ws/ HTTP/1.1", 404, NULL, NULL},
    {"4.2.1 (1)", "the path of documents", "@GET /v1/topics/stock/1/a HTTP/1.1", 404, NULL, NULL},
    {"4.2.1 (1)", "a fragment in the target", "@GET /v1/ws#a HTTP/1.1", 404, NULL, NULL},
    {"4.2.1 (1)", "an asterisk", "@GET * HTTP/1.1", 400, NULL, NULL},

    /* item 2: Host */
    {"4.2.1 (2)", "no Host", "-Host", 400, NULL, NULL},
    {"4.2.1 (2)", "two of it", "+Host: 127.0.0.1", 400, NULL, NULL},
    {"4.2.1 (2)", "a domain that is none of ours", "=Host: evil.example", 403, NULL, NULL},

    /* item 3: Upgrade */
    {"4.2.1 (3)", "no Upgrade", "-Upgrade", 426, NULL, NULL},
    {"4.2.1 (3)", "in other letters", "=Upgrade: WebSocket", 101, NULL, NULL},
    {"4.2.1 (3)", "a list that holds it", "=Upgrade: h2c, websocket", 101, NULL, NULL},
    {"4.2.1 (3)", "in a second header", "=Upgrade: h2c\n+Upgrade: websocket", 101, NULL, NULL},
    {"4.2.1 (3)", "something else", "=Upgrade: websockets", 426, NULL, NULL},
    {"4.2.1 (3)", "nothing", "=Upgrade: ", 426, NULL, NULL},
    {"4.2.1 (3)", "a protocol with a version", "=Upgrade: websocket/13", 426, NULL, NULL},

    /* item 4: Connection */
    {"4.2.1 (4)", "no Connection", "-Connection", 426, NULL, NULL},
    {"4.2.1 (4)", "without the token", "=Connection: keep-alive", 426, NULL, NULL},
    {"4.2.1 (4)", "a list that holds it", "=Connection: keep-alive, Upgrade", 101, NULL, NULL},
    {"4.2.1 (4)", "a list in two headers", "=Connection: keep-alive\n+Connection: upgrade", 101, NULL, NULL},
    {"4.2.1 (4)", "blanks and empty items around it", "=Connection: ,\t, uPGRADE\t,,", 101, NULL, NULL},
    {"4.2.1 (4)", "the token as a part of another", "=Connection: upgraded", 426, NULL, NULL},

    /* item 5: the key */
    {"4.2.1 (5)", "no key", "-Sec-WebSocket-Key", 400, NULL, NULL},
    {"4.2.1 (5)", "an empty key", "=Sec-WebSocket-Key: ", 400, NULL, NULL},
    {"4.2.1 (5)", "a key of 15 bytes", "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", 400, NULL, NULL},
    {"4.2.1 (5)", "a key of 17 bytes", "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA=", 400, NULL, NULL},
    {"4.2.1 (5)", "without its padding", "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", 400, NULL, NULL},
    {"4.2.1 (5)", "not base64", "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==", 400, NULL, NULL},
    {"4.2.1 (5)", "base64 for URLs", "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_==", 400, NULL, NULL},
    {"4.2.1 (5)", "another key", "=Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", 101, NULL, "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
    {"4.2.1 (5)", "two keys", "+Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", 400, NULL, NULL},
    {"4.2.1 (5)", "the same key twice", "+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 400, NULL, NULL},
    {"4.2.1 (5)", "a key with parameters", "=Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==; a", 400, NULL, NULL},

    /* item 6, 4.4: the version */
    {"4.2.1 (6)", "no version", "-Sec-WebSocket-Version", 426, NULL, NULL},
    {"4.2.1 (6)", "an empty version", "=Sec-WebSocket-Version: ", 426, NULL, NULL},
    {"4.4", "version 8", "=Sec-WebSocket-Version: 8", 426, NULL, NULL},
    {"4.4", "version 0", "=Sec-WebSocket-Version: 0", 426, NULL, NULL},
    {"4.4", "version 14", "=Sec-WebSocket-Version: 14", 426, NULL, NULL},
    {"4.4", "version 013", "=Sec-WebSocket-Version: 013", 426, NULL, NULL},
    {"4.4", "version +13", "=Sec-WebSocket-Version: +13", 426, NULL, NULL},
    {"4.4", "version 269, which is 13 in 8 bits", "=Sec-WebSocket-Version: 269", 426, NULL, NULL},
    {"4.4", "version 65549, which is 13 in 16 bits", "=Sec-WebSocket-Version: 65549", 426, NULL, NULL},
    {"4.4", "a list of versions", "=Sec-WebSocket-Version: 13, 8", 426, NULL, NULL},
    {"4.4", "two versions", "+Sec-WebSocket-Version: 8", 426, NULL, NULL},

    /* item 8, 4.2.2: subprotocols */
    {"4.2.2", "no subprotocol", "-Sec-WebSocket-Protocol", 400, NULL, NULL},
    {"4.2.2", "an empty subprotocol", "=Sec-WebSocket-Protocol: ", 400, NULL, NULL},
    {"4.2.2", "one that is not spoken here", "=Sec-WebSocket-Protocol: chat", 400, NULL, NULL},
    {"4.2.2", "MessagePack", "=Sec-WebSocket-Protocol: ahora.v1.msgpack", 101, MSGPACK, NULL},
    {"4.2.2", "the second of a list is spoken", "=Sec-WebSocket-Protocol: chat, ahora.v1.json", 101, NULL, NULL},
    {"4.2.2", "both: the client's first", "=Sec-WebSocket-Protocol: ahora.v1.msgpack, ahora.v1.json", 101, MSGPACK, NULL},
    {"4.2.2", "both, the other way round", "=Sec-WebSocket-Protocol: ahora.v1.json, ahora.v1.msgpack", 101, NULL, NULL},
    {"4.2.2", "in two headers", "=Sec-WebSocket-Protocol: chat\n+Sec-WebSocket-Protocol: ahora.v1.json", 101, NULL, NULL},
    {"4.2.2", "names are compared byte by byte", "=Sec-WebSocket-Protocol: AHORA.V1.JSON", 400, NULL, NULL},
    {"4.2.2", "a name that only begins like ours", "=Sec-WebSocket-Protocol: ahora.v1.jsonx", 400, NULL, NULL},
    {"4.2.2", "our name as a parameter", "=Sec-WebSocket-Protocol: chat; ahora.v1.json", 400, NULL, NULL},
    {"4.2.2", "a name of a thousand letters before ours", "=Sec-WebSocket-Protocol: #1000, ahora.v1.json", 101, NULL, NULL},

    /* 9.1: extensions are declined */
    {"9.1", "permessage-deflate is declined", "+Sec-WebSocket-Extensions: permessage-deflate", 101, NULL, NULL},
    {"9.1", "an unknown extension is declined", "+Sec-WebSocket-Extensions: x-mine; a=1; b=\"c,d\", y", 101, NULL, NULL},
    {"9.1", "nonsense in place of extensions", "+Sec-WebSocket-Extensions: ;;,,==", 101, NULL, NULL},
    {"9.1", "an extension in two headers", "+Sec-WebSocket-Extensions: a\n+Sec-WebSocket-Extensions: b", 101, NULL, NULL},

    /* RFC 9110 7.8, 9112: what HTTP says of the same bytes */
    {"RFC 9112 6", "a body announced", "+Content-Length: 5", 400, NULL, NULL},
    {"RFC 9112 6", "an empty body announced", "+Content-Length: 0", 101, NULL, NULL},
    {"RFC 9112 6", "a body in chunks", "+Transfer-Encoding: chunked\n>=300d0a0d0a", 400, NULL, NULL},
    {"RFC 9112 6", "a length and chunks", "+Content-Length: 0\n+Transfer-Encoding: chunked", 400, NULL, NULL},
    {"RFC 9112 6", "two lengths", "+Content-Length: 0\n+Content-Length: 5", 400, NULL, NULL},
    {"RFC 9112 6", "a negative length", "+Content-Length: -1", 400, NULL, NULL},
    {"RFC 9112 5.2", "a folded header",
     "!GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade:\r\n websocket\r\nConnection: Upgrade\r\n\r\n", 400, NULL, NULL},
    {"RFC 9112 2.2", "bare LF at every end", "!GET /v1/ws HTTP/1.1\nHost: 127.0.0.1\nUpgrade: websocket\n\n\r\n\r\n", 400, NULL,
     NULL},
    {"RFC 9112 2.2", "one bare LF", "!GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\nUpgrade: websocket\r\n\r\n", 400, NULL, NULL},
    {"RFC 9112 2.2", "a bare CR in a header", "!GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n", 400, NULL, NULL},
    {"RFC 9112 2.2", "empty lines in front of it are passed over",
     "!\r\n\r\nGET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
     "13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ahora.v1.json\r\n\r\n",
     101, NULL, NULL},
    {"RFC 9112 5.1", "a blank before the colon", "+X-Y : z", 400, NULL, NULL},
    {"RFC 9112 5", "a line without a colon", "+nothing", 400, NULL, NULL},
    {"RFC 9112 5", "a header without a name", "+: x", 400, NULL, NULL},
    {"RFC 9110 5.5", "a NUL in a header", "!GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \\0\r\n\r\n", 400, NULL, NULL},
    {"RFC 9110 5.4", "a head of 8,000 bytes", "+X: #7700", 101, NULL, NULL},
    {"RFC 9110 5.4", "a head of 20,000 bytes", "+X: #20000", 431, NULL, NULL},
    {"RFC 9110 5.4", "sixty more headers", "+X-%60: y", 431, NULL, NULL},
    {"RFC 9110 10.1.1", "an expectation", "+Expect: 100-continue", 101, NULL, NULL},
    {"RFC 9110 10.1.1", "an expectation that nobody knows", "+Expect: the-unexpected", 417, NULL, NULL},

    /* 10.2: who sends it */
    {"10.2", "an origin that is none of ours", "+Origin: https://evil.example", 403, NULL, NULL},
    {"10.2", "the null origin", "+Origin: null", 403, NULL, NULL},

    /* 4.1: nothing says that a client waits for the answer */
    {"4.1", "frames right behind the head", ">" HELLO " 81<{'op':'ping','id':1}>", 101, NULL, NULL},
    {"4.1", "a second request right behind the head is no frame",
     ">=474554202f6c6976657a20485454502f312e310d0a486f73743a20610d0a0d0a", -1002, NULL, NULL},
};
const size_t handshake_case_count = sizeof handshake_cases / sizeof handshake_cases[0];

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Section 8.1: text is UTF-8 (RFC 3629). The bytes in question stand in a JSON string, between `..."x":"` and `"}`. */
#include "tests/hostile/rfc6455.h"

#define FRONT "<{'op':'ping','id':1,'x':'>"
#define BACK "<'}>"
#define TEXT(hex) "81" FRONT "{" hex "}" BACK
#define GOOD(name, hex)                                                                                                        \
    { "8.1", name, TEXT(hex), "data=1 on", 0, 0, 0 }
#define BAD(name, hex)                                                                                                         \
    { "8.1", name, TEXT(hex), "1007", 0, 0, 0 }

const struct frame_case text_cases[] = {
    /* RFC 3629 section 4, the first and the last of each row */
    GOOD("U+007F", "7f"),
    GOOD("U+0080", "c280"),
    GOOD("U+07FF", "dfbf"),
    GOOD("U+0800", "e0a080"),
    GOOD("U+0FFF", "e0bfbf"),
    GOOD("U+1000", "e18080"),
    GOOD("U+CFFF", "ecbfbf"),
    GOOD("U+D7FF, the last before the surrogates", "ed9fbf"),
    GOOD("U+E000, the first behind them", "ee8080"),
    GOOD("U+FEFF", "efbbbf"),
    GOOD("U+FFFD", "efbfbd"),
    GOOD("U+FFFE, no character, but legal", "efbfbe"),
    GOOD("U+FFFF, the same", "efbfbf"),
    GOOD("U+10000", "f0908080"),
    GOOD("U+3FFFF", "f0bfbfbf"),
    GOOD("U+40000", "f1808080"),
    GOOD("U+FFFFF", "f3bfbfbf"),
    GOOD("U+10FFFF", "f48fbfbf"),
    GOOD("kosme", "cebae1bdb9cf83cebcceb5"),

    BAD("a continuation alone", "80"),
    BAD("the last continuation alone", "bf"),
    BAD("two continuations", "8080"),
    BAD("a lead of two, alone", "c3"),
    BAD("a lead of two, then a letter", "c341"),
    BAD("a lead of three, alone", "e2"),
    BAD("two bytes of three", "e282"),
    BAD("two bytes of three, then a letter", "e28241"),
    BAD("a lead of four, alone", "f0"),
    BAD("two bytes of four", "f09f"),
    BAD("three bytes of four", "f09f98"),
    BAD("three bytes of four, then a letter", "f09f9841"),
    BAD("a slash in two bytes", "c0af"),
    BAD("U+007F in two bytes", "c1bf"),
    BAD("U+0000 in two bytes", "c080"),
    BAD("a slash in three bytes", "e080af"),
    BAD("U+07FF in three bytes", "e09fbf"),
    BAD("a slash in four bytes", "f08080af"),
    BAD("U+FFFF in four bytes", "f08fbfbf"),
    BAD("five bytes", "f888808080"),
    BAD("six bytes", "fc8480808080"),
    BAD("the first high surrogate", "eda080"),
    BAD("the last high surrogate", "edafbf"),
    BAD("the first low surrogate", "edb080"),
    BAD("the last low surrogate", "edbfbf"),
    BAD("a pair of surrogates", "eda0bdedb8ba"),
    BAD("U+110000", "f4908080"),
    BAD("U+13FFFF", "f4bfbfbf"),
    BAD("a lead of F5", "f5808080"),
    BAD("FE", "fe"),
    BAD("FF", "ff"),
    BAD("Latin 1", "e9"),
    BAD("good before bad", "c3a9ff"),

    /* a code point may be cut by fragments, and by what is read at once */
    {"8.1", "cut between two bytes of two", "01" FRONT "{c3} 80{a9}" BACK, "data=1 on", 0, 0, 0},
    {"8.1", "cut behind the first of four", "01" FRONT "{f0} 80{9f9880}" BACK, "data=1 on", 0, 0, 0},
    {"8.1", "cut behind the second of four", "01" FRONT "{f09f} 80{9880}" BACK, "data=1 on", 0, 0, 0},
    {"8.1", "cut behind the third of four", "01" FRONT "{f09f98} 80{80}" BACK, "data=1 on", 0, 0, 0},
    {"8.1", "a fragment for each byte of four", "01" FRONT "{f0} 00{9f} 00{98} 80{80}" BACK, "data=1 on", 0, 0, 0},
    {"8.1", "a ping and nothing in between", "01" FRONT "{f09f} 89<a> 00 80{9880}" BACK, "pong<a> data=1 on", 0, 0, 0},
    {"8.1", "one byte at a time", TEXT("f09f9880e282acc3a9"), "data=1 on", 0, 1, 0},
    {"8.1", "a surrogate cut by fragments", "01" FRONT "{ed} 80{a080}" BACK, "1007", 0, 0, 0},
    {"8.1", "an overlong form cut by fragments", "01" FRONT "{e0} 80{80af}" BACK, "1007", 0, 0, 0},
    {"8.1", "bad in the first fragment", "01" FRONT "{ff} 80" BACK, "1007", 0, 0, 0},
    {"8.1", "bad in the last fragment", "01" FRONT " 80{ff}" BACK, "1007", 0, 0, 0},
    {"8.1", "ends inside a code point", "01" FRONT " 80{f09f}", "1007", 0, 0, 0},
    {"8.1", "ends inside a code point, the last fragment is empty", "01" FRONT "{f09f} 80", "1007", 0, 0, 0},
    {"8.1", "bad, one byte at a time", TEXT("f09fff"), "1007", 0, 1, 0},
    {"8.1", "only bad bytes", "81{ffff}", "1007", 0, 0, 0},
    {"8.1", "a byte order mark is no JSON, but UTF-8", "81{efbbbf}<{'op':'ping','id':1}>", "4400", 0, 0, 0},

    /* UTF-8, but nothing the protocol takes */
    {"protocol 2", "a NUL", "81" FRONT "{00}" BACK, "4400", 0, 0, 0},
    {"protocol 2", "a control character", "81" FRONT "{01}" BACK, "4400", 0, 0, 0},
    {"protocol 4", "binary frames are not looked at as text", "82{82a26f70a470696e67a26964a2c328}", "4400", 1, 0, 0},
};
const size_t text_case_count = sizeof text_cases / sizeof text_cases[0];

/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* Kinds as an operator writes them: what is refused, where and why; and documents held against the keywords one by one. */
#include "broker/core/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

#define ADDRESS "\"x-ahora\":{\"address\":\"k/{a}\"}"

/* ---- what is refused at start ---- */

/* "POINTER REASON" of the first error, "" if the kind is fine. */
static const char *fault_of_bytes(struct span json) {
    static char text[512];
    struct violations errors;
    struct kinds *kinds = kinds_create();
    assert_non_null(kinds);
    const enum result result = kinds_add(kinds, span_of_text("k"), json, &errors);
    assert_int_equal(result, errors.count > 0 ? RESULT_INVALID : RESULT_OK);
    assert_true((kinds_find(kinds, span_of_text("k")) != NULL) == (result == RESULT_OK));
    snprintf(text, sizeof text, "%s %s", errors.count > 0 ? errors.items[0].pointer : "",
             errors.count > 0 ? errors.items[0].detail : "");
    kinds_destroy(kinds);
    return result == RESULT_OK ? "" : text;
}

static const char *fault_of(const char *json) {
    return fault_of_bytes(span_of_text(json));
}

#define FAULT(json, text) assert_string_equal(fault_of(json), text)
#define FINE(json) assert_string_equal(fault_of(json), "")
#define PROPERTY(schema) "{\"properties\":{\"p\":" schema "}," ADDRESS "}"
#define EXTENDED(properties, extension) "{\"properties\":{" properties "},\"x-ahora\":{\"address\":\"k/{a}\"," extension "}}"

static void every_keyword_is_read(void **state) {
    (void)state;
    FINE("{" ADDRESS "}");
    FINE("{\"$schema\":\"https://json-schema.org/draft/2020-12/"
         "schema\",\"$id\":\"urn:x\",\"title\":\"t\",\"description\":\"d\",\"type\":"
         "\"object\",\"required\":[\"p\"],\"additionalProperties\":false,\"properties\":{\"p\":{\"type\":[\"string\",\"null\"],"
         "\"examples\":[1],"
         "\"default\":{},\"minLength\":1,\"maxLength\":2,\"format\":\"date\"},\"q\":{\"type\":\"array\",\"items\":{\"type\":"
         "\"number\","
         "\"minimum\":0.5,\"maximum\":9},\"minItems\":1,\"maxItems\":2},\"r\":{\"enum\":[null,true,1,\"x\"]},\"s\":{\"const\":"
         "1.5}}," ADDRESS "}");
}

static void other_keywords_are_refused_where_they_stand(void **state) {
    (void)state;
    FAULT("{\"allOf\":[]," ADDRESS "}", "/allOf is not a keyword of kinds");
    FAULT(PROPERTY("{\"pattern\":\"^a\"}"), "/properties/p/pattern is not a keyword of kinds");
    FAULT(PROPERTY("{\"items\":{\"$ref\":\"#\"}}"), "/properties/p/items/$ref is not a keyword of kinds");
    FAULT(PROPERTY("{\"$id\":\"x\"}"), "/properties/p/$id stands at the top of a schema only");
    FAULT(PROPERTY("{\"x-ahora\":{}}"), "/properties/p/x-ahora stands at the top of a schema only");
}

static void keywords_have_their_types(void **state) {
    (void)state;
    FAULT("{\"$schema\":\"http://json-schema.org/draft-04/schema#\"," ADDRESS "}",
          "/$schema must be https://json-schema.org/draft/2020-12/schema or http://json-schema.org/draft-07/schema#");
    FAULT("{\"type\":\"string\"," ADDRESS "}", " documents are maps: `type` must be object");
    FAULT("{\"enum\":[1]," ADDRESS "}", " `enum` and `const` are for fields");
    FAULT(PROPERTY("true"), "/properties/p must be a schema: a map");
    FAULT(PROPERTY("{\"type\":\"text\"}"),
          "/properties/p/type must be one or a list of object, array, string, number, integer, boolean, null");
    FAULT(PROPERTY("{\"type\":[]}"),
          "/properties/p/type must be one or a list of object, array, string, number, integer, boolean, null");
    FAULT(PROPERTY("{\"enum\":[]}"), "/properties/p/enum must be a list that is not empty");
    FAULT(PROPERTY("{\"enum\":[[1]]}"), "/properties/p/enum may hold texts, numbers, booleans and null only");
    FAULT(PROPERTY("{\"const\":{}}"), "/properties/p/const may hold texts, numbers, booleans and null only");
    FAULT(PROPERTY("{\"minimum\":\"1\"}"), "/properties/p/minimum must be a number");
    FAULT(PROPERTY("{\"minLength\":-1}"), "/properties/p/minLength must be an integer from 0 on");
    FAULT(PROPERTY("{\"maxItems\":1.5}"), "/properties/p/maxItems must be an integer from 0 on");
    FAULT(PROPERTY("{\"format\":\"email\"}"), "/properties/p/format must be date, uri or uuid");
    FAULT(PROPERTY("{\"title\":1}"), "/properties/p/title must be text");
    FAULT("{\"properties\":[]," ADDRESS "}", "/properties must be a map");
    FAULT("{\"required\":[\"p\"]," ADDRESS "}", "/required names something that is not among the properties");
    FAULT("[]", " must be a schema: a map");
    FAULT("{\"a\":1", " ends inside a JSON value");
    FAULT("{}", "/x-ahora must be a map with at least an `address`");
}

static void schema_bombs_are_refused(void **state) {
    (void)state;
    FAULT(PROPERTY("{\"items\":{\"items\":{\"items\":{}}}}"), "/properties/p/items/items/items lies deeper than 4 levels");
    FINE(PROPERTY("{\"items\":{\"items\":{}}}"));
    struct buffer text;
    buffer_init(&text, 1 << 20);
    buffer_put_text(&text, "{\"properties\":{");
    for (int i = 0; i < 65; i++) {
        char property[32];
        snprintf(property, sizeof property, "%s\"p%d\":{}", i > 0 ? "," : "", i);
        buffer_put_text(&text, property);
    }
    buffer_put_text(&text, "}," ADDRESS "}");
    assert_string_equal(fault_of_bytes(buffer_span(&text)), "/properties has more than 64 properties");
    /* 20 times 60 is more than 1,024 */
    buffer_cut(&text, 0);
    buffer_put_text(&text, "{\"properties\":{");
    for (int i = 0; i < 20; i++) {
        char property[64];
        snprintf(property, sizeof property, "%s\"p%d\":{\"properties\":{", i > 0 ? "," : "", i);
        buffer_put_text(&text, property);
        for (int j = 0; j < 60; j++) {
            snprintf(property, sizeof property, "%s\"q%d\":{}", j > 0 ? "," : "", j);
            buffer_put_text(&text, property);
        }
        buffer_put_text(&text, "}}");
    }
    buffer_put_text(&text, "}," ADDRESS "}");
    assert_non_null(strstr(fault_of_bytes(buffer_span(&text)), "the schema is too large: more than 1024 fields"));
    buffer_cut(&text, 0);
    buffer_put_text(&text, "{\"properties\":{\"p\":{\"enum\":[0");
    for (int i = 0; i < 1024; i++) {
        buffer_put_text(&text, ",1");
    }
    buffer_put_text(&text, "]}}," ADDRESS "}");
    assert_non_null(strstr(fault_of_bytes(buffer_span(&text)), "more than 1024 values"));
    buffer_cut(&text, 0);
    for (int i = 0; i < 66000; i++) {
        buffer_put_byte(&text, ' ');
    }
    assert_string_equal(fault_of_bytes(buffer_span(&text)), " the file is larger than 65536 bytes");
    buffer_fini(&text);
}

static void several_errors_are_told_and_then_no_more(void **state) {
    (void)state;
    struct violations errors;
    struct kind kind;
    const char *json = "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}";
    assert_false(kind_init(&kind, span_of_text("k"), span_of_text(json), &errors));
    kind_fini(&kind);
    assert_int_equal(errors.count, VIOLATIONS_MAX);
    assert_string_equal(errors.items[7].pointer, "/h");
}

static void an_address_is_checked(void **state) {
    (void)state;
    FAULT("{\"x-ahora\":{\"address\":\"l/{a}\"}}",
          "/x-ahora/address must begin with the name of the kind, which is that of its file");
    FAULT("{\"x-ahora\":{\"address\":\"k\"}}", "/x-ahora/address has fewer than 2 segments");
    FAULT("{\"x-ahora\":{\"address\":\"k/{a}/b/c/d/e/f/g/h\"}}", "/x-ahora/address has more than 8 segments");
    FAULT("{\"x-ahora\":{\"address\":\"k/{a\"}}", "/x-ahora/address must be segments such as {sku}, or literal ones");
    FAULT("{\"x-ahora\":{\"address\":\"k//a\"}}", "/x-ahora/address must be segments such as {sku}, or literal ones");
    FAULT("{\"x-ahora\":{\"address\":\"k/a b\"}}", "/x-ahora/address holds a segment that no topic can have");
    FAULT("{\"x-ahora\":{\"address\":7}}", "/x-ahora/address must be text, or a list of texts");
    FAULT("{\"x-ahora\":{\"address\":[]}}", "/x-ahora/address must be text, or a list of texts");
    struct violations errors;
    struct kind kind;
    assert_false(kind_init(&kind, span_of_text("a/b"), span_of_text("{}"), &errors));
    kind_fini(&kind);
}

static void the_extension_is_checked(void **state) {
    (void)state;
    FAULT(EXTENDED("", "\"fresh\":1"), "/x-ahora/fresh is not known here");
    FAULT(EXTENDED("", "\"fresh_ms\":-1"), "/x-ahora/fresh_ms must be milliseconds: an integer from 0 on");
    FAULT(EXTENDED("", "\"expire_ms\":1.0"), "/x-ahora/expire_ms must be milliseconds: an integer from 0 on");
    FAULT(EXTENDED("", "\"private\":1"), "/x-ahora/private must be true or false");
    FAULT(EXTENDED("", "\"position\":\"/p\""),
          "/x-ahora/position must be a pointer to a field among the properties, such as /price");
    FAULT(EXTENDED("\"p\":{\"properties\":{\"lat\":{}}}", "\"position\":\"/p\""),
          "/x-ahora/position must point to a map whose properties are lat and lon");
    FAULT(EXTENDED("\"p\":{}", "\"checks\":{}"), "/x-ahora/checks must be a list");
    FAULT(EXTENDED("\"p\":{}", "\"checks\":[{\"money\":\"/p\"}]"),
          "/x-ahora/checks/0 must be {money, currency}, {ascending}, {entries, max} or {prefix, of}");
    FAULT(EXTENDED("\"p\":{}", "\"checks\":[{\"money\":\"/p\",\"currency\":\"/q\"}]"),
          "/x-ahora/checks/0/currency must be a pointer to a field among the properties, such as /price");
    FAULT(EXTENDED("\"p\":{\"properties\":{\"q\":{}}},\"r\":{}", "\"checks\":[{\"ascending\":[\"/p/q\",\"/r\"]}]"),
          "/x-ahora/checks/0/ascending must name two fields of the same object");
    FAULT(EXTENDED("\"p\":{}", "\"checks\":[{\"entries\":\"/p\",\"max\":-1}]"), "/x-ahora/checks/0/max must be from 0 to 1024");
    FAULT(EXTENDED("\"p\":{}", "\"checks\":[{\"prefix\":\"\",\"of\":\"/p\"}]"), "/x-ahora/checks/0/prefix must be text");
}

static void rules_of_derived_fields_are_checked(void **state) {
    (void)state;
#define DERIVE(properties, rules) EXTENDED(properties, "\"derive\":[{\"field\":\"p\",\"rules\":[" rules "]}]")
    FINE(DERIVE("\"p\":{},\"q\":{}", "{\"when\":{\"q\":{\"gte\":1,\"lt\":{\"field\":\"q\",\"default\":2}}},\"value\":1}"));
    FAULT(DERIVE("\"q\":{}", "{\"value\":1}"), "/x-ahora/derive/0/field must name a field among the properties");
    FAULT(DERIVE("\"p\":{}", ""), "/x-ahora/derive/0/rules must be a list of rules");
    FAULT(DERIVE("\"p\":{}", "{\"when\":{\"q\":{\"eq\":1}},\"value\":1}"),
          "/x-ahora/derive/0/rules/0/when/q must name a field among the properties");
    FAULT(DERIVE("\"p\":{},\"q\":{}", "{\"when\":{\"q\":{\"is\":1}},\"value\":1}"),
          "/x-ahora/derive/0/rules/0/when/q/is must be one of eq, ne, lt, lte, gt, gte, in, exists");
    FAULT(DERIVE("\"p\":{},\"q\":{}", "{\"when\":{\"q\":{\"exists\":1}},\"value\":1}"),
          "/x-ahora/derive/0/rules/0/when/q/exists must be true or false");
    FAULT(DERIVE("\"p\":{},\"q\":{}", "{\"when\":{\"q\":{\"in\":1}},\"value\":1}"),
          "/x-ahora/derive/0/rules/0/when/q/in must be a list");
    FAULT(DERIVE("\"p\":{}", "{\"then\":1,\"value\":1}"), "/x-ahora/derive/0/rules/0/then is not known here");
    FAULT(DERIVE("\"p\":{}", "{}"), "/x-ahora/derive/0/rules/0/value must be text, a number or a boolean");
    FAULT(DERIVE("\"p\":{\"enum\":[\"a\"]}", "{\"value\":\"b\"}"),
          "/x-ahora/derive/0/rules/0/value does not fit the field: it must be a");
    FAULT(DERIVE("\"p\":{}", "{\"when\":{\"p\":{\"eq\":1}},\"value\":1}"),
          "/x-ahora/derive a rule looks at a field that the broker writes itself");
    FAULT("{\"required\":[\"p\"],\"properties\":{\"p\":{}},\"x-ahora\":{\"address\":\"k/"
          "{a}\",\"derive\":[{\"field\":\"p\",\"rules\":[{\"value\":1}]}]}}",
          "/x-ahora/derive/0 is written by the broker: it cannot be required");
    FAULT(EXTENDED("\"p\":{},\"q\":{\"type\":\"string\"}", "\"history\":{\"field\":\"p\",\"of\":\"q\",\"max\":33}"),
          "/x-ahora/history/max must be from 1 to 32");
    FAULT(EXTENDED("\"p\":{},\"q\":{}", "\"history\":{\"field\":\"p\",\"of\":\"q\"}"),
          "/x-ahora/history must name a field that is text, a number or a boolean");
    FAULT(
        EXTENDED("\"p\":{},\"q\":{\"type\":\"string\"}", "\"history\":{\"field\":\"p\",\"of\":\"q\",\"with\":{\"at\":\"q\"}}"),
        "/x-ahora/history/with/at every entry has an `at` already");
}

static void kinds_are_found_by_name_and_give_way(void **state) {
    (void)state;
    struct kinds *kinds = kinds_builtin();
    struct violations errors;
    assert_non_null(kinds);
    static const char *const names[] = {"order", "room", "service", "stock", NULL};
    for (size_t i = 0; names[i] != NULL; i++) {
        assert_string_equal(kinds_at(kinds, i)->name, names[i]);
        assert_ptr_equal(kinds_find(kinds, span_of_text(names[i])), kinds_at(kinds, i));
    }
    assert_null(kinds_at(kinds, 4));
    assert_null(kinds_find(kinds, span_of_text("stoc")));
    assert_null(kinds_find(kinds, span_of_text("")));
    assert_int_equal(kinds_add(kinds, span_of_text("stock"),
                               span_of_text("{\"x-ahora\":{\"address\":\"stock/{a}\",\"fresh_ms\":7}}"), &errors),
                     RESULT_OK);
    assert_int_equal(kinds_find(kinds, span_of_text("stock"))->fresh_ms, 7);
    assert_null(kinds_at(kinds, 4));
    for (int i = 4; i < KINDS_MAX + 1; i++) {
        char name[16];
        char json[64];
        snprintf(name, sizeof name, "k%d", i);
        snprintf(json, sizeof json, "{\"x-ahora\":{\"address\":\"%s/{a}\"}}", name);
        assert_int_equal(kinds_add(kinds, span_of_text(name), span_of_text(json), &errors),
                         i < KINDS_MAX ? RESULT_OK : RESULT_INVALID);
    }
    assert_string_equal(errors.items[0].detail, "more than 64 kinds");
    for (size_t i = 0; kinds_at(kinds, i) != NULL; i++) {
        assert_ptr_equal(kinds_find(kinds, span_of_text(kinds_at(kinds, i)->name)), kinds_at(kinds, i));
    }
    kinds_destroy(kinds);
}

/* ---- documents against keywords ---- */

/* "POINTER REASON; …" of a document against properties, "" if it is legal. */
static const char *wrong_with(const char *schema, const char *document) {
    static char text[2048];
    struct violations errors;
    struct kind kind;
    struct buffer packed;
    struct schema_fields fields;
    buffer_init(&packed, 1 << 20);
    if (!kind_init(&kind, span_of_text("k"), span_of_text(schema), &errors)) {
        fail_msg("the kind itself: %s %s", errors.items[0].pointer, errors.items[0].detail);
    }
    assert_int_equal(json_to_pack(span_of_text(document), AHORA_DEPTH_MAX, &packed, NULL), AHORA_OK);
    const bool legal = schema_check(&kind.schema, buffer_span(&packed), &fields, &errors);
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < errors.count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %s", i > 0 ? "; " : "", errors.items[i].pointer,
                                 errors.items[i].detail);
    }
    assert_int_equal(legal, errors.count == 0);
    kind_fini(&kind);
    buffer_fini(&packed);
    return text;
}

static void documents_are_held_against_each_keyword(void **state) {
    (void)state;
    static const struct {
        const char *schema, *value, *wrong; /* of the field p */
    } cases[] = {
        {"{\"type\":\"integer\"}", "1", ""},
        {"{\"type\":\"integer\"}", "1.0", ""},
        {"{\"type\":\"integer\"}", "1e300", ""},
        {"{\"type\":\"integer\"}", "1.5", "must be an integer"},
        {"{\"type\":\"number\"}", "\"1\"", "must be a number"},
        {"{\"type\":[\"integer\",\"null\"]}", "null", ""},
        {"{\"type\":[\"integer\",\"null\"]}", "true", "must be an integer or null"},
        {"{\"type\":[\"number\",\"integer\",\"object\"]}", "[]", "must be a map or a number"},
        {"{\"type\":\"object\"}", "[]", "must be a map"},
        {"{\"type\":\"array\"}", "{}", "must be a list"},
        {"{\"type\":\"string\"}", "null", "must be text"},
        {"{\"type\":\"boolean\"}", "0", "must be true or false"},
        {"{\"minimum\":0}", "-1", "must be at least 0"},
        {"{\"minimum\":0}", "-0.0", ""},
        {"{\"minimum\":0.5,\"maximum\":2}", "0.25", "must be at least 0.5"},
        {"{\"maximum\":9007199254740993}", "9007199254740994", "must be at most 9007199254740993"},
        {"{\"maximum\":9007199254740993}", "9007199254740992.0", ""},
        {"{\"minimum\":1}", "\"0\"", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"x\"", "must have at least 2 characters"},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\\u00e4\\u20ac\\ud83d\\ude00\"", ""},
        {"{\"minLength\":2,\"maxLength\":3}", "\"abcd\"", "must have at most 3 characters"},
        {"{\"minItems\":1,\"maxItems\":2}", "[]", "must have at least 1 items"},
        {"{\"minItems\":1,\"maxItems\":2}", "[1,2,3]", "must have at most 2 items"},
        {"{\"minItems\":1}", "{}", ""},
        {"{\"enum\":[1,\"x\",null]}", "1.0", ""},
        {"{\"enum\":[1,\"x\",null]}", "null", ""},
        {"{\"enum\":[1,\"x\",null]}", "\"y\"", "must be one of 1, x or null"},
        {"{\"enum\":[1]}", "[]", "must be 1"},
        {"{\"const\":true}", "false", "must be true"},
        {"{\"format\":\"date\"}", "\"2028-02-29\"", ""},
        {"{\"format\":\"date\"}", "\"2027-02-29\"", "must be a date such as 2027-05-01"},
        {"{\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"", ""},
        {"{\"format\":\"uuid\"}", "\"123e4567e89b-12d3-a456-426614174000\"", "must be a UUID"},
        {"{\"format\":\"uri\"}", "\"https://a:b@[::1]:80/p?q#f\"", ""},
        {"{\"format\":\"uri\"}", "\"//a\"", "must be a URI such as https://example.com/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char schema[256];
        char document[256];
        char wrong[256];
        snprintf(schema, sizeof schema, "{\"properties\":{\"p\":%s}," ADDRESS "}", cases[i].schema);
        snprintf(document, sizeof document, "{\"p\":%s}", cases[i].value);
        snprintf(wrong, sizeof wrong, "%s%s", cases[i].wrong[0] != '\0' ? "/p " : "", cases[i].wrong);
        assert_string_equal(wrong_with(schema, document), wrong);
    }
}

static void objects_and_lists_are_walked(void **state) {
    (void)state;
    const char *schema = "{\"required\":[\"a\",\"b\"],\"additionalProperties\":false,\"properties\":{\"a\":{},\"b\":{\"type\":"
                         "\"array\",\"items\":"
                         "{\"required\":[\"x\"],\"properties\":{\"x\":{\"type\":\"integer\"}},\"additionalProperties\":{"
                         "\"type\":\"string\"}}}}," ADDRESS "}";
    assert_string_equal(wrong_with(schema, "{\"a\":1,\"b\":[{\"x\":1,\"y\":\"z\"}]}"), "");
    assert_string_equal(wrong_with(schema, "{\"b\":[{\"x\":1},{\"y/~\":1},7],\"c\":0}"),
                        "/b/1/y~1~0 must be text; /b/1/x is required; /c is not a field of this kind; /a is required");
}

static void a_wrong_document_is_not_read_to_its_end(void **state) {
    (void)state;
    char document[4096] = "{\"p\":[";
    for (int i = 0; i < 500; i++) {
        strcat(document, i > 0 ? ",1" : "1");
    }
    strcat(document, "]}");
    const char *wrong = wrong_with("{\"properties\":{\"p\":{\"items\":{\"type\":\"string\"}}}," ADDRESS "}", document);
    assert_non_null(strstr(wrong, "/p/7 must be text"));
    assert_null(strstr(wrong, "/p/8 "));
}

static void long_pointers_are_cut_between_characters(void **state) {
    (void)state;
    char document[512] = "{\"";
    for (int i = 0; i < 60; i++) {
        strcat(document, "\xe2\x82\xac");
    }
    strcat(document, "\":1}");
    const char *wrong = wrong_with("{\"additionalProperties\":false," ADDRESS "}", document);
    assert_int_equal(strcspn(wrong, " "), 1 + 78); /* 26 whole ones of three bytes */
    assert_non_null(strstr(wrong, "is not a field of this kind"));
}

static void texts_have_forms(void **state) {
    (void)state;
    static const struct {
        enum text_form form;
        const char *text;
        bool fits;
    } cases[] = {
        {TEXT_FORM_MONEY, "0", true},
        {TEXT_FORM_MONEY, "0.00", true},
        {TEXT_FORM_MONEY, "123456789012.1234", true},
        {TEXT_FORM_MONEY, "", false},
        {TEXT_FORM_MONEY, "1.", false},
        {TEXT_FORM_MONEY, ".5", false},
        {TEXT_FORM_MONEY, "-1", false},
        {TEXT_FORM_MONEY, "1234567890123", false},
        {TEXT_FORM_MONEY, "1.12345", false},
        {TEXT_FORM_MONEY, "1,5", false},
        {TEXT_FORM_MONEY, "1.2.3", false},
        {TEXT_FORM_CURRENCY, "EUR", true},
        {TEXT_FORM_CURRENCY, "eur", false},
        {TEXT_FORM_CURRENCY, "EURO", false},
        {TEXT_FORM_DATE, "2000-02-29", true},
        {TEXT_FORM_DATE, "1900-02-29", false},
        {TEXT_FORM_DATE, "2027-13-01", false},
        {TEXT_FORM_DATE, "2027-04-31", false},
        {TEXT_FORM_DATE, "2027-4-30", false},
        {TEXT_FORM_DATE, "2027-00-10", false},
        {TEXT_FORM_DATE, "0000-01-01", true},
        {TEXT_FORM_DATE, "2027/04/30", false},
        {TEXT_FORM_URI, "a:", true},
        {TEXT_FORM_URI, "urn:isbn:1", true},
        {TEXT_FORM_URI, "http://", true},
        {TEXT_FORM_URI, "1a:b", false},
        {TEXT_FORM_URI, "http://a b", false},
        {TEXT_FORM_URI, "http://a/%zz", false},
        {TEXT_FORM_URI, "http://a/%2", false},
        {TEXT_FORM_URI, "http://[::1", false},
        {TEXT_FORM_URI, "http://[1:2:3:4:5:6:7:8]", true},
        {TEXT_FORM_URI, "http://[1::2::3]", false},
        {TEXT_FORM_URI, "http://[::ffff:1.2.3.4]/", true},
        {TEXT_FORM_URI, "http://[::1.2.3]/", false},
        {TEXT_FORM_URI, "http://[1:2:3:4:5:6:7]", false},
        {TEXT_FORM_URI, "http://[v1.a:b]", true},
        {TEXT_FORM_URI, "http://a:8x", false},
        {TEXT_FORM_URI, "http://a:80/#a#b", false},
        {TEXT_FORM_URI, "http://\xc3\xa4", false},
        {TEXT_FORM_URI, "", false},
        {TEXT_FORM_URI, "http://[::]x", false},
        {TEXT_FORM_URI, "http://[1::]", true},
        {TEXT_FORM_URI, "http://[1:2:3:4:5:6:7::8]", false},
        {TEXT_FORM_URI, "http://[::256.1.1.1]", false},
        {TEXT_FORM_URI, "http://[:1]", false},
        {TEXT_FORM_URI, "http://[1:]", false},
        {TEXT_FORM_URI, "http://[:::]", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (text_form_fits(cases[i].form, span_of_text(cases[i].text)) != cases[i].fits) {
            fail_msg("%s: %s", text_form_text(cases[i].form), cases[i].text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_keyword_is_read),
        cmocka_unit_test(other_keywords_are_refused_where_they_stand),
        cmocka_unit_test(keywords_have_their_types),
        cmocka_unit_test(schema_bombs_are_refused),
        cmocka_unit_test(several_errors_are_told_and_then_no_more),
        cmocka_unit_test(an_address_is_checked),
        cmocka_unit_test(the_extension_is_checked),
        cmocka_unit_test(rules_of_derived_fields_are_checked),
        cmocka_unit_test(kinds_are_found_by_name_and_give_way),
        cmocka_unit_test(documents_are_held_against_each_keyword),
        cmocka_unit_test(objects_and_lists_are_walked),
        cmocka_unit_test(a_wrong_document_is_not_read_to_its_end),
        cmocka_unit_test(long_pointers_are_cut_between_characters),
        cmocka_unit_test(texts_have_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * json_malformed.h - texts that the JSON reader must refuse. */
#ifndef DV_TESTS_JSON_MALFORMED_H
#define DV_TESTS_JSON_MALFORMED_H

/* clang-format off */
/* No record: not one object, or not all of the text. */
static const char *const malformed_texts[] = {
    "", " ", "\t\n", "{", "}", "[", "]", ",", ":", "\"", "\\", "{}}", "{}{}", "{} {}", "{},", "{}x", "{}1", "{}\"a\"",
    "{}//c", "{}#c", "/**/{}", "{/**/}", "\xef\xbb\xbf{}", "[]", "[{}]", "null", "true", "1", "\"text\"", "{]", "[}",
    "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1,,\"b\":2}", "{,\"a\":1}", "{\"a\" 1}", "{\"a\"::1}",
    "{\"a\":1 \"b\":2}", "{\"a\":1:\"b\"}", "{a:1}", "{'a':1}", "{\"a\":'b'}", "{1:1}", "{null:1}", "{[]:1}",
    "{{}:1}", "{\"a\":1", "{\"a\":", "{\"a\"", "{\"a", "{\"a\":\"b", "{\"a\":[", "{\"a\":[1", "{\"a\":[1,",
    "{\"a\":{", "{\"a\":tru", "{\"a\":\"b\"", "{\"a\":-", "{\"a\":1e", "{\"a\":1.", "{\"a\":1}}", "{\"a\":1]",
    "{\"a\":1};", "{\"a\":1}\v", "{\"a\":1}\f", "{\"a\":1\f}", "\f{}", "{\x1a}", "{\"a\"\x1a" "1}",
    "{\"a\":1\x0c\"b\":2}", "{\"a\"1}", "{\"a\"\"b\"}", "{\"a\":\"b\"\"c\"}", "{\"a\":\"b\"c}", "{\"a\":1\"c\"}",
    "{\"a\":\"b\":1}", "{\\\"a\":1}", "{\"a\\\":1}", "{\"a\":1\\}", "{\"a\":\"b\"\\}", "{\"a\":1,\"a\":2}",
    "{\"id\":\"x\",\"id\":\"x\"}", "{\"id\":null,\"id\":\"x\"}", "{\"\\u0069d\":\"x\",\"id\":\"x\"}",
    "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}", "{\"a\":{\"b\":1,\"b\":2}}",
    "{\"a\":[{\"b\":1,\"c\":2,\"\\u0062\":3}]}", "{\"tree\":{\"b\":1,\"b\":2}}", "{\"x\":1,\"id\":\"1\",\"x\":1}"
};

/* No value, wherever a value can stand. */
static const char *const malformed_values[] = {
    "", ",", "tru", "truex", "true1", "tRue", "True", "TRUE", "fals", "falsee", "nul", "nulll", "NULL", "None",
    "undefined", "NaN", "nan", "-NaN", "Infinity", "-Infinity", "inf", "-inf", "+1", "++1", "--1", "-", "-a", "01",
    "-01", "00", "1.", ".1", "-.1", "1.e1", "1e", "1e+", "1e-", "1E", "1ee1", "1e1.5", "1e+-1", "1.2.3", "1..2",
    "0x1", "0b1", "1_000", "1,000", "1 000", "1f", "1L", "0e", "0e+", "- 1", "1- ", "1+1", "1/2", "\xc2\xbd",
    "\xef\xbc\x91", "'a'", "`a`", "a", "\"", "\"a", "a\"", "\"\\\"", "\"\\", "\"\\a\"", "\"\\'\"", "\"\\0\"",
    "\"\\x41\"", "\"\\u\"", "\"\\u1\"", "\"\\u12\"", "\"\\u123\"", "\"\\u123g\"", "\"\\u 123\"", "\"\\u+123\"",
    "\"\\U0041\"", "\"\\uD800\"", "\"\\uDBFFx\"", "\"\\uD800\\n\"", "\"\\uD800\\u0041\"", "\"\\uD800\\uD800\"",
    "\"\\uDC00\"", "\"\\uDFFF\\uD800\"", "\"\\ud800\\\"", "\"\\ud800\\u\"", "\"\\u0000\"", "\"a\\u0000b\"", "\"\t\"",
    "\"\n\"", "\"a\rb\"", "\"\x01\"", "\"\x1f\"", "\"\x80\"", "\"\xbf\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc3\"",
    "\"\xc3\x28\"", "\"\xe0\x80\x80\"", "\"\xe0\x9f\xbf\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"",
    "\"\xf0\x80\x80\x80\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xfe\"",
    "\"\xff\"", "[", "]", "[1", "[1,", "[,]", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "[\"a\":1]", "[\"a\" \"b\"]",
    "[[]", "[]]", "{", "{1}", "{\"a\":1,}", "{\"a\"}", "{\"a\":1]", "{\"a\":{}", "{a:1}", "\"a\" \"b\"", "1 2",
    "{} {}", "[] []", "true false", "\xff", "\x01", "\v", "\"a\",", "\"a\" x", "/*c*/1", "1//c", "1#c", "\\n",
    "\\u0031"
};

/* Well-formed, but not what the column takes. */
static const char *const wrong_values[] = {
    "{\"id\":1}", "{\"id\":true}", "{\"id\":[]}", "{\"id\":{}}", "{\"id\":-1.5e3}", "{\"count\":\"1\"}",
    "{\"count\":1.5}", "{\"count\":1.0}", "{\"count\":1e2}", "{\"count\":true}", "{\"count\":[1]}",
    "{\"count\":9223372036854775808}", "{\"count\":-9223372036854775809}", "{\"count\":18446744073709551616}",
    "{\"count\":123456789012345678901234567890}", "{\"amount\":\"1\"}", "{\"amount\":false}", "{\"amount\":[]}",
    "{\"amount\":1e309}", "{\"amount\":-1e309}", "{\"amount\":1e999999999999}", "{\"amount\":1e301}",
    "{\"amount\":-2e300}", "{\"active\":1}", "{\"active\":\"true\"}", "{\"active\":{}}", "{\"blob\":1}",
    "{\"blob\":\"a\"}", "{\"blob\":\"YQ\"}", "{\"blob\":\"YR==\"}", "{\"blob\":\"Y===\"}", "{\"blob\":\"====\"}",
    "{\"blob\":\"YQ==YQ==\"}", "{\"blob\":\"YWI\\n\"}", "{\"blob\":\"YW*=\"}", "{\"blob\":\"YWJ=\"}",
    "{\"age_of_the_person\":-1}", "{\"age_of_the_person\":131}"
};
/* clang-format on */

enum {
    TEXT_COUNT = sizeof malformed_texts / sizeof *malformed_texts,
    VALUE_COUNT = sizeof malformed_values / sizeof *malformed_values,
    WRONG_COUNT = sizeof wrong_values / sizeof *wrong_values,
};

_Static_assert(TEXT_COUNT + VALUE_COUNT >= 200, "enough kinds of malformed text");

#endif

/* SPDX-License-Identifier: Apache-2.0
 * test_engine_json_write.c - both JSON writers: every length and place of what must be escaped, every kind of number,
 * and that what is written reads back the same.
 *
 * shows: MIS-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "engine/arena.h"
#include "engine/base64.h"
#include "engine/batch.h"
#include "engine/random.h"
#include "engine/schema.h"
#include "tests/unit/json_fixture.h"

static void expect_text(const struct dv_json *json, const char *expected)
{
    assert_false(json->full);
    assert_int_equal(dv_json_length(json), strlen(expected));
    assert_memory_equal(json->start, expected, strlen(expected));
}

static void write_some(struct dv_json *json)
{
    dv_json_open(json, '{');
    dv_json_key(json, "a");
    dv_json_open(json, '[');
    dv_json_int(json, -7);
    dv_json_uint(json, UINT64_MAX);
    dv_json_open(json, '{');
    dv_json_close(json, '}');
    dv_json_close(json, ']');
    dv_json_key(json, "b");
    dv_json_string(json, "x\"y");
    dv_json_key(json, "c");
    dv_json_string(json, NULL);
    dv_json_key(json, "d");
    dv_json_bool(json, true);
    dv_json_key(json, "e");
    dv_json_bool(json, false);
    dv_json_key(json, "f");
    dv_json_float(json, -2.5);
    dv_json_key(json, "g");
    dv_json_raw(json, "[1]", 3);
    dv_json_key(json, "h");
    dv_json_null(json);
    dv_json_close(json, '}');
}

static const char *const some =
    "{\"a\":[-7,18446744073709551615,{}],\"b\":\"x\\\"y\",\"c\":null,\"d\":true,\"e\":false,"
    "\"f\":-2.5,\"g\":[1],\"h\":null}";

static void writes_structure(void **state)
{
    (void)state;
    char buffer[256];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    write_some(&json);
    expect_text(&json, some);
}

/* Memory of exactly each size: a byte too many is seen by the sanitizer. */
static void stops_when_full(void **state)
{
    (void)state;
    for (size_t size = 0; size <= strlen(some); size++) {
        char *buffer = malloc(size + 1);
        assert_non_null(buffer);
        buffer[size] = '!';
        struct dv_json json;
        dv_json_init(&json, buffer, size);
        write_some(&json);
        assert_int_equal(json.full, size < strlen(some));
        assert_true(dv_json_length(&json) <= size);
        assert_memory_equal(buffer, some, dv_json_length(&json));
        assert_int_equal(buffer[size], '!');
        free(buffer);
    }
}

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "\"\"" },
        { "plain", "\"plain\"" },
        { "\x01\x1f \x7f", "\"\\u0001\\u001f \x7f\"" },
        { "\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
        { "a\xff"
          "b",
          "\"a\xef\xbf\xbd"
          "b\"" },
        { "\x80", "\"\xef\xbf\xbd\"" },
        { "\xc3", "\"\xef\xbf\xbd\"" },
        { "\xc3(", "\"\xef\xbf\xbd(\"" },
        { "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xe0\x9f\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf0\x8f\xbf\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xf0\x9f\x98x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"" },
        { "\xf5", "\"\xef\xbf\xbd\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buffer[64];
        struct dv_json json;
        dv_json_init(&json, buffer, sizeof buffer);
        dv_json_string(&json, cases[i][0]);
        expect_text(&json, cases[i][1]);
    }
}

static void expect_float(double value, const char *expected)
{
    char buffer[64];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_float(&json, value);
    expect_text(&json, expected);
}

static void writes_known_floats(void **state)
{
    (void)state;
    expect_float(0, "0");
    expect_float(-0.0, "-0.0");
    expect_float(1, "1");
    expect_float(-1, "-1");
    expect_float(0.1, "0.1");
    expect_float(0.0001, "0.0001");
    expect_float(-0.0625, "-0.0625");
    expect_float(0.00001, "1e-05");
    expect_float(325.69, "325.69");
    expect_float(0.1 + 0.2, "0.30000000000000004");
    expect_float(99999999999.9999, "99999999999.9999");
    expect_float(100000000000, "1e+11");
    expect_float(123456789012.25, "123456789012.25");
    expect_float(9007199254740993, "9007199254740992");
    expect_float(1e22, "1e+22");
    expect_float(DBL_MAX, "1.7976931348623157e+308");
    expect_float(DBL_MIN, "2.2250738585072014e-308");
    expect_float(5e-324, "5e-324");
    expect_float((double)NAN, "null");
    expect_float((double)INFINITY, "null");
    expect_float((double)-INFINITY, "null");
}

/* Decimal digits of the number's mantissa without zeros at either end. */
static int significant_digits(const char *text)
{
    int digits = 0;
    int zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        digits += digits > 0 || *text != '0';
    }
    return digits - zeros;
}

static double random_double(struct dv_random *random)
{
    uint64_t bits = dv_random_u64(random);
    double value = 0;
    switch (dv_random_below(random, 4)) {
    case 0: return (double)(int64_t)(bits >> 20) / 1e4;
    case 1: return (double)(bits >> 40) / 100;
    case 2: return dv_random_unit(random) * 1e5;
    default: memcpy(&value, &bits, sizeof value); return isfinite(value) ? value : 1;
    }
}

static void writes_the_shortest_float(void **state)
{
    (void)state;
    const uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct dv_random random;
    dv_random_seed(&random, seed);
    for (int round = 0; round < 200000; round++) {
        double value = random_double(&random);
        char text[64] = { 0 };
        char tried[64];
        struct dv_json json;
        dv_json_init(&json, text, sizeof text - 1);
        dv_json_float(&json, value);
        assert_false(json.full);
        assert_true(strtod(text, NULL) == value);
        int precision = 1;
        do
            (void)snprintf(tried, sizeof tried, "%.*e", precision - 1, value);
        while (strtod(tried, NULL) != value && precision++ < 17);
        /* A large whole number may be written out, where that is not longer than with an exponent. */
        assert_true(significant_digits(text) <= precision || strlen(text) <= strlen(tried));
    }
}

/* The reference: byte by byte. */
static size_t escape_slowly(char *out, const char *text, size_t length)
{
    char *at = out;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            at += sprintf(at, "\\%c", text[i]);
        else if (text[i] == '\n')
            at += sprintf(at, "\\n");
        else if ((unsigned char)text[i] < ' ')
            at += sprintf(at, "\\u%04x", (unsigned)text[i]);
        else
            *at++ = text[i];
    }
    return (size_t)(at - out);
}

/* Texts of each length that end where their memory ends, with something special at each place, or nowhere. */
static void escapes_at_every_place(void **state)
{
    struct json_fixture *fixture = *state;
    static const char specials[] = { '"', '\\', '\n', '\x01', '\x1f', '\x7f', '\xc3' };
    char expected[1024];
    for (size_t length = 0; length < 80; length++) {
        char *text = malloc(length + 1);
        assert_non_null(text);
        for (size_t place = 0; place <= length; place++) {
            char *exact = text + 1;
            memset(exact, 'x', length);
            if (place < length)
                exact[place] = specials[(length + place) % sizeof specials];
            if (place < length && place % 3 == 0)
                exact[length - 1] = '"';
            fixture->batch.cells[ID][0] = (struct dv_cell){ .text = exact, .length = (uint32_t)length, .present = 1 };
            char *written = fixture_write(fixture);
            size_t body = escape_slowly(expected, exact, length);
            assert_int_equal(strlen(written), 9 + body);
            assert_memory_equal(written + 7, expected, body);
            free(written);
        }
        free(text);
    }
}

static size_t random_text(struct dv_random *random, char *out)
{
    static const char *const pieces[] = { "a",
                                          "Zoe",
                                          "\"",
                                          "\\",
                                          "\n",
                                          "\x01",
                                          "\x7f",
                                          "\xc3\xa9",
                                          "\xe2\x82\xac",
                                          "\xf0\x9f\x98\x80",
                                          "{",
                                          "}",
                                          ",",
                                          ":",
                                          "0123456789abcdef",
                                          " " };
    size_t length = 0;
    for (uint64_t left = dv_random_below(random, 12); left > 0; left--) {
        const char *piece = pieces[dv_random_below(random, sizeof pieces / sizeof *pieces)];
        memcpy(out + length, piece, strlen(piece));
        length += strlen(piece);
    }
    return length;
}

static void set_text(struct dv_cell *cell, struct dv_random *random, struct dv_arena *arena)
{
    char *text = dv_arena_text(arena, 256);
    assert_non_null(text);
    *cell = (struct dv_cell){ .text = text, .length = (uint32_t)random_text(random, text), .present = 1 };
}

static void set_random_row(struct json_fixture *fixture, struct dv_random *random)
{
    static const char *const trees[] = { "1", "\"x\"", "[]", "{}", "true", "[1,{\"a\":\"\\n\"}]" };
    static const char *const extras[] = { "{\"x\":1}", "{\"x\":[],\"y\":\"\\u0041\"}" };
    struct dv_arena *arena = &fixture->batch.arena;
    dv_arena_reset(arena);
    const char *tree = trees[dv_random_below(random, 6)];
    const char *extra = extras[dv_random_below(random, 2)];
    struct dv_cell row[FIXTURE_COLUMNS] = {
        [COUNT] = { .integer = (int64_t)(dv_random_u64(random) >> dv_random_below(random, 64)), .present = 1 },
        [AMOUNT] = { .number = fmax(-1e300, fmin(1e300, random_double(random))), .present = 1 },
        [ACTIVE] = { .integer = dv_random_chance(random, 50), .present = 1 },
        [TREE] = { .text = tree, .length = (uint32_t)strlen(tree), .present = 1 },
        [AGE] = { .integer = (int64_t)dv_random_below(random, 131), .present = 1 },
        [YEARS] = { .integer = (int64_t)dv_random_u64(random), .present = 1 },
        [PHONES] = { .text = "[1,\"2\"]", .length = 7, .present = 1 },
        [STREETS] = { .text = "[null]", .length = 6, .present = 1 },
        [CITIES] = { .text = "[]", .length = 2, .present = 1 },
        [EXTRA] = { .text = extra, .length = (uint32_t)strlen(extra), .present = 1 },
    };
    set_text(&row[ID], random, arena);
    set_text(&row[BLOB], random, arena);
    set_text(&row[LONG_NAME], random, arena);
    set_text(&row[FAMILY], random, arena);
    for (int column = 0; column < FIXTURE_COLUMNS; column++) {
        fixture->batch.cells[column][0] = row[column];
        fixture->batch.cells[column][0].present = (uint32_t)dv_random_chance(random, 80);
    }
}

static void expect_cell(enum dv_type type, const struct dv_cell *got, const struct dv_cell *expected)
{
    assert_int_equal(got->present, expected->present);
    if (!expected->present)
        return;
    if (type == DV_TYPE_FLOAT) {
        assert_memory_equal(&got->number, &expected->number, sizeof(double));
    } else if (type == DV_TYPE_INT || type == DV_TYPE_BOOL) {
        assert_int_equal(got->integer, expected->integer);
    } else {
        assert_int_equal(got->length, expected->length);
        assert_memory_equal(got->text, expected->text, expected->length);
    }
}

static void reads_back_what_it_wrote(void **state)
{
    struct json_fixture *fixture = *state;
    struct json_fixture again;
    fixture_open(&again);
    const uint64_t seed = 4711;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct dv_random random;
    dv_random_seed(&random, seed);
    for (int round = 0; round < 20000; round++) {
        set_random_row(fixture, &random);
        char *written = fixture_write(fixture);
        dv_rc rc = fixture_read(&again, written);
        if (rc != DV_OK)
            fail_msg("'%s': %s", written, again.reason);
        free(written);
        for (int column = 0; column < FIXTURE_COLUMNS; column++)
            expect_cell(fixture->columns[column].type, fixture_cell(&again, column), fixture_cell(fixture, column));
    }
    fixture_close(&again);
}

static void writes_an_empty_extra(void **state)
{
    struct json_fixture *fixture = *state;
    fixture->batch.cells[EXTRA][0] = (struct dv_cell){ .text = "{}", .length = 2, .present = 1 };
    char *written = fixture_write(fixture);
    assert_string_equal(written, "{}");
    free(written);
}

/* What an operator made of `_extra` is still written, and still as JSON. */
static void writes_a_changed_extra(void **state)
{
    struct json_fixture *fixture = *state;
    fixture->batch.cells[EXTRA][0] = (struct dv_cell){ .text = "[1]", .length = 3, .present = 1 };
    char *written = fixture_write(fixture);
    assert_string_equal(written, "{\"_extra\":[1]}");
    free(written);
    fixture->columns[EXTRA].type = DV_TYPE_TEXT;
    fixture->batch.cells[EXTRA][0] = (struct dv_cell){ .text = "{\"}", .length = 3, .present = 1 };
    written = fixture_write(fixture);
    assert_string_equal(written, "{\"_extra\":\"{\\\"}\"}");
    free(written);
}

static void keeps_bytes_in_base64(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 64);
    for (size_t length = 0; length < 200; length++) {
        uint8_t room[200];
        uint8_t *bytes = room + sizeof room - length; /* to its end, so that a sanitizer sees what is read behind it */
        uint8_t back[200];
        char text[272];
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)dv_random_u64(&random);
        size_t written = dv_base64_encode(text, bytes, length);
        assert_int_equal(written, dv_base64_length(length));
        size_t decoded = 0;
        assert_true(dv_base64_decode(back, &decoded, text, written));
        assert_int_equal(decoded, length);
        assert_memory_equal(back, bytes, length);
        if (length % 3 != 0)
            assert_false(dv_base64_decode(back, &decoded, text, written - 1));
    }
}

static int setup(void **state)
{
    struct json_fixture *fixture = malloc(sizeof *fixture);
    if (fixture == NULL)
        return -1;
    fixture_open(fixture);
    *state = fixture;
    return fixture->reader == NULL;
}

static int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_structure),
        cmocka_unit_test(stops_when_full),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(writes_known_floats),
        cmocka_unit_test(writes_the_shortest_float),
        cmocka_unit_test(keeps_bytes_in_base64),
        cmocka_unit_test_setup_teardown(escapes_at_every_place, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_back_what_it_wrote, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_an_empty_extra, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_a_changed_extra, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * test_engine_diag.c - how findings are shown: sorted, with line and caret, hidden secrets, JSON, "did you mean".
 *
 * shows: MIS-3 SCL-11 */
#include "diags_text.h"

#include "engine/arena.h"
#include "engine/text.h"

static struct dv_place at(uint32_t line, uint32_t column, uint32_t length)
{
    return (struct dv_place){ "conf/x.yaml", line, column, length };
}

static void shows_line_caret_and_mend(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    static const char text[] = "a: 1\n  m: { op: mask, column: a, kep: 4 }\n";
    dv_diags_source(&world.diags, "conf/x.yaml", text, strlen(text));
    dv_diags_add(&world.diags, at(2, 29, 3), "C004", NULL, "did you mean 'keep'?", "unknown option '%s' of %s", "kep",
                 "operator 'mask'");
    assert_string_equal(findings_text(&world), "conf/x.yaml:2:29: error[C004]: unknown option 'kep' of operator 'mask'\n"
                                               "   2 |   m: { op: mask, column: a, kep: 4 }\n"
                                               "     |                             ^~~\n"
                                               "   help: did you mean 'keep'?\n");
    end_world(&world);
}

static void shows_detail_lines(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    dv_diags_add(&world.diags, at(14, 3, 1), "P001", "patients ─ trends\n  nothing transforms it", "put `x` before",
                 "`ssn` would leak");
    assert_true(dv_diags_leaks(&world.diags));
    assert_string_equal(findings_text(&world), "conf/x.yaml:14:3: error[P001]: `ssn` would leak\n"
                                               "   patients ─ trends\n"
                                               "     nothing transforms it\n"
                                               "   help: put `x` before\n");
    end_world(&world);
}

static void sorts_by_place_and_keeps_order(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    dv_diags_add(&world.diags, at(3, 1, 1), "C001", NULL, NULL, "four");
    dv_diags_add(&world.diags, at(1, 9, 1), "C001", NULL, NULL, "two");
    dv_diags_add(&world.diags, at(1, 9, 1), "C001", NULL, NULL, "three");
    dv_diags_add(&world.diags, at(1, 2, 1), "C001", NULL, NULL, "one");
    dv_diags_add(&world.diags, (struct dv_place){ .length = 1 }, "C001", NULL, NULL, "zero");
    assert_string_equal(findings_text(&world), "datavault: error[C001]: zero\n"
                                               "conf/x.yaml:1:2: error[C001]: one\n"
                                               "conf/x.yaml:1:9: error[C001]: two\n"
                                               "conf/x.yaml:1:9: error[C001]: three\n"
                                               "conf/x.yaml:3:1: error[C001]: four\n");
    assert_false(dv_diags_leaks(&world.diags));
    end_world(&world);
}

static void caret_counts_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct dv_place place;
        const char *shown;
    } cases[] = {
        { "ü: [äö, x]", { "f", 1, 8, 2 }, "   1 | ü: [äö, x]\n     |        ^~\n" },
        { "a:\t\tb", { "f", 1, 5, 1 }, "   1 | a:  b\n     |     ^\n" },
        { "a: b\r\nc: d\r\n", { "f", 2, 4, 1 }, "   2 | c: d\n     |    ^\n" },
        { "a: b\rc: d", { "f", 2, 1, 9 }, "   2 | c: d\n     | ^~~~\n" },
        { "ab", { "f", 1, 3, 1 }, "   1 | ab\n     |   ^\n" },
        { "\n\n\n\n\n\n\n\n\nab", { "f", 10, 1, 2 }, "   10 | ab\n      | ^~\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        start_world(&world);
        dv_diags_source(&world.diags, "f", cases[i].text, strlen(cases[i].text));
        dv_diags_add(&world.diags, cases[i].place, "C001", NULL, NULL, "x");
        assert_finds(&world, cases[i].shown);
        end_world(&world);
    }
}

static void missing_lines_are_left_out(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    dv_diags_source(&world.diags, "conf/x.yaml", "one\n", 4);
    dv_diags_source(&world.diags, "empty", "", 0);
    dv_diags_add(&world.diags, at(9, 1, 1), "C001", NULL, NULL, "a");
    dv_diags_add(&world.diags, (struct dv_place){ "empty", 1, 1, 1 }, "C001", NULL, NULL, "b");
    dv_diags_add(&world.diags, (struct dv_place){ "other", 1, 1, 1 }, "C001", NULL, NULL, "c");
    assert_null(strstr(findings_text(&world), "|"));
    end_world(&world);
}

static void long_lines_are_cut_around_the_caret(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    static char text[5000];
    memset(text, 'x', sizeof text);
    text[2500] = 'Y';
    dv_diags_source(&world.diags, "conf/x.yaml", text, sizeof text);
    dv_diags_add(&world.diags, at(1, 2501, 2000), "C001", NULL, NULL, "z");
    const char *shown = findings_text(&world);
    assert_true(strlen(shown) < 600);
    const char *line = strstr(shown, "   1 | …");
    const char *caret = strstr(shown, "     | ");
    assert_non_null(line);
    assert_non_null(caret);
    /* "…" is three bytes for one column. */
    assert_int_equal(strchr(line, 'Y') - line - 2, strchr(caret, '^') - caret);
    end_world(&world);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    static char name[5001];
    for (size_t i = 0; i < 5000; i += 2)
        memcpy(name + i, "ü", 2);
    dv_diags_add(&world.diags, at(1, 1, 1), "C004", NULL, NULL, "unknown '%s'", name);
    const char *message = world.diags.first->message;
    assert_true(strlen(message) < 520);
    assert_int_equal(dv_utf8_valid(message, strlen(message)), strlen(message));
    assert_string_equal(message + strlen(message) - strlen("ü…"), "ü…");
    end_world(&world);
}

static void nothing_steers_the_terminal(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    static const char text[] = "a\x1b[2J\xC2\x9B\xE2\x80\xAE\xFFz";
    dv_diags_source(&world.diags, "conf/x.yaml", text, strlen(text));
    dv_diags_add(&world.diags, at(1, 1, 1), "C001", "de\x1btail", "he\nlp", "mess\x07" "age");
    assert_string_equal(findings_text(&world), "conf/x.yaml:1:1: error[C001]: mess?age\n"
                                               "   1 | a?[2J???z\n"
                                               "     | ^\n"
                                               "   de?tail\n"
                                               "   help: he?lp\n");
    end_world(&world);
}

static void secrets_are_hidden(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    static const char text[] = "token: hunter2\nb: { p: hünter3, q: 1 }\n";
    dv_diags_source(&world.diags, "conf/x.yaml", text, strlen(text));
    dv_diags_hide(&world.diags, at(1, 8, UINT32_MAX));
    dv_diags_hide(&world.diags, at(2, 9, 7));
    dv_diags_add(&world.diags, at(1, 1, 5), "C009", NULL, NULL, "a");
    dv_diags_add(&world.diags, at(2, 18, 1), "C004", NULL, NULL, "b");
    assert_finds(&world, "   1 | token: *******\n");
    assert_finds(&world, "   2 | b: { p: *******, q: 1 }\n");
    end_world(&world);
}

static void too_many_are_counted(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    for (uint32_t i = 0; i < DV_DIAGS_MAX + 7; i++)
        dv_diags_add(&world.diags, at(i + 1, 1, 1), "C001", NULL, NULL, "x");
    assert_int_equal(world.diags.count, DV_DIAGS_MAX + 7);
    assert_finds(&world, "x.yaml:100:1: error");
    assert_finds(&world, "and 7 more: mend these first\n");
    assert_null(strstr(world.text, "x.yaml:101:1"));
    end_world(&world);
}

static void colours_are_optional(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    dv_diags_add(&world.diags, at(1, 1, 1), "C001", NULL, "h", "x");
    char text[256] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    dv_diags_print(&world.diags, out, true);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\033[1;31merror[C001]\033[0m: x"));
    assert_null(strstr(findings_text(&world), "\033"));
    end_world(&world);
}

static void json_is_escaped(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    dv_diags_add(&world.diags, at(2, 3, 1), "P001", "a\nb", NULL, "\"q\" \\ \x01 ü \xFF");
    dv_diags_add(&world.diags, at(1, 1, 1), "C001", NULL, "h", "x");
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    dv_diags_print_json(&world.diags, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text,
                        "[{\"file\":\"conf/x.yaml\",\"line\":1,\"column\":1,\"code\":\"C001\",\"message\":\"x\","
                        "\"detail\":null,\"help\":\"h\"},\n"
                        " {\"file\":\"conf/x.yaml\",\"line\":2,\"column\":3,\"code\":\"P001\","
                        "\"message\":\"\\\"q\\\" \\\\ \\u0001 ü \\ufffd\",\"detail\":\"a\\nb\",\"help\":null}]\n");
    end_world(&world);
}

static void suggests_the_nearest(void **state)
{
    (void)state;
    static const char *const words[] = { "keep", "column", "policy", "held_max", "k" };
    static const char *const cases[][2] = {
        { "kep", "keep" },       { "kepe", "keep" },   { "keepp", "keep" },         { "colunm", "column" },
        { "polcy", "policy" },   { "hedl_max", "held_max" }, { "Keep", "keep" },    { "zzz", NULL },
        { "z", NULL },           { "", NULL },         { "completely-else", NULL }, { "policeman", NULL },
    };
    struct world world;
    start_world(&world);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *help = dv_diags_suggest(&world.diags, cases[i][0], words, sizeof words / sizeof words[0]);
        if (cases[i][1] == NULL)
            assert_null(help);
        else
            assert_string_equal(help, dv_arena_printf(&world.arena, "did you mean '%s'?", cases[i][1]));
    }
    char huge[1000];
    memset(huge, 'k', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    const char *long_words[] = { huge, "kk" };
    assert_null(dv_diags_suggest(&world.diags, huge, words, 1));
    assert_string_equal(dv_diags_suggest(&world.diags, "kkk", long_words, 2), "did you mean 'kk'?");
    assert_null(dv_diags_suggest(&world.diags, "kkk", NULL, 0));
    end_world(&world);
}

/* Adds one finding with at most `limit` bytes, and tells whether it was kept. */
static bool add_and_print(size_t limit)
{
    struct world world;
    start_world(&world);
    dv_arena_init(&world.arena, limit);
    dv_diags_source(&world.diags, "conf/x.yaml", "abc", 3);
    dv_diags_hide(&world.diags, at(1, 2, 1));
    dv_diags_add(&world.diags, at(1, 1, 1), "C001", "d", "h", "x");
    dv_memory_fail_at(0);
    assert_int_equal(world.diags.count, 1);
    bool kept = world.diags.first != NULL;
    assert_finds(&world, kept ? "error[C001]" : "and 1 more");
    assert_null(strstr(world.text, "abc")); /* what could not be hidden is not shown */
    end_world(&world);
    return kept;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    assert_false(add_and_print(0));
    assert_true(add_and_print(DV_ARENA_CHUNK));
    for (uint64_t nth = 1; nth < 4; nth++) {
        dv_memory_fail_at(nth);
        (void)add_and_print((size_t)1 << 20);
    }
}

static void utf8_is_checked(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "ü", "€", "😀", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF" };
    static const char *const bad[] = { "\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                                       "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xFF" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(dv_utf8_step(good[i], strlen(good[i])), strlen(good[i]));
        assert_int_equal(dv_utf8_count(good[i], strlen(good[i])), 1);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(dv_utf8_step(bad[i], strlen(bad[i])), 0);
        assert_int_equal(dv_utf8_valid(bad[i], strlen(bad[i])), 0);
    }
    assert_int_equal(dv_utf8_step("", 0), 0);
    assert_int_equal(dv_utf8_valid("aü\xFF", 4), 3);
    assert_int_equal(dv_utf8_count("a\xFF\xFFü", 5), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_line_caret_and_mend),
        cmocka_unit_test(shows_detail_lines),
        cmocka_unit_test(sorts_by_place_and_keeps_order),
        cmocka_unit_test(caret_counts_characters),
        cmocka_unit_test(missing_lines_are_left_out),
        cmocka_unit_test(long_lines_are_cut_around_the_caret),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(nothing_steers_the_terminal),
        cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(too_many_are_counted),
        cmocka_unit_test(colours_are_optional),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(suggests_the_nearest),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(utf8_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

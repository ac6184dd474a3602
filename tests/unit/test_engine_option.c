/* SPDX-License-Identifier: Apache-2.0
 * test_engine_option.c - option tables: every type with its bounds, all mistakes at once, docs.
 *
 * shows: MIS-3 SCL-11 */
#include "diags_text.h"

#include "engine/arena.h"
#include "engine/option.h"
#include "engine/option_docs.h"
#include "engine/yaml.h"

struct all {
    const char *str;
    const char *name;
    int64_t integer;
    double number;
    bool flag;
    int64_t duration;
    int64_t size;
    int choice;
    struct dv_strs list;
    const char *secret;
    const struct dv_yaml *tree;
};

static const struct dv_option table[] = {
    { "str", DV_STR, offsetof(struct all, str), .initial = "text", .help = "A text." },
    { "name", DV_NAME, offsetof(struct all, name), .help = "A name." },
    { "int", DV_INT, offsetof(struct all, integer), .initial = "4", .min = -5, .max = 64, .help = "An integer." },
    { "float", DV_FLOAT, offsetof(struct all, number), .initial = "0.5", .min = 0, .max = 2, .help = "A number." },
    { "flag", DV_BOOL, offsetof(struct all, flag), .initial = "true", .help = "A flag." },
    { "duration", DV_DURATION, offsetof(struct all, duration), .initial = "5s", .min = 10, .max = 3600000,
      .help = "A duration." },
    { "size", DV_SIZE, offsetof(struct all, size), .initial = "64KiB", .help = "A size." },
    { "choice", DV_ENUM, offsetof(struct all, choice), .initial = "beta", .values = "alpha|beta|gamma",
      .help = "A choice." },
    { "list", DV_STRS, offsetof(struct all, list), .initial = "a, b", .help = "A list." },
    { "secret", DV_SECRET, offsetof(struct all, secret), .help = "A secret." },
    { "tree", DV_TREE, offsetof(struct all, tree), .help = "A tree." },
    { 0 },
};

static const struct dv_option needs[] = {
    { "column", DV_STR, offsetof(struct all, str), .flags = DV_REQUIRED, .help = "Column that is needed." },
    { "columns", DV_STRS, offsetof(struct all, list), .flags = DV_REQUIRED, .help = "Columns that are needed." },
    { 0 },
};

static dv_rc parse_with(const struct dv_option *options, struct world *world, const char *text, struct all *all)
{
    *all = (struct all){ 0 };
    const struct dv_yaml *root = dv_yaml_parse("x.yaml", text, strlen(text), &world->arena, &world->diags);
    assert_non_null(root);
    static const char *const skip[] = { "op", "after", NULL };
    return dv_options_parse(options, all, root, skip, "operator 'test'", &world->arena, &world->diags);
}

static void defaults_are_set(void **state)
{
    (void)state;
    struct world world;
    struct all all;
    start_world(&world);
    assert_int_equal(parse_with(table, &world, "{ op: test, after: x, str: ~, int: }", &all), DV_OK);
    assert_clean(&world);
    assert_string_equal(all.str, "text");
    assert_null(all.name);
    assert_int_equal(all.integer, 4);
    assert_true(all.number > 0.49 && all.number < 0.51);
    assert_true(all.flag);
    assert_int_equal(all.duration, 5000);
    assert_int_equal(all.size, 65536);
    assert_int_equal(all.choice, 1);
    assert_int_equal(all.list.count, 2);
    assert_string_equal(all.list.items[1], "b");
    assert_null(all.tree);
    assert_int_equal(dv_options_parse(table, &all, NULL, NULL, "x", &world.arena, &world.diags), DV_OK);
    end_world(&world);
}

static void values_are_set(void **state)
{
    (void)state;
    struct world world;
    struct all all;
    start_world(&world);
    static const char text[] = "str: ''\nname: a.B-9_\nint: -5\nfloat: 1e-1\nflag: false\nduration: 1h\nsize: 2GiB\n"
                               "choice: gamma\nlist: [x, 'y z', '3']\nsecret: env:TOKEN\ntree: { a: [1] }\n";
    assert_int_equal(parse_with(table, &world, text, &all), DV_OK);
    assert_clean(&world);
    assert_string_equal(all.str, "");
    assert_string_equal(all.name, "a.B-9_");
    assert_int_equal(all.integer, -5);
    assert_true(all.number > 0.099 && all.number < 0.101);
    assert_false(all.flag);
    assert_int_equal(all.duration, 3600000);
    assert_int_equal(all.size, INT64_C(2) << 30);
    assert_int_equal(all.choice, 2);
    assert_int_equal(all.list.count, 3);
    assert_string_equal(all.list.items[1], "y z");
    assert_string_equal(all.secret, "env:TOKEN");
    assert_int_equal(dv_yaml_get(all.tree, "a")->count, 1);
    assert_int_equal(parse_with(table, &world, "list: one\n", &all), DV_OK);
    assert_int_equal(all.list.count, 1);
    assert_int_equal(parse_with(table, &world, "list: []\n", &all), DV_OK);
    assert_int_equal(all.list.count, 0);
    end_world(&world);
}

static void wrong_values_are_told(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "int: 65", "x.yaml:1:6: error[C006]: option 'int' of operator 'test' must be within -5 and 64\n" },
        { "int: -6", "must be within -5 and 64" },
        { "int: 5.0", "needs a whole number" },
        { "int: 0x10", "needs a whole number" },
        { "int: ' 5'", "needs a whole number" },
        { "int: +5", "needs a whole number" },
        { "int: 5a", "needs a whole number" },
        { "int: '-'", "needs a whole number" },
        { "int: 9223372036854775808", "needs a whole number" },
        { "int: -9223372036854775809", "needs a whole number" },
        { "int: [1]", "needs a single value" },
        { "float: 2.01", "must be within 0 and 2" },
        { "float: nan", "needs a number" },
        { "float: inf", "needs a number" },
        { "float: 1e999", "needs a number" },
        { "float: 0x1p1", "needs a number" },
        { "float: 1.", "needs a number" },
        { "float: .5", "needs a number" },
        { "float: 1e", "needs a number" },
        { "float: 1,5", "needs a number" },
        { "flag: yes", "needs true or false" },
        { "flag: True", "needs true or false" },
        { "duration: 5", "needs a duration with its unit\n" },
        { "duration: 5 s", "needs a duration with its unit" },
        { "duration: -5s", "needs a duration with its unit" },
        { "duration: 1.5s", "needs a duration with its unit" },
        { "duration: s", "needs a duration with its unit" },
        { "duration: 9223372036854775807s", "needs a duration with its unit" },
        { "duration: 9ms", "must be within 10ms and 1h" },
        { "duration: 2h", "must be within 10ms and 1h" },
        { "size: 5KB", "needs a size" },
        { "size: -1", "needs a size" },
        { "size: 8388608TiB", "needs a size" },
        { "choice: betta", "must be one of alpha, beta, gamma\n" },
        { "choice: betta", "help: did you mean 'beta'?" },
        { "choice: 'alpha|beta'", "must be one of" },
        { "choice: ''", "must be one of" },
        { "name: a b", "needs a name of at most 128" },
        { "name: ../a", "needs a name" },
        { "name: ..", "needs a name" },
        { "name: -rf", "needs a name" },
        { "name: ''", "needs a name" },
        { "list: { a: 1 }", "needs a list of words" },
        { "list: [a, [b]]", "x.yaml:1:11: error[C006]: option 'list' of operator 'test' needs a list of words" },
        { "list: [a, ~]", "needs a list of words" },
        { "srt: x", "x.yaml:1:1: error[C004]: unknown option 'srt' of operator 'test'" },
        { "srt: x", "help: did you mean 'str'?" },
        { "aftre: x", "help: did you mean 'after'?" },
        { "[a]", "x.yaml:1:1: error[C006]: operator 'test' needs a map of options" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        struct all all;
        start_world(&world);
        assert_int_equal(parse_with(table, &world, cases[i][0], &all), DV_E_CONFIG);
        assert_int_equal(world.diags.count, 1);
        assert_finds(&world, cases[i][1]);
        end_world(&world);
    }
}

static void all_mistakes_at_once(void **state)
{
    (void)state;
    struct world world;
    struct all all;
    start_world(&world);
    assert_int_equal(parse_with(table, &world, "{ int: 99, kep: 1, flag: maybe, choice: x, list: {} }", &all), DV_E_CONFIG);
    assert_int_equal(world.diags.count, 5);
    end_world(&world);
}

static void required_options_are_missed(void **state)
{
    (void)state;
    static const char *const texts[] = { "{}", "{ column: ~, columns: [] }", "{ column: , columns: ~ }" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct world world;
        struct all all;
        start_world(&world);
        assert_int_equal(parse_with(needs, &world, texts[i], &all), DV_E_CONFIG);
        assert_int_equal(world.diags.count, 2);
        assert_finds(&world, "error[C005]: option 'column' of operator 'test' is missing\n");
        assert_finds(&world, "help: Columns that are needed.\n");
        end_world(&world);
    }
    struct world world;
    struct all all;
    start_world(&world);
    assert_int_equal(parse_with(needs, &world, "{ column: a, columns: b }", &all), DV_OK);
    end_world(&world);
}

/* A literal secret is refused, and neither its finding nor one beside it shows the secret. */
static void literal_secrets_are_refused_unseen(void **state)
{
    (void)state;
    static const char *const texts[] = { "{ secret: hunter2, srt: 1 }", "{ secret: [hunter2], srt: 1 }",
                                         "{ secret: 'env:hunter2 x', srt: 1 }" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct world world;
        struct all all;
        start_world(&world);
        assert_int_equal(parse_with(table, &world, texts[i], &all), DV_E_CONFIG);
        assert_int_equal(world.diags.count, 2);
        assert_null(strstr(findings_text(&world), "hunter2"));
        assert_finds(&world, "unknown option 'srt'");
        end_world(&world);
    }
}

static void partial_values_are_not_told_twice(void **state)
{
    (void)state;
    struct world world;
    struct all all = { 0 };
    start_world(&world);
    static const char text[] = "int: ${NOT_SET_AT_ALL}\n";
    const struct dv_yaml *root =
        dv_yaml_parse_partial("x", text, strlen(text), &world.arena, &world.diags);
    assert_int_equal(dv_options_parse(table, &all, root, NULL, "x", &world.arena, &world.diags), DV_E_CONFIG);
    assert_int_equal(world.diags.count, 1);
    end_world(&world);
}

static void tables_are_checked(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_true(dv_options_well_made(table, &why));
    assert_null(why);
    assert_true(dv_options_well_made(needs, NULL));
    static const struct dv_option wrong[][3] = {
        { { "a b", DV_STR, 0, .help = "X." }, { 0 } },
        { { "a", DV_STR, 0, .help = "X." }, { "a", DV_STR, 8, .help = "X." }, { 0 } },
        { { "a", DV_STR, 0, .help = "No stop" }, { 0 } },
        { { "a", DV_STR, 0, .help = NULL }, { 0 } },
        { { "a", DV_ENUM, 0, .help = "X." }, { 0 } },
        { { "a", DV_INT, 0, .values = "x|y", .help = "X." }, { 0 } },
        { { "a", DV_INT, 0, .min = 5, .max = 4, .help = "X." }, { 0 } },
        { { "a", DV_INT, 0, .initial = "9", .min = 1, .max = 4, .help = "X." }, { 0 } },
        { { "a", DV_DURATION, 0, .initial = "5", .help = "X." }, { 0 } },
        { { "a", DV_STR, 0, .initial = "x", .flags = DV_REQUIRED, .help = "X." }, { 0 } },
        { { "a", DV_TREE, 0, .initial = "x", .help = "X." }, { 0 } },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(dv_options_well_made(wrong[i], &why));
        assert_non_null(why);
    }
}

static char *printed(void (*print)(const struct dv_option *, FILE *), const struct dv_option *options)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(options, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void docs_are_printed(void **state)
{
    (void)state;
    char *text = printed(dv_options_print_docs, table);
    assert_non_null(strstr(text, "  int (whole number, -5 to 64; default 4)\n      An integer.\n"));
    assert_non_null(strstr(text, "  choice (one of alpha | beta | gamma; default beta)\n"));
    assert_non_null(strstr(text, "  duration (duration, 10ms to 1h; default 5s)\n"));
    free(text);
    static const struct dv_option wordy[] = {
        { "a", DV_STR, 0, .flags = DV_REQUIRED,
          .help = "A sentence of so many words that it cannot stand in one line of a hundred columns, so that it must be "
                  "broken between two of them." },
        { 0 },
    };
    text = printed(dv_options_print_docs, wordy);
    assert_non_null(strstr(text, "  a (text; required)\n"));
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 100);
    free(text);
    text = printed(dv_options_print_markdown, table);
    assert_non_null(strstr(text, "| `choice` | one of alpha \\| beta \\| gamma | `beta` | A choice. |\n"));
    assert_non_null(strstr(text, "| `secret` | secret's reference |  | A secret. |\n"));
    free(text);
    text = printed(dv_options_print_markdown, needs);
    assert_non_null(strstr(text, "| `column` | text | required | Column that is needed. |\n"));
    free(text);
}

static void print_schema(const struct dv_option *options, FILE *out)
{
    dv_options_json_schema(options, "\"op\":{\"const\":\"mask\"}", "\"op\"", out);
}

static void print_bare_schema(const struct dv_option *options, FILE *out)
{
    dv_options_json_schema(options, NULL, NULL, out);
}

static void json_schema_is_printed(void **state)
{
    (void)state;
    char *text = printed(print_schema, needs);
    assert_string_equal(text, "{\"type\":\"object\",\"properties\":{\"op\":{\"const\":\"mask\"},"
                              "\"column\":{\"type\":[\"string\",\"number\",\"boolean\"],"
                              "\"description\":\"Column that is needed.\"},"
                              "\"columns\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":"
                              "\"string\"}}],\"description\":\"Columns that are needed.\"}},"
                              "\"required\":[\"op\",\"column\",\"columns\"],\"additionalProperties\":false}");
    free(text);
    text = printed(print_bare_schema, table);
    assert_non_null(strstr(text, "\"enum\":[\"alpha\",\"beta\",\"gamma\"]"));
    assert_non_null(strstr(text, "\"minimum\":-5,\"maximum\":64}"));
    assert_non_null(strstr(text, "\"default\":4}"));
    assert_non_null(strstr(text, "\"default\":\"5s\"}"));
    assert_non_null(strstr(text, "\"required\":[]"));
    free(text);
}

static void parse_helpers_are_strict(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_true(dv_parse_duration_ms("250ms", &value));
    assert_int_equal(value, 250);
    assert_true(dv_parse_duration_ms("7d", &value));
    assert_int_equal(value, INT64_C(604800000));
    assert_false(dv_parse_duration_ms("", &value));
    assert_false(dv_parse_duration_ms("5M", &value));
    assert_true(dv_parse_size_bytes("512", &value));
    assert_int_equal(value, 512);
    assert_true(dv_parse_size_bytes("9223372036854775807", &value));
    assert_false(dv_parse_size_bytes("9223372036854775808", &value));
    char longest[130];
    memset(longest, 'a', 129);
    longest[129] = '\0';
    assert_false(dv_is_name(longest));
    longest[128] = '\0';
    assert_true(dv_is_name(longest));
}

static bool parse_everything(void)
{
    struct world world;
    start_world(&world);
    static const char text[] = "{ str: a, list: [b, c], choice: gamma }";
    struct all all = { 0 };
    const struct dv_yaml *root = dv_yaml_parse("x", text, strlen(text), &world.arena, &world.diags);
    bool succeeded = root != NULL && dv_options_parse(table, &all, root, NULL, "x", &world.arena, &world.diags) == DV_OK;
    assert_true(succeeded || world.diags.count != 0);
    end_world(&world);
    return succeeded;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    fail_every_allocation(parse_everything);
    struct world world;
    struct all all = { 0 };
    struct dv_arena empty;
    start_world(&world);
    static const char text[] = "{ list: [b, c], choice: gamm }";
    const struct dv_yaml *root = dv_yaml_parse("x", text, strlen(text), &world.arena, &world.diags);
    dv_arena_init(&empty, 0);
    assert_int_equal(dv_options_parse(table, &all, root, NULL, "x", &empty, &world.diags), DV_E_CONFIG);
    assert_finds(&world, "error[C007]: out of memory");
    end_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_set),
        cmocka_unit_test(values_are_set),
        cmocka_unit_test(wrong_values_are_told),
        cmocka_unit_test(all_mistakes_at_once),
        cmocka_unit_test(required_options_are_missed),
        cmocka_unit_test(literal_secrets_are_refused_unseen),
        cmocka_unit_test(partial_values_are_not_told_twice),
        cmocka_unit_test(tables_are_checked),
        cmocka_unit_test(docs_are_printed),
        cmocka_unit_test(json_schema_is_printed),
        cmocka_unit_test(parse_helpers_are_strict),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

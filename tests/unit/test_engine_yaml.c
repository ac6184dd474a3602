/* SPDX-License-Identifier: Apache-2.0
 * test_engine_yaml.c - configuration files: places, what is refused, variables, memory that runs out.
 *
 * shows: MIS-3 SCL-11 */
#include "diags_text.h"

#include <unistd.h>

#include "engine/arena.h"
#include "engine/yaml.h"

static struct dv_yaml *parse(struct world *world, const char *text)
{
    return dv_yaml_parse("x.yaml", text, strlen(text), &world->arena, &world->diags);
}

static void tree_knows_places(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    const struct dv_yaml *root = parse(&world, "a: 1\nü: { k: [x, \"y z\"],\tn: ~ }\nlist:\n  - one\n");
    assert_clean(&world);
    assert_int_equal(root->kind, DV_YAML_MAP);
    assert_int_equal(root->count, 3);
    const struct dv_yaml *flow = dv_yaml_get(root, "ü");
    assert_int_equal(flow->key_place.line, 2);
    const struct dv_yaml *words = dv_yaml_get(flow, "k");
    assert_int_equal(words->count, 2);
    assert_string_equal(words->first->next->text, "y z");
    assert_false(words->first->next->plain);
    assert_int_equal(words->first->next->place.column, 14);
    assert_true(dv_yaml_is_none(dv_yaml_get(flow, "n")));
    assert_int_equal(dv_yaml_get(flow, "n")->key_place.column, 21);
    assert_int_equal(dv_yaml_get(root, "list")->first->place.line, 4);
    assert_null(dv_yaml_get(root, "none"));
    assert_null(dv_yaml_get(NULL, "a"));
    assert_null(dv_yaml_get(words, "a"));
    end_world(&world);
}

static void all_mistakes_at_once(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    assert_null(parse(&world, "a: &x 1\nb: *x\nc: !t 2\na: 3\n<<: { d: 1 }\ne: ${NOT_SET_AT_ALL}\n"));
    assert_int_equal(world.diags.count, 6);
    assert_finds(&world, "x.yaml:1:5: error[C002]: anchors are not allowed");
    assert_finds(&world, "x.yaml:2:5: error[C002]: aliases are not allowed");
    assert_finds(&world, "x.yaml:3:4: error[C002]: tags are not allowed");
    assert_finds(&world, "x.yaml:4:1: error[C002]: key 'a' stands already in line 1");
    assert_finds(&world, "x.yaml:5:1: error[C002]: merge keys are not allowed");
    assert_finds(&world, "x.yaml:6:4: error[C003]: variable 'NOT_SET_AT_ALL' is not set\n"
                         "   6 | e: ${NOT_SET_AT_ALL}\n"
                         "     |    ^~~~~~~~~~~~~~~~~\n"
                         "   help: set it, or give a default: ${NOT_SET_AT_ALL:-default}\n");
    end_world(&world);
}

static void partial_tree_is_kept(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    static const char text[] = "a: ${NOT_SET_AT_ALL}\nb: 2\n";
    const struct dv_yaml *root = dv_yaml_parse_partial("x", text, strlen(text), &world.arena, &world.diags);
    assert_int_equal(world.diags.count, 1);
    assert_non_null(root);
    assert_true(dv_yaml_get(root, "a")->faulty);
    assert_false(dv_yaml_get(root, "b")->faulty);
    end_world(&world);
}

static void refusals_have_places(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *finding;
    } cases[] = {
        { "", "x.yaml: error[C005]: the file is empty\n" },
        { "# only a comment\n", "x.yaml: error[C005]: the file is empty\n" },
        { "a: [1, 2\nb: }\n", "x.yaml:2:4: error[C001]: malformed YAML" },
        { "m: { a: ${B}, c: 2 }\n", "help: put a value with a variable in quotes: \"${NAME}\"" },
        { "a: \"x\n", "error[C001]: malformed YAML" },
        { "\ta: 1\n", "error[C001]: malformed YAML" },
        { "a: 1\n---\nb: 2\n", "x.yaml:2:1: error[C002]: one file holds one document" },
        { "%YAML 1.1\n---\na: 1\n", "x.yaml:1:1: error[C002]: a line must not begin with %" },
        { "? [a, b]\n: 1\n", "error[C002]: a key must be a plain word, not a map or a list" },
        { "a: &x 1\n*x : 2\n", "x.yaml:2:2: error[C002]: aliases are not allowed" },
        { "~: 1\n", "x.yaml:1:1: error[C002]: a key must be a word" },
        { "a: \"b\\0c\"\n", "x.yaml:1:5: error[C002]: NUL characters are not allowed" },
        { "\"a\\x00b\": 1\n", "error[C002]: NUL characters are not allowed" },
        { "a: 1\nb: \x1b[2J\n", "x.yaml:2:4: error[C002]: control characters are not allowed" },
        { "a: \xE2\x80\xAE" "b\n", "x.yaml:1:4: error[C002]: control characters are not allowed" },
        { "a: 1\r\nü\xFF: 2\n", "x.yaml:2:2: error[C001]: not UTF-8" },
        { "a: 'it''''s'\n", "x.yaml:1:5: error[C002]: this value cannot be read safely" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        start_world(&world);
        assert_null(parse(&world, cases[i].text));
        assert_finds(&world, cases[i].finding);
        end_world(&world);
    }
}

static void nul_byte_is_refused(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    assert_null(dv_yaml_parse("x.yaml", "a: b\0c", 6, &world.arena, &world.diags));
    assert_finds(&world, "x.yaml:1:5: error[C002]: NUL characters are not allowed");
    end_world(&world);
}

static void byte_order_mark_and_quotes_are_read(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    const struct dv_yaml *root = parse(&world, "\xEF\xBB\xBF" "a: 'don''t'\nb: |\n  x\n  y\nc: >-\n  p\n  q\n\nd: a\\b");
    assert_clean(&world);
    assert_string_equal(dv_yaml_get(root, "a")->text, "don't");
    assert_string_equal(dv_yaml_get(root, "b")->text, "x\ny\n");
    assert_string_equal(dv_yaml_get(root, "c")->text, "p q");
    assert_string_equal(dv_yaml_get(root, "d")->text, "a\\b");
    assert_int_equal(dv_yaml_get(root, "a")->key_place.column, 1);
    end_world(&world);
}

/* `count` times `piece`, for the limits. */
static char *repeated(const char *piece, size_t count)
{
    size_t length = strlen(piece);
    char *text = calloc(count + 1, length);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, piece, length);
    return text;
}

static void limits_hold(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        size_t count;
        const char *finding;
    } cases[] = {
        { "[", 65, "x.yaml:1:65: error[C007]: more than 64 levels deep" },
        { "- ", 65, "error[C007]: more than 64 levels deep" },
        { "[", 100000, "error[C007]: more than 64 levels deep" },
        { "{a: ", 1000, "error[C007]: more than 64 levels deep" },
        { "- a\n", 100001, "error[C007]: the file has more than 100,000 values" },
        { "\n", 257, "x.yaml:257:1: error[C007]: more than 256 empty lines in a row" },
        { " \t\r\n", 257, "error[C007]: more than 256 empty lines in a row" },
        { "\r", 300, "error[C007]: more than 256 empty lines in a row" },
        { "# a comment that fills the file\n", 40000, "x.yaml: error[C007]: the file is over 1 MiB" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        start_world(&world);
        char *text = repeated(cases[i].piece, cases[i].count);
        assert_null(parse(&world, text));
        assert_finds(&world, cases[i].finding);
        end_world(&world);
        free(text);
    }
}

static void sixty_four_levels_are_allowed(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    char text[129] = "";
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    assert_non_null(parse(&world, text));
    assert_clean(&world);
    end_world(&world);
}

/* The value of key `a` of `text`, or the findings' text. */
static const char *value_of(struct world *world, const char *text)
{
    start_world(world);
    const struct dv_yaml *root = parse(world, text);
    return root != NULL ? dv_yaml_get(root, "a")->text : findings_text(world);
}

static void variables_are_put_in(void **state)
{
    (void)state;
    assert_int_equal(setenv("DV_T", "value", 1), 0);
    assert_int_equal(setenv("DV_E", "", 1), 0);
    assert_int_equal(unsetenv("DV_U"), 0);
    static const char *const cases[][2] = {
        { "a: ${DV_T}", "value" },
        { "a: \"<${DV_T}:${DV_T}>\"", "<value:value>" },
        { "a: '${DV_T}'", "value" },
        { "a: ${DV_E}", "" },
        { "a: ${DV_U:-def}", "def" },
        { "a: ${DV_E:-def}", "def" },
        { "a: ${DV_T:-def}", "value" },
        { "a: \"${DV_U:-}\"", "" },
        { "a: ${DV_U:-redis://127.0.0.1:6379}", "redis://127.0.0.1:6379" },
        { "a: ${DV_T:?must be set}", "value" },
        { "a: $${DV_T}", "${DV_T}" },
        { "a: $$${DV_T}", "$${DV_T}" },
        { "a: $DV_T $ 5$", "$DV_T $ 5$" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        assert_string_equal(value_of(&world, cases[i][0]), cases[i][1]);
        end_world(&world);
    }
}

static void wrong_variables_are_told(void **state)
{
    (void)state;
    assert_int_equal(setenv("DV_E", "", 1), 0);
    assert_int_equal(setenv("DV_BAD", "secret\xFF", 1), 0);
    assert_int_equal(unsetenv("DV_U"), 0);
    static const char *const cases[][2] = {
        { "a: ${DV_U}", "variable 'DV_U' is not set\n" },
        { "a: ${DV_U:?say where}", "variable 'DV_U': say where\n" },
        { "a: ${DV_E:?say where}", "variable 'DV_E': say where\n" },
        { "a: \"${DV_E:?}\"", "variable 'DV_E' is not set or is empty\n" },
        { "a: ${DV_BAD}", "variable 'DV_BAD' is not UTF-8\n" },
        { "a: ${", "malformed variable reference" },
        { "a: ${}", "malformed variable reference" },
        { "a: ${1A}", "malformed variable reference" },
        { "a: ${A-b}", "malformed variable reference" },
        { "a: ${A:+b}", "malformed variable reference" },
        { "a: ${A:-${B}}", "malformed variable reference" },
        { "a: \"${A B}\"", "malformed variable reference" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        const char *text = value_of(&world, cases[i][0]);
        if (strstr(text, cases[i][1]) == NULL || strstr(text, "error[C003]") == NULL || strstr(text, "secret") != NULL)
            fail_msg("%s gave %s", cases[i][0], text);
        end_world(&world);
    }
}

/* A value can hold anything: it stays the text of one scalar, and is not looked at again. */
static void variables_cannot_inject(void **state)
{
    (void)state;
    static const char *const values[] = { "x }, evil: { b: 1", "x\nevil: 1", "*evil", "${DV_T}", "- a\n- b", "a: }", "~",
                                          "\"", "# x" };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(setenv("DV_T", values[i], 1), 0);
        struct world world;
        start_world(&world);
        const struct dv_yaml *root = parse(&world, "m: { a: \"${DV_T}\", b: 2 }\n");
        assert_clean(&world);
        assert_int_equal(root->count, 1);
        assert_int_equal(root->first->count, 2);
        const struct dv_yaml *value = dv_yaml_get(root->first, "a");
        assert_string_equal(value->text, values[i]);
        assert_false(dv_yaml_is_none(value));
        end_world(&world);
    }
    assert_int_equal(setenv("DV_T", "evil", 1), 0);
    struct world world;
    start_world(&world);
    const struct dv_yaml *root = parse(&world, "\"${DV_T}\": 1\n");
    assert_string_equal(root->first->key, "${DV_T}"); /* keys are left alone */
    end_world(&world);
}

static void empty_variable_means_none(void **state)
{
    (void)state;
    struct world world;
    assert_int_equal(setenv("DV_E", "", 1), 0);
    start_world(&world);
    const struct dv_yaml *root = parse(&world, "a: ${DV_E}\nb: \"${DV_E}\"\n");
    assert_true(dv_yaml_is_none(dv_yaml_get(root, "a")));
    assert_false(dv_yaml_is_none(dv_yaml_get(root, "b")));
    end_world(&world);
}

static void expansion_is_bounded(void **state)
{
    (void)state;
    char *value = repeated("v", 60000);
    char *text = repeated("${DV_BIG}", 100);
    assert_int_equal(setenv("DV_BIG", value, 1), 0);
    struct world world;
    start_world(&world);
    char *yaml = repeated(" ", 1000);
    (void)snprintf(yaml, 1000, "a: \"%s\"\n", text);
    assert_null(parse(&world, yaml));
    assert_finds(&world, "error[C007]: a value with its variables is over 65536 bytes");
    end_world(&world);
    free(yaml);
    free(text);
    free(value);
    assert_int_equal(unsetenv("DV_BIG"), 0);
}

static void files_are_read(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    char path[] = "/tmp/datavault-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 1\nb: [\n", 10), 10);
    assert_int_equal(close(fd), 0);
    assert_null(dv_yaml_load(path, &world.arena, &world.diags));
    assert_finds(&world, path);
    assert_finds(&world, "error[C001]");
    assert_int_equal(unlink(path), 0);
    assert_null(dv_yaml_load(path, &world.arena, &world.diags));
    assert_finds(&world, "error[C008]: cannot read it: No such file or directory");
    assert_null(dv_yaml_load("/tmp", &world.arena, &world.diags));
    assert_finds(&world, "/tmp: error[C008]: cannot read it: Is a directory");
    assert_null(dv_yaml_load("/dev/zero", &world.arena, &world.diags));
    assert_finds(&world, "/dev/zero: error[C007]: the file is over 1 MiB");
    end_world(&world);
}

static bool parse_something(void)
{
    struct world world;
    start_world(&world);
    static const char text[] = "a: ${DV_T:-x}\nb: [1, 2, { c: d }]\ne: { f: 1, g: 2 }\n";
    bool succeeded = parse(&world, text) != NULL;
    assert_true(succeeded || world.diags.count != 0);
    (void)findings_text(&world);
    end_world(&world);
    return succeeded;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    fail_every_allocation(parse_something);
    for (size_t limit = 0; limit < 4; limit++) {
        struct world world;
        start_world(&world);
        dv_arena_init(&world.arena, limit * DV_ARENA_CHUNK);
        char *text = repeated("- a long value that takes memory\n", 4000);
        assert_null(parse(&world, text));
        assert_true(world.diags.count > 0);
        free(text);
        end_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_knows_places),
        cmocka_unit_test(all_mistakes_at_once),
        cmocka_unit_test(partial_tree_is_kept),
        cmocka_unit_test(refusals_have_places),
        cmocka_unit_test(nul_byte_is_refused),
        cmocka_unit_test(byte_order_mark_and_quotes_are_read),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(sixty_four_levels_are_allowed),
        cmocka_unit_test(variables_are_put_in),
        cmocka_unit_test(wrong_variables_are_told),
        cmocka_unit_test(variables_cannot_inject),
        cmocka_unit_test(empty_variable_means_none),
        cmocka_unit_test(expansion_is_bounded),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

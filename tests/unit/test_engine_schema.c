/* SPDX-License-Identifier: Apache-2.0
 * test_engine_schema.c - schema files, the shipped ones among them, and schemas in memory.
 *
 * shows: MIS-3 SYN-3 SYN-4 SCL-11 */
#include "diags_text.h"

#include <math.h>

#include "engine/arena.h"
#include "engine/schema.h"
#include "engine/yaml.h"

/* The folder of the shipped schemas; tests run in the source folder unless told otherwise. */
static const char *shipped(const char *name, char *path, size_t size)
{
    const char *root = getenv("DV_SOURCE_ROOT");
    (void)snprintf(path, size, "%s/conf/schemas/%s.yaml", root != NULL ? root : ".", name);
    return path;
}

static const struct dv_schema *parse(struct world *world, const char *text)
{
    const struct dv_yaml *root =
        dv_yaml_parse_partial("x.yaml", text, strlen(text), &world->arena, &world->diags);
    assert_non_null(root);
    return dv_schema_from_yaml(root, &world->arena, &world->diags);
}

/* A field as the requirements name it. */
struct expected {
    const char *name;
    enum dv_type type;
    enum dv_class class;
};

static void check_shipped(const char *name, const char *subject, const struct expected *fields, size_t count)
{
    struct world world;
    char path[256];
    start_world(&world);
    const struct dv_schema *schema = dv_schema_load(shipped(name, path, sizeof path), &world.arena, &world.diags);
    assert_clean(&world);
    assert_string_equal(schema->name, name);
    assert_int_equal(schema->subject, dv_schema_find(schema, subject));
    assert_int_equal(schema->column_count, count + 1);
    for (size_t i = 0; i < count; i++) {
        int column = dv_schema_find(schema, fields[i].name);
        assert_true(column >= 0);
        assert_int_equal(schema->columns[column].type, fields[i].type);
        assert_true(dv_label_equal(schema->columns[column].label, dv_label(fields[i].class, DV_FORM_PLAIN)));
    }
    assert_int_equal(schema->extra, count);
    end_world(&world);
}

static void healthcare_is_as_required(void **state)
{
    (void)state;
    static const struct expected fields[] = {
        { "patient_id", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },  { "name", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },
        { "ssn", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },         { "email", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },
        { "phone", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },       { "age", DV_TYPE_INT, DV_CLASS_QUASI_ID },
        { "diagnosis", DV_TYPE_TEXT, DV_CLASS_SENSITIVE },   { "treatment_plan", DV_TYPE_TEXT, DV_CLASS_SENSITIVE },
        { "visit_date", DV_TYPE_TEXT, DV_CLASS_QUASI_ID },   { "symptoms", DV_TYPE_JSON, DV_CLASS_SENSITIVE },
        { "vitals", DV_TYPE_JSON, DV_CLASS_SENSITIVE },      { "outcome", DV_TYPE_TEXT, DV_CLASS_SENSITIVE },
        { "note", DV_TYPE_TEXT, DV_CLASS_FREE_TEXT },
    };
    check_shipped("healthcare", "patient_id", fields, sizeof fields / sizeof fields[0]);
}

static void finance_is_as_required(void **state)
{
    (void)state;
    static const struct expected fields[] = {
        { "account", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },          { "account_hash", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },
        { "name", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },             { "email", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },
        { "card", DV_TYPE_TEXT, DV_CLASS_DIRECT_ID },             { "transaction_type", DV_TYPE_TEXT, DV_CLASS_SENSITIVE },
        { "amount", DV_TYPE_FLOAT, DV_CLASS_SENSITIVE },          { "merchant_category", DV_TYPE_TEXT, DV_CLASS_SENSITIVE },
        { "transaction_time", DV_TYPE_TEXT, DV_CLASS_QUASI_ID },  { "memo", DV_TYPE_TEXT, DV_CLASS_FREE_TEXT },
    };
    check_shipped("finance", "account", fields, sizeof fields / sizeof fields[0]);
}

static void fields_are_read(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    const struct dv_schema *schema = parse(&world, "name: s\nsubject: b\nfields:\n"
                                                   "  a: { type: int, class: quasi-id, min: 0 }\n"
                                                   "  b: { type: text, class: direct-id, required: true }\n"
                                                   "  c: { type: float, class: public, min: -1.5, max: 2 }\n");
    assert_clean(&world);
    assert_int_equal(schema->column_count, 4);
    assert_int_equal(schema->subject, 1);
    assert_int_equal(schema->extra, 3);
    assert_true(schema->columns[0].bounded && isinf(schema->columns[0].max));
    assert_false(schema->columns[0].min < 0 || schema->columns[0].min > 0);
    assert_true(schema->columns[1].required && !schema->columns[1].bounded);
    assert_true(schema->columns[2].min < -1.4 && schema->columns[2].max > 1.9);
    assert_string_equal(schema->columns[3].name, DV_EXTRA_COLUMN);
    assert_int_equal(schema->columns[3].type, DV_TYPE_JSON);
    assert_true(dv_label_equal(schema->columns[3].label, dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN)));
    end_world(&world);
}

static void wrong_schemas_are_refused(void **state)
{
    (void)state;
#define FIELD "{ type: text, class: public }"
    static const char *const cases[][2] = {
        { "fields: { a: " FIELD " }", "option 'name' of a schema is missing" },
        { "name: s", "option 'fields' of a schema is missing" },
        { "{ name: s, fields: [] }", "x.yaml:1:20: error[C006]: 'fields' needs a map of fields" },
        { "{ name: s, fields: {} }", "'fields' needs a map of fields" },
        { "{ name: s, fields: a }", "'fields' needs a map of fields" },
        { "{ name: s, fields: { a: x } }", "field 'a' needs a map of options" },
        { "{ name: s, fields: { a: { type: text } } }", "option 'class' of field 'a' is missing" },
        { "{ name: s, fields: { a: { class: public } } }", "option 'type' of field 'a' is missing" },
        { "{ name: s, fields: { a: { type: txt, class: public } } }", "help: did you mean 'text'?" },
        { "{ name: s, fields: { a: { type: text, class: direct_id } } }", "help: did you mean 'direct-id'?" },
        { "{ name: s, fields: { a: { type: text, class: public, min: 1 } } }", "has bounds, but its type is text" },
        { "{ name: s, fields: { a: { type: int, class: public, min: 2, max: 1 } } }", "a min over its max" },
        { "{ name: s, fields: { _extra: " FIELD " } }", "field '_extra' is the engine's own" },
        { "{ name: s, fields: { 'a b': " FIELD " } }", "a field's name has at most 128" },
        { "{ name: s, fields: { 'a\"': " FIELD " } }", "a field's name has at most 128" },
        { "{ name: s, subject: aa, fields: { ab: " FIELD " } }", "x.yaml:1:21: error[C004]: the subject 'aa' is no field" },
        { "{ name: s, subject: aa, fields: { ab: " FIELD " } }", "help: did you mean 'ab'?" },
        { "{ name: s, fields: { a: " FIELD ", a: " FIELD " } }", "key 'a' stands already in line 1" },
        { "[]", "a schema needs a map of options" },
        { "{ name: s, fields: { a..b: { type: text, class: public } } }", "which parts at most 16 names" },
        { "{ name: s, fields: { a.: { type: text, class: public } } }", "a field's name has at most 128 letters" },
        { "{ name: s, fields: { 'a[]': { type: json, class: public } } }", "a field's name has at most 128 letters" },
        { "{ name: s, fields: { 'a[.b': { type: json, class: public } } }", "a field's name has at most 128 letters" },
        { "{ name: s, fields: { 'a[][].b': { type: json, class: public } } }", "a field's name has at most 128 letters" },
        { "{ name: s, fields: { '[].b': { type: json, class: public } } }", "a field's name has at most 128 letters" },
        { "{ name: s, fields: { a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q: { type: text, class: public } } }",
          "which parts at most 16 names" },
        { "{ name: s, fields: { _extra.a: { type: text, class: public } } }", "field '_extra.a' is the engine's own" },
        { "{ name: s, fields: { 'a[].b': { type: text, class: public } } }",
          "field 'a[].b' lies in a list, so it holds a list of values, but its type is text" },
        { "{ name: s, fields: { a: { type: json, class: public }, a.b: { type: text, class: public } } }",
          "fields 'a' and 'a.b' cannot both be: one lies inside the other" },
        { "{ name: s, fields: { a.b.c: { type: json, class: public }, a.b: { type: text, class: public } } }",
          "fields 'a.b.c' and 'a.b' cannot both be: one lies inside the other" },
        { "{ name: s, fields: { 'a[].b': { type: json, class: public }, a.c: { type: text, class: public } } }",
          "one takes for a list what the other takes for an object" },
        { "{ name: s, subject: 'a[].b', fields: { 'a[].b': { type: json, class: direct-id } } }",
          "the subject 'a[].b' lies in a list" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        start_world(&world);
        const struct dv_schema *schema = parse(&world, cases[i][0]);
        assert_true(schema == NULL || i == 17); /* a key that stands twice was told by the parser */
        assert_finds(&world, cases[i][1]);
        end_world(&world);
    }
}

static void all_mistakes_at_once(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    assert_null(parse(&world, "nam: s\nsubject: x\nfields:\n  a: { type: t }\n  b: { type: int, class: public, mni: 1 }\n"));
    assert_int_equal(world.diags.count, 6);
    end_world(&world);
}

static void too_many_fields_are_refused(void **state)
{
    (void)state;
    for (uint32_t fields = DV_COLUMNS_MAX - 1; fields <= DV_COLUMNS_MAX; fields++) {
        struct world world;
        start_world(&world);
        char text[16384];
        size_t used = (size_t)snprintf(text, sizeof text, "name: s\nfields:\n");
        for (uint32_t i = 0; i < fields; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "  f%u: { type: text, class: public }\n", i);
        const struct dv_schema *schema = parse(&world, text);
        assert_int_equal(schema != NULL, fields < DV_COLUMNS_MAX);
        if (schema == NULL)
            assert_finds(&world, "error[C007]: more than 127 fields");
        end_world(&world);
    }
}

static void missing_file_is_told(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    assert_null(dv_schema_load("/nonexistent/x.yaml", &world.arena, &world.diags));
    assert_finds(&world, "/nonexistent/x.yaml: error[C008]: cannot read it: No such file");
    end_world(&world);
}

static void schemas_are_made_and_compared(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    struct dv_schema *a = dv_schema_new(&world.arena, "a", 2);
    struct dv_label label = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    (void)dv_schema_add(a, "x", DV_TYPE_INT, label);
    (void)dv_schema_add(a, "yy", DV_TYPE_TEXT, label);
    a->subject = 1;
    assert_int_equal(dv_schema_find(a, "yy"), 1);
    assert_int_equal(dv_schema_find(a, "y"), -1);
    struct dv_schema *b = dv_schema_copy(&world.arena, a);
    assert_true(dv_schema_equal(a, a) && dv_schema_equal(a, b));
    (void)dv_schema_add(b, "z", DV_TYPE_BOOL, label);
    assert_false(dv_schema_equal(a, b));
    assert_int_equal(a->column_count, 2);
    b->column_count = 2;
    b->columns[0].label.form = DV_FORM_SEALED;
    assert_false(dv_schema_equal(a, b));
    b->columns[0] = a->columns[0];
    b->columns[0].type = DV_TYPE_TEXT;
    assert_false(dv_schema_equal(a, b));
    b->columns[0] = a->columns[0];
    b->columns[0].name = "w";
    assert_false(dv_schema_equal(a, b));
    b->columns[0] = a->columns[0];
    assert_true(dv_schema_equal(a, b));
    b->subject = 0;
    assert_false(dv_schema_equal(a, b));
    b->subject = a->subject;
    assert_ptr_equal(dv_schema_join(&world.arena, a, b), a);
    b->inside = a;
    assert_null(dv_schema_join(&world.arena, a, b)->inside);
    a->inside = dv_schema_copy(&world.arena, a);
    assert_ptr_equal(dv_schema_join(&world.arena, a, b), a);
    a->inside = NULL;
    const struct dv_schema *none = dv_schema_new(&world.arena, "none", 0);
    assert_true(dv_schema_equal(none, dv_schema_copy(&world.arena, none)));
    assert_string_equal(dv_type_name(DV_TYPE_BYTES), "bytes");
    end_world(&world);
}

/* Picking by a column that others share parts nobody; by any other, those who shared a value may be fewer now. */
static void picked_records_share_less(void **state)
{
    (void)state;
    struct world world;
    start_world(&world);
    struct dv_schema *all = dv_schema_new(&world.arena, "all", 4);
    (void)dv_schema_add(all, "age", DV_TYPE_TEXT, dv_label_with(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 5));
    (void)dv_schema_add(all, "zip", DV_TYPE_TEXT, dv_label_with(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 7));
    (void)dv_schema_add(all, "ward", DV_TYPE_TEXT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    (void)dv_schema_add(all, "year", DV_TYPE_TEXT, dv_label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED));
    assert_ptr_equal(dv_schema_thinned(&world.arena, all, 1), all);
    static const unsigned kept[4][2] = { { 5, 0 }, { 5, 7 }, { 0, 0 }, { 0, 0 } };
    for (uint32_t by = 0; by < 4; by++) {
        const struct dv_schema *some = dv_schema_thinned(&world.arena, all, by);
        assert_int_equal(some->columns[0].label.parameter, kept[by][0]);
        assert_int_equal(some->columns[1].label.parameter, kept[by][1]);
        assert_true(dv_label_equal(some->columns[2].label, all->columns[2].label));
        assert_true(dv_label_equal(some->columns[3].label, all->columns[3].label));
    }
    all->columns[0].label.parameter = all->columns[1].label.parameter = 0;
    assert_ptr_equal(dv_schema_thinned(&world.arena, all, 2), all);
    end_world(&world);
}

static bool load_shipped(void)
{
    struct world world;
    char path[256];
    start_world(&world);
    const struct dv_schema *schema = dv_schema_load(shipped("healthcare", path, sizeof path), &world.arena, &world.diags);
    assert_true((schema != NULL) == (world.diags.count == 0));
    end_world(&world);
    return schema != NULL;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    fail_every_allocation(load_shipped);
    struct dv_arena empty;
    dv_arena_init(&empty, 0);
    assert_null(dv_schema_new(&empty, "x", 1));
    struct world world;
    start_world(&world);
    assert_null(dv_schema_copy(&empty, dv_schema_new(&world.arena, "x", 1)));
    end_world(&world);
}

/* Four steps in each of 127 fields fit, five do not. */
static void bounds_the_steps_of_paths(void **state)
{
    (void)state;
    for (int steps = 4; steps <= 5; steps++) {
        struct world world;
        char text[16384] = "{ name: s, fields: {";
        start_world(&world);
        for (int i = 0; i < 127; i++)
            (void)sprintf(text + strlen(text), " a%s.x.y.f%d: { type: text, class: public },", steps == 5 ? ".b" : "", i);
        const struct dv_schema *schema = parse(&world, strcat(text, " } }"));
        if (steps == 4) {
            assert_non_null(schema);
            assert_int_equal(schema->column_count, DV_COLUMNS_MAX);
        } else {
            assert_null(schema);
            assert_finds(&world, "the fields that lie in others have more than 512 steps together");
        }
        end_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthcare_is_as_required),     cmocka_unit_test(finance_is_as_required),
        cmocka_unit_test(fields_are_read),               cmocka_unit_test(wrong_schemas_are_refused),
        cmocka_unit_test(all_mistakes_at_once),          cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(missing_file_is_told),          cmocka_unit_test(picked_records_share_less), cmocka_unit_test(schemas_are_made_and_compared),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(bounds_the_steps_of_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

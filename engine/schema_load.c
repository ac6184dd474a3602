/* SPDX-License-Identifier: Apache-2.0
 * schema_load.c - schema files: two option tables, and the checks that go over several fields. */
#include <math.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/option.h"
#include "engine/schema.h"
#include "engine/schema_path.h"
#include "engine/yaml.h"

/* A schema file's top, and one field of it. */
struct top {
    const char *name;
    const char *subject;
    const struct dv_yaml *fields;
};
struct field {
    int type;
    int class;
    bool required;
    double min;
    double max;
};

static const struct dv_option top_options[] = {
    { "name", DV_NAME, offsetof(struct top, name), .flags = DV_REQUIRED, .help = "Name of the schema." },
    { "subject", DV_STR, offsetof(struct top, subject), .help = "Field that names the person a record is about." },
    { "fields", DV_TREE, offsetof(struct top, fields), .flags = DV_REQUIRED, .help = "The fields of a record." },
    { 0 },
};

/* The words are in the order of enum dv_type and enum dv_class. A field without a class is refused, not guessed. */
static const struct dv_option field_options[] = {
    { "type", DV_ENUM, offsetof(struct field, type), .values = "text|int|float|bool|bytes|json", .flags = DV_REQUIRED,
      .help = "Type of the values." },
    { "class", DV_ENUM, offsetof(struct field, class), .values = "public|sensitive|quasi-id|free-text|direct-id",
      .flags = DV_REQUIRED,
      .help = "What the values are about: direct-id, quasi-id, sensitive, free-text or public." },
    { "required", DV_BOOL, offsetof(struct field, required), .initial = "false",
      .help = "Whether a record without the field is refused." },
    { "min", DV_FLOAT, offsetof(struct field, min), .help = "Smallest number that is accepted." },
    { "max", DV_FLOAT, offsetof(struct field, max), .help = "Largest number that is accepted." },
    { 0 },
};

static bool is_given(const struct dv_yaml *map, const char *key)
{
    const struct dv_yaml *value = dv_yaml_get(map, key);
    return value != NULL && !dv_yaml_is_none(value);
}

/* A bound that is not given is none: -∞ or +∞. */
static void set_bounds(struct dv_column *column, const struct field *field, const struct dv_yaml *node,
                       struct dv_diags *diags)
{
    bool has_min = is_given(node, "min");
    bool has_max = is_given(node, "max");
    column->bounded = has_min || has_max;
    column->min = has_min ? field->min : -(double)INFINITY;
    column->max = has_max ? field->max : (double)INFINITY;
    if (!column->bounded)
        return;
    if (field->type != DV_TYPE_INT && field->type != DV_TYPE_FLOAT)
        dv_diags_add(diags, node->key_place, "C006", NULL, NULL, "field '%s' has bounds, but its type is %s", node->key,
                     dv_type_name(column->type));
    else if (column->min > column->max)
        dv_diags_add(diags, node->key_place, "C006", NULL, NULL, "field '%s' has a min over its max", node->key);
}

/* Whether the name, or the first step of it, is the engine's own column. */
static bool is_extra(const char *name)
{
    struct dv_path_step step;
    (void)dv_path_step(name, &step);
    return step.length == strlen(DV_EXTRA_COLUMN) && memcmp(step.name, DV_EXTRA_COLUMN, step.length) == 0;
}

static void check_name(const struct dv_yaml *node, struct dv_diags *diags)
{
    if (is_extra(node->key))
        dv_diags_add(diags, node->key_place, "C006", NULL, "it holds what no schema names",
                     "field '%s' is the engine's own", node->key);
    else if (!dv_is_path(node->key))
        dv_diags_add(diags, node->key_place, "C006", NULL,
                     "a dot leads into an object, '[].' into each object of a list: patient.name.family, contacts[].phone",
                     "a field's name has at most 128 letters, digits, '_', '-' and '.', which parts at most %d names",
                     DV_PATH_DEPTH_MAX);
}

/* What stands in a list is many values: one cell holds them as a JSON list. */
static void check_list(const struct dv_column *column, const struct dv_yaml *node, struct dv_diags *diags)
{
    if (dv_path_is_list(column->name) && column->type != DV_TYPE_JSON)
        dv_diags_add(diags, node->key_place, "C006", NULL, "write type: json",
                     "field '%s' lies in a list, so it holds a list of values, but its type is %s", node->key,
                     dv_type_name(column->type));
}

static void add_field(struct dv_schema *schema, const struct dv_yaml *node, struct dv_arena *arena,
                      struct dv_diags *diags)
{
    struct field field = { 0 };
    check_name(node, diags);
    const char *what = dv_arena_printf(diags->arena, "field '%s'", node->key);
    dv_rc rc = dv_options_parse(field_options, &field, node, NULL, what != NULL ? what : "a field", arena, diags);
    struct dv_label label = dv_label((enum dv_class)field.class, DV_FORM_PLAIN);
    struct dv_column *column = dv_schema_add(schema, node->key, (enum dv_type)field.type, label);
    column->required = field.required;
    if (rc != DV_OK)
        return;
    set_bounds(column, &field, node, diags);
    check_list(column, node, diags);
}

static void set_subject(struct dv_schema *schema, const char *subject, const struct dv_yaml *root,
                        struct dv_diags *diags)
{
    schema->subject = dv_schema_find(schema, subject);
    if (schema->subject >= 0 && dv_path_is_list(subject))
        dv_diags_add(diags, dv_yaml_get(root, "subject")->place, "C006", NULL, "name one field that each record has once",
                     "the subject '%s' lies in a list", subject);
    if (schema->subject >= 0)
        return;
    const char *names[DV_COLUMNS_MAX];
    for (uint32_t i = 0; i < schema->column_count; i++)
        names[i] = schema->columns[i].name;
    dv_diags_add(diags, dv_yaml_get(root, "subject")->place, "C004", NULL,
                 dv_diags_suggest(diags, subject, names, schema->column_count), "the subject '%s' is no field",
                 subject);
}

/* One column is kept for `_extra`. */
static bool fields_fit(const struct dv_yaml *fields, struct dv_diags *diags)
{
    if (fields->kind != DV_YAML_MAP || fields->count == 0)
        dv_diags_add(diags, fields->place, "C006", NULL, "write name: { type: text, class: direct-id }",
                     "'fields' needs a map of fields");
    else if (fields->count >= DV_COLUMNS_MAX)
        dv_diags_add(diags, fields->place, "C007", NULL, NULL, "more than %d fields", DV_COLUMNS_MAX - 1);
    else
        return true;
    return false;
}

/* Field `index` beside those before it. */
static void check_beside(const struct dv_schema *schema, uint32_t index, const struct dv_yaml *node,
                         struct dv_diags *diags)
{
    const char *name = schema->columns[index].name;
    for (uint32_t i = 0; i < index; i++) {
        const char *other = schema->columns[i].name;
        bool nested = dv_path_is_nested(name) || dv_path_is_nested(other);
        const char *conflict = nested ? dv_path_conflict(other, name) : NULL;
        if (conflict == NULL)
            continue;
        dv_diags_add(diags, node->key_place, "C006", NULL, "name what is inside, or the whole with type: json, not both",
                     "fields '%s' and '%s' cannot both be: %s", other, name, conflict);
        return;
    }
}

static void check_paths(const struct dv_schema *schema, const struct dv_yaml *fields, struct dv_diags *diags)
{
    uint32_t index = 0;
    for (const struct dv_yaml *node = fields->first; node != NULL; node = node->next)
        check_beside(schema, index++, node, diags);
    if (dv_path_steps(schema) > DV_PATH_STEPS_MAX)
        dv_diags_add(diags, fields->place, "C007", NULL, "name an inner object as a whole, with type: json",
                     "the fields that lie in others have more than %d steps together", DV_PATH_STEPS_MAX);
}

static struct dv_schema *build(const struct top *top, const struct dv_yaml *root, struct dv_arena *arena,
                               struct dv_diags *diags)
{
    struct dv_schema *schema =
        dv_schema_new(arena, top->name != NULL ? top->name : "", (uint32_t)top->fields->count + 1);
    if (schema == NULL) {
        dv_diags_add(diags, root->place, "C007", NULL, NULL, "out of memory");
        return NULL;
    }
    for (const struct dv_yaml *node = top->fields->first; node != NULL; node = node->next)
        add_field(schema, node, arena, diags);
    check_paths(schema, top->fields, diags);
    if (top->subject != NULL)
        set_subject(schema, top->subject, root, diags);
    schema->extra = (int32_t)schema->column_count;
    (void)dv_schema_add(schema, DV_EXTRA_COLUMN, DV_TYPE_JSON, dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN));
    return schema;
}

struct dv_schema *dv_schema_from_yaml(const struct dv_yaml *root, struct dv_arena *arena, struct dv_diags *diags)
{
    DV_ASSERT(root != NULL);
    uint32_t before = diags->count;
    struct top top = { 0 };
    dv_rc rc = dv_options_parse(top_options, &top, root, NULL, "a schema", arena, diags);
    struct dv_schema *schema = NULL;
    /* Fields are looked at even if the top is wrong: all mistakes are told at once. */
    if (top.fields != NULL && fields_fit(top.fields, diags))
        schema = build(&top, root, arena, diags);
    return rc == DV_OK && diags->count == before ? schema : NULL;
}

struct dv_schema *dv_schema_load(const char *path, struct dv_arena *arena, struct dv_diags *diags)
{
    uint32_t before = diags->count;
    const struct dv_yaml *root = dv_yaml_load_partial(path, arena, diags);
    struct dv_schema *schema = root != NULL ? dv_schema_from_yaml(root, arena, diags) : NULL;
    return diags->count == before ? schema : NULL;
}

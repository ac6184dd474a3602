/* SPDX-License-Identifier: Apache-2.0
 * policy.c - `datavault policy`: what a policy does to each field, with an example, before anything runs. */
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "engine/json.h"
#include "privacy/apply.h"
#include "privacy/labels.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, LABELS = 100, JSON_BYTES = 16384 };

/* One run of the command. */
struct explaining {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_labels *labels;
    struct dv_pseudonym makers[DV_APPLY_MAKERS];
    bool json;
    int code;
};

/* A field and what becomes of it. */
struct fate {
    const char *field;
    enum dv_type type;
    struct dv_label label;
    const struct dv_rule *rule; /* NULL: none */
    const char *why;
    const char *refused; /* why it cannot be, or NULL */
    bool has_subject;
};

/* Invented values: by what the rule wants, else by what the field's name tells. */
static const char *example_of(const struct fate *fate)
{
    static const char *const by_type[DV_PII_COUNT] = {
        [DV_PII_PERSON] = "Mustermann, Erika", [DV_PII_EMAIL] = "erika.m7@example.edu", [DV_PII_PHONE] = "(212) 555-0123",
        [DV_PII_SSN] = "078-05-1120",          [DV_PII_CREDIT_CARD] = "4111-1111-1111-1111", [DV_PII_IP] = "203.0.113.77",
        [DV_PII_DATE] = "2024-03-18",          [DV_PII_LOCATION] = "12 Main Street, Lyon", [DV_PII_URL] = "http://example.edu/7",
        [DV_PII_USERNAME] = "erika42",         [DV_PII_MAC] = "00:00:5e:00:53:af",
        [DV_PII_IBAN] = "DE89370400440532013000",
    };
    const struct dv_rule *rule = fate->rule;
    enum dv_action action = rule != NULL ? rule->action : DV_ACTION_KEEP;
    if (action == DV_ACTION_REDACT)
        return "Erika Mustermann called on 2024-03-18 from 212-555-0123";
    if (action == DV_ACTION_SHIFT)
        return "2024-03-18";
    if (action == DV_ACTION_BUCKET)
        return "1234";
    if (action == DV_ACTION_GENERALIZE)
        return rule->to == DV_TO_AGE_BAND                                                ? "37"
               : rule->to == DV_TO_ZIP3                                                  ? "12345"
               : rule->to == DV_TO_NUMBER                                                ? "1234"
               : rule->to >= DV_TO_ICD10_CATEGORY && rule->to <= DV_TO_ICD10_CHAPTER ? "E11.9"
               : rule->to == DV_TO_LEVEL                                                 ? NULL
                                                                                         : "2024-03-18";
    if (fate->type == DV_TYPE_JSON || fate->type == DV_TYPE_BYTES)
        return NULL;
    enum dv_pii pii = dv_surrogate_type(fate->field);
    return fate->label.class == DV_CLASS_SENSITIVE ? "E11.9" : by_type[pii] != NULL ? by_type[pii] : "K-004711";
}

/* A cell of the example, as its column would hold it; numbers where the column holds numbers. */
static void fill_cell(const struct fate *fate, const char *text, struct dv_cell *cell)
{
    double number = fate->rule != NULL && fate->rule->to == DV_TO_AGE_BAND && fate->rule->action == DV_ACTION_GENERALIZE ? 37 : 1234;
    *cell = (struct dv_cell){ .text = text, .length = (uint32_t)strlen(text), .present = 1 };
    if (fate->type == DV_TYPE_INT)
        *cell = (struct dv_cell){ .integer = (int64_t)number, .present = 1 };
    else if (fate->type == DV_TYPE_FLOAT)
        *cell = (struct dv_cell){ .number = number, .present = 1 };
    else if (fate->type == DV_TYPE_BOOL)
        *cell = (struct dv_cell){ .integer = 1, .present = 1 };
}

static const char *cell_text(struct dv_arena *arena, enum dv_type type, const struct dv_cell *cell)
{
    if (type == DV_TYPE_INT)
        return dv_arena_printf(arena, "%lld", (long long)cell->integer);
    if (type == DV_TYPE_FLOAT)
        return dv_arena_printf(arena, "%g", cell->number);
    if (type == DV_TYPE_BOOL)
        return "true";
    return dv_arena_copy(arena, cell->text, cell->length);
}

/* The example after the rule, by a key that is nobody's; NULL: there is none. */
static const char *apply_example(struct explaining *explaining, const struct fate *fate, const struct dv_cell *in)
{
    static const unsigned char key[DV_PSEUDONYM_KEY_MIN] = "an example's key";
    static const struct dv_cell subject = { .text = "K-004711", .length = 8, .present = 1 };
    const struct dv_apply_row row = { .arena = &explaining->arena, .subject = &subject, .labels = explaining->labels };
    struct dv_applier applier = { 0 };
    struct dv_cell out = { 0 };
    if (fate->rule->action == DV_ACTION_KEEP)
        return cell_text(&explaining->arena, fate->type, in);
    dv_rc rc = dv_applier_open(&applier, fate->rule, fate->field, fate->type);
    if (rc == DV_OK && dv_rule_is_keyed(fate->rule))
        rc = dv_applier_key(&applier, explaining->makers, key, sizeof key, 1);
    if (rc == DV_OK)
        rc = dv_apply(&applier, &row, in, &out);
    dv_applier_close(&applier);
    return rc == DV_OK ? cell_text(&explaining->arena, dv_rule_type(fate->rule, fate->type), &out) : NULL;
}

static const char *fate_name(const struct fate *fate)
{
    return fate->refused != NULL ? "refused" : dv_action_name(fate->rule->action);
}

static const char *label_after(const struct fate *fate, char *buffer, size_t size)
{
    if (fate->refused != NULL || fate->rule->action == DV_ACTION_DROP)
        return "-";
    return dv_label_text(dv_rule_label(fate->rule, fate->label), buffer, size);
}

static void print_json(const struct fate *fate, const char *before, const char *after)
{
    char buffer[JSON_BYTES], label[64];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "field");
    dv_json_string(&json, fate->field);
    dv_json_key(&json, "type");
    dv_json_string(&json, dv_type_name(fate->type));
    dv_json_key(&json, "fate");
    dv_json_string(&json, fate_name(fate));
    dv_json_key(&json, "why");
    dv_json_string(&json, fate->refused != NULL ? fate->refused : fate->why);
    dv_json_key(&json, "line");
    dv_json_uint(&json, fate->rule != NULL ? fate->rule->place.line : 0);
    dv_json_key(&json, "label_before");
    dv_json_string(&json, dv_label_text(fate->label, label, sizeof label));
    dv_json_key(&json, "label_after");
    dv_json_string(&json, label_after(fate, label, sizeof label));
    dv_json_key(&json, "example_before");
    dv_json_string(&json, before);
    dv_json_key(&json, "example_after");
    dv_json_string(&json, after);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static void print_text(const struct fate *fate, const char *before, const char *after)
{
    char first[64], second[64];
    (void)printf("%-18s %-10s %s\n", fate->field, fate_name(fate), fate->refused != NULL ? fate->refused : fate->why);
    (void)printf("  label    %s -> %s\n", dv_label_text(fate->label, first, sizeof first), label_after(fate, second, sizeof second));
    if (before != NULL && fate->refused == NULL)
        (void)printf("  example  %s -> %s\n", before, after != NULL ? after : "(gone)");
}

static void tell(struct explaining *explaining, const struct fate *fate)
{
    const char *after = NULL;
    struct dv_cell in = { 0 };
    const char *text = example_of(fate);
    if (text != NULL)
        fill_cell(fate, text, &in);
    const char *before = text != NULL ? cell_text(&explaining->arena, fate->type, &in) : NULL;
    if (text != NULL && fate->refused == NULL && fate->rule->action != DV_ACTION_DROP)
        after = apply_example(explaining, fate, &in);
    if (explaining->json)
        print_json(fate, before, after);
    else
        print_text(fate, before, after);
}

/* What `check` would say of this rule on this column; NULL: nothing. Sets the exit code that it would have. */
static const char *refusal(struct explaining *explaining, const struct fate *fate)
{
    const char *what = NULL;
    dv_rc rc = DV_E_CONFIG;
    if (fate->rule == NULL) {
        rc = DV_E_LEAK;
        what = "no rule names the field, its class or its type";
    } else if (!dv_rule_fits(fate->rule, fate->type)) {
        what = "the rule cannot be applied to a column of this type";
    } else if (fate->rule->action != DV_ACTION_DROP && dv_rule_needs_subject(fate->rule) && !fate->has_subject) {
        what = "dates can only be shifted where the schema names a subject";
    }
    if (what != NULL && dv_rc_exit(rc) > explaining->code)
        explaining->code = dv_rc_exit(rc);
    return what;
}

static const char *reason_of(struct explaining *explaining, const struct dv_rule *rule, const char *field)
{
    const char *format = strcmp(rule->field, field) == 0 ? "the rule for the field" : "the rule for the class";
    return dv_arena_printf(&explaining->arena, "by %s, `%s`, line %u", format, rule->field, rule->place.line);
}

static void explain_schema(struct explaining *explaining, const struct dv_privacy_policy *policy, const struct dv_schema *schema)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct dv_column *column = &schema->columns[i];
        struct fate fate = { .field = column->name, .type = column->type, .label = column->label, .has_subject = schema->subject >= 0 };
        static const struct dv_rule drop = { .action = DV_ACTION_DROP };
        if ((int32_t)i == schema->extra) {
            fate.rule = &drop;
            fate.why = "what no schema names always goes";
        } else {
            fate.rule = dv_policy_rule_for(policy, column->name, (enum dv_class)column->label.class, column->type);
            fate.why = fate.rule != NULL ? reason_of(explaining, fate.rule, column->name) : NULL;
            fate.refused = refusal(explaining, &fate);
        }
        tell(explaining, &fate);
    }
}

static void explain_rule(struct explaining *explaining, const struct dv_rule *rule, enum dv_class class, enum dv_type type)
{
    static const enum dv_type types[] = { DV_TYPE_TEXT, DV_TYPE_INT, DV_TYPE_FLOAT };
    struct fate fate = { .field = rule->field, .type = type, .label = dv_label(class, DV_FORM_PLAIN), .rule = rule, .has_subject = true };
    for (size_t i = 0; i < 3 && !dv_rule_fits(rule, fate.type); i++)
        fate.type = types[i];
    fate.why = dv_arena_printf(&explaining->arena, "line %u", rule->place.line);
    tell(explaining, &fate);
}

/* Without a schema: every rule once; a field is thought of as a direct-id. */
static void explain_rules(struct explaining *explaining, const struct dv_privacy_policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        explain_rule(explaining, &policy->rules[i], DV_CLASS_DIRECT_ID, DV_TYPE_TEXT);
    for (uint32_t class = 0; class < DV_POLICY_CLASSES; class++) {
        for (uint32_t type = 0; type < DV_POLICY_TYPES; type++)
            if (policy->by_type[class][type] != NULL)
                explain_rule(explaining, policy->by_type[class][type], (enum dv_class)class, (enum dv_type)type);
        if (policy->by_class[class] != NULL)
            explain_rule(explaining, policy->by_class[class], (enum dv_class)class, DV_TYPE_TEXT);
    }
}

/* A path as it is; a name in KIND/ or conf/KIND/. */
static const char *find_file(struct dv_arena *arena, const char *kind, const char *name)
{
    static const char *const places[] = { "", "conf/" };
    size_t length = strlen(name);
    if (strchr(name, '/') != NULL || (length > 5 && strcmp(name + length - 5, ".yaml") == 0))
        return name;
    const char *path = NULL;
    for (size_t i = 0; i < 2; i++) {
        path = dv_arena_printf(arena, "%s%s/%s.yaml", places[i], kind, name);
        if (path != NULL && access(path, R_OK) == 0)
            break;
    }
    return path;
}

static int explain_with(struct explaining *explaining, const char *policy_name, const char *schema_name)
{
    const struct dv_schema *schema = NULL;
    const char *path = find_file(&explaining->arena, "policies", policy_name);
    const struct dv_privacy_policy *policy = path == NULL ? NULL : dv_policy_load(path, &explaining->arena, &explaining->diags);
    if (schema_name != NULL && (path = find_file(&explaining->arena, "schemas", schema_name)) != NULL)
        schema = dv_schema_load(path, &explaining->arena, &explaining->diags);
    if (policy == NULL || (schema_name != NULL && schema == NULL)) {
        dv_diags_print(&explaining->diags, stderr, dv_colour(STDERR_FILENO));
        return dv_rc_exit(DV_E_CONFIG);
    }
    if (schema != NULL)
        explain_schema(explaining, policy, schema);
    else
        explain_rules(explaining, policy);
    return explaining->code;
}

static int explain(const char *policy, const char *schema, bool json)
{
    struct explaining explaining = { .json = json, .labels = dv_labels_new(LABELS, 0) };
    if (explaining.labels == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    dv_arena_init(&explaining.arena, ARENA_BYTES);
    dv_diags_init(&explaining.diags, &explaining.arena);
    int code = explain_with(&explaining, policy, schema);
    dv_labels_free(explaining.labels);
    dv_arena_free(&explaining.arena);
    return code;
}

/* The names of the files in policies/, or else in conf/policies/. */
static int list(void)
{
    glob_t found = { 0 };
    if (glob("policies/*.yaml", 0, NULL, &found) != 0 && glob("conf/policies/*.yaml", 0, NULL, &found) != 0) {
        (void)fprintf(stderr, "datavault: there is no policy in policies/ or conf/policies/ here\n");
        return DV_EXIT_FAILED;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        (void)printf("%.*s\n", (int)strlen(name) - 5, name);
    }
    globfree(&found);
    return DV_EXIT_OK;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "schema", required_argument, NULL, 's' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    const char *schema = NULL;
    bool json = false;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        schema = option == 's' ? optarg : schema;
        json = json || option == 'j';
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    bool explains = strcmp(verb, "explain") == 0;
    if (!explains && strcmp(verb, "list") != 0)
        return dv_usage(self, "say `policy explain` or `policy list`");
    if (explains && optind >= argc)
        return dv_usage(self, "which policy?");
    const char *policy = explains ? argv[optind++] : NULL;
    if (dv_no_more(self, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    return explains ? explain(policy, schema, json) : list();
}

const struct dv_command dv_command_policy = {
    .name = "policy",
    .summary = "Explains what a policy does to each field.",
    .help = "examples:\n"
            "  datavault policy list\n"
            "  datavault policy explain high\n"
            "  datavault policy explain hipaa-safe-harbor --schema healthcare\n"
            "  datavault policy explain conf/policies/ccpa.yaml --schema conf/schemas/finance.yaml --json | jq .fate\n\n"
            "usage: datavault policy list\n"
            "       datavault policy explain POLICY [--schema SCHEMA] [--json]\n\n"
            "A policy or a schema is a path, or a name that is looked up in policies/ and conf/policies/ (schemas/ and\n"
            "conf/schemas/). Tells for each field which rule it gets and why, its label before and after, and an invented\n"
            "example before and after, made with a key that is nobody's. Without a schema every rule is shown once, and a\n"
            "field counts as direct-id.\n\n"
            "exit codes: 0 every field has its rule, 3 a file is wrong or a rule does not fit, 4 a field has no rule\n",
    .run = run,
};

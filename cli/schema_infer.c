/* SPDX-License-Identifier: Apache-2.0
 * schema_infer.c - `datavault schema infer`: drafts a schema file from sample records. */
#include "cli/schema_infer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/lines.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/option.h"
#include "engine/pool.h"
#include "engine/text.h"
#include "privacy/infer.h"

enum { RECORD_BYTES_MAX = 16 * 1024 * 1024, PROGRESS_EVERY = 1 << 13, TOLD_MAX = 5, NAME_BYTES = 129 };

/* All that a run needs. */
struct draft {
    char name[NAME_BYTES]; /* of the schema */
    bool json, progress;
    struct dv_infer *infer;
    struct dv_arena arena;
    struct dv_pool pool;
    struct dv_json_reader *reader;
    const struct dv_schema *schema; /* that names nothing: whole records are its `_extra` */
    uint64_t line, failed;
};

static dv_rc open_all(struct draft *draft)
{
    const struct dv_label label = dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN);
    dv_arena_init(&draft->arena, 1024 * 1024);
    struct dv_schema *schema = dv_schema_new(&draft->arena, "sample", 1);
    draft->infer = dv_infer_new();
    if (schema == NULL || draft->infer == NULL)
        return DV_E_MEMORY;
    (void)dv_schema_add(schema, DV_EXTRA_COLUMN, DV_TYPE_JSON, label);
    schema->extra = 0;
    draft->schema = schema;
    draft->reader = dv_json_reader_new(schema, RECORD_BYTES_MAX);
    return draft->reader != NULL ? dv_pool_init(&draft->pool, 1, 4 * (size_t)RECORD_BYTES_MAX) : DV_E_MEMORY;
}

static void close_all(struct draft *draft)
{
    dv_json_reader_free(draft->reader);
    dv_infer_free(draft->infer);
    dv_pool_free(&draft->pool);
    dv_arena_free(&draft->arena);
}

static void show_progress(const struct draft *draft)
{
    if (draft->progress && draft->line % PROGRESS_EVERY == 0)
        (void)fprintf(stderr, "\r\033[K%llu lines", (unsigned long long)draft->line);
}

/* A line that is no record is told, the first ones by themselves. */
static void tell_line(struct draft *draft, const char *reason)
{
    if (draft->failed++ < TOLD_MAX)
        (void)fprintf(stderr, "%sdatavault: line %llu: %s\n", draft->progress ? "\r\033[K" : "",
                      (unsigned long long)draft->line, reason);
}

static dv_rc take_line(void *context, const char *line, size_t length)
{
    struct draft *draft = context;
    const char *reason = NULL;
    draft->line++;
    show_progress(draft);
    if (length == 0)
        return DV_OK;
    struct dv_batch *batch = dv_pool_take(&draft->pool, draft->schema, "default");
    if (batch == NULL)
        return DV_E_MEMORY;
    batch->rows = 1;
    dv_rc rc = dv_json_reader_record(draft->reader, line, length, batch, 0, &reason);
    const struct dv_cell *record = &dv_batch_cells(batch, 0)[0];
    if (rc == DV_OK)
        dv_infer_record(draft->infer, record->present ? record->text : "{}", record->present ? record->length : 2);
    else if (rc != DV_E_MEMORY)
        tell_line(draft, reason);
    dv_batch_unref(batch);
    return rc == DV_E_MEMORY ? rc : DV_OK;
}

static dv_rc read_sample(struct draft *draft, const char *path)
{
    FILE *file = path != NULL ? fopen(path, "rbe") : stdin;
    if (file == NULL) {
        (void)fprintf(stderr, "datavault: cannot read '%s': %s\n", path, strerror(errno));
        return DV_E_MISSING;
    }
    dv_rc rc = dv_input_lines(file, take_line, draft);
    if (path != NULL)
        (void)fclose(file);
    if (draft->progress)
        (void)fputs("\r\033[K", stderr);
    if (rc != DV_OK)
        (void)fprintf(stderr, "datavault: line %llu: %s\n", (unsigned long long)draft->line + 1, dv_rc_text(rc));
    return rc;
}

/* Whether YAML would take the name for something else than a text. */
static bool needs_quotes(const char *name)
{
    static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(name, words[i]) == 0)
            return true;
    return !((name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z') || name[0] == '_');
}

/* A share in words that a comment can hold: it tells of no single record. */
static const char *how_often(const struct draft *draft, const struct dv_inferred *field)
{
    uint64_t records = dv_infer_records(draft->infer);
    return field->present == 0             ? "never"
           : field->present == records     ? "always"
           : field->present * 2 >= records ? "mostly"
                                           : "seldom";
}

static void print_field(const struct draft *draft, const struct dv_inferred *field)
{
    const char *quote = needs_quotes(field->name) ? "\"" : "";
    (void)printf("  %s%s%s: { type: %s, class: %s%s }  # %s", quote, field->name, quote, dv_type_name(field->type),
                 dv_class_name(field->class), field->is_subject ? ", required: true" : "", field->reason);
    if (field->type_reason != NULL)
        (void)printf("; %s", field->type_reason);
    (void)printf("; there %s", how_often(draft, field));
    if (field->ranged)
        (void)printf("; lies within min: %.15g, max: %.15g", field->low, field->high);
    (void)putchar('\n');
}

static const char *subject_of(const struct draft *draft)
{
    struct dv_inferred field;
    for (uint32_t i = 0; dv_infer_field(draft->infer, i, &field); i++)
        if (field.is_subject)
            return field.name;
    return NULL;
}

static void print_left(const struct draft *draft)
{
    const struct dv_infer_left left = dv_infer_left_out(draft->infer);
    if (left.odd_names > 0)
        (void)printf("# Left out: %llu values under keys that are no names of fields (letters, digits, '_', '-', dots "
                     "between them), or that others stand in the way of. They count as direct-id.\n",
                     (unsigned long long)left.odd_names);
    if (left.too_many > 0)
        (void)printf("# Left out: %llu values of fields after the first %d. They count as direct-id.\n",
                     (unsigned long long)left.too_many, DV_INFER_FIELDS_MAX);
}

static void print_yaml(const struct draft *draft)
{
    struct dv_inferred field;
    const char *subject = subject_of(draft);
    (void)printf("# A draft from %llu records: read every line of it. Fields that are not named here fail closed, as "
                 "direct-id.\n",
                 (unsigned long long)dv_infer_records(draft->infer));
    print_left(draft);
    (void)printf("name: %s%s%s\n", needs_quotes(draft->name) ? "\"" : "", draft->name,
                 needs_quotes(draft->name) ? "\"" : "");
    if (subject != NULL)
        (void)printf("subject: %s%s%s  # the person a record is about: pseudonyms and erasure go by it\n",
                     needs_quotes(subject) ? "\"" : "", subject, needs_quotes(subject) ? "\"" : "");
    else
        (void)printf("# subject: no field was found that names the person a record is about\n");
    (void)printf("fields:\n");
    for (uint32_t i = 0; dv_infer_field(draft->infer, i, &field); i++)
        print_field(draft, &field);
}

static void put_field(struct dv_json *json, const struct dv_inferred *field)
{
    dv_json_open(json, '{');
    dv_json_key(json, "name");
    dv_json_string(json, field->name);
    dv_json_key(json, "type");
    dv_json_string(json, dv_type_name(field->type));
    dv_json_key(json, "class");
    dv_json_string(json, dv_class_name(field->class));
    dv_json_key(json, "reason");
    dv_json_string(json, field->reason);
    dv_json_key(json, "type_reason");
    dv_json_string(json, field->type_reason);
    dv_json_key(json, "present");
    dv_json_uint(json, field->present);
    dv_json_key(json, "distinct");
    dv_json_uint(json, field->distinct);
    if (field->ranged) {
        dv_json_key(json, "min");
        dv_json_float(json, field->low);
        dv_json_key(json, "max");
        dv_json_float(json, field->high);
    }
    dv_json_close(json, '}');
}

static dv_rc print_json(const struct draft *draft)
{
    enum { FIELD_BYTES = 1024 }; /* a name, reasons and four numbers */
    size_t size = (DV_INFER_FIELDS_MAX + 1) * FIELD_BYTES;
    char *buffer = dv_memory_alloc(size);
    struct dv_inferred field;
    struct dv_json json;
    if (buffer == NULL)
        return DV_E_MEMORY;
    const struct dv_infer_left left = dv_infer_left_out(draft->infer);
    dv_json_init(&json, buffer, size);
    dv_json_open(&json, '{');
    dv_json_key(&json, "name");
    dv_json_string(&json, draft->name);
    dv_json_key(&json, "subject");
    dv_json_string(&json, subject_of(draft));
    dv_json_key(&json, "records");
    dv_json_uint(&json, dv_infer_records(draft->infer));
    dv_json_key(&json, "left_out");
    dv_json_uint(&json, left.odd_names + left.too_many);
    dv_json_key(&json, "fields");
    dv_json_open(&json, '[');
    for (uint32_t i = 0; dv_infer_field(draft->infer, i, &field); i++)
        put_field(&json, &field);
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
    dv_memory_free(buffer);
    return DV_OK;
}

/* Exit 1 if lines were left aside: the draft is of the others. */
static int print_draft(const struct draft *draft)
{
    struct dv_inferred field;
    if (draft->failed > TOLD_MAX)
        (void)fprintf(stderr, "datavault: %llu lines in all are no records\n", (unsigned long long)draft->failed);
    if (!dv_infer_field(draft->infer, 0, &field)) {
        (void)fprintf(stderr, "datavault: no record with a field a schema can name; give JSON objects, one a line\n");
        return DV_EXIT_FAILED;
    }
    dv_rc rc = DV_OK;
    if (draft->json)
        rc = print_json(draft);
    else
        print_yaml(draft);
    if (rc != DV_OK)
        return dv_say_error(rc, NULL);
    return draft->failed > 0 ? DV_EXIT_FAILED : DV_EXIT_OK;
}

/* The schema's name: the file's, as far as it is one. */
static void name_after(struct draft *draft, const char *path)
{
    const char *base = path != NULL ? strrchr(path, '/') : NULL;
    base = base != NULL ? base + 1 : path != NULL ? path : "sample";
    (void)snprintf(draft->name, sizeof draft->name, "%.*s", (int)strcspn(base, "."), base);
    if (!dv_is_name(draft->name))
        (void)snprintf(draft->name, sizeof draft->name, "sample");
}

static const struct dv_command infer_command = {
    .name = "schema infer",
    .help = "examples:\n"
            "  datavault schema infer visits.jsonl > conf/schemas/visits.yaml\n"
            "  datavault schema infer --name visits < sample.jsonl\n\n"
            "usage: datavault schema infer [--name NAME] [--json] [FILE]\n\n"
            "Drafts a schema from records, one JSON object a line: types, classes and the subject key, by the names of "
            "the fields\n"
            "and by what their values are. Each line tells why. Every doubt ends with the stricter class, and what "
            "nobody knows is\n"
            "direct-id; lists and objects are not looked into. It is a draft: read it before it guards anything.\n\n"
            "  --name  name of the schema; without it the file's\n"
            "  --json  the same for machines; distinct: about how many different values there are\n",
};

int dv_schema_infer(int argc, char **argv)
{
    static const struct option options[] = { { "name", required_argument, NULL, 'n' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct draft draft = { .progress = isatty(STDERR_FILENO) != 0 };
    const char *name = NULL;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(&infer_command, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        draft.json = draft.json || option == 'j';
        name = option == 'n' ? optarg : name;
    }
    const char *path = optind < argc ? argv[optind++] : NULL;
    if (dv_no_more(&infer_command, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    if (name != NULL && !dv_is_name(name))
        return dv_usage(&infer_command, "a schema's name has at most 128 letters, digits, '_', '.' and '-'");
    name_after(&draft, name == NULL ? path : NULL);
    if (name != NULL)
        (void)snprintf(draft.name, sizeof draft.name, "%s", name);
    dv_rc rc = open_all(&draft);
    if (rc != DV_OK)
        code = dv_say_error(rc, NULL);
    else
        code = (rc = read_sample(&draft, path)) != DV_OK ? dv_rc_exit(rc) : print_draft(&draft);
    close_all(&draft);
    return code;
}

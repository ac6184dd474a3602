/* SPDX-License-Identifier: Apache-2.0
 * risk.c - `datavault risk`: how easily a person is found again in a file, as it is. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/table.h"
#include "engine/id.h"
#include "engine/json.h"
#include "privacy/kanon_table.h"
#include "privacy/risk.h"

enum { SENSITIVE_MAX = DV_TABLE_COLUMNS_MAX - DV_KANON_QUASI_MAX - 1, JSON_BYTES = 32 * 1024, EXIT_RISK = 4 };

/* What was asked, and what was found. Columns of the table: quasi-identifiers, then sensitive ones, then the subject. */
struct question {
    const char *path;
    const char *subject; /* or NULL */
    uint32_t quasi_count, sensitive_count;
    uint64_t population;
    double max_risk; /* 0: none */
    bool json;
    struct dv_table table;
    struct dv_kanon_table ranks;
    struct dv_risk risk;
    struct dv_risk_sensitive sensitive[SENSITIVE_MAX];
};

/* "a,b,c" onto the list of names; false if there are more than `most`. */
static bool take_names(struct question *question, char *text, uint32_t most, uint32_t *ret_count)
{
    char *rest = NULL;
    for (char *name = strtok_r(text, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        if (*ret_count == most)
            return false;
        question->table.names[question->table.column_count++] = name;
        ++*ret_count;
    }
    return true;
}

static const char *repeated_name(const struct dv_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(table->names[i], table->names[j]) == 0)
                return table->names[i];
    return NULL;
}

static dv_rc encode(struct question *question, uint32_t column, struct dv_kanon_column *ret)
{
    struct dv_table *table = &question->table;
    enum dv_type type = table->is_number[column] ? DV_TYPE_FLOAT : DV_TYPE_TEXT;
    return dv_kanon_encode(table->cells[column], type, table->rows, &table->arena, ret);
}

/* A missing subject is nobody. */
static dv_rc encode_subjects(struct question *question)
{
    struct dv_kanon_column column;
    if (question->subject == NULL)
        return DV_OK;
    DV_TRY(encode(question, question->table.column_count - 1, &column));
    for (uint32_t row = 0; row < question->table.rows; row++)
        if (column.missing)
            column.codes[row] = column.codes[row] == 0 ? DV_KANON_NOBODY : column.codes[row] - 1;
    question->ranks.subjects = column.codes;
    return DV_OK;
}

static dv_rc measure(struct question *question)
{
    struct dv_arena *arena = &question->table.arena;
    struct dv_risk_classes classes;
    question->ranks.rows = question->table.rows;
    question->ranks.quasi_count = question->quasi_count;
    for (uint32_t i = 0; i < question->quasi_count; i++)
        DV_TRY(encode(question, i, &question->ranks.quasi[i]));
    DV_TRY(encode_subjects(question));
    DV_TRY(dv_risk_group(&question->ranks, arena, &classes));
    question->risk = dv_risk_measure(&question->ranks, &classes, question->population);
    for (uint32_t i = 0; i < question->sensitive_count; i++) {
        struct dv_kanon_column column;
        DV_TRY(encode(question, question->quasi_count + i, &column));
        DV_TRY(dv_risk_spread(&classes, &column, question->table.rows, arena, &question->sensitive[i]));
    }
    return DV_OK;
}

static void put_uint(struct dv_json *json, const char *key, uint64_t value)
{
    dv_json_key(json, key);
    dv_json_uint(json, value);
}

static void put_float(struct dv_json *json, const char *key, double value)
{
    dv_json_key(json, key);
    dv_json_float(json, value);
}

static void put_sensitive(struct dv_json *json, const struct question *question, uint32_t index)
{
    const struct dv_risk_sensitive *found = &question->sensitive[index];
    uint32_t column = question->quasi_count + index;
    dv_json_open(json, '{');
    dv_json_key(json, "column");
    dv_json_string(json, question->table.names[column]);
    dv_json_key(json, "distance");
    dv_json_string(json, question->table.is_number[column] ? "ordered" : "equal");
    put_uint(json, "l", found->l);
    put_float(json, "entropy_l", found->entropy);
    put_float(json, "recursive_c", found->c);
    put_float(json, "t", found->t);
    dv_json_close(json, '}');
}

static void put_risk(struct dv_json *json, const struct dv_risk *risk)
{
    put_uint(json, "records", risk->records);
    put_uint(json, "subjects", risk->subjects);
    put_uint(json, "classes", risk->classes);
    put_uint(json, "k", risk->k);
    put_uint(json, "largest_class", risk->largest);
    put_float(json, "average_class", risk->average_class);
    put_uint(json, "unique", risk->unique);
    put_float(json, "uniqueness", risk->uniqueness);
    put_float(json, "prosecutor", risk->prosecutor);
    put_float(json, "prosecutor_average", risk->prosecutor_average);
    put_float(json, "journalist", risk->journalist);
    put_float(json, "marketer", risk->marketer);
    put_float(json, "discernibility", risk->discernibility);
}

static void print_json(const struct question *question)
{
    char buffer[JSON_BYTES];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    put_risk(&json, &question->risk);
    dv_json_key(&json, "sensitive");
    dv_json_open(&json, '[');
    for (uint32_t i = 0; i < question->sensitive_count; i++)
        put_sensitive(&json, question, i);
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full); /* names are checked to be short */
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static void print_text(const struct question *question)
{
    const struct dv_risk *risk = &question->risk;
    (void)printf("records      %llu, of %llu different subjects within their classes\n", (unsigned long long)risk->records,
                 (unsigned long long)risk->subjects);
    (void)printf("classes      %llu of equal quasi-identifiers, %.4g subjects on average, %llu at most\n",
                 (unsigned long long)risk->classes, risk->average_class, (unsigned long long)risk->largest);
    (void)printf("k            %llu\n", (unsigned long long)risk->k);
    (void)printf("unique       %llu (%.4g %%)\n", (unsigned long long)risk->unique, 100 * risk->uniqueness);
    (void)printf("prosecutor   %.4g at most, %.4g on average\n", risk->prosecutor, risk->prosecutor_average);
    (void)printf("journalist   %.4g at most\n", risk->journalist);
    (void)printf("marketer     %.4g\n", risk->marketer);
    for (uint32_t i = 0; i < question->sensitive_count; i++) {
        const struct dv_risk_sensitive *found = &question->sensitive[i];
        (void)printf("%-12s l %u, entropy l %.4g, recursive c above %.4g, t %.4g\n",
                     question->table.names[question->quasi_count + i], found->l, found->entropy, found->c, found->t);
    }
}

static int answer(struct question *question)
{
    struct dv_error error = { 0 };
    dv_rc rc = dv_table_read(&question->table, question->path, &error);
    if (rc == DV_OK)
        rc = measure(question);
    if (dv_is_error(rc))
        return dv_say_error(rc, error.text[0] != '\0' ? &error : NULL);
    if (question->json)
        print_json(question);
    else
        print_text(question);
    if (question->max_risk <= 0 || question->risk.prosecutor <= question->max_risk)
        return DV_EXIT_OK;
    (void)fprintf(stderr, "datavault: the highest risk is %.4g, above %.4g\n", question->risk.prosecutor, question->max_risk);
    return EXIT_RISK;
}

/* The names that came with the options become columns in the order the struct says. */
static int read_names(const struct dv_command *self, struct question *question, char *quasi, char *sensitive)
{
    if (quasi == NULL)
        return dv_usage(self, "--quasi names the columns by which a person could be known");
    if (!take_names(question, quasi, DV_KANON_QUASI_MAX, &question->quasi_count) || question->quasi_count == 0)
        return dv_usage(self, "--quasi takes 1 to %d columns", DV_KANON_QUASI_MAX);
    if (sensitive != NULL && !take_names(question, sensitive, SENSITIVE_MAX, &question->sensitive_count))
        return dv_usage(self, "--sensitive takes at most %d columns", SENSITIVE_MAX);
    if (question->subject != NULL)
        question->table.names[question->table.column_count++] = question->subject;
    const char *twice = repeated_name(&question->table);
    if (twice != NULL)
        return dv_usage(self, "column '%s' is named twice", twice);
    for (uint32_t i = 0; i < question->table.column_count; i++)
        if (strlen(question->table.names[i]) > 256)
            return dv_usage(self, "the name of a column has more than 256 bytes");
    return DV_EXIT_OK;
}

static bool parse_limit(const char *text, double least, double most, double *ret)
{
    char *end = NULL;
    *ret = strtod(text, &end);
    return end != text && *end == '\0' && *ret >= least && *ret <= most;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "quasi", required_argument, NULL, 'q' },
                                             { "sensitive", required_argument, NULL, 's' },
                                             { "subject", required_argument, NULL, 'u' },
                                             { "population", required_argument, NULL, 'p' },
                                             { "max-risk", required_argument, NULL, 'm' },
                                             { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct question question = { 0 };
    char *quasi = NULL, *sensitive = NULL;
    double population = 0;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 'q': quasi = optarg; break;
        case 's': sensitive = optarg; break;
        case 'u': question.subject = optarg; break;
        case 'j': question.json = true; break;
        case 'p':
            if (!parse_limit(optarg, 1, 1e15, &population))
                return dv_usage(self, "--population is a number of people, not '%s'", optarg);
            question.population = (uint64_t)population;
            break;
        default:
            if (!parse_limit(optarg, 1e-9, 1, &question.max_risk))
                return dv_usage(self, "--max-risk is above 0 and at most 1, not '%s'", optarg);
        }
    }
    if (optind != argc - 1)
        return dv_usage(self, optind == argc ? "which file?" : "one file at a time");
    question.path = argv[optind];
    code = read_names(self, &question, quasi, sensitive);
    if (code == DV_EXIT_OK)
        code = answer(&question);
    dv_table_free(&question.table);
    return code;
}

const struct dv_command dv_command_risk = {
    .name = "risk",
    .summary = "Tells how easily a person is found again in a file.",
    .help = "examples:\n"
            "  datavault risk patients.csv --quasi age,zip,sex --sensitive diagnosis\n"
            "  datavault risk out.jsonl --quasi age,zip --subject patient_id --max-risk 0.2 --json\n\n"
            "usage: datavault risk FILE --quasi A,B [--sensitive C,D] [--subject S] [--population N] [--max-risk R] [--json]\n\n"
            "FILE is comma-separated values with a first line of names if it ends with .csv, else JSON lines. No value is shown.\n\n"
            "  --quasi       columns by which a person could be known\n"
            "  --sensitive   columns that nobody should learn about a person: l-diversity and t-closeness\n"
            "  --subject     who a record is about; without it each record is another subject\n"
            "  --population  how many people the file is a sample of, for the journalist's and the marketer's risk\n"
            "  --max-risk    exit code 4 if the prosecutor's highest risk, 1/k, is above it\n",
    .run = run,
};

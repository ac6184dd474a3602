/* SPDX-License-Identifier: Apache-2.0
 * score_print.c - scores as a table and as JSON. */
#include <math.h>
#include <stdio.h>

#include "cli/score.h"
#include "engine/json.h"
#include "engine/memory.h"

/* Precision and recall, and what is made of them; NAN: there is nothing to tell. */
struct rates {
    double precision, recall, f1, f2;
};

/* A row of the table: one type, or all. */
struct row {
    uint64_t marked;
    struct rates strict, overlap, typed;
    double leak, covered;
};

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : (double)NAN;
}

static double known(double number)
{
    return isnan(number) ? 0.0 : number;
}

static double f_measure(double precision, double recall, double square)
{
    return precision + recall != 0.0 ? (1.0 + square) * precision * recall / (square * precision + recall) : 0.0;
}

static struct rates rates(uint64_t hit, uint64_t marked, uint64_t right, uint64_t found)
{
    struct rates result = { .precision = share(right, found), .recall = share(hit, marked), .f1 = (double)NAN, .f2 = (double)NAN };
    if (marked == 0 && found == 0)
        return result;
    result.f1 = f_measure(known(result.precision), known(result.recall), 1.0);
    result.f2 = f_measure(known(result.precision), known(result.recall), 4.0);
    return result;
}

static struct dv_score_type total(const struct dv_score *score)
{
    struct dv_score_type all = { 0 };
    for (size_t i = 0; i < DV_SCORE_TYPES; i++)
        dv_score_add_type(&all, &score->types[i]);
    return all;
}

static struct row row_of(const struct dv_score_type *type)
{
    return (struct row){
        .marked = type->marked,
        .strict = rates(type->strict, type->marked, type->found_strict, type->found),
        .overlap = rates(type->overlap, type->marked, type->found_overlap, type->found),
        .typed = rates(type->chars_typed, type->chars, type->chars_typed, type->chars_found),
        .leak = 1 - share(type->chars_covered, type->chars),
        .covered = share(type->covered, type->marked),
    };
}

static double accuracy(const struct dv_score *score)
{
    return share(score->covered + score->others - score->over, score->personal + score->others);
}

static void print_percent(double number, const char *behind)
{
    if (isnan(number))
        (void)printf("   -  %s", behind);
    else
        (void)printf("%6.2f%s", 100 * number, behind);
}

static void print_rates(const struct rates *rates)
{
    print_percent(rates->precision, " ");
    print_percent(rates->recall, " ");
    print_percent(rates->f1, " ");
    print_percent(rates->f2, " | ");
}

static void print_row(const char *name, const struct row *row)
{
    (void)printf("   %-12s %5llu | ", name, (unsigned long long)row->marked);
    print_rates(&row->strict);
    print_rates(&row->overlap);
    print_percent(row->typed.f1, " | ");
    print_percent(row->covered, " ");
    print_percent(row->leak, "\n");
}

static void print_source(const struct dv_score_source *source)
{
    const struct dv_score_type all = total(&source->score);
    const struct row row = row_of(&all);
    (void)printf("   %-16s %6llu  ", source->name, (unsigned long long)all.marked);
    print_percent(row.leak, " ");
    print_percent(share(source->score.over, source->score.others), "  ");
    print_percent(row.covered, "   ");
    print_percent(share(source->score.docs_personal_clean, source->score.docs_personal), "          ");
    print_percent(row.overlap.f1, "     ");
    print_percent(row.strict.f1, "\n");
}

static bool is_shown(const struct dv_score_type *type)
{
    return type->marked > 0 || type->found > 0;
}

void dv_score_print(const struct dv_score *score, const char *name, const struct dv_score_source *sources, size_t source_count)
{
    const struct dv_score_type all = total(score);
    struct row row = row_of(&all);
    (void)printf("== %s: docs %llu  gold spans %llu  pred %llu\n   leak rate ", name, (unsigned long long)score->docs,
                 (unsigned long long)all.marked, (unsigned long long)all.found);
    print_percent(row.leak, "%  over-redaction ");
    print_percent(share(score->over, score->others), "%  spans fully covered ");
    print_percent(row.covered, "%  PII docs leak-free ");
    print_percent(share(score->docs_personal_clean, score->docs_personal), "%  char accuracy ");
    print_percent(accuracy(score), "%\n");
    (void)printf("   type             n | strict P     R     F1    F2 | overlap P    R     F1    F2 | char F1 | covered  leak\n");
    print_row("ALL", &row);
    for (int i = 0; i < DV_SCORE_TYPES; i++) {
        row = row_of(&score->types[i]);
        if (is_shown(&score->types[i]))
            print_row(dv_score_type(i), &row);
    }
    (void)printf("   by source:        spans   leak%%  over%%  covered%%  leak-free docs%%  overlap F1  strict F1\n");
    for (size_t i = 0; i < source_count; i++)
        print_source(&sources[i]);
}

static void put_number(struct dv_json *json, const char *key, double number)
{
    dv_json_key(json, key);
    dv_json_float(json, number);
}

static void put_count(struct dv_json *json, const char *key, uint64_t count)
{
    dv_json_key(json, key);
    dv_json_uint(json, count);
}

static void put_rates(struct dv_json *json, const char *key, const struct rates *rates, uint64_t marked)
{
    dv_json_key(json, key);
    dv_json_open(json, '{');
    put_number(json, "p", rates->precision);
    put_number(json, "r", rates->recall);
    put_number(json, "f1", rates->f1);
    put_number(json, "f2", rates->f2);
    put_count(json, "n", marked);
    dv_json_close(json, '}');
}

static void put_types(struct dv_json *json, const struct dv_score *score)
{
    dv_json_key(json, "types");
    dv_json_open(json, '{');
    for (int i = 0; i < DV_SCORE_TYPES; i++) {
        const struct dv_score_type *type = &score->types[i];
        const struct row row = row_of(type);
        if (!is_shown(type))
            continue;
        dv_json_key(json, dv_score_type(i));
        dv_json_open(json, '{');
        put_count(json, "n", type->marked);
        put_rates(json, "strict", &row.strict, type->marked);
        put_rates(json, "overlap", &row.overlap, type->marked);
        put_rates(json, "char", &row.typed, type->chars);
        put_number(json, "leak_rate", row.leak);
        put_number(json, "fully_covered", row.covered);
        dv_json_close(json, '}');
    }
    dv_json_close(json, '}');
}

/* The members of a score's object. */
static void put_score(struct dv_json *json, const struct dv_score *score)
{
    const struct dv_score_type all = total(score);
    const struct row row = row_of(&all);
    const struct rates any = rates(all.covered, all.marked, all.found_any, all.found);
    put_count(json, "docs", score->docs);
    put_count(json, "gold_spans", all.marked);
    put_count(json, "pred_spans", all.found);
    put_count(json, "pii_chars", score->personal);
    put_count(json, "chars", score->chars);
    put_number(json, "leak_rate", row.leak);
    put_number(json, "over_redaction", share(score->over, score->others));
    put_number(json, "char_accuracy", accuracy(score));
    put_number(json, "spans_fully_covered", row.covered);
    put_number(json, "docs_leak_free", share(score->docs_personal_clean, score->docs_personal));
    put_rates(json, "strict", &row.strict, all.marked);
    put_rates(json, "overlap", &row.overlap, all.marked);
    put_rates(json, "char_typed", &row.typed, score->personal);
    put_rates(json, "anytype", &any, all.marked);
    put_types(json, score);
}

/* A source's name is text from outside: it is escaped, as a key must be. */
static void put_source(struct dv_json *json, const struct dv_score_source *source)
{
    char buffer[DV_SCORE_NAME_BYTES * 6 + 2];
    struct dv_json name;
    dv_json_init(&name, buffer, sizeof buffer);
    dv_json_string(&name, source->name);
    buffer[dv_json_length(&name) - 1] = '\0';
    dv_json_key(json, buffer + 1);
    dv_json_open(json, '{');
    put_score(json, &source->score);
    dv_json_close(json, '}');
}

dv_rc dv_score_print_json(const struct dv_score *score, uint64_t missing, const struct dv_score_source *sources, size_t source_count)
{
    enum { SCORE_BYTES = 32 * 1024 };
    size_t size = (source_count + 1) * SCORE_BYTES;
    char *buffer = dv_memory_alloc(size);
    if (buffer == NULL)
        return DV_E_MEMORY;
    struct dv_json json;
    dv_json_init(&json, buffer, size);
    dv_json_open(&json, '{');
    put_score(&json, score);
    put_count(&json, "missing_docs", missing);
    dv_json_key(&json, "sources");
    dv_json_open(&json, '{');
    for (size_t i = 0; i < source_count; i++)
        put_source(&json, &sources[i]);
    dv_json_close(&json, '}');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    (void)fwrite(buffer, 1, dv_json_length(&json), stdout);
    (void)putchar('\n');
    dv_memory_free(buffer);
    return DV_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * score.c - what was found beside what is marked, letter by letter and mark by mark. */
#include "cli/score.h"

#include <stdlib.h>

#include "engine/memory.h"

/* What is known of each letter of a document. Types are numbers from 1; 0: none. */
struct letter {
    uint16_t gold_types, found_types; /* bits 1u << core, of what counts mark by mark */
    uint8_t gold, found;              /* the type it counts for */
    bool neutral, counts;
};

/* A document while it is counted. */
struct sheet {
    const struct dv_letters *text;
    struct letter *letters;
    struct dv_marks gold, found; /* tidy, of types that are scored */
    struct dv_score *score;
};

static void mark_letters(struct sheet *sheet)
{
    for (uint32_t i = 0; i < sheet->text->count; i++)
        sheet->letters[i].counts = dv_is_letter_or_digit(sheet->text->codes[i]);
    for (size_t i = 0; i < sheet->gold.count; i++)
        for (int64_t at = sheet->gold.items[i].start; at < sheet->gold.items[i].end; at++) {
            sheet->letters[at].gold = (uint8_t)(sheet->gold.items[i].core + 1);
            sheet->letters[at].gold_types |= (uint16_t)(1u << sheet->gold.items[i].core);
        }
    for (size_t i = 0; i < sheet->found.count; i++)
        for (int64_t at = sheet->found.items[i].start; at < sheet->found.items[i].end; at++) {
            struct letter *letter = &sheet->letters[at];
            uint8_t type = (uint8_t)(sheet->found.items[i].core + 1);
            letter->found = letter->found == 0 || letter->gold == type ? type : letter->found;
        }
}

/* Tidies the gold, marks what is neutral and takes it out. */
static void set_gold(struct sheet *sheet, struct dv_marks gold)
{
    gold.count = dv_marks_tidy(sheet->text, gold.items, gold.count);
    for (size_t i = 0; i < gold.count; i++)
        for (int64_t at = gold.items[i].start; gold.items[i].core == DV_SCORE_NONE && at < gold.items[i].end; at++)
            sheet->letters[at].neutral = true;
    gold.count = dv_marks_scored(gold.items, gold.count);
    sheet->gold = gold;
}

static void set_found(struct sheet *sheet, struct dv_marks found)
{
    found.count = dv_marks_scored(found.items, found.count);
    found.count = dv_marks_best(found.items, found.count);
    found.count = dv_marks_tidy(sheet->text, found.items, found.count);
    found.count = dv_marks_outer(found.items, found.count);
    sheet->found = found;
}

static void count_personal(struct dv_score *score, const struct letter *letter, uint64_t *leaked)
{
    struct dv_score_type *type = &score->types[letter->gold - 1];
    score->personal++;
    type->chars++;
    if (letter->found == 0) {
        (*leaked)++;
        return;
    }
    score->covered++;
    type->chars_covered++;
    type->chars_typed += letter->found == letter->gold;
}

static void count_letters(struct sheet *sheet)
{
    struct dv_score *score = sheet->score;
    uint64_t leaked = 0;
    for (uint32_t i = 0; i < sheet->text->count; i++) {
        const struct letter *letter = &sheet->letters[i];
        if (!letter->counts)
            continue;
        score->chars++;
        if (letter->gold != 0)
            count_personal(score, letter, &leaked);
        else if (!letter->neutral) {
            score->others++;
            score->over += letter->found != 0;
            if (letter->found != 0)
                score->types[letter->found - 1].chars_over++;
        }
        if (letter->found != 0 && !letter->neutral)
            score->types[letter->found - 1].chars_found++;
    }
    score->docs++;
    score->docs_personal += sheet->gold.count > 0;
    score->docs_personal_clean += sheet->gold.count > 0 && leaked == 0;
}

/* The types of the gold that a mark touches. */
static uint16_t gold_under(const struct sheet *sheet, const struct dv_mark *mark)
{
    uint16_t types = 0;
    for (int64_t at = mark->start; at < mark->end; at++)
        types |= sheet->letters[at].gold_types;
    return types;
}

/* Takes out what was found mostly in neutral places and touches no gold. */
static void drop_neutral(struct sheet *sheet)
{
    size_t kept = 0;
    for (size_t i = 0; i < sheet->found.count; i++) {
        const struct dv_mark *mark = &sheet->found.items[i];
        int64_t neutral = 0;
        for (int64_t at = mark->start; at < mark->end; at++)
            neutral += sheet->letters[at].neutral;
        if (neutral * 2 < mark->end - mark->start || gold_under(sheet, mark) != 0)
            sheet->found.items[kept++] = *mark;
    }
    sheet->found.count = kept;
    for (size_t i = 0; i < kept; i++)
        for (int64_t at = sheet->found.items[i].start; at < sheet->found.items[i].end; at++)
            sheet->letters[at].found_types |= (uint16_t)(1u << sheet->found.items[i].core);
}

static bool has(const struct dv_marks *marks, const struct dv_mark *mark)
{
    return marks->count > 0 && bsearch(mark, marks->items, marks->count, sizeof *mark, dv_mark_compare) != NULL;
}

static void count_gold(const struct sheet *sheet, const struct dv_mark *mark)
{
    struct dv_score_type *type = &sheet->score->types[mark->core];
    uint16_t under = 0;
    bool covered = true;
    for (int64_t at = mark->start; at < mark->end; at++) {
        const struct letter *letter = &sheet->letters[at];
        under |= letter->found_types;
        covered = covered && (letter->found != 0 || !letter->counts);
    }
    type->marked++;
    type->strict += has(&sheet->found, mark);
    type->overlap += (under & 1u << mark->core) != 0;
    type->covered += covered;
}

static void count_found(const struct sheet *sheet, const struct dv_mark *mark)
{
    struct dv_score_type *type = &sheet->score->types[mark->core];
    uint16_t under = gold_under(sheet, mark);
    type->found++;
    type->found_strict += has(&sheet->gold, mark);
    type->found_overlap += (under & 1u << mark->core) != 0;
    type->found_any += under != 0;
}

void dv_score_add_type(struct dv_score_type *all, const struct dv_score_type *more)
{
    all->marked += more->marked;
    all->strict += more->strict;
    all->overlap += more->overlap;
    all->covered += more->covered;
    all->found += more->found;
    all->found_strict += more->found_strict;
    all->found_overlap += more->found_overlap;
    all->found_any += more->found_any;
    all->chars += more->chars;
    all->chars_covered += more->chars_covered;
    all->chars_typed += more->chars_typed;
    all->chars_over += more->chars_over;
    all->chars_found += more->chars_found;
}

static void add_score(struct dv_score *all, const struct dv_score *more)
{
    all->docs += more->docs;
    all->docs_personal += more->docs_personal;
    all->docs_personal_clean += more->docs_personal_clean;
    all->chars += more->chars;
    all->personal += more->personal;
    all->covered += more->covered;
    all->others += more->others;
    all->over += more->over;
    for (size_t i = 0; i < DV_SCORE_TYPES; i++)
        dv_score_add_type(&all->types[i], &more->types[i]);
}

dv_rc dv_score_add(struct dv_score *all, struct dv_score *source, const struct dv_letters *text, struct dv_marks gold,
                   struct dv_marks found)
{
    struct dv_score score = { 0 };
    struct sheet sheet = { .text = text, .score = &score, .letters = dv_memory_zeroed(text->count + 1u, sizeof *sheet.letters) };
    if (sheet.letters == NULL)
        return DV_E_MEMORY;
    set_gold(&sheet, gold);
    set_found(&sheet, found);
    mark_letters(&sheet);
    count_letters(&sheet);
    drop_neutral(&sheet);
    for (size_t i = 0; i < sheet.gold.count; i++)
        count_gold(&sheet, &sheet.gold.items[i]);
    for (size_t i = 0; i < sheet.found.count; i++)
        count_found(&sheet, &sheet.found.items[i]);
    dv_memory_free(sheet.letters);
    add_score(all, &score);
    add_score(source, &score);
    return DV_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * detect_score.c - scores what is found in marked texts. Two files at most are read: texts, and the answers of somebody else. */
#include "cli/detect_score.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/lines.h"
#include "cli/score.h"
#include "cli/score_read.h"
#include "engine/memory.h"
#include "privacy/finder.h"
#include "privacy/unicode.h"

enum { SOURCES_MAX = 256, SPANS_MAX = 65536, ANSWERS_BYTES_MAX = 1 << 30 };

/* The marks that somebody else found in the text of this id. */
struct answer {
    struct answer *next;
    const char *id;
    uint32_t id_length;
    uint64_t line;
    struct dv_marks marks;
};

/* All that a run needs. */
struct scorer {
    const struct dv_score_work *work;
    const char *path; /* of the file that is read */
    uint64_t line, failed, missing;
    struct dv_score_reader reader;
    struct dv_span *spans; /* room for what the finder finds */
    struct dv_arena answers_arena;
    struct answer *first;
    struct answer **answers; /* sorted by id */
    size_t answer_count;
    struct dv_score all;
    struct dv_score_source *sources;
    size_t source_count;
};

static int compare_ids(const struct answer *a, const struct answer *b)
{
    uint32_t length = a->id_length < b->id_length ? a->id_length : b->id_length;
    int order = memcmp(a->id, b->id, length);
    return order != 0 ? order : (a->id_length > b->id_length) - (a->id_length < b->id_length);
}

/* Of two answers for one id the later stands first. */
static int compare_answers(const void *a, const void *b)
{
    const struct answer *left = *(const struct answer *const *)a, *right = *(const struct answer *const *)b;
    int order = compare_ids(left, right);
    return order != 0 ? order : (left->line < right->line) - (left->line > right->line);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct dv_score_source *)a)->name, ((const struct dv_score_source *)b)->name);
}

/* The score of a source's documents, or NULL when there are too many sources. */
static struct dv_score *score_of(struct scorer *scorer, const struct dv_cell *source)
{
    char name[DV_SCORE_NAME_BYTES];
    (void)snprintf(name, sizeof name, "%.*s", source->present ? (int)source->length : 1, source->present ? source->text : "?");
    for (size_t i = 0; i < scorer->source_count; i++)
        if (strcmp(scorer->sources[i].name, name) == 0)
            return &scorer->sources[i].score;
    if (scorer->source_count == SOURCES_MAX)
        return NULL;
    struct dv_score_source *added = &scorer->sources[scorer->source_count++];
    memcpy(added->name, name, sizeof name);
    return &added->score;
}

static struct dv_letters decode(struct dv_arena *arena, const struct dv_cell *text)
{
    uint32_t *codes = dv_arena_alloc(arena, ((size_t)text->length + 1) * sizeof *codes);
    struct dv_letters letters = { .codes = codes };
    for (uint32_t at = 0, used = 0; codes != NULL && at < text->length; at += used)
        codes[letters.count++] = dv_char_decode((const unsigned char *)text->text + at, text->length - at, &used);
    return letters;
}

/* How many code points the bytes from..to begin. */
static uint32_t code_points(const char *text, uint32_t from, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t at = from; at < to; at++)
        count += ((unsigned char)text[at] & 0xC0) != 0x80;
    return count;
}

static dv_rc find(struct scorer *scorer, const struct dv_score_line *line, struct dv_marks *ret_found)
{
    const struct dv_cell *text = line->text;
    size_t count = dv_find(scorer->work->finder, text->text, text->length, scorer->spans, SPANS_MAX);
    struct dv_mark *marks = dv_arena_zeroed(&line->batch->arena, count + 1, sizeof *marks);
    if (marks == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0, at = 0, points = 0; i < count; i++) {
        const struct dv_span *span = &scorer->spans[i];
        marks[i].start = points + code_points(text->text, at, span->start);
        marks[i].end = marks[i].start + code_points(text->text, span->start, span->end);
        marks[i].score = span->score / 1000.0;
        marks[i].order = i;
        dv_mark_name(&marks[i], dv_span_name(span));
        points = (uint32_t)marks[i].end;
        at = span->end;
    }
    *ret_found = (struct dv_marks){ marks, count };
    return DV_OK;
}

/* What somebody else found: a copy, for the scoring changes it. */
static dv_rc look_up(struct scorer *scorer, const struct dv_score_line *line, struct dv_marks *ret_found)
{
    const struct answer key = { .id = line->id->text, .id_length = line->id->length };
    size_t from = 0, to = scorer->answer_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_ids(scorer->answers[middle], &key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    bool known = from < scorer->answer_count && compare_ids(scorer->answers[from], &key) == 0;
    scorer->missing += !known;
    *ret_found = (struct dv_marks){ line->marks, 0 };
    if (!known)
        return DV_OK;
    const struct dv_marks *marks = &scorer->answers[from]->marks;
    *ret_found = (struct dv_marks){ dv_arena_zeroed(&line->batch->arena, marks->count + 1, sizeof *marks->items), marks->count };
    if (ret_found->items == NULL)
        return DV_E_MEMORY;
    memcpy(ret_found->items, marks->items, marks->count * sizeof *marks->items);
    return DV_OK;
}

static dv_rc score_line(struct scorer *scorer, const struct dv_score_line *line, const char **ret_reason)
{
    struct dv_marks found;
    *ret_reason = "there is no \"text\"";
    if (!line->text->present)
        return DV_E_DATA;
    struct dv_score *source = score_of(scorer, line->source);
    *ret_reason = "more than 256 sources";
    if (source == NULL)
        return DV_E_DATA;
    const struct dv_letters letters = decode(&line->batch->arena, line->text);
    if (letters.codes == NULL)
        return DV_E_MEMORY;
    DV_TRY(scorer->work->spans != NULL ? look_up(scorer, line, &found) : find(scorer, line, &found));
    return dv_score_add(&scorer->all, source, &letters, (struct dv_marks){ line->marks, line->count }, found);
}

static dv_rc keep_answer(struct scorer *scorer, const struct dv_score_line *line, const char **ret_reason)
{
    struct dv_arena *arena = &scorer->answers_arena;
    struct answer *answer = dv_arena_alloc(arena, sizeof *answer);
    const char *id = dv_arena_copy(arena, line->id->text, line->id->length);
    struct dv_mark *marks = dv_arena_zeroed(arena, line->count + 1, sizeof *marks);
    *ret_reason = "no memory";
    if (answer == NULL || id == NULL || marks == NULL)
        return DV_E_MEMORY;
    for (size_t i = 0; i < line->count; i++) {
        marks[i] = line->marks[i];
        const char *type = marks[i].core == DV_SCORE_NONE ? "" : marks[i].type; /* others are not scored */
        marks[i].type = type;
    }
    *answer = (struct answer){ .next = scorer->first, .id = id, .id_length = line->id->length, .line = scorer->line,
                               .marks = { marks, line->count } };
    scorer->first = answer;
    scorer->answer_count++;
    return DV_OK;
}

/* A line that is wrong is told and counted, and the rest goes on. */
static dv_rc take_line(struct scorer *scorer, const char *text, size_t length,
                       dv_rc (*use)(struct scorer *, const struct dv_score_line *, const char **))
{
    struct dv_score_line line;
    const char *reason = NULL;
    scorer->line++;
    if (length == 0)
        return DV_OK;
    dv_rc rc = dv_score_read(&scorer->reader, text, length, &line, &reason);
    if (rc == DV_OK) {
        rc = use(scorer, &line, &reason);
        dv_batch_unref(line.batch);
    }
    if (rc == DV_OK || rc == DV_E_MEMORY)
        return rc;
    scorer->failed++;
    (void)fprintf(stderr, "datavault: %s:%llu: %s\n", scorer->path, (unsigned long long)scorer->line, reason);
    return DV_OK;
}

static dv_rc take_gold(void *context, const char *text, size_t length)
{
    return take_line(context, text, length, score_line);
}

static dv_rc take_answer(void *context, const char *text, size_t length)
{
    return take_line(context, text, length, keep_answer);
}

static dv_rc read_file(struct scorer *scorer, const char *path, dv_take_line *take)
{
    scorer->path = path;
    scorer->line = 0;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        (void)fprintf(stderr, "datavault: cannot read '%s': %s\n", path, strerror(errno));
        return DV_E_MISSING;
    }
    dv_rc rc = dv_input_lines(file, take, scorer);
    (void)fclose(file);
    if (rc != DV_OK)
        (void)fprintf(stderr, "datavault: %s:%llu: %s\n", path, (unsigned long long)scorer->line + 1, dv_rc_text(rc));
    return rc;
}

static dv_rc sort_answers(struct scorer *scorer)
{
    scorer->answers = dv_memory_zeroed(scorer->answer_count + 1, sizeof *scorer->answers);
    if (scorer->answers == NULL)
        return DV_E_MEMORY;
    size_t count = 0;
    for (struct answer *answer = scorer->first; answer != NULL; answer = answer->next)
        scorer->answers[count++] = answer;
    qsort(scorer->answers, count, sizeof(struct answer *), compare_answers);
    return DV_OK;
}

static dv_rc open_all(struct scorer *scorer)
{
    dv_arena_init(&scorer->answers_arena, ANSWERS_BYTES_MAX);
    scorer->spans = dv_memory_zeroed(SPANS_MAX, sizeof *scorer->spans);
    scorer->sources = dv_memory_zeroed(SOURCES_MAX, sizeof *scorer->sources);
    DV_TRY(dv_score_reader_open(&scorer->reader));
    return scorer->spans != NULL && scorer->sources != NULL ? DV_OK : DV_E_MEMORY;
}

static void close_all(struct scorer *scorer)
{
    dv_score_reader_close(&scorer->reader);
    dv_memory_free(scorer->spans);
    dv_memory_free(scorer->sources);
    dv_memory_free(scorer->answers);
    dv_arena_free(&scorer->answers_arena);
}

static dv_rc print(struct scorer *scorer)
{
    const struct dv_score_work *work = scorer->work;
    qsort(scorer->sources, scorer->source_count, sizeof *scorer->sources, compare_names);
    if (work->json)
        return dv_score_print_json(&scorer->all, scorer->missing, scorer->sources, scorer->source_count);
    if (scorer->missing > 0)
        (void)printf("!! %llu documents have no prediction\n", (unsigned long long)scorer->missing);
    dv_score_print(&scorer->all, work->spans != NULL ? work->spans : "datavault", scorer->sources, scorer->source_count);
    return DV_OK;
}

int dv_detect_score(const struct dv_score_work *work)
{
    struct scorer scorer = { .work = work };
    dv_rc rc = open_all(&scorer);
    if (rc != DV_OK)
        (void)dv_say_error(rc, NULL);
    if (rc == DV_OK && work->spans != NULL)
        rc = read_file(&scorer, work->spans, take_answer);
    if (rc == DV_OK)
        rc = sort_answers(&scorer);
    if (rc == DV_OK)
        rc = read_file(&scorer, work->gold, take_gold);
    if (rc == DV_OK)
        rc = print(&scorer);
    close_all(&scorer);
    if (rc != DV_OK)
        return dv_rc_exit(rc);
    return scorer.failed > 0 ? DV_EXIT_FAILED : DV_EXIT_OK;
}

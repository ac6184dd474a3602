/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake_read.c - what statements about vectors say: rows of texts become hits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/vectors_fuse.h"
#include "connectors/vectors_snowflake.h"
#include "connectors/vectors_snowflake_sql.h"
#include "connectors/vectors_snowflake_work.h"
#include "engine/id.h"

enum { NUMBER_MAX = 64 };

/* ---- cells ---- */

static bool number_text(struct dv_snowflake_text cell, char out[NUMBER_MAX])
{
    if (cell.at == NULL || cell.length == 0 || cell.length >= NUMBER_MAX)
        return false;
    memcpy(out, cell.at, cell.length);
    out[cell.length] = '\0';
    return true;
}

static bool read_int(struct dv_snowflake_text cell, int64_t *ret)
{
    char text[NUMBER_MAX], *end = NULL;
    if (!number_text(cell, text))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *ret = value;
    return errno == 0 && *end == '\0';
}

static bool read_float(struct dv_snowflake_text cell, double *ret)
{
    char text[NUMBER_MAX], *end = NULL;
    if (!number_text(cell, text))
        return false;
    *ret = strtod(text, &end);
    return *end == '\0';
}

static bool read_rank(struct dv_snowflake_text cell, uint32_t *ret)
{
    int64_t rank = 0;
    bool is = read_int(cell, &rank) && rank >= 0 && rank <= DV_VECTORS_SNOWFLAKE_RANKED;
    *ret = (uint32_t)rank;
    return is;
}

static bool read_text(struct dv_vectors_snowflake_work *work, struct dv_snowflake_text cell, struct dv_store_bytes *ret)
{
    *ret = (struct dv_store_bytes){ 0 };
    if (cell.at == NULL)
        return true;
    *ret = (struct dv_store_bytes){ dv_arena_copy(&work->arena, cell.at, cell.length), cell.length };
    work->starved = work->starved || ret->at == NULL;
    return ret->at != NULL;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct dv_vectors_snowflake_work *work, struct dv_snowflake_text cell, struct dv_store_bytes *ret)
{
    *ret = (struct dv_store_bytes){ 0 };
    if (cell.at == NULL)
        return true;
    char *bytes = dv_arena_text(&work->arena, cell.length / 2 + 1);
    work->starved = work->starved || bytes == NULL;
    bool sound = bytes != NULL && cell.length % 2 == 0;
    for (size_t i = 0; sound && i < cell.length; i += 2) {
        int high = digit_of(cell.at[i]), low = digit_of(cell.at[i + 1]);
        sound = high >= 0 && low >= 0;
        bytes[i / 2] = (char)(sound ? high * 16 + low : 0);
    }
    *ret = (struct dv_store_bytes){ bytes, cell.length / 2 };
    return sound;
}

/* ---- rows ---- */

void dv_vectors_snowflake_take_numbers(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_vectors_snowflake_work *work = statement->data;
    work->answered = true;
    work->spoilt = work->spoilt || count > 2;
    for (uint32_t i = 0; i < count && i < 2; i++)
        work->spoilt = work->spoilt || !read_int(cells[i], &work->told[i]);
}

/* As many as were asked for at most. */
void dv_vectors_snowflake_take_id(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_vectors_snowflake_work *work = statement->data;
    struct dv_vectors_request *ids = work->request;
    bool fits = !work->spoilt && count == 1 && cells[0].at != NULL && ids->total < DV_VECTORS_IDS_MAX;
    work->spoilt = !fits || !dv_id_parse(cells[0].at, cells[0].length, ids->ids[ids->total]);
    ids->total += !work->spoilt;
}

static bool is_there(const struct dv_vectors_snowflake_work *work, const uint8_t id[DV_STORE_ID_BYTES])
{
    for (uint32_t i = 0; i < work->found_count; i++)
        if (memcmp(work->found[i].hit.row.id, id, DV_STORE_ID_BYTES) == 0)
            return true;
    return false;
}

static bool read_found(struct dv_vectors_snowflake_work *work, const struct dv_snowflake_text *cells, struct dv_vectors_snowflake_found *found)
{
    struct dv_vectors_hit *hit = &found->hit;
    struct dv_vectors_row *row = &hit->row;
    int64_t subjects = 0;
    *found = (struct dv_vectors_snowflake_found){ .hit = { .row = { .tenant = work->request->query.tenant } } };
    hit->compared = cells[COL_COSINE].at != NULL;
    bool sound = dv_id_parse(cells[COL_ID].at, cells[COL_ID].length, row->id) && read_text(work, cells[COL_SCHEMA], &row->schema) &&
                 read_int(cells[COL_CREATED], &row->created_ms) && read_text(work, cells[COL_BODY], &row->text) &&
                 read_hex(work, cells[COL_SUBJECT], &row->subject_ref) && read_int(cells[COL_SUBJECTS], &subjects) &&
                 read_hex(work, cells[COL_HASH], &row->hash) && (!hit->compared || read_float(cells[COL_COSINE], &hit->cosine)) &&
                 read_rank(cells[COL_NEAR], &found->near_rank) && read_rank(cells[COL_SAID], &found->word_rank);
    row->subjects = (uint32_t)subjects;
    return sound && subjects >= 0 && subjects <= UINT32_MAX;
}

/* Each text comes once, however often it stands there: if not, the first counts. */
void dv_vectors_snowflake_take_hit(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_vectors_snowflake_work *work = statement->data;
    work->answered = true;
    if (count != COLUMNS || !read_int(cells[COL_OTHERS], &work->told[0]) || !read_int(cells[COL_FITTING], &work->told[1])) {
        work->spoilt = true;
        return;
    }
    if (work->spoilt || cells[COL_ID].at == NULL)
        return;
    struct dv_vectors_snowflake_found found;
    if (!read_found(work, cells, &found) || work->found_count == DV_VECTORS_SNOWFLAKE_ROWS)
        work->spoilt = true;
    else if (!is_there(work, found.hit.row.id))
        work->found[work->found_count++] = found;
}

/* ---- ranks ---- */

/* The indexes of what has a rank, in its order. */
static size_t list_by(const struct dv_vectors_snowflake_work *work, bool near, int64_t list[DV_VECTORS_SNOWFLAKE_RANKED])
{
    int64_t at[DV_VECTORS_SNOWFLAKE_RANKED + 1];
    size_t count = 0;
    for (size_t i = 0; i <= DV_VECTORS_SNOWFLAKE_RANKED; i++)
        at[i] = -1;
    for (uint32_t i = 0; i < work->found_count; i++)
        at[near ? work->found[i].near_rank : work->found[i].word_rank] = i;
    for (size_t rank = 1; rank <= DV_VECTORS_SNOWFLAKE_RANKED; rank++)
        if (at[rank] >= 0)
            list[count++] = at[rank];
    return count;
}

void dv_vectors_snowflake_join(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_request *search = work->request;
    const struct dv_vectors_query *query = &search->query;
    int64_t near[DV_VECTORS_SNOWFLAKE_RANKED], words[DV_VECTORS_SNOWFLAKE_RANKED];
    struct dv_fused fused[DV_FUSED_MAX];
    search->lexical = query->vector.at == NULL || work->told[1] == 0;
    size_t near_count = list_by(work, true, near), words_count = list_by(work, false, words);
    size_t count = dv_vectors_fuse(near, near_count, words, words_count, search->lexical ? 1 : 2, fused);
    search->total = 0;
    for (size_t i = 0; i < count && search->total < query->top; i++) {
        struct dv_vectors_hit hit = work->found[fused[i].number].hit;
        hit.lexical_rank = fused[i].lexical_rank;
        hit.score = fused[i].score;
        if (!hit.compared || hit.cosine >= query->floor)
            work->place->hits[search->total++] = hit;
    }
    search->hits = work->place->hits;
}

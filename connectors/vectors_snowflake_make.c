/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake_make.c - the statements of requests to vectors in Snowflake. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "connectors/vectors_snowflake.h"
#include "connectors/vectors_snowflake_sql.h"
#include "connectors/vectors_snowflake_work.h"
#include "engine/id.h"

/* ---- values ---- */

static void add(struct dv_vectors_snowflake_work *work, struct dv_snowflake_text text)
{
    uint32_t at = work->statement.bind_count++;
    DV_ASSERT(at < DV_VECTORS_SNOWFLAKE_BINDS);
    work->binds[at] = (struct dv_snowflake_bind){ .value = text };
}

static void add_bytes(struct dv_vectors_snowflake_work *work, struct dv_store_bytes bytes)
{
    add(work, (struct dv_snowflake_text){ bytes.at, bytes.length });
}

static void add_number(struct dv_vectors_snowflake_work *work, const char *type, int length)
{
    uint32_t at = work->statement.bind_count;
    DV_ASSERT(length > 0 && length < DV_VECTORS_SNOWFLAKE_NUMBER);
    add(work, (struct dv_snowflake_text){ work->numbers[at], (size_t)length });
    work->binds[at].type = type;
}

static void add_int(struct dv_vectors_snowflake_work *work, int64_t number)
{
    char *to = work->numbers[work->statement.bind_count];
    add_number(work, "FIXED", snprintf(to, DV_VECTORS_SNOWFLAKE_NUMBER, "%" PRId64, number));
}

static void add_float(struct dv_vectors_snowflake_work *work, double number)
{
    char *to = work->numbers[work->statement.bind_count];
    add_number(work, "REAL", snprintf(to, DV_VECTORS_SNOWFLAKE_NUMBER, "%.9g", number));
}

/* A text that was made for it; false: there was no memory. */
static bool add_made(struct dv_vectors_snowflake_work *work, struct dv_snowflake_text text)
{
    add(work, text);
    return text.at != NULL;
}

__attribute__((format(printf, 2, 3))) static void append(struct dv_vectors_snowflake_work *work, const char *format, ...)
{
    size_t used = strlen(work->sql);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(work->sql + used, sizeof work->sql - used, format, arguments);
    va_end(arguments);
    DV_ASSERT(length > 0 && (size_t)length < sizeof work->sql - used);
}

/* ---- putting ---- */

static dv_rc make_look(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_row *row = dv_vectors_first_embedded(work->request);
    append(work, LOOK, work->place->width, work->place->table);
    bool made = add_made(work, dv_vectors_snowflake_vector(work, row->vector));
    add_bytes(work, row->tenant);
    add_bytes(work, row->model);
    work->statement.on_row = dv_vectors_snowflake_take_numbers;
    return made ? DV_OK : DV_E_MEMORY;
}

static dv_rc make_merge(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_request *put = work->request;
    const struct dv_vectors_row *embedded = dv_vectors_first_embedded(put);
    const char *table = work->place->table;
    struct dv_store_bytes tenant = put->rows[0].tenant;
    append(work, MERGE, table, table);
    bool made = add_made(work, dv_vectors_snowflake_rows(work));
    add_bytes(work, tenant);
    add_bytes(work, embedded != NULL ? embedded->model : (struct dv_store_bytes){ 0 });
    add_bytes(work, tenant);
    add_bytes(work, tenant);
    return made ? DV_OK : DV_E_MEMORY;
}

/* ---- searching ---- */

static bool add_texts(struct dv_vectors_snowflake_work *work, bool compares)
{
    const struct dv_vectors_query *query = &work->request->query;
    struct dv_snowflake_text spaces = { 0 };
    bool made = add_made(work, dv_vectors_snowflake_words(work));
    if (compares)
        made = add_made(work, dv_vectors_snowflake_vector(work, query->vector)) && made;
    made = add_made(work, dv_vectors_snowflake_partings(work, &spaces)) && made;
    add(work, spaces);
    add_bytes(work, query->tenant);
    add_bytes(work, query->schema);
    add_bytes(work, query->schema);
    add_int(work, query->from_ms);
    add_int(work, query->to_ms);
    return made;
}

static dv_rc make_search(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_query *query = &work->request->query;
    const struct dv_vectors_snowflake *place = work->place;
    bool compares = query->vector.at != NULL;
    struct dv_store_bytes model = compares ? query->model : (struct dv_store_bytes){ 0 };
    DV_ASSERT(query->tenant.at != NULL && query->top <= DV_VECTORS_TOP_MAX);
    if (compares && query->vector.length != place->width * sizeof(float))
        return DV_E_CONFIG;
    append(work, TEXTS);
    if (compares)
        append(work, COMPARED, place->width);
    else
        append(work, NOT_COMPARED);
    append(work, FILTERED, place->table, compares ? "_VECTORS" : "");
    append(work, RANKED, place->table, DV_VECTORS_SNOWFLAKE_RANKED, DV_VECTORS_SNOWFLAKE_RANKED);
    bool made = add_texts(work, compares);
    add_bytes(work, model);
    add_bytes(work, model);
    add_bytes(work, query->tenant);
    add_float(work, query->floor);
    work->statement.on_row = dv_vectors_snowflake_take_hit;
    return made ? DV_OK : DV_E_MEMORY;
}

/* ---- removing and counting ---- */

static bool names_people(const struct dv_vectors_request *remove)
{
    return remove->count > 0 && remove->rows[0].subject_ref.at != NULL;
}

static dv_rc make_removal(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_request *remove = work->request;
    const char *table = work->place->table;
    bool people = names_people(remove);
    const char *column = people ? "\"SUBJECT_REF\"" : "\"DV_ID\"";
    DV_ASSERT(remove->count <= DV_VECTORS_PUT_MAX);
    if (work->step == DV_VECTORS_SNOWFLAKE_NOTE)
        append(work, NOTE, people ? column : "'record:' || \"DV_ID\"", table, column, column);
    else if (work->step == DV_VECTORS_SNOWFLAKE_DELETE)
        append(work, DELETE, table, column);
    else
        append(work, CONFIRM, people ? "" : "'record:' || ");
    if (work->step != DV_VECTORS_SNOWFLAKE_DELETE)
        add_int(work, dv_wall_ms(work->place->snowflake.config.loop));
    add_bytes(work, remove->query.tenant);
    return add_made(work, dv_vectors_snowflake_named(work)) ? DV_OK : DV_E_MEMORY;
}

static dv_rc make_expire(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_query *query = &work->request->query;
    append(work, EXPIRE, work->place->table, work->place->table, DV_VECTORS_EXPIRE_MAX);
    add_bytes(work, query->tenant);
    add_bytes(work, query->schema);
    add_int(work, query->to_ms);
    add_bytes(work, query->tenant);
    return DV_OK;
}

static dv_rc make_ids(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_row *row = &work->request->rows[0];
    char id[DV_UUID_TEXT];
    append(work, LIST_IDS, work->place->table, DV_VECTORS_IDS_MAX);
    add_bytes(work, work->request->query.tenant);
    bool made = add_made(work, dv_vectors_snowflake_hex(work, row->subject_ref));
    const char *behind = dv_arena_copy(&work->arena, dv_id_text(id, row->id), DV_UUID_TEXT - 1);
    made = add_made(work, (struct dv_snowflake_text){ behind, DV_UUID_TEXT - 1 }) && made;
    work->statement.on_row = dv_vectors_snowflake_take_id;
    return made ? DV_OK : DV_E_MEMORY;
}

static dv_rc make_count(struct dv_vectors_snowflake_work *work)
{
    struct dv_store_bytes tenant = work->request->query.tenant;
    if (tenant.at == NULL) {
        append(work, COUNT_ALL, work->place->table);
    } else {
        append(work, COUNT_TENANT, work->place->table);
        add_bytes(work, tenant);
    }
    work->statement.on_row = dv_vectors_snowflake_take_numbers;
    return DV_OK;
}

dv_rc dv_vectors_snowflake_make(struct dv_vectors_snowflake_work *work)
{
    switch (work->step) {
    case DV_VECTORS_SNOWFLAKE_LOOK:
    case DV_VECTORS_SNOWFLAKE_REVIEW: return make_look(work);
    case DV_VECTORS_SNOWFLAKE_MERGE: return make_merge(work);
    case DV_VECTORS_SNOWFLAKE_NOTE:
    case DV_VECTORS_SNOWFLAKE_DELETE:
    case DV_VECTORS_SNOWFLAKE_CONFIRM: return make_removal(work);
    case DV_VECTORS_SNOWFLAKE_ONLY: break;
    }
    switch (work->request->kind) {
    case DV_VECTORS_SEARCH: return make_search(work);
    case DV_VECTORS_EXPIRE: return make_expire(work);
    case DV_VECTORS_IDS: return make_ids(work);
    default: return make_count(work);
    }
}

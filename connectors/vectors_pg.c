/* SPDX-License-Identifier: Apache-2.0
 * vectors_pg.c - the SQL of vectors in PostgreSQL, and what its results say. */
#include "connectors/vectors_pg.h"

#include <endian.h>
#include <libpq-fe.h>
#include <string.h>

#include "connectors/pg_array.h"
#include "connectors/pg_internal.h"
#include "connectors/pg_run.h"
#include "connectors/vectors_pg_sql.h"
#include "connectors/vectors_words.h"
#include "engine/memory.h"

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_FLOAT8 = 701, OID_REALS = 1021, OID_TIMESTAMPTZ = 1184, OID_UUID = 2950 };
enum { NUMBER_BYTES = 10 };
enum { COLUMN_ID = 0, COLUMN_SUBJECT = 6 }; /* of a put's arrays */
enum { WORDS_BYTES = DV_WORDS_MAX * (DV_WORD_BYTES_MAX + 1) + 1 };
enum { COL_OTHER, COL_ANY, COL_ID, COL_SCHEMA, COL_CREATED, COL_TEXT, COL_SUBJECT, COL_SUBJECTS, COL_HASH, COL_SCORE, COL_LEXICAL, COL_COSINE, COLUMNS };

/* A request under way, with what its statement points to. */
struct dv_vectors_pg_work {
    struct dv_store_request store;
    struct dv_pg_run run;
    struct dv_vectors_pg *place;
    struct dv_vectors_request *request; /* NULL: free */
    dv_rc made;                         /* whether it could be asked at all */
    struct dv_store_row rows[DV_VECTORS_PUT_MAX];
    char subjects[DV_VECTORS_PUT_MAX][NUMBER_BYTES];
    char sql[DV_PG_SQL_MAX];
    char words[WORDS_BYTES];
    uint64_t numbers[DV_PG_RUN_PARAMS_MAX]; /* big-endian */
    char *buffer;
    size_t buffer_bytes;
};

/* ---- parameters ---- */

static void add(struct dv_pg_run *run, unsigned type, const void *at, size_t length)
{
    DV_ASSERT(run->count < DV_PG_RUN_PARAMS_MAX && length <= INT32_MAX);
    run->types[run->count] = type;
    run->values[run->count] = at;
    run->lengths[run->count++] = (int)length;
}

static void add_bytes(struct dv_pg_run *run, unsigned type, struct dv_store_bytes bytes)
{
    add(run, type, bytes.at, bytes.length);
}

static void add_number(struct dv_vectors_pg_work *work, unsigned type, int64_t number)
{
    uint64_t *at = &work->numbers[work->run.count];
    *at = htobe64((uint64_t)number);
    add(&work->run, type, at, sizeof *at);
}

static void add_float(struct dv_vectors_pg_work *work, double number)
{
    int64_t bits = 0;
    memcpy(&bits, &number, sizeof bits);
    add_number(work, OID_FLOAT8, bits);
}

static bool reserve(struct dv_vectors_pg_work *work, size_t size)
{
    work->buffer = dv_memory_alloc(size);
    work->buffer_bytes = work->buffer != NULL ? size : 0;
    return work->buffer != NULL;
}

/* ---- putting ---- */

static size_t floats_size(uint32_t rows, uint32_t width)
{
    return 5 * sizeof(uint32_t) + (size_t)rows * width * 2 * sizeof(float);
}

/* The array of all vectors, one behind the other; zeros for a row without one. */
static char *put_floats(char *to, const struct dv_vectors_request *put, uint32_t width)
{
    enum { FLOAT = 700 };
    const uint32_t head[] = { 1, 0, FLOAT, put->count * width, 1 };
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++, to += sizeof *head)
        memcpy(to, &(uint32_t){ htobe32(head[i]) }, sizeof *head);
    const uint32_t length = htobe32(sizeof(float));
    for (uint32_t row = 0; row < put->count; row++) {
        const char *vector = put->rows[row].vector.at;
        for (uint32_t i = 0; i < width; i++) {
            uint32_t bits = 0;
            if (vector != NULL)
                memcpy(&bits, vector + i * sizeof bits, sizeof bits);
            bits = htobe32(bits);
            memcpy(to, &length, sizeof length);
            memcpy(to + sizeof length, &bits, sizeof bits);
            to += sizeof length + sizeof bits;
        }
    }
    return to;
}

/* The number of people as text, since the arrays of a put know no numbers. */
static struct dv_store_bytes number_text(char *out, uint32_t number)
{
    size_t length = 0;
    char digits[NUMBER_BYTES];
    do
        digits[length++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < length; i++)
        out[i] = digits[length - 1 - i];
    return (struct dv_store_bytes){ out, length };
}

/* The rows as those of a put of pg.h, whose columns stand for ours. */
static void map_rows(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_request *put = work->request;
    for (uint32_t i = 0; i < put->count; i++) {
        const struct dv_vectors_row *row = &put->rows[i];
        struct dv_store_row *to = &work->rows[i];
        *to = (struct dv_store_row){ .created_ms = row->created_ms, .tenant = row->tenant, .schema = row->schema, .data_hash = row->hash,
                                     .subject_ref = row->subject_ref, .ciphertext = dv_vectors_kept_text(row) };
        if (row->vector.at != NULL)
            to->key_ref = row->model;
        to->nonce = number_text(work->subjects[i], row->subjects);
        memcpy(to->id, row->id, sizeof to->id);
    }
}

/* Of one model, and of the table's width. */
static bool is_one_model(const struct dv_vectors_request *put, uint32_t width, struct dv_store_bytes *ret_model)
{
    *ret_model = (struct dv_store_bytes){ 0 };
    for (uint32_t i = 0; i < put->count; i++) {
        const struct dv_vectors_row *row = &put->rows[i];
        if (row->vector.at == NULL)
            continue;
        if (ret_model->at == NULL)
            *ret_model = row->model;
        if (row->vector.length != width * sizeof(float) || row->model.length != ret_model->length ||
            memcmp(row->model.at, ret_model->at, row->model.length) != 0)
            return false;
    }
    return true;
}

static dv_rc make_put(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_request *put = work->request;
    const struct dv_pg *pg = &work->place->pg;
    uint32_t width = (uint32_t)pg->config.vector_width;
    struct dv_store_bytes model;
    struct dv_pg_arrays arrays;
    DV_ASSERT(put->count > 0 && put->count <= DV_VECTORS_PUT_MAX);
    if (!is_one_model(put, width, &model))
        return DV_E_CONFIG;
    map_rows(work);
    work->store.rows = work->rows;
    work->store.count = put->count;
    size_t floats = floats_size(put->count, width), size = dv_pg_arrays_size(&work->store);
    if (!reserve(work, size + floats))
        return DV_E_DEPENDENCY;
    dv_pg_arrays_encode(&work->store, work->buffer, &arrays);
    (void)put_floats(work->buffer + size, put, width);
    for (int i = 0; i < DV_PG_COLUMNS; i++)
        add(&work->run, dv_pg_array_types[i], arrays.values[i], (size_t)arrays.lengths[i]);
    add(&work->run, OID_REALS, work->buffer + size, floats);
    add_bytes(&work->run, OID_TEXT, put->rows[0].tenant);
    add_bytes(&work->run, OID_TEXT, model);
    dv_pg_sql_append(work->sql, PUT, pg->relation, pg->relation, width, width, pg->relation);
    return DV_OK;
}

/* ---- searching ---- */

/* The vector as an array of real. */
static dv_rc add_vector(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_query *query = &work->request->query;
    struct dv_vectors_row row = { .vector = query->vector };
    struct dv_vectors_request one = { .rows = &row, .count = 1 };
    uint32_t width = (uint32_t)work->place->pg.config.vector_width;
    if (query->vector.at == NULL) {
        add(&work->run, OID_REALS, NULL, 0);
        return DV_OK;
    }
    if (query->vector.length != width * sizeof(float))
        return DV_E_CONFIG;
    if (!reserve(work, floats_size(1, width)))
        return DV_E_DEPENDENCY;
    (void)put_floats(work->buffer, &one, width);
    add(&work->run, OID_REALS, work->buffer, work->buffer_bytes);
    return DV_OK;
}

static dv_rc make_search(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_query *query = &work->request->query;
    const char *relation = work->place->pg.relation;
    struct dv_word words[DV_WORDS_MAX];
    size_t count = dv_words_of(query->text.at, query->text.length, words);
    size_t length = dv_words_join(words, count, "", "", " ", work->words, sizeof work->words);
    DV_ASSERT(query->tenant.at != NULL && query->top <= DV_VECTORS_TOP_MAX);
    add_bytes(&work->run, OID_TEXT, query->tenant);
    DV_TRY(add_vector(work));
    add_bytes(&work->run, OID_TEXT, query->vector.at != NULL ? query->model : (struct dv_store_bytes){ 0 });
    add_bytes(&work->run, OID_TEXT, query->schema);
    add_number(work, OID_TIMESTAMPTZ, dv_pg_time_of_ms(query->from_ms));
    add_number(work, OID_TIMESTAMPTZ, dv_pg_time_of_ms(query->to_ms));
    add(&work->run, OID_TEXT, work->words, length);
    add_number(work, OID_INT8, query->top);
    add_float(work, query->floor);
    dv_pg_sql_append(work->sql, SEARCH, relation, relation, relation, relation, DV_VECTORS_PG_RANKED, relation, DV_VECTORS_PG_RANKED);
    dv_pg_sql_append(work->sql, FUSE, relation);
    return DV_OK;
}

/* ---- removing and counting ---- */

static dv_rc make_remove(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_request *remove = work->request;
    bool people = remove->count > 0 && remove->rows[0].subject_ref.at != NULL;
    struct dv_pg_arrays arrays;
    DV_ASSERT(remove->count <= DV_VECTORS_PUT_MAX);
    map_rows(work);
    work->store.rows = work->rows;
    work->store.count = remove->count;
    if (!reserve(work, dv_pg_arrays_size(&work->store)))
        return DV_E_DEPENDENCY;
    dv_pg_arrays_encode(&work->store, work->buffer, &arrays);
    add_bytes(&work->run, OID_TEXT, remove->query.tenant);
    int column = people ? COLUMN_SUBJECT : COLUMN_ID;
    add(&work->run, dv_pg_array_types[column], arrays.values[column], (size_t)arrays.lengths[column]);
    dv_pg_sql_append(work->sql, REMOVE, work->place->pg.relation, people ? "subject_ref = ANY($2)" : "id = ANY($2)", people ? "subject_ref" : "id");
    return DV_OK;
}

static dv_rc make_ids(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_request *ids = work->request;
    add_bytes(&work->run, OID_TEXT, ids->query.tenant);
    add_bytes(&work->run, OID_BYTEA, ids->rows[0].subject_ref);
    add(&work->run, OID_UUID, ids->rows[0].id, DV_STORE_ID_BYTES);
    add_number(work, OID_INT8, DV_VECTORS_IDS_MAX);
    dv_pg_sql_append(work->sql, LIST_IDS, work->place->pg.relation);
    return DV_OK;
}

static dv_rc make_expire(struct dv_vectors_pg_work *work)
{
    const struct dv_vectors_query *query = &work->request->query;
    const char *relation = work->place->pg.relation;
    add_bytes(&work->run, OID_TEXT, query->tenant);
    add_bytes(&work->run, OID_TEXT, query->schema);
    add_number(work, OID_TIMESTAMPTZ, dv_pg_time_of_ms(query->to_ms));
    add_number(work, OID_INT8, DV_VECTORS_EXPIRE_MAX);
    dv_pg_sql_append(work->sql, EXPIRE, relation, relation);
    return DV_OK;
}

static dv_rc make_count(struct dv_vectors_pg_work *work)
{
    add_bytes(&work->run, OID_TEXT, work->request->query.tenant);
    dv_pg_sql_append(work->sql, "SELECT false, count(*) FROM %s WHERE $1::text IS NULL OR tenant = $1", work->place->pg.relation);
    return DV_OK;
}

/* ---- answers ---- */

static struct dv_store_bytes bytes_at(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return (struct dv_store_bytes){ 0 };
    return (struct dv_store_bytes){ PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column) };
}

static int64_t number_at(const PGresult *result, int row, int column)
{
    return PQgetlength(result, row, column) == 8 ? dv_pg_read_int64(PQgetvalue(result, row, column)) : 0;
}

static double float_at(const PGresult *result, int row, int column)
{
    int64_t bits = number_at(result, row, column);
    double number = 0;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static void read_hit(struct dv_vectors_hit *hit, const PGresult *result, int row, const struct dv_vectors_query *query)
{
    *hit = (struct dv_vectors_hit){ .compared = !PQgetisnull(result, row, COL_COSINE), .cosine = float_at(result, row, COL_COSINE),
                                    .lexical_rank = (uint32_t)number_at(result, row, COL_LEXICAL), .score = float_at(result, row, COL_SCORE) };
    hit->row = (struct dv_vectors_row){ .tenant = query->tenant, .schema = bytes_at(result, row, COL_SCHEMA),
                                        .created_ms = dv_pg_time_to_ms(number_at(result, row, COL_CREATED)),
                                        .text = bytes_at(result, row, COL_TEXT), .subject_ref = bytes_at(result, row, COL_SUBJECT),
                                        .subjects = (uint32_t)number_at(result, row, COL_SUBJECTS), .hash = bytes_at(result, row, COL_HASH) };
    memcpy(hit->row.id, PQgetvalue(result, row, COL_ID), sizeof hit->row.id);
}

static dv_rc read_hits(struct dv_vectors_pg *place, struct dv_vectors_request *search, const PGresult *result)
{
    int rows = PQntuples(result);
    search->total = 0;
    search->hits = place->hits;
    search->lexical = PQgetvalue(result, 0, COL_ANY)[0] == 0;
    for (int row = 0; row < rows; row++) {
        if (PQgetisnull(result, row, COL_ID))
            continue; /* the state alone: nothing was found */
        if (PQgetlength(result, row, COL_ID) != DV_STORE_ID_BYTES || search->total == DV_VECTORS_TOP_MAX)
            return DV_E_FAILED;
        read_hit(&place->hits[search->total++], result, row, &search->query);
    }
    return DV_OK;
}

static dv_rc read_ids(struct dv_vectors_request *ids, const PGresult *result)
{
    int rows = PQntuples(result);
    ids->total = 0;
    if (PQnfields(result) != 1 || rows > DV_VECTORS_IDS_MAX)
        return DV_E_FAILED;
    for (int row = 0; row < rows; row++) {
        if (PQgetlength(result, row, 0) != DV_STORE_ID_BYTES)
            return DV_E_FAILED;
        memcpy(ids->ids[ids->total++], PQgetvalue(result, row, 0), DV_STORE_ID_BYTES);
    }
    return DV_OK;
}

/* The first column says whether there are vectors of another model. */
static dv_rc read_answer(struct dv_vectors_pg *place, struct dv_vectors_request *request, const PGresult *result)
{
    bool search = request->kind == DV_VECTORS_SEARCH;
    if (request->kind == DV_VECTORS_IDS)
        return read_ids(request, result);
    int fields = search ? COLUMNS : request->kind == DV_VECTORS_REMOVE ? 3 : 2;
    if (PQnfields(result) != fields || PQntuples(result) < 1)
        return DV_E_FAILED;
    if (PQgetvalue(result, 0, COL_OTHER)[0] == 1)
        return DV_E_CONFIG;
    if (search)
        return read_hits(place, request, result);
    request->total = (uint64_t)number_at(result, 0, 1);
    if (request->kind == DV_VECTORS_REMOVE) {
        request->met = (uint64_t)number_at(result, 0, 2);
        request->remains = request->total > 0; /* as dead rows, until a VACUUM */
    }
    return DV_OK;
}

/* Wiped: it held texts, vectors and a question. */
static void forget(struct dv_vectors_pg_work *work)
{
    struct dv_vectors_pg *place = work->place;
    if (work->buffer != NULL)
        explicit_bzero(work->buffer, work->buffer_bytes);
    dv_memory_free(work->buffer);
    explicit_bzero(work, sizeof *work);
    work->place = place;
}

static void start(struct dv_vectors_pg *place);

static void on_answer(struct dv_store_request *store)
{
    struct dv_vectors_pg_work *work = store->data;
    struct dv_vectors_pg *place = work->place;
    struct dv_vectors_request *request = work->request;
    request->rc = work->made != DV_OK ? work->made : store->rc;
    request->reason = work->made == DV_E_DEPENDENCY ? "no memory for a statement" : store->reason;
    if (request->rc == DV_OK)
        request->rc = read_answer(place, request, work->run.result);
    if (request->rc == DV_E_CONFIG && store->rc == DV_OK)
        request->reason = work->made == DV_OK ? DV_VECTORS_OTHER_MODEL : DV_VECTORS_OTHER_WIDTH;
    else if (request->rc == DV_E_CONFIG && (request->kind == DV_VECTORS_REMOVE || request->kind == DV_VECTORS_EXPIRE))
        request->reason = "what is kept cannot be removed: the role needs DELETE and SELECT on the table, which `datavault migrate` makes";
    forget(work);
    request->callback(request);
    if (place->vectors.ops != NULL)
        start(place);
}

static dv_rc make(struct dv_vectors_pg_work *work)
{
    switch (work->request->kind) {
    case DV_VECTORS_PUT: return make_put(work);
    case DV_VECTORS_SEARCH: return make_search(work);
    case DV_VECTORS_REMOVE: return make_remove(work);
    case DV_VECTORS_EXPIRE: return make_expire(work);
    case DV_VECTORS_IDS: return make_ids(work);
    default: return make_count(work);
    }
}

/* What cannot be asked is answered as everything is, from the loop, behind a statement that does nothing. */
static void send_work(struct dv_vectors_pg_work *work, struct dv_vectors_request *request)
{
    work->request = request;
    work->sql[0] = '\0';
    work->made = make(work);
    if (work->made != DV_OK) {
        work->run.count = 0;
        work->sql[0] = '\0';
        dv_pg_sql_append(work->sql, "SELECT 1");
    }
    work->run.sql = work->sql;
    work->store.kind = DV_STORE_RUN;
    work->store.run = &work->run;
    work->store.callback = on_answer;
    work->store.data = work;
    dv_store_request(&work->place->pg.store, &work->store);
}

static void start(struct dv_vectors_pg *place)
{
    for (uint32_t i = 0; i < DV_VECTORS_PG_WORKS && place->first != NULL; i++) {
        if (place->works[i].request != NULL)
            continue;
        struct dv_vectors_request *request = place->first;
        place->first = request->next;
        if (place->first == NULL)
            place->last = NULL;
        send_work(&place->works[i], request);
    }
}

/* ---- the place ---- */

static void request_one(struct dv_vectors *vectors, struct dv_vectors_request *request)
{
    struct dv_vectors_pg *place = (struct dv_vectors_pg *)vectors;
    DV_ASSERT(request->callback != NULL);
    request->next = NULL;
    if (place->last != NULL)
        place->last->next = request;
    else
        place->first = request;
    place->last = request;
    start(place);
}

static const char *waits(const struct dv_vectors *vectors)
{
    return dv_store_waits(&((const struct dv_vectors_pg *)vectors)->pg.store);
}

static void close_place(struct dv_vectors *vectors)
{
    struct dv_vectors_pg *place = (struct dv_vectors_pg *)vectors;
    place->vectors.ops = NULL;
    place->first = place->last = NULL;
    dv_store_close(&place->pg.store);
    for (uint32_t i = 0; i < DV_VECTORS_PG_WORKS; i++)
        forget(&place->works[i]);
    dv_memory_free(place->works);
    place->works = NULL;
}

static const struct dv_vectors_ops ops = { .request = request_one, .waits = waits, .close = close_place };

dv_rc dv_vectors_pg_open(struct dv_vectors_pg *place, struct dv_loop *loop, const struct dv_pg_config *config, struct dv_error *error)
{
    DV_ASSERT(config->vector_width >= 1 && config->vector_width <= DV_VECTORS_WIDTH_MAX);
    *place = (struct dv_vectors_pg){ .works = dv_memory_zeroed(DV_VECTORS_PG_WORKS, sizeof *place->works) };
    if (place->works == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for vectors");
    for (uint32_t i = 0; i < DV_VECTORS_PG_WORKS; i++)
        place->works[i].place = place;
    dv_rc rc = dv_pg_open(&place->pg, loop, config, error);
    if (rc != DV_OK) {
        dv_memory_free(place->works);
        place->works = NULL;
        return rc;
    }
    place->vectors = (struct dv_vectors){ .ops = &ops, .breaker = &place->pg.breaker };
    return DV_OK;
}

static void ignore(struct dv_store_request *request)
{
    (void)request;
}

dv_rc dv_vectors_pg_probe(const struct dv_pg_config *config, struct dv_error *error)
{
    struct dv_pg_run run = { .sql = "SELECT 1" };
    struct dv_store_request request = { .kind = DV_STORE_RUN, .run = &run, .callback = ignore };
    return dv_pg_ask(config, &request, error);
}

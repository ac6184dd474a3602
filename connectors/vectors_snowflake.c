/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake.c - requests to vectors in Snowflake: begun in order, statement after statement, and answered. */
#include "connectors/vectors_snowflake.h"

#include <string.h>

#include <openssl/rand.h>

#include "connectors/vectors_snowflake_work.h"
#include "engine/memory.h"

enum { ARENA_BYTES = 64 * 1024 * 1024 };

#define NO_MEMORY "no memory for a statement"
#define NO_TABLE                                                                                                       \
    "the table of vectors or its view is not there, or the role may not use them: `datavault migrate` makes them, and the role needs " \
    "SELECT, INSERT and UPDATE"
#define NO_REMOVAL                                                                                                     \
    "what is kept cannot be removed: the role needs DELETE and SELECT on the table, and INSERT, SELECT and UPDATE on ERASURES, which " \
    "`datavault migrate` makes"

/* ---- how a request goes ---- */

static bool changes(enum dv_vectors_kind kind)
{
    return kind == DV_VECTORS_PUT || kind == DV_VECTORS_REMOVE || kind == DV_VECTORS_EXPIRE;
}

static enum dv_vectors_snowflake_step first_step(const struct dv_vectors_snowflake *place, const struct dv_vectors_request *request)
{
    if (request->kind == DV_VECTORS_REMOVE)
        return DV_VECTORS_SNOWFLAKE_NOTE;
    if (request->kind != DV_VECTORS_PUT)
        return DV_VECTORS_SNOWFLAKE_ONLY;
    bool looks = !place->looked && dv_vectors_first_embedded(request) != NULL;
    return looks ? DV_VECTORS_SNOWFLAKE_LOOK : DV_VECTORS_SNOWFLAKE_MERGE;
}

/* A statement of a put has come back; true: there is another one. */
static bool put_goes_on(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_request *put = work->request;
    const struct dv_snowflake_statement *statement = &work->statement;
    if (work->step != DV_VECTORS_SNOWFLAKE_MERGE) {
        bool others = work->told[0] > 0, looked = work->step == DV_VECTORS_SNOWFLAKE_LOOK;
        work->place->looked = !others;
        put->rc = others ? DV_E_CONFIG : DV_OK;
        put->reason = others ? DV_VECTORS_OTHER_MODEL : NULL;
        work->step = DV_VECTORS_SNOWFLAKE_MERGE;
        return looked && !others;
    }
    put->total += statement->inserted;
    work->changed += statement->inserted + statement->updated;
    work->put += work->putting;
    if (work->put < put->count)
        return true;
    work->step = DV_VECTORS_SNOWFLAKE_REVIEW;
    return work->changed == 0 && dv_vectors_first_embedded(put) != NULL;
}

static bool remove_goes_on(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_request *remove = work->request;
    switch (work->step) {
    case DV_VECTORS_SNOWFLAKE_NOTE:
        remove->met = work->statement.inserted;
        work->step = remove->met > 0 ? DV_VECTORS_SNOWFLAKE_DELETE : DV_VECTORS_SNOWFLAKE_CONFIRM;
        return true;
    case DV_VECTORS_SNOWFLAKE_DELETE:
        remove->total = work->statement.deleted;
        work->step = DV_VECTORS_SNOWFLAKE_CONFIRM;
        return true;
    default:
        remove->remains = remove->total > 0; /* in Time Travel and Fail-safe, for days */
        return false;
    }
}

static void read_search(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_request *search = work->request;
    if (work->told[0] == 0) {
        dv_vectors_snowflake_join(work);
        return;
    }
    search->rc = DV_E_CONFIG;
    search->reason = DV_VECTORS_OTHER_MODEL;
}

static bool goes_on(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_request *request = work->request;
    switch (request->kind) {
    case DV_VECTORS_PUT: return put_goes_on(work);
    case DV_VECTORS_REMOVE: return remove_goes_on(work);
    case DV_VECTORS_SEARCH: read_search(work); return false;
    case DV_VECTORS_EXPIRE: request->total = work->statement.deleted; return false;
    case DV_VECTORS_IDS: return false; /* they were told as they came */
    default: request->total = (uint64_t)work->told[0]; return false;
    }
}

/* ---- what a failure means ---- */

static bool is_code(const struct dv_snowflake_statement *statement, const char *code)
{
    return strcmp(statement->code, code) == 0;
}

/* The literal of what a code means here. */
static const char *reason_of(const struct dv_vectors_snowflake_work *work)
{
    const struct dv_snowflake_statement *statement = &work->statement;
    enum dv_vectors_kind kind = work->request->kind;
    if (is_code(statement, "001044")) /* types of a function's arguments */
        return DV_VECTORS_OTHER_WIDTH;
    if (!is_code(statement, "002003") && !is_code(statement, "003001")) /* not there; not allowed */
        return statement->reason;
    return kind == DV_VECTORS_REMOVE || kind == DV_VECTORS_EXPIRE ? NO_REMOVAL : NO_TABLE;
}

/* ---- statements ---- */

static void begin(struct dv_vectors_snowflake *place);
static void ask(struct dv_vectors_snowflake_work *work);

/* Wiped: it held texts, vectors and a question. */
static void forget(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_snowflake *place = work->place;
    struct dv_arena arena = work->arena;
    dv_arena_free(&arena);
    explicit_bzero(work, sizeof *work);
    work->place = place;
    work->arena = arena;
}

/* What was found is lent for the callback; only then is it wiped. */
static void answer(struct dv_vectors_snowflake_work *work)
{
    struct dv_vectors_snowflake *place = work->place;
    struct dv_arena lent = work->arena;
    struct dv_vectors_request *request = work->request;
    dv_arena_init(&work->arena, ARENA_BYTES);
    forget(work);
    request->callback(request);
    dv_arena_free(&lent);
    if (place->vectors.ops != NULL)
        begin(place);
}

static void fail(struct dv_vectors_snowflake_work *work, dv_rc rc, const char *reason)
{
    work->request->rc = rc;
    work->request->reason = reason;
    answer(work);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    struct dv_vectors_snowflake_work *work = statement->data;
    bool may_be_none = statement->on_row == NULL || work->request->kind == DV_VECTORS_IDS;
    if (statement->rc != DV_OK)
        fail(work, statement->rc == DV_E_MEMORY ? DV_E_DEPENDENCY : statement->rc, reason_of(work));
    else if (work->starved)
        fail(work, DV_E_DEPENDENCY, NO_MEMORY);
    else if (work->spoilt || !(work->answered || may_be_none))
        fail(work, DV_E_FAILED, "Snowflake's answer is not what was asked for");
    else if (goes_on(work))
        ask(work);
    else
        answer(work);
}

static dv_rc run(struct dv_vectors_snowflake_work *work)
{
    struct dv_snowflake_statement *statement = &work->statement;
    statement->sql = work->sql;
    statement->binds = work->binds;
    statement->tag = "datavault-vectors";
    statement->on_end = on_end;
    statement->data = work;
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1)
        return DV_E_MEMORY;
    return dv_snowflake_run(&work->place->snowflake, statement);
}

/* From the loop only: what cannot be asked is answered at once. */
static void ask(struct dv_vectors_snowflake_work *work)
{
    work->statement = (struct dv_snowflake_statement){ 0 };
    work->sql[0] = '\0';
    work->answered = work->spoilt = work->starved = false;
    work->told[0] = work->told[1] = 0;
    dv_arena_reset(&work->arena);
    dv_rc rc = dv_vectors_snowflake_make(work);
    if (rc == DV_OK)
        rc = run(work);
    if (rc == DV_E_CONFIG)
        fail(work, rc, DV_VECTORS_OTHER_WIDTH);
    else if (rc != DV_OK)
        fail(work, DV_E_DEPENDENCY, NO_MEMORY);
}

/* ---- requests ---- */

static bool is_changing(const struct dv_vectors_snowflake *place)
{
    for (uint32_t i = 0; i < DV_VECTORS_SNOWFLAKE_WORKS; i++)
        if (place->works[i].request != NULL && changes(place->works[i].request->kind))
            return true;
    return false;
}

static struct dv_vectors_snowflake_work *free_work(struct dv_vectors_snowflake *place)
{
    for (uint32_t i = 0; i < DV_VECTORS_SNOWFLAKE_WORKS; i++)
        if (place->works[i].request == NULL)
            return &place->works[i];
    return NULL;
}

/* The first that may begin: changes one at a time, so that questions pass those that wait. */
static struct dv_vectors_request *take_first(struct dv_vectors_snowflake *place)
{
    bool changing = is_changing(place);
    struct dv_vectors_request *before = NULL, *request = place->first;
    for (; request != NULL && changing && changes(request->kind); before = request, request = request->next)
        ;
    if (request == NULL)
        return NULL;
    if (before != NULL)
        before->next = request->next;
    else
        place->first = request->next;
    if (place->last == request)
        place->last = before;
    return request;
}

static const char *fault_of(const struct dv_vectors_snowflake *place, const struct dv_vectors_request *request)
{
    if (request->kind != DV_VECTORS_PUT)
        return NULL;
    DV_ASSERT(request->count > 0 && request->count <= DV_VECTORS_PUT_MAX);
    return dv_vectors_put_fault(request, place->width);
}

static void begin_one(struct dv_vectors_snowflake_work *work, struct dv_vectors_request *request)
{
    const char *fault = fault_of(work->place, request);
    request->rc = DV_OK;
    request->reason = NULL;
    request->total = request->met = 0;
    request->remains = false;
    work->request = request;
    work->step = first_step(work->place, request);
    if (fault != NULL)
        fail(work, DV_E_CONFIG, fault);
    else
        ask(work);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_vectors_snowflake *place = timer->data;
    while (place->vectors.ops != NULL && place->first != NULL) {
        struct dv_vectors_snowflake_work *work = free_work(place);
        struct dv_vectors_request *request = work != NULL ? take_first(place) : NULL;
        if (request == NULL)
            return;
        begin_one(work, request);
    }
}

static void begin(struct dv_vectors_snowflake *place)
{
    if (place->first == NULL)
        return;
    dv_timer_stop(&place->timer);
    dv_timer_start(&place->timer, 0);
}

static void request_one(struct dv_vectors *vectors, struct dv_vectors_request *request)
{
    struct dv_vectors_snowflake *place = (struct dv_vectors_snowflake *)vectors;
    DV_ASSERT(request->callback != NULL);
    request->next = NULL;
    if (place->last != NULL)
        place->last->next = request;
    else
        place->first = request;
    place->last = request;
    begin(place);
}

/* ---- the place ---- */

static const char *waits(const struct dv_vectors *vectors)
{
    return dv_snowflake_waits(&((const struct dv_vectors_snowflake *)vectors)->snowflake);
}

static void close_place(struct dv_vectors *vectors)
{
    struct dv_vectors_snowflake *place = (struct dv_vectors_snowflake *)vectors;
    place->vectors.ops = NULL;
    place->first = place->last = NULL;
    dv_snowflake_close(&place->snowflake);
    dv_timer_close(&place->timer);
    for (uint32_t i = 0; i < DV_VECTORS_SNOWFLAKE_WORKS; i++)
        forget(&place->works[i]);
    dv_memory_free(place->works);
    place->works = NULL;
}

static const struct dv_vectors_ops ops = { .request = request_one, .waits = waits, .close = close_place };

dv_rc dv_vectors_snowflake_open(struct dv_vectors_snowflake *place, const struct dv_vectors_snowflake_config *config, struct dv_error *error)
{
    DV_ASSERT(config->width >= 1 && config->width <= DV_VECTORS_WIDTH_MAX && strchr(config->table, '"') == NULL);
    *place = (struct dv_vectors_snowflake){ .table = config->table, .width = config->width };
    place->works = dv_memory_zeroed(DV_VECTORS_SNOWFLAKE_WORKS, sizeof *place->works);
    if (place->works == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for vectors");
    dv_rc rc = dv_snowflake_open(&place->snowflake, &config->snowflake, error);
    if (rc != DV_OK) {
        dv_memory_free(place->works);
        place->works = NULL;
        return rc;
    }
    for (uint32_t i = 0; i < DV_VECTORS_SNOWFLAKE_WORKS; i++) {
        place->works[i].place = place;
        dv_arena_init(&place->works[i].arena, ARENA_BYTES);
    }
    dv_timer_init(config->snowflake.loop, &place->timer, on_timer, place);
    place->vectors = (struct dv_vectors){ .ops = &ops, .breaker = &place->snowflake.breaker };
    return DV_OK;
}

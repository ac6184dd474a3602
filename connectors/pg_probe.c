/* SPDX-License-Identifier: Apache-2.0
 * pg_probe.c - one question to a PostgreSQL store on a loop of its own: before the start, and for commands. */
#include <string.h>

#include "connectors/pg_error.h"
#include "engine/memory.h"

/* A question and whoever asked it. */
struct question {
    struct dv_pg pg;
    struct dv_pg_outcome outcome;
    struct dv_loop_real loop;
    uv_loop_t uv;
    struct dv_store_request *request;
    dv_store_callback callback;
    void *data;
};

/* The asker's callback, then the end of the store, so that the loop runs dry. */
static void on_answer(struct dv_store_request *request)
{
    struct question *question = request->data;
    question->outcome = question->pg.trouble;
    if (question->outcome.rc == DV_OK) /* the connection was fine: it was the statement */
        question->outcome = dv_pg_outcome_make(request->rc, request->reason);
    request->data = question->data;
    question->callback(request);
    dv_store_close(&question->pg.store);
    dv_loop_real_close(&question->loop);
}

static dv_rc ask(struct question *question, const struct dv_pg_config *config, struct dv_error *error)
{
    struct dv_store_request *request = question->request;
    struct dv_pg_config alone = *config;
    alone.connections = 1;
    alone.impatient = true;
    dv_rc rc = dv_pg_open(&question->pg, &question->loop.base, &alone, error);
    if (rc != DV_OK) {
        dv_loop_real_close(&question->loop);
        (void)uv_run(&question->uv, UV_RUN_DEFAULT);
        return rc;
    }
    question->callback = request->callback;
    question->data = request->data;
    request->callback = on_answer;
    request->data = question;
    dv_store_request(&question->pg.store, request);
    (void)uv_run(&question->uv, UV_RUN_DEFAULT);
    if (request->rc == DV_OK || request->rc == DV_E_MISSING)
        return request->rc;
    return dv_pg_outcome_error(&question->outcome, error);
}

dv_rc dv_pg_ask(const struct dv_pg_config *config, struct dv_store_request *request, struct dv_error *error)
{
    struct question *question = dv_memory_zeroed(1, sizeof *question);
    if (question == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a connection");
    question->request = request;
    dv_rc rc = DV_E_FAILED;
    if (uv_loop_init(&question->uv) == 0) {
        rc = dv_loop_real_init(&question->loop, &question->uv);
        if (rc == DV_OK)
            rc = ask(question, config, error);
        (void)uv_loop_close(&question->uv);
    }
    dv_memory_free(question);
    return rc;
}

static void ignore(struct dv_store_request *request)
{
    (void)request;
}

/* Asks for a record that cannot be there. */
dv_rc dv_pg_probe(const struct dv_pg_config *config, struct dv_error *error)
{
    struct dv_store_request request = { .kind = DV_STORE_GET, .callback = ignore };
    dv_rc rc = dv_pg_ask(config, &request, error);
    return rc == DV_E_MISSING ? DV_OK : rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_alone.c - one account, one loop, one question after the other. */
#include "connectors/snowflake_alone.h"

#include <openssl/rand.h>

dv_rc dv_snowflake_alone_open(struct dv_snowflake_alone *alone, const struct dv_snowflake_config *config,
                              struct dv_error *error)
{
    struct dv_snowflake_config own = *config;
    if (uv_loop_init(&alone->uv) != 0)
        return dv_error_set(error, DV_E_FAILED, "no event loop");
    dv_rc rc = dv_loop_real_init(&alone->loop, &alone->uv);
    if (rc != DV_OK) {
        (void)uv_loop_close(&alone->uv);
        return dv_error_set(error, rc, "no event loop");
    }
    alone->looped = true;
    own.loop = &alone->loop.base;
    return dv_snowflake_open(&alone->snowflake, &own, error);
}

void dv_snowflake_alone_wait(struct dv_snowflake_alone *alone, const bool *over)
{
    while (!*over)
        (void)uv_run(&alone->uv, UV_RUN_ONCE);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    *(bool *)statement->data = true;
}

dv_rc dv_snowflake_alone_run(struct dv_snowflake_alone *alone, struct dv_snowflake_statement *statement)
{
    bool over = false;
    statement->on_end = on_end;
    statement->data = &over;
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1)
        return DV_E_FAILED;
    DV_TRY(dv_snowflake_run(&alone->snowflake, statement));
    dv_snowflake_alone_wait(alone, &over);
    return statement->rc;
}

void dv_snowflake_alone_close(struct dv_snowflake_alone *alone)
{
    if (!alone->looped)
        return;
    alone->looped = false;
    dv_snowflake_close(&alone->snowflake);
    dv_loop_real_close(&alone->loop);
    (void)uv_run(&alone->uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&alone->uv);
}

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_sign.c - who we are is signed by a worker: reading a key and an RSA signature take longer than the loop may. */
#include "connectors/snowflake_internal.h"

#include <string.h>

/* In a world without threads, that of a script, it is signed when it is shown. */
bool dv_snowflake_must_sign(const struct dv_snowflake_call *call)
{
    const struct dv_snowflake *snowflake = call->snowflake;
    return snowflake->config.http == NULL &&
           !dv_snowflake_token_is_fresh(&snowflake->token, dv_wall_ms(snowflake->config.loop));
}

static void on_worker(struct dv_job *job)
{
    struct dv_snowflake_signer *signer = job->data;
    signer->rc = dv_snowflake_token_sign(&signer->token, signer->wall_ms, NULL);
}

/* The owners may do anything inside, close the connector among it. */
static void on_loop(struct dv_job *job)
{
    struct dv_snowflake_signer *signer = job->data;
    struct dv_snowflake *snowflake = signer->snowflake;
    const dv_rc rc = signer->rc;
    if (rc == DV_OK)
        dv_snowflake_token_move(&snowflake->token, &signer->token);
    signer->served = signer->waiting;
    signer->waiting = NULL;
    while (signer->served != NULL) {
        struct dv_snowflake_call *call = signer->served;
        signer->served = call->next_signing;
        call->signing = false;
        dv_snowflake_call_on_signed(call, rc);
    }
}

void dv_snowflake_sign_for(struct dv_snowflake_call *call)
{
    struct dv_snowflake *snowflake = call->snowflake;
    struct dv_snowflake_signer *signer = &snowflake->signer;
    call->signing = true;
    call->next_signing = signer->waiting;
    signer->waiting = call;
    if (signer->job.busy)
        return;
    signer->wall_ms = dv_wall_ms(snowflake->config.loop);
    signer->token.identity = snowflake->token.identity;
    dv_job_start(&signer->job);
}

static bool take_out(struct dv_snowflake_call **link, const struct dv_snowflake_call *call)
{
    while (*link != NULL && *link != call)
        link = &(*link)->next_signing;
    if (*link == NULL)
        return false;
    *link = call->next_signing;
    return true;
}

void dv_snowflake_sign_give_up(struct dv_snowflake_call *call)
{
    struct dv_snowflake_signer *signer = &call->snowflake->signer;
    bool found = take_out(&signer->waiting, call) || take_out(&signer->served, call);
    DV_ASSERT(found);
    call->signing = false;
}

void dv_snowflake_sign_open(struct dv_snowflake *snowflake)
{
    snowflake->signer.snowflake = snowflake;
    dv_job_init(&snowflake->signer.job, snowflake->config.loop, on_worker, on_loop, &snowflake->signer);
}

void dv_snowflake_sign_close(struct dv_snowflake *snowflake)
{
    (void)dv_job_close(&snowflake->signer.job);
    dv_snowflake_token_free(&snowflake->signer.token);
}

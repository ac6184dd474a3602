/* SPDX-License-Identifier: Apache-2.0
 * snowflake_sign.c - one token at a time is made by a worker, for all who wait for it by then. */
#include "connectors/snowflake_sign.h"

#include "engine/loop.h"

bool dv_snowflake_signer_wanted(const struct dv_snowflake_signer *signer)
{
    return dv_snowflake_token_is_slow(signer->shown) && !dv_snowflake_token_is_fresh(signer->shown, dv_wall_ms(signer->loop));
}

static void on_worker(struct dv_job *job)
{
    struct dv_snowflake_signer *signer = job->data;
    signer->rc = dv_snowflake_token_make(&signer->token, signer->wall_ms, NULL);
}

static void on_loop(struct dv_job *job)
{
    struct dv_snowflake_signer *signer = job->data;
    const dv_rc rc = signer->rc;
    if (rc == DV_OK)
        dv_snowflake_token_move(signer->shown, &signer->token);
    signer->served = signer->waiting;
    signer->waiting = NULL;
    while (signer->served != NULL) {
        struct dv_snowflake_wish *wish = signer->served;
        signer->served = wish->next;
        wish->waits = false;
        wish->on_made(wish, rc);
    }
    dv_snowflake_token_rest(signer->shown);
}

void dv_snowflake_signer_wish(struct dv_snowflake_signer *signer, struct dv_snowflake_wish *wish)
{
    DV_ASSERT(!wish->waits && wish->on_made != NULL);
    wish->waits = true;
    wish->next = signer->waiting;
    signer->waiting = wish;
    if (signer->job.busy)
        return;
    signer->wall_ms = dv_wall_ms(signer->loop);
    signer->token.identity = signer->shown->identity;
    dv_job_start(&signer->job);
}

static bool take_out(struct dv_snowflake_wish **link, const struct dv_snowflake_wish *wish)
{
    while (*link != NULL && *link != wish)
        link = &(*link)->next;
    if (*link == NULL)
        return false;
    *link = wish->next;
    return true;
}

void dv_snowflake_signer_give_up(struct dv_snowflake_signer *signer, struct dv_snowflake_wish *wish)
{
    bool found = take_out(&signer->waiting, wish) || take_out(&signer->served, wish);
    DV_ASSERT(found);
    wish->waits = false;
}

void dv_snowflake_signer_open(struct dv_snowflake_signer *signer, struct dv_loop *loop, struct dv_snowflake_token *shown)
{
    *signer = (struct dv_snowflake_signer){ .loop = loop, .shown = shown };
    dv_job_init(&signer->job, loop, on_worker, on_loop, signer);
}

void dv_snowflake_signer_close(struct dv_snowflake_signer *signer)
{
    if (signer->loop == NULL)
        return;
    DV_ASSERT(signer->waiting == NULL && signer->served == NULL);
    (void)dv_job_close(&signer->job);
    dv_snowflake_token_free(&signer->token);
}

/* SPDX-License-Identifier: Apache-2.0
 * purse.c - a charge in a worker job. */
#include "connectors/purse.h"

#include "engine/crash.h"

/* Nobody may spend from an account that was never opened: for who asks, that is the same as one that is spent. */
static dv_rc as_spent(struct dv_error *error, dv_rc rc)
{
    if (rc != DV_E_MISSING)
        return rc;
    error->code = DV_E_BUDGET;
    return DV_E_BUDGET;
}

static void work(struct dv_job *job)
{
    struct dv_purse *purse = job->data;
    DV_CRASH_POINT("purse.charging");
    purse->rc = dv_ledger_charge(&purse->account, purse->epsilon_nano, &purse->budget, &purse->error);
    purse->rc = as_spent(&purse->error, purse->rc);
    DV_CRASH_POINT("purse.charged");
}

static void done(struct dv_job *job)
{
    struct dv_purse *purse = job->data;
    purse->charged(purse->data, purse->rc);
}

static void in_place_done(struct dv_timer *timer)
{
    struct dv_purse *purse = timer->data;
    purse->charged(purse->data, purse->rc);
}

dv_rc dv_purse_open(struct dv_purse *purse, struct dv_loop *loop, const struct dv_bank *bank,
                    const struct dv_account *account, dv_purse_callback charged, void *data)
{
    *purse = (struct dv_purse){ .account = *account, .in_place = bank->in_place, .charged = charged, .data = data };
    purse->account.sys = bank->sys;
    purse->account.state = bank->state;
    dv_job_init(&purse->job, loop, work, done, purse);
    dv_timer_init(loop, &purse->timer, in_place_done, purse);
    purse->opened = true;
    return as_spent(&purse->error, dv_ledger_read(&purse->account, &purse->budget, &purse->error));
}

void dv_purse_charge(struct dv_purse *purse, int64_t epsilon_nano)
{
    DV_ASSERT(purse->opened && epsilon_nano > 0);
    purse->epsilon_nano = epsilon_nano;
    if (!purse->in_place) {
        dv_job_start(&purse->job);
        return;
    }
    work(&purse->job);
    dv_timer_start(&purse->timer, 0);
}

void dv_purse_close(struct dv_purse *purse)
{
    if (!purse->opened)
        return;
    purse->opened = false;
    dv_timer_close(&purse->timer);
    (void)dv_job_close(&purse->job);
}

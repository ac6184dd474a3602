/* SPDX-License-Identifier: Apache-2.0
 * purse.h - an account of ε as a node has it: charged from the loop, by a worker job, one charge at a time.
 *
 * DV_OK means that the charge is on the disk: what it pays for may be released now, once. */
#ifndef DV_CONNECTORS_PURSE_H
#define DV_CONNECTORS_PURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "connectors/job.h"
#include "connectors/ledger.h"
#include "engine/loop.h"

/* Where the accounts are; lent to nodes as DV_SERVICE_BANK. */
struct dv_bank {
    const struct dv_sys *sys; /* &dv_sys_real */
    const char *state;        /* the directory of the setting `state` */
    bool in_place;            /* charges inside dv_purse_charge(), for a simulated loop, which has no workers */
};

typedef void (*dv_purse_callback)(void *data, dv_rc rc);

/* Lives in memory of the owner's that must stay until the loop has run dry after dv_purse_close(). */
struct dv_purse {
    struct dv_account account;
    bool in_place, opened;
    int64_t epsilon_nano;     /* of the charge under way; the worker's while it works */
    struct dv_budget budget;  /* after the last charge, or what was read */
    struct dv_error error;    /* of the last charge that failed */
    dv_rc rc;
    struct dv_job job;
    struct dv_timer timer; /* brings the answer when charged in place */
    dv_purse_callback charged;
    void *data;
};

/* Reads the account, which blocks. It can be charged later whatever this answers: DV_OK, DV_E_BUDGET (no budget was set),
 * DV_E_TAMPER, DV_E_IO, DV_E_FULL or DV_E_CONFIG, told in purse->error. Names are lent for the purse's life. */
DV_CHECKED dv_rc dv_purse_open(struct dv_purse *purse, struct dv_loop *loop, const struct dv_bank *bank,
                               const struct dv_account *account, dv_purse_callback charged, void *data);

/* Charges `epsilon_nano` > 0; the callback follows from the loop, never from inside this call. DV_E_BUDGET: there is not
 * so much left, or no budget was set. After any error nothing may be released. */
void dv_purse_charge(struct dv_purse *purse, int64_t epsilon_nano);

/* Waits for a charge under way, whose callback does not come any more. Accepts a zeroed purse. */
void dv_purse_close(struct dv_purse *purse);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_sign.h - a worker makes the token that a connector shows, while those who need one wait.
 *
 * Reading a file and an RSA signature take longer than the loop may. Whoever wishes for a token embeds the wish in its own state; it
 * is told once, from the loop, and shows the token then. */
#ifndef DV_CONNECTORS_SNOWFLAKE_SIGN_H
#define DV_CONNECTORS_SNOWFLAKE_SIGN_H

#include "connectors/job.h"
#include "connectors/snowflake_token.h"

/* Zero-initialise, and fill the first part. */
struct dv_snowflake_wish {
    /* The token may be shown, or cannot be made: DV_E_MEMORY, or what dv_secret_read() says. It may do anything, close the signer among it. */
    void (*on_made)(struct dv_snowflake_wish *wish, dv_rc rc);
    void *data; /* the caller's */

    bool waits; /* whether on_made() is still to come */
    struct dv_snowflake_wish *next; /* private */
};

/* Who makes it, and who waits. Lives in its owner, whose memory must stay until the loop has run dry after close(); private. */
struct dv_snowflake_signer {
    struct dv_loop *loop;
    struct dv_snowflake_token *shown;           /* the owner's */
    struct dv_snowflake_wish *waiting, *served; /* those that are told one after the other */
    struct dv_snowflake_token token;            /* the worker's while it works, as the rest */
    int64_t wall_ms;
    dv_rc rc;
    struct dv_job job;
};

/* Makes it ready to work for this token. */
void dv_snowflake_signer_open(struct dv_snowflake_signer *signer, struct dv_loop *loop, struct dv_snowflake_token *shown);

/* Whether to wish for a token before it is shown: it would take too long on the loop. */
bool dv_snowflake_signer_wanted(const struct dv_snowflake_signer *signer);

/* Begins to make one, for all who wish for it by then. on_made() never runs inside this call. */
void dv_snowflake_signer_wish(struct dv_snowflake_signer *signer, struct dv_snowflake_wish *wish);

/* Nothing comes any more; the wish must wait. */
void dv_snowflake_signer_give_up(struct dv_snowflake_signer *signer, struct dv_snowflake_wish *wish);

/* Nobody may wait; accepts a zeroed one. */
void dv_snowflake_signer_close(struct dv_snowflake_signer *signer);

#endif

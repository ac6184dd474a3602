/* SPDX-License-Identifier: Apache-2.0
 * snowflake_alone.h - an account on a loop of its own, for commands that ask and wait. Blocks. */
#ifndef DV_CONNECTORS_SNOWFLAKE_ALONE_H
#define DV_CONNECTORS_SNOWFLAKE_ALONE_H

#include "connectors/snowflake.h"

/* The account and its loop; private but for `snowflake`. Zero-initialise; must not move while it is open. */
struct dv_snowflake_alone {
    struct dv_snowflake snowflake;
    uv_loop_t uv;
    struct dv_loop_real loop;
    bool looped;
};

/* Opens it; the configuration's loop is its own. What dv_snowflake_open() says, and DV_E_FAILED: no loop. Close it in any case. */
DV_CHECKED dv_rc dv_snowflake_alone_open(struct dv_snowflake_alone *alone, const struct dv_snowflake_config *config,
                                         struct dv_error *error);

/* Turns the loop until *over, which callbacks set. */
void dv_snowflake_alone_wait(struct dv_snowflake_alone *alone, const bool *over);

/* Runs a statement, of which `on_end`, `data` and the id are set here, to its end; gives back its `rc`. */
DV_CHECKED dv_rc dv_snowflake_alone_run(struct dv_snowflake_alone *alone, struct dv_snowflake_statement *statement);

/* Closes it and runs the loop dry; accepts a zeroed one. What looks over it must be closed before. */
void dv_snowflake_alone_close(struct dv_snowflake_alone *alone);

#endif

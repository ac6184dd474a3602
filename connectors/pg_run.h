/* SPDX-License-Identifier: Apache-2.0
 * pg_run.h - a statement of a caller's own on the pool of pg.h: the request DV_STORE_RUN. */
#ifndef DV_CONNECTORS_PG_RUN_H
#define DV_CONNECTORS_PG_RUN_H

#include "connectors/store.h"

enum { DV_PG_RUN_PARAMS_MAX = 16 };

struct pg_result;

/* What a request's `run` points to. All parameters and results are binary; a lost connection means that it is sent again, so
 * it must not mind being done twice. */
struct dv_pg_run {
    const char *sql;
    int count;
    unsigned types[DV_PG_RUN_PARAMS_MAX];
    const char *values[DV_PG_RUN_PARAMS_MAX]; /* NULL: SQL's NULL */
    int lengths[DV_PG_RUN_PARAMS_MAX];
    const struct pg_result *result; /* valid during the callback */
};

#endif

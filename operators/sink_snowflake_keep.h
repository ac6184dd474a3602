/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_keep.h - `mode: sql`: batches that are kept until each of their rows is in the table, or rejected. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_KEEP_H
#define DV_OPERATORS_SINK_SNOWFLAKE_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/batch.h"

enum {
    DV_SNOW_KEEP_MAX = 64, /* batches */
    DV_SNOW_TAKEN_MAX = 2048, /* rows of a request */
    DV_SNOW_KEEP_ROWS = DV_SNOW_KEEP_MAX * DV_BATCH_ROWS,
    DV_SNOW_KEEP_IDS = 2 * DV_SNOW_KEEP_ROWS
};

struct dv_node;
struct dv_snowflake_array;

/* A batch; its rows wait, are taken into a request, are over. */
struct dv_snow_kept {
    struct dv_batch *batch; /* NULL: free */
    uint64_t order;
    uint64_t taken[DV_BATCH_ROWS / 64], over[DV_BATCH_ROWS / 64];
};

/* A row that a request has taken. */
struct dv_snow_taken {
    struct dv_snow_kept *kept;
    uint16_t row;
    dv_rc refused; /* what for; DV_OK: it is not */
};

/* The batches. Zero at first, but for the node. */
struct dv_snow_keep {
    struct dv_node *node;
    struct dv_snow_kept kept[DV_SNOW_KEEP_MAX];
    uint64_t order;
    const uint8_t *ids[DV_SNOW_KEEP_IDS]; /* of the rows that requests have, by their hashes */
};

/* One more batch; there must be a place. Whether there is none left. */
void dv_snow_keep_hold(struct dv_snow_keep *keep, struct dv_batch *batch);
bool dv_snow_keep_is_full(const struct dv_snow_keep *keep);

/* How many rows wait. */
uint32_t dv_snow_keep_waiting(const struct dv_snow_keep *keep);

/* Takes at most so many, in the order in which they came. One whose id a request has already stays until that one is over: it is
 * found in the table then, or rejected like the first. */
uint32_t dv_snow_keep_take(struct dv_snow_keep *keep, struct dv_snow_taken *rows, uint32_t most);

/* Writes rows from `from` to *to that are not over into the array, which is emptied first, each as JSON with its id before it. *to is set to the
 * first that does not fit; one that is too large for any request is rejected. DV_E_MEMORY: the array is empty. */
DV_CHECKED dv_rc dv_snow_keep_fill(struct dv_snow_keep *keep, const struct dv_snow_taken *rows, uint32_t from, uint32_t *to,
                                   struct dv_snowflake_array *array);

/* Whether a row is in the table or rejected; that it is in the table, unless it is `refused`; and that it goes to the dead letters, for a reason that is a literal. */
bool dv_snow_keep_is_over(struct dv_snow_taken row);
void dv_snow_keep_end(struct dv_snow_taken row);
void dv_snow_keep_reject(struct dv_snow_keep *keep, struct dv_snow_taken row, dv_rc rc, const char *reason);

/* Rejects those that are `refused`. */
void dv_snow_keep_reject_refused(struct dv_snow_keep *keep, const struct dv_snow_taken *rows, uint32_t count);

/* Finishes the batches of which all rows are over; and every batch, with an error. */
void dv_snow_keep_finish(struct dv_snow_keep *keep);
void dv_snow_keep_fail(struct dv_snow_keep *keep, dv_rc rc, const char *reason);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * insights_rows.h - between batches and numbers: which columns of an aggregate mean what, and the rows of an insight.
 *
 * What leaves, with k of the input:
 *   window_start_ms, window_end_ms   int, public
 *   kind, severity, test             text: emerging, anomaly, drift or top; info to critical; the name of the test
 *   group                            text: the values of the group's columns, joined by " / "; missing for a drift
 *   measure                          text: "count", or the column of the input
 *   observed, expected               float: the figure now and as usual; of a sum, the mean of a record
 *   effect                           float: observed / expected; drift: the stability index; top: the share
 *   score                            float: standard deviations; drift: chi-square
 *   p, q                             float: of the test, and after control of false discoveries over the window
 *   windows                          int: how many stand behind `expected`
 *   sentence, recommendation         text
 *   told                             text: both in one, with the window and what is counted, for who asks later
 * A column has the worst class of those it is made of, as aggregate(k). */
#ifndef DV_OPERATORS_INSIGHTS_ROWS_H
#define DV_OPERATORS_INSIGHTS_ROWS_H

#include "engine/operator.h"
#include "operators/insights_say.h"

enum { DV_INSIGHTS_BY_MAX = 8, DV_INSIGHTS_COLUMNS = 17 };

/* The columns of the input by what they mean, and the schema that leaves. */
struct dv_insights_columns {
    const struct dv_schema *in;
    uint32_t start, end, count, other, suppressed;
    uint32_t by[DV_INSIGHTS_BY_MAX];
    uint32_t by_count;
    uint32_t measures[DV_INSIGHTS_MEASURES_MAX];
    bool is_sum[DV_INSIGHTS_MEASURES_MAX];
    uint32_t measure_count;
    uint32_t k;
    const char *of; /* the columns of `by`, "diagnosis and age"; NULL without any */
    struct dv_schema *out;
};

/* During transfer(): fills all of it; refuses what is not the output of an aggregate of k. */
DV_CHECKED dv_rc dv_insights_columns(struct dv_node *node, const struct dv_shape *shape, struct dv_insights_columns *ret);

/* A batch as a window, in `scratch`; NULL: out of memory. ret_row[i] is the batch's row of the window's row i. */
struct dv_insights_window *dv_insights_read(const struct dv_insights_columns *columns, const struct dv_batch *batch,
                                            struct dv_arena *scratch, uint32_t ret_row[DV_INSIGHTS_ROWS_MAX]);

/* Memory for the rows that a batch will get, so that writing them cannot fail. */
struct dv_insights_room {
    struct dv_cell *cells[DV_COLUMNS_MAX];
    struct dv_row *rows;
    char (*groups)[DV_INSIGHTS_KEY_MAX]; /* of each insight, NUL-terminated */
    char (*sentences)[DV_INSIGHTS_SENTENCE_MAX];
    char (*told)[DV_INSIGHTS_TOLD_MAX];
};

/* Takes it from the batch's arena; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_insights_room(struct dv_batch *batch, struct dv_insights_room *ret);

/* Turns the batch into the rows of `count` insights. */
struct dv_insights_said {
    const struct dv_insights_plan *plan;
    const struct dv_insights_rules *rules;
    const struct dv_insights_window *window;
    const uint32_t *rows; /* as dv_insights_read() gave them */
    const struct dv_insight *insights;
    uint32_t count;
    uint64_t origin; /* for ids */
};
DV_CHECKED dv_rc dv_insights_write(const struct dv_insights_columns *columns, const struct dv_insights_said *said,
                                   const struct dv_insights_room *room, struct dv_batch *batch);

#endif

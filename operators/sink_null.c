/* SPDX-License-Identifier: Apache-2.0
 * sink_null.c - forgets what it gets: for measuring what comes before it, and for outputs that nobody needs. */
#include "engine/operator.h"

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    (void)node, (void)batch;
    return DV_PASS;
}

const struct dv_operator dv_operator_sink_null = {
    .name = "sink-null",
    .summary = "Forgets what it gets: for measuring, and for outputs that nobody needs.",
    .sink = true,
    .process = process,
};

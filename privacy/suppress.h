/* SPDX-License-Identifier: Apache-2.0
 * suppress.h - complementary suppression: what else must be hidden so that hidden numbers cannot be computed.
 *
 * A table with its totals is a network (Cox, "Suppression methodology and statistical disclosure control", JASA 75, 1980;
 * Kelly, Golden and Assad, "Cell suppression: disclosure protection for sensitive tabular data", Networks 22, 1992; Castro,
 * "Recent advances in optimization techniques for statistical tabular data protection", EJOR 216, 2012): each row and each
 * column is a node, and so are the row of totals and the column of totals; each number is an arc, and at each node as much
 * goes in as comes out. A cell goes from its row to its column, a column's total from the column to the row of totals, the
 * grand total from there to the column of totals, and a row's total from there to its row.
 *
 * Who knows all numbers that are shown, and that none is negative, knows of a hidden one what every flow that fits has in
 * common. It may be larger by as much as can be sent around a cycle through it on hidden arcs: along an arc any amount,
 * against it as much as there is. So a small number is protected by a way back, from its head to its tail, that goes
 * against no arc but those of k subjects or more; the cheapest such way is hidden. Then
 *
 *  - the number may be larger by k or more, so it has no bounds closer than that;
 *  - every sum of hidden numbers that can be computed, and that it is a part of, has another part of k subjects or more: such
 *    a sum is a cut that all arcs cross in one direction, and the way back crosses it against one of them. This holds for
 *    the rest of a line, for bridges over several lines, and whichever people are counted in several cells.
 *
 * A way back always exists, if need be over the totals. Hiding more takes no protection away. */
#ifndef DV_PRIVACY_SUPPRESS_H
#define DV_PRIVACY_SUPPRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_arena;

/* One number of the table. `cost` is what is lost when it is hidden, such as its size; at least 1. */
struct dv_suppress_arc {
    uint32_t tail, head;
    uint64_t cost;
    bool small;  /* fewer than k subjects: it must be hidden, and protected */
    bool hidden; /* given: it is hidden anyway; found: it must be */
};

/* Hides the small ones and what protects them, the costliest first. `scratch` is the caller's to reset. Time: small arcs
 * times arcs times the logarithm. DV_E_MEMORY; DV_E_FAILED: there is no way back, this is no table with its totals. After
 * an error nothing may be shown. */
DV_CHECKED dv_rc dv_suppress(struct dv_suppress_arc *arcs, uint32_t arc_count, uint32_t node_count,
                             struct dv_arena *scratch);

#endif

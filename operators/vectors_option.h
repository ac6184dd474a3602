/* SPDX-License-Identifier: Apache-2.0
 * vectors_option.h - the options that every operator has which works with a place of vectors, and the place they name: an
 * embedded file (`path`) or a PostgreSQL server with pgvector (`url`).
 *
 * An operator's state has a member `place`, its option table begins with the rows below, its transfer() asks for the check. */
#ifndef DV_OPERATORS_VECTORS_OPTION_H
#define DV_OPERATORS_VECTORS_OPTION_H

#include "connectors/vectors_sqlite.h"
#include "engine/operator.h"

/* The member of an operator's state that the rows fill, and what is open. */
struct dv_vectors_place {
    const char *path;
    int64_t memory_bytes;
    struct dv_vectors *vectors; /* NULL: not open */
    union {
        struct dv_vectors_sqlite sqlite;
    } of;
};

/* Rows of an option table whose state has a member `place` of the type above. */
#define DV_VECTORS_PLACE_ROWS(state)                                                                                   \
    { "path", DV_STR, offsetof(state, place.path), .flags = DV_REQUIRED, .help = "SQLite file of the vectors; made if it is not there." },    \
    { "memory", DV_SIZE, offsetof(state, place.memory_bytes), .initial = "512MiB", .min = 1 << 20, .max = INT64_C(1) << 40,           \
      .help = "With `path`: the most that vectors may take in memory; 512 MiB hold some 340,000 of 384 numbers." }

/* During transfer(): what can be checked without opening. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_vectors_place_check(struct dv_node *node, const struct dv_vectors_place *place);

/* Opens it, for open(). */
DV_CHECKED dv_rc dv_vectors_place_open(struct dv_node *node, struct dv_vectors_place *place);

/* Accepts one that was never opened. */
void dv_vectors_place_close(struct dv_vectors_place *place);

/* For `.waits` and `.breaker` of such an operator. */
const char *dv_vectors_place_waits(const struct dv_vectors_place *place);
const struct dv_breaker *dv_vectors_place_breaker(const struct dv_vectors_place *place, uint32_t index);

#endif

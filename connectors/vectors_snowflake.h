/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake.h - vectors in a table of Snowflake, over the SQL API of snowflake.h.
 *
 *     TABLE(DV_ID VARCHAR, TENANT VARCHAR, SCHEMA_NAME VARCHAR, CREATED_MS NUMBER, BODY VARCHAR, HASH VARCHAR, SUBJECT_REF VARCHAR,
 *           SUBJECTS NUMBER, MODEL VARCHAR, EMBEDDING ARRAY); ids as UUIDs are written, hash and reference as hex
 *     TABLE_VECTORS: a view of the same with EMBEDDING as VECTOR(FLOAT, width)
 *     ERASURES(TENANT VARCHAR, SUBJECT_REF VARCHAR, REQUESTED_MS NUMBER, DONE_MS NUMBER, TEXTS NUMBER)
 *
 * `datavault migrate` makes them. A search is one statement: every text of the tenant is compared, by cosine and by its words,
 * and the best of both come. A put is a MERGE of as many rows as a statement holds; a put of more takes several, each all or
 * nothing, and is taken up again by the same put. What is removed is written into ERASURES first, as asked for, and at last as done;
 * a row of it whose DONE_MS is NULL is a removal to be done again. One request at a time changes the table: Snowflake knows
 * no keys, and lets statements wait for one another. Values are binds, and names stand in quotation marks. */
#ifndef DV_CONNECTORS_VECTORS_SNOWFLAKE_H
#define DV_CONNECTORS_VECTORS_SNOWFLAKE_H

#include "connectors/snowflake.h"
#include "connectors/vectors.h"

enum { DV_VECTORS_SNOWFLAKE_WORKS = 8 }; /* requests under way; others wait */

/* Its texts must stay as long as the place is open. */
struct dv_vectors_snowflake_config {
    struct dv_snowflake_config snowflake;
    const char *table; /* as SHOW writes it */
    uint32_t width;    /* of its vectors */
};

struct dv_vectors_snowflake_work;

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_vectors_snowflake {
    struct dv_vectors vectors;
    struct dv_snowflake snowflake;
    struct dv_timer timer; /* requests begin from the loop */
    const char *table;
    uint32_t width;
    bool looked; /* the table takes our vectors, as far as it was asked */
    struct dv_vectors_snowflake_work *works; /* [DV_VECTORS_SNOWFLAKE_WORKS] */
    struct dv_vectors_request *first, *last; /* waiting */
    struct dv_vectors_hit hits[DV_VECTORS_TOP_MAX];
};

/* Opens it; nothing is asked yet. DV_E_CONFIG and what dv_snowflake_open() says. Close with dv_vectors_close(). */
DV_CHECKED dv_rc dv_vectors_snowflake_open(struct dv_vectors_snowflake *place, const struct dv_vectors_snowflake_config *config,
                                           struct dv_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * blob_place.h - where sealed records can be looked up by their ids: the file of a `sink-store` (`path`) or the table of a `sink-pg`
 * (`url`); its options, and the looking.
 *
 * An operator's state begins with a member `place`, its option table with the rows below; its transfer() asks for the check. */
#ifndef DV_OPERATORS_BLOB_PLACE_H
#define DV_OPERATORS_BLOB_PLACE_H

#include "connectors/sqlite.h"
#include "operators/pg_option.h"

enum {
    DV_BLOB_FIND_MAX = 64,                 /* ids of one statement: what it brings is opened in one callback, and others wait for that */
    DV_BLOB_FIND_BYTES = 16 * 1024 * 1024, /* of ciphertext that one statement may bring, unless a single record may be longer */
};

/* The member of an operator's state that the rows fill, and what is open. */
struct dv_blob_place {
    const char *path;
    struct dv_pg_server server;
    struct dv_store *store;    /* NULL: not open */
    struct dv_store_row *rows; /* of one statement */
    struct dv_store_request request;
    union {
        struct dv_sqlite sqlite;
        struct dv_pg pg;
    } of;
};

/* Rows of an option table whose state has a member `place` of the type above. */
#define DV_BLOB_PLACE_ROWS(state)                                                                                       \
    { "path", DV_STR, offsetof(state, place.path),                                                                      \
      .help = "SQLite file of sealed records, as of a sink-store. Either this or `url`." },                             \
        DV_PG_ROWS(offsetof(state, place.server), 0, "PostgreSQL server of a sink-pg", "only SELECT is needed.", " Only with `url`.")

struct dv_blob_search;

/* One record that is there; lent for the call. */
typedef void (*dv_blob_found)(struct dv_blob_search *search, const struct dv_store_row *row);
/* All were looked for, or `rc` tells why not. Comes from the loop, once. */
typedef void (*dv_blob_looked)(struct dv_blob_search *search);

/* Some ids to be looked up; the caller's until looked() or the end of the place. */
struct dv_blob_search {
    const uint8_t (*ids)[DV_STORE_ID_BYTES]; /* each once */
    uint32_t count;
    uint32_t longest; /* bytes of ciphertext; what is longer is not found */
    dv_blob_found found;
    dv_blob_looked looked;
    void *data;
    dv_rc rc;
    const char *reason;          /* a literal, or NULL */
    struct dv_blob_place *place; /* its own, with `at` */
    uint32_t at;
};

/* During transfer(): what can be checked without opening. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_blob_place_check(struct dv_node *node, const struct dv_blob_place *place);

/* Opens it, for open(). */
DV_CHECKED dv_rc dv_blob_place_open(struct dv_node *node, struct dv_blob_place *place);

/* Looks them up: in a table by as few statements as the bounds above allow, one after the other, in a file one by one. Between two
 * answers the loop turns. One search at a time. */
void dv_blob_place_search(struct dv_blob_place *place, struct dv_blob_search *search);

/* `.waits`, `.breaker` and `.close` of an operator whose state begins with its place, open or not. */
const char *dv_blob_place_waits(struct dv_node *node);
const struct dv_breaker *dv_blob_place_breaker(const struct dv_node *node, uint32_t index);
void dv_blob_place_close(struct dv_node *node);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_ids.h - the records that were sent last, by their ids: a ring with an index. */
#ifndef DV_CONNECTORS_SNOWFLAKE_IDS_H
#define DV_CONNECTORS_SNOWFLAKE_IDS_H

#include <stdint.h>

#include "engine/error.h"

enum { DV_SNOWFLAKE_ID = 16 };

/* A record, and in which request it was sent; 0: it did not get in. */
struct dv_snowflake_sent {
    uint8_t id[DV_SNOWFLAKE_ID];
    uint64_t unit;
};

/* The ring. Zero-initialise; private. 32 bytes for each id. */
struct dv_snowflake_ids {
    struct dv_snowflake_sent *sent;
    uint32_t room, first, count;
    uint32_t *chains, *next; /* places in the ring, plus one, by the ids' hashes; 0: the end */
};

/* Takes the memory for so many. DV_E_MEMORY. Free with dv_snowflake_ids_free(). */
DV_CHECKED dv_rc dv_snowflake_ids_init(struct dv_snowflake_ids *ids, uint32_t room);
void dv_snowflake_ids_free(struct dv_snowflake_ids *ids);

/* Adds the newest one; the oldest goes if there is no room. Requests come in order. */
void dv_snowflake_ids_push(struct dv_snowflake_ids *ids, const uint8_t id[DV_SNOWFLAKE_ID], uint64_t unit);

/* The request in which it was sent last; 0: none that is remembered. */
uint64_t dv_snowflake_ids_find(const struct dv_snowflake_ids *ids, const uint8_t id[DV_SNOWFLAKE_ID]);

/* It did not get in. */
void dv_snowflake_ids_forget(struct dv_snowflake_ids *ids, const uint8_t id[DV_SNOWFLAKE_ID]);

/* Requests behind this one are as if they had not been sent. */
void dv_snowflake_ids_take_back(struct dv_snowflake_ids *ids, uint64_t unit);

/* Of the newest request only the first `most` records stay, those that were forgotten not counted; how many those are. */
uint32_t dv_snowflake_ids_keep_first(struct dv_snowflake_ids *ids, uint64_t unit, uint32_t most);

/* Copies the `count` records of the newest request in order. */
void dv_snowflake_ids_copy(const struct dv_snowflake_ids *ids, uint64_t unit, uint32_t count, char *out);

/* Which records of the requests behind `from`, up to `to`, are not among these, which are sorted: how many, and the first
 * `room` of them. */
uint32_t dv_snowflake_ids_missing(const struct dv_snowflake_ids *ids, uint64_t from, uint64_t to,
                                  const uint8_t (*got)[DV_SNOWFLAKE_ID], uint32_t got_count,
                                  uint8_t (*ret_missing)[DV_SNOWFLAKE_ID], uint32_t room);

/* Behind which request those up to `to` have at most so many records that are remembered. */
uint64_t dv_snowflake_ids_behind(const struct dv_snowflake_ids *ids, uint64_t to, uint32_t most);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_ids.c - ids in the order they were sent, chained by their hashes. */
#include "connectors/snowflake_ids.h"

#include <stdlib.h>
#include <string.h>

#include "engine/id.h"
#include "engine/memory.h"

enum { ID = DV_SNOWFLAKE_ID };

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, ID);
}

static uint32_t *chain_of(const struct dv_snowflake_ids *ids, const uint8_t *id)
{
    return &ids->chains[dv_hash64(id, ID, 0) % ids->room];
}

static uint32_t place_of(const struct dv_snowflake_ids *ids, uint32_t nth)
{
    return (uint32_t)(((uint64_t)ids->first + nth) % ids->room);
}

static void unlink_at(struct dv_snowflake_ids *ids, uint32_t at)
{
    uint32_t *place = chain_of(ids, ids->sent[at].id);
    while (*place != at + 1)
        place = &ids->next[*place - 1];
    *place = ids->next[at];
}

/* A record that was sent twice, since it was refused the first time, is found as it was sent last. */
void dv_snowflake_ids_push(struct dv_snowflake_ids *ids, const uint8_t id[DV_SNOWFLAKE_ID], uint64_t unit)
{
    uint32_t at = place_of(ids, ids->count);
    if (ids->count < ids->room) {
        ids->count++;
    } else {
        unlink_at(ids, at); /* the oldest */
        ids->first = place_of(ids, 1);
    }
    ids->sent[at].unit = unit;
    memcpy(ids->sent[at].id, id, ID);
    uint32_t *chain = chain_of(ids, id);
    ids->next[at] = *chain;
    *chain = at + 1;
}

static const struct dv_snowflake_sent *nth_of(const struct dv_snowflake_ids *ids, uint32_t nth)
{
    return &ids->sent[place_of(ids, nth)];
}

static void pop(struct dv_snowflake_ids *ids)
{
    unlink_at(ids, place_of(ids, ids->count - 1));
    ids->count--;
}

/* What was forgotten goes, too, if it stands there. */
void dv_snowflake_ids_take_back(struct dv_snowflake_ids *ids, uint64_t unit)
{
    while (ids->count > 0) {
        uint64_t last = nth_of(ids, ids->count - 1)->unit;
        if (last != 0 && last <= unit)
            return;
        pop(ids);
    }
}

uint64_t dv_snowflake_ids_find(const struct dv_snowflake_ids *ids, const uint8_t id[DV_SNOWFLAKE_ID])
{
    for (uint32_t at = *chain_of(ids, id); at != 0; at = ids->next[at - 1])
        if (by_id(ids->sent[at - 1].id, id) == 0)
            return ids->sent[at - 1].unit;
    return 0;
}

void dv_snowflake_ids_forget(struct dv_snowflake_ids *ids, const uint8_t id[DV_SNOWFLAKE_ID])
{
    for (uint32_t at = *chain_of(ids, id); at != 0; at = ids->next[at - 1])
        if (by_id(ids->sent[at - 1].id, id) == 0)
            ids->sent[at - 1].unit = 0;
}

uint32_t dv_snowflake_ids_keep_first(struct dv_snowflake_ids *ids, uint64_t unit, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t nth = ids->count; nth-- > 0;) {
        const struct dv_snowflake_sent *sent = nth_of(ids, nth);
        if (sent->unit != 0 && sent->unit < unit)
            break;
        count += sent->unit == unit;
    }
    for (; count > most; pop(ids))
        count -= nth_of(ids, ids->count - 1)->unit == unit;
    return count;
}

void dv_snowflake_ids_copy(const struct dv_snowflake_ids *ids, uint64_t unit, uint32_t count, char *out)
{
    uint32_t nth = ids->count;
    for (uint32_t left = count; left > 0;)
        left -= nth_of(ids, --nth)->unit == unit;
    for (; nth < ids->count; nth++) {
        const struct dv_snowflake_sent *sent = nth_of(ids, nth);
        if (sent->unit != unit)
            continue;
        memcpy(out, sent->id, ID);
        out += ID;
    }
}

uint32_t dv_snowflake_ids_missing(const struct dv_snowflake_ids *ids, uint64_t from, uint64_t to,
                                  const uint8_t (*got)[DV_SNOWFLAKE_ID], uint32_t got_count,
                                  uint8_t (*ret_missing)[DV_SNOWFLAKE_ID], uint32_t room)
{
    uint32_t missing = 0;
    for (uint32_t nth = ids->count; nth-- > 0;) {
        const struct dv_snowflake_sent *sent = nth_of(ids, nth);
        if (sent->unit != 0 && sent->unit <= from)
            break; /* what stands before it is older */
        if (sent->unit == 0 || sent->unit > to ||
            (got_count > 0 && bsearch(sent->id, got, got_count, sizeof *got, by_id) != NULL))
            continue;
        if (missing < room)
            memcpy(ret_missing[missing], sent->id, ID);
        missing++;
    }
    return missing;
}

uint64_t dv_snowflake_ids_behind(const struct dv_snowflake_ids *ids, uint64_t to, uint32_t most)
{
    uint64_t first = to + 1; /* the oldest that fits */
    uint32_t count = 0;
    for (uint32_t nth = ids->count; nth-- > 0;) {
        const struct dv_snowflake_sent *sent = nth_of(ids, nth);
        if (sent->unit == 0 || sent->unit > to)
            continue;
        if (++count > most)
            return sent->unit < to ? sent->unit : to - 1;
        first = sent->unit;
    }
    return first - 1 < to ? first - 1 : to - 1;
}

dv_rc dv_snowflake_ids_init(struct dv_snowflake_ids *ids, uint32_t room)
{
    *ids = (struct dv_snowflake_ids){ .room = room };
    ids->sent = dv_memory_zeroed(room, sizeof *ids->sent);
    ids->chains = dv_memory_zeroed(room, sizeof *ids->chains);
    ids->next = dv_memory_zeroed(room, sizeof *ids->next);
    if (ids->sent != NULL && ids->chains != NULL && ids->next != NULL)
        return DV_OK;
    dv_snowflake_ids_free(ids);
    return DV_E_MEMORY;
}

void dv_snowflake_ids_free(struct dv_snowflake_ids *ids)
{
    dv_memory_free(ids->sent);
    dv_memory_free(ids->chains);
    dv_memory_free(ids->next);
    *ids = (struct dv_snowflake_ids){ 0 };
}

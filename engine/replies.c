/* SPDX-License-Identifier: Apache-2.0
 * replies.c - waiting fronts by the hash of an id. */
#include "engine/replies.h"

#include <string.h>

#include "engine/error.h"
#include "engine/memory.h"

enum { BUCKETS = 256 };

struct dv_replies {
    struct dv_reply_wait *waiting[BUCKETS]; /* each the newest first */
    uint32_t count;
};

struct dv_replies *dv_replies_new(void)
{
    return dv_memory_zeroed(1, sizeof(struct dv_replies));
}

void dv_replies_free(struct dv_replies *replies)
{
    DV_ASSERT(replies == NULL || replies->count == 0);
    dv_memory_free(replies);
}

static struct dv_reply_wait **bucket_of(struct dv_replies *replies, const uint8_t id[DV_UUID_BYTES])
{
    return &replies->waiting[dv_hash64(id, DV_UUID_BYTES, 0) % BUCKETS];
}

void dv_replies_wait(struct dv_replies *replies, struct dv_reply_wait *wait)
{
    struct dv_reply_wait **bucket = bucket_of(replies, wait->id);
    DV_ASSERT(wait->callback != NULL);
    wait->next = *bucket;
    *bucket = wait;
    replies->count++;
}

void dv_replies_leave(struct dv_replies *replies, struct dv_reply_wait *wait)
{
    struct dv_reply_wait **link = bucket_of(replies, wait->id);
    while (*link != NULL && *link != wait)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = wait->next;
    wait->next = NULL;
    replies->count--;
}

bool dv_replies_hand(struct dv_replies *replies, const struct dv_reply *reply)
{
    struct dv_reply_wait *wait = *bucket_of(replies, reply->id);
    while (wait != NULL && memcmp(wait->id, reply->id, sizeof wait->id) != 0)
        wait = wait->next;
    if (wait != NULL)
        wait->callback(reply, wait->data);
    return wait != NULL;
}

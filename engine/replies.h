/* SPDX-License-Identifier: Apache-2.0
 * replies.h - where answers meet who waits for them: a front waits by a record's id, a sink hands over what it has for it.
 *
 * Nobody is made to wait: what comes for an id that nobody waits for is gone. */
#ifndef DV_ENGINE_REPLIES_H
#define DV_ENGINE_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/id.h"

/* One piece of an answer; lent for the call. */
struct dv_reply {
    uint8_t id[DV_UUID_BYTES]; /* of the record that asked */
    const char *json;          /* the row as one line of JSON, an object */
    size_t length;
    const char *text;          /* what a reader reads of it; NULL: nothing */
    size_t text_length;
    bool last;                 /* nothing follows */
    bool withdrawn;            /* with the last: what came before is not to be used */
};

typedef void (*dv_reply_callback)(const struct dv_reply *reply, void *data);

/* Somebody who waits; in the front's own memory until dv_replies_leave(). */
struct dv_reply_wait {
    uint8_t id[DV_UUID_BYTES];
    dv_reply_callback callback; /* it may leave, also others */
    void *data;
    struct dv_reply_wait *next;
};

struct dv_replies;

/* NULL when memory is short. Free with dv_replies_free(), which accepts NULL; nobody may wait any more. */
struct dv_replies *dv_replies_new(void);
void dv_replies_free(struct dv_replies *replies);

/* Begins to wait. An id has one who waits: the newest. */
void dv_replies_wait(struct dv_replies *replies, struct dv_reply_wait *wait);

/* Ends it; one that does not wait does no harm. */
void dv_replies_leave(struct dv_replies *replies, struct dv_reply_wait *wait);

/* Hands it to whoever waits; false: nobody. */
bool dv_replies_hand(struct dv_replies *replies, const struct dv_reply *reply);

#endif

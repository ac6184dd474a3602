/* SPDX-License-Identifier: Apache-2.0
 * feed_kept.h - the newest event of each name, for readers that come later than the ring remembers; private to feed.c.
 *
 * A name's bytes are allocated when it first tells something or tells more than ever, not for each event, and wiped as
 * soon as they are replaced or dropped. */
#ifndef DV_ENGINE_FEED_KEPT_H
#define DV_ENGINE_FEED_KEPT_H

#include "engine/feed.h"

struct dv_kept_slot {
    struct dv_event event; /* id 0: the slot is free */
    char *json;            /* NULL if it is */
    size_t capacity;       /* of `json` */
    char name[DV_FEED_NAME_MAX + 1];
};

struct dv_kept {
    struct dv_kept_slot slots[DV_FEED_KEPT_NAMES];
    size_t bytes; /* of all slots' `capacity` */
};

/* Keeps a copy of `event` in the place of what its name told before. Where it does not fit, the oldest go; if it is too
 * large or memory is short, its name keeps nothing. */
void dv_kept_put(struct dv_kept *kept, const struct dv_event *event);

/* The one that comes next after `after` by its id, or NULL. */
const struct dv_event *dv_kept_next(const struct dv_kept *kept, uint64_t after);

/* Drops and wipes all of it. */
void dv_kept_drop(struct dv_kept *kept);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * feed_kept.c - a few slots that are searched from end to end: there are no more of them than nodes in a graph. */
#include "engine/feed_kept.h"

#include <string.h>

#include "engine/memory.h"
#include "engine/option.h"

enum { GRAIN_BYTES = 4096 }; /* so that windows which vary a little stay in the same bytes */

static void drop(struct dv_kept *kept, struct dv_kept_slot *slot)
{
    if (slot->json != NULL)
        explicit_bzero(slot->json, slot->capacity);
    dv_memory_free(slot->json);
    kept->bytes -= slot->capacity;
    *slot = (struct dv_kept_slot){ 0 };
}

/* The slot of `name`; else a free one; else the oldest, emptied. */
static struct dv_kept_slot *slot_of(struct dv_kept *kept, const char *name)
{
    struct dv_kept_slot *oldest = &kept->slots[0];
    for (uint32_t i = 0; i < DV_FEED_KEPT_NAMES; i++) {
        struct dv_kept_slot *slot = &kept->slots[i];
        if (slot->event.id != 0 && strcmp(slot->name, name) == 0)
            return slot;
        if (slot->event.id < oldest->event.id)
            oldest = slot;
    }
    drop(kept, oldest);
    return oldest;
}

static struct dv_kept_slot *oldest_of(struct dv_kept *kept)
{
    struct dv_kept_slot *oldest = NULL;
    for (uint32_t i = 0; i < DV_FEED_KEPT_NAMES; i++) {
        struct dv_kept_slot *slot = &kept->slots[i];
        if (slot->event.id != 0 && (oldest == NULL || slot->event.id < oldest->event.id))
            oldest = slot;
    }
    DV_ASSERT(oldest != NULL);
    return oldest;
}

/* Gives an empty slot room for `length` bytes and the NUL. */
static bool make_room(struct dv_kept *kept, struct dv_kept_slot *slot, size_t length)
{
    size_t need = (length / GRAIN_BYTES + 1) * GRAIN_BYTES;
    while (kept->bytes + need > DV_FEED_KEPT_BYTES)
        drop(kept, oldest_of(kept));
    slot->json = dv_memory_alloc(need);
    if (slot->json == NULL)
        return false;
    slot->capacity = need;
    kept->bytes += need;
    return true;
}

static void fill(struct dv_kept_slot *slot, const struct dv_event *event)
{
    memcpy(slot->json, event->json, event->length);
    slot->json[event->length] = '\0';
    if (slot->event.length > event->length)
        explicit_bzero(slot->json + event->length, slot->event.length - event->length);
    memcpy(slot->name, event->name, strlen(event->name) + 1);
    slot->event = *event;
    slot->event.name = slot->name;
    slot->event.json = slot->json;
}

void dv_kept_put(struct dv_kept *kept, const struct dv_event *event)
{
    struct dv_kept_slot *slot = slot_of(kept, event->name);
    bool fits = event->length <= DV_FEED_KEPT_EVENT;
    if (!fits || event->length >= slot->capacity)
        drop(kept, slot);
    if (fits && (slot->json != NULL || make_room(kept, slot, event->length)))
        fill(slot, event);
}

const struct dv_event *dv_kept_next(const struct dv_kept *kept, uint64_t after)
{
    const struct dv_event *next = NULL;
    for (uint32_t i = 0; i < DV_FEED_KEPT_NAMES; i++) {
        const struct dv_event *event = &kept->slots[i].event;
        if (event->id > after && (next == NULL || event->id < next->id))
            next = event;
    }
    return next;
}

void dv_kept_drop(struct dv_kept *kept)
{
    for (uint32_t i = 0; i < DV_FEED_KEPT_NAMES; i++)
        drop(kept, &kept->slots[i]);
    DV_ASSERT(kept->bytes == 0);
}

/* SPDX-License-Identifier: Apache-2.0
 * feed.c - two rings: one of events, one of their bytes; what does not fit pushes out the oldest. */
#include "engine/feed_kept.h"

#include <string.h>

#include "engine/memory.h"
#include "engine/option.h"

struct slot {
    struct dv_event event;
    char name[DV_FEED_NAME_MAX + 1];
};

struct dv_feed {
    struct slot *slots;
    uint32_t slot_count;
    uint32_t first; /* index of the oldest event */
    uint32_t count;
    uint64_t newest; /* id of the newest event there ever was; 0: none yet */

    char *bytes;
    size_t size;
    size_t head; /* where the newest event ends */

    struct dv_kept kept;

    struct dv_feed_reader *readers;
    struct dv_feed_reader *calling; /* whose turn is next while an event goes round */
    bool publishing;
};

struct dv_feed *dv_feed_new(uint32_t events, size_t bytes)
{
    DV_ASSERT(events > 0 && bytes > 0 && bytes < SIZE_MAX);
    struct dv_feed *feed = dv_memory_zeroed(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    feed->slot_count = events;
    feed->size = bytes + 1; /* the NUL behind the largest event */
    feed->slots = dv_memory_zeroed(events, sizeof *feed->slots);
    feed->bytes = dv_memory_alloc(feed->size);
    if (feed->slots == NULL || feed->bytes == NULL) {
        dv_feed_free(feed);
        return NULL;
    }
    return feed;
}

void dv_feed_free(struct dv_feed *feed)
{
    if (feed == NULL)
        return;
    DV_ASSERT(feed->readers == NULL);
    dv_kept_drop(&feed->kept);
    dv_memory_free(feed->slots);
    dv_memory_free(feed->bytes);
    dv_memory_free(feed);
}

static const struct slot *slot_at(const struct dv_feed *feed, uint32_t index)
{
    DV_ASSERT(index < feed->count);
    return &feed->slots[(feed->first + index) % feed->slot_count];
}

static void drop_oldest(struct dv_feed *feed)
{
    DV_ASSERT(feed->count > 0);
    feed->first = (feed->first + 1) % feed->slot_count;
    feed->count--;
}

/* Finds `need` bytes in one piece and in the order of age, or answers false: the oldest must go. */
static bool place(const struct dv_feed *feed, size_t need, size_t *ret_at)
{
    *ret_at = 0;
    if (feed->count == 0)
        return true;
    size_t tail = (size_t)(slot_at(feed, 0)->event.json - feed->bytes);
    if (feed->head <= tail) {
        *ret_at = feed->head;
        return tail - feed->head >= need;
    }
    if (feed->size - feed->head >= need) {
        *ret_at = feed->head;
        return true;
    }
    return tail >= need;
}

static char *make_room(struct dv_feed *feed, size_t need)
{
    if (feed->count == feed->slot_count)
        drop_oldest(feed);
    size_t at = 0;
    while (!place(feed, need, &at))
        drop_oldest(feed);
    feed->head = at + need;
    return feed->bytes + at;
}

static const struct dv_event *append(struct dv_feed *feed, const char *name, const char *json, size_t length)
{
    char *copy = make_room(feed, length + 1);
    memcpy(copy, json, length);
    copy[length] = '\0';
    struct slot *slot = &feed->slots[(feed->first + feed->count) % feed->slot_count];
    feed->count++;
    memcpy(slot->name, name, strlen(name) + 1);
    slot->event = (struct dv_event){ .id = ++feed->newest, .name = slot->name, .json = copy, .length = length };
    return &slot->event;
}

static dv_rc publish(struct dv_feed *feed, const char *name, const char *json, size_t length, bool keep)
{
    DV_ASSERT(!feed->publishing);
    DV_ASSERT(dv_is_name(name) && strlen(name) <= DV_FEED_NAME_MAX);
    if (length >= feed->size)
        return DV_E_LIMIT;
    /* A line end inside the text would let its writer forge an event of the stream. */
    if (memchr(json, '\n', length) != NULL || memchr(json, '\r', length) != NULL)
        return DV_E_SYNTAX;
    const struct dv_event *event = append(feed, name, json, length);
    if (keep)
        dv_kept_put(&feed->kept, event);
    feed->publishing = true;
    feed->calling = feed->readers;
    while (feed->calling != NULL) {
        struct dv_feed_reader *reader = feed->calling;
        feed->calling = reader->next;
        reader->callback(event, reader->data);
    }
    feed->publishing = false;
    return DV_OK;
}

dv_rc dv_feed_publish(struct dv_feed *feed, const char *name, const char *json, size_t length)
{
    return publish(feed, name, json, length, false);
}

dv_rc dv_feed_tell(struct dv_feed *feed, const char *name, const char *json, size_t length)
{
    return publish(feed, name, json, length, true);
}

void dv_feed_kept(const struct dv_feed *feed, uint64_t after, uint64_t until, dv_feed_callback callback, void *data)
{
    const struct dv_event *event = NULL;
    for (; (event = dv_kept_next(&feed->kept, after)) != NULL && event->id <= until; after = event->id)
        callback(event, data);
}

void dv_feed_forget(struct dv_feed *feed)
{
    dv_kept_drop(&feed->kept);
}

bool dv_feed_replay(const struct dv_feed *feed, uint64_t after, dv_feed_callback callback, void *data)
{
    if (after > feed->newest || after < feed->newest - feed->count)
        return false;
    uint32_t skip = feed->count - (uint32_t)(feed->newest - after);
    for (uint32_t index = skip; index < feed->count; index++)
        callback(&slot_at(feed, index)->event, data);
    return true;
}

void dv_feed_join(struct dv_feed *feed, struct dv_feed_reader *reader)
{
    DV_ASSERT(reader->callback != NULL);
    reader->next = feed->readers;
    feed->readers = reader;
}

void dv_feed_leave(struct dv_feed *feed, struct dv_feed_reader *reader)
{
    /* A reader may leave from inside any reader's callback. */
    if (feed->calling == reader)
        feed->calling = reader->next;
    struct dv_feed_reader **link = &feed->readers;
    while (*link != NULL && *link != reader)
        link = &(*link)->next;
    DV_ASSERT(*link == reader);
    *link = reader->next;
    reader->next = NULL;
}

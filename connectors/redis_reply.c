/* SPDX-License-Identifier: Apache-2.0
 * redis_reply.c - what hiredis reads is built in an arena, and its reader is kept within limits. */
#include "connectors/redis_reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

enum {
    NO_TEXT_BYTES = DV_REDIS_NODES_MAX * (int)sizeof(struct dv_redis_reply) + 4 * DV_ARENA_CHUNK,
    HEADER_MAX = 24,            /* digits of a text's length */
    IDLE_BYTES = 1024 * 1024,   /* what hiredis may keep for the next reply */
    SMALL = 256,                /* a text so short is never cut: ids, names of fields */
};

#define NO_TEXT SIZE_MAX

/* ---- hiredis asks for values, innermost arrays first ---- */

static struct dv_redis_reader *reader_of(const redisReadTask *task)
{
    return task->privdata;
}

/* Where the value goes: into its array, or it is the whole reply. NULL: there are too many. */
static struct dv_redis_reply *place_of(const redisReadTask *task)
{
    struct dv_redis_reader *reader = reader_of(task);
    struct dv_redis_reply *place = &reader->root;
    if (++reader->nodes > DV_REDIS_NODES_MAX)
        return NULL;
    if (task->parent != NULL) {
        struct dv_redis_reply *array = task->parent->obj;
        DV_ASSERT(array->type == DV_REDIS_ARRAY && (uint32_t)task->idx < array->count);
        place = (struct dv_redis_reply *)(uintptr_t)&array->items[task->idx];
    }
    *place = (struct dv_redis_reply){ 0 };
    return place;
}

static void *on_text(const redisReadTask *task, char *text, size_t length)
{
    struct dv_redis_reader *reader = reader_of(task);
    struct dv_redis_reply *reply = place_of(task);
    char *copy = NULL;
    if (reply == NULL)
        return NULL;
    bool small = length <= SMALL;
    if (small || length <= reader->limits.total_max - reader->kept)
        copy = dv_arena_text(&reader->arena, length + 1);
    reply->length = length;
    reply->type = DV_REDIS_CUT;
    if (copy == NULL)
        return reply;
    memcpy(copy, text, length);
    reader->kept += small ? 0 : length;
    reply->text = copy;
    reply->type = task->type == REDIS_REPLY_ERROR ? DV_REDIS_ERROR : DV_REDIS_TEXT;
    return reply;
}

static void *on_array(const redisReadTask *task, int count)
{
    struct dv_redis_reader *reader = reader_of(task);
    struct dv_redis_reply *reply = place_of(task);
    if (reply == NULL || count < 0 || count > DV_REDIS_ITEMS_MAX || (uint32_t)count > DV_REDIS_NODES_MAX - reader->nodes)
        return NULL;
    struct dv_redis_reply *items = NULL;
    if (count > 0)
        items = dv_arena_zeroed(&reader->arena, (size_t)count, sizeof *items);
    if (count > 0 && items == NULL)
        return NULL;
    reply->type = DV_REDIS_ARRAY;
    reply->count = (uint32_t)count;
    reply->items = items;
    return reply;
}

static void *on_number(const redisReadTask *task, long long number)
{
    struct dv_redis_reply *reply = place_of(task);
    if (reply == NULL)
        return NULL;
    reply->type = DV_REDIS_NUMBER;
    reply->number = number;
    return reply;
}

static void *on_nil(const redisReadTask *task)
{
    struct dv_redis_reader *reader = reader_of(task);
    struct dv_redis_reply *reply = place_of(task);
    if (reply == NULL)
        return NULL;
    if (reader->skipped != NO_TEXT) {
        reply->type = DV_REDIS_CUT;
        reply->length = reader->skipped;
        reader->skipped = NO_TEXT;
    }
    return reply;
}

static void on_free(void *reply)
{
    (void)reply; /* the arena's */
}

/* hiredis takes it as not const, and does not write to it. */
static redisReplyObjectFunctions *functions(void)
{
    static const redisReplyObjectFunctions table = { on_text, on_array, on_number, on_nil, on_free };
    return (redisReplyObjectFunctions *)(uintptr_t)&table;
}

/* ---- the reader ---- */

static dv_rc make(struct dv_redis_reader *reader)
{
    reader->hiredis = redisReaderCreateWithFunctions(functions());
    if (reader->hiredis == NULL)
        return DV_E_MEMORY;
    reader->hiredis->privdata = reader;
    reader->hiredis->maxbuf = IDLE_BYTES;
    reader->skipped = NO_TEXT;
    reader->skipping = 0;
    reader->done = true;
    return DV_OK;
}

dv_rc dv_redis_reader_init(struct dv_redis_reader *reader, struct dv_redis_limits limits)
{
    DV_ASSERT(limits.text_max <= DV_REDIS_TEXT_MAX && limits.total_max >= limits.text_max);
    *reader = (struct dv_redis_reader){ .limits = limits };
    dv_arena_init(&reader->arena, limits.total_max + limits.text_max + (size_t)NO_TEXT_BYTES);
    return make(reader);
}

dv_rc dv_redis_reader_reset(struct dv_redis_reader *reader)
{
    redisReaderFree(reader->hiredis);
    return make(reader);
}

void dv_redis_reader_free(struct dv_redis_reader *reader)
{
    if (reader->hiredis != NULL)
        redisReaderFree(reader->hiredis);
    dv_arena_free(&reader->arena);
    *reader = (struct dv_redis_reader){ 0 };
}

/* The header of a text that hiredis waits for. */
struct waited {
    size_t header; /* bytes, with the line end; 0: not all there yet */
    size_t length; /* of the text */
};

/* False: it is no header. hiredis itself would look for one without end. */
static bool read_header(const char *at, size_t unread, struct waited *ret)
{
    size_t digits = 0;
    *ret = (struct waited){ 0 };
    for (; digits < unread && at[digits] >= '0' && at[digits] <= '9'; digits++)
        ret->length = ret->length * 10 + (size_t)(at[digits] - '0');
    if (digits > HEADER_MAX)
        return false;
    if (digits + 2 > unread)
        return digits == unread || at[digits] == '\r' || (digits == 0 && at[0] == '-');
    if (at[digits] == '\r' && at[digits + 1] == '\n')
        ret->header = digits + 2;
    return ret->header > 0 || (digits == 0 && at[0] == '-' && unread < HEADER_MAX);
}

/* hiredis is told that a text is nil, and what came of it already is taken away; the rest is passed over. */
static bool cut(struct dv_redis_reader *reader, struct waited waited)
{
    static const char nil[] = "-1\r\n";
    redisReader *hiredis = reader->hiredis;
    size_t whole = waited.length + 2;
    size_t there = hiredis->len - hiredis->pos - waited.header;
    DV_ASSERT(there < whole);
    if (hiredis->pos == 0)
        sdsclear(hiredis->buf);
    else
        sdsrange(hiredis->buf, 0, (int)hiredis->pos - 1);
    hiredis->len = sdslen(hiredis->buf);
    reader->skipping = whole - there;
    reader->skipped = waited.length;
    return redisReaderFeed(hiredis, nil, sizeof nil - 1) == REDIS_OK;
}

/* hiredis wants more bytes: whether it may have them. */
static bool guard(struct dv_redis_reader *reader)
{
    redisReader *hiredis = reader->hiredis;
    size_t unread = hiredis->len - hiredis->pos;
    if (hiredis->ridx < 0 || unread == 0)
        return true;
    if (hiredis->rstack[hiredis->ridx].type != REDIS_REPLY_STRING)
        return unread <= DV_REDIS_LINE_MAX;
    struct waited waited;
    if (!read_header(hiredis->buf + hiredis->pos, unread, &waited))
        return false;
    return waited.header == 0 || waited.length <= reader->limits.text_max || cut(reader, waited);
}

/* Bytes of a text that is being passed over. */
static size_t pass_over(struct dv_redis_reader *reader, size_t length)
{
    size_t passed = reader->skipping < length ? reader->skipping : length;
    reader->skipping -= passed;
    return passed;
}

bool dv_redis_reader_feed(struct dv_redis_reader *reader, const char *bytes, size_t length)
{
    size_t passed = pass_over(reader, length);
    if (passed == length)
        return true;
    return redisReaderFeed(reader->hiredis, bytes + passed, length - passed) == REDIS_OK;
}

bool dv_redis_reader_next(struct dv_redis_reader *reader, const struct dv_redis_reply **ret)
{
    void *found = NULL;
    *ret = NULL;
    if (reader->skipping > 0 || reader->hiredis->len == reader->hiredis->pos)
        return true;
    if (reader->done) {
        dv_arena_reset(&reader->arena);
        reader->kept = 0;
        reader->nodes = 0;
        reader->done = false;
    }
    if (redisReaderGetReply(reader->hiredis, &found) != REDIS_OK)
        return false;
    if (found == NULL)
        return guard(reader);
    reader->done = true;
    *ret = found;
    return true;
}

bool dv_redis_is(const struct dv_redis_reply *reply, const char *word)
{
    size_t length = strlen(word);
    return reply->type == DV_REDIS_TEXT && reply->length == length && memcmp(reply->text, word, length) == 0;
}

const struct dv_redis_reply *dv_redis_get(const struct dv_redis_reply *map, const char *name)
{
    if (map->type != DV_REDIS_ARRAY)
        return NULL;
    for (uint32_t i = 0; i + 1 < map->count; i += 2)
        if (dv_redis_is(&map->items[i], name))
            return &map->items[i + 1];
    return NULL;
}

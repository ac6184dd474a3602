/* SPDX-License-Identifier: Apache-2.0
 * redis_trim.c - counts entries that were trimmed before the group was given them: Redis tells nobody.
 *
 * A stream knows how many entries were ever added and how many it has; a group knows how many it was given. Trimming
 * takes the oldest, so what was removed beyond what was given is lost. Once a group has been given everything there is,
 * what was added beyond what was given is lost, which also counts deletions. The numbers are taken in one transaction. */
#include "engine/log.h"
#include "operators/redis_source.h"

enum { INFO_STREAM, INFO_GROUPS, INFOS };

static uint64_t beyond(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t dv_redis_trim_lost(struct dv_redis_stream *stream, const struct dv_redis_census *census)
{
    uint64_t removed = beyond(census->added, census->length);
    bool first = !stream->watched;
    uint64_t before = stream->lost;
    if (!census->read_known && !census->fresh)
        return 0; /* the group was moved by hand, and Redis does not know */
    stream->watched = true;
    if (!census->read_known) { /* the count begins with what was removed before the first delivery */
        uint64_t lost = first ? 0 : beyond(removed, stream->removed);
        stream->removed = removed;
        return lost;
    }
    if (!stream->was_read)
        before = 0;
    stream->was_read = true;
    stream->lost = census->caught_up ? beyond(census->added, census->read) : beyond(removed, census->read);
    if (!census->caught_up && stream->lost < before)
        stream->lost = before;
    return first && census->caught_up ? 0 : beyond(stream->lost, before);
}

/* ---- XINFO ---- */

static bool number_of(const struct dv_redis_reply *map, const char *name, uint64_t *ret)
{
    const struct dv_redis_reply *value = dv_redis_get(map, name);
    if (value == NULL || value->type != DV_REDIS_NUMBER || value->number < 0)
        return false;
    *ret = (uint64_t)value->number;
    return true;
}

static const struct dv_redis_reply *group_of(const struct dv_redis_source *source, const struct dv_redis_reply *groups)
{
    if (groups->type != DV_REDIS_ARRAY)
        return NULL;
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct dv_redis_reply *name = dv_redis_get(&groups->items[i], "name");
        if (name != NULL && dv_redis_is(name, source->group))
            return &groups->items[i];
    }
    return NULL;
}

static bool same_text(const struct dv_redis_reply *a, const struct dv_redis_reply *b)
{
    return a->type == DV_REDIS_TEXT && b->type == DV_REDIS_TEXT && a->length == b->length &&
           memcmp(a->text, b->text, a->length) == 0;
}

static bool read_census(const struct dv_redis_source *source, const struct dv_redis_reply *infos,
                        struct dv_redis_census *ret)
{
    if (infos->type != DV_REDIS_ARRAY || infos->count != INFOS)
        return false;
    const struct dv_redis_reply *stream = &infos->items[INFO_STREAM];
    const struct dv_redis_reply *group = group_of(source, &infos->items[INFO_GROUPS]);
    const struct dv_redis_reply *newest = dv_redis_get(stream, "last-generated-id");
    const struct dv_redis_reply *given = group != NULL ? dv_redis_get(group, "last-delivered-id") : NULL;
    if (newest == NULL || given == NULL || !number_of(stream, "entries-added", &ret->added) ||
        !number_of(stream, "length", &ret->length))
        return false;
    ret->read_known = number_of(group, "entries-read", &ret->read);
    ret->fresh = dv_redis_is(given, "0-0");
    ret->caught_up = same_text(newest, given);
    return true;
}

static void judge(struct dv_redis_source *source, const struct dv_redis_reply *infos)
{
    struct dv_redis_census census = { 0 };
    const char *node = dv_node_name(source->node);
    if (!read_census(source, infos, &census)) {
        if (!source->check_told)
            dv_log(DV_LOG_WARN, "source.unwatched", DV_LOG_NAMED("node", node),
                   DV_LOG_LITERAL("why", "the server does not tell: entries trimmed unread would go unnoticed"));
        source->check_told = true;
        return;
    }
    uint64_t lost = dv_redis_trim_lost(&source->stream[source->check_stream], &census);
    if (lost == 0)
        return;
    dv_log(DV_LOG_ERROR, "source.trimmed", DV_LOG_NAMED("node", node),
           DV_LOG_NAMED("stream", source->streams.items[source->check_stream]), DV_LOG_NUMBER("lost", lost),
           DV_LOG_LITERAL("why", "entries were trimmed or deleted before they were read"));
    source->lost_untold += lost;
}

static void ask(struct dv_redis_source *source);

static void on_part(struct dv_redis_request *request)
{
    (void)request; /* an error comes again with EXEC */
}

static void on_census(struct dv_redis_request *request)
{
    struct dv_redis_source *source = request->data;
    source->checking = false;
    if (request->rc != DV_OK)
        return;
    judge(source, request->reply);
    source->check_stream++;
    if (source->check_stream < source->streams.count)
        ask(source);
}

static dv_rc send_part(struct dv_redis_source *source, int part, const struct dv_redis_word *words, uint32_t count)
{
    struct dv_redis_request *request = &source->check[part];
    *request = (struct dv_redis_request){ .callback = part == DV_REDIS_CHECK_PARTS - 1 ? on_census : on_part,
                                          .data = source };
    return dv_redis_request(&source->acking.redis, request, words, count);
}

static void ask(struct dv_redis_source *source)
{
    const char *stream = source->streams.items[source->check_stream];
    const struct dv_redis_word multi = dv_redis_text("MULTI");
    const struct dv_redis_word info[] = { dv_redis_text("XINFO"), dv_redis_text("STREAM"), dv_redis_text(stream) };
    const struct dv_redis_word groups[] = { dv_redis_text("XINFO"), dv_redis_text("GROUPS"), dv_redis_text(stream) };
    const struct dv_redis_word exec = dv_redis_text("EXEC");
    dv_rc rc = send_part(source, 0, &multi, 1);
    if (rc == DV_OK)
        rc = send_part(source, 1, info, 3);
    if (rc == DV_OK)
        rc = send_part(source, 2, groups, 3);
    if (rc == DV_OK)
        rc = send_part(source, 3, &exec, 1);
    source->checking = rc == DV_OK;
    if (rc == DV_E_MEMORY) /* half a transaction must not stay open */
        dv_redis_drop(&source->acking.redis, "no memory for a command");
}

void dv_redis_trim_check(struct dv_redis_source *source)
{
    if (source->checking || !source->begun || dv_redis_health(&source->acking.redis) != DV_REDIS_UP)
        return;
    source->check_stream = 0;
    ask(source);
}

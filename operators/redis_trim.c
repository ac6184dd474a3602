/* SPDX-License-Identifier: Apache-2.0
 * redis_trim.c - counts entries that were trimmed before the group was given them: Redis tells nobody.
 *
 * A stream knows how many entries were ever added and how many it has; a group knows how many it was given. Trimming
 * takes the oldest, so what was removed beyond what was given is lost. Once a group has been given everything there is,
 * what was added beyond what was given is lost, which also counts deletions. The numbers are taken in one transaction.
 *
 * A group's count is exact only as long as one process keeps it: it does not survive a replay of the append-only file, and
 * a replica's stands still. With another process the comparison begins anew, as soon as the group was given everything.
 * What is known is kept in the state folder, so that a loss while this program is down is counted, and counted once. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/id.h"
#include "engine/log.h"
#include "operators/redis_source.h"

enum { INFO_STREAM, INFO_GROUPS, INFOS, VERSION_MIN = 602 };

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
        return 0; /* the group was moved by hand, or the server is another process, and Redis does not know */
    if (!first && stream->server != census->server) {
        if (census->caught_up) {
            stream->server = census->server;
            stream->lost = beyond(census->added, census->read);
            stream->was_read = true;
        }
        return 0;
    }
    stream->watched = true;
    stream->server = census->server;
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

/* ---- what is known, in the state folder ---- */

static bool is_same(const struct dv_checkpoint *a, const struct dv_checkpoint *b)
{
    return a->source == b->source && a->offset == b->offset && a->line == b->line && a->records == b->records;
}

/* In a checkpoint's members: which stream of which process, entries lost, entries removed, and what is known. */
static void save(struct dv_redis_stream *stream)
{
    const struct dv_checkpoint known = { .source = stream->server, .offset = stream->lost, .line = stream->removed,
                                         .records = (stream->watched ? 1u : 0u) | (stream->was_read ? 2u : 0u) };
    if (stream->saved != NULL && !is_same(&known, &stream->saved->newest))
        dv_checkpoint_save(stream->saved, &known);
}

static dv_rc open_stream(struct dv_redis_source *source, struct dv_redis_stream *stream, const char *directory)
{
    struct dv_checkpoint known;
    struct dv_error error = { 0 };
    bool found = false;
    struct dv_checkpoint_options options = { .loop = dv_node_loop(source->node), .sys = &dv_sys_real,
                                             .directory = directory };
    options.name = dv_arena_printf(dv_node_arena(source->node), "%s.%016" PRIx64, dv_node_name(source->node), stream->hash);
    stream->saved = dv_arena_zeroed(dv_node_arena(source->node), 1, sizeof *stream->saved);
    if (options.name == NULL || stream->saved == NULL)
        return dv_fail(source->node, DV_E_MEMORY, "no memory for a checkpoint");
    dv_rc rc = dv_checkpoint_open(stream->saved, &options, &known, &found, &error);
    if (rc != DV_OK)
        return dv_fail(source->node, rc, "%s", error.text);
    if (!found)
        return DV_OK;
    stream->server = known.source;
    stream->lost = known.offset;
    stream->removed = known.line;
    stream->watched = (known.records & 1u) != 0;
    stream->was_read = (known.records & 2u) != 0;
    stream->saved->newest = known;
    return DV_OK;
}

dv_rc dv_redis_trim_open(struct dv_redis_source *source)
{
    const char *directory = dv_node_service(source->node, DV_SERVICE_DIRECTORY);
    for (uint32_t i = 0; i < source->streams.count && directory != NULL; i++)
        DV_TRY(open_stream(source, &source->stream[i], directory));
    return DV_OK;
}

void dv_redis_trim_close(struct dv_redis_source *source)
{
    for (uint32_t i = 0; i < source->streams.count; i++)
        if (source->stream[i].saved != NULL)
            (void)dv_checkpoint_close(source->stream[i].saved); /* what is not saved is told once more */
}

/* ---- asking ---- */

static void judge(struct dv_redis_lane *lane, const struct dv_redis_reply *infos)
{
    struct dv_redis_source *source = lane->source;
    struct dv_redis_census census = { .server = lane->server };
    const char *node = dv_node_name(source->node);
    if (!read_census(source, infos, &census)) {
        if (!source->check_told)
            dv_log(DV_LOG_WARN, "source.unwatched", DV_LOG_NAMED("node", node),
                   DV_LOG_LITERAL("why", "the server does not tell: entries trimmed unread would go unnoticed"));
        source->check_told = true;
        return;
    }
    struct dv_redis_stream *stream = dv_redis_stream_at(lane, lane->check_stream);
    uint64_t lost = dv_redis_trim_lost(stream, &census);
    save(stream);
    if (lost == 0)
        return;
    dv_log(DV_LOG_ERROR, "source.trimmed", DV_LOG_NAMED("node", node),
           DV_LOG_NAMED("stream", dv_redis_stream_name(lane, lane->check_stream)), DV_LOG_NUMBER("lost", lost),
           DV_LOG_LITERAL("why", "entries were trimmed or deleted before they were read"));
    source->lost_untold += lost;
}

static void ask(struct dv_redis_lane *lane);

static void on_part(struct dv_redis_request *request)
{
    struct dv_redis_lane *lane = request->data;
    enum dv_redis_trouble trouble = request->rc == DV_OK ? dv_redis_judge(request->reply, NULL) : DV_REDIS_PASSING;
    if (trouble == DV_REDIS_PASSING || trouble == DV_REDIS_ELSEWHERE)
        lane->check_hindered = true;
}

static void on_census(struct dv_redis_request *request)
{
    struct dv_redis_lane *lane = request->data;
    lane->checking = false;
    if (request->rc != DV_OK)
        return;
    if (!lane->check_hindered)
        judge(lane, request->reply);
    lane->check_stream++;
    if (lane->check_stream < lane->stream_count)
        ask(lane);
}

static dv_rc send_part(struct dv_redis_lane *lane, int part, const struct dv_redis_word *words, uint32_t count)
{
    struct dv_redis_request *request = &lane->check[part];
    *request = (struct dv_redis_request){ .callback = part == DV_REDIS_CHECK_PARTS - 1 ? on_census : on_part,
                                          .data = lane };
    return dv_redis_request(&lane->acking.redis, request, words, count);
}

static void ask(struct dv_redis_lane *lane)
{
    const char *stream = dv_redis_stream_name(lane, lane->check_stream);
    const struct dv_redis_word multi = dv_redis_text("MULTI");
    const struct dv_redis_word info[] = { dv_redis_text("XINFO"), dv_redis_text("STREAM"), dv_redis_text(stream) };
    const struct dv_redis_word groups[] = { dv_redis_text("XINFO"), dv_redis_text("GROUPS"), dv_redis_text(stream) };
    const struct dv_redis_word exec = dv_redis_text("EXEC");
    lane->check_hindered = false;
    dv_rc rc = send_part(lane, 0, &multi, 1);
    if (rc == DV_OK)
        rc = send_part(lane, 1, info, 3);
    if (rc == DV_OK)
        rc = send_part(lane, 2, groups, 3);
    if (rc == DV_OK)
        rc = send_part(lane, 3, &exec, 1);
    lane->checking = rc == DV_OK;
    if (rc == DV_E_MEMORY) /* half a transaction must not stay open */
        dv_redis_drop(&lane->acking.redis, "no memory for a command");
}

/* ---- who the server is ---- */

/* The text behind `name:` in the answer to INFO, up to its line's end. */
static struct dv_redis_word fact_of(const struct dv_redis_reply *info, const char *name)
{
    const char *at = info->type == DV_REDIS_TEXT ? memmem(info->text, info->length, name, strlen(name)) : NULL;
    if (at == NULL)
        return (struct dv_redis_word){ 0 };
    at += strlen(name);
    size_t left = (size_t)(info->text + info->length - at);
    const char *end = memchr(at, '\r', left);
    return (struct dv_redis_word){ at, end != NULL ? (size_t)(end - at) : left };
}

uint32_t dv_redis_version(const struct dv_redis_reply *info)
{
    struct dv_redis_word version = fact_of(info, "redis_version:");
    uint32_t numbers[2] = { 0 };
    size_t at = 0;
    for (int part = 0; part < 2; part++, at++)
        for (; at < version.length && version.at[at] >= '0' && version.at[at] <= '9' && numbers[part] < 1000; at++)
            numbers[part] = numbers[part] * 10 + (uint32_t)(version.at[at] - '0');
    return numbers[0] * 100 + (numbers[1] < 100 ? numbers[1] : 99);
}

/* A server that does not tell counts as the same for ever. */
static void on_info(struct dv_redis_request *request)
{
    struct dv_redis_lane *lane = request->data;
    lane->checking = false;
    if (request->rc != DV_OK)
        return;
    uint32_t version = dv_redis_version(request->reply);
    struct dv_redis_word run = fact_of(request->reply, "run_id:");
    lane->server = run.length > 0 ? dv_hash64(run.at, run.length, 0) | 1u : 1u;
    if (version > 0 && version < VERSION_MIN) {
        lane->source->refusal = "the server is too old: Redis 6.2 or later is needed";
        dv_redis_source_again(lane->source);
        return;
    }
    dv_redis_trim_check(lane);
}

static void ask_who(struct dv_redis_lane *lane)
{
    const struct dv_redis_word info[] = { dv_redis_text("INFO"), dv_redis_text("server") };
    lane->check[0] = (struct dv_redis_request){ .callback = on_info, .data = lane };
    lane->checking = dv_redis_request(&lane->acking.redis, &lane->check[0], info, 2) == DV_OK;
}

void dv_redis_trim_check(struct dv_redis_lane *lane)
{
    if (lane->checking || lane->acking.asking || dv_redis_health(&lane->acking.redis) != DV_REDIS_UP)
        return; /* no transaction can be part of asking */
    lane->check_stream = 0;
    if (lane->server == 0)
        ask_who(lane);
    else if (lane->begun)
        ask(lane);
}

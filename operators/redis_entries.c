/* SPDX-License-Identifier: Apache-2.0
 * redis_entries.c - entries of streams become rows of a batch, or dead letters; either way they are claimed. */
#include "engine/crash.h"
#include "engine/id.h"
#include "operators/redis_source.h"

static const uint64_t year_2000_ms = 946684800000;

/* One filling of a batch. */
struct filling {
    struct dv_redis_source *source;
    struct dv_redis_lane *lane;
    struct dv_batch *batch;
    struct dv_stream_entry entries[DV_BATCH_ROWS];
    uint32_t count;
    size_t bytes;
    int64_t now_ms;
    bool rejected; /* something that is no entry, which the receipt must cover, too */
};

/* What is to be done with an entry. */
enum taken { TAKEN, TAKEN_FULL, TAKEN_CUT, TAKEN_WRONG };

/* A stream's id alone does not name an entry for ever: a failover, or a stream that is made anew, may give it to another
 * one. What is delivered again has the same payload. The hash is keyed, because ids are seen by many. */
static uint64_t hash_payload(const struct filling *filling, const struct dv_redis_reply *payload)
{
    uint8_t digest[DV_HMAC_BYTES];
    uint64_t hash = 0;
    if (filling->source->secret == NULL)
        return 0;
    dv_hmac(&filling->source->secret->payload, payload->text, payload->length, digest);
    memcpy(&hash, digest, sizeof hash);
    return hash;
}

/* When the entry came into its stream, which its id tells, so that a backlog keeps its times. An id may be anything that
 * grows, though: one before 2000 or in the future is no time, and the record is as old as its being read. */
static int64_t created_at(const struct filling *filling, struct dv_stream_id id)
{
    bool is_time = id.ms >= year_2000_ms && id.ms <= (uint64_t)filling->now_ms;
    return is_time ? (int64_t)id.ms : filling->now_ms;
}

/* `order` and `minor` of the id, the rest of a large number goes into the hash, as does the payload of a record. */
static struct dv_row place_of(const struct filling *filling, struct dv_stream_entry entry,
                              const struct dv_redis_reply *payload)
{
    struct dv_row place = { .offset = entry.id.ms, .line = entry.id.seq };
    place.created_ms = created_at(filling, entry.id);
    uint64_t hash = filling->source->stream[entry.stream].hash;
    if (entry.id.seq > UINT32_MAX)
        hash = dv_hash64(&entry.id.seq, sizeof entry.id.seq, hash);
    if (payload != NULL)
        hash ^= hash_payload(filling, payload);
    dv_id_make(place.id, entry.id.ms, (uint32_t)entry.id.seq, hash);
    return place;
}

static void reject(const struct filling *filling, struct dv_stream_entry entry, const char *raw, size_t length,
                   dv_rc code, const char *reason)
{
    struct dv_row place = place_of(filling, entry, NULL);
    size_t kept = code == DV_E_LIMIT && length > DV_REDIS_KEPT_BYTES ? DV_REDIS_KEPT_BYTES : length;
    dv_reject_raw(filling->source->node, filling->batch, raw, kept, &place, code, reason);
}

/* The entry's fields as JSON, as far as they are worth keeping. */
static void reject_fields(const struct filling *filling, struct dv_stream_entry entry,
                          const struct dv_redis_reply *fields)
{
    struct dv_arena *scratch = dv_node_scratch(filling->source->node);
    char *room = dv_arena_alloc(scratch, DV_REDIS_KEPT_BYTES);
    struct dv_json json;
    size_t length = 0;
    if (room != NULL) {
        dv_json_init(&json, room, DV_REDIS_KEPT_BYTES);
        dv_json_open(&json, '[');
        for (uint32_t i = 0; i < fields->count; i++) {
            DV_ASSERT(fields->items != NULL);
            const struct dv_redis_reply *item = &fields->items[i];
            bool known = item->type == DV_REDIS_TEXT;
            dv_json_text(&json, known ? item->text : "", known ? item->length : 0);
        }
        dv_json_close(&json, ']');
        length = dv_json_length(&json);
    }
    reject(filling, entry, room != NULL ? room : "", length, DV_E_DATA, "the entry has no such field");
    if (room != NULL) {
        explicit_bzero(room, length);
        dv_arena_trim(scratch, room, DV_REDIS_KEPT_BYTES, 0);
    }
}

static const struct dv_redis_reply *payload_of(const struct dv_redis_source *source, const struct dv_redis_reply *fields)
{
    for (uint32_t i = 0; i + 1 < fields->count; i += 2)
        if (dv_redis_is(&fields->items[i], source->field))
            return &fields->items[i + 1];
    return NULL;
}

/* DV_E_MEMORY: the batch's arena is used up, and the record may fit into an empty one. */
static dv_rc parse(struct filling *filling, struct dv_stream_entry entry, const struct dv_redis_reply *payload)
{
    struct dv_batch *batch = filling->batch;
    const char *reason = "the record does not fit into a batch";
    size_t size = payload->length + DV_JSON_PADDING;
    char *text = dv_arena_text(&batch->arena, size);
    dv_rc rc = DV_E_MEMORY;
    if (text != NULL) {
        memcpy(text, payload->text, payload->length);
        memset(text + payload->length, 0, DV_JSON_PADDING);
        dv_arena_trim(&batch->arena, text, size, payload->length);
        DV_CRASH_POINT("redis.before-parse");
        rc = dv_json_reader_in_place(filling->source->json, text, payload->length, batch, batch->rows, &reason);
    }
    if (rc == DV_E_MEMORY && filling->count > 0)
        return DV_E_MEMORY;
    if (rc != DV_OK)
        reject(filling, entry, payload->text, payload->length, rc, reason);
    else
        batch->row[batch->rows++] = place_of(filling, entry, payload);
    DV_CRASH_POINT("redis.parsed");
    return DV_OK;
}

/* The fields of an entry. A payload that is cut although it is not too long found no room behind others: it is read again
 * as the first of a reply, which has all the room there is. */
static enum taken take_fields(struct filling *filling, struct dv_stream_entry entry, const struct dv_redis_reply *fields)
{
    const struct dv_redis_source *source = filling->source;
    const struct dv_redis_reply *payload = payload_of(source, fields);
    if (payload == NULL) {
        reject_fields(filling, entry, fields);
        return TAKEN;
    }
    const struct dv_redis_page *page = &filling->lane->page;
    bool first = page->list == 0 && page->entry == 0;
    if (payload->type == DV_REDIS_CUT && payload->length <= (size_t)source->max_record && !first)
        return TAKEN_CUT;
    if (payload->type == DV_REDIS_CUT) {
        reject(filling, entry, "", 0, DV_E_LIMIT, "the entry is longer than max_record");
        return TAKEN;
    }
    if (payload->type != DV_REDIS_TEXT)
        return TAKEN_WRONG;
    filling->bytes += payload->length;
    return parse(filling, entry, payload) == DV_OK ? TAKEN : TAKEN_FULL;
}

static bool read_id(const struct dv_redis_reply *entry, struct dv_stream_id *ret)
{
    return entry->type == DV_REDIS_ARRAY && entry->count == 2 && entry->items[0].type == DV_REDIS_TEXT &&
           dv_stream_id_parse(entry->items[0].text, entry->items[0].length, ret);
}

static enum taken take_entry(struct filling *filling, const struct dv_redis_reply *reply, uint32_t stream)
{
    struct dv_redis_source *source = filling->source;
    struct dv_stream_entry entry = { .stream = stream };
    enum taken taken = TAKEN;
    if (!read_id(reply, &entry.id))
        return TAKEN_WRONG;
    if (filling->lane->page.again && dv_redis_claims_has(&source->claims, entry))
        return TAKEN;
    if (filling->count == DV_BATCH_ROWS || filling->bytes >= DV_REDIS_BATCH_BYTES)
        return TAKEN_FULL;
    if (reply->items[1].type == DV_REDIS_NIL)
        reject(filling, entry, "", 0, DV_E_DATA, "the entry was deleted before it was read");
    else
        taken = reply->items[1].type == DV_REDIS_ARRAY ? take_fields(filling, entry, &reply->items[1]) : TAKEN_WRONG;
    if (taken == TAKEN)
        filling->entries[filling->count++] = entry;
    return taken;
}

/* Entries that another consumer was given and that were deleted meanwhile: Redis names them once and forgets them. */
static enum taken take_gone(struct filling *filling)
{
    struct dv_redis_page *page = &filling->lane->page;
    const struct dv_redis_reply *gone = page->gone;
    struct dv_stream_entry entry = { .stream = page->count > 0 ? page->lists[0].stream : 0 };
    page->gone = NULL;
    for (uint32_t i = 0; gone != NULL && i < gone->count; i++) {
        if (gone->items[i].type != DV_REDIS_TEXT ||
            !dv_stream_id_parse(gone->items[i].text, gone->items[i].length, &entry.id))
            return TAKEN_WRONG;
        if (dv_redis_claims_has(&filling->source->claims, entry))
            continue; /* XAUTOCLAIM names deleted entries whoever has them, and however long */
        reject(filling, entry, "", 0, DV_E_DATA, "the entry was deleted before it was read");
        filling->rejected = true;
    }
    return TAKEN;
}

/* One letter stands for all that were trimmed; how many says its text. */
static void tell_lost(struct filling *filling)
{
    struct dv_redis_source *source = filling->source;
    char text[64];
    struct dv_row place = { .created_ms = filling->now_ms };
    if (source->lost_untold == 0)
        return;
    struct dv_json json;
    dv_json_init(&json, text, sizeof text);
    dv_json_open(&json, '{');
    dv_json_key(&json, "lost");
    dv_json_uint(&json, source->lost_untold);
    dv_json_close(&json, '}');
    dv_reject_input(source->node, filling->batch, text, dv_json_length(&json), &place, DV_E_DATA,
                    "entries were trimmed or deleted before they were read");
    source->lost_untold = 0;
    filling->rejected = true;
}

/* What is left of the page is asked for again, fewer at a time: it did not fit into one reply. */
static void read_again(struct dv_redis_lane *lane)
{
    struct dv_redis_page *page = &lane->page;
    bool fresh = lane->phase == DV_PHASE_NEW;
    for (uint32_t i = 0; fresh && i < lane->stream_count; i++)
        dv_redis_stream_at(lane, i)->own_done = true;
    for (; page->list < page->count; page->list++, page->entry = 0) {
        const struct dv_redis_list *list = &page->lists[page->list];
        struct dv_stream_id id;
        if (page->entry >= list->entries->count || !read_id(&list->entries->items[page->entry], &id))
            continue;
        lane->source->stream[list->stream].own = dv_stream_id_before(id);
        lane->source->stream[list->stream].own_done = false;
    }
    lane->phase = DV_PHASE_OWN;
    lane->count = lane->count > 4 ? lane->count / 4 : 1;
}

static enum taken take_page(struct filling *filling)
{
    struct dv_redis_page *page = &filling->lane->page;
    enum taken taken = take_gone(filling);
    for (; taken == TAKEN && page->list < page->count; page->list++, page->entry = 0)
        for (; page->entry < page->lists[page->list].entries->count; page->entry++) {
            const struct dv_redis_list *list = &page->lists[page->list];
            taken = take_entry(filling, &list->entries->items[page->entry], list->stream);
            if (taken != TAKEN)
                return taken;
        }
    return taken;
}

enum dv_redis_filled dv_redis_entries_fill(struct dv_redis_lane *lane, struct dv_batch *batch)
{
    struct dv_redis_source *source = lane->source;
    struct filling filling = { .source = source, .lane = lane, .batch = batch, .now_ms = dv_wall_ms(dv_node_loop(source->node)) };
    tell_lost(&filling);
    enum taken taken = take_page(&filling);
    if (taken == TAKEN_CUT)
        read_again(lane);
    if (filling.count == 0 && !filling.rejected)
        return taken == TAKEN_WRONG ? DV_FILLED_WRONG : DV_FILLED_NOTHING;
    if (dv_redis_claims_add(&source->claims, filling.entries, filling.count) != DV_OK)
        return DV_FILLED_MEMORY;
    dv_claim(source->node, batch, 0, filling.count);
    return DV_FILLED_SOME;
}

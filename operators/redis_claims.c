/* SPDX-License-Identifier: Apache-2.0
 * redis_claims.c - a ring of claims, and the XACKs that end them. */
#include "operators/redis_claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/crash.h"
#include "engine/memory.h"

enum { RING_FIRST = 64, ACK_HEAD = 3 /* XACK key group */ };

/* ---- ids ---- */

static bool take_number(const char **at, const char *end, uint64_t *ret)
{
    const char *start = *at;
    uint64_t number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
            return false;
    *ret = number;
    return *at > start;
}

bool dv_stream_id_parse(const char *text, size_t length, struct dv_stream_id *ret)
{
    const char *at = text;
    const char *end = text + length;
    struct dv_stream_id id;
    if (!take_number(&at, end, &id.ms) || at == end || *at++ != '-' || !take_number(&at, end, &id.seq) || at != end)
        return false;
    *ret = id;
    return true;
}

size_t dv_stream_id_text(char out[DV_REDIS_ID_TEXT], struct dv_stream_id id)
{
    return (size_t)snprintf(out, DV_REDIS_ID_TEXT, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
}

struct dv_stream_id dv_stream_id_before(struct dv_stream_id id)
{
    if (id.seq > 0)
        return (struct dv_stream_id){ id.ms, id.seq - 1 };
    return id.ms > 0 ? (struct dv_stream_id){ id.ms - 1, UINT64_MAX } : id;
}

/* ---- the ring ---- */

static struct dv_redis_claim **slot_of(const struct dv_redis_claims *claims, uint64_t sequence)
{
    return &claims->ring[sequence & (claims->capacity - 1)];
}

static dv_rc grow(struct dv_redis_claims *claims)
{
    struct dv_redis_claims larger = *claims;
    if (claims->next - claims->first < claims->capacity)
        return DV_OK;
    larger.capacity = claims->capacity != 0 ? 2 * claims->capacity : RING_FIRST;
    larger.ring = dv_memory_zeroed(larger.capacity, sizeof *larger.ring);
    if (larger.ring == NULL)
        return DV_E_MEMORY;
    for (uint64_t at = claims->first; at < claims->next; at++)
        *slot_of(&larger, at) = *slot_of(claims, at);
    dv_memory_free(claims->ring);
    *claims = larger;
    return DV_OK;
}

dv_rc dv_redis_claims_add(struct dv_redis_claims *claims, const struct dv_stream_entry *entries, uint32_t count)
{
    DV_ASSERT(count <= DV_BATCH_ROWS);
    DV_TRY(grow(claims));
    struct dv_redis_claim *claim = dv_memory_zeroed(1, sizeof *claim + count * sizeof claim->entries[0]);
    if (claim == NULL)
        return DV_E_MEMORY;
    claim->of = claims;
    claim->count = count;
    if (count > 0)
        memcpy(claim->entries, entries, count * sizeof claim->entries[0]);
    *slot_of(claims, claims->next) = claim;
    claims->next++;
    return DV_OK;
}

static bool holds(const struct dv_redis_claim *claim, struct dv_stream_entry entry)
{
    for (uint32_t i = 0; i < claim->count; i++)
        if (claim->entries[i].id.ms == entry.id.ms && claim->entries[i].id.seq == entry.id.seq &&
            claim->entries[i].stream == entry.stream)
            return true;
    return false;
}

bool dv_redis_claims_has(const struct dv_redis_claims *claims, struct dv_stream_entry entry)
{
    for (uint64_t at = claims->first; at < claims->next; at++)
        if ((*slot_of(claims, at))->state != DV_CLAIM_DONE && holds(*slot_of(claims, at), entry))
            return true;
    return false;
}

static void drop_done(struct dv_redis_claims *claims)
{
    while (claims->first < claims->next && (*slot_of(claims, claims->first))->state == DV_CLAIM_DONE) {
        dv_memory_free(*slot_of(claims, claims->first));
        *slot_of(claims, claims->first) = NULL;
        claims->first++;
    }
}

/* ---- acknowledging ---- */

static void on_ack(struct dv_redis_request *request)
{
    struct dv_redis_claim *claim = request->data;
    struct dv_redis_claims *claims = claim->of;
    const char *reason = NULL;
    bool failed = request->rc != DV_OK || dv_redis_judge(request->reply, &reason) != DV_REDIS_FINE;
    DV_CRASH_POINT("redis.ack-answered");
    DV_ASSERT(claim->state == DV_CLAIM_ACKING && claim->acks_left > 0);
    claims->reason = reason;
    claim->ack_failed = claim->ack_failed || failed;
    claim->acks_left--;
    if (claim->acks_left > 0)
        return;
    claim->state = claim->ack_failed ? DV_CLAIM_SETTLED : DV_CLAIM_DONE;
    claims->acked += claim->ack_failed ? 0 : claim->count;
    drop_done(claims);
}

/* The XACK of one stream's entries; DV_OK also if the claim has none of it. */
static dv_rc ack(struct dv_redis_claim *claim, uint32_t stream)
{
    struct dv_redis_claims *claims = claim->of;
    struct dv_redis_word words[ACK_HEAD + DV_BATCH_ROWS] = { { "XACK", 4 } };
    char ids[DV_BATCH_ROWS][DV_REDIS_ID_TEXT];
    uint32_t count = ACK_HEAD;
    words[1] = (struct dv_redis_word){ claims->streams[stream], strlen(claims->streams[stream]) };
    words[2] = (struct dv_redis_word){ claims->group, strlen(claims->group) };
    for (uint32_t i = 0; i < claim->count; i++) {
        if (claim->entries[i].stream != stream)
            continue;
        char *id = ids[count - ACK_HEAD];
        words[count++] = (struct dv_redis_word){ id, dv_stream_id_text(id, claim->entries[i].id) };
    }
    if (count == ACK_HEAD)
        return DV_OK;
    claim->acks[stream] = (struct dv_redis_request){ .callback = on_ack, .data = claim };
    DV_CRASH_POINT("redis.before-ack");
    dv_rc rc = dv_redis_request(claims->redis[stream], &claim->acks[stream], words, count);
    DV_CRASH_POINT("redis.ack-sent");
    claim->acks_left += rc == DV_OK;
    return rc;
}

static void acknowledge(struct dv_redis_claim *claim)
{
    claim->ack_failed = false;
    claim->acks_left = 0;
    for (uint32_t stream = 0; stream < claim->of->stream_count; stream++)
        claim->ack_failed = ack(claim, stream) != DV_OK || claim->ack_failed;
    if (claim->acks_left > 0)
        claim->state = DV_CLAIM_ACKING;
    else
        claim->state = claim->ack_failed ? DV_CLAIM_SETTLED : DV_CLAIM_DONE;
}

void dv_redis_claims_settle(struct dv_redis_claims *claims, uint64_t sequence)
{
    DV_ASSERT(sequence >= claims->first && sequence < claims->next);
    struct dv_redis_claim *claim = *slot_of(claims, sequence);
    DV_ASSERT(claim->state == DV_CLAIM_FLYING);
    claim->state = DV_CLAIM_SETTLED;
    DV_CRASH_POINT("redis.settled");
    acknowledge(claim);
    drop_done(claims);
}

void dv_redis_claims_send(struct dv_redis_claims *claims)
{
    for (uint64_t at = claims->first; at < claims->next; at++)
        if ((*slot_of(claims, at))->state == DV_CLAIM_SETTLED)
            acknowledge(*slot_of(claims, at));
    drop_done(claims);
}

void dv_redis_claims_free(struct dv_redis_claims *claims)
{
    for (uint64_t at = claims->first; at < claims->next; at++)
        dv_memory_free(*slot_of(claims, at));
    dv_memory_free(claims->ring);
    claims->ring = NULL;
    claims->capacity = 0;
    claims->first = claims->next;
}

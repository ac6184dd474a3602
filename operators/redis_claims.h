/* SPDX-License-Identifier: Apache-2.0
 * redis_claims.h - entries of streams that were read and are not acknowledged yet, by the receipt that covers them.
 *
 * A claim flies until its receipt is settled, then waits for its XACK to be sent and answered. What is in a claim is
 * ours: when entries are read again, after a lost connection, those in a claim are passed over. */
#ifndef DV_OPERATORS_REDIS_CLAIMS_H
#define DV_OPERATORS_REDIS_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "connectors/redis.h"
#include "engine/batch.h"

enum { DV_REDIS_STREAMS_MAX = 16, DV_REDIS_ID_TEXT = 42 };

/* The id of an entry: milliseconds, and a number within them. */
struct dv_stream_id {
    uint64_t ms, seq;
};

/* Parses "1526919030474-55"; false if it is none. */
bool dv_stream_id_parse(const char *text, size_t length, struct dv_stream_id *ret);

/* Writes it, with a NUL; returns the length. */
size_t dv_stream_id_text(char out[DV_REDIS_ID_TEXT], struct dv_stream_id id);

/* The greatest id before this one; 0-0 has none and gives itself. */
struct dv_stream_id dv_stream_id_before(struct dv_stream_id id);

/* One entry of one of the node's streams. */
struct dv_stream_entry {
    struct dv_stream_id id;
    uint32_t stream;
};

enum dv_claim_state { DV_CLAIM_FLYING, DV_CLAIM_SETTLED, DV_CLAIM_ACKING, DV_CLAIM_DONE };

/* What one batch read. */
struct dv_redis_claim {
    enum dv_claim_state state;
    struct dv_redis_claims *of;
    struct dv_redis_request acks[DV_REDIS_STREAMS_MAX];
    uint32_t acks_left;
    bool ack_failed;
    uint32_t count;
    struct dv_stream_entry entries[];
};

/* All of them, a ring by the receipts' sequence. */
struct dv_redis_claims {
    struct dv_redis *redis[DV_REDIS_STREAMS_MAX]; /* which acknowledges, for each stream */
    const char *const *streams;
    uint32_t stream_count;
    const char *group;
    struct dv_redis_claim **ring;
    uint64_t first, next; /* sequences */
    uint32_t capacity;    /* a power of two, or 0 */
    uint64_t acked;       /* entries, since the start */
    const char *reason;   /* why the last acknowledgement failed, a literal, or NULL */
};

/* Adds the claim of the next receipt. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_redis_claims_add(struct dv_redis_claims *claims, const struct dv_stream_entry *entries,
                                     uint32_t count);

/* Whether an entry is in a claim. */
bool dv_redis_claims_has(const struct dv_redis_claims *claims, struct dv_stream_entry entry);

/* The receipt with this sequence is settled: its entries are acknowledged as soon as that is possible. */
void dv_redis_claims_settle(struct dv_redis_claims *claims, uint64_t sequence);

/* Sends what waits to be acknowledged; called when the connection is up, and now and then. */
void dv_redis_claims_send(struct dv_redis_claims *claims);

/* Gives all memory back. */
void dv_redis_claims_free(struct dv_redis_claims *claims);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * redis_source.h - the parts of `source from: redis`: the operator (source_redis.c), commands and their answers
 * (redis_reading.c), entries into batches (redis_entries.c), and noticing entries that were trimmed unread
 * (redis_trim.c). */
#ifndef DV_OPERATORS_REDIS_SOURCE_H
#define DV_OPERATORS_REDIS_SOURCE_H

#include "connectors/checkpoint.h"
#include "engine/json.h"
#include "engine/operator.h"
#include "operators/redis_claims.h"
#include "operators/redis_option.h"
#include "vault/hmac.h"

enum {
    DV_REDIS_BATCH_BYTES = 256 * 1024,        /* of payloads in one batch, but for its last */
    DV_REDIS_KEPT_BYTES = 64 * 1024,          /* of an entry that is rejected without being a record */
    DV_REDIS_READ_TOTAL = 16 * 1024 * 1024,   /* of texts in one reply, beside one entry of the largest size */
    DV_REDIS_CONSUMER_MAX = 128,
    DV_REDIS_CHECK_PARTS = 4,                 /* MULTI, XINFO STREAM, XINFO GROUPS, EXEC */
    DV_REDIS_PULSE_MS = 1000,
};

/* What is asked for next. */
enum dv_redis_phase {
    DV_PHASE_MAKE, /* the groups */
    DV_PHASE_OWN,  /* what this consumer was given before and did not acknowledge */
    DV_PHASE_NEW,
};

/* What is known of one stream. */
struct dv_redis_stream {
    uint64_t hash;             /* names it in records' ids */
    struct dv_stream_id own;   /* what was read again of our own, up to here */
    bool own_done;
    bool watched;              /* the numbers below are known */
    bool was_read;             /* something was ever delivered to the group */
    uint64_t removed;          /* entries that were removed, while nothing was delivered yet */
    uint64_t lost;             /* entries known to be lost, by the group's own count */
    uint64_t server;           /* whose counts they are */
    struct dv_checkpoints *saved; /* what is known survives a restart of ours; NULL: there is no state folder */
};

/* Entries of one stream in a reply. */
struct dv_redis_list {
    const struct dv_redis_reply *entries; /* an array */
    uint32_t stream;
};

/* A reply that is being worked off. */
struct dv_redis_page {
    struct dv_redis_list lists[DV_REDIS_STREAMS_MAX];
    uint32_t count;
    uint32_t list, entry;             /* the next one */
    const struct dv_redis_reply *gone; /* ids of entries that were deleted while they were pending, or NULL */
    bool again;                       /* entries may be ours already */
};

struct dv_redis_source;

/* Streams that are read by the same commands: in a cluster those of one slot, because no command may name keys of several,
 * else all. Each lane has two connections of its own, because a read that waits keeps its connection. */
struct dv_redis_lane {
    struct dv_redis_source *source;
    uint32_t streams[DV_REDIS_STREAMS_MAX]; /* by their place in the option */
    uint32_t stream_count;
    struct dv_redis_client reading, acking;

    struct dv_redis_request request;
    bool asked;            /* the request is under way */
    enum dv_redis_phase phase;
    uint32_t making;       /* the stream whose group is made next */
    bool begun;            /* the groups were once found or made: the configuration is right */
    struct dv_redis_page page;
    uint32_t count;        /* entries asked for, of each stream */
    bool sweeping;         /* other consumers' entries are being claimed: */
    uint32_t sweep_stream;
    struct dv_stream_id sweep_at;
    uint64_t sweep_due_ns;
    const char *reason;    /* why the server's last answer did not help, a literal, or NULL */
    bool resting;          /* until the next pulse, after such an answer */
    uint32_t rests;        /* pulses in a row without an answer that helped */

    struct dv_redis_request check[DV_REDIS_CHECK_PARTS];
    uint64_t server;       /* names the process that answers; 0: not known yet */
    bool checking;
    bool check_hindered;   /* by something that passes */
    uint32_t check_stream;
};

/* In secret pages. */
struct dv_redis_secret {
    struct dv_hmac payload;
    uint8_t key[DV_HMAC_BYTES];
};

/* The state of the operator; the option table fills the first part. */
struct dv_redis_source {
    struct dv_redis_server server;
    struct dv_strs streams;
    const char *group;
    const char *consumer;
    const char *field;
    const char *schema;
    int64_t max_record;
    int64_t claim_after;
    int64_t block;

    const struct dv_schema *shape;
    struct dv_node *node;
    struct dv_redis_secret *secret; /* NULL: the graph has no keyring, and payloads are no part of records' ids */
    struct dv_redis_lane *lanes;
    uint32_t lane_count;
    uint32_t turn;         /* the lane that fills the next batch, if it has something */
    struct dv_redis_claims claims;
    struct dv_json_reader *json;
    struct dv_redis_stream stream[DV_REDIS_STREAMS_MAX];
    char own_name[DV_REDIS_CONSUMER_MAX + 1];

    struct dv_batch *held;
    const char *refusal;   /* the configuration is wrong, a literal, or NULL */
    struct dv_timer pulse;
    bool stopping, ended, closed; /* stopping: no more is asked for */
    uint32_t stop_pulses;  /* until the server's answer is not waited for any more */
    bool check_told;       /* that entries trimmed unread cannot be noticed */
    uint64_t lost_untold;  /* entries whose loss has no dead letter yet */
};

/* ---- source_redis.c ---- */

/* The name of a stream of a lane. */
static inline const char *dv_redis_stream_name(const struct dv_redis_lane *lane, uint32_t index)
{
    DV_ASSERT(index < lane->stream_count);
    return lane->source->streams.items[lane->streams[index]];
}

/* What is known of it. */
static inline struct dv_redis_stream *dv_redis_stream_at(struct dv_redis_lane *lane, uint32_t index)
{
    DV_ASSERT(index < lane->stream_count);
    return &lane->source->stream[lane->streams[index]];
}

/* From callbacks: goes on with the batch that is held, if one is. */
void dv_redis_source_again(struct dv_redis_source *source);

/* ---- redis_reading.c ---- */

/* Sends the next command; its answer becomes the page. The connection is up and nothing is asked. */
void dv_redis_reading_next(struct dv_redis_lane *lane);

/* Gives up a connection whose answer is not what was asked for. */
void dv_redis_reading_wrong(struct dv_redis_lane *lane);

/* ---- redis_entries.c ---- */

/* What came of filling a batch. */
enum dv_redis_filled {
    DV_FILLED_NOTHING, /* the page is used up, and nothing of it had to be taken */
    DV_FILLED_SOME,    /* the batch is to be passed on */
    DV_FILLED_WRONG,   /* the page is not what was asked for */
    DV_FILLED_MEMORY,
};

/* Moves entries of the page into the batch, as many as fit, and claims them. */
enum dv_redis_filled dv_redis_entries_fill(struct dv_redis_lane *lane, struct dv_batch *batch);

/* Whether nothing of the page is left to be moved. */
static inline bool dv_redis_page_is_empty(const struct dv_redis_page *page)
{
    return page->list >= page->count && page->gone == NULL;
}

/* ---- redis_trim.c ---- */

/* Asks how the streams are, unless that is being asked already; first of all who the server is. */
void dv_redis_trim_check(struct dv_redis_lane *lane);

/* Reads what an earlier run knew of the streams, and saves the last. Fails as dv_fail(). */
DV_CHECKED dv_rc dv_redis_trim_open(struct dv_redis_source *source);
void dv_redis_trim_close(struct dv_redis_source *source);

/* The version in the answer to INFO, 602 for 6.2; 0: it tells none. */
uint32_t dv_redis_version(const struct dv_redis_reply *info);

/* What XINFO tells. */
struct dv_redis_census {
    uint64_t server;
    uint64_t added, length, read;
    bool read_known; /* the group's count of what was delivered is */
    bool fresh;      /* nothing was delivered to the group yet */
    bool caught_up;  /* everything there is was delivered */
};

/* How many more entries were lost since the last census; the stream's numbers follow. */
uint64_t dv_redis_trim_lost(struct dv_redis_stream *stream, const struct dv_redis_census *census);

#endif

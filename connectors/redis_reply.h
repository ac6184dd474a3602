/* SPDX-License-Identifier: Apache-2.0
 * redis_reply.h - replies of a Redis server, read by hiredis into an arena, within limits that the server cannot pass.
 *
 * hiredis' reader knows the protocol; what it builds and how much is decided here. A text longer than `text_max` is
 * passed over as it comes, without ever being stored, and shows up as DV_REDIS_CUT, so that one huge entry of a stream
 * does not keep the others from being read. */
#ifndef DV_CONNECTORS_REDIS_REPLY_H
#define DV_CONNECTORS_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"

enum {
    DV_REDIS_TEXT_MAX = 64 * 1024 * 1024,
    DV_REDIS_ITEMS_MAX = 1 << 16, /* of one array */
    DV_REDIS_NODES_MAX = 1 << 18, /* of one reply */
    DV_REDIS_LINE_MAX = 64 * 1024,
};

enum dv_redis_type {
    DV_REDIS_NIL,
    DV_REDIS_TEXT,   /* also a status: +OK */
    DV_REDIS_ERROR,
    DV_REDIS_NUMBER,
    DV_REDIS_ARRAY,
    DV_REDIS_CUT,    /* a text that was passed over; its length is known */
};

/* One value of a reply. */
struct dv_redis_reply {
    enum dv_redis_type type;
    uint32_t count;                     /* of items */
    const struct dv_redis_reply *items; /* of an array */
    const char *text;                   /* of a text or an error; not NUL-terminated */
    size_t length;
    int64_t number;
};

/* What one reply may take. */
struct dv_redis_limits {
    size_t text_max;  /* a longer text is cut; ≤ DV_REDIS_TEXT_MAX */
    size_t total_max; /* of all texts together; what is over it is cut; ≥ text_max */
};

struct redisReader;

/* A reader; zero-initialise it. */
struct dv_redis_reader {
    struct redisReader *hiredis;
    struct dv_arena arena;
    struct dv_redis_limits limits;
    struct dv_redis_reply root;
    size_t kept;     /* bytes of texts in this reply */
    uint32_t nodes;  /* of this reply */
    size_t skipping; /* bytes of a text still to be passed over, with its line end */
    size_t skipped;  /* the length of the text that hiredis is told to be nil; SIZE_MAX: none */
    bool done;       /* the reply was given out: the next one takes its place */
};

/* DV_E_MEMORY. Free with dv_redis_reader_free(). */
DV_CHECKED dv_rc dv_redis_reader_init(struct dv_redis_reader *reader, struct dv_redis_limits limits);

/* Forgets everything, for a new connection. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_redis_reader_reset(struct dv_redis_reader *reader);

/* Accepts a zeroed reader. */
void dv_redis_reader_free(struct dv_redis_reader *reader);

/* Takes bytes in. False: they are no reply, or pass a limit; the connection must be given up. */
bool dv_redis_reader_feed(struct dv_redis_reader *reader, const char *bytes, size_t length);

/* The next whole reply into *ret, or NULL: more bytes are needed. It stays readable until the next call. False as above. */
bool dv_redis_reader_next(struct dv_redis_reader *reader, const struct dv_redis_reply **ret);

/* Whether a text is this word. */
bool dv_redis_is(const struct dv_redis_reply *reply, const char *word);

/* The item of a map given as an array of names and values, or NULL. */
const struct dv_redis_reply *dv_redis_get(const struct dv_redis_reply *map, const char *name);

/* ---- what an error reply means: redis_error.c ---- */

/* What kind of a trouble an error reply tells of. */
enum dv_redis_trouble {
    DV_REDIS_FINE,       /* no error */
    DV_REDIS_PASSING,    /* heals by itself or by the server's keeper: try again */
    DV_REDIS_MISTAKE,    /* asked at the start it is a wrong configuration */
    DV_REDIS_ELSEWHERE,  /* the key lives on another node: a mistake, unless the connection goes there by itself */
    DV_REDIS_NO_GROUP,   /* the consumer group is not there (any more) */
    DV_REDIS_HAVE_GROUP, /* the consumer group is there already */
};

/* Judges a reply; *ret_reason (may be NULL) gets what is wrong in words, a literal that holds nothing of the reply. */
enum dv_redis_trouble dv_redis_judge(const struct dv_redis_reply *reply, const char **ret_reason);

#endif

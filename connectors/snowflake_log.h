/* SPDX-License-Identifier: Apache-2.0
 * snowflake_log.h - the journal's file: saves that are appended, each of some records, and never changed.
 *
 * A save counts as a whole or not at all. It is durable before the next one is written, so a crash can leave only the last
 * one torn, and that one is cut off; whatever else does not fit its check sum was damaged, and nothing of the file is
 * believed. A compacted file is a new one: a head with what the forgotten saves came to, and the others without what was taken back. */
#ifndef DV_CONNECTORS_SNOWFLAKE_LOG_H
#define DV_CONNECTORS_SNOWFLAKE_LOG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "connectors/sys.h"
#include "engine/error.h"

enum {
    DV_SNOWFLAKE_UNITS_MAX = 256,             /* requests under way */
    DV_SNOWFLAKE_SAVE_MAX = 64 * 1024 * 1024, /* bytes of a save's records */
    DV_SNOWFLAKE_LOG_MIN = 64 * 1024          /* a file this small is not compacted */
};

enum dv_snowflake_record_kind {
    DV_SNOWFLAKE_SENT = 1, /* a request is about to be sent; its ids follow */
    DV_SNOWFLAKE_SETTLED,  /* requests up to it are accounted for; the ids that did not get in follow */
    DV_SNOWFLAKE_BACK,     /* requests behind it were not taken, and will not be */
};

/* The head of a record, as it stands in the file. */
struct dv_snowflake_record {
    uint32_t kind, count; /* count: of ids */
    uint64_t unit;        /* number of the request */
    uint64_t random;      /* the rest of its token */
    uint64_t errors;      /* SETTLED: rows that Snowflake had refused by then */
};

/* What a file comes to. */
struct dv_snowflake_told {
    uint64_t unit, settled, errors, settled_random;
};

/* Where the next save goes, and what it goes on from. */
struct dv_snowflake_end {
    uint64_t at, sequence, chain;
};

/* An open file; a worker's while he works. All but `told` is private. */
struct dv_snowflake_log {
    struct dv_snowflake_told told; /* what the file came to when it was opened; after that nobody keeps it */
    const struct dv_sys *sys;
    int fd;
    struct dv_snowflake_end end; /* of what is whole */
    uint64_t whose, salt;
    uint64_t compact_at; /* the size at which it is worth while */
    bool spoilt;         /* what stands behind `end` is not known: a new file is needed */
    char path[PATH_MAX], fresh[PATH_MAX];
};

/* A record of the file, in order; false: it cannot be one of ours. */
typedef bool (*dv_snowflake_on_record)(void *data, const struct dv_snowflake_record *record, const uint8_t *ids);

/* Opens and reads, or makes, a file; may block. DV_E_CONFIG: of another owner, or of an earlier version; DV_E_TAMPER: damaged;
 * DV_E_IO; DV_E_MEMORY. `on_head` (first, once) tells what the records start from. */
DV_CHECKED dv_rc dv_snowflake_log_open(struct dv_snowflake_log *log, const struct dv_sys *sys, const char *path,
                                       uint64_t whose,
                                       void (*on_head)(void *data, const struct dv_snowflake_told *told),
                                       dv_snowflake_on_record on_record, void *data, struct dv_error *error);

/* Makes records durable; blocks. 0 or an errno, after which the same may be tried again. */
int dv_snowflake_log_save(struct dv_snowflake_log *log, const void *records, size_t length);

/* If the file is large enough, or spoilt: leaves the newest `remember` ids or more, and every request behind `settled`
 * that was not taken back.
 * Blocks. 0 or an errno. */
int dv_snowflake_log_compact(struct dv_snowflake_log *log, uint64_t remember, uint64_t settled);

/* Accepts one that is not open. */
void dv_snowflake_log_close(struct dv_snowflake_log *log);

#endif

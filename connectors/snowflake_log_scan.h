/* SPDX-License-Identifier: Apache-2.0
 * snowflake_log_scan.h - between the files of the journal's file: its form, and reading it save by save. */
#ifndef DV_CONNECTORS_SNOWFLAKE_LOG_SCAN_H
#define DV_CONNECTORS_SNOWFLAKE_LOG_SCAN_H

#include "connectors/snowflake_log.h"

struct dv_snowflake_file_head {
    char magic[8];
    uint64_t whose, salt;
    struct dv_snowflake_told told; /* what the records start from */
    uint64_t check;
};

struct dv_snowflake_save_head {
    uint32_t mark, length;
    uint64_t sequence, chain;
    uint64_t check;
};

/* How reading stands: `at` is the end of what was read. */
struct dv_snowflake_scan {
    struct dv_snowflake_log *log;
    int fd;
    uint64_t at, size, salt, sequence, chain;
    struct dv_snowflake_told told;
    struct dv_snowflake_save_head head; /* of the last save, whose records are `bytes` */
    char *bytes;                        /* to be freed */
    size_t room;
};

enum dv_snowflake_found {
    DV_SNOWFLAKE_FOUND_SAVE,
    DV_SNOWFLAKE_FOUND_END,
    DV_SNOWFLAKE_FOUND_TORN,
    DV_SNOWFLAKE_FOUND_DAMAGE,
    DV_SNOWFLAKE_FOUND_ERROR /* errno */
};

/* Reads the file's head; the next save; and goes through the records of that one, false: they cannot be ours. */
DV_CHECKED dv_rc dv_snowflake_scan_begin(struct dv_snowflake_scan *scan, struct dv_error *error);
enum dv_snowflake_found dv_snowflake_scan_next(struct dv_snowflake_scan *scan);
bool dv_snowflake_scan_records(struct dv_snowflake_scan *scan, dv_snowflake_on_record on_record, void *data);

/* What a record changes; false: it cannot follow. */
bool dv_snowflake_told_apply(struct dv_snowflake_told *told, const struct dv_snowflake_record *record);

/* The head of a file that starts from there; and writing, 0 or an errno. */
struct dv_snowflake_file_head dv_snowflake_log_head(const struct dv_snowflake_log *log,
                                                    const struct dv_snowflake_told *told);
int dv_snowflake_log_write_at(const struct dv_snowflake_log *log, int fd, const void *bytes, size_t length,
                              uint64_t offset);
int dv_snowflake_log_write_save(const struct dv_snowflake_log *log, int fd, const void *records, size_t length,
                                struct dv_snowflake_end *end);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * log.h - structured logs that cannot hold a field's value.
 *
 * A log line is an event's name and typed pairs. There is no format string and no free text: a pair's value is a
 * number, a duration, a DV_NAME from the configuration, an error code or a literal. So there is no place where a value
 * from a record could be put. Lines are `key=value` on a terminal and JSON objects otherwise, on standard error. */
#ifndef DV_ENGINE_LOG_H
#define DV_ENGINE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

enum dv_log_level { DV_LOG_ERROR, DV_LOG_WARN, DV_LOG_INFO, DV_LOG_DEBUG };

enum dv_log_kind { DV_LOG_END, DV_LOG_INT, DV_LOG_NAME, DV_LOG_CODE, DV_LOG_WORD };

/* A pair; make them with the macros below. */
struct dv_log_pair {
    const char *key;
    enum dv_log_kind kind;
    int64_t number;
    const char *text;
};

#define DV_LOG_NUMBER(key, value) ((struct dv_log_pair){ "" key, DV_LOG_INT, (int64_t)(value), NULL })
#define DV_LOG_LITERAL(key, value) ((struct dv_log_pair){ "" key, DV_LOG_WORD, 0, "" value })
#define DV_LOG_REASON(key, rc) ((struct dv_log_pair){ "" key, DV_LOG_CODE, (int64_t)(rc), NULL })
/* `value` must be a DV_NAME; anything else is written as "?". */
#define DV_LOG_NAMED(key, value) ((struct dv_log_pair){ "" key, DV_LOG_NAME, 0, (value) })

#define dv_log(level, event, ...)                                                                                      \
    dv_log_write((level), "" event, (const struct dv_log_pair[]){ __VA_ARGS__ __VA_OPT__(, ) { NULL, DV_LOG_END, 0, NULL } })

/* Writes one line; use the macro above, which checks that names and keys are literals. */
void dv_log_write(enum dv_log_level level, const char *event, const struct dv_log_pair *pairs);

/* The process's threshold and form; set once by main. */
void dv_log_setup(enum dv_log_level threshold, bool json);

#endif

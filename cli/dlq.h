/* SPDX-License-Identifier: Apache-2.0
 * dlq.h - what the verbs of `datavault dlq` share: the letters of a graph, and which of them are meant. */
#ifndef DV_CLI_DLQ_H
#define DV_CLI_DLQ_H

#include "cli/load.h"
#include "engine/id.h"

struct dv_command;
struct dv_keyring;
struct dv_letter_scan;
struct dv_letter_view;

enum { DV_DLQ_TIME_TEXT = 32 };

/* What was asked for, and the graph it is about. */
struct dv_dlq {
    const struct dv_command *self;
    const char *file;        /* the graph file */
    const char *path;        /* of the letters, if it was given */
    const char *node, *code; /* filters, or NULL */
    const char *at;          /* replay: the node that letters are fed to, or NULL: the one that rejected them */
    int64_t since_ms;        /* INT64_MIN: all */
    uint64_t limit;          /* UINT64_MAX: all */
    bool all, json, raw, dry_run, yes, quiet;
    uint8_t (*ids)[DV_UUID_BYTES]; /* those named; each stands for all letters of its record */
    bool *met;                        /* whether a letter has ids[i] */
    uint32_t id_count;
    struct dv_loaded loaded;
    struct dv_keyring *keyring;
    char letters[DV_LETTERS_FILE_MAX];
};

/* Whether a letter that opened is among those meant; `limit` is the caller's to count. */
bool dv_dlq_wants(const struct dv_dlq *dlq, const struct dv_letter_view *letter);

/* "2026-11-22T20:16:42Z". */
const char *dv_dlq_time(char text[DV_DLQ_TIME_TEXT], int64_t ms);

/* Milliseconds since 1970 now. */
int64_t dv_dlq_now_ms(void);

/* Says on standard error that something could not be opened, with its place: the first few, and at the end how many. */
void dv_dlq_say_damage(const struct dv_letter_view *letter, uint64_t *count);

/* The exit code after damage, ids that no letter has, and an error. */
int dv_dlq_end(const struct dv_dlq *dlq, const struct dv_letter_scan *scan, uint64_t damaged, dv_rc rc,
               const struct dv_error *error);

/* Takes what is replayed or dropped off the disk, also by a command that was cut short; if that has to wait and anything
 * has `changed`, says why. */
void dv_dlq_compact(const struct dv_dlq *dlq, bool changed);

/* The verbs; each gives back the exit code. */
int dv_dlq_list(struct dv_dlq *dlq);
int dv_dlq_show(struct dv_dlq *dlq);
int dv_dlq_drop(struct dv_dlq *dlq);
int dv_dlq_replay(struct dv_dlq *dlq);

#endif

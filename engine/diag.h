/* SPDX-License-Identifier: Apache-2.0
 * diag.h - what is wrong with a configuration: every finding at file:line:col, with the line, a caret and a mend.
 *
 *   conf/x.yaml:14:3: error[C004]: unknown option 'kep' of operator 'mask'
 *      14 |   m: { op: mask, column: a, kep: 4 }
 *         |                             ^~~
 *      help: did you mean 'keep'?
 *
 * Findings are collected, so that a user sees all of them at once. Codes: Cnnn configuration, Pnnn privacy:
 *
 *   C001 malformed YAML        C004 unknown key or word   C007 a limit was passed, or memory is short
 *   C002 YAML that is refused  C005 a value is missing    C008 a file cannot be read
 *   C003 a variable            C006 a value is wrong      C009 a secret stands in the file */
#ifndef DV_ENGINE_DIAG_H
#define DV_ENGINE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/error.h"
#include "engine/place.h"

struct dv_arena;

/* One finding. All texts live in the arena of the diagnostics. */
struct dv_diag {
    struct dv_place place;
    const char *code;    /* "C004" */
    const char *message; /* one line */
    const char *detail;  /* further lines (the path of a leak), or NULL */
    const char *help;    /* how to mend, or NULL */
    struct dv_diag *next;
};

enum { DV_DIAGS_MAX = 100 };

struct dv_source_text;
struct dv_hidden;

/* A list of findings and the source texts they point into. */
struct dv_diags {
    struct dv_arena *arena; /* the caller's; holds everything */
    struct dv_diag *first;
    struct dv_diag *last;
    uint32_t count; /* also counts those past DV_DIAGS_MAX, which are not kept */
    struct dv_source_text *sources;
    struct dv_hidden *hidden;
};

/* Starts an empty list whose texts go to `arena`. */
void dv_diags_init(struct dv_diags *diags, struct dv_arena *arena);

/* Tells the text of `file`, so that its lines can be shown; `text` must outlive the list. */
void dv_diags_source(struct dv_diags *diags, const char *file, const char *text, size_t length);

/* A number for the names and texts of the sources told after `known` (a former diags->sources): others have another. */
uint64_t dv_diags_sources_hash(const struct dv_diags *diags, const struct dv_source_text *known);

/* The index-th source, the newest first; false behind the last. */
bool dv_diags_source_at(const struct dv_diags *diags, uint32_t index, const char **ret_file, const char **ret_text,
                        size_t *ret_length);

/* Makes the text at `place` appear as asterisks wherever its line is shown: it may be a secret. */
void dv_diags_hide(struct dv_diags *diags, struct dv_place place);

/* Adds a finding; `detail` and `help` may be NULL and are copied. Out of memory: counted, not kept. */
void dv_diags_add(struct dv_diags *diags, struct dv_place place, const char *code, const char *detail, const char *help,
                  const char *format, ...) DV_FORMAT(6, 7);

/* "did you mean 'x'?" for the candidate nearest to `word`, in the list's arena, or NULL if none is near.
 * Distance: Damerau-Levenshtein whatever the letters' cases, at most a third of the word's length (and at least 1). */
const char *dv_diags_suggest(struct dv_diags *diags, const char *word, const char *const *candidates, size_t count);

/* True if any finding is a privacy violation (code Pnnn). */
bool dv_diags_leaks(const struct dv_diags *diags);

/* Prints all findings sorted by place; `colour` adds ANSI colours. What could steer a terminal comes out as '?'. */
void dv_diags_print(const struct dv_diags *diags, FILE *out, bool colour);

/* Prints them as one JSON array of {file, line, column, code, message, detail, help}. */
void dv_diags_print_json(const struct dv_diags *diags, FILE *out);

#endif

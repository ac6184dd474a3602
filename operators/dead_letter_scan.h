/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_scan.h - all dead letters of a graph, opened one by one, with what became of each.
 *
 * A graph's letters are in up to three files: the one that a running graph appends to, `<file>.again` with those of
 * records that failed once more when they were replayed, and the journal of marks. Memory does not grow with the number
 * of letters, but for 64 bytes for each that was marked or stands in `<file>.again`. */
#ifndef DV_OPERATORS_DEAD_LETTER_SCAN_H
#define DV_OPERATORS_DEAD_LETTER_SCAN_H

#include "engine/batch.h"
#include "operators/dead_letter_marks.h"
#include "operators/dead_letter_reader.h"
#include "vault/keyring.h"

enum { DV_LETTERS_PATH_MAX = 1100 };

/* The files' names. */
struct dv_letter_paths {
    char main[DV_LETTERS_PATH_MAX], again[DV_LETTERS_PATH_MAX + 8], marks[DV_LETTERS_PATH_MAX + 8];
};

/* Fills them for the file `path`. DV_E_CONFIG if it is too long. */
DV_CHECKED dv_rc dv_letter_paths_of(struct dv_letter_paths *ret, const char *path, struct dv_error *error);

/* Notes the letters of `<file>.again` as DV_LETTER_MOVED unless they are marked: there they count, also if a compaction
 * that was cut short has copied them to the main file already. *ret_count: how many there are. */
DV_CHECKED dv_rc dv_letters_note_again(struct dv_marks *marks, const struct dv_letter_paths *paths, uint64_t *ret_count,
                                       struct dv_error *error);

/* One letter. Texts are valid until the next one and not NUL-terminated; they are missing (NULL) if it did not open. */
struct dv_letter_view {
    struct dv_letter_key key;
    enum dv_letter_state state;
    int64_t created_ms;      /* when the record was read; or rejected, if that is not known */
    uint64_t offset, length; /* where it stands in its file, and how long it is there */
    bool again;              /* the file is `<file>.again` */
    dv_rc opened;            /* DV_OK; DV_E_TAMPER, DV_E_KEY: it cannot be; DV_E_SYNTAX: these bytes are no letter */
    struct dv_bytes text;    /* the whole of it, JSON */
    struct dv_bytes node, code, reason;
    struct dv_bytes schema, record; /* of a record that was parsed: its JSON, else NULL */
    struct dv_bytes raw;            /* else the input as it was; may be NULL if it was empty */
    uint64_t place_offset, place_line;
    bool notice; /* tells of a loss: there is no record in it */
};

/* A scan; zero-initialise it. */
struct dv_letter_scan {
    struct dv_letter_paths paths;
    struct dv_keyring *keyring;
    struct dv_marks marks;
    struct dv_letter_reader main, again;
    bool main_over;
    struct dv_arena schema_arena;
    struct dv_schema *schema;
    struct dv_json_reader *json;
    size_t json_bytes; /* the longest text it takes */
    struct dv_arena arena;
    struct dv_cell cells[12][1];
};

/* Begins with the letters there are now; `keyring` is lent. DV_E_IO, DV_E_MEMORY, DV_E_CONFIG. Close also after an error. */
DV_CHECKED dv_rc dv_letter_scan_open(struct dv_letter_scan *scan, const char *path, struct dv_keyring *keyring,
                                     struct dv_error *error);

/* The next letter, or what is damaged; *ret_end after the last. DV_E_IO, DV_E_MEMORY. */
DV_CHECKED dv_rc dv_letter_scan_next(struct dv_letter_scan *scan, struct dv_letter_view *ret, bool *ret_end,
                                     struct dv_error *error);

/* Accepts a zeroed scan. */
void dv_letter_scan_close(struct dv_letter_scan *scan);

#endif

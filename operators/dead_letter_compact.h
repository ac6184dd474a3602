/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_compact.h - rewrites a file of dead letters without those that were replayed or dropped.
 *
 * Blocks, and so belongs to a command or to the start of a run. Needs no key. At every moment of a crash the letters
 * that are kept stand on the disk at least once. A file with damaged bytes stays, too, as `<file>.corrupt`. */
#ifndef DV_OPERATORS_DEAD_LETTER_COMPACT_H
#define DV_OPERATORS_DEAD_LETTER_COMPACT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

/* What came of it. */
struct dv_letter_compaction {
    bool busy;              /* a running graph or another command has the file: nothing was done */
    uint64_t kept, removed; /* letters */
    uint64_t damaged_bytes; /* left out; the old file is still there under another name */
    uint64_t bytes;         /* of the new file */
};

/* Compacts the letters of `path` if anything is marked or stands in `<file>.again`. DV_E_IO, DV_E_FULL, DV_E_MEMORY:
 * the letters are as before. */
DV_CHECKED dv_rc dv_letters_compact(const char *path, struct dv_letter_compaction *ret, struct dv_error *error);

#endif

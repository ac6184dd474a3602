/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_reader.h - the sealed letters of a file one by one, also while a running graph appends to it.
 *
 * Reads what was there when it was opened. A letter that a crash or a running write left half at the end is passed
 * over; bytes in the middle that are no letter are told with their place, and the next whole letter is looked for. */
#ifndef DV_OPERATORS_DEAD_LETTER_READER_H
#define DV_OPERATORS_DEAD_LETTER_READER_H

#include <stdint.h>

#include "vault/blob.h"

/* A reader; its memory is one buffer, as large as the longest letter met. */
struct dv_letter_reader {
    const char *path; /* the caller's */
    int fd;
    uint64_t offset; /* in the file, of the first byte shown */
    uint64_t size;   /* where the file ended */
    uint8_t *buffer;
    size_t capacity, start, end;
    size_t shown; /* bytes of the letter that was given out last */
};

enum dv_letter_kind { DV_LETTER_WHOLE, DV_LETTER_DAMAGED, DV_LETTER_END };

/* What comes next. The blob and `bytes`, the same as it stands in the file, are valid until the next call. */
struct dv_letter_found {
    enum dv_letter_kind kind;
    uint64_t offset, length;
    struct dv_blob blob;
    struct dv_bytes bytes;
};

/* Opens `path`; a file that is not there is as an empty one. DV_E_IO. Close also after an error. */
DV_CHECKED dv_rc dv_letter_reader_open(struct dv_letter_reader *reader, const char *path, struct dv_error *error);

/* The next letter, damage or the end. DV_E_IO, DV_E_MEMORY. */
DV_CHECKED dv_rc dv_letter_reader_next(struct dv_letter_reader *reader, struct dv_letter_found *ret,
                                       struct dv_error *error);

/* Accepts a zeroed reader. */
void dv_letter_reader_close(struct dv_letter_reader *reader);

#endif

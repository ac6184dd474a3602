/* SPDX-License-Identifier: Apache-2.0
 * ingest_lines.c - splits without looking into the records: a newline inside a JSON string is always written as \n. */
#include "operators/ingest_lines.h"

#include <string.h>

#include "engine/error.h"

static const char mark[] = "\xEF\xBB\xBF";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank((*text)[0])) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        (*length)--;
}

/* How long what is not read yet is up to the end of its record, and what ends it. */
static size_t piece_length(const struct dv_ingest_lines *lines, size_t *ret_behind)
{
    const char *from = lines->text + lines->at;
    size_t left = lines->length - lines->at;
    const char *newline = lines->form == DV_INGEST_LINES ? memchr(from, '\n', left) : NULL;
    *ret_behind = newline != NULL;
    return newline != NULL ? (size_t)(newline - from) : left;
}

bool dv_ingest_lines_next(struct dv_ingest_lines *lines, const char **ret_text, size_t *ret_length)
{
    DV_ASSERT(lines->at <= lines->length);
    if (lines->at == 0 && lines->length >= sizeof mark - 1 && memcmp(lines->text, mark, sizeof mark - 1) == 0)
        lines->at = sizeof mark - 1;
    while (lines->at < lines->length) {
        size_t behind = 0;
        size_t length = piece_length(lines, &behind);
        *ret_text = lines->text + lines->at;
        *ret_length = length;
        lines->at += length + behind;
        lines->number++;
        trim(ret_text, ret_length);
        if (*ret_length > 0)
            return true;
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0
 * json_doc.h - a JSON text as a whole, looked into by names: for what servers answer, which no schema describes.
 *
 * The text is checked whole when it is read; then looking into it cannot fail, only find nothing. What is looked for may be
 * looked for in what was not found: `dv_doc_in(doc, dv_doc_in(doc, root, "error"), "code")` needs no test between. */
#ifndef DV_ENGINE_JSON_DOC_H
#define DV_ENGINE_JSON_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/json_read.h"
#include "engine/json_walk.h"

/* A value's place in the text; NULL: there is none. Valid until the next text is read. */
typedef const uint32_t *dv_doc_at;

/* A reader of one text after the other. Private. */
struct dv_doc {
    struct dv_json_tokens tokens;
    struct dv_json_names names;
    struct dv_arena arena; /* texts without their escapes */
    struct dv_json_walk walk;
    size_t bytes_max;  /* the longest text allowed */
    size_t bytes_room; /* the longest that the finder of tokens has room for now */
};

/* Makes a reader of texts of up to `bytes_max`; its memory grows with the longest it meets. DV_E_MEMORY. Free with
 * dv_doc_free(), which accepts a zeroed one and wipes what was kept of the texts. */
DV_CHECKED dv_rc dv_doc_init(struct dv_doc *doc, size_t bytes_max);
void dv_doc_free(struct dv_doc *doc);

/* Reads an object or an array; `text` stays as it is until the next, and is followed by DV_JSON_PADDING readable bytes.
 * DV_E_SYNTAX, DV_E_LIMIT, DV_E_MEMORY. */
DV_CHECKED dv_rc dv_doc_read(struct dv_doc *doc, const char *text, size_t length);

/* Lets go of the text: it may change or go, and nothing is found any more. */
void dv_doc_forget(struct dv_doc *doc);

/* The whole value. */
dv_doc_at dv_doc_root(const struct dv_doc *doc);

/* How many members an object has; of anything else 0. */
size_t dv_doc_count(const struct dv_doc *doc, dv_doc_at object);

/* A member of an object; the first element of an array, and the one behind another. */
dv_doc_at dv_doc_in(struct dv_doc *doc, dv_doc_at object, const char *name);
dv_doc_at dv_doc_first(const struct dv_doc *doc, dv_doc_at array);
dv_doc_at dv_doc_next(const struct dv_doc *doc, dv_doc_at element);

/* What a value is; false if it is not there or of another kind. A text is UTF-8 without its escapes and lives as long as
 * the document; a whole number has no fraction and is at most 2^53. */
bool dv_doc_text(struct dv_doc *doc, dv_doc_at value, const char **ret_text, size_t *ret_length);
bool dv_doc_number(const struct dv_doc *doc, dv_doc_at value, double *ret_number);
bool dv_doc_whole(const struct dv_doc *doc, dv_doc_at value, int64_t *ret_number);
bool dv_doc_is_true(const struct dv_doc *doc, dv_doc_at value);
bool dv_doc_is_null(const struct dv_doc *doc, dv_doc_at value); /* of one that is not there, too */

/* Whether a value is this text. */
bool dv_doc_says(struct dv_doc *doc, dv_doc_at value, const char *text);

#endif

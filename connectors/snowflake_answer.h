/* SPDX-License-Identifier: Apache-2.0
 * snowflake_answer.h - what Snowflake answers, read: packed or not, an object, a bare string of JSON, or a bare word.
 *
 * Everything here is a text of somebody else's: what does not fit is refused, never cut. */
#ifndef DV_CONNECTORS_SNOWFLAKE_ANSWER_H
#define DV_CONNECTORS_SNOWFLAKE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/snowflake_limits.h"
#include "connectors/sse_read.h"
#include "engine/id.h"
#include "engine/json_doc.h"

/* A reader of one answer after the other. Zero-initialise; private. */
struct dv_snowflake_answer {
    size_t most;               /* the maker's: unpacked bytes; 0: DV_SNOWFLAKE_ANSWER_MAX */
    struct dv_sse_text text; /* within brackets, so that any JSON is an element of an array */
    struct dv_doc doc;
    dv_doc_at root; /* NULL: no JSON, or none yet */
    bool taken;
};

/* Forgets the last answer and begins another; false: no memory. */
bool dv_snowflake_answer_begin(struct dv_snowflake_answer *answer);

/* Takes a piece of a body; false: no memory. */
bool dv_snowflake_answer_add(struct dv_snowflake_answer *answer, const char *bytes, size_t length);

/* The body is whole: unpacks it if it is gzip, and reads it. DV_OK also if it is no JSON: then there is no root. DV_E_DATA:
 * it is not whole as gzip; DV_E_LIMIT: unpacked it is too long; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snowflake_answer_end(struct dv_snowflake_answer *answer);

/* Wipes and frees. */
void dv_snowflake_answer_free(struct dv_snowflake_answer *answer);

/* A member of the answer, if it is an object. */
dv_doc_at dv_snowflake_answer_in(struct dv_snowflake_answer *answer, const char *name);

/* The answer's code as it is named in `code`, `error_code` or by a bare string; a number has at least six digits, and that
 * of `status_code`, unless it is 0, is "STATUS_CODE_n". "": it has none. Only letters, digits and underscores. */
void dv_snowflake_answer_code(struct dv_snowflake_answer *answer, char out[DV_SNOWFLAKE_CODE_MAX]);

/* A text member into `out`, NUL-terminated; false: there is none, it is empty, too long for `size`, or not of characters
 * that print and are no blank. */
bool dv_snowflake_answer_text(struct dv_snowflake_answer *answer, dv_doc_at value, char *out, size_t size);

/* The number under which Snowflake keeps why it refused a token, at the end of an answer's message; false: there is none. Nothing else of
 * a message is ever told. */
bool dv_snowflake_answer_login(struct dv_snowflake_answer *answer, char out[DV_UUID_TEXT]);

/* The body as one word: the member `name`, a bare string of JSON, or the bare text itself. */
bool dv_snowflake_answer_word(struct dv_snowflake_answer *answer, const char *name, char *out, size_t size);

/* The host that takes rows, with its port if it has one: underscores become dashes, as certificates have them. */
bool dv_snowflake_answer_host(struct dv_snowflake_answer *answer, char out[DV_SNOWFLAKE_HOST_MAX + 1]);

/* What Snowflake knows of a channel. */
struct dv_snowflake_channel_state {
    bool found;                                     /* there is such a channel */
    char code[DV_SNOWFLAKE_CODE_MAX];               /* "SUCCESS" or "ACTIVE" if it is sound */
    char offset[DV_SNOWFLAKE_OFFSET_MAX + 1];       /* the last one that is committed; "": none */
    uint64_t errors;                                /* rows that it would not take, in all its life */
    char errors_up_to[DV_SNOWFLAKE_OFFSET_MAX + 1]; /* the last of them is not behind this offset; "": not told */
};

/* Whether Snowflake calls the channel sound. */
bool dv_snowflake_state_is_sound(const struct dv_snowflake_channel_state *state);

/* Reads a channel's state; false: it is not one, or it is sound and does not tell how many rows were refused. */
bool dv_snowflake_answer_state(struct dv_snowflake_answer *answer, dv_doc_at value,
                               struct dv_snowflake_channel_state *ret);

#endif

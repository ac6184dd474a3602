/* SPDX-License-Identifier: Apache-2.0
 * json.h - JSON out: a writer into a caller's buffer that never writes past it; and records to and from JSON.
 *
 * Reading stands on simdjson's first stage behind json_read.cc, the only C++ in the tree. */
#ifndef DV_ENGINE_JSON_H
#define DV_ENGINE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_batch;
struct dv_schema;

/* A text under construction. When `at` would pass `end` nothing more is written and `full` is set. */
struct dv_json {
    char *start;
    char *at;
    char *end;
    bool full;
    bool comma; /* the next element needs one before it */
};

/* Begins an empty text in `buffer` of `size` bytes, which is the caller's. */
void dv_json_init(struct dv_json *json, char *buffer, size_t size);

/* Bytes written so far. */
static inline size_t dv_json_length(const struct dv_json *json)
{
    return (size_t)(json->at - json->start);
}

/* Structure. A key is a literal or a name that needs no escaping. */
void dv_json_open(struct dv_json *json, char bracket); /* '{' or '[' */
void dv_json_close(struct dv_json *json, char bracket);
void dv_json_key(struct dv_json *json, const char *key);

/* Values. Text is escaped; bytes that are not UTF-8 become U+FFFD. NaN and infinities become null. */
void dv_json_text(struct dv_json *json, const char *text, size_t length);
void dv_json_string(struct dv_json *json, const char *text); /* NUL-terminated; NULL becomes null */
void dv_json_int(struct dv_json *json, int64_t value);
void dv_json_uint(struct dv_json *json, uint64_t value);
void dv_json_float(struct dv_json *json, double value); /* the shortest text that reads back the same */
void dv_json_bool(struct dv_json *json, bool value);
void dv_json_null(struct dv_json *json);
void dv_json_raw(struct dv_json *json, const char *text, size_t length); /* already JSON */

/* The bytes dv_json_record() must have for one row of `batch`: more than it will need, since it copies by blocks. */
size_t dv_json_record_bound(const struct dv_batch *batch, uint32_t row);

/* One row as an object without newline, columns in schema order under their whole names ("patient.name.family"), missing
 * ones left out; `_extra`'s members are put at the end. Bytes are written as base64. `out` has room for the bound; returns the length. */
size_t dv_json_record(const struct dv_batch *batch, uint32_t row, char *out);

/* The parser: one per source, reused for every record. NULL when memory is short. */
struct dv_json_reader *dv_json_reader_new(const struct dv_schema *schema, size_t record_bytes_max);
void dv_json_reader_free(struct dv_json_reader *reader);

/* Bytes that must be readable (their content does not matter) behind the text given to dv_json_reader_record(). */
enum { DV_JSON_PADDING = 64 };

/* Reads one JSON object into row `row` of `batch`, whose cells then point into a copy of `text` in the batch's arena.
 * `text` is followed by DV_JSON_PADDING readable bytes. A null is a missing field; a float may be given as a whole
 * number, an int not as a fraction; bytes are given as base64. Fields no schema names become members of the `_extra`
 * object as they stand, or are refused if there is no such column.
 * A column whose name is a path (schema_path.h) takes what stands there: in lists all values but nulls, as a JSON list in
 * their order. It takes a member of that whole name, too, so that what dv_json_record() wrote reads back; both in one
 * record are refused. What no path names inside such objects and lists stays in them in `_extra`, elements at their places.
 * A null, an empty object and an empty list are nothing; anything else that is not what a path leads into is DV_E_DATA.
 * Errors, each with a literal in *ret_reason:
 * DV_E_SYNTAX (malformed, not UTF-8, NUL, duplicate key, too deep), DV_E_DATA (wrong type, out of range, required field
 * missing), DV_E_LIMIT, DV_E_MEMORY. After an error the row's cells mean nothing. */
DV_CHECKED dv_rc dv_json_reader_record(struct dv_json_reader *reader, const char *text, size_t length,
                                       struct dv_batch *batch, uint32_t row, const char **ret_reason);

/* The same without the copy: cells point into `text`, which therefore lives as long as the batch and does not change. A
 * source that reads its input straight into the batch's arena, DV_JSON_PADDING bytes more than the input, uses this. */
DV_CHECKED dv_rc dv_json_reader_in_place(struct dv_json_reader *reader, const char *text, size_t length,
                                         struct dv_batch *batch, uint32_t row, const char **ret_reason);

#endif

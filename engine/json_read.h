/* SPDX-License-Identifier: Apache-2.0
 * json_read.h - what the JSON reader takes from C++: simdjson's search for tokens, and exact numbers.
 *
 * simdjson's first stage looks at 64 bytes at a time: it proves that the text is UTF-8, that every string ends and that
 * none holds a control character, and finds where each token begins. The grammar is checked in C (json_walk.c): an
 * on-demand parser looks only at what it is asked for, while a record must be right as a whole. */
#ifndef DV_ENGINE_JSON_READ_H
#define DV_ENGINE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the tokens of one text begin: at[0 .. count-1], and at[count] is the text's length. The closing quote of a
 * string is no token: between it and the next token there are only blanks. */
struct dv_json_tokens {
    void *parser; /* simdjson's */
    const uint32_t *at;
    uint32_t count;
};

enum dv_json_fault { DV_JSON_FINE, DV_JSON_EMPTY, DV_JSON_UTF8, DV_JSON_UNCLOSED, DV_JSON_CONTROL, DV_JSON_OTHER };

enum { DV_JSON_FLOAT_MAX = 32 }; /* bytes that dv_json_print_float() may write */

/* Makes a finder for texts of up to `bytes_max`; false when memory is short. Free with dv_json_tokens_free(). */
bool dv_json_tokens_init(struct dv_json_tokens *tokens, size_t bytes_max);
void dv_json_tokens_free(struct dv_json_tokens *tokens);

/* Finds the tokens of `text`; they are valid until the next call. */
enum dv_json_fault dv_json_tokens_find(struct dv_json_tokens *tokens, const char *text, size_t length);

/* The double nearest to a JSON number, whatever the locale; false if it is past the greatest. Too small becomes 0. */
bool dv_json_parse_float(const char *text, size_t length, double *ret_value);

/* The shortest text that reads back as the finite `value`; returns its length. Not NUL-terminated. */
size_t dv_json_print_float(char *out, double value);

#ifdef __cplusplus
}
#endif

#endif

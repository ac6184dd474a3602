/* SPDX-License-Identifier: Apache-2.0
 * json_walk.h - the grammar of RFC 8259 over a text whose tokens are known; for the JSON reader alone.
 *
 * A walk stands before a token. Every function that takes a value first makes sure that a token follows it: then a scan
 * over the value's bytes ends inside the text, whatever lies behind it. */
#ifndef DV_ENGINE_JSON_WALK_H
#define DV_ENGINE_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"

enum { DV_JSON_DEPTH_MAX = 64 };

/* The names already met in objects whose names no schema knows: hashes only, keyed by object. */
struct dv_json_names {
    struct dv_json_name {
        uint64_t hash;
        uint64_t record; /* the record it belongs to; older entries are as good as empty */
    } * slots;
    uint32_t slot_count; /* a power of two */
    uint32_t used;       /* of this record */
    uint64_t record;
    uint64_t seed; /* nobody outside can choose names that fall into the same slots */
};

/* A walk over one text. */
struct dv_json_walk {
    const char *text;
    const uint32_t *at;    /* the next token */
    const uint32_t *end;   /* behind the last token; *end is the text's length */
    const char *backslash; /* the next one at or behind the walk, or the text's end */
    struct dv_arena *arena;
    struct dv_json_names *names;
    uint64_t objects; /* opened so far: each has its own names */
    const char *reason;
};

/* The bytes between the quotes of a string, as they stand in the text. */
struct dv_json_span {
    const char *start;
    uint32_t length;
    bool escaped;
};

/* Whether a byte is white space between tokens. */
static inline bool dv_json_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Whether a token follows the next one. */
static inline bool dv_json_followed(const struct dv_json_walk *walk)
{
    return walk->end - walk->at >= 2;
}

/* The first byte of the next token. */
static inline char dv_json_peek(const struct dv_json_walk *walk)
{
    return walk->text[*walk->at];
}

/* Notes why, and gives back the code. `reason` is a literal. */
dv_rc dv_json_refuse(struct dv_json_walk *walk, dv_rc code, const char *reason);

/* The same for text that breaks the grammar. */
dv_rc dv_json_malformed(struct dv_json_walk *walk);

/* The next backslash from `from` on, or the text's end. */
const char *dv_json_find_backslash(const struct dv_json_walk *walk, const char *from);

/* Whether a scalar that was read up to `end` is followed by nothing but blanks; then the walk goes on behind it. */
static inline bool dv_json_scalar_ends(struct dv_json_walk *walk, const char *end)
{
    if (end != walk->text + walk->at[1] && !dv_json_blank(*end))
        return false;
    walk->at++;
    return true;
}

/* Whether the string up to its closing quote holds a backslash. A walk never goes back: each is looked for once. */
static inline bool dv_json_escaped(struct dv_json_walk *walk, const char *start, const char *close)
{
    if (walk->backslash < start)
        walk->backslash = dv_json_find_backslash(walk, start);
    return walk->backslash < close;
}

/* Takes the string at the walk; false if none is there. */
static inline bool dv_json_take_string(struct dv_json_walk *walk, struct dv_json_span *ret_span)
{
    if (!dv_json_followed(walk) || dv_json_peek(walk) != '"')
        return false;
    const char *start = walk->text + walk->at[0] + 1;
    const char *close = walk->text + walk->at[1] - 1;
    while (close > start && dv_json_blank(*close))
        close--;
    if (close < start || *close != '"')
        return false;
    *ret_span = (struct dv_json_span){ start, (uint32_t)(close - start), dv_json_escaped(walk, start, close) };
    walk->at++;
    return true;
}

/* Behind a bracket: whether it is closed at once. */
static inline bool dv_json_closes(struct dv_json_walk *walk, char close)
{
    if (walk->at >= walk->end || dv_json_peek(walk) != close)
        return false;
    walk->at++;
    return true;
}

/* Behind an element: *ret_more is true after a comma and false after `close`; the answer is false for anything else. */
static inline bool dv_json_next_element(struct dv_json_walk *walk, char close, bool *ret_more)
{
    if (walk->at >= walk->end)
        return false;
    char mark = dv_json_peek(walk);
    walk->at++;
    *ret_more = mark == ',';
    return mark == ',' || mark == close;
}

/* Takes the colon between a name and its value. */
static inline bool dv_json_take_colon(struct dv_json_walk *walk)
{
    if (walk->at >= walk->end || dv_json_peek(walk) != ':')
        return false;
    walk->at++;
    return true;
}

/* Where the value ends that was taken last: before the blanks in front of the next token. */
static inline const char *dv_json_value_end(const struct dv_json_walk *walk)
{
    const char *end = walk->text + *walk->at;
    while (dv_json_blank(end[-1]))
        end--;
    return end;
}

/* What a span says once its escapes are resolved, in new memory of the arena. */
DV_CHECKED dv_rc dv_json_unescape(struct dv_json_walk *walk, struct dv_json_span *span);

/* Wipes and gives back what dv_json_unescape() took for `resolved`, if nothing was taken since. */
void dv_json_forget(struct dv_json_walk *walk, struct dv_json_span resolved);

/* The end of the JSON number at `text`, or NULL if there is none; *ret_whole: it has no fraction and no exponent. */
const char *dv_json_number_end(const char *text, bool *ret_whole);

/* Takes `null`, `true` or `false`, given as `word`. */
DV_CHECKED dv_rc dv_json_take_word(struct dv_json_walk *walk, const char *word, size_t length);

/* Checks any value and goes on behind it; `depth` is that of the object or array around it. */
DV_CHECKED dv_rc dv_json_skip(struct dv_json_walk *walk, unsigned depth);

/* The names' set: made once, one record after the other. */
DV_CHECKED dv_rc dv_json_names_init(struct dv_json_names *names);
void dv_json_names_free(struct dv_json_names *names);
void dv_json_names_next(struct dv_json_names *names);

/* Notes the name `span` of object number `object`; refuses one that was noted before. */
DV_CHECKED dv_rc dv_json_names_add(struct dv_json_walk *walk, uint64_t object, struct dv_json_span span);

#endif

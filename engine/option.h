/* SPDX-License-Identifier: Apache-2.0
 * option.h - option tables: one row is the parser, check, default, help, reference page and JSON Schema of an option.
 *
 * A table describes the members of a struct that start as zero. `datavault docs` and `datavault schema` print the
 * same rows that parse the file, so neither can be out of date. */
#ifndef DV_ENGINE_OPTION_H
#define DV_ENGINE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_arena;
struct dv_diags;
struct dv_yaml;

/* The type of an option, and of the member at its offset. */
enum dv_option_type {
    DV_STR,      /* const char *, NUL-terminated, in the graph's arena */
    DV_NAME,     /* const char *, [A-Za-z0-9_.-]{1,128}, not beginning with . or -: safe in paths, metrics and SQL */
    DV_INT,      /* int64_t within min..max */
    DV_FLOAT,    /* double within min..max */
    DV_BOOL,     /* bool: true | false */
    DV_DURATION, /* int64_t milliseconds within min..max: "250ms", "5s", "2m", "1h", "7d"; a bare number is refused */
    DV_SIZE,     /* int64_t bytes within min..max: "64KiB", "1MiB", "512" */
    DV_ENUM,     /* int: the index in `values` ("a|b|c") */
    DV_STRS,     /* struct dv_strs: a list of strings, or one */
    DV_SECRET,   /* const char *: a reference "env:NAME" or "file:PATH", never the secret itself */
    DV_TREE,     /* const struct dv_yaml *: a sub-tree the operator reads itself */
};

enum dv_option_flags {
    DV_REQUIRED = 1u << 0,
    DV_LIVE = 1u << 1, /* a setting of the graph that a reload may change */
};

/* A list of strings, in the graph's arena. */
struct dv_strs {
    const char **items;
    size_t count;
};

/* One row; a table ends with a row whose name is NULL. */
struct dv_option {
    const char *name;
    enum dv_option_type type;
    size_t offset;       /* offsetof(struct x, member) */
    const char *initial; /* the default, as it would stand in the file (DV_STRS: "a, b"); NULL: none (zero) */
    const char *values;  /* DV_ENUM: "a|b|c" */
    int64_t min, max;    /* both 0: no bounds, but DV_DURATION and DV_SIZE are never negative */
    unsigned flags;
    const char *help; /* one sentence, ends with a full stop */
};

/* Fills `state` from the map `node` by `table`: defaults first, then the file's values. Keys in `skip` (NULL-terminated,
 * may be NULL) belong to somebody else. Every unknown key, missing or wrong value is added to `diags` with a "did you
 * mean". Returns DV_E_CONFIG if there was any, else DV_OK. `what` names the owner in messages ("operator 'mask'").
 * A key without a value (or `~`) counts as left out. */
DV_CHECKED dv_rc dv_options_parse(const struct dv_option *table, void *state, const struct dv_yaml *node,
                                  const char *const *skip, const char *what, struct dv_arena *arena,
                                  struct dv_diags *diags);

/* Whether a table is well made: each row named, with a help sentence, and a default that its own checks accept; *ret_why
 * (may be NULL) gets what is not, a literal. For the test that looks at every operator. */
bool dv_options_well_made(const struct dv_option *table, const char **ret_why);

/* Parses one duration or size as above. False if it is malformed or overflows. */
bool dv_parse_duration_ms(const char *text, int64_t *ret_ms);
bool dv_parse_size_bytes(const char *text, int64_t *ret_bytes);

/* Whether `text` is a DV_NAME. */
bool dv_is_name(const char *text);

/* Whether `text` has the form of a secret's reference. */
bool dv_is_secret_reference(const char *text);

/* Reads the secret behind a reference ("env:NAME", "file:PATH") into `buffer`, NUL-terminated; a file's trailing newline
 * goes. The caller wipes `buffer`; after an error there is nothing in it. Errors: DV_E_CONFIG for a malformed reference,
 * an empty secret or a file that others may read, DV_E_MISSING, DV_E_IO, DV_E_LIMIT if it needs more than `size`. */
DV_CHECKED dv_rc dv_secret_read(const char *reference, char *buffer, size_t size, size_t *ret_length,
                                struct dv_error *error);

/* The same for keys of random bytes: a file's last byte stays, even if it is a newline. */
DV_CHECKED dv_rc dv_secret_read_raw(const char *reference, char *buffer, size_t size, size_t *ret_length,
                                    struct dv_error *error);

#endif

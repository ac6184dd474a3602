/* SPDX-License-Identifier: Apache-2.0
 * yaml.h - a configuration file as a tree in which every node knows its line and column.
 *
 * libfyaml parses; this is what the rest of the tree sees of it. Refused, because a configuration needs none of them and
 * each has hurt somebody: anchors and aliases, tags, several documents, duplicate keys, non-string keys, NUL bytes, files
 * over 1 MiB, more than 64 levels or 100,000 nodes. `${VAR}`, `${VAR:-default}` and `${VAR:?message}` in values (not in
 * keys) are replaced after parsing, so that a value can never change the structure; `$${` stands for `${`. */
#ifndef DV_ENGINE_YAML_H
#define DV_ENGINE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/place.h"

struct dv_arena;
struct dv_diags;

enum dv_yaml_kind { DV_YAML_SCALAR, DV_YAML_MAP, DV_YAML_LIST };

/* A node of the tree. Maps and lists are linked through `next`, in file order. */
struct dv_yaml {
    enum dv_yaml_kind kind;
    struct dv_place place; /* of the value */
    struct dv_place key_place;
    const char *key;       /* in a map: NUL-terminated; else NULL */
    const char *text;      /* a scalar: NUL-terminated, variables replaced; else NULL */
    size_t length;         /* of text */
    bool plain;            /* a scalar as it stands in the file, without quotes (so that `~` and an empty value mean
                              "none"); what a variable gave is plain only if it is empty */
    bool expanded;         /* a variable gave part of the text: it may be a secret, and no message shows it */
    bool faulty;           /* told to be wrong already (only in a partial tree): nothing more to say about its value */
    struct dv_yaml *first; /* a map's or list's children */
    struct dv_yaml *next;
    size_t count; /* of children */
};

enum { DV_YAML_BYTES_MAX = 1 << 20, DV_YAML_LEVELS_MAX = 64, DV_YAML_NODES_MAX = 100000 };

/* Reads `path` ("-": standard input) into `arena`. NULL if anything was wrong, all of it in `diags`. */
struct dv_yaml *dv_yaml_load(const char *path, struct dv_arena *arena, struct dv_diags *diags);

/* The same from memory; `name` stands for the file in messages. `text` must outlive `diags`. */
struct dv_yaml *dv_yaml_parse(const char *name, const char *text, size_t length, struct dv_arena *arena,
                              struct dv_diags *diags);

/* The same two, but a mistake in single values (a duplicate key, an anchor, a variable that is not set) does not keep
 * back the tree, so that the caller can look for further mistakes. The caller must refuse if diags->count has grown. */
struct dv_yaml *dv_yaml_load_partial(const char *path, struct dv_arena *arena, struct dv_diags *diags);
struct dv_yaml *dv_yaml_parse_partial(const char *name, const char *text, size_t length, struct dv_arena *arena,
                                      struct dv_diags *diags);

/* A map's child by key, or NULL (also if `map` is NULL or no map). */
const struct dv_yaml *dv_yaml_get(const struct dv_yaml *map, const char *key);

/* A scalar's text for messages: what a variable gave is not shown. */
const char *dv_yaml_shown(const struct dv_yaml *scalar);

/* True for a plain empty scalar, `~` or `null`. */
bool dv_yaml_is_none(const struct dv_yaml *node);

#endif

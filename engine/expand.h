/* SPDX-License-Identifier: Apache-2.0
 * expand.h - variables of the environment inside the values of a configuration.
 *
 *   ${NAME}           its value; not set: an error
 *   ${NAME:-default}  `default` if it is not set or empty
 *   ${NAME:?message}  not set or empty: an error with `message`
 *   $${               a plain ${
 *
 * What is put in is never looked at again: neither for variables nor as YAML. */
#ifndef DV_ENGINE_EXPAND_H
#define DV_ENGINE_EXPAND_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/place.h"

struct dv_arena;
struct dv_diags;

enum { DV_EXPANDED_MAX = 64 * 1024 };

/* A text with its length; NUL-terminated where dv_expand() made it. */
struct dv_span {
    const char *text;
    size_t length;
};

/* Replaces the variables in `text`. Without any, the result is `text` itself; else it lives in `arena`. False after
 * findings, which name the variable and never its value. */
bool dv_expand(struct dv_span text, struct dv_place place, struct dv_arena *arena, struct dv_diags *diags,
               struct dv_span *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * option_value.h - inside option.c's door: one value of one option, parsed and checked. */
#ifndef DV_ENGINE_OPTION_VALUE_H
#define DV_ENGINE_OPTION_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/option.h"
#include "engine/place.h"

/* What came of a value. */
enum dv_value_result { DV_VALUE_OK, DV_VALUE_WRONG, DV_VALUE_MEMORY };

/* Why it is wrong, for the finding. */
struct dv_value_fault {
    struct dv_place place;
    const char *code;
    char message[256]; /* follows "option 'x' " */
    char help[256];    /* may be empty */
    bool secret;       /* the text at `place` must not be shown */
};

/* Parses `node` as a value of `option` into the member of `state`. A scalar's text is already in the right arena. */
enum dv_value_result dv_option_value(const struct dv_option *option, const struct dv_yaml *node, void *state,
                                     struct dv_arena *arena, struct dv_diags *diags, struct dv_value_fault *fault);

/* The words of a DV_ENUM one by one: gives back the next and moves *cursor, NULL at the end. */
const char *dv_option_word(const char **cursor, size_t *ret_length);

/* A number as it is written for this type: "5s", "64KiB", "12". */
const char *dv_option_number_text(enum dv_option_type type, int64_t number, char *buffer, size_t size);

#endif

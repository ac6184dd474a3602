/* SPDX-License-Identifier: Apache-2.0
 * place.h - a place in a source text, as findings and configuration trees have it. */
#ifndef DV_ENGINE_PLACE_H
#define DV_ENGINE_PLACE_H

#include <stdint.h>

/* Lines and columns count from 1; line 0 means "the file as a whole". */
struct dv_place {
    const char *file; /* lives as long as the diagnostics */
    uint32_t line;
    uint32_t column;
    uint32_t length; /* characters to underline, at least 1 */
};

#endif

/* SPDX-License-Identifier: Apache-2.0
 * file.h - a whole file as a text, for what a configuration names. Never while a graph runs: reading may block. */
#ifndef DV_ENGINE_FILE_H
#define DV_ENGINE_FILE_H

#include <stddef.h>

#include "engine/error.h"

struct dv_arena;

/* Reads a file of at most `bytes_max` bytes into the arena, followed by a NUL that does not count. Errors: DV_E_IO with
 * errno set, DV_E_LIMIT if it is longer, DV_E_MEMORY if the arena is full. */
DV_CHECKED dv_rc dv_file_read(const char *path, size_t bytes_max, struct dv_arena *arena, char **ret_text,
                              size_t *ret_length);

#endif

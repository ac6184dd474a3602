/* SPDX-License-Identifier: Apache-2.0
 * llm_shelf.h - answers that were given before, by the SHA-256 of what was asked, within a bound of bytes.
 *
 * The one that was longest not asked for goes first. Texts are wiped when they go. */
#ifndef DV_CONNECTORS_LLM_SHELF_H
#define DV_CONNECTORS_LLM_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_LLM_HASH_BYTES = 32 };

struct dv_llm_kept;

/* The shelf; zero-initialise and set the bound. */
struct dv_llm_shelf {
    size_t bytes_max; /* with what keeping them costs; 0: nothing is kept */
    size_t bytes;
    uint32_t count;
    struct dv_llm_kept *newest; /* asked for last; then by age */
};

/* What is kept of an answer: its text is valid until the shelf changes. */
struct dv_llm_kept {
    uint8_t hash[DV_LLM_HASH_BYTES];
    uint32_t tokens_in, tokens_out;
    size_t length;
    struct dv_llm_kept *older;
    char text[];
};

/* The answer to what has this hash, or NULL. */
const struct dv_llm_kept *dv_llm_shelf_find(struct dv_llm_shelf *shelf, const uint8_t *hash);

/* The longest text that one answer may have to be kept. */
size_t dv_llm_shelf_longest(const struct dv_llm_shelf *shelf);

/* Keeps an answer of `head->length` bytes, if it is not too long and there is memory. */
void dv_llm_shelf_put(struct dv_llm_shelf *shelf, const struct dv_llm_kept *head, const char *text);

/* Wipes and frees all. */
void dv_llm_shelf_clear(struct dv_llm_shelf *shelf);

#endif

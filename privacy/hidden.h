/* SPDX-License-Identifier: Apache-2.0
 * hidden.h - finds personal data that a text holds in escapes (decode.h) or in base64 (base64_run.h).
 *
 * A text with escapes is decoded and searched as if it had come without, then once more for escapes in escapes ("%2540"); a
 * finding covers the escapes that it touches. So never less is found than in the same text without them. That holds for a text
 * of DV_HIDDEN_WINDOW bytes; a longer one is decoded in such windows, cut at the ends of lines.
 *
 * base64 that is text is decoded and searched, with base64 and escapes in it: if there is anything personal, the whole run is
 * covered. Hashes, keys and images are no text.
 *
 * Memory is fixed, time linear. Serves one thread. */
#ifndef DV_PRIVACY_HIDDEN_H
#define DV_PRIVACY_HIDDEN_H

#include "privacy/detect.h"

enum { DV_HIDDEN_WINDOW = 65536 };

struct dv_finder;
struct dv_hidden;

/* Scratch for one thread; NULL when memory is short. */
struct dv_hidden *dv_hidden_new(void);

/* Wipes and frees; accepts NULL. */
void dv_hidden_free(struct dv_hidden *hidden);

/* Adds to the `count` spans of dv_find_plain(), which have room for `max` ≥ 1, what it finds in what is hidden in
 * text[0..length), length ≤ UINT32_MAX. The contract of dv_detect() holds for the result, whose number is returned. */
size_t dv_hidden_find(struct dv_hidden *hidden, const struct dv_finder *finder, const char *text, size_t length, uint32_t seen,
                      struct dv_span *spans, size_t count, size_t max);

#endif

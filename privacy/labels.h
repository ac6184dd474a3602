/* SPDX-License-Identifier: Apache-2.0
 * labels.h - a bounded table of who is "A", who is "B": labels that are counted as values come.
 *
 * It holds HMACs, never values. Labels are the same within one run and one window; another run counts anew, in the order in
 * which values come then. When the table is full, whoever is new gets a keyed code of 12 characters in place of a letter
 * ("Patient k5jq2xw7a3bm"): the same for the same value, so nothing is mixed up and memory stays bounded. */
#ifndef DV_PRIVACY_LABELS_H
#define DV_PRIVACY_LABELS_H

#include "privacy/pseudonym.h"

enum { DV_LABEL_KINDS_MAX = 64, DV_LABELS_MAX = 1 << 20 };

struct dv_labels;

/* A table for at most `size` labels in all, 1..DV_LABELS_MAX, which begins anew `window_ms` after its first label (0:
 * never). NULL: no memory. The caller frees it. */
struct dv_labels *dv_labels_new(uint32_t size, int64_t window_ms);
void dv_labels_free(struct dv_labels *labels);

/* Appends "A" to "Z", "AA", ... for the HMAC of a value, counted by kind < DV_LABEL_KINDS_MAX; or its code. The buffer has
 * room for 16 bytes. */
void dv_labels_put(struct dv_labels *labels, uint32_t kind, const unsigned char digest[DV_PSEUDONYM_BYTES_MAX],
                   int64_t now_ms, struct dv_buffer *out);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * spans.h - lists of findings, and two made one. Private to privacy/. */
#ifndef DV_PRIVACY_SPANS_H
#define DV_PRIVACY_SPANS_H

#include "privacy/detect.h"

/* Merges `more`, sorted by start, into spans[0..count), which has room for `max` ≥ 1: sorted and apart, in a text of `length`
 * bytes. Where two overlap, one covers both under the type of the stronger, then the longer. What is too much is covered by
 * the last. Gives the number. */
size_t dv_spans_merge(struct dv_span *spans, size_t count, size_t max, const struct dv_span *more, size_t more_count,
                      uint32_t length);

/* Leaves of `more` only what no span of the list covers whole; both are sorted. Gives the number. */
size_t dv_spans_new(const struct dv_span *spans, size_t count, struct dv_span *more, size_t more_count);

#endif

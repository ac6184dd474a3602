/* SPDX-License-Identifier: Apache-2.0
 * again.h - a number that was found once is the same number wherever else it stands in the text.
 *
 * "MRN: 4471203" is found by the word before it; "4471203 was seen again" has none. Values of DV_AGAIN_CHARS_MIN characters or more,
 * with a digit, that were found with strong evidence are looked for as whole words, in either case. Time is linear, memory
 * fixed: of a text with more than a hundred such values the first are looked for. */
#ifndef DV_PRIVACY_AGAIN_H
#define DV_PRIVACY_AGAIN_H

#include "privacy/detect.h"

enum { DV_AGAIN_CHARS_MIN = 6 };

/* Writes up to `max` spans of further places of the values of spans[0..count), sorted and apart from each other and none of
 * them inside of what was found; returns their number. */
size_t dv_again_find(const char *text, size_t length, const struct dv_span *spans, size_t count, struct dv_span *more,
                     size_t max);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * structure.h - finds personal data by where it stands: the fields of JSON, XML, tables, messages, logs and forms.
 *
 * A text may be such a thing or hold some among prose. Nothing is parsed strictly: each reader takes what it understands
 * from where it is and goes on behind it, so that torn and wrong input costs nothing but what was torn. A value is typed
 * by the name of its key (key_name.h) or its place in a message (HL7 v2, X12), if it looks so; values of keys that are
 * nobody's keep the tagger from guessing; and where most values of a column are of a type, all of them are. Time is linear
 * in the length of the text, memory is fixed. A structure serves one thread. */
#ifndef DV_PRIVACY_STRUCTURE_H
#define DV_PRIVACY_STRUCTURE_H

#include "privacy/detect.h"

struct dv_structure;

/* Scratch for one thread; NULL when memory is short. */
struct dv_structure *dv_structure_new(void);

/* Wipes and frees; accepts NULL. */
void dv_structure_free(struct dv_structure *structure);

/* Reads text[0..length), length ≤ UINT32_MAX, of which so much was seen at a glance (glance.h), and merges what it finds of
 * `types` (bits 1u << type) into the `count` spans of dv_detect(); spans has room for `max` ≥ 1. The contract of dv_detect()
 * holds for the result, whose number is returned. What the text told stays until the next call. */
size_t dv_structure_find(struct dv_structure *structure, const char *text, size_t length, uint32_t seen, uint32_t types,
                         struct dv_span *spans, size_t count, size_t max);

/* The values that are nobody's, by the text last read: sorted, apart from each other. Owned by the structure. */
const struct dv_span *dv_structure_plain(const struct dv_structure *structure, size_t *ret_count);

/* To be called after the tagger, if there is one: adds what keys in running text say and was not found, and the rest of each column of the text last read whose values are mostly of one type in `spans`, which has room for
 * `max`; they may be those of dv_structure_find() or what the tagger made of them. Returns their number. Where spans ran out before, the rest is covered and does not vote. */
size_t dv_structure_vote(struct dv_structure *structure, struct dv_span *spans, size_t count, size_t max);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * citation_unit.h - the words that the citation check knows: units, numbers, and those that say nothing by themselves. */
#ifndef DV_OPERATORS_CITATION_UNIT_H
#define DV_OPERATORS_CITATION_UNIT_H

#include <stdbool.h>
#include <stdint.h>

/* What a word of lower case measures: "kg" for "kilograms", "%" for "percent", a literal; NULL: it is no unit. */
const char *dv_unit_of(const char *word);

/* The share, multiple or place in an order that a word says, "half" for "halved"; NULL: none. */
const char *dv_share_of(const char *word);

/* The number from 0 to 90 that a word says; false: none. */
bool dv_number_of(const char *word, uint32_t *ret_value);

/* Whether a word is in every text and says nothing of what it is about. */
bool dv_word_is_empty(const char *word);

/* Whether a word often begins a sentence without naming anything. */
bool dv_word_opens(const char *word);

#endif

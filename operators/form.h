/* SPDX-License-Identifier: Apache-2.0
 * form.h - what is told of a group window after window, with other numbers, has one form. */
#ifndef DV_OPERATORS_FORM_H
#define DV_OPERATORS_FORM_H

#include <stddef.h>
#include <stdint.h>

/* The form of a finding (rag_told.h), told apart by `seed`: of which kind it is, of which group and measure, and by what groups are made.
 * 0: the text is no such finding alone, and says for itself whatever another says in the same words with other numbers. */
uint64_t dv_form_of(const char *text, size_t length, uint64_t seed);

#endif

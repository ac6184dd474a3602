/* SPDX-License-Identifier: Apache-2.0
 * form.h - what is told of a group window after window in the same words, with other numbers, has one form. */
#ifndef DV_OPERATORS_FORM_H
#define DV_OPERATORS_FORM_H

#include <stddef.h>
#include <stdint.h>

/* Longer texts have no form. */
enum { DV_FORM_MAX = 4096 };

/* The form of a text, told apart by `seed`; 0: it is too long. Numbers are alike behind the first colon; those before it are of what
 * the text is about: "Ward 3 is rising: 60 records". */
uint64_t dv_form_of(const char *text, size_t length, uint64_t seed);

#endif

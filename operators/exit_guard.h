/* SPDX-License-Identifier: Apache-2.0
 * exit_guard.h - the guard of every shipped exit: looks for personal data in the texts that leave unsealed. */
#ifndef DV_OPERATORS_EXIT_GUARD_H
#define DV_OPERATORS_EXIT_GUARD_H

#include "engine/exit_guard.h"

/* For `.guard` of an operator with an `.exit`. Columns of text and json are looked at unless they are sealed, or hold what a
 * transform made of values and nobody can have typed (pseudonyms, masked, generalized and noised values), or redacted. */
extern const struct dv_exit_guard dv_guard_of_texts;

#endif

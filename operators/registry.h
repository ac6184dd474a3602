/* SPDX-License-Identifier: Apache-2.0
 * registry.h - the table of all operators, which the build makes from the words in operators/meson.build. */
#ifndef DV_OPERATORS_REGISTRY_H
#define DV_OPERATORS_REGISTRY_H

#include "engine/operator.h"

/* NULL-terminated, in the order of the words. */
extern const struct dv_operator *const dv_operators[];

#endif

/* SPDX-License-Identifier: Apache-2.0
 * schema_option.h - the `schema` option that every source has: a name that stands for `schemas/<name>.yaml`. */
#ifndef DV_OPERATORS_SCHEMA_OPTION_H
#define DV_OPERATORS_SCHEMA_OPTION_H

#include "engine/operator.h"

/* During transfer(): loads `schemas/<name>.yaml` beside the graph file into the graph's arena. `name` is a DV_NAME that
 * the node's option `option` holds. NULL after findings, at the option's place or in the schema's own file; the caller
 * then returns DV_E_CONFIG. */
const struct dv_schema *dv_load_schema(struct dv_node *node, const char *option, const char *name);

#endif

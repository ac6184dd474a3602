/* SPDX-License-Identifier: Apache-2.0
 * decrypt.h - what a node `decrypt` says of the records it opens, for who has to find them again by a person's name. */
#ifndef DV_OPERATORS_DECRYPT_H
#define DV_OPERATORS_DECRYPT_H

#include <stdbool.h>

struct dv_anonymize_plan;
struct dv_node;
struct dv_schema;

/* Lives as long as the graph. */
struct dv_opened {
    const char *schema, *policy;          /* their names; the policy may be NULL */
    const struct dv_schema *sealed;       /* what was sealed */
    const struct dv_anonymize_plan *plan; /* NULL without a policy */
    bool references;                      /* it gives each record's reference to its person on */
};

/* False: the node is no `decrypt` of blobs, or was not checked. */
bool dv_decrypt_opened(const struct dv_node *node, struct dv_opened *ret);

#endif

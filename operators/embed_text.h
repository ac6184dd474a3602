/* SPDX-License-Identifier: Apache-2.0
 * embed_text.h - one text of some columns of a record: "name: value; name: value", or the bare value of one.
 *
 * `embed` makes vectors of such texts, `fetch` makes them again from what is sealed: so they are made here, for both. */
#ifndef DV_OPERATORS_EMBED_TEXT_H
#define DV_OPERATORS_EMBED_TEXT_H

#include "engine/operator.h"

/* Which columns, in which order. */
struct dv_text_form {
    uint32_t columns[DV_COLUMNS_MAX];
    uint32_t count;
};

/* During transfer(): finds the columns that the node's option `columns` names. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_text_form_of(struct dv_node *node, const struct dv_schema *schema, const struct dv_strs *names, struct dv_text_form *ret);

/* The label of such texts: the join of those of their columns. Numbers and truth values that are public say nothing of anybody and
 * leave it as it is. */
struct dv_label dv_text_label(const struct dv_text_form *form, const struct dv_schema *schema);

/* Writes the text of a row, or only counts its bytes if `out` is NULL: 0 if all of its columns are missing. */
size_t dv_text_write(const struct dv_text_form *form, const struct dv_batch *batch, uint32_t row, char *out);

/* How much of a text is at most `longest` bytes of whole characters. */
size_t dv_text_cut(const char *text, size_t length, size_t longest);

#endif

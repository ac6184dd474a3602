/* SPDX-License-Identifier: Apache-2.0
 * embed_text.c - columns as one text. */
#include "operators/embed_text.h"

#include <string.h>

#include "engine/json.h"

enum { NUMBER_BYTES = 64 };

dv_rc dv_text_form_of(struct dv_node *node, const struct dv_schema *schema, const struct dv_strs *names, struct dv_text_form *ret)
{
    const struct dv_shape shape = { .in = schema };
    ret->count = 0;
    if (names->count > DV_COLUMNS_MAX)
        return dv_refuse(node, "columns", "C221", "name fewer", "there are too many columns");
    for (size_t i = 0; i < names->count; i++) {
        int column = dv_shape_column(node, &shape, "columns", names->items[i]);
        if (column < 0)
            return DV_E_CONFIG;
        if (schema->columns[column].type == DV_TYPE_BYTES)
            return dv_refuse(node, "columns", "C220", "name columns of text, numbers or json", "column '%s' is bytes and has no text",
                             names->items[i]);
        ret->columns[ret->count++] = (uint32_t)column;
    }
    return DV_OK;
}

/* Nobody can have typed something into it, and it is cleared for every exit. */
static bool says_nothing(const struct dv_column *column)
{
    bool typed = column->type == DV_TYPE_TEXT || column->type == DV_TYPE_JSON;
    return !typed && dv_label_equal(column->label, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
}

struct dv_label dv_text_label(const struct dv_text_form *form, const struct dv_schema *schema)
{
    struct dv_label label = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    bool any = false;
    for (uint32_t i = 0; i < form->count; i++) {
        const struct dv_column *column = &schema->columns[form->columns[i]];
        if (says_nothing(column))
            continue;
        label = any ? dv_label_join(label, column->label) : column->label;
        any = true;
    }
    return label;
}

/* A value as text: its own, or a number's in `buffer`. */
static const char *text_of(const struct dv_cell *cell, enum dv_type type, char buffer[NUMBER_BYTES], size_t *ret_length)
{
    struct dv_json json;
    *ret_length = cell->length;
    if (type == DV_TYPE_TEXT || type == DV_TYPE_JSON)
        return cell->text;
    dv_json_init(&json, buffer, NUMBER_BYTES);
    if (type == DV_TYPE_FLOAT)
        dv_json_float(&json, cell->number);
    else if (type == DV_TYPE_BOOL)
        dv_json_bool(&json, cell->integer != 0);
    else
        dv_json_int(&json, cell->integer);
    *ret_length = dv_json_length(&json);
    return buffer;
}

/* Appends, or only counts if `out` is NULL. */
static size_t append(char *out, size_t at, const void *bytes, size_t length)
{
    if (out != NULL && length > 0)
        memcpy(out + at, bytes, length);
    return at + length;
}

size_t dv_text_write(const struct dv_text_form *form, const struct dv_batch *batch, uint32_t row, char *out)
{
    char buffer[NUMBER_BYTES];
    size_t length = 0, value_length = 0;
    for (uint32_t i = 0; i < form->count; i++) {
        const struct dv_column *column = &batch->schema->columns[form->columns[i]];
        const struct dv_cell *cell = &dv_batch_cells(batch, form->columns[i])[row];
        if (!cell->present)
            continue;
        const char *value = text_of(cell, column->type, buffer, &value_length);
        if (form->count > 1) {
            length = append(out, length, "; ", length > 0 ? 2 : 0);
            length = append(out, length, column->name, column->name_length);
            length = append(out, length, ": ", 2);
        }
        length = append(out, length, value, value_length);
    }
    return length;
}

size_t dv_text_cut(const char *text, size_t length, size_t longest)
{
    if (length <= longest)
        return length;
    while (longest > 0 && ((unsigned char)text[longest] & 0xC0) == 0x80)
        longest--;
    return longest;
}

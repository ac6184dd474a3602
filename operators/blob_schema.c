/* SPDX-License-Identifier: Apache-2.0
 * blob_schema.c - the two schemas of sealed records, as tables. */
#include "operators/blob_schema.h"

#include <string.h>

#include "vault/blob.h"

/* One row of a table: a column as dv_schema_add() wants it. */
struct row {
    const char *name;
    enum dv_type type;
    enum dv_class class;
    enum dv_form form;
};

static const struct row blob_rows[DV_BLOB_COLUMNS] = {
    [DV_BLOB_SCHEMA_NAME] = { "schema", DV_TYPE_TEXT, DV_CLASS_PUBLIC, DV_FORM_PLAIN },
    [DV_BLOB_DATA_HASH] = { "data_hash", DV_TYPE_BYTES, DV_CLASS_DIRECT_ID, DV_FORM_PSEUDONYM },
    [DV_BLOB_KEY_REF] = { "key_ref", DV_TYPE_TEXT, DV_CLASS_PUBLIC, DV_FORM_PLAIN },
    [DV_BLOB_SUBJECT_REF] = { "subject_ref", DV_TYPE_BYTES, DV_CLASS_DIRECT_ID, DV_FORM_PSEUDONYM },
    [DV_BLOB_NONCE] = { "nonce", DV_TYPE_BYTES, DV_CLASS_PUBLIC, DV_FORM_PLAIN },
    [DV_BLOB_CIPHERTEXT] = { "ciphertext", DV_TYPE_BYTES, DV_CLASS_DIRECT_ID, DV_FORM_SEALED },
};

static const struct row bare_rows[DV_BARE_COLUMNS] = {
    [DV_BARE_SEALED] = { "sealed", DV_TYPE_BYTES, DV_CLASS_DIRECT_ID, DV_FORM_SEALED },
};

static const struct dv_schema *make(struct dv_arena *arena, const char *name, const struct row *rows, uint32_t count,
                                    const struct dv_schema *inside)
{
    struct dv_schema *schema = dv_schema_new(arena, name, count);
    if (schema == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        (void)dv_schema_add(schema, rows[i].name, rows[i].type, dv_label(rows[i].class, rows[i].form));
    DV_ASSERT(schema->column_count == count && schema->extra < 0);
    schema->inside = inside;
    return schema;
}

static bool same(const struct dv_schema *schema, const struct row *rows, uint32_t count)
{
    if (schema->column_count != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct dv_column *column = &schema->columns[i];
        if (strcmp(column->name, rows[i].name) != 0 || column->type != rows[i].type ||
            !dv_label_equal(column->label, dv_label(rows[i].class, rows[i].form)))
            return false;
    }
    return true;
}

const struct dv_schema *dv_blob_schema_new(struct dv_arena *arena, const struct dv_schema *inside)
{
    return make(arena, DV_BLOB_SCHEMA, blob_rows, DV_BLOB_COLUMNS, inside);
}

const struct dv_schema *dv_bare_schema_new(struct dv_arena *arena, const struct dv_schema *inside)
{
    return make(arena, DV_BARE_SCHEMA, bare_rows, DV_BARE_COLUMNS, inside);
}

bool dv_schema_is_blob(const struct dv_schema *schema)
{
    return same(schema, blob_rows, DV_BLOB_COLUMNS);
}

bool dv_schema_is_bare(const struct dv_schema *schema)
{
    return same(schema, bare_rows, DV_BARE_COLUMNS);
}

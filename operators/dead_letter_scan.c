/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_scan.c - goes through the files of a graph's dead letters and opens each. */
#include "operators/dead_letter_scan.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/json.h"
#include "engine/memory.h"

enum { JSON_FIRST_BYTES = 64 * 1024, ARENA_MAX_BYTES = 512 * 1024 * 1024, ARENA_KEPT_BYTES = 1024 * 1024 };

/* The columns of a letter's JSON. Counts are kept as their digits: an offset may use all 64 bits. */
enum { NODE, CODE, REASON, OFFSET, LINE, SCHEMA, RECORD, RAW, NOTICE, COLUMNS };

static const struct {
    const char *name;
    enum dv_type type;
} columns[COLUMNS] = {
    [NODE] = { "node", DV_TYPE_TEXT },     [CODE] = { "code", DV_TYPE_TEXT }, [REASON] = { "reason", DV_TYPE_TEXT },
    [OFFSET] = { "offset", DV_TYPE_JSON }, [LINE] = { "line", DV_TYPE_JSON }, [SCHEMA] = { "schema", DV_TYPE_TEXT },
    [RECORD] = { "record", DV_TYPE_JSON }, [RAW] = { "raw", DV_TYPE_BYTES },  [NOTICE] = { "notice", DV_TYPE_BOOL },
};

dv_rc dv_letter_paths_of(struct dv_letter_paths *ret, const char *path, struct dv_error *error)
{
    int length = snprintf(ret->main, sizeof ret->main, "%s", path);
    if (length < 0 || (size_t)length >= sizeof ret->main)
        return dv_error_set(error, DV_E_CONFIG, "the path of the dead letters is too long");
    (void)snprintf(ret->again, sizeof ret->again, "%s.again", ret->main);
    (void)snprintf(ret->marks, sizeof ret->marks, "%s.marks", ret->main);
    return DV_OK;
}

static dv_rc make_json(struct dv_letter_scan *scan, size_t bytes, struct dv_error *error)
{
    dv_json_reader_free(scan->json);
    scan->json_bytes = bytes > JSON_FIRST_BYTES ? bytes : JSON_FIRST_BYTES;
    scan->json = dv_json_reader_new(scan->schema, scan->json_bytes);
    return scan->json != NULL ? DV_OK : dv_error_set(error, DV_E_MEMORY, "no memory for a letter of %zu bytes", bytes);
}

static dv_rc make_schema(struct dv_letter_scan *scan, struct dv_error *error)
{
    scan->schema = dv_schema_new(&scan->schema_arena, "dead-letter", COLUMNS);
    if (scan->schema == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for dead letters");
    for (int i = 0; i < COLUMNS; i++)
        (void)dv_schema_add(scan->schema, columns[i].name, columns[i].type,
                            dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN));
    return make_json(scan, 0, error);
}

dv_rc dv_letters_note_again(struct dv_marks *marks, const struct dv_letter_paths *paths, uint64_t *ret_count,
                            struct dv_error *error)
{
    struct dv_letter_reader reader;
    struct dv_letter_found found = { 0 };
    dv_rc rc = dv_letter_reader_open(&reader, paths->again, error);
    *ret_count = 0;
    while (rc == DV_OK && (rc = dv_letter_reader_next(&reader, &found, error)) == DV_OK &&
           found.kind != DV_LETTER_END) {
        struct dv_letter_key key = dv_letter_key_of(&found.blob);
        *ret_count += 1;
        if (found.kind == DV_LETTER_WHOLE && dv_marks_get(marks, &key) == DV_LETTER_OPEN)
            rc = dv_marks_put(marks, &key, DV_LETTER_MOVED);
    }
    dv_letter_reader_close(&reader);
    return rc;
}

dv_rc dv_letter_scan_open(struct dv_letter_scan *scan, const char *path, struct dv_keyring *keyring,
                          struct dv_error *error)
{
    *scan = (struct dv_letter_scan){ .keyring = keyring };
    dv_arena_init(&scan->schema_arena, ARENA_KEPT_BYTES);
    dv_arena_init(&scan->arena, ARENA_MAX_BYTES);
    DV_TRY(dv_letter_paths_of(&scan->paths, path, error));
    DV_TRY(make_schema(scan, error));
    DV_TRY(
        dv_letter_reader_open(&scan->main, scan->paths.main, error)); /* first: what is marked later is still there */
    DV_TRY(dv_letter_reader_open(&scan->again, scan->paths.again, error));
    DV_TRY(dv_marks_load(&scan->marks, scan->paths.marks, error));
    uint64_t again = 0;
    return dv_letters_note_again(&scan->marks, &scan->paths, &again, error);
}

void dv_letter_scan_close(struct dv_letter_scan *scan)
{
    dv_letter_reader_close(&scan->main);
    dv_letter_reader_close(&scan->again);
    dv_marks_free(&scan->marks);
    dv_json_reader_free(scan->json);
    dv_arena_free(&scan->schema_arena);
    dv_arena_free(&scan->arena);
    *scan = (struct dv_letter_scan){ 0 };
}

/* ---- one letter ---- */

static struct dv_bytes text_of(const struct dv_letter_scan *scan, int column)
{
    const struct dv_cell *cell = &scan->cells[column][0];
    return cell->present ? (struct dv_bytes){ (const uint8_t *)cell->text, cell->length } : (struct dv_bytes){ 0 };
}

static uint64_t count_of(const struct dv_letter_scan *scan, int column)
{
    struct dv_bytes digits = text_of(scan, column);
    uint64_t count = 0;
    for (size_t i = 0; i < digits.length && digits.at[i] >= '0' && digits.at[i] <= '9'; i++)
        count = 10 * count + (digits.at[i] - '0');
    return count;
}

/* What was sealed, taken apart. It is our own text: anything else means that another program had the key. */
static dv_rc read_text(struct dv_letter_scan *scan, struct dv_letter_view *ret)
{
    const char *reason = "";
    struct dv_batch batch = { .schema = scan->schema, .rows = 1, .references = 1, .arena = scan->arena };
    for (int i = 0; i < COLUMNS; i++)
        batch.cells[i] = scan->cells[i];
    dv_rc rc = dv_json_reader_in_place(scan->json, (const char *)ret->text.at, ret->text.length, &batch, 0, &reason);
    scan->arena = batch.arena;
    bool complete = rc == DV_OK && scan->cells[NODE][0].present && scan->cells[CODE][0].present &&
                    scan->cells[REASON][0].present && scan->cells[RECORD][0].present == scan->cells[SCHEMA][0].present;
    if (!complete)
        return rc == DV_E_MEMORY ? rc : DV_E_TAMPER;
    ret->node = text_of(scan, NODE);
    ret->code = text_of(scan, CODE);
    ret->reason = text_of(scan, REASON);
    ret->schema = text_of(scan, SCHEMA);
    ret->record = text_of(scan, RECORD);
    ret->raw = text_of(scan, RAW);
    ret->place_offset = count_of(scan, OFFSET);
    ret->place_line = count_of(scan, LINE);
    ret->notice = scan->cells[NOTICE][0].present && scan->cells[NOTICE][0].integer != 0;
    return DV_OK;
}

static dv_rc open_letter(struct dv_letter_scan *scan, const struct dv_blob *blob, struct dv_letter_view *ret,
                         struct dv_error *error)
{
    size_t length = blob->ciphertext.length - DV_TAG_BYTES;
    struct dv_error why = { 0 };
    if (!dv_bytes_equal(blob->schema, dv_bytes_text("dead-letter"))) {
        ret->opened = DV_E_TAMPER; /* somebody put a record of the store here */
        return DV_OK;
    }
    if (dv_arena_held(&scan->arena) > ARENA_KEPT_BYTES)
        dv_arena_free(&scan->arena);
    else
        dv_arena_reset(&scan->arena);
    if (length > scan->json_bytes)
        DV_TRY(make_json(scan, length, error));
    uint8_t *plain = (uint8_t *)dv_arena_text(&scan->arena, length + DV_JSON_PADDING);
    if (plain == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a letter of %zu bytes", length);
    memset(plain + length, 0, DV_JSON_PADDING);
    ret->opened = dv_keyring_open_blob(scan->keyring, blob, plain, &why);
    if (ret->opened != DV_OK)
        return DV_OK;
    ret->text = (struct dv_bytes){ plain, length };
    ret->opened = read_text(scan, ret);
    return ret->opened == DV_E_MEMORY ? dv_error_set(error, DV_E_MEMORY, "no memory for a letter") : DV_OK;
}

/* The next of both files that counts. */
static dv_rc next_found(struct dv_letter_scan *scan, struct dv_letter_found *found, enum dv_letter_state *ret_state,
                        struct dv_error *error)
{
    for (;;) {
        DV_TRY(dv_letter_reader_next(scan->main_over ? &scan->again : &scan->main, found, error));
        if (found->kind == DV_LETTER_END && !scan->main_over) {
            scan->main_over = true;
            continue;
        }
        *ret_state = DV_LETTER_OPEN;
        if (found->kind != DV_LETTER_WHOLE)
            return DV_OK;
        struct dv_letter_key key = dv_letter_key_of(&found->blob);
        *ret_state = dv_marks_get(&scan->marks, &key);
        if (*ret_state != DV_LETTER_MOVED)
            return DV_OK;
        *ret_state = DV_LETTER_OPEN;
        if (scan->main_over)
            return DV_OK;
    }
}

dv_rc dv_letter_scan_next(struct dv_letter_scan *scan, struct dv_letter_view *ret, bool *ret_end,
                          struct dv_error *error)
{
    struct dv_letter_found found;
    enum dv_letter_state state = DV_LETTER_OPEN;
    DV_TRY(next_found(scan, &found, &state, error));
    *ret_end = found.kind == DV_LETTER_END;
    *ret = (struct dv_letter_view){
        .state = state, .offset = found.offset, .length = found.length, .again = scan->main_over, .opened = DV_E_SYNTAX
    };
    if (found.kind != DV_LETTER_WHOLE)
        return DV_OK;
    ret->key = dv_letter_key_of(&found.blob);
    ret->created_ms = found.blob.created_ms;
    return open_letter(scan, &found.blob, ret, error);
}

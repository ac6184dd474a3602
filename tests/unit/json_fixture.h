/* SPDX-License-Identifier: Apache-2.0
 * json_fixture.h - a column of each type, a reader and a batch of its own: what the JSON tests stand on. */
#ifndef DV_TESTS_JSON_FIXTURE_H
#define DV_TESTS_JSON_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "engine/json.h"
#include "engine/memory.h"
#include "engine/batch.h"
#include "engine/schema.h"

enum {
    ID, COUNT, AMOUNT, ACTIVE, BLOB, TREE, LONG_NAME, AGE, FAMILY, YEARS, PHONES, STREETS, CITIES, EXTRA, FIXTURE_COLUMNS,
    FIXTURE_LIMIT = 1 << 20
};

struct json_fixture {
    struct dv_column columns[FIXTURE_COLUMNS];
    struct dv_schema schema;
    struct dv_batch batch;
    struct dv_json_reader *reader;
    const char *reason;
    char *room; /* the text that was read last, where it was read from */
};

static inline void fixture_open(struct json_fixture *fixture)
{
    static const struct dv_column columns[FIXTURE_COLUMNS] = {
        [ID] = { .name = "id", .type = DV_TYPE_TEXT },
        [COUNT] = { .name = "count", .type = DV_TYPE_INT },
        [AMOUNT] = { .name = "amount", .type = DV_TYPE_FLOAT, .bounded = true, .min = -1e300, .max = 1e300 },
        [ACTIVE] = { .name = "active", .type = DV_TYPE_BOOL },
        [BLOB] = { .name = "blob", .type = DV_TYPE_BYTES },
        [TREE] = { .name = "tree", .type = DV_TYPE_JSON },
        [LONG_NAME] = { .name = "a_name_that_is_longer_than_the_words_compared", .type = DV_TYPE_TEXT },
        [AGE] = { .name = "age_of_the_person", .type = DV_TYPE_INT, .bounded = true, .min = 0, .max = 130 },
        [FAMILY] = { .name = "patient.name.family", .type = DV_TYPE_TEXT },
        [YEARS] = { .name = "patient.years_of_age_when_it_was_seen_last", .type = DV_TYPE_INT },
        [PHONES] = { .name = "contacts[].phone", .type = DV_TYPE_JSON },
        [STREETS] = { .name = "contacts[].at.home[].street", .type = DV_TYPE_JSON },
        [CITIES] = { .name = "contacts[].at.home[].city", .type = DV_TYPE_JSON },
        [EXTRA] = { .name = DV_EXTRA_COLUMN, .type = DV_TYPE_JSON },
    };
    *fixture = (struct json_fixture){ .reason = "" };
    memcpy(fixture->columns, columns, sizeof columns);
    for (int i = 0; i < FIXTURE_COLUMNS; i++)
        dv_column_name(&fixture->columns[i], columns[i].name);
    fixture->schema = (struct dv_schema){
        .name = "fixture", .column_count = FIXTURE_COLUMNS, .subject = -1, .extra = EXTRA, .columns = fixture->columns
    };
    fixture->batch.schema = &fixture->schema;
    dv_arena_init(&fixture->batch.arena, (size_t)64 << 20);
    for (int i = 0; i < FIXTURE_COLUMNS; i++)
        fixture->batch.cells[i] = dv_memory_zeroed(DV_BATCH_ROWS, sizeof(struct dv_cell));
    fixture->reader = dv_json_reader_new(&fixture->schema, FIXTURE_LIMIT);
}

static inline void fixture_close(struct json_fixture *fixture)
{
    dv_json_reader_free(fixture->reader);
    for (int i = 0; i < FIXTURE_COLUMNS; i++)
        dv_memory_free(fixture->batch.cells[i]);
    dv_arena_free(&fixture->batch.arena);
    free(fixture->room);
}

/* Reads `text` into row 0 from memory that ends with the padding; `hostile` fills the padding with what could be taken
 * for more of the text. */
static inline dv_rc fixture_read_before(struct json_fixture *fixture, const char *text, size_t length, char hostile)
{
    free(fixture->room);
    fixture->room = malloc(length + DV_JSON_PADDING);
    if (fixture->room == NULL)
        return DV_E_MEMORY;
    memcpy(fixture->room, text, length);
    memset(fixture->room + length, hostile, DV_JSON_PADDING);
    dv_arena_reset(&fixture->batch.arena);
    return dv_json_reader_in_place(fixture->reader, fixture->room, length, &fixture->batch, 0, &fixture->reason);
}

static inline dv_rc fixture_read(struct json_fixture *fixture, const char *text)
{
    return fixture_read_before(fixture, text, strlen(text), '7');
}

/* Row 0 as text, in memory of exactly the bound plus a NUL; the caller frees it. */
static inline char *fixture_write(const struct json_fixture *fixture)
{
    size_t bound = dv_json_record_bound(&fixture->batch, 0);
    char *text = malloc(bound + 1);
    if (text != NULL)
        text[dv_json_record(&fixture->batch, 0, text)] = '\0';
    return text;
}

static inline const struct dv_cell *fixture_cell(const struct json_fixture *fixture, int column)
{
    return &fixture->batch.cells[column][0];
}

#endif

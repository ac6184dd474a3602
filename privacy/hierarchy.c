/* SPDX-License-Identifier: Apache-2.0
 * hierarchy.c - a user's table of values and what they become, level by level; found by hash. */
#include <string.h>

#include "engine/arena.h"
#include "privacy/generalize.h"

struct field {
    const char *text;
    uint32_t length;
};

struct dv_hierarchy {
    uint32_t columns; /* the value and its levels */
    uint32_t rows;
    uint32_t mask;    /* slots - 1 */
    uint32_t *slots;  /* row + 1; 0: free */
    struct field *fields;
};

/* The table while it is read. */
struct reader {
    struct dv_hierarchy *table;
    char *at, *end;
    uint32_t line;
    const char *why;
};

/* FNV-1a of 64 bits. The table is the user's own, so nobody chooses its keys to collide. */
static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001B3u;
    return hash ^ hash >> 32;
}

static bool same(const struct field *field, const char *text, size_t length)
{
    return field->length == length && memcmp(field->text, text, length) == 0;
}

/* The slot of a value: its own, or the free one where it would go. */
static uint32_t *slot_of(const struct dv_hierarchy *table, const char *text, size_t length)
{
    uint32_t at = (uint32_t)hash_of(text, length) & table->mask;
    while (table->slots[at] != 0 && !same(&table->fields[(size_t)(table->slots[at] - 1) * table->columns], text, length))
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static bool wrong(struct reader *reader, const char *why)
{
    reader->why = why;
    return false;
}

/* The text between quotes, unquoted in place. */
static bool read_quoted(struct reader *reader, struct field *field)
{
    char *to = ++reader->at;
    field->text = to;
    for (;; reader->at++) {
        if (reader->at == reader->end || *reader->at == '\n')
            return wrong(reader, "a quote is not closed");
        if (*reader->at == '"' && (reader->at + 1 == reader->end || reader->at[1] != '"'))
            break;
        reader->at += *reader->at == '"';
        *to++ = *reader->at;
    }
    reader->at++;
    field->length = (uint32_t)(to - field->text);
    bool ended = reader->at == reader->end || *reader->at == ';' || *reader->at == '\n' || *reader->at == '\r';
    return ended || wrong(reader, "a quoted field goes on behind its quote");
}

static bool read_field(struct reader *reader, struct field *field)
{
    if (reader->at < reader->end && *reader->at == '"')
        return read_quoted(reader, field);
    char *start = reader->at;
    while (reader->at < reader->end && *reader->at != ';' && *reader->at != '\n')
        reader->at++;
    size_t length = (size_t)(reader->at - start);
    bool cr = length != 0 && start[length - 1] == '\r' && (reader->at == reader->end || *reader->at == '\n');
    *field = (struct field){ .text = start, .length = (uint32_t)(length - cr) };
    return true;
}

/* Steps over the end of a line; false at the end of the text or within a line. */
static bool end_line(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at == '\r')
        reader->at++;
    if (reader->at < reader->end && *reader->at != '\n')
        return false;
    reader->at += reader->at < reader->end;
    return true;
}

static bool read_row(struct reader *reader)
{
    struct dv_hierarchy *table = reader->table;
    struct field *row = &table->fields[(size_t)table->rows * table->columns];
    for (uint32_t i = 0; i < table->columns; i++) {
        if (!read_field(reader, &row[i]))
            return false;
        bool more = reader->at < reader->end && *reader->at == ';';
        if (more != (i + 1 < table->columns))
            return wrong(reader, "the line has not as many levels as the first");
        reader->at += more;
    }
    if (!end_line(reader))
        return wrong(reader, "a line ends in the middle");
    uint32_t *slot = slot_of(table, row[0].text, row[0].length);
    if (*slot != 0)
        return wrong(reader, "the value stands in an earlier line, too");
    *slot = ++table->rows;
    return true;
}

static uint32_t count_columns(const char *text, const char *end)
{
    uint32_t columns = 1;
    bool quoted = false;
    for (; text < end && *text != '\n'; text++) {
        quoted ^= *text == '"';
        columns += *text == ';' && !quoted;
    }
    return columns;
}

/* Makes room for as many rows as there are lines. */
static bool make_room(struct reader *reader, struct dv_arena *arena, size_t length)
{
    struct dv_hierarchy *table = reader->table;
    size_t lines = 1;
    for (const char *at = reader->at; at < reader->end; at++)
        lines += *at == '\n';
    table->columns = count_columns(reader->at, reader->end);
    reader->line = 1;
    if (length == 0 || length > DV_HIERARCHY_BYTES_MAX || lines > DV_HIERARCHY_VALUES_MAX)
        return wrong(reader, "the table is empty or too large");
    if (table->columns < 2 || table->columns > DV_HIERARCHY_LEVELS_MAX + 1)
        return wrong(reader, "a line is `value;level 1;level 2`, with 1 to 16 levels");
    uint32_t slots = 4;
    while (slots < lines * 2)
        slots *= 2;
    table->mask = slots - 1;
    table->slots = dv_arena_zeroed(arena, slots, sizeof *table->slots);
    table->fields = dv_arena_zeroed(arena, lines * table->columns, sizeof *table->fields);
    reader->line = 0;
    return (table->slots != NULL && table->fields != NULL) || wrong(reader, "the memory for the table is used up");
}

const struct dv_hierarchy *dv_hierarchy_parse(char *text, size_t length, struct dv_arena *arena, uint32_t *ret_line,
                                              const char **ret_why)
{
    struct reader reader = { .at = text, .end = text + length, .why = "the memory for the table is used up" };
    reader.table = dv_arena_zeroed(arena, 1, sizeof *reader.table);
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        reader.at += 3;
    bool good = reader.table != NULL && make_room(&reader, arena, length);
    while (good && reader.at < reader.end) {
        reader.line++;
        good = read_row(&reader);
    }
    *ret_line = reader.line;
    *ret_why = reader.why;
    return good ? reader.table : NULL;
}

uint32_t dv_hierarchy_levels(const struct dv_hierarchy *hierarchy)
{
    return hierarchy->columns - 1;
}

const char *dv_hierarchy_find(const struct dv_hierarchy *hierarchy, uint32_t level, const char *value, size_t length,
                              uint32_t *ret_length)
{
    DV_ASSERT(level >= 1 && level < hierarchy->columns);
    uint32_t row = *slot_of(hierarchy, value, length);
    if (row == 0)
        return NULL;
    const struct field *field = &hierarchy->fields[(size_t)(row - 1) * hierarchy->columns + level];
    *ret_length = field->length;
    return field->text;
}

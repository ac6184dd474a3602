/* SPDX-License-Identifier: Apache-2.0
 * json_nested.c - objects and lists that paths of the schema lead into.
 *
 * Each object remembers which of its names came first and which followed which, as the record itself does. What no path
 * names is kept in `_extra` where it stood: inside objects of the same names, and in lists at the same place. All of that
 * is a part of the record's text, so `_extra` is never longer than that. */
#include "engine/json_reading.h"
#include "engine/json_value.h"
#include "engine/memory.h"

static void put(struct dv_json_record *record, const char *text, size_t length)
{
    DV_ASSERT(record->extra_length + length <= *record->walk.end);
    memcpy(record->extra + record->extra_length, text, length);
    record->extra_length += (uint32_t)length;
}

/* A comma, unless an object or a list was opened just before. */
static void put_comma(struct dv_json_record *record)
{
    char before = record->extra[record->extra_length - 1];
    if (before != '{' && before != '[')
        put(record, ",", 1);
}

static dv_rc open_record(struct dv_json_record *record)
{
    struct dv_json_walk *walk = &record->walk;
    if (record->extra != NULL)
        return DV_OK;
    record->extra = dv_arena_text(walk->arena, *walk->end);
    if (record->extra == NULL)
        return dv_json_refuse(walk, DV_E_MEMORY, "the batch's memory is used up");
    put(record, "{", 1);
    return DV_OK;
}

/* Elements of which nothing was kept leave an empty object, so that the others stay at their places. */
static void keep_place(struct dv_json_record *record, struct dv_json_scope *list, uint64_t count)
{
    for (; list->kept < count; list->kept++) {
        put_comma(record);
        put(record, "{}", 2);
    }
}

/* Opens in `extra` what is open in the text: called only when there is a member to put. */
static dv_rc open_scope(struct dv_json_record *record, struct dv_json_scope *scope)
{
    if (scope == NULL)
        return open_record(record);
    if (scope->opened)
        return DV_OK;
    DV_TRY(open_scope(record, scope->up));
    scope->opened = true;
    if (scope->step == DV_JSON_NONE) {
        keep_place(record, scope->up, scope->up->count - 1);
        scope->up->kept++;
    }
    put_comma(record);
    if (scope->step != DV_JSON_NONE) {
        const struct dv_json_key *key = &record->reader->keys[scope->step];
        put(record, "\"", 1);
        put(record, key->name, key->length - 2);
        put(record, "\":", 2);
    }
    put(record, scope->list ? "[" : "{", 1);
    return DV_OK;
}

static void close_scope(struct dv_json_record *record, struct dv_json_scope *scope)
{
    if (!scope->opened)
        return;
    if (scope->list)
        keep_place(record, scope, scope->count);
    put(record, scope->list ? "]" : "}", 1);
}

dv_rc dv_json_take_extra(struct dv_json_record *record, struct dv_json_scope *scope, const char *start)
{
    struct dv_json_walk *walk = &record->walk;
    if (record->reader->schema->extra < 0)
        return dv_json_refuse(walk, DV_E_DATA, "a field that the schema does not name");
    DV_TRY(dv_json_skip(walk, scope != NULL ? scope->depth : 1));
    DV_TRY(open_scope(record, scope));
    size_t length = (size_t)(dv_json_value_end(walk) - start);
    put_comma(record);
    DV_ASSERT(record->extra_length + length <= *walk->end);
    dv_json_copy_flat(record->extra + record->extra_length, start, length);
    record->extra_length += (uint32_t)length;
    return DV_OK;
}

static bool grow_caught(struct dv_json_reader *reader)
{
    enum { ROOM_FIRST = 64 };
    uint32_t room = reader->caught_room != 0 ? reader->caught_room * 2 : ROOM_FIRST;
    struct dv_json_caught *grown = dv_memory_zeroed(room, sizeof *grown);
    if (grown == NULL)
        return false;
    if (reader->caught_count != 0)
        memcpy(grown, reader->caught, reader->caught_count * sizeof *grown);
    dv_memory_free(reader->caught);
    reader->caught = grown;
    reader->caught_room = room;
    return true;
}

/* Notes a value in a list; a null is no value. */
static dv_rc catch_value(struct dv_json_record *record, const struct dv_json_scope *scope, uint32_t column)
{
    struct dv_json_reader *reader = record->reader;
    struct dv_json_walk *walk = &record->walk;
    if (dv_json_peek(walk) == 'n')
        return dv_json_take_word(walk, "null", 4);
    const char *start = walk->text + *walk->at;
    DV_TRY(dv_json_skip(walk, scope->depth));
    if (reader->caught_count == reader->caught_room && !grow_caught(reader))
        return dv_json_refuse(walk, DV_E_MEMORY, "no memory for the values of a list");
    uint32_t length = (uint32_t)(dv_json_value_end(walk) - start);
    reader->caught[reader->caught_count++] = (struct dv_json_caught){ start, length, column };
    return DV_OK;
}

/* What the name at the walk is in this object, without a look-up if it is what came here before. */
static dv_rc take_name(struct dv_json_record *record, uint32_t parent, uint64_t object, uint16_t **predicted,
                       uint32_t *ret_id)
{
    struct dv_json_reader *reader = record->reader;
    const char *text = record->walk.text + *record->walk.at;
    uint32_t guess = **predicted;
    for (int tries = 0; tries < 2 && guess != DV_JSON_NONE; tries++, guess = reader->next[guess]) {
        if (!dv_json_key_matches(record, guess, text))
            continue;
        *ret_id = guess;
        record->walk.at++;
        return DV_OK;
    }
    return dv_json_surprise(record, parent, object, *predicted, ret_id);
}

/* One object while its members are read. */
struct members {
    uint32_t parent;
    uint64_t object;     /* the walk's number of it */
    uint64_t stamp;      /* the reader's */
    uint16_t *predicted; /* where the next name's guess stands */
};

static dv_rc take_known(struct dv_json_record *record, struct dv_json_scope *scope, struct members *members, uint32_t id)
{
    struct dv_json_step *step = dv_json_step_of(record->reader, id);
    if (step->seen == members->stamp)
        return dv_json_refuse(&record->walk, DV_E_SYNTAX, "a name stands twice in one object");
    step->seen = members->stamp;
    members->predicted = &record->reader->next[id];
    return dv_json_take_step(record, scope, id);
}

static dv_rc take_member(struct dv_json_record *record, struct dv_json_scope *scope, struct members *members)
{
    struct dv_json_walk *walk = &record->walk;
    if (walk->end - walk->at < 4)
        return dv_json_malformed(walk);
    const char *start = walk->text + *walk->at;
    uint32_t id = DV_JSON_NONE;
    DV_TRY(take_name(record, members->parent, members->object, &members->predicted, &id));
    if (!dv_json_take_colon(walk))
        return dv_json_malformed(walk);
    return id == DV_JSON_NONE ? dv_json_take_extra(record, scope, start) : take_known(record, scope, members, id);
}

/* The members of the object whose bracket was taken, which the step `parent` names. */
static dv_rc take_object(struct dv_json_record *record, struct dv_json_scope *scope, uint32_t parent)
{
    struct dv_json_walk *walk = &record->walk;
    struct members members = { .parent = parent,
                               .object = ++walk->objects,
                               .stamp = ++record->reader->stamp,
                               .predicted = &dv_json_step_of(record->reader, parent)->first };
    bool more = !dv_json_closes(walk, '}');
    while (more) {
        DV_TRY(take_member(record, scope, &members));
        if (!dv_json_next_element(walk, '}', &more))
            return dv_json_malformed(walk);
    }
    close_scope(record, scope);
    return DV_OK;
}

/* What stands there is something else, unless it is no JSON at all. */
static dv_rc mismatch(struct dv_json_walk *walk, unsigned depth, const char *reason)
{
    DV_TRY(dv_json_skip(walk, depth));
    return dv_json_refuse(walk, DV_E_DATA, reason);
}

static dv_rc take_element(struct dv_json_record *record, struct dv_json_scope *list)
{
    struct dv_json_walk *walk = &record->walk;
    struct dv_json_scope element = { .up = list, .step = DV_JSON_NONE, .depth = list->depth + 1 };
    if (!dv_json_followed(walk))
        return dv_json_malformed(walk);
    list->count++;
    if (dv_json_peek(walk) == 'n')
        return dv_json_take_word(walk, "null", 4);
    if (dv_json_peek(walk) != '{')
        return mismatch(walk, list->depth, "a list whose objects the schema looks into holds something else");
    walk->at++;
    return take_object(record, &element, list->step);
}

static dv_rc take_elements(struct dv_json_record *record, struct dv_json_scope *list)
{
    struct dv_json_walk *walk = &record->walk;
    bool more = !dv_json_closes(walk, ']');
    while (more) {
        DV_TRY(take_element(record, list));
        if (!dv_json_next_element(walk, ']', &more))
            return dv_json_malformed(walk);
    }
    close_scope(record, list);
    return DV_OK;
}

dv_rc dv_json_take_step(struct dv_json_record *record, struct dv_json_scope *scope, uint32_t id)
{
    struct dv_json_walk *walk = &record->walk;
    const struct dv_json_step *step = dv_json_step_of(record->reader, id);
    if (step->column != DV_JSON_NONE)
        return step->listed ? catch_value(record, scope, step->column) : dv_json_take_column(record, step->column);
    if (dv_json_peek(walk) == 'n')
        return dv_json_take_word(walk, "null", 4);
    struct dv_json_scope inner = {
        .up = scope, .step = id, .depth = (scope != NULL ? scope->depth : 1) + 1, .list = step->list
    };
    if (dv_json_peek(walk) != (step->list ? '[' : '{'))
        return mismatch(walk, inner.depth - 1,
                        step->list ? "a field that the schema looks into is no list of objects"
                                   : "a field that the schema looks into is no object");
    walk->at++;
    return step->list ? take_elements(record, &inner) : take_object(record, &inner, id);
}

/* The bytes of each column's list: a comma or bracket before each value, and one behind the last. */
static void measure(const struct dv_json_reader *reader, size_t sizes[DV_COLUMNS_MAX])
{
    for (uint32_t i = 0; i < reader->caught_count; i++) {
        const struct dv_json_caught *caught = &reader->caught[i];
        sizes[caught->column] += caught->length + 1 + (sizes[caught->column] == 0);
    }
}

/* An empty list for a column, with room for all of its values. */
static dv_rc begin_list(struct dv_json_record *record, uint32_t column, size_t size)
{
    struct dv_json_walk *walk = &record->walk;
    uint64_t bit = (uint64_t)1 << (column % 64);
    if ((record->seen[column / 64] & bit) != 0)
        return dv_json_refuse(walk, DV_E_SYNTAX, "a name stands twice in one object");
    char *text = dv_arena_text(walk->arena, size);
    if (text == NULL)
        return dv_json_refuse(walk, DV_E_MEMORY, "the batch's memory is used up");
    record->seen[column / 64] |= bit;
    record->present[column / 64] |= bit;
    record->batch->cells[column][record->row] = (struct dv_cell){ .text = text, .present = 1 };
    return DV_OK;
}

dv_rc dv_json_finish_lists(struct dv_json_record *record)
{
    struct dv_json_reader *reader = record->reader;
    size_t sizes[DV_COLUMNS_MAX] = { 0 };
    measure(reader, sizes);
    for (uint32_t column = 0; column < reader->schema->column_count; column++) {
        if (sizes[column] != 0)
            DV_TRY(begin_list(record, column, sizes[column]));
    }
    for (uint32_t i = 0; i < reader->caught_count; i++) {
        const struct dv_json_caught *caught = &reader->caught[i];
        struct dv_cell *cell = &record->batch->cells[caught->column][record->row];
        char *at = (char *)(uintptr_t)cell->text + cell->length;
        at[0] = cell->length == 0 ? '[' : ',';
        dv_json_copy_flat(at + 1, caught->text, caught->length);
        at[1 + caught->length] = ']';
        cell->length += caught->length + 1;
    }
    for (uint32_t column = 0; column < reader->schema->column_count; column++) {
        if (sizes[column] != 0)
            record->batch->cells[column][record->row].length++;
    }
    return DV_OK;
}

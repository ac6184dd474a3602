/* SPDX-License-Identifier: Apache-2.0
 * infer.c - sample records, and the objects and lists in them, into columns of counts. */
#include "privacy/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/schema_path.h"
#include "privacy/finder.h"
#include "privacy/infer_json.h"
#include "privacy/infer_paths.h"
#include "privacy/unicode.h"

/* Of each field the finder sees the first values and then one in sixteen, by their hash. */
enum {
    EXAMINED_FIRST = 200,
    EXAMINED_MAX = 1000,
    EXAMINED_BYTES = 2048,
    SPANS_MAX = 64,
    CODE_MIN = 16,
    SAID_BYTES = 64 * 1024
};

struct dv_infer {
    struct dv_finder finder;
    struct dv_key_names names;
    uint64_t records;
    struct dv_infer_columns columns;
    char path[DV_INFER_NAME_MAX + sizeof "[]."]; /* of the value being looked at */
    char said[SAID_BYTES];                       /* what the string being looked at says */
};

/* An object whose members are being read: what of infer->path leads to them, and the key that it stands under. */
struct place {
    size_t path_length;
    unsigned depth;
    const char *around;
    size_t around_length;
};

struct dv_infer *dv_infer_new(void)
{
    struct dv_infer *infer = dv_memory_zeroed(1, sizeof *infer);
    if (infer == NULL || dv_finder_open(&infer->finder, DV_PII_ALL) != DV_OK) {
        dv_memory_free(infer);
        return NULL;
    }
    dv_key_names_init(&infer->names);
    return infer;
}

void dv_infer_free(struct dv_infer *infer)
{
    if (infer == NULL)
        return;
    dv_finder_close(&infer->finder);
    explicit_bzero(infer, sizeof *infer);
    dv_memory_free(infer);
}

static bool is_dotted(const struct dv_member *member)
{
    return memchr(member->key, '.', member->key_length) != NULL;
}

/* FNV-1a, and a mixing step so that the smallest hashes are a fair draw. */
static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
    return hash ^ hash >> 32;
}

/* Whether letters or digits stand in from..to beside what a time is written with. */
static bool only_time(const char *text, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++)
        if (strchr("0123456789:.,+-TZ ", text[at]) == NULL)
            return false;
    return true;
}

static bool has_letters(const char *text, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++) {
        unsigned char byte = (unsigned char)text[at];
        if (byte >= 0x80 || (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z'))
            return true;
    }
    return false;
}

/* Asks the finder; what it sees in a value is one vote. */
static void examine(struct dv_infer *infer, struct dv_infer_column *column, const char *text, size_t length)
{
    struct dv_span spans[SPANS_MAX];
    length = length < EXAMINED_BYTES ? length : EXAMINED_BYTES;
    size_t count = dv_find(&infer->finder, text, length, spans, SPANS_MAX);
    column->examined++;
    column->parts += count > 0;
    if (count == 0 || has_letters(text, 0, spans[0].start))
        return;
    bool date = spans[0].type == DV_PII_DATE && only_time(text, spans[0].end, length);
    column->dates += date;
    if (!date && !has_letters(text, spans[count - 1].end, length))
        column->whole[spans[0].type]++;
}

static bool is_letter(char byte)
{
    return (unsigned char)byte >= 0x80 || ((byte | 32) >= 'a' && (byte | 32) <= 'z');
}

static void look_at(struct dv_infer_column *column, const char *text, size_t length)
{
    bool digits = false, blanks = false, in_word = false;
    for (size_t i = 0; i < length; i++) {
        bool blank = text[i] == ' ' || text[i] == '\n' || text[i] == '\t';
        column->words += !blank && !in_word && is_letter(text[i]);
        in_word = !blank;
        blanks = blanks || blank;
        digits = digits || (text[i] >= '0' && text[i] <= '9');
    }
    column->characters += length;
    column->codes += length >= CODE_MIN && digits && !blanks;
}

static void take_text(struct dv_infer *infer, struct dv_infer_column *column, const struct dv_member *member,
                      uint64_t hash)
{
    size_t length = dv_json_said(member->value, member->value_length, infer->said, sizeof infer->said);
    look_at(column, infer->said, length);
    bool chosen = column->examined < EXAMINED_FIRST || (column->examined < EXAMINED_MAX && (hash >> 40 & 15u) == 0);
    if (chosen)
        examine(infer, column, infer->said, length);
}

/* A number's kind. Whole ones past 64 bits would lose digits as floats. */
static enum dv_infer_kind take_number(struct dv_infer_column *column, const struct dv_member *member)
{
    char text[64];
    if (member->value_length >= sizeof text)
        return DV_KIND_BIG;
    memcpy(text, member->value, member->value_length);
    text[member->value_length] = '\0';
    double number = strtod(text, NULL);
    column->low = number < column->low ? number : column->low;
    column->high = number > column->high ? number : column->high;
    if (strpbrk(text, ".eE") != NULL)
        return DV_KIND_FLOAT;
    return fabs(number) < 9.2e18 ? DV_KIND_INT : DV_KIND_BIG;
}

static enum dv_infer_kind take_value(struct dv_infer *infer, struct dv_infer_column *column,
                                     const struct dv_member *member, uint64_t hash)
{
    switch (member->value[0]) {
    case '"': take_text(infer, column, member, hash); return DV_KIND_TEXT;
    case '{':
    case '[': return DV_KIND_NESTED;
    case 't':
    case 'f': return DV_KIND_BOOL;
    case 'n': return DV_KIND_NULL;
    default: return take_number(column, member);
    }
}

/* The path of a member of `place`, in infer->path; false: no schema can name it. Escapes are left as they stand, so that a
 * key with one is no name. A dot may be in a key of the record itself, where a whole path may stand. */
static bool enter(struct dv_infer *infer, const struct place *place, const struct dv_member *member)
{
    size_t length = place->path_length + member->key_length;
    if (length > DV_INFER_NAME_MAX || (place->depth > 0 && is_dotted(member)))
        return false;
    memcpy(infer->path + place->path_length, member->key, member->key_length);
    infer->path[length] = '\0';
    return dv_infer_can_be_named(infer->path, length);
}

/* Counts the value at infer->path; `hollow` tells what it is if nothing in it has a path. */
static void count(struct dv_infer *infer, const struct place *place, const struct dv_member *member,
                  enum dv_infer_way hollow)
{
    struct dv_infer_column *column = dv_infer_columns_find(&infer->columns, infer->path);
    if (column == NULL && (column = dv_infer_columns_add(&infer->columns, infer->path)) != NULL)
        column->hint = dv_key_names_find(&infer->names, member->key, member->key_length, place->around,
                                         place->around_length);
    if (column == NULL)
        return;
    uint64_t hash = hash_of(member->value, member->value_length);
    enum dv_infer_kind kind = take_value(infer, column, member, hash);
    column->kinds[kind]++;
    column->flat += place->depth == 0 && is_dotted(member);
    if (kind == DV_KIND_NULL)
        return;
    column->hollow_objects += hollow == DV_WAY_OBJECT;
    column->hollow_lists += hollow == DV_WAY_LIST;
    column->records += !dv_path_is_list(column->name) || column->last_record != infer->records;
    column->last_record = infer->records;
    dv_infer_hash(column, hash);
}

/* A list of objects may have nulls in it, and may be empty. */
static bool is_list_of_objects(const struct dv_member *list)
{
    struct dv_members elements = dv_elements_of(list->value, list->value_length);
    struct dv_member element;
    while (dv_elements_next(&elements, &element))
        if (element.value[0] != '{' && element.value[0] != 'n')
            return false;
    return list->value[0] == '[';
}

static enum dv_infer_way way_of(const struct place *place, const struct dv_member *member)
{
    if (member->value[0] == 'n')
        return DV_WAY_NULL;
    if (place->depth + 1 == DV_INFER_DEPTH_MAX || is_dotted(member))
        return DV_WAY_NONE;
    return member->value[0] == '{' ? DV_WAY_OBJECT : is_list_of_objects(member) ? DV_WAY_LIST : DV_WAY_NONE;
}

static void take_object(struct dv_infer *infer, const struct place *place, const char *object, size_t length);

static void take_list(struct dv_infer *infer, const struct place *place, const struct dv_member *list)
{
    struct dv_members elements = dv_elements_of(list->value, list->value_length);
    struct dv_member element;
    while (dv_elements_next(&elements, &element))
        if (element.value[0] == '{')
            take_object(infer, place, element.value, element.value_length);
}

/* Goes into the value at infer->path. Keys that are too many are no names, but data. */
static void go_into(struct dv_infer *infer, const struct place *place, const struct dv_member *member,
                    enum dv_infer_way way)
{
    const char *mark = way == DV_WAY_OBJECT ? "." : "[].";
    const struct dv_infer_left left = infer->columns.left;
    size_t length = place->path_length + member->key_length;
    const struct place inside = { .path_length = length + strlen(mark),
                                  .depth = place->depth + 1,
                                  .around = member->key,
                                  .around_length = member->key_length };
    memcpy(infer->path + length, mark, strlen(mark));
    if (way == DV_WAY_OBJECT)
        take_object(infer, &inside, member->value, member->value_length);
    else
        take_list(infer, &inside, member);
    infer->path[length] = '\0';
    uint32_t beneath = dv_infer_columns_beneath(&infer->columns, infer->path);
    if (beneath == 0)
        count(infer, place, member, way);
    if (beneath <= DV_INFER_BENEATH_MAX)
        return;
    (void)dv_infer_columns_fold(&infer->columns, infer->path);
    infer->columns.left = left;
}

static void take_member(struct dv_infer *infer, const struct place *place, const struct dv_member *member)
{
    if (!enter(infer, place, member)) {
        infer->columns.left.odd_names++;
        return;
    }
    enum dv_infer_way way = way_of(place, member);
    if (way == DV_WAY_NULL && dv_infer_columns_beneath(&infer->columns, infer->path) > 0)
        return;
    if (way != DV_WAY_NULL && dv_infer_columns_open(&infer->columns, infer->path, way))
        go_into(infer, place, member, way);
    else
        count(infer, place, member, DV_WAY_NONE);
}

static void take_object(struct dv_infer *infer, const struct place *place, const char *object, size_t length)
{
    struct dv_members members = dv_members_of(object, length);
    struct dv_member member;
    while (dv_members_next(&members, &member))
        take_member(infer, place, &member);
}

void dv_infer_record(struct dv_infer *infer, const char *object, size_t length)
{
    const struct place record = { .around = "" };
    infer->records++;
    infer->columns.expected = 0;
    take_object(infer, &record, object, length);
}

/* The best subject key; of equals the first. */
static uint32_t subject_of(const struct dv_infer *infer)
{
    uint32_t best = DV_INFER_FIELDS_MAX, best_rank = 0;
    for (uint32_t i = 0; i < infer->columns.count; i++) {
        uint32_t rank = dv_infer_subject_rank(&infer->columns.columns[i], infer->records);
        if (rank > best_rank)
            best = i;
        best_rank = rank > best_rank ? rank : best_rank;
    }
    return best;
}

bool dv_infer_field(const struct dv_infer *infer, uint32_t index, struct dv_inferred *ret_field)
{
    if (index >= infer->columns.count)
        return false;
    dv_infer_judge(&infer->columns.columns[index], ret_field);
    ret_field->is_subject = index == subject_of(infer);
    return true;
}

uint64_t dv_infer_records(const struct dv_infer *infer)
{
    return infer->records;
}

struct dv_infer_left dv_infer_left_out(const struct dv_infer *infer)
{
    return infer->columns.left;
}

/* SPDX-License-Identifier: Apache-2.0
 * evidence.c - the list of hits, one object after the other. */
#include "operators/evidence.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/arena.h"
#include "operators/sentence.h"
#include "privacy/infer_json.h"

enum { ID, HASH, SCHEMA, AT, COSINE, SUBJECT, SUBJECTS, TEXT, EXTRA, COLUMNS, COPIES = 4, AT_BYTES = 64 };

static struct dv_schema *make_schema(struct dv_arena *arena)
{
    static const struct { const char *name; enum dv_type type; } columns[EXTRA] = {
        [ID] = { "id", DV_TYPE_TEXT },          [HASH] = { "hash", DV_TYPE_TEXT },       [SCHEMA] = { "schema", DV_TYPE_TEXT }, [AT] = { "at", DV_TYPE_INT },
        [COSINE] = { "cosine", DV_TYPE_FLOAT }, [SUBJECT] = { "subject", DV_TYPE_INT }, [SUBJECTS] = { "subjects", DV_TYPE_INT },
        [TEXT] = { "text", DV_TYPE_TEXT },
    };
    const struct dv_label label = dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN);
    struct dv_schema *schema = dv_schema_new(arena, "evidence", COLUMNS);
    for (int i = 0; schema != NULL && i < EXTRA; i++)
        dv_schema_add(schema, columns[i].name, columns[i].type, label)->required = i == ID || i == TEXT;
    if (schema == NULL)
        return NULL;
    (void)dv_schema_add(schema, DV_EXTRA_COLUMN, DV_TYPE_JSON, label);
    schema->extra = EXTRA;
    return schema;
}

dv_rc dv_evidence_open(struct dv_evidence_reader *reader, struct dv_arena *arena)
{
    struct dv_cell *cells = dv_arena_zeroed(arena, COLUMNS, sizeof *cells);
    reader->schema = make_schema(arena);
    if (reader->schema == NULL || cells == NULL)
        return DV_E_MEMORY;
    reader->row = (struct dv_batch){ .schema = reader->schema };
    dv_arena_init(&reader->row.arena, (size_t)COPIES * DV_EVIDENCE_JSON_MAX);
    for (int i = 0; i < COLUMNS; i++)
        reader->row.cells[i] = &cells[i];
    reader->json = dv_json_reader_new(reader->schema, DV_EVIDENCE_JSON_MAX);
    return reader->json != NULL ? DV_OK : DV_E_MEMORY;
}

void dv_evidence_close(struct dv_evidence_reader *reader)
{
    if (reader->json != NULL)
        dv_json_reader_free(reader->json);
    if (reader->schema != NULL)
        dv_arena_free(&reader->row.arena);
    *reader = (struct dv_evidence_reader){ 0 };
}

/* ---- the frame around the hits ---- */

static size_t skip_string(const char *text, size_t length, size_t at)
{
    for (at++; at < length && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < length ? at + 1 : length;
}

/* Where the object that begins at `at` ends; 0: nowhere. */
static size_t object_end(const char *text, size_t length, size_t at)
{
    size_t depth = 0;
    while (at < length) {
        if (text[at] == '"') {
            at = skip_string(text, length, at);
            continue;
        }
        depth += text[at] == '{';
        depth -= text[at] == '}';
        at++;
        if (depth == 0)
            return at;
    }
    return 0;
}

static size_t skip_blanks(const char *text, size_t length, size_t at)
{
    while (at < length && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
        at++;
    return at;
}

static bool is_key(const struct dv_member *member, const char *key)
{
    return member->key_length == strlen(key) && memcmp(member->key, key, member->key_length) == 0;
}

/* Where the list of hits begins, behind its bracket, or 0. */
static size_t hits_at(const char *text, size_t length, bool *ret_lexical)
{
    struct dv_members members = dv_members_of(text, length);
    struct dv_member member;
    size_t at = 0;
    while (dv_members_next(&members, &member)) {
        if (is_key(&member, "lexical"))
            *ret_lexical = member.value_length > 0 && *member.value == 't';
        else if (is_key(&member, "hits") && member.value_length > 0 && *member.value == '[')
            at = (size_t)(member.value - text) + 1;
    }
    return at > 0 ? skip_blanks(text, length, at) : 0;
}

/* Behind an element, and the comma if there is one. */
static size_t next_element(const char *text, size_t length, size_t at)
{
    at = skip_blanks(text, length, at);
    return at < length && text[at] == ',' ? skip_blanks(text, length, at + 1) : at;
}

/* ---- one hit ---- */

/* Whole sentences up to about so many bytes. */
static size_t clip(const char *text, size_t length, size_t most)
{
    size_t at = 0;
    while (at < length && at < most)
        at += dv_sentence_next(text + at, length - at, true);
    return at;
}

static bool copy_cell(struct dv_arena *arena, const struct dv_cell *from, struct dv_cell *to)
{
    *to = (struct dv_cell){ .present = 0 };
    if (!from->present)
        return true;
    *to = *from;
    to->text = dv_arena_copy(arena, from->text, from->length);
    return to->text != NULL;
}

static dv_rc keep_hit(const struct dv_batch *row, size_t piece_max, struct dv_arena *arena, struct dv_hit *ret)
{
    const struct dv_cell *cell = row->cells[TEXT];
    char *text = dv_arena_text(arena, cell->length + 1);
    if (text == NULL || !copy_cell(arena, row->cells[ID], &ret->id) || !copy_cell(arena, row->cells[HASH], &ret->hash) ||
        !copy_cell(arena, row->cells[SCHEMA], &ret->schema))
        return DV_E_MEMORY;
    size_t length = dv_cite_clean(text, cell->text, cell->length);
    ret->at = *row->cells[AT];
    ret->subject = *row->cells[SUBJECT];
    ret->subjects = *row->cells[SUBJECTS];
    ret->text = (struct dv_piece){ text, clip(text, length, piece_max) };
    return DV_OK;
}

/* What is told of a group in insights' words. How like a question that is depends on the group's name more than on what is told of
 * it, so whether it answers is looked up in the words: rag_fit.h. */
static bool is_insight(const struct dv_batch *row)
{
    const struct dv_cell *text = row->cells[TEXT];
    struct dv_rag_told told;
    return !row->cells[SUBJECT]->present && text->present && dv_rag_told_read(&told, text->text, text->length);
}

static bool is_above(const struct dv_batch *row, double floor)
{
    const struct dv_cell *cosine = row->cells[COSINE];
    return !cosine->present || cosine->number >= floor || is_insight(row);
}

static dv_rc read_hit(struct dv_evidence_reader *reader, const char *text, size_t length)
{
    const char *reason = NULL;
    for (int i = 0; i < COLUMNS; i++)
        *reader->row.cells[i] = (struct dv_cell){ .present = 0 };
    dv_rc rc = dv_json_reader_record(reader->json, text, length, &reader->row, 0, &reason);
    return rc == DV_OK || rc == DV_E_MEMORY ? rc : DV_E_SYNTAX;
}

dv_rc dv_evidence_read(struct dv_evidence_reader *reader, const char *text, size_t length, double floor, size_t piece_max,
                       struct dv_arena *arena, struct dv_evidence *ret)
{
    *ret = (struct dv_evidence){ .count = 0 };
    size_t at = length <= DV_EVIDENCE_JSON_MAX ? hits_at(text, length, &ret->lexical) : 0;
    char *padded = dv_arena_text(arena, length + DV_JSON_PADDING);
    if (padded == NULL)
        return DV_E_MEMORY;
    if (at == 0)
        return DV_E_SYNTAX;
    memcpy(padded, text, length);
    memset(padded + length, 0, DV_JSON_PADDING);
    while (at < length && padded[at] == '{' && ret->count < DV_EVIDENCE_MAX) {
        size_t end = object_end(padded, length, at);
        if (end == 0)
            return DV_E_SYNTAX;
        dv_arena_reset(&reader->row.arena);
        DV_TRY(read_hit(reader, padded + at, end - at));
        if (is_above(&reader->row, floor)) {
            DV_TRY(keep_hit(&reader->row, piece_max, arena, &ret->hits[ret->count]));
            ret->count += ret->hits[ret->count].text.length > 0;
        }
        at = next_element(padded, length, end);
    }
    if (ret->count < DV_EVIDENCE_MAX && (at >= length || padded[at] != ']'))
        return DV_E_SYNTAX;
    dv_arena_reset(&reader->row.arena);
    return DV_OK;
}

/* ---- how many people ---- */

static bool is_first_of(const struct dv_evidence *evidence, uint32_t hit)
{
    for (uint32_t i = 0; i < hit; i++)
        if (evidence->hits[i].subject.present && evidence->hits[i].subject.integer == evidence->hits[hit].subject.integer)
            return false;
    return true;
}

static uint64_t count_persons(const struct dv_evidence *evidence)
{
    uint64_t persons = 0;
    for (uint32_t i = 0; i < evidence->count; i++)
        persons += evidence->hits[i].subject.present && is_first_of(evidence, i);
    return persons;
}

/* How many people a hit is about, or is among. */
static uint64_t people_of(const struct dv_hit *hit, uint64_t persons)
{
    uint64_t group = hit->subjects.present && hit->subjects.integer > 0 ? (uint64_t)hit->subjects.integer : 0;
    return hit->subject.present ? persons : group;
}

void dv_evidence_count_people(struct dv_evidence *evidence, uint64_t k)
{
    uint64_t persons = count_persons(evidence);
    persons = persons < k ? persons : k;
    evidence->people = 0;
    for (uint32_t i = 0; i < evidence->count; i++) {
        uint64_t of = people_of(&evidence->hits[i], persons);
        evidence->people = of > evidence->people ? of : evidence->people;
    }
}

void dv_evidence_of_many(struct dv_evidence *evidence, uint64_t k)
{
    uint64_t persons = count_persons(evidence);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < evidence->count; i++)
        if (people_of(&evidence->hits[i], persons) >= k)
            evidence->hits[kept++] = evidence->hits[i];
    evidence->count = kept;
    dv_evidence_count_people(evidence, k);
}

/* ---- writing ---- */

static void write_cell(struct dv_json *json, const char *key, const struct dv_cell *cell)
{
    dv_json_key(json, key);
    if (cell->present)
        dv_json_text(json, cell->text, cell->length);
    else
        dv_json_null(json);
}

/* When a group's window ended; of a person's record the day: the moment would tell it from others. */
static void write_at(struct dv_json *json, const struct dv_hit *hit)
{
    char text[AT_BYTES];
    time_t seconds = (time_t)(hit->at.integer / 1000);
    int ms = (int)(hit->at.integer % 1000);
    struct tm utc;
    dv_json_key(json, "at");
    bool known = hit->at.present && hit->at.integer >= 0 && gmtime_r(&seconds, &utc) != NULL &&
                 strftime(text, sizeof text, hit->subject.present ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%S", &utc) > 0;
    if (!known) {
        dv_json_null(json);
        return;
    }
    size_t used = strlen(text);
    if (!hit->subject.present)
        (void)snprintf(text + used, sizeof text - used, ms > 0 ? ".%03dZ" : "Z", ms);
    dv_json_string(json, text);
}

void dv_evidence_citations(struct dv_json *json, const struct dv_evidence *evidence, uint32_t cited)
{
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < evidence->count; i++) {
        if ((cited >> i & 1) == 0)
            continue;
        dv_json_open(json, '{');
        dv_json_key(json, "n");
        dv_json_uint(json, i + 1);
        write_cell(json, "id", &evidence->hits[i].id);
        write_cell(json, "hash", &evidence->hits[i].hash);
        write_cell(json, "schema", &evidence->hits[i].schema);
        write_at(json, &evidence->hits[i]);
        dv_json_close(json, '}');
    }
    dv_json_close(json, ']');
}

/* SPDX-License-Identifier: Apache-2.0
 * structure_json.c - objects in braces: JSON, NDJSON, Python's and JavaScript's, and JSON in strings of JSON.
 *
 * Reads tokens and minds only who is whose key. Strings end with the mark they begin with: ", ', \" or &quot;. What is no
 * token of such a language ends the object where it stands. */
#include <string.h>

#include "engine/error.h"
#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum { MARK_MAX = 6, LABEL_MAX = 64 };

/* An open object or array. */
struct level {
    struct dv_range key, label;
    bool object;
};

/* An object while it is read. */
struct reader {
    struct dv_structure *structure;
    uint32_t at, end;
    uint32_t depth; /* levels beyond DV_DEPTH_MAX are counted only */
    struct level levels[DV_DEPTH_MAX + 1];
    struct dv_range key;
    bool has_key;
    bool broken;
};

static struct level *top(struct reader *reader)
{
    return &reader->levels[reader->depth <= DV_DEPTH_MAX ? reader->depth : DV_DEPTH_MAX];
}

static const struct level *below(const struct reader *reader)
{
    uint32_t at = reader->depth <= DV_DEPTH_MAX ? reader->depth : DV_DEPTH_MAX;
    return &reader->levels[at > 0 ? at - 1 : 0];
}

/* The mark of a string that begins at `at`: its length, or 0. */
static uint32_t mark_at(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    static const char *const marks[] = { "\"", "'", "\\\"", "&quot;", "\\\\\\\"" };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t length = strlen(marks[i]);
        if (end - at >= length && memcmp(structure->text + at, marks[i], length) == 0)
            return (uint32_t)length;
    }
    return 0;
}

/* Reads the string at `at`; leaves reader->at behind it. A string that does not end takes the rest of its line. */
static struct dv_range read_string(struct reader *reader, uint32_t mark)
{
    const unsigned char *text = reader->structure->text;
    struct dv_range string = { reader->at + mark, reader->at + mark };
    for (uint32_t at = string.start; at < reader->end; at++) {
        if (reader->end - at >= mark && memcmp(text + at, text + reader->at, mark) == 0) {
            string.end = at;
            reader->at = at + mark;
            return string;
        }
        at += text[at] == '\\' && mark == 1;
    }
    string.end = dv_text_find(reader->structure, string.start, reader->end, '\n');
    reader->at = string.end;
    reader->broken = true;
    return string;
}

/* {"name": "email", "value": …}: a name that is one of a field. */
static bool is_key_name(struct dv_structure *structure, const struct dv_key_hint *hint, struct dv_range value)
{
    if (hint->sense != DV_KEY_PERSONAL || hint->form != DV_FORM_NAME || hint->score >= DV_KEY_SURE)
        return false;
    struct dv_key_hint said = dv_structure_hint(structure, value, (struct dv_range){ 0 });
    return said.sense == DV_KEY_PERSONAL || said.sense == DV_KEY_PLAIN;
}

static void put(struct reader *reader, struct dv_range value)
{
    struct dv_structure *structure = reader->structure;
    struct level *own = top(reader);
    const struct level *outer = below(reader);
    struct dv_range key = reader->has_key ? reader->key : own->key;
    struct dv_range around = reader->has_key ? own->key : outer->key;
    struct dv_key_hint hint = dv_structure_hint(structure, key, around);
    if (hint.sense == DV_KEY_LABEL && reader->has_key && value.end - value.start <= LABEL_MAX)
        own->label = value;
    if (is_key_name(structure, &hint, value)) {
        own->label = value;
        hint.sense = DV_KEY_LABEL;
    }
    hint = dv_structure_carried(structure, hint, own->label, around, outer->key);
    const struct dv_field field = {
        .value = value, .hint = hint, .column = dv_column_of(structure, key, around), .why = "the name of its key"
    };
    dv_structure_put(structure, &field);
}

/* A string or bare word: a key if ':' follows, else a value. */
static void take(struct reader *reader, struct dv_range word)
{
    uint32_t next = dv_text_skip_space(reader->structure, reader->at, reader->end);
    bool colon = next < reader->end && reader->structure->text[next] == ':';
    if (colon && top(reader)->object && !reader->has_key) {
        reader->key = word;
        reader->has_key = true;
        reader->at = next + 1;
        if (dv_structure_hint(reader->structure, word, top(reader)->key).sense != DV_KEY_UNKNOWN)
            dv_structure_put_plain(reader->structure, word);
        return;
    }
    if (reader->has_key || !top(reader)->object)
        put(reader, word);
    else
        reader->broken = true;
    reader->has_key = false;
}

static void open_level(struct reader *reader, bool object)
{
    struct dv_range key = reader->has_key ? reader->key : top(reader)->key;
    reader->depth++;
    *top(reader) = (struct level){ .key = key, .object = object };
    reader->has_key = false;
    reader->at++;
}

static bool is_bare(unsigned char byte)
{
    return dv_is_alnum(byte) || byte >= 0x80 || byte == '_' || byte == '-' || byte == '.' || byte == '+' || byte == '$';
}

/* Takes one token. */
static void step(struct reader *reader)
{
    const unsigned char *text = reader->structure->text;
    uint32_t mark = mark_at(reader->structure, reader->at, reader->end);
    unsigned char byte = text[reader->at];
    if (mark != 0) {
        struct dv_range string = read_string(reader, mark);
        take(reader, string);
    } else if (byte == '{' || byte == '[') {
        open_level(reader, byte == '{');
    } else if (byte == '}' || byte == ']') {
        reader->depth--;
        reader->has_key = false;
        reader->at++;
    } else if (byte == ',') {
        reader->has_key = false;
        reader->at++;
    } else if (is_bare(byte)) {
        struct dv_range word = { reader->at, reader->at };
        while (word.end < reader->end && is_bare(text[word.end]))
            word.end++;
        reader->at = word.end;
        take(reader, word);
    } else {
        reader->broken = true;
    }
}

/* Whether what follows the bracket can be one of ours: a brace before a key, a bracket before a brace or a string. */
static bool begins(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    enum { AHEAD_MAX = 256, KEY_MAX = 64 };
    uint32_t limit = end - at > AHEAD_MAX ? at + AHEAD_MAX : end;
    uint32_t next = dv_text_skip_space(structure, at + 1, limit);
    if (next == limit)
        return false;
    if (structure->text[at] == '[')
        return structure->text[next] == '{' ||
               (next + 1 < limit && structure->text[next] == '[' && structure->text[next + 1] == '{');
    if (mark_at(structure, next, end) != 0)
        return true;
    uint32_t word = next;
    while (word < limit && word - next < KEY_MAX && is_bare(structure->text[word]))
        word++;
    return word > next && dv_text_byte(structure, word) == ':';
}

uint32_t dv_read_json(struct dv_structure *structure, uint32_t at, uint32_t end)
{
    if (!begins(structure, at, end))
        return at;
    DV_UNINITIALIZED struct reader reader;
    reader.structure = structure;
    reader.at = at;
    reader.end = end;
    reader.depth = 0;
    reader.key = (struct dv_range){ 0 };
    reader.has_key = reader.broken = false;
    reader.levels[0] = (struct level){ .key = structure->nested == 0 ? structure->block : reader.key };
    do {
        reader.at = dv_text_skip_space(structure, reader.at, end);
        if (reader.at == end)
            break;
        step(&reader);
    } while (reader.depth > 0 && !reader.broken);
    return reader.at > at ? reader.at : at + 1;
}

/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake_text.c - values of statements about vectors, as the JSON that Snowflake takes lists and vectors by. */
#include <math.h>
#include <string.h>

#include "connectors/vectors_forms.h"
#include "connectors/vectors_snowflake_work.h"
#include "engine/id.h"
#include "engine/json.h"

enum {
    PART_BYTES = 6 * 1024 * 1024, /* of a statement's rows, before they are escaped once more as a bind */
    ROW_BYTES = 256,              /* of a row without its texts */
    FLOAT_BYTES = 16,
    FRACTION = 1000000000, /* nine digits: more than a float of a vector of length 1 has */
    ESCAPED = 6            /* a byte grows to at most so many */
};

static struct dv_snowflake_text ended(const struct dv_json *json)
{
    DV_ASSERT(!json->full);
    return (struct dv_snowflake_text){ json->start, dv_json_length(json) };
}

static bool begin(struct dv_vectors_snowflake_work *work, struct dv_json *json, size_t size)
{
    char *room = dv_arena_text(&work->arena, size);
    if (room != NULL)
        dv_json_init(json, room, size);
    return room != NULL;
}

/* A number without an exponent: quick, and the same for the same float. What no vector has is 0. */
static void put_float(struct dv_json *json, float value)
{
    char text[FLOAT_BYTES];
    bool sound = isfinite(value) && fabsf(value) < 2;
    int64_t scaled = sound ? llround((double)value * FRACTION) : 0;
    uint64_t rest = (uint64_t)(scaled < 0 ? -scaled : scaled);
    size_t at = sizeof text;
    for (int digits = 0; digits < 9; digits++, rest /= 10)
        text[--at] = (char)('0' + rest % 10);
    text[--at] = '.';
    text[--at] = (char)('0' + rest);
    if (scaled < 0)
        text[--at] = '-';
    dv_json_raw(json, text + at, sizeof text - at);
}

static void put_vector(struct dv_json *json, struct dv_store_bytes vector)
{
    const char *at = vector.at;
    dv_json_open(json, '[');
    for (size_t i = 0; i < vector.length; i += sizeof(float)) {
        float value = 0;
        memcpy(&value, at + i, sizeof value);
        put_float(json, value);
    }
    dv_json_close(json, ']');
}

struct dv_snowflake_text dv_vectors_snowflake_vector(struct dv_vectors_snowflake_work *work, struct dv_store_bytes vector)
{
    struct dv_json json;
    if (!begin(work, &json, 3 + vector.length / sizeof(float) * FLOAT_BYTES))
        return (struct dv_snowflake_text){ 0 };
    put_vector(&json, vector);
    return ended(&json);
}

/* ---- rows ---- */

static void put_text(struct dv_json *json, const char *key, struct dv_store_bytes text)
{
    dv_json_key(json, key);
    dv_json_text(json, text.at, text.length);
}

struct dv_snowflake_text dv_vectors_snowflake_hex(struct dv_vectors_snowflake_work *work, struct dv_store_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes.at;
    char *hex = dv_arena_text(&work->arena, 2 * bytes.length + 1);
    for (size_t i = 0; hex != NULL && i < bytes.length; i++) {
        hex[2 * i] = digits[from[i] >> 4];
        hex[2 * i + 1] = digits[from[i] & 15];
    }
    return (struct dv_snowflake_text){ hex, 2 * bytes.length };
}

static bool put_hex(struct dv_vectors_snowflake_work *work, struct dv_json *json, struct dv_store_bytes bytes)
{
    struct dv_snowflake_text hex = dv_vectors_snowflake_hex(work, bytes);
    if (hex.at != NULL)
        dv_json_text(json, hex.at, hex.length);
    return hex.at != NULL;
}

static bool put_bytes(struct dv_vectors_snowflake_work *work, struct dv_json *json, const char *key, struct dv_store_bytes bytes)
{
    if (bytes.at == NULL)
        return true;
    dv_json_key(json, key);
    return put_hex(work, json, bytes);
}

/* What is not there has no member: it is NULL in SQL, whatever its column is. */
static bool put_row(struct dv_vectors_snowflake_work *work, struct dv_json *json, const struct dv_vectors_row *row)
{
    char id[DV_UUID_TEXT];
    dv_json_open(json, '{');
    dv_json_key(json, "i");
    dv_json_string(json, dv_id_text(id, row->id));
    put_text(json, "s", row->schema);
    dv_json_key(json, "c");
    dv_json_int(json, row->created_ms);
    put_text(json, "b", dv_vectors_kept_text(row));
    bool made = put_bytes(work, json, "h", row->hash) && put_bytes(work, json, "r", row->subject_ref);
    dv_json_key(json, "n");
    dv_json_uint(json, row->subjects);
    if (row->vector.at != NULL) {
        put_text(json, "m", row->model);
        dv_json_key(json, "v");
        put_vector(json, row->vector);
    }
    dv_json_close(json, '}');
    return made;
}

static size_t row_bytes(const struct dv_vectors_row *row)
{
    size_t texts = row->schema.length + dv_vectors_kept_text(row).length + row->model.length;
    return ROW_BYTES + ESCAPED * texts + 2 * (row->hash.length + row->subject_ref.length) + row->vector.length / sizeof(float) * FLOAT_BYTES;
}

/* MERGE does not see that a row stands twice in what it takes. */
static bool is_repeated(const struct dv_vectors_row *rows, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (memcmp(rows[i].id, rows[index].id, sizeof rows[i].id) == 0)
            return true;
    return false;
}

/* As much room as all of them may need, or a part's; a row alone always fits, or nothing could be put. */
static size_t room_for(const struct dv_vectors_request *put, uint32_t from)
{
    size_t size = row_bytes(&put->rows[from]);
    for (uint32_t i = from + 1; i < put->count; i++) {
        size_t more = row_bytes(&put->rows[i]);
        if (size + more > PART_BYTES)
            return size > PART_BYTES ? size : PART_BYTES;
        size += more;
    }
    return size;
}

struct dv_snowflake_text dv_vectors_snowflake_rows(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_request *put = work->request;
    struct dv_json json, before;
    work->putting = 0;
    if (!begin(work, &json, 2 + room_for(put, work->put)))
        return (struct dv_snowflake_text){ 0 };
    json.end--; /* of the closing bracket */
    dv_json_open(&json, '[');
    for (uint32_t i = work->put; i < put->count; i++, work->putting++) {
        before = json;
        if (!is_repeated(put->rows, i) && !put_row(work, &json, &put->rows[i]))
            return (struct dv_snowflake_text){ 0 };
        if (json.full && work->putting > 0) {
            json = before;
            break;
        }
    }
    json.end++;
    dv_json_close(&json, ']');
    return ended(&json);
}

/* ---- what else is listed ---- */

struct dv_snowflake_text dv_vectors_snowflake_named(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_request *remove = work->request;
    char id[DV_UUID_TEXT];
    struct dv_json json;
    size_t size = 3;
    for (uint32_t i = 0; i < remove->count; i++)
        size += DV_UUID_TEXT + 3 + 2 * remove->rows[i].subject_ref.length;
    if (!begin(work, &json, size))
        return (struct dv_snowflake_text){ 0 };
    dv_json_open(&json, '[');
    for (uint32_t i = 0; i < remove->count; i++) {
        const struct dv_vectors_row *row = &remove->rows[i];
        if (row->subject_ref.at == NULL)
            dv_json_string(&json, dv_id_text(id, row->id));
        else if (!put_hex(work, &json, row->subject_ref))
            return (struct dv_snowflake_text){ 0 };
    }
    dv_json_close(&json, ']');
    return ended(&json);
}

struct dv_snowflake_text dv_vectors_snowflake_words(struct dv_vectors_snowflake_work *work)
{
    const struct dv_vectors_query *query = &work->request->query;
    struct dv_word words[DV_WORDS_MAX];
    struct dv_word_forms forms;
    struct dv_json json;
    size_t count = dv_words_of(query->text.at, query->text.length, words);
    if (!begin(work, &json, 3 + count * ESCAPED * sizeof forms))
        return (struct dv_snowflake_text){ 0 };
    dv_json_open(&json, '[');
    for (size_t i = 0; i < count; i++) {
        dv_words_forms(&words[i], &forms);
        dv_json_open(&json, '{');
        dv_json_key(&json, "s");
        dv_json_string(&json, forms.stem);
        dv_json_key(&json, "p");
        dv_json_string(&json, forms.pattern);
        dv_json_close(&json, '}');
    }
    dv_json_close(&json, ']');
    return ended(&json);
}

/* All of ASCII that is neither letter nor digit nor NUL, and the usual ones of other scripts. */
struct dv_snowflake_text dv_vectors_snowflake_partings(struct dv_vectors_snowflake_work *work, struct dv_snowflake_text *ret_spaces)
{
    static const char partings[] = "\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
                                   "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\x7f\u00a0\u00a1\u00a7\u00ab\u00b0\u00b1\u00b4\u00b6\u00b7\u00bb\u00bf\u00d7"
                                   "\u2009\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2022\u2026\u202f\u2032\u2039\u203a\u20ac"
                                   "\u3001\u3002\uff0c\uff1f";
    size_t characters = 0;
    for (const char *at = partings; *at != '\0'; at++)
        characters += ((unsigned char)*at & 0xC0) != 0x80;
    char *spaces = dv_arena_text(&work->arena, characters);
    if (spaces == NULL)
        return (struct dv_snowflake_text){ 0 };
    memset(spaces, ' ', characters);
    *ret_spaces = (struct dv_snowflake_text){ spaces, characters };
    return (struct dv_snowflake_text){ partings, sizeof partings - 1 };
}

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_value.c - days and seconds as people write them, and rows as JSON. */
#include "connectors/snowflake_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "engine/json.h"
#include "engine/json_doc.h"
#include "engine/memory.h"

enum { ROW_FIRST = 1024, SEMI_MAX = 64 * 1024 * 1024, S_PER_DAY = 86400, ZONE_SHIFT_MIN = 1440, FRACTION_DIGITS = 9, NAME_MAX_BYTES = 512, KEY_MAX_BYTES = 4096 };

static const int64_t latest_s = INT64_C(253402300799), earliest_s = INT64_C(-30610224000); /* of years with four digits */

enum dv_snowflake_kind dv_snowflake_kind_of(const char *type, size_t length)
{
    static const struct {
        const char *type;
        enum dv_snowflake_kind kind;
    } kinds[] = {
        { "FIXED", DV_SNOWFLAKE_FIXED },
        { "REAL", DV_SNOWFLAKE_REAL },
        { "DECFLOAT", DV_SNOWFLAKE_REAL },
        { "BOOLEAN", DV_SNOWFLAKE_BOOLEAN },
        { "DATE", DV_SNOWFLAKE_DATE },
        { "TIME", DV_SNOWFLAKE_TIME },
        { "TIMESTAMP_NTZ", DV_SNOWFLAKE_TIMESTAMP },
        { "TIMESTAMP_LTZ", DV_SNOWFLAKE_TIMESTAMP_AT },
        { "TIMESTAMP_TZ", DV_SNOWFLAKE_TIMESTAMP_TZ },
        { "VARIANT", DV_SNOWFLAKE_SEMI },
        { "OBJECT", DV_SNOWFLAKE_SEMI },
        { "ARRAY", DV_SNOWFLAKE_SEMI },
        { "MAP", DV_SNOWFLAKE_SEMI },
        { "VECTOR", DV_SNOWFLAKE_SEMI },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strlen(kinds[i].type) == length && strncasecmp(kinds[i].type, type, length) == 0)
            return kinds[i].kind;
    return DV_SNOWFLAKE_AS_TEXT;
}

bool dv_snowflake_is_number(enum dv_snowflake_kind kind)
{
    return kind == DV_SNOWFLAKE_FIXED || kind == DV_SNOWFLAKE_REAL;
}

/* ---- times ---- */

/* A time as Snowflake writes it. */
struct moment {
    int64_t seconds;
    char fraction[FRACTION_DIGITS + 4]; /* with its point and without zeros behind; "": none */
    int64_t zone_min;
};

/* What is before the epoch has its fraction counted from the second before. */
static void floor_fraction(struct moment *moment, uint32_t nanoseconds)
{
    if (nanoseconds == 0)
        return;
    moment->seconds--;
    (void)snprintf(moment->fraction, sizeof moment->fraction, ".%09u", (1000000000u - nanoseconds) % 1000000000u);
}

static bool take_digits(const char **at, int64_t *ret, unsigned most)
{
    unsigned count = 0;
    int64_t number = 0;
    for (; **at >= '0' && **at <= '9' && count < most; (*at)++, count++)
        number = number * 10 + (**at - '0');
    *ret = number;
    return count > 0;
}

/* ".5" as nanoseconds. */
static bool take_fraction(const char **at, uint32_t *ret_ns)
{
    const char *start = *at + 1;
    int64_t number = 0;
    *ret_ns = 0;
    if (**at != '.')
        return true;
    (*at)++;
    if (!take_digits(at, &number, FRACTION_DIGITS))
        return false;
    for (size_t digits = (size_t)(*at - start); digits < FRACTION_DIGITS; digits++)
        number *= 10;
    *ret_ns = (uint32_t)number;
    return true;
}

/* "-0.500000000", "1616173619.000000000 960" */
static bool parse_moment(struct dv_snowflake_text value, struct moment *ret)
{
    char text[DV_SNOWFLAKE_VALUE_MAX];
    uint32_t nanoseconds = 0;
    if (value.length >= sizeof text)
        return false;
    memcpy(text, value.at, value.length);
    text[value.length] = '\0';
    const char *at = text;
    bool before = *at == '-';
    at += before;
    *ret = (struct moment){ 0 };
    if (!take_digits(&at, &ret->seconds, 15) || !take_fraction(&at, &nanoseconds))
        return false;
    if (*at == ' ' && (at++, !take_digits(&at, &ret->zone_min, 4)))
        return false;
    ret->seconds = before ? -ret->seconds : ret->seconds;
    if (before)
        floor_fraction(ret, nanoseconds);
    else if (nanoseconds > 0)
        (void)snprintf(ret->fraction, sizeof ret->fraction, ".%09u", nanoseconds);
    for (size_t end = strlen(ret->fraction); end > 0 && ret->fraction[end - 1] == '0'; end--)
        ret->fraction[end - 1] = '\0';
    return *at == '\0' && ret->seconds <= latest_s && ret->seconds >= earliest_s;
}

enum { DAY_BYTES = 10 }; /* of "2026-11-23T09:40:00" */

static bool write_seconds(int64_t seconds, enum dv_snowflake_kind kind, char *out)
{
    struct tm parts;
    time_t at = seconds;
    if (gmtime_r(&at, &parts) == NULL || strftime(out, DV_SNOWFLAKE_VALUE_MAX, "%Y-%m-%dT%H:%M:%S", &parts) <= DAY_BYTES)
        return false;
    if (kind == DV_SNOWFLAKE_DATE)
        out[DAY_BYTES] = '\0';
    else if (kind == DV_SNOWFLAKE_TIME)
        memmove(out, out + DAY_BYTES + 1, strlen(out + DAY_BYTES + 1) + 1);
    return true;
}

static void write_zone(char *out, enum dv_snowflake_kind kind, int64_t zone_min)
{
    size_t used = strlen(out);
    int minutes = (int)zone_min;
    if (kind == DV_SNOWFLAKE_TIMESTAMP_AT)
        (void)snprintf(out + used, DV_SNOWFLAKE_VALUE_MAX - used, "Z");
    else if (kind == DV_SNOWFLAKE_TIMESTAMP_TZ)
        (void)snprintf(out + used, DV_SNOWFLAKE_VALUE_MAX - used, "%c%02d:%02d", minutes < 0 ? '-' : '+', abs(minutes) / 60,
                       abs(minutes) % 60);
}

static bool write_moment(enum dv_snowflake_kind kind, struct dv_snowflake_text value, char *out)
{
    struct moment moment;
    bool has_zone = kind == DV_SNOWFLAKE_TIMESTAMP_TZ;
    if (!parse_moment(value, &moment))
        return false;
    int64_t zone_min = has_zone ? moment.zone_min - ZONE_SHIFT_MIN : 0;
    if (!write_seconds(moment.seconds + zone_min * 60, kind, out))
        return false;
    size_t used = strlen(out);
    (void)snprintf(out + used, DV_SNOWFLAKE_VALUE_MAX - used, "%s", moment.fraction);
    write_zone(out, kind, zone_min);
    return true;
}

static bool write_date(struct dv_snowflake_text value, char *out)
{
    struct moment days;
    return parse_moment(value, &days) && days.fraction[0] == '\0' && days.seconds <= latest_s / S_PER_DAY &&
           days.seconds >= earliest_s / S_PER_DAY && write_seconds(days.seconds * S_PER_DAY, DV_SNOWFLAKE_DATE, out);
}

struct dv_snowflake_text dv_snowflake_value_text(enum dv_snowflake_kind kind, struct dv_snowflake_text value,
                                                 char room[DV_SNOWFLAKE_VALUE_MAX])
{
    bool is_time = kind >= DV_SNOWFLAKE_DATE && kind <= DV_SNOWFLAKE_TIMESTAMP_TZ;
    if (value.at == NULL || !is_time || !(kind == DV_SNOWFLAKE_DATE ? write_date(value, room) : write_moment(kind, value, room)))
        return value;
    return (struct dv_snowflake_text){ room, strlen(room) };
}

/* ---- JSON ---- */

static size_t count_digits(const char *at, size_t left)
{
    size_t count = 0;
    while (count < left && at[count] >= '0' && at[count] <= '9')
        count++;
    return count;
}

/* Whether JSON can have it as a number as it stands. */
static bool is_number(struct dv_snowflake_text value)
{
    const char *at = value.at, *end = value.at + value.length;
    at += at < end && *at == '-';
    size_t digits = count_digits(at, (size_t)(end - at));
    if (digits == 0 || (digits > 1 && *at == '0'))
        return false;
    at += digits;
    if (at < end && *at == '.') {
        digits = count_digits(at + 1, (size_t)(end - at) - 1);
        at += digits + 1;
        if (digits == 0)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '-' || *at == '+');
        digits = count_digits(at, (size_t)(end - at));
        at += digits;
        if (digits == 0)
            return false;
    }
    return at == end;
}

static bool says(struct dv_snowflake_text value, const char *word)
{
    return value.length == strlen(word) && memcmp(value.at, word, value.length) == 0;
}

static bool has_doc(struct dv_snowflake_writer *writer)
{
    if (writer->doc != NULL)
        return true;
    writer->doc = dv_memory_zeroed(1, sizeof *writer->doc);
    if (writer->doc == NULL || dv_doc_init(writer->doc, SEMI_MAX) == DV_OK)
        return writer->doc != NULL;
    dv_memory_free(writer->doc);
    writer->doc = NULL;
    return false;
}

/* Whether it is JSON: in brackets, as the reader takes no bare values. */
static bool is_json(struct dv_snowflake_writer *writer, struct dv_snowflake_text value)
{
    writer->semi.used = 0;
    if (!has_doc(writer) || !dv_sse_text_add(&writer->semi, "[", 1) || !dv_sse_text_add(&writer->semi, value.at, value.length) ||
        !dv_sse_text_add(&writer->semi, "]", 1) || dv_doc_read(writer->doc, writer->semi.bytes, writer->semi.used) != DV_OK)
        return false;
    dv_doc_at first = dv_doc_first(writer->doc, dv_doc_root(writer->doc));
    bool one = first != NULL && dv_doc_next(writer->doc, first) == NULL;
    dv_doc_forget(writer->doc);
    return one;
}

/* Without what is blank between its parts, so that it is one line. */
static void put_semi(struct dv_json *json, struct dv_snowflake_text value)
{
    bool in_text = false, escaped = false;
    dv_json_raw(json, "", 0);
    for (size_t i = 0; i < value.length; i++) {
        char c = value.at[i];
        bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (in_text || !blank) {
            json->comma = false;
            dv_json_raw(json, &value.at[i], 1);
        }
        if (c == '"' && !escaped)
            in_text = !in_text;
        escaped = in_text && c == '\\' && !escaped;
    }
    json->comma = true;
}

static void put_value(struct dv_snowflake_writer *writer, struct dv_json *json, enum dv_snowflake_kind kind,
                      struct dv_snowflake_text value)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    if (value.at == NULL) {
        dv_json_null(json);
    } else if ((dv_snowflake_is_number(kind) && is_number(value)) ||
               (kind == DV_SNOWFLAKE_BOOLEAN && (says(value, "true") || says(value, "false")))) {
        dv_json_raw(json, value.at, value.length);
    } else if (kind == DV_SNOWFLAKE_SEMI && is_json(writer, value)) {
        put_semi(json, value);
    } else {
        struct dv_snowflake_text text = dv_snowflake_value_text(kind, value, room);
        dv_json_text(json, text.at, text.length);
    }
}

/* ---- names ---- */

static bool has_small(struct dv_snowflake_text name)
{
    for (size_t i = 0; i < name.length; i++)
        if (name.at[i] >= 'a' && name.at[i] <= 'z')
            return true;
    return false;
}

/* As it is written, without what tells it from another; its length. */
static size_t write_name(struct dv_snowflake_text given, bool lower, char name[NAME_MAX_BYTES])
{
    size_t length = given.length < NAME_MAX_BYTES ? given.length : NAME_MAX_BYTES;
    lower = lower && !has_small(given);
    for (size_t i = 0; i < length; i++)
        name[i] = (char)(lower && given.at[i] >= 'A' && given.at[i] <= 'Z' ? given.at[i] - 'A' + 'a' : given.at[i]);
    return length;
}

/* How many columns before it are written like it. */
static unsigned count_before(const struct dv_snowflake_column *columns, uint32_t which, bool lower)
{
    char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    size_t length = write_name(columns[which].name, lower, name);
    unsigned count = 0;
    for (uint32_t i = 0; i < which; i++)
        count += write_name(columns[i].name, lower, other) == length && memcmp(name, other, length) == 0;
    return count;
}

static bool has_key(const struct dv_snowflake_writer *writer, const char *key, size_t length)
{
    size_t at = 0;
    for (uint32_t i = 0; i < writer->count; at = writer->key_ends[i], i++)
        if (writer->key_ends[i] - at == length && memcmp(writer->keys.bytes + at, key, length) == 0)
            return true;
    return false;
}

/* A key, which may be any text: its length. */
static size_t write_key(struct dv_snowflake_text given, bool lower, unsigned number, char key[KEY_MAX_BYTES])
{
    char name[NAME_MAX_BYTES + 16];
    struct dv_json json;
    size_t length = write_name(given, lower, name);
    if (number > 1)
        length += (size_t)snprintf(name + length, sizeof name - length, "_%u", number);
    dv_json_init(&json, key, KEY_MAX_BYTES);
    dv_json_text(&json, name, length);
    json.comma = false;
    dv_json_raw(&json, ":", 1);
    return dv_json_length(&json);
}

static bool add_key(struct dv_snowflake_writer *writer, const struct dv_snowflake_column *columns, uint32_t which, bool lower)
{
    char key[KEY_MAX_BYTES];
    unsigned number = count_before(columns, which, lower) + 1;
    size_t length = write_key(columns[which].name, lower, number, key);
    writer->doubled = writer->doubled || number > 1;
    while (has_key(writer, key, length))
        length = write_key(columns[which].name, lower, ++number, key);
    if (!dv_sse_text_add(&writer->keys, key, length))
        return false;
    writer->key_ends[writer->count++] = writer->keys.used;
    return true;
}

dv_rc dv_snowflake_writer_begin(struct dv_snowflake_writer *writer, const struct dv_snowflake_column *columns, uint32_t count, bool lower)
{
    dv_memory_free(writer->key_ends);
    writer->key_ends = dv_memory_alloc((count + 1) * sizeof *writer->key_ends);
    writer->keys.used = writer->count = 0;
    writer->doubled = false;
    for (uint32_t i = 0; i < count; i++)
        if (writer->key_ends == NULL || !add_key(writer, columns, i, lower))
            return DV_E_MEMORY;
    return DV_OK;
}

static void put_key(const struct dv_snowflake_writer *writer, struct dv_json *json, uint32_t which)
{
    size_t from = which > 0 ? writer->key_ends[which - 1] : 0;
    dv_json_raw(json, writer->keys.bytes + from, writer->key_ends[which] - from);
    json->comma = false;
}

static void put_row(struct dv_snowflake_writer *writer, struct dv_json *json, const struct dv_snowflake_column *columns,
                    const struct dv_snowflake_text *cells, uint32_t count)
{
    dv_json_open(json, '{');
    for (uint32_t i = 0; i < count && !json->full; i++) {
        put_key(writer, json, i);
        put_value(writer, json, columns[i].kind, cells[i]);
    }
    dv_json_close(json, '}');
}

/* Escapes make a text longer: the room grows until it suffices. */
dv_rc dv_snowflake_writer_row(struct dv_snowflake_writer *writer, const struct dv_snowflake_column *columns,
                              const struct dv_snowflake_text *cells, uint32_t count)
{
    DV_ASSERT(count <= writer->count);
    for (size_t size = writer->row.size > ROW_FIRST ? writer->row.size : ROW_FIRST;; size *= 2) {
        struct dv_json json;
        if (size > writer->row.size) {
            dv_sse_text_free(&writer->row);
            writer->row.bytes = dv_memory_alloc(size);
            if (writer->row.bytes == NULL)
                return DV_E_MEMORY;
            writer->row.size = size;
        }
        dv_json_init(&json, writer->row.bytes, writer->row.size - DV_JSON_PADDING);
        put_row(writer, &json, columns, cells, count);
        writer->row.used = dv_json_length(&json);
        if (!json.full)
            return DV_OK;
    }
}

void dv_snowflake_writer_free(struct dv_snowflake_writer *writer)
{
    dv_sse_text_free(&writer->keys);
    dv_memory_free(writer->key_ends);
    dv_sse_text_free(&writer->row);
    dv_sse_text_free(&writer->semi);
    if (writer->doc != NULL)
        dv_doc_free(writer->doc);
    dv_memory_free(writer->doc);
    *writer = (struct dv_snowflake_writer){ 0 };
}

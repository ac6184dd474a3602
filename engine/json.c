/* SPDX-License-Identifier: Apache-2.0
 * json.c - the JSON writer. */
#include "engine/json.h"

#include <math.h>
#include <string.h>

#include "engine/json_number.h"

void dv_json_init(struct dv_json *json, char *buffer, size_t size)
{
    DV_ASSERT(json != NULL && (buffer != NULL || size == 0));
    *json = (struct dv_json){ .start = buffer, .at = buffer, .end = buffer + size };
}

static void put(struct dv_json *json, const char *bytes, size_t length)
{
    if (json->full || length > (size_t)(json->end - json->at)) {
        json->full = true;
        return;
    }
    if (length > 0)
        memcpy(json->at, bytes, length);
    json->at += length;
}

static void put_byte(struct dv_json *json, char byte)
{
    put(json, &byte, 1);
}

/* Before and after each element of an object or array. */
static void begin(struct dv_json *json)
{
    if (json->comma)
        put_byte(json, ',');
    json->comma = true;
}

void dv_json_open(struct dv_json *json, char bracket)
{
    DV_ASSERT(bracket == '{' || bracket == '[');
    begin(json);
    put_byte(json, bracket);
    json->comma = false;
}

void dv_json_close(struct dv_json *json, char bracket)
{
    DV_ASSERT(bracket == '}' || bracket == ']');
    put_byte(json, bracket);
    json->comma = true;
}

void dv_json_key(struct dv_json *json, const char *key)
{
    begin(json);
    put_byte(json, '"');
    put(json, key, strlen(key));
    put(json, "\":", 2);
    json->comma = false;
}

/* The bytes of the character at `at` by table 3-7 of Unicode, or 0 if they are no UTF-8. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    unsigned first = at[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length < 2)
        return length;
    unsigned lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (length > left || at[1] < lowest || at[1] > highest)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

static bool plain(unsigned char byte)
{
    return byte >= ' ' && byte != '"' && byte != '\\' && byte < 0x80;
}

/* Writes what stands at `at` and is not plain ASCII; returns how much of the input that was. */
static size_t put_special(struct dv_json *json, const unsigned char *at, size_t left)
{
    if (*at < 0x80) {
        char escape[DV_JSON_ESCAPE_MAX];
        put(json, escape, dv_json_escape(escape, *at));
        return 1;
    }
    size_t length = utf8_length(at, left);
    if (length == 0) {
        put(json, "\xef\xbf\xbd", 3);
        return 1;
    }
    put(json, (const char *)at, length);
    return length;
}

void dv_json_text(struct dv_json *json, const char *text, size_t length)
{
    DV_ASSERT(text != NULL || length == 0);
    const unsigned char *at = (const unsigned char *)text;
    begin(json);
    put_byte(json, '"');
    for (size_t done = 0; done < length && !json->full;) {
        size_t run = done;
        while (run < length && plain(at[run]))
            run++;
        put(json, text + done, run - done);
        done = run;
        if (done < length)
            done += put_special(json, at + done, length - done);
    }
    put_byte(json, '"');
}

void dv_json_string(struct dv_json *json, const char *text)
{
    if (text == NULL)
        dv_json_null(json);
    else
        dv_json_text(json, text, strlen(text));
}

void dv_json_raw(struct dv_json *json, const char *text, size_t length)
{
    begin(json);
    put(json, text, length);
}

void dv_json_int(struct dv_json *json, int64_t value)
{
    char digits[DV_JSON_INT_MAX];
    dv_json_raw(json, digits, dv_json_put_int(digits, value));
}

void dv_json_uint(struct dv_json *json, uint64_t value)
{
    char digits[DV_JSON_INT_MAX];
    dv_json_raw(json, digits, dv_json_put_uint(digits, value));
}

void dv_json_float(struct dv_json *json, double value)
{
    char digits[DV_JSON_NUMBER_MAX];
    dv_json_raw(json, digits, dv_json_put_float(digits, value));
}

void dv_json_bool(struct dv_json *json, bool value)
{
    if (value)
        dv_json_raw(json, "true", 4);
    else
        dv_json_raw(json, "false", 5);
}

void dv_json_null(struct dv_json *json)
{
    dv_json_raw(json, "null", 4);
}

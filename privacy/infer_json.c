/* SPDX-License-Identifier: Apache-2.0
 * infer_json.c - the members of a JSON object, and what strings say. */
#include "privacy/infer_json.h"

#include <stdint.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void skip_blanks(struct dv_members *members)
{
    while (members->at < members->end && is_blank(*members->at))
        members->at++;
}

static bool take(struct dv_members *members, char mark)
{
    skip_blanks(members);
    if (members->at >= members->end || *members->at != mark)
        return false;
    members->at++;
    return true;
}

struct dv_members dv_members_of(const char *object, size_t length)
{
    struct dv_members members = { .at = object, .end = object + length };
    if (!take(&members, '{'))
        members.at = members.end;
    return members;
}

/* Goes behind the string that begins here. */
static void skip_string(struct dv_members *members)
{
    for (members->at++; members->at < members->end && *members->at != '"'; members->at++)
        if (*members->at == '\\' && members->at + 1 < members->end)
            members->at++;
    members->at += members->at < members->end;
}

/* Goes behind the value: to the comma or bracket that does not belong to it. */
static void skip_value(struct dv_members *members)
{
    uint64_t depth = 0;
    while (members->at < members->end) {
        char byte = *members->at;
        if (byte == '"') {
            skip_string(members);
            continue;
        }
        bool closes = byte == '}' || byte == ']';
        if (depth == 0 && (closes || byte == ','))
            return;
        depth += byte == '{' || byte == '[';
        depth -= closes;
        members->at++;
    }
}

/* The value that begins behind some blanks; false: there is none. */
static bool take_value(struct dv_members *members, struct dv_member *member)
{
    skip_blanks(members);
    member->value = members->at;
    skip_value(members);
    const char *end = members->at;
    while (end > member->value && is_blank(end[-1]))
        end--;
    member->value_length = (size_t)(end - member->value);
    return member->value_length > 0;
}

bool dv_members_next(struct dv_members *members, struct dv_member *ret_member)
{
    (void)take(members, ',');
    skip_blanks(members);
    if (members->at >= members->end || *members->at != '"')
        return false;
    const char *key = members->at;
    skip_string(members);
    *ret_member = (struct dv_member){ .key = key + 1, .key_length = (size_t)(members->at - key) - 1 };
    ret_member->key_length -= ret_member->key_length > 0;
    return take(members, ':') && take_value(members, ret_member);
}

struct dv_members dv_elements_of(const char *list, size_t length)
{
    struct dv_members elements = { .at = list, .end = list + length };
    if (!take(&elements, '['))
        elements.at = elements.end;
    return elements;
}

bool dv_elements_next(struct dv_members *elements, struct dv_member *ret_element)
{
    (void)take(elements, ',');
    *ret_element = (struct dv_member){ .key = "" };
    return take_value(elements, ret_element);
}

/* The four hexadecimal digits at `at`. */
static uint32_t hex(const char *at)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        char digit = at[i];
        uint32_t value =
            digit >= '0' && digit <= '9' ? (uint32_t)(digit - '0') : (uint32_t)((digit | 32) - 'a' + 10) & 15u;
        code = code << 4 | value;
    }
    return code;
}

static size_t put(char *out, size_t size, uint32_t code)
{
    unsigned char bytes[4];
    size_t count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = count; i-- > 1; code >>= 6)
        bytes[i] = (unsigned char)(0x80 | (code & 0x3F));
    bytes[0] = (unsigned char)(leads[count] | code);
    if (count > size)
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (char)bytes[i];
    return count;
}

/* The character of the escape at *at, which goes behind it; a pair of surrogates is one character. */
static uint32_t escaped(const char **at, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char kind = *(*at)++;
    for (int i = 0; from[i] != '\0'; i++)
        if (kind == from[i])
            return (unsigned char)to[i];
    if (kind != 'u' || end - *at < 4)
        return (unsigned char)kind & 0x7Fu;
    uint32_t code = hex(*at);
    *at += 4;
    bool pair = code >= 0xD800 && code < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u';
    if (!pair)
        return code;
    uint32_t low = hex(*at + 2) & 0x3FFu;
    *at += 6;
    return 0x10000 + ((code & 0x3FFu) << 10) + low;
}

size_t dv_json_said(const char *string, size_t length, char *out, size_t size)
{
    size_t count = 0;
    const char *at = string + (length > 0), *end = string + length - (length > 1);
    while (at < end && count < size) {
        if (*at != '\\' || at + 1 >= end) {
            out[count++] = *at++;
            continue;
        }
        at++;
        size_t put_bytes = put(out + count, size - count, escaped(&at, end));
        if (put_bytes == 0)
            break;
        count += put_bytes;
    }
    return count;
}

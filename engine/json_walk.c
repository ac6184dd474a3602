/* SPDX-License-Identifier: Apache-2.0
 * json_walk.c - strings, escapes, numbers and nesting, checked strictly. */
#include "engine/json_walk.h"

#include <string.h>
#include <sys/auxv.h>

#include "engine/id.h"
#include "engine/memory.h"

dv_rc dv_json_refuse(struct dv_json_walk *walk, dv_rc code, const char *reason)
{
    DV_ASSERT(dv_is_error(code));
    walk->reason = reason;
    return code;
}

dv_rc dv_json_malformed(struct dv_json_walk *walk)
{
    return dv_json_refuse(walk, DV_E_SYNTAX, "malformed JSON");
}

const char *dv_json_find_backslash(const struct dv_json_walk *walk, const char *from)
{
    const char *end = walk->text + *walk->end;
    const char *found = memchr(from, '\\', (size_t)(end - from));
    return found != NULL ? found : end;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    int lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The number of the four digits at `at`, or -1. */
static int32_t hex_unit(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static bool high_surrogate(int32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool low_surrogate(int32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* The character behind `\u`, moving *at behind it; -1 if it is malformed or half of a pair. */
static int32_t escaped_character(const char **at, const char *end)
{
    int32_t unit = hex_unit(*at, end);
    if (unit < 0 || low_surrogate(unit))
        return -1;
    *at += 4;
    if (!high_surrogate(unit))
        return unit;
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return -1;
    int32_t low = hex_unit(*at + 2, end);
    if (low < 0 || !low_surrogate(low))
        return -1;
    *at += 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static char *put_utf8(char *out, uint32_t character)
{
    if (character < 0x80) {
        *out++ = (char)character;
        return out;
    }
    if (character < 0x800) {
        *out++ = (char)(0xc0 | character >> 6);
    } else if (character < 0x10000) {
        *out++ = (char)(0xe0 | character >> 12);
        *out++ = (char)(0x80 | (character >> 6 & 0x3f));
    } else {
        *out++ = (char)(0xf0 | character >> 18);
        *out++ = (char)(0x80 | (character >> 12 & 0x3f));
        *out++ = (char)(0x80 | (character >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (character & 0x3f));
    return out;
}

/* The byte that a one-letter escape stands for, or 0. */
static char short_escape(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/* Resolves the escape whose letter is at *at, and moves behind it. */
static dv_rc resolve_escape(struct dv_json_walk *walk, const char **at, const char *end, char **out)
{
    DV_ASSERT(*at < end);
    char letter = *(*at)++;
    char plain = short_escape(letter);
    if (plain != 0) {
        *(*out)++ = plain;
        return DV_OK;
    }
    if (letter != 'u')
        return dv_json_refuse(walk, DV_E_SYNTAX, "unknown escape in a string");
    int32_t character = escaped_character(at, end);
    if (character < 0)
        return dv_json_refuse(walk, DV_E_SYNTAX, "malformed escape by number, or half a surrogate pair");
    if (character == 0)
        return dv_json_refuse(walk, DV_E_SYNTAX, "NUL character in a string");
    *out = put_utf8(*out, (uint32_t)character);
    return DV_OK;
}

/* Resolves all escapes between *from and `end`, moving both ends along. */
static dv_rc resolve_all(struct dv_json_walk *walk, const char *from, const char *end, char **out)
{
    while (from < end) {
        const char *escape = memchr(from, '\\', (size_t)(end - from));
        size_t plain = (size_t)((escape != NULL ? escape : end) - from);
        memcpy(*out, from, plain);
        *out += plain;
        from += plain;
        if (escape == NULL)
            break;
        from++;
        DV_TRY(resolve_escape(walk, &from, end, out));
    }
    return DV_OK;
}

dv_rc dv_json_unescape(struct dv_json_walk *walk, struct dv_json_span *span)
{
    char *plain = dv_arena_text(walk->arena, span->length);
    if (plain == NULL)
        return dv_json_refuse(walk, DV_E_MEMORY, "the batch's memory is used up");
    char *out = plain;
    DV_TRY(resolve_all(walk, span->start, span->start + span->length, &out));
    uint32_t length = (uint32_t)(out - plain);
    dv_arena_trim(walk->arena, plain, span->length, length);
    *span = (struct dv_json_span){ plain, length, false };
    return DV_OK;
}

void dv_json_forget(struct dv_json_walk *walk, struct dv_json_span resolved)
{
    /* What is trimmed off is no longer the arena's to wipe. */
    explicit_bzero((char *)(uintptr_t)resolved.start, resolved.length);
    dv_arena_trim(walk->arena, resolved.start, resolved.length, 0);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static const char *digits_end(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* The end of the digits that a fraction or an exponent must have; NULL if there are none. */
static const char *part_end(const char *at)
{
    const char *end = digits_end(at);
    return end > at ? end : NULL;
}

const char *dv_json_number_end(const char *text, bool *ret_whole)
{
    const char *at = text + (*text == '-');
    *ret_whole = true;
    if (!is_digit(*at))
        return NULL;
    at = *at == '0' ? at + 1 : digits_end(at);
    if (*at == '.') {
        *ret_whole = false;
        at = part_end(at + 1);
        if (at == NULL)
            return NULL;
    }
    if (*at != 'e' && *at != 'E')
        return at;
    *ret_whole = false;
    return part_end(at + (at[1] == '+' || at[1] == '-' ? 2 : 1));
}

dv_rc dv_json_take_word(struct dv_json_walk *walk, const char *word, size_t length)
{
    if (!dv_json_followed(walk) || (size_t)(walk->at[1] - walk->at[0]) < length)
        return dv_json_malformed(walk);
    const char *start = walk->text + walk->at[0];
    if (memcmp(start, word, length) != 0 || !dv_json_scalar_ends(walk, start + length))
        return dv_json_malformed(walk);
    return DV_OK;
}

static dv_rc skip_number(struct dv_json_walk *walk)
{
    bool whole = false;
    const char *end = dv_json_number_end(walk->text + *walk->at, &whole);
    if (end == NULL || !dv_json_scalar_ends(walk, end))
        return dv_json_refuse(walk, DV_E_SYNTAX, "malformed number or word");
    return DV_OK;
}

/* Escapes are resolved to be checked; what they say is not kept. */
static dv_rc skip_string(struct dv_json_walk *walk)
{
    struct dv_json_span span;
    if (!dv_json_take_string(walk, &span))
        return dv_json_malformed(walk);
    if (!span.escaped)
        return DV_OK;
    DV_TRY(dv_json_unescape(walk, &span));
    dv_json_forget(walk, span);
    return DV_OK;
}

static dv_rc skip_array(struct dv_json_walk *walk, unsigned depth)
{
    bool more = !dv_json_closes(walk, ']');
    while (more) {
        DV_TRY(dv_json_skip(walk, depth));
        if (!dv_json_next_element(walk, ']', &more))
            return dv_json_malformed(walk);
    }
    return DV_OK;
}

static dv_rc skip_member(struct dv_json_walk *walk, uint64_t object, unsigned depth)
{
    struct dv_json_span name;
    if (!dv_json_take_string(walk, &name))
        return dv_json_malformed(walk);
    DV_TRY(dv_json_names_add(walk, object, name));
    if (!dv_json_take_colon(walk))
        return dv_json_malformed(walk);
    return dv_json_skip(walk, depth);
}

static dv_rc skip_object(struct dv_json_walk *walk, unsigned depth)
{
    uint64_t object = ++walk->objects;
    bool more = !dv_json_closes(walk, '}');
    while (more) {
        DV_TRY(skip_member(walk, object, depth));
        if (!dv_json_next_element(walk, '}', &more))
            return dv_json_malformed(walk);
    }
    return DV_OK;
}

static dv_rc skip_nested(struct dv_json_walk *walk, unsigned depth)
{
    if (depth > DV_JSON_DEPTH_MAX)
        return dv_json_refuse(walk, DV_E_SYNTAX, "nested more than 64 levels deep");
    bool object = dv_json_peek(walk) == '{';
    walk->at++;
    return object ? skip_object(walk, depth) : skip_array(walk, depth);
}

dv_rc dv_json_skip(struct dv_json_walk *walk, unsigned depth)
{
    if (!dv_json_followed(walk))
        return dv_json_malformed(walk);
    switch (dv_json_peek(walk)) {
    case '{':
    case '[': return skip_nested(walk, depth + 1);
    case '"': return skip_string(walk);
    case 'n': return dv_json_take_word(walk, "null", 4);
    case 't': return dv_json_take_word(walk, "true", 4);
    case 'f': return dv_json_take_word(walk, "false", 5);
    default: return skip_number(walk);
    }
}

enum { NAME_SLOTS_FIRST = 1024 };

dv_rc dv_json_names_init(struct dv_json_names *names)
{
    *names = (struct dv_json_names){ .slot_count = NAME_SLOTS_FIRST };
    const void *kernel_random = (const void *)getauxval(AT_RANDOM);
    if (kernel_random != NULL)
        memcpy(&names->seed, kernel_random, sizeof names->seed);
    names->slots = dv_memory_zeroed(NAME_SLOTS_FIRST, sizeof *names->slots);
    return names->slots != NULL ? DV_OK : DV_E_MEMORY;
}

void dv_json_names_free(struct dv_json_names *names)
{
    dv_memory_free(names->slots);
    *names = (struct dv_json_names){ 0 };
}

void dv_json_names_next(struct dv_json_names *names)
{
    names->record++;
    names->used = 0;
}

/* The slot that holds `hash`, or the free one where it belongs. */
static struct dv_json_name *name_slot(const struct dv_json_names *names, uint64_t hash)
{
    DV_ASSERT(names->used < names->slot_count);
    uint64_t mask = names->slot_count - 1;
    uint64_t index = hash & mask;
    while (names->slots[index].record == names->record && names->slots[index].hash != hash)
        index = (index + 1) & mask;
    return &names->slots[index];
}

static dv_rc grow_names(struct dv_json_names *names)
{
    struct dv_json_names grown = *names;
    grown.slot_count = names->slot_count * 2;
    grown.slots = dv_memory_zeroed(grown.slot_count, sizeof *grown.slots);
    if (grown.slots == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < names->slot_count; i++) {
        if (names->slots[i].record == names->record)
            *name_slot(&grown, names->slots[i].hash) = names->slots[i];
    }
    dv_memory_free(names->slots);
    *names = grown;
    return DV_OK;
}

static dv_rc hash_name(struct dv_json_walk *walk, struct dv_json_span span, uint64_t seed, uint64_t *ret_hash)
{
    bool escaped = span.escaped;
    if (escaped)
        DV_TRY(dv_json_unescape(walk, &span));
    *ret_hash = dv_hash64(span.start, span.length, seed);
    if (escaped)
        dv_json_forget(walk, span);
    return DV_OK;
}

dv_rc dv_json_names_add(struct dv_json_walk *walk, uint64_t object, struct dv_json_span span)
{
    struct dv_json_names *names = walk->names;
    uint64_t hash = 0;
    DV_TRY(hash_name(walk, span, names->seed + object, &hash));
    struct dv_json_name *slot = name_slot(names, hash);
    if (slot->record == names->record)
        return dv_json_refuse(walk, DV_E_SYNTAX, "a name stands twice in one object");
    *slot = (struct dv_json_name){ hash, names->record };
    names->used++;
    if (names->used > names->slot_count / 2 && dv_is_error(grow_names(names)))
        return dv_json_refuse(walk, DV_E_MEMORY, "no memory to compare names");
    return DV_OK;
}

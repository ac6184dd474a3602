/* SPDX-License-Identifier: Apache-2.0
 * option_value.c - one function for each type of option. */
#include "engine/option_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/yaml.h"

enum { NAME_LENGTH_MAX = 128, ENUM_WORDS_MAX = 64 };

/* A unit and how many of the smallest it is. */
struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", INT64_C(24) * 3600 * 1000 },
};
static const struct unit size_units[] = {
    { "", 1 },
    { "KiB", INT64_C(1) << 10 },
    { "MiB", INT64_C(1) << 20 },
    { "GiB", INT64_C(1) << 30 },
    { "TiB", INT64_C(1) << 40 },
};
enum {
    DURATION_UNITS = sizeof duration_units / sizeof duration_units[0],
    SIZE_UNITS = sizeof size_units / sizeof size_units[0],
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits only; the sign is the caller's. Stops behind them; false if there are none or they overflow. */
static bool take_digits(const char **text, bool negative, int64_t *ret)
{
    int64_t number = 0;
    const char *at = *text;
    for (; is_digit(*at); at++) {
        int64_t digit = negative ? '0' - *at : *at - '0';
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, digit, &number))
            return false;
    }
    bool any = at != *text;
    *text = at;
    *ret = number;
    return any;
}

static bool parse_int(const char *text, int64_t *ret)
{
    bool negative = text[0] == '-';
    const char *at = negative ? text + 1 : text;
    return take_digits(&at, negative, ret) && *at == '\0';
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t count, int64_t *ret)
{
    int64_t number = 0;
    if (!take_digits(&text, false, &number))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, units[i].name) == 0)
            return !__builtin_mul_overflow(number, units[i].factor, ret);
    }
    return false;
}

bool dv_parse_duration_ms(const char *text, int64_t *ret_ms)
{
    return parse_with_unit(text, duration_units, DURATION_UNITS, ret_ms);
}

bool dv_parse_size_bytes(const char *text, int64_t *ret_bytes)
{
    return parse_with_unit(text, size_units, SIZE_UNITS, ret_bytes);
}

/* [-]digits[.digits][e[+-]digits]: strtod alone would also take "nan", "0x1p3" and leading blanks. */
static bool is_float(const char *text)
{
    const char *at = text[0] == '-' ? text + 1 : text;
    size_t whole = strspn(at, "0123456789");
    at += whole;
    if (whole != 0 && at[0] == '.' && is_digit(at[1]))
        at += 1 + strspn(at + 1, "0123456789");
    if (whole != 0 && (at[0] == 'e' || at[0] == 'E')) {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        size_t exponent = strspn(at, "0123456789");
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return whole != 0 && at[0] == '\0';
}

static bool parse_float(const char *text, double *ret)
{
    if (!is_float(text))
        return false;
    *ret = strtod(text, NULL);
    return isfinite(*ret);
}

bool dv_is_name(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    return length > 0 && length <= NAME_LENGTH_MAX && text[length] == '\0' && text[0] != '.' && text[0] != '-';
}

const char *dv_option_word(const char **cursor, size_t *ret_length)
{
    const char *word = *cursor;
    if (word == NULL)
        return NULL;
    *ret_length = strcspn(word, "|");
    *cursor = word[*ret_length] == '|' ? word + *ret_length + 1 : NULL;
    return word;
}

/* The largest unit that divides the number. */
static const char *with_unit(int64_t number, const struct unit *units, size_t count, char *buffer, size_t size)
{
    size_t unit = 0;
    for (size_t i = 1; i < count && number != 0; i++) {
        if (number % units[i].factor == 0)
            unit = i;
    }
    (void)snprintf(buffer, size, "%lld%s", (long long)(number / units[unit].factor), units[unit].name);
    return buffer;
}

const char *dv_option_number_text(enum dv_option_type type, int64_t number, char *buffer, size_t size)
{
    if (type == DV_DURATION)
        return with_unit(number, duration_units, DURATION_UNITS, buffer, size);
    if (type == DV_SIZE)
        return with_unit(number, size_units, SIZE_UNITS, buffer, size);
    (void)snprintf(buffer, size, "%lld", (long long)number);
    return buffer;
}

DV_FORMAT(2, 3) static enum dv_value_result wrong(struct dv_value_fault *fault, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
    return DV_VALUE_WRONG;
}

static void set_help(struct dv_value_fault *fault, const char *help)
{
    (void)snprintf(fault->help, sizeof fault->help, "%s", help != NULL ? help : "");
}

static bool has_bounds(const struct dv_option *option)
{
    return option->min != 0 || option->max != 0;
}

static enum dv_value_result out_of_bounds(const struct dv_option *option, struct dv_value_fault *fault)
{
    char low[32];
    char high[32];
    return wrong(fault, "must be within %s and %s", dv_option_number_text(option->type, option->min, low, sizeof low),
                 dv_option_number_text(option->type, option->max, high, sizeof high));
}

/* DV_INT, DV_DURATION and DV_SIZE differ in how they are written. */
static enum dv_value_result take_number(const struct dv_option *option, const char *text, void *member,
                                        struct dv_value_fault *fault)
{
    int64_t number = 0;
    if (option->type == DV_INT && !parse_int(text, &number))
        return wrong(fault, "needs a whole number");
    if (option->type == DV_DURATION && !dv_parse_duration_ms(text, &number)) {
        set_help(fault, "units are ms, s, m, h and d: 250ms, 5s, 2m");
        return wrong(fault, "needs a duration with its unit");
    }
    if (option->type == DV_SIZE && !dv_parse_size_bytes(text, &number)) {
        set_help(fault, "units are KiB, MiB, GiB and TiB: 512, 64KiB, 1MiB");
        return wrong(fault, "needs a size");
    }
    if (has_bounds(option) && (number < option->min || number > option->max))
        return out_of_bounds(option, fault);
    memcpy(member, &number, sizeof number);
    return DV_VALUE_OK;
}

static enum dv_value_result take_float(const struct dv_option *option, const char *text, void *member,
                                       struct dv_value_fault *fault)
{
    double number = 0;
    if (!parse_float(text, &number))
        return wrong(fault, "needs a number");
    if (has_bounds(option) && (number < (double)option->min || number > (double)option->max))
        return out_of_bounds(option, fault);
    memcpy(member, &number, sizeof number);
    return DV_VALUE_OK;
}

static enum dv_value_result take_bool(const char *text, void *member, struct dv_value_fault *fault)
{
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0)
        return wrong(fault, "needs true or false");
    memcpy(member, &value, sizeof value);
    return DV_VALUE_OK;
}

/* "one of a, b or c" is in the message; the nearest word is in the help. */
static enum dv_value_result not_in_enum(const struct dv_option *option, const char *text, struct dv_diags *diags,
                                        struct dv_value_fault *fault)
{
    const char *words[ENUM_WORDS_MAX];
    char list[200] = "";
    size_t used = 0;
    size_t count = 0;
    size_t length = 0;
    const char *cursor = option->values;
    for (const char *word = NULL; count < ENUM_WORDS_MAX && (word = dv_option_word(&cursor, &length)) != NULL;) {
        const char *copy = dv_arena_copy(diags->arena, word, length);
        if (copy == NULL)
            return DV_VALUE_MEMORY;
        words[count++] = copy;
        int more = snprintf(list + used, sizeof list - used, "%s%s", used != 0 ? ", " : "", copy);
        used = used + (size_t)more < sizeof list ? used + (size_t)more : sizeof list - 1;
    }
    set_help(fault, dv_diags_suggest(diags, text, words, count));
    return wrong(fault, "must be one of %s", list);
}

static enum dv_value_result take_enum(const struct dv_option *option, const char *text, void *member,
                                      struct dv_diags *diags, struct dv_value_fault *fault)
{
    size_t length = 0;
    const char *cursor = option->values;
    const char *word = NULL;
    for (int index = 0; (word = dv_option_word(&cursor, &length)) != NULL; index++) {
        if (strlen(text) == length && memcmp(word, text, length) == 0) {
            memcpy(member, &index, sizeof index);
            return DV_VALUE_OK;
        }
    }
    return not_in_enum(option, text, diags, fault);
}

static enum dv_value_result take_secret(const struct dv_yaml *node, void *member, struct dv_value_fault *fault)
{
    if (!dv_is_secret_reference(node->text)) {
        fault->code = "C009";
        fault->secret = true;
        set_help(fault, "write env:NAME or file:PATH, and keep the secret there");
        return wrong(fault, "takes a reference to a secret, not the secret itself");
    }
    memcpy(member, &node->text, sizeof node->text);
    return DV_VALUE_OK;
}

static enum dv_value_result take_scalar(const struct dv_option *option, const struct dv_yaml *node, void *member,
                                        struct dv_diags *diags, struct dv_value_fault *fault)
{
    switch (option->type) {
    case DV_INT:
    case DV_DURATION:
    case DV_SIZE:
        return take_number(option, node->text, member, fault);
    case DV_FLOAT:
        return take_float(option, node->text, member, fault);
    case DV_BOOL:
        return take_bool(node->text, member, fault);
    case DV_ENUM:
        return take_enum(option, node->text, member, diags, fault);
    case DV_SECRET:
        return take_secret(node, member, fault);
    case DV_NAME:
        if (!dv_is_name(node->text))
            return wrong(fault, "needs a name of at most 128 letters, digits, '_', '.' and '-'");
        break;
    case DV_STR:
    case DV_STRS:
    case DV_TREE:
        break;
    }
    memcpy(member, &node->text, sizeof node->text);
    return DV_VALUE_OK;
}

static enum dv_value_result take_list(const struct dv_yaml *node, struct dv_strs *ret, struct dv_arena *arena,
                                      struct dv_value_fault *fault)
{
    bool is_list = node->kind == DV_YAML_LIST;
    size_t count = is_list ? node->count : 1;
    const char **items = dv_arena_zeroed(arena, count + 1, sizeof *items);
    if (items == NULL)
        return DV_VALUE_MEMORY;
    size_t at = 0;
    for (const struct dv_yaml *item = is_list ? node->first : node; item != NULL && at < count; item = item->next) {
        if (item->kind != DV_YAML_SCALAR || dv_yaml_is_none(item)) {
            fault->place = item->place;
            return wrong(fault, "needs a list of words");
        }
        items[at++] = item->text;
    }
    DV_ASSERT(at == count);
    *ret = (struct dv_strs){ .items = items, .count = count };
    return DV_VALUE_OK;
}

enum dv_value_result dv_option_value(const struct dv_option *option, const struct dv_yaml *node, void *state,
                                     struct dv_arena *arena, struct dv_diags *diags, struct dv_value_fault *fault)
{
    void *member = (char *)state + option->offset;
    *fault = (struct dv_value_fault){ .place = node->place, .code = "C006" };
    if (option->type == DV_TREE) {
        memcpy(member, &node, sizeof node);
        return DV_VALUE_OK;
    }
    if (option->type == DV_STRS && node->kind != DV_YAML_MAP) {
        struct dv_strs list;
        enum dv_value_result result = take_list(node, &list, arena, fault);
        if (result == DV_VALUE_OK)
            memcpy(member, &list, sizeof list);
        return result;
    }
    if (node->kind != DV_YAML_SCALAR) {
        fault->secret = option->type == DV_SECRET;
        return wrong(fault, option->type == DV_STRS ? "needs a list of words" : "needs a single value");
    }
    return take_scalar(option, node, member, diags, fault);
}

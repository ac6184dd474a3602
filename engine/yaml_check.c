/* SPDX-License-Identifier: Apache-2.0
 * yaml_check.c - bytes that no configuration needs, and keys that stand twice. */
#include "engine/yaml_check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/text.h"

enum { EMPTY_LINES_MAX = 256 };

/* The place of a byte, counted from the start: only for the one finding that ends the parse. */
static struct dv_place place_of_byte(const char *name, const char *text, size_t offset)
{
    struct dv_place place = { name, 1, 1, 1 };
    size_t line_start = 0;
    for (size_t at = 0; at < offset; at++) {
        bool is_break = text[at] == '\n' || (text[at] == '\r' && text[at + 1] != '\n');
        if (is_break) {
            place.line++;
            line_start = at + 1;
        }
    }
    place.column = (uint32_t)dv_utf8_count(text + line_start, offset - line_start) + 1;
    return place;
}

static bool is_blank(char byte)
{
    return byte == '\n' || byte == '\r' || byte == '\t';
}

/* Where the first character is that no configuration needs, or `length`. */
static size_t first_unwanted(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t step = dv_utf8_step(text + at, length - at);
        if (!is_blank(text[at]) && dv_utf8_steers(text + at, step))
            return at;
        at += step;
    }
    return length;
}

/* A '%' that begins a line, or `length`. libfyaml 0.7.12 reads past the end of malformed directives. */
static size_t first_directive(const char *text, size_t length)
{
    for (size_t at = 0; at < length; at++) {
        if (text[at] == '%' && (at == 0 || text[at - 1] == '\n' || text[at - 1] == '\r'))
            return at;
    }
    return length;
}

/* Where a run of more than EMPTY_LINES_MAX empty lines passes its limit, or `length`. libfyaml 0.7.12 looks ahead anew
 * from each of them, and puts those that end a block on the stack. */
static size_t first_endless_gap(const char *text, size_t length)
{
    size_t breaks = 0;
    for (size_t at = 0; at < length; at++) {
        if (text[at] == '\n' || (text[at] == '\r' && (at + 1 == length || text[at + 1] != '\n')))
            breaks++;
        else if (text[at] != ' ' && !is_blank(text[at]))
            breaks = 0;
        if (breaks > EMPTY_LINES_MAX)
            return at;
    }
    return length;
}

bool dv_yaml_check_text(const char *name, const char *text, size_t length, struct dv_diags *diags)
{
    if (length > DV_YAML_BYTES_MAX) {
        dv_diags_add(diags, (struct dv_place){ .file = name, .length = 1 }, "C007", NULL, NULL,
                     "the file is over 1 MiB");
        return false;
    }
    size_t at = first_unwanted(text, length);
    if (at < length) {
        struct dv_place place = place_of_byte(name, text, at);
        if (dv_utf8_step(text + at, length - at) == 0)
            dv_diags_add(diags, place, "C001", NULL, "save the file as UTF-8", "not UTF-8");
        else
            dv_diags_add(diags, place, "C002", NULL, NULL, "%s characters are not allowed",
                         text[at] == '\0' ? "NUL" : "control");
        return false;
    }
    size_t directive = first_directive(text, length);
    if (directive < length)
        dv_diags_add(diags, place_of_byte(name, text, directive), "C002", NULL, "quote the value, or indent the line",
                     "a line must not begin with %%: directives are not allowed");
    size_t gap = first_endless_gap(text, length);
    if (gap < length)
        dv_diags_add(diags, place_of_byte(name, text, gap), "C007", NULL, NULL, "more than %d empty lines in a row",
                     EMPTY_LINES_MAX);
    return directive == length && gap == length;
}

static bool is_before(struct dv_place a, struct dv_place b)
{
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* By key, then by place, so that of two equal keys the later one is the mistake. */
static int compare_keys(const void *left, const void *right)
{
    const struct dv_yaml *const *a = left;
    const struct dv_yaml *const *b = right;
    int by_key = strcmp((*a)->key, (*b)->key);
    if (by_key != 0)
        return by_key;
    return is_before((*a)->key_place, (*b)->key_place) ? -1 : 1;
}

static void tell_duplicates(const struct dv_yaml **children, size_t count, struct dv_diags *diags)
{
    for (size_t i = 1; i < count; i++) {
        if (strcmp(children[i - 1]->key, children[i]->key) == 0)
            dv_diags_add(diags, children[i]->key_place, "C002", NULL, "keep one of the two",
                         "key '%s' stands already in line %u", children[i]->key, children[i - 1]->key_place.line);
    }
}

bool dv_yaml_check_duplicates(const struct dv_yaml *map, struct dv_diags *diags)
{
    DV_ASSERT(map->kind == DV_YAML_MAP);
    if (map->count < 2)
        return true;
    const struct dv_yaml **children = dv_memory_zeroed(map->count, sizeof *children);
    if (children == NULL) {
        dv_diags_add(diags, map->place, "C007", NULL, NULL, "out of memory");
        return false;
    }
    size_t count = 0;
    for (const struct dv_yaml *child = map->first; child != NULL; child = child->next)
        children[count++] = child;
    DV_ASSERT(count == map->count);
    qsort(children, count, sizeof children[0], compare_keys);
    tell_duplicates(children, count, diags);
    dv_memory_free(children);
    return true;
}

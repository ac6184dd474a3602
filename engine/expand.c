/* SPDX-License-Identifier: Apache-2.0
 * expand.c - ${VAR}: one pass to measure and find mistakes, one to write. */
#include "engine/expand.h"

#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/operator.h"
#include "engine/text.h"

enum { NAME_MAX_BYTES = 128 };

/* One reference, taken apart. */
struct reference {
    char name[NAME_MAX_BYTES + 1];
    char mark;     /* '\0', '-' or '?' */
    struct dv_span word; /* what follows the mark */
    size_t size;         /* of the whole reference, from '$' to '}' */
};

/* One walk over a text; without `out` it only measures. */
struct walk {
    struct dv_span text;
    struct dv_place place;
    struct dv_diags *diags;
    char *out;
    size_t written;
    bool wrong;
};

static bool is_name_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

/* "${" starts a reference, "$${" an escaped one. */
static bool starts_with(struct dv_span text, size_t at, const char *sign)
{
    size_t length = strlen(sign);
    return text.length - at >= length && memcmp(text.text + at, sign, length) == 0;
}

static size_t name_length(struct dv_span text, size_t from)
{
    size_t length = 0;
    if (from < text.length && is_name_start(text.text[from])) {
        while (from + length < text.length && is_name_part(text.text[from + length]))
            length++;
    }
    return length;
}

/* What stands between the name and '}'. False: neither nothing nor ":-word" nor ":?word". */
static bool take_apart(struct dv_span text, size_t at, struct reference *ret)
{
    *ret = (struct reference){ .mark = '\0' };
    size_t from = at + 2;
    const char *close = memchr(text.text + from, '}', text.length - from);
    size_t length = name_length(text, from);
    if (close == NULL || length == 0 || length > NAME_MAX_BYTES)
        return false;
    memcpy(ret->name, text.text + from, length);
    size_t past = (size_t)(close - text.text);
    ret->size = past + 1 - at;
    size_t next = from + length;
    if (next == past)
        return true;
    if (past - next < 2 || text.text[next] != ':' || (text.text[next + 1] != '-' && text.text[next + 1] != '?'))
        return false;
    ret->mark = text.text[next + 1];
    ret->word = (struct dv_span){ text.text + next + 2, past - next - 2 };
    return memchr(ret->word.text, '$', ret->word.length) == NULL; /* "${A:-${B}}" would end at the wrong brace */
}

static void put(struct walk *walk, const char *text, size_t length)
{
    if (walk->out != NULL && length != 0)
        memcpy(walk->out + walk->written, text, length);
    walk->written += length;
}

static void complain_unset(struct walk *walk, const struct reference *reference)
{
    walk->wrong = true;
    if (reference->mark == '?' && reference->word.length != 0) {
        dv_diags_add(walk->diags, walk->place, "C003", NULL, NULL, "variable '%s': %.*s", reference->name,
                     (int)reference->word.length, reference->word.text);
        return;
    }
    const char *help =
        dv_arena_printf(walk->diags->arena, "set it, or give a default: ${%s:-default}", reference->name);
    dv_diags_add(walk->diags, walk->place, "C003", NULL, help, "variable '%s' is not set%s", reference->name,
                 reference->mark == '?' ? " or is empty" : "");
}

static void put_variable(struct walk *walk, const struct reference *reference)
{
    const char *value = getenv(reference->name);
    bool is_empty = value == NULL || value[0] == '\0';
    if (reference->mark == '-' && is_empty) {
        put(walk, reference->word.text, reference->word.length);
        return;
    }
    if (value == NULL || (reference->mark == '?' && is_empty)) {
        complain_unset(walk, reference);
        return;
    }
    size_t length = strnlen(value, DV_EXPANDED_MAX + 1);
    if (length <= DV_EXPANDED_MAX && dv_utf8_valid(value, length) != length) {
        walk->wrong = true;
        dv_diags_add(walk->diags, walk->place, "C003", NULL, NULL, "variable '%s' is not UTF-8", reference->name);
        return;
    }
    put(walk, value, length);
}

static void put_reference(struct walk *walk, size_t *at)
{
    struct reference reference;
    if (take_apart(walk->text, *at, &reference)) {
        put_variable(walk, &reference);
        *at += reference.size;
        return;
    }
    walk->wrong = true;
    dv_diags_add(walk->diags, walk->place, "C003", NULL,
                 "write ${NAME}, ${NAME:-default} or ${NAME:?message}, and $${ for a plain ${",
                 "malformed variable reference");
    *at = walk->text.length;
}

/* Stops at the first text that is too long, so that the sum cannot overflow. */
static void walk_text(struct walk *walk)
{
    size_t at = 0;
    while (at < walk->text.length && walk->written <= DV_EXPANDED_MAX && !walk->wrong) {
        if (starts_with(walk->text, at, "$${")) {
            put(walk, "${", 2);
            at += 3;
        } else if (starts_with(walk->text, at, "${")) {
            put_reference(walk, &at);
        } else {
            put(walk, walk->text.text + at, 1);
            at++;
        }
    }
}

static bool refuse_long(struct walk *walk)
{
    dv_diags_add(walk->diags, walk->place, "C007", NULL, NULL, "a value with its variables is over %d bytes",
                 DV_EXPANDED_MAX);
    return false;
}

bool dv_expand(struct dv_span text, struct dv_place place, struct dv_arena *arena, struct dv_diags *diags,
               struct dv_span *ret)
{
    DV_ASSERT(text.text != NULL);
    *ret = text;
    if (memmem(text.text, text.length, "${", 2) == NULL)
        return true;
    struct walk walk = { .text = text, .place = place, .diags = diags };
    walk_text(&walk);
    if (walk.wrong)
        return false;
    if (walk.written > DV_EXPANDED_MAX)
        return refuse_long(&walk);
    size_t size = walk.written;
    char *out = dv_arena_text(arena, size + 1);
    if (out == NULL) {
        dv_diags_add(diags, place, "C007", NULL, NULL, "out of memory");
        return false;
    }
    walk.out = out;
    walk.written = 0;
    walk_text(&walk);
    DV_ASSERT(walk.written == size);
    out[size] = '\0';
    *ret = (struct dv_span){ out, size };
    return true;
}

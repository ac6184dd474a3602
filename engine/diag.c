/* SPDX-License-Identifier: Apache-2.0
 * diag.c - a list of findings, sorted when printed; lines are looked up in the sources only then. */
#include "engine/diag.h"

#include <string.h>

#include "engine/arena.h"
#include "engine/id.h"
#include "engine/text.h"

struct dv_source_text {
    const char *file;
    const char *text;
    size_t length;
    struct dv_source_text *next;
};

struct dv_hidden {
    struct dv_place place;
    struct dv_hidden *next;
};

/* How much of a long line is shown, and how much of that stands before the caret. */
enum { SHOWN_MAX = 160, SHOWN_BEFORE = 80, MESSAGE_MAX = 512 };

void dv_diags_init(struct dv_diags *diags, struct dv_arena *arena)
{
    DV_ASSERT(arena != NULL);
    *diags = (struct dv_diags){ .arena = arena };
}

void dv_diags_source(struct dv_diags *diags, const char *file, const char *text, size_t length)
{
    DV_ASSERT(file != NULL && (text != NULL || length == 0));
    struct dv_source_text *source = dv_arena_zeroed(diags->arena, 1, sizeof *source);
    if (source == NULL)
        return; /* findings are then printed without their line */
    *source = (struct dv_source_text){ .file = file, .text = text, .length = length, .next = diags->sources };
    diags->sources = source;
}

uint64_t dv_diags_sources_hash(const struct dv_diags *diags, const struct dv_source_text *known)
{
    uint64_t hash = 0;
    for (const struct dv_source_text *source = diags->sources; source != NULL && source != known; source = source->next) {
        hash = dv_hash64(source->file, strlen(source->file), hash + 1);
        hash = source->length > 0 ? dv_hash64(source->text, source->length, hash) : hash;
    }
    return hash;
}

bool dv_diags_source_at(const struct dv_diags *diags, uint32_t index, const char **ret_file, const char **ret_text,
                        size_t *ret_length)
{
    const struct dv_source_text *source = diags->sources;
    while (source != NULL && index-- > 0)
        source = source->next;
    if (source == NULL)
        return false;
    *ret_file = source->file;
    *ret_text = source->text;
    *ret_length = source->length;
    return true;
}

void dv_diags_hide(struct dv_diags *diags, struct dv_place place)
{
    struct dv_hidden *hidden = dv_arena_zeroed(diags->arena, 1, sizeof *hidden);
    if (hidden == NULL) {
        diags->sources = NULL; /* no line at all is better than one with a secret */
        return;
    }
    *hidden = (struct dv_hidden){ .place = place, .next = diags->hidden };
    diags->hidden = hidden;
}

static const char *keep_text(struct dv_arena *arena, const char *text)
{
    return text != NULL ? dv_arena_copy(arena, text, strlen(text)) : NULL;
}

/* A name in a message may be as long as the file: what is too long is cut, between two characters. */
static const char *keep_message(struct dv_arena *arena, const char *format, va_list arguments)
{
    char text[MESSAGE_MAX + 1];
    int length = vsnprintf(text, sizeof text, format, arguments);
    if (length < 0)
        return NULL;
    if (length <= MESSAGE_MAX)
        return dv_arena_copy(arena, text, (size_t)length);
    return dv_arena_printf(arena, "%.*s…", (int)dv_utf8_valid(text, MESSAGE_MAX), text);
}

void dv_diags_add(struct dv_diags *diags, struct dv_place place, const char *code, const char *detail, const char *help,
                  const char *format, ...)
{
    DV_ASSERT(code != NULL && format != NULL);
    diags->count++;
    if (diags->count > DV_DIAGS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    const char *message = keep_message(diags->arena, format, arguments);
    va_end(arguments);
    struct dv_diag *diag = dv_arena_zeroed(diags->arena, 1, sizeof *diag);
    if (message == NULL || diag == NULL)
        return;
    *diag = (struct dv_diag){ .place = place, .code = code, .message = message };
    diag->detail = keep_text(diags->arena, detail);
    diag->help = keep_text(diags->arena, help);
    if (diags->last != NULL)
        diags->last->next = diag;
    else
        diags->first = diag;
    diags->last = diag;
}

bool dv_diags_leaks(const struct dv_diags *diags)
{
    for (const struct dv_diag *diag = diags->first; diag != NULL; diag = diag->next) {
        if (diag->code[0] == 'P')
            return true;
    }
    return false;
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int compare_place(struct dv_place a, struct dv_place b)
{
    int by_file = compare_text(a.file, b.file);
    if (by_file != 0)
        return by_file;
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return a.column < b.column ? -1 : a.column > b.column;
}

/* Insertion keeps findings at one place in the order they were made. */
static size_t sort(const struct dv_diags *diags, const struct dv_diag **sorted)
{
    size_t count = 0;
    for (const struct dv_diag *diag = diags->first; diag != NULL; diag = diag->next) {
        DV_ASSERT(count < DV_DIAGS_MAX);
        size_t at = count++;
        for (; at > 0 && compare_place(sorted[at - 1]->place, diag->place) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = diag;
    }
    return count;
}

/* A line of a source, without its end. */
struct line {
    const char *text;
    size_t length;
};

static struct line first_line(const char *text, const char *end)
{
    size_t length = 0;
    while (text + length < end && text[length] != '\n' && text[length] != '\r')
        length++;
    return (struct line){ text, length };
}

static bool find_line(const struct dv_diags *diags, struct dv_place place, struct line *ret_line)
{
    const struct dv_source_text *source = diags->sources;
    while (source != NULL && compare_text(source->file, place.file) != 0)
        source = source->next;
    if (source == NULL || source->length == 0 || place.line == 0)
        return false;
    const char *end = source->text + source->length;
    struct line line = first_line(source->text, end);
    for (uint32_t number = 1; number < place.line; number++) {
        const char *next = line.text + line.length;
        if (next == end)
            return false;
        next += next[0] == '\r' && next + 1 < end && next[1] == '\n' ? 2 : 1;
        line = first_line(next, end);
    }
    *ret_line = line;
    return true;
}

static bool is_hidden(const struct dv_diags *diags, struct dv_place place, uint32_t column)
{
    for (const struct dv_hidden *hidden = diags->hidden; hidden != NULL; hidden = hidden->next) {
        struct dv_place at = hidden->place;
        if (at.line == place.line && compare_text(at.file, place.file) == 0 && column >= at.column &&
            column - at.column < at.length)
            return true;
    }
    return false;
}

/* The window of columns that is shown around the caret. */
struct window {
    uint32_t first;
    uint32_t past;
};

static struct window window_around(uint32_t column)
{
    uint32_t first = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 1;
    return (struct window){ first, first + SHOWN_MAX };
}

static void print_line(const struct dv_diags *diags, struct dv_place place, struct line line, FILE *out)
{
    struct window shown = window_around(place.column);
    uint32_t column = 1;
    (void)fprintf(out, "   %u | %s", place.line, shown.first > 1 ? "…" : "");
    for (size_t at = 0; at < line.length && column < shown.past; column++) {
        size_t step = dv_utf8_step(line.text + at, line.length - at);
        size_t size = step != 0 ? step : 1;
        if (column >= shown.first && is_hidden(diags, place, column))
            (void)fputc('*', out);
        else if (column >= shown.first)
            dv_put_clean(out, line.text + at, size);
        at += size;
    }
    (void)fputs(column == shown.past ? "…\n" : "\n", out);
}

static void print_caret(struct dv_place place, struct line line, FILE *out, bool colour)
{
    struct window shown = window_around(place.column);
    int gutter = snprintf(NULL, 0, "   %u ", place.line);
    uint32_t left = place.column - shown.first + (shown.first > 1 ? 1 : 0);
    size_t characters = dv_utf8_count(line.text, line.length);
    uint32_t longest = shown.past - place.column;
    if (characters + 1 > place.column && characters + 1 - place.column < longest)
        longest = (uint32_t)(characters + 1 - place.column);
    uint32_t length = place.length < longest ? place.length : longest;
    (void)fprintf(out, "%*s| %*s%s^", gutter, "", (int)left, "", colour ? "\033[1;31m" : "");
    for (uint32_t i = 1; i < length; i++)
        (void)fputc('~', out);
    (void)fputs(colour ? "\033[0m\n" : "\n", out);
}

/* Detail lines are indented one by one, as the path of a leak is drawn. */
static void print_detail(const char *detail, FILE *out)
{
    const char *end = detail + strlen(detail);
    for (const char *at = detail; at < end;) {
        struct line line = first_line(at, end);
        (void)fputs("   ", out);
        dv_put_clean(out, line.text, line.length);
        (void)fputc('\n', out);
        at = line.text + line.length + 1;
    }
}

static void print_place(struct dv_place place, FILE *out)
{
    const char *file = place.file != NULL ? place.file : "datavault";
    dv_put_clean(out, file, strlen(file));
    if (place.line != 0)
        (void)fprintf(out, ":%u:%u", place.line, place.column);
    (void)fputs(": ", out);
}

static void print_one(const struct dv_diags *diags, const struct dv_diag *diag, FILE *out, bool colour)
{
    print_place(diag->place, out);
    (void)fprintf(out, "%serror[%s]%s: ", colour ? "\033[1;31m" : "", diag->code, colour ? "\033[0m" : "");
    dv_put_clean(out, diag->message, strlen(diag->message));
    (void)fputc('\n', out);
    struct line line = { NULL, 0 };
    if (diag->place.column != 0 && find_line(diags, diag->place, &line)) {
        print_line(diags, diag->place, line, out);
        print_caret(diag->place, line, out, colour);
    }
    if (diag->detail != NULL)
        print_detail(diag->detail, out);
    if (diag->help != NULL) {
        (void)fprintf(out, "   %shelp:%s ", colour ? "\033[1;36m" : "", colour ? "\033[0m" : "");
        dv_put_clean(out, diag->help, strlen(diag->help));
        (void)fputc('\n', out);
    }
}

void dv_diags_print(const struct dv_diags *diags, FILE *out, bool colour)
{
    const struct dv_diag *sorted[DV_DIAGS_MAX];
    size_t count = sort(diags, sorted);
    for (size_t i = 0; i < count; i++)
        print_one(diags, sorted[i], out, colour);
    if (diags->count > count)
        (void)fprintf(out, "and %zu more: mend these first\n", diags->count - count);
}

static void print_json_one(const struct dv_diag *diag, FILE *out)
{
    (void)fputs("{\"file\":", out);
    dv_put_json(out, diag->place.file);
    (void)fprintf(out, ",\"line\":%u,\"column\":%u,\"code\":", diag->place.line, diag->place.column);
    dv_put_json(out, diag->code);
    (void)fputs(",\"message\":", out);
    dv_put_json(out, diag->message);
    (void)fputs(",\"detail\":", out);
    dv_put_json(out, diag->detail);
    (void)fputs(",\"help\":", out);
    dv_put_json(out, diag->help);
    (void)fputc('}', out);
}

void dv_diags_print_json(const struct dv_diags *diags, FILE *out)
{
    const struct dv_diag *sorted[DV_DIAGS_MAX];
    size_t count = sort(diags, sorted);
    (void)fputc('[', out);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i == 0 ? "" : ",\n ", out);
        print_json_one(sorted[i], out);
    }
    (void)fputs("]\n", out);
}

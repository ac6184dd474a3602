/* SPDX-License-Identifier: Apache-2.0
 * sse_read.c - bytes into lines, lines into fields, fields into events. */
#include "connectors/sse_read.h"

#include <string.h>

#include "engine/json.h"
#include "engine/memory.h"

enum { ROOM_FIRST = 1024 };

void dv_sse_init(struct dv_sse_reader *reader, enum dv_sse_form form, dv_sse_take take, void *data)
{
    *reader = (struct dv_sse_reader){
        .form = form, .event_max = DV_SSE_EVENT_MAX, .events_max = DV_SSE_EVENTS_MAX, .take = take, .data = data
    };
}

void dv_sse_free(struct dv_sse_reader *reader)
{
    dv_sse_text_free(&reader->line);
    dv_sse_text_free(&reader->text);
}

void dv_sse_text_free(struct dv_sse_text *text)
{
    if (text->bytes != NULL)
        explicit_bzero(text->bytes, text->size);
    dv_memory_free(text->bytes);
    *text = (struct dv_sse_text){ 0 };
}

static dv_rc fail(struct dv_sse_reader *reader, dv_rc rc, const char *reason)
{
    reader->rc = rc;
    reader->reason = reason;
    return rc;
}

/* Room for so much more, and for the padding behind it. */
static bool make_room(struct dv_sse_text *text, size_t more)
{
    size_t needed = text->used + more + DV_JSON_PADDING;
    size_t size = text->size != 0 ? text->size : ROOM_FIRST;
    if (needed <= text->size)
        return true;
    while (size < needed)
        size *= 2;
    char *bytes = dv_memory_zeroed(1, size);
    if (bytes == NULL)
        return false;
    if (text->used > 0)
        memcpy(bytes, text->bytes, text->used);
    struct dv_sse_text larger = { bytes, text->used, size };
    dv_sse_text_free(text);
    *text = larger;
    return true;
}

bool dv_sse_text_add(struct dv_sse_text *text, const char *bytes, size_t length)
{
    if (!make_room(text, length))
        return false;
    memcpy(text->bytes + text->used, bytes, length);
    text->used += length;
    return true;
}

static dv_rc append(struct dv_sse_reader *reader, struct dv_sse_text *text, const char *bytes, size_t length)
{
    if (length > reader->event_max - text->used)
        return fail(reader, DV_E_LIMIT, "an event of the answer is too long");
    return dv_sse_text_add(text, bytes, length) ? DV_OK
                                                : fail(reader, DV_E_MEMORY, "no memory for an event of the answer");
}

/* ---- events ---- */

static dv_rc give(struct dv_sse_reader *reader, struct dv_sse_text *text, bool is_error)
{
    const struct dv_sse_event event = { text->bytes, text->used, is_error };
    if (reader->events++ >= reader->events_max)
        return fail(reader, DV_E_LIMIT, "the answer has too many events");
    bool goes_on = reader->take(reader->data, &event);
    return goes_on ? DV_OK : fail(reader, DV_E_DATA, "no more of the answer is wanted");
}

static dv_rc end_event(struct dv_sse_reader *reader)
{
    dv_rc rc = DV_OK;
    if (reader->has_data) {
        DV_TRY(append(reader, &reader->text, "", 0)); /* so that even nothing has padding behind it */
        rc = give(reader, &reader->text, reader->is_error);
    }
    reader->text.used = 0;
    reader->has_data = reader->is_error = false;
    return rc;
}

/* ---- lines ---- */

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

static dv_rc take_data(struct dv_sse_reader *reader, const char *value, size_t length)
{
    if (reader->has_data)
        DV_TRY(append(reader, &reader->text, "\n", 1));
    reader->has_data = true;
    return append(reader, &reader->text, value, length);
}

static dv_rc take_field(struct dv_sse_reader *reader, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    size_t name = colon != NULL ? (size_t)(colon - line) : length;
    const char *value = colon != NULL ? colon + 1 : line + length;
    size_t rest = (size_t)(line + length - value);
    if (rest > 0 && *value == ' ') {
        value++;
        rest--;
    }
    if (is_word(line, name, "event")) {
        reader->is_error = is_word(value, rest, "error");
        return DV_OK;
    }
    bool is_error = is_word(line, name, "error");
    reader->is_error = reader->is_error || is_error;
    return is_error || is_word(line, name, "data") ? take_data(reader, value, rest) : DV_OK;
}

static dv_rc end_line(struct dv_sse_reader *reader)
{
    struct dv_sse_text *line = &reader->line;
    size_t skip = reader->lines++ == 0 && line->used >= 3 && memcmp(line->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    dv_rc rc = DV_OK;
    if (skip > 0) { /* a byte order mark is no text */
        line->used -= skip;
        memmove(line->bytes, line->bytes + skip, line->used);
    }
    if (reader->form == DV_SSE_LINES)
        rc = line->used > 0 ? give(reader, line, false) : DV_OK;
    else
        rc = line->used > 0 ? take_field(reader, line->bytes, line->used) : end_event(reader);
    line->used = 0;
    return rc;
}

/* The first CR or LF, or the end. */
static size_t line_length(const char *bytes, size_t length)
{
    const char *lf = memchr(bytes, '\n', length);
    size_t end = lf != NULL ? (size_t)(lf - bytes) : length;
    const char *cr = memchr(bytes, '\r', end);
    return cr != NULL ? (size_t)(cr - bytes) : end;
}

dv_rc dv_sse_feed(struct dv_sse_reader *reader, const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length && reader->rc == DV_OK) {
        if (reader->after_cr && bytes[at] == '\n') { /* the other half of a line's end */
            reader->after_cr = false;
            at++;
            continue;
        }
        size_t part = line_length(bytes + at, length - at);
        reader->after_cr = false;
        DV_TRY(append(reader, &reader->line, bytes + at, part));
        at += part;
        if (at == length)
            break;
        reader->after_cr = bytes[at] == '\r';
        at++;
        DV_TRY(end_line(reader));
    }
    return reader->rc;
}

bool dv_sse_is_between(const struct dv_sse_reader *reader)
{
    return reader->line.used == 0 && !reader->has_data;
}

dv_rc dv_sse_end(struct dv_sse_reader *reader)
{
    if (reader->rc == DV_OK && reader->line.used > 0)
        DV_TRY(end_line(reader));
    if (reader->rc == DV_OK && reader->form == DV_SSE_EVENTS)
        DV_TRY(end_event(reader));
    return reader->rc;
}

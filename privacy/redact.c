/* SPDX-License-Identifier: Apache-2.0
 * redact.c - detects, makes what stands for each finding, measures the result, writes it once. */
#include "privacy/redact.h"

#include <string.h>

#include "privacy/date.h"
#include "privacy/surrogate.h"

/* What stands for a finding. */
struct stand_in {
    const char *text; /* NULL: the type in brackets */
    size_t length;
};

/* One text. */
struct work {
    const struct dv_redact_how *how;
    struct dv_arena *arena;
    const char *text;
    const struct dv_span *spans;
    size_t count;
    struct stand_in *stand_ins;
    struct dv_surrogate surrogate; /* .options NULL: none */
};

static bool move_date(const struct work *work, const struct dv_span *span, struct dv_buffer *out)
{
    const char *text = work->text + span->start;
    size_t length = span->end - span->start;
    return length <= out->size && (dv_date_move(work->how->days, text, length, out) == DV_OK ||
                                   dv_date_move_words(work->how->days, text, length, out) == DV_OK);
}

static bool make_surrogate(const struct work *work, const struct dv_span *span, struct dv_buffer *out)
{
    const char *text = work->text + span->start;
    return work->surrogate.options != NULL && span->type != DV_PII_OTHER &&
           dv_surrogate_make(&work->surrogate, span->type, text, span->end - span->start, out) == DV_OK;
}

static void make_stand_in(const struct work *work, const struct dv_span *span, struct stand_in *stand_in)
{
    bool moves = work->how->days != 0 && span->type == DV_PII_DATE;
    *stand_in = (struct stand_in){ .length = strlen(dv_span_name(span)) + 2 };
    if (!moves && (work->surrogate.options == NULL || span->type == DV_PII_CUSTOM || span->type == DV_PII_AGE))
        return;
    struct dv_buffer buffer = { .text = dv_arena_text(work->arena, DV_SURROGATE_MAX), .size = DV_SURROGATE_MAX };
    if (buffer.text == NULL)
        return;
    bool done = moves ? move_date(work, span, &buffer) : make_surrogate(work, span, &buffer);
    dv_arena_trim(work->arena, buffer.text, buffer.size, done ? buffer.length : 0);
    if (done)
        *stand_in = (struct stand_in){ .text = buffer.text, .length = buffer.length };
}

/* Whole names come before parts of them, so that a surname alone is known wherever it stands. */
static void meet_people(const struct work *work)
{
    if (work->surrogate.options == NULL)
        return;
    DV_UNINITIALIZED char name[DV_SURROGATE_MAX];
    for (size_t i = 0; i < work->count; i++) {
        const struct dv_span *span = &work->spans[i];
        struct dv_buffer buffer = { .text = name, .size = sizeof name };
        bool whole = span->type == DV_PII_PERSON && memchr(work->text + span->start, ' ', span->end - span->start) != NULL;
        if (whole)
            (void)make_surrogate(work, span, &buffer);
    }
}

static char *put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

static char *put_stand_in(char *at, const struct stand_in *stand_in, const struct dv_span *span)
{
    const char *name = dv_span_name(span);
    if (stand_in->text != NULL)
        return put(at, stand_in->text, stand_in->length);
    *at++ = '[';
    at = put(at, name, strlen(name));
    *at++ = ']';
    return at;
}

static void write_redacted(const struct work *work, size_t length, char *at)
{
    size_t done = 0;
    for (size_t i = 0; i < work->count; i++) {
        at = put(at, work->text + done, work->spans[i].start - done);
        at = put_stand_in(at, &work->stand_ins[i], &work->spans[i]);
        done = work->spans[i].end;
    }
    put(at, work->text + done, length - done);
}

static dv_rc replace(const struct work *work, size_t length, struct dv_redacted *ret_redacted)
{
    size_t size = length;
    meet_people(work);
    for (size_t i = 0; i < work->count; i++) {
        make_stand_in(work, &work->spans[i], &work->stand_ins[i]);
        size += work->stand_ins[i].length - (work->spans[i].end - work->spans[i].start);
    }
    char *copy = size <= UINT32_MAX ? dv_arena_text(work->arena, size) : NULL;
    if (copy == NULL)
        return DV_E_MEMORY;
    write_redacted(work, length, copy);
    *ret_redacted = (struct dv_redacted){ .text = copy, .length = (uint32_t)size };
    return DV_OK;
}

dv_rc dv_redact_found(const struct dv_span *spans, size_t count, const struct dv_redact_how *how, struct dv_arena *arena,
                      const char *text, size_t length, struct dv_redacted *ret_redacted)
{
    DV_ASSERT(count <= DV_REDACT_SPANS_MAX && length <= UINT32_MAX);
    DV_UNINITIALIZED struct stand_in stand_ins[DV_REDACT_SPANS_MAX];
    *ret_redacted = (struct dv_redacted){ .text = count == 0 ? text : "", .length = count == 0 ? (uint32_t)length : 0 };
    DV_UNINITIALIZED struct dv_people people;
    struct work work = {
        .how = how, .arena = arena, .text = text, .spans = spans, .count = count, .stand_ins = stand_ins,
    };
    if (how->surrogate != NULL) {
        work.surrogate = *how->surrogate;
        work.surrogate.people = &people;
        people.count = 0;
    }
    return count == 0 ? DV_OK : replace(&work, length, ret_redacted);
}

dv_rc dv_redact_with(const struct dv_finder *finder, const struct dv_redact_how *how, struct dv_arena *arena,
                     const char *text, size_t length, struct dv_redacted *ret_redacted)
{
    DV_UNINITIALIZED struct dv_span spans[DV_REDACT_SPANS_MAX];
    *ret_redacted = (struct dv_redacted){ .text = "" };
    if (length > UINT32_MAX)
        return DV_E_LIMIT;
    size_t count = dv_find(finder, text, length, spans, DV_REDACT_SPANS_MAX);
    return dv_redact_found(spans, count, how, arena, text, length, ret_redacted);
}

dv_rc dv_redact(const struct dv_finder *finder, struct dv_arena *arena, const char *text, size_t length,
                struct dv_redacted *ret_redacted)
{
    static const struct dv_redact_how types = { 0 };
    return dv_redact_with(finder, &types, arena, text, length, ret_redacted);
}

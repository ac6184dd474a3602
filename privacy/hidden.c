/* SPDX-License-Identifier: Apache-2.0
 * hidden.c - windows of decoded text, and the insides of base64. */
#include "privacy/hidden.h"

#include <string.h>

#include "engine/memory.h"
#include "privacy/base64_run.h"
#include "privacy/decode.h"
#include "privacy/finder.h"
#include "privacy/spans.h"

enum {
    WINDOW = DV_HIDDEN_WINDOW,
    OVERLAP = 512,
    LEVELS = 2,
    FOUND_MAX = 4096,
    INSIDE_MAX = 256,
    PAYLOAD = 32768,
    STARTS_MAX = 32,
    STARTS_WHOLE = 4, /* of them are decoded to the end, whatever they begin with */
    PROBE = 48
};

struct dv_hidden {
    unsigned char text[WINDOW]; /* decoded */
    uint32_t map[WINDOW + 1];   /* and where each byte stood in its window */
    struct dv_span found[FOUND_MAX];
    unsigned char payload[PAYLOAD]; /* of base64 */
    unsigned char tail[OVERLAP];    /* its last bytes, which the next one begins with */
    struct dv_span inside[INSIDE_MAX];
};

/* A search: what looks, and the spans so far. */
struct search {
    struct dv_hidden *hidden;
    const struct dv_finder *finder;
    struct dv_span *spans;
    size_t count, max;
    uint32_t length; /* of the text */
};

struct dv_hidden *dv_hidden_new(void)
{
    return dv_memory_zeroed(1, sizeof(struct dv_hidden));
}

void dv_hidden_free(struct dv_hidden *hidden)
{
    if (hidden != NULL)
        explicit_bzero(hidden, sizeof *hidden);
    dv_memory_free(hidden);
}

/* Takes in hidden->found[0..count), whose places are those of the text. */
static void take(struct search *search, size_t count)
{
    struct dv_span *found = search->hidden->found;
    count = dv_spans_new(search->spans, search->count, found, count);
    if (search->count + count > search->max) /* half an address was found before, and now all of it */
        search->count = dv_spans_new(found, count, search->spans, search->count);
    if (count > 0)
        search->count = dv_spans_merge(search->spans, search->count, search->max, found, count, search->length);
}

/* The strongest finding in text[0..length), if there is any. */
static bool find_strongest(const struct search *search, const unsigned char *text, uint32_t length,
                           struct dv_span *ret_found)
{
    struct dv_span *inside = search->hidden->inside;
    size_t count = dv_find_plain(search->finder, (const char *)text, length, inside, INSIDE_MAX), best = 0;
    for (size_t i = 1; i < count; i++)
        if (inside[i].type != DV_PII_OTHER && inside[i].score > inside[best].score)
            best = i;
    if (count > 0)
        *ret_found = inside[best];
    return count > 0;
}

/* base64 in base64; each run is overwritten by its bytes. */
static bool find_nested(const struct search *search, unsigned char *text, uint32_t length, struct dv_span *ret_found)
{
    struct dv_base64_run run;
    for (uint32_t at = 0; dv_base64_run_next(text, length, &at, &run);) {
        uint32_t from = run.start;
        uint32_t bytes = dv_base64_run_read(text, &from, run.end, text + run.start, run.end - run.start);
        if (dv_bytes_are_text(text + run.start, bytes) && find_strongest(search, text + run.start, bytes, ret_found))
            return true;
    }
    return false;
}

/* Whether there is something personal in the payload, which is used up. */
static bool is_personal(const struct search *search, uint32_t length, struct dv_span *ret_found)
{
    unsigned char *payload = search->hidden->payload;
    bool changed = false;
    if (find_strongest(search, payload, length, ret_found))
        return true;
    if (dv_decode_wanted(payload, length)) {
        length = dv_decode(payload, length, false, payload, NULL, &changed);
        if (changed && find_strongest(search, payload, length, ret_found))
            return true;
    }
    return find_nested(search, payload, length, ret_found);
}

/* Searches the run from `at` on, payload by payload; *ret_text tells whether the first is text at all. */
static bool search_run(const struct search *search, const unsigned char *text, uint32_t at, uint32_t end,
                       bool *ret_text, struct dv_span *ret_found)
{
    struct dv_hidden *hidden = search->hidden;
    uint32_t kept = 0;
    for (bool first = true; at < end; first = false) {
        uint32_t length = kept + dv_base64_run_read(text, &at, end, hidden->payload + kept, PAYLOAD - kept);
        bool is_text = dv_bytes_are_text(hidden->payload, length);
        if (first)
            *ret_text = is_text;
        if (first && !is_text)
            return false;
        kept = length < OVERLAP ? 0 : OVERLAP;
        memcpy(hidden->tail, hidden->payload + length - kept, kept);
        if (is_text && is_personal(search, length, ret_found))
            return true;
        memcpy(hidden->payload, hidden->tail, kept);
    }
    return false;
}

/* Whether what the run decodes to from `at` on begins as a text: images have many places to look at. */
static bool begins_as_text(const unsigned char *text, uint32_t at, uint32_t end)
{
    unsigned char bytes[PROBE];
    return dv_bytes_are_text(bytes, dv_base64_run_read(text, &at, end, bytes, PROBE));
}

/* A run that is no text from its start may be one behind a prefix: "token-", "/img/". */
static bool is_run_personal(const struct search *search, const unsigned char *text, const struct dv_base64_run *run,
                            struct dv_span *ret_found)
{
    uint32_t at = run->start;
    for (uint32_t i = 0; i < STARTS_MAX && at < run->end; i++) {
        bool is_text = false;
        bool looked_at = i < STARTS_WHOLE || begins_as_text(text, at, run->end);
        if (looked_at && search_run(search, text, at, run->end, &is_text, ret_found))
            return true;
        if (is_text)
            return false;
        at = dv_base64_run_later(text, run, at);
    }
    return false;
}

/* Covers what is personal of the base64 in text[0..length); `map` tells where it stood, behind `start`; NULL: right there. Runs
 * without escapes were seen before. */
static void find_base64(struct search *search, const unsigned char *text, uint32_t length, const uint32_t *map,
                        uint32_t start)
{
    struct dv_hidden *hidden = search->hidden;
    struct dv_base64_run run;
    size_t count = 0;
    uint32_t joined_end = 0; /* lines before it are nothing together: each is looked at alone */
    DV_ASSERT(hidden != NULL);
    for (uint32_t at = 0; dv_base64_run_next(text, length, &at, &run);) {
        struct dv_span found;
        if (run.line_start < joined_end) {
            run.start = run.line_start;
            at = run.end = run.line_end;
        }
        if (map != NULL && map[run.end] - map[run.start] == run.end - run.start)
            continue;
        if (!is_run_personal(search, text, &run, &found)) {
            if (run.start == run.line_start && run.line_end < run.end)
                joined_end = run.end;
            if (run.start < run.line_start || run.line_end < run.end) /* again without the letters before it, or line by line */
                at = run.line_start;
            continue;
        }
        found.start = start + (map != NULL ? map[run.start] : run.start);
        found.end = start + (map != NULL ? map[run.end] : run.end);
        found.why = "personal data in base64";
        hidden->found[count++] = found;
        if (count == FOUND_MAX) {
            take(search, count);
            count = 0;
        }
    }
    take(search, count);
}

/* The end of byte `at` - 1 of the decoded text in its window: a character of more bytes is one escape. */
static uint32_t end_of(const uint32_t *map, uint32_t at, uint32_t length)
{
    while (at < length && map[at] == map[at - 1])
        at++;
    return map[at];
}

static void find_decoded(struct search *search, uint32_t length, uint32_t start)
{
    struct dv_hidden *hidden = search->hidden;
    size_t count = dv_find_plain(search->finder, (const char *)hidden->text, length, hidden->found, FOUND_MAX);
    for (size_t i = 0; i < count; i++) {
        struct dv_span *span = &hidden->found[i];
        span->start = start + hidden->map[span->start];
        span->end = start + end_of(hidden->map, span->end, length);
    }
    take(search, count);
    find_base64(search, hidden->text, length, hidden->map, start);
}

static void search_window(struct search *search, const unsigned char *text, uint32_t start, uint32_t length)
{
    struct dv_hidden *hidden = search->hidden;
    bool changed = false;
    uint32_t left = dv_decode(text + start, length, false, hidden->text, hidden->map, &changed);
    for (uint32_t level = 0; changed; level++) {
        find_decoded(search, left, start);
        if (level + 1 == LEVELS || !dv_decode_wanted(hidden->text, left))
            return;
        left = dv_decode(hidden->text, left, true, hidden->text, hidden->map, &changed);
    }
}

/* Where the window that begins at `start` ends: behind its last line end, or blank, in its second half. */
static uint32_t window_end(const unsigned char *text, uint32_t length, uint32_t start)
{
    if (length - start <= WINDOW)
        return length;
    const unsigned char *half = text + start + WINDOW / 2;
    const unsigned char *line = memrchr(half, '\n', WINDOW / 2);
    if (line == NULL)
        line = memrchr(half, ' ', WINDOW / 2);
    return line != NULL ? (uint32_t)(line - text) + 1 : start + WINDOW;
}

size_t dv_hidden_find(struct dv_hidden *hidden, const struct dv_finder *finder, const char *text, size_t length, uint32_t seen,
                      struct dv_span *spans, size_t count, size_t max)
{
    const unsigned char *bytes = (const unsigned char *)text;
    struct search search = {
        .hidden = hidden, .finder = finder, .spans = spans, .count = count, .max = max, .length = (uint32_t)length
    };
    if ((seen & DV_SEEN_RUNS) != 0)
        find_base64(&search, bytes, search.length, NULL, 0);
    for (uint32_t start = 0, end = 0; (seen & DV_SEEN_ESCAPES) != 0 && end < search.length; start = end - OVERLAP) {
        end = window_end(bytes, search.length, start);
        if (dv_decode_wanted(bytes + start, end - start))
            search_window(&search, bytes, start, end - start);
    }
    return search.count;
}

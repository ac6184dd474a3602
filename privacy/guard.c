/* SPDX-License-Identifier: Apache-2.0
 * guard.c - a window on a stream: what is decided leaves at its front, what comes enters at its back.
 *
 *   | before: let go, kept to look back | decided, waits for its piece to end (full) | undecided | room |
 *   0                                 done                                         limit      length
 *
 * Whether a match is too long to be held is asked at every DV_GUARD_STEP bytes of the stream, wherever it was cut. */
#include "privacy/guard.h"

#include <string.h>

#include "engine/memory.h"
#include "privacy/detect_rows.h"
#include "privacy/guard_lane.h"

enum {
    DECIDED_MAX = 1152,
    WINDOW_BYTES = 4 * (DV_DETECT_BEHIND + DV_GUARD_HELD_MAX + DV_GUARD_STEP + DV_GUARD_SEGMENT_MAX),
    SENTENCE_WORD_MIN = 3, /* letters of a word that a full stop behind it does not shorten */
    SECRET_SCORE = 1001,   /* more than any verifier gives */
};

_Static_assert(DV_DETECT_BEHIND + DV_SECRET_RUN_MAX <= DV_GUARD_HELD_MAX, "a secret fits into what may be held");

_Static_assert((DV_GUARD_HELD_MAX + DV_GUARD_STEP) / 3 < DV_GUARD_FOUND_MAX, "findings of three bytes");
_Static_assert(2 * (DV_DETECT_BEHIND + DV_GUARD_HELD_MAX + DV_GUARD_STEP) < DV_GUARD_LANE_BYTES, "what is undecided, and what comes");
_Static_assert((DV_GUARD_HELD_MAX + DV_GUARD_STEP + DV_GUARD_SEGMENT_MAX) / 3 < DECIDED_MAX, "findings of three bytes");

struct dv_guard {
    const struct dv_guard_rules *rules;
    uint64_t taken; /* bytes of the stream */
    uint32_t done, limit;
    uint32_t sought;    /* full: no piece ends before it */
    uint32_t secret_state;
    bool covering;      /* in a match that was too long to hold */
    bool blocked;
    struct dv_guard_lane lanes[DV_GUARD_LANES]; /* the stream, and without its escapes */
    struct dv_guard_list secrets; /* found as they are */
    struct dv_guard_list decided; /* all, as far as `limit` */
    struct dv_span secrets_room[DV_GUARD_FOUND_MAX], decided_room[DECIDED_MAX];
    uint64_t counts[DV_PII_COUNT];
    char window[WINDOW_BYTES]; /* of lane 0 */
    unsigned char texts[DV_GUARD_LANES - 1][DV_GUARD_LANE_BYTES];
    uint32_t maps[DV_GUARD_LANES - 1][DV_GUARD_LANE_BYTES];
};

dv_rc dv_guard_rules_open(struct dv_guard_rules *rules, const struct dv_guard_options *options)
{
    bool full = options->strength == DV_GUARD_FULL;
    *rules = (struct dv_guard_rules){ .types = options->types | 1u << DV_PII_OTHER, .action = options->action,
                                      .strength = options->strength };
    DV_TRY(dv_secrets_open(&rules->secrets, options->secrets, options->secret_count));
    dv_rc rc = dv_finder_open(&rules->finder, options->types | (full ? 0 : DV_PII_NO_TAGGER));
    rules->piece = dv_memory_zeroed(DECIDED_MAX, sizeof *rules->piece);
    if (!dv_is_error(rc) && rules->piece == NULL)
        rc = DV_E_MEMORY;
    if (dv_is_error(rc))
        dv_guard_rules_close(rules);
    return rc;
}

void dv_guard_rules_close(struct dv_guard_rules *rules)
{
    dv_finder_close(&rules->finder);
    dv_secrets_close(&rules->secrets);
    dv_memory_free(rules->piece);
    rules->piece = NULL;
}

dv_rc dv_guard_open(struct dv_guard **ret_guard, const struct dv_guard_rules *rules)
{
    struct dv_guard *guard = dv_memory_zeroed(1, sizeof *guard);
    *ret_guard = guard;
    if (guard == NULL)
        return DV_E_MEMORY;
    guard->rules = rules;
    for (uint32_t i = 0; i < DV_GUARD_LANES; i++) {
        struct dv_guard_lane *lane = &guard->lanes[i];
        lane->found.spans = lane->found_room;
        lane->mapped.spans = lane->mapped_room;
        lane->text = i == 0 ? (unsigned char *)guard->window : guard->texts[i - 1];
        lane->map = i == 0 ? NULL : guard->maps[i - 1];
        lane->size = i == 0 ? WINDOW_BYTES : DV_GUARD_LANE_BYTES;
    }
    guard->secrets.spans = guard->secrets_room;
    guard->decided.spans = guard->decided_room;
    return DV_OK;
}

void dv_guard_close(struct dv_guard *guard)
{
    if (guard != NULL)
        explicit_bzero(guard, sizeof *guard);
    dv_memory_free(guard);
}

size_t dv_guard_held(const struct dv_guard *guard)
{
    return guard->rules->action == DV_GUARD_ALERT ? 0 : guard->lanes[0].length - guard->done;
}

uint64_t dv_guard_count(const struct dv_guard *guard, enum dv_pii type)
{
    DV_ASSERT((unsigned)type < DV_PII_COUNT);
    return guard->counts[type];
}

/* A secret that ends at the end of the window. */
static void note_secret(struct dv_guard *guard, uint32_t length)
{
    struct dv_guard_list *list = &guard->secrets;
    struct dv_span span = { .end = guard->lanes[0].length, .type = DV_PII_OTHER, .score = SECRET_SCORE, .why = "a known secret" };
    span.start = length < guard->lanes[0].length ? guard->lanes[0].length - length : 0;
    while (list->count > 0 && list->spans[list->count - 1].end > span.start)
        dv_guard_merge(&span, &list->spans[--list->count]);
    DV_ASSERT(list->count < DV_GUARD_FOUND_MAX);
    list->spans[list->count++] = span;
}

/* ---- what leaves ---- */

static void write_out(const struct dv_guard *guard, const struct dv_guard_out *out, uint32_t start, uint32_t end)
{
    if (end > start && guard->rules->action != DV_GUARD_ALERT)
        out->write(out->data, guard->window + start, end - start);
}

static void write_cover(struct dv_guard *guard, const struct dv_guard_out *out, enum dv_pii type)
{
    const char *name = dv_pii_name(type);
    guard->counts[type]++;
    if (guard->rules->action == DV_GUARD_BLOCK) {
        guard->blocked = true;
        out->write(out->data, DV_GUARD_MARKER, strlen(DV_GUARD_MARKER));
    } else if (guard->rules->action == DV_GUARD_REDACT) {
        out->write(out->data, "[", 1);
        out->write(out->data, name, strlen(name));
        out->write(out->data, "]", 1);
    }
}

/* Lets the bytes as far as `end` go, but for the findings in them. */
static void let_go(struct dv_guard *guard, const struct dv_guard_out *out, struct dv_guard_row findings, uint32_t end)
{
    struct dv_span span;
    while (!guard->blocked && dv_guard_row_next(&findings, &span)) {
        if (span.start >= end)
            break;
        write_out(guard, out, guard->done, span.start);
        write_cover(guard, out, span.type);
        guard->done = span.end;
    }
    if (!guard->blocked)
        write_out(guard, out, guard->done, end);
    guard->done = end;
}

/* Collects what is decided; the limit is before the first finding that is not. */
static void decide(struct dv_guard *guard, uint32_t settled)
{
    struct dv_guard_row all = { .lists = { &guard->secrets } };
    for (uint32_t i = 0; i < DV_GUARD_LANES; i++)
        all.lists[i + 1] = &guard->lanes[i].mapped;
    struct dv_guard_row kept = all;
    struct dv_span span;
    while (dv_guard_row_next(&all, &span)) {
        if (span.end > settled) {
            settled = span.start < settled ? span.start : settled;
            break;
        }
        kept = all;
        DV_ASSERT(guard->decided.count < DECIDED_MAX);
        if ((guard->rules->types >> span.type & 1u) != 0)
            guard->decided.spans[guard->decided.count++] = span;
    }
    dv_guard_list_take_off(&guard->secrets, kept.at[0]);
    for (uint32_t i = 0; i < DV_GUARD_LANES; i++) {
        dv_guard_list_take_off(&guard->lanes[i].found, kept.at[i + 1]);
        dv_guard_list_take_off(&guard->lanes[i].mapped, kept.at[i + 1]);
    }
    guard->limit = settled > guard->limit ? settled : guard->limit;
}

/* ---- pieces for the tagger ---- */

static bool is_sentence_end(const struct dv_guard *guard, uint32_t at)
{
    const unsigned char *text = (const unsigned char *)guard->window;
    if (at < guard->done + 2 || text[at - 1] != ' ')
        return false;
    if (text[at - 2] == '!' || text[at - 2] == '?')
        return true;
    if (text[at - 2] != '.')
        return false;
    uint32_t start = at - 2;
    while (start > guard->done && dv_is_letter(text[start - 1]))
        start--;
    /* "Dr. ", "J. " and "No. 7" belong to what follows. */
    return at - 2 - start >= SENTENCE_WORD_MIN && text[start] >= 'a' && text[start] <= 'z';
}

/* Whether a finding goes on over `at`; *next is the first that does not end before. */
static bool is_inside(const struct dv_guard *guard, uint32_t at, size_t *next)
{
    const struct dv_guard_list *list = &guard->decided;
    while (*next < list->count && list->spans[*next].end <= at)
        (*next)++;
    return *next < list->count && list->spans[*next].start < at;
}

/* Behind the last blank of a piece that is too long. */
static uint32_t cut_of(const struct dv_guard *guard, uint32_t end)
{
    size_t next = 0;
    for (uint32_t at = end; at > guard->done + DV_GUARD_SEGMENT_MAX / 2; at--) {
        next = 0;
        if (guard->window[at - 1] == ' ' && !is_inside(guard, at, &next))
            return at;
    }
    next = 0;
    if (is_inside(guard, end, &next))
        return guard->decided.spans[next].end;
    for (uint32_t i = 0; i < 3 && (guard->window[end] & 0xC0) == 0x80; i++)
        end--;
    return end;
}

/* Where the piece that begins at `done` ends; 0 if that is not known yet. */
static uint32_t piece_end(struct dv_guard *guard)
{
    size_t next = 0;
    uint32_t at = guard->sought > guard->done ? guard->sought : guard->done + 1;
    for (; at <= guard->limit; at++) {
        if (at - guard->done > DV_GUARD_SEGMENT_MAX)
            return cut_of(guard, guard->done + DV_GUARD_SEGMENT_MAX);
        bool ends = guard->window[at - 1] == '\n' || is_sentence_end(guard, at);
        if (ends && !is_inside(guard, at, &next))
            return at;
    }
    guard->sought = at;
    return 0;
}

/* Takes off the findings that were let go with what stood before `done`. */
static void forget_decided(struct dv_guard *guard)
{
    size_t count = 0;
    while (count < guard->decided.count && guard->decided.spans[count].start < guard->done)
        count++;
    dv_guard_list_take_off(&guard->decided, count);
}

static void let_piece_go(struct dv_guard *guard, const struct dv_guard_out *out, uint32_t end)
{
    const uint32_t start = guard->done;
    struct dv_guard_list piece = { .spans = guard->rules->piece };
    piece.count = dv_find(&guard->rules->finder, guard->window + start, end - start, piece.spans, DECIDED_MAX);
    for (size_t i = 0; i < piece.count; i++) {
        piece.spans[i].start += start;
        piece.spans[i].end += start;
    }
    struct dv_guard_row both = { .lists = { &guard->decided, &piece } };
    let_go(guard, out, both, end);
    forget_decided(guard);
}

/* Lets everything go that may; `all`: as far as the limit, whatever the tagger would like to see behind it. */
static void flush(struct dv_guard *guard, const struct dv_guard_out *out, bool all)
{
    if (guard->rules->strength == DV_GUARD_FULL) {
        for (uint32_t end; (end = piece_end(guard)) != 0;)
            let_piece_go(guard, out, end);
        if (all && guard->limit > guard->done)
            let_piece_go(guard, out, guard->limit);
        return;
    }
    const struct dv_guard_row decided = { .lists = { &guard->decided } };
    let_go(guard, out, decided, guard->limit);
    forget_decided(guard);
}

/* ---- what comes ---- */

static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

/* Drops what nobody looks back to any more. */
static void make_room(struct dv_guard *guard, size_t bytes)
{
    struct dv_guard_lane *stream = &guard->lanes[0];
    if (stream->length + bytes <= WINDOW_BYTES)
        return;
    uint32_t drop = less(guard->done, DV_DETECT_BEHIND);
    drop = drop < stream->state.next ? drop : less(stream->state.next, DV_DETECT_BEHIND);
    drop = drop < stream->decoded ? drop : stream->decoded;
    dv_guard_lane_drop(stream, drop);
    for (uint32_t i = 1; i < DV_GUARD_LANES; i++)
        dv_guard_lane_shift(&guard->lanes[i], drop);
    guard->done -= drop;
    guard->limit -= drop;
    guard->sought = less(guard->sought, drop);
    dv_guard_list_shift(&guard->secrets, drop);
    dv_guard_list_shift(&guard->decided, drop);
    DV_ASSERT(stream->length + bytes <= WINDOW_BYTES);
}

static void look_for_secrets(struct dv_guard *guard, const char *bytes, size_t length)
{
    const struct dv_secrets *secrets = &guard->rules->secrets;
    for (size_t i = 0; i < length; i++) {
        guard->window[guard->lanes[0].length++] = bytes[i];
        guard->secret_state = dv_secrets_step(secrets, guard->secret_state, (unsigned char)bytes[i]);
        uint32_t match = secrets->match[guard->secret_state];
        if (match != 0)
            note_secret(guard, match);
    }
}

static void append(struct dv_guard *guard, const char *bytes, size_t length)
{
    make_room(guard, length);
    if (guard->rules->secrets.states != 0) {
        look_for_secrets(guard, bytes, length);
        return;
    }
    memcpy(guard->window + guard->lanes[0].length, bytes, length);
    guard->lanes[0].length += (uint32_t)length;
}

/* How far everything is decided, secrets included. */
static uint32_t settle(struct dv_guard *guard)
{
    const struct dv_guard_lane *stream = &guard->lanes[0];
    uint32_t depth = guard->secret_state != 0 ? guard->rules->secrets.depth[guard->secret_state] : 0;
    uint32_t known = less(stream->length, depth);
    dv_guard_lanes_decode(guard->lanes, false);
    for (uint32_t i = 0; i < DV_GUARD_LANES && (i == 0 || stream->is_open); i++) {
        uint32_t settled = dv_guard_lane_scan(&guard->lanes[i], &guard->rules->finder.detector);
        known = settled < known ? settled : known;
    }
    return known;
}

static void start_anew(struct dv_guard *guard)
{
    for (uint32_t i = 0; i < DV_GUARD_LANES; i++)
        dv_guard_lane_reset(&guard->lanes[i]);
    guard->done = guard->limit = guard->sought = 0;
    guard->secrets.count = guard->decided.count = 0;
}

/* What is undecided has become too long to be held: it is covered, and so is all as far as the next blank. */
static void cover_long(struct dv_guard *guard, const struct dv_guard_out *out)
{
    flush(guard, out, true);
    if (!guard->blocked)
        write_cover(guard, out, DV_PII_OTHER);
    start_anew(guard);
    guard->covering = true;
}

/* Skips what is covered; gives how many bytes. A secret may begin in them. */
static size_t skip_covered(struct dv_guard *guard, const char *bytes, size_t length)
{
    const struct dv_secrets *secrets = &guard->rules->secrets;
    size_t count = 0;
    for (; count < length && (unsigned char)bytes[count] > ' '; count++)
        if (secrets->states != 0)
            guard->secret_state = dv_secrets_step(secrets, guard->secret_state, (unsigned char)bytes[count]);
    guard->covering = count == length;
    return count;
}

/* Takes at most as many bytes as there are to the next DV_GUARD_STEP of the stream; gives how many. */
static size_t take(struct dv_guard *guard, const char *bytes, size_t length, const struct dv_guard_out *out)
{
    size_t count = DV_GUARD_STEP - guard->taken % DV_GUARD_STEP;
    count = count < length ? count : length;
    if (guard->covering)
        count = skip_covered(guard, bytes, count);
    else
        append(guard, bytes, count);
    guard->taken += count;
    if (guard->covering || guard->lanes[0].length == 0)
        return count;
    decide(guard, settle(guard));
    flush(guard, out, false);
    if (guard->taken % DV_GUARD_STEP == 0 && guard->lanes[0].length - guard->limit > DV_GUARD_HELD_MAX)
        cover_long(guard, out);
    return count;
}

dv_rc dv_guard_push(struct dv_guard *guard, const char *bytes, size_t length, const struct dv_guard_out *out)
{
    if (guard->rules->action == DV_GUARD_ALERT && length != 0)
        out->write(out->data, bytes, length);
    for (size_t at = 0; at < length && !guard->blocked;)
        at += take(guard, bytes + at, length - at, out);
    return guard->blocked ? DV_E_LEAK : DV_OK;
}

dv_rc dv_guard_end(struct dv_guard *guard, const struct dv_guard_out *out)
{
    if (!guard->blocked) {
        dv_guard_lanes_decode(guard->lanes, true);
        for (uint32_t i = 0; i < DV_GUARD_LANES && (i == 0 || guard->lanes[0].is_open); i++)
            dv_guard_lane_finish(&guard->lanes[i], &guard->rules->finder.detector);
        decide(guard, guard->lanes[0].length);
        flush(guard, out, true);
    }
    dv_rc rc = guard->blocked ? DV_E_LEAK : DV_OK;
    start_anew(guard);
    guard->taken = 0;
    guard->secret_state = 0;
    guard->covering = guard->blocked = false;
    return rc;
}

static void pass_over(void *data, const char *bytes, size_t length)
{
    (void)data;
    (void)bytes;
    (void)length;
}

bool dv_guard_finds(struct dv_guard *guard, const char *text, size_t length)
{
    const struct dv_guard_out out = { pass_over, NULL };
    DV_ASSERT(guard->rules->action == DV_GUARD_BLOCK);
    dv_rc pushed = dv_guard_push(guard, text, length, &out);
    dv_rc ended = dv_guard_end(guard, &out);
    return pushed != DV_OK || ended != DV_OK;
}

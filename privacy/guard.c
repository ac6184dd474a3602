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

enum {
    FOUND_MAX = 512, /* undecided, or not let go yet: a finding has three bytes at least */
    DECIDED_MAX = 1152,
    WINDOW_BYTES = 4 * (DV_DETECT_BEHIND + DV_GUARD_HELD_MAX + DV_GUARD_STEP + DV_GUARD_SEGMENT_MAX),
    SENTENCE_WORD_MIN = 3, /* letters of a word that a full stop behind it does not shorten */
    SECRET_SCORE = 1001,   /* more than any verifier gives */
};

_Static_assert(DV_DETECT_BEHIND + DV_SECRET_RUN_MAX <= DV_GUARD_HELD_MAX, "a secret fits into what may be held");

_Static_assert((DV_GUARD_HELD_MAX + DV_GUARD_STEP) / 3 < FOUND_MAX, "findings of three bytes");
_Static_assert((DV_GUARD_HELD_MAX + DV_GUARD_STEP + DV_GUARD_SEGMENT_MAX) / 3 < DECIDED_MAX, "findings of three bytes");

/* Findings, sorted. */
struct list {
    struct dv_span *spans;
    size_t count;
};

struct dv_guard {
    const struct dv_guard_rules *rules;
    uint64_t taken; /* bytes of the stream */
    uint32_t length, done, limit;
    uint32_t sought;    /* full: no piece ends before it */
    uint32_t secret_state;
    bool covering;      /* in a match that was too long to hold */
    bool blocked;
    struct dv_detect_state state;
    struct list found;   /* by patterns; state.count of them */
    struct list secrets; /* found as they are */
    struct list decided; /* both, as far as `limit` */
    struct dv_span found_room[FOUND_MAX], secrets_room[FOUND_MAX], decided_room[DECIDED_MAX];
    uint64_t counts[DV_PII_COUNT];
    char window[WINDOW_BYTES];
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
    guard->found.spans = guard->found_room;
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
    return guard->rules->action == DV_GUARD_ALERT ? 0 : guard->length - guard->done;
}

uint64_t dv_guard_count(const struct dv_guard *guard, enum dv_pii type)
{
    DV_ASSERT((unsigned)type < DV_PII_COUNT);
    return guard->counts[type];
}

/* ---- spans ---- */

static void take_off(struct list *list, size_t count)
{
    memmove(list->spans, list->spans + count, (list->count - count) * sizeof *list->spans);
    list->count -= count;
}

static void shift(struct list *list, uint32_t bytes)
{
    for (size_t i = 0; i < list->count; i++) {
        list->spans[i].start -= bytes < list->spans[i].start ? bytes : list->spans[i].start;
        list->spans[i].end -= bytes;
    }
}

/* Two findings that overlap are one, named by the surer, then the longer. */
static void merge(struct dv_span *into, const struct dv_span *other)
{
    uint32_t length = into->end - into->start, other_length = other->end - other->start;
    if (other->score > into->score || (other->score == into->score && other_length > length)) {
        into->type = other->type;
        into->score = other->score;
    }
    into->start = other->start < into->start ? other->start : into->start;
    into->end = other->end > into->end ? other->end : into->end;
}

/* Two sorted lists being read as one. */
struct pair {
    const struct list *a, *b;
    size_t at_a, at_b;
};

static const struct dv_span *first_of(const struct pair *pair)
{
    const struct dv_span *a = pair->at_a < pair->a->count ? &pair->a->spans[pair->at_a] : NULL;
    const struct dv_span *b = pair->at_b < pair->b->count ? &pair->b->spans[pair->at_b] : NULL;
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    return a->start <= b->start ? a : b;
}

static void step(struct pair *pair)
{
    const struct dv_span *first = first_of(pair);
    bool is_a = pair->at_a < pair->a->count && first == &pair->a->spans[pair->at_a];
    pair->at_a += is_a;
    pair->at_b += !is_a;
}

/* The next finding of both, with all that overlap it; false at the end. */
static bool next_of(struct pair *pair, struct dv_span *ret_span)
{
    const struct dv_span *next = first_of(pair);
    if (next == NULL)
        return false;
    *ret_span = *next;
    step(pair);
    while ((next = first_of(pair)) != NULL && next->start < ret_span->end) {
        merge(ret_span, next);
        step(pair);
    }
    return true;
}

/* A secret that ends at the end of the window. */
static void note_secret(struct dv_guard *guard, uint32_t length)
{
    struct list *list = &guard->secrets;
    struct dv_span span = { .end = guard->length, .type = DV_PII_OTHER, .score = SECRET_SCORE, .why = "a known secret" };
    span.start = length < guard->length ? guard->length - length : 0;
    while (list->count > 0 && list->spans[list->count - 1].end > span.start)
        merge(&span, &list->spans[--list->count]);
    DV_ASSERT(list->count < FOUND_MAX);
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
static void let_go(struct dv_guard *guard, const struct dv_guard_out *out, struct pair findings, uint32_t end)
{
    struct dv_span span;
    while (!guard->blocked && next_of(&findings, &span)) {
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
    struct pair both = { .a = &guard->found, .b = &guard->secrets };
    struct pair kept = both;
    struct dv_span span;
    while (next_of(&both, &span)) {
        if (span.end > settled) {
            settled = span.start < settled ? span.start : settled;
            break;
        }
        kept = both;
        DV_ASSERT(guard->decided.count < DECIDED_MAX);
        if ((guard->rules->types >> span.type & 1u) != 0)
            guard->decided.spans[guard->decided.count++] = span;
    }
    take_off(&guard->found, kept.at_a);
    take_off(&guard->secrets, kept.at_b);
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
    const struct list *list = &guard->decided;
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
    take_off(&guard->decided, count);
}

static void let_piece_go(struct dv_guard *guard, const struct dv_guard_out *out, uint32_t end)
{
    const uint32_t start = guard->done;
    struct list piece = { .spans = guard->rules->piece };
    piece.count = dv_find(&guard->rules->finder, guard->window + start, end - start, piece.spans, DECIDED_MAX);
    for (size_t i = 0; i < piece.count; i++) {
        piece.spans[i].start += start;
        piece.spans[i].end += start;
    }
    struct pair both = { .a = &guard->decided, .b = &piece };
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
    const struct list none = { 0 };
    struct pair both = { .a = &guard->decided, .b = &none };
    let_go(guard, out, both, guard->limit);
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
    if (guard->length + bytes <= WINDOW_BYTES)
        return;
    uint32_t drop = less(guard->done, DV_DETECT_BEHIND);
    drop = drop < guard->state.next ? drop : less(guard->state.next, DV_DETECT_BEHIND);
    memmove(guard->window, guard->window + drop, guard->length - drop);
    guard->length -= drop;
    guard->done -= drop;
    guard->limit -= drop;
    guard->sought = less(guard->sought, drop);
    guard->state.next -= drop;
    guard->state.covered_end = less(guard->state.covered_end, drop);
    guard->state.settled = less(guard->state.settled, drop);
    shift(&guard->found, drop);
    shift(&guard->secrets, drop);
    shift(&guard->decided, drop);
    DV_ASSERT(guard->length + bytes <= WINDOW_BYTES);
}

static void look_for_secrets(struct dv_guard *guard, const char *bytes, size_t length)
{
    const struct dv_secrets *secrets = &guard->rules->secrets;
    for (size_t i = 0; i < length; i++) {
        guard->window[guard->length++] = bytes[i];
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
    memcpy(guard->window + guard->length, bytes, length);
    guard->length += (uint32_t)length;
}

/* How far everything is decided, secrets included. */
static uint32_t settle(struct dv_guard *guard)
{
    guard->state.count = guard->found.count;
    dv_detect_open(&guard->rules->finder.detector, guard->window, guard->length, &guard->state, guard->found.spans, FOUND_MAX);
    guard->found.count = guard->state.count;
    uint32_t depth = guard->secret_state != 0 ? guard->rules->secrets.depth[guard->secret_state] : 0;
    uint32_t known = less(guard->length, depth);
    return known < guard->state.settled ? known : guard->state.settled;
}

static void start_anew(struct dv_guard *guard)
{
    explicit_bzero(guard->window, guard->length);
    guard->length = guard->done = guard->limit = guard->sought = 0;
    guard->state = (struct dv_detect_state){ 0 };
    guard->found.count = guard->secrets.count = guard->decided.count = 0;
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
    if (guard->covering || guard->length == 0)
        return count;
    decide(guard, settle(guard));
    flush(guard, out, false);
    if (guard->taken % DV_GUARD_STEP == 0 && guard->length - guard->limit > DV_GUARD_HELD_MAX)
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
        guard->state.count = guard->found.count;
        dv_detect_close(&guard->rules->finder.detector, guard->window, guard->length, &guard->state, guard->found.spans,
                        FOUND_MAX);
        guard->found.count = guard->state.count;
        decide(guard, guard->length);
        flush(guard, out, true);
    }
    dv_rc rc = guard->blocked ? DV_E_LEAK : DV_OK;
    start_anew(guard);
    guard->taken = 0;
    guard->secret_state = 0;
    guard->covering = guard->blocked = false;
    return rc;
}

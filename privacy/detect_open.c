/* SPDX-License-Identifier: Apache-2.0
 * detect_open.c - the walk over a text that goes on: what is decided, and from where on nothing is yet.
 *
 * A verdict is final when neither the verifier nor what was read for it looked past the end. At the first mark without
 * a final verdict the walk stops taking findings in, since they may become parts of that one, and only notes how far
 * back the marks behind it, and those still to come, can reach. */
#include "privacy/detect_walk.h"

#include "engine/error.h"

/* What the rows of one mark say. */
struct verdicts {
    struct dv_span found[DV_DETECTOR_ROWS_MAX];
    uint32_t count;
    bool undecided; /* some row */
};

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t reach_of(const struct dv_walk *walk, const struct dv_detector_row *row)
{
    return row->reach != NULL ? row->reach(&walk->candidate) : walk->candidate.at;
}

static void leave_undecided(struct dv_walk *walk, const struct dv_detector_row *row, struct verdicts *verdicts)
{
    verdicts->undecided = true;
    walk->reach = least(walk->reach, reach_of(walk, row));
}

/* Asks one row; `certain`: a yes of it counts. True if there is nothing to ask the others. */
static bool ask(struct dv_walk *walk, const struct dv_detector_row *row, bool certain, struct verdicts *verdicts)
{
    struct dv_span *found = &verdicts->found[verdicts->count];
    *found = (struct dv_span){ .type = row->type };
    walk->past_end = false;
    bool yes = dv_row_finds(walk, row, found);
    if (walk->past_end || (yes && !certain)) {
        leave_undecided(walk, row, verdicts);
        return false;
    }
    verdicts->count += yes;
    return yes && found->score >= DV_SURE_SCORE;
}

static void settle(struct dv_walk *walk, struct verdicts *verdicts)
{
    if (verdicts->undecided && !walk->stuck) {
        walk->stuck = true;
        walk->next = walk->candidate.at;
    }
    for (uint32_t i = 0; i < verdicts->count; i++) {
        if (walk->stuck)
            walk->reach = least(walk->reach, verdicts->found[i].start);
        else
            dv_walk_accept(walk, &verdicts->found[i]);
    }
}

/* The digits and marks that may still come near a candidate at the end. */
static struct dv_candidate *grown(struct dv_candidate *candidate, uint32_t missing)
{
    candidate->digits_near += missing;
    candidate->marks_near += missing + 1; /* a joint at the end is none before what stands behind it is known */
    return candidate;
}

void dv_walk_open_digit(struct dv_walk *walk)
{
    struct dv_candidate *candidate = &walk->candidate;
    const struct dv_detector *detector = walk->detector;
    const uint32_t digits = candidate->digits_near, marks = candidate->marks_near;
    const uint32_t left = candidate->length - candidate->at;
    const uint32_t missing = left < DV_NEAR_BYTES ? DV_NEAR_BYTES - left : 0;
    candidate->digits_may = digits + missing;
    DV_UNINITIALIZED struct verdicts verdicts;
    verdicts.count = 0;
    verdicts.undecided = false;
    walk->past_end = false;
    if (digits + missing >= DV_GROUPED_MIN)
        dv_groups_read(candidate);
    const bool groups_open = walk->past_end;
    const bool after_letter = dv_is_letter(dv_byte_before(candidate, candidate->at, 1));
    for (uint32_t i = 0; i < detector->row_counts[DV_TRIGGER_DIGIT]; i++) {
        const struct dv_detector_row *row = detector->rows[DV_TRIGGER_DIGIT][i];
        candidate->digits_near = digits;
        candidate->marks_near = marks;
        bool fits = dv_row_fits(row, candidate, after_letter);
        if (!fits && !dv_row_fits(row, grown(candidate, missing), after_letter))
            continue;
        bool groups_used = row->digits_min >= DV_GROUPED_MIN;
        if (groups_used && groups_open)
            leave_undecided(walk, row, &verdicts);
        else if (ask(walk, row, fits, &verdicts))
            break;
    }
    settle(walk, &verdicts);
}

void dv_walk_open_mark(struct dv_walk *walk, enum dv_trigger trigger)
{
    struct dv_candidate *candidate = &walk->candidate;
    DV_UNINITIALIZED struct verdicts verdicts;
    verdicts.count = 0;
    verdicts.undecided = false;
    walk->past_end = false;
    bool joint = trigger != DV_TRIGGER_AT && dv_byte(candidate, candidate->at + 1) <= ' ';
    bool last = walk->past_end;
    if (joint && !last)
        return;
    for (uint32_t i = 0; i < walk->detector->row_counts[trigger]; i++) {
        const struct dv_detector_row *row = walk->detector->rows[trigger][i];
        if (joint)
            leave_undecided(walk, row, &verdicts);
        else if (ask(walk, row, true, &verdicts))
            break;
    }
    settle(walk, &verdicts);
}

/* A ':' or '.' at the very end, which the prefilter takes for the end of a sentence. */
static void look_at_last(struct dv_walk *walk, uint32_t from)
{
    struct dv_candidate *candidate = &walk->candidate;
    if (candidate->length <= from)
        return;
    candidate->at = candidate->length - 1;
    unsigned char byte = candidate->text[candidate->at];
    if ((byte == ':' || byte == '.') && (walk->stuck || candidate->at >= walk->covered_end))
        dv_walk_open_mark(walk, byte == ':' ? DV_TRIGGER_COLON : DV_TRIGGER_DOT);
}

/* Marks that are still to come may reach back, too. */
static void look_behind(struct dv_walk *walk)
{
    walk->candidate.at = walk->candidate.length;
    for (uint32_t trigger = 0; trigger < DV_TRIGGER_COUNT; trigger++)
        for (uint32_t i = 0; i < walk->detector->row_counts[trigger]; i++)
            walk->reach = least(walk->reach, reach_of(walk, walk->detector->rows[trigger][i]));
}

void dv_detect_open(const struct dv_detector *detector, const char *text, size_t length, struct dv_detect_state *state,
                    struct dv_span *spans, size_t max)
{
    DV_ASSERT(length <= UINT32_MAX && state->next <= length && state->count < max);
    DV_UNINITIALIZED struct dv_walk walk;
    dv_walk_init(&walk, detector, text, (uint32_t)length, spans, max);
    walk.count = state->count;
    walk.covered_end = state->covered_end;
    walk.open = true;
    walk.next = walk.reach = (uint32_t)length;
    dv_walk_text(&walk, state->next);
    look_at_last(&walk, state->next);
    look_behind(&walk);
    DV_ASSERT(walk.count < max);
    *state = (struct dv_detect_state){ .next = walk.next, .covered_end = walk.covered_end, .count = walk.count,
                                       .settled = walk.reach };
}

void dv_detect_close(const struct dv_detector *detector, const char *text, size_t length, struct dv_detect_state *state,
                     struct dv_span *spans, size_t max)
{
    DV_ASSERT(length <= UINT32_MAX && state->next <= length && state->count < max);
    DV_UNINITIALIZED struct dv_walk walk;
    dv_walk_init(&walk, detector, text, (uint32_t)length, spans, max);
    walk.count = state->count;
    walk.covered_end = state->covered_end;
    dv_walk_text(&walk, state->next);
    *state = (struct dv_detect_state){ .next = (uint32_t)length, .covered_end = walk.covered_end, .count = walk.count,
                                       .settled = (uint32_t)length };
}

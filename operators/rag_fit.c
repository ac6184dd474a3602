/* SPDX-License-Identifier: Apache-2.0
 * rag_fit.c - insights by kind, window and name; then records of persons; then other texts. */
#include "operators/rag_fit.h"

#include <string.h>

#include "engine/arena.h"
#include "operators/rag_people.h"

enum {
    STATISTICS = DV_ASK_RISING | DV_ASK_FALLING | DV_ASK_MIX | DV_ASK_MOST | DV_ASK_COUNT,
    EVERY_WANT = STATISTICS | DV_ASK_UNUSUAL | DV_ASK_ADVICE | DV_ASK_NEWS,
    WINDOWS_KEPT = 2,
    STAMP_MS = 1000, /* windows are told to the second */
};

#define TOO_FEW "what was found is about too few people"
#define NOT_ABOUT "nothing that was found answers what was asked"

struct fit {
    const struct dv_asking *asking;
    struct dv_evidence *evidence;
    uint32_t kinds;                  /* that answer it, as bits */
    uint32_t named[DV_EVIDENCE_MAX]; /* which topics a hit is about, as bits */
    bool out[DV_EVIDENCE_MAX];
};

static bool is_insight(const struct dv_hit *hit)
{
    return hit->told.kind != DV_TOLD_OTHER;
}

static bool is_person(const struct dv_hit *hit)
{
    return hit->subject.present != 0;
}

static bool is_same(struct dv_piece a, struct dv_piece b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

static bool is_of_same(const struct dv_hit *a, const struct dv_hit *b)
{
    return is_same((struct dv_piece){ a->schema.text, a->schema.length },
                   (struct dv_piece){ b->schema.text, b->schema.length });
}

/* ---- kinds ---- */

/* What is asked for by the words that say most. */
static uint32_t kinds_of(const struct dv_asking *asking)
{
    static const struct {
        uint32_t want, kinds;
    } rows[] = {
        { DV_ASK_RISING, 1u << DV_TOLD_RISES },
        { DV_ASK_FALLING, 0 },
        { DV_ASK_MIX, 1u << DV_TOLD_SHIFTS },
        { DV_ASK_UNUSUAL, 1u << DV_TOLD_RISES | 1u << DV_TOLD_STRAYS | 1u << DV_TOLD_SHIFTS },
        { DV_ASK_MOST, 1u << DV_TOLD_LEADS },
        { DV_ASK_COUNT, 0 },
        { DV_ASK_NEWS | DV_ASK_ADVICE, 1u << DV_TOLD_RISES | 1u << DV_TOLD_STRAYS | 1u << DV_TOLD_SHIFTS },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((asking->wants & rows[i].want) != 0)
            return rows[i].kinds;
    return 0;
}

/* ---- windows ---- */

static int64_t at_of(const struct dv_hit *hit)
{
    return hit->told.end_ms != 0 ? hit->told.end_ms : hit->at.present ? hit->at.integer : INT64_MIN;
}

/* Whether `other` says later what `hit` says. */
static bool is_replaced(const struct fit *fit, uint32_t hit, uint32_t other)
{
    const struct dv_hit *a = &fit->evidence->hits[hit], *b = &fit->evidence->hits[other];
    bool same = a->told.kind == b->told.kind && is_same(a->told.group, b->told.group) &&
                is_same(a->told.measure, b->told.measure);
    return same && (at_of(b) > at_of(a) || (at_of(b) == at_of(a) && other < hit));
}

/* Whether the windows have gone on without it. */
static bool is_past(const struct dv_hit *hit, const struct dv_hit *other)
{
    if (hit->told.kind == DV_TOLD_LEADS)
        return other->told.kind == DV_TOLD_LEADS && at_of(other) > at_of(hit);
    int64_t length = hit->told.end_ms - hit->told.start_ms;
    return hit->told.end_ms != 0 && other->told.end_ms != 0 &&
           other->told.end_ms - hit->told.end_ms > WINDOWS_KEPT * length + STAMP_MS;
}

static void drop_old(struct fit *fit)
{
    const struct dv_evidence *evidence = fit->evidence;
    for (uint32_t i = 0; i < evidence->count; i++)
        for (uint32_t j = 0; j < evidence->count && is_insight(&evidence->hits[i]); j++)
            if (i != j && is_insight(&evidence->hits[j]) && is_of_same(&evidence->hits[i], &evidence->hits[j]))
                fit->out[i] = fit->out[i] || is_replaced(fit, i, j) || is_past(&evidence->hits[i], &evidence->hits[j]);
}

/* ---- names ---- */

static uint32_t topics_in(const struct fit *fit, struct dv_piece piece)
{
    return piece.length > 0 ? fit->asking->topics & dv_asking_in(fit->asking, piece.text, piece.length) : 0;
}

static void read_names(struct fit *fit)
{
    for (uint32_t i = 0; i < fit->evidence->count; i++) {
        const struct dv_rag_told *told = &fit->evidence->hits[i].told;
        fit->named[i] = topics_in(fit, told->group) | topics_in(fit, told->of) | topics_in(fit, told->measure);
    }
}

/* Payments do not answer what was asked of patients. */
static bool is_elsewhere(const struct fit *fit, const struct dv_rag_told *told)
{
    uint32_t of = told->of.length > 0 ? dv_asking_domains(told->of.text, told->of.length) : 0;
    return of != 0 && fit->asking->domains != 0 && (of & fit->asking->domains) == 0;
}

/* Whether another is about more of what was named: "heart failure" beside "renal failure". */
static bool is_outnamed(const struct fit *fit, uint32_t hit)
{
    for (uint32_t i = 0; i < fit->evidence->count; i++)
        if (!fit->out[i] && fit->named[i] != fit->named[hit] && (fit->named[i] & fit->named[hit]) == fit->named[hit])
            return true;
    return false;
}

/* Whether the same group has a finding of a kind that was asked for. */
static bool is_better_told(const struct fit *fit, uint32_t hit)
{
    for (uint32_t i = 0; i < fit->evidence->count; i++) {
        const struct dv_hit *other = &fit->evidence->hits[i];
        bool asked = (fit->kinds >> other->told.kind & 1) != 0;
        if (!fit->out[i] && asked && is_of_same(other, &fit->evidence->hits[hit]) &&
            is_same(other->told.group, fit->evidence->hits[hit].told.group))
            return true;
    }
    return false;
}

static bool fits_by_kind(const struct fit *fit, uint32_t hit)
{
    bool asked = (fit->kinds >> fit->evidence->hits[hit].told.kind & 1) != 0;
    bool named = fit->asking->topics != 0;
    return asked || (named && !is_better_told(fit, hit));
}

/* ---- insights ---- */

static bool lacks_advice(const struct fit *fit, const struct dv_rag_told *told)
{
    return (fit->asking->wants & DV_ASK_ADVICE) != 0 && told->advice.length == 0;
}

/* Takes out what `test` says of those that are left. */
static void drop_by(struct fit *fit, bool (*test)(const struct fit *, uint32_t))
{
    bool out[DV_EVIDENCE_MAX] = { false };
    for (uint32_t i = 0; i < fit->evidence->count; i++)
        out[i] = is_insight(&fit->evidence->hits[i]) && !fit->out[i] && test(fit, i);
    for (uint32_t i = 0; i < fit->evidence->count; i++)
        fit->out[i] = fit->out[i] || out[i];
}

static bool is_off(const struct fit *fit, uint32_t hit)
{
    const struct dv_rag_told *told = &fit->evidence->hits[hit].told;
    bool unnamed = fit->asking->topics != 0 && fit->named[hit] == 0;
    return unnamed || fit->asking->negated || fit->asking->overfull || is_elsewhere(fit, told) ||
           lacks_advice(fit, told);
}

static bool is_of_wrong_kind(const struct fit *fit, uint32_t hit)
{
    return !fits_by_kind(fit, hit);
}

static bool any(const struct fit *fit, uint32_t hit)
{
    (void)fit;
    (void)hit;
    return true;
}

/* What answers is left, with the text that is told. */
static void choose_insights(struct fit *fit)
{
    uint32_t named = 0;
    drop_old(fit);
    read_names(fit);
    drop_by(fit, is_off);
    drop_by(fit, is_outnamed);
    drop_by(fit, is_of_wrong_kind);
    for (uint32_t i = 0; i < fit->evidence->count; i++)
        named |= fit->out[i] ? 0 : fit->named[i];
    if (named != fit->asking->topics)
        drop_by(fit, any);
    for (uint32_t i = 0; i < fit->evidence->count; i++) {
        struct dv_hit *hit = &fit->evidence->hits[i];
        hit->fits = is_insight(hit) && !fit->out[i];
        if (hit->fits && (fit->asking->wants & DV_ASK_ADVICE) == 0) {
            hit->text = hit->told.finding;
            hit->told.advice.length = 0;
        }
    }
}

/* ---- other texts ---- */

/* About groups, and not in a form that is known: where figures are asked for, what names none of it is no answer. */
static void choose_others(struct fit *fit)
{
    const struct dv_asking *asking = fit->asking;
    bool figures = (asking->wants & EVERY_WANT) != 0, insights = false;
    for (uint32_t i = 0; i < fit->evidence->count; i++)
        insights = insights || is_insight(&fit->evidence->hits[i]);
    for (uint32_t i = 0; i < fit->evidence->count; i++) {
        const struct dv_hit *hit = &fit->evidence->hits[i];
        if (is_insight(hit) || is_person(hit) || !figures)
            continue;
        fit->out[i] = asking->topics != 0 ? topics_in(fit, hit->text) == 0 : insights;
    }
}

/* The words that records of persons are told by: figures are not, unless it is asked who. */
static uint32_t words_of_persons(const struct dv_asking *asking)
{
    if (asking->persons)
        return UINT32_MAX;
    return (asking->wants & STATISTICS) != 0 ? 0 : asking->topics;
}

static void drop_out(struct fit *fit)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fit->evidence->count; i++)
        if (!fit->out[i])
            fit->evidence->hits[kept++] = fit->evidence->hits[i];
    fit->evidence->count = kept;
}

static bool has_persons(const struct dv_evidence *evidence)
{
    for (uint32_t i = 0; i < evidence->count; i++)
        if (is_person(&evidence->hits[i]))
            return true;
    return false;
}

dv_rc dv_rag_fit(struct dv_evidence *evidence, const char *question, size_t length, const struct dv_people_rule *rule,
                 struct dv_arena *arena, const char **ret_reason)
{
    struct dv_asking *asking = dv_arena_zeroed(arena, 1, sizeof *asking);
    struct fit fit = { .asking = asking, .evidence = evidence };
    bool persons = has_persons(evidence);
    if (asking == NULL) {
        evidence->count = 0;
        return DV_E_MEMORY;
    }
    dv_asking_read(asking, question, length);
    fit.kinds = kinds_of(asking);
    for (uint32_t i = 0; i < evidence->count; i++)
        if (!is_person(&evidence->hits[i]))
            (void)dv_rag_told_read(&evidence->hits[i].told, evidence->hits[i].text.text, evidence->hits[i].text.length);
    choose_insights(&fit);
    choose_others(&fit);
    drop_out(&fit);
    uint32_t words = words_of_persons(asking);
    DV_TRY(dv_people_tell(evidence, asking, words, rule, arena));
    *ret_reason = evidence->count > 0 ? NULL : persons && words != 0 ? TOO_FEW : NOT_ABOUT;
    dv_evidence_count_people(evidence, rule->k);
    return DV_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * insights_say.h - words for an insight: a sentence from a template, and what to do about it from a table of rules. */
#ifndef DV_OPERATORS_INSIGHTS_SAY_H
#define DV_OPERATORS_INSIGHTS_SAY_H

#include "operators/insights_find.h"

struct dv_node;
struct dv_yaml;

enum { DV_INSIGHTS_RULES_MAX = 64, DV_INSIGHTS_SENTENCE_MAX = 1024, DV_INSIGHTS_TOLD_MAX = 2560 };

/* From this size on: emerging and anomaly, how many times the usual, or below it (2 is double or half); drift, the index;
 * top, the share. Of the rules of a kind the one with the largest `from` that is reached holds. */
struct dv_insights_rule {
    int kind; /* enum dv_insight_kind */
    double from;
    int severity;
    const char *say;
};

struct dv_insights_rules {
    struct dv_insights_rule rule[DV_INSIGHTS_RULES_MAX];
    uint32_t count;
};

/* During transfer(): reads the option `rules` (may be NULL). Kinds that it does not name keep the rules that are built in.
 * Findings as usual. */
DV_CHECKED dv_rc dv_insights_rules_read(struct dv_node *node, const struct dv_yaml *list, struct dv_insights_rules *ret);

/* The rule that holds for an insight, or NULL. */
const struct dv_insights_rule *dv_insights_rule(const struct dv_insights_rules *rules, const struct dv_insight *insight);

/* "emerging", "critical", "negative-binomial" ("" without a test): literals. */
const char *dv_insight_kind_name(enum dv_insight_kind kind);
const char *dv_insight_severity_name(int severity);
const char *dv_insight_test_name(const struct dv_insights_plan *plan, const struct dv_insight *insight);

/* What an insight is told with. */
struct dv_insight_names {
    const char *group;   /* the row */
    const char *of;      /* the columns that groups are made of; NULL: all records are one group */
    const char *measure; /* the insight's measure, in words */
    uint32_t rank;       /* from 1, for the top */
    int64_t start_ms, end_ms; /* the window */
};

/* What people call a measure of this column: "median cost" for "p50_cost", "99.9th percentile of cost" for "p99_9_cost", and "mean cost" for
 * "sum_cost", of which an insight is about the mean. Others are called as they are. */
const char *dv_insight_measure(const char *column, char buffer[DV_INSIGHTS_KEY_MAX]);

/* Writes the sentence, NUL-terminated; returns its length. */
uint32_t dv_insight_sentence(const struct dv_insights_plan *plan, const struct dv_insight *insight, const struct dv_insight_names *names,
                             char buffer[DV_INSIGHTS_SENTENCE_MAX]);

/* The same for who has not asked, or asks later: with the window, what is counted, and what to do (`say`; "": nothing). It is
 * found by the words that people ask with, and rag_told.h reads it. */
uint32_t dv_insight_told(const struct dv_insights_plan *plan, const struct dv_insight *insight, const struct dv_insight_names *names,
                         const char *say, char buffer[DV_INSIGHTS_TOLD_MAX]);

#endif

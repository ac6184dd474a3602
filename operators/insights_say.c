/* SPDX-License-Identifier: Apache-2.0
 * insights_say.c - the templates, and the rules that are built in. */
#include "operators/insights_say.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/operator.h"
#include "engine/text.h"
#include "engine/yaml.h"

enum { DIGITS_MAX = 12 };
enum { SEVERITY_INFO, SEVERITY_NOTICE, SEVERITY_WARNING, SEVERITY_CRITICAL };

#define KINDS "emerging|anomaly|drift|top"
#define SEVERITIES "info|notice|warning|critical"

/* One item of `rules`. */
struct item {
    int kind;
    double from;
    int severity;
    const char *say;
};

static const struct dv_option item_options[] = {
    { "kind", DV_ENUM, offsetof(struct item, kind), .initial = "emerging", .values = KINDS, .help = "What it is for." },
    { "from", DV_FLOAT, offsetof(struct item, from), .flags = DV_REQUIRED, .help = "The size from which it holds." },
    { "severity", DV_ENUM, offsetof(struct item, severity), .initial = "notice", .values = SEVERITIES,
      .help = "How urgent it is." },
    { "say", DV_STR, offsetof(struct item, say), .flags = DV_REQUIRED, .help = "What to do." },
    { 0 },
};

static const struct dv_insights_rule built_in[] = {
    { DV_INSIGHT_EMERGING, 0, SEVERITY_NOTICE, "Watch the next windows; look whether other groups grow with it." },
    { DV_INSIGHT_EMERGING, 2, SEVERITY_WARNING, "Ask who records it for a known cause; plan for as many again." },
    { DV_INSIGHT_EMERGING, 4, SEVERITY_CRITICAL, "Tell whoever is on duty now, and review the sealed records of this window." },
    { DV_INSIGHT_ANOMALY, 0, SEVERITY_NOTICE, "Compare with the same hour of other days." },
    { DV_INSIGHT_ANOMALY, 1.5, SEVERITY_WARNING, "Review the sealed records of this group and window." },
    { DV_INSIGHT_ANOMALY, 3, SEVERITY_CRITICAL, "Have the group's records of this window reviewed now; look for errors of units and for misuse." },
    { DV_INSIGHT_DRIFT, 0, SEVERITY_NOTICE, "Look which groups gained and lost; models and plans made before may no longer fit." },
    { DV_INSIGHT_DRIFT, 0.5, SEVERITY_WARNING, "Look for a changed source or coding before trusting figures across this change." },
    { DV_INSIGHT_TOP, 0, SEVERITY_INFO, "" },
};

static dv_rc read_item(struct dv_node *node, const struct dv_yaml *at, struct dv_insights_rules *ret, bool named[])
{
    struct item item = { 0 };
    DV_TRY(dv_options_parse(item_options, &item, at, NULL, "option 'rules'", dv_node_arena(node), dv_node_diags(node)));
    named[item.kind] = true;
    ret->rule[ret->count++] = (struct dv_insights_rule){ item.kind, item.from, item.severity, item.say };
    return DV_OK;
}

dv_rc dv_insights_rules_read(struct dv_node *node, const struct dv_yaml *list, struct dv_insights_rules *ret)
{
    enum { BUILT_IN = sizeof built_in / sizeof built_in[0], ITEMS_MAX = DV_INSIGHTS_RULES_MAX - BUILT_IN };
    bool named[DV_INSIGHT_KINDS] = { false };
    dv_rc rc = DV_OK;
    ret->count = 0;
    if (list != NULL && (list->kind != DV_YAML_LIST || list->count > ITEMS_MAX))
        return dv_refuse(node, "rules", "C211", "rules: [{ kind: emerging, from: 2, severity: warning, say: \"…\" }]",
                         "`rules` is a list of at most %d rules", ITEMS_MAX);
    for (const struct dv_yaml *at = list != NULL ? list->first : NULL; at != NULL; at = at->next) {
        dv_rc read = read_item(node, at, ret, named);
        rc = dv_is_error(read) ? read : rc;
    }
    for (uint32_t i = 0; i < BUILT_IN; i++)
        if (!named[built_in[i].kind])
            ret->rule[ret->count++] = built_in[i];
    return rc;
}

const struct dv_insights_rule *dv_insights_rule(const struct dv_insights_rules *rules, const struct dv_insight *insight)
{
    const struct dv_insights_rule *best = NULL;
    for (uint32_t i = 0; i < rules->count; i++) {
        const struct dv_insights_rule *rule = &rules->rule[i];
        if (rule->kind == (int)insight->kind && dv_insight_size(insight) >= rule->from && (best == NULL || rule->from > best->from))
            best = rule;
    }
    return best;
}

const char *dv_insight_kind_name(enum dv_insight_kind kind)
{
    static const char *const names[DV_INSIGHT_KINDS] = { "emerging", "anomaly", "drift", "top" };
    DV_ASSERT((unsigned)kind < DV_INSIGHT_KINDS);
    return names[kind];
}

const char *dv_insight_severity_name(int severity)
{
    static const char *const names[] = { "info", "notice", "warning", "critical" };
    DV_ASSERT(severity >= SEVERITY_INFO && severity <= SEVERITY_CRITICAL);
    return names[severity];
}

const char *dv_insight_test_name(const struct dv_insights_plan *plan, const struct dv_insight *insight)
{
    static const char *const names[DV_INSIGHT_KINDS] = { "", "robust-z", "chi-square", "" };
    if (insight->kind == DV_INSIGHT_EMERGING)
        return plan->test == DV_INSIGHTS_SHARE ? "beta-binomial" : "negative-binomial";
    return names[insight->kind];
}

/* "90" and ".5" of "p90_5_cost": what is behind them, or NULL if it is no such name. */
static const char *read_quantile(const char *column, char digits[DIGITS_MAX])
{
    static const char figures[] = "0123456789";
    size_t whole = column[0] == 'p' ? strspn(column + 1, figures) : 0;
    if (whole == 0 || column[1 + whole] != '_')
        return NULL;
    const char *rest = column + 1 + whole + 1;
    size_t fraction = strspn(rest, figures);
    bool has_fraction = fraction > 0 && rest[fraction] == '_';
    int length = snprintf(digits, DIGITS_MAX, "%.*s%s%.*s", (int)whole, column + 1, has_fraction ? "." : "", has_fraction ? (int)fraction : 0, rest);
    rest += has_fraction ? fraction + 1 : 0;
    return length < DIGITS_MAX && rest[0] != '\0' ? rest : NULL;
}

/* "1st", "22nd", "13th", "99.9th" */
static const char *ordinal_of(const char *digits)
{
    static const char *const endings[] = { "th", "st", "nd", "rd" };
    size_t length = strlen(digits), last = (size_t)(digits[length - 1] - '0');
    bool teen = length > 1 && digits[length - 2] == '1';
    return strchr(digits, '.') == NULL && !teen && last < sizeof endings / sizeof *endings ? endings[last] : endings[0];
}

const char *dv_insight_measure(const char *column, char buffer[DV_INSIGHTS_KEY_MAX])
{
    static const char sum[] = "sum_";
    char digits[DIGITS_MAX] = "";
    const char *of = read_quantile(column, digits);
    if (of != NULL && strcmp(digits, "50") == 0)
        (void)snprintf(buffer, DV_INSIGHTS_KEY_MAX, "median %s", of);
    else if (of != NULL)
        (void)snprintf(buffer, DV_INSIGHTS_KEY_MAX, "%s%s percentile of %s", digits, ordinal_of(digits), of);
    else if (strncmp(column, sum, strlen(sum)) == 0)
        (void)snprintf(buffer, DV_INSIGHTS_KEY_MAX, "mean %s", column + strlen(sum));
    else
        (void)snprintf(buffer, DV_INSIGHTS_KEY_MAX, "%s", column);
    return buffer;
}

static const char *records(double count)
{
    return count == 1 ? "record" : "records";
}

static const char *all(const struct dv_insight_names *names)
{
    return names->of != NULL ? names->of : "all records";
}

static const char *when(const struct dv_insights_plan *plan)
{
    static const char *const names[] = { "", " at this hour of the day", " at this hour of the week" };
    return names[plan->baseline.season];
}

/* Text that grows, and is cut where the room ends. */
struct line {
    char *text;
    size_t size, used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->used, line->size - line->used, format, arguments);
    va_end(arguments);
    DV_ASSERT(length >= 0);
    line->used += (size_t)length;
    line->used = line->used < line->size ? line->used : line->size - 1;
}

static void describe(struct line *line, const struct dv_insights_plan *plan, const struct dv_insight *insight,
                     const struct dv_insight_names *names, bool told)
{
    switch (insight->kind) {
    case DV_INSIGHT_EMERGING:
        add(line, "%s is rising: %.0f %s, %.1f times the %.1f that are usual%s", names->group, insight->observed, records(insight->observed),
            insight->effect, insight->expected, when(plan));
        break;
    case DV_INSIGHT_ANOMALY:
        add(line, "%s%s: the %s is %.6g, %.2f times the %.6g that is usual%s", names->group, told ? " is unusual" : "", names->measure,
            insight->observed, insight->effect, insight->expected, when(plan));
        break;
    case DV_INSIGHT_DRIFT:
        add(line, "The mix of %s has changed: stability index %.2f over %.0f %s, against what is usual%s", all(names), insight->effect,
            insight->observed, records(insight->observed), when(plan));
        break;
    default:
        add(line, "%s is number %u%s: %.0f %s, %.0f %% of the window", names->group, names->rank, told ? " of the most frequent" : "",
            insight->observed, records(insight->observed), 100 * insight->effect);
    }
}

static void add_time(struct line *line, const char *before, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char stamp[32];
    if (gmtime_r(&seconds, &utc) != NULL && strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &utc) > 0)
        add(line, "%s%s", before, stamp);
}

static void add_window(struct line *line, const struct dv_insight_names *names)
{
    add(line, ", counted%s%s", names->of != NULL ? " by " : "", names->of != NULL ? names->of : "");
    add_time(line, " from ", names->start_ms);
    add_time(line, " to ", names->end_ms);
    add(line, " UTC");
}

static void add_test(struct line *line, const struct dv_insights_plan *plan, const struct dv_insight *insight)
{
    if (insight->kind != DV_INSIGHT_TOP)
        add(line, " (%s, p = %.2g, q = %.2g, %u window%s)", dv_insight_test_name(plan, insight), insight->p, insight->q, insight->windows,
            insight->windows == 1 ? "" : "s");
    add(line, ".");
}

uint32_t dv_insight_sentence(const struct dv_insights_plan *plan, const struct dv_insight *insight, const struct dv_insight_names *names,
                             char buffer[DV_INSIGHTS_SENTENCE_MAX])
{
    struct line line = { buffer, DV_INSIGHTS_SENTENCE_MAX, 0 };
    describe(&line, plan, insight, names, false);
    add_test(&line, plan, insight);
    return (uint32_t)line.used;
}

/* Without the rest of a character that was cut. */
static void trim(struct line *line)
{
    line->used = dv_utf8_valid(line->text, line->used);
    line->text[line->used] = '\0';
}

uint32_t dv_insight_told(const struct dv_insights_plan *plan, const struct dv_insight *insight, const struct dv_insight_names *names,
                         const char *say, char buffer[DV_INSIGHTS_TOLD_MAX])
{
    struct line line = { buffer, DV_INSIGHTS_TOLD_MAX, 0 };
    describe(&line, plan, insight, names, true);
    add_window(&line, names);
    add_test(&line, plan, insight);
    if (say[0] != '\0' && insight->kind == DV_INSIGHT_DRIFT)
        add(&line, " What to do about the mix of %s: %s", all(names), say);
    else if (say[0] != '\0')
        add(&line, " What to do about %s: %s", names->group, say);
    trim(&line);
    return (uint32_t)line.used;
}

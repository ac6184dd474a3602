/* SPDX-License-Identifier: Apache-2.0
 * diff_settings.c - guards, bounds and policies of two graphs, side by side. */
#include "cli/diff_settings.h"

#include <stdlib.h>
#include <string.h>

#include "cli/spending.h"
#include "engine/operator.h"
#include "engine/yaml.h"

enum { TEXT_BYTES = 128, RISK_NONE = 1 };

/* Both graphs, and who is told. */
struct sides {
    struct dv_loaded *old, *new;
    dv_setting_told told;
    void *context;
};

static void tell(const struct sides *sides, enum dv_verdict verdict, const char *place, const char *name,
                 const char *old, const char *new)
{
    const struct dv_setting setting = { place, name, old, new };
    if (verdict != DV_SAME)
        sides->told(sides->context, verdict, &setting);
}

static const struct dv_node *find(const struct dv_loaded *side, const char *name)
{
    for (uint32_t i = 0; i < dv_graph_node_count(side->graph); i++)
        if (strcmp(dv_node_name(dv_graph_node(side->graph, i)), name) == 0)
            return dv_graph_node(side->graph, i);
    return NULL;
}

/* ---- guards ---- */

/* The more, the less leaves. */
static int rank_of(const char *word)
{
    static const char *const words[] = { "alert", "redact", "block" };
    for (int i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0)
            return i + 1;
    return 0;
}

/* Whether each of the words, which commas part, is one of the others. */
static bool has_all(const char *others, const char *words)
{
    for (size_t length; *words != '\0'; words += length + strspn(words + length, ", ")) {
        bool found = false;
        length = strcspn(words, ", ");
        for (const char *at = others; *at != '\0' && !found; at += strcspn(at, ", "), at += strspn(at, ", "))
            found = strcspn(at, ", ") == length && memcmp(at, words, length) == 0;
        if (!found)
            return false;
    }
    return true;
}

static void compare_guards(const struct sides *sides, const struct dv_node *old, const struct dv_node *new)
{
    const struct dv_guard_account was = dv_node_guard(old);
    const struct dv_guard_account is = dv_node_guard(new);
    int change = rank_of(is.word) - rank_of(was.word);
    tell(sides,
         change < 0   ? DV_LOOSER
         : change > 0 ? DV_TIGHTER
                      : DV_SAME,
         dv_node_name(new), "guard", was.word, is.word);
    if (rank_of(was.word) == 0 || rank_of(is.word) == 0)
        return;
    bool kept = has_all(is.types, was.types);
    bool same = kept && has_all(was.types, is.types);
    tell(sides, same ? DV_SAME : kept ? DV_TIGHTER : DV_LOOSER, dv_node_name(new), "guard types", was.types, is.types);
}

static void compare_exits(const struct sides *sides)
{
    for (uint32_t i = 0; i < dv_graph_node_count(sides->new->graph); i++) {
        const struct dv_node *node = dv_graph_node(sides->new->graph, i);
        const struct dv_node *other = find(sides->old, dv_node_name(node));
        if (other != NULL && dv_node_operator(node)->guard != NULL && dv_node_operator(other)->guard != NULL)
            compare_guards(sides, other, node);
    }
}

/* ---- bounds ---- */

/* The bound on risk of a node of one side, and how it is shown; without a node there is none. */
static double risk_of(const struct dv_loaded *side, const char *name, const char **ret_shown)
{
    const struct dv_yaml *node = dv_yaml_get(dv_graph_settings(side->graph)->graph, name);
    const struct dv_yaml *bound = dv_yaml_get(node, "max_risk");
    bool any = bound != NULL && bound->text != NULL;
    *ret_shown = any ? dv_yaml_shown(bound) : "none";
    return any ? strtod(bound->text, NULL) : RISK_NONE;
}

static void compare_risk(const struct sides *sides, const char *name)
{
    const char *before = NULL;
    const char *now = NULL;
    double was = risk_of(sides->old, name, &before);
    double is = risk_of(sides->new, name, &now);
    tell(sides, is > was ? DV_LOOSER : is < was ? DV_TIGHTER : DV_SAME, name, "max_risk", before, now);
}

/* Of the nodes of both, and of those that one side alone has. */
static void compare_risks(const struct sides *sides)
{
    for (uint32_t i = 0; i < dv_graph_node_count(sides->new->graph); i++)
        compare_risk(sides, dv_node_name(dv_graph_node(sides->new->graph, i)));
    for (uint32_t i = 0; i < dv_graph_node_count(sides->old->graph); i++) {
        const char *name = dv_node_name(dv_graph_node(sides->old->graph, i));
        if (find(sides->new, name) == NULL)
            compare_risk(sides, name);
    }
}

static const char *limit_text(const struct dv_spending_limit *limit, char text[TEXT_BYTES])
{
    if (limit->per_ms == 0)
        return "none";
    (void)snprintf(text, TEXT_BYTES, "epsilon %.15g, delta %.15g per %.15g s", limit->epsilon, limit->delta,
                   (double)limit->per_ms / 1000);
    return text;
}

static enum dv_verdict judge_limits(const struct dv_spending_limit *was, const struct dv_spending_limit *is)
{
    bool same = is->epsilon == was->epsilon && is->delta == was->delta && is->per_ms == was->per_ms;
    bool larger = is->epsilon > was->epsilon || is->delta > was->delta || is->per_ms < was->per_ms;
    if (same)
        return DV_SAME;
    return is->per_ms == 0 || (was->per_ms != 0 && larger) ? DV_LOOSER : DV_TIGHTER;
}

static dv_rc compare_budgets(const struct sides *sides)
{
    struct dv_spending_limit was = { 0 };
    struct dv_spending_limit is = { 0 };
    char before[TEXT_BYTES];
    char now[TEXT_BYTES];
    DV_TRY(dv_spending_limit(sides->old->graph, &was, &sides->old->arena, &sides->old->diags));
    DV_TRY(dv_spending_limit(sides->new->graph, &is, &sides->old->arena, &sides->new->diags));
    tell(sides, judge_limits(&was, &is), "graph", "budget", limit_text(&was, before), limit_text(&is, now));
    return DV_OK;
}

/* ---- policies ---- */

/* "ledger.yaml" of a file in a folder of policies; NULL for others. */
static const char *policy_name(const char *file)
{
    const char *name = strrchr(file, '/');
    static const char folder[] = "policies";
    size_t length = sizeof folder - 1;
    bool inside = name != NULL && (size_t)(name - file) >= length && memcmp(name - length, folder, length) == 0;
    return inside ? name + 1 : NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Without comments and layout. Depth is that of a file, at most DV_YAML_LEVELS_MAX. */
static bool same_tree(const struct dv_yaml *a, const struct dv_yaml *b)
{
    if (a == NULL || b == NULL || a->kind != b->kind || a->plain != b->plain || a->count != b->count ||
        !same_text(a->key, b->key) || !same_text(a->text, b->text))
        return false;
    const struct dv_yaml *y = b->first;
    for (const struct dv_yaml *x = a->first; x != NULL; x = x->next, y = y->next)
        if (!same_tree(x, y))
            return false;
    return true;
}

struct policy {
    const char *name, *text;
    size_t length;
};

static bool policy_at(const struct dv_loaded *side, uint32_t index, struct policy *ret)
{
    const char *file = NULL;
    *ret = (struct policy){ 0 };
    if (!dv_diags_source_at(&side->diags, index, &file, &ret->text, &ret->length))
        return false;
    ret->name = policy_name(file);
    return true;
}

/* Whether both say the same; policies that were loaded are well-formed. */
static bool same_policy(const struct sides *sides, const struct policy *old, const struct policy *new)
{
    if (old->length == new->length && memcmp(old->text, new->text, old->length) == 0)
        return true;
    struct dv_arena *arena = &sides->old->arena;
    struct dv_diags *diags = &sides->old->diags;
    return same_tree(dv_yaml_parse(old->name, old->text, old->length, arena, diags),
                     dv_yaml_parse(new->name, new->text, new->length, arena, diags));
}

/* Policies that both sides use; what a new one shows is in the labels. */
static void compare_policies(const struct sides *sides)
{
    struct policy new;
    struct policy old;
    for (uint32_t i = 0; policy_at(sides->new, i, &new); i++)
        for (uint32_t k = 0; new.name != NULL &&policy_at(sides->old, k, &old); k++) {
            if (old.name == NULL || strcmp(old.name, new.name) != 0)
                continue;
            if (!same_policy(sides, &old, &new))
                tell(sides, DV_LOOSER, new.name, "policy", "its rules", "other rules: labels do not tell all of them");
            break;
        }
}

dv_rc dv_diff_settings(struct dv_loaded *old, struct dv_loaded *new, dv_setting_told told, void *context)
{
    const struct sides sides = { old, new, told, context };
    compare_exits(&sides);
    compare_risks(&sides);
    DV_TRY(compare_budgets(&sides));
    compare_policies(&sides);
    return DV_OK;
}

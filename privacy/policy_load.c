/* SPDX-License-Identifier: Apache-2.0
 * policy_load.c - a policy from its file; every error has its place, and all of them are told at once. */
#include <string.h>

#include "engine/option.h"
#include "engine/yaml.h"
#include "privacy/action.h"
#include "privacy/detect.h"
#include "privacy/finder.h"
#include "privacy/policy_detectors.h"

/* "actions: keep, drop, ..." */
static const char *all_actions(const struct dv_policy_reading *reading)
{
    const char *text = "actions:";
    for (uint32_t i = 0; i < DV_ACTION_COUNT && text != NULL; i++)
        text = dv_arena_printf(reading->arena, "%s %s%s", text, dv_action_name((enum dv_action)i),
                               i + 1 < DV_ACTION_COUNT ? "," : "");
    return text;
}

/* Finds the action of that name; a wrong one is told with the nearest right one. */
static dv_rc read_action(const struct dv_policy_reading *reading, struct dv_place place, const char *word, struct dv_rule *rule)
{
    const char *names[DV_ACTION_COUNT];
    for (uint32_t i = 0; i < DV_ACTION_COUNT; i++) {
        names[i] = dv_action_name((enum dv_action)i);
        rule->action = (enum dv_action)i;
        if (strcmp(names[i], word) == 0)
            return DV_OK;
    }
    const char *help = dv_diags_suggest(reading->diags, word, names, DV_ACTION_COUNT);
    dv_diags_add(reading->diags, place, "C004", NULL, help != NULL ? help : all_actions(reading),
                 "unknown action '%s' for '%s'", word, rule->field);
    return DV_E_CONFIG;
}

static dv_rc read_word_rule(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    DV_TRY(read_action(reading, node->place, node->text, rule));
    rule->types = DV_PII_ALL;
    rule->custom = reading->custom;
    const char *how = dv_action_kinds[rule->action].how;
    if (how == NULL)
        return DV_OK;
    return dv_policy_wrong(reading, node->place, dv_arena_printf(reading->arena, "write %s", how),
                           "the action needs options for", rule->field);
}

static dv_rc read_map_rule(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    const struct dv_yaml *action = node->first;
    if (node->count != 1)
        return dv_policy_wrong(reading, node->place, "write { ACTION: { OPTION: VALUE } }", "not one action for",
                               rule->field);
    DV_TRY(read_action(reading, action->key_place, action->key, rule));
    dv_action_read *read = dv_action_kinds[rule->action].read;
    return read != NULL ? read(reading, action, rule)
                        : dv_policy_wrong(reading, action->key_place, "write the action alone",
                                          "the action takes no options for", rule->field);
}

static dv_rc read_rule(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    *rule = (struct dv_rule){ .field = node->key, .place = node->key_place };
    if (node->kind == DV_YAML_MAP)
        return read_map_rule(reading, node, rule);
    if (node->kind == DV_YAML_SCALAR && !dv_yaml_is_none(node))
        return read_word_rule(reading, node, rule);
    return dv_policy_wrong(reading, node->place, "write FIELD: ACTION", "no action for", rule->field);
}

/* Reads every rule of a map, so that all errors are told; NULL if there was any. */
static struct dv_rule *read_rules(const struct dv_policy_reading *reading, const struct dv_yaml *map, uint32_t *ret_count)
{
    dv_rc worst = DV_OK;
    *ret_count = 0;
    if (map->kind != DV_YAML_MAP || map->count > DV_POLICY_RULES_MAX) {
        (void)dv_policy_wrong(reading, map->place, "write FIELD: ACTION lines", "not a map of at most 512 rules:", map->key);
        return NULL;
    }
    struct dv_rule *rules = dv_arena_zeroed(reading->arena, map->count + 1, sizeof *rules);
    if (rules == NULL) {
        dv_diags_add(reading->diags, map->place, "C007", NULL, NULL, "out of memory");
        return NULL;
    }
    for (const struct dv_yaml *node = map->first; node != NULL; node = node->next) {
        dv_rc rc = read_rule(reading, node, &rules[(*ret_count)++]);
        worst = rc != DV_OK ? rc : worst;
    }
    return worst == DV_OK ? rules : NULL;
}

static bool unknown(const struct dv_policy_reading *reading, const struct dv_rule *rule, const char *what,
                    const char *word, const char *const *names, uint32_t count)
{
    dv_diags_add(reading->diags, rule->place, "C004", NULL, dv_diags_suggest(reading->diags, word, names, count),
                 "unknown %s '%s'", what, word);
    return false;
}

/* "quasi-id" or "quasi-id/int" */
static bool place_class(const struct dv_policy_reading *reading, struct dv_privacy_policy *policy, const struct dv_rule *rule)
{
    const char *names[DV_POLICY_CLASSES];
    const char *types[DV_POLICY_TYPES];
    uint32_t type = 0;
    enum dv_class class = DV_CLASS_DIRECT_ID;
    const char *slash = strchr(rule->field, '/');
    const char *word = slash == NULL ? rule->field
                                     : dv_arena_copy(reading->arena, rule->field, (size_t)(slash - rule->field));
    for (uint32_t i = 0; i < DV_POLICY_CLASSES; i++)
        names[i] = dv_class_name((enum dv_class)i);
    for (uint32_t i = 0; i < DV_POLICY_TYPES; i++)
        types[i] = dv_type_name((enum dv_type)i);
    if (word == NULL || !dv_class_parse(word, &class))
        return unknown(reading, rule, "class", word != NULL ? word : rule->field, names, DV_POLICY_CLASSES);
    while (slash != NULL && type < DV_POLICY_TYPES && strcmp(types[type], slash + 1) != 0)
        type++;
    if (type == DV_POLICY_TYPES)
        return unknown(reading, rule, "type", slash + 1, types, DV_POLICY_TYPES);
    if (slash == NULL)
        policy->by_class[class] = rule;
    else
        policy->by_type[class][type] = rule;
    return true;
}

static bool read_classes(const struct dv_policy_reading *reading, struct dv_privacy_policy *policy, const struct dv_yaml *map)
{
    uint32_t count = 0;
    if (map == NULL)
        return true;
    const struct dv_rule *rules = read_rules(reading, map, &count);
    bool good = rules != NULL;
    for (uint32_t i = 0; rules != NULL && i < count; i++)
        good &= place_class(reading, policy, &rules[i]);
    return good;
}

static bool read_fields(const struct dv_policy_reading *reading, struct dv_privacy_policy *policy, const struct dv_yaml *map)
{
    policy->rules = read_rules(reading, map, &policy->rule_count);
    return policy->rules != NULL;
}

/* The two maps; they are read by hand since their keys are the user's. */
struct policy_options {
    const char *name;
    const struct dv_yaml *fields, *classes, *detectors;
};

static const struct dv_option policy_table[] = {
    { "name", DV_NAME, offsetof(struct policy_options, name), .flags = DV_REQUIRED, .help = "The policy's name." },
    { "fields", DV_TREE, offsetof(struct policy_options, fields), .help = "A rule for each field." },
    { "detectors", DV_TREE, offsetof(struct policy_options, detectors), .help = "Detectors of one's own, for redactions." },
    { "classes", DV_TREE, offsetof(struct policy_options, classes), .help = "Rules by class, or class/type, for fields without one." },
    { 0 },
};

static struct dv_privacy_policy *read_policy(struct dv_policy_reading *reading, const struct dv_yaml *root)
{
    struct policy_options options = { 0 };
    struct dv_privacy_policy *policy = dv_arena_zeroed(reading->arena, 1, sizeof *policy);
    if (root == NULL || policy == NULL)
        return NULL;
    dv_rc rc = dv_options_parse(policy_table, &options, root, NULL, "the policy", reading->arena, reading->diags);
    bool empty = options.fields == NULL && options.classes == NULL;
    if (rc == DV_OK && empty)
        (void)dv_policy_wrong(reading, root->place, "write `fields:` or `classes:`", "no rules in", options.name);
    if (empty)
        return NULL;
    policy->name = options.name;
    bool detects = dv_policy_read_detectors(options.detectors, reading->arena, reading->diags, &policy->custom) == DV_OK;
    reading->custom = policy->custom;
    bool good = options.fields == NULL || read_fields(reading, policy, options.fields);
    good &= read_classes(reading, policy, options.classes);
    return rc == DV_OK && detects && good ? policy : NULL;
}

struct dv_privacy_policy *dv_policy_load(const char *path, struct dv_arena *arena, struct dv_diags *diags)
{
    struct dv_policy_reading reading = { .arena = arena, .diags = diags, .path = path };
    return read_policy(&reading, dv_yaml_load(path, arena, diags));
}

struct dv_privacy_policy *dv_policy_parse(const char *name, const char *text, size_t length, struct dv_arena *arena,
                                          struct dv_diags *diags)
{
    struct dv_policy_reading reading = { .arena = arena, .diags = diags, .path = name };
    return read_policy(&reading, dv_yaml_parse(name, text, length, arena, diags));
}

/* SPDX-License-Identifier: Apache-2.0
 * policy_load.c - a policy from its file; every error has its place, and all of them are told at once. */
#include <string.h>
#include <strings.h>

#include "engine/option.h"
#include "engine/yaml.h"
#include "privacy/finder.h"
#include "privacy/policy.h"

/* Zero-initialised targets of the option tables. */
struct mask_options {
    int style;
    int64_t keep;
};

struct generalize_options {
    int to;
    int64_t width, top;
};

struct pseudonym_options {
    const char *domain;
    const char *prefix;
    int encoding;
    int64_t bytes;
    bool bare;
};

static const struct dv_option mask_table[] = {
    { "style", DV_ENUM, offsetof(struct mask_options, style), .initial = "text", .values = "text|alnum|ssn|phone|email",
      .help = "How the value is shaped." },
    { "keep", DV_INT, offsetof(struct mask_options, keep), .initial = "-1", .min = -1, .max = 64,
      .help = "How many characters stay readable (-1: 4 at the end; for email 1 at the start)." },
    { 0 },
};

static const struct dv_option generalize_table[] = {
    { "to", DV_ENUM, offsetof(struct generalize_options, to), .values = "age-band|year|quarter|month|zip3|number",
      .flags = DV_REQUIRED, .help = "What the value becomes." },
    { "width", DV_INT, offsetof(struct generalize_options, width), .initial = "10", .min = 2, .max = 1000000000,
      .help = "How many ages or units one band or bucket holds." },
    { "top", DV_INT, offsetof(struct generalize_options, top), .initial = "90", .min = 0, .max = 150,
      .help = "The age from which on there is one band only (0: none)." },
    { 0 },
};

static const struct dv_option pseudonym_table[] = {
    { "domain", DV_NAME, offsetof(struct pseudonym_options, domain),
      .help = "What is named; tokens of different domains cannot be linked." },
    { "prefix", DV_STR, offsetof(struct pseudonym_options, prefix), .initial = "", .help = "The start of each token." },
    { "encoding", DV_ENUM, offsetof(struct pseudonym_options, encoding), .initial = "base32", .values = "base32|hex",
      .help = "How the token is written." },
    { "bytes", DV_INT, offsetof(struct pseudonym_options, bytes), .initial = "20", .min = DV_PSEUDONYM_BYTES_MIN,
      .max = DV_PSEUDONYM_BYTES_MAX, .help = "How many bytes of the HMAC a token shows." },
    { "bare", DV_BOOL, offsetof(struct pseudonym_options, bare), .initial = "false",
      .help = "The plain HMAC in hex: no domain, prefix or version." },
    { 0 },
};

struct redact_options {
    struct dv_strs types;
};

static const struct dv_option redact_table[] = {
    { "types", DV_STRS, offsetof(struct redact_options, types), .help = "What is looked for; none named: everything." },
    { 0 },
};

/* One load. */
struct loading {
    struct dv_arena *arena;
    struct dv_diags *diags;
};

static dv_rc wrong(const struct loading *loading, struct dv_place place, const char *help, const char *message,
                   const char *name)
{
    dv_diags_add(loading->diags, place, "C006", NULL, help, "%s '%s'", message, name);
    return DV_E_CONFIG;
}

static dv_rc read_mask(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct mask_options options = { 0 };
    DV_TRY(dv_options_parse(mask_table, &options, node, NULL, "mask", loading->arena, loading->diags));
    rule->mask.style = (enum dv_mask_style)options.style;
    rule->mask.keep = (uint32_t)options.keep;
    if (options.keep < 0)
        rule->mask.keep = rule->mask.style == DV_MASK_EMAIL ? 1 : 4;
    bool four = rule->mask.style == DV_MASK_SSN || rule->mask.style == DV_MASK_PHONE;
    if (four && rule->mask.keep > 4)
        return wrong(loading, node->place, "keep at most 4", "too much stays readable of", rule->field);
    return DV_OK;
}

static dv_rc read_type(const struct loading *loading, const struct dv_yaml *node, const char *word, struct dv_rule *rule)
{
    const char *names[DV_PII_COUNT];
    for (uint32_t type = 1; type < DV_PII_COUNT; type++) {
        names[type - 1] = dv_pii_name((enum dv_pii)type);
        if (strcasecmp(names[type - 1], word) != 0)
            continue;
        rule->types |= 1u << type;
        return DV_OK;
    }
    return wrong(loading, node->place, dv_diags_suggest(loading->diags, word, names, DV_PII_COUNT - 1), "no type of personal data", word);
}

static dv_rc read_redact(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct redact_options options = { 0 };
    DV_TRY(dv_options_parse(redact_table, &options, node, NULL, "redact", loading->arena, loading->diags));
    for (uint32_t i = 0; i < options.types.count; i++)
        DV_TRY(read_type(loading, node, options.types.items[i], rule));
    rule->types = options.types.count == 0 ? DV_PII_ALL : rule->types;
    return DV_OK;
}

static dv_rc read_generalize(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct generalize_options options = { 0 };
    DV_TRY(dv_options_parse(generalize_table, &options, node, NULL, "generalize", loading->arena, loading->diags));
    rule->to = (enum dv_generalize)options.to;
    rule->band = (struct dv_band){ .width = (uint32_t)options.width, .top = (uint32_t)options.top };
    return DV_OK;
}

static dv_rc read_pseudonym(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    static const unsigned char probe_key[DV_PSEUDONYM_KEY_MIN] = { 0 };
    struct pseudonym_options options = { 0 };
    struct dv_pseudonym probe;
    DV_TRY(dv_options_parse(pseudonym_table, &options, node, NULL, "pseudonym", loading->arena, loading->diags));
    rule->pseudonym = (struct dv_pseudonym_options){
        .domain = options.domain,
        .prefix = options.prefix,
        .encoding = (enum dv_pseudonym_encoding)options.encoding,
        .bytes = (uint32_t)options.bytes,
        .bare = options.bare,
    };
    if (options.domain == NULL && !options.bare)
        return wrong(loading, node->place, "write { pseudonym: { domain: patient } }", "no domain for", rule->field);
    /* The maker knows best what it takes. */
    dv_rc rc = dv_pseudonym_init(&probe, probe_key, sizeof probe_key, &rule->pseudonym);
    dv_pseudonym_wipe(&probe);
    return rc == DV_OK ? DV_OK
                       : wrong(loading, node->place, "use at most 24 of a-z 0-9 _ -", "bad prefix for", rule->field);
}

/* Finds the action of that name; a wrong one is told with the nearest right one. */
static dv_rc read_action(const struct loading *loading, struct dv_place place, const char *word, struct dv_rule *rule)
{
    const char *names[DV_ACTION_COUNT];
    for (uint32_t i = 0; i < DV_ACTION_COUNT; i++) {
        names[i] = dv_action_name((enum dv_action)i);
        rule->action = (enum dv_action)i;
        if (strcmp(names[i], word) == 0)
            return DV_OK;
    }
    const char *help = dv_diags_suggest(loading->diags, word, names, DV_ACTION_COUNT);
    dv_diags_add(loading->diags, place, "C004", NULL,
                 help != NULL ? help : "actions: keep, drop, mask, pseudonym, generalize, redact",
                 "unknown action '%s' for '%s'", word, rule->field);
    return DV_E_CONFIG;
}

static dv_rc read_word_rule(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    DV_TRY(read_action(loading, node->place, node->text, rule));
    rule->types = DV_PII_ALL;
    if (rule->action == DV_ACTION_KEEP || rule->action == DV_ACTION_DROP || rule->action == DV_ACTION_REDACT)
        return DV_OK;
    const char *help = rule->action == DV_ACTION_MASK        ? "write { mask: { style: text } }"
                       : rule->action == DV_ACTION_PSEUDONYM ? "write { pseudonym: { domain: patient } }"
                                                             : "write { generalize: { to: year } }";
    return wrong(loading, node->place, help, "the action needs options for", rule->field);
}

static dv_rc read_map_rule(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    const struct dv_yaml *action = node->first;
    if (node->count != 1)
        return wrong(loading, node->place, "write { ACTION: { OPTION: VALUE } }", "not one action for", rule->field);
    DV_TRY(read_action(loading, action->key_place, action->key, rule));
    switch (rule->action) {
    case DV_ACTION_MASK:
        return read_mask(loading, action, rule);
    case DV_ACTION_PSEUDONYM:
        return read_pseudonym(loading, action, rule);
    case DV_ACTION_GENERALIZE:
        return read_generalize(loading, action, rule);
    case DV_ACTION_REDACT:
        return read_redact(loading, action, rule);
    default:
        return wrong(loading, action->key_place, "write the action alone", "the action takes no options for",
                     rule->field);
    }
}

static dv_rc read_rule(const struct loading *loading, const struct dv_yaml *node, struct dv_rule *rule)
{
    *rule = (struct dv_rule){ .field = node->key, .place = node->key_place };
    if (node->kind == DV_YAML_MAP)
        return read_map_rule(loading, node, rule);
    if (node->kind == DV_YAML_SCALAR && !dv_yaml_is_none(node))
        return read_word_rule(loading, node, rule);
    return wrong(loading, node->place, "write FIELD: ACTION", "no action for", rule->field);
}

/* Reads every rule of a map, so that all errors are told; NULL if there was any. */
static struct dv_rule *read_rules(const struct loading *loading, const struct dv_yaml *map, uint32_t *ret_count)
{
    dv_rc worst = DV_OK;
    *ret_count = 0;
    if (map->kind != DV_YAML_MAP || map->count > DV_POLICY_RULES_MAX) {
        (void)wrong(loading, map->place, "write FIELD: ACTION lines", "not a map of at most 512 rules:", map->key);
        return NULL;
    }
    struct dv_rule *rules = dv_arena_zeroed(loading->arena, map->count + 1, sizeof *rules);
    if (rules == NULL) {
        dv_diags_add(loading->diags, map->place, "C007", NULL, NULL, "out of memory");
        return NULL;
    }
    for (const struct dv_yaml *node = map->first; node != NULL; node = node->next) {
        dv_rc rc = read_rule(loading, node, &rules[(*ret_count)++]);
        worst = rc != DV_OK ? rc : worst;
    }
    return worst == DV_OK ? rules : NULL;
}

static bool place_class(const struct loading *loading, struct dv_privacy_policy *policy, const struct dv_rule *rule)
{
    const char *names[DV_POLICY_CLASSES];
    enum dv_class class = DV_CLASS_DIRECT_ID;
    for (uint32_t i = 0; i < DV_POLICY_CLASSES; i++)
        names[i] = dv_class_name((enum dv_class)i);
    if (dv_class_parse(rule->field, &class)) {
        policy->by_class[class] = rule;
        return true;
    }
    dv_diags_add(loading->diags, rule->place, "C004", NULL,
                 dv_diags_suggest(loading->diags, rule->field, names, DV_POLICY_CLASSES), "unknown class '%s'",
                 rule->field);
    return false;
}

static bool read_classes(const struct loading *loading, struct dv_privacy_policy *policy, const struct dv_yaml *map)
{
    uint32_t count = 0;
    if (map == NULL)
        return true;
    const struct dv_rule *rules = read_rules(loading, map, &count);
    bool good = rules != NULL;
    for (uint32_t i = 0; rules != NULL && i < count; i++)
        good &= place_class(loading, policy, &rules[i]);
    return good;
}

/* The two maps; they are read by hand since their keys are the user's. */
struct policy_options {
    const char *name;
    const struct dv_yaml *fields, *classes;
};

static const struct dv_option policy_table[] = {
    { "name", DV_NAME, offsetof(struct policy_options, name), .flags = DV_REQUIRED, .help = "The policy's name." },
    { "fields", DV_TREE, offsetof(struct policy_options, fields), .flags = DV_REQUIRED,
      .help = "A rule for each field." },
    { "classes", DV_TREE, offsetof(struct policy_options, classes), .help = "Rules by class, for fields without one." },
    { 0 },
};

static struct dv_privacy_policy *read_policy(const struct loading *loading, const struct dv_yaml *root)
{
    struct policy_options options = { 0 };
    struct dv_privacy_policy *policy = dv_arena_zeroed(loading->arena, 1, sizeof *policy);
    if (root == NULL || policy == NULL)
        return NULL;
    dv_rc rc = dv_options_parse(policy_table, &options, root, NULL, "the policy", loading->arena, loading->diags);
    if (rc != DV_OK && options.fields == NULL)
        return NULL;
    policy->name = options.name;
    policy->rules = read_rules(loading, options.fields, &policy->rule_count);
    bool good = read_classes(loading, policy, options.classes);
    return rc == DV_OK && good && policy->rules != NULL ? policy : NULL;
}

struct dv_privacy_policy *dv_policy_load(const char *path, struct dv_arena *arena, struct dv_diags *diags)
{
    struct loading loading = { .arena = arena, .diags = diags };
    return read_policy(&loading, dv_yaml_load(path, arena, diags));
}

struct dv_privacy_policy *dv_policy_parse(const char *name, const char *text, size_t length, struct dv_arena *arena,
                                          struct dv_diags *diags)
{
    struct loading loading = { .arena = arena, .diags = diags };
    return read_policy(&loading, dv_yaml_parse(name, text, length, arena, diags));
}

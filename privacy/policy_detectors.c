/* SPDX-License-Identifier: Apache-2.0
 * policy_detectors.c - the section `detectors` of a policy: a user's own patterns and words. */
#include <string.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/yaml.h"
#include "privacy/custom.h"
#include "privacy/policy_detectors.h"

/* Zero-initialised target of the option table. */
struct detector_options {
    const char *name, *pattern;
    struct dv_strs context, dictionary;
    int validator;
    double score;
};

static const struct dv_option detector_table[] = {
    { "name", DV_NAME, offsetof(struct detector_options, name), .flags = DV_REQUIRED, .help = "What the finding is called: \"[NAME]\"." },
    { "pattern", DV_STR, offsetof(struct detector_options, pattern), .help = "A regular expression, without back-references and look-around." },
    { "dictionary", DV_STRS, offsetof(struct detector_options, dictionary), .help = "Words and phrases, of any case." },
    { "context", DV_STRS, offsetof(struct detector_options, context), .help = "Words one of which must begin in the 40 bytes before." },
    { "validator", DV_ENUM, offsetof(struct detector_options, validator), .initial = "none", .values = "none|luhn|mod97",
      .help = "A check of the letters and digits found." },
    { "score", DV_FLOAT, offsetof(struct detector_options, score), .initial = "0.95", .min = 0, .max = 1, .help = "How sure a finding is." },
    { 0 },
};

static dv_rc wrong(struct dv_diags *diags, struct dv_place place, const char *help, const char *message, const char *name)
{
    dv_diags_add(diags, place, "C006", NULL, help, "%s '%s'", message, name);
    return DV_E_CONFIG;
}

/* The words in lower case with bars between; NULL: no memory. */
static const char *join(const struct dv_strs *words, struct dv_arena *arena)
{
    size_t length = 1;
    for (size_t i = 0; i < words->count; i++)
        length += strlen(words->items[i]) + 1;
    char *text = dv_arena_text(arena, length);
    char *at = text;
    for (size_t i = 0; text != NULL && i < words->count; i++) {
        if (i > 0)
            *at++ = '|';
        for (const char *next = words->items[i]; *next != '\0'; next++)
            *at++ = *next >= 'A' && *next <= 'Z' ? (char)(*next | 0x20) : *next;
    }
    if (text != NULL)
        *at = '\0';
    return text;
}

static bool has_empty(const struct dv_strs *words)
{
    for (size_t i = 0; i < words->count; i++)
        if (words->items[i][0] == '\0')
            return true;
    return false;
}

static dv_rc read_detector(const struct dv_yaml *node, struct dv_arena *arena, struct dv_diags *diags, struct dv_custom_rule *rule)
{
    struct detector_options options = { 0 };
    DV_TRY(dv_options_parse(detector_table, &options, node, NULL, "a detector", arena, diags));
    if (strlen(options.name) > DV_CUSTOM_NAME_MAX)
        return wrong(diags, node->place, "use at most 64 characters", "too long a name,", options.name);
    if (options.pattern == NULL && options.dictionary.count == 0)
        return wrong(diags, node->place, "write a pattern, a dictionary or both", "nothing to look for in detector", options.name);
    if (options.pattern != NULL && strlen(options.pattern) > DV_CUSTOM_PATTERN_MAX)
        return wrong(diags, node->place, "use at most 1024 bytes; words go into a dictionary", "too long a pattern in detector", options.name);
    if (options.dictionary.count > DV_CUSTOM_WORDS_MAX || has_empty(&options.dictionary) || has_empty(&options.context))
        return wrong(diags, node->place, "use at most 10,000 words, none of them empty", "bad list of words in detector", options.name);
    *rule = (struct dv_custom_rule){ .name = options.name, .pattern = options.pattern, .dictionary = options.dictionary,
                                     .check = (enum dv_custom_check)options.validator, .score = (uint16_t)(options.score * 1000) };
    if (rule->score == 0)
        rule->score = 1;
    if (options.context.count > 0 && (rule->context = join(&options.context, arena)) == NULL)
        return DV_E_MEMORY;
    return DV_OK;
}

/* The child of a list, or of a map by its key. */
static const struct dv_yaml *child(const struct dv_yaml *node, uint32_t index, const char *key)
{
    const struct dv_yaml *next = node->first;
    for (uint32_t i = 0; next != NULL && (key != NULL ? strcmp(next->key, key) != 0 : i < index); i++)
        next = next->next;
    return next;
}

/* A pattern in one line of the file is pointed into. */
static void tell_wrong(const struct dv_yaml *list, const struct dv_custom_rule *rules, const struct dv_custom_wrong *what, struct dv_diags *diags)
{
    const struct dv_yaml *detector = child(list, what->rule, NULL);
    const struct dv_yaml *pattern = child(detector, 0, "pattern");
    struct dv_place place = pattern != NULL ? pattern->place : detector->place;
    if (pattern != NULL && what->at >= 0 && strlen(rules[what->rule].pattern) >= (size_t)what->at)
        place.column += (uint32_t)what->at;
    dv_diags_add(diags, place, "C006", NULL,
                 "patterns are regular expressions of at least one character, without back-references and look-around; a \\ stands before what "
                 "is meant as it is",
                 "bad pattern of detector '%s': %s", rules[what->rule].name, what->why);
}

static dv_rc compile(const struct dv_yaml *list, const struct dv_custom_rule *rules, uint32_t count, struct dv_arena *arena,
                     struct dv_diags *diags, const struct dv_custom **ret_custom)
{
    struct dv_custom_wrong what = { 0 };
    dv_rc rc = dv_custom_compile(rules, count, arena, ret_custom, &what);
    if (rc == DV_E_CONFIG)
        tell_wrong(list, rules, &what, diags);
    else if (rc == DV_E_MISSING)
        dv_diags_add(diags, list->place, "C006", NULL, "remove the detectors, or use a machine with SSE4.2", "detectors cannot run here");
    else if (rc != DV_OK)
        dv_diags_add(diags, list->place, "C007", NULL, NULL, "not enough memory for the detectors");
    return rc;
}

dv_rc dv_policy_read_detectors(const struct dv_yaml *list, struct dv_arena *arena, struct dv_diags *diags, const struct dv_custom **ret_custom)
{
    *ret_custom = NULL;
    if (list == NULL)
        return DV_OK;
    if (list->kind != DV_YAML_LIST || list->count == 0 || list->count > DV_CUSTOM_RULES_MAX)
        return wrong(diags, list->place, "write a list of 1 to 256: - { name: STUDY_ID, pattern: \"\\\\bST-[0-9]{6}\\\\b\" }", "no list of", "detectors");
    struct dv_custom_rule *rules = dv_arena_zeroed(arena, list->count, sizeof *rules);
    uint32_t count = 0;
    dv_rc worst = rules != NULL ? DV_OK : DV_E_MEMORY;
    for (const struct dv_yaml *node = list->first; rules != NULL && node != NULL; node = node->next) {
        dv_rc rc = read_detector(node, arena, diags, &rules[count++]);
        worst = rc != DV_OK ? rc : worst;
    }
    return worst == DV_OK ? compile(list, rules, count, arena, diags, ret_custom) : worst;
}

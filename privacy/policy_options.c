/* SPDX-License-Identifier: Apache-2.0
 * policy_options.c - the options of each action that has any, by option table, into its rule. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "engine/file.h"
#include "engine/option.h"
#include "engine/yaml.h"
#include "privacy/action.h"
#include "privacy/date.h"
#include "privacy/finder.h"
#include "privacy/generalize.h"
#include "privacy/labels.h"
#include "privacy/shift.h"

enum { DOMAIN_MAX = 128, NOUN_MAX = 40 };

/* Zero-initialised targets of the option tables. */
struct mask_options {
    int style;
    int64_t keep;
};

struct generalize_options {
    int to; /* -1: a hierarchy */
    int64_t width, top, level;
    const char *since;
    const char *hierarchy;
};

struct shift_options {
    int by;
    int64_t days;
};

struct bucket_options {
    int64_t width;
};

struct round_options {
    int64_t to;
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

/* In the order of enum dv_generalize; the last one is no word of the file. */
#define TO_WORDS                                                                                                       \
    "age-band|day|week|month|quarter|year|decade|relative-week|zip3|number|icd10-category|icd10-block|icd10-chapter"

static const struct dv_option generalize_table[] = {
    { "to", DV_ENUM, offsetof(struct generalize_options, to), .values = TO_WORDS "|level", .initial = "level",
      .help = "What the value becomes; level: what `hierarchy` says." },
    { "width", DV_INT, offsetof(struct generalize_options, width), .initial = "10", .min = 2, .max = 1000000000,
      .help = "How many ages or units one band or bucket holds." },
    { "top", DV_INT, offsetof(struct generalize_options, top), .initial = "90", .min = 0, .max = 150,
      .help = "The age from which on there is one band only (0: none)." },
    { "since", DV_STR, offsetof(struct generalize_options, since),
      .help = "The day from which relative weeks are counted, as 2024-01-31." },
    { "hierarchy", DV_STR, offsetof(struct generalize_options, hierarchy),
      .help = "A file of lines `value;level 1;level 2`, beside the policy; an unknown value rejects its record." },
    { "level", DV_INT, offsetof(struct generalize_options, level), .initial = "1", .min = 1,
      .max = DV_HIERARCHY_LEVELS_MAX, .help = "The level of the hierarchy that a value becomes." },
    { 0 },
};

static const struct dv_option shift_table[] = {
    { "by", DV_ENUM, offsetof(struct shift_options, by), .initial = "subject", .values = "subject",
      .help = "Whose dates move together: the schema's subject." },
    { "days", DV_INT, offsetof(struct shift_options, days), .initial = "365", .min = 1, .max = DV_SHIFT_DAYS_MAX,
      .help = "The most days by which dates move, to either side." },
    { 0 },
};

static const struct dv_option bucket_table[] = {
    { "width", DV_INT, offsetof(struct bucket_options, width), .initial = "10", .min = 1, .max = 1000000000,
      .help = "How many units one bucket holds." },
    { 0 },
};

static const struct dv_option round_table[] = {
    { "to", DV_INT, offsetof(struct round_options, to), .flags = DV_REQUIRED, .min = 2, .max = 1000000000,
      .help = "The number whose multiples are left." },
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

enum { MODE_FAST, MODE_THOROUGH }; /* in the order of .values */

struct surrogate_options {
    int style;
    const char *domain;
    const char *noun;
    const char *type;
    int64_t size, window;
    int with; /* these four of redactions */
    struct dv_strs types;
    int mode;
    int64_t shift_days;
};

/* Those of surrogates in redactions, too. */
#define SURROGATE_ROWS                                                                                                 \
    { "domain", DV_NAME, offsetof(struct surrogate_options, domain),                                                   \
      .help = "What is named; surrogates of different domains cannot be linked." },                                    \
    { "style", DV_ENUM, offsetof(struct surrogate_options, style), .initial = "fake", .values = "fake|label",          \
      .help = "fake: an invented value of the same form. label: Patient A, Patient B, ..." },                          \
    { "noun", DV_STR, offsetof(struct surrogate_options, noun), .help = "What labels begin with; none: the domain, with a capital." },\
    { "size", DV_INT, offsetof(struct surrogate_options, size), .initial = "10000", .min = 1, .max = DV_LABELS_MAX,    \
      .help = "The most labels that are kept; whoever comes later gets a keyed code instead of a letter." },           \
    { "window", DV_DURATION, offsetof(struct surrogate_options, window), .initial = "0s",                              \
      .help = "How long labels stay before they begin anew (0s: as long as the graph runs)." }

static const struct dv_option surrogate_table[] = {
    SURROGATE_ROWS,
    { "type", DV_STR, offsetof(struct surrogate_options, type), .initial = "auto",
      .help = "What the value is: person, email, phone, date, id, ...; auto: what the field's name tells, else an id." },
    { 0 },
};

static const struct dv_option redact_table[] = {
    { "with", DV_ENUM, offsetof(struct surrogate_options, with), .initial = "type", .values = "type|surrogate",
      .help = "What stands for a finding: [EMAIL], or a surrogate, the same as in a column of the same domain." },
    SURROGATE_ROWS,
    { "types", DV_STRS, offsetof(struct surrogate_options, types), .help = "What is looked for; none named: everything." },
    { "mode", DV_ENUM, offsetof(struct surrogate_options, mode), .initial = "fast", .values = "fast|thorough",
      .help = "thorough: a small neural model is asked, too, where words are left that are not of every day." },
    { "shift_days", DV_INT, offsetof(struct surrogate_options, shift_days), .initial = "0", .min = 0,
      .max = DV_SHIFT_DAYS_MAX,
      .help = "Whole dates move as `shift` moves the subject's dates by at most so many days (0: they become [DATE])." },
    { 0 },
};

dv_rc dv_policy_wrong(const struct dv_policy_reading *reading, struct dv_place place, const char *help,
                      const char *message, const char *name)
{
    dv_diags_add(reading->diags, place, "C006", NULL, help, "%s '%s'", message, name);
    return DV_E_CONFIG;
}

dv_rc dv_read_mask(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct mask_options options = { 0 };
    DV_TRY(dv_options_parse(mask_table, &options, node, NULL, "mask", reading->arena, reading->diags));
    rule->mask.style = (enum dv_mask_style)options.style;
    rule->mask.keep = (uint32_t)options.keep;
    if (options.keep < 0)
        rule->mask.keep = rule->mask.style == DV_MASK_EMAIL ? 1 : 4;
    bool four = rule->mask.style == DV_MASK_SSN || rule->mask.style == DV_MASK_PHONE;
    if (four && rule->mask.keep > 4)
        return dv_policy_wrong(reading, node->place, "keep at most 4", "too much stays readable of", rule->field);
    return DV_OK;
}

static dv_rc find_type(const struct dv_policy_reading *reading, const struct dv_yaml *node, const char *word,
                       enum dv_pii *ret_type)
{
    const char *names[DV_PII_COUNT];
    for (uint32_t type = 1; type < DV_PII_COUNT; type++) {
        names[type - 1] = dv_pii_name((enum dv_pii)type);
        *ret_type = (enum dv_pii)type;
        if (strcasecmp(names[type - 1], word) == 0)
            return DV_OK;
    }
    return dv_policy_wrong(reading, node->place, dv_diags_suggest(reading->diags, word, names, DV_PII_COUNT - 1),
                           "no type of personal data", word);
}

/* "patient" to "Patient" */
static const char *noun_of(const struct dv_policy_reading *reading, const struct surrogate_options *options)
{
    if (options->noun != NULL)
        return options->noun;
    char *noun = dv_arena_copy(reading->arena, options->domain, strlen(options->domain));
    if (noun != NULL && noun[0] >= 'a' && noun[0] <= 'z')
        noun[0] = (char)(noun[0] - 0x20);
    return noun;
}

static dv_rc take_surrogate(const struct dv_policy_reading *reading, const struct dv_yaml *node,
                            const struct surrogate_options *options, struct dv_rule *rule)
{
    if (options->domain == NULL || strlen(options->domain) > DOMAIN_MAX)
        return dv_policy_wrong(reading, node->place, "write { surrogate: { domain: patient } }", "no domain, or too long a one, for",
                               rule->field);
    if (options->noun != NULL && strlen(options->noun) > NOUN_MAX)
        return dv_policy_wrong(reading, node->place, "use at most 40 bytes", "too long a noun for", rule->field);
    rule->surrogate = (struct dv_surrogate_options){
        .style = (enum dv_surrogate_style)options->style,
        .domain = options->domain,
        .noun = noun_of(reading, options),
        .size = (uint32_t)options->size,
        .window_ms = options->window,
    };
    return rule->surrogate.noun != NULL ? DV_OK : DV_E_MEMORY;
}

dv_rc dv_read_surrogate(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct surrogate_options options = { 0 };
    enum dv_pii type = DV_PII_OTHER;
    DV_TRY(dv_options_parse(surrogate_table, &options, node, NULL, "surrogate", reading->arena, reading->diags));
    DV_TRY(take_surrogate(reading, node, &options, rule));
    if (strcasecmp(options.type, "auto") != 0)
        DV_TRY(find_type(reading, node, options.type, &type));
    rule->surrogate.type = type;
    return DV_OK;
}

dv_rc dv_read_redact(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct surrogate_options options = { 0 };
    DV_TRY(dv_options_parse(redact_table, &options, node, NULL, "redact", reading->arena, reading->diags));
    for (uint32_t i = 0; i < options.types.count; i++) {
        enum dv_pii type = DV_PII_OTHER;
        DV_TRY(find_type(reading, node, options.types.items[i], &type));
        rule->types |= 1u << type;
    }
    rule->days = (uint32_t)options.shift_days;
    rule->thorough = options.mode == MODE_THOROUGH;
    if (options.with != 0)
        DV_TRY(take_surrogate(reading, node, &options, rule));
    rule->custom = reading->custom;
    rule->types = options.types.count == 0 ? DV_PII_ALL : rule->types;
    return DV_OK;
}

/* The path of a file beside the policy's. */
static const char *beside(const struct dv_policy_reading *reading, const char *name)
{
    const char *slash = strrchr(reading->path, '/');
    return slash == NULL || name[0] == '/'
               ? name
               : dv_arena_printf(reading->arena, "%.*s/%s", (int)(slash - reading->path), reading->path, name);
}

static dv_rc read_hierarchy(const struct dv_policy_reading *reading, const struct dv_yaml *node, const char *name,
                            struct dv_rule *rule)
{
    uint32_t line = 0;
    char *text = NULL;
    size_t length = 0;
    const char *why = NULL;
    const char *path = beside(reading, name);
    dv_rc rc = path == NULL ? DV_E_MEMORY : dv_file_read(path, DV_HIERARCHY_BYTES_MAX, reading->arena, &text, &length);
    if (rc != DV_OK)
        return dv_policy_wrong(reading, node->place, rc == DV_E_IO ? strerror(errno) : dv_rc_text(rc),
                               "cannot read the hierarchy", path != NULL ? path : name);
    rule->hierarchy = dv_hierarchy_parse(text, length, reading->arena, &line, &why);
    if (rule->hierarchy == NULL) {
        dv_diags_add(reading->diags, (struct dv_place){ .file = path, .line = line, .column = 1, .length = 1 }, "C006",
                     NULL, "each line is `value;level 1;level 2`", "%s", why);
        return DV_E_CONFIG;
    }
    if (rule->level > dv_hierarchy_levels(rule->hierarchy))
        return dv_policy_wrong(reading, node->place, "name a level that the file has", "no such level in the hierarchy",
                               path);
    return DV_OK;
}

static dv_rc read_since(const struct dv_policy_reading *reading, const struct dv_yaml *node, const char *since,
                        struct dv_rule *rule)
{
    struct dv_date date = { 0 };
    if (since == NULL || strlen(since) != 10 || !dv_date_read(since, 10, &date))
        return dv_policy_wrong(reading, node->place, "write { generalize: { to: relative-week, since: 2024-01-31 } }",
                               "no day to count weeks from for", rule->field);
    rule->since = dv_date_days(&date);
    return DV_OK;
}

dv_rc dv_read_generalize(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct generalize_options options = { 0 };
    DV_TRY(dv_options_parse(generalize_table, &options, node, NULL, "generalize", reading->arena, reading->diags));
    rule->to = (enum dv_generalize)options.to;
    rule->band = (struct dv_band){ .width = (uint32_t)options.width, .top = (uint32_t)options.top };
    rule->level = (uint32_t)options.level;
    if ((rule->to == DV_TO_LEVEL) != (options.hierarchy != NULL))
        return dv_policy_wrong(reading, node->place, "write { generalize: { to: year } }, or { generalize: { hierarchy: FILE, level: 1 } }",
                     "neither `to` alone nor a hierarchy for", rule->field);
    if (rule->to == DV_TO_RELATIVE_WEEK)
        return read_since(reading, node, options.since, rule);
    return rule->to == DV_TO_LEVEL ? read_hierarchy(reading, node, options.hierarchy, rule) : DV_OK;
}

dv_rc dv_read_shift(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct shift_options options = { 0 };
    DV_TRY(dv_options_parse(shift_table, &options, node, NULL, "shift", reading->arena, reading->diags));
    rule->days = (uint32_t)options.days;
    return DV_OK;
}

dv_rc dv_read_bucket(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct bucket_options options = { 0 };
    DV_TRY(dv_options_parse(bucket_table, &options, node, NULL, "bucket", reading->arena, reading->diags));
    rule->band.width = (uint32_t)options.width;
    return DV_OK;
}

dv_rc dv_read_round(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    struct round_options options = { 0 };
    DV_TRY(dv_options_parse(round_table, &options, node, NULL, "round", reading->arena, reading->diags));
    rule->round_to = options.to;
    return DV_OK;
}

dv_rc dv_read_pseudonym(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule)
{
    static const unsigned char probe_key[DV_PSEUDONYM_KEY_MIN] = { 0 };
    struct pseudonym_options options = { 0 };
    struct dv_pseudonym probe;
    DV_TRY(dv_options_parse(pseudonym_table, &options, node, NULL, "pseudonym", reading->arena, reading->diags));
    rule->pseudonym = (struct dv_pseudonym_options){
        .domain = options.domain,
        .prefix = options.prefix,
        .encoding = (enum dv_pseudonym_encoding)options.encoding,
        .bytes = (uint32_t)options.bytes,
        .bare = options.bare,
    };
    if (options.domain == NULL && !options.bare)
        return dv_policy_wrong(reading, node->place, "write { pseudonym: { domain: patient } }", "no domain for", rule->field);
    /* The maker knows best what it takes. */
    dv_rc rc = dv_pseudonym_init(&probe, probe_key, sizeof probe_key, &rule->pseudonym);
    dv_pseudonym_wipe(&probe);
    return rc == DV_OK ? DV_OK
                       : dv_policy_wrong(reading, node->place, "use at most 24 of a-z 0-9 _ -", "bad prefix for", rule->field);
}

/* SPDX-License-Identifier: Apache-2.0
 * label.c - joining labels, and the one table of clearances. */
#include "engine/label.h"

#include <stdio.h>
#include <string.h>

#include "engine/error.h"

#define FORM(form) (1u << DV_FORM_##form)

/* Sets of forms that the table uses more than once. */
enum {
    ANY = 0xFFu,
    OPEN = ANY & ~FORM(SEALED),                  /* what a reader without a key can use at all */
    ANONYMOUS = FORM(AGGREGATE) | FORM(NOISED),  /* about groups: of at least DV_K_MIN, or with noise of a known ε */
    GROUPED = 1u << 8,                           /* generalized, with DV_K_MIN subjects or more behind each value */
    UNLINKED = ANONYMOUS | FORM(MASKED) | FORM(PSEUDONYM) | FORM(GENERALIZED) | FORM(SEALED),
    CIPHER = ANONYMOUS | FORM(PSEUDONYM) | FORM(SEALED),
    SCRUBBED = FORM(REDACTED) | FORM(MASKED) | FORM(PSEUDONYM) | FORM(SEALED),
};

/* Which forms of one class an exit may receive, and the rule in words. */
struct clearance {
    unsigned forms;
    const char *rule;
};

/* The table. A form that is not listed is refused, so that a new form or exit fails closed.
 *
 * FILE         Leaves our hands for good, so nothing in it may tell who somebody is. Sensitive values may stay plain:
 *              without an identity beside them they say nothing about a person. Plain quasi-identifiers link people.
 * STORE        Holds ciphertext or anonymous aggregates, so that a stolen database is worth nothing; pseudonyms are
 *              what blobs are found and erased by.
 * SSE          Anybody who may see the dashboard: groups only. Redacted text may still hold what no finder found.
 *              A sealed value is of no use there, so that it can only be a mistake.
 *              Of quasi-identifiers also what at least DV_K_MIN subjects share; a coarser value alone may be one person's.
 * LOG          Logs travel far and live long: nothing about a person, in no form.
 * DEAD_LETTER  Sealed by construction, whatever is put in.
 * LLM          A prompt leaves for a third party that remembers: no identity in any form but as a group, no pseudonym
 *              (it is linkable), but what explains a trend.
 * REPLY        As FILE, to an asker who is known and logged: redacted text too. */
static const struct clearance clearances[DV_EXIT_COUNT][DV_CLASS_DIRECT_ID + 1] = {
    [DV_EXIT_FILE] = {
        [DV_CLASS_PUBLIC] = { ANY, "public values may be in a file" },
        [DV_CLASS_SENSITIVE] = { ANY, "sensitive values may be in a file: nothing beside them tells whose they are" },
        [DV_CLASS_QUASI_ID] = { UNLINKED, "a quasi-id in a file must be masked, pseudonym, generalized, aggregate of "
                                          "k >= 5, noised or sealed: plain ones link people" },
        [DV_CLASS_FREE_TEXT] = { SCRUBBED | ANONYMOUS, "free text in a file must be redacted, masked, pseudonym, "
                                                       "aggregate of k >= 5, noised or sealed" },
        [DV_CLASS_DIRECT_ID] = { UNLINKED, "a direct-id in a file must be masked, pseudonym, generalized, aggregate of "
                                           "k >= 5, noised or sealed" },
    },
    [DV_EXIT_STORE] = {
        [DV_CLASS_PUBLIC] = { ANY, "public values may be in a store" },
        [DV_CLASS_SENSITIVE] = { CIPHER, "a store holds ciphertext, pseudonyms, aggregates of k >= 5 and noised values "
                                         "only" },
        [DV_CLASS_QUASI_ID] = { CIPHER | GROUPED, "a store holds ciphertext, pseudonyms, aggregates of k >= 5, values "
                                                  "that k >= 5 share and noised values only" },
        [DV_CLASS_FREE_TEXT] = { CIPHER | FORM(REDACTED), "free text in a store must be sealed, redacted, pseudonym, "
                                                          "aggregate of k >= 5 or noised" },
        [DV_CLASS_DIRECT_ID] = { CIPHER, "a store holds ciphertext, pseudonyms, aggregates of k >= 5 and noised values "
                                         "only" },
    },
    [DV_EXIT_SSE] = {
        [DV_CLASS_PUBLIC] = { OPEN, "public values may be on the live stream, unsealed" },
        [DV_CLASS_SENSITIVE] = { ANONYMOUS, "the live stream shows groups of k >= 5 and noised values (epsilon <= 4) only" },
        [DV_CLASS_QUASI_ID] = { ANONYMOUS | GROUPED, "the live stream shows groups of k >= 5, values that k >= 5 share, "
                                                     "and noised values (epsilon <= 4) only" },
        [DV_CLASS_FREE_TEXT] = { ANONYMOUS, "the live stream shows groups of k >= 5 and noised values (epsilon <= 4) only, no text" },
        [DV_CLASS_DIRECT_ID] = { ANONYMOUS, "the live stream shows groups of k >= 5 and noised values (epsilon <= 4) only" },
    },
    [DV_EXIT_LOG] = {
        [DV_CLASS_PUBLIC] = { OPEN, "public values may be in a log, unsealed" },
        [DV_CLASS_SENSITIVE] = { 0, "a log holds public values only" },
        [DV_CLASS_QUASI_ID] = { 0, "a log holds public values only" },
        [DV_CLASS_FREE_TEXT] = { 0, "a log holds public values only" },
        [DV_CLASS_DIRECT_ID] = { 0, "a log holds public values only" },
    },
    [DV_EXIT_DEAD_LETTER] = {
        [DV_CLASS_PUBLIC] = { ANY, "dead letters are sealed, whatever they are" },
        [DV_CLASS_SENSITIVE] = { ANY, "dead letters are sealed, whatever they are" },
        [DV_CLASS_QUASI_ID] = { ANY, "dead letters are sealed, whatever they are" },
        [DV_CLASS_FREE_TEXT] = { ANY, "dead letters are sealed, whatever they are" },
        [DV_CLASS_DIRECT_ID] = { ANY, "dead letters are sealed, whatever they are" },
    },
    [DV_EXIT_LLM] = {
        [DV_CLASS_PUBLIC] = { OPEN, "public values may be in a prompt, unsealed" },
        [DV_CLASS_SENSITIVE] = { ANONYMOUS | FORM(REDACTED) | FORM(GENERALIZED) | FORM(MASKED),
                                 "a sensitive value in a prompt must be masked, generalized, redacted, aggregate of "
                                 "k >= 5 or noised (epsilon <= 4)" },
        [DV_CLASS_QUASI_ID] = { ANONYMOUS | FORM(GENERALIZED),
                                "a quasi-id in a prompt must be generalized, aggregate of k >= 5 or noised (epsilon <= 4)" },
        [DV_CLASS_FREE_TEXT] = { ANONYMOUS | FORM(REDACTED),
                                 "free text in a prompt must be redacted, aggregate of k >= 5 or noised (epsilon <= 4)" },
        [DV_CLASS_DIRECT_ID] = { ANONYMOUS, "a direct-id in a prompt must be aggregate of k >= 5 or noised (epsilon <= 4)" },
    },
    [DV_EXIT_REPLY] = {
        [DV_CLASS_PUBLIC] = { ANY, "public values may be in an answer" },
        [DV_CLASS_SENSITIVE] = { ANY, "sensitive values may be in an answer: nothing beside them tells whose" },
        [DV_CLASS_QUASI_ID] = { UNLINKED | FORM(REDACTED), "a quasi-id in an answer must be masked, pseudonym, "
                                                           "redacted, generalized, aggregate of k >= 5, noised or sealed" },
        [DV_CLASS_FREE_TEXT] = { SCRUBBED | ANONYMOUS, "free text in an answer must be redacted, masked, pseudonym, "
                                                       "aggregate of k >= 5, noised or sealed" },
        [DV_CLASS_DIRECT_ID] = { UNLINKED | FORM(REDACTED), "a direct-id in an answer must be masked, pseudonym, "
                                                            "redacted, generalized, aggregate of k >= 5, noised or sealed" },
    },
};

_Static_assert(DV_K_MIN == 5, "the rules above say k >= 5");
_Static_assert(DV_EPSILON_OPEN_MAX == 4000, "the rules above say epsilon <= 4");

static unsigned epsilon_max(enum dv_exit exit)
{
    return exit == DV_EXIT_SSE || exit == DV_EXIT_LLM ? DV_EPSILON_OPEN_MAX : DV_EPSILON_KNOWN_MAX;
}

/* What a label counts as at an exit, as a set of forms: an aggregate of few, or noise of too large or of no stated ε,
 * protects nobody and is plain. */
static unsigned counts_as(enum dv_exit exit, struct dv_label label)
{
    bool is_group = label.parameter >= DV_K_MIN;
    switch ((enum dv_form)label.form) {
    case DV_FORM_AGGREGATE:
        return is_group ? FORM(AGGREGATE) : FORM(PLAIN);
    case DV_FORM_NOISED:
        return label.parameter > 0 && label.parameter <= epsilon_max(exit) ? FORM(NOISED) : FORM(PLAIN);
    case DV_FORM_GENERALIZED:
        return is_group ? FORM(GENERALIZED) | GROUPED : FORM(GENERALIZED);
    default:
        return 1u << label.form;
    }
}

bool dv_label_cleared(enum dv_exit exit, struct dv_label label, const char **ret_why)
{
    DV_ASSERT((unsigned)exit < DV_EXIT_COUNT && label.class <= DV_CLASS_DIRECT_ID && label.form <= DV_FORM_PLAIN);
    const struct clearance *clearance = &clearances[exit][label.class];
    if (ret_why != NULL)
        *ret_why = clearance->rule != NULL ? clearance->rule : "this is no exit";
    return (clearance->forms & counts_as(exit, label)) != 0;
}


/* Two of a kind: the smaller group and the larger ε reveal more. An ε of 0 is one that nobody stated: the worst. */
static uint16_t worse_parameter(enum dv_form form, uint16_t a, uint16_t b)
{
    if (form != DV_FORM_NOISED || a == 0 || b == 0)
        return a < b ? a : b;
    return a > b ? a : b;
}

/* Whether an exit accepts `joined` that refuses `part`. Sealed values are refused where they would be of no use. */
static bool clears_more(struct dv_label joined, struct dv_label part)
{
    for (unsigned exit = DV_EXIT_NONE + 1; exit < DV_EXIT_COUNT && part.form != DV_FORM_SEALED; exit++)
        if (dv_label_cleared((enum dv_exit)exit, joined, NULL) && !dv_label_cleared((enum dv_exit)exit, part, NULL))
            return true;
    return false;
}

struct dv_label dv_label_join(struct dv_label a, struct dv_label b)
{
    struct dv_label worse = a.form >= b.form ? a : b;
    if (a.form == b.form)
        worse.parameter = worse_parameter((enum dv_form)a.form, a.parameter, b.parameter);
    worse.class = a.class > b.class ? a.class : b.class;
    if (clears_more(worse, a) || clears_more(worse, b))
        return dv_label((enum dv_class)worse.class, DV_FORM_PLAIN);
    return worse;
}

static const char *const class_names[] = {
    [DV_CLASS_PUBLIC] = "public",       [DV_CLASS_SENSITIVE] = "sensitive", [DV_CLASS_QUASI_ID] = "quasi-id",
    [DV_CLASS_FREE_TEXT] = "free-text", [DV_CLASS_DIRECT_ID] = "direct-id",
};

const char *dv_class_name(enum dv_class class)
{
    DV_ASSERT((unsigned)class <= DV_CLASS_DIRECT_ID);
    return class_names[class];
}

bool dv_class_parse(const char *name, enum dv_class *ret_class)
{
    for (unsigned class = 0; class <= DV_CLASS_DIRECT_ID; class++) {
        if (strcmp(class_names[class], name) == 0) {
            *ret_class = (enum dv_class)class;
            return true;
        }
    }
    return false;
}

const char *dv_form_name(enum dv_form form)
{
    static const char *const names[] = {
        [DV_FORM_SEALED] = "sealed",           [DV_FORM_NOISED] = "noised",       [DV_FORM_AGGREGATE] = "aggregate",
        [DV_FORM_REDACTED] = "redacted",       [DV_FORM_GENERALIZED] = "generalized",
        [DV_FORM_PSEUDONYM] = "pseudonym",     [DV_FORM_MASKED] = "masked",       [DV_FORM_PLAIN] = "plain",
    };
    DV_ASSERT((unsigned)form <= DV_FORM_PLAIN);
    return names[form];
}

const char *dv_exit_name(enum dv_exit exit)
{
    static const char *const names[DV_EXIT_COUNT] = {
        [DV_EXIT_NONE] = "none", [DV_EXIT_FILE] = "file",
        [DV_EXIT_STORE] = "store", [DV_EXIT_SSE] = "live stream",
        [DV_EXIT_LOG] = "log", [DV_EXIT_DEAD_LETTER] = "dead letter",
        [DV_EXIT_LLM] = "LLM prompt", [DV_EXIT_REPLY] = "reply",
    };
    DV_ASSERT((unsigned)exit < DV_EXIT_COUNT);
    return names[exit];
}

const char *dv_label_text(struct dv_label label, char *buffer, size_t size)
{
    const char *class = dv_class_name((enum dv_class)label.class);
    const char *form = dv_form_name((enum dv_form)label.form);
    if (label.form == DV_FORM_AGGREGATE || (label.form == DV_FORM_GENERALIZED && label.parameter != 0))
        (void)snprintf(buffer, size, "%s, %s(%u)", class, form, label.parameter);
    else if (label.form == DV_FORM_NOISED)
        (void)snprintf(buffer, size, "%s, %s(%g)", class, form, label.parameter / 1000.0);
    else
        (void)snprintf(buffer, size, "%s, %s", class, form);
    return buffer;
}

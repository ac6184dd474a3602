/* SPDX-License-Identifier: Apache-2.0
 * label.h - what a column may reveal: class × form, and what an exit is cleared to receive.
 *
 * A class says what a value is about and comes from the schema; a form says what was done to it and comes from the
 * operators. A column that no schema names is `direct-id plain`, so everything fails closed. Joining two labels keeps
 * the worse of each. The table of clearances (which exit may receive which label) is in label.c, in one place. */
#ifndef DV_ENGINE_LABEL_H
#define DV_ENGINE_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From harmless to harmful: joining takes the greater. */
enum dv_class { DV_CLASS_PUBLIC, DV_CLASS_SENSITIVE, DV_CLASS_QUASI_ID, DV_CLASS_FREE_TEXT, DV_CLASS_DIRECT_ID };

/* From safe to bare: joining takes the greater. */
enum dv_form {
    DV_FORM_SEALED,
    DV_FORM_NOISED,      /* parameter: ε in thousandths */
    DV_FORM_AGGREGATE,   /* parameter: k, the smallest group */
    DV_FORM_REDACTED,    /* free text whose findings were replaced */
    DV_FORM_GENERALIZED, /* a band, a year, a region; parameter: n, the subjects sure to share what is shown, or 0 */
    DV_FORM_PSEUDONYM,   /* keyed */
    DV_FORM_MASKED,
    DV_FORM_PLAIN,
};

/* A label; compare with dv_label_equal(). */
struct dv_label {
    uint8_t class;
    uint8_t form;
    /* k, n (0: a coarser value that nobody else need share), or ε in thousandths (0: nobody stated it, cleared as
     * plain); 0 for other forms. */
    uint16_t parameter;
};

/* Anywhere bytes leave. */
enum dv_exit {
    DV_EXIT_NONE,        /* not an exit */
    DV_EXIT_FILE,        /* records in a file or on standard output */
    DV_EXIT_STORE,       /* a database */
    DV_EXIT_SSE,         /* the live stream to the dashboard */
    DV_EXIT_LOG,         /* logs, metrics, error texts */
    DV_EXIT_DEAD_LETTER, /* the dead-letter file: sealed, whatever it is */
    DV_EXIT_LLM,         /* a prompt */
    DV_EXIT_REPLY,       /* an answer to the asker */
    DV_EXIT_COUNT
};

enum {
    DV_K_MIN = 5,                 /* the smallest group an aggregate may show */
    DV_EPSILON_KNOWN_MAX = 10000, /* thousandths: noise of more protects nobody, not even from who is known */
    DV_EPSILON_OPEN_MAX = 4000,   /* the same where anybody may look on: the live stream, and a prompt */
};

/* A label without parameter. */
static inline struct dv_label dv_label(enum dv_class class, enum dv_form form)
{
    return (struct dv_label){ .class = (uint8_t)class, .form = (uint8_t)form };
}

/* The same with its parameter, which stays at 65535 if it is more. */
static inline struct dv_label dv_label_with(enum dv_class class, enum dv_form form, uint64_t parameter)
{
    struct dv_label label = dv_label(class, form);
    label.parameter = (uint16_t)(parameter < UINT16_MAX ? parameter : UINT16_MAX);
    return label;
}

/* Whether two labels are the same in every part. */
static inline bool dv_label_equal(struct dv_label a, struct dv_label b)
{
    return a.class == b.class && a.form == b.form && a.parameter == b.parameter;
}

/* The worse of both in each part; of two groups the smaller k or n, of two noised values the larger ε. Where neither form
 * is the worse at every exit, the joined one is plain: no exit accepts it that refuses one of the two for what it shows. */
struct dv_label dv_label_join(struct dv_label a, struct dv_label b);

/* Whether `exit` may receive `label`; *ret_why (may be NULL) gets the rule in words, a literal. */
bool dv_label_cleared(enum dv_exit exit, struct dv_label label, const char **ret_why);

/* "direct-id", "pseudonym", "file": literals. */
const char *dv_class_name(enum dv_class class);
const char *dv_form_name(enum dv_form form);
const char *dv_exit_name(enum dv_exit exit);

/* Parses a class name; false if there is none such. */
bool dv_class_parse(const char *name, enum dv_class *ret_class);

/* "quasi-id, aggregate(5)", "quasi-id, generalized" into `buffer`, which it also returns. */
const char *dv_label_text(struct dv_label label, char *buffer, size_t size);

#endif

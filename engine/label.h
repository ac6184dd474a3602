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
    DV_FORM_GENERALIZED, /* a band, a year, a region */
    DV_FORM_PSEUDONYM,   /* keyed */
    DV_FORM_MASKED,
    DV_FORM_PLAIN,
};

/* A label; compare with dv_label_equal(). */
struct dv_label {
    uint8_t class;
    uint8_t form;
    uint16_t parameter; /* k, or ε in thousandths (0: nobody stated it, cleared as plain); 0 for other forms */
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

enum { DV_K_MIN = 5 }; /* the smallest group an aggregate may show */

/* A label without parameter. */
static inline struct dv_label dv_label(enum dv_class class, enum dv_form form)
{
    return (struct dv_label){ .class = (uint8_t)class, .form = (uint8_t)form };
}

/* Whether two labels are the same in every part. */
static inline bool dv_label_equal(struct dv_label a, struct dv_label b)
{
    return a.class == b.class && a.form == b.form && a.parameter == b.parameter;
}

/* The worse of both in each part; of two aggregates the smaller k, of two noised values the larger ε. */
struct dv_label dv_label_join(struct dv_label a, struct dv_label b);

/* Whether `exit` may receive `label`; *ret_why (may be NULL) gets the rule in words, a literal. */
bool dv_label_cleared(enum dv_exit exit, struct dv_label label, const char **ret_why);

/* "direct-id", "pseudonym", "file": literals. */
const char *dv_class_name(enum dv_class class);
const char *dv_form_name(enum dv_form form);
const char *dv_exit_name(enum dv_exit exit);

/* Parses a class name; false if there is none such. */
bool dv_class_parse(const char *name, enum dv_class *ret_class);

/* "quasi-id, aggregate(5)" into `buffer`, which it also returns. */
const char *dv_label_text(struct dv_label label, char *buffer, size_t size);

#endif

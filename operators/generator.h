/* SPDX-License-Identifier: Apache-2.0
 * generator.h - invented records of a domain, one JSON object at a time.
 *
 * Record number n of a seed is the same on every machine, whether or not the records before it were made. A surge is planted
 * by numbers of records, too, so that this holds with it. */
#ifndef DV_OPERATORS_GENERATOR_H
#define DV_OPERATORS_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dv_domain { DV_DOMAIN_HEALTHCARE, DV_DOMAIN_FINANCE, DV_DOMAIN_COUNT };

#define DV_DOMAIN_NAMES "healthcare|finance"

enum { DV_GENERATE_MAX = 2048 }; /* no record is longer */

/* What is planted, so that there is something to find: while it lasts, a diagnosis is made `factor` times as often, or what is
 * spent in a category is `factor` times as much. */
struct dv_surge {
    const char *value;            /* the diagnosis or category, lent; NULL: none is planted */
    uint32_t factor;
    uint64_t after, length, every; /* records before the first, of each, from one to the next; every 0: only once */
};

/* A sequence of records; set `next` to begin elsewhere than at 0. The caller owns it. */
struct dv_generator {
    enum dv_domain domain;
    uint64_t seed;
    uint64_t next; /* the number of the next record */
    struct dv_surge surge;
};

/* "healthcare"; a literal, which is also the name of the schema that fits. */
const char *dv_domain_name(enum dv_domain domain);

/* Whether a domain has a diagnosis or category of this name, so that it can surge. */
bool dv_domain_has(enum dv_domain domain, const char *value);

/* Begins the sequence of a domain and seed at record 0, without a surge. */
void dv_generator_init(struct dv_generator *generator, enum dv_domain domain, uint64_t seed);

/* Writes the next record, without newline or NUL; returns its length. 0 if `size` is too small, which DV_GENERATE_MAX
 * never is: then the same record comes again. */
size_t dv_generate(struct dv_generator *generator, char *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * person.h - invented people: everything about one follows from a seed and a number, so that the same person comes back
 * in many records without any memory of them. Nobody real is meant: phone numbers lie in the range that is kept for
 * fiction, mail in the domains that are kept for examples. */
#ifndef DV_OPERATORS_GENERATE_PERSON_H
#define DV_OPERATORS_GENERATE_PERSON_H

#include <stdint.h>

#include "engine/random.h"

struct dv_person {
    const char *first; /* literals; some are not ASCII */
    const char *last;
    char email[64];
    char ssn[12];   /* "123-45-6789" */
    char phone[20]; /* in one of five spellings */
    char card[17];  /* 16 digits that satisfy Luhn's rule */
    char iban[23];  /* German, without blanks; satisfies mod 97 */
    char mrn[12];   /* medical record number, "MRN1234567" */
    int birth_year;
    uint32_t spend; /* how freely they spend: 50 to 400 percent of what is usual */
};

/* Person number `number` of those that `seed` stands for. */
void dv_person_make(struct dv_person *person, uint64_t seed, uint64_t number);

#endif

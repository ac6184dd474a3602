/* SPDX-License-Identifier: Apache-2.0
 * person.c - names from lists, numbers with their check digits. */
#include "operators/generate/person.h"

#include <stdio.h>
#include <string.h>

#include "engine/error.h"
#include "engine/id.h"

/* A name as it is written and as a mailbox spells it. */
struct name {
    const char *text;
    const char *plain;
};

static const struct name first_names[] = {
    { "James", "james" },       { "Maria", "maria" },     { "Robert", "robert" },     { "Linda", "linda" },
    { "Wei", "wei" },           { "Aisha", "aisha" },     { "Carlos", "carlos" },     { "Fatima", "fatima" },
    { "Yuki", "yuki" },         { "Olga", "olga" },       { "Priya", "priya" },       { "Kwame", "kwame" },
    { "Ingrid", "ingrid" },     { "Mateo", "mateo" },     { "Sofia", "sofia" },       { "Dmitri", "dmitri" },
    { "Zoë", "zoe" },           { "José", "jose" },       { "Anaïs", "anais" },       { "Jürgen", "juergen" },
    { "Patricia", "patricia" }, { "Thomas", "thomas" },   { "Nadia", "nadia" },       { "Samuel", "samuel" },
    { "Hannah", "hannah" },     { "Liam", "liam" },       { "Chloe", "chloe" },       { "Omar", "omar" },
    { "Grace", "grace" },       { "Viktor", "viktor" },   { "Leila", "leila" },       { "Björn", "bjoern" },
    { "Emily", "emily" },       { "Rahul", "rahul" },     { "Mei", "mei" },           { "Tomás", "tomas" },
    { "Barbara", "barbara" },   { "Michael", "michael" }, { "Jennifer", "jennifer" }, { "Ravi", "ravi" },
};

static const struct name last_names[] = {
    { "Brown", "brown" },
    { "Garcia", "garcia" },
    { "Chen", "chen" },
    { "Müller", "mueller" },
    { "Okafor", "okafor" },
    { "Silva", "silva" },
    { "Johnson", "johnson" },
    { "Kowalski", "kowalski" },
    { "O'Brien", "obrien" },
    { "Nguyen", "nguyen" },
    { "Rossi", "rossi" },
    { "Dubois", "dubois" },
    { "Tanaka", "tanaka" },
    { "Khan", "khan" },
    { "Andersson", "andersson" },
    { "Fernández", "fernandez" },
    { "Smith-Jones", "smithjones" },
    { "Haddad", "haddad" },
    { "Petrov", "petrov" },
    { "Mensah", "mensah" },
    { "Novak", "novak" },
    { "Baker", "baker" },
    { "Schmidt", "schmidt" },
    { "Patel", "patel" },
    { "Moore", "moore" },
    { "Lindqvist", "lindqvist" },
    { "Costa", "costa" },
    { "Reyes", "reyes" },
    { "Van Dijk", "vandijk" },
    { "Ozturk", "ozturk" },
    { "Murphy", "murphy" },
    { "Suzuki", "suzuki" },
    { "Gonzalez", "gonzalez" },
    { "Williams", "williams" },
    { "Larsen", "larsen" },
    { "Ibrahim", "ibrahim" },
};

#define PICK(random, list) (&(list)[dv_random_below((random), sizeof(list) / sizeof(list)[0])])

static void make_names(struct dv_person *person, struct dv_random *random)
{
    static const char *const domains[] = { "example.com", "example.org", "example.net", "mail.example.org",
                                           "clinic.example.net" };
    const struct name *first = PICK(random, first_names);
    const struct name *last = PICK(random, last_names);
    unsigned number = (unsigned)dv_random_below(random, 1000);
    const char *domain = *PICK(random, domains);
    person->first = first->text;
    person->last = last->text;
    (void)snprintf(person->email, sizeof person->email, "%s.%s%u@%s", first->plain, last->plain, number, domain);
}

/* An area that is given out: neither 000 nor 666 nor 900 and above. */
static void make_ssn(struct dv_person *person, struct dv_random *random)
{
    unsigned area = 1 + (unsigned)dv_random_below(random, 665);
    unsigned group = 1 + (unsigned)dv_random_below(random, 99);
    unsigned serial = 1 + (unsigned)dv_random_below(random, 9999);
    (void)snprintf(person->ssn, sizeof person->ssn, "%03u-%02u-%04u", area % 1000, group % 100, serial % 10000);
}

static void make_phone(struct dv_person *person, struct dv_random *random)
{
    static const unsigned areas[] = { 212, 305, 312, 415, 503, 617, 702, 713, 808, 917 };
    unsigned area = *PICK(random, areas);
    unsigned line = 100 + (unsigned)dv_random_below(random, 100);
    char *out = person->phone;
    size_t size = sizeof person->phone;
    switch (dv_random_below(random, 5)) {
    case 0: (void)snprintf(out, size, "%u-555-0%u", area, line); break;
    case 1: (void)snprintf(out, size, "(%u) 555-0%u", area, line); break;
    case 2: (void)snprintf(out, size, "%u.555.0%u", area, line); break;
    case 3: (void)snprintf(out, size, "+1 %u 555 0%u", area, line); break;
    default: (void)snprintf(out, size, "+1-%u-555-0%u", area, line); break;
    }
}

static char random_digit(struct dv_random *random)
{
    return (char)('0' + dv_random_below(random, 10));
}

/* Luhn: every second digit from the right is doubled, a carry added back, and the sum ends in zero. */
static char luhn_digit(const char *digits, int count)
{
    int sum = 0;
    for (int i = 0; i < count; i++) {
        int digit = digits[count - 1 - i] - '0';
        if (i % 2 == 0)
            digit = digit < 5 ? 2 * digit : 2 * digit - 9;
        sum += digit;
    }
    return (char)('0' + (10 - sum % 10) % 10);
}

static void make_card(struct dv_person *person, struct dv_random *random)
{
    person->card[0] = '4';
    for (int i = 1; i < 15; i++)
        person->card[i] = random_digit(random);
    person->card[15] = luhn_digit(person->card, 15);
    person->card[16] = '\0';
}

/* ISO 13616: the account, then "DE00" as digits (D is 13, E is 14), modulo 97, taken from 98. */
static void make_iban(struct dv_person *person, struct dv_random *random)
{
    char account[19];
    for (int i = 0; i < 18; i++)
        account[i] = random_digit(random);
    account[18] = '\0';
    unsigned remainder = 0;
    for (int i = 0; i < 18; i++)
        remainder = (remainder * 10 + (unsigned)(account[i] - '0')) % 97;
    remainder = (remainder * 1000000 + 131400) % 97;
    (void)snprintf(person->iban, sizeof person->iban, "DE%02u%s", (98 - remainder) % 100, account);
}

void dv_person_make(struct dv_person *person, uint64_t seed, uint64_t number)
{
    DV_ASSERT(person != NULL);
    struct dv_random random;
    dv_random_seed(&random, dv_hash64(&number, sizeof number, seed));
    make_names(person, &random);
    make_ssn(person, &random);
    make_phone(person, &random);
    make_card(person, &random);
    make_iban(person, &random);
    (void)snprintf(person->mrn, sizeof person->mrn, "MRN%07u", (unsigned)dv_random_below(&random, 10000000));
    person->birth_year = 1928 + (int)dv_random_below(&random, 96);
    person->spend = 50 + (uint32_t)dv_random_below(&random, 351);
}

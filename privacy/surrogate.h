/* SPDX-License-Identifier: Apache-2.0
 * surrogate.h - stands an invented value in the place of a real one, the same for the same value. Label form: pseudonym.
 *
 * A **fake** is drawn by the HMAC of the value under the tenant's key and a domain, so that nothing is looked up or kept:
 *
 *   | value                      | becomes                    | how                                                    |
 *   |----------------------------|----------------------------|--------------------------------------------------------|
 *   | Smith, John Q.             | Reyes, Carl B.             | US census names of the gender of the given name        |
 *   | jo.smith7@clinic.org       | ada.reyes4@example.net     | the domains of RFC 2606                                |
 *   | (212) 736-5000             | (469) 555-0142             | numbers kept free for fiction                          |
 *   | 2024-03-18                 | 2023-11-02                 | another day within a year                              |
 *   | MRN-004711, 4111-1111-...  | QXB-920356, 9384-0273-...  | digits and letters; cards, IBANs pass their checksums  |
 *   | 12 Main St, Lyon           | 47 Reyes Avenue, Tulsa     |                                                        |
 *
 * The value is made comparable first (case, accents, punctuation, the order of names, initials, titles), so one person
 * is one surrogate however the name is written. Two people may share one: with n people the expected number of such pairs
 * is n²/2N, N being some 8 to 16 million for a name. Join by `pseudonym` where that matters. A **label** ("Patient A") is
 * counted in a table instead; see labels.h.
 *
 * No four characters in a row of a name, number or id are left, and never the value itself. */
#ifndef DV_PRIVACY_SURROGATE_H
#define DV_PRIVACY_SURROGATE_H

#include "engine/error.h"
#include "privacy/detect.h"

struct dv_buffer;
struct dv_pseudonym;

enum { DV_SURROGATE_MAX = 384, DV_SURROGATE_VALUE_MAX = 256 };

struct dv_labels;

enum dv_surrogate_style { DV_SURROGATE_FAKE, DV_SURROGATE_LABEL };

/* How surrogates are made, as a policy says. */
struct dv_surrogate_options {
    enum dv_surrogate_style style;
    const char *domain; /* NULL: no surrogates */
    const char *noun;   /* of labels: "Patient" */
    enum dv_pii type;   /* of a column; DV_PII_OTHER: by its name */
    uint32_t size;      /* labels at most */
    int64_t window_ms;  /* after which labels begin anew; 0: never */
};

enum { DV_PEOPLE_MAX = 8, DV_PERSON_WORDS_MAX = 6, DV_NAME_BYTES = 12, DV_NAME_KEY_MAX = 304 };

/* Who was named in one text, so that "Smith" behind "John Smith" is the same person. Zero-initialise it for each text. */
struct dv_people {
    uint32_t count;
    struct dv_person {
        uint32_t count;
        uint64_t word[DV_PERSON_WORDS_MAX]; /* hashes */
        char name[DV_PERSON_WORDS_MAX][DV_NAME_BYTES];
        char key[DV_NAME_KEY_MAX]; /* the words */
        uint32_t key_length;
    } person[DV_PEOPLE_MAX];
};

/* What makes surrogates of one column or of one text's findings. */
struct dv_surrogate {
    const struct dv_surrogate_options *options;
    const struct dv_pseudonym *maker; /* keyed with the domain of dv_surrogate_domain() */
    struct dv_labels *labels;         /* for labels */
    int64_t now_ms;                   /* for labels */
    bool column;                      /* the noun of labels is the domain's, whatever the type; in a text for people only */
    struct dv_people *people;         /* NULL: each value for itself */
};

/* The domain for the maker, which no pseudonym's can be, since it has a slash: "surrogate/patient". False: too long. */
bool dv_surrogate_domain(const char *domain, char *buffer, size_t size);

/* Writes what stands for a value of that type. Errors: DV_E_DATA for a value of another form, or an empty one,
 * DV_E_LIMIT for one over DV_SURROGATE_VALUE_MAX bytes or a buffer under DV_SURROGATE_MAX. */
DV_CHECKED dv_rc dv_surrogate_make(const struct dv_surrogate *surrogate, enum dv_pii type, const char *value,
                                   size_t length, struct dv_buffer *out);

/* The type that the name of a column tells; DV_PII_ID if it tells none, which fits anything with letters or digits. */
enum dv_pii dv_surrogate_type(const char *column);

#endif

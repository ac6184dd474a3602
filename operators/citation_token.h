/* SPDX-License-Identifier: Apache-2.0
 * citation_token.h - text as the citation check sees it: words, numbers with their units, marks and citations.
 *
 * Digits of any script are those of ASCII. Numbers that are written differently and are the same have one id: 1,000 and 1000,
 * 5.0 and 5, five and 5, 5% and 5 percent; a number with another unit, sign or bound (<5) is another one. Words have the id of
 * their lower case; letters that only look like others are others. */
#ifndef DV_OPERATORS_CITATION_TOKEN_H
#define DV_OPERATORS_CITATION_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dv_cite_kind {
    DV_CITE_END,
    DV_CITE_WORD,
    DV_CITE_NUMBER,
    DV_CITE_MARK,
    DV_CITE_CITATION, /* "[1, 2]" */
    DV_CITE_INVENTED, /* something like a citation that can be none */
    DV_CITE_STRANGE,  /* bytes that are no UTF-8, or a character that is not seen */
};

enum { DV_CITE_PARTS = 3, DV_CITE_CITED_MAX = 32 };

struct dv_cite_token {
    enum dv_cite_kind kind;
    size_t start, end;
    uint64_t id;       /* words and numbers */
    uint64_t stem;     /* a word that carries meaning: the id of its beginning; else 0 */
    uint64_t unit;     /* a unit of measure, or a word for a number or share: the id of what it means; else 0 */
    bool named;        /* a word with a capital letter, a digit or a letter that is not ASCII */
    bool capital;      /* nothing but its first letter makes it so */
    uint32_t cited;    /* citations: bit n-1 for [n] */
    uint32_t code;     /* marks: the code point */
    /* Numbers: what else is said with it, as 40, 49 and 40 years by "40-49 years", the year of a date, the unit. */
    uint64_t parts[DV_CITE_PARTS];
    uint32_t part_count;
};

/* Reads the token at `at` or behind the blanks there. The previous token's end is where the next is read. */
struct dv_cite_token dv_cite_next(const char *text, size_t length, size_t at);

/* Copies text without what the check calls strange, and with the brackets of what looks like a citation made round.
 * `out` has room for `length` bytes; returns how many were written. */
size_t dv_cite_clean(char *out, const char *text, size_t length);

/* Words that begin sentences and name nothing: "The", "Most". */
bool dv_cite_opens(const char *text, const struct dv_cite_token *token);

#endif

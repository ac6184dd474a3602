/* SPDX-License-Identifier: Apache-2.0
 * sentence.c - ends of sentences by the characters around a full stop. */
#include "operators/sentence.h"

#include <stdint.h>
#include <string.h>

#include "engine/text.h"

enum { WORD_MAX = 8, CITATION_MAX = 32 };

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (unsigned char)byte >= 0x80;
}

void dv_sentence_trim(const char **text, size_t *length)
{
    for (; *length > 0 && is_blank(**text); (*length)--)
        (*text)++;
    while (*length > 0 && is_blank((*text)[*length - 1]))
        (*length)--;
}

/* Whether the word before the full stop at `at` is one that a full stop belongs to. */
static bool is_abbreviation(const char *text, size_t at)
{
    static const char *const words[] = { "dr",  "mr",  "mrs", "ms",  "prof", "st",  "vs", "fig",  "approx",
                                         "e.g", "i.e", "cf",  "ca",  "jan",  "feb", "mar", "apr", "jun", "jul", "aug",
                                         "sep", "sept", "oct", "nov", "dec", "dept", "est", "vol", "pp", "resp", "incl" };
    size_t start = at;
    char word[WORD_MAX + 1];
    while (start > 0 && (is_letter(text[start - 1]) || text[start - 1] == '.'))
        start--;
    size_t length = at - start;
    if (length == 1 && text[start] >= 'A' && text[start] <= 'Z')
        return true;
    if (length == 0 || length > WORD_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        word[i] = (char)(text[start + i] >= 'A' && text[start + i] <= 'Z' ? text[start + i] + ('a' - 'A') : text[start + i]);
    word[length] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

/* Bytes of the mark at `at` that ends a sentence if a blank follows, or 0. */
static size_t mark_at(const char *text, size_t length, size_t at)
{
    if (text[at] == '!' || text[at] == '?')
        return 1;
    if (text[at] == '.')
        return is_abbreviation(text, at) ? 0 : 1;
    static const char *const wide[] = { "\u3002", "\uff01", "\uff1f", "\u2026" };
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (length - at >= 3 && memcmp(text + at, wide[i], 3) == 0)
            return 3;
    return 0;
}

/* Skips marks, closing quotes and brackets that stand right behind the first mark. */
static size_t skip_closing(const char *text, size_t length, size_t at)
{
    while (at < length) {
        size_t mark = mark_at(text, length, at);
        if (mark == 0 && (text[at] == '"' || text[at] == '\'' || text[at] == ')' || text[at] == '*'))
            mark = 1;
        if (mark == 0 && length - at >= 3 && memcmp(text + at, "\u201d", 3) == 0)
            mark = 3;
        if (mark == 0)
            break;
        at += mark;
    }
    return at;
}

/* What may follow at `at`: bytes of a citation, 0 if there is none; SIZE_MAX: it may still become one. */
static size_t citation_at(const char *text, size_t length, size_t at)
{
    if (at == length)
        return SIZE_MAX;
    if (text[at] != '[')
        return 0;
    for (size_t i = at + 1; i < length && i - at < CITATION_MAX; i++) {
        if (text[i] == ']')
            return i + 1 - at;
        if ((text[i] < '0' || text[i] > '9') && text[i] != ',' && text[i] != ' ')
            return 0;
    }
    return length - at < CITATION_MAX ? SIZE_MAX : 0;
}

static size_t skip_blanks(const char *text, size_t length, size_t at, bool lines)
{
    while (at < length && is_blank(text[at]) && (lines || text[at] != '\n'))
        at++;
    return at;
}

/* The sentence ends at `end`: with the citations, marks and blanks behind it. 0: more must come first. */
static size_t finish(const char *text, size_t length, size_t end, bool over)
{
    for (;;) {
        size_t at = skip_blanks(text, length, end, false);
        size_t citation = citation_at(text, length, at);
        if (citation == SIZE_MAX && !over)
            return 0;
        if (citation == 0 || citation == SIZE_MAX)
            return skip_blanks(text, length, at, true);
        end = skip_closing(text, length, at + citation);
    }
}

/* The place to cut a sentence that is too long: between two characters. */
static size_t cut(const char *text)
{
    size_t at = DV_SENTENCE_MAX;
    while (at > DV_SENTENCE_MAX - 4 && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    return at;
}

size_t dv_sentence_next(const char *text, size_t length, bool over)
{
    size_t start = skip_blanks(text, length, 0, true);
    for (size_t at = start; at < length; at++) {
        if (at - start == DV_SENTENCE_MAX)
            return start + cut(text + start);
        if (text[at] == '\n')
            return finish(text, length, at, true);
        size_t mark = mark_at(text, length, at);
        if (mark == 0)
            continue;
        size_t end = skip_closing(text, length, at + mark);
        if (end == length && !over)
            return 0;
        bool cited = end < length && text[end] == '[';
        if (end == length || is_blank(text[end]) || mark == 3 || cited)
            return finish(text, length, end, over);
        at = end - 1;
    }
    return over ? length : 0;
}

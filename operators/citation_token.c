/* SPDX-License-Identifier: Apache-2.0
 * citation_token.c - from characters to words, numbers and citations. */
#include "operators/citation_token.h"

#include <stdio.h>
#include <string.h>

#include "engine/error.h"
#include "engine/id.h"
#include "operators/citation_glyph.h"
#include "operators/citation_number.h"
#include "operators/citation_unit.h"

enum { BRACKET_MAX = 64, STEM_BYTES = 5, STEM_MIN = 3, MEANT_BYTES = 4 };
enum { SEED_WORD = 1, SEED_STEM = 3 };

static uint64_t id_of(const char *text, size_t length, uint64_t seed)
{
    return dv_hash64(text, length, seed) | 1;
}

/* ---- words ---- */

/* Whether the mark between two characters belongs to their word: 3.5, 2024-05-01, 10:30, COVID-19, don't. */
static bool joins(const struct dv_glyph *before, uint32_t mark, const struct dv_glyph *after)
{
    bool digits = before->kind == DV_GLYPH_DIGIT && after->kind == DV_GLYPH_DIGIT;
    if (mark == '\'')
        return before->kind == DV_GLYPH_LETTER && after->kind == DV_GLYPH_LETTER;
    if (mark == '-')
        return digits || (before->kind == DV_GLYPH_LETTER && after->kind == DV_GLYPH_DIGIT);
    return digits && (mark == '.' || mark == ',' || mark == ':' || mark == '/');
}

static void add(struct dv_cite_run *run, uint32_t code)
{
    if (run->length + 4 > DV_CITE_RUN_MAX) {
        run->long_ = true;
        return;
    }
    uint32_t bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes == 1) {
        run->text[run->length++] = (char)code;
        return;
    }
    for (uint32_t i = bytes; i-- > 1; code >>= 6)
        run->text[run->length + i] = (char)(0x80 | (code & 0x3F));
    run->text[run->length] = (char)((0xF00u >> bytes & 0xF0) | code);
    run->length += bytes;
}

static void add_glyph(struct dv_cite_run *run, const struct dv_glyph *glyph)
{
    run->uppers += glyph->upper;
    run->first_upper = run->first_upper || (run->length == 0 && glyph->upper);
    run->letters = run->letters || glyph->kind == DV_GLYPH_LETTER;
    run->digits = run->digits || glyph->kind == DV_GLYPH_DIGIT;
    run->foreign = run->foreign || glyph->kind == DV_GLYPH_SIGN || glyph->code >= 0x80;
    add(run, dv_glyph_lower(glyph->code));
}

size_t dv_cite_run_read(struct dv_cite_run *run, const char *text, size_t length, size_t at)
{
    struct dv_glyph before = { .kind = DV_GLYPH_END };
    *run = (struct dv_cite_run){ .length = 0 };
    for (;;) {
        struct dv_glyph glyph = dv_glyph_at(text, length, at);
        if (dv_glyph_in_word(&glyph)) {
            add_glyph(run, &glyph);
            before = glyph;
        } else {
            struct dv_glyph after = dv_glyph_at(text, length, at + glyph.bytes);
            if (glyph.kind != DV_GLYPH_MARK || !joins(&before, glyph.code, &after))
                break;
            add(run, glyph.code);
        }
        at += glyph.bytes;
    }
    run->text[run->length] = '\0';
    return at;
}

static void drop_genitive(struct dv_cite_run *run)
{
    if (run->length > 2 && strcmp(run->text + run->length - 2, "'s") == 0)
        run->length -= 2;
    run->text[run->length] = '\0';
}

/* The beginning that "rises" and "rising" share. */
static uint64_t stem_of(const char *word, size_t length)
{
    static const char *const endings[] = { "ing", "ed", "es", "s", "e" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t size = strlen(endings[i]);
        if (length < STEM_MIN + size || memcmp(word + length - size, endings[i], size) != 0)
            continue;
        length -= size;
        break;
    }
    return id_of(word, length < STEM_BYTES ? length : STEM_BYTES, SEED_STEM);
}

static void fill_word(struct dv_cite_token *token, struct dv_cite_run *run, const char *text)
{
    drop_genitive(run);
    token->kind = DV_CITE_WORD;
    token->id = run->long_ ? id_of(text + token->start, token->end - token->start, SEED_WORD) : id_of(run->text, run->length, SEED_WORD);
    token->named = run->uppers > 0 || run->digits || run->foreign || run->long_;
    token->capital = run->first_upper && run->uppers == 1 && !run->digits && !run->foreign;
    const char *means = dv_unit_of(run->text);
    if (means == NULL)
        means = dv_share_of(run->text);
    if (means != NULL)
        token->unit = dv_cite_meaning(means);
    else if (run->length >= MEANT_BYTES && !dv_word_is_empty(run->text))
        token->stem = stem_of(run->text, run->length);
}

bool dv_cite_opens(const char *text, const struct dv_cite_token *token)
{
    struct dv_cite_run run;
    (void)dv_cite_run_read(&run, text, token->end, token->start);
    return token->capital && dv_word_opens(run.text);
}

/* ---- citations ---- */

/* "1, 2" as bits; false: not such a list. */
static bool read_list(const char *text, size_t length, uint32_t *ret_cited)
{
    uint32_t number = 0;
    *ret_cited = 0;
    for (size_t i = 0; i <= length; i++) {
        char byte = i < length ? text[i] : ',';
        bool leading_zero = byte == '0' && number == 0;
        if (byte >= '0' && byte <= '9' && !leading_zero) {
            number = number * 10 + (uint32_t)(byte - '0');
            if (number > DV_CITE_CITED_MAX)
                return false;
        } else if (byte == ',' && number > 0) {
            *ret_cited |= UINT32_C(1) << (number - 1);
            number = 0;
        } else if (byte != ' ' || number != 0) {
            return false;
        }
    }
    return true;
}

static bool is_number(const struct dv_glyph *glyph)
{
    return glyph->kind == DV_GLYPH_DIGIT || glyph->kind == DV_GLYPH_SIGN;
}

/* What is in the brackets: closed or not, with a number or not, and whether it begins with one. */
struct bracket {
    size_t end; /* behind it, if closed */
    bool closed, number, first;
};

static struct bracket look(const char *text, size_t length, size_t at)
{
    struct bracket bracket = { .closed = false };
    bool any = false;
    size_t start = at;
    while (at - start < BRACKET_MAX) {
        struct dv_glyph glyph = dv_glyph_at(text, length, at);
        if (glyph.kind == DV_GLYPH_END || (glyph.kind == DV_GLYPH_MARK && (glyph.code == '[' || glyph.code == '\n')))
            break;
        at += glyph.bytes;
        bracket.closed = glyph.kind == DV_GLYPH_MARK && glyph.code == ']';
        bracket.end = at;
        if (bracket.closed)
            break;
        bracket.first = bracket.first || (!any && is_number(&glyph));
        bracket.number = bracket.number || is_number(&glyph);
        any = any || (glyph.kind != DV_GLYPH_BLANK && glyph.kind != DV_GLYPH_STRANGE);
    }
    return bracket;
}

static void fill_bracket(struct dv_cite_token *token, const char *text, size_t length)
{
    struct bracket bracket = look(text, length, token->end);
    bool cites = bracket.closed ? bracket.number : bracket.first;
    if (!cites)
        return;
    bool plain = text[token->start] == '[' && bracket.closed && text[bracket.end - 1] == ']';
    if (plain && read_list(text + token->end, bracket.end - 1 - token->end, &token->cited))
        token->kind = DV_CITE_CITATION;
    else
        token->kind = DV_CITE_INVENTED;
    token->end = bracket.closed ? bracket.end : token->end;
}

/* ---- all of it ---- */

struct dv_cite_token dv_cite_next(const char *text, size_t length, size_t at)
{
    struct dv_glyph glyph = dv_glyph_at(text, length, at);
    for (; glyph.kind == DV_GLYPH_BLANK; glyph = dv_glyph_at(text, length, at))
        at += glyph.bytes;
    struct dv_cite_token token = { .kind = DV_CITE_MARK, .start = at, .end = at + glyph.bytes, .code = glyph.code };
    struct dv_cite_run run;
    if (glyph.kind == DV_GLYPH_END) {
        token.kind = DV_CITE_END;
    } else if (glyph.kind == DV_GLYPH_STRANGE) {
        token.kind = DV_CITE_STRANGE;
    } else if (glyph.kind == DV_GLYPH_MARK) {
        if (glyph.code == '[')
            fill_bracket(&token, text, length);
        else
            dv_cite_signed_number(&token, text, length);
    } else {
        token.end = dv_cite_run_read(&run, text, length, at);
        if (!dv_cite_number(&token, &run, "", text, length))
            fill_word(&token, &run, text);
    }
    return token;
}

static bool has_citation(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        struct dv_glyph glyph = dv_glyph_at(text, length, at);
        struct dv_cite_token token = { .start = at, .end = at + glyph.bytes };
        if (glyph.kind == DV_GLYPH_MARK && glyph.code == '[')
            fill_bracket(&token, text, length);
        if (token.kind == DV_CITE_CITATION || token.kind == DV_CITE_INVENTED)
            return true;
        at += glyph.bytes;
    }
    return false;
}

size_t dv_cite_clean(char *out, const char *text, size_t length)
{
    size_t kept = 0, done = 0;
    for (size_t at = 0; at < length;) {
        struct dv_glyph glyph = dv_glyph_at(text, length, at);
        if (glyph.kind != DV_GLYPH_STRANGE) {
            memmove(out + kept, text + at, glyph.bytes);
            kept += glyph.bytes;
        }
        at += glyph.bytes;
    }
    if (!has_citation(out, kept))
        return kept;
    for (size_t at = 0; at < kept;) {
        struct dv_glyph glyph = dv_glyph_at(out, kept, at);
        bool bracket = glyph.kind == DV_GLYPH_MARK && (glyph.code == '[' || glyph.code == ']');
        if (bracket)
            out[done++] = glyph.code == '[' ? '(' : ')';
        for (uint32_t i = 0; !bracket && i < glyph.bytes; i++)
            out[done++] = out[at + i];
        at += glyph.bytes;
    }
    return done;
}

/* SPDX-License-Identifier: Apache-2.0
 * citation.c - each piece as a sorted list of ids; a sentence is read once and its ids are looked up. */
#include "operators/citation.h"

#include <stdlib.h>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/id.h"

enum { IDS_OF_TOKEN = 4 + DV_CITE_PARTS, UNLIKE_WORDS = 2, SEED_PAIR = 5 };

/* What is in one piece. */
struct facts {
    uint64_t *ids;
    size_t count;
};

struct dv_citation_index {
    uint32_t count;
    struct facts facts[];
};

const char *dv_citation_name(enum dv_citation verdict)
{
    static const char *const names[] = { "kept", "empty", "uncited", "invented", "number", "name", "quote", "borrowed", "unlike", "strange" };
    DV_ASSERT((unsigned)verdict < DV_CITATION_COUNT);
    return names[verdict];
}

/* ---- the index ---- */

static uint64_t pair_of(uint64_t before, uint64_t after)
{
    const uint64_t both[2] = { before, after };
    return dv_hash64(both, sizeof both, SEED_PAIR);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static bool is_said(const struct dv_cite_token *token)
{
    return token->kind == DV_CITE_WORD || token->kind == DV_CITE_NUMBER;
}

static size_t count_tokens(const struct dv_piece *piece)
{
    size_t count = 0;
    struct dv_cite_token token = dv_cite_next(piece->text, piece->length, 0);
    for (; token.kind != DV_CITE_END; token = dv_cite_next(piece->text, piece->length, token.end))
        count += is_said(&token);
    return count;
}

static bool index_piece(struct dv_arena *arena, const struct dv_piece *piece, struct facts *ret)
{
    uint64_t before = 0;
    ret->ids = dv_arena_alloc(arena, (count_tokens(piece) * IDS_OF_TOKEN + 1) * sizeof *ret->ids);
    if (ret->ids == NULL)
        return false;
    struct dv_cite_token token = dv_cite_next(piece->text, piece->length, 0);
    for (; token.kind != DV_CITE_END; token = dv_cite_next(piece->text, piece->length, token.end)) {
        if (!is_said(&token))
            continue;
        ret->ids[ret->count++] = token.id;
        ret->ids[ret->count++] = pair_of(before, token.id);
        ret->ids[ret->count++] = token.stem;
        ret->ids[ret->count++] = token.unit;
        for (uint32_t i = 0; i < token.part_count; i++)
            ret->ids[ret->count++] = token.parts[i];
        before = token.id;
    }
    qsort(ret->ids, ret->count, sizeof *ret->ids, compare);
    return true;
}

struct dv_citation_index *dv_citation_index(struct dv_arena *arena, const struct dv_piece *pieces, uint32_t count)
{
    DV_ASSERT(count <= DV_CITE_CITED_MAX);
    struct dv_citation_index *index = dv_arena_zeroed(arena, 1, sizeof *index + count * sizeof index->facts[0]);
    if (index == NULL)
        return NULL;
    index->count = count;
    for (uint32_t i = 0; i < count; i++)
        if (!index_piece(arena, &pieces[i], &index->facts[i]))
            return NULL;
    return index;
}

static bool has(const struct dv_citation_index *index, uint32_t of, uint64_t id)
{
    for (uint32_t i = 0; i < index->count; i++) {
        const struct facts *facts = &index->facts[i];
        if ((of >> i & 1) != 0 && facts->count > 0 && bsearch(&id, facts->ids, facts->count, sizeof id, compare) != NULL)
            return true;
    }
    return false;
}

/* ---- a sentence ---- */

static bool is_quote(const struct dv_cite_token *token)
{
    return token->kind == DV_CITE_MARK && (token->code == '"' || token->code == '`');
}

/* What it cites, and what can be said without looking anything up. */
static enum dv_citation read_citations(const struct dv_citation_index *index, const char *text, size_t length, uint32_t *ret_cited,
                                       size_t *ret_last_quote)
{
    bool said = false, strange = false, invented = false;
    *ret_cited = 0;
    *ret_last_quote = 0;
    struct dv_cite_token token = dv_cite_next(text, length, 0);
    for (; token.kind != DV_CITE_END; token = dv_cite_next(text, length, token.end)) {
        said = said || is_said(&token);
        strange = strange || token.kind == DV_CITE_STRANGE;
        invented = invented || token.kind == DV_CITE_INVENTED;
        *ret_cited |= token.cited;
        *ret_last_quote = is_quote(&token) ? token.start : *ret_last_quote;
    }
    uint32_t known = index->count == DV_CITE_CITED_MAX ? UINT32_MAX : (UINT32_C(1) << index->count) - 1;
    invented = invented || (*ret_cited & ~known) != 0;
    *ret_cited &= known;
    if (invented)
        return DV_CITATION_INVENTED;
    if (!said)
        return DV_CITATION_EMPTY;
    if (strange)
        return DV_CITATION_STRANGE;
    return *ret_cited == 0 ? DV_CITATION_NONE : DV_CITATION_KEPT;
}

/* Where the check stands in a sentence. */
struct reading {
    const struct dv_citation_index *index;
    const char *text;
    size_t length;
    uint32_t cited;
    bool any;          /* a word or number came */
    bool quoted;       /* between quotes */
    size_t last_quote; /* where it stands */
    bool linked;       /* only a blank, a hyphen or a full stop stands behind the word before */
    bool named;        /* that was a name */
    size_t address;    /* where an address of the web ends */
    uint64_t before;   /* the id of the word before */
    uint32_t own, all; /* words that carry meaning: in what is cited, of all */
};

static void read_mark(struct reading *reading, const struct dv_cite_token *token)
{
    if (is_quote(token)) {
        reading->quoted = !reading->quoted && token->start < reading->last_quote; /* one alone quotes nothing */
        reading->linked = false;
    }
    bool links = token->kind == DV_CITE_MARK && (token->code == '-' || token->code == '.');
    reading->linked = reading->linked && links;
}

/* "://" right behind a word, or a word "www": up to the next blank all of it is an address. */
static size_t address_end(const struct reading *reading, const struct dv_cite_token *token)
{
    const char *text = reading->text;
    size_t left = reading->length - token->end, size = token->end - token->start, end = token->end;
    bool scheme = left >= 3 && text[end] == ':' && text[end + 1] == '/' && text[end + 2] == '/';
    bool host = size == 3 && left > 1 && text[end] == '.' && (text[token->start] | 0x20) == 'w' && (text[end - 1] | 0x20) == 'w';
    while ((scheme || host) && end < reading->length && text[end] != ' ' && text[end] != '\n' && text[end] != '[')
        end++;
    return scheme || host ? end : 0;
}

static bool is_here(const struct reading *reading, uint64_t id)
{
    return has(reading->index, reading->cited, id);
}

/* Words in quotes and addresses stand in the evidence one behind the other. */
static enum dv_citation check_literal(struct reading *reading, const struct dv_cite_token *token)
{
    bool in_address = token->start < reading->address;
    bool literal = in_address || reading->quoted;
    if (!literal)
        return DV_CITATION_KEPT;
    bool follows = (reading->linked || in_address) && reading->before != 0;
    if (!is_here(reading, token->id) || (follows && !is_here(reading, pair_of(reading->before, token->id))))
        return DV_CITATION_QUOTE;
    return DV_CITATION_KEPT;
}

/* A number, or a word that is one or measures one. */
static enum dv_citation check_number(const struct reading *reading, const struct dv_cite_token *token)
{
    bool number = token->kind == DV_CITE_NUMBER;
    uint64_t id = number ? token->id : token->unit;
    return id != 0 && !is_here(reading, id) ? DV_CITATION_NUMBER : DV_CITATION_KEPT;
}

static enum dv_citation check_name(struct reading *reading, const struct dv_cite_token *token, bool name)
{
    if (!name)
        return DV_CITATION_KEPT;
    if (!is_here(reading, token->id))
        return DV_CITATION_NAME;
    bool pair = reading->linked && reading->named;
    return pair && !is_here(reading, pair_of(reading->before, token->id)) ? DV_CITATION_NAME : DV_CITATION_KEPT;
}

static enum dv_citation check_meaning(struct reading *reading, const struct dv_cite_token *token)
{
    if (token->stem == 0)
        return DV_CITATION_KEPT;
    reading->all++;
    if (is_here(reading, token->stem)) {
        reading->own++;
        return DV_CITATION_KEPT;
    }
    return has(reading->index, ~reading->cited, token->stem) ? DV_CITATION_BORROWED : DV_CITATION_KEPT;
}

static enum dv_citation check_word(struct reading *reading, const struct dv_cite_token *token)
{
    bool opens = !reading->any && token->kind == DV_CITE_WORD && dv_cite_opens(reading->text, token);
    bool name = token->kind == DV_CITE_WORD && token->named && !opens;
    size_t address = token->kind == DV_CITE_WORD ? address_end(reading, token) : 0;
    reading->address = address > reading->address ? address : reading->address;
    enum dv_citation verdict = check_literal(reading, token);
    if (verdict == DV_CITATION_KEPT)
        verdict = check_number(reading, token);
    if (verdict == DV_CITATION_KEPT)
        verdict = check_name(reading, token, name);
    if (verdict == DV_CITATION_KEPT)
        verdict = check_meaning(reading, token);
    reading->any = true;
    reading->linked = true;
    reading->named = name;
    reading->before = token->id;
    return verdict;
}

enum dv_citation dv_citation_check(const struct dv_citation_index *index, const char *text, size_t length, uint32_t *ret_cited)
{
    struct reading reading = { .index = index, .text = text, .length = length };
    enum dv_citation verdict = read_citations(index, text, length, ret_cited, &reading.last_quote);
    reading.cited = *ret_cited;
    struct dv_cite_token token = dv_cite_next(text, length, 0);
    for (; verdict == DV_CITATION_KEPT && token.kind != DV_CITE_END; token = dv_cite_next(text, length, token.end)) {
        if (is_said(&token))
            verdict = check_word(&reading, &token);
        else
            read_mark(&reading, &token);
    }
    if (verdict == DV_CITATION_KEPT && reading.own * UNLIKE_WORDS < reading.all)
        verdict = DV_CITATION_UNLIKE;
    return verdict;
}

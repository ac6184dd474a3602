/* SPDX-License-Identifier: Apache-2.0
 * citation_number.c - grouped digits, decimals, ranges, dates, words, signs, bounds and units. */
#include "operators/citation_number.h"

#include <stdio.h>
#include <string.h>

#include "engine/error.h"
#include "engine/id.h"
#include "operators/citation_glyph.h"
#include "operators/citation_unit.h"

enum { NUMBER_MAX = 256, UNITS_MAX = 3, UNITS_BYTES = 64, PREFIX_BYTES = 16, PIECES_MAX = 4, SEED_NUMBER = 2, SEED_MEANING = 4 };

uint64_t dv_cite_meaning(const char *means)
{
    return dv_hash64(means, strlen(means), SEED_MEANING) | 1;
}

/* ---- the number itself ---- */

/* Without leading zeros, and without those at the end of a fraction. */
static size_t strip_zeros(char *text, size_t length)
{
    size_t zeros = 0;
    while (zeros + 1 < length && text[zeros] == '0' && text[zeros + 1] != '.')
        zeros++;
    memmove(text, text + zeros, length - zeros);
    length -= zeros;
    if (memchr(text, '.', length) == NULL)
        return length;
    while (text[length - 1] == '0')
        length--;
    return text[length - 1] == '.' ? length - 1 : length;
}

/* Whether commas part thousands: 1 to 3 digits, then threes. */
static bool is_grouped(const char *text, size_t length)
{
    size_t digits = 0;
    bool any = false;
    for (size_t i = 0; i < length && text[i] != '.'; i++) {
        if (text[i] != ',') {
            digits++;
            continue;
        }
        if (digits == 0 || digits > 3 || (any && digits != 3))
            return false;
        any = true;
        digits = 0;
    }
    return any && digits == 3;
}

static size_t count_of(const char *text, size_t length, const char *bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += strchr(bytes, text[i]) != NULL;
    return count;
}

/* One way to write a plain number; its length, 0 if it is none but a list, a date or a time. */
static size_t plain(char *out, const char *text, size_t length)
{
    if (count_of(text, length, "-/:") > 0 || count_of(text, length, ".") > 1)
        return 0;
    size_t commas = count_of(text, length, ",");
    bool grouped = is_grouped(text, length);
    if (commas > 0 && !grouped && (commas > 1 || memchr(text, '.', length) != NULL))
        return 0;
    size_t used = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] != ',')
            out[used++] = text[i];
        else if (!grouped)
            out[used++] = '.';
    return strip_zeros(out, used);
}

static uint64_t id_of(const char *prefix, const char *number, size_t length, const char *units)
{
    char text[NUMBER_MAX];
    int size = snprintf(text, sizeof text, "%s%.*s#%s", prefix, (int)length, number, units);
    DV_ASSERT(size > 0 && size < NUMBER_MAX);
    return dv_hash64(text, (size_t)size, SEED_NUMBER) | 1;
}

static void add_part(struct dv_cite_token *token, const char *text, size_t length, const char *units)
{
    char number[DV_CITE_RUN_MAX + 1];
    size_t used = plain(number, text, length);
    if (used > 0 && token->part_count < DV_CITE_PARTS)
        token->parts[token->part_count++] = id_of("", number, used, units);
}

/* What else a range or a date says. */
static void add_parts(struct dv_cite_token *token, const char *text, size_t length, const char *units)
{
    size_t starts[PIECES_MAX], sizes[PIECES_MAX], count = 0, start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && strchr("-/.", text[i]) == NULL)
            continue;
        if (count == PIECES_MAX)
            return;
        starts[count] = start;
        sizes[count++] = i - start;
        start = i + 1;
    }
    bool date = count == 3 || (count == 2 && sizes[0] == 4 && sizes[1] <= 2);
    for (size_t i = 0; date && i < count; i++)
        if (sizes[i] == 4)
            add_part(token, text + starts[i], 4, "");
    const char *dash = memchr(text, '-', length);
    if (date || dash == NULL || count_of(text, length, "-/:") != 1)
        return;
    size_t first = (size_t)(dash - text);
    add_part(token, text, first, "");
    add_part(token, text, first, units);
    add_part(token, dash + 1, length - first - 1, units);
}

/* ---- units ---- */

static void add_unit(char units[UNITS_BYTES], const char *unit)
{
    size_t used = strlen(units);
    if (used + strlen(unit) + 2 < UNITS_BYTES)
        (void)snprintf(units + used, UNITS_BYTES - used, "%s|", unit);
}

/* The mark at `at` as a unit, or NULL. */
static const char *mark_unit(const struct dv_glyph *glyph)
{
    static const struct { uint32_t code; const char *unit; } marks[] = {
        { '%', "%" }, { 0x2030, "permille" }, { 0xB0, "deg" }, { '$', "usd" }, { 0x20AC, "eur" }, { 0xA3, "gbp" }, { 0xA5, "yen" },
    };
    for (size_t i = 0; glyph->kind == DV_GLYPH_MARK && i < sizeof marks / sizeof *marks; i++)
        if (marks[i].code == glyph->code)
            return marks[i].unit;
    return NULL;
}

/* The unit that the word at `at` is; moves *at behind it. */
static const char *word_unit(const char *text, size_t length, size_t *at)
{
    struct dv_cite_run run;
    size_t end = dv_cite_run_read(&run, text, length, *at);
    const char *unit = dv_unit_of(run.text);
    if (strcmp(run.text, "per") == 0) {
        struct dv_glyph blank = dv_glyph_at(text, length, end);
        end = dv_cite_run_read(&run, text, length, end + blank.bytes);
        unit = blank.kind == DV_GLYPH_BLANK && strcmp(run.text, "cent") == 0 ? "%" : NULL;
    }
    if (unit != NULL)
        *at = end;
    return unit;
}

/* Units behind a number: "%", " million dollars", "-year", " mg/kg". */
static void read_units(char units[UNITS_BYTES], const char *text, size_t length, size_t at)
{
    for (int i = 0; i < UNITS_MAX; i++) {
        struct dv_glyph glyph = dv_glyph_at(text, length, at);
        bool slash = i > 0 && glyph.kind == DV_GLYPH_MARK && glyph.code == '/';
        bool gap = glyph.kind == DV_GLYPH_BLANK || (glyph.kind == DV_GLYPH_MARK && glyph.code == '-') || slash;
        size_t next = at + (gap ? glyph.bytes : 0);
        glyph = dv_glyph_at(text, length, next);
        const char *unit = mark_unit(&glyph);
        if (unit != NULL)
            next += glyph.bytes;
        else if (glyph.kind == DV_GLYPH_LETTER)
            unit = word_unit(text, length, &next);
        if (unit == NULL)
            return;
        add_unit(units, unit);
        at = next;
    }
}

/* ---- numbers of several runs ---- */

/* "1 000 000": threes of digits behind single blanks. */
static size_t join_threes(struct dv_cite_run *run, const char *text, size_t length, size_t end)
{
    while (run->length + 3 < DV_CITE_RUN_MAX) {
        struct dv_cite_run next;
        struct dv_glyph blank = dv_glyph_at(text, length, end);
        if (blank.kind != DV_GLYPH_BLANK)
            break;
        size_t after = dv_cite_run_read(&next, text, length, end + blank.bytes);
        if (next.length != 3 || !next.digits || next.letters || next.foreign)
            break;
        memcpy(run->text + run->length, next.text, 4);
        run->length += 3;
        end = after;
    }
    return end;
}

/* "twenty five", "twenty-five" */
static size_t join_words(uint32_t *value, const char *text, size_t length, size_t end)
{
    struct dv_cite_run next;
    uint32_t ones = 0;
    struct dv_glyph gap = dv_glyph_at(text, length, end);
    bool may = *value >= 20 && (gap.kind == DV_GLYPH_BLANK || (gap.kind == DV_GLYPH_MARK && gap.code == '-'));
    if (!may)
        return end;
    size_t after = dv_cite_run_read(&next, text, length, end + gap.bytes);
    if (!dv_number_of(next.text, &ones) || ones == 0 || ones > 9)
        return end;
    *value += ones;
    return after;
}

/* Bytes of digits and what joins them at the beginning of a run. */
static size_t digits_of(const struct dv_cite_run *run)
{
    size_t at = strspn(run->text, "0123456789.,:/-");
    return run->foreign || run->long_ || run->text[0] < '0' || run->text[0] > '9' ? 0 : at;
}

bool dv_cite_number(struct dv_cite_token *token, const struct dv_cite_run *run, const char *prefix, const char *text, size_t length)
{
    struct dv_cite_run all = *run;
    char number[DV_CITE_RUN_MAX + 1], units[UNITS_BYTES] = "";
    uint32_t value = 0;
    size_t digits = digits_of(run);
    if (!run->digits && !run->foreign && dv_number_of(run->text, &value)) {
        token->end = join_words(&value, text, length, token->end);
        digits = (size_t)snprintf(all.text, sizeof all.text, "%u", value);
    } else if (digits == 0) {
        return false;
    } else if (digits < run->length) { /* 5mg */
        const char *unit = dv_unit_of(run->text + digits);
        if (unit == NULL)
            return false;
        add_unit(units, unit);
        token->unit = dv_cite_meaning(unit);
    } else if (digits <= 3 && strspn(run->text, "0123456789") == digits) {
        token->end = join_threes(&all, text, length, token->end);
        digits = all.length;
    }
    token->kind = DV_CITE_NUMBER;
    read_units(units, text, length, token->end);
    if (token->unit == 0 && strncmp(units, "%", 1) == 0)
        token->unit = dv_cite_meaning("%");
    size_t used = plain(number, all.text, digits);
    if (used == 0)
        add_parts(token, all.text, digits, units);
    token->id = used > 0 ? id_of(prefix, number, used, units) : id_of(prefix, all.text, digits, units);
    return true;
}

/* ---- signs ---- */

/* What the mark says of the number behind it, or NULL. */
static const char *prefix_of(uint32_t code)
{
    static const struct { uint32_t code; const char *prefix; } rows[] = {
        { '-', "-" },      { '<', "<" },      { '>', ">" },      { 0x2264, "<=" }, { 0x2265, ">=" }, { '~', "~" }, { 0x2248, "~" },
        { 0xB1, "+-" },    { '$', "usd" },    { 0x20AC, "eur" }, { 0xA3, "gbp" },  { 0xA5, "yen" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return rows[i].prefix;
    return NULL;
}

/* A hyphen is a minus only where nothing of ASCII stands before it. */
static bool may_sign(const char *text, const struct dv_cite_token *token)
{
    if (token->code != '-' || token->start == 0)
        return true;
    unsigned char before = (unsigned char)text[token->start - 1];
    return before >= 0x80 || strchr(" \t\r\n(", before) != NULL;
}

void dv_cite_signed_number(struct dv_cite_token *token, const char *text, size_t length)
{
    char prefix[PREFIX_BYTES] = "";
    size_t at = token->start;
    struct dv_glyph glyph = dv_glyph_at(text, length, at);
    for (int i = 0; i < 3 && glyph.kind == DV_GLYPH_MARK; i++) {
        const char *word = prefix_of(glyph.code);
        bool bound = glyph.code != '-';
        if (word == NULL || !may_sign(text, token))
            return;
        (void)strncat(prefix, word, sizeof prefix - strlen(prefix) - 1);
        at += glyph.bytes;
        glyph = dv_glyph_at(text, length, at);
        if (bound && glyph.kind == DV_GLYPH_BLANK) {
            at += glyph.bytes;
            glyph = dv_glyph_at(text, length, at);
        }
    }
    struct dv_cite_run run;
    struct dv_cite_token number = *token;
    number.end = dv_cite_run_read(&run, text, length, at);
    if (run.digits && dv_cite_number(&number, &run, prefix, text, length))
        *token = number;
}

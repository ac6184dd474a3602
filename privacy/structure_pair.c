/* SPDX-License-Identifier: Apache-2.0
 * structure_pair.c - keys and values in running text: "Name: Ann Lee", user=ann, ?q=1&mail=a%40b.c, YAML, forms, logs.
 *
 * Called at each '=' and ':'. The key is what stands before it, the value goes as far as its kind of pair lets it: to the
 * closing quote, to the next '&' or blank, or to where the line, the next key or the look of the value ends it. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum { KEY_WORDS_MAX = 5, KEY_BACK_MAX = 48, PROSE_MAX = 240 };

static const struct dv_range none = { 0 };
static const char why[] = "the name of its key";

static bool is_key(unsigned char byte)
{
    return dv_is_alnum(byte) || byte >= 0x80 || byte == '_' || byte == '-' || byte == '.';
}

/* One word without blanks, right before `at` or one blank before it. */
static struct dv_range key_word(const struct dv_structure *structure, uint32_t from, uint32_t at)
{
    const unsigned char *text = structure->text;
    if (at > from && (text[at - 1] == ' ' || text[at - 1] == '\t'))
        at--;
    if (at > from && (text[at - 1] == '"' || text[at - 1] == '\''))
        at--;
    struct dv_range key = { at, at };
    while (key.start > from && at - key.start < KEY_BACK_MAX && is_key(text[key.start - 1]))
        key.start--;
    return key;
}

/* Whether the byte before is a mark or line end that a key of several words can begin behind. */
static bool begins_key(const struct dv_structure *structure, uint32_t from, uint32_t at)
{
    return at == from || structure->text[at - 1] == '\n' || strchr("|;,.([{\"'>*\t#", structure->text[at - 1]) != NULL;
}

/* The key before the colon at `at`: the longest run of words that says something, else the longest run at all. */
static struct dv_range key_words(struct dv_structure *structure, uint32_t from, uint32_t at,
                                 struct dv_key_hint *ret_hint, struct dv_range around)
{
    const unsigned char *text = structure->text;
    struct dv_range best = { at, at };
    uint32_t floor = at - from > KEY_BACK_MAX ? at - KEY_BACK_MAX : from;
    uint32_t start = at, words = 0;
    *ret_hint = (struct dv_key_hint){ .sense = DV_KEY_UNKNOWN };
    while (start > floor && words < KEY_WORDS_MAX) {
        while (start > floor &&
               (is_key(text[start - 1]) || text[start - 1] == '/' || text[start - 1] == '\'' || text[start - 1] == '#'))
            start--;
        struct dv_key_hint hint = dv_structure_hint(structure, (struct dv_range){ start, at }, around);
        if (hint.sense != DV_KEY_UNKNOWN || ret_hint->sense == DV_KEY_UNKNOWN) {
            best.start = start;
            *ret_hint = hint;
        }
        words++;
        bool blank = start > floor && text[start - 1] == ' ' && start > floor + 1 && is_key(text[start - 2]);
        if (!blank || begins_key(structure, from, start))
            break;
        start--;
    }
    return best;
}

static void put(struct dv_structure *structure, struct dv_range value, struct dv_key_hint hint, struct dv_range key,
                bool prose)
{
    const struct dv_field field = { .value = value,
                                    .hint = hint,
                                    .column = prose ? 0 : dv_column_of(structure, key, none),
                                    .prose = prose,
                                    .why = why };
    if (hint.sense == DV_KEY_PERSONAL && !prose)
        dv_structure_put_plain(structure, key);
    dv_structure_put(structure, &field);
}

/* Where a value without blanks ends. */
static uint32_t bare_end(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    uint32_t start = at;
    while (at < end && structure->text[at] > ' ' && strchr("&;,\"'<>|", structure->text[at]) == NULL)
        at++;
    while (at > start && strchr(")]}.", structure->text[at - 1]) != NULL)
        at--;
    return at;
}

/* A quoted value: from behind the quote to its fellow on the same line. */
static bool quoted_value(const struct dv_structure *structure, uint32_t at, uint32_t end, struct dv_range *ret_value)
{
    unsigned char quote = dv_text_byte(structure, at);
    if (at >= end || (quote != '"' && quote != '\''))
        return false;
    for (uint32_t to = at + 1; to < end && structure->text[to] != '\n'; to++) {
        if (structure->text[to] == '\\')
            to++;
        else if (structure->text[to] == quote) {
            *ret_value = (struct dv_range){ at + 1, to };
            return true;
        }
    }
    return false;
}

/* Whether "word=" or "word:" begins at `at`. */
static bool is_next_key(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    uint32_t word = at;
    while (word < end && word - at < KEY_BACK_MAX && is_key(structure->text[word]))
        word++;
    return word > at && word < end && structure->text[word] == '=';
}

/* A value after '=' that may hold blanks (CEF, .ini, "name = Ann Lee"): to the next key or the end of the line. */
static uint32_t spaced_end(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    uint32_t to = bare_end(structure, at, end);
    uint32_t limit = end - at > PROSE_MAX ? at + PROSE_MAX : end;
    while (to < limit && structure->text[to] == ' ' && !is_next_key(structure, to + 1, limit)) {
        uint32_t next = bare_end(structure, to + 1, limit);
        if (next == to + 1)
            break;
        to = next;
    }
    return to;
}

static bool begins_line(const struct dv_structure *structure, uint32_t at)
{
    while (at > 0 && (structure->text[at - 1] == ' ' || structure->text[at - 1] == '\t' ||
                      structure->text[at - 1] == '-' || structure->text[at - 1] == '*'))
        at--;
    return at == 0 || structure->text[at - 1] == '\n' || structure->text[at - 1] == '\r';
}

/* key=value */
static uint32_t read_equals(struct dv_structure *structure, uint32_t from, uint32_t at, uint32_t end)
{
    struct dv_range key = key_word(structure, from, at);
    if (key.start == key.end || dv_text_byte(structure, at + 1) == '=')
        return at;
    uint32_t begin = dv_text_byte(structure, at + 1) == '>' ? at + 2 : at + 1; /* => of Perl and Ruby */
    bool spaced = at > key.end;
    begin = spaced ? dv_text_skip_blanks(structure, begin, end) : begin;
    begin += dv_text_byte(structure, begin) == '<' && begin < end; /* from=<a@b.c> */
    struct dv_key_hint hint = dv_structure_hint(structure, key, structure->block);
    struct dv_range value;
    if (quoted_value(structure, begin, end, &value)) {
        put(structure, value, hint, key, false);
        return value.end;
    }
    value = (struct dv_range){ begin, bare_end(structure, begin, end) };
    bool plain = hint.sense == DV_KEY_PLAIN && spaced && begins_line(structure, key.start);
    bool words = hint.sense == DV_KEY_PERSONAL && (hint.form == DV_FORM_NAME || hint.form == DV_FORM_PLACE);
    if ((words || plain) && dv_text_byte(structure, value.end) == ' ') {
        struct dv_range wide = { begin, spaced_end(structure, begin, end) };
        bool name = hint.form == DV_FORM_NAME;
        value = name ? dv_value_in_prose(structure, &hint, wide) : wide;
        if (value.start == value.end)
            value.end = bare_end(structure, begin, end);
    }
    if (hint.sense == DV_KEY_UNKNOWN && value.end - value.start < 8)
        return at;
    put(structure, value, hint, key, false);
    return value.end > at ? value.end : at;
}

/* Where the text of a pair ends at the latest: the line's end, two blanks in a row, or before the key of the next colon. */
static uint32_t rest_end(struct dv_structure *structure, uint32_t at, uint32_t end)
{
    uint32_t limit = end - at > PROSE_MAX ? at + PROSE_MAX : end;
    limit = dv_text_find(structure, at, limit, '\n');
    for (uint32_t to = at; to < limit; to++) {
        if (structure->text[to] == '\t' || structure->text[to] == '|' ||
            (structure->text[to] == ' ' && dv_text_byte(structure, to + 1) == ' '))
            return to;
        if (structure->text[to] != ':' || dv_text_byte(structure, to + 1) > ' ')
            continue;
        struct dv_key_hint hint;
        struct dv_range key = key_words(structure, at, to, &hint, none);
        return hint.sense != DV_KEY_UNKNOWN ? key.start : limit;
    }
    return limit;
}

static uint32_t indent_of(const struct dv_structure *structure, uint32_t key)
{
    uint32_t indent = 0;
    while (indent < key && structure->text[key - indent - 1] == ' ')
        indent++;
    return indent;
}

/* A line that ends with ':' names what is below: its value if that has no key itself, else a block. */
static uint32_t read_block(struct dv_structure *structure, struct dv_range key, const struct dv_key_hint *hint,
                           uint32_t at)
{
    uint32_t next = dv_text_skip_space(structure, at + 1, structure->length);
    uint32_t end = dv_text_find(structure, next, structure->length, '\n');
    uint32_t limit = end - next > PROSE_MAX ? next + PROSE_MAX : end;
    structure->block = key;
    structure->block_indent = indent_of(structure, key.start);
    bool keyed = dv_text_find(structure, next, limit, ':') < limit || dv_text_find(structure, next, limit, '=') < limit;
    if (hint->sense != DV_KEY_PERSONAL || keyed || structure->nested > 0)
        return at;
    struct dv_range value = dv_value_in_prose(structure, hint, (struct dv_range){ next, limit });
    if (value.start == value.end)
        return at;
    put(structure, value, *hint, key, true);
    return value.end;
}

/* The key of the block that this key is in: further in than that. */
static struct dv_range block_around(struct dv_structure *structure, uint32_t key)
{
    if (structure->block.end == 0 || structure->nested > 0)
        return none;
    if (!begins_line(structure, key))
        return none;
    if (indent_of(structure, key) > structure->block_indent)
        return structure->block;
    structure->block = none;
    return none;
}

/* A value that fills the line is taken as it is; among prose only what looks like one. */
static uint32_t put_words(struct dv_structure *structure, struct dv_range key, const struct dv_key_hint *hint,
                          struct dv_range rest)
{
    bool line = begins_line(structure, key.start) && dv_text_byte(structure, rest.end) <= ' ' &&
                dv_value_words(structure, rest) <= 4;
    struct dv_range value = rest;
    if (hint->sense == DV_KEY_PLAIN) {
        if (line)
            put(structure, value, *hint, key, true);
        return line ? value.end : rest.start;
    }
    value = dv_value_in_prose(structure, hint, rest);
    bool speaker = hint->form == DV_FORM_NAME && hint->score < DV_KEY_SURE &&
                   dv_value_words(structure, (struct dv_range){ value.end, rest.end }) > 2;
    if (speaker)
        return rest.start;
    bool whole = line && hint->score >= DV_KEY_SURE && hint->form != DV_FORM_NUMBER && hint->form != DV_FORM_DATE;
    if (value.start == value.end && whole)
        value = rest;
    if (value.start == value.end)
        return rest.start;
    put(structure, value, *hint, key, true);
    return value.end;
}

/* Key: value */
static uint32_t read_colon(struct dv_structure *structure, uint32_t from, uint32_t at, uint32_t end)
{
    unsigned char after = dv_text_byte(structure, at + 1);
    bool blank = after <= ' ' || at + 1 >= end;
    struct dv_range key = key_word(structure, from, at);
    if (key.start == key.end && dv_text_byte(structure, at - (at > from)) != '#')
        return at;
    struct dv_key_hint hint;
    struct dv_range around = block_around(structure, key.start);
    key = key_words(structure, from, key.end, &hint, around);
    if (blank && dv_text_skip_blanks(structure, at + 1, end) >= end)
        return read_block(structure, key, &hint, at);
    if (hint.sense != DV_KEY_PERSONAL && hint.sense != DV_KEY_PLAIN)
        return at;
    if (!blank && (after == '/' || after == ':' || hint.score < DV_KEY_SURE))
        return at;
    uint32_t begin = dv_text_skip_blanks(structure, at + 1, end);
    struct dv_range value;
    if (quoted_value(structure, begin, end, &value)) {
        put(structure, value, hint, key, false);
        return value.end;
    }
    uint32_t to = put_words(structure, key, &hint, (struct dv_range){ begin, rest_end(structure, begin, end) });
    return to > at ? to : at;
}

uint32_t dv_read_pair(struct dv_structure *structure, uint32_t from, uint32_t at, uint32_t end)
{
    return structure->text[at] == '=' ? read_equals(structure, from, at, end) : read_colon(structure, from, at, end);
}

/* The next word of a line of a log. */
static struct dv_range next_word(const struct dv_structure *structure, uint32_t *at, uint32_t end)
{
    uint32_t start = dv_text_skip_blanks(structure, *at, end);
    *at = dv_text_find(structure, start, end, ' ');
    return (struct dv_range){ start, *at };
}

/* The common log format: host, identity, user, [time …]. Gives where to go on. */
uint32_t dv_read_access_log(struct dv_structure *structure, uint32_t at, uint32_t end)
{
    uint32_t next = at;
    struct dv_range host = next_word(structure, &next, end);
    struct dv_range identity = next_word(structure, &next, end);
    if (host.end - host.start > KEY_BACK_MAX || !dv_range_is(structure, identity, "-"))
        return at;
    struct dv_range user = next_word(structure, &next, end);
    if (dv_text_byte(structure, next + 1) != '[' || !dv_is_digit(dv_text_byte(structure, next + 2)))
        return at;
    dv_structure_put_typed(structure, user, DV_PII_USERNAME, DV_FORM_USER, "the user of a log line");
    return next;
}

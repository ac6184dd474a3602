/* SPDX-License-Identifier: Apache-2.0
 * key_name.c - keys cut into words, and the words looked up. */
#include "privacy/key_name.h"

#include <string.h>

#include "engine/error.h"
#include "privacy/unicode.h"

enum { LITTLE_MAX = 4, WORDS_MAX = 12, RUN_MAX = 5, KEPT_MAX = 2 * DV_KEY_BYTES_MAX, COMBINED_SCORE = 950, TURNED_SCORE = 900 };

/* How a row of keys.def is to be read; the words stand there. */
enum row_kind { VALUE, ROLE, THING, FREE, NAME, NUMBER, DATE, PLAIN, CARRIER, LABEL, SOFT };

struct dv_key_row {
    enum row_kind kind;
    enum dv_pii type;
    enum dv_key_form form;
    uint16_t score;
    const char *words;
};

#define DV_KEYS(kind, type, form, score, words) { kind, DV_PII_##type, DV_FORM_##form, score, words },
static const struct dv_key_row rows[] = {
#include "privacy/detectors/keys.def"
};
#undef DV_KEYS

/* A key's words, folded, one behind the other. */
struct words {
    char text[KEPT_MAX];
    uint32_t begins[WORDS_MAX + 1]; /* of each word, and where the last one ends */
    uint32_t count;
};

static uint32_t hash_of(const char *word, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)word[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static void add_word(struct dv_key_names *names, const char *word, uint32_t length, const struct dv_key_row *row)
{
    uint32_t hash = hash_of(word, length);
    uint32_t at = hash % DV_KEY_SLOTS;
    for (; names->slots[at].word != NULL; at = (at + 1) % DV_KEY_SLOTS)
        DV_ASSERT(names->slots[at].length != length || memcmp(names->slots[at].word, word, length) != 0);
    names->slots[at] = (struct dv_key_slot){ .hash = hash, .length = length, .word = word, .row = row };
}

void dv_key_names_init(struct dv_key_names *names)
{
    uint32_t count = 0;
    *names = (struct dv_key_names){ 0 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (const char *word = rows[i].words; *word != '\0';) {
            uint32_t length = (uint32_t)strcspn(word, " ");
            add_word(names, word, length, &rows[i]);
            word += length + (word[length] == ' ');
            count++;
        }
    }
    DV_ASSERT(count < DV_KEY_SLOTS / 2);
}

static const struct dv_key_row *row_of(const struct dv_key_names *names, const char *word, uint32_t length)
{
    uint32_t hash = hash_of(word, length);
    for (uint32_t at = hash % DV_KEY_SLOTS; names->slots[at].word != NULL; at = (at + 1) % DV_KEY_SLOTS)
        if (names->slots[at].hash == hash && names->slots[at].length == length &&
            memcmp(names->slots[at].word, word, length) == 0)
            return names->slots[at].row;
    return NULL;
}

/* Words that only join others. */
static bool is_little(const char *word, uint32_t length)
{
    static const char little[] = " de del la el los las of the da do di du des y e and for to my your his her su n ";
    if (length > LITTLE_MAX)
        return false;
    for (const char *at = little + 1; *at != '\0'; at += strcspn(at, " ") + 1)
        if (strcspn(at, " ") == length && memcmp(at, word, length) == 0)
            return true;
    return false;
}

/* Ends the word that is being read, if there is one. A little word at the start may be all there is. */
static void end_word(struct words *words, uint32_t length)
{
    uint32_t begin = words->begins[words->count];
    if (length == begin || words->count == WORDS_MAX)
        return;
    if (words->count > 0 && is_little(words->text + begin, length - begin))
        return;
    words->begins[++words->count] = length;
}

/* Whether a word begins with the letter at `at`: aB, ABc. */
static bool begins_word(const unsigned char *key, size_t length, size_t at, enum dv_char_class before,
                        enum dv_char_class own)
{
    if (own != DV_CHAR_UPPER)
        return false;
    bool lower_next = at + 1 < length && key[at + 1] >= 'a' && key[at + 1] <= 'z';
    bool plural = at + 2 == length && key[at + 1] == 's';
    return before == DV_CHAR_LOWER || (before == DV_CHAR_UPPER && lower_next && !plural);
}

/* Adds the words of a key. Digits end a word and count for nothing. */
static void cut(struct words *words, const char *text, size_t length)
{
    const unsigned char *key = (const unsigned char *)text;
    enum dv_char_class before = DV_CHAR_SPACE;
    uint32_t end = words->begins[words->count];
    for (size_t at = 0; at < length;) {
        uint32_t bytes = 0;
        uint32_t code = dv_char_decode(key + at, length - at, &bytes);
        enum dv_char_class own = dv_char_class(code);
        bool letter = own == DV_CHAR_UPPER || own == DV_CHAR_LOWER || own == DV_CHAR_LETTER;
        if (own != DV_CHAR_IGNORED && (!letter || begins_word(key, length, at, before, own))) {
            end_word(words, end);
            end = words->begins[words->count];
        }
        uint32_t folded = dv_char_fold(code);
        if (letter && end < KEPT_MAX)
            words->text[end++] = (char)(folded < 0x80 ? folded : '?');
        if (own != DV_CHAR_IGNORED)
            before = own;
        at += bytes;
    }
    end_word(words, end);
}

/* The row of words from..to, with a plural s or without. */
static const struct dv_key_row *row_of_run(const struct dv_key_names *names, const struct words *words, uint32_t from,
                                           uint32_t to)
{
    const char *run = words->text + words->begins[from];
    uint32_t length = words->begins[to] - words->begins[from];
    const struct dv_key_row *row = row_of(names, run, length);
    if (row == NULL && length > 3 && run[length - 1] == 's')
        row = row_of(names, run, length - 1);
    if (row == NULL && length > 4 && run[length - 1] == 's' && run[length - 2] == 'e')
        row = row_of(names, run, length - 2);
    return row;
}

/* The row of the longest run that ends at word `to`; *ret_from is where it begins. */
static const struct dv_key_row *row_ending(const struct dv_key_names *names, const struct words *words, uint32_t to,
                                           uint32_t *ret_from)
{
    for (uint32_t from = to > RUN_MAX ? to - RUN_MAX : 0; from < to; from++) {
        const struct dv_key_row *row = row_of_run(names, words, from, to);
        *ret_from = from;
        if (row != NULL)
            return row;
    }
    return NULL;
}

/* The row of the longest run that begins the key. */
static const struct dv_key_row *row_beginning(const struct dv_key_names *names, const struct words *words,
                                              uint32_t *ret_to)
{
    for (uint32_t to = words->count < RUN_MAX ? words->count : RUN_MAX; to > 0; to--) {
        const struct dv_key_row *row = row_of_run(names, words, 0, to);
        *ret_to = to;
        if (row != NULL)
            return row;
    }
    return NULL;
}

static struct dv_key_hint hint_of(enum dv_key_sense sense, enum dv_pii type, enum dv_key_form form, uint16_t score)
{
    return (struct dv_key_hint){ .sense = sense, .type = type, .form = form, .score = score };
}

static const struct dv_key_hint unknown = { .sense = DV_KEY_UNKNOWN };
static const struct dv_key_hint plain = { .sense = DV_KEY_PLAIN };

static bool is_thing(const struct dv_key_row *row)
{
    return row->kind == THING || row->kind == PLAIN || row->kind == FREE;
}

/* The name of what `other` means, or with nothing beside it. */
static struct dv_key_hint hint_of_name(const struct dv_key_row *head, const struct dv_key_row *other, bool alone)
{
    if (alone)
        return hint_of(DV_KEY_PERSONAL, DV_PII_PERSON, DV_FORM_NAME, head->score);
    if (other == NULL)
        return unknown;
    if (other->kind == ROLE || (other->kind == VALUE && other->type == DV_PII_PERSON))
        return hint_of(DV_KEY_PERSONAL, DV_PII_PERSON, DV_FORM_NAME, COMBINED_SCORE);
    if (other->kind == VALUE && (other->type == DV_PII_LOCATION || other->type == DV_PII_USERNAME))
        return hint_of(DV_KEY_PERSONAL, other->type, other->form, TURNED_SCORE);
    if (other->kind == VALUE && (other->type == DV_PII_CREDIT_CARD || other->type == DV_PII_ACCOUNT))
        return hint_of(DV_KEY_PERSONAL, DV_PII_PERSON, DV_FORM_NAME, head->score);
    return is_thing(other) ? plain : unknown;
}

/* The id or number of what `other` means. */
static struct dv_key_hint hint_of_number(const struct dv_key_row *other)
{
    if (other == NULL)
        return unknown;
    if (other->kind == ROLE)
        return hint_of(DV_KEY_PERSONAL, other->type, DV_FORM_NUMBER, TURNED_SCORE);
    if (other->kind == VALUE && other->type != DV_PII_PERSON && other->type != DV_PII_DATE)
        return hint_of(DV_KEY_PERSONAL, other->type, other->form, TURNED_SCORE);
    return is_thing(other) ? plain : unknown;
}

static struct dv_key_hint hint_of_head(const struct dv_key_row *head, const struct dv_key_row *other, bool alone)
{
    if (head->kind == NAME)
        return hint_of_name(head, other, alone);
    if (head->kind == NUMBER)
        return hint_of_number(other);
    return hint_of(DV_KEY_PERSONAL, DV_PII_DATE, DV_FORM_DATE, head->score);
}

static bool is_head(const struct dv_key_row *row)
{
    return row->kind == NAME || row->kind == NUMBER || row->kind == DATE;
}

/* What a row says that no other word changes. */
static struct dv_key_hint hint_of_row(const struct dv_key_row *row)
{
    switch (row->kind) {
    case VALUE:
    case ROLE: return hint_of(DV_KEY_PERSONAL, row->kind == ROLE ? DV_PII_PERSON : row->type, row->form, row->score);
    case THING:
    case PLAIN: return plain;
    case CARRIER: return hint_of(DV_KEY_CARRIER, DV_PII_OTHER, DV_FORM_ANY, 0);
    case LABEL: return hint_of(DV_KEY_LABEL, DV_PII_OTHER, DV_FORM_ANY, 0);
    case NAME:
    case NUMBER:
    case DATE:
    case SOFT:
    case FREE: break;
    }
    return unknown;
}

/* "nombre paciente", "telefono contacto": the first words are what it is, the last whose. */
static struct dv_key_hint turned_hint(const struct dv_key_row *first, const struct dv_key_row *last)
{
    if (is_head(first))
        return hint_of_head(first, last, false);
    struct dv_key_hint hint = hint_of_row(first);
    hint.score = hint.score < TURNED_SCORE ? hint.score : TURNED_SCORE;
    return hint;
}

/* What keeps its sense before a word that is not known: "email_foo", not "last visit". */
static bool is_reach(const struct dv_key_row *row)
{
    return row->kind == VALUE && (row->form == DV_FORM_EMAIL || row->form == DV_FORM_PHONE || row->form == DV_FORM_NET);
}

/* The key of words..count; words that mean nothing behind others have been taken off. */
static struct dv_key_hint find(const struct dv_key_names *names, const struct words *words, uint32_t count)
{
    uint32_t from = 0, to = 0, other_from = 0;
    const struct dv_key_row *last = row_ending(names, words, count, &from);
    const struct dv_key_row *first = row_beginning(names, words, &to);
    bool turned = first != NULL && to < count && (is_head(first) || first->kind == VALUE);
    if (last == NULL)
        return turned && is_reach(first) ? turned_hint(first, NULL) : unknown;
    if (last->kind == SOFT && from > 0)
        return find(names, words, from);
    if (is_head(last)) {
        const struct dv_key_row *other = from > 0 ? row_ending(names, words, from, &other_from) : NULL;
        while (other != NULL && other->kind == SOFT && other_from > 0)
            other = row_ending(names, words, other_from, &other_from);
        return hint_of_head(last, other, from == 0);
    }
    if (turned && to <= from && last->kind == ROLE)
        return turned_hint(first, last);
    return turned && to <= from && is_head(first) && last->kind != CARRIER ? turned_hint(first, last)
                                                                           : hint_of_row(last);
}

struct dv_key_hint dv_key_names_find(const struct dv_key_names *names, const char *key, size_t length,
                                     const char *around, size_t around_length)
{
    DV_UNINITIALIZED struct words own;
    own.count = 0;
    own.begins[0] = 0;
    if (length > DV_KEY_BYTES_MAX || length == 0)
        return unknown;
    cut(&own, key, length);
    if (own.count == 0)
        return unknown;
    struct dv_key_hint hint = find(names, &own, own.count);
    bool decided = hint.sense == DV_KEY_PERSONAL && hint.score >= DV_KEY_SURE;
    if (decided || hint.sense == DV_KEY_PLAIN || around_length == 0 || around_length > DV_KEY_BYTES_MAX)
        return hint;
    DV_UNINITIALIZED struct words both;
    both.count = 0;
    both.begins[0] = 0;
    cut(&both, around, around_length);
    cut(&both, key, length);
    struct dv_key_hint wider = find(names, &both, both.count);
    return wider.sense == DV_KEY_UNKNOWN || wider.sense == DV_KEY_CARRIER ? hint : wider;
}

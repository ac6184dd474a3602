/* SPDX-License-Identifier: Apache-2.0
 * detect_named.c - records, accounts and identity numbers of any look, behind words that announce them.
 *
 *   MRN 3561168 · MR# 12345 · UNIT NO: 12-34-56 · Historia clínica nº 4711 · acct # 0012 3456 · Policy No. AB-123456
 *
 * The words are read backwards from the number into a plain form (lower case, no accents, one blank between) and compared
 * with the ends of detectors/words.def. Only numbers behind letters that end one of these words come so far. */
#include <string.h>

#include "engine/error.h"
#include "privacy/detect_rows.h"
#include "privacy/unicode.h"

enum { ID_MAX = 40, READ_MAX = 48, PLAIN_MAX = 40, WORDS_MAX = 5, GROUP_MIN = 3, SURE = 880, NUMBERED = 800, BARE = 760 };

static const struct name {
    enum dv_pii type;
    uint8_t numbered, bare;
    uint8_t length;
    const char *words;
} names[] = {
#define NAME(type_, numbered_, bare_, words_) { DV_PII_##type_, numbered_, bare_, sizeof(words_) - 1, words_ },
#include "privacy/detectors/words.def"
};

enum { NAMES = sizeof names / sizeof *names };

_Static_assert(sizeof names / sizeof *names <= DV_NAMES_MAX, "each row has its place in the order");

/* What may stand between such words and the number. */
static const char *const number_words[] = { "number", "no", "num", "nr", "nbr", "numero", "nummer", "n", "id", "identifier", "code", "codigo", NULL };
static const char *const link_words[] = { "is", "was", "es", "de", "del", "ist", "est", "the", NULL };

/* Words before a number, in plain form; read backwards, so the text begins at `from`. */
struct plain {
    char text[PLAIN_MAX + 1];
    uint32_t from;
    bool sign;  /* '#', ':' or '=' stood right before the number */
};

static bool is_blank(unsigned char byte)
{
    static const bool blanks[256] = {
        [' '] = true, ['\t'] = true, [':'] = true,  ['#'] = true, ['='] = true, ['.'] = true, ['_'] = true, ['-'] = true,
        ['"'] = true, ['\''] = true, ['('] = true, ['['] = true, ['>'] = true, ['/'] = true, ['*'] = true, [')'] = true,
    };
    return blanks[byte];
}

static void put(struct plain *plain, char character)
{
    bool doubled = character == ' ' && (plain->from == PLAIN_MAX || plain->text[plain->from] == ' ');
    if (plain->from > 0 && !doubled)
        plain->text[--plain->from] = character;
}

/* The letter, blank or sign that ends before `at`: its bytes; 0 where the words end. */
static uint32_t take_back(const struct dv_candidate *candidate, uint32_t at, char *ret_character)
{
    unsigned char byte = dv_byte_before(candidate, at, 1);
    if (byte < 0x80) {
        *ret_character = dv_is_letter(byte) ? (char)dv_lower(byte) : is_blank(byte) ? ' ' : '\0';
        return *ret_character != '\0';
    }
    uint32_t bytes = 1, read = 0;
    while (bytes < 4 && bytes < at && (candidate->text[at - bytes] & 0xC0) == 0x80)
        bytes++;
    uint32_t code = dv_char_decode(candidate->text + at - bytes, bytes, &read);
    uint32_t folded = dv_char_fold(code);
    bool sign = code == 0xBA || code == 0xB0 || code == 0xA0 || code == 0x2116; /* º ° nbsp № */
    *ret_character = sign ? ' ' : folded >= 'a' && folded <= 'z' ? (char)folded : '\0';
    return *ret_character != '\0' && read == bytes ? bytes : 0;
}

static void read_plain(const struct dv_candidate *candidate, uint32_t at, struct plain *plain)
{
    uint32_t end = at, words = 0;
    char character = '\0';
    plain->from = PLAIN_MAX;
    plain->text[PLAIN_MAX] = '\0';
    plain->sign = false;
    for (uint32_t bytes; end - at < READ_MAX && words < WORDS_MAX && (bytes = take_back(candidate, at, &character)) > 0; at -= bytes) {
        unsigned char byte = candidate->text[at - 1];
        plain->sign |= plain->from == PLAIN_MAX && (byte == '#' || byte == ':' || byte == '=');
        words += character == ' ' && plain->from < PLAIN_MAX && plain->text[plain->from] != ' ';
        put(plain, character);
        if (end - at > READ_MAX)
            break;
    }
}

/* Cuts a last word that is in the list; false if it is not. */
static bool cut_word(struct plain *plain, uint32_t *end, const char *const *words)
{
    for (; *words != NULL; words++) {
        uint32_t length = (uint32_t)strlen(*words);
        bool fits = *end - plain->from > length && memcmp(plain->text + *end - length, *words, length) == 0;
        if (fits && plain->text[*end - length - 1] == ' ') {
            *end -= length + 1;
            return true;
        }
    }
    return false;
}

/* The longest row that ends the words. */
static const struct name *find_name(const struct dv_id_index *index, const struct plain *plain, uint32_t end)
{
    uint32_t length = end - plain->from, letter = (uint32_t)(plain->text[end - 1] - 'a');
    for (uint32_t i = letter < 26 ? index->name_first[letter] : NAMES; i < (letter < 26 ? index->name_first[letter + 1] : NAMES); i++) {
        const struct name *name = &names[index->name_order[i]];
        if (name->length > length || plain->text[end - name->length] != name->words[0])
            continue;
        if (memcmp(plain->text + end - name->length, name->words, name->length) != 0)
            continue;
        if (name->length == length || plain->text[end - name->length - 1] == ' ')
            return name;
    }
    return NULL;
}

/* The number, from its first letter to its last digit. */
struct extent {
    uint32_t start, end, digits;
};

static bool is_word_itself(const struct dv_candidate *candidate, uint32_t start, uint32_t end)
{
    struct plain plain;
    read_plain(candidate, end, &plain);
    uint32_t last = PLAIN_MAX;
    const struct name *name = last > plain.from ? find_name(candidate->ids, &plain, last) : NULL;
    if (name != NULL && name->length >= end - start)
        return true;
    return cut_word(&plain, &last, number_words) || (last > plain.from && end - start == 2 && memcmp(plain.text + last - 2, "no", 2) == 0);
}

/* Letters right before the first digit belong to the number, with a dash between too ("A-4711"); words that announce it
 * do not ("MRN12345", "MRN-12345"). */
uint32_t dv_reach_named(const struct dv_candidate *candidate)
{
    uint32_t end = candidate->at;
    for (uint32_t dash = 0; dash < 2; dash++) {
        uint32_t start = end - dash;
        if (dash == 1 && dv_byte_before(candidate, end, 1) != '-')
            break;
        uint32_t letters = 0;
        while (letters <= ID_MAX && dv_is_letter(dv_byte_before(candidate, start, letters + 1)))
            letters++;
        if (letters == 0 || letters > ID_MAX)
            continue;
        return is_word_itself(candidate, start - letters, start) ? end : start - letters;
    }
    return end;
}

/* Letters and digits, single dashes, dots or slashes between them, and blanks between groups of digits. */
static struct extent read_extent(const struct dv_candidate *candidate)
{
    struct extent extent = { .start = dv_reach_named(candidate), .end = candidate->at };
    uint32_t at = candidate->at;
    for (uint32_t run = 0; at - candidate->at < ID_MAX; at++) {
        unsigned char byte = dv_byte(candidate, at), next = dv_byte(candidate, at + 1);
        bool joint = (byte == '-' || byte == '/' || (byte == '.' && dv_is_digit(next))) && dv_is_alnum(next);
        bool group = byte == ' ' && run >= GROUP_MIN && dv_is_digit(next) && dv_is_digit(dv_byte(candidate, at + 2)) &&
                     dv_is_digit(dv_byte(candidate, at + 3));
        if (!dv_is_alnum(byte) && !joint && !group)
            break;
        run = dv_is_digit(byte) ? run + 1 : 0;
        extent.digits += dv_is_digit(byte);
        extent.end = at + 1;
    }
    return extent;
}

static uint16_t score_of(const struct name *name, const struct extent *extent, bool numbered)
{
    uint32_t least = numbered ? name->numbered : name->bare;
    if (least == 0 || extent->digits < least)
        return 0;
    return name->bare != 0 && name->bare <= 4 ? SURE : numbered ? NUMBERED : BARE;
}

static char last_letter(uint32_t row)
{
    return names[row].words[names[row].length - 1];
}

/* Whether a row comes before another: by its last letter, the longer first. */
static bool precedes(uint32_t row, uint32_t other)
{
    if (last_letter(row) != last_letter(other))
        return last_letter(row) < last_letter(other);
    return names[row].length > names[other].length;
}

static void order_names(struct dv_id_index *index)
{
    for (uint32_t row = 0; row < NAMES; row++) {
        uint32_t place = row;
        for (; place > 0 && precedes(row, index->name_order[place - 1]); place--)
            index->name_order[place] = index->name_order[place - 1];
        index->name_order[place] = (uint8_t)row;
        for (uint32_t letter = (uint32_t)(last_letter(row) - 'a') + 1; letter <= 26; letter++)
            index->name_first[letter]++;
    }
}

uint32_t dv_named_types(void)
{
    uint32_t types = 0;
    for (uint32_t row = 0; row < NAMES; row++)
        types |= 1u << names[row].type;
    return types;
}

void dv_named_index_init(struct dv_id_index *index)
{
    order_names(index);
    for (size_t i = 0; i < NAMES; i++) {
        const char *end = names[i].words + names[i].length;
        index->word_ends[end[-1] - 'a'] |= 1u << (end[-2] == ' ' ? 26 : end[-2] - 'a');
    }
    for (const char *const *word = number_words; *word != NULL; word++) {
        size_t length = strlen(*word);
        index->word_ends[(*word)[length - 1] - 'a'] |= length < 2 ? 1u << 26 : 1u << ((*word)[length - 2] - 'a');
    }
    for (const char *const *word = link_words; *word != NULL; word++)
        index->word_ends[(*word)[strlen(*word) - 1] - 'a'] |= 1u << ((*word)[strlen(*word) - 2] - 'a');
}

/* Whether the letters before `at` end one of the words: those before most numbers in a note do not. */
static bool may_be_named(const struct dv_candidate *candidate, uint32_t at)
{
    for (uint32_t i = 0; i < 8 && is_blank(dv_byte_before(candidate, at, 1)); i++) {
        if (dv_byte_before(candidate, at, 1) == '#')
            return true;
        at--;
    }
    unsigned char last = dv_lower(dv_byte_before(candidate, at, 1)), before = dv_lower(dv_byte_before(candidate, at, 2));
    if (!dv_is_letter(last))
        return last >= 0x80;
    return (candidate->ids->word_ends[last - 'a'] >> (dv_is_letter(before) ? before - 'a' : 26) & 1u) != 0 || before >= 0x80;
}

bool dv_verify_named(const struct dv_candidate *candidate, struct dv_span *span)
{
    unsigned char joint = dv_byte_before(candidate, candidate->at, 1);
    if ((joint == '-' || joint == '/' || joint == '.') && dv_is_digit(dv_byte_before(candidate, candidate->at, 2)))
        return false; /* the middle of a number: its first run was asked about */
    struct extent extent = { .start = candidate->at };
    if (!may_be_named(candidate, candidate->at)) {
        if (!dv_is_letter(joint) && joint != '-')
            return false;
        extent.start = dv_reach_named(candidate);
        if (extent.start == candidate->at || !may_be_named(candidate, extent.start))
            return false;
    }
    DV_UNINITIALIZED struct plain plain;
    read_plain(candidate, dv_reach_named(candidate), &plain);
    uint32_t end = PLAIN_MAX;
    if (end > plain.from && plain.text[end - 1] == ' ')
        end--;
    (void)cut_word(&plain, &end, link_words);
    const struct name *name = end > plain.from ? find_name(candidate->ids, &plain, end) : NULL;
    bool numbered = plain.sign;
    if (name == NULL && cut_word(&plain, &end, number_words)) {
        (void)cut_word(&plain, &end, link_words);
        numbered = true;
        name = end > plain.from ? find_name(candidate->ids, &plain, end) : NULL;
    }
    if (name == NULL)
        return false;
    extent = read_extent(candidate);
    uint16_t score = score_of(name, &extent, numbered);
    if (score == 0)
        return false;
    span->type = name->type;
    return dv_span_fill(span, extent.start, extent.end, score, "a number behind a word that announces one");
}

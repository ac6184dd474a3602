/* SPDX-License-Identifier: Apache-2.0
 * fold_word.c - words that say digits, in six languages, and addresses whose '@' and '.' are words. */
#include <string.h>
#include <strings.h>

#include "engine/error.h"
#include "privacy/detect_rows.h"
#include "privacy/fold.h"
#include "privacy/unicode.h"

enum { WORD_MAX = 10, PART_MAX = 64, PARTS_MAX = 8 };

/* A word without accents; the last of a row is empty. */
struct said_word {
    char word[WORD_MAX];
    uint8_t kind, value;
};

/* By their first letters. English, Spanish, German, French, Italian, Portuguese; what two of them share stands once. */
static const struct said_word *const said_words[26] = {
#define WORDS(...) (const struct said_word[]){ __VA_ARGS__, { "", DV_SAID_NONE, 0 } }
    ['a' - 'a'] = WORDS({ "acht", DV_SAID_DIGIT, 8 }),
    ['c' - 'a'] = WORDS({ "cero", DV_SAID_DIGIT, 0 }, { "cuatro", DV_SAID_DIGIT, 4 }, { "cinco", DV_SAID_DIGIT, 5 },
                        { "cinq", DV_SAID_DIGIT, 5 }, { "cinque", DV_SAID_DIGIT, 5 }),
    ['d' - 'a'] = WORDS({ "dos", DV_SAID_DIGIT, 2 }, { "drei", DV_SAID_DIGIT, 3 }, { "deux", DV_SAID_DIGIT, 2 },
                        { "due", DV_SAID_DIGIT, 2 }, { "dois", DV_SAID_DIGIT, 2 }, { "double", DV_SAID_REPEAT, 2 },
                        { "doble", DV_SAID_REPEAT, 2 }, { "doppel", DV_SAID_REPEAT, 2 }, { "duplo", DV_SAID_REPEAT, 2 }),
    ['e' - 'a'] = WORDS({ "eight", DV_SAID_DIGIT, 8 }, { "eins", DV_SAID_DIGIT, 1 }, { "eleven", DV_SAID_TEENS, 1 },
                        { "eighteen", DV_SAID_TEENS, 8 }, { "eighty", DV_SAID_TEN, 8 }),
    ['f' - 'a'] = WORDS({ "four", DV_SAID_DIGIT, 4 }, { "five", DV_SAID_DIGIT, 5 }, { "funf", DV_SAID_DIGIT, 5 },
                        { "fuenf", DV_SAID_DIGIT, 5 }, { "fourteen", DV_SAID_TEENS, 4 }, { "fifteen", DV_SAID_TEENS, 5 },
                        { "forty", DV_SAID_TEN, 4 }, { "fifty", DV_SAID_TEN, 5 }),
    ['h' - 'a'] = WORDS({ "huit", DV_SAID_DIGIT, 8 }),
    ['m' - 'a'] = WORDS({ "meia", DV_SAID_DIGIT, 6 }),
    ['n' - 'a'] = WORDS({ "nought", DV_SAID_DIGIT, 0 }, { "naught", DV_SAID_DIGIT, 0 }, { "nine", DV_SAID_DIGIT, 9 },
                        { "niner", DV_SAID_DIGIT, 9 }, { "nueve", DV_SAID_DIGIT, 9 }, { "null", DV_SAID_DIGIT, 0 },
                        { "neun", DV_SAID_DIGIT, 9 }, { "neuf", DV_SAID_DIGIT, 9 }, { "nove", DV_SAID_DIGIT, 9 },
                        { "nineteen", DV_SAID_TEENS, 9 }, { "ninety", DV_SAID_TEN, 9 }),
    ['o' - 'a'] = WORDS({ "oh", DV_SAID_DIGIT, 0 }, { "o", DV_SAID_DIGIT, 0 }, { "one", DV_SAID_DIGIT, 1 }, { "ocho", DV_SAID_DIGIT, 8 },
                        { "otto", DV_SAID_DIGIT, 8 }, { "oito", DV_SAID_DIGIT, 8 }),
    ['q' - 'a'] = WORDS({ "quatre", DV_SAID_DIGIT, 4 }, { "quattro", DV_SAID_DIGIT, 4 }, { "quatro", DV_SAID_DIGIT, 4 }),
    ['s' - 'a'] = WORDS({ "six", DV_SAID_DIGIT, 6 }, { "seven", DV_SAID_DIGIT, 7 }, { "seis", DV_SAID_DIGIT, 6 },
                        { "siete", DV_SAID_DIGIT, 7 }, { "sechs", DV_SAID_DIGIT, 6 }, { "sieben", DV_SAID_DIGIT, 7 },
                        { "sept", DV_SAID_DIGIT, 7 }, { "sei", DV_SAID_DIGIT, 6 }, { "sette", DV_SAID_DIGIT, 7 },
                        { "sete", DV_SAID_DIGIT, 7 }, { "sixteen", DV_SAID_TEENS, 6 }, { "seventeen", DV_SAID_TEENS, 7 },
                        { "sixty", DV_SAID_TEN, 6 }, { "seventy", DV_SAID_TEN, 7 }),
    ['t' - 'a'] = WORDS({ "two", DV_SAID_DIGIT, 2 }, { "three", DV_SAID_DIGIT, 3 }, { "tres", DV_SAID_DIGIT, 3 },
                        { "trois", DV_SAID_DIGIT, 3 }, { "tre", DV_SAID_DIGIT, 3 }, { "ten", DV_SAID_TEENS, 0 },
                        { "twelve", DV_SAID_TEENS, 2 }, { "thirteen", DV_SAID_TEENS, 3 }, { "twenty", DV_SAID_TEN, 2 },
                        { "thirty", DV_SAID_TEN, 3 }, { "triple", DV_SAID_REPEAT, 3 }, { "treble", DV_SAID_REPEAT, 3 }),
    ['u' - 'a'] = WORDS({ "uno", DV_SAID_DIGIT, 1 }, { "un", DV_SAID_DIGIT, 1 }, { "um", DV_SAID_DIGIT, 1 }),
    ['v' - 'a'] = WORDS({ "vier", DV_SAID_DIGIT, 4 }),
    ['z' - 'a'] = WORDS({ "zero", DV_SAID_DIGIT, 0 }, { "zwei", DV_SAID_DIGIT, 2 }, { "zwo", DV_SAID_DIGIT, 2 }),
#undef WORDS
};

static uint8_t letter_of(unsigned char byte)
{
    if (dv_is_letter(byte))
        return (byte | 0x20) - 'a';
    return byte < 0x80 ? DV_FOLD_BLANK : byte == 0xC3 ? DV_FOLD_ACCENT : DV_FOLD_OTHER;
}

/* What may stand in the place of a word's letter; its end may be anything but a letter. */
static uint32_t letters_for(char letter)
{
    const uint32_t accent = 1u << DV_FOLD_ACCENT, end = accent | 1u << DV_FOLD_OTHER | 1u << DV_FOLD_BLANK;
    return letter == '\0' ? end : accent | 1u << letter_of((unsigned char)letter);
}

/* Of the second letters only that of "f\xC3\xBCnf" has an accent. Behind an "o" alone anything may stand. */
void dv_fold_begins_init(struct dv_fold_begins *begins)
{
    *begins = (struct dv_fold_begins){ 0 };
    for (uint32_t byte = 0; byte < 256; byte++)
        begins->letters[byte] = letter_of((unsigned char)byte);
    for (uint32_t first = 0; first < 26; first++)
        for (const struct said_word *word = said_words[first]; word != NULL && word->word[0] != '\0'; word++)
            if (word->word[1] != '\0')
                begins->thirds[first][letter_of((unsigned char)word->word[1])] |= letters_for(word->word[2]);
    begins->thirds['f' - 'a'][DV_FOLD_ACCENT] = UINT32_MAX;
    for (uint32_t second = DV_FOLD_ACCENT; second < DV_FOLD_LETTERS; second++)
        begins->thirds['o' - 'a'][second] = UINT32_MAX;
}

struct dv_said dv_fold_said(const struct dv_fold_begins *begins, const unsigned char *text, size_t length, uint32_t *ret_bytes)
{
    const struct dv_said none = { .kind = DV_SAID_NONE };
    char word[WORD_MAX] = { 0 };
    uint32_t at = 0, chars = 0, bytes = 0;
    *ret_bytes = 0;
    if (!dv_fold_may_say(begins, text, length))
        return none;
    for (; at < length && (dv_is_letter(text[at]) || text[at] == 0xC3); at += bytes) {
        if (chars == WORD_MAX - 1)
            return none;
        bytes = 1;
        uint32_t code = text[at] < 0x80 ? dv_lower(text[at]) : dv_char_fold(dv_char_decode(text + at, length - at, &bytes));
        word[chars++] = code < 0x80 ? (char)code : '?';
    }
    *ret_bytes = at;
    const uint8_t first = letter_of(text[0]);
    DV_ASSERT(first < DV_FOLD_ACCENT && said_words[first] != NULL);
    for (const struct said_word *said = said_words[first]; said->word[0] != '\0'; said++)
        if (memcmp(said->word, word, WORD_MAX) == 0)
            return (struct dv_said){ said->kind, said->value };
    return none;
}

/* What joins the parts of an address. */
enum strength { AS_USUAL, WORD, BRACKETED };
struct link {
    char joint; /* '@', '.', '_', '-'; '\0': none */
    enum strength strength;
    bool plain_at; /* "at", which may be just that */
    bool plain_dot; /* "point", likewise */
    uint32_t end;  /* where the next part begins */
};

static const struct { const char *word; char joint; } joints[] = {
    { "@", '@' },      { "at", '@' },         { "arroba", '@' }, { "arobase", '@' },    { "chiocciola", '@' },
    { "klammeraffe", '@' }, { "aet", '@' },   { ".", '.' },      { "dot", '.' },        { "punto", '.' },
    { "punkt", '.' },  { "ponto", '.' },      { "point", '.' },  { "underscore", '_' }, { "unterstrich", '_' },
    { "dash", '-' },   { "hyphen", '-' },     { "guion", '-' },
};

static unsigned char byte_at(const unsigned char *text, size_t length, uint32_t at)
{
    return at < length ? text[at] : '\0';
}

static uint32_t skip_blanks(const unsigned char *text, size_t length, uint32_t at)
{
    for (uint32_t i = 0; i < 2 && (byte_at(text, length, at) == ' ' || byte_at(text, length, at) == '\t'); i++)
        at++;
    return at;
}

/* Which of the joints stands at `at`; *ret_bytes as long as it. */
static char joint_at(const unsigned char *text, size_t length, uint32_t at, uint32_t *ret_bytes)
{
    for (size_t i = 0; i < sizeof joints / sizeof *joints; i++) {
        if (dv_lower(byte_at(text, length, at)) != (unsigned char)joints[i].word[0])
            continue;
        size_t bytes = strlen(joints[i].word);
        if (at + bytes > length || strncasecmp((const char *)text + at, joints[i].word, bytes) != 0)
            continue;
        if (bytes > 1 && dv_is_alnum(byte_at(text, length, at + (uint32_t)bytes)))
            continue;
        *ret_bytes = (uint32_t)bytes;
        return joints[i].joint;
    }
    return '\0';
}

static unsigned char closing(unsigned char open)
{
    return open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : open == '<' ? '>' : '\0';
}

static struct link link_at(const unsigned char *text, size_t length, uint32_t at)
{
    const struct link none = { .joint = '\0' };
    uint32_t word = skip_blanks(text, length, at), bytes = 0;
    unsigned char close = closing(byte_at(text, length, word));
    bool blank = word > at;
    if (close != '\0')
        word = skip_blanks(text, length, word + 1);
    struct link link = { .joint = joint_at(text, length, word, &bytes) };
    if (link.joint == '\0')
        return none;
    uint32_t end = word + bytes;
    if (close != '\0') {
        end = skip_blanks(text, length, end);
        if (byte_at(text, length, end++) != close)
            return none;
    }
    link.end = skip_blanks(text, length, end);
    bool spaced = blank && link.end > end;
    link.strength = close != '\0' ? BRACKETED : spaced ? WORD : AS_USUAL;
    if (link.strength == AS_USUAL && (bytes > 1 || ((blank || link.end > end) && link.joint != '@')))
        return none;
    if (link.strength == AS_USUAL && (blank || link.end > end))
        link.strength = WORD;
    link.plain_at = link.strength == WORD && bytes == 2 && (text[word] == 'a' || text[word + 1] == 't');
    link.plain_dot = link.strength == WORD && bytes == strlen("point") && dv_lower(text[word + 2]) == 'i';
    return link;
}

static bool is_one_of(const unsigned char *word, uint32_t length, const char *words)
{
    char key[PART_MAX + 3];
    if (length == 0 || length > PART_MAX)
        return false;
    key[0] = ' ';
    for (uint32_t i = 0; i < length; i++)
        key[i + 1] = (char)dv_lower(word[i]);
    key[length + 1] = ' ';
    key[length + 2] = '\0';
    return strstr(words, key) != NULL;
}

static uint32_t part_end(const unsigned char *text, size_t length, uint32_t at, const char *marks)
{
    uint32_t end = at;
    while (end < length && end - at < PART_MAX && (dv_is_alnum(text[end]) || (text[end] != '\0' && strchr(marks, text[end]) != NULL)))
        end++;
    return end;
}

/* Whether a part can end a domain: letters, and of the top-level domains in use where only a word says that it does. */
static bool ends_domain(const unsigned char *part, uint32_t length, enum strength before)
{
    static const char known[] =
        " com org net edu gov mil info biz io co us uk de fr es it nl eu ch at be ca au mx br ar cl pe in ru cn jp kr pl se no "
        "dk fi cz gr pt ie nz za il tr ua tv me app dev ai xyz online site health tech email cat ";
    if (before == WORD)
        return is_one_of(part, length, known);
    uint32_t letters = 0;
    while (letters < length && dv_is_letter(part[letters]))
        letters++;
    return length >= 2 && letters == length;
}

/* Parts joined by dots from `at` on; how many dots are in disguise, and where the last domain among them ends. */
struct chain {
    uint32_t end;      /* of a domain; 0: there is none */
    uint32_t said, bracketed;
    bool article;      /* the first part is no name: "the dot com era" */
    struct link last;  /* what follows the last part, if no dot */
};

static struct chain read_chain(const unsigned char *text, size_t length, uint32_t at, const char *marks)
{
    static const char articles[] = " the a this that an first every old early pre polka each another point one single big ";
    struct chain chain = { 0 };
    enum strength before = AS_USUAL;
    uint32_t said = 0, bracketed = 0;
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        uint32_t end = part_end(text, length, at, marks);
        if (end == at)
            break;
        if (i == 0)
            chain.article = is_one_of(text + at, end - at, articles);
        if (i > 0 && ends_domain(text + at, end - at, before)) {
            chain.end = end;
            chain.said = said;
            chain.bracketed = bracketed;
        }
        chain.last = text[end - 1] != '.' ? link_at(text, length, end) : (struct link){ .joint = '\0' };
        if (chain.last.joint == '\0' || chain.last.joint == '@')
            break;
        before = chain.last.strength;
        said += before == WORD && chain.last.joint == '.' && !chain.last.plain_dot;
        bracketed += before == BRACKETED && chain.last.joint == '.';
        at = chain.last.end;
    }
    return chain;
}

static bool is_user_name(const unsigned char *text, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (!dv_is_letter(text[i]))
            return true;
    return false;
}

uint32_t dv_fold_address(const unsigned char *text, size_t length, enum dv_pii *ret_type)
{
    struct chain user = read_chain(text, length, 0, "._%+-'");
    *ret_type = DV_PII_URL;
    if (user.last.joint != '@')
        return !user.article && (user.bracketed > 0 || user.said > 1) ? user.end : 0;
    struct chain host = read_chain(text, length, user.last.end, "-");
    *ret_type = DV_PII_EMAIL;
    if (host.end == 0)
        return 0;
    bool dots_said = host.said > 0 || host.bracketed > 0;
    if (!user.last.plain_at)
        return user.last.strength != AS_USUAL || dots_said ? host.end : 0;
    if (dots_said)
        return host.article ? 0 : host.end;
    uint32_t local = part_end(text, length, 0, "._%+-'");
    return is_user_name(text, local) ? host.end : 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * structure_value.c - whether a value looks like what its key says, and where it ends in running text. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum {
    NAME_BYTES_MAX = 120,
    PLACE_BYTES_MAX = 240,
    NUMBER_BYTES_MAX = 64,
    SURE_DIGITS_MIN = 1,
    DIGITS_MIN = 4,
    PHONE_DIGITS_MIN = 5,
    USER_BYTES_MAX = 128,
    NAME_WORDS_MAX = 6,
    PROSE_PLACE_WORDS = 14,
    DATE_DIGITS_MIN = 4
};

uint32_t dv_range_part(const struct dv_structure *structure, struct dv_range whole, unsigned char mark,
                       struct dv_range *parts, uint32_t max)
{
    uint32_t count = 0;
    for (uint32_t at = whole.start; count < max; count++) {
        uint32_t end = dv_text_find(structure, at, whole.end, mark);
        parts[count] = (struct dv_range){ at, end };
        if (end == whole.end)
            return count + 1;
        at = end + 1;
    }
    return count;
}

/* What a value is made of. */
struct makeup {
    uint32_t letters, digits, others, blanks, words, capitals; /* capitals: words that begin with one */
    bool at, dot, colon, slash, code;                          /* code: '_', '/', '\\', '=', '{', '$' and such */
};

static bool is_letter(unsigned char byte)
{
    return dv_is_letter(byte) || byte >= 0x80;
}

static struct makeup makeup_of(const struct dv_structure *structure, struct dv_range value)
{
    struct makeup made = { 0 };
    unsigned char before = ' ';
    for (uint32_t at = value.start; at < value.end; at++) {
        unsigned char byte = structure->text[at];
        bool begins = before <= ' ' && byte > ' ';
        made.words += begins;
        made.capitals += begins && ((byte >= 'A' && byte <= 'Z') || byte >= 0x80);
        made.letters += is_letter(byte);
        made.digits += dv_is_digit(byte);
        made.blanks += byte <= ' ';
        made.others += byte > ' ' && !is_letter(byte) && !dv_is_digit(byte);
        made.at |= byte == '@';
        made.dot |= byte == '.';
        made.colon |= byte == ':';
        made.slash |= byte == '/';
        made.code |= strchr("_=\\{}$<>|[]*", byte) != NULL;
        before = byte;
    }
    return made;
}

uint32_t dv_value_words(const struct dv_structure *structure, struct dv_range value)
{
    return makeup_of(structure, value).words;
}

bool dv_value_is_void(const struct dv_structure *structure, struct dv_range value)
{
    static const char *const words[] = { "null",      "none",         "nil",         "n/a",      "na",
                                         "unknown",   "true",         "false",       "yes",      "no",
                                         "undefined", "nan",          "redacted",    "tbd",      "todo",
                                         "n.a.",      "not provided", "desconocido", "si",       "not available",
                                         "anonymous", "default",      "required",    "optional", "string",
                                         "integer",   "number",       "unspecified", "same",     "self",
                                         "spouse",    "declined",     "unassigned",  "ninguno",  "ninguna" };
    enum { VOID_BYTES_MAX = 16 };
    uint32_t length = value.end - value.start;
    bool any = false;
    for (uint32_t at = value.start; at < value.end && !any; at++)
        any = is_letter(structure->text[at]) || dv_is_digit(structure->text[at]);
    if (!any)
        return true;
    bool marked = length > 2 && strchr("<[{", structure->text[value.start]) != NULL &&
                  strchr(">]}", structure->text[value.end - 1]) != NULL && makeup_of(structure, value).words == 1;
    for (size_t i = 0; length <= VOID_BYTES_MAX && i < sizeof words / sizeof *words; i++)
        if (dv_range_is(structure, value, words[i]))
            return true;
    return marked && makeup_of(structure, value).digits == 0;
}

bool dv_value_is_handle(const struct dv_structure *structure, struct dv_range value)
{
    const struct makeup made = makeup_of(structure, value);
    return made.words == 1 && made.capitals == 0 && !made.at && (made.digits > 0 || made.others > 0);
}

/* Words that stand in fields called "state" or "name" and are neither. */
static bool is_state_of_things(const struct dv_structure *structure, struct dv_range value)
{
    static const char *const words[] = { "active",   "inactive",  "open",     "closed",   "pending",   "running",
                                         "stopped",  "enabled",   "disabled", "up",       "down",      "on",
                                         "off",      "ok",        "ready",    "done",     "failed",    "success",
                                         "complete", "completed", "new",      "started",  "idle",      "online",
                                         "offline",  "new order", "approved", "rejected", "cancelled", "canceled",
                                         "error",    "valid",     "waiting" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (dv_range_is(structure, value, words[i]))
            return true;
    return false;
}

/* A key that only may mean a person wants a value that only a person has: words with capitals and nothing else. */
static bool fits_name(const struct makeup *made, bool sure, struct dv_range value)
{
    if (made->letters < 2 && !(sure && made->letters == 1))
        return false;
    if (made->at || made->words > (sure ? 12u : 6u) || value.end - value.start > NAME_BYTES_MAX)
        return false;
    if (sure)
        return made->letters >= made->digits;
    bool capital = made->capitals * 2 > made->words && made->words >= 2;
    return capital && made->digits == 0 && !made->code && !made->slash && !made->colon;
}

static bool fits_place(const struct dv_structure *structure, const struct makeup *made, bool sure,
                       struct dv_range value)
{
    if (value.end - value.start > PLACE_BYTES_MAX || made->at)
        return false;
    if (sure)
        return made->letters + made->digits > 0;
    bool two = value.end - value.start <= 3 && made->letters >= 2 && made->capitals == 1 &&
               !is_state_of_things(structure, value) && structure->text[value.start + 1] < 'a';
    bool words = made->letters > 3 && made->capitals > 0 && !made->code && (made->digits == 0 || made->words > 1);
    return two || (words && !is_state_of_things(structure, value));
}

static bool fits_number(const struct makeup *made, bool sure, struct dv_range value)
{
    if (value.end - value.start > NUMBER_BYTES_MAX || made->digits < (sure ? SURE_DIGITS_MIN : DIGITS_MIN))
        return false;
    return made->words <= (made->letters > 4 ? 3u : 8u) && made->letters <= 24 + made->digits;
}

/* A place on the net, a path or a telephone number. */
static bool fits_contact(const struct makeup *made)
{
    return made->at || made->digits >= PHONE_DIGITS_MIN || (made->colon && made->slash);
}

static bool has_month(const struct dv_structure *structure, struct dv_range value)
{
    static const char months[] = "jan feb mar apr may jun jul aug sep oct nov dec ene abr ago dic ";
    for (uint32_t at = value.start; at + 3 <= value.end; at++)
        for (const char *month = months; *month != '\0'; month += 4)
            if (dv_range_is(structure, (struct dv_range){ at, at + 3 },
                            (char[4]){ month[0], month[1], month[2], '\0' }))
                return true;
    return false;
}

/* Dates as numbers (19510912, 1951-9-12, 12.09.51, 195109121430+0200) and with months in words. */
static bool fits_date(const struct dv_structure *structure, const struct makeup *made, bool sure, struct dv_range value)
{
    uint32_t length = value.end - value.start;
    if (length > 40 || made->digits < 1)
        return false;
    if (made->letters > 4 && !has_month(structure, value))
        return false;
    bool compact = made->digits >= 6 && made->letters <= 4;
    bool marked = made->digits >= 3 && made->others >= 2 && made->letters <= 4;
    if (sure)
        return compact || marked || made->letters >= 3 || made->digits == 4;
    unsigned char first = structure->text[value.start];
    bool year = made->digits == length && (length == 8 || length == 14) && (first == '1' || first == '2');
    return marked || year || (made->letters >= 3 && made->digits >= 2);
}

static bool fits_user(const struct makeup *made, bool sure, struct dv_range value)
{
    uint32_t length = value.end - value.start;
    if (made->words != 1 || length > USER_BYTES_MAX || length < 2)
        return false;
    return made->letters > 0 || (sure && made->digits >= 3);
}

/* A port behind a dotted address is nobody's, and neither is what ends the sentence. */
static void drop_port(const struct dv_structure *structure, struct dv_range *value)
{
    while (value->end > value->start && strchr("!?.", structure->text[value->end - 1]) != NULL && structure->text[value->end - 1] != '\0')
        value->end--;
    uint32_t colon = dv_text_find(structure, value->start, value->end, ':'), digits = colon + 1;
    while (digits < value->end && dv_is_digit(structure->text[digits]))
        digits++;
    if (digits == value->end && dv_text_find(structure, value->start, colon, '.') < colon)
        value->end = colon;
}

static bool fits_net(const struct dv_structure *structure, const struct makeup *made, struct dv_range *value)
{
    drop_port(structure, value);
    return made->words == 1 && (made->digits >= 4 || made->colon) && (made->dot || made->colon || made->others >= 5);
}

/* An '@' as URLs, HTML and JSON write it. */
static bool has_written_at(const struct dv_structure *structure, struct dv_range value)
{
    static const char *const forms[] = { "%40", "&#64;", "&#x40;", "&commat;", "\\u0040" };
    for (uint32_t at = value.start; at < value.end; at++)
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            size_t length = strlen(forms[i]);
            if (value.end - at >= length && memcmp(structure->text + at, forms[i], length) == 0)
                return true;
        }
    return false;
}

bool dv_value_fits(const struct dv_structure *structure, const struct dv_key_hint *hint, struct dv_range *value)
{
    const struct makeup made = makeup_of(structure, *value);
    bool sure = hint->score >= DV_KEY_SURE;
    switch (hint->form) {
    case DV_FORM_NAME: return fits_name(&made, sure, *value);
    case DV_FORM_PLACE: return fits_place(structure, &made, sure, *value);
    case DV_FORM_NUMBER: return fits_number(&made, sure, *value);
    case DV_FORM_DATE: return fits_date(structure, &made, sure, *value);
    case DV_FORM_PHONE: return made.digits >= PHONE_DIGITS_MIN && made.digits >= made.letters;
    case DV_FORM_EMAIL: return (made.at || has_written_at(structure, *value)) && made.words <= 4;
    case DV_FORM_NET: return fits_net(structure, &made, value);
    case DV_FORM_URL: return made.words == 1 && made.dot && made.letters > 3;
    case DV_FORM_USER: return fits_user(&made, sure, *value);
    case DV_FORM_CONTACT: return fits_contact(&made) && made.words <= 6;
    case DV_FORM_ANY: break;
    }
    return made.letters + made.digits > 0;
}

/* Where the word at `at` ends: blanks, and marks that are in no word. */
static uint32_t word_end(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    while (at < end && structure->text[at] > ' ' && strchr(",;|()[]{}<>\"", structure->text[at]) == NULL)
        at++;
    return at;
}

static bool is_particle(const struct dv_structure *structure, struct dv_range word)
{
    static const char *const words[] = { "de", "la",  "del", "los", "las", "van", "von", "der", "den",
                                         "da", "dos", "di",  "al",  "el",  "bin", "ibn", "y",   "st." };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (dv_range_is(structure, word, words[i]))
            return true;
    return false;
}

/* Before and behind names: "Dr.", "MD". */
static bool is_title(const struct dv_structure *structure, struct dv_range word)
{
    static const char *const words[] = { "dr",     "dr.",  "mr",  "mr.", "mrs",  "mrs.", "ms",   "ms.", "prof",
                                         "prof.",  "sr",   "sr.", "sra", "sra.", "dra",  "dra.", "d.",  "don",
                                         "md",     "m.d.", "rn",  "do",  "np",   "pa",   "pa-c", "phd", "dds",
                                         "pharmd", "md.",  "rn.", "lpn", "facs", "esq",  "esq." };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (dv_range_is(structure, word, words[i]))
            return true;
    return false;
}

/* Whether a word can be in a name: words with capitals, initials, and particles between. */
static bool is_name_word(const struct dv_structure *structure, struct dv_range word, bool first)
{
    const struct makeup made = makeup_of(structure, word);
    if (word.start == word.end || made.digits > 0 || made.at || made.slash || made.colon)
        return false;
    return made.capitals > 0 ? !(is_title(structure, word) && !first) : !first && is_particle(structure, word);
}

/* Words of a name, "Last, First" with one comma. Titles before it are left out. */
static struct dv_range name_in_prose(const struct dv_structure *structure, struct dv_range rest)
{
    struct dv_range name = { rest.start, rest.start };
    uint32_t at = rest.start;
    for (uint32_t words = 0; words < NAME_WORDS_MAX; words++) {
        struct dv_range word = { at, word_end(structure, at, rest.end) };
        bool first = name.start == name.end;
        if (!is_name_word(structure, word, first))
            break;
        if (first)
            name.start = word.start;
        bool title = first && is_title(structure, word);
        bool stops = structure->text[word.end - 1] == '.' && word.end - word.start > 3 && !title;
        name.end = title ? name.start : makeup_of(structure, word).capitals > 0 ? word.end - stops : name.end;
        at = word.end;
        if (dv_text_byte(structure, at) == ',' && words == 0 && at < rest.end)
            at++;
        uint32_t next = dv_text_skip_blanks(structure, at, rest.end);
        if (stops || next == at || next > at + 1)
            break;
        at = next;
    }
    return name;
}

static bool is_digits(const struct dv_structure *structure, struct dv_range word)
{
    const struct makeup made = makeup_of(structure, word);
    return made.digits > 0 && made.letters == 0;
}

/* The first word that has a digit, among the first two, and the groups of digits behind it. */
static struct dv_range number_in_prose(const struct dv_structure *structure, struct dv_range rest)
{
    uint32_t at = rest.start;
    for (uint32_t i = 0; i < 2; i++) {
        struct dv_range word = { at, word_end(structure, at, rest.end) };
        at = dv_text_skip_blanks(structure, word.end, rest.end);
        if (makeup_of(structure, word).digits == 0)
            continue;
        while (at == word.end + 1 && is_digits(structure, (struct dv_range){ at, word_end(structure, at, rest.end) })) {
            word.end = word_end(structure, at, rest.end);
            at = dv_text_skip_blanks(structure, word.end, rest.end);
        }
        while (word.end > word.start && !dv_is_alnum(structure->text[word.end - 1]))
            word.end--;
        return word;
    }
    return (struct dv_range){ rest.start, rest.start };
}

/* An address goes on to the end of the line or of the sentence. */
static struct dv_range place_in_prose(const struct dv_structure *structure, struct dv_range rest)
{
    uint32_t at = rest.start;
    for (; at < rest.end; at++) {
        unsigned char byte = structure->text[at];
        bool word_before = at >= rest.start + 5 && is_letter(structure->text[at - 1]) &&
                           is_letter(structure->text[at - 4]) && is_letter(structure->text[at - 5]);
        bool number_before = at > rest.start && dv_is_digit(structure->text[at - 1]);
        if (byte == '.' && (word_before || number_before) && dv_text_byte(structure, at + 1) <= ' ')
            break;
        if (byte == ';' || byte == '|' || byte == '(')
            break;
    }
    struct dv_range place = { rest.start, at };
    struct makeup made = makeup_of(structure, place);
    bool looks = made.words <= PROSE_PLACE_WORDS && made.capitals * 2 + made.digits > made.words && made.capitals > 0;
    return looks || made.digits == 5 ? place : (struct dv_range){ rest.start, rest.start };
}

static struct dv_range in_prose(const struct dv_structure *structure, const struct dv_key_hint *hint,
                                struct dv_range rest)
{
    switch (hint->form) {
    case DV_FORM_NAME: return name_in_prose(structure, rest);
    case DV_FORM_PLACE: return place_in_prose(structure, rest);
    case DV_FORM_NUMBER:
    case DV_FORM_USER:
    case DV_FORM_EMAIL:
    case DV_FORM_NET:
    case DV_FORM_URL:
    case DV_FORM_CONTACT:
        if (hint->form == DV_FORM_NUMBER)
            return number_in_prose(structure, rest);
        return (struct dv_range){ rest.start, word_end(structure, rest.start, rest.end) };
    case DV_FORM_DATE:
    case DV_FORM_PHONE:
    case DV_FORM_ANY: break;
    }
    uint32_t at = rest.start;
    while (at < rest.end && (dv_is_digit(structure->text[at]) || strchr("+-()./ ", structure->text[at]) != NULL))
        at++;
    return (struct dv_range){ rest.start, at };
}

struct dv_range dv_value_in_prose(const struct dv_structure *structure, const struct dv_key_hint *hint,
                                  struct dv_range rest)
{
    struct dv_range value = in_prose(structure, hint, rest);
    while (value.end > value.start && strchr(" .,;:-\t", structure->text[value.end - 1]) != NULL)
        value.end--;
    return value;
}

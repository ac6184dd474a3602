/* SPDX-License-Identifier: Apache-2.0
 * fold.c - signs of disguise, the folded form of a window of text, and what is found in it. */
#include "privacy/fold.h"

#include <string.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "privacy/detect_rows.h"
#include "privacy/unicode.h"

enum {
    WINDOW = 16384,   /* bytes of folded text */
    OVERLAP = 1024,   /* what the next window sees again */
    SPANS_MAX = 8192, /* in all */
    WINDOW_SPANS = WINDOW / 3 + 1,
    SAID_MIN = 7, SAID_WORDS_MIN = 4, SAID_MAX = 40, SPACED_MIN = 7, SPACED_DIGITS_MAX = 19, DISTINCT_MIN = 4, SEPARATORS_MAX = 3,
};

struct dv_fold {
    struct dv_fold_begins begins;
    const unsigned char *text;
    uint32_t length;
    unsigned char bytes[WINDOW];
    uint32_t from[WINDOW], to[WINDOW]; /* the bytes of the text that each stands for */
    uint32_t count;
    uint32_t counted; /* somebody counts up to here */
    struct dv_span said[WINDOW_SPANS]; /* of this window, in folded bytes */
    uint32_t said_count;
    struct dv_span found[WINDOW_SPANS];
    struct dv_span spans[SPANS_MAX];
    size_t span_count;
};

struct dv_fold *dv_fold_new(void)
{
    struct dv_fold *fold = dv_memory_zeroed(1, sizeof *fold);
    if (fold != NULL)
        dv_fold_begins_init(&fold->begins);
    return fold;
}

void dv_fold_free(struct dv_fold *fold)
{
    if (fold != NULL)
        explicit_bzero(fold, sizeof *fold);
    dv_memory_free(fold);
}

/* Folds characters from `at` on until the window is full; gives where it stopped. A place before each that is longer than
 * it was is never needed: what a character stands for is no longer than itself. */
static uint32_t fold_chars(struct dv_fold *fold, uint32_t at)
{
    fold->count = 0;
    while (at < fold->length && fold->count + 4 <= WINDOW) {
        uint32_t bytes = 1;
        unsigned char ascii[4];
        int chars = -1;
        if (fold->text[at] >= 0x80)
            chars = dv_fold_char(dv_char_decode(fold->text + at, fold->length - at, &bytes), ascii);
        const unsigned char *written = chars < 0 ? fold->text + at : ascii;
        for (uint32_t i = 0; i < (chars < 0 ? bytes : (uint32_t)chars); i++) {
            fold->bytes[fold->count] = written[i];
            fold->from[fold->count] = at;
            fold->to[fold->count++] = at + bytes;
        }
        at += bytes;
        if (chars == 0 && fold->count > 0) /* a mark goes with what it is on */
            fold->to[fold->count - 1] = at;
    }
    return at;
}

static unsigned char byte_at(const struct dv_fold *fold, uint32_t at)
{
    return at < fold->count ? fold->bytes[at] : '\0';
}

/* Digits on their way into the folded text, each with the bytes it stands for. */
struct said {
    unsigned char digits[SAID_MAX + 4];
    uint32_t from[SAID_MAX + 4], to[SAID_MAX + 4];
    uint32_t count, words;
    uint32_t end; /* behind the last item */
};

static void say(struct said *said, const struct dv_fold *fold, uint8_t digit, uint32_t start, uint32_t end)
{
    said->digits[said->count] = (unsigned char)('0' + digit);
    said->from[said->count] = fold->from[start];
    said->to[said->count++] = fold->to[end - 1];
    said->end = end;
}

static uint32_t skip_separators(const struct dv_fold *fold, uint32_t at)
{
    uint32_t end = at;
    while (end < fold->count && end - at < SEPARATORS_MAX && strchr(" ,.-/\t\n", fold->bytes[end] != '\0' ? fold->bytes[end] : 'x') != NULL)
        end++;
    return end;
}

/* One to four digits that stand alone. */
static uint32_t digits_alone(const struct dv_fold *fold, uint32_t at)
{
    uint32_t end = at;
    while (end - at <= 4 && dv_is_digit(byte_at(fold, end)))
        end++;
    return end - at <= 4 && !dv_is_letter(byte_at(fold, end)) ? end : at;
}

/* A digit, said or written, that is to be repeated. */
static uint32_t repeat(const struct dv_fold *fold, struct said *said, uint32_t start, uint32_t at, uint8_t times)
{
    uint32_t digit = skip_separators(fold, at), bytes = 0;
    struct dv_said word = dv_fold_said(&fold->begins, fold->bytes + digit, fold->count - digit, &bytes);
    if (word.kind == DV_SAID_NONE && dv_is_digit(byte_at(fold, digit)) && !dv_is_alnum(byte_at(fold, digit + 1))) {
        word = (struct dv_said){ DV_SAID_DIGIT, (uint8_t)(fold->bytes[digit] - '0') };
        bytes = 1;
    }
    if (word.kind != DV_SAID_DIGIT)
        return 0;
    for (uint8_t i = 0; i < times; i++)
        say(said, fold, word.value, start, digit + bytes);
    said->words++;
    return digit + bytes;
}

/* One item of a spelled number at `at`; gives its end, 0 if there is none. */
static uint32_t say_item(const struct dv_fold *fold, struct said *said, uint32_t at)
{
    uint32_t bytes = 0, end = digits_alone(fold, at);
    for (uint32_t i = at; i < end; i++)
        say(said, fold, (uint8_t)(fold->bytes[i] - '0'), i, i + 1);
    if (end > at)
        return end;
    struct dv_said word = dv_fold_said(&fold->begins, fold->bytes + at, fold->count - at, &bytes);
    end = at + bytes;
    if (word.kind == DV_SAID_NONE || dv_is_digit(byte_at(fold, end)))
        return 0;
    if (word.kind == DV_SAID_REPEAT)
        return repeat(fold, said, at, end, word.value);
    if (word.kind == DV_SAID_TEENS)
        say(said, fold, 1, at, end);
    say(said, fold, word.value, at, end);
    said->words++;
    if (word.kind != DV_SAID_TEN)
        return end;
    uint32_t next = skip_separators(fold, end);
    bool joined = next < fold->count && dv_fold_said(&fold->begins, fold->bytes + next, fold->count - next, &bytes).kind == DV_SAID_DIGIT;
    if (!joined)
        say(said, fold, 0, at, end);
    return end;
}

/* Whether each digit is the one before and one more, or one less: somebody counts. */
static bool is_counting(const unsigned char *digits, uint32_t count)
{
    bool up = true, down = true;
    for (uint32_t i = 1; i < count; i++) {
        up = up && digits[i] == (digits[i - 1] == '9' ? '0' : digits[i - 1] + 1);
        down = down && digits[i] + 1 == digits[i - 1];
    }
    return up || down;
}

/* "one two … nine ten eleven": ten begins two digits, so only what is before it is asked about. */
static bool is_number(struct dv_fold *fold, const struct said *said)
{
    enum { COUNTED = 9 };
    if (said->count < SAID_MIN || said->words < SAID_WORDS_MIN)
        return false;
    uint32_t from = said->digits[0] == '1' && said->digits[1] == '0' ? 2 : 0; /* down from ten */
    uint32_t count = said->count - from < COUNTED ? said->count - from : COUNTED;
    bool counting = is_counting(said->digits + from, count);
    fold->counted = counting ? said->end : fold->counted;
    return !counting;
}

static void put_said(struct dv_fold *fold, uint32_t start, uint32_t end, enum dv_pii type, uint16_t score, const char *why)
{
    if (fold->said_count < WINDOW_SPANS)
        fold->said[fold->said_count++] = (struct dv_span){ .start = start, .end = end, .type = type, .score = score, .why = why };
}

static enum dv_pii type_of(uint32_t digits)
{
    return digits >= 10 && digits <= 13 ? DV_PII_PHONE : DV_PII_ID;
}

/* Writes digits for a number that is spelled out; gives where to go on, `at` if there is none. */
static uint32_t fold_said(struct dv_fold *fold, uint32_t at, uint32_t *write)
{
    DV_UNINITIALIZED struct said said;
    said.count = said.words = 0;
    said.end = at;
    for (uint32_t next = at; said.count < SAID_MAX && (said.words > 0 || said.count < SAID_MIN) && (next = say_item(fold, &said, next)) != 0;)
        next = skip_separators(fold, next);
    if (!is_number(fold, &said))
        return at;
    put_said(fold, *write, *write + said.count, type_of(said.count), 700, "digits spelled out");
    for (uint32_t i = 0; i < said.count; i++, (*write)++) {
        fold->bytes[*write] = said.digits[i];
        fold->from[*write] = said.from[i];
        fold->to[*write] = said.to[i];
    }
    return said.end;
}

static void copy(struct dv_fold *fold, uint32_t at, uint32_t *write)
{
    fold->bytes[*write] = fold->bytes[at];
    fold->from[*write] = fold->from[at];
    fold->to[(*write)++] = fold->to[at];
}

/* Digits of one run, all single: a number if they are not too many, too alike, or counting. */
static void put_spaced_digits(struct dv_fold *fold, uint32_t start, uint32_t end)
{
    uint32_t digits = 0, seen = 0;
    for (uint32_t i = start; i < end; i++) {
        if (!dv_is_digit(fold->bytes[i]))
            return;
        digits++;
        seen |= 1u << (fold->bytes[i] - '0');
    }
    bool number = digits >= SPACED_MIN && digits <= SPACED_DIGITS_MAX && __builtin_popcount(seen) >= DISTINCT_MIN;
    if (number && !is_counting(fold->bytes + start, digits))
        put_said(fold, start, end, type_of(digits), 600, "digits with blanks between them");
}

/* Takes the blanks out of single characters, seven or more; gives where to go on, `at` if there are none. */
static uint32_t fold_spaced(struct dv_fold *fold, uint32_t at, uint32_t *write)
{
    uint32_t end = at, chars = 0, begin = *write;
    for (uint32_t next = at; byte_at(fold, next) > ' ' && !dv_is_alnum(byte_at(fold, next + 1)); next = end + 1) {
        chars++;
        end = next + 1;
        if (byte_at(fold, end) != ' ')
            break;
    }
    if (chars < SPACED_MIN)
        return at;
    for (uint32_t i = at; i < end; i++)
        if (fold->bytes[i] != ' ')
            copy(fold, i, write);
    put_spaced_digits(fold, begin, *write);
    return end;
}

/* "[.]", "(at)", "{dot}": the mark it stands for; gives where to go on, `at` if it is none. */
static uint32_t fold_bracket(struct dv_fold *fold, uint32_t at, uint32_t *write)
{
    static const struct { char word[6]; char mark; } forms[] = {
        { ".]", '.' }, { ".)", '.' }, { ".}", '.' }, { "@]", '@' }, { "@)", '@' }, { "dot]", '.' }, { "dot)", '.' },
        { "dot}", '.' }, { "at]", '@' }, { "at)", '@' }, { "at}", '@' }, { ":]", ':' },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint32_t bytes = (uint32_t)strlen(forms[i].word), k = 0;
        while (k < bytes && dv_lower(byte_at(fold, at + 1 + k)) == (unsigned char)forms[i].word[k])
            k++;
        if (k < bytes)
            continue;
        fold->to[*write] = fold->to[at + bytes];
        fold->from[*write] = fold->from[at];
        fold->bytes[(*write)++] = (unsigned char)forms[i].mark;
        return at + bytes + 1;
    }
    return at;
}

/* " . ", " - " and " / " between digits: the mark alone. */
static uint32_t fold_joint(struct dv_fold *fold, uint32_t at, uint32_t *write)
{
    bool joint = at > 0 && dv_is_digit(fold->bytes[*write - 1]) && byte_at(fold, at + 1) > ' ' && strchr(".-/", fold->bytes[at + 1]) != NULL &&
                 byte_at(fold, at + 2) == ' ' && dv_is_digit(byte_at(fold, at + 3));
    if (!joint)
        return at;
    copy(fold, at + 1, write);
    return at + 3;
}

/* What begins at a byte that no word or number goes through; `at` if nothing does. */
static uint32_t fold_item(struct dv_fold *fold, uint32_t at, uint32_t *write)
{
    unsigned char byte = fold->bytes[at];
    if (byte == '[' || byte == '(' || byte == '{')
        return fold_bracket(fold, at, write);
    if (byte == ' ')
        return *write > 0 ? fold_joint(fold, at, write) : at;
    if (byte < ' ')
        return at;
    uint32_t next = fold_spaced(fold, at, write);
    if (next == at && at >= fold->counted && (dv_is_alnum(byte) || byte == 0xC3))
        next = fold_said(fold, at, write);
    return next;
}

/* Addresses are looked for in the folded characters, before words are: "[at]" says more than '@'. */
static void find_addresses(struct dv_fold *fold)
{
    for (uint32_t at = 0; at < fold->count;) {
        enum dv_pii type = DV_PII_COUNT;
        bool begins = dv_is_alnum(fold->bytes[at]) && (at == 0 || fold->bytes[at - 1] <= ' ' || strchr("\"':,;([{<=>/", fold->bytes[at - 1]) != NULL);
        uint32_t bytes = begins ? dv_fold_address(fold->bytes + at, fold->count - at, &type) : 0;
        if (bytes > 0)
            put_said(fold, fold->from[at], fold->to[at + bytes - 1], type, 850, "an address that is written out");
        at += bytes > 0 ? bytes : 1;
    }
}

/* The words of the window, in place: nothing grows. */
static void fold_words(struct dv_fold *fold)
{
    uint32_t write = 0;
    fold->counted = 0;
    for (uint32_t at = 0, next = 0; at < fold->count; at = next) {
        bool inside = at > 0 && write > 0 && dv_is_alnum(fold->bytes[at]) && dv_is_alnum(fold->bytes[write - 1]);
        next = inside ? at : fold_item(fold, at, &write);
        if (next == at)
            copy(fold, next++, &write);
    }
    fold->count = write;
}

/* Adds a span; those before begin no later. */
static void add(struct dv_fold *fold, const struct dv_span *span)
{
    struct dv_span *last = fold->span_count > 0 ? &fold->spans[fold->span_count - 1] : NULL;
    if (last != NULL && last->end > span->start) {
        uint32_t start = last->start, end = last->end > span->end ? last->end : span->end;
        if (span->score > last->score)
            *last = *span;
        last->start = start;
        last->end = end;
    } else if (fold->span_count < SPANS_MAX) {
        fold->spans[fold->span_count++] = *span;
    } else if (last != NULL) {
        *last = (struct dv_span){ .start = last->start, .end = fold->length, .type = DV_PII_OTHER, .score = 1000,
                                  .why = "too many findings: the rest is covered" };
    }
}

static void to_text(const struct dv_fold *fold, struct dv_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        spans[i].end = fold->to[spans[i].end - 1];
        spans[i].start = fold->from[spans[i].start];
    }
}

/* Merges three sorted rows: addresses, spelled numbers and patterns; those that begin before `limit`. */
static void add_all(struct dv_fold *fold, uint32_t addresses, size_t patterns, uint32_t limit)
{
    const struct dv_span *rows[3] = { fold->said, fold->said + addresses, fold->found };
    size_t left[3] = { addresses, fold->said_count - addresses, patterns };
    for (;;) {
        size_t first = 3;
        for (size_t i = 0; i < 3; i++)
            if (left[i] > 0 && (first == 3 || rows[i]->start < rows[first]->start))
                first = i;
        if (first == 3 || rows[first]->start >= limit)
            return;
        add(fold, rows[first]++);
        left[first]--;
    }
}

/* Where the next window begins: a little before the end of this one, or at a finding that its end may have cut. */
static uint32_t next_window(const struct dv_fold *fold, const struct dv_span *found, size_t count, uint32_t began, uint32_t stop)
{
    uint32_t keep = fold->count > OVERLAP ? fold->from[fold->count - OVERLAP] : stop;
    if (count > 0 && found[count - 1].end >= fold->to[fold->count - 1] && found[count - 1].start < keep)
        keep = found[count - 1].start;
    return keep > began ? keep : stop;
}

const struct dv_fold_begins *dv_fold_begins(const struct dv_fold *fold)
{
    return &fold->begins;
}

bool dv_fold_wanted(const struct dv_fold *fold, const char *text, size_t length, uint32_t seen)
{
    return dv_fold_has_signs(&fold->begins, (const unsigned char *)text, length, seen);
}

const struct dv_span *dv_fold_find(struct dv_fold *fold, const struct dv_detector *detector, const char *text, size_t length,
                                   size_t *ret_count)
{
    fold->text = (const unsigned char *)text;
    fold->length = (uint32_t)length;
    fold->span_count = 0;
    for (uint32_t at = 0; at < fold->length;) {
        uint32_t stop = fold_chars(fold, at);
        fold->said_count = 0;
        find_addresses(fold);
        uint32_t addresses = fold->said_count;
        fold_words(fold);
        size_t count = dv_detect(detector, (const char *)fold->bytes, fold->count, fold->found, WINDOW_SPANS);
        to_text(fold, fold->found, count);
        to_text(fold, fold->said + addresses, fold->said_count - addresses);
        uint32_t next = stop < fold->length ? next_window(fold, fold->found, count, at, stop) : fold->length;
        add_all(fold, addresses, count, next);
        at = next;
    }
    *ret_count = fold->span_count;
    return fold->spans;
}

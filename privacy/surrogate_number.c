/* SPDX-License-Identifier: Apache-2.0
 * surrogate_number.c - telephone numbers, ids, cards, addresses of machines: the same shape, and nobody's. */
#include <string.h>
#include <strings.h>

#include "privacy/detect_rows.h"
#include "privacy/surrogate_draw.h"
#include "privacy/transform.h"
#include "privacy/unicode.h"

enum { DIGITS_MAX = 64, PHONE_MIN = 5 };

static dv_rc again_if_left(const struct dv_making *making)
{
    const struct dv_buffer *out = making->out;
    return dv_survives(making->folded, making->folded_length, out->text, out->length) ? DV_DROP : DV_OK;
}

/* Another letter of the same kind; of other scripts one of ours. */
static char draw_letter(struct dv_draw *draw, uint32_t code, bool hex)
{
    if (dv_char_class(code) == DV_CHAR_DIGIT)
        return (char)('0' + dv_draw_below(draw, 10));
    char first = dv_char_class(code) == DV_CHAR_LOWER ? 'a' : 'A';
    return (char)(first + (int)dv_draw_below(draw, hex ? 6 : 26));
}

static bool is_all_hex(const struct dv_making *making)
{
    for (size_t i = 0; i < making->folded_length; i++)
        if (!dv_is_hex((unsigned char)making->folded[i]))
            return false;
    for (size_t i = 0; i < making->length; i++)
        if ((unsigned char)making->value[i] >= 0x80)
            return false;
    return true;
}

/* Hexadecimal with letters and digits: a UUID or a hash keeps looking like one. */
static bool is_hex(const struct dv_making *making)
{
    size_t letters = 0;
    for (size_t i = 0; i < making->folded_length; i++)
        letters += dv_is_letter((unsigned char)making->folded[i]);
    return letters != 0 && making->folded_length >= 12 && is_all_hex(making);
}

static void put_shaped(struct dv_making *making)
{
    bool hex = is_hex(making);
    uint32_t bytes = 0;
    for (size_t at = 0; at < making->length; at += bytes) {
        uint32_t code = dv_char_decode((const unsigned char *)making->value + at, making->length - at, &bytes);
        enum dv_char_class class = dv_char_class(code);
        if (class >= DV_CHAR_DIGIT && class <= DV_CHAR_LETTER)
            dv_put_byte(making->out, draw_letter(&making->draw, code, hex));
        else if (class != DV_CHAR_IGNORED)
            dv_put(making->out, making->value + at, bytes);
    }
}

dv_rc dv_make_id(struct dv_making *making)
{
    if (making->folded_length == 0)
        return DV_E_DATA;
    put_shaped(making);
    return again_if_left(making);
}

/* The digits of the value and where they stand in a copy of it that a maker then fills. */
struct number {
    char *at[DIGITS_MAX];
    size_t count;
};

/* The bytes of a word that announces an extension, or 0: other words could be anybody's name. */
static size_t extension_bytes(const char *text, size_t length)
{
    static const char *const words[] = { "extension", "ext", "x" };
    size_t run = 0;
    while (run < length && dv_is_letter((unsigned char)text[run]))
        run++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (run == strlen(words[i]) && strncasecmp(text, words[i], run) == 0)
            return run;
    return 0;
}

/* Copies digits, drawn anew, and what may stand between them: ASCII marks, and an extension, whose digits are not counted. */
static bool copy_digits(struct dv_making *making, struct number *number)
{
    bool tail = false;
    if (making->folded_length > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < making->length;) {
        const char *at = making->value + i;
        unsigned char byte = (unsigned char)*at;
        size_t word = dv_is_letter(byte) ? extension_bytes(at, making->length - i) : 1;
        if (word == 0 || byte >= 0x80)
            return false;
        tail |= dv_is_letter(byte);
        if (dv_is_digit(byte) && !tail)
            number->at[number->count++] = making->out->text + making->out->length;
        if (dv_is_digit(byte))
            dv_put_digits(&making->draw, making->out, 1);
        else
            dv_put(making->out, at, word);
        i += word;
    }
    return true;
}

static void set_digits(const struct number *number, size_t from, const char *digits)
{
    for (size_t i = 0; digits[i] != '\0' && from + i < number->count; i++)
        *number->at[from + i] = digits[i];
}

/* North America: some area code, then 555-01xx, which is kept for fiction. */
static void make_american(struct dv_making *making, const struct number *number, size_t from)
{
    char area[4] = { (char)('2' + dv_draw_below(&making->draw, 8)), (char)('0' + dv_draw_below(&making->draw, 9)),
                     (char)('2' + dv_draw_below(&making->draw, 8)), '\0' };
    set_digits(number, from, area);
    set_digits(number, from + 3, "55501");
}

/* Everywhere else: what no plan has given away. +999 is no country, and no number begins with 00 behind its code. */
static void make_other(const struct dv_making *making, const struct number *number)
{
    bool international = memchr(making->value, '+', making->length) != NULL;
    bool british = number->count == 12 && strncmp(making->folded, "44", 2) == 0;
    if (international && british)
        set_digits(number, 0, "447700900");
    else if (international)
        set_digits(number, 0, "999");
    else if (number->count == 7)
        set_digits(number, 0, "55501");
    else
        set_digits(number, 0, number->count == 11 && strncmp(making->folded, "07", 2) == 0 ? "07700900" : "00");
}

dv_rc dv_make_phone(struct dv_making *making)
{
    struct number number = { 0 };
    if (!copy_digits(making, &number) || number.count < PHONE_MIN)
        return DV_E_DATA;
    bool one = number.count == 11 && making->folded[0] == '1';
    bool abroad = !one && memchr(making->value, '+', making->length) != NULL;
    if ((number.count == 10 && !abroad) || one) {
        set_digits(&number, 0, one ? "1" : "");
        make_american(making, &number, one);
    } else {
        make_other(making, &number);
    }
    return again_if_left(making);
}

/* Begins with 9, which no card network has, and passes Luhn. */
dv_rc dv_make_card(struct dv_making *making)
{
    struct number number = { 0 };
    uint32_t sum = 0;
    if (!copy_digits(making, &number) || number.count < 12 || number.count > 19)
        return DV_E_DATA;
    set_digits(&number, 0, "9");
    for (size_t i = 0; i + 1 < number.count; i++) {
        uint32_t digit = (uint32_t)(*number.at[number.count - 2 - i] - '0') * (i % 2 == 0 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    *number.at[number.count - 1] = (char)('0' + (10 - sum % 10) % 10);
    return again_if_left(making);
}

/* 9xx-01..49 was never given out, neither as a security number nor as a taxpayer's. */
dv_rc dv_make_ssn(struct dv_making *making)
{
    struct number number = { 0 };
    if (!copy_digits(making, &number) || number.count != 9)
        return DV_E_DATA;
    uint32_t group = 1 + dv_draw_below(&making->draw, 49);
    char digits[3] = { (char)('0' + group / 10), (char)('0' + group % 10), '\0' };
    set_digits(&number, 0, "9");
    set_digits(&number, 3, digits);
    return again_if_left(making);
}

/* Of the country XX, which ISO 3166 leaves to users; the check digits are right (ISO 7064, mod 97). */
dv_rc dv_make_iban(struct dv_making *making)
{
    struct dv_buffer *out = making->out;
    char *at[DIGITS_MAX];
    size_t count = 0;
    put_shaped(making);
    for (size_t i = 0; i < out->length && count < DIGITS_MAX; i++)
        if (dv_is_alnum((unsigned char)out->text[i]))
            at[count++] = &out->text[i];
    if (count < 15 || count > 34)
        return DV_E_DATA;
    *at[0] = *at[1] = 'X';
    *at[2] = *at[3] = '0';
    uint32_t rest = 0;
    for (size_t i = 4; i < count + 4; i++) {
        unsigned char byte = (unsigned char)*at[i % count];
        uint32_t value = (uint32_t)(dv_is_digit(byte) ? byte - '0' : dv_lower(byte) - 'a' + 10);
        rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    }
    *at[2] = (char)('0' + (98 - rest) / 10);
    *at[3] = (char)('0' + (98 - rest) % 10);
    return again_if_left(making);
}

/* The networks kept for documentation: RFC 5737 and RFC 3849. */
dv_rc dv_make_ip(struct dv_making *making)
{
    static const char *const networks[] = { "192.0.2.", "198.51.100.", "203.0.113." };
    static const char hex[] = "0123456789abcdef";
    if (memchr(making->value, ':', making->length) == NULL) {
        const char *network = networks[dv_draw_below(&making->draw, 3)];
        uint32_t host = 1 + dv_draw_below(&making->draw, 254);
        dv_put(making->out, network, strlen(network));
        if (host >= 100)
            dv_put_byte(making->out, (char)('0' + host / 100));
        if (host >= 10)
            dv_put_byte(making->out, (char)('0' + host / 10 % 10));
        dv_put_byte(making->out, (char)('0' + host % 10));
        return DV_OK;
    }
    dv_put(making->out, "2001:db8:", 9);
    for (int group = 0; group < 6; group++) {
        for (int i = 0; i < 4; i++)
            dv_put_byte(making->out, hex[dv_draw_below(&making->draw, 16)]);
        if (group < 5)
            dv_put_byte(making->out, ':');
    }
    return DV_OK;
}

/* Hexadecimal in the same form, beginning with 02: locally administered, so no maker's. */
dv_rc dv_make_mac(struct dv_making *making)
{
    if (making->folded_length != 12 || !is_all_hex(making))
        return DV_E_DATA;
    static const char hex[] = "0123456789abcdef";
    size_t seen = 0;
    for (size_t i = 0; i < making->length; i++) {
        bool digit = dv_is_alnum((unsigned char)making->value[i]);
        dv_put_byte(making->out, digit ? seen < 2 ? "02"[seen] : hex[dv_draw_below(&making->draw, 16)] : making->value[i]);
        seen += digit;
    }
    return again_if_left(making);
}

dv_rc dv_make_url(struct dv_making *making)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    dv_put(making->out, "https://example.com/", 20);
    for (int i = 0; i < 12; i++)
        dv_put_byte(making->out, letters[dv_draw_below(&making->draw, 32)]);
    return DV_OK;
}

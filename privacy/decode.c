/* SPDX-License-Identifier: Apache-2.0
 * decode.c - one escape at a time, in one pass. */
#include "privacy/decode.h"

#include <string.h>

#include "privacy/detect_rows.h"

enum { BLOCK = 64, ENTITY_MAX = 10, CODE_DIGITS_MAX = 8, CODE_MAX = 0x10FFFF, FORM_BACK = 96 };

/* What is read. */
struct source {
    const unsigned char *text;
    uint32_t length;
    bool quoted;          /* quoted-printable, by the look of the whole */
    bool form;            /* here a '+' is a blank */
    unsigned char before; /* what stands before, decoded */
    unsigned char raw;    /* and its last byte in the source */
    bool *past_end;       /* set when somebody asked for what stands behind the end; NULL: nobody cares */
};

/* An escape: so many bytes stand for these; taken == 0: there is none. */
struct escape {
    uint32_t taken, count;
    unsigned char bytes[4];
};

static unsigned char byte_at(const struct source *source, uint32_t at)
{
    if (at < source->length)
        return source->text[at];
    if (source->past_end != NULL)
        *source->past_end = true;
    return 0;
}

static uint32_t hex_value(unsigned char byte)
{
    if (dv_is_digit(byte))
        return byte - (uint32_t)'0';
    return dv_is_hex(byte) ? (byte | 0x20u) - 'a' + 10u : UINT32_MAX;
}

/* `digits` hexadecimal digits at `at`, or UINT32_MAX. */
static uint32_t read_hex(const struct source *source, uint32_t at, uint32_t digits)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < digits; i++) {
        uint32_t digit = hex_value(byte_at(source, at + i));
        if (digit == UINT32_MAX)
            return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

static struct escape one_byte(uint32_t taken, uint32_t byte)
{
    bool blank = byte < ' ' && byte != '\n' && byte != '\t' && byte != '\r';
    return (struct escape){ .taken = taken, .count = 1, .bytes = { blank ? ' ' : (unsigned char)byte } };
}

/* A code point as UTF-8; none for what is no character. */
static struct escape as_character(uint32_t taken, uint32_t code)
{
    if (code < 0x80)
        return one_byte(taken, code);
    if (code > CODE_MAX || (code >= 0xD800 && code <= 0xDFFF))
        return (struct escape){ 0 };
    uint32_t count = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    struct escape escape = { .taken = taken, .count = count };
    for (uint32_t i = count; i-- > 1; code >>= 6)
        escape.bytes[i] = (unsigned char)(0x80 | (code & 0x3F));
    escape.bytes[0] = (unsigned char)(leads[count] | code);
    return count <= taken ? escape : (struct escape){ 0 };
}

/* "0040" behind a 'u' at `at`; two of them may be one character. */
static struct escape read_utf16(const struct source *source, uint32_t at, uint32_t before)
{
    uint32_t code = read_hex(source, at, 4), low = UINT32_MAX;
    if (code == UINT32_MAX)
        return (struct escape){ 0 };
    if (code >= 0xD800 && code < 0xDC00 && byte_at(source, at + 5) == 'u')
        low = read_hex(source, at + 6, 4);
    if (low >= 0xDC00 && low <= 0xDFFF)
        return as_character(2 * (before + 4), 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF)));
    return as_character(before + 4, code);
}

static struct escape read_percent(const struct source *source, uint32_t at)
{
    if ((byte_at(source, at + 1) | 0x20) == 'u')
        return read_utf16(source, at + 2, 2);
    uint32_t byte = read_hex(source, at + 1, 2);
    return byte <= UINT8_MAX ? one_byte(3, byte) : (struct escape){ 0 };
}

/* A number in base 10 or 16 at `at`, and what ends it, which may be left out. */
static struct escape read_number(const struct source *source, uint32_t at, uint32_t base, unsigned char closing,
                                 uint32_t before)
{
    uint32_t code = 0, digits = 0;
    for (; digits < CODE_DIGITS_MAX; digits++) {
        uint32_t digit = hex_value(byte_at(source, at + digits));
        if (digit >= base)
            break;
        code = code * base + digit;
    }
    bool closed = byte_at(source, at + digits) == closing;
    if (digits == 0 || code == 0 || (!closed && closing == '}') || hex_value(byte_at(source, at + digits)) < base)
        return (struct escape){ 0 };
    return as_character(before + digits + closed, code);
}

static struct escape read_entity(const struct source *source, uint32_t at)
{
    if (byte_at(source, at + 1) == '#') {
        bool hex = (byte_at(source, at + 2) | 0x20) == 'x';
        return read_number(source, at + 2 + hex, hex ? 16 : 10, ';', 2 + hex);
    }
    uint32_t end = at + 1;
    while (end - at < ENTITY_MAX && dv_is_letter(byte_at(source, end)))
        end++;
    uint32_t digits = dv_is_digit(byte_at(source, end)) ? 1 : 0; /* "&frac12;", "&sup2;" */
    while (digits != 0 && end - at < ENTITY_MAX && dv_is_digit(byte_at(source, end)))
        end++;
    if (byte_at(source, end) != ';')
        return (struct escape){ 0 };
    uint32_t code = dv_entity_named(source->text + at + 1, end - at - 1);
    return code != 0 ? as_character(end + 1 - at, code) : (struct escape){ 0 };
}

static bool is_octal(unsigned char byte)
{
    return byte >= '0' && byte <= '7';
}

static struct escape read_backslash(const struct source *source, uint32_t at)
{
    static const char letters[] = "ntrbf/\"'\\", stand_for[] = "\n\t\r  /\"'\\";
    unsigned char letter = byte_at(source, at + 1);
    if (letter == 'u')
        return byte_at(source, at + 2) == '{' ? read_number(source, at + 3, 16, '}', 3) : read_utf16(source, at + 2, 2);
    if (letter == 'x') {
        uint32_t byte = read_hex(source, at + 2, 2);
        return byte <= UINT8_MAX ? one_byte(4, byte) : (struct escape){ 0 };
    }
    unsigned char second = byte_at(source, at + 2), third = byte_at(source, at + 3);
    if (letter >= '0' && letter <= '3' && is_octal(second) && is_octal(third))
        return one_byte(4, (uint32_t)(letter - '0') << 6 | (uint32_t)(second - '0') << 3 | (uint32_t)(third - '0'));
    const char *found = letter != 0 ? strchr(letters, letter) : NULL;
    return found != NULL ? one_byte(2, (unsigned char)stand_for[found - letters]) : (struct escape){ 0 };
}

static bool is_upper_hex(unsigned char byte)
{
    return dv_is_digit(byte) || (byte >= 'A' && byte <= 'F');
}

static bool is_quoted_byte(const struct source *source, uint32_t at)
{
    return byte_at(source, at) == '=' && is_upper_hex(byte_at(source, at + 1)) && is_upper_hex(byte_at(source, at + 2));
}

/* The bytes of a line end behind a '='; 0: none, or it pads base64. */
static uint32_t soft_end(const struct source *source, uint32_t at, unsigned char raw)
{
    if (raw == '=' || raw == 0)
        return 0;
    if (byte_at(source, at + 1) == '\n')
        return 2;
    return byte_at(source, at + 1) == '\r' && byte_at(source, at + 2) == '\n' ? 3 : 0;
}

/* Without more of the kind around: marks of addresses and numbers between letters or digits. */
static bool is_lone_quoted(const struct source *source, uint32_t at)
{
    unsigned char high = byte_at(source, at + 1), low = byte_at(source, at + 2), after = byte_at(source, at + 3);
    if (!dv_is_alnum(source->before) || !dv_is_alnum(after))
        return false;
    bool is_at = high == '4' && low == '0' && dv_is_letter(after);
    return is_at || (high == '2' && (low == 'B' || low == 'D' || low == 'E')) || (high == '5' && low == 'F');
}

static struct escape read_quoted(const struct source *source, uint32_t at)
{
    uint32_t soft = soft_end(source, at, source->raw);
    if (soft != 0)
        return (struct escape){ .taken = soft };
    if (!is_quoted_byte(source, at) || !(source->quoted || is_lone_quoted(source, at)))
        return (struct escape){ 0 };
    return one_byte(3, read_hex(source, at + 1, 2));
}

static struct escape read_plus(const struct source *source, uint32_t at)
{
    unsigned char before = source->before, after = byte_at(source, at + 1);
    bool between = (dv_is_alnum(before) || before >= 0x80 || strchr(",.;:)+", before) != NULL) &&
                   (dv_is_alnum(after) || after >= 0x80 || after == '%' || after == '(' || after == '+');
    return source->form && before != 0 && between ? one_byte(1, ' ') : (struct escape){ 0 };
}

static struct escape read_escape(const struct source *source, uint32_t at)
{
    switch (source->text[at]) {
    case '%': return read_percent(source, at);
    case '&': return read_entity(source, at);
    case '\\': return read_backslash(source, at);
    case '=': return read_quoted(source, at);
    case '+': return read_plus(source, at);
    default: return (struct escape){ 0 };
    }
}

/* A line that goes on, an escaped '=', or two escapes side by side; `raw` stands before the '='. */
static bool is_sign_of_quoted(const struct source *source, uint32_t at, unsigned char raw)
{
    if (soft_end(source, at, raw) != 0)
        return true;
    return is_quoted_byte(source, at) && (is_quoted_byte(source, at + 3) ||
                                          (byte_at(source, at + 1) == '3' && byte_at(source, at + 2) == 'D'));
}

static bool looks_quoted(const struct source *source)
{
    const unsigned char *text = source->text, *end = text + source->length, *at = text;
    while ((at = at < end ? memchr(at, '=', (size_t)(end - at)) : NULL) != NULL) {
        uint32_t here = (uint32_t)(at - text);
        if (is_sign_of_quoted(source, here, here > 0 ? text[here - 1] : 0))
            return true;
        at++;
    }
    return false;
}

void dv_decode_pass(struct dv_decoding *decoding, unsigned char byte)
{
    if (byte <= ' ' || byte == '"' || byte == '<' || byte == '>')
        decoding->form = false;
    else if (byte == '=' || byte == '?')
        decoding->form = true;
    decoding->before = decoding->raw = byte;
}

bool dv_decode_begins(unsigned char byte)
{
    return byte == '%' || byte == '&' || byte == '\\' || byte == '=' || byte == '+';
}

static void pass_escape(struct dv_decoding *decoding, const unsigned char *text, uint32_t at, const struct escape *escape)
{
    const bool form = decoding->form;
    dv_decode_pass(decoding, escape->bytes[0]);
    /* A blank that a '+' stands for does not end it. "%3D" opens no form, but what stands beside percent-encoding is one. */
    decoding->form = decoding->form || text[at] == '%' || (text[at] == '+' && form);
    decoding->raw = text[at + escape->taken - 1];
}

bool dv_decode_one(struct dv_decoding *decoding, const unsigned char *text, uint32_t length, uint32_t at, bool over,
                   struct dv_decoded *ret_one)
{
    *ret_one = (struct dv_decoded){ .taken = 1, .count = 1, .bytes = { text[at] } };
    if (!dv_decode_begins(text[at])) {
        dv_decode_pass(decoding, text[at]);
        return true;
    }
    bool past_end = false;
    struct source source = { .text = text, .length = length, .quoted = decoding->quoted, .form = decoding->form,
                             .before = decoding->before, .raw = decoding->raw, .past_end = &past_end };
    if (text[at] == '=' && !source.quoted)
        source.quoted = is_sign_of_quoted(&source, at, source.raw);
    const struct escape escape = read_escape(&source, at);
    if (past_end && !over)
        return false;
    decoding->quoted = source.quoted;
    if (escape.taken == 0) {
        dv_decode_pass(decoding, text[at]);
        return true;
    }
    pass_escape(decoding, text, at, &escape);
    *ret_one = (struct dv_decoded){ .taken = escape.taken, .count = escape.count, .is_escape = true };
    memcpy(ret_one->bytes, escape.bytes, sizeof escape.bytes);
    return true;
}

uint32_t dv_decode(const unsigned char *text, uint32_t length, bool mapped, unsigned char *out, uint32_t *map,
                   bool *ret_changed)
{
    const struct source source = { .text = text, .length = length };
    struct dv_decoding decoding = { .quoted = looks_quoted(&source) };
    struct dv_decoded one;
    uint32_t to = 0;
    *ret_changed = false;
    for (uint32_t at = 0; at < length; at += one.taken) {
        (void)dv_decode_one(&decoding, text, length, at, true, &one);
        uint32_t from = map != NULL && mapped ? map[at] : at;
        for (uint32_t i = 0; i < one.count; i++) {
            if (map != NULL)
                map[to] = from;
            out[to++] = one.bytes[i];
        }
        *ret_changed = *ret_changed || one.is_escape;
    }
    if (map != NULL)
        map[to] = mapped ? map[length] : length;
    return to;
}

/* Whether a '+' has a '=' before it, in its word. */
static bool is_in_form(const unsigned char *text, size_t at)
{
    for (size_t back = 1; back <= at && back <= FORM_BACK && text[at - back] > ' '; back++)
        if (text[at - back] == '=' || text[at - back] == '?')
            return true;
    return false;
}

static bool begins_escape(const struct source *source, uint32_t at)
{
    struct source here = *source;
    here.before = here.raw = at > 0 ? source->text[at - 1] : 0;
    if (source->text[at] == '=')
        here.quoted =
            is_quoted_byte(source, at) &&
            (is_quoted_byte(source, at + 3) || (byte_at(source, at + 1) == '3' && byte_at(source, at + 2) == 'D'));
    if (source->text[at] == '+')
        here.form = is_in_form(source->text, at);
    return read_escape(&here, at).taken != 0;
}

static bool block_has(const struct source *source, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at++)
        if (dv_decode_begins(source->text[at]) && begins_escape(source, at))
            return true;
    return false;
}

bool dv_decode_wanted(const unsigned char *text, size_t length)
{
    const struct source source = { .text = text, .length = (uint32_t)length };
    uint32_t at = 0;
    for (; source.length - at >= BLOCK; at += BLOCK) {
        unsigned char marks = 0;
        for (uint32_t i = 0; i < BLOCK; i++) {
            unsigned char byte = text[at + i];
            marks |= (byte == '%') | (byte == '&') | (byte == '\\') | (byte == '=') | (byte == '+');
        }
        if (marks != 0 && block_has(&source, at, at + BLOCK))
            return true;
    }
    return block_has(&source, at, source.length);
}

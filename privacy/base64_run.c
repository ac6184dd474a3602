/* SPDX-License-Identifier: Apache-2.0
 * base64_run.c - runs by sampling, four characters to three bytes. */
#include "privacy/base64_run.h"

#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/unicode.h"

enum { LINE_MIN = 60, LINE_MAX = 128, INDENT_MAX = 16, TEXT_BYTES_MIN = 12 };

static bool is_mark(unsigned char byte)
{
    return byte == '+' || byte == '/' || byte == '-' || byte == '_';
}

static bool is_sextet(unsigned char byte)
{
    return dv_is_alnum(byte) || is_mark(byte);
}

static uint32_t sextet_of(unsigned char byte)
{
    if (dv_is_digit(byte))
        return byte - '0' + 52u;
    if (dv_is_letter(byte))
        return (byte | 0x20u) - 'a' + (byte >= 'a' ? 26u : 0u);
    return byte == '+' || byte == '-' ? 62 : 63;
}

/* What stands before a line that was moved in, or quoted in a mail. */
static bool is_indent(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '>';
}

/* The first byte of the next line behind its indent, if that is all of the alphabet and no longer than `longest`; *ret_end is
 * where it ends. 0: the run ends here. */
static uint32_t next_line(const unsigned char *text, uint32_t length, uint32_t at, uint32_t longest, uint32_t *ret_end)
{
    at += at < length && text[at] == '\r';
    if (at >= length || text[at] != '\n')
        return 0;
    uint32_t start = at + 1;
    while (start < length && start - at <= INDENT_MAX && is_indent(text[start]))
        start++;
    uint32_t end = start;
    while (end < length && end - start <= longest && is_sextet(text[end]))
        end++;
    bool whole = end == length || text[end] <= ' ' || strchr("=\"'<)]},;`", text[end]) != NULL;
    *ret_end = end;
    return end > start && end - start <= longest && whole ? start : 0;
}

/* Adds up to two '=' behind the run, at the start of the next line perhaps. */
static void add_padding(const unsigned char *text, uint32_t length, struct dv_base64_run *run)
{
    uint32_t at = run->end;
    for (uint32_t i = 0; i < 2; i++) {
        if (at < length && (text[at] == '\r' || text[at] == '\n')) {
            at += text[at] == '\r';
            at += at < length && text[at] == '\n';
            for (uint32_t from = at; at < length && at - from < INDENT_MAX && is_indent(text[at]);)
                at++;
        }
        if (at >= length || text[at] != '=')
            return;
        run->end = ++at;
    }
}

/* Adds the lines that the run goes on in, and its '='. The second line tells how long the others are: the first may have less room
 * for it, or a path before it. */
static void extend(const unsigned char *text, uint32_t length, struct dv_base64_run *run)
{
    uint32_t first = run->end - run->line_start, end = 0, longest = first > LINE_MAX ? first : LINE_MAX;
    uint32_t start = next_line(text, length, run->end, longest, &end);
    if (start != 0 && (end - start <= first ? first : end - start) >= LINE_MIN) {
        longest = end - start;
        run->end = end;
        for (uint32_t last = longest; last == longest && last >= LINE_MIN;) {
            start = next_line(text, length, run->end, longest, &end);
            if (start == 0)
                break;
            last = end - start;
            run->end = end;
        }
    }
    add_padding(text, length, run);
}

/* Adds the few letters that a key left room for in the line before. */
static void extend_back(const unsigned char *text, uint32_t floor, struct dv_base64_run *run)
{
    uint32_t at = run->start;
    while (at > floor && run->start - at < INDENT_MAX && is_indent(text[at - 1]))
        at--;
    if (at <= floor || text[at - 1] != '\n')
        return;
    at--;
    at -= at > floor && text[at - 1] == '\r';
    uint32_t end = at;
    while (at > floor && end - at < DV_BASE64_RUN_MIN && is_sextet(text[at - 1]))
        at--;
    if (at < end)
        run->start = at;
}

bool dv_base64_run_next(const unsigned char *text, uint32_t length, uint32_t *at, struct dv_base64_run *run)
{
    const uint32_t floor = *at;
    for (uint32_t probe = floor + DV_BASE64_RUN_MIN - 1; probe < length && probe >= floor; probe += DV_BASE64_RUN_MIN) {
        if (!is_sextet(text[probe]))
            continue;
        *run = (struct dv_base64_run){ .start = probe, .end = probe + 1 };
        while (run->end < length && is_sextet(text[run->end]))
            run->end++;
        while (run->start > floor && is_sextet(text[run->start - 1]))
            run->start--;
        probe = run->end - 1; /* the byte there is no sextet, or the text ends */
        if (run->end - run->start < DV_BASE64_RUN_MIN)
            continue;
        run->line_start = run->start;
        run->line_end = run->end;
        extend(text, length, run);
        if (memchr(text + run->line_end, '\n', run->end - run->line_end) == NULL)
            run->line_end = run->end;
        extend_back(text, floor, run);
        *at = run->end;
        return true;
    }
    *at = length;
    return false;
}

uint32_t dv_base64_run_read(const unsigned char *text, uint32_t *at, uint32_t end, unsigned char *out, uint32_t room)
{
    uint32_t bits = 0, have = 0, count = 0;
    for (; *at < end && count + 3 <= room; (*at)++) {
        if (!is_sextet(text[*at]))
            continue;
        bits = bits << 6 | sextet_of(text[*at]);
        if (++have < 4)
            continue;
        out[count++] = (unsigned char)(bits >> 16);
        out[count++] = (unsigned char)(bits >> 8);
        out[count++] = (unsigned char)bits;
        bits = have = 0;
    }
    if (*at == end && have >= 2 && count + 2 <= room) {
        bits <<= 6 * (4 - have);
        out[count++] = (unsigned char)(bits >> 16);
        if (have == 3)
            out[count++] = (unsigned char)(bits >> 8);
    }
    return count;
}

uint32_t dv_base64_run_later(const unsigned char *text, const struct dv_base64_run *run, uint32_t from)
{
    while (from < run->end && !is_mark(text[from]))
        from++;
    while (from < run->end && is_mark(text[from]))
        from++;
    return run->end - from >= DV_BASE64_RUN_MIN ? from : run->end;
}

bool dv_bytes_are_text(const unsigned char *bytes, uint32_t length)
{
    uint32_t bad = 0;
    for (uint32_t at = 0, taken; at < length; at += taken) {
        uint32_t code = dv_char_decode(bytes + at, length - at, &taken);
        bool control = code < ' ' && code != '\n' && code != '\r' && code != '\t';
        bad += control || code == 0x7F || code == 0xFFFD;
    }
    return length >= TEXT_BYTES_MIN && bad <= length / 10;
}

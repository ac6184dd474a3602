/* SPDX-License-Identifier: Apache-2.0
 * detect_ip.c - addresses of machines: IPv4, IPv6 (RFC 4291 text forms, with zone) and 48-bit MAC. */
#include "privacy/detect_rows.h"

enum { V6_GROUPS = 8, V6_GROUP_DIGITS = 4, MAC_GROUPS = 6 };

/* One octet in decimal: the end of its digits, or 0. */
static uint32_t octet_end(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t value = 0;
    uint32_t end = at;
    while (end - at < 3 && dv_is_digit(dv_byte(candidate, end)))
        value = value * 10 + (uint32_t)(candidate->text[end++] - '0');
    return end != at && value <= 255 && !dv_is_digit(dv_byte(candidate, end)) ? end : 0;
}

/* Four octets with dots: the end, or 0. */
static uint32_t ipv4_end(const struct dv_candidate *candidate, uint32_t at)
{
    for (uint32_t octet = 0; octet < 4; octet++) {
        if (octet != 0 && dv_byte(candidate, at++) != '.')
            return 0;
        at = octet_end(candidate, at);
        if (at == 0)
            return 0;
    }
    return at;
}

bool dv_verify_ipv4(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t end = ipv4_end(candidate, candidate->at);
    if (end == 0)
        return false;
    bool goes_on = dv_byte(candidate, end) == '.' && dv_is_digit(dv_byte(candidate, end + 1));
    bool begun = dv_byte_before(candidate, candidate->at, 1) == '.';
    return !goes_on && !begun && dv_span_fill(span, candidate->at, end, 860, "four octets");
}

/* What has been read of an IPv6 address. */
struct v6 {
    uint32_t at;
    uint32_t groups;
    bool elided; /* "::" was seen */
    bool digit;  /* a decimal digit was seen: tells an address from words */
};

static uint32_t hex_end(const struct dv_candidate *candidate, uint32_t at, bool *digit)
{
    uint32_t end = at;
    for (; end - at <= V6_GROUP_DIGITS && dv_is_hex(dv_byte(candidate, end)); end++)
        *digit |= dv_is_digit(candidate->text[end]);
    return end;
}

/* Reads "::" if it stands there; false if it is the second. */
static bool read_elision(const struct dv_candidate *candidate, struct v6 *v6)
{
    if (dv_byte(candidate, v6->at) != ':' || dv_byte(candidate, v6->at + 1) != ':')
        return true;
    if (v6->elided)
        return false;
    v6->elided = true;
    v6->at += 2;
    return true;
}

/* Reads one group, or the IPv4 tail that counts as two; false if there is none. */
static bool read_group(const struct dv_candidate *candidate, struct v6 *v6)
{
    uint32_t tail = v6->groups <= V6_GROUPS - 2 && v6->groups != 0 ? ipv4_end(candidate, v6->at) : 0;
    uint32_t end = tail != 0 ? tail : hex_end(candidate, v6->at, &v6->digit);
    if (end == v6->at || (tail == 0 && end - v6->at > V6_GROUP_DIGITS))
        return false;
    v6->at = end;
    v6->digit |= tail != 0;
    v6->groups += tail != 0 ? 2 : 1;
    return true;
}

/* Reads as many groups as there are; the end, or 0 if it is no address. */
static uint32_t ipv6_end(const struct dv_candidate *candidate, uint32_t start)
{
    struct v6 v6 = { .at = start };
    if (!read_elision(candidate, &v6))
        return 0;
    while (v6.groups < V6_GROUPS && read_group(candidate, &v6)) {
        uint32_t before = v6.at;
        if (!read_elision(candidate, &v6))
            break;
        if (v6.at == before && dv_byte(candidate, v6.at) == ':' && v6.groups < V6_GROUPS)
            v6.at += dv_is_hex(dv_byte(candidate, v6.at + 1));
        if (v6.at == before)
            break;
    }
    bool complete = v6.groups == V6_GROUPS || (v6.elided && v6.groups >= 2 && v6.groups < V6_GROUPS);
    return complete && v6.digit && !dv_is_alnum(dv_byte(candidate, v6.at)) ? v6.at : 0;
}

/* "%eth0" behind a link-local address. */
static uint32_t zone_end(const struct dv_candidate *candidate, uint32_t at)
{
    if (dv_byte(candidate, at) != '%' || !dv_is_alnum(dv_byte(candidate, at + 1)))
        return at;
    uint32_t end = at + 1;
    while (end - at < 16 && dv_is_alnum(dv_byte(candidate, end)))
        end++;
    return end;
}

/* Where the group of at most `max` hex digits before the colon begins, or UINT32_MAX if a word stands there. */
static uint32_t first_group(const struct dv_candidate *candidate, uint32_t max)
{
    uint32_t start = candidate->at;
    while (candidate->at - start < max && dv_is_hex(dv_byte_before(candidate, start, 1)))
        start--;
    return dv_is_alnum(dv_byte_before(candidate, start, 1)) ? UINT32_MAX : start;
}

uint32_t dv_reach_ipv6(const struct dv_candidate *candidate)
{
    uint32_t start = first_group(candidate, V6_GROUP_DIGITS);
    return start == UINT32_MAX ? candidate->at : start;
}

uint32_t dv_reach_mac(const struct dv_candidate *candidate)
{
    uint32_t start = first_group(candidate, 2);
    return start == UINT32_MAX ? candidate->at : start;
}

bool dv_verify_ipv6(const struct dv_candidate *candidate, struct dv_span *span)
{
    unsigned char after = dv_byte(candidate, candidate->at + 1);
    if (after != ':' && !dv_is_hex(after))
        return false;
    uint32_t start = first_group(candidate, V6_GROUP_DIGITS);
    uint32_t end = start == UINT32_MAX ? 0 : ipv6_end(candidate, start);
    return end != 0 && dv_span_fill(span, start, zone_end(candidate, end), 860, "IPv6 groups");
}

bool dv_verify_mac(const struct dv_candidate *candidate, struct dv_span *span)
{
    uint32_t start = first_group(candidate, 2);
    if (start == UINT32_MAX || candidate->at - start != 2)
        return false;
    uint32_t at = start;
    for (uint32_t group = 0; group < MAC_GROUPS; group++, at += 3) {
        bool pair = dv_is_hex(dv_byte(candidate, at)) && dv_is_hex(dv_byte(candidate, at + 1));
        if (!pair || (group != MAC_GROUPS - 1 && dv_byte(candidate, at + 2) != ':'))
            return false;
    }
    unsigned char after = dv_byte(candidate, at - 1);
    return !dv_is_alnum(after) && after != ':' && dv_span_fill(span, start, at - 1, 850, "six pairs of hex digits");
}

/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_guard.c - what leaves a stream does not depend on how it was cut, and equals the scan of the whole.
 *
 * shows: ANO-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_texts.h"
#include "guard_whole.h"

enum { PARTS_MAX = 24, MADE = 1000, MADE_STRIDE = 24, FAR = 96, LONG = 2 };

static dv_rc run(struct dv_guard *guard, const char *text, size_t length, const size_t *cuts, size_t count, struct sink *sink)
{
    const struct dv_guard_out out = { collect, sink };
    size_t at = 0;
    sink->length = 0;
    for (size_t i = 0; i < count; i++) {
        (void)!dv_guard_push(guard, text + at, cuts[i] - at, &out);
        at = cuts[i];
    }
    (void)!dv_guard_push(guard, text + at, length - at, &out);
    return dv_guard_end(guard, &out);
}

/* The text with all that is to be found in it replaced. */
static void redact_whole(const struct dv_guard_rules *rules, const char *text, size_t length, struct sink *sink)
{
    static struct whole whole;
    struct dv_span span;
    size_t at = 0;
    find_whole(&whole, &rules->finder.detector, text, length);
    sink->length = 0;
    while (dv_guard_row_next(&whole.row, &span)) {
        const char *name = dv_pii_name(span.type);
        collect(sink, text + at, span.start - at);
        collect(sink, "[", 1);
        collect(sink, name, strlen(name));
        collect(sink, "]", 1);
        at = span.end;
    }
    collect(sink, text + at, length - at);
}

static void assert_same(const struct sink *a, const struct sink *b, const char *text, size_t length, size_t cut)
{
    if (a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0)
        return;
    print_error("cut at %zu of:\n%.*s\n--- is:\n%.*s\n--- should be:\n%.*s\n", cut, (int)length, text, (int)a->length, a->bytes,
                (int)b->length, b->bytes);
    fail();
}

/* ---- texts ---- */

/* What invented texts are made of: findings, what is nearly one, and what stands between. */
static const char *const parts[] = {
    "123-45-6789", "call 555-123-4567", "+1 (415) 555-0123 ext. 77", "(020) 7946-0958", "+49 30 901820", "4111 1111 1111 1111",
    "5500-0000-0000-0004", "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "192.168.10.254", "2001:db8::ff00:42:8329",
    "fe80::1%eth0", "00:1A:2B:3C:4D:5E", "https://example.org/a?b=c&d=e.", "www.example.com/x", "example.co.uk", "ann@example.org",
    "o'brien.j@mail.example.de", "m\xC3\xBCller@example.org", "\xE7\x94\xB0\xE4\xB8\xAD@example.jp", "MRN: 3561168", "Medical record number A-4711",
    "chart no. 88123", "2024-03-18", "3/18/2024", "18.03.24", "March 18th, 2024", "18 de marzo de 2024", "18-MAR-2024", "SSN 123456789",
    "card 4000 0012 3456 7899", "12 mg", "3.14", "version 1.2.3", "10:42", "ratio 3:4", "a.b", "x@y", "@home", "www.", "http://",
    "1.", "2)", "call me", "March", "May be", "DE89", "+", "(", "+(", "'quoted'", "fe80:", "::", "1::", "MRN", "record no.", "user@",
    "user@host", "2024-03-", "123-45-", "4111 1111", "+49", "\xE2\x80\x93", "\xC2\xA0", "\xE2\x80", "\xF0\x9F\x98\x80", "\x80\x80",
    "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82", "seen in the clinic", "the patient", "id", "0", "%40", "\\u0040", "&#64;", "&commat;", "%2540", "&amp;#64;", "ann%40example.org", "123&#45;45&#x2d;6789", "\\u0031\\u0032\\u0033-45-6789",
    "%", "%4", "&#", "&#6", "&am", "\\", "\\u00", "=", "=40", "=3D", "=\n", "ann=40example.org", "+", "q=a+b", "?t=%2B44+20+7946+0958", "&eacute;", "%%333", "%25%33%33", "7", "55", "1234", "123456789012345678901234567890",
};
static const char *const joints[] = { " ", " ", " ", "", "", ". ", ", ", "\n", ": ", "-", ".", "@", "/", ":", "  ", "\t", "_", "(", ")", "'" };

static size_t make_text(uint64_t *state, char *text)
{
    size_t length = 0;
    for (uint32_t i = 1 + draw(state, PARTS_MAX); i > 0; i--) {
        const char *part = parts[draw(state, sizeof parts / sizeof *parts)];
        const char *joint = joints[draw(state, sizeof joints / sizeof *joints)];
        length += (size_t)sprintf(text + length, "%s%s", part, joint);
    }
    if (draw(state, 4) == 0)
        text[draw(state, (uint32_t)length)] = (char)draw(state, 256);
    return length;
}

/* A cut at every byte, each FAR from the next, or at some bytes only (`stride` > 1); one byte at a time; and some cuts in many. */
static void check_text(struct dv_guard *guard, const char *text, size_t length, const struct sink *expected, uint64_t *state, uint32_t stride)
{
    static struct sink is;
    static size_t cuts[TEXT_MAX];
    for (size_t cut = stride > 1 ? draw(state, stride) : 0; cut <= length && cut < FAR; cut += stride) {
        size_t count = 0;
        for (size_t at = cut; at <= length; at += FAR)
            cuts[count++] = at;
        (void)run(guard, text, length, cuts, count, &is);
        assert_same(&is, expected, text, length, cut);
    }
    for (size_t i = 0; i < length; i++)
        cuts[i] = i;
    (void)run(guard, text, length, cuts, length, &is);
    assert_same(&is, expected, text, length, 1);
    for (int round = 0; round < 4; round++) {
        size_t count = 0;
        for (size_t at = draw(state, 20); at < length; at += 1 + draw(state, 20))
            cuts[count++] = at;
        (void)run(guard, text, length, cuts, count, &is);
        assert_same(&is, expected, text, length, 0);
    }
}

static void check_file(const char *path)
{
    struct dv_guard_rules rules = rules_of(DV_GUARD_REDACT, DV_GUARD_PATTERNS);
    struct dv_guard *guard = NULL;
    struct texts texts = read_texts(path);
    static struct sink expected;
    uint64_t state = 1;
    size_t at = 0;
    assert_int_equal(dv_guard_open(&guard, &rules), DV_OK);
    for (size_t i = 0; i < texts.count; at = texts.ends[i++]) {
        redact_whole(&rules, texts.bytes + at, texts.ends[i] - at, &expected);
        check_text(guard, texts.bytes + at, texts.ends[i] - at, &expected, &state, 1);
    }
    print_message("%zu texts, %zu bytes\n", texts.count, at);
    dv_guard_close(guard);
    dv_guard_rules_close(&rules);
    free(texts.bytes);
    free(texts.ends);
}

static void corpus_is_the_same_at_every_cut(void **unused)
{
    (void)unused;
    const char *more = getenv("DV_GUARD_TEXTS");
    check_file("tests/golden/texts.jsonl");
    if (more != NULL)
        check_file(more);
}

static void invented_texts_are_the_same_however_cut(void **unused)
{
    (void)unused;
    struct dv_guard_rules rules = rules_of(DV_GUARD_REDACT, DV_GUARD_PATTERNS);
    struct dv_guard *guard = NULL;
    static struct sink expected;
    static char text[TEXT_MAX];
    const char *given = getenv("DV_GUARD_SEED");
    uint64_t state = given != NULL ? strtoull(given, NULL, 10) : 20261122;
    print_message("seed %llu\n", (unsigned long long)state);
    assert_int_equal(dv_guard_open(&guard, &rules), DV_OK);
    for (int i = 0; i < MADE; i++) {
        size_t length = make_text(&state, text);
        redact_whole(&rules, text, length, &expected);
        check_text(guard, text, length, &expected, &state, MADE_STRIDE);
    }
    dv_guard_close(guard);
    dv_guard_rules_close(&rules);
}

/* A stream of one push against many, whatever the rules: all cuts of short texts, some of long ones. */
static void check_alone(const struct dv_guard_rules *rules, const char *text, size_t length, uint64_t *state, size_t stride)
{
    static struct sink whole, is;
    static size_t cuts[TEXT_MAX];
    struct dv_guard *guard = NULL;
    assert_int_equal(dv_guard_open(&guard, rules), DV_OK);
    dv_rc rc = run(guard, text, length, NULL, 0, &whole);
    for (size_t cut = 0; cut <= length; cut += stride) {
        assert_int_equal(run(guard, text, length, &cut, 1, &is), rc);
        assert_same(&is, &whole, text, length, cut);
    }
    for (uint32_t most = 1; most < 600; most = most * 4 + 1) {
        size_t count = 0;
        for (size_t at = draw(state, most); at < length; at += 1 + draw(state, most))
            cuts[count++] = at;
        assert_int_equal(run(guard, text, length, cuts, count, &is), rc);
        assert_same(&is, &whole, text, length, most);
    }
    dv_guard_close(guard);
}

static size_t make_long(uint64_t *state, char *text, size_t least)
{
    size_t length = 0;
    while (length < least) {
        length += make_text(state, text + length);
        if (draw(state, 10) == 0) {
            uint32_t run = draw(state, 3000);
            const char fill[] = "a7@.-\xE6 /";
            memset(text + length, fill[draw(state, sizeof fill - 1)], run);
            length += run;
        }
    }
    return length;
}

static void long_texts_are_the_same_at_every_cut(void **unused)
{
    (void)unused;
    static char text[TEXT_MAX];
    uint64_t state = 5;
    for (enum dv_guard_strength strength = DV_GUARD_PATTERNS; strength <= DV_GUARD_FULL; strength++)
        for (enum dv_guard_action action = DV_GUARD_BLOCK; action <= DV_GUARD_ALERT; action++) {
            struct dv_guard_rules rules = rules_of(action, strength);
            for (int i = 0; i < LONG; i++) {
                size_t length = make_long(&state, text, 6000);
                check_alone(&rules, text, length, &state, 997);
            }
            dv_guard_rules_close(&rules);
        }
}

static void full_strength_is_the_same_at_every_cut(void **unused)
{
    (void)unused;
    struct dv_guard_rules rules = rules_of(DV_GUARD_REDACT, DV_GUARD_FULL);
    struct texts texts = read_texts("tests/golden/texts.jsonl");
    uint64_t state = 6;
    size_t start = 0;
    for (size_t i = 0; i < texts.count; start = texts.ends[i++])
        check_alone(&rules, texts.bytes + start, texts.ends[i] - start, &state, 127);
    check_alone(&rules, texts.bytes, start, &state, 9973);
    dv_guard_rules_close(&rules);
    free(texts.bytes);
    free(texts.ends);
}

static void expect(const struct dv_guard_rules *rules, const char *text, const char *expected, dv_rc rc)
{
    static struct sink is;
    struct dv_guard *guard = NULL;
    assert_int_equal(dv_guard_open(&guard, rules), DV_OK);
    assert_int_equal(run(guard, text, strlen(text), NULL, 0, &is), rc);
    is.bytes[is.length] = '\0';
    assert_string_equal(is.bytes, expected);
    dv_guard_close(guard);
    check_alone(rules, text, strlen(text), &(uint64_t){ 7 }, 1);
}

static void actions_do_what_they_say(void **unused)
{
    (void)unused;
    const char *text = "Seen today. Her number is 123-45-6789, she said; or ann@example.org.";
    struct dv_guard_rules redact = rules_of(DV_GUARD_REDACT, DV_GUARD_PATTERNS);
    struct dv_guard_rules block = rules_of(DV_GUARD_BLOCK, DV_GUARD_PATTERNS);
    struct dv_guard_rules alert = rules_of(DV_GUARD_ALERT, DV_GUARD_PATTERNS);
    struct dv_guard_rules full = rules_of(DV_GUARD_REDACT, DV_GUARD_FULL);
    expect(&redact, text, "Seen today. Her number is [SSN], she said; or [EMAIL].", DV_OK);
    expect(&block, text, "Seen today. Her number is [BLOCKED]", DV_E_LEAK);
    expect(&block, "Nothing to see here, at 10:42.", "Nothing to see here, at 10:42.", DV_OK);
    expect(&alert, text, text, DV_OK);
    expect(&full, "Patient: Maria Gonzalez. She was seen by Dr. Smith in the clinic.\nShe is well.",
           "Patient: [PERSON]. She was seen by Dr. [PERSON] in the clinic.\nShe is well.", DV_OK);
    struct dv_guard *guard = NULL;
    static struct sink sink;
    assert_int_equal(dv_guard_open(&guard, &alert), DV_OK);
    assert_int_equal(run(guard, text, strlen(text), NULL, 0, &sink), DV_OK);
    assert_int_equal(dv_guard_count(guard, DV_PII_SSN), 1);
    assert_int_equal(dv_guard_count(guard, DV_PII_EMAIL), 1);
    assert_int_equal(dv_guard_count(guard, DV_PII_PHONE), 0);
    dv_guard_close(guard);
    dv_guard_rules_close(&redact);
    dv_guard_rules_close(&block);
    dv_guard_rules_close(&alert);
    dv_guard_rules_close(&full);
}

/* A match that is longer than what may be held is covered to its end; what only might have become one passes. */
static void long_matches_are_covered(void **unused)
{
    (void)unused;
    struct dv_guard_rules rules = rules_of(DV_GUARD_REDACT, DV_GUARD_PATTERNS);
    static char text[TEXT_MAX], expected[TEXT_MAX];
    memset(text, 'p', 9000);
    memcpy(text, "See https://example.org/", 24);
    (void)sprintf(text + 9000, " and call 555-123-4567.");
    expect(&rules, text, "See [REDACTED] and call [PHONE].", DV_OK);
    for (size_t i = 0; i < 9000; i += 3)
        memcpy(text + i, "\xE6\x97\xA5", 3);
    (void)sprintf(text + 9000, " ann@example.org");
    (void)sprintf(expected, "%.9000s [EMAIL]", text);
    uint64_t state = 8;
    static struct sink is;
    struct dv_guard *guard = NULL;
    assert_int_equal(dv_guard_open(&guard, &rules), DV_OK);
    assert_int_equal(run(guard, text, strlen(text), NULL, 0, &is), DV_OK);
    is.bytes[is.length] = '\0';
    assert_string_equal(is.bytes, expected);
    dv_guard_close(guard);
    check_alone(&rules, text, strlen(text), &state, 997);
    dv_guard_rules_close(&rules);
}

/* Escapes are read as in a whole text, but that the first sign of quoted-printable does not speak for what stood before it. */
static void escapes_are_read(void **unused)
{
    (void)unused;
    struct dv_guard_rules rules = rules_of(DV_GUARD_REDACT, DV_GUARD_PATTERNS);
    expect(&rules, "Write to ann.lee%40example.com now.", "Write to [EMAIL] now.", DV_OK);
    expect(&rules, "{\"to\":\"ann.lee\\u0040example.com\\nnow\"}", "{\"to\":\"[EMAIL]\\nnow\"}", DV_OK);
    expect(&rules, "ann.lee&#64;example.com, ann.lee&commat;example&period;com", "[EMAIL], [EMAIL]", DV_OK);
    expect(&rules, "ann.lee%2540example.com &amp;c. 5%4", "[EMAIL] &amp;c. 5%4", DV_OK);
    expect(&rules, "SSN 123%2D45%2D6789, &#49;&#50;&#51;-45-6789!", "SSN [SSN], [SSN]!", DV_OK);
    expect(&rules, "123-45-678%%339 is one in escapes of escapes", "[SSN] is one in escapes of escapes", DV_OK);
    expect(&rules, "?tel=%2B44+20+7946+0958&x", "?tel=[PHONE]&x", DV_OK);
    expect(&rules, "0=3D0 ann.lee=40example.com 123-=\n45-6789", "0=3D0 [EMAIL] [SSN]", DV_OK);
    expect(&rules, "ann.lee=40=65xample.com is read, 123=2D45=2D=36789 too", "[EMAIL] is read, [SSN] too", DV_OK);
    expect(&rules, "timeout=20s AT&T 100% C:\\temp a+b 2&#1114112;", "timeout=20s AT&T 100% C:\\temp a+b 2&#1114112;", DV_OK);
    struct dv_guard_rules full = rules_of(DV_GUARD_REDACT, DV_GUARD_FULL), block = rules_of(DV_GUARD_BLOCK, DV_GUARD_PATTERNS);
    expect(&full, "She has ann.lee%40example.com now.\nShe is well.", "She has [EMAIL] now.\nShe is well.", DV_OK);
    expect(&block, "Ask ann.lee\\u0040example.com now.", "Ask [BLOCKED]", DV_E_LEAK);
    dv_guard_rules_close(&rules);
    dv_guard_rules_close(&full);
    dv_guard_rules_close(&block);
}

static void secrets_are_found_in_every_writing(void **unused)
{
    (void)unused;
    static char far_text[TEXT_MAX];
    const char long_secret[] = "-----BEGIN KEY----- MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNb"
                               "vJZHtCSuYEvuNMoSfm76oqFvAp8Gy0iz5sxjZmSnXyCdPEovGhLa0VzMaQ8s+CLOyS56YyCFGeJZ";
    const struct dv_secret secrets[] = { { "Zebra 77 canary", 15 }, { long_secret, sizeof long_secret - 1 }, { "\x01\x02\xFF\xFE\x80\x00\x07", 7 } };
    const struct dv_guard_options options = { .types = DV_PII_PATTERNS, .action = DV_GUARD_REDACT, .secrets = secrets, .secret_count = 3 };
    struct dv_guard_rules rules;
    assert_int_equal(dv_guard_rules_open(&rules, &options), DV_OK);
    expect(&rules, "it is Zebra 77 canary, ok", "it is [REDACTED], ok", DV_OK);
    expect(&rules, "it is Zebra 77 Zebra 77 canaryZebra 77 canary", "it is Zebra 77 [REDACTED][REDACTED]", DV_OK);
    expect(&rules, "5a656272612037372063616e617279 or 5A656272612037372063616E617279.", "[REDACTED] or [REDACTED].", DV_OK);
    expect(&rules, "q=Zebra%2077%20canary&r=Zebra+77+canary", "q=[REDACTED]&r=[REDACTED]", DV_OK);
    expect(&rules, "WmVicmEgNzcgY2FuYXJ5 eFplYnJhIDc3IGNhbmFyeQ== eHhaZWJyYSA3NyBjYW5hcnk=", "[REDACTED] eF[REDACTED]Q== eHh[REDACTED]k=", DV_OK);
    expect(&rules, "Zebra 77 canar", "Zebra 77 canar", DV_OK);
    (void)sprintf(far_text, "key: %s.", long_secret);
    expect(&rules, far_text, "key: [REDACTED].", DV_OK);
    dv_guard_rules_close(&rules);
    const struct dv_secret weak = { "abc", 3 };
    const struct dv_guard_options bad = { .types = DV_PII_PATTERNS, .secrets = &weak, .secret_count = 1 };
    assert_int_equal(dv_guard_rules_open(&rules, &bad), DV_E_CONFIG);
    memset(far_text, 'k', sizeof far_text);
    const struct dv_secret large = { far_text, sizeof far_text };
    const struct dv_guard_options much = { .types = DV_PII_PATTERNS, .secrets = &large, .secret_count = 1 };
    assert_int_equal(dv_guard_rules_open(&rules, &much), DV_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(corpus_is_the_same_at_every_cut), cmocka_unit_test(invented_texts_are_the_same_however_cut),
        cmocka_unit_test(long_texts_are_the_same_at_every_cut), cmocka_unit_test(full_strength_is_the_same_at_every_cut), cmocka_unit_test(actions_do_what_they_say),
        cmocka_unit_test(long_matches_are_covered), cmocka_unit_test(escapes_are_read), cmocka_unit_test(secrets_are_found_in_every_writing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

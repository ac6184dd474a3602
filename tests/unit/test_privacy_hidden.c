/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_hidden.c - personal data in escapes and in base64: never less is covered than in the same text without them,
 * hashes, keys and images stay, addresses of standards stay. DV_SEED repeats a run, DV_LONG=1 makes it longer.
 *
 * shows: ANO-1 ANO-2 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/base64.h"
#include "privacy/base64_run.h"
#include "privacy/decode.h"
#include "privacy/finder.h"
#include "privacy/standard_url.h"

enum { TEXTS = 150, TEXT_MAX = 1024, ROOM = 32 * TEXT_MAX, SPANS = 512, BIG = 1024 * 1024 };

/* A text as it was encoded: where each byte of the plain one stands. */
struct encoded {
    char text[ROOM];
    uint32_t at[TEXT_MAX + 1];
    size_t length;
};

static struct dv_finder finder;

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static unsigned below(uint64_t *seed, unsigned bound)
{
    return (unsigned)(next_random(seed) >> 33) % bound;
}

static uint64_t start_seed(void)
{
    const char *given = getenv("DV_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;
    seed |= 1;
    print_message("DV_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int percent(uint64_t *seed, char c, char *out)
{
    if (c == ' ' && below(seed, 2) == 0)
        return sprintf(out, "%%20");
    return !is_word(c) || below(seed, 4) == 0 ? sprintf(out, below(seed, 2) ? "%%%02X" : "%%%02x", (unsigned char)c) : sprintf(out, "%c", c);
}

static int entity(uint64_t *seed, char c, char *out)
{
    static const char *const names[] = { ['@'] = "commat", ['.'] = "period", ['-'] = "hyphen", [':'] = "colon", ['('] = "lpar",
                                         [')'] = "rpar", [','] = "comma", ['+'] = "plus", ['\n'] = "NewLine", ['/'] = "sol" };
    const char *name = (size_t)c < sizeof names / sizeof *names ? names[(size_t)c] : NULL;
    if (name != NULL && c != '-' && below(seed, 2) == 0)
        return sprintf(out, "&%s;", name);
    if (is_word(c) && below(seed, 4) != 0)
        return sprintf(out, "%c", c);
    static const char *const forms[] = { "&#%u;", "&#x%x;", "&#X%X;", "&#%05u;" };
    return sprintf(out, forms[below(seed, 4)], (unsigned char)c);
}

static int json(uint64_t *seed, char c, char *out)
{
    if (c == '\n')
        return sprintf(out, "\\n");
    if (is_word(c) && below(seed, 4) != 0)
        return sprintf(out, "%c", c);
    static const char *const forms[] = { "\\u%04x", "\\u%04X", "\\x%02x", "\\u{%x}", "\\%03o", "%%u%04x" };
    return sprintf(out, forms[below(seed, 6)], (unsigned char)c);
}

static int quoted(uint64_t *seed, char c, char *out)
{
    int length = is_word(c) && below(seed, 4) != 0 ? sprintf(out, "%c", c) : sprintf(out, "=%02X", (unsigned char)c);
    return below(seed, 12) == 0 ? length + sprintf(out + length, below(seed, 2) ? "=\n" : "=\r\n") : length;
}

static int twice(uint64_t *seed, char c, char *out)
{
    if (is_word(c))
        return sprintf(out, "%c", c);
    static const char *const forms[] = { "%%25%02X", "&amp;#%u;", "\\\\u%04x", "%%26%%23%u%%3B" };
    return sprintf(out, forms[below(seed, 4)], (unsigned char)c);
}

typedef int encoder(uint64_t *seed, char c, char *out);

static void encode(encoder *how, uint64_t *seed, const char *text, struct encoded *out)
{
    out->length = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        out->at[i] = (uint32_t)out->length;
        out->length += (size_t)how(seed, text[i], out->text + out->length);
    }
    out->at[strlen(text)] = (uint32_t)out->length;
    assert_true(out->length < ROOM);
}

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
    va_list args;
    size_t length = strlen(text);
    va_start(args, format);
    vsnprintf(text + length, TEXT_MAX - length, format, args);
    va_end(args);
}

static void plant(uint64_t *seed, char *text)
{
    static const char *const first[] = { "Maria", "John", "Aisha", "Peter", "Carlos" };
    static const char *const last[] = { "Kowalski", "Andersen", "Fernandez", "Thompson", "Nguyen" };
    const char *a = first[below(seed, 5)], *b = last[below(seed, 5)];
    switch (below(seed, 5)) {
    case 0: append(text, "Write to %s.%s%u@mail.example.org today. ", a, b, below(seed, 100)); break;
    case 1: append(text, "Call (%03u) %03u-%04u after six. ", 201 + below(seed, 700), 201 + below(seed, 700), below(seed, 10000)); break;
    case 2: append(text, "SSN %03u-%02u-%04u on file.\n", 1 + below(seed, 600), 1 + below(seed, 98), 1 + below(seed, 9998)); break;
    case 3: append(text, "Card 4111 1111 1111 1111 was charged. "); break;
    default: append(text, "Patient %s %s was seen by Dr. %s.\n", a, b, last[below(seed, 5)]); break;
    }
}

static void random_text(uint64_t *seed, char *text)
{
    static const char *const filler[] = { "The report is attached. ", "Follow up in 6 weeks, please.\n", "Nothing else to say: all is fine. " };
    *text = '\0';
    for (unsigned i = 0, n = 1 + below(seed, 6); i < n; i++) {
        plant(seed, text);
        if (below(seed, 2) == 0)
            append(text, "%s", filler[below(seed, 3)]);
    }
}

static bool covers(const struct dv_span *spans, size_t count, uint32_t start, uint32_t end)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].start <= start && end <= spans[i].end)
            return true;
    return false;
}

/* How many spans the text has, all of which the encoded one must cover. */
static size_t check_encoded(const char *text, const struct encoded *encoded)
{
    struct dv_span plain[SPANS], spans[SPANS];
    size_t plain_count = dv_find_plain(&finder, text, strlen(text), plain, SPANS);
    size_t count = dv_find(&finder, encoded->text, encoded->length, spans, SPANS);
    for (size_t i = 1; i < count; i++)
        assert_true(spans[i - 1].end <= spans[i].start);
    for (size_t i = 0; i < plain_count; i++)
        if (!covers(spans, count, encoded->at[plain[i].start], encoded->at[plain[i].end - 1] + 1))
            fail_msg("\"%.*s\" is found in\n%s\nbut not in\n%.*s", (int)(plain[i].end - plain[i].start), text + plain[i].start, text,
                     (int)encoded->length, encoded->text);
    return plain_count;
}

static void escapes_hide_nothing(void **state)
{
    static encoder *const encoders[] = { percent, entity, json, quoted, twice };
    static struct encoded encoded;
    uint64_t seed = start_seed();
    size_t found = 0, texts = getenv("DV_LONG") != NULL ? TEXTS * 20 : TEXTS;
    (void)state;
    for (size_t i = 0; i < texts; i++) {
        char text[TEXT_MAX];
        random_text(&seed, text);
        encoder *how = encoders[i % 5];
        encode(how, &seed, text, &encoded);
        if (how == quoted) /* what makes it one, whatever was drawn */
            encoded.length += (size_t)sprintf(encoded.text + encoded.length, "=3D");
        found += check_encoded(text, &encoded);
    }
    assert_true(found > texts);
}

static void expect(const char *text, const char *covered)
{
    struct dv_span spans[SPANS];
    const char *at = strstr(text, covered);
    assert_non_null(at);
    size_t count = dv_find(&finder, text, strlen(text), spans, SPANS);
    if (!covers(spans, count, (uint32_t)(at - text), (uint32_t)(at - text + (ptrdiff_t)strlen(covered))))
        fail_msg("not covered: %s in %s", covered, text);
}

static void each_form_is_read(void **state)
{
    static const char *const cases[][2] = {
        { "write ann.lee%40example.com now", "ann.lee%40example.com" },
        { "write ann.lee%2540example.com now", "ann.lee%2540example.com" },
        { "write ann.lee&commat;example&period;com now", "ann.lee&commat;example&period;com" },
        { "write ann.lee&#64example.com now", "ann.lee&#64example.com" },
        { "write ann.lee=40example.com now", "ann.lee=40example.com" },
        { "write ann.lee\\u0040example.com\\nnow", "ann.lee\\u0040example.com" },
        { "the SSN is 078%2D05%2D1121, he said", "078%2D05%2D1121" },
        { "the SSN is 078=2D05=2D1121, he said", "078=2D05=2D1121" },
        { "the SSN is 078&#45;05&#x2d;1121, he said", "078&#45;05&#x2d;1121" },
        { "the SSN is 078-=\n05-11=\n21, he said", "078-=\n05-11=\n21" },
        { "form=1&tel=%2B44+20+7946+0958", "%2B44+20+7946+0958" },
        { "Patient Jos&eacute; Mu&ntilde;oz was seen", "Jos&eacute; Mu&ntilde;oz" },
        { "Patient Jos%C3%A9 Mu%C3%B1oz was seen", "Jos%C3%A9 Mu%C3%B1oz" },
        { "Patient Jos\\u00e9 Mu\\u00f1oz was seen", "Jos\\u00e9 Mu\\u00f1oz" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i][0], cases[i][1]);
}

static void decoding_is_exact(void **state)
{
    static const char *const cases[][2] = {
        { "100% sure, 5%4, %zz %4", "100% sure, 5%4, %zz %4" },
        { "a&b &; &unknown; &#; &#x; &#1114112; &ampersand;", "a&b &; &unknown; &#; &#x; &#1114112; &ampersand;" },
        { "timeout=20s max=40 x=4F=", "timeout=20s max=40 x=4F=" },
        { "C:\\work \\q \\u12 \\ud800 \\x4", "C:\\work \\q \\u12 \\ud800 \\x4" },
        { "2+2 a+b C++", "2+2 a+b C++" },
        { "q=a+b&t=+44+20+79 c+d", "q=a b&t=+44 20 79 c+d" },
        { "&lt;b&gt;&amp;amp;&nbsp;&#x4e2d;", "<b>&amp;\xC2\xA0\xE4\xB8\xAD" },
        { "\\ud83d\\ude00 \\u{1F600}\\/\\\\", "\xF0\x9F\x98\x80 \xF0\x9F\x98\x80/\\" },
        { "caf=C3=A9 =3D 1", "caf\xC3\xA9 = 1" },
        { "%00%41\\0", " A\\0" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char out[128];
        uint32_t map[129], length = (uint32_t)strlen(cases[i][0]);
        bool changed = false;
        uint32_t got = dv_decode((const unsigned char *)cases[i][0], length, false, out, map, &changed);
        assert_int_equal(got, strlen(cases[i][1]));
        assert_memory_equal(out, cases[i][1], got);
        assert_int_equal(changed, strcmp(cases[i][0], cases[i][1]) != 0);
        assert_true(!changed || dv_decode_wanted((const unsigned char *)cases[i][0], length));
        assert_int_equal(map[got], length);
        for (uint32_t k = 0; k < got; k++)
            assert_true(map[k] <= map[k + 1] && (out[k] >= 0x80 || map[k] < map[k + 1]));
    }
}

static void as_base64(const char *text, char *out, bool url)
{
    size_t length = dv_base64_encode(out, text, strlen(text));
    out[length] = '\0';
    while (url && length > 0 && out[length - 1] == '=')
        out[--length] = '\0';
    for (size_t i = 0; url && i < length; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
}

/* `run` in lines of `width` letters, each moved in by `indent`; the first has room for `first`. */
static void wrap(const char *run, size_t first, size_t width, const char *line_end, const char *indent, char *out)
{
    out += sprintf(out, "%.*s", (int)first, run);
    for (size_t at = first; at < strlen(run); at += width)
        out += sprintf(out, "%s%s%.*s", line_end, indent, (int)width, run + at);
}

/* Whatever stands before base64 and however it is cut into lines: what is personal is covered, and nothing before the line. */
static void wrapped_base64_hides_nothing(void **state)
{
    static const char *const before[] = { "key: ", "jpegPhoto:: ", "/v1/users/by-id/token/", "https://h.example/a/b/c/d/e/f/g/h/i/j?t=", "a/b/c/d/e/f/g/h/k-", "\"", "The file is:\n" };
    static const char *const indents[] = { "", " ", "\t", "> ", "        " };
    uint64_t seed = start_seed();
    (void)state;
    for (int i = 0; i < 4 * TEXTS; i++) {
        char text[TEXT_MAX], run[2 * TEXT_MAX], lines[ROOM], whole[ROOM];
        sprintf(text, "%s", &"Nothing else to say: all is fine. There is one more thing that may be told here: " [below(&seed, 81)]);
        append(text, "Write to maria.kowalski%u@mail.example.org or to john.andersen%u@mail.example.org, please.", below(&seed, 100), below(&seed, 100));
        as_base64(text, run, i % 2 == 0);
        size_t width = 60 + 4 * below(&seed, 6) + (i % 5 == 0), first = below(&seed, 3) == 0 ? width : 12 + below(&seed, (unsigned)width - 12);
        wrap(run, first, width, i % 3 ? "\n" : "\r\n", indents[below(&seed, 5)], lines);
        snprintf(whole, sizeof whole, "See below. %s%s\"\nThat is all.", before[below(&seed, 7)], lines);
        expect(whole, lines);
        struct dv_span spans[SPANS];
        size_t count = dv_find(&finder, whole, strlen(whole), spans, SPANS);
        assert_true(spans[0].start >= strlen("See below. ") && spans[count - 1].end <= strlen(whole) - strlen("\nThat is all."));
    }
}

/* Tokens one below the other are no wrapped lines: each that is personal is found, whatever the length of those before. */
static void lines_of_their_own_are_found(void **state)
{
    char text[ROOM] = "tokens:\n", run[512];
    (void)state;
    for (int i = 0; i < 9; i++) {
        as_base64(&"...Nothing else to say: all is fine. The rest of it follows later."[i % 3], run, true);
        sprintf(text + strlen(text), "%s\n", run);
    }
    as_base64("the mail is bob.stone@example.org, call him in the afternoon please", run, true);
    sprintf(text + strlen(text), "%s\nend", run);
    expect(text, run);
}

static void base64_hides_nothing(void **state)
{
    uint64_t seed = start_seed();
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        char text[TEXT_MAX], letters[2 * TEXT_MAX], run[ROOM], whole[ROOM];
        struct dv_span inside[SPANS];
        random_text(&seed, text);
        if (dv_find_plain(&finder, text, strlen(text), inside, SPANS) == 0)
            continue;
        as_base64(text, letters, i % 2 == 0);
        wrap(letters, i % 3 == 0 ? 76 : sizeof letters, 76, i % 4 ? "\r\n" : "\n", "", run);
        snprintf(whole, sizeof whole, "data \"%s\" end", run);
        expect(whole, run);
        snprintf(whole, sizeof whole, "/v1/token/%s", run);
        expect(whole, run);
    }
}

static void base64_may_be_nested(void **state)
{
    static const char claims[] = "{\"sub\":\"u\",\"mail\":\"ann.lee\\u0040example.com\"}";
    char once[512], again[1024], text[ROOM];
    (void)state;
    as_base64(claims, once, true);
    snprintf(text, sizeof text, "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.%s.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c", once);
    expect(text, once);
    as_base64("user=x; the mail is bob.stone@example.org", once, false);
    snprintf(text, sizeof text, "{\"auths\":{\"auth\":\"%s\"}}", once);
    as_base64(text, again, false);
    snprintf(text, sizeof text, "secret: %s", again);
    expect(text, again);
    as_base64("call bob.stone@example.org now?>?>?>", once, false);
    snprintf(text, sizeof text, "x=%.10s%%%02X%s", once, (unsigned)once[10], once + 11); /* base64 in escapes */
    expect(text, text + 2);
}

/* Runs as hashes, keys, ids and images make them. */
static void no_text_is_left_alone(void **state)
{
    static const char *const texts[] = {
        "Merge 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 into the branch",
        "row 123e4567-e89b-12d3-a456-426614174000 and row f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "\"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DVEJtx/pN3uXsPdB1ZH8sA/1GJcB8bA==\"",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "a header: eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 and nothing else",
        "------------------------------------------------",
    };
    uint64_t seed = start_seed();
    struct dv_span spans[SPANS];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t count = dv_find(&finder, texts[i], strlen(texts[i]), spans, SPANS);
        for (size_t k = 0; k < count; k++)
            assert_string_not_equal(spans[k].why, "personal data in base64");
    }
    for (int i = 0; i < 2000; i++) {
        unsigned char bytes[256];
        char run[512], text[600];
        size_t length = 18 + below(&seed, 238);
        for (size_t k = 0; k < length; k++)
            bytes[k] = (unsigned char)below(&seed, 256);
        run[dv_base64_encode(run, bytes, length)] = '\0';
        snprintf(text, sizeof text, "key %s", run);
        size_t count = dv_find(&finder, text, strlen(text), spans, SPANS);
        for (size_t k = 0; k < count; k++)
            assert_string_not_equal(spans[k].why, "personal data in base64");
    }
}

static void runs_of_base64_are_found(void **state)
{
    static const char text[] = "short/word and AAAAAAAAAAAAAAAAAAAAAAAA== then BBBBBBBBBBBBBBBBBBBBBBB";
    struct dv_base64_run run;
    uint32_t at = 0;
    (void)state;
    assert_true(dv_base64_run_next((const unsigned char *)text, sizeof text - 1, &at, &run));
    assert_int_equal(run.start, 15);
    assert_int_equal(run.end, 41);
    assert_false(dv_base64_run_next((const unsigned char *)text, sizeof text - 1, &at, &run));
    assert_true(dv_bytes_are_text((const unsigned char *)"plain text, caf\xC3\xA9", 17));
    assert_false(dv_bytes_are_text((const unsigned char *)"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16));
    assert_false(dv_bytes_are_text((const unsigned char *)"short", 5));
}

static void standards_are_nobodys(void **state)
{
    static const char *const standard[] = { "http://hl7.org/fhir", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "https://www.w3.org/1999/xhtml",
                                            "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://loinc.org", "schema.org/Person",
                                            "http://unitsofmeasure.org", "http://snomed.info/sct" };
    static const char *const others[] = { "http://hl7.org.example.com/fhir", "http://nothl7.org/", "http://ann@hl7.org/x", "http://hl7.org/fhir?name=ann",
                                          "http://snomed.info/078051120", "http://hl7.org/078-05-1120", "http://example.com/w3.org",
                                          "http://hl7.org:80/x", "" };
    static const char fhir[] = "<Patient xmlns=\"http://hl7.org/fhir\"><text><div xmlns=\"http://www.w3.org/1999/xhtml\"/></text></Patient>";
    struct dv_span spans[SPANS];
    (void)state;
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++)
        assert_true(dv_url_is_standard(standard[i], strlen(standard[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(dv_url_is_standard(others[i], strlen(others[i])));
    assert_int_equal(dv_find(&finder, fhir, sizeof fhir - 1, spans, SPANS), 0);
    expect("see http://example.com/ann and http://hl7.org/fhir", "http://example.com/ann");
}

/* What is found behind the first window is covered where it stands; too much covers the rest. */
static void long_texts_are_read_in_windows(void **state)
{
    static const char mail[] = "write ann.lee%40example.com now\n";
    char *text = test_malloc(BIG);
    struct dv_span *spans = test_malloc(SPANS * sizeof *spans);
    (void)state;
    memset(text, 'x', BIG);
    for (size_t i = 40; i < BIG; i += 41)
        text[i] = ' ';
    for (size_t i = 1; i <= 10; i++)
        memcpy(text + i * 100000, mail, sizeof mail - 1);
    size_t count = dv_find(&finder, text, BIG, spans, SPANS);
    for (uint32_t i = 1; i <= 10; i++)
        assert_true(covers(spans, count, i * 100000 + 6, i * 100000 + 27));
    for (size_t i = 0; i + sizeof mail < BIG; i += sizeof mail - 1)
        memcpy(text + i, mail, sizeof mail - 1);
    count = dv_find(&finder, text, BIG, spans, SPANS);
    assert_int_equal(count, SPANS); /* exactly the first addresses, and then the rest */
    for (size_t i = 0, at = 6; i < SPANS; i++, at += sizeof mail - 1)
        assert_true(spans[i].start == at && spans[i].end == (i + 1 == SPANS ? BIG : at + 21));
    test_free(spans);
    test_free(text);
}

/* The worst that one byte can do: 1 MB of it takes no more than some eight times 128 kB. */
static void time_is_linear(void **state)
{
    static const char *const fillers[] = { "%", "&", "&#", "%25", "&amp;", "\\", "=", "=3D", "a+", "=a+", "QUJD", "QUJD/", "IEFCQyBB", "-" };
    char *text = test_malloc(BIG);
    struct dv_span *spans = test_malloc(SPANS * sizeof *spans);
    struct dv_finder patterns;
    (void)state;
    assert_int_equal(dv_finder_open(&patterns, DV_PII_PATTERNS), DV_OK);
    for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++) {
        size_t length = strlen(fillers[i]);
        double took[2];
        for (size_t k = 0; k < BIG; k++)
            text[k] = fillers[i][k % length];
        for (int whole = 0; whole < 2; whole++) {
            clock_t begin = clock();
            dv_find(&patterns, text, whole ? BIG : BIG / 8, spans, SPANS);
            took[whole] = (double)(clock() - begin) / CLOCKS_PER_SEC;
        }
        if (getenv("DV_LONG") != NULL)
            print_message("1 MB of \"%s\": %.0f ms, an eighth %.0f ms\n", fillers[i], took[1] * 1e3, took[0] * 1e3);
        assert_true(took[1] < 0.05 + 24 * took[0]);
    }
    dv_finder_close(&patterns);
    test_free(spans);
    test_free(text);
}

static int open_finder(void **state)
{
    (void)state;
    return dv_finder_open(&finder, DV_PII_ALL) == DV_OK ? 0 : -1;
}

static int close_finder(void **state)
{
    (void)state;
    dv_finder_close(&finder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read),        cmocka_unit_test(decoding_is_exact),
        cmocka_unit_test(escapes_hide_nothing),     cmocka_unit_test(base64_hides_nothing),
        cmocka_unit_test(base64_may_be_nested),     cmocka_unit_test(wrapped_base64_hides_nothing),
        cmocka_unit_test(lines_of_their_own_are_found),   cmocka_unit_test(no_text_is_left_alone),
        cmocka_unit_test(runs_of_base64_are_found), cmocka_unit_test(standards_are_nobodys),
        cmocka_unit_test(long_texts_are_read_in_windows), cmocka_unit_test(time_is_linear),
    };
    return cmocka_run_group_tests(tests, open_finder, close_finder);
}

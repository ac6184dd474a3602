/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_surrogate.c - surrogates of random values: the same form, nothing left, the same each time, few collisions.
 * DV_SEED repeats a run; DATAVAULT_LONG=1 takes a hundred times as many values.
 *
 * shows: ANO-1 ANO-2 ANO-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/random.h"
#include "privacy/labels.h"
#include "privacy/surrogate.h"
#include "privacy/surrogate_draw.h"
#include "privacy/transform.h"

enum { VALUES = 2000, PEOPLE = 3000 };
#define FOREVER_NAME "Talia Pool"
#define FOREVER_ID "EXE-880812"
#define FOREVER_PHONE "587-555-0116"

static const struct dv_surrogate_options fakes = { .domain = "person", .noun = "Person" };

struct fixture {
    struct dv_pseudonym maker;
    struct dv_surrogate surrogate;
    struct dv_random random;
    char memory[DV_SURROGATE_MAX];
};

static int setup(void **state)
{
    static struct fixture fixture;
    const struct dv_pseudonym_options how = { .domain = "surrogate/person" };
    const char *given = getenv("DV_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("DV_SEED=%llu\n", (unsigned long long)seed);
    dv_random_seed(&fixture.random, seed);
    assert_int_equal(dv_pseudonym_init(&fixture.maker, (const unsigned char *)"0123456789abcdef", 16, &how), DV_OK);
    fixture.surrogate = (struct dv_surrogate){ .options = &fakes, .maker = &fixture.maker };
    *state = &fixture;
    return 0;
}

/* The surrogate as a string in the fixture's memory, or NULL. */
static const char *make(struct fixture *fixture, enum dv_pii type, const char *value)
{
    struct dv_buffer out = { .text = fixture->memory, .size = sizeof fixture->memory };
    dv_rc rc = dv_surrogate_make(&fixture->surrogate, type, value, strlen(value), &out);
    assert_true(rc == DV_OK ? out.length != 0 && out.length < sizeof fixture->memory : out.length == 0);
    fixture->memory[out.length] = '\0';
    return rc == DV_OK ? fixture->memory : NULL;
}

static void one_person_is_one_surrogate(void **state)
{
    static const char *const ways[] = { "John Smith",     "SMITH, JOHN",       "smith, john q.", "Dr. John Q. Smith Jr.",
                                        "J\xC3\xB3hn Smith", "Mr John  Smith", "Smith, John, MD" };
    char first[DV_SURROGATE_MAX];
    (void)setup(state);
    assert_true(strlen(make(*state, DV_PII_PERSON, "john smith")) < sizeof first);
    strcpy(first, make(*state, DV_PII_PERSON, "john smith"));
    char *last = strchr(first, ' ') + 1;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *made = make(*state, DV_PII_PERSON, ways[i]);
        assert_non_null(made);
        if (strcasestr(made, last) == NULL)
            fail_msg("%s became %s, not %s", ways[i], made, first);
        char given[DV_SURROGATE_MAX];
        snprintf(given, sizeof given, "%.*s", (int)(last - 1 - first), first);
        if (strcasestr(made, given) == NULL)
            fail_msg("%s became %s, without %s", ways[i], made, given);
    }
    assert_string_not_equal(make(*state, DV_PII_PERSON, "John Smyth"), first);
}

/* What a value of each type may look like, and a part that its surrogate must have. */
static void forms_are_kept(void **state)
{
    static const struct {
        enum dv_pii type;
        const char *value, *form; /* 9: a digit, a: a small letter, A: a capital, *: anything from here on */
    } rows[] = {
        { DV_PII_PHONE, "(212) 736-5000", "(999) 555-0199" },
        { DV_PII_PHONE, "1-212-736-5000 x123", "1-999-555-0199 x999" },
        { DV_PII_PHONE, "+44 20 7946 0123", "+44 77 0090 0999" },
        { DV_PII_PHONE, "+49 30 901820", "+99 99 999999" },
        { DV_PII_SSN, "123-45-6789", "999-99-9999" },
        { DV_PII_ID, "MRN-004711/ab", "AAA-999999/aa" },
        { DV_PII_MRN, "00471", "99999" },
        { DV_PII_CREDIT_CARD, "4111 1111 1111 1111", "9999 9999 9999 9999" },
        { DV_PII_IBAN, "DE89 3704 0044 0532 0130 00", "XX99 9999 9999 9999 9999 99" },
        { DV_PII_MAC, "3C:22:FB:01:9a:7e", "02:*" },
        { DV_PII_IP, "2a02::1", "2001:db8:*" },
        { DV_PII_URL, "http://clinic.org/p/7", "https://example.com/*" },
        { DV_PII_DATE, "2024-03-18", "9999-99-99" },
        { DV_PII_DATE, "3/18/2024", "*" },
        { DV_PII_LOCATION, "12 Main Street", "99 *" },
        { DV_PII_LOCATION, "Z\xC3\xBCrich", "*" },
        { DV_PII_LOCATION, "80331", "99999" },
        { DV_PII_PERSON, "Mary-Ann O'Brien", "*" },
        { DV_PII_USERNAME, "jsmith42", "*" },
    };
    (void)setup(state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *made = make(*state, rows[i].type, rows[i].value);
        const char *form = rows[i].form;
        assert_non_null(made);
        size_t at = 0;
        for (; form[at] != '\0' && form[at] != '*'; at++) {
            char want = form[at];
            bool fits = want == '9' ? made[at] >= '0' && made[at] <= '9' : want == 'A' ? made[at] >= 'A' && made[at] <= 'Z'
                        : want == 'a' ? made[at] >= 'a' && made[at] <= 'z' : made[at] == want;
            if (!fits)
                fail_msg("\"%s\" became \"%s\", not like \"%s\"", rows[i].value, made, form);
        }
        assert_true(form[at] == '*' || made[at] == '\0');
        assert_string_not_equal(made, rows[i].value);
    }
}

static void other_forms_are_refused(void **state)
{
    static const struct {
        enum dv_pii type;
        const char *value;
    } rows[] = {
        { DV_PII_PERSON, "" },       { DV_PII_PERSON, "???" },     { DV_PII_PERSON, "Mr." },   { DV_PII_PERSON, "John 3:16" },
        { DV_PII_EMAIL, "nobody" },  { DV_PII_EMAIL, "@x.org" },   { DV_PII_EMAIL, "a@" },     { DV_PII_PHONE, "12" },
        { DV_PII_DATE, "in May" },   { DV_PII_SSN, "12" },         { DV_PII_ID, "--" },        { DV_PII_CREDIT_CARD, "4111" },
        { DV_PII_PHONE, "736-5000 wife Mary" }, { DV_PII_MAC, "janet doe 42x" }, { DV_PII_PHONE, "736-5000 \xD9\xA1" },
        { DV_PII_IBAN, "DE89" },     { DV_PII_MAC, "3C:22" },      { DV_PII_LOCATION, " - " },
    };
    (void)setup(state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (make(*state, rows[i].type, rows[i].value) != NULL)
            fail_msg("accepted: \"%s\"", rows[i].value);
    char longer[DV_SURROGATE_VALUE_MAX + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(make(*state, DV_PII_ID, longer));
    longer[DV_SURROGATE_VALUE_MAX] = '\0';
    assert_non_null(make(*state, DV_PII_ID, longer));
}

static uint32_t luhn(const char *text)
{
    uint32_t sum = 0, place = 0;
    for (size_t i = strlen(text); i-- > 0;) {
        if (text[i] < '0' || text[i] > '9')
            continue;
        uint32_t digit = (uint32_t)(text[i] - '0') * (place++ % 2 == 1 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10;
}

/* ISO 7064 over the text with its first four characters at the end. */
static uint32_t mod97(const char *text)
{
    uint32_t rest = 0;
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        char byte = text[(i + 4) % length];
        uint32_t value = (uint32_t)(byte <= '9' ? byte - '0' : byte - 'A' + 10);
        rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    }
    return rest;
}

static void checksums_hold(void **state)
{
    struct fixture *fixture = (setup(state), *state);
    for (int i = 0; i < VALUES; i++) {
        char value[40];
        snprintf(value, sizeof value, "4%015llu", (unsigned long long)dv_random_below(&fixture->random, 1000000000000000));
        assert_int_equal(luhn(make(fixture, DV_PII_CREDIT_CARD, value)), 0);
        snprintf(value, sizeof value, "GB29NWBK%014llu", (unsigned long long)dv_random_below(&fixture->random, 100000000000000));
        assert_int_equal(mod97(make(fixture, DV_PII_IBAN, value)), 1);
    }
}

static void random_text(struct dv_random *random, const char *bytes, size_t least, size_t most, char *text)
{
    size_t length = least + dv_random_below(random, most - least + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = bytes[dv_random_below(random, strlen(bytes))];
    text[length] = '\0';
}

static void random_value(struct dv_random *random, enum dv_pii type, char *value)
{
    static const char small[] = "abcdefghijklmnopqrstuvwxyz";
    char a[16], b[16];
    random_text(random, small, 3, 12, a);
    random_text(random, small, 3, 12, b);
    if (type == DV_PII_PERSON && dv_random_chance(random, 50))
        sprintf(value, "%.11s %.11s", dv_names_at(DV_NAMES_MEN, (uint32_t)dv_random_below(random, 1024)),
                dv_names_at(DV_NAMES_LAST, (uint32_t)dv_random_below(random, 8192)));
    else if (type == DV_PII_PERSON)
        sprintf(value, "%s %s", a, b);
    else if (type == DV_PII_EMAIL)
        sprintf(value, "%s.%s@%s.io", a, b, b);
    else if (type == DV_PII_SSN)
        sprintf(value, "%03u-%02u-%04u", (unsigned)dv_random_below(random, 900), (unsigned)dv_random_below(random, 100), (unsigned)dv_random_below(random, 10000));
    else
        random_text(random, "ABCDEFGHJK0123456789-/", 6, 24, value);
}

/* Whether a text of ≥ 4 characters of the value, letters and digits, is in the surrogate: brute force. */
static bool is_left(enum dv_pii type, const char *value, const char *made)
{
    size_t end = type == DV_PII_EMAIL ? strcspn(value, "@") : strlen(value);
    size_t made_end = type == DV_PII_EMAIL ? strcspn(made, "@") : strlen(made);
    for (size_t i = 0; i + 4 <= end; i++)
        for (size_t k = 0; k + 4 <= made_end; k++)
            if (strncasecmp(value + i, made + k, 4) == 0 && strcspn(value + i, "-/. @") >= 4)
                return true;
    return strcmp(value, made) == 0;
}

static void nothing_is_left(void **state)
{
    static const enum dv_pii types[] = { DV_PII_PERSON, DV_PII_EMAIL, DV_PII_SSN, DV_PII_ID, DV_PII_USERNAME };
    struct fixture *fixture = (setup(state), *state);
    int values = getenv("DATAVAULT_LONG") != NULL ? VALUES * 100 : VALUES;
    for (int i = 0; i < values; i++) {
        enum dv_pii type = types[i % 5];
        char value[64], again[DV_SURROGATE_MAX];
        random_value(&fixture->random, type, value);
        const char *made = make(fixture, type, value);
        if (made == NULL) {
            assert_true(strpbrk(value, "ABCDEFGHJK0123456789") == NULL); /* separators only */
            continue;
        }
        if (is_left(type, value, made))
            fail_msg("\"%s\" became \"%s\"", value, made);
        strcpy(again, made);
        assert_string_equal(make(fixture, type, value), again);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Of n people n²/2N pairs share a name by chance, N being 1024 times 8192 for men: some 0.5 of 3,000. Ten are no chance. */
static void collisions_are_rare(void **state)
{
    static char made[PEOPLE][64];
    struct fixture *fixture = (setup(state), *state);
    uint32_t first[26] = { 0 };
    for (int i = 0; i < PEOPLE; i++) {
        char value[64];
        snprintf(value, sizeof value, "John %s%c%c%c", "Zq", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
        snprintf(made[i], sizeof made[i], "%s", make(fixture, DV_PII_PERSON, value));
        first[made[i][0] - 'A']++;
    }
    qsort(made, PEOPLE, sizeof made[0], compare);
    int pairs = 0;
    for (int i = 1; i < PEOPLE; i++)
        pairs += strcmp(made[i - 1], made[i]) == 0;
    assert_true(pairs < 10);
    for (int i = 0; i < 26; i++)
        assert_true(first[i] < PEOPLE / 5); /* no letter has more than a fifth: names of men begin with J most, some 8 % */
}

static void other_keys_and_domains_differ(void **state)
{
    struct fixture *fixture = (setup(state), *state);
    char first[DV_SURROGATE_MAX];
    struct dv_pseudonym other;
    const struct dv_pseudonym_options how = { .domain = "surrogate/doctor" };
    strcpy(first, make(fixture, DV_PII_ID, "MRN-00471123"));
    assert_int_equal(dv_pseudonym_init(&other, (const unsigned char *)"0123456789abcdef", 16, &how), DV_OK);
    fixture->surrogate.maker = &other;
    assert_string_not_equal(make(fixture, DV_PII_ID, "MRN-00471123"), first);
    assert_int_equal(dv_pseudonym_init(&other, (const unsigned char *)"0123456789abcdeF", 16,
                                       &(struct dv_pseudonym_options){ .domain = "surrogate/person" }), DV_OK);
    assert_string_not_equal(make(fixture, DV_PII_ID, "MRN-00471123"), first);
}

/* The same in every process and on every machine: these are what this key gives, for ever. */
static void surrogates_are_for_ever(void **state)
{
    (void)setup(state);
    assert_string_equal(make(*state, DV_PII_PERSON, "Erika Mustermann"), FOREVER_NAME);
    assert_string_equal(make(*state, DV_PII_ID, "MRN-004711"), FOREVER_ID);
    assert_string_equal(make(*state, DV_PII_PHONE, "212-736-5000"), FOREVER_PHONE);
}

static const char *label(struct dv_labels *labels, unsigned value, int64_t now_ms, char *text)
{
    unsigned char digest[DV_PSEUDONYM_BYTES_MAX] = { 0 };
    struct dv_buffer out = { .text = text, .size = 32 };
    memcpy(digest, &value, sizeof value);
    memcpy(digest + 20, &value, sizeof value);
    dv_labels_put(labels, 0, digest, now_ms, &out);
    text[out.length] = '\0';
    return text;
}

static void labels_count_and_end(void **state)
{
    char text[32], code[32];
    struct dv_labels *labels = dv_labels_new(800, 1000);
    (void)state;
    assert_non_null(labels);
    assert_string_equal(label(labels, 1, 0, text), "A");
    for (unsigned i = 2; i <= 800; i++)
        (void)label(labels, i, 1, text);
    assert_string_equal(label(labels, 26, 1, text), "Z");
    assert_string_equal(label(labels, 27, 1, text), "AA");
    assert_string_equal(label(labels, 703, 1, text), "AAA");
    assert_string_equal(label(labels, 800, 1, text), "ADT");
    /* Full: a code, the same for the same value, and no other's. */
    strcpy(code, label(labels, 801, 2, text));
    assert_int_equal(strlen(code), 12);
    assert_string_equal(label(labels, 801, 3, text), code);
    assert_string_not_equal(label(labels, 802, 3, text), code);
    assert_string_equal(label(labels, 1, 999, text), "A");
    /* The window is over. */
    assert_string_equal(label(labels, 801, 1000, text), "A");
    assert_string_equal(label(labels, 1, 1001, text), "B");
    dv_labels_free(labels);
    dv_labels_free(NULL);
}

static void columns_tell_their_type(void **state)
{
    static const struct {
        const char *column;
        enum dv_pii type;
    } rows[] = { { "name", DV_PII_PERSON }, { "patient_name", DV_PII_PERSON }, { "email", DV_PII_EMAIL },
                 { "phone", DV_PII_PHONE }, { "ssn", DV_PII_SSN }, { "birth_date", DV_PII_DATE }, { "xyzzy", DV_PII_ID } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(dv_surrogate_type(rows[i].column), rows[i].type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_person_is_one_surrogate),   cmocka_unit_test(forms_are_kept),
        cmocka_unit_test(other_forms_are_refused),       cmocka_unit_test(checksums_hold),
        cmocka_unit_test(nothing_is_left),               cmocka_unit_test(collisions_are_rare),
        cmocka_unit_test(other_keys_and_domains_differ), cmocka_unit_test(surrogates_are_for_ever),
        cmocka_unit_test(labels_count_and_end),          cmocka_unit_test(columns_tell_their_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

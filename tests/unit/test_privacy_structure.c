/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_structure.c - values found by their keys and places, in every form; what is nobody's; odd and long texts.
 *
 * shows: ANO-1 ANO-2 ANO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "privacy/finder.h"
#include "privacy/glance.h"
#include "privacy/structure.h"

enum { SPANS = 256, OUT = 4096 };

/* A text, and what becomes of it when what is found is replaced. */
struct row {
    const char *text, *found;
};

static struct dv_structure *structure;

static int open_structure(void **state)
{
    (void)state;
    structure = dv_structure_new();
    return structure != NULL ? 0 : -1;
}

static int close_structure(void **state)
{
    (void)state;
    dv_structure_free(structure);
    return 0;
}

static const char *mark(const char *text, char out[OUT])
{
    struct dv_span spans[SPANS];
    size_t count = dv_structure_find(structure, text, strlen(text), DV_SEEN_ALL, DV_PII_ALL, spans, 0, SPANS);
    count = dv_structure_vote(structure, spans, count, SPANS);
    size_t length = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(spans[i].start >= at && spans[i].end > spans[i].start && spans[i].why != NULL &&
                    spans[i].score > 0);
        length += (size_t)snprintf(out + length, OUT - length, "%.*s<%s>", (int)(spans[i].start - at), text + at,
                                   dv_pii_name(spans[i].type));
        at = spans[i].end;
    }
    (void)snprintf(out + length, OUT - length, "%s", text + at);
    return out;
}

static void check(const struct row *rows, size_t count)
{
    char out[OUT];
    for (size_t i = 0; i < count; i++)
        assert_string_equal(mark(rows[i].text, out), rows[i].found);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void json_values_are_typed_by_their_keys(void **state)
{
    static const struct row rows[] = {
        { "{\"firstName\": \"Imani\", \"status\": \"active\", \"mrn\": 4471123}",
          "{\"firstName\": \"<PERSON>\", \"status\": \"active\", \"mrn\": <MRN>}" },
        { "{\"patient\":{\"name\":\"imani wanjiru\"},\"product\":{\"name\":\"Desk Lamp\"}}",
          "{\"patient\":{\"name\":\"<PERSON>\"},\"product\":{\"name\":\"Desk Lamp\"}}" },
        { "{\"given\":[\"Ann\",\"Lee\"],\"line\":[\"1 Elm St\"]}",
          "{\"given\":[\"<PERSON>\",\"<PERSON>\"],\"line\":[\"<LOCATION>\"]}" },
        { "[{\"Name\":\"family_name\",\"Value\":\"Mensah\"},{\"Name\":\"plan\",\"Value\":\"Gold\"}]",
          "[{\"Name\":\"family_name\",\"Value\":\"<PERSON>\"},{\"Name\":\"plan\",\"Value\":\"Gold\"}]" },
        { "{\"telecom\":[{\"system\":\"phone\",\"value\":\"5552368123\"}]}",
          "{\"telecom\":[{\"system\":\"phone\",\"value\":\"<PHONE>\"}]}" },
        { "{'dob': '19510912', ssn: 078051120}", "{'dob': '<DATE>', ssn: <SSN>}" },
        { "{\"payload\":\"{\\\"mrn\\\":\\\"4471123\\\"}\"}", "{\"payload\":\"{\\\"mrn\\\":\\\"<MRN>\\\"}\"}" },
        { "{\"a\":1}\n{\"city\":\"Minot\"", "{\"a\":1}\n{\"city\":\"<LOCATION>\"" },
        { "{\"email\": null, \"phone\": \"\", \"lastName\": \"N/A\"}",
          "{\"email\": null, \"phone\": \"\", \"lastName\": \"N/A\"}" },
        { "{\"email\": \"ann\\u0040x.org\"}", "{\"email\": \"<EMAIL>\"}" },
        { "{\"last_name\": \"O\\\"Neil\"}", "{\"last_name\": \"<PERSON>\"}" },
    };
    (void)state;
    CHECK(rows);
}

static void tables_have_heads(void **state)
{
    static const struct row rows[] = {
        { "id,last_name,dob,diagnosis\n1,Mensah,19510912,Flu\n2,\"Lee, Ann\",19600101,Gout\n",
          "id,last_name,dob,diagnosis\n1,<PERSON>,<DATE>,Flu\n2,\"<PERSON>\",<DATE>,Gout\n" },
        { "nombre;dni;saldo\nImani;12345678Z;12\n", "nombre;dni;saldo\n<PERSON>;<ID>;12\n" },
        { "| Patient | MRN |\n|---|---|\n| ann lee | 88123 |\n",
          "| Patient | MRN |\n|---|---|\n| <PERSON> | <MRN> |\n" },
        { "User\tIP\nalee9\t10.1.2.3\n", "User\tIP\n<USERNAME>\t<IP>\n" },
        { "<table><tr><th>Name<th>Acct</tr><tr><td>Ann Lee<td>88123456</tr></table>",
          "<table><tr><th>Name<th>Acct</tr><tr><td><PERSON><td><ACCOUNT></tr></table>" },
        { "INSERT INTO p (last_nm, zip, n) VALUES ('O''Hara', '02115', 3), ('Lee', '90210', 4);",
          "INSERT INTO p (last_nm, zip, n) VALUES ('<PERSON>', '<LOCATION>', 3), ('<PERSON>', '<LOCATION>', 4);" },
    };
    (void)state;
    CHECK(rows);
}

static void elements_and_attributes(void **state)
{
    static const struct row rows[] = {
        { "<p:patient><p:family>Lee</p:family><status>open</status></p:patient>",
          "<p:patient><p:family><PERSON></p:family><status>open</status></p:patient>" },
        { "<name><given value=\"Ann\"/></name><birthDate value='1951-09-12'/>",
          "<name><given value=\"<PERSON>\"/></name><birthDate value='<DATE>'/>" },
        { "<field name=\"ssn\">078051120</field><input name=\"qty\" value=\"3\">",
          "<field name=\"ssn\"><SSN></field><input name=\"qty\" value=\"3\">" },
        { "<dl><dt>Patient</dt><dd>Ann Lee</dd></dl>", "<dl><dt>Patient</dt><dd><PERSON></dd></dl>" },
        { "<PERSON> visited <LOCATION> on Monday.", "<PERSON> visited <LOCATION> on Monday." },
        { "if a <b and c> d", "if a <b and c> d" },
    };
    (void)state;
    CHECK(rows);
}

static void messages_are_known_by_place(void **state)
{
    static const struct row rows[] = {
        { "MSH|^~\\&|A|B|||20240101||ADT^A01|1|P|2.3\rPID|1||88123^^^H^MR||LEE^ANN^Q||19510912|F|||1 "
          "ELM^^MINOT^ND^58701^^H||5552368123\r",
          "MSH|^~\\&|A|B|||20240101||ADT^A01|1|P|2.3\rPID|1||<MRN>^^^H^MR||<PERSON>||<DATE>|F|||<LOCATION>^^<LOCATION>^"
          "<LOCATION>^<LOCATION>^^H||<PHONE>\r" },
        { "PV1|1|I|ICU^1^A||||1234567893^LEE^ANN^^^DR", "PV1|1|I|ICU^1^A||||<ID>^<PERSON>^^^DR" },
        { "MSH#^~\\&#A\nPID#1##88123##LEE^ANN", "MSH#^~\\&#A\nPID#1##<MRN>##<PERSON>" },
        { "NM1*IL*1*LEE*ANN****MI*W123456789~N3*1 "
          "ELM~N4*MINOT*ND*58701~DMG*D8*19510912*F~REF*SY*078051120~CLM*9911*500~",
          "NM1*IL*1*<PERSON>*<PERSON>****MI*<ID>~N3*<LOCATION>~N4*<LOCATION>*<LOCATION>*<LOCATION>~DMG*D8*<DATE>*F~REF*"
          "SY*<SSN>~CLM*<ACCOUNT>*500~" },
        { "NM1*PR*2*ACME HEALTH*****PI*60054~", "NM1*PR*2*ACME HEALTH*****PI*60054~" },
        { "PIDGIN is a language", "PIDGIN is a language" },
    };
    (void)state;
    CHECK(rows);
}

static void pairs_in_running_text(void **state)
{
    static const struct row rows[] = {
        { "user=alee9 port=51122 status=ok", "user=<USERNAME> port=51122 status=ok" },
        { "GET /s?first=Ann&mail=ann%40x.org&page=2", "GET /s?first=<PERSON>&mail=<EMAIL>&page=2" },
        { "Name: Ann Lee   DOB: 19510912", "Name: <PERSON>   DOB: <DATE>" },
        { "Dictated by: Ann Lee, MD", "Dictated by: <PERSON>, MD" },
        { "MRN#: 88123, NASS: 34 78567058 15.", "MRN#: <MRN>, NASS: <ID>." },
        { "patient:\n  name: Ann Lee\n  notes: |\n    calm", "patient:\n  name: <PERSON>\n  notes: |\n    calm" },
        { "Patient Name:\nAnn Lee\n", "Patient Name:\n<PERSON>\n" },
        { "10.1.2.3 - alee9 [10/Apr/2024:03:45:10 +0000] \"GET /\"",
          "10.1.2.3 - <USERNAME> [10/Apr/2024:03:45:10 +0000] \"GET /\"" },
        { "Note: take with food. Ratio: 3:1, at 10:30.", "Note: take with food. Ratio: 3:1, at 10:30." },
        { "FAMILY HISTORY:\nHis brother had gout.", "FAMILY HISTORY:\nHis brother had gout." },
        { "if (x == 1) { name = foo(y); }", "if (x == 1) { name = foo(y); }" },
    };
    (void)state;
    CHECK(rows);
}

/* Most of a column are dates by pattern: so is the one that no pattern knows. */
static void columns_vote(void **state)
{
    static const char text[] = "a1,2001-01-02,x\na2,2002-03-04,y\na3,2003-05-06,z\na4,2004-7-8,z\n";
    struct dv_span spans[SPANS];
    struct dv_detector detector;
    (void)state;
    dv_detector_init(&detector, NULL);
    size_t count = dv_detect(&detector, text, sizeof text - 1, spans, SPANS);
    spans[count - 1] = spans[3 < count ? 3 : count - 1];
    count = 3; /* as if the last were unknown */
    count = dv_structure_find(structure, text, sizeof text - 1, DV_SEEN_ALL, DV_PII_ALL, spans, count, SPANS);
    assert_int_equal(count, 3);
    count = dv_structure_vote(structure, spans, count, SPANS);
    assert_int_equal(count, 4);
    assert_int_equal(spans[3].type, DV_PII_DATE);
    assert_int_equal(spans[3].start, strstr(text, "2004") - text);
}

static void plain_values_are_told(void **state)
{
    static const char text[] = "{\"drug\":\"Sterling Ann\",\"n\":1}";
    struct dv_span spans[SPANS];
    size_t count = 0;
    (void)state;
    assert_int_equal(dv_structure_find(structure, text, sizeof text - 1, DV_SEEN_ALL, DV_PII_ALL, spans, 0, SPANS), 0);
    const struct dv_span *plain = dv_structure_plain(structure, &count);
    assert_int_equal(count, 2); /* the key, too */
    assert_memory_equal(text + plain[1].start, "Sterling Ann", plain[1].end - plain[1].start);
}

/* A cell before heads has none itself: what another text had there is not to be read. */
static void a_text_knows_no_heads_of_another(void **state)
{
    static const char heads[] = "<table><tr><th>Diagnosis</th><th>MRN</th><th>Ward</th></tr></table>";
    static const char short_text[] = "<tr><td>x<th>DOB<th>Ward</th></tr><tr><td>a<td>1980<td>b</tr>";
    enum { BEFORE = 4096 };
    struct dv_span spans[SPANS];
    char *first = malloc(BEFORE + sizeof heads - 1), *second = malloc(sizeof short_text - 1);
    (void)state;
    memset(first, ' ', BEFORE);
    memcpy(first + BEFORE, heads, sizeof heads - 1);
    memcpy(second, short_text, sizeof short_text - 1);
    (void)dv_structure_find(structure, first, BEFORE + sizeof heads - 1, DV_SEEN_ALL, DV_PII_ALL, spans, 0, SPANS);
    (void)dv_structure_find(structure, second, sizeof short_text - 1, DV_SEEN_ALL, DV_PII_ALL, spans, 0, SPANS);
    free(first);
    free(second);
}

/* Too many to keep, and to return: the rest is covered. */
static void long_texts_are_covered(void **state)
{
    enum { COPIES = 20000 };
    static const char line[] = "mrn=88123 x\n";
    size_t length = COPIES * (sizeof line - 1);
    char *text = malloc(length);
    struct dv_span *spans = calloc(COPIES + 1, sizeof *spans);
    (void)state;
    for (size_t i = 0; i < COPIES; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
    size_t count = dv_structure_find(structure, text, length, DV_SEEN_ALL, DV_PII_ALL, spans, 0, COPIES + 1);
    assert_int_equal(spans[count - 1].end, length);
    assert_int_equal(spans[count - 1].type, DV_PII_OTHER);
    count = dv_structure_find(structure, text, length, DV_SEEN_ALL, DV_PII_ALL, spans, 0, 3);
    assert_int_equal(count, 3);
    assert_int_equal(spans[2].end, length);
    free(spans);
    free(text);
}

/* What might be read again and again, a quarter of a megabyte of each: hundreds of times more than it needs. */
static void odd_texts_take_bounded_time(void **state)
{
    enum { LENGTH = 1 << 18 };
    static const char *const parts[] = { "{",       "[{",   "{\"a\":",     "<a ",      "<a>",      "\"",
                                         "a=",      "a:",   ": ",          ",\"",      ",\n",      "PID|",
                                         "NM1*~",   "|",    "a,b,c\n",     "name: ",   "VALUES (", "INTO a (",
                                         "<td>",    "\\\"", "x",           "\n",       "\"a\n,",   "{a:b}",
                                         "name:\n", "Ann ", "a b c d: ",   "\xff",     "<!--",     "~",
                                         "k=v&",    "(",    "name=Ann B ", "{\"k\":\"" };
    char *text = malloc(LENGTH);
    struct dv_span *spans = calloc(SPANS, sizeof *spans);
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t length = strlen(parts[i]);
        for (size_t at = 0; at < LENGTH; at++)
            text[at] = parts[i][at % length];
        clock_t began = clock();
        size_t count = dv_structure_find(structure, text, LENGTH, DV_SEEN_ALL, DV_PII_ALL, spans, 0, SPANS);
        count = dv_structure_vote(structure, spans, count, SPANS);
        double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
        if (seconds > 1.0)
            print_error("'%s' repeated takes %.1f s\n", parts[i], seconds);
        assert_true(count <= SPANS && seconds < 4.0);
    }
    memset(text, 0, LENGTH);
    assert_int_equal(dv_structure_find(structure, text, LENGTH, DV_SEEN_ALL, DV_PII_ALL, spans, 0, SPANS), 0);
    free(spans);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_values_are_typed_by_their_keys),
        cmocka_unit_test(tables_have_heads),
        cmocka_unit_test(elements_and_attributes),
        cmocka_unit_test(messages_are_known_by_place),
        cmocka_unit_test(pairs_in_running_text),
        cmocka_unit_test(a_text_knows_no_heads_of_another),
        cmocka_unit_test(columns_vote),
        cmocka_unit_test(plain_values_are_told),
        cmocka_unit_test(long_texts_are_covered),
        cmocka_unit_test(odd_texts_take_bounded_time),
    };
    return cmocka_run_group_tests(tests, open_structure, close_structure);
}

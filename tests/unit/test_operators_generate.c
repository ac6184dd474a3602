/* SPDX-License-Identifier: Apache-2.0
 * test_operators_generate.c - invented records: the same for the same seed, fit for the shipped schemas, plausible and
 * of nobody real; and the source that makes them at a pace.
 *
 * shows: SYN-1 SYN-2 SYN-3 SYN-4 SYN-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/diag.h"
#include "engine/graph.h"
#include "engine/json.h"
#include "engine/loop.h"
#include "engine/operator.h"
#include "engine/option.h"
#include "operators/generate/person.h"
#include "operators/generator.h"

extern const struct dv_operator dv_operator_source_generate;

/* One record as a NUL-terminated text. */
static const char *record_at(enum dv_domain domain, uint64_t seed, uint64_t number, char text[DV_GENERATE_MAX + 1])
{
    struct dv_generator generator;
    dv_generator_init(&generator, domain, seed);
    generator.next = number;
    size_t length = dv_generate(&generator, text, DV_GENERATE_MAX);
    assert_true(length > 0);
    assert_int_equal(generator.next, number + 1);
    text[length] = '\0';
    return text;
}

static void follows_from_seed_and_number(void **state)
{
    (void)state;
    for (enum dv_domain domain = DV_DOMAIN_HEALTHCARE; domain < DV_DOMAIN_COUNT; domain++) {
        struct dv_generator generator;
        dv_generator_init(&generator, domain, 7);
        for (uint64_t number = 0; number < 600; number++) {
            char text[DV_GENERATE_MAX + 1];
            char again[DV_GENERATE_MAX + 1];
            text[dv_generate(&generator, text, DV_GENERATE_MAX)] = '\0';
            assert_string_equal(text, record_at(domain, 7, number, again));
            assert_string_not_equal(text, record_at(domain, 8, number, again));
            assert_string_not_equal(text, record_at(domain, 7, number + 1, again));
        }
    }
}

/* On every machine and with every compiler: these texts are kept as they were first made. */
static void stays_as_it_was(void **state)
{
    (void)state;
    char text[DV_GENERATE_MAX + 1];
    assert_string_equal(record_at(DV_DOMAIN_HEALTHCARE, 1, 1, text),
                        "{\"patient_id\":\"P00001196\",\"name\":\"Omar Moore\",\"ssn\":\"104-77-0326\",\"email\":"
                        "\"omar.moore861@clinic.example.net\",\"phone\":\"+1 415 555 0159\",\"age\":48,\"diagno"
                        "sis\":\"COVID-19\",\"treatment_plan\":\"Isolation and rest\",\"visit_date\":\"2024-01-"
                        "01\",\"symptoms\":[\"cough\",\"sore throat\"],\"vitals\":{\"systolic\":127,\"diastolic"
                        "\":77,\"heart_rate\":98,\"temperature\":38.2},\"outcome\":\"worsened\",\"note\":\"Seen"
                        " in follow-up; reports feeling better since the last visit. Discussed diet, exercise a"
                        "nd sleep.\"}");
    assert_string_equal(record_at(DV_DOMAIN_FINANCE, 1, 3, text),
                        "{\"account\":\"DE54422104927883381944\",\"name\":\"Maria Okafor\",\"email\":\"maria.ok"
                        "afor557@clinic.example.net\",\"card\":\"4611413445592080\",\"transaction_type\":\"Debi"
                        "t\",\"amount\":1354.66,\"merchant_category\":\"Travel\",\"transaction_time\":\"2025-11"
                        "-07T07:20:15Z\",\"memo\":\"Card present, terminal 66793.\"}");
}

static void tells_when_there_is_no_room(void **state)
{
    (void)state;
    struct dv_generator generator;
    dv_generator_init(&generator, DV_DOMAIN_HEALTHCARE, 1);
    char text[DV_GENERATE_MAX];
    size_t length = dv_generate(&generator, text, sizeof text);
    generator.next = 0;
    char *exact = malloc(length);
    assert_non_null(exact);
    for (size_t size = 0; size < length; size++)
        assert_int_equal(dv_generate(&generator, exact, size), 0);
    assert_int_equal(generator.next, 0);
    assert_int_equal(dv_generate(&generator, exact, length), length);
    assert_memory_equal(exact, text, length);
    free(exact);
}

static bool satisfies_luhn(const char *digits)
{
    int sum = 0;
    size_t count = strlen(digits);
    for (size_t i = 0; i < count; i++) {
        int digit = digits[count - 1 - i] - '0';
        sum += i % 2 == 0 ? digit : 2 * digit / 10 + 2 * digit % 10;
    }
    return sum % 10 == 0;
}

/* The first four characters go to the end, letters become numbers, and the remainder by 97 is 1. */
static bool satisfies_mod97(const char *iban)
{
    char turned[64];
    int length =
        snprintf(turned, sizeof turned, "%s%d%d%.2s", iban + 4, iban[0] - 'A' + 10, iban[1] - 'A' + 10, iban + 2);
    unsigned remainder = 0;
    for (int i = 0; i < length; i++)
        remainder = (remainder * 10 + (unsigned)(turned[i] - '0')) % 97;
    return remainder == 1;
}

static void invents_people(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 20000; number++) {
        struct dv_person person;
        struct dv_person again;
        memset(&person, 0, sizeof person);
        memset(&again, 0, sizeof again);
        dv_person_make(&person, 3, number);
        dv_person_make(&again, 3, number);
        assert_memory_equal(&person, &again, sizeof person);
        assert_int_equal(strlen(person.card), 16);
        assert_true(satisfies_luhn(person.card));
        assert_int_equal(strlen(person.iban), 22);
        assert_true(satisfies_mod97(person.iban));
        assert_non_null(strstr(person.email, "example."));
        assert_non_null(strstr(person.phone, "555"));
        assert_int_equal(strlen(person.ssn), 11);
        assert_true(memcmp(person.ssn, "000", 3) != 0 && memcmp(person.ssn, "666", 3) != 0 && person.ssn[0] < '9');
    }
}

/* The value of a text or number field of a record that has no escapes, NUL-terminated in `out`. */
static const char *field(const char *record, const char *key, char out[512])
{
    char quoted[64];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(record, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    size_t length = *at == '"' ? strcspn(++at, "\"") : strcspn(at, ",}");
    memcpy(out, at, length);
    out[length] = '\0';
    return out;
}

static void some_notes_give_somebody_away(void **state)
{
    (void)state;
    int personal = 0;
    for (uint64_t number = 0; number < 5000; number++) {
        char text[DV_GENERATE_MAX + 1];
        char note[512];
        char name[512];
        record_at(DV_DOMAIN_HEALTHCARE, 2, number, text);
        field(text, "note", note);
        const char *last = strchr(field(text, "name", name), ' ') + 1;
        personal += strstr(note, last) != NULL || strstr(note, "example") != NULL || strstr(note, "555") != NULL ||
                    strstr(note, "MRN") != NULL || strstr(note, "card") != NULL;
    }
    assert_in_range(personal, 1350, 1650);
}

static int count_diagnosis(uint64_t from, const char *diagnosis)
{
    int count = 0;
    for (uint64_t number = from; number < from + 400; number++) {
        char text[DV_GENERATE_MAX + 1];
        char value[512];
        record_at(DV_DOMAIN_HEALTHCARE, 2, number, text);
        count += strcmp(field(text, "diagnosis", value), diagnosis) == 0;
    }
    return count;
}

static void diagnoses_drift(void **state)
{
    (void)state;
    int high = count_diagnosis(400, "Influenza A");
    int low = count_diagnosis(1600, "Influenza A");
    assert_true(high > 3 * low && high > 30);
    assert_in_range(count_diagnosis(400, "Essential hypertension"), 30, 90);
    assert_in_range(count_diagnosis(1600, "Essential hypertension"), 30, 90);
}

/* Usual amounts; what is above 12 times as much no holder spends, except by an anomaly. */
static double usual_amount(const char *category)
{
    static const struct {
        const char *name;
        double usual;
    } categories[] = { { "Groceries", 45 },     { "Restaurants", 32 }, { "Fuel", 52 },         { "Utilities", 95 },
                       { "Pharmacy", 18 },      { "Travel", 260 },     { "Electronics", 180 }, { "Clothing", 68 },
                       { "Entertainment", 26 }, { "Health", 82 },      { "Online retail", 56 } };
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
        if (strcmp(category, categories[i].name) == 0)
            return categories[i].usual;
    }
    fail_msg("unknown category");
    return 0;
}

static void a_few_amounts_are_out_of_line(void **state)
{
    (void)state;
    int anomalies = 0;
    int credits = 0;
    for (uint64_t number = 0; number < 50000; number++) {
        char text[DV_GENERATE_MAX + 1];
        char value[512];
        record_at(DV_DOMAIN_FINANCE, 5, number, text);
        double usual = usual_amount(field(text, "merchant_category", value));
        double amount = strtod(field(text, "amount", value), NULL);
        assert_true(amount > 0);
        anomalies += amount > 12 * usual;
        const char *type = field(text, "transaction_type", value);
        credits += strcmp(type, "Credit") == 0;
        assert_true(strcmp(type, "Credit") == 0 || strcmp(type, "Debit") == 0);
    }
    assert_in_range(anomalies, 150, 250);
    assert_in_range(credits, 5500, 6500);
}

/* ---- the source, in a graph of its own under a simulated clock ---- */

enum { SEEN_MAX = 2048 };

/* What the sink of a test saw. */
struct seen {
    struct dv_loop_sim loop;
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_graph *graph;
    struct dv_error error;
    dv_rc rc;
    bool done;
    uint32_t count;
    uint32_t batches;
    uint64_t last_ns;
    uint32_t stop_after; /* records, or 0 */
    uint8_t ids[SEEN_MAX][DV_ID_BYTES];
    enum dv_domain domain;
    struct dv_surge surge;
};

static void surging_at(const struct dv_surge *surge, uint64_t number, char text[DV_GENERATE_MAX + 1])
{
    struct dv_generator generator;
    dv_generator_init(&generator, DV_DOMAIN_HEALTHCARE, 1);
    generator.next = number;
    generator.surge = *surge;
    text[dv_generate(&generator, text, DV_GENERATE_MAX)] = '\0';
}

static void expect_row(struct seen *seen, const struct dv_batch *batch, uint32_t row)
{
    char expected[DV_GENERATE_MAX + 1];
    if (seen->surge.value != NULL)
        surging_at(&seen->surge, seen->count, expected);
    else
        record_at(seen->domain, 11, seen->count, expected);
    char *written = malloc(dv_json_record_bound(batch, row) + 1);
    assert_non_null(written);
    written[dv_json_record(batch, row, written)] = '\0';
    /* The same text: so each field has its column, in the schema's order, and none is left over. */
    assert_string_equal(written, expected);
    free(written);
    assert_int_equal(batch->row[row].offset, seen->count);
    memcpy(seen->ids[seen->count], batch->row[row].id, DV_ID_BYTES);
    if (seen->count > 0)
        assert_true(memcmp(seen->ids[seen->count - 1], seen->ids[seen->count], DV_ID_BYTES) < 0);
    seen->count++;
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    struct seen *seen = dv_node_service(node, DV_SERVICE_FEED);
    assert_int_equal(batch->row[0].offset, seen->count);
    for (uint32_t row = 0; row < batch->rows; row++)
        expect_row(seen, batch, row);
    seen->batches++;
    seen->last_ns = dv_now_ns(&seen->loop.base);
    if (seen->stop_after != 0 && seen->count >= seen->stop_after)
        dv_graph_stop(seen->graph);
    return DV_PASS;
}

static dv_rc sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static const struct dv_option no_options[] = { { 0 } };

static const struct dv_operator sink = { .name = "seen",
                                         .summary = "Counts.",
                                         .options = no_options,
                                         .size = 1,
                                         .sink = true,
                                         .transfer = sink_transfer,
                                         .process = sink_process };

static const struct dv_operator *const operators[] = { &dv_operator_source_generate, &sink, NULL };

static void on_done(struct dv_graph *graph, dv_rc rc, void *data)
{
    (void)graph;
    struct seen *seen = data;
    seen->done = true;
    seen->rc = rc;
}

static int open_seen(void **state)
{
    struct seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL)
        return -1;
    dv_arena_init(&seen->arena, 1 << 24);
    dv_diags_init(&seen->diags, &seen->arena);
    dv_loop_sim_init(&seen->loop);
    *state = seen;
    return 0;
}

static int close_seen(void **state)
{
    struct seen *seen = *state;
    if (seen->graph != NULL)
        dv_graph_free(seen->graph);
    dv_arena_free(&seen->arena);
    free(seen);
    return 0;
}

static void load(struct seen *seen, const char *options)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "name: test\ngraph:\n  in: { op: source, from: generate, %s }\n"
                   "  out: { op: seen, after: in }\n",
                   options);
    char *kept = dv_arena_copy(&seen->arena, text, strlen(text));
    seen->graph = dv_graph_parse("conf/test.yaml", kept, strlen(kept), operators, &seen->diags);
}

static void start(struct seen *seen)
{
    dv_graph_provide(seen->graph, DV_SERVICE_FEED, seen);
    assert_int_equal(dv_graph_start(seen->graph, &seen->loop.base, on_done, seen, &seen->error), DV_OK);
    while (!seen->done && dv_loop_sim_step(&seen->loop))
        ;
    assert_true(seen->done);
    assert_int_equal(seen->rc, DV_OK);
}

static void run(struct seen *seen, const char *options)
{
    load(seen, options);
    if (seen->graph == NULL)
        dv_diags_print(&seen->diags, stderr, false);
    assert_non_null(seen->graph);
    start(seen);
}

static void fills_the_healthcare_schema(void **state)
{
    struct seen *seen = *state;
    run(seen, "schema: healthcare, count: 700, seed: 11");
    assert_int_equal(seen->count, 700);
    assert_int_equal(seen->batches, 3);
}

static void fills_the_finance_schema(void **state)
{
    struct seen *seen = *state;
    seen->domain = DV_DOMAIN_FINANCE;
    run(seen, "schema: finance, domain: finance, count: 512, seed: 11");
    assert_int_equal(seen->count, 512);
    assert_int_equal(seen->batches, 2);
}

static void keeps_the_pace(void **state)
{
    struct seen *seen = *state;
    run(seen, "schema: healthcare, count: 51, rate: 10, seed: 11");
    assert_int_equal(seen->count, 51);
    assert_in_range(seen->last_ns / 1000000, 5000, 5100);
    assert_true(seen->batches > 40);
}

static void makes_bursts_at_a_high_pace(void **state)
{
    struct seen *seen = *state;
    run(seen, "schema: healthcare, count: 2000, rate: 5000, seed: 11");
    assert_int_equal(seen->count, 2000);
    assert_in_range(seen->last_ns / 1000000, 380, 440);
    assert_true(seen->batches <= 30);
}

static void stops_while_it_waits(void **state)
{
    struct seen *seen = *state;
    seen->stop_after = 3;
    run(seen, "schema: healthcare, rate: 1, seed: 11");
    assert_int_equal(seen->count, 3);
    assert_true(seen->last_ns < 4000000000u);
}

static void stops_at_full_speed(void **state)
{
    struct seen *seen = *state;
    seen->stop_after = 600;
    run(seen, "schema: healthcare, seed: 11");
    assert_in_range(seen->count, 600, SEEN_MAX);
}

static void wants_a_schema_that_is_there(void **state)
{
    struct seen *seen = *state;
    load(seen, "schema: nowhere");
    assert_null(seen->graph);
    assert_int_equal(seen->diags.count, 1);
    assert_string_equal(seen->diags.first->code, "C031");
    assert_int_equal(seen->diags.first->place.line, 3);
}

static void plants_by_seconds_of_records(void **state)
{
    struct seen *seen = *state;
    load(seen, "schema: healthcare, rate: 100, surge: Asthma, surge_factor: 20, surge_after: 2s, surge_for: 1s, surge_every: 4s, count: 900, seed: 1");
    assert_non_null(seen->graph);
    static const struct dv_surge surge = { .value = "Asthma", .factor = 20, .after = 200, .length = 100, .every = 400 };
    seen->surge = surge;
    start(seen);
    assert_int_equal(seen->count, 900);
}

static void refuses_a_surge_of_nothing(void **state)
{
    static const struct { const char *options, *code; } wrong[] = {
        { "schema: healthcare, rate: 10, surge: Travel", "C240" },
        { "schema: finance, domain: finance, rate: 10, surge: Asthma", "C240" },
        { "schema: healthcare, surge: Asthma", "C241" },
        { "schema: healthcare, rate: 10, surge: Asthma, surge_for: 10s, surge_every: 10s", "C242" },
    };
    struct seen *seen = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        dv_diags_init(&seen->diags, &seen->arena);
        load(seen, wrong[i].options);
        assert_null(seen->graph);
        assert_int_equal(seen->diags.count, 1);
        assert_string_equal(seen->diags.first->code, wrong[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_from_seed_and_number),
        cmocka_unit_test(stays_as_it_was),
        cmocka_unit_test(tells_when_there_is_no_room),
        cmocka_unit_test(invents_people),
        cmocka_unit_test(some_notes_give_somebody_away),
        cmocka_unit_test(diagnoses_drift),
        cmocka_unit_test(a_few_amounts_are_out_of_line),
        cmocka_unit_test_setup_teardown(plants_by_seconds_of_records, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(refuses_a_surge_of_nothing, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(fills_the_healthcare_schema, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(fills_the_finance_schema, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(keeps_the_pace, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(makes_bursts_at_a_high_pace, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(stops_while_it_waits, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(stops_at_full_speed, open_seen, close_seen),
        cmocka_unit_test_setup_teardown(wants_a_schema_that_is_there, open_seen, close_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

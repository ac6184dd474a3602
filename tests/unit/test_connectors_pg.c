/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_pg.c - what the PostgreSQL store does without a server: arrays, the meaning of SQLSTATEs, URLs, waiting.
 * shows: STO-1 STO-5 BCP-2 ENC-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/pg_array.h"
#include "connectors/pg_error.h"
#include "connectors/pg_url.h"
#include "engine/breaker.h"
#include "tests/unit/connectors_world.h"

static struct dv_store_bytes text(const char *at)
{
    return (struct dv_store_bytes){ at, strlen(at) };
}

static struct dv_store_row make_row(uint8_t number, const char *tenant, bool subject)
{
    struct dv_store_row row = { .created_ms = 946684800000 + number, .tenant = text(tenant), .schema = text("visit"),
                                .data_hash = text("hash"), .key_ref = text("key"), .nonce = text("nonce"),
                                .ciphertext = text("cipher") };
    memset(row.id, number, sizeof row.id);
    if (subject)
        row.subject_ref = text("subj");
    return row;
}

static uint32_t read_int32(const char **at)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    *at += 4;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void check_head(const char **at, uint32_t nulls, uint32_t type, uint32_t count)
{
    assert_int_equal(read_int32(at), 1);
    assert_int_equal(read_int32(at), nulls);
    assert_int_equal(read_int32(at), type);
    assert_int_equal(read_int32(at), count);
    assert_int_equal(read_int32(at), 1);
}

static void check_value(const char **at, const char *expected)
{
    if (expected == NULL) {
        assert_int_equal(read_int32(at), UINT32_MAX);
        return;
    }
    assert_int_equal(read_int32(at), strlen(expected));
    assert_memory_equal(*at, expected, strlen(expected));
    *at += strlen(expected);
}

/* Two puts in one statement: every byte of the nine arrays. */
static void test_arrays_have_the_server_s_layout(void **state)
{
    (void)state;
    static const uint32_t types[] = { 2950, 25, 25, 1184, 17, 25, 17, 17, 17 };
    static const char *const texts[][3] = {
        { NULL }, { "a", "bb", "c" }, { "visit", "visit", "visit" }, { NULL }, { "hash", "hash", "hash" },
        { "key", "key", "key" }, { "subj", NULL, "subj" }, { "nonce", "nonce", "nonce" }, { "cipher", "cipher", "cipher" },
    };
    struct dv_store_row rows[] = { make_row(1, "a", true), make_row(2, "bb", false), make_row(3, "c", true) };
    struct dv_store_request second = { .kind = DV_STORE_PUT, .rows = rows + 2, .count = 1 };
    struct dv_store_request first = { .kind = DV_STORE_PUT, .rows = rows, .count = 2, .next = &second };
    size_t size = dv_pg_arrays_size(&first);
    char *buffer = malloc(size);
    struct dv_pg_arrays arrays;
    assert_int_equal(dv_pg_rows_of(&first), 3);
    dv_pg_arrays_encode(&first, buffer, &arrays);
    const char *end = buffer;
    for (int column = 0; column < DV_PG_COLUMNS; column++) {
        const char *at = arrays.values[column];
        assert_ptr_equal(at, end);
        end = at + arrays.lengths[column];
        check_head(&at, column == 6, types[column], 3);
        for (uint8_t i = 0; i < 3 && texts[column][0] != NULL; i++)
            check_value(&at, texts[column][i]);
        for (uint8_t i = 0; i < 3 && column == 0; i++, at += 16) {
            assert_int_equal(read_int32(&at), 16);
            assert_memory_equal(at, rows[i].id, 16);
        }
        for (uint8_t i = 0; i < 3 && column == 3; i++, at += 8) {
            assert_int_equal(read_int32(&at), 8);
            assert_int_equal(dv_pg_read_int64(at), 1000 * (i + 1));
        }
        assert_ptr_equal(at, end);
    }
    assert_ptr_equal(end, buffer + size);
    free(buffer);
}

static void test_ids_alone(void **state)
{
    (void)state;
    struct dv_store_row rows[] = { make_row(7, "a", true), make_row(8, "a", true) };
    struct dv_store_request put = { .kind = DV_STORE_PUT, .rows = rows, .count = 2 };
    char buffer[128];
    assert_int_equal(dv_pg_ids_size(&put), 20 + 2 * 20);
    dv_pg_ids_encode(&put, buffer);
    const char *at = buffer;
    check_head(&at, 0, 2950, 2);
    assert_int_equal(read_int32(&at), 16);
    assert_memory_equal(at, rows[0].id, 16);
}

static void test_times_fit_or_become_infinite(void **state)
{
    (void)state;
    assert_int_equal(dv_pg_time_of_ms(946684800000), 0);
    assert_int_equal(dv_pg_time_of_ms(0), -INT64_C(946684800000000));
    assert_true(dv_pg_time_of_ms(INT64_MAX) == INT64_MAX);
    assert_true(dv_pg_time_of_ms(INT64_MIN) == INT64_MIN);
    const int64_t times[] = { 0, 1, -1, 1700000000123, 253402300799999 };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        assert_true(dv_pg_time_to_ms(dv_pg_time_of_ms(times[i])) == times[i]);
    assert_int_equal(dv_pg_time_to_ms(-1), 946684800000 - 1);
}

static void test_meaning_of_sqlstates(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        dv_rc rc;
        bool reconnects;
    } rows[] = {
        { "08006", DV_E_DEPENDENCY, true },  { "57P01", DV_E_DEPENDENCY, true },  { "57P03", DV_E_DEPENDENCY, true },
        { "57014", DV_E_DEPENDENCY, false }, { "40P01", DV_E_DEPENDENCY, false }, { "40001", DV_E_DEPENDENCY, false },
        { "53100", DV_E_FULL, false },       { "53300", DV_E_DEPENDENCY, false }, { "25006", DV_E_DEPENDENCY, true },
        { "22021", DV_E_DATA, false },       { "23502", DV_E_DATA, false },       { "23514", DV_E_DATA, false },
        { "28P01", DV_E_CONFIG, true },      { "42501", DV_E_CONFIG, true },      { "42P01", DV_E_CONFIG, true },
        { "3F000", DV_E_CONFIG, true },      { "3D000", DV_E_CONFIG, true },      { "42703", DV_E_CONFIG, true },
        { "26000", DV_E_DEPENDENCY, true },  { "0A000", DV_E_DEPENDENCY, true },  { "XX001", DV_E_FAILED, false },
        { "XX000", DV_E_IO, false },         { "99999", DV_E_IO, false },         { "", DV_E_IO, false },
        { NULL, DV_E_DEPENDENCY, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dv_pg_outcome outcome = dv_pg_outcome_of(rows[i].sqlstate);
        assert_int_equal(outcome.rc, rows[i].rc);
        assert_int_equal(outcome.reconnects, rows[i].reconnects);
        assert_true(outcome.reason != NULL || outcome.rc == DV_E_DATA);
    }
    assert_non_null(strstr(dv_pg_outcome_of("42P01").reason, "run: datavault migrate"));
}

/* Whatever a server or a library writes, nothing of it but a code is shown. */
static void test_messages_are_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        dv_rc rc;
        const char *sqlstate;
    } rows[] = {
        { "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01\n", DV_E_CONFIG, "28P01" },
        { "connection to server at \"x\", port 1 failed: FATAL:  57P03\n", DV_E_DEPENDENCY, "57P03" },
        { "connection to server at \"x\" failed: Connection refused\n\tIs the server running?\n", DV_E_DEPENDENCY, "" },
        { "server certificate for \"a\" does not match host name \"b\"", DV_E_CONFIG, "" },
        { "root certificate file \"/SECRET\" does not exist", DV_E_CONFIG, "" },
        { "SSL error: certificate verify failed", DV_E_CONFIG, "" },
        { "server does not support SSL, but SSL was required", DV_E_CONFIG, "" },
        { "fe_sendauth: no password supplied", DV_E_CONFIG, "" },
        { "SECRET", DV_E_DEPENDENCY, "" }, { "", DV_E_DEPENDENCY, "" }, { NULL, DV_E_DEPENDENCY, "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dv_error error = { 0 };
        const struct dv_pg_outcome outcome = dv_pg_outcome_of_message(rows[i].message);
        assert_int_equal(outcome.rc, rows[i].rc);
        assert_string_equal(outcome.sqlstate, rows[i].sqlstate);
        assert_int_equal(dv_pg_outcome_error(&outcome, &error), rows[i].rc);
        assert_null(strstr(error.text, "SECRET"));
        assert_null(strstr(error.text, "127.0.0.1"));
    }
}

static struct dv_pg_config config_of(const char *url)
{
    return (struct dv_pg_config){ .url = url, .schema = "datavault", .table = "encrypted_blobs", .connections = 2,
                                  .connect_timeout_ms = 1000, .timeout_ms = 1000 };
}

static void clear_environment(void)
{
    static const char *const names[] = { "PGHOST", "PGSSLMODE", "PGSSLROOTCERT", "PGPASSWORD" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(unsetenv(names[i]), 0);
}

static struct dv_pg_params *params_of(const char *url, uint32_t attempt)
{
    struct dv_pg_params *params = NULL;
    const struct dv_pg_config config = config_of(url);
    assert_int_equal(dv_pg_params_new(&params, &config, attempt, NULL), DV_OK);
    return params;
}

/* TLS is verified unless the server is this machine, or the URL says otherwise. */
static void test_tls_by_default(void **state)
{
    (void)state;
    static const struct {
        const char *url, *mode;
    } rows[] = {
        { "postgresql://u@db.example/d", "verify-full" },
        { "postgresql://u@10.0.0.1/d", "verify-full" },
        { "postgresql://u@db.example/d?hostaddr=127.0.0.1", "verify-full" },
        { "postgresql://u@localhost.example/d", "verify-full" },
        { "postgresql://u@128.0.0.1/d", "verify-full" },
        { "postgresql://u@localhost/d", "prefer" },
        { "postgresql://u@127.0.0.9/d", "prefer" },
        { "postgresql://u@[::1]/d", "prefer" },
        { "postgresql://u@%2Fvar%2Frun/d", "prefer" },
        { "postgresql:///d", "prefer" },
        { "postgres://u@db.example/d?sslmode=require", "require" },
    };
    clear_environment();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dv_pg_params *params = params_of(rows[i].url, 0);
        assert_string_equal(dv_pg_params_get(params, "sslmode"), rows[i].mode);
        assert_string_equal(dv_pg_params_get(params, "gssencmode"), "disable");
        assert_string_equal(dv_pg_params_get(params, "client_encoding"), "UTF8");
        dv_pg_params_free(params);
    }
}

static void test_hosts_are_tried_in_turn(void **state)
{
    (void)state;
    static const char url[] = "postgresql://u@a.example:1,10.0.0.1:2,%2Ftmp:3/d?sslmode=disable";
    static const struct {
        const char *host, *port, *unresolved;
    } rows[] = { { "a.example", "1", "a.example" }, { "10.0.0.1", "2", NULL }, { "/tmp", "3", NULL }, { "a.example", "1", "a.example" } };
    for (uint32_t i = 0; i < 4; i++) {
        struct dv_pg_params *params = params_of(url, i);
        assert_string_equal(dv_pg_params_get(params, "host"), rows[i].host);
        assert_string_equal(dv_pg_params_get(params, "port"), rows[i].port);
        if (rows[i].unresolved != NULL)
            assert_string_equal(dv_pg_params_unresolved(params), rows[i].unresolved);
        else
            assert_null(dv_pg_params_unresolved(params));
        dv_pg_params_free(params);
    }
}

static void test_passwords_come_by_reference(void **state)
{
    struct world *world = *state;
    struct dv_pg_params *params = NULL;
    struct dv_error error = { 0 };
    struct dv_pg_config config = config_of("env:TEST_PG_URL");
    assert_int_equal(setenv("TEST_PG_URL", "postgresql://u:inUrl@127.0.0.1/d", 1), 0);
    assert_int_equal(setenv("TEST_PG_PASSWORD", "inVariable", 1), 0);
    assert_int_equal(dv_pg_params_new(&params, &config, 0, &error), DV_OK);
    assert_string_equal(dv_pg_params_get(params, "password"), "inUrl");
    dv_pg_params_free(params);
    config.password = "env:TEST_PG_PASSWORD";
    assert_int_equal(dv_pg_params_new(&params, &config, 0, &error), DV_OK);
    assert_string_equal(dv_pg_params_get(params, "password"), "inVariable");
    dv_pg_params_free(params);
    config.password = "thePasswordItself";
    assert_int_equal(dv_pg_config_check(&config, &error), DV_E_CONFIG);
    assert_null(strstr(error.text, "thePasswordItself"));
    char reference[600];
    (void)snprintf(reference, sizeof reference, "file:%s", world_path(world, "nosuch"));
    config.password = reference;
    assert_int_equal(dv_pg_params_new(&params, &config, 0, &error), DV_E_MISSING);
    assert_true(dv_pg_url_has_password("postgresql://u:p@h/d"));
    assert_true(dv_pg_url_has_password("postgresql://u@h/d?password=p"));
    assert_false(dv_pg_url_has_password("postgresql://u@h/d"));
}

static void test_malformed_urls_and_names(void **state)
{
    (void)state;
    static const char *const urls[] = { "", "x", "http://h/d", "host=h password=SECRET", "postgresql://u:SECRET@[::1",
                                        "postgresql://u:SECRET@h/d?nosuch=1", "postgresql://u:SECRET%zz@h/d" };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct dv_error error = { 0 };
        const struct dv_pg_config config = config_of(urls[i]);
        assert_int_equal(dv_pg_config_check(&config, &error), DV_E_CONFIG);
        assert_null(strstr(error.text, "SECRET"));
    }
    char name[66] = "";
    memset(name, 'n', 64);
    struct dv_pg_config config = config_of("postgresql://h/d");
    assert_int_equal(dv_pg_config_check(&config, NULL), DV_OK);
    config.table = name;
    assert_int_equal(dv_pg_config_check(&config, NULL), DV_E_CONFIG);
    name[63] = '\0';
    assert_int_equal(dv_pg_config_check(&config, NULL), DV_OK);
    config.schema = "x\"; DROP";
    assert_int_equal(dv_pg_config_check(&config, NULL), DV_E_CONFIG);
}

static void on_answer(struct dv_store_request *request)
{
    *(bool *)request->data = true;
}

/* Nobody listens: an impatient store says so, a patient one goes on trying and is closed in the middle of it. */
static void test_a_server_that_is_not_there(void **state)
{
    struct world *world = *state;
    struct dv_error error = { 0 };
    struct dv_pg_config config = config_of("postgresql://u@127.0.0.1:1/d");
    assert_int_equal(dv_pg_probe(&config, &error), DV_E_DEPENDENCY);
    assert_non_null(strstr(error.text, "cannot be reached"));
    struct dv_pg *pg = calloc(1, sizeof *pg);
    bool answered = false;
    struct dv_store_row row = make_row(1, "a", true);
    struct dv_store_request put = { .kind = DV_STORE_PUT, .rows = &row, .count = 1, .callback = on_answer, .data = &answered };
    assert_int_equal(dv_pg_open(pg, &world->loop.base, &config, &error), DV_OK);
    dv_store_request(&pg->store, &put);
    for (int i = 0; i < 1000 && pg->breaker.state != DV_BREAKER_OPEN; i++)
        world_run_ms(world, 10);
    assert_int_equal(pg->breaker.state, DV_BREAKER_OPEN);
    world_run_ms(world, 300);
    assert_false(answered);
    assert_string_equal(dv_store_waits(&pg->store), "the server cannot be reached");
    assert_in_range(pg->breaker.failures, DV_PG_FAILURES_MAX, 8);
    dv_store_close(&pg->store);
    world_run_dry(world);
    assert_false(answered);
    free(pg);
}

/* The name is looked up on a worker; a close in between leaves nothing behind. */
static void test_a_name_that_is_being_resolved(void **state)
{
    struct world *world = *state;
    const struct dv_pg_config config = config_of("postgresql://u@localhost:1/d");
    struct dv_pg *pg = calloc(1, sizeof *pg);
    assert_int_equal(dv_pg_open(pg, &world->loop.base, &config, NULL), DV_OK);
    assert_int_equal(pg->connections[0].state, DV_PG_RESOLVING);
    dv_store_close(&pg->store);
    world_run_dry(world);
    assert_int_equal(dv_pg_open(pg, &world->loop.base, &config, NULL), DV_OK);
    for (int i = 0; i < 1000 && pg->breaker.failures == 0; i++)
        world_run_ms(world, 10);
    assert_true(pg->breaker.failures >= 1);
    dv_store_close(&pg->store);
    world_run_dry(world);
    free(pg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays_have_the_server_s_layout),
        cmocka_unit_test(test_ids_alone),
        cmocka_unit_test(test_times_fit_or_become_infinite),
        cmocka_unit_test(test_meaning_of_sqlstates),
        cmocka_unit_test(test_messages_are_not_shown),
        cmocka_unit_test(test_tls_by_default),
        cmocka_unit_test(test_hosts_are_tried_in_turn),
        cmocka_unit_test_setup_teardown(test_passwords_come_by_reference, world_setup, world_teardown),
        cmocka_unit_test(test_malformed_urls_and_names),
        cmocka_unit_test_setup_teardown(test_a_server_that_is_not_there, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_being_resolved, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

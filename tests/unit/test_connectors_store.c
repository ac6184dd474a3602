/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_store.c - what every store must do, tried with each: an embedded file, and the PostgreSQL that the
 * variable TEST_STORE_PG names (a migrated, empty table; tests/e2e/test_pg.py sets it).
 * shows: STO-1 STO-2 ING-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/pg.h"
#include "connectors/sqlite.h"
#include "tests/unit/connectors_world.h"

enum { PUTS = 12, ROWS_MAX = 2500 };

/* A store of either kind; `url` is NULL for the file. */
struct bench {
    struct world *world;
    struct dv_sqlite sqlite;
    struct dv_pg pg;
    struct dv_store *store;
};

static const char *pg_url(void)
{
    return getenv("TEST_STORE_PG");
}

static void open_bench(struct bench *bench, struct world *world, bool in_pg)
{
    struct dv_error error = { 0 };
    const struct dv_pg_config config = { .url = "env:TEST_STORE_PG", .schema = "datavault", .table = "encrypted_blobs",
                                         .connections = 2, .connect_timeout_ms = 5000, .timeout_ms = 10000 };
    bench->world = world;
    bench->store = in_pg ? &bench->pg.store : &bench->sqlite.store;
    dv_rc rc = in_pg ? dv_pg_open(&bench->pg, &world->loop.base, &config, &error)
                     : dv_sqlite_open(&bench->sqlite, &world->loop.base, world_path(world, "store.db"), &error);
    if (rc != DV_OK)
        fail_msg("%s", error.text);
}

static void close_bench(struct bench *bench)
{
    dv_store_close(bench->store);
    world_run_dry(bench->world);
}

static struct dv_store_bytes bytes(const void *at, size_t length)
{
    return (struct dv_store_bytes){ at, length };
}

/* A put of rows whose ids count from `first`; every byte of a row follows from its id. */
struct put {
    struct dv_store_request request;
    struct dv_store_row rows[ROWS_MAX];
    uint8_t ciphertexts[ROWS_MAX][40];
    bool done;
};

static void on_put(struct dv_store_request *request)
{
    ((struct put *)request->data)->done = true;
}

static void number_id(uint8_t id[DV_STORE_ID_BYTES], uint32_t number)
{
    memset(id, 0xa5, DV_STORE_ID_BYTES);
    for (int i = 0; i < 4; i++)
        id[i] = (uint8_t)(number >> (24 - 8 * i));
}

static struct put *make_put(uint32_t first, uint32_t count)
{
    static const uint8_t binary[32] = { 0, 1, 0xff, '\'', '\\', 0x80 };
    struct put *put = calloc(1, sizeof *put);
    assert_non_null(put);
    for (uint32_t i = 0; i < count; i++) {
        struct dv_store_row *row = &put->rows[i];
        number_id(row->id, first + i);
        memset(put->ciphertexts[i], (int)(first + i), sizeof put->ciphertexts[i]);
        row->created_ms = 1700000000000 + (int64_t)(first + i);
        row->tenant = bytes("default", 7);
        row->schema = bytes("gr\xc3\xbc\xc3\x9f'e\\", 9);
        row->data_hash = bytes(binary, sizeof binary);
        row->key_ref = bytes("default/healthcare/1", 20);
        row->subject_ref = (first + i) % 2 == 0 ? bytes(binary, 16) : bytes(NULL, 0);
        row->nonce = bytes(binary, 12);
        row->ciphertext = bytes(put->ciphertexts[i], sizeof put->ciphertexts[i]);
    }
    put->request = (struct dv_store_request){ .kind = DV_STORE_PUT, .rows = put->rows, .count = count, .callback = on_put,
                                              .data = put };
    return put;
}

/* A get or a count; the row is looked at in the callback, while it is there. */
struct ask {
    struct dv_store_request request;
    const struct dv_store_row *expected;
    bool done;
};

static void same(struct dv_store_bytes found, struct dv_store_bytes expected)
{
    assert_int_equal(found.length, expected.length);
    assert_int_equal(found.at == NULL, expected.at == NULL);
    if (expected.length > 0)
        assert_memory_equal(found.at, expected.at, expected.length);
}

static void on_answer(struct dv_store_request *request)
{
    struct ask *ask = request->data;
    ask->done = true;
    if (ask->expected == NULL)
        return;
    assert_int_equal(request->rc, DV_OK);
    assert_memory_equal(request->row.id, ask->expected->id, DV_STORE_ID_BYTES);
    assert_true(request->row.created_ms == ask->expected->created_ms);
    same(request->row.tenant, ask->expected->tenant);
    same(request->row.schema, ask->expected->schema);
    same(request->row.data_hash, ask->expected->data_hash);
    same(request->row.key_ref, ask->expected->key_ref);
    same(request->row.subject_ref, ask->expected->subject_ref);
    same(request->row.nonce, ask->expected->nonce);
    same(request->row.ciphertext, ask->expected->ciphertext);
}

static struct ask answer(struct bench *bench, enum dv_store_kind kind, const struct dv_store_row *expected, uint32_t id)
{
    struct ask ask = { .request = { .kind = kind, .callback = on_answer }, .expected = expected };
    ask.request.data = &ask;
    number_id(ask.request.id, id);
    dv_store_request(bench->store, &ask.request);
    assert_false(ask.done);
    world_run_until(bench->world, &ask.done);
    return ask;
}

/* Many puts at once, which overlap by half: each id once, the totals add up, and every byte comes back. */
static void keeps_each_id_once(struct bench *bench)
{
    struct put *puts[PUTS];
    uint64_t total = 0;
    for (uint32_t i = 0; i < PUTS; i++) {
        puts[i] = make_put(i * 128, 256);
        dv_store_request(bench->store, &puts[i]->request);
        assert_false(puts[i]->done);
    }
    for (uint32_t i = 0; i < PUTS; i++) {
        world_run_until(bench->world, &puts[i]->done);
        assert_int_equal(puts[i]->request.rc, DV_OK);
        total += puts[i]->request.total;
    }
    assert_int_equal(total, 128 * (PUTS + 1));
    assert_int_equal(answer(bench, DV_STORE_COUNT, NULL, 0).request.total, 128 * (PUTS + 1));
    for (uint32_t i = 0; i < PUTS; i++) {
        (void)answer(bench, DV_STORE_GET, &puts[i]->rows[i], 0 + i * 128 + i);
        free(puts[i]);
    }
    assert_int_equal(answer(bench, DV_STORE_GET, NULL, 1000000).request.rc, DV_E_MISSING);
}

/* The same again adds nothing, and one put may be larger than a statement is meant to be. */
static void takes_it_again_and_much_at_once(struct bench *bench)
{
    struct put *put = make_put(5000, ROWS_MAX);
    for (uint64_t expected = ROWS_MAX, times = 0; times < 2; times++, expected = 0) {
        put->done = false;
        dv_store_request(bench->store, &put->request);
        world_run_until(bench->world, &put->done);
        assert_int_equal(put->request.rc, DV_OK);
        assert_int_equal(put->request.total, expected);
    }
    assert_null(dv_store_waits(bench->store));
    free(put);
}

/* After close() nobody is called. */
static void is_silent_after_close(struct bench *bench)
{
    struct put *put = make_put(9000, 10);
    dv_store_request(bench->store, &put->request);
    close_bench(bench);
    assert_false(put->done);
    free(put);
}

static void run_all(struct world *world, bool in_pg)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    open_bench(bench, world, in_pg);
    keeps_each_id_once(bench);
    takes_it_again_and_much_at_once(bench);
    is_silent_after_close(bench);
    free(bench);
}

static void test_an_embedded_file(void **state)
{
    run_all(*state, false);
}

static void test_postgresql(void **state)
{
    if (pg_url() == NULL)
        skip();
    run_all(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_embedded_file, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_postgresql, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

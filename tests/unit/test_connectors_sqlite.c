/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_sqlite.c - the embedded store keeps each id once, all of a put or nothing, and says what ails it.
 * shows: STO-1 STO-2 MIS-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "connectors/sqlite.h"
#include "tests/unit/connectors_world.h"

enum { ROWS = 256, CIPHERTEXT = 500 };

/* A put of ROWS rows, whose ids count from `first`. */
struct put {
    struct dv_store_request request;
    struct dv_store_row rows[ROWS];
    char ciphertext[CIPHERTEXT];
    bool done;
};

static void on_put(struct dv_store_request *request)
{
    ((struct put *)request->data)->done = true;
}

static struct dv_store_bytes text(const char *at)
{
    return (struct dv_store_bytes){ at, strlen(at) };
}

static void number_id(uint8_t id[DV_STORE_ID_BYTES], uint64_t number)
{
    memset(id, 0, DV_STORE_ID_BYTES);
    for (int i = 0; i < 8; i++)
        id[i] = (uint8_t)(number >> (56 - 8 * i));
}

static struct put *make_put(uint64_t first)
{
    struct put *put = calloc(1, sizeof *put);
    assert_non_null(put);
    memset(put->ciphertext, 'c', sizeof put->ciphertext);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct dv_store_row *row = &put->rows[i];
        number_id(row->id, first + i);
        row->created_ms = 1700000000000 + (int64_t)(first + i);
        row->tenant = text("default");
        row->schema = text("healthcare");
        row->data_hash = text("hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh");
        row->key_ref = text("default/healthcare/1/00000000000000000000000000000000");
        row->subject_ref = i % 2 == 0 ? text("ssssssssssssssss") : (struct dv_store_bytes){ 0 };
        row->nonce = text("nnnnnnnnnnnn");
        row->ciphertext = (struct dv_store_bytes){ put->ciphertext, sizeof put->ciphertext };
    }
    put->request = (struct dv_store_request){
        .kind = DV_STORE_PUT, .rows = put->rows, .count = ROWS, .callback = on_put, .data = put
    };
    return put;
}

static void start_put(struct dv_sqlite *sqlite, struct put *put)
{
    put->done = false;
    dv_store_request(&sqlite->store, &put->request);
    assert_false(put->done);
}

static void open_store(struct world *world, struct dv_sqlite *sqlite, const char *path)
{
    struct dv_error error = { 0 };
    if (dv_sqlite_open(sqlite, &world->loop.base, path, &error) != DV_OK)
        fail_msg("%s", error.text);
}

static void close_store(struct world *world, struct dv_sqlite *sqlite)
{
    dv_store_close(&sqlite->store);
    world_run_dry(world);
}

/* A get or count, and a copy of what the callback saw. */
struct ask {
    struct dv_store_request request;
    char ciphertext[CIPHERTEXT];
    size_t ciphertext_length;
    bool subject;
    int64_t created_ms;
    bool done;
};

static void on_answer(struct dv_store_request *request)
{
    struct ask *ask = request->data;
    ask->done = true;
    if (request->kind != DV_STORE_GET || request->rc != DV_OK)
        return;
    ask->ciphertext_length = request->row.ciphertext.length;
    memcpy(ask->ciphertext, request->row.ciphertext.at, request->row.ciphertext.length);
    ask->subject = request->row.subject_ref.at != NULL;
    ask->created_ms = request->row.created_ms;
}

static void answer(struct world *world, struct dv_sqlite *sqlite, struct ask *ask, enum dv_store_kind kind, uint64_t id)
{
    *ask = (struct ask){ .request = { .kind = kind, .callback = on_answer, .data = ask } };
    number_id(ask->request.id, id);
    dv_store_request(&sqlite->store, &ask->request);
    world_run_until(world, &ask->done);
}

static uint64_t count_of(struct world *world, struct dv_sqlite *sqlite)
{
    struct ask ask;
    answer(world, sqlite, &ask, DV_STORE_COUNT, 0);
    assert_int_equal(ask.request.rc, DV_OK);
    return ask.request.total;
}

static void test_keeps_each_id_once(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    struct put *put = make_put(1000);
    struct put *overlapping = make_put(1000 + ROWS / 2);
    open_store(world, &sqlite, world_path(world, "deep/store.db"));
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_OK);
    assert_int_equal(put->request.total, ROWS);
    memset(overlapping->ciphertext, 'd', sizeof overlapping->ciphertext);
    start_put(&sqlite, overlapping);
    world_run_until(world, &overlapping->done);
    assert_int_equal(overlapping->request.rc, DV_OK);
    assert_int_equal(overlapping->request.total, ROWS / 2);
    assert_int_equal(count_of(world, &sqlite), ROWS + ROWS / 2);
    struct ask ask;
    answer(world, &sqlite, &ask, DV_STORE_GET, 1000 + ROWS - 1);
    assert_int_equal(ask.request.rc, DV_OK);
    assert_memory_equal(ask.ciphertext, put->ciphertext, CIPHERTEXT);
    close_store(world, &sqlite);
    free(put);
    free(overlapping);
}

static void test_gives_back_what_was_put_after_a_restart(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    struct ask ask;
    struct put *put = make_put(7);
    const char *path = world_path(world, "store.db");
    open_store(world, &sqlite, path);
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(stat(world_path(world, "store.db-wal"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    close_store(world, &sqlite);
    open_store(world, &sqlite, path);
    for (uint64_t i = 0; i < ROWS; i++) {
        answer(world, &sqlite, &ask, DV_STORE_GET, 7 + i);
        assert_int_equal(ask.request.rc, DV_OK);
        assert_int_equal(ask.ciphertext_length, CIPHERTEXT);
        assert_memory_equal(ask.ciphertext, put->ciphertext, CIPHERTEXT);
        assert_int_equal(ask.subject, i % 2 == 0);
        assert_int_equal(ask.created_ms, 1700000000000 + 7 + (int64_t)i);
    }
    answer(world, &sqlite, &ask, DV_STORE_GET, 6);
    assert_int_equal(ask.request.rc, DV_E_MISSING);
    close_store(world, &sqlite);
    free(put);
}

static void test_puts_that_wait_share_a_transaction(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    struct put *puts[8];
    open_store(world, &sqlite, world_path(world, "store.db"));
    for (uint64_t i = 0; i < 8; i++) {
        puts[i] = make_put(i * ROWS);
        start_put(&sqlite, puts[i]);
    }
    assert_null(sqlite.working->next);
    world_run_until(world, &puts[0]->done);
    for (int i = 1; i < 8; i++) {
        world_run_until(world, &puts[i]->done);
        assert_true(puts[7]->done);
        assert_int_equal(puts[i]->request.total, ROWS);
    }
    assert_int_equal(count_of(world, &sqlite), 8 * ROWS);
    close_store(world, &sqlite);
    for (int i = 0; i < 8; i++)
        free(puts[i]);
}

static void test_a_bad_row_fails_its_own_put_alone(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    struct put *puts[4];
    open_store(world, &sqlite, world_path(world, "store.db"));
    for (uint64_t i = 0; i < 4; i++)
        puts[i] = make_put(i * ROWS);
    puts[2]->rows[ROWS - 1].nonce = (struct dv_store_bytes){ 0 };
    for (int i = 0; i < 4; i++)
        start_put(&sqlite, puts[i]);
    for (int i = 0; i < 4; i++) {
        world_run_until(world, &puts[i]->done);
        assert_int_equal(puts[i]->request.rc, i == 2 ? DV_E_DATA : DV_OK);
    }
    assert_null(dv_store_waits(&sqlite.store));
    assert_int_equal(count_of(world, &sqlite), 3 * ROWS);
    close_store(world, &sqlite);
    for (int i = 0; i < 4; i++)
        free(puts[i]);
}

static void test_another_writer_is_waited_for(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    sqlite3 *other = NULL;
    struct put *put = make_put(1);
    const char *path = world_path(world, "store.db");
    open_store(world, &sqlite, path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_E_DEPENDENCY);
    assert_string_equal(put->request.reason, "another process holds the store's lock");
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_OK);
    assert_null(dv_store_waits(&sqlite.store));
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    close_store(world, &sqlite);
    free(put);
}

static void expect_refused(struct world *world, const char *name, dv_rc expected)
{
    struct dv_sqlite sqlite;
    struct dv_error error = { 0 };
    assert_int_equal(dv_sqlite_open(&sqlite, &world->loop.base, world_path(world, name), &error), expected);
    assert_true(strlen(error.text) > 0);
}

static void make_database(struct world *world, const char *name, const char *sql)
{
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(world_path(world, name), &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void test_what_is_no_store_is_refused(void **state)
{
    struct world *world = *state;
    static char garbage[8192];
    memset(garbage, 'x', sizeof garbage);
    world_write(world_path(world, "garbage.db"), garbage, sizeof garbage);
    expect_refused(world, "garbage.db", DV_E_CONFIG);
    make_database(world, "later.db", "PRAGMA user_version=2");
    expect_refused(world, "later.db", DV_E_CONFIG);
    make_database(world, "other.db", "CREATE TABLE encrypted_blobs(x)");
    expect_refused(world, "other.db", DV_E_CONFIG);
    expect_refused(world, ".", DV_E_IO);
}

static void test_close_waits_and_drops_what_waits(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    struct put *first = make_put(1);
    struct put *second = make_put(1000);
    const char *path = world_path(world, "store.db");
    open_store(world, &sqlite, path);
    start_put(&sqlite, first);
    start_put(&sqlite, second);
    close_store(world, &sqlite);
    assert_false(first->done || second->done);
    free(first);
    free(second);
    open_store(world, &sqlite, path);
    uint64_t count = count_of(world, &sqlite);
    assert_true(count == 0 || count == ROWS);
    close_store(world, &sqlite);
}

/* A file system that fails syncs: SQLite's own, but for one function. */
static struct sqlite3_vfs shim;
static sqlite3_vfs *real_vfs;
static struct {
    const sqlite3_io_methods *real;
    sqlite3_io_methods patched;
} methods[4];
static int syncs_until_failure; /* 0: never */

static int failing_sync(sqlite3_file *file, int flags)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (file->pMethods != &methods[i].patched)
            continue;
        if (syncs_until_failure > 0 && --syncs_until_failure == 0)
            return SQLITE_IOERR_FSYNC;
        return methods[i].real->xSync(file, flags);
    }
    return SQLITE_IOERR;
}

static int patching_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    int result = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
    for (size_t i = 0; result == SQLITE_OK && i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].real != NULL && methods[i].real != file->pMethods)
            continue;
        methods[i].real = file->pMethods;
        methods[i].patched = *file->pMethods;
        methods[i].patched.xSync = failing_sync;
        file->pMethods = &methods[i].patched;
        break;
    }
    return result;
}

static void test_a_failed_sync_is_final(void **state)
{
    struct world *world = *state;
    struct dv_sqlite sqlite;
    struct put *put = make_put(1);
    const char *path = world_path(world, "store.db");
    real_vfs = sqlite3_vfs_find(NULL);
    shim = *real_vfs;
    shim.zName = "failing-sync";
    shim.xOpen = patching_open;
    assert_int_equal(sqlite3_vfs_register(&shim, 1), SQLITE_OK);
    open_store(world, &sqlite, path);
    syncs_until_failure = 1;
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_E_FAILED);
    assert_string_equal(put->request.reason, "a sync of the store failed: what is on the disk is unknown");
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_E_FAILED);
    close_store(world, &sqlite);
    assert_int_equal(sqlite3_vfs_unregister(&shim), SQLITE_OK);
    open_store(world, &sqlite, path);
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_OK);
    assert_int_equal(count_of(world, &sqlite), ROWS);
    close_store(world, &sqlite);
    free(put);
}

/* A real disk of 1 MB: a put that does not fit is undone whole, and succeeds once there is space. */
static void test_a_small_disk_fills_and_is_emptied(void **state)
{
    struct world *world = *state;
    const char *disk = world_path(world, "disk");
    struct dv_sqlite sqlite;
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: a tmpfs cannot be mounted here (%s)\n", strerror(errno));
        skip();
    }
    static char ballast[400 * 1024];
    open_store(world, &sqlite, world_path(world, "disk/store.db"));
    world_write(world_path(world, "disk/ballast"), ballast, sizeof ballast);
    uint64_t kept = 0;
    struct put *put = NULL;
    dv_rc rc = DV_OK;
    for (uint64_t i = 0; i < 100 && rc == DV_OK; i++) {
        free(put);
        put = make_put(i * ROWS);
        start_put(&sqlite, put);
        world_run_until(world, &put->done);
        rc = put->request.rc;
        kept += rc == DV_OK ? ROWS : 0;
    }
    assert_int_equal(rc, DV_E_FULL);
    assert_string_equal(dv_store_waits(&sqlite.store), "no space left on device");
    assert_int_equal(count_of(world, &sqlite), kept);
    assert_int_equal(remove(world_path(world, "disk/ballast")), 0);
    start_put(&sqlite, put);
    world_run_until(world, &put->done);
    assert_int_equal(put->request.rc, DV_OK);
    assert_int_equal(count_of(world, &sqlite), kept + ROWS);
    assert_null(dv_store_waits(&sqlite.store));
    close_store(world, &sqlite);
    free(put);
    assert_int_equal(umount(disk), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keeps_each_id_once),
        TEST(test_gives_back_what_was_put_after_a_restart),
        TEST(test_puts_that_wait_share_a_transaction),
        TEST(test_a_bad_row_fails_its_own_put_alone),
        TEST(test_another_writer_is_waited_for),
        TEST(test_what_is_no_store_is_refused),
        TEST(test_close_waits_and_drops_what_waits),
        TEST(test_a_failed_sync_is_final),
        TEST(test_a_small_disk_fills_and_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

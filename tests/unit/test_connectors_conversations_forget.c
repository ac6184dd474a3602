/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_conversations_forget.c - turns that cite a record that is forgotten are taken away, and no others; no byte is left.
 * shows: RAG-11 VEC-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "connectors/conversations.h"
#include "engine/id.h"
#include "tests/unit/connectors_world.h"

enum { TEXT = 1024, MANY = 600 };

static const struct dv_conversations_limits none = { .turns = 1, .conversations = 1, .remembered = 1 };

/* A file with conversations of two tenants, and one that forgets in it. */
struct place {
    struct world *world;
    struct dv_conversations store;
    struct dv_conversations_request request;
    bool done;
};

static void run_sql(struct place *place, const char *format, unsigned n, unsigned other, const char *text)
{
    char sql[TEXT], *error = NULL;
    (void)snprintf(sql, sizeof sql, format, n, other, text);
    if (sqlite3_exec(place->store.db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
}

static int64_t count_of(struct place *place, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(place->store.db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return number;
}

/* In the order of the numbers. */
static void make_id(uint8_t id[DV_STORE_ID_BYTES], unsigned number)
{
    memset(id, 0, DV_STORE_ID_BYTES);
    for (int i = 0; i < 4; i++)
        id[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* A turn with two sentences, of which the second cites the record `cited`. */
static void add_turn(struct place *place, unsigned n, unsigned conversation, unsigned cited, const char *status)
{
    uint8_t id[DV_STORE_ID_BYTES];
    char text[DV_UUID_TEXT], citations[TEXT];
    make_id(id, cited);
    (void)snprintf(citations, sizeof citations, "[{\"n\":1,\"id\":\"%s\",\"hash\":\"00\",\"schema\":\"healthcare\"}]", dv_id_text(text, id));
    run_sql(place, "INSERT INTO turns VALUES(%1$u, %2$u, CAST(printf('%%016d', %1$u) AS BLOB), 1, 'how is it, zigzag?', 'so', %3$s, 0, 9)", n, conversation, status);
    run_sql(place, "INSERT INTO sentences VALUES(%1$u, 1, 'Something said.', '[]')", n, 0, "");
    run_sql(place, "INSERT INTO sentences VALUES(%1$u, 2, 'He coughs quixotically.', '%3$s')", n, 0, citations);
}

static struct place *open_place(void **state, const char *name)
{
    struct dv_error error = { 0 };
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    place->world = *state;
    if (dv_conversations_open(&place->store, &place->world->loop.base, world_path(place->world, name), "t", &none, &error) != DV_OK)
        fail_msg("%s", error.text);
    return place;
}

static struct place *new_place(void **state, const char *name)
{
    struct place *place = open_place(state, name);
    for (unsigned n = 1; n <= 3; n++)
        run_sql(place, "INSERT INTO conversations VALUES(%1$u, CAST(printf('%%016d', %1$u) AS BLOB), '%3$s', CAST('0123456789abcdef' AS BLOB), 1, 1)", n, 0,
                n == 3 ? "other" : "t");
    return place;
}

static void close_place(struct place *place)
{
    dv_conversations_close(&place->store);
    world_run_dry(place->world);
    free(place);
}

static void on_answer(struct dv_conversations_request *request)
{
    struct place *place = request->data;
    place->done = true;
}

/* Forgets the records first .. first+count-1, and gives back how many turns went. */
static dv_rc forget(struct place *place, unsigned first, uint32_t count, bool open_too)
{
    static uint8_t ids[MANY][DV_STORE_ID_BYTES];
    for (uint32_t i = 0; i < count; i++)
        make_id(ids[i], first + i);
    place->request = (struct dv_conversations_request){ .kind = DV_CONVERSATIONS_FORGET, .ids = (const uint8_t(*)[DV_STORE_ID_BYTES])ids, .id_count = count,
                                                        .open_too = open_too, .callback = on_answer, .data = place };
    place->done = false;
    dv_conversations_request(&place->store, &place->request);
    world_run_until(place->world, &place->done);
    return place->request.rc;
}

static void begin_cut(struct place *place)
{
    place->request = (struct dv_conversations_request){ .kind = DV_CONVERSATIONS_CUT, .callback = on_answer, .data = place };
    place->done = false;
    dv_conversations_request(&place->store, &place->request);
}

static dv_rc cut(struct place *place)
{
    begin_cut(place);
    world_run_until(place->world, &place->done);
    return place->request.rc;
}

/* Whether the file, or its log, has the word. */
static bool is_on_disk(struct place *place, const char *name, const char *word)
{
    static char bytes[8 << 20];
    char path[TEXT];
    bool found = false;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s%s", name, i == 0 ? "" : "-wal");
        const char *file = world_path(place->world, path);
        size_t length = world_size(file) > 0 ? world_read(file, bytes, sizeof bytes) : 0;
        assert_true(length < sizeof bytes);
        found = found || memmem(bytes, length, word, strlen(word)) != NULL;
    }
    return found;
}

static void test_what_cites_it_goes(void **state)
{
    struct place *place = new_place(state, "talks.sqlite");
    add_turn(place, 1, 1, 7, "'answered'");
    add_turn(place, 2, 1, 8, "'answered'");
    add_turn(place, 3, 2, 7, "'refused'"); /* another asker's */
    add_turn(place, 4, 3, 7, "'answered'"); /* another tenant's */
    add_turn(place, 5, 2, 9, "NULL");
    assert_int_equal(forget(place, 6, 1, false), DV_OK);
    assert_int_equal(place->request.total, 0);
    assert_int_equal(forget(place, 6, 2, false), DV_OK);
    assert_int_equal(place->request.total, 2);
    assert_int_equal(count_of(place, "SELECT sum(1 << n) FROM turns"), 1 << 2 | 1 << 4 | 1 << 5);
    assert_int_equal(count_of(place, "SELECT count(DISTINCT turn) FROM sentences"), 3);
    assert_int_equal(count_of(place, "SELECT bytes FROM totals"), 3 * 9);
    assert_int_equal(count_of(place, "SELECT count(*) FROM conversations"), 3);
    close_place(place);
}

/* What is being answered may cite it still. */
static void test_what_has_no_end_yet_goes_if_it_is_to(void **state)
{
    struct place *place = new_place(state, "open.sqlite");
    add_turn(place, 1, 1, 1, "NULL");
    add_turn(place, 2, 3, 1, "NULL"); /* another tenant's */
    add_turn(place, 3, 2, 2, "'answered'");
    assert_int_equal(forget(place, 50, 1, false), DV_OK);
    assert_int_equal(place->request.total, 0);
    assert_int_equal(forget(place, 50, 1, true), DV_OK);
    assert_int_equal(place->request.total, 1);
    assert_int_equal(count_of(place, "SELECT sum(1 << n) FROM turns"), 1 << 2 | 1 << 3);
    close_place(place);
}

/* More turns than are taken at a time, of more records than one; and the ids of neighbours are not theirs. */
static void test_many(void **state)
{
    struct place *place = new_place(state, "many.sqlite");
    run_sql(place, "BEGIN", 0, 0, "");
    for (unsigned n = 1; n <= 2 * MANY; n++)
        add_turn(place, n, 1 + n % 2, n, "'answered'");
    run_sql(place, "COMMIT", 0, 0, "");
    assert_int_equal(forget(place, 1 << 20, MANY, false), DV_OK);
    assert_int_equal(place->request.total, 0);
    assert_true(is_on_disk(place, "many.sqlite", "quixotically"));
    for (unsigned half = 0; half < 2; half++) {
        assert_int_equal(forget(place, 1 + half * MANY, MANY / 2, false), DV_OK);
        assert_int_equal(forget(place, 1 + half * MANY + MANY / 2, MANY / 2, false), DV_OK);
        assert_int_equal(place->request.total, MANY / 2);
        assert_int_equal(count_of(place, "SELECT count(*) FROM turns"), (1 - half) * MANY);
    }
    assert_int_equal(cut(place), DV_OK);
    assert_false(is_on_disk(place, "many.sqlite", "quixotically"));
    assert_false(is_on_disk(place, "many.sqlite", "zigzag"));
    close_place(place);
}

/* Somebody reads, so the log cannot be cut: that is said, and done when it is asked for again. */
static void test_while_somebody_reads(void **state)
{
    struct place *place = new_place(state, "read.sqlite");
    sqlite3 *reader = NULL;
    add_turn(place, 1, 1, 7, "'answered'");
    assert_int_equal(sqlite3_open_v2(world_path(place->world, "read.sqlite"), &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM turns", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(forget(place, 7, 1, false), DV_OK);
    assert_int_equal(place->request.total, 1);
    assert_int_equal(cut(place), DV_E_DEPENDENCY);
    assert_true(place->request.file_is_well);
    assert_true(is_on_disk(place, "read.sqlite", "quixotically"));
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_int_equal(cut(place), DV_OK);
    assert_false(is_on_disk(place, "read.sqlite", "quixotically"));
    close_place(place);
}

/* And who writes meanwhile goes on: before, the lock was kept as long as somebody read. */
static void test_who_writes_is_not_held_up(void **state)
{
    struct place *place = new_place(state, "written.sqlite");
    sqlite3 *reader = NULL, *writer = NULL;
    add_turn(place, 1, 1, 7, "'answered'");
    assert_int_equal(sqlite3_open(world_path(place->world, "written.sqlite"), &writer), SQLITE_OK);
    assert_int_equal(sqlite3_open_v2(world_path(place->world, "written.sqlite"), &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM turns", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(forget(place, 7, 1, false), DV_OK);
    assert_int_equal(sqlite3_busy_timeout(writer, 1000), SQLITE_OK);
    begin_cut(place);
    for (; !place->done; world_run_ms(place->world, 20))
        assert_int_equal(sqlite3_exec(writer, "BEGIN IMMEDIATE; UPDATE conversations SET used_at = used_at + 1; COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(place->request.rc, DV_E_DEPENDENCY);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    assert_int_equal(sqlite3_close(writer), SQLITE_OK);
    close_place(place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = { TEST(test_what_cites_it_goes), TEST(test_what_has_no_end_yet_goes_if_it_is_to), TEST(test_many), TEST(test_while_somebody_reads),
                                        TEST(test_who_writes_is_not_held_up) };
    return cmocka_run_group_tests_name("connectors/conversations_forget", tests, NULL, NULL);
}

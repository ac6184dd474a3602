/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_vectors.c - the embedded place of vectors does what every such place must; and what only a file can do.
 * shows: VEC-3 VEC-4 RAG-2 RAG-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/vectors_forms.h"
#include "connectors/vectors_fuse.h"
#include "connectors/vectors_sqlite.h"
#include "connectors/vectors_words.h"
#include "tests/unit/vectors_world.h"

enum { MEMORY = 64 << 20 };

static void open_file(struct world *world, struct dv_vectors_sqlite *sqlite, const char *path, size_t memory)
{
    struct dv_error error = { 0 };
    if (dv_vectors_sqlite_open(sqlite, &world->loop.base, path, memory, &error) != DV_OK)
        fail_msg("%s", error.text);
}

static void close_file(struct world *world, struct dv_vectors_sqlite *sqlite)
{
    dv_vectors_close(&sqlite->vectors);
    world_run_dry(world);
}

static void with_a_file(void **state, void (*test)(struct place *place))
{
    struct world *world = *state;
    struct dv_vectors_sqlite *sqlite = calloc(1, sizeof *sqlite);
    assert_non_null(sqlite);
    open_file(world, sqlite, world_path(world, "deep/vectors.sqlite"), MEMORY);
    struct place place = { .world = world, .vectors = &sqlite->vectors };
    test(&place);
    close_file(world, sqlite);
    free(sqlite);
}

#define ON_A_FILE(name)                                                                                                \
    static void file_##name(void **state)                                                                              \
    {                                                                                                                  \
        with_a_file(state, test_##name);                                                                               \
    }
ON_A_FILE(each_once_and_the_nearest_first)
ON_A_FILE(words_count_too)
ON_A_FILE(filters)
ON_A_FILE(floor)
ON_A_FILE(another_model_is_refused)
ON_A_FILE(removed_people_are_gone)
ON_A_FILE(many_are_removed_at_once)
ON_A_FILE(texts_of_a_person_are_named)
ON_A_FILE(what_is_old_goes)
ON_A_FILE(words_get_their_vectors_later)
ON_A_FILE(a_question_is_no_syntax)
ON_A_FILE(nothing_of_other_tenants)

static uint64_t nearest(struct place *place, const char *tenant, uint64_t seed, bool *ret_lexical)
{
    struct asked *search = new_search(tenant, "", seed);
    assert_int_equal(act(place, search), DV_OK);
    uint64_t total = search->request.total;
    *ret_lexical = search->request.lexical;
    free(search);
    return total;
}

/* Two processes share the file: what one does the other sees, additions, vectors that come later and removals. */
static void test_two_at_one_file(void **state)
{
    struct world *world = *state;
    struct dv_vectors_sqlite *both = calloc(2, sizeof *both);
    bool lexical;
    const char *path = world_path(world, "shared.sqlite");
    for (int i = 0; i < 2; i++)
        open_file(world, &both[i], path, MEMORY);
    struct place writer = { .world = world, .vectors = &both[0].vectors }, reader = { .world = world, .vectors = &both[1].vectors };
    assert_int_equal(nearest(&reader, "t", 1, &lexical), 0);
    put_one(&writer, "t", 1, "first");
    put_one(&writer, "t", 2, "second");
    assert_int_equal(nearest(&reader, "t", 1, &lexical), 2);
    struct asked *put = new_put();
    struct dv_vectors_row *row = add_row(put, "t", 3, "third");
    struct dv_store_bytes vector = row->vector;
    row->vector = (struct dv_store_bytes){ 0 };
    row->subject_ref = bytes_of("anna");
    assert_int_equal(act(&writer, put), DV_OK);
    assert_int_equal(nearest(&reader, "t", 1, &lexical), 2);
    row->vector = vector;
    assert_int_equal(act(&writer, put), DV_OK);
    assert_int_equal(nearest(&reader, "t", 1, &lexical), 3);
    assert_int_equal(nearest(&writer, "t", 1, &lexical), 3);
    struct asked *remove = new_search("t", "", 0);
    remove->request.kind = DV_VECTORS_REMOVE;
    remove->rows[0].subject_ref = bytes_of("anna");
    remove->request.count = 1;
    assert_int_equal(act(&reader, remove), DV_OK);
    assert_int_equal(remove->request.total, 1);
    assert_int_equal(nearest(&reader, "t", 1, &lexical), 2);
    assert_int_equal(nearest(&writer, "t", 1, &lexical), 2);
    for (int i = 0; i < 2; i++)
        close_file(world, &both[i]);
    open_file(world, &both[0], path, MEMORY);
    writer.vectors = &both[0].vectors;
    assert_int_equal(nearest(&writer, "t", 1, &lexical), 2);
    close_file(world, &both[0]);
    free(remove);
    free(put);
    free(both);
}

/* The text of a removed person is in none of the store's files: neither table nor index nor log. */
static void test_removed_text_is_overwritten(void **state)
{
    static const char secret[] = "quixotically";
    static char bytes[8 << 20];
    struct world *world = *state;
    struct dv_vectors_sqlite *sqlite = calloc(1, sizeof *sqlite);
    const char *path = world_path(world, "wiped.sqlite");
    open_file(world, sqlite, path, MEMORY);
    struct place place = { .world = world, .vectors = &sqlite->vectors };
    struct asked *put = new_put();
    for (uint64_t i = 1; i <= 100; i++)
        add_row(put, "t", i, i == 50 ? "one who walks quixotically" : "one who walks")->subject_ref = bytes_of(i == 50 ? "anna" : "ben");
    assert_int_equal(act(&place, put), DV_OK);
    struct asked *remove = new_search("t", "", 0);
    remove->request.kind = DV_VECTORS_REMOVE;
    remove->rows[0].subject_ref = bytes_of("anna");
    remove->request.count = 1;
    bool before = false;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            const char *file = world_path(world, i == 0 ? "wiped.sqlite" : "wiped.sqlite-wal");
            size_t length = world_size(file) > 0 ? world_read(file, bytes, sizeof bytes) : 0;
            bool there = memmem(bytes, length, secret, strlen("quixot")) != NULL;
            before = before || there;
            if (round == 1)
                assert_false(there);
        }
        assert_true(before); /* a control */
        if (round == 0)
            assert_int_equal(act(&place, remove), DV_OK);
    }
    close_file(world, sqlite);
    free(remove);
    free(put);
    free(sqlite);
}

static void test_memory_is_bounded(void **state)
{
    struct world *world = *state;
    struct dv_vectors_sqlite *sqlite = calloc(1, sizeof *sqlite);
    struct dv_error error = { 0 };
    const char *path = world_path(world, "full.sqlite");
    open_file(world, sqlite, path, 2 << 20);
    struct place place = { .world = world, .vectors = &sqlite->vectors };
    dv_rc rc = DV_OK;
    uint64_t kept = 0;
    for (uint64_t first = 1; rc == DV_OK && first < 10000; first += PUT_MAX) {
        struct asked *put = new_put();
        for (uint64_t i = 0; i < PUT_MAX; i++)
            (void)add_row(put, "t", first + i, "a text");
        rc = act(&place, put);
        if (rc == DV_OK)
            kept += put->request.total;
        else
            assert_non_null(strstr(put->request.reason, "memory"));
        free(put);
    }
    assert_int_equal(rc, DV_E_FULL);
    assert_true(kept >= PUT_MAX && kept < 2000);
    assert_true(sqlite->memory.bytes <= 2 << 20);
    assert_int_equal(count_of(&place, "t"), kept); /* and it still answers */
    close_file(world, sqlite);
    assert_int_equal(dv_vectors_sqlite_open(sqlite, &world->loop.base, path, 1 << 19, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "memory"));
    free(sqlite);
}

static struct asked *new_remove(const char *person)
{
    struct asked *remove = new_search("t", "", 0);
    remove->request.kind = DV_VECTORS_REMOVE;
    remove->rows[0].subject_ref = bytes_of(person);
    remove->request.count = 1;
    return remove;
}

/* 100 rows about one person, or about nobody. */
static void put_hundred(struct place *place, uint64_t first, const char *person)
{
    struct asked *put = new_put();
    for (uint64_t i = 0; i < 100; i++) {
        struct dv_vectors_row *row = add_row(put, "t", first + i, "a text");
        if (person != NULL)
            row->subject_ref = bytes_of(person);
    }
    put_all(place, put);
}

/* Another process, which may hold more, puts more into the file than this one may. */
static void test_more_than_memory_comes_from_elsewhere(void **state)
{
    struct world *world = *state;
    struct dv_vectors_sqlite *both = calloc(2, sizeof *both);
    const char *path = world_path(world, "grown.sqlite");
    bool lexical = false;
    open_file(world, &both[0], path, MEMORY);
    open_file(world, &both[1], path, 1 << 20);
    struct place large = { .world = world, .vectors = &both[0].vectors }, small = { .world = world, .vectors = &both[1].vectors };
    put_hundred(&small, 1, NULL);
    for (uint64_t i = 1; i < 10; i++)
        put_hundred(&large, 1 + 100 * i, "anna");
    struct asked *search = new_search("t", "text", 950);
    assert_true(hits_of(&small, search) > 0);
    assert_true(search->request.lexical && !search->hits[0].compared);
    assert_non_null(strstr(dv_vectors_waits(&both[1].vectors), "memory"));
    assert_int_equal(count_of(&small, "t"), 1000);
    struct asked *put = new_put();
    (void)add_row(put, "t", 2000, "one more");
    assert_int_equal(act(&small, put), DV_E_FULL);
    assert_non_null(strstr(put->request.reason, "memory"));
    free(put);
    put_hundred(&small, 501, "anna"); /* what is there needs no room */
    struct asked *remove = new_remove("anna");
    assert_int_equal(act(&small, remove), DV_OK);
    assert_int_equal(remove->request.total, 900);
    assert_int_equal(nearest(&small, "t", 50, &lexical), 10); /* and it is well again */
    assert_false(lexical);
    assert_null(dv_vectors_waits(&both[1].vectors));
    for (int i = 0; i < 2; i++)
        close_file(world, &both[i]);
    free(search);
    free(remove);
    free(both);
}

/* Who only counts and removes has no use for vectors in memory, however many there are. */
static void test_removing_needs_no_memory(void **state)
{
    struct world *world = *state;
    struct dv_vectors_sqlite *sqlite = calloc(1, sizeof *sqlite);
    const char *path = world_path(world, "unread.sqlite");
    open_file(world, sqlite, path, MEMORY);
    struct place place = { .world = world, .vectors = &sqlite->vectors };
    put_hundred(&place, 1, "anna");
    close_file(world, sqlite);
    open_file(world, sqlite, path, 0);
    assert_int_equal(sqlite->memory.bytes, 0);
    assert_int_equal(count_of(&place, "t"), 100);
    struct asked *remove = new_remove("anna");
    assert_int_equal(act(&place, remove), DV_OK);
    assert_int_equal(remove->request.total, 100);
    assert_int_equal(count_of(&place, "t"), 0);
    close_file(world, sqlite);
    free(remove);
    free(sqlite);
}

static void test_a_file_of_another_kind(void **state)
{
    struct world *world = *state;
    struct dv_vectors_sqlite *sqlite = calloc(1, sizeof *sqlite);
    struct dv_error error = { 0 };
    world_write(world_path(world, "none.sqlite"), "this is no store at all, but a text of some length", 50);
    assert_int_equal(dv_vectors_sqlite_open(sqlite, &world->loop.base, world_path(world, "none.sqlite"), MEMORY, &error), DV_E_CONFIG);
    free(sqlite);
}

static void test_closing_while_it_works(void **state)
{
    struct world *world = *state;
    struct dv_vectors_sqlite *sqlite = calloc(1, sizeof *sqlite);
    open_file(world, sqlite, world_path(world, "closing.sqlite"), MEMORY);
    struct asked *put = new_put(), *search = new_search("t", "", 1);
    for (uint64_t i = 1; i <= PUT_MAX; i++)
        (void)add_row(put, "t", i, "a text");
    dv_vectors_request(&sqlite->vectors, &put->request);
    dv_vectors_request(&sqlite->vectors, &search->request);
    close_file(world, sqlite);
    assert_false(put->done || search->done);
    free(put);
    free(search);
    free(sqlite);
}

static void test_words_of_a_question(void **state)
{
    (void)state;
    struct dv_word words[DV_WORDS_MAX];
    char joined[64];
    const char *text = "What are the PAINS of Müller's pains?";
    size_t count = dv_words_of(text, strlen(text), words);
    assert_int_equal(count, 2);
    (void)dv_words_join(words, count, "<", ">", " ", joined, sizeof joined);
    assert_string_equal(joined, "<PAINS> <Müller>");
    char many[1000] = "";
    for (int i = 0; i < 100; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "w%d ", i);
    assert_int_equal(dv_words_of(many, strlen(many), words), DV_WORDS_MAX);
    assert_int_equal(dv_words_of("\xC3", 1, words), 0);
    assert_int_equal(dv_words_of("x\xC3", 2, words), 1);
}

static void test_words_have_forms(void **state)
{
    static const char *const forms[][3] = {
        { "migraines", "migrain", "migrainn?(e|s|es|ed|is|ing|ings)?" },
        { "Allergies", "allerg", "allerg(y|ies|ied|ying)" },
        { "allergy", "allerg", "allerg(y|ies|ied|ying)" },
        { "stopped", "stop", "stopp?(e|s|es|ed|is|ing|ings)?" },
        { "spring", "spring", "springg?(e|s|es|ed|is|ing|ings)?" },
        { "illness", "illness", "illnesss?(e|s|es|ed|is|ing|ings)?" },
        { "virus", "virus", "viruss?(e|s|es|ed|is|ing|ings)?" },
        { "diagnosis", "diagnos", "diagnoss?(e|s|es|ed|is|ing|ings)?" },
        { "bleed", "bleed", "bleedd?(e|s|es|ed|is|ing|ings)?" },
        { "B12", "b12", "b12" },
        { "x", "x", "x" },
        { "M\xC3\xBCller", "m\xC3\xBCller", "m\xC3\xBCllerr?(e|s|es|ed|is|ing|ings)?" },
        { "Gr\xC3\xB6\xC3\x9F" "e", "gr\xC3\xB6\xC3\x9F", "gr\xC3\xB6\xC3\x9F(e|s|es|ed|is|ing|ings)?" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct dv_word_forms made;
        struct dv_word word = { forms[i][0], strlen(forms[i][0]) };
        dv_words_forms(&word, &made);
        assert_string_equal(made.stem, forms[i][1]);
        assert_string_equal(made.pattern, forms[i][2]);
    }
}

static void test_ranks_are_joined(void **state)
{
    (void)state;
    struct dv_fused fused[DV_FUSED_MAX];
    const int64_t near[] = { 10, 20, 30 }, words[] = { 30, 40 };
    size_t count = dv_vectors_fuse(near, 3, words, 2, 2, fused);
    assert_int_equal(count, 4);
    const int64_t expected[] = { 30, 10, 20, 40 };
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fused[i].number, expected[i]);
    assert_int_equal(fused[0].vector_rank, 3);
    assert_int_equal(fused[0].lexical_rank, 1);
    assert_int_equal(dv_vectors_fuse(near, 3, NULL, 0, 1, fused), 3);
    assert_true(fused[0].score == 1.0);
    assert_int_equal(dv_vectors_fuse(NULL, 0, NULL, 0, 2, fused), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_each_once_and_the_nearest_first), TEST(file_words_count_too), TEST(file_filters), TEST(file_floor),
        TEST(file_another_model_is_refused), TEST(file_removed_people_are_gone), TEST(file_many_are_removed_at_once), TEST(file_texts_of_a_person_are_named), TEST(file_what_is_old_goes), TEST(file_words_get_their_vectors_later),
        TEST(file_a_question_is_no_syntax), TEST(file_nothing_of_other_tenants), TEST(test_two_at_one_file),
        TEST(test_removed_text_is_overwritten), TEST(test_memory_is_bounded),
        TEST(test_more_than_memory_comes_from_elsewhere), TEST(test_removing_needs_no_memory), TEST(test_a_file_of_another_kind),
        TEST(test_closing_while_it_works), cmocka_unit_test(test_words_of_a_question), cmocka_unit_test(test_words_have_forms), cmocka_unit_test(test_ranks_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

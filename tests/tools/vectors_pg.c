/* SPDX-License-Identifier: Apache-2.0
 * vectors_pg.c - pgvector does what every place of vectors must, and finds nearly what an exact search does: for
 * tests/e2e/test_vectors_pg.py, which starts the server. `vectors_pg URL ROWS` */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <time.h>

#include "connectors/vectors_memory.h"
#include "connectors/vectors_pg.h"
#include "engine/random.h"
#include "tests/unit/vectors_world.h"

enum { CENTRES = 100, QUERIES = 100, TOP = 10 };

/* What the command line says. */
struct given {
    const char *url;
    uint64_t rows;
    struct place place;
    struct dv_vectors_pg pg;
};

static struct given *given;

static int open_place(void **state)
{
    const struct dv_pg_config config = { .url = given->url, .schema = "datavault", .table = "embeddings", .connections = 2,
                                         .connect_timeout_ms = 5000, .timeout_ms = 60000, .vector_width = WIDTH };
    struct dv_error error = { 0 };
    (void)world_setup(state);
    given->place = (struct place){ .world = *state, .vectors = &given->pg.vectors };
    dv_rc rc = dv_vectors_pg_probe(&config, &error);
    if (rc == DV_OK)
        rc = dv_vectors_pg_open(&given->pg, &given->place.world->loop.base, &config, &error);
    if (rc != DV_OK)
        print_error("%s\n", error.text);
    return rc != DV_OK;
}

static int close_place(void **state)
{
    dv_vectors_close(&given->pg.vectors);
    return world_teardown(state);
}

#define ON_PG(name)                                                                                                    \
    static void pg_##name(void **state)                                                                                \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        test_##name(&given->place);                                                                                    \
    }
ON_PG(each_once_and_the_nearest_first)
ON_PG(words_count_too)
ON_PG(filters)
ON_PG(floor)
ON_PG(another_model_is_refused)
ON_PG(removed_people_are_gone)
ON_PG(many_are_removed_at_once)
ON_PG(texts_of_a_person_are_named)
ON_PG(what_is_old_goes)
ON_PG(words_get_their_vectors_later)
ON_PG(a_question_is_no_syntax)
ON_PG(nothing_of_other_tenants)

/* As vectors of texts lie: about some centres, some nearer and some farther. */
static void near_a_centre(float vector[WIDTH], uint64_t seed)
{
    float centre[WIDTH], stray[WIDTH];
    double sum = 0, part = 0.4 + (double)(seed % 7) / 10;
    unit_vector(centre, 1 + seed % CENTRES);
    unit_vector(stray, 1000 + seed);
    for (int i = 0; i < WIDTH; i++) {
        vector[i] = (float)((double)centre[i] + part * (double)stray[i]);
        sum += (double)vector[i] * (double)vector[i];
    }
    for (int i = 0; i < WIDTH; i++)
        vector[i] = (float)((double)vector[i] / sqrt(sum));
}

static void put_many(float (*all)[WIDTH])
{
    for (uint64_t first = 0; first < given->rows; first += PUT_MAX) {
        struct asked *put = new_put();
        for (uint64_t i = first; i < first + PUT_MAX && i < given->rows; i++) {
            near_a_centre(all[i], i);
            struct dv_vectors_row *row = add_row(put, "recall", i, "a text");
            memcpy(put->vectors[i - first], all[i], sizeof all[i]);
            row->vector = (struct dv_store_bytes){ put->vectors[i - first], sizeof all[i] };
        }
        dv_rc rc = act(&given->place, put);
        if (rc != DV_OK)
            fail_msg("%s", put->request.reason);
        free(put);
    }
}

/* How many vectors are nearer to the question than the tenth that was found: none, if it found the ten nearest. */
static unsigned missed(float (*all)[WIDTH], const struct asked *search)
{
    double last = search->hits[TOP - 1].cosine;
    unsigned better = 0;
    for (uint64_t i = 0; i < given->rows; i++)
        better += (double)dv_vectors_product(search->vector, all[i], WIDTH) > last + 1e-6;
    return better > TOP - 1 ? better - (TOP - 1) : 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void pg_finds_what_an_exact_search_does(void **state)
{
    (void)state;
    float(*all)[WIDTH] = calloc(given->rows, sizeof *all);
    double ms[QUERIES];
    unsigned lost = 0;
    assert_non_null(all);
    put_many(all);
    for (uint64_t i = 0; i < QUERIES; i++) {
        struct asked *search = new_search("recall", "", 1);
        near_a_centre(search->vector, 1000003 * (i + 1));
        search->request.query.top = TOP;
        double start = now_ms();
        assert_int_equal(act(&given->place, search), DV_OK);
        ms[i] = now_ms() - start;
        assert_int_equal(search->request.total, TOP);
        lost += missed(all, search);
        free(search);
    }
    qsort(ms, QUERIES, sizeof *ms, by_size);
    double recall = 1 - (double)lost / (QUERIES * TOP);
    print_message("recall@10 %.3f of %d questions among %llu vectors; a search takes p50 %.1f ms, p95 %.1f ms\n", recall, QUERIES,
                  (unsigned long long)given->rows, ms[QUERIES / 2], ms[QUERIES * 95 / 100]);
    assert_true(recall >= 0.98);
    free(all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(pg_each_once_and_the_nearest_first), TEST(pg_words_count_too), TEST(pg_filters), TEST(pg_floor),
        TEST(pg_another_model_is_refused), TEST(pg_removed_people_are_gone), TEST(pg_many_are_removed_at_once), TEST(pg_texts_of_a_person_are_named), TEST(pg_what_is_old_goes), TEST(pg_words_get_their_vectors_later),
        TEST(pg_a_question_is_no_syntax), TEST(pg_nothing_of_other_tenants), TEST(pg_finds_what_an_exact_search_does),
    };
    if (argc != 3) {
        fputs("usage: vectors_pg URL ROWS\n", stderr);
        return 2;
    }
    given = calloc(1, sizeof *given);
    given->url = argv[1];
    given->rows = strtoull(argv[2], NULL, 10);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(given);
    return failed;
}

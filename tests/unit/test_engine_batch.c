/* SPDX-License-Identifier: Apache-2.0
 * test_engine_batch.c - arenas and batches at their limits: nothing outlives a reset, nothing is half done.
 *
 * shows: BCP-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "engine/node.h"

static void test_trimmed_bytes_are_wiped_too(void **state)
{
    (void)state;
    struct dv_arena arena;
    dv_arena_init(&arena, DV_ARENA_CHUNK);
    char *text = dv_arena_text(&arena, 100);
    memset(text, 'S', 100);
    dv_arena_trim(&arena, text, 100, 10);
    dv_arena_reset(&arena);
    for (int i = 0; i < 100; i++)
        assert_int_equal(text[i], 0);
    dv_arena_free(&arena);
}

static void test_the_trim_of_one_chunk_does_not_reach_into_the_next(void **state)
{
    (void)state;
    struct dv_arena arena;
    dv_arena_init(&arena, 4 * DV_ARENA_CHUNK);
    char *text = dv_arena_text(&arena, DV_ARENA_CHUNK);
    memset(text, 'S', DV_ARENA_CHUNK);
    dv_arena_trim(&arena, text, DV_ARENA_CHUNK, 0);
    assert_non_null(dv_arena_text(&arena, DV_ARENA_CHUNK));
    assert_non_null(dv_arena_text(&arena, 100));
    dv_arena_free(&arena);
}

static void test_what_fits_an_empty_arena_fits_after_any_reset(void **state)
{
    (void)state;
    struct dv_arena arena;
    dv_arena_init(&arena, 4 * DV_ARENA_CHUNK);
    for (int i = 0; i < 4; i++)
        assert_non_null(dv_arena_text(&arena, DV_ARENA_CHUNK));
    dv_arena_reset(&arena);
    assert_non_null(dv_arena_text(&arena, 4 * DV_ARENA_CHUNK));
    assert_int_equal(dv_arena_held(&arena), 4 * DV_ARENA_CHUNK);
    assert_null(dv_arena_text(&arena, 1));
    dv_arena_free(&arena);
}

enum { COLUMNS = 20, ROWS = 8 };

/* A batch whose every cell says which row it is of. */
static struct dv_batch *numbered(struct dv_pool *pool, struct dv_arena *arena)
{
    struct dv_schema *schema = dv_schema_new(arena, "s", COLUMNS);
    for (int i = 0; i < COLUMNS; i++)
        (void)dv_schema_add(schema, dv_arena_printf(arena, "c%d", i), DV_TYPE_INT,
                            dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    struct dv_batch *batch = dv_pool_take(pool, schema, "t");
    assert_non_null(batch);
    batch->rows = ROWS;
    for (uint32_t column = 0; column < COLUMNS; column++)
        for (uint32_t row = 0; row < ROWS; row++)
            batch->cells[column][row] = (struct dv_cell){ .integer = row, .present = 1 };
    return batch;
}

static void test_a_compaction_that_fails_mixes_no_records(void **state)
{
    (void)state;
    struct dv_pool pool;
    struct dv_arena arena;
    dv_arena_init(&arena, 1 << 20);
    assert_int_equal(dv_pool_init(&pool, 2, 2 * DV_ARENA_CHUNK), DV_OK);
    struct dv_batch *batch = numbered(&pool, &arena);
    struct dv_batch *copy = dv_pool_share(batch);
    copy->rejected[0] = 1;
    copy->rejected_count = 1;
    copy->arena.limit_bytes = DV_ARENA_CHUNK; /* room for some columns, not for all */
    assert_int_equal(dv_batch_compact(copy), DV_E_MEMORY);
    assert_int_equal(copy->rows, ROWS);
    for (uint32_t column = 0; column < COLUMNS; column++)
        for (uint32_t row = 0; row < ROWS; row++)
            assert_int_equal(copy->cells[column][row].integer, row);
    dv_batch_unref(copy);
    dv_batch_unref(batch);
    dv_pool_free(&pool);
    dv_arena_free(&arena);
}

static void test_a_compaction_closes_the_gaps(void **state)
{
    (void)state;
    struct dv_pool pool;
    struct dv_arena arena;
    dv_arena_init(&arena, 1 << 20);
    assert_int_equal(dv_pool_init(&pool, 1, 1 << 20), DV_OK);
    struct dv_batch *batch = numbered(&pool, &arena);
    batch->rejected[0] = 1u << 0 | 1u << 3 | 1u << 7;
    batch->rejected_count = 3;
    assert_int_equal(dv_batch_compact(batch), DV_OK);
    static const int64_t kept[] = { 1, 2, 4, 5, 6 };
    assert_int_equal(batch->rows, 5);
    for (uint32_t row = 0; row < 5; row++)
        assert_int_equal(batch->cells[COLUMNS - 1][row].integer, kept[row]);
    dv_batch_unref(batch);
    dv_pool_free(&pool);
    dv_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trimmed_bytes_are_wiped_too),
        cmocka_unit_test(test_the_trim_of_one_chunk_does_not_reach_into_the_next),
        cmocka_unit_test(test_what_fits_an_empty_arena_fits_after_any_reset),
        cmocka_unit_test(test_a_compaction_that_fails_mixes_no_records),
        cmocka_unit_test(test_a_compaction_closes_the_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

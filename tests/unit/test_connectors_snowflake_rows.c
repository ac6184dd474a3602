/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_rows.c - rows packed for a request.
 *
 * shows: SNO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "connectors/snowflake_rows.h"
#include "engine/memory.h"
#include "engine/random.h"

static size_t unpacked(const struct dv_snowflake_rows *rows, char *out, size_t size)
{
    z_stream stream = { .next_in = (unsigned char *)rows->bytes,
                        .avail_in = (uInt)rows->used,
                        .next_out = (unsigned char *)out,
                        .avail_out = (uInt)size };
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(inflateEnd(&stream), Z_OK);
    return size - stream.avail_out;
}

static void packs_rows(void **state)
{
    struct dv_snowflake_rows rows = { 0 };
    char text[64];
    (void)state;
    assert_int_equal(dv_snowflake_rows_init(&rows), DV_OK);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(dv_snowflake_rows_add(&rows, "{\"a\":1}", 7), DV_OK);
        assert_int_equal(dv_snowflake_rows_add(&rows, "{\"a\":2}", 7), DV_OK);
        dv_snowflake_rows_end(&rows);
        assert_int_equal(rows.count, 2);
        assert_int_equal(rows.raw, 16);
        assert_int_equal(unpacked(&rows, text, sizeof text), 16);
        assert_memory_equal(text, "{\"a\":1}\n{\"a\":2}\n", 16);
        dv_snowflake_rows_reset(&rows);
    }
    dv_snowflake_rows_free(&rows);
}

/* However well or badly rows pack, a body is never larger than Snowflake takes, and no row is lost. */
static void packs_no_more_than_one_request_holds(void **state)
{
    static const size_t lengths[] = { 64, 1000, 60000, DV_SNOWFLAKE_ROW_MAX };
    struct dv_snowflake_rows rows = { 0 };
    struct dv_random random;
    char *row = malloc(DV_SNOWFLAKE_ROW_MAX), *out = malloc(DV_SNOWFLAKE_RAW_MAX);
    (void)state;
    dv_random_seed(&random, 1);
    assert_int_equal(dv_snowflake_rows_init(&rows), DV_OK);
    for (unsigned kind = 0; kind < 8; kind++) {
        size_t length = lengths[kind / 2];
        memset(row, 'a', length);
        uint32_t added = 0;
        while (dv_snowflake_rows_add(&rows, row, length) == DV_OK) {
            added++;
            for (size_t i = 0; kind % 2 == 0 && i < length; i++) /* what does not pack */
                row[i] = (char)(dv_random_u64(&random) & 0xff);
        }
        assert_int_equal(dv_snowflake_rows_add(&rows, row, length), DV_E_FULL);
        dv_snowflake_rows_end(&rows);
        assert_true(added > 0 && added == rows.count && rows.used <= DV_SNOWFLAKE_WIRE_MAX);
        assert_true(rows.raw <= DV_SNOWFLAKE_RAW_MAX && rows.raw == added * (length + 1));
        assert_true(kind % 2 == 1 || rows.used > DV_SNOWFLAKE_WIRE_MAX / 3); /* the room is used */
        assert_int_equal(unpacked(&rows, out, DV_SNOWFLAKE_RAW_MAX), rows.raw);
        if (kind % 2 == 1)
            assert_memory_equal(out + rows.raw - length - 1, row, length);
        dv_snowflake_rows_reset(&rows);
    }
    dv_snowflake_rows_free(&rows);
    free(row);
    free(out);
}

/* It is what it packs to that counts: what packs well goes alone, or first; what does not is told of. */
static void packs_a_large_row_alone(void **state)
{
    static const size_t large = DV_SNOWFLAKE_RAW_MAX - 1;
    struct dv_snowflake_rows rows = { 0 };
    struct dv_random random;
    char *row = malloc(large + 1), *out = malloc(DV_SNOWFLAKE_RAW_MAX);
    (void)state;
    dv_random_seed(&random, 1);
    memset(row, 'a', large + 1);
    assert_int_equal(dv_snowflake_rows_init(&rows), DV_OK);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, 1), DV_OK);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, large), DV_E_FULL);
    dv_snowflake_rows_reset(&rows);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, large + 1), DV_E_LIMIT);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, large), DV_OK);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, 1), DV_E_FULL);
    dv_snowflake_rows_end(&rows);
    assert_int_equal(rows.count, 1);
    assert_int_equal(unpacked(&rows, out, DV_SNOWFLAKE_RAW_MAX), large + 1);
    assert_true(memcmp(out, row, large) == 0 && out[large] == '\n');
    dv_snowflake_rows_reset(&rows);
    for (size_t i = 0; i < large; i++) /* what does not pack */
        row[i] = (char)(dv_random_u64(&random) & 0xff);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, DV_SNOWFLAKE_WIRE_MAX), DV_E_LIMIT);
    assert_true(rows.count == 0 && rows.raw == 0);
    assert_int_equal(dv_snowflake_rows_add(&rows, row, DV_SNOWFLAKE_WIRE_MAX - 300 * 1024), DV_OK);
    while (dv_snowflake_rows_add(&rows, row, 100) == DV_OK)
        continue;
    dv_snowflake_rows_end(&rows);
    assert_true(rows.used <= DV_SNOWFLAKE_WIRE_MAX && rows.count > 1);
    assert_int_equal(unpacked(&rows, out, DV_SNOWFLAKE_RAW_MAX), rows.raw);
    dv_snowflake_rows_free(&rows);
    free(row);
    free(out);
}

static void packs_nothing_without_memory(void **state)
{
    struct dv_snowflake_rows rows = { 0 };
    dv_rc rc = DV_E_MEMORY;
    unsigned tries = 0;
    (void)state;
    while (rc != DV_OK) {
        dv_memory_fail_at(++tries);
        rc = dv_snowflake_rows_init(&rows);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || (rc == DV_E_MEMORY && rows.bytes == NULL));
    }
    assert_true(tries > 3);
    dv_snowflake_rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_rows),
        cmocka_unit_test(packs_no_more_than_one_request_holds),
        cmocka_unit_test(packs_a_large_row_alone),
        cmocka_unit_test(packs_nothing_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

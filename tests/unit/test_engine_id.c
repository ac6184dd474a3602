/* SPDX-License-Identifier: Apache-2.0
 * test_engine_id.c - record ids: their layout, order and difference; their text; the hash against published values.
 *
 * shows: MIS-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/id.h"
#include "engine/random.h"

/* Vectors of wyhash's own test program: input i under seed i. */
static void hashes_as_published(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } vectors[] = {
        { "", 0x93228a4de0eec5a2u },
        { "a", 0xc5bac3db178713c4u },
        { "abc", 0xa97f2f7b1d9b3314u },
        { "message digest", 0x786d1f1df3801df4u },
        { "abcdefghijklmnopqrstuvwxyz", 0xdca5a8138ad37c87u },
        { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xb9e734f117cfaf70u },
        { "12345678901234567890123456789012345678901234567890123456789012345678901234567890", 0x6cc5eab49a92d617u },
    };
    for (uint64_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_true(dv_hash64(vectors[i].text, strlen(vectors[i].text), i) == vectors[i].hash);
}

static void hash_depends_on_every_bit(void **state)
{
    (void)state;
    for (size_t length = 1; length <= 100; length++) {
        uint8_t data[100] = { 0 };
        uint64_t hash = dv_hash64(data, length, 1);
        assert_true(dv_hash64(data, length, 2) != hash);
        for (size_t bit = 0; bit < length * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(dv_hash64(data, length, 1) != hash);
            data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void lays_out_a_version_8_uuid(void **state)
{
    (void)state;
    uint8_t id[DV_UUID_BYTES];
    dv_id_make(id, 0x0123456789abu, 0xdef, 42);
    static const uint8_t head[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x8d, 0xef };
    assert_memory_equal(id, head, sizeof head);
    assert_int_equal(id[8] & 0xc0, 0x80);
    uint8_t again[DV_UUID_BYTES];
    dv_id_make(again, 0x0123456789abu, 0xdef, 42);
    assert_memory_equal(id, again, sizeof id);
}

static void sorts_by_order_and_minor(void **state)
{
    (void)state;
    uint8_t before[DV_UUID_BYTES];
    uint8_t after[DV_UUID_BYTES];
    dv_id_make(before, 0, 0, 7);
    for (uint64_t order = 0; order < 40000; order += 37) {
        for (uint32_t minor = 0; minor < 3; minor++) {
            dv_id_make(after, order, minor, 7);
            assert_true((order == 0 && minor == 0) || memcmp(before, after, sizeof after) < 0);
            memcpy(before, after, sizeof after);
        }
    }
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, DV_UUID_BYTES);
}

/* Whatever differs between two records - source, order beyond 48 bits, minor beyond 12 bits - their ids differ. */
static void differs_wherever_records_differ(void **state)
{
    (void)state;
    enum { SIDE = 40, COUNT = SIDE * SIDE * SIDE };
    uint8_t(*ids)[DV_UUID_BYTES] = malloc(COUNT * DV_UUID_BYTES);
    assert_non_null(ids);
    size_t count = 0;
    for (uint64_t source = 0; source < SIDE; source++) {
        for (uint64_t order = 0; order < SIDE; order++) {
            for (uint32_t minor = 0; minor < SIDE; minor++)
                dv_id_make(ids[count++], order << 47, minor << 11, source);
        }
    }
    qsort(ids, COUNT, DV_UUID_BYTES, by_bytes);
    for (size_t i = 1; i < COUNT; i++)
        assert_memory_not_equal(ids[i - 1], ids[i], DV_UUID_BYTES);
    free(ids);
}

static void reads_back_its_text(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 1);
    for (int round = 0; round < 1000; round++) {
        uint8_t id[DV_UUID_BYTES];
        uint8_t back[DV_UUID_BYTES];
        char text[DV_UUID_TEXT];
        dv_id_make(id, dv_random_u64(&random), (uint32_t)dv_random_u64(&random), dv_random_u64(&random));
        assert_ptr_equal(dv_id_text(text, id), text);
        assert_int_equal(strlen(text), DV_UUID_TEXT - 1);
        assert_int_equal(text[14], '8');
        assert_true(dv_id_parse(text, strlen(text), back));
        assert_memory_equal(id, back, sizeof id);
    }
}

static void parses_any_case(void **state)
{
    (void)state;
    uint8_t id[DV_UUID_BYTES];
    char text[DV_UUID_TEXT];
    const char *upper = "01234567-89AB-CDEF-0123-456789ABCDEF";
    assert_true(dv_id_parse(upper, 36, id));
    assert_string_equal(dv_id_text(text, id), "01234567-89ab-cdef-0123-456789abcdef");
}

static void refuses_other_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "0123456789abcdef0123456789abcdef",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0",
        "01234567-89ab-cdef-0123-456789abcdeg",
        "0123456789ab--cdef-0123-456789abcdef",
        "01234567_89ab-cdef-0123-456789abcdef",
        "{1234567-89ab-cdef-0123-456789abcde}",
        "01234567-89ab-cdef-0123-456789abcd\xc3\xa9",
        "012345678-9ab-cdef-0123-456789abcdef",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t id[DV_UUID_BYTES] = { 1, 2, 3 };
        assert_false(dv_id_parse(texts[i], strlen(texts[i]), id));
        assert_int_equal(id[0] + id[1] + id[2], 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_published),       cmocka_unit_test(hash_depends_on_every_bit),
        cmocka_unit_test(lays_out_a_version_8_uuid), cmocka_unit_test(sorts_by_order_and_minor),
        cmocka_unit_test(reads_back_its_text),       cmocka_unit_test(differs_wherever_records_differ),
        cmocka_unit_test(parses_any_case),           cmocka_unit_test(refuses_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

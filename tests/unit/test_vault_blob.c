/* SPDX-License-Identifier: Apache-2.0
 * test_vault_blob.c - a blob opens only as it was sealed, and its bytes are read only in their one spelling.
 * shows: ENC-1 ENC-4 ENC-6 ENC-7 STO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <msgpack.h>

#include "engine/memory.h"
#include "vault/blob.h"
#include "vault/seal.h"

enum { PACKED_MAX = 2048, TEXT_BYTES = 40 };

static const char key_ref[] = "acme/patients/1/00112233445566778899aabbccddeeff";

/* One key, two blobs of it and their bytes. */
struct fixture {
    struct dv_sealer *sealer;
    struct dv_opener *opener;
    struct dv_blob blob[2];
    uint8_t sealed[2][TEXT_BYTES + DV_TAG_BYTES];
    uint8_t packed[PACKED_MAX];
    size_t packed_length;
    uint8_t plaintext[PACKED_MAX];
};

static struct dv_blob new_blob(uint8_t seed)
{
    struct dv_blob blob = { .tenant = dv_bytes_text("acme"),
                            .schema = dv_bytes_text("healthcare"),
                            .created_ms = 1790000000000 + seed,
                            .subject_ref_length = 16 };
    memset(blob.id, seed, sizeof blob.id);
    memset(blob.subject_ref, seed ^ 0x55, 16);
    return blob;
}

static int set_up(void **state)
{
    static const char *const texts[2] = { "the first record, of which nobody knows.",
                                          "the second record, not the same at all.." };
    struct fixture *fixture = dv_memory_zeroed(1, sizeof *fixture);
    uint8_t key[32] = { 1, 2, 3 };
    uint8_t hash_key[32] = { 4, 5, 6 };
    struct dv_seal_key seal_key = { key, hash_key, dv_bytes_text(key_ref), 0 };
    assert_int_equal(dv_sealer_new(&fixture->sealer, &seal_key, NULL), DV_OK);
    assert_int_equal(dv_opener_new(&fixture->opener, &seal_key, NULL), DV_OK);
    for (uint8_t i = 0; i < 2; i++) {
        fixture->blob[i] = new_blob((uint8_t)(i + 7));
        assert_int_equal(
            dv_blob_seal(&fixture->blob[i], fixture->sealer, dv_bytes_text(texts[i]), fixture->sealed[i], NULL), DV_OK);
    }
    fixture->packed_length = dv_blob_pack(&fixture->blob[0], fixture->packed);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    dv_sealer_free(fixture->sealer);
    dv_opener_free(fixture->opener);
    dv_memory_free(fixture);
    return 0;
}

static dv_rc parse(const uint8_t *bytes, size_t length, struct dv_blob *ret)
{
    struct dv_error error = { 0 };
    return dv_blob_parse(ret, (struct dv_bytes){ bytes, length }, &error);
}

static void test_round_trip(void **state)
{
    struct fixture *fixture = *state;
    struct dv_blob read = { 0 };
    assert_int_equal(fixture->packed_length, dv_blob_size(&fixture->blob[0]));
    assert_int_equal(parse(fixture->packed, fixture->packed_length, &read), DV_OK);
    assert_int_equal(dv_blob_open(&read, fixture->opener, fixture->plaintext, NULL), DV_OK);
    assert_memory_equal(fixture->plaintext, "the first record, of which nobody knows.", TEXT_BYTES);
    assert_memory_equal(read.id, fixture->blob[0].id, 16);
    assert_true(dv_bytes_equal(read.tenant, dv_bytes_text("acme")));
    assert_true(dv_bytes_equal(read.schema, dv_bytes_text("healthcare")));
    assert_true(dv_bytes_equal(read.key_ref, dv_bytes_text(key_ref)));
    assert_int_equal(read.created_ms, 1790000000007);
    assert_int_equal(read.subject_ref_length, 16);
    assert_null(memmem(fixture->packed, fixture->packed_length, "record", 6));
}

/* Sizes at which msgpack changes its form of a count. */
static void test_sizes(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = { 0, 1, 31, 239, 240, 241, 65519, 65520, 65521, 1000000 };
    static const uint8_t subjects[] = { 0, 16, 32 };
    uint8_t *text = dv_memory_zeroed(4, 1001000);
    uint8_t *sealed = text + 1001000;
    uint8_t *packed = sealed + 1001000;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct dv_blob blob = new_blob(9);
        struct dv_blob read = { 0 };
        blob.subject_ref_length = subjects[i % 3];
        assert_int_equal(dv_blob_seal(&blob, fixture->sealer, (struct dv_bytes){ text, sizes[i] }, sealed, NULL),
                         DV_OK);
        size_t length = dv_blob_pack(&blob, packed);
        assert_int_equal(length, dv_blob_size(&blob));
        assert_true(length <= sizes[i] + DV_BLOB_OVERHEAD_MAX);
        assert_int_equal(parse(packed, length, &read), DV_OK);
        assert_int_equal(read.ciphertext.length, sizes[i] + 16);
        assert_int_equal(dv_blob_open(&read, fixture->opener, packed + 1001000, NULL), DV_OK);
    }
    dv_memory_free(text);
}

/* The longest names there can be must stay within the promised overhead, and survive. */
static void test_longest_fields(void **state)
{
    struct fixture *fixture = *state;
    char name[177];
    uint8_t raw[32] = { 9 };
    uint8_t sealed[16];
    struct dv_sealer *sealer = NULL;
    struct dv_blob read = { 0 };
    memset(name, 'n', sizeof name);
    struct dv_seal_key key = { raw, raw, { (uint8_t *)name, DV_KEY_REF_MAX }, 0 };
    assert_int_equal(dv_sealer_new(&sealer, &key, NULL), DV_OK);
    struct dv_blob blob = new_blob(1);
    blob.tenant = (struct dv_bytes){ (uint8_t *)name, DV_BLOB_TENANT_MAX };
    blob.schema = (struct dv_bytes){ (uint8_t *)name, DV_BLOB_SCHEMA_MAX };
    blob.subject_ref_length = 32;
    blob.created_ms = DV_BLOB_CREATED_MAX_MS;
    assert_int_equal(dv_blob_seal(&blob, sealer, (struct dv_bytes){ 0 }, sealed, NULL), DV_OK);
    size_t length = dv_blob_pack(&blob, fixture->packed);
    assert_true(length + 3 <= DV_BLOB_OVERHEAD_MAX); /* a long ciphertext's count takes 3 more */
    assert_int_equal(parse(fixture->packed, length, &read), DV_OK);
    assert_int_equal(read.created_ms, DV_BLOB_CREATED_MAX_MS);
    dv_sealer_free(sealer);
}

static void test_fields_out_of_range(void **state)
{
    struct fixture *fixture = *state;
    uint8_t sealed[16];
    struct dv_bytes none = { 0 };
    uint8_t name[200] = { 'a' };
    for (int which = 0; which < 7; which++) {
        struct dv_blob blob = new_blob(1);
        struct dv_blob stored = fixture->blob[0];
        struct dv_blob *both[2] = { &blob, &stored };
        for (int i = 0; i < 2; i++) {
            if (which == 0)
                both[i]->tenant = none;
            if (which == 1)
                both[i]->tenant = (struct dv_bytes){ name, DV_BLOB_TENANT_MAX + 1 };
            if (which == 2)
                both[i]->schema = none;
            if (which == 3)
                both[i]->schema = (struct dv_bytes){ name, DV_BLOB_SCHEMA_MAX + 1 };
            if (which == 4)
                both[i]->created_ms = -1;
            if (which == 5)
                both[i]->created_ms = DV_BLOB_CREATED_MAX_MS + 1;
            if (which == 6)
                both[i]->subject_ref_length = 17;
        }
        assert_int_equal(dv_blob_seal(&blob, fixture->sealer, none, sealed, NULL), DV_E_DATA);
        assert_int_equal(dv_blob_open(&stored, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
    }
    struct dv_blob stored = fixture->blob[0];
    stored.key_ref = (struct dv_bytes){ name, DV_KEY_REF_MAX + 1 };
    assert_int_equal(dv_blob_open(&stored, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
}

/* Parsed and opened; anything but an error is a failure. */
static void assert_refused(struct fixture *fixture, const uint8_t *bytes, size_t length)
{
    struct dv_blob read = { 0 };
    uint8_t zero[TEXT_BYTES] = { 0 };
    if (parse(bytes, length, &read) != DV_OK)
        return;
    memset(fixture->plaintext, 0xee, TEXT_BYTES);
    assert_int_equal(dv_blob_open(&read, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
    assert_memory_equal(fixture->plaintext, zero, TEXT_BYTES);
}

static void test_every_bit_counts(void **state)
{
    struct fixture *fixture = *state;
    for (size_t bit = 0; bit < 8 * fixture->packed_length; bit++) {
        fixture->packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(fixture, fixture->packed, fixture->packed_length);
        fixture->packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Two bytes at a time changed at random: 100,000 of them. */
static void test_random_changes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t seed = 88172645463325252u;
    uint8_t copy[PACKED_MAX];
    for (int round = 0; round < 100000; round++) {
        memcpy(copy, fixture->packed, fixture->packed_length);
        for (int i = 0; i < 2; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            copy[seed % fixture->packed_length] = (uint8_t)(seed >> 32);
        }
        if (memcmp(copy, fixture->packed, fixture->packed_length) != 0)
            assert_refused(fixture, copy, fixture->packed_length);
    }
}

static void test_cut_or_longer(void **state)
{
    struct fixture *fixture = *state;
    struct dv_blob read = { 0 };
    for (size_t length = 0; length < fixture->packed_length; length++) {
        uint8_t *exact = dv_memory_alloc(length); /* so that a sanitizer sees a read past the end */
        if (length != 0)
            memcpy(exact, fixture->packed, length);
        assert_int_equal(parse(exact, length, &read), DV_E_SYNTAX);
        dv_memory_free(exact);
    }
    fixture->packed[fixture->packed_length] = 0;
    assert_int_equal(parse(fixture->packed, fixture->packed_length + 1, &read), DV_E_SYNTAX);
    assert_int_equal(parse(NULL, 0, &read), DV_E_SYNTAX);
    assert_int_equal(read.created_ms, 0);
}

/* Each field of the second blob put into the first. */
static void test_swapped_fields(void **state)
{
    struct fixture *fixture = *state;
    const struct dv_blob *other = &fixture->blob[1];
    for (int which = 0; which < 8; which++) {
        struct dv_blob blob = fixture->blob[0];
        if (which == 0)
            memcpy(blob.id, other->id, sizeof blob.id);
        if (which == 1)
            blob.created_ms = other->created_ms;
        if (which == 2)
            memcpy(blob.data_hash, other->data_hash, sizeof blob.data_hash);
        if (which == 3)
            memcpy(blob.subject_ref, other->subject_ref, sizeof blob.subject_ref);
        if (which == 4)
            memcpy(blob.nonce, other->nonce, sizeof blob.nonce);
        if (which == 5)
            blob.ciphertext = other->ciphertext;
        if (which == 6) {
            blob.tenant = dv_bytes_text("acmeh"); /* a byte slides from one name into its neighbour */
            blob.schema = dv_bytes_text("ealthcare");
        }
        if (which == 7) {
            memcpy(blob.nonce, other->nonce, sizeof blob.nonce);
            blob.ciphertext = other->ciphertext;
        }
        assert_int_equal(dv_blob_open(&blob, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
    }
    assert_int_equal(dv_blob_open(other, fixture->opener, fixture->plaintext, NULL), DV_OK);
}

/* Names whose bytes look like the count before their neighbour. */
static void test_sliding_fields(void **state)
{
    struct fixture *fixture = *state;
    uint8_t sealed[16];
    struct dv_blob blob = new_blob(1);
    blob.tenant = dv_bytes_text("a");
    blob.schema = dv_bytes_text("\x01"
                                "b");
    assert_int_equal(dv_blob_seal(&blob, fixture->sealer, (struct dv_bytes){ 0 }, sealed, NULL), DV_OK);
    blob.tenant = dv_bytes_text("a\x02");
    blob.schema = dv_bytes_text("b");
    assert_int_equal(dv_blob_open(&blob, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
}

/* A blob whose ciphertext is authentic, but whose data hash was made under another hash key. */
static void test_wrong_data_hash(void **state)
{
    struct fixture *fixture = *state;
    uint8_t key[32] = { 1, 2, 3 };
    uint8_t hash_key[32] = { 0xff };
    uint8_t sealed[TEXT_BYTES + 16];
    uint8_t zero[TEXT_BYTES] = { 0 };
    struct dv_sealer *sealer = NULL;
    struct dv_seal_key seal_key = { key, hash_key, dv_bytes_text(key_ref), 0 };
    struct dv_bytes text = dv_bytes_text("the first record, of which nobody knows.");
    assert_int_equal(dv_sealer_new(&sealer, &seal_key, NULL), DV_OK);
    struct dv_blob blob = new_blob(3);
    assert_int_equal(dv_blob_seal(&blob, sealer, text, sealed, NULL), DV_OK);
    assert_int_equal(dv_blob_open(&blob, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
    assert_memory_equal(fixture->plaintext, zero, TEXT_BYTES);
    struct dv_blob empty = new_blob(3);
    assert_int_equal(dv_blob_seal(&empty, sealer, (struct dv_bytes){ 0 }, sealed, NULL), DV_OK);
    assert_int_equal(dv_blob_open(&empty, fixture->opener, fixture->plaintext, NULL), DV_E_TAMPER);
    dv_sealer_free(sealer);
}

static void test_used_up_sealer(void **state)
{
    (void)state;
    uint8_t key[32] = { 1 };
    uint8_t sealed[16];
    struct dv_sealer *sealer = NULL;
    struct dv_seal_key seal_key = { key, key, dv_bytes_text(key_ref), 1 };
    struct dv_blob blob = new_blob(3);
    assert_int_equal(dv_sealer_new(&sealer, &seal_key, NULL), DV_OK);
    assert_int_equal(dv_blob_seal(&blob, sealer, (struct dv_bytes){ 0 }, sealed, NULL), DV_OK);
    assert_int_equal(dv_blob_seal(&blob, sealer, (struct dv_bytes){ 0 }, sealed, NULL), DV_E_LIMIT);
    dv_sealer_free(sealer);
}

/* The bytes themselves, so that a change of the format cannot go unnoticed. */
static void test_bytes_on_the_wire(void **state)
{
    (void)state;
    static const uint8_t expected[] = "\x9a\x01\xc4\x10IIIIIIIIIIIIIIII\xa1t\xa2sc\xcf\x00\x00\x00\x00\x00\x00\x01\x02"
                                      "\xc4\x20HHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH\xd9\x30"
                                      "acme/patients/1/00112233445566778899aabbccddeeff"
                                      "\xc4\x00\xc4\x0cNNNNNNNNNNNN\xc4\x10"
                                      "CCCCCCCCCCCCCCCC";
    uint8_t packed[sizeof expected];
    struct dv_blob blob = { .tenant = dv_bytes_text("t"),
                            .schema = dv_bytes_text("sc"),
                            .created_ms = 0x102,
                            .key_ref = dv_bytes_text(key_ref),
                            .ciphertext = dv_bytes_text("CCCCCCCCCCCCCCCC") };
    memset(blob.id, 'I', sizeof blob.id);
    memset(blob.data_hash, 'H', sizeof blob.data_hash);
    memset(blob.nonce, 'N', sizeof blob.nonce);
    assert_int_equal(dv_blob_pack(&blob, packed), sizeof expected - 1);
    assert_memory_equal(packed, expected, sizeof expected - 1);
}

static void assert_item(const msgpack_object *object, msgpack_object_type type, const void *bytes, size_t length)
{
    assert_int_equal(object->type, type);
    bool text = type == MSGPACK_OBJECT_STR;
    assert_int_equal(text ? object->via.str.size : object->via.bin.size, length);
    assert_memory_equal(text ? object->via.str.ptr : object->via.bin.ptr, bytes, length);
}

/* Others' msgpack reads it too. */
static void test_msgpack_reads_it(void **state)
{
    struct fixture *fixture = *state;
    const struct dv_blob *blob = &fixture->blob[0];
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t at = 0;
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)fixture->packed, fixture->packed_length, &at),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, fixture->packed_length);
    assert_int_equal(unpacked.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(unpacked.data.via.array.size, 10);
    const msgpack_object *items = unpacked.data.via.array.ptr;
    assert_int_equal(items[0].via.u64, 1);
    assert_item(&items[1], MSGPACK_OBJECT_BIN, blob->id, 16);
    assert_item(&items[2], MSGPACK_OBJECT_STR, "acme", 4);
    assert_item(&items[3], MSGPACK_OBJECT_STR, "healthcare", 10);
    assert_int_equal(items[4].via.u64, (uint64_t)blob->created_ms);
    assert_item(&items[5], MSGPACK_OBJECT_BIN, blob->data_hash, 32);
    assert_item(&items[6], MSGPACK_OBJECT_STR, key_ref, sizeof key_ref - 1);
    assert_item(&items[7], MSGPACK_OBJECT_BIN, blob->subject_ref, 16);
    assert_item(&items[8], MSGPACK_OBJECT_BIN, blob->nonce, 12);
    assert_item(&items[9], MSGPACK_OBJECT_BIN, blob->ciphertext.at, blob->ciphertext.length);
    msgpack_unpacked_destroy(&unpacked);
}

/* Bytes that a general msgpack reader would take, or that would make it reserve gigabytes. */
static void test_other_spellings(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *from, *to;
        size_t from_length, to_length;
    } changes[] = {
        { "\x9a\x01", "\xdc\x00\x0a\x01", 2, 4 },         /* array 16 */
        { "\x9a\x01", "\xdd\x00\x00\x00\x0a\x01", 2, 6 }, /* array 32 */
        { "\x9a\x01", "\xdd\xff\xff\xff\xff\x01", 2, 6 }, /* a hostile count */
        { "\x9a\x01", "\x9a\xcc\x01", 2, 3 },             /* uint 8 where one byte does */
        { "\x9a\x01", "\x9a\x02", 2, 2 },                 /* a later version */
        { "\xa4"
          "acme",
          "\xd9\x04"
          "acme",
          5, 6 }, /* str 8 */
        { "\xa4"
          "acme",
          "\xda\x00\x04"
          "acme",
          5, 7 }, /* str 16 */
        { "\xa4"
          "acme",
          "\xc4\x04"
          "acme",
          5, 6 }, /* bin for str */
        { "\xa4"
          "acme",
          "\xa4"
          "ac\nm",
          5, 5 }, /* no name */
        { "\xa4"
          "acme",
          "\xa0", 5, 1 },                             /* an empty name */
        { "\xc4\x0c", "\xc5\x00\x0c", 2, 3 },         /* bin 16 */
        { "\xc4\x0c", "\xc6\xff\xff\xff\xff", 2, 5 }, /* a hostile count */
        { "\xc4\x0c", "\xc7\x0c\x00", 2, 3 },         /* an extension */
        { "\xc4\x10RRRR", "\xc4\x11RRRRR", 6, 7 },    /* a subject of 17 bytes */
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t bytes[PACKED_MAX];
        struct dv_blob read = { 0 };
        const uint8_t *place = memmem(fixture->packed, fixture->packed_length, changes[i].from, changes[i].from_length);
        assert_non_null(place);
        size_t before = (size_t)(place - fixture->packed);
        size_t after = fixture->packed_length - before - changes[i].from_length;
        memcpy(bytes, fixture->packed, before);
        memcpy(bytes + before, changes[i].to, changes[i].to_length);
        memcpy(bytes + before + changes[i].to_length, place + changes[i].from_length, after);
        assert_int_equal(parse(bytes, before + changes[i].to_length + after, &read), DV_E_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_longest_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_out_of_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_bit_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_or_longer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_swapped_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sliding_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_data_hash, set_up, tear_down),
        cmocka_unit_test(test_used_up_sealer),
        cmocka_unit_test(test_bytes_on_the_wire),
        cmocka_unit_test_setup_teardown(test_msgpack_reads_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_spellings, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

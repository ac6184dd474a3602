/* SPDX-License-Identifier: Apache-2.0
 * test_operators_letters.c - the files of dead letters, whatever a crash or a disk has done to them: what is whole is
 * read, what is damaged costs itself alone, and a compaction keeps what is open.
 * shows: ING-7 STO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "operators/dead_letter_compact.h"
#include "operators/dead_letter_scan.h"

enum { ROOM = 1 << 20, LETTERS = 8 };

/* A folder, and letters that nobody can open: what moves them about needs no key. */
struct files {
    char directory[64];
    struct dv_letter_paths paths;
    struct dv_letter_key key[LETTERS];
    uint8_t letter[LETTERS][512];
    size_t length[LETTERS];
};

static void make_letter(struct files *files, int number)
{
    uint8_t sealed[64];
    memset(sealed, number, sizeof sealed);
    struct dv_blob blob = { .tenant = dv_bytes_text("default"),
                            .schema = dv_bytes_text("dead-letter"),
                            .created_ms = 1,
                            .key_ref = dv_bytes_text("default/dead-letter/1"),
                            .ciphertext = { sealed, 40 + (size_t)number } };
    memset(blob.id, 'a' + number, sizeof blob.id);
    memset(blob.nonce, number, sizeof blob.nonce);
    files->key[number] = dv_letter_key_of(&blob);
    files->length[number] = dv_blob_pack(&blob, files->letter[number]);
}

static int setup(void **state)
{
    struct files *files = calloc(1, sizeof *files);
    (void)strcpy(files->directory, "/tmp/letters-XXXXXX");
    assert_non_null(mkdtemp(files->directory));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/letters", files->directory);
    assert_int_equal(dv_letter_paths_of(&files->paths, path, NULL), DV_OK);
    for (int i = 0; i < LETTERS; i++)
        make_letter(files, i);
    *state = files;
    return 0;
}

static int teardown(void **state)
{
    struct files *files = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", files->directory);
    assert_int_equal(system(command), 0);
    free(files);
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* Letters by their numbers, "0123", into a file; the bytes are left in `ret`. */
static size_t write_letters(const struct files *files, const char *path, const char *numbers, uint8_t *ret)
{
    size_t length = 0;
    for (; *numbers != '\0'; numbers++) {
        int number = *numbers - '0';
        memcpy(ret + length, files->letter[number], files->length[number]);
        length += files->length[number];
    }
    write_file(path, ret, length);
    return length;
}

static void write_marks(const struct files *files, const char *numbers)
{
    uint8_t bytes[LETTERS * DV_MARK_BYTES];
    size_t length = 0;
    for (; *numbers != '\0'; numbers++, length += DV_MARK_BYTES) {
        struct dv_mark mark = { files->key[*numbers - '0'], DV_LETTER_DROPPED, 7 };
        dv_mark_pack(&mark, bytes + length);
    }
    write_file(files->paths.marks, bytes, length);
}

/* What a reader finds, as numbers; '!' stands for damage, of which *ret_damage gets the place of the first. */
static const char *read_letters(const char *path, char *ret, uint64_t *ret_damage)
{
    struct dv_letter_reader reader;
    struct dv_letter_found found;
    char *at = ret;
    assert_int_equal(dv_letter_reader_open(&reader, path, NULL), DV_OK);
    for (;;) {
        assert_int_equal(dv_letter_reader_next(&reader, &found, NULL), DV_OK);
        if (found.kind == DV_LETTER_END)
            break;
        if (found.kind == DV_LETTER_DAMAGED && ret_damage != NULL && strchr(ret, '!') == NULL)
            *ret_damage = found.offset;
        *at++ = found.kind == DV_LETTER_DAMAGED ? '!' : (char)('0' + found.blob.nonce[0]);
        *at = '\0';
    }
    *at = '\0';
    dv_letter_reader_close(&reader);
    return ret;
}

static void test_a_mark_is_read_as_it_was_written(void **state)
{
    const struct files *files = *state;
    uint8_t bytes[DV_MARK_BYTES];
    struct dv_mark mark = { files->key[3], DV_LETTER_REPLAYED, 1234567890123 };
    struct dv_mark read;
    dv_mark_pack(&mark, bytes);
    assert_true(dv_mark_parse(&read, (struct dv_bytes){ bytes, sizeof bytes }));
    assert_memory_equal(&read.key, &mark.key, sizeof mark.key);
    assert_int_equal(read.state, DV_LETTER_REPLAYED);
    assert_int_equal(read.at_ms, mark.at_ms);
    assert_string_equal(dv_letter_state_name(read.state), "replayed");
    assert_false(dv_mark_parse(&read, (struct dv_bytes){ bytes, sizeof bytes - 1 }));
}

/* The last of three marks is damaged at every byte, or cut at every length: the other two count. */
static void test_damage_to_the_last_mark_costs_it_alone(void **state)
{
    struct files *files = *state;
    write_marks(files, "012");
    uint8_t whole[3 * DV_MARK_BYTES];
    FILE *file = fopen(files->paths.marks, "rb");
    assert_int_equal(fread(whole, 1, sizeof whole, file), sizeof whole);
    (void)fclose(file);
    for (int at = 0; at < DV_MARK_BYTES; at++) {
        for (int way = 0; way < 2; way++) {
            uint8_t bytes[sizeof whole];
            struct dv_marks marks = { 0 };
            memcpy(bytes, whole, sizeof whole);
            bytes[2 * DV_MARK_BYTES + at] ^= 0x40;
            write_file(files->paths.marks, bytes, way == 0 ? sizeof bytes : (size_t)(2 * DV_MARK_BYTES + at));
            assert_int_equal(dv_marks_load(&marks, files->paths.marks, NULL), DV_OK);
            assert_int_equal(dv_marks_get(&marks, &files->key[0]), DV_LETTER_DROPPED);
            assert_int_equal(dv_marks_get(&marks, &files->key[1]), DV_LETTER_DROPPED);
            assert_int_equal(dv_marks_get(&marks, &files->key[2]), DV_LETTER_OPEN);
            if (way == 0 && marks.damaged_bytes > 0)
                assert_int_equal(marks.damaged_at, 2 * DV_MARK_BYTES);
            if (way == 1)
                assert_int_equal(marks.damaged_bytes, 0);
            dv_marks_free(&marks);
        }
    }
}

/* Every byte of the first mark is damaged, or bytes are put in or left out: those behind it count. */
static void test_marks_behind_damage_count(void **state)
{
    struct files *files = *state;
    write_marks(files, "012");
    uint8_t whole[3 * DV_MARK_BYTES];
    FILE *file = fopen(files->paths.marks, "rb");
    assert_int_equal(fread(whole, 1, sizeof whole, file), sizeof whole);
    (void)fclose(file);
    for (size_t at = 0; at < DV_MARK_BYTES; at++) {
        struct dv_marks marks = { 0 };
        uint8_t bytes[sizeof whole];
        memcpy(bytes, whole, sizeof whole);
        bytes[at] ^= 0x40;
        write_file(files->paths.marks, bytes + at % 3, sizeof bytes - at % 3);
        assert_int_equal(dv_marks_load(&marks, files->paths.marks, NULL), DV_OK);
        assert_int_equal(dv_marks_get(&marks, &files->key[0]), DV_LETTER_OPEN);
        assert_int_equal(dv_marks_get(&marks, &files->key[1]), DV_LETTER_DROPPED);
        assert_int_equal(dv_marks_get(&marks, &files->key[2]), DV_LETTER_DROPPED);
        assert_true(marks.damaged_bytes > 0 && marks.damaged_at == 0);
        dv_marks_free(&marks);
    }
}

static void test_many_marks_are_kept_apart(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct dv_marks marks = { 0 };
    struct dv_letter_key key = { 0 };
    for (uint32_t i = 0; i < MANY; i++) {
        memcpy(key.id, &i, sizeof i);
        assert_int_equal(dv_marks_put(&marks, &key, i % 2 ? DV_LETTER_DROPPED : DV_LETTER_REPLAYED), DV_OK);
    }
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        memcpy(key.id, &i, sizeof i);
        enum dv_letter_state expected = i >= MANY ? DV_LETTER_OPEN : i % 2 ? DV_LETTER_DROPPED : DV_LETTER_REPLAYED;
        assert_int_equal(dv_marks_get(&marks, &key), expected);
    }
    assert_int_equal(marks.count, MANY);
    dv_marks_free(&marks);
}

/* The last letter is cut at every length: half of one is being written, and no damage. */
static void test_half_a_letter_at_the_end_is_passed_over(void **state)
{
    struct files *files = *state;
    uint8_t bytes[ROOM / 64];
    char found[32];
    size_t length = write_letters(files, files->paths.main, "0123", bytes);
    for (size_t cut = 1; cut <= files->length[3]; cut++) {
        write_file(files->paths.main, bytes, length - cut);
        assert_string_equal(read_letters(files->paths.main, found, NULL), "012");
    }
}

/* A letter in the middle is damaged at every byte: it alone is lost, and its place is told, unless it still is one. */
static void test_damage_in_the_middle_is_told_and_passed_over(void **state)
{
    struct files *files = *state;
    uint8_t bytes[ROOM / 64];
    char found[32];
    size_t length = write_letters(files, files->paths.main, "0123", bytes);
    size_t first = files->length[0];
    for (size_t at = first; at < first + files->length[1]; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint64_t damage = first;
            bytes[at] ^= (uint8_t)(1u << bit);
            write_file(files->paths.main, bytes, length);
            (void)read_letters(files->paths.main, found, &damage);
            bool alone = strlen(found) == 4 && found[0] == '0' && strcmp(found + 2, "23") == 0;
            bool shortened = strcmp(found, "01!23") == 0; /* it is found out when it is opened */
            if (!alone && !shortened)
                fail_msg("byte %zu, bit %d: %s", at - first, bit, found);
            assert_true(damage == first || shortened);
            bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_string_equal(read_letters(files->paths.main, found, NULL), "0123");
}

static void test_rubbish_is_damage_up_to_the_next_letter(void **state)
{
    struct files *files = *state;
    static uint8_t bytes[ROOM];
    char found[32];
    uint64_t damage = 0;
    memset(bytes, 0x9a, ROOM);
    memcpy(bytes + ROOM - files->length[5], files->letter[5], files->length[5]);
    write_file(files->paths.main, bytes, ROOM);
    assert_string_equal(read_letters(files->paths.main, found, &damage), "!5");
    assert_int_equal(damage, 0);
    write_file(files->paths.main, bytes, ROOM / 2);
    assert_string_equal(read_letters(files->paths.main, found, NULL), "!");
    write_file(files->paths.main, bytes, 0);
    assert_string_equal(read_letters(files->paths.main, found, NULL), "");
    assert_int_equal(unlink(files->paths.main), 0);
    assert_string_equal(read_letters(files->paths.main, found, NULL), "");
}

static struct dv_letter_compaction compact(struct files *files)
{
    struct dv_letter_compaction done;
    struct dv_error error = { 0 };
    assert_int_equal(dv_letters_compact(files->paths.main, &done, &error), DV_OK);
    return done;
}

static void test_a_compaction_keeps_what_is_open(void **state)
{
    struct files *files = *state;
    uint8_t bytes[ROOM / 64];
    char found[32];
    struct stat facts;
    (void)write_letters(files, files->paths.main, "01234", bytes);
    (void)write_letters(files, files->paths.again, "567", bytes);
    write_marks(files, "136");
    struct dv_letter_compaction done = compact(files);
    assert_false(done.busy);
    assert_int_equal(done.kept, 5);
    assert_int_equal(done.removed, 3);
    assert_string_equal(read_letters(files->paths.main, found, NULL), "02457");
    assert_int_equal(access(files->paths.again, F_OK), -1);
    assert_int_equal(stat(files->paths.marks, &facts), 0);
    assert_int_equal(facts.st_size, 0);
    assert_int_equal(stat(files->paths.main, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal((uint64_t)facts.st_size, done.bytes);
    assert_int_equal(compact(files).kept, 0); /* nothing is marked: nothing is touched */
    assert_string_equal(read_letters(files->paths.main, found, NULL), "02457");
}

/* A crash after the new file has the name: the marks are of letters that are gone, and `again` is in both files. */
static void test_a_compaction_that_was_cut_short_is_finished_by_the_next(void **state)
{
    struct files *files = *state;
    uint8_t bytes[ROOM / 64];
    char found[32];
    (void)write_letters(files, files->paths.main, "0245", bytes);
    (void)write_letters(files, files->paths.again, "567", bytes);
    write_marks(files, "136");
    assert_int_equal(compact(files).kept, 5);
    assert_string_equal(read_letters(files->paths.main, found, NULL), "02457");
}

static void test_a_damaged_file_is_kept_beside_the_compacted_one(void **state)
{
    struct files *files = *state;
    uint8_t bytes[ROOM / 64];
    char found[32];
    char corrupt[DV_LETTERS_PATH_MAX + 16];
    size_t length = write_letters(files, files->paths.main, "0123", bytes);
    bytes[files->length[0]] ^= 1;
    write_file(files->paths.main, bytes, length);
    write_marks(files, "0");
    struct dv_letter_compaction done = compact(files);
    assert_int_equal(done.damaged_bytes, files->length[1]);
    assert_string_equal(read_letters(files->paths.main, found, NULL), "23");
    (void)snprintf(corrupt, sizeof corrupt, "%s.corrupt", files->paths.main);
    assert_string_equal(read_letters(corrupt, found, NULL), "0!23");
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
    struct files *files = *state;
    char path[DV_LETTERS_PATH_MAX + 2];
    struct dv_letter_compaction done;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(dv_letters_compact(path, &done, NULL), DV_E_CONFIG);
    assert_int_equal(dv_letter_paths_of(&files->paths, path, NULL), DV_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_mark_is_read_as_it_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_to_the_last_mark_costs_it_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_behind_damage_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_marks_are_kept_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_a_letter_at_the_end_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_in_the_middle_is_told_and_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rubbish_is_damage_up_to_the_next_letter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_compaction_keeps_what_is_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_compaction_that_was_cut_short_is_finished_by_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_file_is_kept_beside_the_compacted_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_path_that_is_too_long_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests_name("letters", tests, NULL, NULL);
}

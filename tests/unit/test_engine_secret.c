/* SPDX-License-Identifier: Apache-2.0
 * test_engine_secret.c - references to secrets are read from variables and private files, and never shown.
 *
 * shows: SCL-11 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "engine/option.h"

static void write_secret(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static dv_rc read_secret(const char *reference, char *buffer, size_t size, size_t *length, struct dv_error *error)
{
    memset(buffer, 'x', size);
    dv_rc rc = dv_secret_read(reference, buffer, size, length, error);
    if (dv_is_error(rc)) {
        assert_int_equal(*length, 0);
        for (size_t i = 0; i < size; i++)
            assert_true(buffer[i] == '\0' || !dv_is_secret_reference(reference));
    }
    return rc;
}

static void secrets_are_read_from_variables(void **state)
{
    (void)state;
    char buffer[8];
    size_t length = 0;
    struct dv_error error = { 0 };
    assert_int_equal(setenv("DV_S", "1234567", 1), 0);
    assert_int_equal(read_secret("env:DV_S", buffer, sizeof buffer, &length, &error), DV_OK);
    assert_int_equal(length, 7);
    assert_string_equal(buffer, "1234567");
    assert_int_equal(setenv("DV_S", "12345678", 1), 0);
    assert_int_equal(read_secret("env:DV_S", buffer, sizeof buffer, &length, &error), DV_E_LIMIT);
    assert_null(strstr(error.text, "12345678"));
    assert_int_equal(setenv("DV_S", "", 1), 0);
    assert_int_equal(read_secret("env:DV_S", buffer, sizeof buffer, &length, &error), DV_E_CONFIG);
    assert_int_equal(unsetenv("DV_S"), 0);
    assert_int_equal(read_secret("env:DV_S", buffer, sizeof buffer, &length, NULL), DV_E_MISSING);
    static const char *const wrong[] = { "", "hunter2", "env:", "env:1A", "env:A B", "file:", "ENV:A", "http://x" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(read_secret(wrong[i], buffer, sizeof buffer, &length, &error), DV_E_CONFIG);
        assert_null(strstr(error.text, "hunter2"));
    }
}

static void secrets_are_read_from_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t mode;
        dv_rc rc;
        const char *secret;
    } cases[] = {
        { "secret\n", 0600, DV_OK, "secret" },    { "secret\r\n", 0400, DV_OK, "secret" },
        { "a\nb\n", 0600, DV_OK, "a\nb" },        { "1234567\n", 0600, DV_OK, "1234567" },
        { "1234567", 0600, DV_OK, "1234567" },    { "12345678", 0600, DV_E_LIMIT, "" },
        { "1234567\nx", 0600, DV_E_LIMIT, "" },   { "123456789\n", 0600, DV_E_LIMIT, "" },
        { "", 0600, DV_E_CONFIG, "" },            { "\n", 0600, DV_E_CONFIG, "" },
        { "secret", 0640, DV_E_CONFIG, "" },      { "secret", 0604, DV_E_CONFIG, "" },
        { "secret", 0620, DV_E_CONFIG, "" },
    };
    char path[] = "/tmp/datavault-secret-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    char reference[64];
    (void)snprintf(reference, sizeof reference, "file:%s", path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buffer[8];
        size_t length = 0;
        struct dv_error error = { 0 };
        write_secret(path, cases[i].text, cases[i].mode);
        assert_int_equal(read_secret(reference, buffer, sizeof buffer, &length, &error), cases[i].rc);
        if (cases[i].rc == DV_OK) {
            assert_int_equal(length, strlen(cases[i].secret));
            assert_string_equal(buffer, cases[i].secret);
        } else {
            assert_non_null(strstr(error.text, path));
        }
        if (cases[i].mode > 0600)
            assert_non_null(strstr(error.text, "chmod 600"));
    }
    assert_int_equal(unlink(path), 0);
}

static void a_raw_key_keeps_its_last_byte(void **state)
{
    (void)state;
    char path[] = "/tmp/datavault-secret-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    write_secret(path, "key\n", 0600);
    char reference[64];
    (void)snprintf(reference, sizeof reference, "file:%s", path);
    char buffer[8];
    size_t length = 0;
    assert_int_equal(dv_secret_read_raw(reference, buffer, sizeof buffer, &length, NULL), DV_OK);
    assert_int_equal(length, 4);
    assert_memory_equal(buffer, "key\n", 4);
    assert_int_equal(unlink(path), 0);
}

static void odd_secret_files_are_refused(void **state)
{
    (void)state;
    char buffer[8];
    size_t length = 0;
    char path[] = "/tmp/datavault-fifo-XXXXXX";
    assert_non_null(mkdtemp(path));
    char fifo[64];
    (void)snprintf(fifo, sizeof fifo, "file:%s/f", path);
    assert_int_equal(mkfifo(fifo + 5, 0600), 0);
    assert_int_equal(read_secret(fifo, buffer, sizeof buffer, &length, NULL), DV_E_CONFIG);
    assert_int_equal(unlink(fifo + 5), 0);
    assert_int_equal(read_secret(fifo, buffer, sizeof buffer, &length, NULL), DV_E_MISSING);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(read_secret("file:/tmp", buffer, sizeof buffer, &length, NULL), DV_E_CONFIG);
    assert_int_equal(read_secret("file:/etc/passwd/x", buffer, sizeof buffer, &length, NULL), DV_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_read_from_variables),
        cmocka_unit_test(secrets_are_read_from_files),
        cmocka_unit_test(a_raw_key_keeps_its_last_byte),
        cmocka_unit_test(odd_secret_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

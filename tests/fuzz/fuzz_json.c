/* SPDX-License-Identifier: Apache-2.0
 * fuzz_json.c - any bytes: they are refused with a reason, or they are a record that is written and reads back to the
 * same writing. */
#include "tests/unit/json_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once: a reader serves many records, and what it learns about the order of fields must never change an answer. */
struct fuzz {
    struct json_fixture first;
    struct json_fixture second;
};

static struct fuzz *fixtures(void)
{
    static struct fuzz fuzz;
    if (fuzz.first.reader == NULL) {
        fixture_open(&fuzz.first);
        fixture_open(&fuzz.second);
    }
    DV_ASSERT(fuzz.first.reader != NULL && fuzz.second.reader != NULL);
    return &fuzz;
}

static void check_reads_back(struct fuzz *fuzz)
{
    char *written = fixture_write(&fuzz->first);
    DV_ASSERT(written != NULL && fixture_read(&fuzz->second, written) == DV_OK);
    char *again = fixture_write(&fuzz->second);
    DV_ASSERT(again != NULL && strcmp(written, again) == 0);
    free(written);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct fuzz *fuzz = fixtures();
    const char *text = (const char *)data + 1;
    dv_rc rc = fixture_read_before(&fuzz->first, text, size - 1, ' ');
    DV_ASSERT(rc == fixture_read_before(&fuzz->first, text, size - 1, (char)data[0]));
    DV_ASSERT(rc == DV_OK || (dv_is_error(rc) && fuzz->first.reason[0] != '\0'));
    if (rc == DV_OK)
        check_reads_back(fuzz);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * fuzz_ingest.c - any bytes as the text of a request: its records lie in it, in order, without blanks around them, and
 * what lies between them is nothing but blanks. */
#include <stdint.h>
#include <string.h>

#include "engine/error.h"
#include "operators/ingest_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool all_blank(const char *from, const char *to)
{
    for (; from < to; from++)
        if (strchr(" \t\r\n", *from) == NULL || *from == '\0')
            return false;
    return true;
}

static const char *behind_mark(const char *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text;
}

static void check(const char *text, size_t size, enum dv_ingest_form form)
{
    struct dv_ingest_lines lines = { .text = text, .length = size, .form = form };
    const char *before = behind_mark(text, size);
    const char *record = NULL;
    size_t length = 0;
    uint64_t number = 0;
    while (dv_ingest_lines_next(&lines, &record, &length)) {
        DV_ASSERT(length > 0 && record >= before && record + length <= text + size);
        DV_ASSERT(all_blank(before, record) && lines.number > number);
        DV_ASSERT(!all_blank(record, record + 1) && !all_blank(record + length - 1, record + length));
        DV_ASSERT(form == DV_INGEST_ONE ? number == 0 : memchr(record, '\n', length) == NULL);
        number = lines.number;
        before = record + length;
    }
    DV_ASSERT(all_blank(before, text + size));
    DV_ASSERT(!dv_ingest_lines_next(&lines, &record, &length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((const char *)data, size, DV_INGEST_LINES);
    check((const char *)data, size, DV_INGEST_ONE);
    return 0;
}

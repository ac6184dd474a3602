/* SPDX-License-Identifier: Apache-2.0
 * redact_rows.h - tables of texts and what the patterns, without dates, leave of them. Include cmocka.h first. */
#ifndef TEST_REDACT_ROWS_H
#define TEST_REDACT_ROWS_H

#include <string.h>

#include "privacy/redact.h"

/* A text, and what is left of it. */
struct redaction {
    const char *text, *redacted;
};

static inline void check(const struct redaction *rows, size_t count)
{
    struct dv_finder finder;
    struct dv_arena arena;
    assert_int_equal(dv_finder_open(&finder, DV_PII_PATTERNS & ~(1u << DV_PII_DATE)), DV_OK);
    dv_arena_init(&arena, 1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        struct dv_redacted out;
        assert_int_equal(dv_redact(&finder, &arena, rows[i].text, strlen(rows[i].text), &out), DV_OK);
        if (out.length != strlen(rows[i].redacted) || memcmp(out.text, rows[i].redacted, out.length) != 0)
            fail_msg("\"%s\" became \"%.*s\"", rows[i].text, (int)out.length, out.text);
    }
    dv_finder_close(&finder);
    dv_arena_free(&arena);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

#endif

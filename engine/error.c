/* SPDX-License-Identifier: Apache-2.0
 * error.c - the error table in memory, and the assert that stays on. */
#include "engine/error.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    const char *name;
    enum dv_policy policy;
    int exit_code;
    const char *text;
};

static const struct row rows[DV_RC_COUNT] = {
    [DV_OK] = { "DV_OK", DV_POLICY_NONE, 0, "ok" },
    [DV_HOLD] = { "DV_HOLD", DV_POLICY_NONE, 0, "held" },
    [DV_DROP] = { "DV_DROP", DV_POLICY_NONE, 0, "dropped" },
#define DV_ERROR(code, policy, exit_code, text) [code] = { #code, DV_POLICY_##policy, exit_code, text },
#include "engine/errors.def"
#undef DV_ERROR
};

static const struct row *row_of(dv_rc rc)
{
    DV_ASSERT((unsigned)rc < DV_RC_COUNT);
    return &rows[rc];
}

const char *dv_rc_text(dv_rc rc)
{
    return row_of(rc)->text;
}

const char *dv_rc_name(dv_rc rc)
{
    return row_of(rc)->name;
}

enum dv_policy dv_rc_policy(dv_rc rc)
{
    return row_of(rc)->policy;
}

int dv_rc_exit(dv_rc rc)
{
    return row_of(rc)->exit_code;
}

dv_rc dv_error_setv(struct dv_error *error, dv_rc code, const char *format, va_list arguments)
{
    DV_ASSERT(dv_is_error(code));
    if (error != NULL) {
        error->code = code;
        (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    }
    return code;
}

dv_rc dv_error_set(struct dv_error *error, dv_rc code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)dv_error_setv(error, code, format, arguments);
    va_end(arguments);
    return code;
}

void dv_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "datavault: bug: %s does not hold at %s:%d\n", condition, file, line);
    abort();
}

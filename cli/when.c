/* SPDX-License-Identifier: Apache-2.0
 * when.c - a time ago, or one of the forms of ISO 8601 that people write. */
#include "cli/when.h"

#include <stddef.h>
#include <time.h>

#include "engine/option.h"

bool dv_when_parse(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
    int64_t ago = 0;
    if (dv_parse_duration_ms(text, &ago)) {
        *ret_ms = now_ms - ago;
        return true;
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm parts = { .tm_mday = 1 };
        const char *end = strptime(text, forms[i], &parts);
        int day = parts.tm_mday;
        if (end == NULL || *end != '\0')
            continue;
        *ret_ms = (int64_t)timegm(&parts) * 1000;
        return parts.tm_mday == day;
    }
    return false;
}

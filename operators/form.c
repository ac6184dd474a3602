/* SPDX-License-Identifier: Apache-2.0
 * form.c - texts without their numbers. */
#include "operators/form.h"

#include <stdbool.h>
#include <string.h>

#include "engine/id.h"

static bool is_digit(const char *text, size_t length, size_t at)
{
    return at < length && text[at] >= '0' && text[at] <= '9';
}

/* Behind a number such as 12, 1,000.5 or 7.5e-19, or `at` if none is there. */
static size_t skip_number(const char *text, size_t length, size_t at)
{
    if (!is_digit(text, length, at))
        return at;
    while (is_digit(text, length, at))
        at += at + 1 < length && strchr(".,e", text[at + 1]) != NULL && is_digit(text, length, at + 2) ? 2 : 1;
    bool small = at + 1 < length && text[at] == 'e' && text[at + 1] == '-';
    return small ? skip_number(text, length, at + 2) : at;
}

uint64_t dv_form_of(const char *text, size_t length, uint64_t seed)
{
    char form[DV_FORM_MAX];
    size_t used = 0;
    bool told = false;
    if (length > DV_FORM_MAX)
        return 0;
    for (size_t at = 0; at < length; used++) {
        size_t end = told ? skip_number(text, length, at) : at;
        told = told || (at > 0 && text[at - 1] == ':' && text[at] == ' ');
        form[used] = end > at ? '0' : text[at];
        at = end > at ? end : at + 1;
    }
    return dv_hash64(form, used, seed) | 1;
}

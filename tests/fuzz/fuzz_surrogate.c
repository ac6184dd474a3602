/* SPDX-License-Identifier: Apache-2.0
 * fuzz_surrogate.c - any bytes as a value of each type: refused, or another value, the same again; and dates moved there and
 * back. */
#include <stdint.h>
#include <string.h>

#include "privacy/date.h"
#include "privacy/pseudonym.h"
#include "privacy/surrogate.h"
#include "privacy/transform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_type(const struct dv_surrogate *surrogate, enum dv_pii type, const char *text, size_t size)
{
    char first[DV_SURROGATE_MAX];
    char second[DV_SURROGATE_MAX];
    struct dv_buffer out = { .text = first, .size = sizeof first };
    struct dv_buffer again = { .text = second, .size = sizeof second };
    dv_rc rc = dv_surrogate_make(surrogate, type, text, size, &out);
    DV_ASSERT(dv_surrogate_make(surrogate, type, text, size, &again) == rc && again.length == out.length);
    DV_ASSERT(rc == DV_OK ? out.length != 0 : out.length == 0);
    DV_ASSERT(memcmp(first, second, out.length) == 0);
    DV_ASSERT(out.length != size || size == 0 || memcmp(first, text, size) != 0);
}

static void check_dates(const char *text, size_t size)
{
    char there[DV_DATE_TEXT_MAX];
    char back[DV_DATE_TEXT_MAX];
    struct dv_buffer out = { .text = there, .size = sizeof there };
    struct dv_buffer again = { .text = back, .size = sizeof back };
    if (dv_date_move_words(40, text, size, &out) == DV_OK && dv_date_move_words(-40, there, out.length, &again) == DV_OK)
        DV_ASSERT(again.length <= sizeof back);
    if (size <= sizeof there && dv_date_move(40, text, size, &out) == DV_OK) {
        DV_ASSERT(dv_date_move(-40, there, out.length, &again) == DV_OK && again.length == size);
        DV_ASSERT(memcmp(back, text, size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dv_surrogate_options how = { .domain = "person", .noun = "Person" };
    static const struct dv_pseudonym_options keyed = { .domain = "surrogate/person" };
    struct dv_pseudonym maker;
    struct dv_people people = { 0 };
    dv_rc rc = dv_pseudonym_init(&maker, (const unsigned char *)"0123456789abcdef", 16, &keyed);
    DV_ASSERT(rc == DV_OK);
    struct dv_surrogate surrogate = { .options = &how, .maker = &maker };
    for (int type = 1; type < DV_PII_COUNT; type++)
        check_type(&surrogate, (enum dv_pii)type, (const char *)data, size);
    surrogate.people = &people;
    check_type(&surrogate, DV_PII_PERSON, (const char *)data, size);
    check_dates((const char *)data, size);
    return 0;
}

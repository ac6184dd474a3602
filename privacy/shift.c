/* SPDX-License-Identifier: Apache-2.0
 * shift.c - days from an HMAC. */
#include "privacy/shift.h"

#include <endian.h>
#include <string.h>

int64_t dv_shift_days(const struct dv_pseudonym *maker, const char *subject, size_t length, uint32_t days)
{
    unsigned char digest[DV_PSEUDONYM_BYTES_MAX];
    uint64_t drawn = 0;
    DV_ASSERT(days >= 1 && days <= DV_SHIFT_DAYS_MAX);
    dv_pseudonym_digest(maker, subject, length, digest);
    memcpy(&drawn, digest, sizeof drawn);
    /* Of 2^64 values over some thousand the last ones are missing: a bias below 10^-14. */
    int64_t offset = (int64_t)(le64toh(drawn) % (2 * (uint64_t)days)) - (int64_t)days;
    return offset >= 0 ? offset + 1 : offset;
}

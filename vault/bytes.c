/* SPDX-License-Identifier: Apache-2.0
 * bytes.c - which characters a name may have. */
#include "vault/bytes.h"

#include "engine/error.h"

/* Bit 1: in names; bit 2: in paths. A table, because the parser of blobs asks for every character. */
static const uint8_t classes[256] = {
    ['a' ... 'z'] = 3, ['A' ... 'Z'] = 3, ['0' ... '9'] = 3, ['_'] = 3, ['.'] = 3, ['-'] = 3, ['/'] = 2,
};

static bool all_of(struct dv_bytes bytes, size_t max, uint8_t class)
{
    DV_ASSERT(max != 0);
    if (bytes.length == 0 || bytes.length > max)
        return false;
    uint8_t common = class;
    for (size_t i = 0; i < bytes.length; i++)
        common &= classes[bytes.at[i]];
    return common == class;
}

bool dv_bytes_is_name(struct dv_bytes bytes, size_t max)
{
    return all_of(bytes, max, 1);
}

bool dv_bytes_is_path(struct dv_bytes bytes, size_t max)
{
    return all_of(bytes, max, 2);
}

/* SPDX-License-Identifier: Apache-2.0
 * shift.h - the number of days by which all dates of one person are moved, so that the times between them stay. */
#ifndef DV_PRIVACY_SHIFT_H
#define DV_PRIVACY_SHIFT_H

#include "privacy/pseudonym.h"

enum { DV_SHIFT_DAYS_MAX = 36500 };

/* The domain of the maker that keys it. No domain of a policy holds a slash, so that nothing links to it. */
#define DV_SHIFT_DOMAIN "shift/subject"

/* Days from -days to days, never 0, evenly drawn by the HMAC of the subject: the same for a key and a subject. */
int64_t dv_shift_days(const struct dv_pseudonym *maker, const char *subject, size_t length, uint32_t days);

#endif

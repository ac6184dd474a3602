/* SPDX-License-Identifier: Apache-2.0
 * standard_url.h - web addresses that name a standard and nobody: the namespaces of XML, FHIR's systems and profiles. */
#ifndef DV_PRIVACY_STANDARD_URL_H
#define DV_PRIVACY_STANDARD_URL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether text[0..length) is an address of a host of the list in standard_url.c, or of one under it, without user, query, or
 * so many digits in its path that they could be somebody's number. */
bool dv_url_is_standard(const char *text, size_t length);

#endif

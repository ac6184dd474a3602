/* SPDX-License-Identifier: Apache-2.0
 * standard_url.c - a short list of hosts, and what must not stand behind them. */
#include "privacy/standard_url.h"

#include <string.h>

#include "privacy/detect_rows.h"

enum { PATH_DIGITS_MAX = 8, RUN_DIGITS_MAX = 6, LENGTH_MAX = 256 };

/* Each stands for the hosts under it, too. */
static const char *const hosts[] = {
    "cda-adc.ca",
    "dicom.nema.org",
    "dublincore.org",
    "fhir.org",
    "hl7.org",
    "iana.org",
    "ihe.net",
    "json-schema.org",
    "loinc.org",
    "ns.adobe.com",
    "oasis-open.org",
    "openehr.org",
    "opengis.net",
    "openxmlformats.org",
    "purl.org",
    "schema.org",
    "schemas.android.com",
    "schemas.microsoft.com",
    "schemas.xmlsoap.org",
    "snomed.info",
    "unitsofmeasure.org",
    "w3.org",
    "whocc.no",
    "xmlns.com",
};

static bool is_host_byte(unsigned char byte)
{
    return dv_is_alnum(byte) || byte == '.' || byte == '-';
}

/* Whether host[0..length) is `standard` or ends with a dot and it. */
static bool is_under(const char *host, size_t length, const char *standard)
{
    size_t tail = strlen(standard);
    if (length < tail || (length > tail && host[length - tail - 1] != '.'))
        return false;
    for (size_t i = 0; i < tail; i++)
        if (dv_lower((unsigned char)host[length - tail + i]) != (unsigned char)standard[i])
            return false;
    return true;
}

static bool is_listed(const char *host, size_t length)
{
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (is_under(host, length, hosts[i]))
            return true;
    return false;
}

/* Years and versions may stand in a path, numbers of people may not. */
static bool is_harmless_path(const char *path, size_t length)
{
    size_t digits = 0, run = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)path[i];
        if (!dv_is_alnum(byte) && strchr("/.-_#:|", byte) == NULL)
            return false;
        run = dv_is_digit(byte) ? run + 1 : 0;
        digits += dv_is_digit(byte);
        if (run > RUN_DIGITS_MAX || digits > PATH_DIGITS_MAX)
            return false;
    }
    return true;
}

bool dv_url_is_standard(const char *text, size_t length)
{
    if (length == 0 || length > LENGTH_MAX)
        return false;
    size_t start = 0, end = 0;
    if (length > 7 && memcmp(text, "http://", 7) == 0)
        start = 7;
    else if (length > 8 && memcmp(text, "https://", 8) == 0)
        start = 8;
    for (end = start; end < length && is_host_byte((unsigned char)text[end]); end++)
        continue;
    if (end < length && text[end] != '/' && text[end] != '#')
        return false;
    return is_listed(text + start, end - start) && is_harmless_path(text + end, length - end);
}

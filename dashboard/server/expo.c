/* SPDX-License-Identifier: Apache-2.0
 * expo.c - both forms differ in the names of counters, in units, and in the last line. */
#include "dashboard/server/expo.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/json_read.h"

enum { SECONDS_BYTES = 40, SECOND_NS = 1000000000, FIRST_BUCKET = 9, LAST_BUCKET = 35, BUCKET_STEP = 2 };

void dv_expo_init(struct dv_expo *expo, char *buffer, size_t size, bool open_metrics)
{
    DV_ASSERT(size > 0);
    *expo = (struct dv_expo){ .start = buffer, .at = buffer, .end = buffer + size, .open_metrics = open_metrics };
}

static void add(struct dv_expo *expo, const char *format, ...) DV_FORMAT(2, 3);

static void add(struct dv_expo *expo, const char *format, ...)
{
    if (expo->full)
        return;
    va_list arguments;
    va_start(arguments, format);
    size_t room = (size_t)(expo->end - expo->at);
    int length = vsnprintf(expo->at, room, format, arguments);
    va_end(arguments);
    DV_ASSERT(length >= 0);
    if ((size_t)length < room)
        expo->at += length;
    else
        expo->full = true;
}

/* What stands behind the family's name in a sample. */
static const char *suffix_of(enum dv_expo_kind kind)
{
    return kind == DV_EXPO_COUNTER ? "_total" : kind == DV_EXPO_INFO ? "_info" : "";
}

static const char *kind_name(const struct dv_expo *expo)
{
    static const char *const names[] = {
        [DV_EXPO_COUNTER] = "counter",
        [DV_EXPO_GAUGE] = "gauge",
        [DV_EXPO_HISTOGRAM] = "histogram",
        [DV_EXPO_INFO] = "info",
    };
    /* The old format knows no info. */
    return expo->kind == DV_EXPO_INFO && !expo->open_metrics ? "gauge" : names[expo->kind];
}

void dv_expo_family(struct dv_expo *expo, enum dv_expo_kind kind, const char *name, const char *unit, const char *help)
{
    expo->family = name;
    expo->kind = kind;
    const char *suffix = expo->open_metrics ? "" : suffix_of(kind);
    add(expo, "# TYPE %s%s %s\n", name, suffix, kind_name(expo));
    if (unit != NULL && expo->open_metrics)
        add(expo, "# UNIT %s %s\n", name, unit);
    add(expo, "# HELP %s%s %s\n", name, suffix, help);
}

static void add_name(struct dv_expo *expo, const char *suffix, const char *labels)
{
    if (labels[0] != '\0')
        add(expo, "%s%s{%s} ", expo->family, suffix, labels);
    else
        add(expo, "%s%s ", expo->family, suffix);
}

void dv_expo_uint(struct dv_expo *expo, const char *labels, uint64_t value)
{
    add_name(expo, suffix_of(expo->kind), labels);
    add(expo, "%" PRIu64 "\n", value);
}

void dv_expo_float(struct dv_expo *expo, const char *labels, double value)
{
    char text[DV_JSON_FLOAT_MAX];
    add_name(expo, suffix_of(expo->kind), labels);
    add(expo, "%.*s\n", (int)dv_json_print_float(text, value), text);
}

/* "0.000001024": digits behind the point as far as they say something, and at least one. */
static const char *seconds_text(uint64_t ns, char text[SECONDS_BYTES])
{
    int length = snprintf(text, SECONDS_BYTES, "%" PRIu64 ".%09" PRIu64, ns / SECOND_NS, ns % SECOND_NS);
    DV_ASSERT(length > 0 && length < SECONDS_BYTES);
    while (text[length - 1] == '0' && text[length - 2] != '.')
        text[--length] = '\0';
    return text;
}

void dv_expo_seconds(struct dv_expo *expo, const char *labels, uint64_t ns)
{
    char text[SECONDS_BYTES];
    add_name(expo, suffix_of(expo->kind), labels);
    add(expo, "%s\n", seconds_text(ns, text));
}

static void add_bucket(struct dv_expo *expo, const char *labels, const char *edge, uint64_t count)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    add(expo, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", expo->family, labels, comma, edge, count);
}

static void add_histogram(struct dv_expo *expo, const char *labels, const struct dv_histogram *histogram, unsigned step)
{
    DV_ASSERT(expo->kind == DV_EXPO_HISTOGRAM);
    char text[SECONDS_BYTES];
    uint64_t below = 0;
    unsigned next = 0;
    for (unsigned last = FIRST_BUCKET; last <= LAST_BUCKET; last += step) {
        for (; next <= last; next++)
            below += histogram->bucket[next];
        add_bucket(expo, labels, seconds_text((uint64_t)2 << last, text), below);
    }
    add_bucket(expo, labels, "+Inf", histogram->count);
    add_name(expo, "_sum", labels);
    add(expo, "%s\n", seconds_text(histogram->sum_ns, text));
    add_name(expo, "_count", labels);
    add(expo, "%" PRIu64 "\n", histogram->count);
}

/* Every second power of two from 1 µs to 69 s: 14 series tell as much as the 40 that are counted. */
void dv_expo_histogram(struct dv_expo *expo, const char *labels, const struct dv_histogram *histogram)
{
    add_histogram(expo, labels, histogram, BUCKET_STEP);
}

void dv_expo_histogram_fine(struct dv_expo *expo, const char *labels, const struct dv_histogram *histogram)
{
    add_histogram(expo, labels, histogram, 1);
}

void dv_expo_finish(struct dv_expo *expo)
{
    if (expo->open_metrics)
        add(expo, "# EOF\n");
}

static struct dv_span take_until(struct dv_span *rest, char separator)
{
    const char *stop = memchr(rest->text, separator, rest->length);
    size_t length = stop != NULL ? (size_t)(stop - rest->text) : rest->length;
    struct dv_span taken = { rest->text, length };
    size_t skip = stop != NULL ? length + 1 : length;
    *rest = (struct dv_span){ rest->text + skip, rest->length - skip };
    while (taken.length > 0 && (taken.text[0] == ' ' || taken.text[0] == '\t'))
        taken = (struct dv_span){ taken.text + 1, taken.length - 1 };
    while (taken.length > 0 && (taken.text[taken.length - 1] == ' ' || taken.text[taken.length - 1] == '\t'))
        taken.length--;
    return taken;
}

/* "0.75" in thousandths; what is no weight counts as 0, so that nonsense prefers nothing. */
static unsigned weight_of(struct dv_span text)
{
    if (text.length == 0 || text.length > 5 || (text.text[0] != '0' && text.text[0] != '1') ||
        (text.length > 1 && text.text[1] != '.'))
        return 0;
    unsigned weight = (unsigned)(text.text[0] - '0') * 1000;
    unsigned scale = 100;
    for (size_t i = 2; i < text.length; i++, scale /= 10) {
        if (text.text[i] < '0' || text.text[i] > '9')
            return 0;
        weight += (unsigned)(text.text[i] - '0') * scale;
    }
    return weight <= 1000 ? weight : 0;
}

/* One element of Accept: its media type, and its weight. */
static unsigned read_element(struct dv_span element, struct dv_span *ret_type)
{
    *ret_type = take_until(&element, ';');
    unsigned weight = 1000;
    while (element.length > 0) {
        struct dv_span parameter = take_until(&element, ';');
        if (parameter.length >= 2 && strncasecmp(parameter.text, "q=", 2) == 0)
            weight = weight_of((struct dv_span){ parameter.text + 2, parameter.length - 2 });
        else if (dv_span_is_caseless(*ret_type, "application/openmetrics-text") && parameter.length >= 8 &&
                 strncasecmp(parameter.text, "version=", 8) == 0 && !dv_span_is_caseless(parameter, "version=1.0.0"))
            return 0;
    }
    return weight;
}

bool dv_expo_negotiate(struct dv_span accept)
{
    unsigned open_metrics = 0;
    unsigned plain = 0;
    while (accept.text != NULL && accept.length > 0) {
        struct dv_span type;
        unsigned weight = read_element(take_until(&accept, ','), &type);
        if (dv_span_is_caseless(type, "application/openmetrics-text") && weight > open_metrics)
            open_metrics = weight;
        if (dv_span_is_caseless(type, "text/plain") && weight > plain)
            plain = weight;
    }
    return open_metrics > 0 && open_metrics >= plain;
}

/* SPDX-License-Identifier: Apache-2.0
 * head.c - RFC 9112 without its leniencies: CRLF only, no folding, token names, visible targets. */
#include "dashboard/server/head.h"

#include <string.h>
#include <strings.h>

#include "engine/error.h"

bool dv_span_is(struct dv_span span, const char *text)
{
    return span.text != NULL && span.length == strlen(text) && memcmp(span.text, text, span.length) == 0;
}

bool dv_span_is_caseless(struct dv_span span, const char *text)
{
    return span.text != NULL && span.length == strlen(text) && strncasecmp(span.text, text, span.length) == 0;
}

static struct dv_span span_of(const char *from, const char *to)
{
    return (struct dv_span){ .text = from, .length = (size_t)(to - from) };
}

static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool all_token(struct dv_span span)
{
    for (size_t i = 0; i < span.length; i++)
        if (!is_token((unsigned char)span.text[i]))
            return false;
    return span.length > 0;
}

static bool all_digits(struct dv_span span)
{
    for (size_t i = 0; i < span.length; i++)
        if (span.text[i] < '0' || span.text[i] > '9')
            return false;
    return span.length > 0;
}

static bool all_visible(struct dv_span span)
{
    for (size_t i = 0; i < span.length; i++)
        if ((unsigned char)span.text[i] <= ' ' || (unsigned char)span.text[i] >= 0x7f)
            return false;
    return true;
}

/* A value may hold blanks and bytes over 0x7f, but no control character: each of them has split a request before. */
static bool is_value(struct dv_span span)
{
    for (size_t i = 0; i < span.length; i++) {
        unsigned char c = (unsigned char)span.text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static struct dv_span trimmed(struct dv_span span)
{
    while (span.length > 0 && (span.text[0] == ' ' || span.text[0] == '\t'))
        span = (struct dv_span){ span.text + 1, span.length - 1 };
    while (span.length > 0 && (span.text[span.length - 1] == ' ' || span.text[span.length - 1] == '\t'))
        span.length--;
    return span;
}

/* The end of the line that begins at `at`, or NULL; a lone CR or LF is not an end. */
static const char *line_end(const char *at, const char *end)
{
    const char *stop = memchr(at, '\r', (size_t)(end - at));
    return stop != NULL && stop + 1 < end && stop[1] == '\n' ? stop : NULL;
}

static enum dv_head_fault scan_target(struct dv_span target, struct dv_head *head)
{
    if (target.length > DV_TARGET_MAX)
        return DV_HEAD_TARGET_LONG;
    if (target.length == 0 || target.text[0] != '/' || !all_visible(target) ||
        memchr(target.text, '#', target.length) != NULL)
        return DV_HEAD_MALFORMED;
    const char *mark = memchr(target.text, '?', target.length);
    const char *end = target.text + target.length;
    head->path = span_of(target.text, mark != NULL ? mark : end);
    if (mark != NULL)
        head->query = span_of(mark + 1, end);
    return DV_HEAD_SOUND;
}

static enum dv_head_fault scan_request_line(struct dv_span line, struct dv_head *head)
{
    const char *end = line.text + line.length;
    const char *first = memchr(line.text, ' ', line.length);
    if (first == NULL)
        return DV_HEAD_MALFORMED;
    head->method = span_of(line.text, first);
    const char *second = memchr(first + 1, ' ', (size_t)(end - first - 1));
    if (second == NULL || !all_token(head->method))
        return DV_HEAD_MALFORMED;
    struct dv_span version = span_of(second + 1, end);
    if (!dv_span_is(version, "HTTP/1.1") && !dv_span_is(version, "HTTP/1.0"))
        return DV_HEAD_MALFORMED;
    return scan_target(span_of(first + 1, second), head);
}

static void keep_first(struct dv_span *kept, struct dv_span value)
{
    if (kept->text == NULL)
        *kept = value;
}

/* "+5" and "5, 5" are lengths to some and nonsense to others, and so is what no 64 bits hold. */
static void note_length(struct dv_span value, struct dv_head *head)
{
    head->lengths++;
    head->body_length = 0;
    if (!all_digits(value) || value.length > 18)
        head->lengths++;
    for (size_t i = 0; i < value.length && head->lengths == 1; i++)
        head->body_length = head->body_length * 10 + (uint64_t)(value.text[i] - '0');
    head->has_body = head->has_body || !dv_span_is(value, "0");
}

/* Headers of which the first counts, and how many there were, if that matters. */
static void note_text(struct dv_span name, struct dv_span value, struct dv_head *head)
{
    unsigned any = 0;
    const struct {
        const char *name;
        struct dv_span *value;
        unsigned *count;
    } texts[] = {
        { "host", &head->host, &head->hosts },
        { "authorization", &head->authorization, &head->authorizations },
        { "content-type", &head->content_type, &head->types },
        { "idempotency-key", &head->idempotency_key, &head->keys },
        { "origin", &head->origin, &head->origins },
        { "sec-fetch-site", &head->fetch_site, &any },
        { "accept", &head->accept, &any },
        { "if-none-match", &head->if_none_match, &any },
        { "last-event-id", &head->last_event_id, &any },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!dv_span_is_caseless(name, texts[i].name))
            continue;
        (*texts[i].count)++;
        keep_first(texts[i].value, value);
    }
}

static void note_header(struct dv_span name, struct dv_span value, struct dv_head *head)
{
    if (dv_span_is_caseless(name, "content-length")) {
        note_length(value, head);
    } else if (dv_span_is_caseless(name, "transfer-encoding")) {
        head->codings++;
        head->has_body = true;
    } else if (dv_span_is_caseless(name, "content-encoding")) {
        head->is_encoded = head->is_encoded || !dv_span_is_caseless(value, "identity");
    } else {
        note_text(name, value, head);
    }
}

static enum dv_head_fault scan_header(struct dv_span line, struct dv_head *head)
{
    const char *colon = memchr(line.text, ':', line.length);
    if (colon == NULL)
        return DV_HEAD_MALFORMED;
    struct dv_span name = span_of(line.text, colon);
    struct dv_span value = trimmed(span_of(colon + 1, line.text + line.length));
    /* A blank before the name is a folded line, one behind it hides the name from others: neither is a token. */
    if (!all_token(name) || !is_value(value))
        return DV_HEAD_MALFORMED;
    head->lines++;
    note_header(name, value, head);
    return DV_HEAD_SOUND;
}

/* Everything behind the request line, up to the empty line. */
static enum dv_head_fault scan_headers(const char *at, const char *end, const char *start, struct dv_head *head)
{
    for (;;) {
        const char *stop = line_end(at, end);
        if (stop == NULL)
            return end - start > DV_HEAD_BYTES ? DV_HEAD_LARGE : DV_HEAD_MALFORMED;
        if (stop == at)
            return DV_HEAD_SOUND;
        if (stop - start > DV_HEAD_BYTES || head->lines == DV_HEAD_LINES)
            return DV_HEAD_LARGE;
        enum dv_head_fault fault = scan_header(span_of(at, stop), head);
        if (fault != DV_HEAD_SOUND)
            return fault;
        at = stop + 2;
    }
}

static enum dv_head_fault judge_counts(const struct dv_head *head)
{
    if (head->hosts != 1 || head->host.length == 0)
        return DV_HEAD_HOST;
    if (head->lengths + head->codings > 1)
        return DV_HEAD_LENGTH;
    if (head->authorizations > 1 || head->types > 1 || head->keys > 1 || head->origins > 1)
        return DV_HEAD_MALFORMED;
    return head->has_body ? DV_HEAD_BODY : DV_HEAD_SOUND;
}

enum dv_head_fault dv_head_scan(const char *bytes, size_t size, struct dv_head *head)
{
    DV_ASSERT(head != NULL && (bytes != NULL || size == 0));
    *head = (struct dv_head){ 0 };
    if (size == 0)
        return DV_HEAD_MALFORMED;
    const char *end = bytes + size;
    const char *at = bytes;
    /* Some clients end a former request with one line end too many, and h2o lets it pass. */
    if (size >= 2 && memcmp(at, "\r\n", 2) == 0)
        at += 2;
    const char *stop = line_end(at, end);
    if (stop == NULL)
        return DV_HEAD_MALFORMED;
    enum dv_head_fault fault = scan_request_line(span_of(at, stop), head);
    if (fault == DV_HEAD_SOUND)
        fault = scan_headers(stop + 2, end, at, head);
    return fault == DV_HEAD_SOUND ? judge_counts(head) : fault;
}

/* SPDX-License-Identifier: Apache-2.0
 * head.h - the strict second look at a request's head.
 *
 * h2o takes requests without a Host, with two of them, with several lengths, and with both a length and a transfer
 * coding, and does not tell. The bytes of the head are still in its input buffer when the request is handled, so they
 * are read again here, by rules that leave nothing to guess. */
#ifndef DV_DASHBOARD_HEAD_H
#define DV_DASHBOARD_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the head; lent as long as the request's input. */
struct dv_span {
    const char *text; /* NULL: the header is not there */
    size_t length;
};

/* What can be wrong. */
enum dv_head_fault {
    DV_HEAD_SOUND,
    DV_HEAD_MALFORMED,
    DV_HEAD_TARGET_LONG, /* over DV_TARGET_MAX bytes */
    DV_HEAD_LARGE,       /* over DV_HEAD_BYTES bytes or DV_HEAD_LINES headers */
    DV_HEAD_HOST,        /* no Host, or more than one */
    DV_HEAD_LENGTH,      /* the body's length can be read in more than one way */
    DV_HEAD_BODY,        /* sound, but a body comes with it: only some routes take one */
};

enum { DV_TARGET_MAX = 2048, DV_HEAD_BYTES = 16 * 1024, DV_HEAD_LINES = 64 };

/* What the server looks at; filled as far as the scan got. */
struct dv_head {
    struct dv_span method, path, query; /* the path up to '?'; the query behind it */
    struct dv_span host;
    struct dv_span authorization;
    struct dv_span accept;
    struct dv_span if_none_match;
    struct dv_span last_event_id;
    struct dv_span content_type;
    struct dv_span idempotency_key;
    struct dv_span origin;     /* of the page that a browser sends the request for */
    struct dv_span fetch_site; /* how that page's site relates to this one */
    unsigned lines;
    unsigned hosts, lengths, codings, authorizations;
    unsigned types, keys, origins;
    bool has_body;
    bool is_encoded;      /* the body is compressed, or otherwise not what its type says */
    uint64_t body_length; /* if there are no codings */
};

/* Reads the head at the start of `bytes`. */
enum dv_head_fault dv_head_scan(const char *bytes, size_t size, struct dv_head *head);

/* Whether the span is exactly `text`; without regard to ASCII case in the second. */
bool dv_span_is(struct dv_span span, const char *text);
bool dv_span_is_caseless(struct dv_span span, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * sse_read.h - an incremental reader of server-sent events, and of texts a line each, however they are cut into pieces.
 *
 * Lines end with LF, CR or CRLF. An event is its `data:` lines joined by newlines; the last one counts even if the stream
 * ends without the empty line behind it. Comments and fields other than `data`, `event` and `error` are passed over. */
#ifndef DV_CONNECTORS_SSE_READ_H
#define DV_CONNECTORS_SSE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { DV_SSE_EVENT_MAX = 1024 * 1024, DV_SSE_EVENTS_MAX = 100000 };

enum dv_sse_form {
    DV_SSE_EVENTS,
    DV_SSE_LINES, /* each line that is not empty is an event */
};

/* An event; valid during the callback, and followed by DV_JSON_PADDING readable bytes. */
struct dv_sse_event {
    const char *text;
    size_t length;
    bool error; /* it is named "error", or came as an `error:` line */
};

/* Takes an event; false: no more is wanted. */
typedef bool (*dv_sse_take)(void *data, const struct dv_sse_event *event);

/* Bytes that grow, and are wiped. */
struct dv_sse_text {
    char *bytes;
    size_t used, size;
};

/* The reader. Private but for what dv_sse_init() takes. */
struct dv_sse_reader {
    enum dv_sse_form form;
    size_t event_max; /* bytes of a line, and of an event */
    uint32_t events_max;
    dv_sse_take take;
    void *data;
    struct dv_sse_text line; /* that is under way */
    struct dv_sse_text text; /* the event's so far */
    uint64_t lines;
    uint32_t events;
    bool has_data, is_error, after_cr;
    dv_rc rc; /* once it has failed it stays so */
    const char *reason;
};

/* Begins a stream with the usual limits, which may be changed before the first piece. Allocates nothing yet. */
void dv_sse_init(struct dv_sse_reader *reader, enum dv_sse_form form, dv_sse_take take, void *data);

/* Takes a piece. DV_E_LIMIT: a line, an event or their number passes the limit; DV_E_MEMORY; DV_E_DATA: `take` wanted no
 * more; the reason is in `reader->reason`. */
DV_CHECKED dv_rc dv_sse_feed(struct dv_sse_reader *reader, const char *bytes, size_t length);

/* The stream has ended: gives what is left. Errors as above. */
DV_CHECKED dv_rc dv_sse_end(struct dv_sse_reader *reader);

/* Whether the last event that has begun is at its end, with the empty line behind it. */
bool dv_sse_is_between(const struct dv_sse_reader *reader);

/* Adds to a text, which has DV_JSON_PADDING readable bytes behind it then; false: no memory. */
bool dv_sse_text_add(struct dv_sse_text *text, const char *bytes, size_t length);

/* Wipes and frees; both accept a zeroed one. */
void dv_sse_text_free(struct dv_sse_text *text);
void dv_sse_free(struct dv_sse_reader *reader);

#endif

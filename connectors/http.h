/* SPDX-License-Identifier: Apache-2.0
 * http.h - a client of one HTTP server: a request goes out, its answer comes back piece by piece.
 *
 * A caller embeds requests in its own state. What a request points to is lent until its end, which comes from the loop,
 * once, and never inside request(); after cancel() or close() nothing comes any more. `piece` may cancel requests, `end`
 * may do anything.
 *
 * libcurl works on the project's loop: its sockets are watched by uv_poll, its time is a timer of ours. Certificates and
 * names are always verified, redirects are not followed, no proxy is taken from the environment, and nothing is
 * unpacked. Names are looked up on a worker, since libcurl would wait for its own resolver when a lookup is given up.
 * All of libcurl's memory is wiped when it is freed: keys travel in headers. */
#ifndef DV_CONNECTORS_HTTP_H
#define DV_CONNECTORS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/loop.h"

enum {
    DV_HTTP_CONNECT_MS = 2000, /* the defaults of what follows */
    DV_HTTP_FIRST_BYTE_MS = 30000,
    DV_HTTP_IDLE_MS = 15000,
    DV_HTTP_TOTAL_MS = 120000,
    DV_HTTP_ANSWER_MAX = 8 * 1024 * 1024,
    DV_HTTP_HEAD_MAX = 64 * 1024, /* bytes of an answer's headers */
    DV_HTTP_HEADERS_MAX = 8,      /* of a request */
    DV_HTTP_REQUESTS_MAX = 64,    /* under way at a time */
    DV_HTTP_URL_MAX = 4000,
    DV_HTTP_HOST_MAX = 253,
    DV_HTTP_ADDRESSES_MAX = 1024 /* bytes of the list that libcurl is given */
};

/* How long things may take; 0: the default. */
struct dv_http_deadlines {
    uint32_t connect_ms;    /* with TLS and looking up the name */
    uint32_t first_byte_ms; /* from the beginning of the request */
    uint32_t idle_ms;       /* between two pieces */
    uint32_t total_ms;
};

/* A header of a request. The value may be a secret: each copy of it is wiped. */
struct dv_http_header {
    const char *name, *value;
};

struct dv_http_request;
struct dv_http_transfer;

enum dv_http_state {
    DV_HTTP_WAITING, /* for the server's address */
    DV_HTTP_ASKING,
    DV_HTTP_OVER, /* it could not begin: its end is told at the next turn of the loop */
};

/* A request and its answer. */
struct dv_http_request {
    const char *path;                     /* behind the server's URL, with its slash: "/v1/models" */
    const struct dv_http_header *headers; /* beside those of HTTP itself */
    uint32_t header_count;
    const char *method; /* a literal; NULL: GET, or POST if there is a body */
    const char *body;   /* or NULL */
    size_t length;
    const char *kept_name; /* a header of the answer that is wanted, with its colon */
    char *kept;            /* its value; "" if it is not there, not plain, or too long for kept_size. NULL: none is wanted */
    size_t kept_size;
    uint32_t total_ms; /* less time than the server's deadline in all; 0: that */
    /* A piece of the answer's body, whatever its status, which is known by then; false ends the request with DV_E_DATA. */
    bool (*piece)(struct dv_http_request *request, const char *bytes, size_t length);
    void (*end)(struct dv_http_request *request);
    void *data; /* the caller's */

    dv_rc rc;               /* DV_OK: the answer is whole; else as said at dv_http_open() */
    const char *reason;     /* why not, a literal */
    unsigned status;        /* 200, 404 …; 0: none came */
    uint32_t retry_after_s; /* of the header; 0: none */
    int64_t date_s;         /* the server's clock, of the header, since 1970; 0: none */
    uint64_t received;      /* bytes of the body */
    bool begun;             /* the server has said something */
    bool sent;              /* all of it went out: the server may have worked on it */

    struct dv_http_transfer *transfer; /* the client's, as what follows */
    struct dv_http_request *next;
    enum dv_http_state state;
    uint64_t asked_ns, heard_ns;
};

struct dv_http;

struct dv_http_ops {
    void (*request)(struct dv_http *http, struct dv_http_request *request);
    void (*cancel)(struct dv_http *http, struct dv_http_request *request);
    void (*close)(struct dv_http *http);
};

/* The base of the client and of a test's script. */
struct dv_http {
    const struct dv_http_ops *ops;
};

/* Begins a request; clears its answer. */
static inline void dv_http_request(struct dv_http *http, struct dv_http_request *request)
{
    http->ops->request(http, request);
}

/* Ends a request of which nothing more is wanted; it must be under way. */
static inline void dv_http_cancel(struct dv_http *http, struct dv_http_request *request)
{
    http->ops->cancel(http, request);
}

/* Ends everything at once, without another word to any caller. Accepts one that was never opened. */
static inline void dv_http_close(struct dv_http *http)
{
    if (http->ops != NULL)
        http->ops->close(http);
    http->ops = NULL;
}

/* What a client is made of. */
struct dv_http_config {
    struct dv_loop *loop; /* a real one */
    const char *url;      /* "https://host:port/prefix", without user, question mark or fragment */
    const char *ca;       /* a file of trusted certificates; NULL: the system's */
    struct dv_http_deadlines deadlines;
    size_t answer_max; /* bytes of a body; 0: DV_HTTP_ANSWER_MAX */
};

/* The client. Lives in memory of the owner's that must stay until the loop has run dry after close(); private. */
struct dv_http_client {
    struct dv_http base;
    struct dv_http_config config;
    char url[DV_HTTP_URL_MAX + 1]; /* without the last slash */
    char host[DV_HTTP_HOST_MAX + 1];
    char port[8];
    bool is_address;               /* the host needs no looking up */
    void *multi;                   /* libcurl's */
    struct dv_timer timer;         /* libcurl's time */
    struct dv_timer deadline;      /* the requests' */
    struct dv_http_request *first; /* that are under way */
    uint32_t count;
    struct dv_http_transfer *transfers;
    unsigned inside; /* a call of libcurl's, during which transfers cannot be taken from it */
    uv_getaddrinfo_t lookup;
    bool looking;
    uint64_t looked_ns; /* when `addresses` was found; 0: it was not */
    char addresses[DV_HTTP_ADDRESSES_MAX];
};

/* Makes a client; nothing is connected yet. DV_E_CONFIG with a text: not such a URL, or a CA file that cannot be used.
 * Close with dv_http_close().
 *
 * How requests end: DV_E_DEPENDENCY: no connection, or it broke off, or a deadline is over; DV_E_CONFIG: the server's
 * certificate is not trusted, or a header cannot be sent; DV_E_LIMIT: the answer is too long, or too many requests are
 * under way; DV_E_DATA: what answers does not speak HTTP, or `piece` wanted no more; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_http_open(struct dv_http_client *client, const struct dv_http_config *config,
                              struct dv_error *error);

/* What is wrong with a server's URL, a literal, or NULL. With a `secret` to carry, plain http to another host is wrong. */
const char *dv_http_url_fault(const char *url, bool secret);

#endif

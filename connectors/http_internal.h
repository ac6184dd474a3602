/* SPDX-License-Identifier: Apache-2.0
 * http_internal.h - between the files of the HTTP client. */
#ifndef DV_CONNECTORS_HTTP_INTERNAL_H
#define DV_CONNECTORS_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "connectors/http.h"

/* What a server's URL says. */
struct dv_http_url {
    char url[DV_HTTP_URL_MAX + 1]; /* as libcurl writes it, without the last slash */
    char host[DV_HTTP_HOST_MAX + 3];
    char port[8];
    bool secure;
    bool is_address; /* or a name that needs no looking up */
};

/* One request as libcurl has it. It may outlive the request by the call of libcurl that is under way. */
struct dv_http_transfer {
    struct dv_http_client *client;
    struct dv_http_request *request; /* NULL: cancelled */
    CURL *easy;
    struct curl_slist lines[DV_HTTP_HEADERS_MAX + 1];
    struct curl_slist resolve;
    char *text; /* of the lines, wiped with them */
    size_t text_size;
    size_t sent;       /* bytes of the body */
    size_t head_bytes; /* of the answer */
    dv_rc rc;          /* why we ended it */
    const char *reason;
    struct dv_http_transfer *next;
};

/* Takes a URL apart; NULL or what is wrong with it, a literal. */
const char *dv_http_url_read(const char *text, struct dv_http_url *ret);

/* Gives the request to libcurl. DV_E_MEMORY, DV_E_CONFIG with the request's reason. */
DV_CHECKED dv_rc dv_http_transfer_start(struct dv_http_client *client, struct dv_http_request *request);

/* Takes it away from libcurl; not while that is at work. */
void dv_http_transfer_end(struct dv_http_transfer *transfer);

/* Makes libcurl's sockets and time those of the loop; false: no memory. And the end of them. */
bool dv_http_watch_start(struct dv_http_client *client);
void dv_http_watch_end(struct dv_http_client *client);

/* There was no memory to watch a request's socket, or (NULL) libcurl does not say which: it ends, or all do, at the next
 * turn of the loop. */
void dv_http_give_up(struct dv_http_client *client, CURL *easy);

/* A deadline has come nearer. */
void dv_http_arm(struct dv_http_client *client);

/* libcurl has worked: tells what is over. */
void dv_http_settle(struct dv_http_client *client);

#endif

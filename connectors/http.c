/* SPDX-License-Identifier: Apache-2.0
 * http.c - requests from their beginning to their end: looking up the server, deadlines, and what went wrong. */
#include "connectors/http.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "connectors/http_internal.h"
#include "connectors/tls.h"

enum { NS_PER_MS = 1000000, LOOKED_MS = 60000, ADDRESSES_MAX = 8 };

/* ---- ends ---- */

static void unlink_request(struct dv_http_client *client, struct dv_http_request *request)
{
    struct dv_http_request **link = &client->first;
    while (*link != request) {
        DV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = request->next;
    request->next = NULL;
    client->count--;
}

/* The owner may do anything inside, close the client among it. */
static void end_request(struct dv_http_client *client, struct dv_http_request *request, dv_rc rc, const char *reason)
{
    unlink_request(client, request);
    if (client->first == NULL)
        dv_timer_stop(&client->deadline);
    request->rc = rc;
    request->reason = reason;
    request->end(request);
}

/* What libcurl's result is to us. */
static const struct outcome {
    CURLcode code;
    dv_rc rc;
    const char *reason;
} outcomes[] = {
    { CURLE_OK, DV_OK, NULL },
    { CURLE_COULDNT_RESOLVE_HOST, DV_E_DEPENDENCY, "the server's name cannot be resolved" },
    { CURLE_COULDNT_CONNECT, DV_E_DEPENDENCY, "the server cannot be reached" },
    { CURLE_OPERATION_TIMEDOUT, DV_E_DEPENDENCY, "the server cannot be reached in time" },
    { CURLE_PARTIAL_FILE, DV_E_DEPENDENCY, "the answer broke off" },
    { CURLE_GOT_NOTHING, DV_E_DEPENDENCY, "the server closed the connection without an answer" },
    { CURLE_SEND_FAIL_REWIND, DV_E_DEPENDENCY, "the server closed the connection without an answer" },
    { CURLE_SEND_ERROR, DV_E_DEPENDENCY, "the connection broke" },
    { CURLE_RECV_ERROR, DV_E_DEPENDENCY, "the connection broke" },
    { CURLE_SSL_CONNECT_ERROR, DV_E_DEPENDENCY, "no TLS with this server" },
    { CURLE_PEER_FAILED_VERIFICATION, DV_E_CONFIG, "the server's certificate is not trusted" },
    { CURLE_SSL_CACERT_BADFILE, DV_E_CONFIG, "the file of trusted certificates cannot be used" },
    { CURLE_UNSUPPORTED_PROTOCOL, DV_E_DATA, "what answers does not speak HTTP" },
    { CURLE_WEIRD_SERVER_REPLY, DV_E_DATA, "what answers does not speak HTTP" },
    { CURLE_BAD_CONTENT_ENCODING, DV_E_DATA, "what answers does not speak HTTP" },
    { CURLE_OUT_OF_MEMORY, DV_E_MEMORY, "no memory for a request" },
};

static struct outcome outcome_of(CURLcode code)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
        if (outcomes[i].code == code)
            return outcomes[i];
    return (struct outcome){ code, DV_E_DEPENDENCY, "the request failed" };
}

static void sweep(struct dv_http_client *client)
{
    struct dv_http_transfer *next = NULL;
    for (struct dv_http_transfer *transfer = client->transfers; transfer != NULL; transfer = next) {
        next = transfer->next;
        if (transfer->request == NULL)
            dv_http_transfer_end(transfer);
    }
}

static void end_transfer(struct dv_http_client *client, CURL *easy, CURLcode code)
{
    struct dv_http_transfer *transfer = NULL;
    long status = 0;
    struct outcome outcome = outcome_of(code);
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    struct dv_http_request *request = transfer->request;
    request->status = (unsigned)status;
    if (transfer->rc != DV_OK)
        outcome = (struct outcome){ code, transfer->rc, transfer->reason };
    if (!request->begun && outcome.rc == DV_E_DEPENDENCY)
        client->looked_ns = 0; /* it may have moved */
    dv_http_transfer_end(transfer);
    end_request(client, request, outcome.rc, outcome.reason);
}

void dv_http_settle(struct dv_http_client *client)
{
    if (client->inside > 0)
        return;
    sweep(client);
    int left = 0;
    const CURLMsg *message = NULL;
    while (client->multi != NULL && (message = curl_multi_info_read(client->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            end_transfer(client, message->easy_handle, message->data.result);
}

/* ---- deadlines ---- */

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static uint64_t after_ms(uint64_t from_ns, uint32_t delay_ms)
{
    return from_ns + (uint64_t)delay_ms * NS_PER_MS;
}

/* When the request will have taken too long, if nothing happens until then; *ret_reason: what for. */
static uint64_t due_ns(const struct dv_http_client *client, const struct dv_http_request *request,
                       const char **ret_reason)
{
    const struct dv_http_deadlines *deadlines = &client->config.deadlines;
    uint32_t total_ms = deadlines->total_ms;
    if (request->state == DV_HTTP_OVER)
        return 0;
    if (request->total_ms != 0 && request->total_ms < total_ms)
        total_ms = request->total_ms;
    uint64_t total = after_ms(request->asked_ns, total_ms);
    uint64_t part = request->begun ? after_ms(request->heard_ns, deadlines->idle_ms)
                                   : after_ms(request->asked_ns, deadlines->first_byte_ms);
    *ret_reason = part < total ? (request->begun ? "the answer stands still" : "the server does not answer in time")
                               : "the answer takes too long";
    if (request->state != DV_HTTP_WAITING)
        return earlier(part, total);
    *ret_reason = "the server's name cannot be resolved in time";
    return earlier(after_ms(request->asked_ns, deadlines->connect_ms), total);
}

void dv_http_arm(struct dv_http_client *client)
{
    const char *reason = NULL;
    uint64_t first = UINT64_MAX;
    uint64_t now = dv_now_ns(client->config.loop);
    for (const struct dv_http_request *request = client->first; request != NULL; request = request->next)
        first = earlier(first, due_ns(client, request, &reason));
    dv_timer_stop(&client->deadline);
    if (first != UINT64_MAX)
        dv_timer_start(&client->deadline, first > now ? (first - now) / NS_PER_MS + 1 : 0);
}

static struct dv_http_request *find_due(const struct dv_http_client *client, uint64_t now_ns, const char **ret_reason)
{
    for (struct dv_http_request *request = client->first; request != NULL; request = request->next)
        if (due_ns(client, request, ret_reason) <= now_ns)
            return request;
    return NULL;
}

static void on_deadline(struct dv_timer *timer)
{
    struct dv_http_client *client = timer->data;
    uint64_t now = dv_now_ns(client->config.loop);
    const char *reason = NULL;
    struct dv_http_request *request = NULL;
    while (client->multi != NULL && (request = find_due(client, now, &reason)) != NULL) {
        if (request->transfer != NULL)
            dv_http_transfer_end(request->transfer);
        if (request->state == DV_HTTP_OVER)
            end_request(client, request, request->rc, request->reason);
        else
            end_request(client, request, DV_E_DEPENDENCY, reason);
    }
    if (client->multi != NULL)
        dv_http_arm(client);
}

/* ---- beginnings ---- */

static void cannot_begin(struct dv_http_request *request, dv_rc rc, const char *reason)
{
    request->state = DV_HTTP_OVER;
    request->rc = rc;
    request->reason = reason;
}

void dv_http_give_up(struct dv_http_client *client, CURL *easy)
{
    for (const struct dv_http_transfer *transfer = client->transfers; transfer != NULL; transfer = transfer->next)
        if (transfer->request != NULL && (easy == NULL || transfer->easy == easy))
            cannot_begin(transfer->request, DV_E_MEMORY, "no memory for a request");
    dv_http_arm(client);
}

static void begin(struct dv_http_client *client, struct dv_http_request *request)
{
    request->state = DV_HTTP_ASKING;
    dv_rc rc = dv_http_transfer_start(client, request);
    if (rc != DV_OK)
        cannot_begin(request, rc, request->reason);
}

static void begin_all(struct dv_http_client *client, bool found)
{
    for (struct dv_http_request *request = client->first; request != NULL; request = request->next) {
        if (request->state != DV_HTTP_WAITING)
            continue;
        if (found)
            begin(client, request);
        else
            cannot_begin(request, DV_E_DEPENDENCY, "the server's name cannot be resolved");
    }
    dv_http_arm(client);
}

/* "host:port:address,address" for libcurl; false: no address, or no room. */
static bool list_addresses(struct dv_http_client *client, const struct addrinfo *found)
{
    size_t size = sizeof client->addresses;
    int length = snprintf(client->addresses, size, "%s:%s:", client->host, client->port);
    for (int count = 0; found != NULL && count < ADDRESSES_MAX && length > 0 && (size_t)length < size;
         found = found->ai_next, count++) {
        char text[INET6_ADDRSTRLEN + 32];
        if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            return false;
        length += snprintf(client->addresses + length, size - (size_t)length,
                           found->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", count > 0 ? "," : "", text);
    }
    return length > 0 && (size_t)length < size && client->addresses[length - 1] != ':';
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct dv_http_client *client = lookup->data;
    client->looking = false;
    client->config.loop->away--;
    if (client->multi != NULL) {
        bool listed = status == 0 && list_addresses(client, found);
        client->looked_ns = listed ? dv_now_ns(client->config.loop) : 0;
        if (!listed)
            client->addresses[0] = '\0';
        begin_all(client, listed);
    }
    uv_freeaddrinfo(found);
}

static bool look_up(struct dv_http_client *client)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    if (client->looking)
        return true;
    client->lookup.data = client;
    client->looking = uv_getaddrinfo(dv_loop_uv(client->config.loop), &client->lookup, on_found, client->host,
                                     client->port, &hints) == 0;
    client->config.loop->away += client->looking;
    return client->looking;
}

static bool knows_address(const struct dv_http_client *client, uint64_t now_ns)
{
    return client->is_address || (client->looked_ns != 0 && now_ns < after_ms(client->looked_ns, LOOKED_MS));
}

static void http_request(struct dv_http *http, struct dv_http_request *request)
{
    struct dv_http_client *client = (struct dv_http_client *)http;
    uint64_t now = dv_now_ns(client->config.loop);
    DV_ASSERT(client->multi != NULL && request->end != NULL && strlen(request->path) <= DV_HTTP_URL_MAX);
    request->rc = DV_OK;
    request->reason = NULL;
    request->status = request->retry_after_s = 0;
    request->received = 0;
    request->date_s = 0;
    if (request->kept != NULL)
        request->kept[0] = '\0';
    request->begun = request->sent = false;
    request->transfer = NULL;
    request->state = DV_HTTP_WAITING;
    request->asked_ns = request->heard_ns = now;
    request->next = client->first;
    client->first = request;
    if (client->count++ >= DV_HTTP_REQUESTS_MAX)
        cannot_begin(request, DV_E_LIMIT, "too many requests are under way");
    else if (knows_address(client, now))
        begin(client, request);
    else if (!look_up(client))
        cannot_begin(request, DV_E_DEPENDENCY, "the server's name cannot be resolved");
    dv_http_arm(client);
}

static void http_cancel(struct dv_http *http, struct dv_http_request *request)
{
    struct dv_http_client *client = (struct dv_http_client *)http;
    unlink_request(client, request);
    if (request->transfer != NULL)
        request->transfer->request = NULL;
    request->transfer = NULL;
    if (client->inside == 0)
        sweep(client);
}

static void http_close(struct dv_http *http)
{
    struct dv_http_client *client = (struct dv_http_client *)http;
    DV_ASSERT(client->inside == 0);
    while (client->transfers != NULL)
        dv_http_transfer_end(client->transfers);
    client->first = NULL;
    client->count = 0;
    dv_http_watch_end(client);
    dv_timer_close(&client->deadline);
}

static const struct dv_http_ops http_ops = {
    .request = http_request,
    .cancel = http_cancel,
    .close = http_close,
};

/* ---- opening ---- */

static uint32_t or_default(uint32_t value, uint32_t other)
{
    return value != 0 ? value : other;
}

static void fill_in(struct dv_http_config *config)
{
    struct dv_http_deadlines *deadlines = &config->deadlines;
    deadlines->connect_ms = or_default(deadlines->connect_ms, DV_HTTP_CONNECT_MS);
    deadlines->first_byte_ms = or_default(deadlines->first_byte_ms, DV_HTTP_FIRST_BYTE_MS);
    deadlines->idle_ms = or_default(deadlines->idle_ms, DV_HTTP_IDLE_MS);
    deadlines->total_ms = or_default(deadlines->total_ms, DV_HTTP_TOTAL_MS);
    config->answer_max = config->answer_max != 0 ? config->answer_max : DV_HTTP_ANSWER_MAX;
}

static dv_rc take_url(struct dv_http_client *client, struct dv_error *error)
{
    struct dv_http_url url;
    const char *fault = dv_http_url_read(client->config.url, &url);
    if (fault != NULL)
        return dv_error_set(error, DV_E_CONFIG, "%s", fault);
    memcpy(client->url, url.url, sizeof client->url);
    memcpy(client->port, url.port, sizeof client->port);
    client->is_address = url.is_address;
    int length = snprintf(client->host, sizeof client->host, "%s", url.host);
    return length > 0 && (size_t)length < sizeof client->host
               ? DV_OK
               : dv_error_set(error, DV_E_CONFIG, "the URL's host is too long");
}

dv_rc dv_http_open(struct dv_http_client *client, const struct dv_http_config *config, struct dv_error *error)
{
    struct ssl_ctx_st *trusted = NULL;
    *client = (struct dv_http_client){ .config = *config };
    fill_in(&client->config);
    if (config->ca != NULL) /* only to say at once what is wrong with it */
        DV_TRY(dv_tls_client(&trusted, config->ca, error));
    dv_tls_context_free(trusted);
    if (!dv_http_watch_start(client))
        return dv_error_set(error, DV_E_MEMORY, "no memory for an HTTP client");
    dv_timer_init(config->loop, &client->deadline, on_deadline, client);
    client->base.ops = &http_ops;
    dv_rc rc = take_url(client, error);
    if (dv_is_error(rc))
        dv_http_close(&client->base);
    return rc;
}

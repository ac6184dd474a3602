/* SPDX-License-Identifier: Apache-2.0
 * http_transfer.c - one request in libcurl's hands: what it is told about it, and what it tells. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "connectors/http_internal.h"
#include "engine/memory.h"

enum { REDIAL_AFTER_S = 60 /* a connection that rested longer is not used again */ };

/* ---- what libcurl calls; a cancelled transfer ends at the first of them ---- */

static void hear(struct dv_http_transfer *transfer)
{
    struct dv_http_request *request = transfer->request;
    bool first = !request->begun;
    request->begun = true;
    request->heard_ns = dv_now_ns(transfer->client->config.loop);
    if (first)
        dv_http_arm(transfer->client); /* standing still is noticed sooner than not beginning */
}

static size_t give_up(struct dv_http_transfer *transfer, dv_rc rc, const char *reason)
{
    transfer->rc = rc;
    transfer->reason = reason;
    return 0;
}

/* Where the value of a header of this name begins; 0: it has another. */
static size_t value_at(const char *line, size_t length, const char *name)
{
    size_t at = strlen(name);
    if (length <= at || strncasecmp(line, name, at) != 0)
        return 0;
    while (at < length && line[at] == ' ')
        at++;
    return at;
}

static void note_retry_after(struct dv_http_request *request, const char *line, size_t length)
{
    size_t at = value_at(line, length, "retry-after:");
    uint32_t seconds = 0;
    if (at == 0)
        return;
    for (; at < length && line[at] >= '0' && line[at] <= '9' && seconds < 1000000; at++)
        seconds = seconds * 10 + (uint32_t)(line[at] - '0');
    request->retry_after_s = seconds; /* a date there gives 0 */
}

static void note_kept(struct dv_http_request *request, const char *line, size_t length)
{
    size_t at = request->kept != NULL ? value_at(line, length, request->kept_name) : 0;
    if (at == 0)
        return;
    while (length > at && (unsigned char)line[length - 1] <= ' ')
        length--;
    for (size_t i = at; i < length; i++)
        if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] >= 0x7f)
            return;
    if (length - at >= request->kept_size)
        return;
    memcpy(request->kept, line + at, length - at);
    request->kept[length - at] = '\0';
}

static void note_date(struct dv_http_request *request, const char *line, size_t length)
{
    char text[64];
    size_t at = value_at(line, length, "date:");
    if (at == 0 || length - at >= sizeof text)
        return;
    memcpy(text, line + at, length - at);
    text[length - at] = '\0';
    time_t date = curl_getdate(text, NULL);
    request->date_s = date > 0 ? (int64_t)date : 0;
}

static size_t on_head(char *line, size_t size, size_t count, void *data)
{
    struct dv_http_transfer *transfer = data;
    size_t length = size * count;
    if (transfer->request == NULL)
        return 0;
    transfer->head_bytes += length;
    if (transfer->head_bytes > DV_HTTP_HEAD_MAX)
        return give_up(transfer, DV_E_LIMIT, "the answer's headers are too long");
    hear(transfer);
    note_retry_after(transfer->request, line, length);
    note_date(transfer->request, line, length);
    note_kept(transfer->request, line, length);
    return length;
}

static unsigned status_of(CURL *easy)
{
    long status = 0;
    return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? (unsigned)status : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct dv_http_transfer *transfer = data;
    struct dv_http_request *request = transfer->request;
    size_t length = size * count;
    if (request == NULL)
        return 0;
    hear(transfer);
    request->status = status_of(transfer->easy);
    request->received += length;
    if (request->received > transfer->client->config.answer_max)
        return give_up(transfer, DV_E_LIMIT, "the answer is too long");
    if (request->piece == NULL || request->piece(request, bytes, length))
        return transfer->request != NULL ? length : 0;
    return give_up(transfer, DV_E_DATA, "no more of the answer is wanted");
}

/* The body is lent: after a cancel nothing of it is read. */
static size_t on_read(char *out, size_t size, size_t count, void *data)
{
    struct dv_http_transfer *transfer = data;
    struct dv_http_request *request = transfer->request;
    size_t room = size * count;
    if (request == NULL)
        return CURL_READFUNC_ABORT;
    size_t left = request->length - transfer->sent;
    size_t part = left < room ? left : room;
    memcpy(out, request->body + transfer->sent, part);
    transfer->sent += part;
    request->sent = transfer->sent == request->length;
    return part;
}

/* libcurl would send it again if a kept connection ends before an answer. But the server may have taken it, and only who asks
 * knows whether, and how, it may be sent twice: what has begun to be sent is not sent again. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
    struct dv_http_transfer *transfer = data;
    bool untouched = transfer->request != NULL && transfer->sent == 0;
    return untouched && origin == SEEK_SET && offset == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* ---- what libcurl is told ---- */

/* A line break in a value would be a header of its own. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* "Name: value" for each, in memory that is wiped with the transfer. */
static dv_rc make_lines(struct dv_http_transfer *transfer, const struct dv_http_request *request)
{
    static const char no_expect[] = "Expect:";
    size_t size = sizeof no_expect;
    DV_ASSERT(request->header_count <= DV_HTTP_HEADERS_MAX);
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (!is_plain(request->headers[i].value))
            return DV_E_CONFIG;
        size += strlen(request->headers[i].name) + strlen(request->headers[i].value) + 3;
    }
    transfer->text = dv_memory_alloc(size);
    if (transfer->text == NULL)
        return DV_E_MEMORY;
    transfer->text_size = size;
    char *at = transfer->text;
    memcpy(at, no_expect, sizeof no_expect);
    for (uint32_t i = 0; i <= request->header_count; i++) {
        if (i > 0)
            (void)snprintf(at, size - (size_t)(at - transfer->text), "%s: %s", request->headers[i - 1].name,
                           request->headers[i - 1].value);
        transfer->lines[i] = (struct curl_slist){ at, i < request->header_count ? &transfer->lines[i + 1] : NULL };
        at += strlen(at) + 1;
    }
    return DV_OK;
}

static bool set_url(struct dv_http_transfer *transfer, const char *base, const char *path)
{
    char url[2 * DV_HTTP_URL_MAX + 2];
    int length = snprintf(url, sizeof url, "%s%s", base, path);
    DV_ASSERT(length > 0 && (size_t)length < sizeof url);
    return curl_easy_setopt(transfer->easy, CURLOPT_URL, url) == CURLE_OK;
}

static bool set(CURL *easy, CURLoption option, long value)
{
    return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

static bool set_rules(CURL *easy, const struct dv_http_config *config)
{
    bool all = set(easy, CURLOPT_NOSIGNAL, 1) && set(easy, CURLOPT_FOLLOWLOCATION, 0) &&
               set(easy, CURLOPT_SSL_VERIFYPEER, 1) && set(easy, CURLOPT_SSL_VERIFYHOST, 2) &&
               set(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) && set(easy, CURLOPT_HTTP09_ALLOWED, 0) &&
               set(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) && set(easy, CURLOPT_TCP_KEEPALIVE, 1) &&
               set(easy, CURLOPT_PATH_AS_IS, 1) && set(easy, CURLOPT_MAXAGE_CONN, REDIAL_AFTER_S) &&
               set(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->deadlines.connect_ms) &&
               curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_USERAGENT, "datavault/" DV_VERSION) == CURLE_OK;
    if (all && config->ca != NULL) /* and nobody else is trusted */
        all = curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    return all;
}

static bool set_callbacks(struct dv_http_transfer *transfer)
{
    CURL *easy = transfer->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
}

static bool set_request(struct dv_http_transfer *transfer, const struct dv_http_request *request)
{
    CURL *easy = transfer->easy;
    bool all = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->lines) == CURLE_OK;
    if (transfer->client->addresses[0] != '\0') {
        transfer->resolve = (struct curl_slist){ transfer->client->addresses, NULL };
        all = all && curl_easy_setopt(easy, CURLOPT_RESOLVE, &transfer->resolve) == CURLE_OK;
    }
    if (all && request->method != NULL)
        all = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
    if (!all || request->body == NULL)
        return all;
    return set(easy, CURLOPT_POST, 1) &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer) == CURLE_OK;
}

static void free_transfer(struct dv_http_transfer *transfer)
{
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    if (transfer->text != NULL)
        explicit_bzero(transfer->text, transfer->text_size);
    dv_memory_free(transfer->text);
    dv_memory_free(transfer);
}

static dv_rc fill(struct dv_http_transfer *transfer, struct dv_http_request *request)
{
    const struct dv_http_client *client = transfer->client;
    dv_rc rc = make_lines(transfer, request);
    if (rc == DV_E_CONFIG)
        request->reason = "a header, which may be the key, holds a character that cannot be sent";
    if (rc != DV_OK)
        return rc;
    transfer->easy = curl_easy_init();
    bool all = transfer->easy != NULL && set_rules(transfer->easy, &client->config) && set_callbacks(transfer) &&
               set_url(transfer, client->url, request->path) && set_request(transfer, request);
    return all && curl_multi_add_handle(client->multi, transfer->easy) == CURLM_OK ? DV_OK : DV_E_MEMORY;
}

dv_rc dv_http_transfer_start(struct dv_http_client *client, struct dv_http_request *request)
{
    struct dv_http_transfer *transfer = dv_memory_zeroed(1, sizeof *transfer);
    request->reason = "no memory for a request";
    if (transfer == NULL)
        return DV_E_MEMORY;
    transfer->client = client;
    transfer->request = request;
    dv_rc rc = fill(transfer, request);
    if (rc != DV_OK) {
        free_transfer(transfer);
        return rc;
    }
    request->reason = NULL;
    request->transfer = transfer;
    transfer->next = client->transfers;
    client->transfers = transfer;
    return DV_OK;
}

void dv_http_transfer_end(struct dv_http_transfer *transfer)
{
    struct dv_http_client *client = transfer->client;
    struct dv_http_transfer **link = &client->transfers;
    DV_ASSERT(client->inside == 0);
    while (*link != transfer)
        link = &(*link)->next;
    *link = transfer->next;
    if (transfer->request != NULL)
        transfer->request->transfer = NULL;
    (void)curl_multi_remove_handle(client->multi, transfer->easy);
    free_transfer(transfer);
}

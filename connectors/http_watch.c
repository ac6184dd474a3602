/* SPDX-License-Identifier: Apache-2.0
 * http_watch.c - libcurl on our loop: it says which sockets to watch and when to be called, and is told what happened. */
#include "connectors/http_internal.h"
#include "connectors/http_memory.h"
#include "engine/memory.h"

/* The watch of one socket; it outlives the socket until the loop has closed it. */
struct watch {
    uv_poll_t uv;
    struct dv_http_client *client; /* NULL: closing */
    curl_socket_t socket;
};

static void act(struct dv_http_client *client, curl_socket_t socket, int events)
{
    int running = 0;
    client->inside++;
    CURLMcode code = curl_multi_socket_action(client->multi, socket, events, &running);
    client->inside--;
    DV_ASSERT(code != CURLM_BAD_HANDLE && code != CURLM_RECURSIVE_API_CALL);
    if (code != CURLM_OK)
        dv_http_give_up(client, NULL);
    dv_http_settle(client);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    int happened = (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    happened |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    happened |= status < 0 ? CURL_CSELECT_ERR : 0;
    if (watch->client != NULL)
        act(watch->client, watch->socket, happened);
}

static void on_closed(uv_handle_t *handle)
{
    dv_memory_free(handle->data);
}

static void close_watch(struct watch *watch)
{
    watch->client = NULL;
    (void)uv_poll_stop(&watch->uv);
    uv_close((uv_handle_t *)&watch->uv, on_closed);
}

/* NULL: no memory or no such socket. */
static struct watch *make_watch(struct dv_http_client *client, curl_socket_t socket)
{
    struct watch *watch = dv_memory_zeroed(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    if (uv_poll_init_socket(dv_loop_uv(client->config.loop), &watch->uv, socket) != 0) {
        dv_memory_free(watch);
        return NULL;
    }
    watch->uv.data = watch;
    watch->client = client;
    watch->socket = socket;
    return watch;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *known)
{
    struct dv_http_client *client = data;
    struct watch *watch = known;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL)
            close_watch(watch);
        (void)curl_multi_assign(client->multi, socket, NULL);
        return 0;
    }
    if (watch == NULL) {
        watch = make_watch(client, socket);
        (void)curl_multi_assign(client->multi, socket, watch);
        if (watch == NULL)
            dv_http_give_up(client, easy);
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    if (watch != NULL)
        (void)uv_poll_start(&watch->uv, events, on_event);
    return 0;
}

static void on_time(struct dv_timer *timer)
{
    struct dv_http_client *client = timer->data;
    act(client, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl must not be called from inside this: 0 ms is the next turn of the loop. */
static int on_timer_wanted(CURLM *multi, long delay_ms, void *data)
{
    struct dv_http_client *client = data;
    (void)multi;
    if (delay_ms < 0)
        dv_timer_stop(&client->timer);
    else
        dv_timer_start(&client->timer, (uint64_t)delay_ms);
    return 0;
}

bool dv_http_watch_start(struct dv_http_client *client)
{
    if (!dv_http_library_start())
        return false;
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        dv_http_library_end();
        return false;
    }
    dv_timer_init(client->config.loop, &client->timer, on_time, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)DV_HTTP_REQUESTS_MAX);
    return true;
}

void dv_http_watch_end(struct dv_http_client *client)
{
    (void)curl_multi_cleanup(client->multi);
    client->multi = NULL;
    dv_timer_close(&client->timer);
    dv_http_library_end();
}

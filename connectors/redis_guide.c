/* SPDX-License-Identifier: Apache-2.0
 * redis_guide.c - who is asked where the server is, and what is made of the answers. */
#include <string.h>

#include "connectors/redis.h"
#include "engine/breaker.h"

/* So long a place is asked for a slot that is moving there; then the map is asked again. */
enum { ASKING_MS = 5000 };

void dv_redis_guide_choose(struct dv_redis_client *client)
{
    const struct dv_redis_url *url = &client->options.url;
    client->asking = client->asking && client->told;
    client->seeking = url->kind != DV_REDIS_SINGLE && !client->told;
    if (client->told) {
        client->place = client->sent_to;
        client->asking_until_ns = dv_now_ns(client->options.loop) + ASKING_MS * 1000000ull;
    } else if (url->kind == DV_REDIS_SINGLE) {
        client->place = url->places[0];
    } else {
        uint32_t next = client->guide % (url->place_count + client->known_count);
        client->place = next < url->place_count ? url->places[next] : client->known[next - url->place_count];
    }
    client->told = false;
}

/* ---- the question ---- */

static bool begins(const struct dv_redis_reply *reply, const char *word)
{
    return reply->length >= strlen(word) && memcmp(reply->text, word, strlen(word)) == 0;
}

/* An error in answer to the question. */
static void give_up(struct dv_redis_client *client, const struct dv_redis_reply *reply)
{
    bool sentinel = client->options.url.kind == DV_REDIS_SENTINEL;
    const char *reason = NULL;
    enum dv_redis_trouble trouble = dv_redis_judge(reply, &reason);
    bool unable = begins(reply, "ERR unknown") || begins(reply, "ERR This instance");
    client->turned_away = unable || trouble == DV_REDIS_MISTAKE;
    if (unable)
        reason = sentinel ? "the server that was asked for the master is no sentinel"
                          : "the server is not part of a cluster: begin the url with redis://";
    else if (sentinel && trouble == DV_REDIS_MISTAKE)
        reason = "a sentinel does not answer this user: set `sentinel_user` and `sentinel_password`";
    dv_redis_lost(client, reason);
}

static bool find(struct dv_redis_client *client, const struct dv_redis_reply *reply, struct dv_redis_place *ret)
{
    if (client->options.url.kind == DV_REDIS_SENTINEL)
        return dv_redis_place_of_master(reply, ret);
    uint32_t count = dv_redis_places_in_map(reply, &client->place, client->known, DV_REDIS_KNOWN_MAX);
    client->known_count = count;
    return dv_redis_place_in_map(reply, client->options.slot, &client->place, ret);
}

static void on_guided(struct dv_redis_request *request)
{
    struct dv_redis_client *client = request->data;
    struct dv_redis_place found;
    bool sentinel = client->options.url.kind == DV_REDIS_SENTINEL;
    if (request->reply->type == DV_REDIS_ERROR) {
        give_up(client, request->reply);
    } else if (!find(client, request->reply, &found)) {
        client->turned_away = sentinel && request->reply->type == DV_REDIS_NIL;
        dv_redis_lost(client, sentinel ? "a sentinel knows no master of this name"
                                       : "the cluster has no node for the stream's slot");
    } else {
        dv_redis_link_close(client);
        client->place = found;
        client->seeking = false;
        dv_redis_start(client);
    }
}

dv_rc dv_redis_guide_ask(struct dv_redis_client *client, struct dv_redis_request *request)
{
    const char *master = client->options.url.master;
    const struct dv_redis_word sentinel[] = { { "SENTINEL", 8 },
                                              { "GET-MASTER-ADDR-BY-NAME", 23 },
                                              { master, strlen(master) } };
    const struct dv_redis_word cluster[] = { { "CLUSTER", 7 }, { "SLOTS", 5 } };
    *request = (struct dv_redis_request){ .callback = on_guided, .data = client };
    if (client->options.url.kind == DV_REDIS_SENTINEL)
        return dv_redis_append(client, request, sentinel, 3);
    return dv_redis_append(client, request, cluster, 2);
}

/* ---- answers of the server itself ---- */

void dv_redis_guide_note(struct dv_redis_client *client, const struct dv_redis_reply *reply)
{
    if (reply->type != DV_REDIS_ERROR) {
        client->useful = true;
        (void)dv_breaker_succeeded(&client->breaker);
        if (client->asking && client->heard_ns > client->asking_until_ns && client->leaving == NULL)
            client->leaving = "the slot was moving: the map is asked again";
        return;
    }
    if (client->options.url.kind == DV_REDIS_CLUSTER &&
        dv_redis_place_of_redirection(reply, &client->place, &client->sent_to, &client->asking)) {
        client->told = true;
        client->leaving = client->asking ? "ASK: the key is moving to another node" : "MOVED: the slot is on another node";
    } else if (client->options.url.kind == DV_REDIS_SENTINEL && begins(reply, "READONLY")) {
        client->leaving = "the server is no master any more";
    }
}

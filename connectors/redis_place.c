/* SPDX-License-Identifier: Apache-2.0
 * redis_place.c - reads places out of answers, and computes slots. */
#include "connectors/redis_place.h"
#include "connectors/redis_reply.h"

#include <string.h>

enum { RANGE_FIRST, RANGE_LAST, RANGE_MASTER /* and its replicas behind it */, NODE_HOST = 0, NODE_PORT = 1 };

bool dv_redis_place_is(const struct dv_redis_place *a, const struct dv_redis_place *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* ---- slots ---- */

/* CRC-16/XMODEM, a bit at a time: keys are hashed when a connection is set up. */
static uint16_t crc16(const char *text, size_t length)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < length; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)((uint8_t)text[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)((crc & 0x8000u) != 0 ? (uint16_t)(crc << 1) ^ 0x1021u : (uint16_t)(crc << 1));
    }
    return crc;
}

uint16_t dv_redis_slot(const char *key, size_t length)
{
    const char *open = memchr(key, '{', length);
    size_t after = open != NULL ? (size_t)(open - key) + 1 : length;
    const char *close = after < length ? memchr(key + after, '}', length - after) : NULL;
    if (close != NULL && close > key + after)
        return crc16(key + after, (size_t)(close - key) - after) % DV_REDIS_SLOTS;
    return crc16(key, length) % DV_REDIS_SLOTS;
}

/* ---- places ---- */

static bool read_port(const char *text, size_t length, uint16_t *ret)
{
    uint32_t port = 0;
    for (size_t i = 0; i < length && port <= UINT16_MAX; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    *ret = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* No host, or "?": the one who answered does not know its own name, and is meant. */
static bool read_host(const char *text, size_t length, const struct dv_redis_place *at, struct dv_redis_place *ret)
{
    if (length == 0 || (length == 1 && text[0] == '?')) {
        memcpy(ret->host, at->host, sizeof ret->host);
        return true;
    }
    if (length > DV_REDIS_HOST_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    memcpy(ret->host, text, length);
    ret->host[length] = '\0';
    return true;
}

bool dv_redis_place_of_master(const struct dv_redis_reply *reply, struct dv_redis_place *ret)
{
    struct dv_redis_place place = { 0 };
    if (reply->type != DV_REDIS_ARRAY || reply->count != 2 || reply->items[0].type != DV_REDIS_TEXT ||
        reply->items[1].type != DV_REDIS_TEXT || reply->items[0].length == 0)
        return false;
    if (!read_host(reply->items[0].text, reply->items[0].length, &place, &place) ||
        !read_port(reply->items[1].text, reply->items[1].length, &place.port))
        return false;
    *ret = place;
    return true;
}

static bool begins(const char *text, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

bool dv_redis_place_of_redirection(const struct dv_redis_reply *reply, const struct dv_redis_place *at,
                                   struct dv_redis_place *ret, bool *ret_once)
{
    struct dv_redis_place place;
    if (reply->type != DV_REDIS_ERROR)
        return false;
    bool once = begins(reply->text, reply->length, "ASK ");
    if (!once && !begins(reply->text, reply->length, "MOVED "))
        return false;
    const char *end = reply->text + reply->length;
    const char *slot = (const char *)memchr(reply->text, ' ', reply->length) + 1;
    const char *space = memchr(slot, ' ', (size_t)(end - slot));
    const char *host = space != NULL ? space + 1 : end;
    const char *colon = memrchr(host, ':', (size_t)(end - host)); /* the last: an address may have others */
    if (colon == NULL || !read_host(host, (size_t)(colon - host), at, &place) ||
        !read_port(colon + 1, (size_t)(end - colon) - 1, &place.port))
        return false;
    *ret = place;
    if (ret_once != NULL)
        *ret_once = once;
    return true;
}

/* ---- the cluster's map: [[first, last, [host, port, id, ...], replica ...], ...] ---- */

static bool is_range(const struct dv_redis_reply *range)
{
    return range->type == DV_REDIS_ARRAY && range->count > RANGE_MASTER &&
           range->items[RANGE_FIRST].type == DV_REDIS_NUMBER && range->items[RANGE_LAST].type == DV_REDIS_NUMBER;
}

static bool read_node(const struct dv_redis_reply *node, const struct dv_redis_place *at, struct dv_redis_place *ret)
{
    struct dv_redis_place place = { 0 };
    if (node->type != DV_REDIS_ARRAY || node->count < 2 || node->items[NODE_PORT].type != DV_REDIS_NUMBER)
        return false;
    const struct dv_redis_reply *host = &node->items[NODE_HOST];
    int64_t port = node->items[NODE_PORT].number;
    if ((host->type != DV_REDIS_TEXT && host->type != DV_REDIS_NIL) || port <= 0 || port > UINT16_MAX ||
        !read_host(host->text != NULL ? host->text : "", host->text != NULL ? host->length : 0, at, &place))
        return false;
    place.port = (uint16_t)port;
    *ret = place;
    return true;
}

bool dv_redis_place_in_map(const struct dv_redis_reply *map, uint16_t slot, const struct dv_redis_place *at,
                           struct dv_redis_place *ret)
{
    for (uint32_t i = 0; map->type == DV_REDIS_ARRAY && i < map->count; i++) {
        const struct dv_redis_reply *range = &map->items[i];
        if (is_range(range) && range->items[RANGE_FIRST].number <= slot && slot <= range->items[RANGE_LAST].number)
            return read_node(&range->items[RANGE_MASTER], at, ret);
    }
    return false;
}

static uint32_t add_once(struct dv_redis_place *places, uint32_t count, const struct dv_redis_place *place)
{
    for (uint32_t i = 0; i < count; i++)
        if (dv_redis_place_is(&places[i], place))
            return count;
    places[count] = *place;
    return count + 1;
}

uint32_t dv_redis_places_in_map(const struct dv_redis_reply *map, const struct dv_redis_place *at,
                                struct dv_redis_place *ret, uint32_t most)
{
    struct dv_redis_place place;
    uint32_t count = 0;
    for (uint32_t i = 0; map->type == DV_REDIS_ARRAY && i < map->count; i++) {
        const struct dv_redis_reply *range = &map->items[i];
        for (uint32_t node = RANGE_MASTER; is_range(range) && node < range->count && count < most; node++)
            if (read_node(&range->items[node], at, &place))
                count = add_once(ret, count, &place);
    }
    return count;
}

/* SPDX-License-Identifier: Apache-2.0
 * fuzz_redis.c - whatever a Redis server sends is read within limits, the same in one piece as in many; places in it,
 * and URLs. */
#include <stdint.h>
#include <string.h>

#include "connectors/redis_reply.h"
#include "connectors/redis_url.h"

enum { TEXT_MAX = 512, TOTAL_MAX = 2048, TEXT_LONGEST = 255, PLACES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct dv_redis_place *place)
{
    DV_ASSERT(place->port > 0 && strlen(place->host) <= DV_REDIS_HOST_MAX);
}

/* What a guide's answer, a map or a redirection names is a place that can be connected to, or none. */
static void seek(const struct dv_redis_reply *reply)
{
    const struct dv_redis_place at = { "10.0.0.1", 7000 };
    struct dv_redis_place places[PLACES];
    uint32_t count = dv_redis_places_in_map(reply, &at, places, PLACES);
    DV_ASSERT(count <= PLACES);
    for (uint32_t i = 0; i < count; i++)
        check_place(&places[i]);
    if (dv_redis_place_of_master(reply, &places[0]))
        check_place(&places[0]);
    if (dv_redis_place_of_redirection(reply, &at, &places[0], NULL))
        check_place(&places[0]);
    if (dv_redis_place_in_map(reply, (uint16_t)reply->length % DV_REDIS_SLOTS, &at, &places[0]))
        check_place(&places[0]);
    if (reply->text != NULL)
        DV_ASSERT(dv_redis_slot(reply->text, reply->length) < DV_REDIS_SLOTS);
}

/* A number that tells replies apart; touches every byte of them. */
static uint64_t walk(const struct dv_redis_reply *reply, unsigned depth)
{
    uint64_t sum = (uint64_t)reply->type * 31 + (uint64_t)reply->number + reply->length;
    DV_ASSERT(depth < 16);
    for (size_t i = 0; reply->text != NULL && i < reply->length; i++)
        sum = sum * 31 + (uint8_t)reply->text[i];
    DV_ASSERT(reply->type == DV_REDIS_CUT || reply->length <= TEXT_MAX || reply->type == DV_REDIS_ERROR ||
              reply->type == DV_REDIS_TEXT);
    for (uint32_t i = 0; i < reply->count; i++)
        sum = sum * 31 + walk(&reply->items[i], depth + 1);
    (void)dv_redis_judge(reply, NULL);
    (void)dv_redis_get(reply, "length");
    seek(reply);
    return sum;
}

/* All replies in `data`, fed in pieces of `piece` bytes; *ret_sound: no reply was refused. */
static uint64_t read_all(const uint8_t *data, size_t size, size_t piece, bool *ret_sound)
{
    struct dv_redis_reader reader;
    uint64_t sum = 0;
    bool sound = dv_redis_reader_init(&reader, (struct dv_redis_limits){ TEXT_MAX, TOTAL_MAX }) == DV_OK;
    DV_ASSERT(sound);
    for (size_t at = 0; at < size && sound; at += piece) {
        const struct dv_redis_reply *reply = NULL;
        sound = dv_redis_reader_feed(&reader, (const char *)data + at, size - at < piece ? size - at : piece);
        do {
            sound = sound && dv_redis_reader_next(&reader, &reply);
            if (sound && reply != NULL)
                sum = sum * 31 + walk(reply, 0);
        } while (sound && reply != NULL);
    }
    dv_redis_reader_free(&reader);
    *ret_sound = sound;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_LONGEST + 1] = "";
    struct dv_redis_url url;
    bool sound = false, sound_in_pieces = false, secret = false;
    (void)read_all(data, size, size + 1, &sound);
    (void)read_all(data, size, size > 0 ? 1 + data[0] % 7u : 1, &sound_in_pieces);
    memcpy(text, data, size < TEXT_LONGEST ? size : TEXT_LONGEST);
    if (dv_redis_url_parse(text, &url, &secret) == NULL)
        DV_ASSERT(url.place_count > 0 && url.places[0].port > 0 && url.places[0].host[0] != '\0' && !secret);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * redis_place.h - where keys are: the place that a sentinel, a cluster's map or a redirection names, and a key's slot.
 *
 * What is parsed here comes from servers that may lie: a place that does not fit is none. */
#ifndef DV_CONNECTORS_REDIS_PLACE_H
#define DV_CONNECTORS_REDIS_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_REDIS_HOST_MAX = 253, DV_REDIS_SLOTS = 16384 };

struct dv_redis_reply;

/* A host and a port. */
struct dv_redis_place {
    char host[DV_REDIS_HOST_MAX + 1]; /* a name or an address, without brackets */
    uint16_t port;
};

/* Whether both are the same, letter by letter. */
bool dv_redis_place_is(const struct dv_redis_place *a, const struct dv_redis_place *b);

/* The slot of a key in a cluster: CRC16 of what stands between the first braces, if something does, else of all. */
uint16_t dv_redis_slot(const char *key, size_t length);

/* What a sentinel answers to GET-MASTER-ADDR-BY-NAME: [host, port]. False: no place. */
bool dv_redis_place_of_master(const struct dv_redis_reply *reply, struct dv_redis_place *ret);

/* The error "MOVED 3999 127.0.0.1:6381", or ASK. Without a host it is that of `at`, who answered. False: it is no such
 * error, or no place. *ret_once (may be NULL): ASK, which holds for single commands only. */
bool dv_redis_place_of_redirection(const struct dv_redis_reply *reply, const struct dv_redis_place *at,
                                   struct dv_redis_place *ret, bool *ret_once);

/* The master of a slot in the answer to CLUSTER SLOTS of the node `at`. False: the map has none. */
bool dv_redis_place_in_map(const struct dv_redis_reply *map, uint16_t slot, const struct dv_redis_place *at,
                           struct dv_redis_place *ret);

/* All nodes in such an answer, each once, at most `most`; how many. */
uint32_t dv_redis_places_in_map(const struct dv_redis_reply *map, const struct dv_redis_place *at,
                                struct dv_redis_place *ret, uint32_t most);

#endif

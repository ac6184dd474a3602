/* SPDX-License-Identifier: Apache-2.0
 * ingest_ring.h - texts that wait in the order in which they came, in memory of a fixed size, each in one piece. */
#ifndef DV_OPERATORS_INGEST_RING_H
#define DV_OPERATORS_INGEST_RING_H

#include <stddef.h>

#include "engine/error.h"

/* Zero-initialise. Pages are used only as they are needed, and the first ones again whenever the ring was empty. */
struct dv_ingest_ring {
    char *bytes;
    size_t size;
    size_t from;  /* where the oldest text begins */
    size_t end;   /* behind the newest */
    size_t count; /* of texts */
};

/* Reserves `size` bytes. DV_E_MEMORY. free() wipes what was used, and accepts a zeroed ring. */
DV_CHECKED dv_rc dv_ingest_ring_init(struct dv_ingest_ring *ring, size_t size);
void dv_ingest_ring_free(struct dv_ingest_ring *ring);

/* The longest text that there is room for. */
size_t dv_ingest_ring_room(const struct dv_ingest_ring *ring);

/* Room for a text behind the newest, or NULL. `length` is not 0. */
char *dv_ingest_ring_take(struct dv_ingest_ring *ring, size_t length);

/* Gives back the oldest text, which the caller has wiped; `next` is the one behind it, NULL if there is none. */
void dv_ingest_ring_give(struct dv_ingest_ring *ring, const char *next);

#endif

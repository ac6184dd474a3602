/* SPDX-License-Identifier: Apache-2.0
 * ingest_ring.c - what is left at the end of the ring stays empty when a text does not fit there. */
#include "operators/ingest_ring.h"

#include "engine/memory.h"

dv_rc dv_ingest_ring_init(struct dv_ingest_ring *ring, size_t size)
{
    *ring = (struct dv_ingest_ring){ .bytes = dv_memory_alloc(size), .size = size };
    return ring->bytes != NULL ? DV_OK : DV_E_MEMORY;
}

void dv_ingest_ring_free(struct dv_ingest_ring *ring)
{
    dv_memory_free(ring->bytes);
    *ring = (struct dv_ingest_ring){ 0 };
}

/* The free pieces: behind the newest text, and before the oldest unless the ring has come round already. */
static size_t room_behind(const struct dv_ingest_ring *ring)
{
    if (ring->count == 0)
        return ring->size;
    return ring->end > ring->from ? ring->size - ring->end : ring->from - ring->end;
}

static size_t room_before(const struct dv_ingest_ring *ring)
{
    return ring->count > 0 && ring->end > ring->from ? ring->from : 0;
}

size_t dv_ingest_ring_room(const struct dv_ingest_ring *ring)
{
    size_t behind = room_behind(ring);
    size_t before = room_before(ring);
    return behind > before ? behind : before;
}

char *dv_ingest_ring_take(struct dv_ingest_ring *ring, size_t length)
{
    DV_ASSERT(length > 0);
    size_t place = ring->count > 0 ? ring->end : 0;
    if (length > room_behind(ring)) {
        if (length > room_before(ring))
            return NULL;
        place = 0;
    }
    if (ring->count == 0)
        ring->from = 0;
    ring->end = place + length;
    ring->count++;
    return ring->bytes + place;
}

void dv_ingest_ring_give(struct dv_ingest_ring *ring, const char *next)
{
    DV_ASSERT(ring->count > 0);
    ring->count--;
    DV_ASSERT((next == NULL) == (ring->count == 0));
    ring->from = next != NULL ? (size_t)(next - ring->bytes) : 0;
}

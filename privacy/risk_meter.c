/* SPDX-License-Identifier: Apache-2.0
 * risk_meter.c - a ring of hashes, and counts that follow it. */
#include "privacy/risk_meter.h"

#include "engine/arena.h"
#include "engine/id.h"

dv_rc dv_risk_meter_init(struct dv_risk_meter *meter, uint32_t capacity, struct dv_arena *arena)
{
    uint32_t slots = 8;
    DV_ASSERT(capacity > 0 && capacity <= 1u << 20);
    while (slots < 2 * capacity)
        slots *= 2;
    *meter = (struct dv_risk_meter){ .capacity = capacity, .mask = slots - 1, .least = 1 };
    meter->ring = dv_arena_zeroed(arena, capacity, sizeof *meter->ring);
    meter->classes = dv_arena_zeroed(arena, slots, sizeof *meter->classes);
    meter->members = dv_arena_zeroed(arena, slots, sizeof *meter->members);
    meter->sizes = dv_arena_zeroed(arena, capacity + 2, sizeof *meter->sizes);
    bool complete = meter->ring != NULL && meter->classes != NULL && meter->members != NULL && meter->sizes != NULL;
    return complete ? DV_OK : DV_E_MEMORY;
}

/* The slot of the hash, or the free one where it belongs; half of the slots are free. */
static uint32_t find(const struct dv_risk_meter *meter, const struct dv_tally *table, uint64_t hash)
{
    uint32_t slot = (uint32_t)(hash >> 32) & meter->mask;
    while (table[slot].hash != 0 && table[slot].hash != hash)
        slot = (slot + 1) & meter->mask;
    return slot;
}

/* Frees a slot: those behind it that it kept from their place move up. */
static void erase(const struct dv_risk_meter *meter, struct dv_tally *table, uint32_t slot)
{
    uint32_t at = slot;
    for (;;) {
        at = (at + 1) & meter->mask;
        if (table[at].hash == 0)
            break;
        uint32_t home = (uint32_t)(table[at].hash >> 32) & meter->mask;
        if (((at - home) & meter->mask) < ((at - slot) & meter->mask))
            continue;
        table[slot] = table[at];
        slot = at;
    }
    table[slot] = (struct dv_tally){ 0 };
}

/* Counts up and gives back the new count; or down. */
static uint32_t step_up(struct dv_risk_meter *meter, struct dv_tally *table, uint64_t hash)
{
    uint32_t slot = find(meter, table, hash);
    table[slot].hash = hash;
    return ++table[slot].count;
}

static uint32_t step_down(struct dv_risk_meter *meter, struct dv_tally *table, uint64_t hash)
{
    uint32_t slot = find(meter, table, hash);
    DV_ASSERT(table[slot].count > 0);
    uint32_t left = --table[slot].count;
    if (left == 0)
        erase(meter, table, slot);
    return left;
}

/* A class went from one size to another. */
static void resize(struct dv_risk_meter *meter, uint32_t from, uint32_t to)
{
    meter->sizes[from] -= from > 0;
    meter->sizes[to] += to > 0;
    meter->class_count += (uint64_t)(to > 0) - (uint64_t)(from > 0);
    meter->subjects += (uint64_t)to - from;
    meter->squares += (uint64_t)to * to - (uint64_t)from * from;
    if (to > 0 && to < meter->least)
        meter->least = to;
}

static void forget(struct dv_risk_meter *meter, const struct dv_risk_seen *seen)
{
    if (seen->member == 0 || step_down(meter, meter->members, seen->member) > 0)
        return;
    uint32_t left = step_down(meter, meter->classes, seen->class);
    resize(meter, left + 1, left);
}

void dv_risk_meter_add(struct dv_risk_meter *meter, uint64_t quasi, uint64_t subject)
{
    struct dv_risk_seen *seen = &meter->ring[meter->next];
    if (meter->used == meter->capacity)
        forget(meter, seen);
    else
        meter->used++;
    meter->next = (meter->next + 1) % meter->capacity;
    *seen = (struct dv_risk_seen){ .class = quasi | 1u };
    if (subject == 0)
        return;
    seen->member = dv_hash64(&subject, sizeof subject, seen->class) | 1u;
    if (step_up(meter, meter->members, seen->member) > 1)
        return;
    uint32_t size = step_up(meter, meter->classes, seen->class);
    resize(meter, size - 1, size);
}

struct dv_risk dv_risk_meter_read(struct dv_risk_meter *meter, uint64_t population)
{
    while (meter->class_count > 0 && meter->sizes[meter->least] == 0)
        meter->least++;
    if (meter->class_count == 0)
        meter->least = 1;
    uint64_t k = meter->class_count > 0 ? meter->least : 0;
    struct dv_risk risk =
        dv_risk_of(meter->subjects, meter->class_count, k, meter->sizes[1], (double)meter->squares, population);
    risk.records = meter->used;
    return risk;
}

/* SPDX-License-Identifier: Apache-2.0
 * tagger_table.c - opens a tagger's table: sizes, alignment and contents are checked before anything is used. */
#include "privacy/tagger_table.h"

#include <string.h>

#include "privacy/tagger.h"

enum { ROWS_MAX = 1 << 22, SLOTS_MAX = 1 << 24, BIAS_MAX = 1 << 20, PROBES_MAX = 256 };

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + DV_TAGGER_ALIGN - 1) / DV_TAGGER_ALIGN * DV_TAGGER_ALIGN;
}

static bool is_power(uint32_t number, uint32_t most)
{
    return number >= 2 && number <= most && (number & (number - 1)) == 0;
}

static bool header_is_sound(const struct dv_tagger_header *header)
{
    return memcmp(header->magic, DV_TAGGER_MAGIC, sizeof header->magic) == 0 && header->format == DV_TAGGER_FORMAT &&
           header->labels == DV_LABELS && header->row_count > 0 && header->row_count <= ROWS_MAX &&
           is_power(header->slot_count, SLOTS_MAX) && is_power(header->list_count, SLOTS_MAX) &&
           header->outside_bias >= 0 && header->outside_bias <= BIAS_MAX;
}

/* CRC-32 as in zip files, a byte at a time. */
static uint32_t crc32_of(const unsigned char *bytes, size_t length)
{
    uint32_t steps[256];
    for (uint32_t i = 0; i < 256; i++) {
        steps[i] = i;
        for (int bit = 0; bit < 8; bit++)
            steps[i] = steps[i] >> 1 ^ (0xEDB88320u & (0u - (steps[i] & 1u)));
    }
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < length; i++)
        crc = crc >> 8 ^ steps[(crc ^ bytes[i]) & 0xFF];
    return ~crc;
}

/* No slot leads out of the rows, and every search meets an empty slot soon. */
static bool slots_are_sound(const struct dv_tagger *tagger)
{
    uint32_t run = 0;
    bool empty = false;
    for (uint32_t i = 0; i <= tagger->slot_mask; i++) {
        uint32_t row = tagger->slots[i].row;
        if (row != DV_TAGGER_EMPTY && row >= tagger->row_count)
            return false;
        empty = empty || row == DV_TAGGER_EMPTY;
        run = row == DV_TAGGER_EMPTY ? 0 : run + 1;
        if (run > PROBES_MAX)
            return false;
    }
    return empty;
}

static bool lists_are_sound(const struct dv_tagger *tagger)
{
    uint32_t run = 0;
    bool empty = false;
    for (uint32_t i = 0; i <= tagger->list_mask; i++) {
        empty = empty || tagger->list_words[i] == 0;
        run = tagger->list_words[i] == 0 ? 0 : run + 1;
        if (run > PROBES_MAX)
            return false;
    }
    return empty;
}

static void read_transitions(struct dv_tagger *tagger, const struct dv_tagger_row *from)
{
    for (uint32_t i = 0; i < DV_LABEL_ROOM; i++)
        for (uint32_t j = 0; j < DV_LABEL_ROOM; j++)
            tagger->transitions[i][j] = from[i].weights[j];
}

/* Points into the table, whose header is sound; false if it has another length than its header says. */
static bool lay_out(struct dv_tagger *tagger, const struct dv_tagger_header *header, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)header;
    uint64_t transitions = sizeof *header;
    uint64_t rows = transitions + DV_LABEL_ROOM * DV_LABEL_ROOM * sizeof(int16_t);
    uint64_t slots = rows + (uint64_t)header->row_count * DV_LABEL_ROOM * sizeof(int16_t);
    uint64_t words = slots + aligned((uint64_t)header->slot_count * sizeof(struct dv_tagger_slot));
    uint64_t bits = words + aligned((uint64_t)header->list_count * sizeof(uint32_t));
    if (bits + aligned(header->list_count) != length)
        return false;
    *tagger = (struct dv_tagger){
        .rows = (const struct dv_tagger_row *)(const void *)(bytes + rows),
        .slots = (const struct dv_tagger_slot *)(const void *)(bytes + slots),
        .list_words = (const uint32_t *)(const void *)(bytes + words),
        .list_bits = bytes + bits,
        .row_count = header->row_count, .slot_mask = header->slot_count - 1, .list_mask = header->list_count - 1,
        .outside_bias = header->outside_bias, .version = header->version,
    };
    read_transitions(tagger, (const struct dv_tagger_row *)(const void *)(bytes + transitions));
    return true;
}

dv_rc dv_tagger_open(struct dv_tagger *tagger, const void *table, size_t length)
{
    const struct dv_tagger_header *header = table;
    *tagger = (struct dv_tagger){ 0 };
    if (length < sizeof *header || (uintptr_t)table % DV_TAGGER_ALIGN != 0 || !header_is_sound(header) ||
        !lay_out(tagger, header, length))
        return DV_E_DATA;
    bool whole = crc32_of((const unsigned char *)(header + 1), length - sizeof *header) == header->checksum;
    return whole && slots_are_sound(tagger) && lists_are_sound(tagger) ? DV_OK : DV_E_DATA;
}

extern const unsigned char dv_tagger_data[], dv_tagger_data_end[]; /* tagger_data.S */

const void *dv_tagger_table(size_t *ret_length)
{
    *ret_length = (size_t)(dv_tagger_data_end - dv_tagger_data);
    return dv_tagger_data;
}

void dv_tagger_open_own(struct dv_tagger *tagger)
{
    size_t length = 0;
    const struct dv_tagger_header *header = dv_tagger_table(&length);
    bool sound = header_is_sound(header) && lay_out(tagger, header, length);
    DV_ASSERT(sound);
}

/* SPDX-License-Identifier: Apache-2.0
 * tagger_table.h - the bytes of a tagger's table; little-endian, every part aligned to 64 bytes.
 *
 * Private to privacy/. tools/train_tagger.py writes it. */
#ifndef DV_PRIVACY_TAGGER_TABLE_H
#define DV_PRIVACY_TAGGER_TABLE_H

#include <stdint.h>

#define DV_TAGGER_MAGIC "DVTAGGER"

enum { DV_TAGGER_FORMAT = 1, DV_TAGGER_ALIGN = 64, DV_TAGGER_EMPTY = 0xFFFFFFFF };

/* At the start. The parts follow in this order: transitions[32][32], rows, slots, list words, list bits. */
struct dv_tagger_header {
    char magic[8];
    uint32_t format;
    uint32_t labels;
    uint32_t row_count;
    uint32_t slot_count; /* a power of two, at least one of them empty */
    uint32_t list_count; /* likewise; empty ones are 0 */
    int32_t outside_bias;
    uint32_t version; /* of the training */
    uint32_t checksum; /* CRC-32 of all behind the header */
    uint32_t reserved[6];
};

/* Where a feature's row is; open addressing, linear probing. */
struct dv_tagger_slot {
    uint32_t feature;
    uint32_t row; /* DV_TAGGER_EMPTY: nothing here */
};

#endif

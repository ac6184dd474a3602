/* SPDX-License-Identifier: Apache-2.0
 * labels.c - open addressing over halves of HMACs. */
#include "privacy/labels.h"

#include <string.h>

#include "engine/memory.h"
#include "privacy/transform.h"

enum { KEY_BYTES = 16, CODE_LETTERS = 12 };

struct slot {
    unsigned char key[KEY_BYTES];
    uint32_t number; /* from 1 on; 0: free */
};

struct dv_labels {
    uint32_t size, used, mask;
    int64_t window_ms, begun_ms;
    uint32_t last[DV_LABEL_KINDS_MAX]; /* the last number given out */
    struct slot slots[];
};

static size_t bytes_of(uint32_t mask)
{
    return sizeof(struct dv_labels) + ((size_t)mask + 1) * sizeof(struct slot);
}

struct dv_labels *dv_labels_new(uint32_t size, int64_t window_ms)
{
    uint32_t slots = 4;
    DV_ASSERT(size >= 1 && size <= DV_LABELS_MAX);
    while (slots < size * 2)
        slots *= 2;
    struct dv_labels *labels = dv_memory_zeroed(1, bytes_of(slots - 1));
    if (labels == NULL)
        return NULL;
    labels->size = size;
    labels->mask = slots - 1;
    labels->window_ms = window_ms;
    return labels;
}

void dv_labels_free(struct dv_labels *labels)
{
    if (labels != NULL)
        explicit_bzero(labels, bytes_of(labels->mask));
    dv_memory_free(labels);
}

static void begin_window(struct dv_labels *labels, int64_t now_ms)
{
    if (labels->used == 0)
        labels->begun_ms = now_ms;
    if (labels->window_ms == 0 || now_ms - labels->begun_ms < labels->window_ms)
        return;
    memset(labels->slots, 0, ((size_t)labels->mask + 1) * sizeof *labels->slots);
    memset(labels->last, 0, sizeof labels->last);
    labels->used = 0;
    labels->begun_ms = now_ms;
}

/* The number of the key within its kind; 0: there is no room. */
static uint32_t number_of(struct dv_labels *labels, uint32_t kind, const unsigned char *key)
{
    uint32_t at = 0;
    memcpy(&at, key, sizeof at);
    for (at &= labels->mask; labels->slots[at].number != 0; at = (at + 1) & labels->mask)
        if (memcmp(labels->slots[at].key, key, KEY_BYTES) == 0)
            return labels->slots[at].number;
    if (labels->used == labels->size)
        return 0;
    labels->used++;
    memcpy(labels->slots[at].key, key, KEY_BYTES);
    labels->slots[at].number = ++labels->last[kind];
    return labels->slots[at].number;
}

static void put_byte(struct dv_buffer *out, char byte)
{
    DV_ASSERT(out->length < out->size);
    out->text[out->length++] = byte;
}

/* 1 is A, 26 is Z, 27 is AA. */
static void put_letters(struct dv_buffer *out, uint32_t number)
{
    char letters[8];
    size_t count = 0;
    for (; number != 0; number = (number - 1) / 26)
        letters[count++] = (char)('A' + (number - 1) % 26);
    while (count > 0)
        put_byte(out, letters[--count]);
}

void dv_labels_put(struct dv_labels *labels, uint32_t kind, const unsigned char digest[DV_PSEUDONYM_BYTES_MAX],
                   int64_t now_ms, struct dv_buffer *out)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    DV_ASSERT(kind < DV_LABEL_KINDS_MAX);
    begin_window(labels, now_ms);
    uint32_t number = number_of(labels, kind, digest);
    if (number != 0) {
        put_letters(out, number);
        return;
    }
    for (size_t i = 0; i < CODE_LETTERS; i++)
        put_byte(out, digits[digest[KEY_BYTES + i] % 32]);
}

/* SPDX-License-Identifier: Apache-2.0
 * grpc_wire.c - gRPC's formats: pure functions, and buffers that are wiped. */
#include "connectors/grpc_wire.h"

#include <string.h>

#include "engine/base64.h"
#include "engine/error.h"
#include "engine/memory.h"

enum { TIMEOUT_DIGITS = 8, BUFFER_FIRST = 1024, BUFFER_KEPT = 4096, BINARY_STEP = 256 };

enum dv_grpc_framed dv_grpc_framed(const uint8_t *bytes, size_t length, size_t message_max, size_t *ret_length)
{
    *ret_length = 0;
    if (length > 0 && bytes[0] > 1)
        return DV_GRPC_FRAMED_BROKEN;
    if (length < DV_GRPC_PREFIX)
        return DV_GRPC_FRAMED_PART;
    if (bytes[0] == 1)
        return DV_GRPC_FRAMED_COMPRESSED;
    *ret_length = (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
    if (*ret_length > message_max)
        return DV_GRPC_FRAMED_LONG;
    return length - DV_GRPC_PREFIX >= *ret_length ? DV_GRPC_FRAMED_WHOLE : DV_GRPC_FRAMED_PART;
}

void dv_grpc_prefix(uint8_t prefix[DV_GRPC_PREFIX], size_t length)
{
    DV_ASSERT(length <= UINT32_MAX);
    prefix[0] = 0;
    for (unsigned i = 1; i < DV_GRPC_PREFIX; i++)
        prefix[i] = (uint8_t)(length >> (8 * (DV_GRPC_PREFIX - 1 - i)));
}

bool dv_grpc_timeout_parse(const char *text, size_t length, uint64_t *ret_ms)
{
    uint64_t number = 0;
    if (length < 2 || length > TIMEOUT_DIGITS + 1)
        return false;
    for (size_t i = 0; i < length - 1; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    switch (text[length - 1]) {
    case 'H': *ret_ms = number * 3600000; return true;
    case 'M': *ret_ms = number * 60000; return true;
    case 'S': *ret_ms = number * 1000; return true;
    case 'm': *ret_ms = number; return true;
    case 'u': *ret_ms = (number + 999) / 1000; return true;
    case 'n': *ret_ms = (number + 999999) / 1000000; return true;
    default: return false;
    }
}

size_t dv_grpc_percent_encode(char out[DV_GRPC_TEXT_MAX], const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (; *text != '\0' && length + 3 <= DV_GRPC_TEXT_MAX; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
            out[length++] = (char)byte;
            continue;
        }
        out[length++] = '%';
        out[length++] = digits[byte >> 4];
        out[length++] = digits[byte & 15];
    }
    return length;
}

/* One value, by pieces that are whole groups of four characters; the last gets the padding that it may lack. */
static bool is_base64(const char *text, size_t length)
{
    char piece[BINARY_STEP];
    uint8_t bytes[BINARY_STEP];
    size_t decoded = 0;
    while (length > BINARY_STEP - 4) {
        if (!dv_base64_decode(bytes, &decoded, text, BINARY_STEP - 4) || decoded != (BINARY_STEP - 4) / 4 * 3)
            return false;
        text += BINARY_STEP - 4;
        length -= BINARY_STEP - 4;
    }
    memcpy(piece, text, length);
    if (length % 4 != 0 && piece[length - 1] == '=') /* neither padded nor unpadded */
        return false;
    while (length % 4 != 0)
        piece[length++] = '=';
    bool sound = dv_base64_decode(bytes, &decoded, piece, length);
    explicit_bzero(piece, sizeof piece);
    explicit_bzero(bytes, sizeof bytes);
    return sound;
}

bool dv_grpc_binary_is_sound(const char *text, size_t length)
{
    for (const char *end = text + length;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        if (!is_base64(text, (size_t)((comma != NULL ? comma : end) - text)))
            return false;
        if (comma == NULL)
            return true;
        text = comma + 1;
    }
}

/* Moves what waits to larger memory, or to the front of what is there. */
static bool make_room(struct dv_grpc_buffer *buffer, size_t length, struct dv_grpc_budget *budget)
{
    size_t used = dv_grpc_buffer_length(buffer);
    size_t size = buffer->size != 0 ? buffer->size : BUFFER_FIRST;
    if (length > budget->max - used)
        return false;
    while (size - used < length)
        size *= 2;
    if (size == buffer->size) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, used);
        explicit_bzero(buffer->bytes + used, buffer->start);
    } else {
        uint8_t *bytes = size - buffer->size <= budget->max - budget->used ? dv_memory_alloc(size) : NULL;
        if (bytes == NULL)
            return false;
        if (used > 0) {
            memcpy(bytes, buffer->bytes + buffer->start, used);
            explicit_bzero(buffer->bytes + buffer->start, used);
        }
        dv_memory_free(buffer->bytes);
        budget->used += size - buffer->size;
        buffer->bytes = bytes;
        buffer->size = size;
    }
    buffer->start = 0;
    buffer->end = used;
    return true;
}

bool dv_grpc_buffer_add(struct dv_grpc_buffer *buffer, const void *bytes, size_t length, struct dv_grpc_budget *budget)
{
    DV_ASSERT(budget->used <= budget->max);
    if (length == 0)
        return true;
    if (buffer->size - buffer->end < length && !make_room(buffer, length, budget))
        return false;
    memcpy(buffer->bytes + buffer->end, bytes, length);
    buffer->end += length;
    return true;
}

void dv_grpc_buffer_drop(struct dv_grpc_buffer *buffer, size_t length)
{
    DV_ASSERT(length <= dv_grpc_buffer_length(buffer));
    if (length == 0)
        return;
    explicit_bzero(buffer->bytes + buffer->start, length);
    buffer->start += length;
    if (buffer->start == buffer->end) {
        buffer->start = 0;
        buffer->end = 0;
    }
}

void dv_grpc_buffer_clear(struct dv_grpc_buffer *buffer, bool whole, struct dv_grpc_budget *budget)
{
    dv_grpc_buffer_drop(buffer, dv_grpc_buffer_length(buffer));
    if (!whole && buffer->size <= BUFFER_KEPT)
        return;
    DV_ASSERT(budget->used >= buffer->size);
    budget->used -= buffer->size;
    dv_memory_free(buffer->bytes);
    *buffer = (struct dv_grpc_buffer){ 0 };
}

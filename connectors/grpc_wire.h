/* SPDX-License-Identifier: Apache-2.0
 * grpc_wire.h - gRPC's own formats over HTTP/2: framed messages, time-outs, texts in trailers, binary metadata; and the
 * buffers that hold messages. */
#ifndef DV_CONNECTORS_GRPC_WIRE_H
#define DV_CONNECTORS_GRPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_GRPC_PREFIX = 5 /* flag and length before a message */, DV_GRPC_TEXT_MAX = 256 };

/* What stands at the beginning of some bytes. */
enum dv_grpc_framed {
    DV_GRPC_FRAMED_PART,       /* of a message, or nothing */
    DV_GRPC_FRAMED_WHOLE,      /* a message, behind its prefix */
    DV_GRPC_FRAMED_LONG,       /* the prefix of one that is longer than allowed */
    DV_GRPC_FRAMED_COMPRESSED, /* of one that is compressed */
    DV_GRPC_FRAMED_BROKEN,     /* no prefix */
};

/* Looks at the beginning of `bytes`; *ret_length is the message's, if its prefix is sound. */
enum dv_grpc_framed dv_grpc_framed(const uint8_t *bytes, size_t length, size_t message_max, size_t *ret_length);

/* Writes the prefix of a message of `length` bytes. */
void dv_grpc_prefix(uint8_t prefix[DV_GRPC_PREFIX], size_t length);

/* The value of `grpc-timeout`: up to eight digits and a unit, in ms, rounded up. False if it is malformed. */
bool dv_grpc_timeout_parse(const char *text, size_t length, uint64_t *ret_ms);

/* Writes `text` as `grpc-message` has it; what does not fit into DV_GRPC_TEXT_MAX is left out. Returns the length. */
size_t dv_grpc_percent_encode(char out[DV_GRPC_TEXT_MAX], const char *text);

/* Whether the value of metadata whose name ends in "-bin" is base64, padded or not, of one value or several. */
bool dv_grpc_binary_is_sound(const char *text, size_t length);

/* Memory for buffers, in all. */
struct dv_grpc_budget {
    size_t used, max;
};

/* Bytes that wait; what was taken out is wiped. Zero-initialise. */
struct dv_grpc_buffer {
    uint8_t *bytes;
    size_t start, end, size; /* bytes[start .. end-1] wait */
};

/* The bytes that wait. */
static inline size_t dv_grpc_buffer_length(const struct dv_grpc_buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* Where they begin; NULL before the first. */
static inline const uint8_t *dv_grpc_buffer_front(const struct dv_grpc_buffer *buffer)
{
    return buffer->bytes != NULL ? buffer->bytes + buffer->start : NULL;
}

/* Adds bytes at the end. False: no memory, or past the budget. */
bool dv_grpc_buffer_add(struct dv_grpc_buffer *buffer, const void *bytes, size_t length, struct dv_grpc_budget *budget);

/* Takes bytes away from the beginning. */
void dv_grpc_buffer_drop(struct dv_grpc_buffer *buffer, size_t length);

/* Wipes and empties; small memory is kept for the next use unless `whole`. */
void dv_grpc_buffer_clear(struct dv_grpc_buffer *buffer, bool whole, struct dv_grpc_budget *budget);

#endif

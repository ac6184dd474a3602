/* SPDX-License-Identifier: Apache-2.0
 * json_record.c - rows as JSON objects, the hot half of the writer. Cells hold UTF-8: only escapes are looked for. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/base64.h"
#include "engine/json.h"
#include "engine/json_number.h"

typedef unsigned char block __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

enum { BLOCK = sizeof(block) };

static inline block load_block(const char *at)
{
    block loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

/* All ones where a byte must be escaped. */
static inline block special_bytes(block bytes)
{
    return (block)(bytes == '"') | (block)(bytes == '\\') | (block)(bytes < ' ');
}

static inline bool any(block marks)
{
#ifdef __SSE2__
    return _mm_movemask_epi8((__m128i)marks) != 0;
#else
    uint64_t halves[2];
    memcpy(halves, &marks, sizeof halves);
    return (halves[0] | halves[1]) != 0;
#endif
}

/* Copies byte by byte, with escapes. */
static char *put_escaped(char *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte >= ' ' && byte != '"' && byte != '\\')
            *out++ = (char)byte;
        else
            out += dv_json_escape(out, byte);
    }
    return out;
}

/* Goes byte by byte only through blocks that hold something special. */
static __attribute__((noinline)) char *put_mixed(char *out, const char *text, size_t length)
{
    for (; length >= BLOCK; text += BLOCK, length -= BLOCK) {
        block bytes = load_block(text);
        if (any(special_bytes(bytes))) {
            out = put_escaped(out, text, BLOCK);
        } else {
            memcpy(out, &bytes, BLOCK);
            out += BLOCK;
        }
    }
    return put_escaped(out, text, length);
}

/* Less than a block, as two halves that may overlap, held in registers: going through memory would stall on it. Bytes
 * left over repeat others, so that none looks special that is not. */
static inline block load_short(const char *from, size_t length)
{
    uint64_t low = 0x2020202020202020u;
    uint64_t high = low;
    if (length >= 8) {
        memcpy(&low, from, 8);
        memcpy(&high, from + length - 8, 8);
    } else if (length >= 4) {
        uint32_t ends[2];
        memcpy(&ends[0], from, 4);
        memcpy(&ends[1], from + length - 4, 4);
        low = ends[0] * 0x100000001u;
        high = ends[1] * 0x100000001u;
    } else if (length > 0) {
        low = ((unsigned char)from[0] | (uint64_t)(unsigned char)from[length / 2] << 8) * 0x0001000100010001u;
        high = (unsigned char)from[length - 1] * 0x0101010101010101u;
    }
    return (block)(halves){ low, high };
}

static inline void store_short(char *out, block bytes, size_t length)
{
    halves both = (halves)bytes;
    uint64_t low = both[0];
    uint64_t high = both[1];
    if (length >= 8) {
        memcpy(out, &low, 8);
        memcpy(out + length - 8, &high, 8);
    } else if (length >= 4) {
        memcpy(out, &low, 4);
        memcpy(out + length - 4, &high, 4);
    } else if (length > 0) {
        out[0] = (char)low;
        out[length / 2] = (char)(low >> 8);
        out[length - 1] = (char)high;
    }
}

static inline char *put_short(char *out, const char *text, size_t length)
{
    block bytes = load_short(text, length);
    if (__builtin_expect(any(special_bytes(bytes)), 0))
        return put_escaped(out, text, length);
    store_short(out, bytes, length);
    return out + length;
}

/* Copies block by block; the last may overlap the one before. */
static inline char *put_text(char *out, const char *text, size_t length)
{
    if (length < BLOCK)
        return put_short(out, text, length);
    const char *end = text + length;
    while (text < end) {
        const char *at = end - text >= BLOCK ? text : end - BLOCK;
        block bytes = load_block(at);
        if (__builtin_expect(any(special_bytes(bytes)), 0))
            return put_mixed(out, text, (size_t)(end - text));
        memcpy(out - (text - at), &bytes, BLOCK);
        out += at + BLOCK - text;
        text = at + BLOCK;
    }
    return out;
}

static inline char *put_name(char *out, const char *name, size_t length)
{
    *out++ = '"';
    for (; length >= BLOCK; length -= BLOCK, name += BLOCK, out += BLOCK)
        memcpy(out, name, BLOCK);
    store_short(out, load_short(name, length), length);
    out += length;
    *out++ = '"';
    *out++ = ':';
    return out;
}

static char *put_bytes(char *out, const char *bytes, size_t length)
{
    *out++ = '"';
    out += dv_base64_encode(out, bytes, length);
    *out++ = '"';
    return out;
}

static char *put_raw(char *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    return out + length;
}

static inline char *put_value(char *out, enum dv_type type, const struct dv_cell *cell)
{
    switch (type) {
    case DV_TYPE_TEXT:
        *out++ = '"';
        out = put_text(out, cell->text, cell->length);
        *out++ = '"';
        return out;
    case DV_TYPE_INT: return out + dv_json_put_int(out, cell->integer);
    case DV_TYPE_FLOAT: return out + dv_json_put_float(out, cell->number);
    case DV_TYPE_BOOL: return cell->integer != 0 ? put_raw(out, "true", 4) : put_raw(out, "false", 5);
    case DV_TYPE_BYTES: return put_bytes(out, cell->text, cell->length);
    case DV_TYPE_JSON: return put_raw(out, cell->text, cell->length);
    }
    DV_ASSERT(!"a column type");
    return out;
}

static inline char *put_member(char *out, const struct dv_column *column, const struct dv_cell *cell)
{
    out = put_name(out, column->name, column->name_length);
    out = put_value(out, column->type, cell);
    *out++ = ',';
    return out;
}

/* The members of `_extra` without its brackets; or it as a whole, once an operator made something else of it. */
static char *put_extra(char *out, const struct dv_column *column, const struct dv_cell *cell)
{
    if (column->type != DV_TYPE_JSON || cell->length < 2 || cell->text[0] != '{')
        return put_member(out, column, cell);
    if (cell->length == 2)
        return out;
    out = put_raw(out, cell->text + 1, cell->length - 2);
    *out++ = ',';
    return out;
}

size_t dv_json_record(const struct dv_batch *batch, uint32_t row, char *out)
{
    DV_ASSERT(row < DV_BATCH_ROWS && out != NULL);
    const struct dv_schema *schema = batch->schema;
    char *at = out;
    *at++ = '{';
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct dv_cell *cell = &batch->cells[i][row];
        if (cell->present && (int32_t)i != schema->extra)
            at = put_member(at, &schema->columns[i], cell);
    }
    if (schema->extra >= 0 && batch->cells[schema->extra][row].present)
        at = put_extra(at, &schema->columns[schema->extra], &batch->cells[schema->extra][row]);
    if (at[-1] == ',')
        at--;
    *at++ = '}';
    return (size_t)(at - out);
}

static size_t value_bound(enum dv_type type, const struct dv_cell *cell)
{
    switch (type) {
    case DV_TYPE_TEXT: return (size_t)cell->length * DV_JSON_ESCAPE_MAX + 2;
    case DV_TYPE_BYTES: return dv_base64_length(cell->length) + 2;
    case DV_TYPE_JSON: return cell->length;
    default: return DV_JSON_NUMBER_MAX;
    }
}

size_t dv_json_record_bound(const struct dv_batch *batch, uint32_t row)
{
    DV_ASSERT(row < DV_BATCH_ROWS);
    const struct dv_schema *schema = batch->schema;
    size_t bound = 2;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct dv_cell *cell = &batch->cells[i][row];
        if (cell->present)
            bound += schema->columns[i].name_length + 4 + value_bound(schema->columns[i].type, cell);
    }
    return bound;
}

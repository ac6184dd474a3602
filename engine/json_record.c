/* SPDX-License-Identifier: Apache-2.0
 * json_record.c - rows as JSON objects, the hot half of the writer. Cells hold UTF-8: only escapes are looked for. */
#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/base64.h"
#include "engine/batch.h"
#include "engine/json.h"
#include "engine/json_number.h"
#include "engine/schema.h"

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

static inline uint64_t load_8(const char *at)
{
    uint64_t word = 0;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

static inline uint64_t load_4(const char *at)
{
    uint32_t word = 0;
    memcpy(&word, at, sizeof word);
    return le32toh(word);
}

/* Less than a block, joined in registers from loads that may overlap: going through memory would stall on it. Blanks
 * fill the rest, so that none looks special that is not. */
static inline block load_short(const char *from, size_t length)
{
    const uint64_t blanks = 0x2020202020202020u;
    uint64_t low = blanks;
    uint64_t high = blanks;
    if (length >= 8) {
        low = load_8(from);
        high = load_8(from + length - 8) >> (8 * (15 - length)) >> 8 | blanks << (8 * (length - 8));
    } else if (length >= 4) {
        low = load_4(from) | load_4(from + length - 4) >> (8 * (8 - length)) << 32 | blanks << (8 * length);
    } else if (length > 0) {
        size_t middle = length / 2;
        low = (unsigned char)from[0] | (uint64_t)(unsigned char)from[middle] << (8 * middle) |
              (uint64_t)(unsigned char)from[length - 1] << (8 * (length - 1)) | blanks << (8 * length);
    }
    return (block)(halves){ htole64(low), htole64(high) };
}

/* Stores a whole block, of which only the beginning counts. */
static inline char *put_short(char *out, const char *text, size_t length)
{
    block bytes = load_short(text, length);
    if (__builtin_expect(any(special_bytes(bytes)), 0))
        return put_escaped(out, text, length);
    memcpy(out, &bytes, BLOCK);
    return out + length;
}

/* Copies block by block; the last may overlap the one before. */
static inline char *put_text(char *out, const char *text, size_t length)
{
    if (length < BLOCK)
        return put_short(out, text, length);
    size_t last = length - BLOCK;
    for (size_t at = 0; at < length; at += BLOCK) {
        size_t from = at < last ? at : last;
        block bytes = load_block(text + from);
        if (__builtin_expect(any(special_bytes(bytes)), 0))
            return put_mixed(out + at, text + at, length - at);
        memcpy(out + from, &bytes, BLOCK);
    }
    return out + length;
}

static __attribute__((noinline)) char *put_long_name(char *out, const struct dv_column *column)
{
    *out++ = '"';
    memcpy(out, column->name, column->name_length);
    out += column->name_length;
    *out++ = '"';
    *out++ = ':';
    return out;
}

static inline char *put_name(char *out, const struct dv_column *column)
{
    if (__builtin_expect(column->key_length == 0, 0))
        return put_long_name(out, column);
    memcpy(out, column->key, sizeof column->key);
    return out + column->key_length;
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
    out = put_name(out, column);
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

/* What a text may grow to: each byte an escape, or base64. Numbers need no more than the constant part. */
static const uint8_t growth[] = { [DV_TYPE_TEXT] = DV_JSON_ESCAPE_MAX, [DV_TYPE_BYTES] = 2, [DV_TYPE_JSON] = 1 };

size_t dv_json_record_bound(const struct dv_batch *batch, uint32_t row)
{
    enum { MEMBER = 4 + DV_JSON_NUMBER_MAX }; /* quotes, colon and comma; a number, or what base64 pads */
    DV_ASSERT(row < DV_BATCH_ROWS);
    const struct dv_schema *schema = batch->schema;
    size_t bound = 2 + DV_COLUMN_KEY_BYTES;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct dv_column *column = &schema->columns[i];
        const struct dv_cell *cell = &batch->cells[i][row];
        size_t length = cell->present ? cell->length : 0;
        bound += column->name_length + MEMBER + length * growth[column->type];
    }
    return bound;
}

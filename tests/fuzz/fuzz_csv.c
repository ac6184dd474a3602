/* SPDX-License-Identifier: Apache-2.0
 * fuzz_csv.c - any bytes as comma-separated values: fields lie in the text and follow each other, lines only grow, and what
 * was read reads the same when it is written again with quotes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A field as it must be written to be read again. */
static size_t quote(char *out, const struct dv_cell *cell, enum dv_csv_step step)
{
    char *at = out;
    if (cell->present)
        *at++ = '"';
    for (uint32_t i = 0; cell->present && i < cell->length; i++) {
        if (cell->text[i] == '"')
            *at++ = '"';
        *at++ = cell->text[i];
    }
    if (cell->present)
        *at++ = '"';
    *at++ = step == DV_CSV_FIELD ? ',' : '\n';
    return (size_t)(at - out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char *again = malloc(4 * size + 16);
    struct dv_csv csv, second;
    struct dv_cell cell = { 0 }, other;
    size_t length = 0;
    uint64_t line = 0;
    enum dv_csv_step step;
    DV_ASSERT(text != NULL && again != NULL);
    if (size > 0)
        memcpy(text, data, size);
    dv_csv_init(&csv, text, size);
    while ((step = dv_csv_next(&csv, &cell)) == DV_CSV_FIELD || step == DV_CSV_LAST) {
        DV_ASSERT(csv.line >= line);
        DV_ASSERT(cell.text >= text && cell.length <= size && cell.text + cell.length <= text + size);
        line = csv.line;
        size_t written = quote(again + length, &cell, step);
        dv_csv_init(&second, again + length, written);
        DV_ASSERT(dv_csv_next(&second, &other) == step || (!cell.present && step == DV_CSV_LAST));
        DV_ASSERT(other.present == cell.present && other.length == cell.length);
        DV_ASSERT(cell.length == 0 || memcmp(other.text, cell.text, cell.length) == 0);
        length = 0;
    }
    free(text);
    free(again);
    return 0;
}

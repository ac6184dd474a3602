/* SPDX-License-Identifier: Apache-2.0
 * fuzz_fetch.c - evidence of any bytes: its hits are read and written again with other texts, within the bound that was told, and
 * what was written is read as the hits that were kept.
 *
 * The first byte says what becomes of the hits; the text that replaces theirs is the input's own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/error.h"
#include "engine/json.h"
#include "engine/schema.h"
#include "operators/fetch_evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dv_fetch_fate fate_of(uint8_t mood, uint32_t index, const char *text, size_t length)
{
    switch ((mood >> index % 4 * 2 & 3) % 3) {
    case 0: return (struct dv_fetch_fate){ .goes = true };
    case 1: return (struct dv_fetch_fate){ .text = NULL };
    default: return (struct dv_fetch_fate){ .text = text, .length = length };
    }
}

enum { INPUT_MAX = 64 * 1024, ARENA_BYTES = 1024 * 1024 };

/* Whether it is JSON, as a column of it is when it comes to an operator. */
static bool is_json(const char *evidence, size_t length)
{
    static const char head[] = "{\"evidence\":";
    struct dv_cell cell = { .present = 0 };
    struct dv_batch row = { .rows = 1 };
    const char *reason = NULL;
    dv_arena_init(&row.arena, ARENA_BYTES);
    struct dv_schema *schema = dv_schema_new(&row.arena, "evidence", 1);
    DV_ASSERT(schema != NULL);
    (void)dv_schema_add(schema, "evidence", DV_TYPE_JSON, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    row.schema = schema;
    row.cells[0] = &cell;
    struct dv_json_reader *reader = dv_json_reader_new(schema, INPUT_MAX);
    char *text = dv_arena_zeroed(&row.arena, 1, sizeof head + length + 1 + DV_JSON_PADDING);
    DV_ASSERT(reader != NULL && text != NULL);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, evidence, length);
    text[sizeof head - 1 + length] = '}';
    dv_rc rc = dv_json_reader_record(reader, text, sizeof head + length, &row, 0, &reason);
    bool is = rc == DV_OK && cell.present && cell.length <= length;
    dv_json_reader_free(reader);
    dv_arena_free(&row.arena);
    return is;
}

/* What was JSON before is JSON again, with the hits that stayed in their order. */
static void read_again(const char *text, size_t length, const struct dv_fetch_hit *hits, const struct dv_fetch_fate *fates, uint32_t count)
{
    struct dv_fetch_hit again[DV_FETCH_HITS_MAX];
    uint32_t found = 0, kept = 0;
    DV_ASSERT(is_json(text, length) && dv_fetch_hits(text, length, again, &found) == DV_OK);
    for (uint32_t i = 0; i < count; i++) {
        if (fates[i].goes)
            continue;
        DV_ASSERT(kept < found && again[kept].named == hits[i].named && again[kept].group == hits[i].group);
        DV_ASSERT(!hits[i].named || memcmp(again[kept].id, hits[i].id, sizeof hits[i].id) == 0);
        kept++;
    }
    DV_ASSERT(kept == found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_fetch_hit hits[DV_FETCH_HITS_MAX];
    struct dv_fetch_fate fates[DV_FETCH_HITS_MAX];
    uint32_t count = 0;
    if (size < 1 || size > INPUT_MAX / 16)
        return 0;
    size_t length = size - 1;
    char *evidence = malloc(length + 1); /* of just that size: a byte read behind it is found */
    memcpy(evidence, data + 1, length);
    if (dv_fetch_hits(evidence, length, hits, &count) == DV_OK) {
        for (uint32_t i = 0; i < count; i++)
            fates[i] = fate_of(data[0], i, evidence, length < 100 ? length : 100);
        size_t bound = dv_fetch_bound(length, fates, count);
        char *out = malloc(bound);
        size_t written = dv_fetch_write(evidence, length, hits, fates, count, out, bound);
        if (is_json(evidence, length))
            read_again(out, written, hits, fates, count);
        free(out);
    }
    free(evidence);
    return 0;
}

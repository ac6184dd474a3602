/* SPDX-License-Identifier: Apache-2.0
 * fuzz_citation.c - sentences and evidence of any bytes: what stands in the evidence is kept, an invented number or citation never.
 *
 * Pieces of evidence are parted by 0xFF; the last one is an answer that may say anything. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/error.h"
#include "operators/citation.h"
#include "operators/sentence.h"

enum { TEXT_MAX = 1800, PIECES_MAX = 4, SAID_MAX = 2 * TEXT_MAX };

#define INVENTED "918273645"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct dv_arena arena;
    char texts[PIECES_MAX][TEXT_MAX];
    struct dv_piece pieces[PIECES_MAX];
    uint32_t count;
    struct dv_citation_index *index;
};

static enum dv_citation check(const struct world *world, const char *text, size_t length)
{
    uint32_t cited = 0;
    enum dv_citation verdict = dv_citation_check(world->index, text, length, &cited);
    DV_ASSERT(verdict != DV_CITATION_KEPT || cited != 0);
    return verdict;
}

/* A sentence of piece `of` with its citation is kept; with one that is invented, or a number, it is not. */
static void check_sentence(const struct world *world, const char *text, size_t length, uint32_t of)
{
    char said[SAID_MAX];
    dv_sentence_trim(&text, &length);
    while (length > 0 && strchr(".!?", text[length - 1]) != NULL)
        length--;
    dv_sentence_trim(&text, &length);
    memcpy(said, text, length);
    memcpy(said + length, " [x].", 5);
    said[length + 2] = (char)('1' + of);
    enum dv_citation verdict = check(world, said, length + 5);
    DV_ASSERT(verdict == DV_CITATION_KEPT || verdict == DV_CITATION_EMPTY);
    said[length + 2] = (char)('1' + world->count);
    DV_ASSERT(check(world, said, length + 5) == DV_CITATION_INVENTED);
    if (verdict == DV_CITATION_EMPTY)
        return;
    said[length + 2] = (char)('1' + of);
    memmove(said + sizeof INVENTED + 1, said, length + 5);
    memcpy(said, INVENTED "; ", sizeof INVENTED + 1);
    DV_ASSERT(check(world, said, length + 5 + sizeof INVENTED + 1) != DV_CITATION_KEPT);
}

/* Whatever has come of a text, a sentence that is complete stays the same. */
static void check_growing(const char *text, size_t length, size_t part)
{
    size_t early = dv_sentence_next(text, part, false), late = dv_sentence_next(text, length, false);
    DV_ASSERT(early <= part && late <= length);
    if (early == 0)
        return;
    const char *first = text, *second = text;
    dv_sentence_trim(&first, &early);
    dv_sentence_trim(&second, &late);
    DV_ASSERT(first == second && early == late);
}

static void read_pieces(struct world *world, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    for (world->count = 0; data < end && world->count < PIECES_MAX; world->count++) {
        const uint8_t *next = memchr(data, 0xFF, (size_t)(end - data));
        size_t length = (size_t)((next != NULL ? next : end) - data);
        length = length < TEXT_MAX ? length : TEXT_MAX;
        struct dv_piece *piece = &world->pieces[world->count];
        *piece = (struct dv_piece){ .text = world->texts[world->count] };
        piece->length = dv_cite_clean(world->texts[world->count], (const char *)data, length);
        data = next != NULL ? next + 1 : end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > PIECES_MAX * TEXT_MAX || memmem(data, size, "918", 3) != NULL)
        return 0;
    static struct world world;
    dv_arena_init(&world.arena, 1 << 22);
    read_pieces(&world, data, size);
    world.index = dv_citation_index(&world.arena, world.pieces, world.count);
    DV_ASSERT(world.index != NULL);
    for (uint32_t i = 0; i < world.count; i++) {
        const struct dv_piece *piece = &world.pieces[i];
        check_growing(piece->text, piece->length, piece->length * data[0] / 256);
        for (size_t at = 0, length = 0; at < piece->length; at += length) {
            length = dv_sentence_next(piece->text + at, piece->length - at, true);
            DV_ASSERT(length > 0 && length <= piece->length - at);
            check_sentence(&world, piece->text + at, length, i);
        }
    }
    (void)check(&world, (const char *)data, size);
    dv_arena_free(&world.arena);
    return 0;
}

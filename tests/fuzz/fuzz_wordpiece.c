/* SPDX-License-Identifier: Apache-2.0
 * fuzz_wordpiece.c - any vocabulary and any text: pieces are sorted and in bounds, and a text cut in parts gives the pieces
 * of the text cut whole. Input: the vocabulary, a NUL, the text. */
#include <stdint.h>
#include <string.h>

#include "connectors/wordpiece.h"

enum { PIECES = 4096, PART = 128 };

static const char marks[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t cut_whole(const struct dv_wordpiece *words, const char *text, size_t length, struct dv_piece *pieces)
{
    size_t used = 0, count = dv_wordpiece_cut(words, text, length, pieces, PIECES, &used);
    DV_ASSERT(used <= length && count <= PIECES);
    for (size_t i = 0; i < count; i++)
        DV_ASSERT(pieces[i].start < pieces[i].end && pieces[i].end <= length && (i == 0 || pieces[i].start >= pieces[i - 1].start));
    return used == length ? count : 0;
}

static void cut_in_parts(const struct dv_wordpiece *words, const char *text, size_t length, const struct dv_piece *whole,
                         size_t count)
{
    struct dv_piece part[PART];
    size_t at = 0, seen = 0, used = 0;
    while (at < length) {
        size_t found = dv_wordpiece_cut(words, text + at, length - at, part, PART, &used);
        DV_ASSERT(used > 0 && seen + found <= count);
        for (size_t i = 0; i < found; i++)
            DV_ASSERT(part[i].id == whole[seen + i].id && part[i].start + at == whole[seen + i].start);
        seen += found;
        at += used;
    }
    DV_ASSERT(seen == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char vocabulary[1 << 16];
    static struct dv_piece pieces[PIECES];
    const uint8_t *nul = memchr(data, 0, size);
    size_t named = nul != NULL ? (size_t)(nul - data) : 0, behind = nul != NULL ? named + 1 : 0;
    struct dv_wordpiece *words = NULL;
    if (named > sizeof vocabulary - sizeof marks)
        return 0;
    memcpy(vocabulary, marks, sizeof marks - 1);
    memcpy(vocabulary + sizeof marks - 1, data, named);
    if (dv_is_error(dv_wordpiece_parse(vocabulary, sizeof marks - 1 + named, &words, NULL)))
        return 0;
    const char *text = (const char *)data + behind;
    size_t count = cut_whole(words, text, size - behind, pieces);
    if (count > 0)
        cut_in_parts(words, text, size - behind, pieces, count);
    dv_wordpiece_close(words);
    return 0;
}

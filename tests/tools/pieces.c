/* SPDX-License-Identifier: Apache-2.0
 * pieces.c - prints the pieces of texts: `pieces VOCABULARY` reads a text a line, in hexadecimal, and writes "id:start:end"
 * for each of its pieces. For the comparison with the reference tokenizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/wordpiece.h"

enum { PIECES = 1 << 16 };

static size_t from_hex(char *line)
{
    size_t length = 0;
    for (unsigned byte = 0; sscanf(line + 2 * length, "%2x", &byte) == 1; length++)
        line[length] = (char)byte;
    return length;
}

int main(int count, char **arguments)
{
    static struct dv_piece pieces[PIECES];
    struct dv_wordpiece *words = NULL;
    struct dv_error error = { 0 };
    if (count != 2 || dv_is_error(dv_wordpiece_open(arguments[1], &words, &error))) {
        (void)fprintf(stderr, "pieces: %s\n", count != 2 ? "usage: pieces VOCABULARY" : error.text);
        return 1;
    }
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        size_t length = from_hex(line), found = dv_wordpiece_cut(words, line, length, pieces, PIECES, NULL);
        for (size_t i = 0; i < found; i++)
            printf("%d:%u:%u ", pieces[i].id, pieces[i].start, pieces[i].end);
        (void)putchar('\n');
    }
    free(line); /* getline()'s */
    dv_wordpiece_close(words);
    return 0;
}

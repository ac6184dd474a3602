/* SPDX-License-Identifier: Apache-2.0
 * tagger_dump.c - tells tools/train_tagger.py what the tagger sees: tagger-dump LISTS < texts
 *
 * LISTS is lines of "word bits". Standard input is texts, each a line of its length in bytes, then its bytes. For each
 * text: a line per token, "start end found feature feature …", offsets in bytes; then an empty line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "privacy/feature.h"
#include "privacy/finder.h"
#include "privacy/glance.h"
#include "privacy/structure.h"

enum { TEXT_MAX = 1 << 22, TOKENS_MAX = 1 << 20, SPANS_MAX = 65536, LISTS_SLOTS = 1 << 21, LINE_MAX_BYTES = 512 };

/* Everything the tool needs, once. */
struct dump {
    char text[TEXT_MAX];
    struct dv_token tokens[TOKENS_MAX];
    struct dv_line_sight lines[TOKENS_MAX];
    struct dv_structure *structure;
    struct dv_span spans[SPANS_MAX];
    uint32_t list_words[LISTS_SLOTS];
    uint8_t list_bits[LISTS_SLOTS];
};

static uint32_t hash_of_word(const char *word)
{
    struct dv_cutter cutter = { .text = (const unsigned char *)word, .length = strlen(word) };
    struct dv_token token;
    return dv_token_next(&cutter, &token) && token.end == cutter.length ? token.word : 0;
}

static void add_to_list(struct dump *dump, uint32_t word, uint8_t bits)
{
    uint32_t at = word & (LISTS_SLOTS - 1);
    while (dump->list_words[at] != 0 && dump->list_words[at] != word)
        at = (at + 1) & (LISTS_SLOTS - 1);
    dump->list_words[at] = word;
    dump->list_bits[at] |= bits;
}

static bool read_lists(struct dump *dump, const char *path)
{
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *blank = strrchr(line, ' ');
        if (blank == NULL)
            continue;
        *blank = '\0';
        uint32_t word = hash_of_word(line);
        if (word != 0)
            add_to_list(dump, word, (uint8_t)strtoul(blank + 1, NULL, 10));
    }
    return file != NULL && fclose(file) == 0;
}

static uint8_t lists_of(const struct dump *dump, uint32_t word)
{
    for (uint32_t at = word & (LISTS_SLOTS - 1); dump->list_words[at] != 0; at = (at + 1) & (LISTS_SLOTS - 1))
        if (dump->list_words[at] == word)
            return dump->list_bits[at];
    return 0;
}

static void print_text(struct dump *dump, const struct dv_detector *detector, size_t length)
{
    uint32_t features[DV_FEATURES_MAX];
    size_t found = dv_detect(detector, dump->text, length, dump->spans, SPANS_MAX);
    found = dv_structure_find(dump->structure, dump->text, length, DV_SEEN_ALL, DV_PII_ALL, dump->spans, found, SPANS_MAX);
    struct dv_cutter cutter = { .text = (const unsigned char *)dump->text, .length = length, .spans = dump->spans, .span_count = found };
    uint32_t count = 0;
    while (count < TOKENS_MAX && dv_token_next(&cutter, &dump->tokens[count])) {
        struct dv_token *token = &dump->tokens[count++];
        token->lists = token->kind == DV_TOKEN_WORD ? lists_of(dump, token->word) : 0;
    }
    dv_lines_read(dump->tokens, count, dump->lines);
    const struct dv_sentence sentence = { .tokens = dump->tokens, .lines = dump->lines, .count = count };
    for (uint32_t at = 0; at < count; at++) {
        uint32_t sights = dv_features(&sentence, at, features);
        (void)printf("%u %u %u", dump->tokens[at].start, dump->tokens[at].end, dump->tokens[at].found);
        for (uint32_t i = 0; i < sights; i++)
            (void)printf(" %08x", features[i]);
        (void)putchar('\n');
    }
    (void)putchar('\n');
}

/* Prints "hash bits" of the lists as the table needs them. */
static void print_lists(const struct dump *dump)
{
    for (uint32_t at = 0; at < LISTS_SLOTS; at++)
        if (dump->list_words[at] != 0)
            (void)printf("%u %u\n", dump->list_words[at], dump->list_bits[at]);
}

int main(int argc, char **argv)
{
    struct dump *dump = calloc(1, sizeof *dump);
    struct dv_detector detector;
    char line[LINE_MAX_BYTES];
    int status = 0;
    if (dump == NULL || argc < 2 || !read_lists(dump, argv[1])) {
        (void)fprintf(stderr, "usage: tagger-dump LISTS [--lists] < TEXTS\n");
        free(dump);
        return 2;
    }
    dv_detector_init(&detector, NULL);
    dump->structure = dv_structure_new();
    status = dump->structure == NULL;
    if (argc > 2)
        print_lists(dump);
    while (status == 0 && argc == 2 && fgets(line, sizeof line, stdin) != NULL) {
        size_t length = strtoul(line, NULL, 10);
        status = length > TEXT_MAX || fread(dump->text, 1, length, stdin) != length;
        if (status == 0)
            print_text(dump, &detector, length);
    }
    dv_structure_free(dump->structure);
    free(dump);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0
 * guard_texts.h - rules of a guard, where its text goes, and the texts that it is tested with. Include cmocka.h first. */
#ifndef TEST_GUARD_TEXTS_H
#define TEST_GUARD_TEXTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "privacy/guard.h"

enum { TEXT_MAX = 1 << 16 };

/* What left. */
struct sink {
    char bytes[4 * TEXT_MAX];
    size_t length;
};

static inline void collect(void *data, const char *bytes, size_t length)
{
    struct sink *sink = data;
    assert_true(sink->length + length <= sizeof sink->bytes);
    memcpy(sink->bytes + sink->length, bytes, length);
    sink->length += length;
}

/* A generator of numbers from a seed. */
static uint32_t draw(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

static inline struct dv_guard_rules rules_of(enum dv_guard_action action, enum dv_guard_strength strength)
{
    struct dv_guard_rules rules;
    const struct dv_guard_options options = { .action = action, .strength = strength,
                                              .types = strength == DV_GUARD_FULL ? DV_PII_ALL : DV_PII_PATTERNS };
    assert_int_equal(dv_guard_rules_open(&rules, &options), DV_OK);
    return rules;
}

/* The texts of a JSON lines file, one after the other. */
struct texts {
    char *bytes;
    size_t *ends;
    size_t count;
};

static inline size_t put_code(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

/* Surrogates stay two characters: invalid UTF-8 is text, too. */
static inline size_t unescape(const char *at, char *out)
{
    size_t length = 0;
    for (; *at != '"'; at++) {
        if (*at != '\\') {
            out[length++] = *at;
            continue;
        }
        at++;
        unsigned code = (unsigned char)*at;
        code = code == 'n' ? '\n' : code == 't' ? '\t' : code == 'r' ? '\r' : code == 'b' ? '\b' : code == 'f' ? '\f' : code;
        if (*at == 'u') {
            (void)sscanf(at + 1, "%4x", &code);
            at += 4;
        }
        length += put_code(out + length, code);
    }
    return length;
}

static inline struct texts read_texts(const char *path)
{
    struct texts texts = { 0 };
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file), used = 0;
    rewind(file);
    char *line = malloc(size + 1);
    texts.bytes = malloc(size + 1);
    texts.ends = malloc(size * sizeof *texts.ends);
    while (fgets(line, (int)size + 1, file) != NULL) {
        const char *text = strstr(line, "\"text\": \"");
        assert_non_null(text);
        used += unescape(text + strlen("\"text\": \""), texts.bytes + used);
        texts.ends[texts.count++] = used;
    }
    free(line);
    (void)fclose(file);
    return texts;
}

#endif

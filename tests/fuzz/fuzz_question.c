/* SPDX-License-Identifier: Apache-2.0
 * fuzz_question.c - any question: its words are in bounds, different, short and made of word characters only, and a search
 * engine takes them for words and never for syntax. */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "connectors/vectors_words.h"
#include "engine/error.h"

enum { MATCH_BYTES = DV_WORDS_MAX * (DV_WORD_BYTES_MAX + 8) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_syntax(char byte)
{
    unsigned char ascii = (unsigned char)byte;
    bool letter = (ascii | 0x20) >= 'a' && (ascii | 0x20) <= 'z';
    return ascii < 0x80 && !letter && !(ascii >= '0' && ascii <= '9');
}

static void check(const struct dv_word *words, size_t count, const char *text, size_t length)
{
    DV_ASSERT(count <= DV_WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        DV_ASSERT(words[i].at >= text && words[i].length > 0 && words[i].length <= DV_WORD_BYTES_MAX);
        DV_ASSERT(words[i].at + words[i].length <= text + length);
        for (size_t k = 0; k < words[i].length; k++)
            DV_ASSERT(!is_syntax(words[i].at[k]));
        for (size_t k = 0; k < i; k++)
            DV_ASSERT(words[k].length != words[i].length || memcmp(words[k].at, words[i].at, words[i].length) != 0);
    }
}

/* An index of its own, made once. */
static sqlite3_stmt *search(void)
{
    static sqlite3_stmt *statement;
    sqlite3 *db = NULL;
    if (statement != NULL)
        return statement;
    bool fine = sqlite3_open(":memory:", &db) == SQLITE_OK &&
                sqlite3_exec(db, "CREATE VIRTUAL TABLE t USING fts5(text, tokenize='porter unicode61'); INSERT INTO t VALUES('rain in spring')",
                             NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, "SELECT rowid FROM t WHERE t MATCH ?1", -1, &statement, NULL) == SQLITE_OK;
    DV_ASSERT(fine);
    return statement;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_word words[DV_WORDS_MAX];
    char match[MATCH_BYTES];
    size_t count = dv_words_of((const char *)data, size, words);
    check(words, count, (const char *)data, size);
    if (count == 0)
        return 0;
    (void)dv_words_join(words, count, "\"", "\"", " OR ", match, sizeof match);
    sqlite3_stmt *statement = search();
    DV_ASSERT(sqlite3_bind_text(statement, 1, match, -1, SQLITE_STATIC) == SQLITE_OK);
    int result = sqlite3_step(statement);
    DV_ASSERT(result == SQLITE_ROW || result == SQLITE_DONE);
    (void)sqlite3_reset(statement);
    return 0;
}

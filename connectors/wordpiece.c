/* SPDX-License-Identifier: Apache-2.0
 * wordpiece.c - a vocabulary in a hash table whose keys are hashed byte by byte, so that every prefix of a word is looked
 * up in one pass over it. */
#include "connectors/wordpiece.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "connectors/wordpiece_char.h"
#include "engine/memory.h"

enum {
    VOCABULARY_BYTES_MAX = 16 << 20,
    PIECES_MAX = 1 << 20,
    PIECE_BYTES_MAX = 256,
    WORD_CHARS_MAX = 100, /* the reference calls longer words unknown */
    CHAR_BYTES_MAX = 4,
};

static const uint64_t HASH_BEGINS = 0xCBF29CE484222325u, HASH_CONTINUES = 0x84222325CBF29CE4u, HASH_PRIME = 0x100000001B3u;

struct slot {
    const char *text; /* NULL: empty */
    uint32_t length;
    int32_t id;
    bool continues;
};

struct dv_wordpiece {
    char *text; /* the vocabulary; slots point into it */
    struct slot *slots;
    uint64_t slot_mask;
    uint32_t longest; /* bytes of the longest piece */
    struct dv_wordpiece_marks marks;
};

/* The word being read: its letters as UTF-8, and where each came from. */
struct word {
    uint32_t count;      /* letters; those above WORD_CHARS_MAX are only counted */
    uint32_t start, end; /* in the text */
    uint16_t at[WORD_CHARS_MAX + 1]; /* where each letter begins in .letters, and where the last ends */
    uint32_t from[WORD_CHARS_MAX], to[WORD_CHARS_MAX]; /* the bytes of the text behind each */
    unsigned char letters[WORD_CHARS_MAX * CHAR_BYTES_MAX];
};

struct cutting {
    const struct dv_wordpiece *words;
    struct dv_piece *pieces;
    size_t count, max;
};

static uint64_t hash_step(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * HASH_PRIME;
}

static uint64_t slot_of(const struct dv_wordpiece *words, uint64_t hash)
{
    return (hash ^ hash >> 29) & words->slot_mask;
}

static bool add_piece(struct dv_wordpiece *words, const char *text, size_t length, int32_t id)
{
    bool continues = length > 2 && text[0] == '#' && text[1] == '#';
    uint64_t hash = continues ? HASH_CONTINUES : HASH_BEGINS;
    text += continues ? 2 : 0;
    length -= continues ? 2 : 0;
    if (length == 0 || length > PIECE_BYTES_MAX)
        return length == 0;
    for (size_t i = 0; i < length; i++)
        hash = hash_step(hash, (unsigned char)text[i]);
    uint64_t at = slot_of(words, hash);
    while (words->slots[at].text != NULL)
        at = (at + 1) & words->slot_mask;
    words->slots[at] = (struct slot){ .text = text, .length = (uint32_t)length, .id = id, .continues = continues };
    words->longest = length > words->longest ? (uint32_t)length : words->longest;
    return true;
}

static int32_t find_piece(const struct dv_wordpiece *words, uint64_t hash, const unsigned char *text, uint32_t length,
                          bool continues)
{
    for (uint64_t at = slot_of(words, hash); words->slots[at].text != NULL; at = (at + 1) & words->slot_mask) {
        const struct slot *slot = &words->slots[at];
        if (slot->length == length && slot->continues == continues && memcmp(slot->text, text, length) == 0)
            return slot->id;
    }
    return -1;
}

static int32_t find_mark(const struct dv_wordpiece *words, const char *mark)
{
    uint64_t hash = HASH_BEGINS;
    for (const char *at = mark; *at != '\0'; at++)
        hash = hash_step(hash, (unsigned char)*at);
    return find_piece(words, hash, (const unsigned char *)mark, (uint32_t)strlen(mark), false);
}

/* Adds every line; false if one is too long or there are too many. */
static bool add_lines(struct dv_wordpiece *words, size_t length)
{
    int32_t id = 0;
    for (size_t at = 0; at < length; id++) {
        const char *newline = memchr(words->text + at, '\n', length - at);
        size_t end = newline != NULL ? (size_t)(newline - words->text) : length;
        size_t trimmed = end > at && words->text[end - 1] == '\r' ? end - 1 : end;
        if (id >= PIECES_MAX || !add_piece(words, words->text + at, trimmed - at, id))
            return false;
        at = end + 1;
    }
    words->marks = (struct dv_wordpiece_marks){ .begin = find_mark(words, "[CLS]"), .end = find_mark(words, "[SEP]"),
                                                .pad = find_mark(words, "[PAD]"), .unknown = find_mark(words, "[UNK]") };
    return words->marks.begin >= 0 && words->marks.end >= 0 && words->marks.pad >= 0 && words->marks.unknown >= 0;
}

static struct dv_wordpiece *new_words(size_t length, const char *text)
{
    uint64_t slots = 1024, lines = 1;
    for (size_t i = 0; text != NULL && i < length; i++)
        lines += text[i] == '\n';
    while (slots < 2 * lines)
        slots *= 2;
    struct dv_wordpiece *words = dv_memory_zeroed(1, sizeof *words);
    if (words == NULL)
        return NULL;
    words->text = dv_memory_alloc(length + 1);
    words->slots = dv_memory_zeroed(slots, sizeof *words->slots);
    words->slot_mask = slots - 1;
    if (words->text != NULL && words->slots != NULL)
        return words;
    dv_wordpiece_close(words);
    return NULL;
}

dv_rc dv_wordpiece_parse(const char *text, size_t length, struct dv_wordpiece **ret_words, struct dv_error *error)
{
    *ret_words = NULL;
    if (length > VOCABULARY_BYTES_MAX)
        return dv_error_set(error, DV_E_DATA, "a vocabulary has at most %d MiB", VOCABULARY_BYTES_MAX >> 20);
    struct dv_wordpiece *words = new_words(length, text);
    if (words == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a vocabulary of %zu bytes", length);
    memcpy(words->text, text, length);
    words->text[length] = '\0';
    if (!add_lines(words, length)) {
        dv_wordpiece_close(words);
        return dv_error_set(error, DV_E_DATA, "no vocabulary: it wants a piece a line, [PAD] [UNK] [CLS] [SEP] among them");
    }
    *ret_words = words;
    return DV_OK;
}

static dv_rc read_all(FILE *file, const char *path, struct dv_wordpiece **ret_words, struct dv_error *error)
{
    char *text = dv_memory_alloc(VOCABULARY_BYTES_MAX + 1);
    if (text == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory to read %s", path);
    size_t length = fread(text, 1, VOCABULARY_BYTES_MAX + 1, file);
    dv_rc rc = ferror(file) ? dv_error_set(error, DV_E_IO, "%s: %s", path, strerror(errno))
                            : dv_wordpiece_parse(text, length, ret_words, error);
    dv_memory_free(text);
    return rc;
}

dv_rc dv_wordpiece_open(const char *path, struct dv_wordpiece **ret_words, struct dv_error *error)
{
    *ret_words = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return dv_error_set(error, errno == ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s", path, strerror(errno));
    dv_rc rc = read_all(file, path, ret_words, error);
    fclose(file);
    return rc;
}

void dv_wordpiece_close(struct dv_wordpiece *words)
{
    if (words == NULL)
        return;
    dv_memory_free(words->text);
    dv_memory_free(words->slots);
    dv_memory_free(words);
}

struct dv_wordpiece_marks dv_wordpiece_marks(const struct dv_wordpiece *words)
{
    return words->marks;
}

/* The longest piece that begins with letter `first` of the word: its number, or -1; *ret_next is the letter behind it. */
static int32_t longest_piece(const struct dv_wordpiece *words, const struct word *word, uint32_t first, uint32_t *ret_next)
{
    uint64_t hash = first > 0 ? HASH_CONTINUES : HASH_BEGINS;
    const unsigned char *begin = word->letters + word->at[first];
    int32_t best = -1;
    for (uint32_t i = first; i < word->count; i++) {
        uint32_t length = (uint32_t)(word->at[i + 1] - word->at[first]);
        if (length > words->longest)
            break;
        for (uint32_t at = word->at[i]; at < word->at[i + 1]; at++)
            hash = hash_step(hash, word->letters[at]);
        int32_t id = find_piece(words, hash, begin, length, first > 0);
        if (id >= 0) {
            best = id;
            *ret_next = i + 1;
        }
    }
    return best;
}

static bool cut_known(struct cutting *cutting, const struct word *word)
{
    for (uint32_t first = 0, next = 0; first < word->count; first = next) {
        int32_t id = longest_piece(cutting->words, word, first, &next);
        if (id < 0 || cutting->count == cutting->max)
            return false;
        cutting->pieces[cutting->count++] =
            (struct dv_piece){ .id = id, .start = word->from[first], .end = word->to[next - 1] };
    }
    return true;
}

/* Adds the word's pieces, or one unknown piece; false: no room, and nothing was added. */
static bool cut_word(struct cutting *cutting, struct word *word)
{
    size_t before = cutting->count;
    bool fits = word->count == 0 || (word->count <= WORD_CHARS_MAX && cut_known(cutting, word));
    bool full = !fits && cutting->count == cutting->max;
    if (!fits)
        cutting->count = before;
    if (full && before > 0)
        return false;
    if (!fits && cutting->count < cutting->max)
        cutting->pieces[cutting->count++] =
            (struct dv_piece){ .id = cutting->words->marks.unknown, .start = word->start, .end = word->end };
    word->count = 0;
    return true;
}

static void add_letters(struct word *word, const struct dv_piece_char *letters, uint32_t start, uint32_t end)
{
    if (word->count == 0)
        word->start = start;
    word->end = end;
    for (uint32_t i = 0; i < letters->count; i++) {
        if (word->count < WORD_CHARS_MAX) {
            uint32_t n = word->count;
            word->at[0] = 0;
            word->from[n] = start;
            word->to[n] = end;
            word->at[n + 1] = (uint16_t)(word->at[n] + utf8proc_encode_char(letters->codes[i], word->letters + word->at[n]));
        }
        word->count += word->count <= WORD_CHARS_MAX;
    }
}

/* Takes one character in; false: no room for the word before it. */
static bool take_char(struct cutting *cutting, struct word *word, int32_t code, uint32_t start, uint32_t end)
{
    struct dv_piece_char letters = dv_piece_char(code);
    if (letters.kind == DV_PIECE_NOTHING)
        return true;
    if (letters.kind != DV_PIECE_LETTER && !cut_word(cutting, word))
        return false;
    if (letters.kind != DV_PIECE_BLANK)
        add_letters(word, &letters, start, end);
    return letters.kind != DV_PIECE_ALONE || cut_word(cutting, word);
}

size_t dv_wordpiece_cut(const struct dv_wordpiece *words, const char *text, size_t length, struct dv_piece *pieces,
                        size_t max, size_t *ret_used)
{
    struct cutting cutting = { .words = words, .pieces = pieces, .max = max };
    DV_UNINITIALIZED struct word word;
    word.count = 0;
    size_t at = 0;
    bool room = max > 0;
    while (room && at < length) {
        utf8proc_int32_t code = 0;
        utf8proc_ssize_t bytes = utf8proc_iterate((const unsigned char *)text + at, (utf8proc_ssize_t)(length - at), &code);
        size_t next = at + (bytes > 0 ? (size_t)bytes : 1);
        room = bytes <= 0 || take_char(&cutting, &word, code, (uint32_t)at, (uint32_t)next);
        at = room ? next : at;
    }
    room = room && cut_word(&cutting, &word);
    if (ret_used != NULL)
        *ret_used = room ? length : word.count > 0 ? word.start : at;
    return cutting.count;
}

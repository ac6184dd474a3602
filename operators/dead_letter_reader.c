/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_reader.c - finds letters, and after damage the next one, in a window that moves over the file. */
#include "operators/dead_letter_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file.h"
#include "engine/memory.h"
#include "operators/blob_row.h"

enum {
    WINDOW = 256 * 1024,
    HEAD_BYTES = 1024, /* enough of a letter to tell its length */
    HEADER_BYTES = 4,  /* what each begins with: an array of ten, version 1, an id of 16 bytes */
};

static const uint8_t header[HEADER_BYTES] = { 0x9a, 0x01, 0xc4, 0x10 };

dv_rc dv_letter_reader_open(struct dv_letter_reader *reader, const char *path, struct dv_error *error)
{
    struct stat facts;
    *reader = (struct dv_letter_reader){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
    if (reader->fd < 0 && errno == ENOENT)
        return DV_OK;
    if (reader->fd < 0 || fstat(reader->fd, &facts) != 0)
        return dv_error_set(error, DV_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return dv_error_set(error, DV_E_CONFIG, "%s: is no file of dead letters", path);
    reader->size = (uint64_t)facts.st_size;
    return DV_OK;
}

void dv_letter_reader_close(struct dv_letter_reader *reader)
{
    if (reader->path != NULL && reader->fd >= 0)
        (void)close(reader->fd);
    dv_memory_free(reader->buffer);
    *reader = (struct dv_letter_reader){ 0 };
}

static const uint8_t *shown(const struct dv_letter_reader *reader)
{
    return reader->buffer + reader->start;
}

static size_t have(const struct dv_letter_reader *reader)
{
    return reader->end - reader->start;
}

static void skip(struct dv_letter_reader *reader, size_t bytes)
{
    DV_ASSERT(bytes <= have(reader));
    reader->start += bytes;
    reader->offset += bytes;
}

static dv_rc make_room(struct dv_letter_reader *reader, size_t need, struct dv_error *error)
{
    size_t held = have(reader);
    if (need > reader->capacity) {
        size_t capacity = need > WINDOW ? need : WINDOW;
        uint8_t *larger = dv_memory_alloc(capacity);
        if (larger == NULL)
            return dv_error_set(error, DV_E_MEMORY, "%s: no memory for a letter of %zu bytes", reader->path, need);
        if (held > 0)
            memcpy(larger, shown(reader), held);
        dv_memory_free(reader->buffer);
        reader->buffer = larger;
        reader->capacity = capacity;
    } else if (held > 0) {
        memmove(reader->buffer, shown(reader), held);
    }
    reader->start = 0;
    reader->end = held;
    return DV_OK;
}

/* Shows at least `need` bytes, or all that the file has. */
static dv_rc fill(struct dv_letter_reader *reader, size_t need, struct dv_error *error)
{
    uint64_t left = reader->size - reader->offset;
    if (need > left)
        need = (size_t)left;
    if (have(reader) >= need)
        return DV_OK;
    DV_TRY(make_room(reader, need, error));
    while (have(reader) < need) {
        size_t room = reader->capacity - reader->end;
        uint64_t unread = left - have(reader);
        ssize_t got = pread(reader->fd, reader->buffer + reader->end, unread < room ? (size_t)unread : room,
                            (off_t)(reader->offset + have(reader)));
        if (got < 0 && errno != EINTR)
            return dv_error_set(error, DV_E_IO, "%s: %s", reader->path, strerror(errno));
        if (got == 0) { /* its torn end was cut off meanwhile */
            reader->size = reader->offset + have(reader);
            break;
        }
        reader->end += got > 0 ? (size_t)got : 0;
    }
    return DV_OK;
}

/* Whether a whole letter begins inside the first `length` bytes shown: a length that was damaged may swallow the letters
 * behind it. What is sealed looks like that by chance once in a very long time only. */
static dv_rc holds_another(struct dv_letter_reader *reader, size_t length, bool *ret, struct dv_error *error)
{
    DV_TRY(fill(reader, length + HEADER_BYTES - 1, error)); /* it may begin with the last byte */
    size_t window = have(reader) < length + HEADER_BYTES - 1 ? have(reader) : length + HEADER_BYTES - 1;
    const uint8_t *found = NULL;
    for (size_t at = 1; (found = memmem(shown(reader) + at, window - at, header, sizeof header)) != NULL; at++) {
        struct dv_blob blob;
        at = (size_t)(found - shown(reader));
        DV_TRY(fill(reader, at + HEAD_BYTES, error));
        size_t inner = dv_blob_record_length(shown(reader) + at, have(reader) - at);
        if (inner == 0 || inner > DV_FILE_RECORD_MAX)
            continue;
        DV_TRY(fill(reader, at + inner, error));
        struct dv_bytes bytes = { shown(reader) + at, inner };
        *ret = have(reader) >= at + inner && dv_blob_parse(&blob, bytes, NULL) == DV_OK;
        if (*ret)
            return DV_OK;
    }
    return DV_OK;
}

/* What a try to read a letter came to: TRY_HALF: it begins like one and goes on behind the end of the file. */
enum try { TRY_WHOLE, TRY_HALF, TRY_NONE };

static dv_rc try_letter(struct dv_letter_reader *reader, struct dv_letter_found *ret, enum try *ret_try,
                        struct dv_error *error)
{
    *ret_try = TRY_NONE;
    DV_TRY(fill(reader, HEAD_BYTES, error));
    size_t length = dv_blob_record_length(shown(reader), have(reader));
    if (length == SIZE_MAX || length > DV_FILE_RECORD_MAX)
        return DV_OK;
    if (length == 0 || length > reader->size - reader->offset) {
        *ret_try = length == 0 && have(reader) >= HEAD_BYTES ? TRY_NONE : TRY_HALF;
        return DV_OK;
    }
    bool swallowed = false;
    DV_TRY(fill(reader, length, error));
    if (have(reader) < length)
        return DV_OK;
    DV_TRY(holds_another(reader, length, &swallowed, error));
    ret->bytes = (struct dv_bytes){ shown(reader), length };
    if (swallowed || dv_blob_parse(&ret->blob, ret->bytes, NULL) != DV_OK)
        return DV_OK;
    *ret_try = TRY_WHOLE;
    ret->kind = DV_LETTER_WHOLE;
    ret->offset = reader->offset;
    ret->length = length;
    return DV_OK;
}

/* Goes on to where the next letter may begin, or to the end. */
static dv_rc seek_header(struct dv_letter_reader *reader, struct dv_error *error)
{
    for (;;) {
        DV_TRY(fill(reader, HEADER_BYTES, error));
        if (have(reader) < HEADER_BYTES) {
            skip(reader, have(reader));
            return DV_OK;
        }
        const uint8_t *found = memmem(shown(reader), have(reader), header, sizeof header);
        if (found != NULL) {
            skip(reader, (size_t)(found - shown(reader)));
            return DV_OK;
        }
        skip(reader, have(reader) - (HEADER_BYTES - 1));
    }
}

/* No whole letter stands here: what follows up to the next one is damage, or the half letter of the end. */
static dv_rc pass_damage(struct dv_letter_reader *reader, enum try first, struct dv_letter_found *ret,
                         struct dv_error *error)
{
    uint64_t from = reader->offset;
    enum try next = TRY_NONE;
    while (next != TRY_WHOLE && reader->offset < reader->size) {
        skip(reader, 1);
        DV_TRY(seek_header(reader, error));
        if (reader->offset < reader->size)
            DV_TRY(try_letter(reader, ret, &next, error));
    }
    bool half = next != TRY_WHOLE && first == TRY_HALF;
    *ret = (struct dv_letter_found){ .kind = half ? DV_LETTER_END : DV_LETTER_DAMAGED,
                                     .offset = from,
                                     .length = reader->offset - from };
    return DV_OK;
}

dv_rc dv_letter_reader_next(struct dv_letter_reader *reader, struct dv_letter_found *ret, struct dv_error *error)
{
    enum try first = TRY_NONE;
    skip(reader, reader->shown);
    reader->shown = 0;
    *ret = (struct dv_letter_found){ .kind = DV_LETTER_END, .offset = reader->offset };
    if (reader->fd < 0 || reader->offset >= reader->size)
        return DV_OK;
    DV_TRY(try_letter(reader, ret, &first, error));
    if (first != TRY_WHOLE)
        return reader->offset < reader->size ? pass_damage(reader, first, ret, error) : DV_OK;
    reader->shown = (size_t)ret->length;
    return DV_OK;
}

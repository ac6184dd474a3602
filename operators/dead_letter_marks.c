/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_marks.c - marks on and off the disk, and a table of them by letter. */
#include "operators/dead_letter_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "engine/id.h"
#include "engine/memory.h"

enum {
    MAGIC_BYTES = 4,
    STATE_AT = 4,
    KEY_AT = 8,
    TIME_AT = 36,
    HASH_AT = 44,
    SLOTS_FIRST = 256,
    SLOTS_MAX = 1 << 30,
    WINDOW = 64 * 1024,
};

_Static_assert(sizeof(struct dv_letter_key) == TIME_AT - KEY_AT, "a key has no padding");

static const uint8_t magic[MAGIC_BYTES] = { 'D', 'V', 'M', '1' };

const char *dv_letter_state_name(enum dv_letter_state state)
{
    static const char *const names[] = { "open", "replayed", "dropped", "moved" };
    DV_ASSERT((size_t)state < sizeof names / sizeof names[0]);
    return names[state];
}

struct dv_letter_key dv_letter_key_of(const struct dv_blob *blob)
{
    struct dv_letter_key key;
    memcpy(key.id, blob->id, sizeof key.id);
    memcpy(key.nonce, blob->nonce, sizeof key.nonce);
    return key;
}

/* ---- one mark ---- */

void dv_mark_pack(const struct dv_mark *mark, uint8_t ret[DV_MARK_BYTES])
{
    DV_ASSERT(mark->state > DV_LETTER_OPEN && mark->state < DV_LETTER_STATES);
    memset(ret, 0, DV_MARK_BYTES);
    (void)dv_bytes_put(ret, magic, MAGIC_BYTES);
    ret[STATE_AT] = (uint8_t)mark->state;
    (void)dv_bytes_put(ret + KEY_AT, (const uint8_t *)&mark->key, sizeof mark->key);
    (void)dv_bytes_put64(ret + TIME_AT, (uint64_t)mark->at_ms);
    (void)dv_bytes_put64(ret + HASH_AT, dv_hash64(ret, HASH_AT, 0));
}

bool dv_mark_parse(struct dv_mark *ret, struct dv_bytes bytes)
{
    const uint8_t *at = bytes.at;
    if (bytes.length < DV_MARK_BYTES || memcmp(at, magic, MAGIC_BYTES) != 0)
        return false;
    if (dv_bytes_get64(at + HASH_AT) != dv_hash64(at, HASH_AT, 0))
        return false;
    bool zero = at[STATE_AT + 1] == 0 && at[STATE_AT + 2] == 0 && at[STATE_AT + 3] == 0;
    if (at[STATE_AT] == DV_LETTER_OPEN || at[STATE_AT] >= DV_LETTER_STATES || !zero)
        return false;
    ret->state = (enum dv_letter_state)at[STATE_AT];
    memcpy(&ret->key, at + KEY_AT, sizeof ret->key);
    ret->at_ms = (int64_t)dv_bytes_get64(at + TIME_AT);
    return true;
}

size_t dv_mark_record_length(const uint8_t *bytes, size_t length)
{
    size_t known = length < MAGIC_BYTES ? length : MAGIC_BYTES;
    if (memcmp(bytes, magic, known) != 0)
        return 1; /* damage: passed over byte by byte, as readers do */
    return known == MAGIC_BYTES ? DV_MARK_BYTES : 0;
}

/* ---- the table ---- */

static struct dv_marks_slot *slot_of(const struct dv_marks *marks, const struct dv_letter_key *key)
{
    uint64_t at = dv_hash64(key, sizeof *key, 0);
    for (;; at++) {
        struct dv_marks_slot *slot = &marks->slots[at & (marks->capacity - 1)];
        if (slot->state == DV_LETTER_OPEN || memcmp(&slot->key, key, sizeof *key) == 0)
            return slot;
    }
}

static dv_rc grow(struct dv_marks *marks)
{
    struct dv_marks larger = *marks;
    if (marks->capacity >= SLOTS_MAX)
        return DV_E_MEMORY;
    larger.capacity = marks->capacity != 0 ? 2 * marks->capacity : SLOTS_FIRST;
    larger.slots = dv_memory_zeroed(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < marks->capacity; i++)
        if (marks->slots[i].state != DV_LETTER_OPEN)
            *slot_of(&larger, &marks->slots[i].key) = marks->slots[i];
    dv_memory_free(marks->slots);
    *marks = larger;
    return DV_OK;
}

dv_rc dv_marks_put(struct dv_marks *marks, const struct dv_letter_key *key, enum dv_letter_state state)
{
    DV_ASSERT(state != DV_LETTER_OPEN);
    if (2 * (marks->count + 1) > marks->capacity)
        DV_TRY(grow(marks));
    struct dv_marks_slot *slot = slot_of(marks, key);
    marks->count += slot->state == DV_LETTER_OPEN;
    *slot = (struct dv_marks_slot){ .key = *key, .state = (uint8_t)state };
    return DV_OK;
}

enum dv_letter_state dv_marks_get(const struct dv_marks *marks, const struct dv_letter_key *key)
{
    return marks->capacity != 0 ? (enum dv_letter_state)slot_of(marks, key)->state : DV_LETTER_OPEN;
}

void dv_marks_free(struct dv_marks *marks)
{
    dv_memory_free(marks->slots);
    *marks = (struct dv_marks){ 0 };
}

/* ---- the journal ---- */

dv_rc dv_marks_read(struct dv_marks *marks, struct dv_bytes bytes, uint64_t offset, size_t *ret_used)
{
    size_t at = 0;
    *ret_used = 0;
    while (at < bytes.length) {
        struct dv_bytes left = { bytes.at + at, bytes.length - at };
        struct dv_mark mark;
        size_t length = dv_mark_record_length(left.at, left.length);
        if (length == 0 || length > left.length)
            break;
        if (dv_mark_parse(&mark, left)) {
            DV_TRY(dv_marks_put(marks, &mark.key, mark.state));
        } else {
            length = 1;
            if (marks->damaged_bytes++ == 0)
                marks->damaged_at = offset + at;
        }
        at += length;
        *ret_used = at;
    }
    return DV_OK;
}

static dv_rc load_open(struct dv_marks *marks, int fd, const char *path, struct dv_error *error)
{
    uint8_t window[WINDOW];
    uint64_t offset = 0;
    for (;;) {
        size_t used = 0;
        ssize_t got = pread(fd, window, sizeof window, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dv_error_set(error, DV_E_IO, "%s: %s", path, strerror(errno));
        dv_rc rc = dv_marks_read(marks, (struct dv_bytes){ window, (size_t)got }, offset, &used);
        if (dv_is_error(rc))
            return dv_error_set(error, rc, "%s: no memory for the marks of so many letters", path);
        if (used == 0) /* the end, or what a crash left of the last mark */
            return DV_OK;
        offset += used;
    }
}

dv_rc dv_marks_load(struct dv_marks *marks, const char *path, struct dv_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return DV_OK;
    if (fd < 0)
        return dv_error_set(error, DV_E_IO, "%s: %s", path, strerror(errno));
    dv_rc rc = load_open(marks, fd, path, error);
    (void)close(fd);
    return rc;
}

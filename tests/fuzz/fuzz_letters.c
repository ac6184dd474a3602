/* SPDX-License-Identifier: Apache-2.0
 * fuzz_letters.c - any bytes as a file of dead letters and as its journal of marks: readers go through them to the end,
 * tell of every byte once, and a whole letter packs to the bytes it was read from. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "operators/dead_letter_marks.h"
#include "operators/dead_letter_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKED_MAX = 1 << 20 };

static void read_letters(const char *path, size_t size)
{
    static uint8_t packed[PACKED_MAX];
    struct dv_letter_reader reader;
    struct dv_letter_found found;
    uint64_t told = 0;
    dv_rc opened = dv_letter_reader_open(&reader, path, NULL);
    DV_ASSERT(opened == DV_OK);
    for (;;) {
        dv_rc rc = dv_letter_reader_next(&reader, &found, NULL);
        DV_ASSERT(rc == DV_OK && found.offset == told);
        if (found.kind == DV_LETTER_END)
            break;
        DV_ASSERT(found.length > 0);
        told += found.length;
        if (found.kind == DV_LETTER_WHOLE && found.length <= PACKED_MAX)
            DV_ASSERT(dv_blob_pack(&found.blob, packed) == found.length &&
                      memcmp(packed, found.bytes.at, found.bytes.length) == 0);
    }
    DV_ASSERT(told + found.length == size || size == told);
    dv_letter_reader_close(&reader);
}

/* Read at once or in two pieces, the same letters are marked. */
static void read_marks(const uint8_t *data, size_t size)
{
    struct dv_marks whole = { 0 };
    struct dv_marks pieces = { 0 };
    size_t used = 0;
    size_t more = 0;
    dv_rc rc = dv_marks_read(&whole, (struct dv_bytes){ data, size }, 0, &used);
    DV_ASSERT(rc == DV_OK && used <= size && size - used < DV_MARK_BYTES);
    rc = dv_marks_read(&pieces, (struct dv_bytes){ data, size / 2 }, 0, &more);
    DV_ASSERT(rc == DV_OK);
    rc = dv_marks_read(&pieces, (struct dv_bytes){ data + more, size - more }, more, &used);
    DV_ASSERT(rc == DV_OK && whole.count == pieces.count && whole.damaged_bytes == pieces.damaged_bytes &&
              whole.damaged_at == pieces.damaged_at);
    dv_marks_free(&whole);
    dv_marks_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = memfd_create("letters", MFD_CLOEXEC);
    DV_ASSERT(fd >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t written = write(fd, data, size);
    DV_ASSERT(written == (ssize_t)size);
    read_letters(path, size);
    (void)close(fd);
    if (size > 0)
        read_marks(data, size);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * fuzz_guard.c - smuggles personal data past the cuts of a stream.
 *
 * The first bytes say which rules, where to cut and what is planted where; the rest is the text. However it is cut, what
 * leaves is what leaves a stream of one push; with patterns alone it is the text with what dv_detect() finds in it, and in it
 * without its escapes, replaced, unless a match was too long to be held; and what was planted, between blanks, is never in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "privacy/guard.h"

#include "../unit/guard_whole.h"

enum { TEXT_MAX = WHOLE_MAX, HEAD = 8, PLANTED_MAX = 8, FIRST_SECRET = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a stream let go. */
struct sink {
    size_t length;
    char bytes[8 * TEXT_MAX];
};

/* What the target keeps from one input to the next. */
struct world {
    struct dv_guard_rules rules[2][2]; /* by strength, then redact and block */
    struct dv_guard *guards[2][2];
    struct sink whole, is;
    struct whole found;
    char text[TEXT_MAX];
};

/* Found between blanks, whatever stands around them. */
static const char *const planted[] = {
    "leaky.name@example.org", "https://leak.example.org/x?y=z", "DE89370400440532013000", "Canary#4711/secret", "Q2FuYXJ5IzQ3MTEvc2VjcmV0", "43616e61727923343731312f736563726574",
};

static void collect(void *data, const char *bytes, size_t length)
{
    struct sink *sink = data;
    DV_ASSERT(sink->length + length <= sizeof sink->bytes);
    memcpy(sink->bytes + sink->length, bytes, length);
    sink->length += length;
}

static struct world *world_of(void)
{
    static struct world *world;
    static const struct dv_secret secret = { "Canary#4711/secret", 18 };
    if (world != NULL)
        return world;
    world = dv_memory_zeroed(1, sizeof *world);
    DV_ASSERT(world != NULL);
    for (int full = 0; full < 2; full++)
        for (int block = 0; block < 2; block++) {
            const struct dv_guard_options options = { .types = full ? DV_PII_ALL : DV_PII_PATTERNS, .secrets = &secret, .secret_count = 1,
                                                      .strength = full ? DV_GUARD_FULL : DV_GUARD_PATTERNS,
                                                      .action = block ? DV_GUARD_BLOCK : DV_GUARD_REDACT };
            dv_rc rc = dv_guard_rules_open(&world->rules[full][block], &options);
            DV_ASSERT(rc == DV_OK);
            rc = dv_guard_open(&world->guards[full][block], &world->rules[full][block]);
            DV_ASSERT(rc == DV_OK);
        }
    return world;
}

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

/* Cuts of `most` bytes at most; 0: none. */
static dv_rc stream(struct dv_guard *guard, const char *text, size_t length, uint32_t seed, uint32_t most, struct sink *sink)
{
    const struct dv_guard_out out = { collect, sink };
    sink->length = 0;
    for (size_t at = 0; at < length;) {
        size_t next = most == 0 ? length - at : 1 + draw(&seed, most);
        next = next < length - at ? next : length - at;
        (void)!dv_guard_push(guard, text + at, next, &out);
        at += next;
    }
    return dv_guard_end(guard, &out);
}

/* The text with some of what must not leave at the places that the head names. */
static size_t plant(struct world *world, const uint8_t *data, size_t size, uint32_t seed, uint32_t count, bool *ret_planted)
{
    size_t length = 0;
    *ret_planted = count > 0;
    for (size_t at = 0; at < size || count > 0;) {
        size_t next = count > 0 && size > at ? draw(&seed, (uint32_t)(size - at) + 1) : size - at;
        memcpy(world->text + length, data + at, next);
        length += next;
        at += next;
        if (count == 0)
            break;
        const char *what = planted[draw(&seed, sizeof planted / sizeof *planted)];
        world->text[length++] = ' ';
        memcpy(world->text + length, what, strlen(what));
        length += strlen(what);
        world->text[length++] = ' ';
        count--;
    }
    return length;
}

/* A text that has it by itself may have it where it is none, as in a longer word; a secret is one anywhere. */
static void check_planted(const struct sink *sink, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        size_t length = strlen(planted[i]);
        bool own = i < FIRST_SECRET && memmem(data, size, planted[i], length) != NULL;
        DV_ASSERT(own || memmem(sink->bytes, sink->length, planted[i], length) == NULL);
    }
}

/* Against the scan of the whole, if neither a secret nor a match that is too long is in it. */
static void check_whole(struct world *world, const struct dv_guard_rules *rules, size_t length)
{
    struct sink *is = &world->is;
    struct dv_span span;
    size_t at = 0;
    find_whole(&world->found, &rules->finder.detector, world->text, length);
    is->length = 0;
    while (dv_guard_row_next(&world->found.row, &span)) {
        const char *name = dv_pii_name(span.type);
        collect(is, world->text + at, span.start - at);
        collect(is, "[", 1);
        collect(is, name, strlen(name));
        collect(is, "]", 1);
        at = span.end;
    }
    collect(is, world->text + at, length - at);
    DV_ASSERT(is->length == world->whole.length && memcmp(is->bytes, world->whole.bytes, is->length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *world = world_of();
    if (size < HEAD || size > TEXT_MAX / 2)
        return 0;
    const bool full = (data[0] & 1) != 0, block = (data[0] & 6) == 6;
    const uint32_t count = data[1] % PLANTED_MAX, seed = (uint32_t)(data[2] | data[3] << 8 | data[4] << 16);
    const uint32_t most = 1u + (data[5] % 4 == 0 ? data[6] * 8u : data[6] % 16u);
    struct dv_guard *guard = world->guards[full][block];
    const struct dv_guard_rules *rules = &world->rules[full][block];
    bool has_planted = false;
    size_t length = plant(world, data + HEAD, size - HEAD, seed, count, &has_planted);
    uint64_t unread = dv_guard_count(guard, DV_PII_OTHER);
    dv_rc rc = stream(guard, world->text, length, seed, 0, &world->whole);
    unread = dv_guard_count(guard, DV_PII_OTHER) - unread;
    dv_rc cut_rc = stream(guard, world->text, length, seed, most, &world->is);
    DV_ASSERT(rc == cut_rc && world->is.length == world->whole.length);
    DV_ASSERT(memcmp(world->is.bytes, world->whole.bytes, world->is.length) == 0);
    check_planted(&world->whole, data, size);
    DV_ASSERT(!(block && has_planted) || rc == DV_E_LEAK);
    if (!full && !block && unread == 0)
        check_whole(world, rules, length);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * test_engine_feed.c - the ring drops its oldest and says so; readers come and go while an event goes round; what a
 * node told last is kept within bounds.
 *
 * shows: MIS-6 MIS-7 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/feed.h"
#include "engine/memory.h"

struct seen {
    uint64_t first, last, count;
    char text[512];
    struct dv_feed *feed;
    struct dv_feed_reader *leaving;
};

static void look(const struct dv_event *event, void *data)
{
    struct seen *seen = data;
    assert_true(seen->count == 0 || event->id == seen->last + 1);
    assert_int_equal(strlen(event->json), event->length);
    if (seen->count++ == 0)
        seen->first = event->id;
    seen->last = event->id;
    (void)snprintf(seen->text, sizeof seen->text, "%s:%s", event->name, event->json);
    if (seen->leaving != NULL)
        dv_feed_leave(seen->feed, seen->leaving);
    seen->leaving = NULL;
}

static dv_rc publish(struct dv_feed *feed, const char *json)
{
    return dv_feed_publish(feed, "stats", json, strlen(json));
}

static void publishes_to_readers(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(4, 100);
    struct seen seen = { 0 };
    struct dv_feed_reader reader = { .callback = look, .data = &seen };
    dv_feed_join(feed, &reader);
    assert_int_equal(publish(feed, "{\"a\":1}"), DV_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.first, 1);
    assert_string_equal(seen.text, "stats:{\"a\":1}");
    dv_feed_leave(feed, &reader);
    assert_int_equal(publish(feed, "{}"), DV_OK);
    assert_int_equal(seen.count, 1);
    dv_feed_free(feed);
}

static void replays_or_says_gone(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(3, 1000);
    struct seen seen = { 0 };
    assert_true(dv_feed_replay(feed, 0, look, &seen));
    assert_false(dv_feed_replay(feed, 1, look, &seen));
    for (int i = 0; i < 5; i++)
        assert_int_equal(publish(feed, "{}"), DV_OK);
    assert_true(dv_feed_replay(feed, 5, look, &seen));
    assert_int_equal(seen.count, 0);
    assert_true(dv_feed_replay(feed, 2, look, &seen));
    assert_int_equal(seen.first, 3);
    assert_int_equal(seen.last, 5);
    assert_false(dv_feed_replay(feed, 1, look, &seen));
    assert_false(dv_feed_replay(feed, 6, look, &seen));
    assert_int_equal(seen.count, 3);
    dv_feed_free(feed);
}

static void refuses_too_large_and_line_ends(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(3, 8);
    assert_int_equal(publish(feed, "12345678"), DV_OK);
    assert_int_equal(publish(feed, "123456789"), DV_E_LIMIT);
    assert_int_equal(publish(feed, "1\n2"), DV_E_SYNTAX);
    assert_int_equal(publish(feed, "1\r2"), DV_E_SYNTAX);
    struct seen seen = { 0 };
    assert_true(dv_feed_replay(feed, 0, look, &seen));
    assert_string_equal(seen.text, "stats:12345678");
    dv_feed_free(feed);
}

/* Whatever the sizes, what replay shows is what was published, and the bytes never pass the ring's. */
static void keeps_texts_whole(void **state)
{
    (void)state;
    enum { ROUNDS = 20000, BYTES = 257 };
    struct dv_feed *feed = dv_feed_new(16, BYTES);
    unsigned seed = 7;
    for (uint64_t id = 1; id <= ROUNDS; id++) {
        char json[BYTES + 1];
        size_t length = 4 + (size_t)rand_r(&seed) % (BYTES - 4 + 1);
        memset(json, (int)('a' + id % 26), length);
        json[length] = '\0';
        assert_int_equal(dv_feed_publish(feed, "live", json, length), DV_OK);
        struct seen seen = { 0 };
        uint64_t after = id;
        while (after > 0 && dv_feed_replay(feed, after - 1, look, &seen)) {
            assert_int_equal(seen.last, id);
            after--;
            seen.count = 0;
        }
        assert_true(after < id && id - after <= 16);
        seen.count = 0;
        assert_true(dv_feed_replay(feed, id - 1, look, &seen));
        assert_memory_equal(seen.text + 5, json, length < 500 ? length : 500);
    }
    dv_feed_free(feed);
}

static void survives_leaving_during_a_round(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(4, 100);
    struct seen seen[3] = { 0 };
    struct dv_feed_reader readers[3];
    for (int i = 0; i < 3; i++) {
        readers[i] = (struct dv_feed_reader){ .callback = look, .data = &seen[i] };
        dv_feed_join(feed, &readers[i]);
    }
    seen[2] = (struct seen){ .feed = feed, .leaving = &readers[1] }; /* the next in line */
    seen[0] = (struct seen){ .feed = feed, .leaving = &readers[0] }; /* itself */
    assert_int_equal(publish(feed, "{}"), DV_OK);
    assert_int_equal(publish(feed, "{}"), DV_OK);
    assert_int_equal(seen[2].count, 2);
    assert_int_equal(seen[1].count, 0);
    assert_int_equal(seen[0].count, 1);
    dv_feed_leave(feed, &readers[2]);
    dv_feed_free(feed);
}

/* ---- what is kept ---- */

static dv_rc tell(struct dv_feed *feed, const char *name, const char *json)
{
    return dv_feed_tell(feed, name, json, strlen(json));
}

/* All that is kept between two ids, as "id name:json ". */
struct told {
    uint64_t last;
    uint32_t count;
    size_t bytes;
    char text[256];
};

static void note(const struct dv_event *event, void *data)
{
    struct told *told = data;
    assert_true(event->id > told->last);
    assert_int_equal(strlen(event->json), event->length);
    told->last = event->id;
    told->count++;
    told->bytes += event->length;
    size_t at = strlen(told->text);
    if (event->length < 32)
        (void)snprintf(told->text + at, sizeof told->text - at, "%d %s:%s ", (int)event->id, event->name, event->json);
}

static struct told kept(const struct dv_feed *feed, uint64_t after, uint64_t until)
{
    struct told told = { .last = after };
    dv_feed_kept(feed, after, until, note, &told);
    assert_true(told.last <= until);
    return told;
}

static void keeps_the_newest_of_each_name(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(2, 100);
    assert_string_equal(kept(feed, 0, UINT64_MAX).text, "");
    assert_int_equal(tell(feed, "a", "[1]"), DV_OK);
    assert_int_equal(tell(feed, "b", "[2]"), DV_OK);
    assert_int_equal(tell(feed, "a", "[3,3]"), DV_OK);
    assert_int_equal(tell(feed, "c", "[4]"), DV_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(publish(feed, "{}"), DV_OK);
    assert_string_equal(kept(feed, 0, UINT64_MAX).text, "2 b:[2] 3 a:[3,3] 4 c:[4] ");
    assert_string_equal(kept(feed, 2, 3).text, "3 a:[3,3] ");
    assert_string_equal(kept(feed, 4, UINT64_MAX).text, "");
    assert_int_equal(tell(feed, "b", ""), DV_OK);
    assert_string_equal(kept(feed, 0, UINT64_MAX).text, "3 a:[3,3] 4 c:[4] 15 b: ");
    /* What the feed refuses replaces nothing. */
    assert_int_equal(tell(feed, "a", "1\n2"), DV_E_SYNTAX);
    assert_string_equal(kept(feed, 0, 3).text, "3 a:[3,3] ");
    dv_feed_forget(feed);
    assert_string_equal(kept(feed, 0, UINT64_MAX).text, "");
    assert_int_equal(tell(feed, "a", "[5]"), DV_OK);
    assert_string_equal(kept(feed, 0, UINT64_MAX).text, "16 a:[5] ");
    dv_feed_free(feed);
}

static void keep_bytes(struct dv_feed *feed, const char *name, size_t length)
{
    static char json[DV_FEED_KEPT_EVENT + 2];
    memset(json, 'j', sizeof json);
    assert_true(length < sizeof json);
    assert_int_equal(dv_feed_tell(feed, name, json, length), DV_OK);
}

static void keeps_within_its_bounds(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(4, 1 << 20);
    keep_bytes(feed, "large", DV_FEED_KEPT_EVENT);
    assert_int_equal(kept(feed, 0, UINT64_MAX).bytes, DV_FEED_KEPT_EVENT);
    keep_bytes(feed, "large", DV_FEED_KEPT_EVENT + 1);
    assert_int_equal(kept(feed, 0, UINT64_MAX).count, 0);
    uint64_t id = 2;
    char name[16];
    for (int i = 0; i < 3 * DV_FEED_KEPT_NAMES; i++, id++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(tell(feed, name, "[]"), DV_OK);
    }
    assert_int_equal(kept(feed, 0, UINT64_MAX).count, DV_FEED_KEPT_NAMES);
    assert_int_equal(kept(feed, id - DV_FEED_KEPT_NAMES, id).count, DV_FEED_KEPT_NAMES);
    for (int i = 0; i < 2 * DV_FEED_KEPT_NAMES; i++, id++) {
        (void)snprintf(name, sizeof name, "m%d", i % 30);
        keep_bytes(feed, name, (size_t)i * 511);
        struct told told = kept(feed, 0, UINT64_MAX);
        assert_true(told.bytes <= DV_FEED_KEPT_BYTES && told.last == id + 1);
    }
    /* The oldest went, and no more than had to. */
    struct told told = kept(feed, 0, UINT64_MAX);
    assert_true(told.count < 30 && told.bytes > DV_FEED_KEPT_BYTES * 3 / 4);
    assert_int_equal(kept(feed, id - told.count, id).count, told.count);
    dv_feed_free(feed);
}

/* The bytes themselves: what is not kept any more is not in memory either. */
static void wipe_check(const struct dv_event *event, void *data)
{
    const char **json = data;
    *json = event->json;
}

static void wipes_what_is_replaced(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(2, 100);
    const char *json = NULL;
    assert_int_equal(tell(feed, "a", "[\"much and long\"]"), DV_OK);
    assert_int_equal(tell(feed, "a", "[1]"), DV_OK);
    dv_feed_kept(feed, 0, UINT64_MAX, wipe_check, &json);
    static const char zeros[14];
    assert_memory_equal(json, "[1]", 4);
    assert_memory_equal(json + 4, zeros, sizeof zeros);
    dv_feed_free(feed);
}

static void keeps_nothing_when_memory_is_short(void **state)
{
    (void)state;
    struct dv_feed *feed = dv_feed_new(4, 1 << 16);
    assert_int_equal(tell(feed, "a", "[1]"), DV_OK);
    dv_memory_fail_at(1);
    keep_bytes(feed, "a", 5000);
    dv_memory_fail_at(0);
    assert_int_equal(kept(feed, 0, UINT64_MAX).count, 0);
    keep_bytes(feed, "a", 5000);
    assert_int_equal(kept(feed, 0, UINT64_MAX).bytes, 5000);
    /* No allocation while it does not grow beyond what it has. */
    dv_memory_fail_at(1);
    keep_bytes(feed, "a", 6000);
    assert_int_equal(kept(feed, 0, UINT64_MAX).bytes, 6000);
    dv_memory_fail_at(0);
    dv_feed_free(feed);
}

static void survives_short_memory(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) {
        dv_memory_fail_at(nth);
        assert_null(dv_feed_new(4, 100));
    }
    dv_memory_fail_at(0);
    dv_feed_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_to_readers),        cmocka_unit_test(replays_or_says_gone),
        cmocka_unit_test(refuses_too_large_and_line_ends), cmocka_unit_test(keeps_texts_whole),
        cmocka_unit_test(survives_leaving_during_a_round), cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(keeps_the_newest_of_each_name), cmocka_unit_test(keeps_within_its_bounds),
        cmocka_unit_test(wipes_what_is_replaced), cmocka_unit_test(keeps_nothing_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

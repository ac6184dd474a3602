/* SPDX-License-Identifier: Apache-2.0
 * test_operators_redis.c - ids of entries, claims and their acknowledgement by a scripted connection, and the count of
 * what was trimmed.
 *
 * shows: ING-5 ING-6 ING-11 BCP-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "operators/redis_source.h"

/* ---- ids ---- */

static void test_ids(void **state)
{
    static const char *const bad[] = { "", "1", "1-", "-1", "1-2-3", "a-1", "1-b", "18446744073709551616-0", " 1-1", "1 -1" };
    struct dv_stream_id id;
    char text[DV_REDIS_ID_TEXT];
    (void)state;
    assert_true(dv_stream_id_parse("18446744073709551615-18446744073709551615", 41, &id));
    assert_int_equal(dv_stream_id_text(text, id), 41);
    assert_string_equal(text, "18446744073709551615-18446744073709551615");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(dv_stream_id_parse(bad[i], strlen(bad[i]), &id));
    id = dv_stream_id_before((struct dv_stream_id){ 5, 0 });
    assert_true(id.ms == 4 && id.seq == UINT64_MAX);
    id = dv_stream_id_before((struct dv_stream_id){ 5, 7 });
    assert_true(id.ms == 5 && id.seq == 6);
    id = dv_stream_id_before((struct dv_stream_id){ 0, 0 });
    assert_true(id.ms == 0 && id.seq == 0);
}

/* ---- claims ---- */

enum { SCRIPT_MAX = 128 };

/* A connection that keeps what it is asked until the test answers. */
struct script {
    struct dv_redis redis;
    enum dv_redis_health health;
    struct dv_redis_request *asked[SCRIPT_MAX];
    char text[SCRIPT_MAX][128];
    unsigned count;
};

static dv_rc script_request(struct dv_redis *redis, struct dv_redis_request *request, const struct dv_redis_word *words,
                            uint32_t count)
{
    struct script *script = (struct script *)redis;
    size_t used = 0;
    if (script->health != DV_REDIS_UP)
        return DV_E_DEPENDENCY;
    assert_true(script->count < SCRIPT_MAX);
    for (uint32_t i = 0; i < count && used < 100; i++)
        used += (size_t)sprintf(script->text[script->count] + used, "%s%.*s", i > 0 ? " " : "", (int)words[i].length, words[i].at);
    script->asked[script->count++] = request;
    return DV_OK;
}

static enum dv_redis_health script_health(const struct dv_redis *redis)
{
    return ((const struct script *)redis)->health;
}

static const struct dv_redis_ops script_ops = { .request = script_request, .health = script_health };

static void answer(struct script *script, unsigned index, dv_rc rc, const char *error)
{
    struct dv_redis_reply reply = { .type = error != NULL ? DV_REDIS_ERROR : DV_REDIS_NUMBER, .text = error };
    reply.length = error != NULL ? strlen(error) : 0;
    script->asked[index]->rc = rc;
    script->asked[index]->reply = rc == DV_OK ? &reply : NULL;
    script->asked[index]->callback(script->asked[index]);
}

static const char *const names[] = { "a", "b" };

static void begin(struct script *script, struct dv_redis_claims *claims)
{
    *script = (struct script){ .redis.ops = &script_ops, .health = DV_REDIS_UP };
    *claims = (struct dv_redis_claims){ .redis = { &script->redis, &script->redis }, .streams = names, .stream_count = 2, .group = "g" };
}

static struct dv_stream_entry entry(uint64_t ms, uint32_t stream)
{
    return (struct dv_stream_entry){ .id = { ms, 0 }, .stream = stream };
}

static void test_claims_are_acknowledged_by_stream_after_they_settle(void **state)
{
    struct script script;
    struct dv_redis_claims claims;
    const struct dv_stream_entry entries[] = { entry(1, 0), entry(2, 1), entry(3, 0) };
    (void)state;
    begin(&script, &claims);
    assert_int_equal(dv_redis_claims_add(&claims, entries, 3), DV_OK);
    assert_true(dv_redis_claims_has(&claims, entry(2, 1)));
    assert_false(dv_redis_claims_has(&claims, entry(2, 0)));
    dv_redis_claims_send(&claims);
    assert_int_equal(script.count, 0);
    dv_redis_claims_settle(&claims, 0);
    assert_int_equal(script.count, 2);
    assert_string_equal(script.text[0], "XACK a g 1-0 3-0");
    assert_string_equal(script.text[1], "XACK b g 2-0");
    assert_true(dv_redis_claims_has(&claims, entry(2, 1)));
    answer(&script, 0, DV_OK, NULL);
    answer(&script, 1, DV_OK, NULL);
    assert_false(dv_redis_claims_has(&claims, entry(2, 1)));
    assert_int_equal(claims.acked, 3);
    dv_redis_claims_free(&claims);
}

static void test_an_acknowledgement_that_is_lost_is_sent_again(void **state)
{
    struct script script;
    struct dv_redis_claims claims;
    const struct dv_stream_entry one = entry(1, 0);
    (void)state;
    begin(&script, &claims);
    assert_int_equal(dv_redis_claims_add(&claims, &one, 1), DV_OK);
    dv_redis_claims_settle(&claims, 0);
    script.health = DV_REDIS_DOWN;
    answer(&script, 0, DV_E_DEPENDENCY, NULL);
    assert_true(dv_redis_claims_has(&claims, one));
    dv_redis_claims_send(&claims);
    assert_int_equal(script.count, 1);
    script.health = DV_REDIS_UP;
    dv_redis_claims_send(&claims);
    assert_int_equal(script.count, 2);
    answer(&script, 1, DV_OK, "READONLY You can't write");
    assert_non_null(claims.reason);
    dv_redis_claims_send(&claims);
    answer(&script, 2, DV_OK, NULL);
    assert_null(claims.reason);
    assert_int_equal(claims.acked, 1);
    dv_redis_claims_free(&claims);
}

static void test_claims_settle_in_any_order_and_the_ring_grows(void **state)
{
    struct script script;
    struct dv_redis_claims claims;
    (void)state;
    begin(&script, &claims);
    script.health = DV_REDIS_DOWN;
    for (uint64_t i = 0; i < 200; i++) {
        const struct dv_stream_entry one = entry(i, 0);
        assert_int_equal(dv_redis_claims_add(&claims, &one, i % 2 == 0), DV_OK);
    }
    for (uint64_t i = 200; i-- > 0;)
        dv_redis_claims_settle(&claims, i);
    script.health = DV_REDIS_UP;
    assert_true(dv_redis_claims_has(&claims, entry(150, 0)));
    dv_redis_claims_send(&claims);
    assert_int_equal(script.count, 100);
    for (unsigned i = 100; i-- > 0;)
        answer(&script, i, DV_OK, NULL);
    assert_int_equal(claims.acked, 100);
    assert_int_equal(claims.first, 200);
    dv_redis_claims_free(&claims);
}

/* ---- trimmed entries ---- */

static uint64_t lost(struct dv_redis_stream *stream, uint64_t added, uint64_t length, int64_t read, bool caught_up)
{
    struct dv_redis_census census = { .added = added, .length = length, .read_known = read >= 0, .fresh = read < 0,
                                      .caught_up = caught_up };
    census.read = read >= 0 ? (uint64_t)read : 0;
    return dv_redis_trim_lost(stream, &census);
}

static void test_trimmed_entries_are_counted_once(void **state)
{
    struct dv_redis_stream stream = { 0 };
    (void)state;
    assert_int_equal(lost(&stream, 10, 10, 10, true), 0);
    assert_int_equal(lost(&stream, 100, 51, 10, false), 39);
    assert_int_equal(lost(&stream, 100, 51, 10, false), 0);
    assert_int_equal(lost(&stream, 100, 51, 30, false), 0); /* read on: the formula goes below */
    assert_int_equal(lost(&stream, 100, 51, 61, true), 0);
    assert_int_equal(lost(&stream, 150, 20, 61, false), 30);
    assert_int_equal(lost(&stream, 150, 20, 81, true), 0);
    assert_int_equal(lost(&stream, 200, 5, 86, true), 45); /* trimmed and read past between two looks */
}

static void test_what_was_trimmed_before_the_start(void **state)
{
    struct dv_redis_stream old = { 0 }, gap = { 0 }, fresh = { 0 };
    (void)state;
    assert_int_equal(lost(&old, 100, 10, 61, true), 0); /* all read; 39 were lost in another life */
    assert_int_equal(lost(&old, 160, 20, 61, false), 40);
    assert_int_equal(lost(&gap, 100, 51, 10, false), 39); /* trimmed while nobody looked */
    assert_int_equal(lost(&fresh, 100, 60, -1, false), 0); /* before the group was made */
    assert_int_equal(lost(&fresh, 100, 50, -1, false), 10);
    assert_int_equal(lost(&fresh, 100, 50, 60, false), 0); /* Redis counts what was trimmed as read */
    assert_int_equal(lost(&fresh, 100, 30, 60, false), 10);
}

static void test_trimming_what_was_read_is_no_loss(void **state)
{
    struct dv_redis_stream stream = { 0 };
    (void)state;
    assert_int_equal(lost(&stream, 100, 100, 80, false), 0);
    assert_int_equal(lost(&stream, 100, 30, 80, false), 0);
    assert_int_equal(lost(&stream, 100, 20, 80, false), 0);
    assert_int_equal(lost(&stream, 100, 19, 80, false), 1);
}

static void test_another_servers_count_proves_nothing(void **state)
{
    struct dv_redis_stream stream = { 0 };
    (void)state;
    assert_int_equal(lost(&stream, 100, 100, 100, true), 0);
    stream.server = 1; /* not the one of these censuses: a replica that was promoted, whose count stood still at 30 */
    assert_int_equal(lost(&stream, 110, 80, 40, false), 0);
    assert_int_equal(lost(&stream, 110, 80, 40, true), 0);
    assert_int_equal(stream.server, 0);
    assert_int_equal(lost(&stream, 120, 70, 40, false), 0);
    assert_int_equal(lost(&stream, 130, 5, 45, true), 15); /* 5 of 20 were given */
}

static void test_versions(void **state)
{
    static const struct {
        const char *info;
        unsigned version;
    } infos[] = { { "# Server\r\nredis_version:7.0.15\r\nrun_id:x\r\n", 700 }, { "redis_version:6.2.14\r\n", 602 },
                  { "redis_version:5.0.7\r\n", 500 }, { "redis_version:255.255.255\r\n", 25599 }, { "redis_version:", 0 },
                  { "nothing", 0 }, { "redis_version:6\r\n", 600 } };
    (void)state;
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++) {
        const struct dv_redis_reply reply = { .type = DV_REDIS_TEXT, .text = infos[i].info, .length = strlen(infos[i].info) };
        assert_int_equal(dv_redis_version(&reply), infos[i].version);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_claims_are_acknowledged_by_stream_after_they_settle),
        cmocka_unit_test(test_an_acknowledgement_that_is_lost_is_sent_again),
        cmocka_unit_test(test_claims_settle_in_any_order_and_the_ring_grows),
        cmocka_unit_test(test_trimmed_entries_are_counted_once),
        cmocka_unit_test(test_what_was_trimmed_before_the_start),
        cmocka_unit_test(test_trimming_what_was_read_is_no_loss),
        cmocka_unit_test(test_another_servers_count_proves_nothing),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

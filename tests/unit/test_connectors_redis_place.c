/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_redis_place.c - URLs of sentinels and clusters, slots, and the places that servers name.
 *
 * shows: ING-3 BCP-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/redis_url.h"
#include "connectors/redis_reply.h"

static void test_urls_of_sentinels_and_clusters(void **state)
{
    static const char *const bad[] = { "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel://h,/m",
                                       "redis+sentinel://h/m/x", "redis+cluster://h/1", "redis+cluster://", "redis://a,b",
                                       "redis+cluster://1,2,3,4,5,6,7,8,9", "redis+other://h", "redis+sentinel://h/m m" };
    struct dv_redis_url url;
    bool secret = false;
    (void)state;
    assert_null(dv_redis_url_parse("redis+sentinel://a,b:7,[::1]:9/my-master/3", &url, &secret));
    assert_true(url.kind == DV_REDIS_SENTINEL && url.place_count == 3 && url.database == 3 && !url.tls);
    assert_string_equal(url.master, "my-master");
    assert_true(url.places[0].port == 26379 && url.places[1].port == 7 && url.places[2].port == 9);
    assert_null(dv_redis_url_parse("rediss+cluster://a:7000,b", &url, &secret));
    assert_true(url.kind == DV_REDIS_CLUSTER && url.place_count == 2 && url.tls && url.places[1].port == 6379);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(dv_redis_url_parse(bad[i], &url, &secret));
}

/* ---- places ---- */

static const struct dv_redis_place here = { "here", 7 };

static struct dv_redis_reply text(const char *bytes, enum dv_redis_type type)
{
    return (struct dv_redis_reply){ .type = type, .text = bytes, .length = strlen(bytes) };
}

/* The slots that CLUSTER KEYSLOT tells. */
static void test_slots(void **state)
{
    static const struct {
        const char *key;
        unsigned slot;
    } keys[] = { { "", 0 }, { "foo", 12182 }, { "123456789", 12739 }, { "{foo}.bar", 12182 }, { "a{foo}{x}", 12182 },
                 { "foo{}", 5542 }, { "{foo", 13308 } };
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(dv_redis_slot(keys[i].key, strlen(keys[i].key)), keys[i].slot);
}

static void test_redirections(void **state)
{
    static const char *const bad[] = { "MOVED", "MOVED 1", "MOVED 1 h", "MOVED 1 h:", "MOVED 1 h:0", "MOVED 1 h:65536",
                                       "MOVED 1 h:7x", "MOVED 1 a b:7", "ERR x", "ASK", "MOVED  h:1:" };
    struct dv_redis_place place;
    bool once = true;
    (void)state;
    struct dv_redis_reply reply = text("MOVED 3999 10.0.0.1:6381", DV_REDIS_ERROR);
    assert_true(dv_redis_place_of_redirection(&reply, &here, &place, &once) && !once && place.port == 6381);
    assert_string_equal(place.host, "10.0.0.1");
    reply = text("ASK 3999 ::1:6382", DV_REDIS_ERROR);
    assert_true(dv_redis_place_of_redirection(&reply, &here, &place, &once) && once && place.port == 6382);
    assert_string_equal(place.host, "::1");
    reply = text("MOVED 3999 :6383", DV_REDIS_ERROR);
    assert_true(dv_redis_place_of_redirection(&reply, &here, &place, NULL));
    assert_string_equal(place.host, "here");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        reply = text(bad[i], DV_REDIS_ERROR);
        assert_false(dv_redis_place_of_redirection(&reply, &here, &place, NULL));
    }
    reply = text("MOVED 3999 h:1", DV_REDIS_TEXT);
    assert_false(dv_redis_place_of_redirection(&reply, &here, &place, NULL));
}

static void test_the_clusters_map(void **state)
{
    const struct dv_redis_reply nodes[][2] = {
        { text("a", DV_REDIS_TEXT), { .type = DV_REDIS_NUMBER, .number = 1 } },
        { text("b", DV_REDIS_TEXT), { .type = DV_REDIS_NUMBER, .number = 2 } },
        { { .type = DV_REDIS_NIL }, { .type = DV_REDIS_NUMBER, .number = 3 } },
    };
    const struct dv_redis_reply first[] = { { .type = DV_REDIS_NUMBER },
                                            { .type = DV_REDIS_NUMBER, .number = 99 },
                                            { .type = DV_REDIS_ARRAY, .count = 2, .items = nodes[0] },
                                            { .type = DV_REDIS_ARRAY, .count = 2, .items = nodes[1] } };
    const struct dv_redis_reply second[] = { { .type = DV_REDIS_NUMBER, .number = 100 },
                                             { .type = DV_REDIS_NUMBER, .number = 199 },
                                             { .type = DV_REDIS_ARRAY, .count = 2, .items = nodes[2] },
                                             { .type = DV_REDIS_ARRAY, .count = 2, .items = nodes[0] } };
    const struct dv_redis_reply ranges[] = { { .type = DV_REDIS_ARRAY, .count = 4, .items = first },
                                             { .type = DV_REDIS_ARRAY, .count = 4, .items = second } };
    const struct dv_redis_reply map = { .type = DV_REDIS_ARRAY, .count = 2, .items = ranges };
    struct dv_redis_place found[4];
    (void)state;
    assert_true(dv_redis_place_in_map(&map, 99, &here, &found[0]) && found[0].port == 1);
    assert_true(dv_redis_place_in_map(&map, 100, &here, &found[0]) && found[0].port == 3);
    assert_string_equal(found[0].host, "here");
    assert_false(dv_redis_place_in_map(&map, 200, &here, &found[0]));
    assert_int_equal(dv_redis_places_in_map(&map, &here, found, 4), 3);
    assert_int_equal(dv_redis_places_in_map(&map, &here, found, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_of_sentinels_and_clusters),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_redirections),
        cmocka_unit_test(test_the_clusters_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

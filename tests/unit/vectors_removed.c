/* SPDX-License-Identifier: Apache-2.0
 * vectors_removed.c - what every place of vectors must do with what it is to lose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vectors_world.h"

static uint64_t remove_subject(struct place *place, const char *tenant, const char *ref)
{
    struct asked *remove = new_asked(DV_VECTORS_REMOVE);
    remove->request.query.tenant = bytes_of(tenant);
    remove->rows[0].subject_ref = bytes_of(ref);
    remove->request.count = 1;
    assert_int_equal(act(place, remove), DV_OK);
    uint64_t total = remove->request.total;
    assert_int_equal(remove->request.met, total > 0);
    free(remove);
    return total;
}

void test_removed_people_are_gone(struct place *place)
{
    struct asked *put = new_put();
    for (uint64_t i = 1; i <= 9; i++)
        add_row(put, "people", i, "a visit in autumn")->subject_ref = bytes_of(i % 3 == 0 ? "anna" : "ben");
    put_all(place, put);
    put = new_put();
    add_row(put, "others", 1, "a visit in autumn")->subject_ref = bytes_of("anna");
    put_all(place, put);
    assert_int_equal(remove_subject(place, "people", "anna"), 3);
    assert_int_equal(remove_subject(place, "people", "anna"), 0);
    assert_int_equal(count_of(place, "people"), 6);
    assert_int_equal(count_of(place, "others"), 1);
    for (int seed = 0; seed <= 3; seed += 3) {
        struct asked *search = new_search("people", "visits", (uint64_t)seed);
        assert_int_equal(hits_of(place, search), 6);
        for (int i = 0; i < 6; i++)
            assert_int_not_equal(number_of(search->hits[i].id) % 3, 0);
        free(search);
    }
    put_one(place, "people", 3, "a visit in winter"); /* the id is free again */
    assert_int_equal(count_of(place, "people"), 7);
}

/* Several people, or several texts by their ids, in one request; one that nobody knows is no error. */
void test_many_are_removed_at_once(struct place *place)
{
    static const char *const who[] = { "anna", "ben", "carl", "dora" };
    struct asked *put = new_put();
    for (uint64_t i = 0; i < 12; i++)
        add_row(put, "many", i + 1, "a visit in autumn")->subject_ref = bytes_of(who[i % 4]);
    put_all(place, put);
    struct asked *remove = new_asked(DV_VECTORS_REMOVE);
    remove->request.query.tenant = bytes_of("many");
    for (int i = 0; i < 3; i++)
        remove->rows[i].subject_ref = bytes_of(i < 2 ? who[i] : "nobody");
    remove->request.count = 3;
    assert_int_equal(act(place, remove), DV_OK);
    assert_int_equal(remove->request.total, 6);
    assert_int_equal(remove->request.met, 2);
    for (int i = 0; i < 3; i++) { /* 3 and 4 are left of the first four; 99 never was */
        remove->rows[i] = (struct dv_vectors_row){ .subjects = 0 };
        remove->rows[i].id[7] = (uint8_t)(i < 2 ? 3 + i : 99);
    }
    assert_int_equal(act(place, remove), DV_OK);
    assert_int_equal(remove->request.total, 2);
    assert_int_equal(remove->request.met, 2);
    assert_int_equal(count_of(place, "many"), 4);
    struct asked *search = new_search("many", "visits", 3);
    assert_int_equal(hits_of(place, search), 4);
    for (int i = 0; i < 4; i++)
        assert_true(number_of(search->hits[i].id) >= 7);
    free(search);
    free(remove);
}

/* Piece by piece, in order, each once; nothing of others, and nothing goes. */
void test_texts_of_a_person_are_named(struct place *place)
{
    enum { TEXTS = 2 * DV_VECTORS_IDS_MAX + 8 };
    static uint8_t ids[DV_VECTORS_IDS_MAX][DV_STORE_ID_BYTES];
    uint64_t told = 0, numbers = 0;
    for (uint64_t number = 1; number <= TEXTS;) {
        struct asked *put = new_put();
        for (uint64_t i = 0; i < 100 && number <= TEXTS; i++, number++)
            add_row(put, "named", number, "a visit")->subject_ref = bytes_of(number % 8 == 0 ? "ben" : "anna");
        put_all(place, put);
    }
    struct asked *named = new_asked(DV_VECTORS_IDS);
    named->request.query.tenant = bytes_of("named");
    named->request.ids = ids;
    named->request.count = 1;
    named->rows[0].subject_ref = bytes_of("anna");
    do {
        assert_int_equal(act(place, named), DV_OK);
        for (uint64_t i = 0; i < named->request.total; i++) {
            assert_true(number_of(ids[i]) > number_of(named->rows[0].id) && number_of(ids[i]) % 8 != 0);
            memcpy(named->rows[0].id, ids[i], sizeof ids[i]);
            numbers += number_of(ids[i]);
        }
        told += named->request.total;
    } while (named->request.total == DV_VECTORS_IDS_MAX);
    assert_int_equal(told, TEXTS - TEXTS / 8);
    assert_int_equal(numbers, TEXTS * (TEXTS + 1) / 2 - 8 * (TEXTS / 8) * (TEXTS / 8 + 1) / 2);
    named->request.query.tenant = bytes_of("named-too");
    memset(named->rows[0].id, 0, sizeof named->rows[0].id);
    assert_int_equal(act(place, named), DV_OK);
    assert_int_equal(named->request.total, 0);
    assert_int_equal(count_of(place, "named"), TEXTS);
    free(named);
}

static uint64_t expire(struct place *place, int64_t before_ms)
{
    struct asked *old = new_search("aged", "", 0);
    old->request.kind = DV_VECTORS_EXPIRE;
    old->request.query.schema = bytes_of("healthcare");
    old->request.query.to_ms = before_ms;
    assert_int_equal(act(place, old), DV_OK);
    uint64_t total = old->request.total;
    free(old);
    return total;
}

/* A part at a time, the oldest first; and what is of another schema or tenant stays, however old. */
void test_what_is_old_goes(struct place *place)
{
    for (uint64_t number = 1; number <= 300;) {
        struct asked *put = new_put();
        for (uint64_t i = 0; i < 100; i++, number++)
            add_row(put, "aged", number, "a cough")->schema = bytes_of(number == 7 ? "finance" : "healthcare");
        put_all(place, put);
    }
    put_one(place, "aged-too", 5, "a cough");
    assert_int_equal(expire(place, 1700000000001), 0);
    assert_int_equal(expire(place, 1700000000290), DV_VECTORS_EXPIRE_MAX);
    assert_int_equal(count_of(place, "aged"), 300 - DV_VECTORS_EXPIRE_MAX);
    assert_int_equal(expire(place, 1700000000290), 288 - DV_VECTORS_EXPIRE_MAX);
    assert_int_equal(expire(place, 1700000000290), 0);
    assert_int_equal(count_of(place, "aged"), 12);
    assert_int_equal(count_of(place, "aged-too"), 1);
    struct asked *search = new_search("aged", "cough", 200);
    search->request.query.top = DV_VECTORS_TOP_MAX;
    assert_int_equal(hits_of(place, search), 12);
    for (uint64_t i = 0; i < 12; i++)
        assert_true(number_of(search->hits[i].id) == 7 || number_of(search->hits[i].id) >= 290);
    free(search);
    put_one(place, "aged", 5, "a cough");
    assert_int_equal(count_of(place, "aged"), 13);
}

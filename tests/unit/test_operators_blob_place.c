/* SPDX-License-Identifier: Apache-2.0
 * test_operators_blob_place.c - many records are looked up piece by piece: each once, in order, and never more in one callback than
 * the loop can be without.
 * shows: MIS-2 RAG-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "operators/blob_place.h"

enum { RECORDS = 1500, KIB = 1024, MIB = 1024 * 1024, STATED_RECORDS = 64, STATED_BYTES = 16 * MIB };

/* A store that answers when it is told to, and what a search has found in it. */
struct script {
    struct dv_store store; /* first */
    struct dv_store_request *asked;
    uint32_t statements, most_asked; /* ids of one statement */
    struct dv_blob_place place;
    struct dv_blob_search search;
    struct dv_store_row rows[STATED_RECORDS];
    uint8_t ids[RECORDS][DV_STORE_ID_BYTES];
    uint32_t found, found_now, most_found; /* in one callback */
    uint32_t every; /* of these records only the first is there; 0: all are */
    dv_rc answers;
    bool looked;
};

static void on_request(struct dv_store *store, struct dv_store_request *request)
{
    struct script *script = (struct script *)store;
    assert_null(script->asked);
    script->asked = request;
    script->statements++;
}

static const char *waits(const struct dv_store *store)
{
    (void)store;
    return NULL;
}

static void close_script(struct dv_store *store)
{
    (void)store;
}

static const struct dv_store_ops ops = { .request = on_request, .waits = waits, .close = close_script };

static uint32_t number_of(const uint8_t id[DV_STORE_ID_BYTES])
{
    uint32_t number = 0;
    memcpy(&number, id, sizeof number);
    return number;
}

static bool is_there(const struct script *script, uint32_t number)
{
    return script->every == 0 || number % script->every == 0;
}

static void on_found(struct dv_blob_search *search, const struct dv_store_row *row)
{
    struct script *script = search->data;
    uint32_t step = script->every == 0 ? 1 : script->every;
    assert_int_equal(number_of(row->id), script->found * step);
    script->found++;
    script->found_now++;
}

static void on_looked(struct dv_blob_search *search)
{
    struct script *script = search->data;
    assert_false(script->looked);
    script->looked = true;
}

/* The answer to one statement, as from the loop. */
static void answer(struct script *script)
{
    struct dv_store_request *request = script->asked;
    script->asked = NULL;
    if (request == NULL) {
        fail_msg("nothing was asked");
        return;
    }
    assert_int_equal(request->kind, DV_STORE_FIND);
    assert_in_range(request->count, 1, STATED_RECORDS);
    request->total = 0;
    for (uint32_t i = 0; i < request->count; i++)
        if (is_there(script, number_of(request->ids[i])))
            memcpy(request->taken[request->total++].id, request->ids[i], DV_STORE_ID_BYTES);
    request->rc = script->answers;
    if (request->count > script->most_asked)
        script->most_asked = request->count;
    script->found_now = 0;
    request->callback(request);
    if (script->found_now > script->most_found)
        script->most_found = script->found_now;
}

static void begin(struct script *script, uint32_t count, uint32_t longest)
{
    script->store = (struct dv_store){ .ops = &ops };
    script->place = (struct dv_blob_place){ .store = &script->store, .rows = script->rows };
    for (uint32_t i = 0; i < count; i++)
        memcpy(script->ids[i], &i, sizeof i);
    script->search = (struct dv_blob_search){ .ids = (const uint8_t(*)[DV_STORE_ID_BYTES])script->ids, .count = count, .longest = longest,
                                              .found = on_found, .looked = on_looked, .data = script };
    dv_blob_place_search(&script->place, &script->search);
}

/* Until it has looked for all of them. */
static void look(struct script *script, uint32_t count, uint32_t longest)
{
    begin(script, count, longest);
    while (!script->looked)
        answer(script);
    assert_int_equal(script->search.rc, DV_OK);
    assert_null(script->asked);
}

static void test_at_most_so_many_at_a_time(void **state)
{
    static struct script all, few, none;
    (void)state;
    look(&all, RECORDS, 64 * KIB);
    assert_int_equal(all.found, RECORDS);
    assert_int_equal(all.most_found, STATED_RECORDS);
    assert_int_equal(all.statements, (RECORDS + STATED_RECORDS - 1) / STATED_RECORDS);
    few.every = 100;
    look(&few, RECORDS, 64 * KIB);
    assert_int_equal(few.found, RECORDS / 100);
    none.every = RECORDS + 1;
    look(&none, 1, 64 * KIB);
    assert_int_equal(none.statements, 1);
}

/* However long each may be: no more than the bytes, and at least one. */
static void test_at_most_so_many_bytes_at_a_time(void **state)
{
    static const uint32_t longest[] = { KIB, 256 * KIB, MIB, 3 * MIB, STATED_BYTES, 2 * STATED_BYTES };
    static struct script scripts[sizeof longest / sizeof longest[0]];
    (void)state;
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        look(&scripts[i], 200, longest[i]);
        assert_int_equal(scripts[i].found, 200);
        assert_true(scripts[i].most_asked == 1 || (uint64_t)scripts[i].most_asked * longest[i] <= STATED_BYTES);
    }
    assert_int_equal(scripts[0].most_asked, STATED_RECORDS);
    assert_int_equal(scripts[2].most_asked, STATED_BYTES / (MIB + 1));
    assert_int_equal(scripts[4].most_asked, 1);
}

/* What fails half-way ends at once; what was found before counts for nothing, as the batch is asked for again. */
static void test_a_failure_ends_it(void **state)
{
    static struct script script;
    (void)state;
    begin(&script, RECORDS, 64 * KIB);
    answer(&script);
    assert_false(script.looked);
    script.answers = DV_E_DEPENDENCY;
    answer(&script);
    assert_true(script.looked);
    assert_int_equal(script.search.rc, DV_E_DEPENDENCY);
    assert_int_equal(script.statements, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_most_so_many_at_a_time),
        cmocka_unit_test(test_at_most_so_many_bytes_at_a_time),
        cmocka_unit_test(test_a_failure_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

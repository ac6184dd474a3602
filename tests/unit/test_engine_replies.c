/* SPDX-License-Identifier: Apache-2.0
 * test_engine_replies.c - who waits gets what is meant for him; who has left, or never came, makes nobody wait.
 *
 * shows: RAG-1 RAG-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/replies.h"

enum { WAITERS = 1000 };

struct waiter {
    struct dv_reply_wait wait;
    struct dv_replies *replies;
    unsigned told;
    bool leaves;
};

static void on_reply(const struct dv_reply *reply, void *data)
{
    struct waiter *waiter = data;
    assert_memory_equal(reply->id, waiter->wait.id, sizeof reply->id);
    waiter->told++;
    if (waiter->leaves)
        dv_replies_leave(waiter->replies, &waiter->wait);
}

static void wait_for(struct waiter *waiter, struct dv_replies *replies, uint32_t number)
{
    *waiter = (struct waiter){ .wait = { .callback = on_reply, .data = waiter }, .replies = replies };
    memcpy(waiter->wait.id, &number, sizeof number);
    dv_replies_wait(replies, &waiter->wait);
}

static bool hand(struct dv_replies *replies, uint32_t number)
{
    struct dv_reply reply = { .json = "{}", .length = 2 };
    memcpy(reply.id, &number, sizeof number);
    return dv_replies_hand(replies, &reply);
}

static void test_each_gets_his_own(void **state)
{
    (void)state;
    static struct waiter waiters[WAITERS];
    struct dv_replies *replies = dv_replies_new();
    for (uint32_t i = 0; i < WAITERS; i++)
        wait_for(&waiters[i], replies, i);
    for (uint32_t i = 0; i < WAITERS; i += 2)
        assert_true(hand(replies, i));
    assert_false(hand(replies, WAITERS));
    for (uint32_t i = 0; i < WAITERS; i++) {
        assert_int_equal(waiters[i].told, i % 2 == 0);
        dv_replies_leave(replies, &waiters[i].wait);
        assert_false(hand(replies, i));
        dv_replies_leave(replies, &waiters[i].wait);
    }
    dv_replies_free(replies);
}

static void test_a_waiter_may_leave_when_he_is_told(void **state)
{
    (void)state;
    struct dv_replies *replies = dv_replies_new();
    struct waiter older, newer;
    wait_for(&older, replies, 7);
    wait_for(&newer, replies, 7);
    newer.leaves = true;
    assert_true(hand(replies, 7));
    assert_int_equal(newer.told * 10 + older.told, 10);
    older.leaves = true;
    assert_true(hand(replies, 7));
    assert_false(hand(replies, 7));
    dv_replies_free(replies);
    dv_replies_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_gets_his_own),
        cmocka_unit_test(test_a_waiter_may_leave_when_he_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * test_operators_exits.c - no shipped operator lets records out without a guard that looks at them.
 *
 * shows: PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/operator.h"
#include "operators/exit_guard.h"
#include "operators/registry.h"

/* Lets nothing out: what reaches it is thrown away. */
static const char nowhere[] = "sink-null";

static bool is_whole(const struct dv_exit_guard *guard)
{
    return guard->options != NULL && guard->size > 0 && guard->load != NULL && guard->looks != NULL && guard->edits != NULL &&
           guard->account != NULL && guard->open != NULL && guard->look != NULL && guard->mend != NULL && guard->close != NULL &&
           guard->type_name != NULL;
}

/* What is wrong with an operator, or NULL. */
static const char *wrong_with(const struct dv_operator *op)
{
    if (op->sink && op->exit == DV_EXIT_NONE && strcmp(op->name, nowhere) != 0)
        return "is a sink and states no `.exit`";
    if (op->exit != DV_EXIT_NONE && op->guard == NULL)
        return "is an exit and has no `.guard`: &dv_guard_of_texts of operators/exit_guard.h, or one of its own";
    if (op->exit == DV_EXIT_NONE && op->guard != NULL)
        return "has a `.guard`, but is no exit";
    if (op->exit == DV_EXIT_NONE && op->leaves != NULL)
        return "says when records leave, but is no exit";
    if (op->sink && op->leaves != NULL)
        return "is a sink that says when records leave: they always do";
    return op->guard != NULL && !is_whole(op->guard) ? "has a `.guard` with a part missing" : NULL;
}

static void test_every_exit_has_a_guard(void **state)
{
    (void)state;
    uint32_t exits = 0;
    for (const struct dv_operator *const *op = dv_operators; *op != NULL; op++) {
        const char *wrong = wrong_with(*op);
        if (wrong != NULL)
            fail_msg("'%s' %s", (*op)->name, wrong);
        exits += (*op)->exit != DV_EXIT_NONE;
    }
    assert_true(exits >= 5);
}

static bool never(const struct dv_node *node)
{
    (void)node;
    return false;
}

static void test_what_forgets_it_is_told(void **state)
{
    (void)state;
    static const struct dv_exit_guard hollow = { .size = 1 };
    const struct dv_operator sound = { .name = "x", .sink = true, .exit = DV_EXIT_FILE, .guard = &dv_guard_of_texts };
    struct dv_operator op = sound;
    assert_null(wrong_with(&op));
    op.guard = NULL;
    assert_non_null(wrong_with(&op));
    op.guard = &hollow;
    assert_non_null(wrong_with(&op));
    op = sound;
    op.exit = DV_EXIT_NONE;
    assert_non_null(wrong_with(&op));
    op.sink = false;
    assert_non_null(wrong_with(&op));
    op.guard = NULL;
    assert_null(wrong_with(&op));
    op.leaves = never;
    assert_non_null(wrong_with(&op));
    op.exit = DV_EXIT_LLM;
    op.guard = &dv_guard_of_texts;
    assert_null(wrong_with(&op));
    op.sink = true;
    assert_non_null(wrong_with(&op));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_exit_has_a_guard),
        cmocka_unit_test(test_what_forgets_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

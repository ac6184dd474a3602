/* SPDX-License-Identifier: Apache-2.0
 * diags_text.h - for tests: findings as the text a user sees, and allocations that fail one after the other. */
#ifndef DV_TESTS_DIAGS_TEXT_H
#define DV_TESTS_DIAGS_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/diag.h"
#include "engine/memory.h"
#include "engine/arena.h"

/* An arena and a list of findings; start_world() before a test's work, end_world() after it. */
struct world {
    struct dv_arena arena;
    struct dv_diags diags;
    char *text; /* what findings_text() made last */
};

static inline void start_world(struct world *world)
{
    *world = (struct world){ 0 };
    dv_arena_init(&world->arena, (size_t)64 << 20);
    dv_diags_init(&world->diags, &world->arena);
}

static inline void end_world(struct world *world)
{
    free(world->text);
    dv_arena_free(&world->arena);
}

/* All findings as dv_diags_print() shows them without colours. */
static inline const char *findings_text(struct world *world)
{
    free(world->text);
    size_t size = 0;
    FILE *out = open_memstream(&world->text, &size);
    assert_non_null(out);
    dv_diags_print(&world->diags, out, false);
    assert_int_equal(fclose(out), 0);
    return world->text;
}

#define assert_finds(world, part)                                                                                      \
    do {                                                                                                               \
        if (strstr(findings_text(world), (part)) == NULL)                                                              \
            fail_msg("not found: %s\nin:\n%s", (part), (world)->text);                                                 \
    } while (0)

#define assert_clean(world)                                                                                            \
    do {                                                                                                               \
        if ((world)->diags.count != 0)                                                                                 \
            fail_msg("unexpected:\n%s", findings_text(world));                                                         \
    } while (0)

/* Runs `work` with the 1st, 2nd, … allocation failing, and at last with none. `work` answers whether it succeeded. */
static inline void fail_every_allocation(bool (*work)(void))
{
    bool all_succeeded = true;
    for (uint64_t nth = 1; nth <= 64; nth++) {
        dv_memory_fail_at(nth);
        bool succeeded = work();
        dv_memory_fail_at(0);
        all_succeeded = all_succeeded && succeeded;
    }
    assert_false(all_succeeded); /* else the hook does not reach the work, and the test shows nothing */
    assert_true(work());
}

#endif

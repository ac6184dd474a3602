/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake.c - vectors in Snowflake do what every place of vectors must: for tests/e2e/test_vectors_snowflake.py, which
 * starts the service. `vectors_snowflake URL ACCOUNT USER KEY CA`, where KEY is a secret's reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "connectors/vectors_snowflake.h"
#include "tests/unit/vectors_world.h"

/* What the command line says. */
struct given {
    char **arguments;
    struct place place;
    struct dv_vectors_snowflake snowflake;
};

static struct given *given;

static int open_place(void **state)
{
    struct dv_error error = { 0 };
    (void)world_setup(state);
    given->place = (struct place){ .world = *state, .vectors = &given->snowflake.vectors, .slower = 5 };
    const struct dv_vectors_snowflake_config config = {
        .snowflake = { .loop = &given->place.world->loop.base, .url = given->arguments[1], .ca = given->arguments[5], .database = "DV",
                       .schema = "PUBLIC", .warehouse = "WH", .deadlines = { .total_ms = 60000 },
                       .identity = { .account = given->arguments[2], .user = given->arguments[3], .secret = given->arguments[4] } },
        .table = "EMBEDDINGS",
        .width = WIDTH,
    };
    dv_rc rc = dv_vectors_snowflake_open(&given->snowflake, &config, &error);
    if (rc != DV_OK)
        print_error("%s\n", error.text);
    return rc != DV_OK;
}

static int close_place(void **state)
{
    dv_vectors_close(&given->snowflake.vectors);
    return world_teardown(state);
}

#define ON_SNOWFLAKE(name)                                                                                             \
    static void snowflake_##name(void **state)                                                                         \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        test_##name(&given->place);                                                                                    \
    }
ON_SNOWFLAKE(each_once_and_the_nearest_first)
ON_SNOWFLAKE(words_count_too)
ON_SNOWFLAKE(filters)
ON_SNOWFLAKE(floor)
ON_SNOWFLAKE(another_model_is_refused)
ON_SNOWFLAKE(removed_people_are_gone)
ON_SNOWFLAKE(many_are_removed_at_once)
ON_SNOWFLAKE(texts_of_a_person_are_named)
ON_SNOWFLAKE(what_is_old_goes)
ON_SNOWFLAKE(words_get_their_vectors_later)
ON_SNOWFLAKE(a_question_is_no_syntax)
ON_SNOWFLAKE(nothing_of_other_tenants)

#define TEST(name) cmocka_unit_test_setup_teardown(snowflake_##name, open_place, close_place)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(each_once_and_the_nearest_first), TEST(words_count_too), TEST(filters), TEST(floor), TEST(another_model_is_refused),
        TEST(removed_people_are_gone), TEST(many_are_removed_at_once), TEST(texts_of_a_person_are_named), TEST(what_is_old_goes), TEST(words_get_their_vectors_later),
        TEST(a_question_is_no_syntax), TEST(nothing_of_other_tenants),
    };
    if (argc != 6) {
        fputs("usage: vectors_snowflake URL ACCOUNT USER KEY CA\n", stderr);
        return 2;
    }
    given = calloc(1, sizeof *given);
    if (given == NULL)
        return 1;
    given->arguments = argv;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(given);
    return failed;
}

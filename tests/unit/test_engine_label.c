/* SPDX-License-Identifier: Apache-2.0
 * test_engine_label.c - each cell of the clearance table, written down a second time; joining; names.
 *
 * shows: MIS-3 PRV-15 */
#include "diags_text.h"

#include "engine/label.h"

enum { CLASSES = DV_CLASS_DIRECT_ID + 1, FORMS = DV_FORM_PLAIN + 1 };

/* Rows: public, sensitive, quasi-id, free-text, direct-id. A letter for each form that is allowed, in enum's order:
 * s(ealed) n(oised) a(ggregate of 5) r(edacted) g(eneralized) p(seudonym) m(asked) P(lain). */
static const char *const expected[DV_EXIT_COUNT][CLASSES] = {
    [DV_EXIT_NONE] = { "--------", "--------", "--------", "--------", "--------" },
    [DV_EXIT_FILE] = { "snargpmP", "snargpmP", "sna-gpm-", "snar-pm-", "sna-gpm-" },
    [DV_EXIT_STORE] = { "snargpmP", "sna--p--", "sna--p--", "snar-p--", "sna--p--" },
    [DV_EXIT_SSE] = { "-nargpmP", "-na-----", "-na-----", "-na-----", "-na-----" },
    [DV_EXIT_LOG] = { "-nargpmP", "--------", "--------", "--------", "--------" },
    [DV_EXIT_DEAD_LETTER] = { "snargpmP", "snargpmP", "snargpmP", "snargpmP", "snargpmP" },
    [DV_EXIT_LLM] = { "-nargpmP", "-narg-m-", "-na-g---", "-nar----", "-na-----" },
    [DV_EXIT_REPLY] = { "snargpmP", "snargpmP", "snargpm-", "snar-pm-", "snargpm-" },
};

static struct dv_label label(unsigned class, unsigned form, unsigned parameter)
{
    return (struct dv_label){ (uint8_t)class, (uint8_t)form, (uint16_t)parameter };
}

static unsigned fair_parameter(unsigned form)
{
    return form == DV_FORM_AGGREGATE ? DV_K_MIN : form == DV_FORM_NOISED ? 1000 : 0;
}

static void every_cell_is_as_expected(void **state)
{
    (void)state;
    for (unsigned exit = 0; exit < DV_EXIT_COUNT; exit++) {
        for (unsigned class = 0; class < CLASSES; class++) {
            for (unsigned form = 0; form < FORMS; form++) {
                const char *why = NULL;
                bool cleared = dv_label_cleared((enum dv_exit)exit, label(class, form, fair_parameter(form)), &why);
                if (cleared != (expected[exit][class][form] != '-'))
                    fail_msg("%s, %s, %s: %d", dv_exit_name((enum dv_exit)exit), dv_class_name((enum dv_class)class),
                             dv_form_name((enum dv_form)form), cleared);
                assert_non_null(why);
                assert_true(strlen(why) > 10 || exit == DV_EXIT_NONE);
            }
        }
    }
}

/* A value that five share may be where a coarser one may, and in two places more if it only links people. */
static void shared_values_are_cleared_as_groups(void **state)
{
    (void)state;
    for (unsigned exit = DV_EXIT_NONE + 1; exit < DV_EXIT_COUNT; exit++) {
        for (unsigned class = 0; class < CLASSES; class++) {
            bool coarser = dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_GENERALIZED, 0), NULL);
            bool more = class == DV_CLASS_QUASI_ID && (exit == DV_EXIT_SSE || exit == DV_EXIT_STORE);
            for (unsigned n = 1; n < 2 * DV_K_MIN; n++)
                assert_int_equal(dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_GENERALIZED, n), NULL),
                                 coarser || (more && n >= DV_K_MIN));
        }
    }
}

/* Noise is worth something up to an ε, which is smaller where anybody looks on. */
static void noise_is_cleared_up_to_an_epsilon(void **state)
{
    (void)state;
    for (unsigned exit = DV_EXIT_NONE + 1; exit < DV_EXIT_COUNT; exit++) {
        unsigned most = exit == DV_EXIT_SSE || exit == DV_EXIT_LLM ? 4000 : 10000;
        for (unsigned class = 0; class < CLASSES; class++) {
            bool plain = dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_PLAIN, 0), NULL);
            bool noised = dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_NOISED, 1), NULL);
            assert_int_equal(dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_NOISED, most), NULL), noised);
            assert_int_equal(dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_NOISED, most + 1), NULL), plain);
            assert_int_equal(dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_NOISED, 65535), NULL), plain);
        }
    }
}

/* A group of four, or noise of no stated ε, is worth what plain is. */
static void weak_groups_count_as_plain(void **state)
{
    (void)state;
    for (unsigned exit = 0; exit < DV_EXIT_COUNT; exit++) {
        for (unsigned class = 0; class < CLASSES; class++) {
            bool plain = dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_PLAIN, 0), NULL);
            for (unsigned k = 0; k < DV_K_MIN; k++)
                assert_int_equal(dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_AGGREGATE, k), NULL), plain);
            assert_int_equal(dv_label_cleared((enum dv_exit)exit, label(class, DV_FORM_NOISED, 0), NULL), plain);
        }
    }
    assert_true(dv_label_cleared(DV_EXIT_SSE, label(DV_CLASS_DIRECT_ID, DV_FORM_AGGREGATE, 1000), NULL));
}

/* Joining never makes a label that an exit accepts although it refused one of the two. */
static void join_never_clears(void **state)
{
    (void)state;
    static const unsigned parameters[] = { 0, 4, 5, 50, 1000, 4001, 10001 };
    enum { PARAMETERS = sizeof parameters / sizeof parameters[0] };
    struct dv_label labels[CLASSES * FORMS * PARAMETERS];
    size_t count = 0;
    for (unsigned class = 0; class < CLASSES; class++) {
        for (unsigned form = 0; form < FORMS; form++) {
            bool has_parameter =
                form == DV_FORM_AGGREGATE || form == DV_FORM_NOISED || form == DV_FORM_GENERALIZED;
            for (size_t i = 0; i < (has_parameter ? PARAMETERS : 1u); i++)
                labels[count++] = label(class, form, parameters[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        assert_true(dv_label_equal(dv_label_join(labels[i], labels[i]), labels[i]));
        for (size_t j = 0; j < count; j++) {
            struct dv_label joined = dv_label_join(labels[i], labels[j]);
            assert_true(dv_label_equal(joined, dv_label_join(labels[j], labels[i])));
            assert_true(joined.class >= labels[i].class && joined.form >= labels[i].form);
            for (unsigned exit = DV_EXIT_NONE + 1; exit < DV_EXIT_COUNT; exit++) {
                /* What is sealed is refused where nobody could read it, not for what it shows. */
                if (labels[i].form != DV_FORM_SEALED && dv_label_cleared((enum dv_exit)exit, joined, NULL))
                    assert_true(dv_label_cleared((enum dv_exit)exit, labels[i], NULL));
            }
        }
    }
}

static void join_keeps_the_worse(void **state)
{
    (void)state;
    struct dv_label joined = dv_label_join(label(DV_CLASS_PUBLIC, DV_FORM_PLAIN, 0),
                                           label(DV_CLASS_DIRECT_ID, DV_FORM_AGGREGATE, 7));
    assert_true(dv_label_equal(joined, label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN, 0)));
    joined = dv_label_join(label(DV_CLASS_SENSITIVE, DV_FORM_AGGREGATE, 9), label(DV_CLASS_PUBLIC, DV_FORM_AGGREGATE, 5));
    assert_true(dv_label_equal(joined, label(DV_CLASS_SENSITIVE, DV_FORM_AGGREGATE, 5)));
    joined = dv_label_join(label(DV_CLASS_PUBLIC, DV_FORM_NOISED, 100), label(DV_CLASS_PUBLIC, DV_FORM_NOISED, 900));
    assert_int_equal(joined.parameter, 900);
    joined = dv_label_join(label(DV_CLASS_PUBLIC, DV_FORM_NOISED, 0), label(DV_CLASS_PUBLIC, DV_FORM_NOISED, 900));
    assert_int_equal(joined.parameter, 0); /* no stated ε is the worst ε */
    joined = dv_label_join(label(DV_CLASS_PUBLIC, DV_FORM_NOISED, 100), label(DV_CLASS_PUBLIC, DV_FORM_AGGREGATE, 6));
    assert_true(dv_label_equal(joined, label(DV_CLASS_PUBLIC, DV_FORM_AGGREGATE, 6)));
    joined = dv_label_join(label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 9), label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 6));
    assert_true(dv_label_equal(joined, label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 6)));
    joined = dv_label_join(joined, label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 0));
    assert_true(dv_label_equal(joined, label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 0)));
    /* A prompt may hold masked sensitive values but no pseudonyms, a store the other way round: neither is the worse. */
    joined = dv_label_join(label(DV_CLASS_SENSITIVE, DV_FORM_MASKED, 0), label(DV_CLASS_SENSITIVE, DV_FORM_PSEUDONYM, 0));
    assert_true(dv_label_equal(joined, label(DV_CLASS_SENSITIVE, DV_FORM_PLAIN, 0)));
}

static void names_are_parsed_and_printed(void **state)
{
    (void)state;
    for (unsigned class = 0; class < CLASSES; class++) {
        enum dv_class parsed = DV_CLASS_PUBLIC;
        assert_true(dv_class_parse(dv_class_name((enum dv_class)class), &parsed));
        assert_int_equal(parsed, class);
    }
    enum dv_class parsed = DV_CLASS_PUBLIC;
    assert_false(dv_class_parse("direct_id", &parsed));
    assert_false(dv_class_parse("", &parsed));
    for (unsigned exit = 0; exit < DV_EXIT_COUNT; exit++)
        assert_non_null(dv_exit_name((enum dv_exit)exit));
    char text[64];
    assert_string_equal(dv_label_text(label(DV_CLASS_QUASI_ID, DV_FORM_AGGREGATE, 5), text, sizeof text),
                        "quasi-id, aggregate(5)");
    assert_string_equal(dv_label_text(label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 5), text, sizeof text),
                        "quasi-id, generalized(5)");
    assert_string_equal(dv_label_text(label(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 0), text, sizeof text),
                        "quasi-id, generalized");
    assert_int_equal(dv_label_with(DV_CLASS_QUASI_ID, DV_FORM_GENERALIZED, 70000).parameter, 65535);
    assert_string_equal(dv_label_text(label(DV_CLASS_PUBLIC, DV_FORM_NOISED, 500), text, sizeof text),
                        "public, noised(0.5)");
    assert_string_equal(dv_label_text(dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN), text, sizeof text),
                        "direct-id, plain");
    assert_string_equal(dv_label_text(dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN), text, 7), "direct");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_as_expected),
        cmocka_unit_test(shared_values_are_cleared_as_groups),
        cmocka_unit_test(noise_is_cleared_up_to_an_epsilon),
        cmocka_unit_test(weak_groups_count_as_plain),
        cmocka_unit_test(join_never_clears),            cmocka_unit_test(join_keeps_the_worse),
        cmocka_unit_test(names_are_parsed_and_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_conversations.c - turns are kept in order, bounded, each asker's for himself, and erased so that no byte is left.
 * shows: RAG-11 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "connectors/conversations.h"
#include "tests/unit/connectors_world.h"

enum { ASKERS = 3, NOW = 1700000000, TEXT = 256 };

static const struct dv_conversations_limits usual = { .turns = 20, .conversations = 100, .remembered = 4, .turn_bytes = 1024,
                                                      .bytes = 1 << 20, .keep_ms = 1000000 };

/* A store, and one request with what it points to and what came back, copied. */
struct place {
    struct world *world;
    struct dv_conversations store;
    struct dv_conversations_request request;
    struct dv_turn_question questions[DV_CONVERSATIONS_ROWS_MAX];
    struct dv_turn_line lines[DV_CONVERSATIONS_ROWS_MAX];
    char whole[DV_TURN_WHOLE_MAX + 1];
    char shown[8192]; /* "question|status|sentence;sentence|cut\n" of each turn, newest first */
    char listed[8192];
    uint64_t answered;
    int64_t now_ms;
    bool done;
};

static struct dv_store_bytes bytes_of(const char *text)
{
    return (struct dv_store_bytes){ text, strlen(text) };
}

static void append(char *to, size_t size, struct dv_store_bytes text, const char *after)
{
    size_t length = strlen(to);
    (void)snprintf(to + length, size - length, "%.*s%s", text.at != NULL ? (int)text.length : 1, text.at != NULL ? (const char *)text.at : "-", after);
}

static void copy_turns(struct place *place, const struct dv_turn *turns, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        append(place->shown, sizeof place->shown, turns[i].question, "|");
        append(place->shown, sizeof place->shown, turns[i].status, "|");
        for (uint32_t k = 0; k < turns[i].said_count; k++)
            append(place->shown, sizeof place->shown, turns[i].said[k].text, ";");
        append(place->shown, sizeof place->shown, bytes_of(""), turns[i].cut ? "|cut\n" : "|\n");
    }
}

static void on_answer(struct dv_conversations_request *request)
{
    struct place *place = request->data;
    place->done = true;
    place->answered++;
    place->shown[0] = place->listed[0] = place->whole[0] = '\0';
    if (request->rc != DV_OK)
        return;
    if (request->kind == DV_CONVERSATIONS_SHOW)
        copy_turns(place, request->turns, request->total);
    if (request->kind == DV_CONVERSATIONS_ASK) {
        append(place->whole, sizeof place->whole, request->questions[0].whole, "");
        copy_turns(place, request->questions[0].turns, request->questions[0].turn_count);
    }
    for (uint64_t i = 0; request->kind == DV_CONVERSATIONS_LIST && i < request->total; i++) {
        size_t length = strlen(place->listed);
        (void)snprintf(place->listed + length, sizeof place->listed - length, "%u:%u ", request->conversations[i].id[15],
                       request->conversations[i].turns);
    }
}

static struct place *open_place(void **state, const char *name, const char *tenant, const struct dv_conversations_limits *limits)
{
    struct dv_error error = { 0 };
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    place->world = *state;
    place->now_ms = NOW;
    if (dv_conversations_open(&place->store, &place->world->loop.base, world_path(place->world, name), tenant, limits, &error) != DV_OK)
        fail_msg("%s", error.text);
    return place;
}

static void close_place(struct place *place)
{
    dv_conversations_close(&place->store);
    world_run_dry(place->world);
    free(place);
}

static struct dv_conversations_request *prepare(struct place *place, enum dv_conversations_kind kind, uint8_t asker, uint8_t id)
{
    place->request = (struct dv_conversations_request){ .kind = kind, .now_ms = place->now_ms, .questions = place->questions, .lines = place->lines,
                                                        .callback = on_answer, .data = place };
    place->request.asker[0] = asker;
    place->request.id[15] = id;
    return &place->request;
}

static dv_rc act(struct place *place)
{
    place->done = false;
    dv_conversations_request(&place->store, &place->request);
    assert_false(place->done);
    world_run_until(place->world, &place->done);
    return place->request.rc;
}

static dv_rc do_one(struct place *place, enum dv_conversations_kind kind, uint8_t asker, uint8_t id)
{
    (void)prepare(place, kind, asker, id);
    return act(place);
}

static void set_question(struct dv_turn_question *question, uint8_t asker, uint8_t conversation, uint32_t turn, const char *text)
{
    *question = (struct dv_turn_question){ .text = bytes_of(text) };
    question->asker[0] = asker;
    question->conversation[15] = conversation;
    memcpy(question->id, &turn, sizeof turn);
}

/* Asks, with one earlier turn or more coming back; what it means is in `whole`. */
static const struct dv_turn_question *ask(struct place *place, uint8_t asker, uint8_t conversation, uint32_t turn, const char *text, bool follows)
{
    (void)prepare(place, DV_CONVERSATIONS_ASK, asker, conversation);
    set_question(&place->questions[0], asker, conversation, turn, text);
    place->questions[0].follows = follows;
    place->request.count = 1;
    assert_int_equal(act(place), DV_OK);
    return &place->questions[0];
}

static void add_line(struct place *place, uint32_t turn, const char *text, const char *status)
{
    struct dv_turn_line *line = &place->lines[place->request.count++];
    *line = (struct dv_turn_line){ .said = { .text = bytes_of(text), .citations = bytes_of("[]") } };
    memcpy(line->id, &turn, sizeof turn);
    if (status != NULL)
        line->status = bytes_of(status);
    line->withdrawn = status != NULL && strcmp(status, "refused") == 0;
}

static uint64_t answer(struct place *place, uint32_t turn, const char *text, const char *status)
{
    (void)prepare(place, DV_CONVERSATIONS_ANSWER, 0, 0);
    if (text != NULL)
        add_line(place, turn, text, NULL);
    if (status != NULL)
        add_line(place, turn, "", status);
    assert_int_equal(act(place), DV_OK);
    return place->request.total;
}

static const char *show(struct place *place, uint8_t asker, uint8_t id)
{
    assert_int_equal(do_one(place, DV_CONVERSATIONS_SHOW, asker, id), DV_OK);
    return place->shown;
}

static const char *list(struct place *place, uint8_t asker)
{
    assert_int_equal(do_one(place, DV_CONVERSATIONS_LIST, asker, 0), DV_OK);
    return place->listed;
}

/* ---- the tests ---- */

static void test_turns_come_back(void **state)
{
    struct place *place = open_place(state, "deep/talks.sqlite", "t", &usual);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    assert_string_equal(show(place, 1, 7), "");
    assert_true(ask(place, 1, 7, 1, "What of asthma?", true)->kept);
    assert_string_equal(place->whole, "What of asthma?"); /* nothing is before it */
    assert_int_equal(answer(place, 1, "It rises.", "answered"), 2);
    (void)ask(place, 1, 7, 2, "and why?", true);
    assert_string_equal(place->whole, "What of asthma? and why?");
    assert_string_equal(place->shown, "What of asthma?|answered|It rises.;|\n");
    (void)ask(place, 1, 7, 3, "and last week?", true);
    assert_string_equal(place->whole, "What of asthma? and why? and last week?");
    (void)ask(place, 1, 7, 4, "What of flu?", false);
    assert_string_equal(place->whole, "What of flu?");
    (void)ask(place, 1, 7, 5, "and now?", true);
    assert_string_equal(place->whole, "What of flu? and now?");
    assert_int_equal(answer(place, 4, "Never mind.", "refused"), 2);
    assert_string_equal(show(place, 1, 7), "and now?|-||\nWhat of flu?|refused||\nand last week?|-||\nand why?|-||\nWhat of asthma?|answered|It rises.;|\n");
    assert_int_equal(answer(place, 99, "Of no turn.", "answered"), 0);
    (void)ask(place, 1, 7, 5, "and now?", true); /* a redelivery, when what it followed has been refused */
    assert_string_equal(place->whole, "What of asthma? and why? and last week? and now?");
    assert_string_equal(list(place, 1), "7:5 ");
    close_place(place);
    place = open_place(state, "deep/talks.sqlite", "t", &usual);
    assert_string_equal(list(place, 1), "7:5 ");
    close_place(place);
}

static void test_a_chain_that_is_too_long(void **state)
{
    struct place *place = open_place(state, "chain.sqlite", "t", &usual);
    char longest[DV_TURN_WHOLE_MAX + 1], text[DV_TURN_QUESTION_MAX + 64];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    (void)ask(place, 1, 7, 1, "first", false);
    (void)ask(place, 1, 7, 2, longest, true); /* what it follows has no room beside it */
    assert_string_equal(place->whole, longest);
    (void)ask(place, 1, 7, 3, "short", true);
    assert_string_equal(place->whole, "short");
    memset(text, 0xC3, sizeof text - 1); /* halves of letters */
    for (size_t i = 1; i < sizeof text - 1; i += 2)
        text[i] = (char)0xA4;
    text[sizeof text - 1] = '\0';
    text[0] = 'x';
    text[1] = 'y';
    text[2] = 'z';
    for (size_t i = 3; i < sizeof text - 1; i++)
        text[i] = (char)(i % 2 == 1 ? 0xC3 : 0xA4);
    (void)ask(place, 1, 7, 4, text, false);
    (void)do_one(place, DV_CONVERSATIONS_SHOW, 1, 7);
    assert_int_equal(strcspn(place->shown, "|"), DV_TURN_QUESTION_MAX - 1); /* whole letters */
    close_place(place);
}

static void test_everybody_has_his_own(void **state)
{
    struct place *places[2] = { open_place(state, "shared.sqlite", "t", &usual), open_place(state, "shared.sqlite", "other", &usual) };
    for (unsigned asker = 0; asker < ASKERS; asker++)
        assert_int_equal(do_one(places[0], DV_CONVERSATIONS_MAKE, asker, asker), DV_OK);
    (void)ask(places[0], 1, 1, 1, "mine", false);
    for (unsigned asker = 0; asker < ASKERS; asker++)
        for (int tenant = 0; tenant < 2; tenant++) {
            static const enum dv_conversations_kind kinds[] = { DV_CONVERSATIONS_KNOW, DV_CONVERSATIONS_SHOW, DV_CONVERSATIONS_ERASE };
            bool own = asker == 1 && tenant == 0;
            for (size_t i = 0; i < (own ? 2 : 3); i++)
                assert_int_equal(do_one(places[tenant], kinds[i], asker, 1), own ? DV_OK : DV_E_MISSING);
            if (own)
                continue;
            const struct dv_turn_question *asked = ask(places[tenant], asker, 1, 50, "and his?", true);
            assert_false(asked->known || asked->kept);
            assert_int_equal(asked->turn_count, 0);
            assert_string_equal(places[tenant]->whole, "and his?");
        }
    assert_int_equal(answer(places[1], 1, "Of another tenant.", "answered"), 0);
    prepare(places[1], DV_CONVERSATIONS_ERASE, 1, 0)->all = true;
    assert_int_equal(act(places[1]), DV_OK);
    assert_int_equal(places[1]->request.total, 0);
    assert_string_equal(show(places[0], 1, 1), "mine|-||\n");
    for (int i = 0; i < 2; i++)
        close_place(places[i]);
}

/* Ten thousand turns, a thousand conversations: as many as may be are there, and the file does not grow. */
static void test_floods(void **state)
{
    enum { TURNS = 10000, MADE = 1000 };
    struct place *place = open_place(state, "flood.sqlite", "t", &usual);
    char text[TEXT];
    long sizes[2] = { 0 };
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    for (uint32_t turn = 0; turn < TURNS;) {
        (void)prepare(place, DV_CONVERSATIONS_ASK, 1, 7);
        (void)snprintf(text, sizeof text, "a question of some length, asked again and again, and always in the same words");
        while (place->request.count < DV_CONVERSATIONS_ROWS_MAX && turn < TURNS)
            set_question(&place->questions[place->request.count++], 1, 7, ++turn, text);
        assert_int_equal(act(place), DV_OK);
        if (turn == 4 * DV_CONVERSATIONS_ROWS_MAX)
            sizes[0] = world_size(world_path(place->world, "flood.sqlite"));
    }
    sizes[1] = world_size(world_path(place->world, "flood.sqlite"));
    assert_string_equal(list(place, 1), "7:20 ");
    assert_true(sizes[1] <= sizes[0] + 16384 * 4);
    for (int i = 0; i < MADE; i++) {
        prepare(place, DV_CONVERSATIONS_MAKE, 1, (uint8_t)i)->id[0] = (uint8_t)(i >> 8 | 0x80);
        assert_int_equal(act(place), DV_OK);
    }
    assert_int_equal(do_one(place, DV_CONVERSATIONS_LIST, 1, 0), DV_OK);
    assert_int_equal(place->request.total, 100);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_KNOW, 1, 7), DV_E_MISSING);
    close_place(place);
}

static uint64_t total_of(struct place *place, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(place->store.db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    uint64_t total = (uint64_t)sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return total;
}

/* Whatever is delivered again, a turn says each sentence once. */
static void test_what_comes_again(void **state)
{
    struct place *place = open_place(state, "again.sqlite", "t", &usual);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    for (int time = 0; time < 2; time++) { /* its first run ends before the answer does */
        (void)ask(place, 1, 7, 1, "How?", false);
        assert_int_equal(total_of(place, "SELECT bytes FROM totals"), 8);
        assert_int_equal(answer(place, 1, "It rises.", time == 0 ? NULL : "answered"), time + 1);
    }
    assert_int_equal(answer(place, 1, "It rises.", "refused"), 0);
    (void)ask(place, 1, 7, 1, "How?", false);
    assert_string_equal(show(place, 1, 7), "How?|answered|It rises.;|\n");
    close_place(place);
}

static void test_bytes_are_counted(void **state)
{
    struct dv_conversations_limits limits = usual;
    limits.bytes = 4000;
    struct place *place = open_place(state, "bytes.sqlite", "t", &limits);
    char sentence[600];
    memset(sentence, 's', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    for (uint8_t id = 1; id <= 3; id++)
        assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, id == 3 ? 2 : 1, id), DV_OK);
    for (uint32_t turn = 1; turn <= 4; turn++) {
        assert_true(ask(place, 1, 1, turn, "what?", false)->kept);
        (void)answer(place, turn, sentence, NULL);
        (void)answer(place, turn, sentence, turn == 1 ? "refused" : "answered"); /* it does not fit */
    }
    char shown[4096];
    (void)snprintf(shown, sizeof shown, "what?|answered|%s;|cut\nwhat?|answered|%s;|cut\nwhat?|answered|%s;|cut\nwhat?|refused||\n", sentence,
                   sentence, sentence);
    assert_string_equal(show(place, 1, 1), shown);
    assert_int_equal(total_of(place, "SELECT bytes FROM totals"), total_of(place, "SELECT sum(bytes) FROM turns"));
    for (uint32_t turn = 10; ask(place, 1, 1, turn, "what?", false)->kept; turn++)
        (void)answer(place, turn, sentence, NULL);
    assert_string_equal(list(place, 1), "2:0 1:8 "); /* to erase the empty one would help nobody */
    assert_false(ask(place, 2, 3, 50, "of another", false)->kept); /* and another's is not touched for it */
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 2, 4), DV_E_FULL);
    assert_non_null(strstr(place->request.reason, "full"));
    assert_true(place->request.file_is_well);
    assert_null(dv_conversations_waits(&place->store));
    assert_true(ask(place, 1, 2, 51, "makes room", false)->kept);
    assert_string_equal(list(place, 1), "2:1 ");
    assert_int_equal(total_of(place, "SELECT bytes FROM totals"), total_of(place, "SELECT sum(bytes) FROM turns"));
    assert_int_equal(total_of(place, "SELECT count(*) FROM sentences"), 0);
    close_place(place);
}

static void test_what_is_old_lapses(void **state)
{
    struct place *place = open_place(state, "old.sqlite", "t", &usual);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 8), DV_OK);
    (void)ask(place, 1, 7, 1, "first", false);
    place->now_ms += usual.keep_ms - 1;
    (void)ask(place, 1, 7, 2, "second", false);
    assert_string_equal(show(place, 1, 7), "second|-||\nfirst|-||\n");
    place->now_ms += 2; /* it is not shown, though nobody has swept */
    assert_string_equal(show(place, 1, 7), "second|-||\n");
    assert_int_equal(do_one(place, DV_CONVERSATIONS_KNOW, 1, 8), DV_E_MISSING);
    assert_string_equal(list(place, 1), "7:1 ");
    assert_int_equal(total_of(place, "SELECT count(*) FROM turns"), 2);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_SWEEP, 0, 0), DV_OK);
    assert_int_equal(place->request.total, 1);
    assert_int_equal(total_of(place, "SELECT count(*) FROM turns"), 1);
    assert_true(world_size(world_path(place->world, "old.sqlite-wal")) <= 0);
    close_place(place);
}

/* ---- for good ---- */

static bool is_on_disk(struct place *place, const char *name, const char *word)
{
    static char bytes[4 << 20];
    char path[TEXT];
    bool found = false;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s%s", name, i == 0 ? "" : "-wal");
        const char *file = world_path(place->world, path);
        size_t length = world_size(file) > 0 ? world_read(file, bytes, sizeof bytes) : 0;
        found = found || memmem(bytes, length, word, strlen(word)) != NULL;
    }
    return found;
}

/* A question, an answer that is withdrawn, one that stays, and turns that have fallen out. */
static void fill(struct place *place)
{
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    for (uint32_t turn = 1; turn <= 40; turn++) {
        (void)ask(place, 1, 7, turn, "a question quixotically asked", turn % 2 == 0);
        (void)answer(place, turn, "an answer given quixotically", turn % 3 == 0 ? "refused" : "answered");
    }
}

static void test_erased_for_good(void **state)
{
    struct place *place = open_place(state, "gone.sqlite", "t", &usual);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 8), DV_OK);
    (void)ask(place, 1, 8, 100, "one that zigzags", false);
    for (int all = 0; all < 2; all++) {
        fill(place);
        assert_true(is_on_disk(place, "gone.sqlite", "quixotically"));
        prepare(place, DV_CONVERSATIONS_ERASE, 1, 7)->all = all == 1;
        assert_int_equal(act(place), DV_OK);
        assert_int_equal(place->request.total, all == 1 ? 2 : 1);
        assert_false(is_on_disk(place, "gone.sqlite", "quixotically"));
        assert_int_equal(is_on_disk(place, "gone.sqlite", "zigzags"), all == 0);
    }
    assert_int_equal(do_one(place, DV_CONVERSATIONS_ERASE, 1, 7), DV_E_MISSING);
    assert_int_equal(total_of(place, "SELECT bytes FROM totals"), 0);
    close_place(place);
}

/* Somebody reads, so the log cannot be cut: that is said, and done when the file is opened next. */
static void test_erased_while_somebody_reads(void **state)
{
    struct place *place = open_place(state, "read.sqlite", "t", &usual);
    sqlite3 *reader = NULL;
    fill(place);
    assert_int_equal(sqlite3_open_v2(world_path(place->world, "read.sqlite"), &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM turns", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(do_one(place, DV_CONVERSATIONS_ERASE, 1, 7), DV_E_DEPENDENCY);
    assert_non_null(strstr(place->request.reason, "still be in its log"));
    assert_true(place->request.file_is_well);
    assert_null(dv_conversations_waits(&place->store));
    assert_int_equal(do_one(place, DV_CONVERSATIONS_KNOW, 1, 7), DV_E_MISSING);
    assert_true(is_on_disk(place, "read.sqlite", "quixotically"));
    close_place(place);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    place = open_place(state, "read.sqlite", "t", &usual);
    assert_false(is_on_disk(place, "read.sqlite", "quixotically"));
    close_place(place);
}

/* ---- the queue ---- */

static void test_those_who_leave_and_the_end(void **state)
{
    struct place *place = open_place(state, "queue.sqlite", "t", &usual);
    struct dv_conversations_request requests[6];
    assert_int_equal(do_one(place, DV_CONVERSATIONS_MAKE, 1, 7), DV_OK);
    place->answered = 0;
    for (int i = 0; i < 6; i++) {
        requests[i] = *prepare(place, DV_CONVERSATIONS_LIST, 1, 0);
        dv_conversations_request(&place->store, &requests[i]);
    }
    static const int leaving[] = { 0, 5, 2 }; /* that which is worked on, the last, one between */
    for (int i = 0; i < 3; i++) {
        dv_conversations_cancel(&place->store, &requests[leaving[i]]);
        memset(&requests[leaving[i]], 0xA5, sizeof requests[0]);
    }
    world_run_while_less(place->world, &place->answered, 3);
    world_run_ms(place->world, 5);
    assert_int_equal(place->answered, 3);
    for (int i = 0; i < 6; i++) { /* of those who are under way at the end, some are told */
        requests[i] = *prepare(place, DV_CONVERSATIONS_LIST, 1, 0);
        requests[i].waited = i % 2 == 0;
        dv_conversations_request(&place->store, &requests[i]);
    }
    dv_conversations_close(&place->store);
    assert_int_equal(place->answered, 6);
    for (int i = 0; i < 6; i += 2)
        assert_int_equal(requests[i].rc, DV_E_DEPENDENCY);
    dv_conversations_close(&place->store);
    world_run_dry(place->world);
    free(place);
}

static void test_a_file_of_another_kind(void **state)
{
    struct world *world = *state;
    struct dv_conversations *store = calloc(1, sizeof *store);
    struct dv_error error = { 0 };
    world_write(world_path(world, "none.sqlite"), "this is no store at all, but a text of some length", 50);
    assert_int_equal(dv_conversations_open(store, &world->loop.base, world_path(world, "none.sqlite"), "t", &usual, &error), DV_E_CONFIG);
    free(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_turns_come_back), TEST(test_what_comes_again), TEST(test_a_chain_that_is_too_long), TEST(test_everybody_has_his_own), TEST(test_floods),
        TEST(test_bytes_are_counted), TEST(test_what_is_old_lapses), TEST(test_erased_for_good), TEST(test_erased_while_somebody_reads),
        TEST(test_those_who_leave_and_the_end), TEST(test_a_file_of_another_kind),
    };
    return cmocka_run_group_tests_name("connectors/conversations", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_vectors_snowflake.c - vectors before a scripted Snowflake: which statements there are, what their answers mean, and
 * what is told when there is none. What they find is tested before the emulated one, by tests/e2e/test_vectors_snowflake.py.
 * shows: VEC-3 VEC-4 SNO-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/vectors_snowflake.h"
#include "engine/memory.h"
#include "tests/unit/snowflake_script.h"
#include "tests/unit/vectors_world.h"

enum { NARROW = 4, ROWS = 3 };

#define ID(n) "00000000-0000-000" n "-0000-000000000000"
#define TOLD(cells) "{\"code\":\"090001\",\"statementHandle\":\"h\",\"resultSetMetaData\":{\"rowType\":[" cells
#define NUMBERS(a, b) TOLD("{\"name\":\"A\"},{\"name\":\"B\"}") "]},\"data\":[[\"" a "\",\"" b "\"]]}"
#define DONE(what, n) "{\"code\":\"090001\",\"statementHandle\":\"h\",\"stats\":{\"numRows" what "\":" n "}}"
#define COLUMN "{\"name\":\"C\"}"
#define FOUND(rows)                                                                                                    \
    TOLD(COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN "," COLUMN) "]},\"data\":[" rows "]}"
#define HIT(id, text, cosine, near, said)                                                                              \
    "[\"0\",\"5\",\"" id "\",\"healthcare\",\"1700000000001\",\"" text "\",\"616e6e61\",\"1\",\"00ff\"," cosine ",\"" near "\",\"" said "\"]"

/* A place before a script, a request to it, and how often it was answered. */
struct scene {
    struct snow_script *script;
    struct dv_vectors_snowflake place;
    struct dv_vectors_request request;
    struct dv_vectors_row rows[ROWS];
    float vectors[ROWS][NARROW];
    unsigned ends;
    char told[512]; /* hits as they came */
};

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct dv_error error = { 0 };
    void *script = NULL;
    assert_int_equal(snow_setup(&script), 0);
    scene->script = script;
    snow_open_default(scene->script);
    struct dv_vectors_snowflake_config config = { .snowflake = snow_config(), .table = "NOTES", .width = NARROW };
    config.snowflake.loop = &scene->script->loop.base;
    config.snowflake.http = &scene->script->base;
    config.snowflake.deadlines.total_ms = 10000;
    assert_int_equal(dv_vectors_snowflake_open(&scene->place, &config, &error), DV_OK);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    void *script = scene->script;
    dv_memory_fail_at(0);
    dv_vectors_close(&scene->place.vectors);
    (void)snow_teardown(&script);
    free(scene);
    return 0;
}

static void on_answer(struct dv_vectors_request *request)
{
    struct scene *scene = request->data;
    scene->ends++;
    scene->told[0] = '\0';
    for (uint64_t i = 0; request->kind == DV_VECTORS_SEARCH && request->rc == DV_OK && i < request->total; i++) {
        const struct dv_vectors_hit *hit = &request->hits[i];
        size_t used = strlen(scene->told);
        (void)snprintf(scene->told + used, sizeof scene->told - used, "%d:%.*s:%.*s:%.2f:%u ", hit->row.id[7], (int)hit->row.text.length,
                       (const char *)hit->row.text.at, (int)hit->row.subject_ref.length, (const char *)hit->row.subject_ref.at, hit->cosine,
                       hit->lexical_rank);
        assert_int_equal(hit->row.hash.length, 2);
        assert_memory_equal(hit->row.hash.at, "\x00\xff", 2);
    }
}

static struct dv_vectors_request *request_of(struct scene *scene, enum dv_vectors_kind kind)
{
    scene->request = (struct dv_vectors_request){ .kind = kind, .rows = scene->rows, .callback = on_answer, .data = scene };
    scene->request.query = (struct dv_vectors_query){ .tenant = bytes_of("t"), .text = bytes_of("migraines"), .from_ms = INT64_MIN, .to_ms = INT64_MAX,
                                                      .top = 10, .floor = 0.25 };
    return &scene->request;
}

static void make_put(struct scene *scene, uint32_t count)
{
    request_of(scene, DV_VECTORS_PUT)->count = count;
    for (uint32_t i = 0; i < count; i++) {
        scene->vectors[i][i % NARROW] = 1;
        scene->rows[i] = (struct dv_vectors_row){ .tenant = bytes_of("t"), .schema = bytes_of("s"), .text = bytes_of("a \"text\""), .model = bytes_of("m"),
                                                  .vector = { scene->vectors[i], sizeof scene->vectors[i] }, .subjects = 1 };
        scene->rows[i].id[7] = (uint8_t)(i + 1);
    }
}

/* A search by a vector and by words. */
static void make_search(struct scene *scene)
{
    scene->vectors[0][0] = 1;
    request_of(scene, DV_VECTORS_SEARCH)->query.vector = (struct dv_store_bytes){ scene->vectors[0], sizeof scene->vectors[0] };
    scene->request.query.model = bytes_of("m");
}

static dv_rc act_on(struct scene *scene)
{
    unsigned ends = scene->ends;
    dv_vectors_request(&scene->place.vectors, &scene->request);
    assert_int_equal(scene->ends, ends);
    snow_run(scene->script);
    assert_int_equal(scene->ends, ends + 1);
    return scene->request.rc;
}

static void reply(struct scene *scene, const char *body)
{
    (void)snow_reply(scene->script, "/api/v2/statements", 200, body);
}

static const char *asked(const struct scene *scene, unsigned nth)
{
    assert_true(nth < scene->script->asked_count);
    return scene->script->asked[nth].body;
}

/* ---- putting ---- */

static void a_put_is_one_merge(void **state)
{
    struct scene *scene = *state;
    make_put(scene, 2);
    reply(scene, NUMBERS("0", "0"));
    reply(scene, DONE("Inserted", "2"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->request.total, 2);
    assert_int_equal(scene->script->asked_count, 2);
    assert_non_null(strstr(asked(scene, 0), "PARSE_JSON(?)::ARRAY::VECTOR(FLOAT, 4)"));
    assert_non_null(strstr(asked(scene, 0), "\"value\":\"[1.000000000,0.000000000,0.000000000,0.000000000]\""));
    assert_non_null(strstr(asked(scene, 1), "\"statement\":\"MERGE INTO \\\"NOTES\\\" T USING"));
    reply(scene, DONE("Inserted", "1")); /* the table was looked at before */
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->script->asked_count, 3);
}

static void what_changed_nothing_is_looked_at(void **state)
{
    struct scene *scene = *state;
    make_put(scene, 1);
    reply(scene, NUMBERS("0", "0"));
    reply(scene, DONE("Inserted", "0"));
    reply(scene, NUMBERS("0", "0"));
    assert_int_equal(act_on(scene), DV_OK); /* it was there */
    assert_int_equal(scene->request.total, 0);
    reply(scene, DONE("Inserted", "0"));
    reply(scene, NUMBERS("7", "7"));
    assert_int_equal(act_on(scene), DV_E_CONFIG); /* others have come meanwhile */
    assert_string_equal(scene->request.reason, DV_VECTORS_OTHER_MODEL);
    reply(scene, NUMBERS("7", "7"));
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_int_equal(scene->script->asked_count, 6);
}

static void without_vectors_nothing_is_looked_at(void **state)
{
    struct scene *scene = *state;
    make_put(scene, 1);
    scene->rows[0].vector = scene->rows[0].model = (struct dv_store_bytes){ 0 };
    reply(scene, DONE("Inserted", "0"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->script->asked_count, 1);
}

static void another_width_is_told(void **state)
{
    struct scene *scene = *state;
    make_put(scene, 2);
    scene->rows[1].vector.length = sizeof(float);
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_string_equal(scene->request.reason, DV_VECTORS_OTHER_WIDTH);
    make_put(scene, 2);
    scene->rows[1].model = bytes_of("n");
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_string_equal(scene->request.reason, DV_VECTORS_OTHER_MODEL);
    make_search(scene);
    scene->request.query.vector.length = sizeof(float);
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_string_equal(scene->request.reason, DV_VECTORS_OTHER_WIDTH);
    assert_int_equal(scene->script->asked_count, 0);
    make_put(scene, 1);
    (void)snow_reply(scene->script, NULL, 422, "{\"code\":\"001044\",\"sqlState\":\"42P13\",\"message\":\"m\"}");
    assert_int_equal(act_on(scene), DV_E_CONFIG); /* the view is of another width than we were told */
    assert_string_equal(scene->request.reason, DV_VECTORS_OTHER_WIDTH);
}

/* As many rows as a statement holds, and the rest behind them; one that stands twice goes once. */
static void a_large_put_goes_in_parts(void **state)
{
    enum { LARGE = DV_VECTORS_PUT_MAX };
    struct scene *scene = *state;
    struct dv_vectors_row *rows = calloc(LARGE, sizeof *rows);
    char *text = malloc(DV_VECTORS_TEXT_MAX);
    make_put(scene, 1);
    memset(text, '"', DV_VECTORS_TEXT_MAX);
    for (int i = 0; i < LARGE; i++) {
        rows[i] = scene->rows[0];
        rows[i].text = (struct dv_store_bytes){ text, DV_VECTORS_TEXT_MAX };
        rows[i].id[0] = (uint8_t)(i == LARGE - 1 ? 0 : i);
    }
    scene->request.rows = rows;
    scene->request.count = LARGE;
    reply(scene, NUMBERS("0", "0"));
    snow_reply(scene->script, NULL, 200, DONE("Inserted", "10"))->times = -1;
    assert_int_equal(act_on(scene), DV_OK);
    uint32_t statements = scene->script->asked_count;
    uint64_t bytes = 0;
    for (uint32_t i = 1; i < statements; i++) {
        assert_true(scene->script->asked[i].length < 4 * DV_SNOWFLAKE_SQL_MAX);
        bytes += scene->script->asked[i].length;
    }
    assert_true(statements > 5 && statements < 12);
    /* Escaped twice, once as a member of the rows and once as a bind: 4 bytes each; of 255 rows. */
    assert_true(bytes > UINT64_C(4) * DV_VECTORS_TEXT_MAX * (LARGE - 1) && bytes < UINT64_C(4) * DV_VECTORS_TEXT_MAX * LARGE);
    assert_int_equal(scene->request.total, 10 * (statements - 1));
    free(rows);
    free(text);
}

/* ---- searching ---- */

static void hits_are_joined(void **state)
{
    struct scene *scene = *state;
    make_search(scene);
    reply(scene, FOUND(HIT(ID("1"), "first", "\"0.9\"", "1", "0") "," HIT(ID("2"), "both", "\"0.8\"", "2", "1") "," HIT(ID("2"), "twice", "\"0.8\"", "3", "3") ","
                                       HIT(ID("3"), "unlike", "\"0.1\"", "0", "2") "," HIT(ID("4"), "unknown", "null", "0", "4")));
    assert_int_equal(act_on(scene), DV_OK);
    assert_string_equal(scene->told, "2:both:anna:0.80:1 1:first:anna:0.90:0 4:unknown:anna:0.00:3 ");
    assert_false(scene->request.lexical);
    assert_int_equal(scene->script->asked_count, 1);
    const char *body = asked(scene, 0);
    assert_null(strstr(body, "migraine\"")); /* its words are binds, and nothing of it is in the statement */
    assert_non_null(strstr(body, "WITH W AS"));
}

static void what_a_search_says_of_models(void **state)
{
    struct scene *scene = *state;
    make_search(scene);
    reply(scene, FOUND("[\"3\",\"5\",null,null,null,null,null,null,null,null,null,null]"));
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_string_equal(scene->request.reason, DV_VECTORS_OTHER_MODEL);
    reply(scene, FOUND("[\"0\",\"0\",null,null,null,null,null,null,null,null,null,null]"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_true(scene->request.lexical && scene->request.total == 0);
    scene->request.query.vector = (struct dv_store_bytes){ 0 };
    reply(scene, FOUND(HIT(ID("1"), "said", "null", "0", "1")));
    assert_int_equal(act_on(scene), DV_OK);
    assert_true(scene->request.lexical && scene->request.total == 1);
    assert_null(strstr(asked(scene, 2), "VECTOR_COSINE_SIMILARITY"));
}

static void answers_that_cannot_be_read(void **state)
{
    static const char *const bodies[] = {
        FOUND(""),
        FOUND("[\"0\",\"x\",null,null,null,null,null,null,null,null,null,null]"),
        FOUND("[null,\"0\",null,null,null,null,null,null,null,null,null,null]"),
        FOUND(HIT("no id", "t", "\"0.9\"", "1", "0")),
        FOUND(HIT(ID("1"), "t", "\"near\"", "1", "0")),
        FOUND(HIT(ID("1"), "t", "\"0.9\"", "65", "0")),
        FOUND(HIT(ID("1"), "t", "\"0.9\"", "-1", "0")),
        FOUND(HIT(ID("1"), "t", "\"0.9\"", "1", "")),
        FOUND("[\"0\",\"5\",\"" ID("1") "\",\"s\",\"1\",\"t\",\"6\",\"1\",\"00\",\"0.9\",\"1\",\"0\"]"),
        FOUND("[\"0\",\"5\",\"" ID("1") "\",\"s\",\"1\",\"t\",\"6Z\",\"1\",\"00\",\"0.9\",\"1\",\"0\"]"),
        FOUND("[\"0\",\"5\",\"" ID("1") "\",\"s\",\"1\",\"t\",null,\"-1\",\"00\",\"0.9\",\"1\",\"0\"]"),
        FOUND("[\"0\",\"5\",\"" ID("1") "\",\"s\",\"1\",\"t\",null,\"1\",\"00\",\"0.9\",\"1\",\"99999999999999999999\"]"),
        NUMBERS("0", "0"),
    };
    struct scene *scene = *state;
    make_search(scene);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        reply(scene, bodies[i]);
        assert_int_equal(act_on(scene), DV_E_FAILED);
        assert_non_null(scene->request.reason);
    }
}

/* ---- removing, letting go, counting ---- */

static void a_removal_is_noted_before_and_after(void **state)
{
    struct scene *scene = *state;
    request_of(scene, DV_VECTORS_REMOVE)->count = 2;
    scene->rows[0].subject_ref = bytes_of("anna");
    scene->rows[1].subject_ref = bytes_of("ben");
    reply(scene, DONE("Inserted", "1"));
    reply(scene, DONE("Deleted", "3"));
    reply(scene, DONE("Updated", "1"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_true(scene->request.met == 1 && scene->request.total == 3 && scene->request.remains);
    assert_non_null(strstr(asked(scene, 0), "INSERT INTO \\\"ERASURES\\\""));
    assert_non_null(strstr(asked(scene, 0), "[\\\"616e6e61\\\",\\\"62656e\\\"]"));
    assert_non_null(strstr(asked(scene, 1), "DELETE FROM \\\"NOTES\\\""));
    assert_non_null(strstr(asked(scene, 2), "UPDATE \\\"ERASURES\\\" SET \\\"DONE_MS\\\" = ?"));
    /* Nobody is met: what an earlier one left open is closed all the same. */
    reply(scene, DONE("Inserted", "0"));
    reply(scene, DONE("Updated", "0"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_true(scene->request.met == 0 && scene->request.total == 0 && !scene->request.remains);
    assert_int_equal(scene->script->asked_count, 5);
}

static void ids_are_noted_by_themselves(void **state)
{
    struct scene *scene = *state;
    request_of(scene, DV_VECTORS_REMOVE)->count = 1;
    scene->rows[0].id[7] = 1;
    reply(scene, DONE("Inserted", "1"));
    reply(scene, DONE("Deleted", "1"));
    reply(scene, DONE("Updated", "1"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_non_null(strstr(asked(scene, 0), "'record:' || \\\"DV_ID\\\""));
    assert_non_null(strstr(asked(scene, 2), "'record:' || F.VALUE"));
    assert_non_null(strstr(asked(scene, 1), "[\\\"" ID("1") "\\\"]"));
}

static void what_failed_is_said(void **state)
{
    static const char denied[] = "{\"code\":\"003001\",\"sqlState\":\"42501\",\"message\":\"secret\"}";
    struct scene *scene = *state;
    request_of(scene, DV_VECTORS_REMOVE)->count = 1;
    (void)snow_reply(scene->script, NULL, 422, denied);
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_non_null(strstr(scene->request.reason, "needs DELETE"));
    make_search(scene);
    (void)snow_reply(scene->script, NULL, 422, "{\"code\":\"002003\",\"sqlState\":\"42S02\",\"message\":\"secret\"}");
    assert_int_equal(act_on(scene), DV_E_CONFIG);
    assert_non_null(strstr(scene->request.reason, "datavault migrate"));
    (void)snow_reply(scene->script, NULL, 422, "{\"code\":\"100037\",\"sqlState\":\"22018\",\"message\":\"secret\"}");
    assert_int_equal(act_on(scene), DV_E_DATA);
    assert_null(dv_vectors_waits(&scene->place.vectors));
    snow_reply(scene->script, NULL, 503, "")->times = -1;
    assert_int_equal(act_on(scene), DV_E_DEPENDENCY);
    assert_int_equal(act_on(scene), DV_E_DEPENDENCY);
    assert_non_null(dv_vectors_waits(&scene->place.vectors));
    assert_int_not_equal(scene->place.vectors.breaker->state, DV_BREAKER_CLOSED);
}

static void what_is_old_and_how_many(void **state)
{
    struct scene *scene = *state;
    request_of(scene, DV_VECTORS_EXPIRE)->query.schema = bytes_of("s");
    reply(scene, DONE("Deleted", "256"));
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->request.total, 256);
    assert_non_null(strstr(asked(scene, 0), "LIMIT 256"));
    request_of(scene, DV_VECTORS_COUNT);
    reply(scene, TOLD("{\"name\":\"N\"}") "]},\"data\":[[\"42\"]]}");
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->request.total, 42);
    scene->request.query.tenant = (struct dv_store_bytes){ 0 };
    reply(scene, TOLD("{\"name\":\"N\"}") "]},\"data\":[[\"43\"]]}");
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->request.total, 43);
    assert_null(strstr(asked(scene, 2), "WHERE"));
}

static void ids_of_a_person(void **state)
{
    uint8_t ids[DV_VECTORS_IDS_MAX][DV_STORE_ID_BYTES];
    struct scene *scene = *state;
    request_of(scene, DV_VECTORS_IDS)->count = 1;
    scene->request.ids = ids;
    scene->rows[0].subject_ref = bytes_of("anna");
    reply(scene, TOLD("{\"name\":\"DV_ID\"}") "]},\"data\":[[\"" ID("3") "\"],[\"" ID("4") "\"]]}");
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->request.total, 2);
    assert_int_equal(ids[1][7], 4);
    assert_non_null(strstr(asked(scene, 0), "\"value\":\"616e6e61\"},\"3\":{\"type\":\"TEXT\",\"value\":\"" ID("0") "\"}"));
    reply(scene, TOLD("{\"name\":\"DV_ID\"}") "]},\"data\":[]}");
    assert_int_equal(act_on(scene), DV_OK);
    assert_int_equal(scene->request.total, 0);
    reply(scene, TOLD("{\"name\":\"DV_ID\"}") "]},\"data\":[[null]]}");
    assert_int_equal(act_on(scene), DV_E_FAILED);
}

/* ---- several at once ---- */

static void count_end(struct dv_vectors_request *request)
{
    ++*(unsigned *)request->data;
}

/* Changes go one at a time, questions pass them, and no more than so many are under way. */
static void requests_are_bounded(void **state)
{
    enum { MANY = 20, CHANGES = 4 };
    struct scene *scene = *state;
    struct dv_vectors_request many[MANY];
    unsigned ends = 0;
    make_put(scene, 1);
    snow_reply(scene->script, NULL, 200, "")->never = true;
    for (int i = 0; i < MANY; i++) {
        many[i] = scene->request;
        many[i].kind = i < CHANGES ? DV_VECTORS_EXPIRE : DV_VECTORS_SEARCH;
        many[i].callback = count_end;
        many[i].data = &ends;
        dv_vectors_request(&scene->place.vectors, &many[i]);
    }
    snow_run_ms(scene->script, 20);
    assert_int_equal(scene->script->open_count, DV_VECTORS_SNOWFLAKE_WORKS);
    unsigned deletes = 0;
    for (uint32_t i = 0; i < scene->script->asked_count; i++)
        deletes += strstr(asked(scene, i), "DELETE") != NULL;
    assert_int_equal(deletes, 1);
    dv_vectors_close(&scene->place.vectors);
    scene->place.vectors.ops = NULL;
    snow_run(scene->script);
    assert_int_equal(ends, 0); /* after close() nothing comes */
}

static void every_request_is_answered(void **state)
{
    enum { MANY = 30 };
    struct scene *scene = *state;
    struct dv_vectors_request many[MANY];
    unsigned ends = 0;
    (void)request_of(scene, DV_VECTORS_EXPIRE);
    snow_reply(scene->script, NULL, 200, DONE("Deleted", "1"))->times = -1;
    for (int i = 0; i < MANY; i++) {
        many[i] = scene->request;
        many[i].callback = count_end;
        many[i].data = &ends;
        dv_vectors_request(&scene->place.vectors, &many[i]);
    }
    snow_run(scene->script);
    assert_int_equal(ends, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(many[i].total, 1);
}

static void memory_may_fail_anywhere(void **state)
{
    struct scene *scene = *state;
    bool well = false;
    for (uint64_t nth = 1; nth < 100 && !well; nth++) {
        make_search(scene);
        scene->script->reply_count = 0;
        scene->script->asked_count = 0;
        snow_reply(scene->script, NULL, 200, FOUND(HIT(ID("1"), "text", "\"0.9\"", "1", "0")))->times = -1;
        dv_memory_fail_at(nth);
        well = act_on(scene) == DV_OK;
        dv_memory_fail_at(0);
        assert_true(well || scene->request.rc == DV_E_DEPENDENCY);
        assert_true(well || scene->request.reason != NULL);
    }
    assert_true(well);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_is_one_merge), TEST(what_changed_nothing_is_looked_at), TEST(without_vectors_nothing_is_looked_at), TEST(another_width_is_told),
        TEST(a_large_put_goes_in_parts), TEST(hits_are_joined), TEST(what_a_search_says_of_models), TEST(answers_that_cannot_be_read),
        TEST(a_removal_is_noted_before_and_after), TEST(ids_are_noted_by_themselves), TEST(what_failed_is_said), TEST(what_is_old_and_how_many), TEST(ids_of_a_person),
        TEST(requests_are_bounded), TEST(every_request_is_answered), TEST(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * vectors_world.c - what every place of vectors must do, whatever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "engine/random.h"
#include "tests/unit/vectors_world.h"

struct dv_store_bytes bytes_of(const char *text)
{
    return (struct dv_store_bytes){ text, strlen(text) };
}

void unit_vector(float vector[WIDTH], uint64_t seed)
{
    struct dv_random random;
    double sum = 0;
    dv_random_seed(&random, seed);
    for (int i = 0; i < WIDTH; i++) {
        vector[i] = (float)((double)dv_random_below(&random, 2001) / 1000 - 1);
        sum += (double)vector[i] * (double)vector[i];
    }
    for (int i = 0; i < WIDTH; i++)
        vector[i] = (float)((double)vector[i] / sqrt(sum));
}

/* ---- requests ---- */

static void keep_text(char *out, size_t size, struct dv_store_bytes text)
{
    (void)snprintf(out, size, "%.*s", (int)text.length, (const char *)text.at);
}

static void on_answer(struct dv_vectors_request *request)
{
    struct asked *asked = request->data;
    asked->done = true;
    for (uint64_t i = 0; request->kind == DV_VECTORS_SEARCH && request->rc == DV_OK && i < request->total; i++) {
        const struct dv_vectors_hit *hit = &request->hits[i];
        struct kept *kept = &asked->hits[i];
        *kept = (struct kept){ .subject = hit->row.subject_ref.at != NULL, .compared = hit->compared, .cosine = hit->cosine,
                               .score = hit->score, .subjects = hit->row.subjects, .lexical_rank = hit->lexical_rank };
        memcpy(kept->id, hit->row.id, sizeof kept->id);
        keep_text(kept->tenant, sizeof kept->tenant, hit->row.tenant);
        keep_text(kept->schema, sizeof kept->schema, hit->row.schema);
        keep_text(kept->text, sizeof kept->text, hit->row.text);
    }
}

struct asked *new_asked(enum dv_vectors_kind kind)
{
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    asked->request = (struct dv_vectors_request){ .kind = kind, .rows = asked->rows, .callback = on_answer, .data = asked };
    return asked;
}

struct asked *new_put(void)
{
    return new_asked(DV_VECTORS_PUT);
}

struct dv_vectors_row *add_row(struct asked *put, const char *tenant, uint64_t number, const char *text)
{
    uint32_t index = put->request.count++;
    struct dv_vectors_row *row = &put->rows[index];
    assert_true(index < PUT_MAX);
    (void)snprintf(put->texts[index], KEPT_TEXT, "%s", text);
    unit_vector(put->vectors[index], number);
    *row = (struct dv_vectors_row){ .created_ms = 1700000000000 + (int64_t)number, .tenant = bytes_of(tenant), .schema = bytes_of("healthcare"),
                                    .text = bytes_of(put->texts[index]), .model = bytes_of(MODEL), .hash = bytes_of("hash"),
                                    .vector = { put->vectors[index], sizeof put->vectors[index] }, .subjects = 1 };
    for (int i = 0; i < 8; i++)
        row->id[i] = (uint8_t)(number >> (56 - 8 * i));
    return row;
}

dv_rc act(struct place *place, struct asked *asked)
{
    asked->done = false;
    dv_vectors_request(place->vectors, &asked->request);
    assert_false(asked->done);
    world_run_until(place->world, &asked->done);
    return asked->request.rc;
}

void put_all(struct place *place, struct asked *put)
{
    dv_rc rc = act(place, put);
    if (rc != DV_OK)
        fail_msg("%s: %s", dv_rc_text(rc), put->request.reason != NULL ? put->request.reason : "-");
    free(put);
}

void put_one(struct place *place, const char *tenant, uint64_t number, const char *text)
{
    struct asked *put = new_put();
    (void)add_row(put, tenant, number, text);
    put_all(place, put);
}

struct asked *new_search(const char *tenant, const char *question, uint64_t seed)
{
    struct asked *search = new_asked(DV_VECTORS_SEARCH);
    unit_vector(search->vector, seed);
    search->request.query = (struct dv_vectors_query){ .tenant = bytes_of(tenant), .text = bytes_of(question), .from_ms = INT64_MIN,
                                                       .to_ms = INT64_MAX, .top = 10, .floor = -1 };
    if (seed != 0) {
        search->request.query.vector = (struct dv_store_bytes){ search->vector, sizeof search->vector };
        search->request.query.model = bytes_of(MODEL);
    }
    return search;
}

uint64_t hits_of(struct place *place, struct asked *search)
{
    dv_rc rc = act(place, search);
    if (rc != DV_OK)
        fail_msg("%s: %s", dv_rc_text(rc), search->request.reason != NULL ? search->request.reason : "-");
    return search->request.total;
}

uint64_t count_of(struct place *place, const char *tenant)
{
    struct asked *count = new_asked(DV_VECTORS_COUNT);
    count->request.query.tenant = bytes_of(tenant);
    assert_int_equal(act(place, count), DV_OK);
    uint64_t total = count->request.total;
    free(count);
    return total;
}

uint64_t number_of(const uint8_t id[DV_STORE_ID_BYTES])
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | id[i];
    return number;
}

/* ---- the tests ---- */

static double product(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void test_each_once_and_the_nearest_first(struct place *place)
{
    enum { ROWS = 250, TOP = 10 };
    struct asked *put = new_put();
    for (uint64_t i = 1; i <= ROWS; i++)
        (void)add_row(put, "once", i, "the same text");
    assert_int_equal(act(place, put), DV_OK);
    assert_int_equal(put->request.total, ROWS);
    put->rows[7].text = bytes_of("something else");
    assert_int_equal(act(place, put), DV_OK);
    assert_int_equal(put->request.total, 0);
    assert_int_equal(count_of(place, "once"), ROWS);
    struct asked *search = new_search("once", "", 1000);
    assert_int_equal(hits_of(place, search), TOP);
    assert_false(search->request.lexical);
    for (int i = 0; i < TOP; i++) {
        uint32_t better = 0;
        double cosine = product(search->vector, put->vectors[number_of(search->hits[i].id) - 1]);
        for (int k = 0; k < ROWS; k++)
            better += product(search->vector, put->vectors[k]) > cosine + 1e-5;
        assert_int_equal(better, i);
        assert_true(fabs(search->hits[i].cosine - cosine) < 1e-5);
        assert_string_equal(search->hits[i].text, "the same text");
    }
    free(search);
    free(put);
}

void test_words_count_too(struct place *place)
{
    put_one(place, "words", 1, "chest pain after climbing");
    put_one(place, "words", 2, "a migraine with aura");
    put_one(place, "words", 3, "Übung und Müller, pains of a back");
    struct asked *search = new_search("words", "what about the migraines?", 0);
    assert_int_equal(hits_of(place, search), 1);
    assert_true(search->request.lexical);
    assert_int_equal(number_of(search->hits[0].id), 2);
    assert_false(search->hits[0].compared);
    assert_true(fabs(search->hits[0].score - 1) < 1e-9);
    free(search);
    search = new_search("words", "pain", 0);
    assert_int_equal(hits_of(place, search), 2);
    free(search);
    /* Far by its vector, first by its words: both count, and it comes first. */
    search = new_search("words", "aura", 1);
    assert_int_equal(hits_of(place, search), 3);
    assert_int_equal(number_of(search->hits[0].id), 2);
    assert_int_equal(search->hits[0].lexical_rank, 1);
    assert_int_equal(number_of(search->hits[1].id), 1);
    assert_int_equal(search->hits[1].lexical_rank, 0);
    assert_true(search->hits[1].cosine > 0.999);
    free(search);
    search = new_search("words", "of the and", 0);
    assert_int_equal(hits_of(place, search), 0);
    free(search);
}

void test_filters(struct place *place)
{
    struct asked *put = new_put();
    for (uint64_t i = 1; i <= 20; i++)
        add_row(put, "filters", i, "a text about rain")->schema = bytes_of(i % 2 == 0 ? "even" : "odd");
    put_all(place, put);
    for (int seed = 0; seed <= 50; seed += 50) {
        struct asked *search = new_search("filters", "rain", (uint64_t)seed);
        search->request.query.schema = bytes_of("even");
        search->request.query.from_ms = 1700000000000 + 4;
        search->request.query.to_ms = 1700000000000 + 10;
        assert_int_equal(hits_of(place, search), 3); /* 4, 6 and 8 */
        for (int i = 0; i < 3; i++)
            assert_string_equal(search->hits[i].schema, "even");
        search->request.query.schema = bytes_of("neither");
        assert_int_equal(hits_of(place, search), 0);
        free(search);
    }
}

void test_floor(struct place *place)
{
    put_one(place, "floor", 1, "near the question");
    put_one(place, "floor", 2, "far from the question");
    struct asked *search = new_search("floor", "question", 1);
    search->request.query.floor = 0.9;
    assert_int_equal(hits_of(place, search), 1);
    assert_int_equal(number_of(search->hits[0].id), 1);
    search->request.query.floor = -1;
    assert_int_equal(hits_of(place, search), 2);
    search->request.query.top = 1;
    assert_int_equal(hits_of(place, search), 1);
    free(search);
}

void test_another_model_is_refused(struct place *place)
{
    put_one(place, "models", 1, "of one model");
    struct asked *put = new_put();
    add_row(put, "models", 2, "of another")->model = bytes_of("other:1");
    assert_int_equal(act(place, put), DV_E_CONFIG);
    assert_non_null(strstr(put->request.reason, "another model"));
    assert_int_equal(count_of(place, "models"), 1);
    struct asked *search = new_search("models", "model", 1);
    search->request.query.model = bytes_of("other:1");
    assert_int_equal(act(place, search), DV_E_CONFIG);
    assert_non_null(strstr(search->request.reason, "another model"));
    /* A tenant of its own may have another. */
    put->rows[0].tenant = bytes_of("models-2");
    assert_int_equal(act(place, put), DV_OK);
    free(search);
    free(put);
}

void test_words_get_their_vectors_later(struct place *place)
{
    struct asked *put = new_put();
    struct dv_vectors_row *row = add_row(put, "later", 1, "found by words");
    struct dv_store_bytes vector = row->vector;
    row->vector = row->model = (struct dv_store_bytes){ 0 };
    assert_int_equal(act(place, put), DV_OK);
    struct asked *search = new_search("later", "word", 1);
    assert_int_equal(hits_of(place, search), 1);
    assert_true(search->request.lexical);
    assert_false(search->hits[0].compared);
    row->vector = vector;
    row->model = bytes_of(MODEL);
    assert_int_equal(act(place, put), DV_OK);
    assert_int_equal(put->request.total, 0);
    assert_int_equal(count_of(place, "later"), 1);
    assert_int_equal(hits_of(place, search), 1);
    assert_false(search->request.lexical);
    assert_true(search->hits[0].compared && search->hits[0].cosine > 0.999);
    free(search);
    free(put);
}

void test_a_question_is_no_syntax(struct place *place)
{
    static const char *const questions[] = {
        "", "\"", "\"rain", "NEAR(rain, 5)", "rain AND OR NOT", "rain*", "text : rain", "^rain", "{text} : rain", "-rain", "rain' OR 1=1 --",
        "\xFF\xFE rain \xC3", "(((((((", ":*", "rain & ! | <->", "\\", "''", "rain\\:*", "%s%n rain", "$1 rain", "- - -", "\xE2\x80\x94 rain \xE2\x80\x9C",
        "0x00 rain;DROP TABLE embeddings;", "rain\x01\x02\x7F",
    };
    put_one(place, "syntax", 1, "rain in spring");
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        struct asked *search = new_search("syntax", questions[i], 0);
        assert_int_equal(hits_of(place, search), strstr(questions[i], "rain") != NULL);
        free(search);
    }
    char *long_one = malloc(100001);
    assert_non_null(long_one);
    for (int i = 0; i < 100000; i++)
        long_one[i] = "rain \" NEAR( * "[i % 15];
    long_one[100000] = '\0';
    struct asked *search = new_search("syntax", long_one, 0);
    assert_int_equal(hits_of(place, search), 1);
    search->request.query.text = (struct dv_store_bytes){ "rain\0in\0spring", 14 };
    assert_int_equal(hits_of(place, search), 1);
    memset(long_one, 'x', 100000);
    search->request.query.text = bytes_of(long_one);
    assert_int_equal(hits_of(place, search), 0);
    free(search);
    free(long_one);
}

enum { TENANTS = 7, TENANT_ROWS = 300, AT_ONCE = 8 };

static void tenant_name(char name[32], uint64_t number)
{
    (void)snprintf(name, 32, "tenant-%d", (int)number);
}

static void put_tenants(struct place *place, struct dv_random *random)
{
    struct asked *puts[TENANTS];
    char tenants[TENANTS][32], text[KEPT_TEXT];
    for (uint64_t i = 0; i < TENANTS; i++) {
        tenant_name(tenants[i], i);
        puts[i] = new_put();
    }
    for (uint64_t i = 1; i <= TENANT_ROWS; i++) {
        uint64_t tenant = dv_random_below(random, TENANTS);
        (void)snprintf(text, sizeof text, "%s says rain falls", tenants[tenant]);
        struct dv_vectors_row *row = add_row(puts[tenant], tenants[tenant], 1 + i % 40, text);
        row->id[8] = (uint8_t)i;
        row->id[9] = (uint8_t)(i >> 8);
    }
    for (uint64_t i = 0; i < TENANTS; i++)
        put_all(place, puts[i]);
}

/* Asks for something, by words, by a vector or by both; it is not waited for. */
static void ask_again(struct place *place, struct asked *search, struct dv_random *random, int number, char tenant[32])
{
    uint64_t seed = number % 2 == 0 ? 0 : 1 + dv_random_below(random, 60);
    struct dv_vectors_query *query = &search->request.query;
    tenant_name(tenant, dv_random_below(random, TENANTS));
    query->tenant = bytes_of(tenant);
    query->text = bytes_of(number % 3 == 0 ? "" : "tenant rain falls 1 2 3");
    query->top = 1 + (uint32_t)dv_random_below(random, DV_VECTORS_TOP_MAX);
    query->vector = query->model = (struct dv_store_bytes){ 0 };
    if (seed != 0) {
        unit_vector(search->vector, seed);
        query->vector = (struct dv_store_bytes){ search->vector, sizeof search->vector };
        query->model = bytes_of(MODEL);
    }
    search->done = false;
    dv_vectors_request(place->vectors, &search->request);
}

static uint32_t check_tenant(struct place *place, struct asked *search, const char *tenant)
{
    world_run_until(place->world, &search->done);
    assert_int_equal(search->request.rc, DV_OK);
    for (uint64_t i = 0; i < search->request.total; i++) {
        assert_string_equal(search->hits[i].tenant, tenant);
        assert_int_equal(strncmp(search->hits[i].text, tenant, strlen(tenant)), 0);
    }
    return (uint32_t)search->request.total;
}

/* Texts and vectors of all tenants are the same, so that only the filter keeps them apart; several are asked for at a time. */
void test_nothing_of_other_tenants(struct place *place)
{
    const char *soak = getenv("DATAVAULT_LONG");
    const bool is_long = soak != NULL && soak[0] == '1';
    const int slower = place->slower > 0 ? place->slower : 1, queries = (is_long ? 100000 : 1000) / slower;
    struct asked *searches[AT_ONCE];
    char tenants[AT_ONCE][32];
    struct dv_random random;
    uint32_t found = 0;
    dv_random_seed(&random, 6);
    put_tenants(place, &random);
    for (int i = 0; i < AT_ONCE; i++)
        searches[i] = new_search("nobody", "rain", 3);
    for (int first = 0; first < queries; first += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++)
            ask_again(place, searches[i], &random, first + i, tenants[i]);
        for (int i = 0; i < AT_ONCE; i++)
            found += check_tenant(place, searches[i], tenants[i]);
    }
    assert_true(found > (uint32_t)queries);
    for (int i = 0; i < AT_ONCE; i++)
        free(searches[i]);
    struct asked *search = new_search("nobody", "rain", 3);
    assert_int_equal(hits_of(place, search), 0);
    free(search);
}

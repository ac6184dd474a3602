/* SPDX-License-Identifier: Apache-2.0
 * vectors_world.h - rows, questions and answers for the tests of places of vectors; each test has tenants of its own, so
 * that many share one server. */
#ifndef DV_TESTS_VECTORS_WORLD_H
#define DV_TESTS_VECTORS_WORLD_H

#include "connectors/vectors.h"
#include "tests/unit/connectors_world.h"

enum { WIDTH = 384, PUT_MAX = 256, KEPT_TEXT = 160 };

#define MODEL "minilm:0123456789abcdef"

/* Where the tests put their vectors. */
struct place {
    struct world *world;
    struct dv_vectors *vectors;
    int slower; /* it is asked so many times less often; 0: as often as the others */
};

/* A hit, copied while it was lent. */
struct kept {
    uint8_t id[DV_STORE_ID_BYTES];
    char tenant[64], schema[64], text[KEPT_TEXT];
    bool subject, compared;
    double cosine, score;
    uint32_t subjects, lexical_rank;
};

/* A request with what it points to, and its answer. */
struct asked {
    struct dv_vectors_request request;
    struct dv_vectors_row rows[PUT_MAX];
    float vectors[PUT_MAX][WIDTH];
    char texts[PUT_MAX][KEPT_TEXT];
    float vector[WIDTH];
    struct kept hits[DV_VECTORS_TOP_MAX];
    bool done;
};

struct dv_store_bytes bytes_of(const char *text);

/* A vector of length 1, the same for the same seed. */
void unit_vector(float vector[WIDTH], uint64_t seed);

/* A request of a kind; free it. */
struct asked *new_asked(enum dv_vectors_kind kind);

/* An empty put; a row of it, with a vector of seed `number`, which is also its id; and the put done. */
struct asked *new_put(void);
struct dv_vectors_row *add_row(struct asked *put, const char *tenant, uint64_t number, const char *text);
dv_rc act(struct place *place, struct asked *asked);

/* Does the put, which is freed; one that fails fails the test. */
void put_all(struct place *place, struct asked *put);

/* Puts one row. */
void put_one(struct place *place, const char *tenant, uint64_t number, const char *text);

/* A search by words and by the vector of a seed (0: none), at any time and of any schema; not yet asked. */
struct asked *new_search(const char *tenant, const char *question, uint64_t seed);

/* The search's hits, or a failure of the test. */
uint64_t hits_of(struct place *place, struct asked *search);

/* The number that a row was added with. */
uint64_t number_of(const uint8_t id[DV_STORE_ID_BYTES]);

/* How many texts a tenant has. */
uint64_t count_of(struct place *place, const char *tenant);

/* The tests for every kind of place. */
void test_each_once_and_the_nearest_first(struct place *place);
void test_words_count_too(struct place *place);
void test_filters(struct place *place);
void test_floor(struct place *place);
void test_another_model_is_refused(struct place *place);
void test_removed_people_are_gone(struct place *place);
void test_many_are_removed_at_once(struct place *place);
void test_texts_of_a_person_are_named(struct place *place);
void test_what_is_old_goes(struct place *place);
void test_words_get_their_vectors_later(struct place *place);
void test_a_question_is_no_syntax(struct place *place);
void test_nothing_of_other_tenants(struct place *place);

#endif

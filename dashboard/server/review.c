/* SPDX-License-Identifier: Apache-2.0
 * review.c - POST /v1/reviews: what somebody says of an answer becomes a record of the source whose schema is `review`.
 *
 * The record's id is made of the answer's id and the server's token, so what a reviewer sends again meets the primary key of
 * what is kept already: the first stands. The newest are remembered here besides, so that they are not counted twice either. */
#include <openssl/sha.h>
#include <string.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"
#include "engine/id.h"
#include "engine/json_doc.h"
#include "engine/memory.h"
#include "operators/source_http.h"

enum { REVIEW_MAX = 32 * 1024, REASON_MAX = 4096 };

#define REVIEW_SCHEMA "review"
#define NO_SOURCE "The graph has no source that takes reviews: `source` with `from: http` and `schema: review`."

static const char *const verdicts[DV_REVIEW_VERDICTS] = { [DV_REVIEW_GOOD] = "good", [DV_REVIEW_BAD] = "bad" };

/* ---- which source ---- */

static bool takes_reviews(const struct dv_server *server, uint32_t node)
{
    return strcmp(dv_source_http_of(dv_graph_node(server->graph, node))->ingest.schema, REVIEW_SCHEMA) == 0;
}

static const struct dv_taker review_source = {
    .path = "/v1/reviews",
    .takes = takes_reviews,
    .none = NO_SOURCE,
    .none_named = NO_SOURCE,
    .several = "The graph has several sources that take reviews: name one, as in /v1/reviews/NODE.",
};

void dv_review_judge(const struct dv_server *server, const struct dv_head *head, struct dv_verdict *verdict)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(server, head->path, &review_source, &reason);
    if (source == NULL)
        *verdict = (struct dv_verdict){ .status = 404, .detail = reason, .trusted = verdict->trusted };
    else if (head->body_length > REVIEW_MAX)
        *verdict = (struct dv_verdict){ .status = 413, .detail = "A review is at most 32 KiB.", .trusted = verdict->trusted };
    else
        dv_ingest_judge_one(server, source, head, verdict);
}

/* ---- what is sent ---- */

/* What was read; `fault` is a literal, or NULL. */
struct review {
    uint8_t answer[DV_UUID_BYTES];
    enum dv_review_verdict verdict;
    int status;
    const char *fault;
};

static bool read_answer(struct dv_doc *doc, struct review *review)
{
    const char *text = NULL;
    size_t length = 0;
    dv_doc_at answer = dv_doc_in(doc, dv_doc_root(doc), "answer");
    return dv_doc_text(doc, answer, &text, &length) && dv_id_parse(text, length, review->answer);
}

static bool read_verdict(struct dv_doc *doc, struct review *review)
{
    dv_doc_at said = dv_doc_in(doc, dv_doc_root(doc), "verdict");
    for (unsigned i = 0; i < DV_REVIEW_VERDICTS; i++) {
        review->verdict = (enum dv_review_verdict)i;
        if (dv_doc_says(doc, said, verdicts[i]))
            return true;
    }
    return false;
}

/* It may be left out. */
static bool is_reason(struct dv_doc *doc, dv_doc_at reason)
{
    const char *text = NULL;
    size_t length = 0;
    return reason == NULL || (dv_doc_text(doc, reason, &text, &length) && length <= REASON_MAX);
}

static void look(struct dv_doc *doc, struct review *review)
{
    dv_doc_at reason = dv_doc_in(doc, dv_doc_root(doc), "reason");
    review->status = 422;
    if (!read_answer(doc, review))
        review->fault = "`answer` must be the id of an answer, a UUID.";
    else if (!read_verdict(doc, review))
        review->fault = "`verdict` must be good or bad.";
    else if (!is_reason(doc, reason))
        review->fault = "`reason` must be a text of at most 4 KiB.";
    else if (dv_doc_count(doc, dv_doc_root(doc)) != 2 + (size_t)(reason != NULL))
        review->fault = "A review has `answer`, `verdict` and `reason`, and nothing else.";
}

/* Reads a copy that ends as the reader wants it; both are wiped. */
static void read_review(struct review *review, const char *text, size_t length)
{
    struct dv_doc doc;
    *review = (struct review){ .status = 400, .fault = "The body is no JSON object." };
    char *copy = dv_memory_zeroed(1, length + DV_JSON_PADDING);
    dv_rc rc = dv_doc_init(&doc, REVIEW_MAX);
    if (rc == DV_OK && copy != NULL && length > 0) {
        memcpy(copy, text, length);
        rc = dv_doc_read(&doc, copy, length);
    }
    if (rc == DV_E_MEMORY || copy == NULL) {
        review->status = 503;
        review->fault = "There is no memory for it: send it again.";
    } else if (rc == DV_OK && length > 0) {
        review->fault = NULL;
        look(&doc, review);
    }
    dv_doc_free(&doc);
    if (copy != NULL)
        explicit_bzero(copy, length);
    dv_memory_free(copy);
}

/* ---- what is known ---- */

static const struct dv_review_known *find_known(const struct dv_reviews *reviews, const uint8_t key[DV_REVIEW_KEY])
{
    for (uint32_t i = 0; i < DV_REVIEWS_KNOWN; i++)
        if (memcmp(reviews->known[i].key, key, DV_REVIEW_KEY) == 0)
            return &reviews->known[i];
    return NULL;
}

static void remember(struct dv_reviews *reviews, const struct dv_review_known *review)
{
    reviews->known[reviews->next++ % DV_REVIEWS_KNOWN] = *review;
    reviews->total[review->verdict]++;
}

/* Who knows the token, of what answer. */
static void make_key(const struct dv_server *server, const struct review *review, uint8_t ret[DV_REVIEW_KEY])
{
    uint8_t both[DV_TOKEN_DIGEST + DV_UUID_BYTES];
    memcpy(both, server->auth.token.digest, DV_TOKEN_DIGEST);
    memcpy(both + DV_TOKEN_DIGEST, review->answer, DV_UUID_BYTES);
    (void)SHA256(both, sizeof both, ret);
}

/* ---- the answer ---- */

static void write_known(struct dv_json *json, const void *data)
{
    const struct dv_review_known *known = data;
    char id[DV_UUID_TEXT];
    dv_json_open(json, '{');
    dv_json_key(json, "id");
    dv_json_string(json, dv_id_text(id, known->id));
    dv_json_key(json, "verdict");
    dv_json_string(json, verdicts[known->verdict]);
    dv_json_close(json, '}');
}

static void answer_durable(struct dv_server *server, h2o_req_t *request, const struct dv_ingest_answer *answer, void *data)
{
    struct dv_review_known *review = data;
    const struct dv_review_known *first = find_known(&server->reviews, review->key);
    dv_ingest_id(&answer->name, 0, review->id);
    if (first == NULL)
        remember(&server->reviews, review);
    dv_reply_json(request, first == NULL ? 201 : 200, write_known, first == NULL ? review : first);
}

static void take(const struct dv_call *call, struct dv_source_http *source, const struct dv_review_known *review)
{
    char key[2 * DV_REVIEW_KEY];
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = digits[review->key[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    struct dv_review_known *kept = h2o_mem_alloc_pool(&call->request->pool, sizeof *kept);
    *kept = *review;
    const struct dv_ingest_request request = { .text = call->request->entity.base, .length = call->request->entity.len,
                                               .form = DV_INGEST_ONE, .key = key, .key_length = sizeof key };
    dv_ingest_take(call, source, request, answer_durable, kept);
}

void dv_review_reply(const struct dv_call *call)
{
    const char *reason = NULL;
    struct dv_source_http *source = dv_ingest_find_source(call->server, call->head->path, &review_source, &reason);
    DV_ASSERT(source != NULL);
    struct review review;
    read_review(&review, call->request->entity.base, call->request->entity.len);
    if (review.fault != NULL) {
        dv_reply_problem(call->request, review.status, review.fault);
        return;
    }
    struct dv_review_known made = { .verdict = review.verdict };
    make_key(call->server, &review, made.key);
    const struct dv_review_known *known = find_known(&call->server->reviews, made.key);
    if (known != NULL)
        dv_reply_json(call->request, 200, write_known, known);
    else
        take(call, source, &made);
}

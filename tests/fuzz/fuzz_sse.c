/* SPDX-License-Identifier: Apache-2.0
 * fuzz_sse.c - a stream of events means the same however it is cut into pieces; and whatever a language model's service
 * streams ends a request once, with whole characters until then. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/llm.h"
#include "connectors/snowflake.h"
#include "connectors/sse_read.h"
#include "engine/json.h"
#include "engine/memory.h"

enum { EVENT_MAX = 300, EVENTS_MAX = 40, SIM_STEPS_MAX = 1000, PLANS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the reader ---- */

struct seen {
    uint64_t sum;
    uint32_t events;
};

/* Touches every byte of the event, and of the padding behind it. */
static bool take(void *data, const struct dv_sse_event *event)
{
    struct seen *seen = data;
    uint64_t padding = 0;
    DV_ASSERT(event->length <= EVENT_MAX && ++seen->events <= EVENTS_MAX);
    seen->sum = seen->sum * 31 + event->length * 2 + event->error;
    for (size_t i = 0; i < event->length + DV_JSON_PADDING; i++)
        *(i < event->length ? &seen->sum : &padding) += (i + 7) * (uint8_t)event->text[i];
    return padding < UINT64_MAX;
}

static dv_rc read_all(const uint8_t *data, size_t size, size_t piece, enum dv_sse_form form, struct seen *seen)
{
    struct dv_sse_reader reader;
    dv_rc rc = DV_OK;
    *seen = (struct seen){ 0 };
    dv_sse_init(&reader, form, take, seen);
    reader.event_max = EVENT_MAX;
    reader.events_max = EVENTS_MAX;
    for (size_t at = 0; at < size && rc == DV_OK; at += piece)
        rc = dv_sse_feed(&reader, (const char *)data + at, size - at < piece ? size - at : piece);
    if (rc == DV_OK)
        rc = dv_sse_end(&reader);
    DV_ASSERT((rc == DV_OK) == (reader.reason == NULL));
    dv_sse_free(&reader);
    return rc;
}

static void check_pieces(const uint8_t *data, size_t size, enum dv_sse_form form)
{
    static const size_t pieces[] = { 1, 2, 3, 7 };
    struct seen whole, cut;
    dv_rc rc = read_all(data, size, size + 1, form, &whole);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        dv_rc same = read_all(data, size, pieces[i], form, &cut);
        DV_ASSERT(same == rc && cut.sum == whole.sum && cut.events == whole.events);
    }
}

/* ---- the model's answer ---- */

/* A server that sends what the fuzzer says. */
struct script {
    struct dv_http base;
    struct dv_timer timer;
    struct dv_http_request *request;
    const uint8_t *data;
    size_t size, piece;
    unsigned status;
};

static void script_request(struct dv_http *http, struct dv_http_request *request)
{
    struct script *script = (struct script *)http;
    script->request = request;
    dv_timer_start(&script->timer, 1);
}

static void script_cancel(struct dv_http *http, struct dv_http_request *request)
{
    struct script *script = (struct script *)http;
    DV_ASSERT(script->request == request);
    script->request = NULL;
    dv_timer_stop(&script->timer);
}

static void script_close(struct dv_http *http)
{
    struct script *script = (struct script *)http;
    script->request = NULL;
    dv_timer_stop(&script->timer);
}

static void script_answers(struct dv_timer *timer)
{
    struct script *script = timer->data;
    struct dv_http_request *request = script->request;
    request->status = script->status;
    request->rc = DV_OK;
    for (size_t at = 0; at < script->size && script->request == request; at += script->piece) {
        size_t left = script->size - at;
        if (!request->piece(request, (const char *)script->data + at, left < script->piece ? left : script->piece)) {
            if (script->request == NULL)
                return; /* cancelled */
            request->rc = DV_E_DATA;
            request->reason = "no more of the answer is wanted";
            break;
        }
    }
    script->request = NULL;
    request->end(request);
}

static const struct dv_http_ops script_ops = { script_request, script_cancel, script_close };

struct answer {
    struct dv_llm *llm;
    unsigned ends;
    uint64_t bytes, cancel_at;
};

/* Whole characters: a piece neither begins nor ends inside one. */
static void on_text(struct dv_llm_request *request, const char *bytes, size_t length)
{
    struct answer *answer = request->data;
    size_t last = length;
    DV_ASSERT(answer->ends == 0 && length > 0 && ((uint8_t)bytes[0] & 0xc0) != 0x80);
    while (((uint8_t)bytes[--last] & 0xc0) == 0x80)
        DV_ASSERT(last > 0);
    uint8_t lead = (uint8_t)bytes[last];
    size_t whole = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    DV_ASSERT(length - last == whole);
    answer->bytes += length;
    if (answer->cancel_at != 0 && answer->bytes >= answer->cancel_at)
        dv_llm_cancel(answer->llm, request);
}

static void on_end(struct dv_llm_request *request)
{
    struct answer *answer = request->data;
    answer->ends++;
    DV_ASSERT((request->finish == DV_LLM_COMPLETE) == (request->reason == NULL));
    DV_ASSERT((request->finish == DV_LLM_FAILED) == (request->rc != DV_OK));
}

static void on_rows(struct dv_llm_embedding *embedding)
{
    unsigned *ends = embedding->data;
    ++*ends;
    DV_ASSERT((embedding->rc == DV_OK) == (embedding->reason == NULL));
}

static void run(struct dv_loop_sim *loop)
{
    for (unsigned steps = 0; dv_loop_sim_step(loop); steps++)
        DV_ASSERT(steps < SIM_STEPS_MAX);
}

static void ask(struct dv_llm *llm, struct dv_loop_sim *loop, uint64_t cancel_at)
{
    struct answer answer = { .llm = llm, .cancel_at = cancel_at };
    struct dv_llm_request request = {
        .prompt = { "why", 3 }, .tenant = "fuzz", .on_text = on_text, .on_end = on_end, .data = &answer
    };
    dv_rc rc = dv_llm_ask(llm, &request);
    DV_ASSERT(rc == DV_OK);
    run(loop);
    DV_ASSERT(answer.ends == 1 || (cancel_at != 0 && answer.bytes >= cancel_at && answer.ends == 0));
}

static void embed(struct dv_llm *llm, struct dv_loop_sim *loop)
{
    static const struct dv_llm_text texts[] = { { "one", 3 }, { "two", 3 } };
    float rows[2][2];
    unsigned ends = 0;
    struct dv_llm_embedding embedding = {
        .texts = texts, .count = 2, .dims = 2, .tenant = "fuzz", .rows = rows[0], .on_end = on_rows, .data = &ends
    };
    dv_rc rc = dv_llm_embed(llm, &embedding);
    DV_ASSERT(rc == DV_OK);
    run(loop);
    DV_ASSERT(ends == 1);
}

static void talk(const uint8_t *data, size_t size, enum dv_llm_kind kind, uint8_t plan)
{
    static const unsigned statuses[PLANS] = { 200, 200, 200, 429 };
    struct dv_loop_sim loop;
    struct script script = {
        .base.ops = &script_ops, .data = data, .size = size, .piece = 1 + plan % 7u, .status = statuses[plan % PLANS]
    };
    static struct dv_llm llm; /* too large for the stack */
    static struct dv_snowflake snowflake;
    const struct dv_llm_config config = { .loop = &loop.base,
                                          .kind = kind,
                                          .url = "http://127.0.0.1",
                                          .model = "m",
                                          .identity = { .proof = DV_SNOWFLAKE_PAT, .account = "o-a", .secret = "env:FUZZ_TOKEN" },
                                          .guarded = true,
                                          .snowflake = &snowflake,
                                          .tokens_per_day = 1000000,
                                          .http = &script.base };
    dv_loop_sim_init(&loop);
    dv_timer_init(&loop.base, &script.timer, script_answers, &script);
    dv_rc rc = dv_llm_open(&llm, &config, NULL);
    DV_ASSERT(rc == DV_OK);
    if (kind != DV_LLM_CORTEX_SQL)
        ask(&llm, &loop, plan % 5);
    embed(&llm, &loop);
    dv_llm_close(&llm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t plan = size > 0 ? data[0] : 0;
    (void)setenv("FUZZ_TOKEN", "t", 1);
    check_pieces(data, size, DV_SSE_EVENTS);
    check_pieces(data, size, DV_SSE_LINES);
    if (size == 0)
        return 0;
    talk(data + 1, size - 1, DV_LLM_OPENAI, plan);
    talk(data + 1, size - 1, DV_LLM_GEMINI, plan);
    talk(data + 1, size - 1, DV_LLM_CORTEX, plan);
    talk(data + 1, size - 1, DV_LLM_CORTEX_NATIVE, plan);
    talk(data + 1, size - 1, DV_LLM_CORTEX_SQL, plan);
    return 0;
}

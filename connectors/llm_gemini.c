/* SPDX-License-Identifier: Apache-2.0
 * llm_gemini.c - what Google's Gemini says: generateContent as a stream, embedContent text by text.
 *
 * A stream has no end of its own: the last event says why the answer ended. A blocked prompt or answer comes with status
 * 200. The newer interface that keeps what it is told is not used. */
#include <stdio.h>
#include <string.h>

#include "connectors/llm_internal.h"
#include "engine/memory.h"

enum {
    MS_PER_DAY = 86400000,
    S_PER_DAY = 86400,
    RESET_MS = 8 * 3600 * 1000 /* midnight in California, in winter; in summer an hour late */
};

static void path(const struct dv_llm_talk *talk, char *out, size_t size)
{
    int length = snprintf(out, size, "/v1beta/models/%s:%s", talk->llm->config.model,
                          talk->request != NULL ? "streamGenerateContent?alt=sse" : "embedContent");
    DV_ASSERT(length > 0 && (size_t)length < size);
}

/* ---- the request ---- */

/* {"role":…,"parts":[{"text":…}]} */
static void write_parts(struct dv_json *json, const char *role, struct dv_llm_text text)
{
    dv_json_open(json, '{');
    if (role != NULL) {
        dv_json_key(json, "role");
        dv_json_string(json, role);
    }
    dv_json_key(json, "parts");
    dv_json_open(json, '[');
    dv_json_open(json, '{');
    dv_json_key(json, "text");
    dv_json_text(json, text.at, text.length);
    dv_json_close(json, '}');
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

static void write_config(struct dv_json *json, const struct dv_llm_request *request)
{
    dv_json_key(json, "generationConfig");
    dv_json_open(json, '{');
    dv_json_key(json, "candidateCount");
    dv_json_int(json, 1);
    dv_json_key(json, "maxOutputTokens");
    dv_json_uint(json, request->max_tokens);
    dv_json_key(json, "temperature");
    dv_json_int(json, 0);
    dv_json_key(json, "seed");
    dv_json_int(json, 1);
    if (request->json_schema != NULL) {
        dv_json_key(json, "responseMimeType");
        dv_json_string(json, "application/json");
        dv_json_key(json, "responseJsonSchema");
        dv_json_raw(json, request->json_schema, strlen(request->json_schema));
    }
    dv_json_close(json, '}');
}

static void write_prompt(struct dv_json *json, const struct dv_llm_request *request)
{
    if (request->system.at != NULL) {
        dv_json_key(json, "systemInstruction");
        write_parts(json, NULL, request->system);
    }
    dv_json_key(json, "contents");
    dv_json_open(json, '[');
    write_parts(json, "user", request->prompt);
    dv_json_close(json, ']');
    write_config(json, request);
}

/* The second generation takes the task as words in front of the text, the first beside it. */
static bool is_told_by_words(const char *model)
{
    return strstr(model, "embedding-2") != NULL;
}

static bool write_behind(struct dv_json *json, const char *words, struct dv_llm_text text)
{
    size_t front = strlen(words);
    char *whole = dv_memory_alloc(front + text.length);
    if (whole == NULL)
        return false;
    memcpy(whole, words, front);
    if (text.length > 0)
        memcpy(whole + front, text.at, text.length);
    write_parts(json, NULL, (struct dv_llm_text){ whole, front + text.length });
    explicit_bzero(whole, front + text.length);
    dv_memory_free(whole);
    return true;
}

static bool write_embedding(struct dv_json *json, const struct dv_llm_talk *talk)
{
    const struct dv_llm_embedding *embedding = talk->embedding;
    const struct dv_llm_text text = embedding->texts[talk->texts_done];
    bool query = embedding->task == DV_LLM_QUERY;
    bool written = true;
    dv_json_key(json, "content");
    if (is_told_by_words(talk->llm->config.model)) {
        written = write_behind(json, query ? "task: search result | query: " : "title: none | text: ", text);
    } else {
        write_parts(json, NULL, text);
        dv_json_key(json, "taskType");
        dv_json_string(json, query ? "RETRIEVAL_QUERY" : "RETRIEVAL_DOCUMENT");
    }
    dv_json_key(json, "outputDimensionality");
    dv_json_uint(json, embedding->dims);
    return written;
}

static bool write_body(const struct dv_llm_talk *talk, struct dv_json *json)
{
    bool written = true;
    dv_json_open(json, '{');
    if (talk->request != NULL)
        write_prompt(json, talk->request);
    else
        written = write_embedding(json, talk);
    dv_json_close(json, '}');
    return written;
}

/* ---- errors ---- */

/* "34s", "1.5s": in ms, rounded up; 0 for anything else. */
static uint64_t delay_ms(const char *text, size_t length)
{
    double seconds = 0;
    if (length < 2 || length > 16 || text[length - 1] != 's' || !dv_json_parse_float(text, length - 1, &seconds) ||
        seconds < 0 || seconds > S_PER_DAY)
        return 0;
    return (uint64_t)(seconds * 1000 + 0.999);
}

static bool names_a_day(struct dv_doc *doc, dv_doc_at violations)
{
    const char *id = NULL;
    size_t length = 0;
    for (dv_doc_at at = dv_doc_first(doc, violations); at != NULL; at = dv_doc_next(doc, at))
        if (dv_doc_text(doc, dv_doc_in(doc, at, "quotaId"), &id, &length) &&
            memmem(id, length, "PerDay", strlen("PerDay")) != NULL)
            return true;
    return false;
}

static uint64_t until_reset_ms(const struct dv_llm *llm)
{
    int64_t now = dv_wall_ms(llm->config.loop);
    return (uint64_t)(MS_PER_DAY - (now + MS_PER_DAY - RESET_MS) % MS_PER_DAY);
}

static void take_detail(struct dv_llm_talk *talk, dv_doc_at detail, struct dv_llm_verdict *verdict)
{
    struct dv_doc *doc = &talk->doc;
    const char *text = NULL;
    size_t length = 0;
    if (dv_doc_text(doc, dv_doc_in(doc, detail, "retryDelay"), &text, &length) && verdict->again) {
        uint64_t wait_ms = delay_ms(text, length);
        verdict->wait_ms = wait_ms > verdict->wait_ms ? wait_ms : verdict->wait_ms;
    }
    if (verdict->again && names_a_day(doc, dv_doc_in(doc, detail, "violations")))
        *verdict = (struct dv_llm_verdict){ .rc = DV_E_DEPENDENCY,
                                            .reason = "the day's quota of the model's service is used up",
                                            .outage = true,
                                            .closed_ms = until_reset_ms(talk->llm) };
    if (dv_doc_says(doc, dv_doc_in(doc, detail, "reason"), "API_KEY_INVALID"))
        *verdict = dv_llm_judge_status(talk, 401);
}

static struct dv_llm_verdict judge(struct dv_llm_talk *talk, unsigned status)
{
    struct dv_doc *doc = &talk->doc;
    dv_doc_at error = dv_doc_in(doc, dv_doc_root(doc), "error");
    int64_t number = 0;
    if (status == 200) /* inside the stream: the error brings its own */
        status = dv_doc_whole(doc, dv_doc_in(doc, error, "code"), &number) && number >= 300 && number < 600
                     ? (unsigned)number
                     : 500;
    struct dv_llm_verdict verdict = dv_llm_judge_status(talk, status);
    if (dv_doc_says(doc, dv_doc_in(doc, error, "status"), "FAILED_PRECONDITION"))
        verdict =
            (struct dv_llm_verdict){ .rc = DV_E_CONFIG, .reason = "the service is not open to this account or region" };
    for (dv_doc_at detail = dv_doc_first(doc, dv_doc_in(doc, error, "details")); detail != NULL;
         detail = dv_doc_next(doc, detail))
        take_detail(talk, detail, &verdict);
    return verdict;
}

/* ---- the stream ---- */

static const struct dv_llm_ending endings[] = {
    { "STOP", DV_LLM_COMPLETE },
    { "MAX_TOKENS", DV_LLM_TRUNCATED },
    { "SPII", DV_LLM_PERSONAL },
    { "SAFETY", DV_LLM_BLOCKED },
    { "RECITATION", DV_LLM_BLOCKED },
    { "BLOCKLIST", DV_LLM_BLOCKED },
    { "PROHIBITED_CONTENT", DV_LLM_BLOCKED },
};

/* What the model thinks to itself is no answer. */
static bool take_parts(struct dv_llm_talk *talk, dv_doc_at parts)
{
    struct dv_doc *doc = &talk->doc;
    for (dv_doc_at part = dv_doc_first(doc, parts); part != NULL; part = dv_doc_next(doc, part)) {
        const char *text = NULL;
        size_t length = 0;
        if (!dv_doc_is_true(doc, dv_doc_in(doc, part, "thought")) &&
            dv_doc_text(doc, dv_doc_in(doc, part, "text"), &text, &length) && !dv_llm_hand_out(talk, text, length))
            return false;
    }
    return true;
}

static void take_usage(struct dv_llm_talk *talk, dv_doc_at usage)
{
    if (dv_doc_is_null(&talk->doc, usage))
        return;
    uint32_t thoughts = dv_llm_count(talk, usage, "thoughtsTokenCount", 0);
    talk->tokens_in = dv_llm_count(talk, usage, "promptTokenCount", talk->tokens_in);
    talk->tokens_out = dv_llm_count(talk, usage, "candidatesTokenCount", 0) + thoughts;
}

static bool take_event(struct dv_llm_talk *talk, const struct dv_sse_event *event)
{
    struct dv_doc *doc = &talk->doc;
    if (!dv_llm_read(talk, event->text, event->length))
        return false;
    dv_doc_at root = dv_doc_root(doc);
    if (event->error || !dv_doc_is_null(doc, dv_doc_in(doc, root, "error"))) {
        talk->verdict = judge(talk, 200);
        return false;
    }
    take_usage(talk, dv_doc_in(doc, root, "usageMetadata"));
    if (!dv_doc_is_null(doc, dv_doc_in(doc, dv_doc_in(doc, root, "promptFeedback"), "blockReason"))) {
        talk->ended = true;
        talk->finish = DV_LLM_BLOCKED;
        talk->reason = "the service would not take the prompt";
        return true;
    }
    dv_doc_at candidate = dv_doc_first(doc, dv_doc_in(doc, root, "candidates"));
    if (dv_llm_note_finish(talk, dv_doc_in(doc, candidate, "finishReason"), endings, sizeof endings / sizeof endings[0]))
        talk->ended = true;
    return take_parts(talk, dv_doc_in(doc, dv_doc_in(doc, candidate, "content"), "parts"));
}

/* ---- vectors ---- */

/* Shortened vectors of the first generation are not of length 1; ours are in the end. */
static bool take_vectors(struct dv_llm_talk *talk)
{
    struct dv_doc *doc = &talk->doc;
    dv_doc_at embedding = dv_doc_in(doc, dv_doc_root(doc), "embedding");
    if (!dv_llm_take_row(talk, dv_doc_in(doc, embedding, "values"), talk->texts_done, false))
        return false;
    talk->texts_done++;
    return true;
}

const struct dv_llm_api dv_llm_gemini = {
    .url = "https://generativelanguage.googleapis.com",
    .key_header = "x-goog-api-key",
    .key_prefix = "",
    .path = path,
    .write = write_body,
    .event = take_event,
    .judge = judge,
    .vectors = take_vectors,
};

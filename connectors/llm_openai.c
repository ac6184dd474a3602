/* SPDX-License-Identifier: Apache-2.0
 * llm_openai.c - what OpenAI's interface says, and everybody who serves it: llama.cpp, vLLM; Cortex, but for some words.
 *
 * A stream is over at `[DONE]`; without it the answer broke off. The first piece's content may be null, the last event's
 * choices empty. */
#include <stdio.h>
#include <string.h>

#include "connectors/llm_internal.h"

enum { QUOTA_CLOSED_MS = 600000 };

static void path(const struct dv_llm_talk *talk, char *out, size_t size)
{
    int length = snprintf(out, size, "%s", talk->request != NULL ? "/v1/chat/completions" : "/v1/embeddings");
    DV_ASSERT(length > 0 && (size_t)length < size);
}

/* ---- the request ---- */

static void write_message(struct dv_json *json, const char *role, struct dv_llm_text text)
{
    if (text.at == NULL)
        return;
    dv_json_open(json, '{');
    dv_json_key(json, "role");
    dv_json_string(json, role);
    dv_json_key(json, "content");
    dv_json_text(json, text.at, text.length);
    dv_json_close(json, '}');
}

static void write_format(struct dv_json *json, const char *schema)
{
    dv_json_key(json, "response_format");
    dv_json_open(json, '{');
    dv_json_key(json, "type");
    dv_json_string(json, "json_schema");
    dv_json_key(json, "json_schema");
    dv_json_open(json, '{');
    dv_json_key(json, "name");
    dv_json_string(json, "answer");
    dv_json_key(json, "schema");
    dv_json_raw(json, schema, strlen(schema));
    dv_json_close(json, '}');
    dv_json_close(json, '}');
}

void dv_llm_openai_messages(struct dv_json *json, const struct dv_llm_request *request)
{
    dv_json_key(json, "messages");
    dv_json_open(json, '[');
    write_message(json, "system", request->system);
    write_message(json, "user", request->prompt);
    dv_json_close(json, ']');
}

void dv_llm_openai_stream(struct dv_json *json, const struct dv_llm_request *request)
{
    dv_json_key(json, "stream");
    dv_json_bool(json, true);
    dv_json_key(json, "stream_options");
    dv_json_open(json, '{');
    dv_json_key(json, "include_usage");
    dv_json_bool(json, true);
    dv_json_close(json, '}');
    if (request->json_schema != NULL)
        write_format(json, request->json_schema);
}

static void write_chat(struct dv_json *json, const struct dv_llm_request *request)
{
    dv_llm_openai_messages(json, request);
    dv_json_key(json, "max_tokens");
    dv_json_uint(json, request->max_tokens);
    dv_json_key(json, "temperature");
    dv_json_int(json, 0);
    dv_json_key(json, "seed");
    dv_json_int(json, 1);
    dv_llm_openai_stream(json, request);
}

/* Others refuse to be told a width, or do not mind it. */
static bool can_shorten(const char *model)
{
    return strstr(model, "text-embedding-3") != NULL;
}

static void write_texts(struct dv_json *json, const struct dv_llm_embedding *embedding, const char *model, bool base64)
{
    dv_json_key(json, "input");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < embedding->count; i++)
        dv_json_text(json, embedding->texts[i].at, embedding->texts[i].length);
    dv_json_close(json, ']');
    if (can_shorten(model)) {
        dv_json_key(json, "dimensions");
        dv_json_uint(json, embedding->dims);
    }
    dv_json_key(json, "encoding_format");
    dv_json_string(json, base64 ? "base64" : "float");
}

static bool write_body(const struct dv_llm_talk *talk, struct dv_json *json)
{
    dv_json_open(json, '{');
    dv_json_key(json, "model");
    dv_json_string(json, talk->llm->config.model);
    if (talk->request != NULL)
        write_chat(json, talk->request);
    else
        write_texts(json, talk->embedding, talk->llm->config.model, talk->llm->config.base64);
    dv_json_close(json, '}');
    return true;
}

/* ---- errors ---- */

static struct dv_llm_verdict judge(struct dv_llm_talk *talk, unsigned status)
{
    struct dv_doc *doc = &talk->doc;
    dv_doc_at error = dv_doc_in(doc, dv_doc_root(doc), "error");
    dv_doc_at code = dv_doc_in(doc, error, "code");
    dv_doc_at type = dv_doc_in(doc, error, "type");
    int64_t number = 0;
    if (status == 200) /* inside the stream: the error brings its own */
        status = dv_doc_whole(doc, code, &number) && number >= 300 && number < 600 ? (unsigned)number : 500;
    struct dv_llm_verdict verdict = dv_llm_judge_status(talk, status);
    if (dv_doc_says(doc, code, "insufficient_quota") || dv_doc_says(doc, type, "insufficient_quota"))
        return (struct dv_llm_verdict){ .rc = DV_E_DEPENDENCY,
                                        .reason = "the quota of the model's service is used up",
                                        .outage = true,
                                        .closed_ms = QUOTA_CLOSED_MS };
    if (dv_doc_says(doc, type, "exceed_context_size_error") || dv_doc_says(doc, code, "context_length_exceeded"))
        return (struct dv_llm_verdict){ .rc = DV_E_LIMIT, .reason = "the prompt is longer than the model can take" };
    return verdict;
}

/* ---- the stream ---- */

static const struct dv_llm_ending endings[] = {
    { "stop", DV_LLM_COMPLETE },
    { "length", DV_LLM_TRUNCATED },
    { "content_filter", DV_LLM_BLOCKED },
};

bool dv_llm_openai_finish(struct dv_llm_talk *talk, dv_doc_at word)
{
    return dv_llm_note_finish(talk, word, endings, sizeof endings / sizeof endings[0]);
}

static bool take_choice(struct dv_llm_talk *talk, dv_doc_at choice)
{
    struct dv_doc *doc = &talk->doc;
    const char *text = NULL;
    size_t length = 0;
    (void)dv_llm_openai_finish(talk, dv_doc_in(doc, choice, "finish_reason"));
    dv_doc_at delta = dv_doc_in(doc, choice, "delta");
    if (dv_doc_first(doc, dv_doc_in(doc, delta, "tool_calls")) != NULL)
        return dv_llm_refuse(talk, DV_E_DATA, "the model wants to call a tool, and was given none", false);
    dv_doc_at content = dv_doc_in(doc, delta, "content");
    return !dv_doc_text(doc, content, &text, &length) || dv_llm_hand_out(talk, text, length);
}

bool dv_llm_openai_event(struct dv_llm_talk *talk, const struct dv_sse_event *event)
{
    struct dv_doc *doc = &talk->doc;
    if (talk->ended) /* what stands behind the end is nothing to us */
        return true;
    if (event->length == 6 && memcmp(event->text, "[DONE]", 6) == 0) {
        talk->ended = true;
        return true;
    }
    if (!dv_llm_read(talk, event->text, event->length))
        return false;
    dv_doc_at root = dv_doc_root(doc);
    if (event->error || !dv_doc_is_null(doc, dv_doc_in(doc, root, "error"))) {
        talk->verdict = talk->llm->api->judge(talk, 200);
        return false;
    }
    dv_doc_at usage = dv_doc_in(doc, root, "usage");
    talk->tokens_in = dv_llm_count(talk, usage, "prompt_tokens", talk->tokens_in);
    talk->tokens_out = dv_llm_count(talk, usage, "completion_tokens", talk->tokens_out);
    dv_doc_at choice = dv_doc_first(doc, dv_doc_in(doc, root, "choices"));
    return choice == NULL || take_choice(talk, choice);
}

/* ---- vectors ---- */

bool dv_llm_openai_vectors(struct dv_llm_talk *talk, bool nested)
{
    struct dv_doc *doc = &talk->doc;
    bool seen[DV_LLM_TEXTS_MAX] = { false };
    uint32_t count = 0;
    dv_doc_at root = dv_doc_root(doc);
    for (dv_doc_at item = dv_doc_first(doc, dv_doc_in(doc, root, "data")); item != NULL;
         item = dv_doc_next(doc, item)) {
        int64_t index = -1;
        if (!dv_doc_whole(doc, dv_doc_in(doc, item, "index"), &index) || index < 0 || index >= talk->embedding->count ||
            seen[index])
            return dv_llm_refuse(talk, DV_E_DATA, "the service numbers the vectors wrongly", false);
        seen[index] = true;
        count++;
        dv_doc_at vector = dv_doc_in(doc, item, "embedding");
        if (!dv_llm_take_row(talk, nested ? dv_doc_first(doc, vector) : vector, (uint32_t)index, !nested))
            return false;
    }
    if (count != talk->embedding->count)
        return dv_llm_refuse(talk, DV_E_DATA, "the service gave another number of vectors than of texts", false);
    talk->tokens_in =
        dv_llm_count(talk, dv_doc_in(doc, root, "usage"), nested ? "total_tokens" : "prompt_tokens", talk->tokens_in);
    talk->texts_done = count;
    return true;
}

static bool take_vectors(struct dv_llm_talk *talk)
{
    return dv_llm_openai_vectors(talk, false);
}

const struct dv_llm_api dv_llm_openai = {
    .url = "https://api.openai.com",
    .key_header = "Authorization",
    .key_prefix = "Bearer ",
    .path = path,
    .write = write_body,
    .event = dv_llm_openai_event,
    .judge = judge,
    .vectors = take_vectors,
};

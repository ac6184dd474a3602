/* SPDX-License-Identifier: Apache-2.0
 * llm_cortex.c - what Snowflake's Cortex says over REST: chat/completions in OpenAI's words, inference:complete in its own,
 * inference:embed for vectors. None of them needs a warehouse.
 *
 * Streams have frames of data and no names. `[DONE]` is not promised: a stream ends where the connection does, behind a whole
 * frame; in OpenAI's words it must have said how the answer ended, in its own it need not. Frames may be a megabyte long. A
 * model that wants to call tools was never given any: that is no answer. What the guard withholds is told by the text that we
 * asked it to say instead. */
#include <string.h>
#include <strings.h>

#include "connectors/llm_internal.h"

enum { FRAME_MAX = 4 * 1024 * 1024, QUOTA_CLOSED_MS = 600000, TOKEN_BYTES = 2 /* or more */ };

static const char withheld[] = "[withheld by Cortex Guard]";

/* Those of inference:embed first; AI_EMBED has all of them. */
uint32_t dv_llm_width(enum dv_llm_kind kind, const char *model)
{
    static const struct {
        const char *model;
        uint32_t width;
    } known[] = {
        { "snowflake-arctic-embed-m", 768 },         { "snowflake-arctic-embed-m-v1.5", 768 },
        { "e5-base-v2", 768 },                       { "snowflake-arctic-embed-l-v2.0", 1024 },
        { "snowflake-arctic-embed-l-v2.0-8k", 1024 }, { "nv-embed-qa-4", 1024 },
        { "multilingual-e5-large", 1024 },           { "voyage-multilingual-2", 1024 },
    };
    const size_t all = sizeof known / sizeof known[0], over_rest = 4;
    size_t count = kind == DV_LLM_CORTEX_SQL ? all : kind >= DV_LLM_CORTEX ? over_rest : 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(model, known[i].model) == 0)
            return known[i].width;
    return 0;
}

/* ---- requests ---- */

static void put_path(char *out, size_t size, const char *path)
{
    size_t length = strlen(path);
    DV_ASSERT(length < size);
    memcpy(out, path, length + 1);
}

static void chat_path(const struct dv_llm_talk *talk, char *out, size_t size)
{
    put_path(out, size, talk->request != NULL ? "/api/v2/cortex/v1/chat/completions" : "/api/v2/cortex/inference:embed");
}

static void native_path(const struct dv_llm_talk *talk, char *out, size_t size)
{
    put_path(out, size, talk->request != NULL ? "/api/v2/cortex/inference:complete" : "/api/v2/cortex/inference:embed");
}

void dv_llm_cortex_texts(struct dv_json *json, const struct dv_llm_embedding *embedding)
{
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < embedding->count; i++)
        dv_json_text(json, embedding->texts[i].at, embedding->texts[i].length);
    dv_json_close(json, ']');
}

/* `max_tokens` is refused there, and not every model knows `seed`. */
static void write_chat(struct dv_json *json, const struct dv_llm_request *request)
{
    dv_llm_openai_messages(json, request);
    dv_json_key(json, "max_completion_tokens");
    dv_json_uint(json, request->max_tokens);
    dv_json_key(json, "temperature");
    dv_json_int(json, 0);
    dv_llm_openai_stream(json, request);
}

static void write_guardrails(struct dv_json *json)
{
    dv_json_key(json, "guardrails");
    dv_json_open(json, '{');
    dv_json_key(json, "enabled");
    dv_json_bool(json, true);
    dv_json_key(json, "response_when_unsafe");
    dv_json_string(json, withheld);
    dv_json_close(json, '}');
}

static void write_native(struct dv_json *json, const struct dv_llm_request *request, bool guarded)
{
    dv_llm_openai_messages(json, request);
    dv_json_key(json, "max_tokens");
    dv_json_uint(json, request->max_tokens);
    dv_json_key(json, "temperature");
    dv_json_int(json, 0);
    dv_json_key(json, "stream");
    dv_json_bool(json, true);
    if (guarded)
        write_guardrails(json);
    if (request->json_schema == NULL)
        return;
    dv_json_key(json, "response_format");
    dv_json_open(json, '{');
    dv_json_key(json, "type");
    dv_json_string(json, "json");
    dv_json_key(json, "schema");
    dv_json_raw(json, request->json_schema, strlen(request->json_schema));
    dv_json_close(json, '}');
}

static bool write_body(const struct dv_llm_talk *talk, struct dv_json *json)
{
    const struct dv_llm_config *config = &talk->llm->config;
    dv_json_open(json, '{');
    dv_json_key(json, "model");
    dv_json_string(json, config->model);
    if (talk->embedding != NULL) {
        dv_json_key(json, "text");
        dv_llm_cortex_texts(json, talk->embedding);
    } else if (config->kind == DV_LLM_CORTEX) {
        write_chat(json, talk->request);
    } else {
        write_native(json, talk->request, config->guarded);
    }
    dv_json_close(json, '}');
    return true;
}

/* ---- errors ---- */

static bool has(const struct dv_llm_text *text, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= text->length; i++)
        if (strncasecmp(text->at + i, word, length) == 0)
            return true;
    return false;
}

/* Errors come as OpenAI's do or as all of Snowflake's; what they say is looked at here and goes nowhere. */
static struct dv_llm_text message_of(struct dv_llm_talk *talk)
{
    struct dv_doc *doc = &talk->doc;
    struct dv_llm_text text = { NULL, 0 };
    dv_doc_at root = dv_doc_root(doc);
    if (!dv_doc_text(doc, dv_doc_in(doc, dv_doc_in(doc, root, "error"), "message"), &text.at, &text.length) &&
        !dv_doc_text(doc, dv_doc_in(doc, root, "message"), &text.at, &text.length))
        text = (struct dv_llm_text){ NULL, 0 };
    return text;
}

/* Whether it is in what was asked: then a refusal that repeats that has it, too. */
static bool is_asked(const struct dv_llm_talk *talk, const char *word)
{
    if (talk->request != NULL)
        return has(&talk->request->prompt, word) || has(&talk->request->system, word);
    for (uint32_t i = 0; i < talk->embedding->count; i++)
        if (has(&talk->embedding->texts[i], word))
            return true;
    return false;
}

static bool says(const struct dv_llm_talk *talk, const struct dv_llm_text *said, const char *word)
{
    return has(said, word) && !is_asked(talk, word);
}

/* A model that is not in the account's region is refused as a wrong argument is: only the words tell. */
struct dv_llm_verdict dv_llm_cortex_words(const struct dv_llm_talk *talk, const struct dv_llm_text *said)
{
    bool many = says(talk, said, "max tokens of") && has(said, "exceeded");
    if (many || says(talk, said, "tokens exceeded") || says(talk, said, "context length") || says(talk, said, "context window"))
        return (struct dv_llm_verdict){ .rc = DV_E_LIMIT, .reason = "the prompt is longer than the model can take" };
    if (says(talk, said, "unknown model") || (has(said, "model") && says(talk, said, "available in your region")))
        return (struct dv_llm_verdict){ .rc = DV_E_CONFIG,
                                        .reason = "Cortex has no such model in the account's region: is its name right, or is "
                                                  "CORTEX_ENABLED_CROSS_REGION needed?",
                                        .outage = true };
    return (struct dv_llm_verdict){ .rc = DV_OK };
}

static struct dv_llm_verdict judge_refusal(struct dv_llm_talk *talk)
{
    const struct dv_llm_text said = message_of(talk);
    struct dv_llm_verdict verdict = dv_llm_cortex_words(talk, &said);
    return verdict.rc != DV_OK ? verdict : dv_llm_judge_status(talk, 400);
}

const char *dv_llm_cortex_refused_token(const struct dv_llm *llm, int64_t date_s)
{
    const struct dv_llm_config *config = &llm->config;
    if (dv_snowflake_clock_is_off(&config->identity, date_s, dv_wall_ms(config->loop)))
        return DV_SNOWFLAKE_CLOCK;
    return "Snowflake does not accept the token: is the key the user's, and are account and user right?";
}

static struct dv_llm_verdict judge(struct dv_llm_talk *talk, unsigned status)
{
    switch (status) {
    case 200: return dv_llm_judge_status(talk, 503); /* inside the stream: its codes are not told anywhere */
    case 400: return judge_refusal(talk);
    case 401:
        return (struct dv_llm_verdict){ .rc = DV_E_CONFIG,
                                        .reason = dv_llm_cortex_refused_token(talk->llm, talk->http.date_s),
                                        .outage = true };
    case 402:
        return (struct dv_llm_verdict){ .rc = DV_E_DEPENDENCY,
                                        .reason = "the account's budget for Cortex is used up",
                                        .outage = true,
                                        .closed_ms = QUOTA_CLOSED_MS };
    case 403:
        return (struct dv_llm_verdict){ .rc = DV_E_CONFIG,
                                        .reason = DV_LLM_CORTEX_FORBIDDEN,
                                        .outage = true };
    default: return dv_llm_judge_status(talk, status);
    }
}

/* ---- the stream ---- */

static void chat_at_end(struct dv_llm_talk *talk)
{
    if (talk->finish != DV_LLM_FAILED || talk->reason != NULL)
        talk->ended = true;
}

/* Blanks around it do not count. */
static void note_guard(struct dv_llm_talk *talk, const char *text, size_t length)
{
    const size_t whole = sizeof withheld - 1;
    for (size_t i = 0; i < length && talk->guarded <= whole; i++) {
        bool outside = talk->guarded == 0 || talk->guarded == whole;
        if (outside && (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r')))
            continue;
        talk->guarded = talk->guarded < whole && text[i] == withheld[talk->guarded] ? talk->guarded + 1 : SIZE_MAX;
    }
}

static bool take_text(struct dv_llm_talk *talk, const char *text, size_t length)
{
    note_guard(talk, text, length);
    return dv_llm_hand_out(talk, text, length);
}

static bool refuse_tool(struct dv_llm_talk *talk)
{
    return dv_llm_refuse(talk, DV_E_DATA, "the model wants to call a tool, and was given none", false);
}

static bool take_list(struct dv_llm_talk *talk, dv_doc_at list)
{
    struct dv_doc *doc = &talk->doc;
    for (dv_doc_at part = dv_doc_first(doc, list); part != NULL; part = dv_doc_next(doc, part)) {
        const char *text = NULL;
        size_t length = 0;
        if (dv_doc_says(doc, dv_doc_in(doc, part, "type"), "tool_use"))
            return refuse_tool(talk);
        if (dv_doc_says(doc, dv_doc_in(doc, part, "type"), "text") &&
            dv_doc_text(doc, dv_doc_in(doc, part, "text"), &text, &length) && !take_text(talk, text, length))
            return false;
    }
    return true;
}

/* The same text may stand in it three times. What the model thinks to itself is of another type, and no answer. */
static bool take_delta(struct dv_llm_talk *talk, dv_doc_at delta)
{
    struct dv_doc *doc = &talk->doc;
    const char *text = NULL;
    size_t length = 0;
    dv_doc_at type = dv_doc_in(doc, delta, "type");
    if (dv_doc_says(doc, type, "tool_use"))
        return refuse_tool(talk);
    if (!dv_doc_is_null(doc, type) && !dv_doc_says(doc, type, "text"))
        return true;
    bool found = dv_doc_text(doc, dv_doc_in(doc, delta, "content"), &text, &length) && length > 0;
    found = found || (dv_doc_text(doc, dv_doc_in(doc, delta, "text"), &text, &length) && length > 0);
    return found ? take_text(talk, text, length) : take_list(talk, dv_doc_in(doc, delta, "content_list"));
}

static void take_usage(struct dv_llm_talk *talk, dv_doc_at usage)
{
    if (dv_doc_is_null(&talk->doc, dv_doc_in(&talk->doc, usage, "prompt_tokens")))
        return;
    talk->counted = true;
    talk->tokens_in = dv_llm_count(talk, usage, "prompt_tokens", 0) + dv_llm_count(talk, usage, "guard_tokens", 0);
    talk->tokens_out = dv_llm_count(talk, usage, "completion_tokens", talk->tokens_out);
}

static bool native_event(struct dv_llm_talk *talk, const struct dv_sse_event *event)
{
    struct dv_doc *doc = &talk->doc;
    if (talk->ended || (event->length == 6 && memcmp(event->text, "[DONE]", 6) == 0)) {
        talk->ended = true;
        return true;
    }
    if (!dv_llm_read(talk, event->text, event->length))
        return false;
    dv_doc_at root = dv_doc_root(doc);
    if (event->error || !dv_doc_is_null(doc, dv_doc_in(doc, root, "error"))) {
        talk->verdict = judge(talk, 200);
        return false;
    }
    take_usage(talk, dv_doc_in(doc, root, "usage"));
    dv_doc_at choice = dv_doc_first(doc, dv_doc_in(doc, root, "choices"));
    if (!dv_llm_openai_finish(talk, dv_doc_in(doc, choice, "finish_reason")))
        (void)dv_llm_openai_finish(talk, dv_doc_in(doc, root, "finish_reason"));
    talk->spoken = talk->spoken || choice != NULL;
    return take_delta(talk, dv_doc_in(doc, choice, "delta"));
}

/* It need not say how the answer ended: then it is cut off if it is as long as it may be. If its tokens were not counted either,
 * they are guessed, rather too many, and no answer is kept. */
static void native_at_end(struct dv_llm_talk *talk)
{
    bool told = talk->finish != DV_LLM_FAILED || talk->reason != NULL;
    uint64_t most = talk->counted ? talk->tokens_out : talk->out_bytes / TOKEN_BYTES;
    talk->ended = talk->spoken;
    if (!told)
        talk->finish = most >= talk->request->max_tokens ? DV_LLM_TRUNCATED : DV_LLM_COMPLETE;
    talk->unkept = talk->unkept || (!told && !talk->counted);
    if (!told && talk->finish == DV_LLM_TRUNCATED)
        talk->reason = "the answer is cut off at its longest";
    if (talk->guarded == sizeof withheld - 1) {
        talk->finish = DV_LLM_BLOCKED;
        talk->reason = "the service would not answer";
    }
}

/* ---- vectors ---- */

static bool take_vectors(struct dv_llm_talk *talk)
{
    return dv_llm_openai_vectors(talk, true);
}

const struct dv_llm_api dv_llm_cortex = {
    .key_header = "Authorization",
    .of_snowflake = true,
    .event_max = FRAME_MAX,
    .path = chat_path,
    .write = write_body,
    .event = dv_llm_openai_event,
    .at_end = chat_at_end,
    .judge = judge,
    .vectors = take_vectors,
};

const struct dv_llm_api dv_llm_cortex_native = {
    .key_header = "Authorization",
    .of_snowflake = true,
    .event_max = FRAME_MAX,
    .path = native_path,
    .write = write_body,
    .event = native_event,
    .at_end = native_at_end,
    .judge = judge,
    .vectors = take_vectors,
};

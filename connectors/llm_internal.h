/* SPDX-License-Identifier: Apache-2.0
 * llm_internal.h - between the files of the language model's connector: a talk, and what differs between services. */
#ifndef DV_CONNECTORS_LLM_INTERNAL_H
#define DV_CONNECTORS_LLM_INTERNAL_H

#include "connectors/llm.h"
#include "connectors/snowflake.h"
#include "connectors/sse_read.h"
#include "engine/json.h"
#include "engine/json_doc.h"

enum {
    DV_LLM_PATH_MAX = 256,
    DV_LLM_HEADERS_MAX = 4,
    DV_LLM_FAULT_MAX = 64 * 1024 /* bytes of an error's body that are looked at */
};

/* What a try came to. */
struct dv_llm_verdict {
    dv_rc rc; /* DV_OK: an answer, however it ended */
    const char *reason;
    bool again;         /* another try may end otherwise */
    bool outage;        /* the service is at fault, not this request */
    uint64_t wait_ms;   /* the service asks to wait so long */
    uint64_t closed_ms; /* nothing will get through for so long */
};

enum dv_llm_state {
    DV_LLM_WAITING, /* for its turn, or another try */
    DV_LLM_ASKING,
    DV_LLM_OVER,
};

/* A request on its way; made by ask(), gone before its `on_end` is called. */
struct dv_llm_talk {
    struct dv_llm *llm;
    struct dv_llm_request *request; /* one of both */
    struct dv_llm_embedding *embedding;
    enum dv_llm_state state;
    uint32_t tries;
    uint64_t due_ns, deadline_ns;
    bool probe;    /* it is what an open circuit tries */
    unsigned busy; /* in the hands of callbacks, after which it may be freed */
    bool gone;     /* cancelled meanwhile */

    struct dv_http_request http;
    struct dv_snowflake_statement statement; /* instead, of a service that is asked by those */
    struct dv_snowflake_bind binds[2];
    struct dv_http_header headers[DV_LLM_HEADERS_MAX];
    char path[DV_LLM_PATH_MAX];
    struct dv_snowflake_wish wish; /* for Cortex' token */
    char *key;    /* the header's value, wiped after each try */
    bool renewed; /* Snowflake's token was refused, and made anew: once */
    struct dv_sse_text body;

    struct dv_sse_reader events; /* the answer of a prompt */
    struct dv_sse_text whole;    /* that of an embedding, or an error */
    struct dv_doc doc;
    struct dv_llm_verdict verdict; /* that the answer's text led to */
    bool spoken;                   /* the stream had a part of an answer, be it empty */
    bool ended;                    /* the stream said that it is at its end */
    enum dv_llm_finish finish;     /* FAILED: not known yet */
    const char *reason;            /* of `finish` */
    uint32_t tokens_in, tokens_out;
    bool counted;        /* the stream told how many */
    size_t guarded;      /* bytes of the answer that are those of a withheld one so far; SIZE_MAX: it is none */
    uint32_t texts_done; /* of an embedding that is asked text by text */

    bool handed_out;         /* some of the answer: no other try */
    struct dv_sse_text kept; /* the answer so far, for the shelf */
    bool unkept;             /* it became too long */
    uint64_t out_bytes;
    uint8_t hash[DV_LLM_HASH_BYTES];
    uint64_t taken; /* tokens of the tenant's day */
    bool ran;       /* the service may have worked at this try */
    uint32_t lost;  /* tries it may have worked at, of which nothing came: they cost, too */
    int64_t taken_ms;
    struct dv_llm_talk *next;
};

/* What differs between services. */
struct dv_llm_api {
    const char *url; /* the service's own; NULL: the account's */
    const char *key_header, *key_prefix;
    bool of_snowflake; /* the key is a token of Snowflake's, and what kind it is stands beside it */
    bool by_statements; /* and it is asked by SQL: of what follows it has `write` alone, which makes one of the statement's values */
    size_t event_max;  /* bytes of an event; 0: the reader's own limit */
    /* "/v1/…" */
    void (*path)(const struct dv_llm_talk *talk, char *out, size_t size);
    bool (*write)(const struct dv_llm_talk *talk, struct dv_json *json); /* the request's body; false: no memory */
    /* An event of the stream; fills the talk. False: the verdict is clear. */
    bool (*event)(struct dv_llm_talk *talk, const struct dv_sse_event *event);
    /* The connection ended between two events, which may be the stream's end. NULL: it is none. */
    void (*at_end)(struct dv_llm_talk *talk);
    /* A status other than 200, or an error inside the stream; the talk's document is its body, if that was JSON. */
    struct dv_llm_verdict (*judge)(struct dv_llm_talk *talk, unsigned status);
    bool (*vectors)(struct dv_llm_talk *talk); /* the document is an answer with vectors: fills rows. False: as above */
};

extern const struct dv_llm_api dv_llm_openai, dv_llm_gemini, dv_llm_cortex, dv_llm_cortex_native, dv_llm_cortex_sql;

/* llm_openai.c, for who speaks like it: the messages of a request, an event of its stream, how an answer ended, and vectors
 * by their numbers; `nested`: each is alone in an array. */
void dv_llm_openai_messages(struct dv_json *json, const struct dv_llm_request *request);
void dv_llm_openai_stream(struct dv_json *json, const struct dv_llm_request *request);
bool dv_llm_openai_event(struct dv_llm_talk *talk, const struct dv_sse_event *event);
bool dv_llm_openai_finish(struct dv_llm_talk *talk, dv_doc_at word);
bool dv_llm_openai_vectors(struct dv_llm_talk *talk, bool nested);

/* llm_config.c: the words of a kind; whether a name can be a model's; and of Snowflake's the account's URL and a token, with what is wrong with its key. */
const struct dv_llm_api *dv_llm_api_of(enum dv_llm_kind kind);
bool dv_llm_is_plain_name(const char *name);
DV_CHECKED dv_rc dv_llm_open_identity(struct dv_llm *llm, struct dv_error *error);

/* llm_cortex.c: texts as an array; and what a refusal's words, which go nowhere, say. DV_OK: nothing that is known. */
void dv_llm_cortex_texts(struct dv_json *json, const struct dv_llm_embedding *embedding);
struct dv_llm_verdict dv_llm_cortex_words(const struct dv_llm_talk *talk, const struct dv_llm_text *said);

/* Why a token, or the role, is refused; `date_s` is that of the answer. */
const char *dv_llm_cortex_refused_token(const struct dv_llm *llm, int64_t date_s);
#define DV_LLM_CORTEX_FORBIDDEN "the user's default role may not use Cortex: it needs SNOWFLAKE.CORTEX_USER"

/* llm_cortex_sql.c: the account of its statements, one of them as a try, and its end before it is over. */
DV_CHECKED dv_rc dv_llm_sql_open(struct dv_llm *llm, struct dv_error *error);
void dv_llm_sql_run(struct dv_llm_talk *talk, uint32_t total_ms);
void dv_llm_sql_cancel(struct dv_llm_talk *talk);

/* llm_question.c: the bytes of all texts; the tokens that so many bytes are, rather more; whose they are; and the hash of
 * a prompt, false: no memory. */
uint64_t dv_llm_bytes(const struct dv_llm_talk *talk);
uint64_t dv_llm_tokens(uint64_t bytes);
const char *dv_llm_tenant(const struct dv_llm_talk *talk);
bool dv_llm_hash(struct dv_llm_talk *talk);

/* llm_talk.c: one try; its end comes by dv_llm_tried(), or is made. */
void dv_llm_talk_start(struct dv_llm_talk *talk);
void dv_llm_talk_cancel(struct dv_llm_talk *talk);
void dv_llm_talk_free(struct dv_llm_talk *talk);

/* Begins a use of the talk by callbacks, and ends it: false if it was cancelled meanwhile, and is freed. */
void dv_llm_talk_hold(struct dv_llm_talk *talk);
bool dv_llm_talk_release(struct dv_llm_talk *talk);

/* llm.c: what a try came to. */
void dv_llm_tried(struct dv_llm_talk *talk, struct dv_llm_verdict verdict);

/* For services: hands out text of the answer; false: cancelled, touch nothing. */
bool dv_llm_hand_out(struct dv_llm_talk *talk, const char *text, size_t length);

/* For services: notes a verdict, and gives back false. */
bool dv_llm_refuse(struct dv_llm_talk *talk, dv_rc rc, const char *reason, bool again);

/* Reads JSON into the talk's document; false: a verdict was noted. */
bool dv_llm_read(struct dv_llm_talk *talk, const char *text, size_t length);

/* What a status means to every service; its own words may say more. */
struct dv_llm_verdict dv_llm_judge_status(const struct dv_llm_talk *talk, unsigned status);

/* llm_embed.c: the row of a text from a JSON array, or base64; false: a verdict was noted. */
bool dv_llm_take_row(struct dv_llm_talk *talk, dv_doc_at vector, uint32_t row, bool of_length_1);

/* For services: notes how the answer ended, by the service's own word at `at` (null: it has not); a word that is not among the
 * `count` endings is a failure. False: it has not ended. */
struct dv_llm_ending {
    const char *word;
    enum dv_llm_finish finish;
};
bool dv_llm_note_finish(struct dv_llm_talk *talk, dv_doc_at at, const struct dv_llm_ending *endings, size_t count);

/* Tokens of the answer's count at `name` in `usage`, or what was known. */
uint32_t dv_llm_count(struct dv_llm_talk *talk, dv_doc_at usage, const char *name, uint32_t known);

#endif

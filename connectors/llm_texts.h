/* SPDX-License-Identifier: Apache-2.0
 * llm_texts.h - many texts of any length made vectors by a language model's service.
 *
 * A long text is cut into windows, at blanks where there are some; its vector is the mean of theirs, each as heavy as it is long, of
 * length 1. Windows go out by the request, some requests at a time. If the service will not have a request, its halves are asked for,
 * until it is known which text it is that it refuses; that counts if it takes a plain word then. If it does not, it is asked wrongly or is
 * not well, and no text is refused. If it does not tell whether a text or the service is at fault, the plain word is asked for first, so
 * that an outage costs few requests. Any other failure ends the asking; texts that are complete by then have their vector, and are not
 * asked for again when the rest is. */
#ifndef DV_CONNECTORS_LLM_TEXTS_H
#define DV_CONNECTORS_LLM_TEXTS_H

#include "connectors/llm.h"

enum {
    DV_LLM_LANES = 4,        /* requests at a time, and one for a plain word */
    DV_LLM_WINDOWS_MAX = 64, /* of a text: what is behind is not read */
    DV_LLM_ASKED_MAX = 256,  /* texts of one asking */
    DV_LLM_WIDTH_MAX = 4096,
    DV_LLM_REQUEST_BYTES = 256 * 1024, /* of texts in one request, or one window */
    DV_LLM_HALVES_MAX = 12
};

struct dv_embed_text;
struct dv_llm_texts;

/* One request at a time, and the halves of it that are still to come. */
struct dv_llm_lane {
    struct dv_llm_embedding embedding;
    struct dv_llm_texts *texts;
    struct dv_llm_text windows[DV_LLM_TEXTS_MAX];
    uint16_t of[DV_LLM_TEXTS_MAX]; /* the text of each */
    float *rows;                   /* [per_request][width] */
    struct {
        uint16_t from, to;
    } todo[DV_LLM_HALVES_MAX];
    uint32_t todo_count;
    uint16_t from, to; /* under way */
    bool busy;
};

/* The asking; fill in the first part and call dv_llm_texts_open(). */
struct dv_llm_texts {
    struct dv_llm *llm;
    uint32_t width;        /* of a vector */
    uint32_t window_bytes; /* of a window at most */
    uint32_t per_request;  /* windows of a request at most */
    enum dv_llm_task task;
    const char *tenant;

    struct dv_embed_text *texts;                /* lent until the answer; their vectors zero at first */
    size_t count;                               /* at most DV_LLM_ASKED_MAX */
    void (*answer)(struct dv_llm_texts *texts); /* on the loop, never from inside dv_llm_texts_ask() */
    void *data;
    dv_rc rc; /* DV_OK; DV_E_CONFIG: vectors of another width come; DV_E_DEPENDENCY: nothing for now */
    const char *reason;

    bool proving;    /* a plain word is asked for, since texts were refused */
    bool doubted;    /* refused for no known reason, now or when asked last: the plain word comes before any text */
    bool well;       /* it was taken since */
    size_t next, at; /* of the texts; bytes of that text that were cut */
    struct dv_llm_lane *lanes;
    uint32_t busy;
};

/* Takes the memory. DV_E_MEMORY. Close it before the service is closed. */
DV_CHECKED dv_rc dv_llm_texts_open(struct dv_llm_texts *texts);

/* Wipes and frees; nothing comes any more. Accepts a zeroed one. */
void dv_llm_texts_close(struct dv_llm_texts *texts);

/* Asks for the texts that have no vector yet. False: there is nothing to ask, or not now (`rc`), and nobody will answer. */
bool dv_llm_texts_ask(struct dv_llm_texts *texts);

/* Gives up, without an answer; what is complete stays. */
void dv_llm_texts_cancel(struct dv_llm_texts *texts);

#endif

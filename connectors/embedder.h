/* SPDX-License-Identifier: Apache-2.0
 * embedder.h - texts to vectors by a sentence model (all-MiniLM-L6-v2) on this machine.
 *
 * A vector is the mean of the model's tokens, of length 1: the cosine of two is their product. A text of more tokens than
 * the model reads at a time is cut into windows, and its vector is the mean of theirs, each as heavy as it has tokens;
 * behind DV_EMBED_WINDOWS_MAX windows nothing is read. Texts of like length go to the model together, so that little of
 * its work is padding. The model's name has its file's hash, so that vectors of two models are never compared. */
#ifndef DV_CONNECTORS_EMBEDDER_H
#define DV_CONNECTORS_EMBEDDER_H

#include "connectors/model.h"

enum { DV_EMBED_TOKENS_MIN = 8, DV_EMBED_TOKENS_MAX = 512, DV_EMBED_WINDOWS_MAX = 64, DV_EMBED_TEXTS_MAX = 256, DV_EMBED_NAME_BYTES = 64 };

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_embedder {
    struct dv_model model;
    char name[DV_EMBED_NAME_BYTES]; /* "minilm:" and 16 digits of the SHA-256 of model.onnx */
    size_t width;                   /* floats of a vector */
    size_t tokens;                  /* of a window, with its two marks */
};

/* A text and room for its vector. One without a word has none: `embedded` is false. */
struct dv_embed_text {
    const char *text;
    uint32_t length;
    bool embedded;
    float *vector; /* [width] */
    /* Of a service (llm_texts.h): */
    bool refused;       /* it makes no vector of it */
    bool whole;         /* all of it was cut */
    uint16_t cut, done; /* windows */
};

struct dv_embed_question;
typedef void (*dv_embed_answer)(struct dv_embed_question *question);

/* Texts to embed; make it with dv_embed_question_new() and fill in the first part. */
struct dv_embed_question {
    struct dv_embed_text *texts; /* lent until the answer */
    size_t count;                /* at most DV_EMBED_TEXTS_MAX */
    dv_embed_answer answer;      /* on the loop, never from inside dv_embed_ask() */
    void *data;
    dv_rc rc; /* the result */
    struct dv_error error;
};

/* Loads FOLDER/minilm; errors as dv_model_open(), DV_E_MISSING above all. `tokens` are those of a window. `loop` NULL: only
 * for dv_embed_now(). */
DV_CHECKED dv_rc dv_embedder_open(struct dv_embedder *embedder, struct dv_loop *loop, const char *folder, size_t tokens,
                                  struct dv_error *error);

/* Waits for the worker; questions under way are forgotten. Accepts a zeroed one. */
void dv_embedder_close(struct dv_embedder *embedder);

/* A question to ask again and again, one at a time; NULL: no memory. Free it behind dv_embedder_close(); accepts NULL. */
struct dv_embed_question *dv_embed_question_new(struct dv_embedder *embedder);
void dv_embed_question_free(struct dv_embed_question *question);

/* Asks. False: there is no word in any of the texts, and nobody will answer. */
bool dv_embed_ask(struct dv_embed_question *question);

/* The same in this thread; the result is also in question->rc. */
DV_CHECKED dv_rc dv_embed_now(struct dv_embed_question *question);

#endif

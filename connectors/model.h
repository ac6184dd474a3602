/* SPDX-License-Identifier: Apache-2.0
 * model.h - a model with its tokenizer, off the loop: requests go to a worker in turn, answers come back on the loop.
 *
 * A model is a folder: model.onnx and vocab.txt, and the runtime libonnxruntime.so.1 in the folder above; `tools/parts`
 * brings them. Loading takes a second and happens in dv_model_open(), before a graph runs. */
#ifndef DV_CONNECTORS_MODEL_H
#define DV_CONNECTORS_MODEL_H

#include <stdbool.h>

#include "connectors/job.h"
#include "connectors/onnx.h"
#include "connectors/wordpiece.h"

struct dv_model;
struct dv_model_request;
typedef void (*dv_model_answer)(struct dv_model_request *request);

/* One run. The caller owns all of it and keeps it until the answer or dv_model_close(). */
struct dv_model_request {
    struct dv_onnx_tokens tokens;
    float *out; /* [rows][length][dv_onnx_width()] */
    size_t room; /* floats there */
    dv_model_answer answer; /* on the loop, never from inside dv_model_ask() */
    void *data;             /* the caller's */
    dv_rc rc;               /* the result */
    struct dv_error error;
    struct dv_model_request *next;
};

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_model {
    struct dv_wordpiece *words;
    struct dv_onnx *onnx;
    struct dv_job job;
    struct dv_model_request *first, *last; /* waiting, in order */
    struct dv_model_request *working;
    bool opened;
};

/* Loads FOLDER/NAME; errors as dv_onnx_open() and dv_wordpiece_open(). `loop` NULL: only for dv_model_run(). */
DV_CHECKED dv_rc dv_model_open(struct dv_model *model, struct dv_loop *loop, const char *folder, const char *name,
                               struct dv_error *error);

/* Waits for the worker; requests that wait are forgotten. Accepts a zeroed one. */
void dv_model_close(struct dv_model *model);

/* Queues a request. */
void dv_model_ask(struct dv_model *model, struct dv_model_request *request);

/* Runs it in this thread: for commands without a loop. */
DV_CHECKED dv_rc dv_model_run(struct dv_model *model, struct dv_model_request *request);

#endif

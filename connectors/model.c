/* SPDX-License-Identifier: Apache-2.0
 * model.c - a queue of requests before one worker. */
#include "connectors/model.h"

#include <stdio.h>

#include "engine/loop.h"

enum { PATH_BYTES = 4096 };

dv_rc dv_model_run(struct dv_model *model, struct dv_model_request *request)
{
    request->rc = dv_onnx_run(model->onnx, &request->tokens, request->out, request->room, &request->error);
    return request->rc;
}

static void on_worker(struct dv_job *job)
{
    struct dv_model *model = job->data;
    (void)(dv_model_run(model, model->working) == DV_OK); /* the request keeps what became of it */
}

static void start_next(struct dv_model *model)
{
    if (model->working != NULL || model->first == NULL)
        return;
    model->working = model->first;
    model->first = model->first->next;
    if (model->first == NULL)
        model->last = NULL;
    dv_job_start(&model->job);
}

static void on_loop(struct dv_job *job)
{
    struct dv_model *model = job->data;
    struct dv_model_request *request = model->working;
    model->working = NULL;
    start_next(model);
    request->answer(request);
}

static dv_rc open_files(struct dv_model *model, const char *folder, const char *name, struct dv_error *error)
{
    char library[PATH_BYTES], file[PATH_BYTES], vocabulary[PATH_BYTES];
    int longest = snprintf(file, sizeof file, "%s/%s/model.onnx", folder, name);
    if (longest < 0 || (size_t)longest >= sizeof file)
        return dv_error_set(error, DV_E_CONFIG, "the path of the model %s is too long", name);
    (void)snprintf(library, sizeof library, "%s/libonnxruntime.so.1", folder);
    (void)snprintf(vocabulary, sizeof vocabulary, "%s/%s/vocab.txt", folder, name);
    DV_TRY(dv_wordpiece_open(vocabulary, &model->words, error));
    return dv_onnx_open(library, file, &model->onnx, error);
}

dv_rc dv_model_open(struct dv_model *model, struct dv_loop *loop, const char *folder, const char *name, struct dv_error *error)
{
    *model = (struct dv_model){ 0 };
    dv_rc rc = open_files(model, folder, name, error);
    if (dv_is_error(rc)) {
        dv_model_close(model);
        return rc;
    }
    if (loop != NULL) {
        dv_job_init(&model->job, loop, on_worker, on_loop, model);
        model->opened = true;
    }
    return DV_OK;
}

void dv_model_close(struct dv_model *model)
{
    if (model->opened)
        (void)dv_job_close(&model->job);
    model->opened = false;
    dv_onnx_close(model->onnx);
    dv_wordpiece_close(model->words);
    model->onnx = NULL;
    model->words = NULL;
}

void dv_model_ask(struct dv_model *model, struct dv_model_request *request)
{
    request->next = NULL;
    if (model->last != NULL)
        model->last->next = request;
    else
        model->first = request;
    model->last = request;
    start_next(model);
}

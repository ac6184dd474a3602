/* SPDX-License-Identifier: Apache-2.0
 * onnx.c - ONNX Runtime's C interface: opened by name, its table of functions asked for our header's version. */
#include "connectors/onnx.h"

#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"

enum { INPUTS_MAX = 3, WIDTH_MAX = 4096, DIMENSIONS = 3, ROWS_MAX = 256, LENGTH_MAX = 512 };

struct dv_onnx {
    void *library;
    const OrtApi *api;
    OrtEnv *env;
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtAllocator *allocator; /* the runtime's, not to be freed */
    size_t input_count;
    char *inputs[INPUTS_MAX];
    char *output;
    size_t width;
};

/* The inputs a model may name, in no order. */
static const char *const known_inputs[INPUTS_MAX] = { "input_ids", "attention_mask", "token_type_ids" };

static void ORT_API_CALL no_log(void *data, OrtLoggingLevel level, const char *category, const char *id, const char *place,
                                const char *text)
{
    (void)data, (void)level, (void)category, (void)id, (void)place, (void)text;
}

/* Fails with the runtime's words, if it failed. */
static dv_rc said(const struct dv_onnx *onnx, OrtStatus *status, dv_rc code, const char *doing, struct dv_error *error)
{
    if (status == NULL)
        return DV_OK;
    dv_rc rc = dv_error_set(error, code, "%s: %.300s", doing, onnx->api->GetErrorMessage(status));
    onnx->api->ReleaseStatus(status);
    return rc;
}

static dv_rc load_library(struct dv_onnx *onnx, const char *path, struct dv_error *error)
{
    onnx->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (onnx->library == NULL)
        return dv_error_set(error, DV_E_MISSING, "%s: the runtime cannot be loaded; bring it with tools/parts", path);
    const OrtApiBase *(*base)(void) = NULL;
    void *symbol = dlsym(onnx->library, "OrtGetApiBase");
    memcpy(&base, &symbol, sizeof base); /* ISO C knows no cast from data to functions */
    onnx->api = base != NULL ? base()->GetApi(ORT_API_VERSION) : NULL;
    if (onnx->api == NULL)
        return dv_error_set(error, DV_E_DATA, "%s: not ONNX Runtime, or older than version 1.%d", path, ORT_API_VERSION);
    return DV_OK;
}

/* Starts the runtime and gives the options of a session. */
static dv_rc make_options(struct dv_onnx *onnx, OrtSessionOptions **ret_options, struct dv_error *error)
{
    const OrtApi *api = onnx->api;
    DV_ASSERT(api != NULL);
    const char *doing = "ONNX Runtime does not start";
    DV_TRY(said(onnx, api->CreateEnvWithCustomLogger(no_log, NULL, ORT_LOGGING_LEVEL_FATAL, "datavault", &onnx->env),
                DV_E_FAILED, doing, error));
    DV_TRY(said(onnx, api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &onnx->memory), DV_E_FAILED, doing, error));
    DV_TRY(said(onnx, api->GetAllocatorWithDefaultOptions(&onnx->allocator), DV_E_FAILED, doing, error));
    DV_TRY(said(onnx, api->CreateSessionOptions(ret_options), DV_E_FAILED, doing, error));
    DV_TRY(said(onnx, api->SetIntraOpNumThreads(*ret_options, 1), DV_E_FAILED, doing, error));
    DV_TRY(said(onnx, api->SetInterOpNumThreads(*ret_options, 1), DV_E_FAILED, doing, error));
    DV_TRY(said(onnx, api->DisableCpuMemArena(*ret_options), DV_E_FAILED, doing, error));
    return said(onnx, api->AddSessionConfigEntry(*ret_options, "session.intra_op.allow_spinning", "0"), DV_E_FAILED, doing,
                error);
}

static dv_rc load_model(struct dv_onnx *onnx, const char *path, struct dv_error *error)
{
    if (access(path, R_OK) != 0)
        return dv_error_set(error, DV_E_MISSING, "%s: no such model; bring it with tools/parts", path);
    OrtSessionOptions *options = NULL;
    dv_rc rc = make_options(onnx, &options, error);
    if (!dv_is_error(rc))
        rc = said(onnx, onnx->api->CreateSession(onnx->env, path, options, &onnx->session), DV_E_DATA, path, error);
    if (options != NULL)
        onnx->api->ReleaseSessionOptions(options);
    return rc;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < INPUTS_MAX; i++) {
        if (strcmp(name, known_inputs[i]) == 0)
            return true;
    }
    return false;
}

static dv_rc name_inputs(struct dv_onnx *onnx, const char *path, struct dv_error *error)
{
    size_t count = 0;
    DV_ASSERT(onnx->api != NULL && onnx->session != NULL);
    DV_TRY(said(onnx, onnx->api->SessionGetInputCount(onnx->session, &count), DV_E_DATA, path, error));
    for (size_t i = 0; i < count && i < INPUTS_MAX; i++) {
        DV_TRY(said(onnx, onnx->api->SessionGetInputName(onnx->session, i, onnx->allocator, &onnx->inputs[i]), DV_E_DATA, path,
                    error));
        onnx->input_count = i + 1;
        if (!is_known(onnx->inputs[i]))
            count = 0;
    }
    if (count == 0 || count > INPUTS_MAX)
        return dv_error_set(error, DV_E_DATA, "%s: the model wants other inputs than token numbers and their mask", path);
    return said(onnx, onnx->api->SessionGetOutputName(onnx->session, 0, onnx->allocator, &onnx->output), DV_E_DATA, path, error);
}

/* The width is the last of the output's three dimensions; the others vary. */
static dv_rc read_width(struct dv_onnx *onnx, const char *path, struct dv_error *error)
{
    OrtTypeInfo *type = NULL;
    const OrtTensorTypeAndShapeInfo *shape = NULL;
    int64_t sizes[DIMENSIONS] = { 0 };
    size_t count = 0;
    DV_TRY(said(onnx, onnx->api->SessionGetOutputTypeInfo(onnx->session, 0, &type), DV_E_DATA, path, error));
    OrtStatus *status = onnx->api->CastTypeInfoToTensorInfo(type, &shape);
    if (status == NULL)
        status = onnx->api->GetDimensionsCount(shape, &count);
    if (status == NULL && count == DIMENSIONS)
        status = onnx->api->GetDimensions(shape, sizes, DIMENSIONS);
    onnx->api->ReleaseTypeInfo(type);
    DV_TRY(said(onnx, status, DV_E_DATA, path, error));
    if (sizes[DIMENSIONS - 1] <= 0 || sizes[DIMENSIONS - 1] > WIDTH_MAX)
        return dv_error_set(error, DV_E_DATA, "%s: the model does not give floats for each token", path);
    onnx->width = (size_t)sizes[DIMENSIONS - 1];
    return DV_OK;
}

dv_rc dv_onnx_open(const char *library, const char *model, struct dv_onnx **ret_onnx, struct dv_error *error)
{
    *ret_onnx = NULL;
    struct dv_onnx *onnx = dv_memory_zeroed(1, sizeof *onnx);
    if (onnx == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a model");
    dv_rc rc = load_library(onnx, library, error);
    if (!dv_is_error(rc))
        rc = load_model(onnx, model, error);
    if (!dv_is_error(rc))
        rc = name_inputs(onnx, model, error);
    if (!dv_is_error(rc))
        rc = read_width(onnx, model, error);
    if (dv_is_error(rc)) {
        dv_onnx_close(onnx);
        return rc;
    }
    *ret_onnx = onnx;
    return DV_OK;
}

static void free_name(const struct dv_onnx *onnx, char *name)
{
    OrtStatus *status = name != NULL ? onnx->api->AllocatorFree(onnx->allocator, name) : NULL;
    if (status != NULL)
        onnx->api->ReleaseStatus(status);
}

static void release(struct dv_onnx *onnx)
{
    for (size_t i = 0; i < onnx->input_count; i++)
        free_name(onnx, onnx->inputs[i]);
    free_name(onnx, onnx->output);
    if (onnx->session != NULL)
        onnx->api->ReleaseSession(onnx->session);
    if (onnx->memory != NULL)
        onnx->api->ReleaseMemoryInfo(onnx->memory);
    if (onnx->env != NULL)
        onnx->api->ReleaseEnv(onnx->env);
}

void dv_onnx_close(struct dv_onnx *onnx)
{
    if (onnx == NULL)
        return;
    if (onnx->api != NULL)
        release(onnx);
    if (onnx->library != NULL)
        dlclose(onnx->library);
    dv_memory_free(onnx);
}

size_t dv_onnx_width(const struct dv_onnx *onnx)
{
    return onnx->width;
}

/* The values of one run; what was made of them is released by release_values(). */
struct values {
    OrtValue *in[INPUTS_MAX], *out;
    int64_t *zeros;
};

static const int64_t *input_of(const struct dv_onnx_tokens *tokens, const struct values *values, const char *name)
{
    if (strcmp(name, known_inputs[0]) == 0)
        return tokens->ids;
    return strcmp(name, known_inputs[1]) == 0 ? tokens->mask : values->zeros;
}

static dv_rc make_values(const struct dv_onnx *onnx, const struct dv_onnx_tokens *tokens, float *out, struct values *values,
                         struct dv_error *error)
{
    size_t cells = tokens->rows * tokens->length;
    const int64_t sizes[DIMENSIONS] = { (int64_t)tokens->rows, (int64_t)tokens->length, (int64_t)onnx->width };
    values->zeros = dv_memory_zeroed(cells, sizeof *values->zeros);
    if (values->zeros == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory to run a model over %zu tokens", cells);
    for (size_t i = 0; i < onnx->input_count; i++) {
        union {
            const int64_t *from;
            void *to;
        } data = { .from = input_of(tokens, values, onnx->inputs[i]) }; /* the interface is not const; it only reads */
        DV_TRY(said(onnx,
                    onnx->api->CreateTensorWithDataAsOrtValue(onnx->memory, data.to, cells * sizeof(int64_t), sizes, 2,
                                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, &values->in[i]),
                    DV_E_FAILED, "a model's input", error));
    }
    return said(onnx,
                onnx->api->CreateTensorWithDataAsOrtValue(onnx->memory, out, cells * onnx->width * sizeof(float), sizes,
                                                          DIMENSIONS, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &values->out),
                DV_E_FAILED, "a model's output", error);
}

static void release_values(const struct dv_onnx *onnx, struct values *values)
{
    for (size_t i = 0; i < INPUTS_MAX; i++) {
        if (values->in[i] != NULL)
            onnx->api->ReleaseValue(values->in[i]);
    }
    if (values->out != NULL)
        onnx->api->ReleaseValue(values->out);
    dv_memory_free(values->zeros);
}

dv_rc dv_onnx_run(struct dv_onnx *onnx, const struct dv_onnx_tokens *tokens, float *out, size_t room, struct dv_error *error)
{
    if (tokens->rows == 0 || tokens->rows > ROWS_MAX || tokens->length == 0 || tokens->length > LENGTH_MAX ||
        tokens->rows * tokens->length * onnx->width > room)
        return dv_error_set(error, DV_E_LIMIT, "a model runs over 1 to %d texts of at most %d tokens", ROWS_MAX, LENGTH_MAX);
    struct values values = { 0 };
    const char *inputs[INPUTS_MAX] = { onnx->inputs[0], onnx->inputs[1], onnx->inputs[2] };
    const OrtValue *in[INPUTS_MAX];
    const char *output = onnx->output;
    dv_rc rc = make_values(onnx, tokens, out, &values, error);
    memcpy(in, values.in, sizeof in);
    if (!dv_is_error(rc))
        rc = said(onnx, onnx->api->Run(onnx->session, NULL, inputs, in, onnx->input_count, &output, 1, &values.out), DV_E_FAILED,
                  "a model does not run", error);
    release_values(onnx, &values);
    return rc;
}

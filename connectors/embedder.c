/* SPDX-License-Identifier: Apache-2.0
 * embedder.c - rounds of windows to the sentence model, and the mean of what comes back. */
#include "connectors/embedder.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "engine/memory.h"

enum { PATH_BYTES = 4096, ROWS = 8, READ_BYTES = 64 * 1024, NAME_DIGITS = 16, MARKS = 2 };

/* A part of a text that fits the model. */
struct window {
    size_t text, pieces;
};

/* A question, where it stands, and the windows of the round. */
struct asking {
    struct dv_embed_question base; /* the first: each is cast to the other */
    struct dv_embedder *embedder;
    uint16_t order[DV_EMBED_TEXTS_MAX]; /* the texts, shortest first */
    size_t next, at, cut;               /* of `order`; bytes and windows of that text that were cut */
    struct window windows[ROWS];
    struct dv_model_request request;
    struct dv_piece *pieces; /* [tokens] */
    int64_t *ids, *mask;     /* [ROWS][tokens] */
    float *out;              /* [ROWS][tokens][width] */
    float *mean;             /* [width] */
};

/* ---- opening ---- */

static bool digest_of(FILE *file, unsigned char digest[EVP_MAX_MD_SIZE])
{
    static const char *const algorithm = "SHA256";
    EVP_MD *sha256 = EVP_MD_fetch(NULL, algorithm, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char *bytes = dv_memory_alloc(READ_BYTES);
    bool fine = sha256 != NULL && context != NULL && bytes != NULL && EVP_DigestInit_ex2(context, sha256, NULL) == 1;
    for (size_t length = 1; fine && length > 0;) {
        length = fread(bytes, 1, READ_BYTES, file);
        fine = ferror(file) == 0 && EVP_DigestUpdate(context, bytes, length) == 1;
    }
    fine = fine && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    dv_memory_free(bytes);
    EVP_MD_CTX_free(context);
    EVP_MD_free(sha256);
    return fine;
}

static dv_rc name_model(struct dv_embedder *embedder, const char *folder, struct dv_error *error)
{
    char path[PATH_BYTES];
    unsigned char digest[EVP_MAX_MD_SIZE];
    (void)snprintf(path, sizeof path, "%s/minilm/model.onnx", folder);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return dv_error_set(error, errno == ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s", path, strerror(errno));
    bool fine = digest_of(file, digest);
    fclose(file);
    if (!fine)
        return dv_error_set(error, DV_E_IO, "%s: it cannot be read", path);
    int length = snprintf(embedder->name, sizeof embedder->name, "minilm:");
    for (size_t i = 0; i < NAME_DIGITS / 2; i++)
        length += snprintf(embedder->name + length, sizeof embedder->name - (size_t)length, "%02x", digest[i]);
    return DV_OK;
}

dv_rc dv_embedder_open(struct dv_embedder *embedder, struct dv_loop *loop, const char *folder, size_t tokens,
                       struct dv_error *error)
{
    DV_ASSERT(tokens >= DV_EMBED_TOKENS_MIN && tokens <= DV_EMBED_TOKENS_MAX);
    *embedder = (struct dv_embedder){ .tokens = tokens };
    DV_TRY(dv_model_open(&embedder->model, loop, folder, "minilm", error));
    dv_rc rc = name_model(embedder, folder, error);
    embedder->width = dv_onnx_width(embedder->model.onnx);
    if (dv_is_error(rc))
        dv_embedder_close(embedder);
    return rc;
}

void dv_embedder_close(struct dv_embedder *embedder)
{
    dv_model_close(&embedder->model);
}

/* ---- a question ---- */

static struct asking *asking_of(struct dv_embed_question *question)
{
    return (struct asking *)question;
}

struct dv_embed_question *dv_embed_question_new(struct dv_embedder *embedder)
{
    size_t tokens = embedder->tokens, cells = ROWS * tokens, floats = cells * embedder->width;
    struct asking *asking = dv_memory_zeroed(1, sizeof *asking);
    if (asking == NULL)
        return NULL;
    asking->embedder = embedder;
    asking->pieces = dv_memory_zeroed(tokens, sizeof *asking->pieces);
    asking->ids = dv_memory_zeroed(cells, sizeof *asking->ids);
    asking->mask = dv_memory_zeroed(cells, sizeof *asking->mask);
    asking->out = dv_memory_zeroed(floats, sizeof *asking->out);
    asking->mean = dv_memory_zeroed(embedder->width, sizeof *asking->mean);
    asking->request = (struct dv_model_request){ .out = asking->out, .room = floats };
    if (asking->pieces != NULL && asking->ids != NULL && asking->mask != NULL && asking->out != NULL && asking->mean != NULL)
        return &asking->base;
    dv_embed_question_free(&asking->base);
    return NULL;
}

/* Wiped: pieces are as good as the text, and vectors tell of it. */
static void wipe(void *at, size_t length)
{
    if (at != NULL)
        explicit_bzero(at, length);
    dv_memory_free(at);
}

void dv_embed_question_free(struct dv_embed_question *question)
{
    struct asking *asking = question != NULL ? asking_of(question) : NULL;
    if (asking == NULL)
        return;
    size_t tokens = asking->embedder->tokens, cells = ROWS * tokens, width = asking->embedder->width;
    wipe(asking->pieces, tokens * sizeof *asking->pieces);
    wipe(asking->ids, cells * sizeof *asking->ids);
    wipe(asking->mask, cells * sizeof *asking->mask);
    wipe(asking->out, cells * width * sizeof *asking->out);
    wipe(asking->mean, width * sizeof *asking->mean);
    wipe(asking, sizeof *asking);
}

/* ---- windows ---- */

static void number_row(struct asking *asking, size_t row, size_t pieces)
{
    size_t tokens = asking->embedder->tokens;
    struct dv_wordpiece_marks marks = dv_wordpiece_marks(asking->embedder->model.words);
    int64_t *ids = asking->ids + row * tokens;
    for (size_t i = 0; i < tokens; i++)
        ids[i] = i == 0 ? marks.begin : i <= pieces ? asking->pieces[i - 1].id : i == pieces + 1 ? marks.end : marks.pad;
}

/* Cuts the next window of the text at hand into `row`, or goes on to the next text: false. */
static bool cut_window(struct asking *asking, size_t row)
{
    size_t index = asking->order[asking->next], used = 0, pieces = 0;
    const struct dv_embed_text *text = &asking->base.texts[index];
    if (asking->at < text->length && asking->cut < DV_EMBED_WINDOWS_MAX)
        pieces = dv_wordpiece_cut(asking->embedder->model.words, text->text + asking->at, text->length - asking->at,
                                  asking->pieces, asking->embedder->tokens - MARKS, &used);
    if (pieces == 0) {
        asking->next++;
        asking->at = asking->cut = 0;
        return false;
    }
    asking->at += used;
    asking->cut++;
    asking->windows[row] = (struct window){ index, pieces };
    number_row(asking, row, pieces);
    return true;
}

/* The windows of the next round, side by side as the model wants them; false: the question is answered. */
static bool make_round(struct asking *asking)
{
    size_t rows = 0, longest = 0, tokens = asking->embedder->tokens;
    while (rows < ROWS && asking->next < asking->base.count)
        if (cut_window(asking, rows)) {
            longest = asking->windows[rows].pieces > longest ? asking->windows[rows].pieces : longest;
            rows++;
        }
    size_t length = longest + MARKS;
    for (size_t row = 0; row < rows; row++) {
        memmove(asking->ids + row * length, asking->ids + row * tokens, length * sizeof *asking->ids);
        for (size_t i = 0; i < length; i++)
            asking->mask[row * length + i] = i < asking->windows[row].pieces + MARKS;
    }
    asking->request.tokens =
        (struct dv_onnx_tokens){ .ids = asking->ids, .mask = asking->mask, .rows = rows, .length = length };
    return rows > 0;
}

static bool normalize(float *vector, size_t width)
{
    double sum = 0;
    for (size_t i = 0; i < width; i++)
        sum += (double)vector[i] * (double)vector[i];
    bool fine = sum > 0 && isfinite(sum);
    float scale = fine ? (float)(1 / sqrt(sum)) : 0;
    for (size_t i = 0; i < width; i++)
        vector[i] *= scale;
    return fine;
}

/* Adds a window to the vector of its text. */
static void add_window(struct asking *asking, size_t row)
{
    size_t width = asking->embedder->width, pieces = asking->windows[row].pieces;
    const float *token = asking->out + row * asking->request.tokens.length * width;
    struct dv_embed_text *text = &asking->base.texts[asking->windows[row].text];
    memset(asking->mean, 0, width * sizeof *asking->mean);
    for (size_t at = 0; at < pieces + MARKS; at++, token += width)
        for (size_t i = 0; i < width; i++)
            asking->mean[i] += token[i];
    text->embedded = normalize(asking->mean, width) || text->embedded;
    for (size_t i = 0; i < width; i++)
        text->vector[i] += asking->mean[i] * (float)pieces;
}

static void end_round(struct asking *asking)
{
    asking->base.rc = asking->request.rc;
    if (dv_is_error(asking->base.rc))
        asking->base.error = asking->request.error;
    for (size_t row = 0; !dv_is_error(asking->base.rc) && row < asking->request.tokens.rows; row++)
        add_window(asking, row);
}

static void finish(struct asking *asking)
{
    for (size_t i = 0; i < asking->base.count; i++) {
        struct dv_embed_text *text = &asking->base.texts[i];
        text->embedded = text->embedded && normalize(text->vector, asking->embedder->width);
    }
}

static int shorter_first(const void *a, const void *b, void *data)
{
    const struct dv_embed_text *texts = data;
    uint32_t first = texts[*(const uint16_t *)a].length, second = texts[*(const uint16_t *)b].length;
    return (first > second) - (first < second);
}

static bool begin(struct asking *asking)
{
    struct dv_embed_question *question = &asking->base;
    DV_ASSERT(question->count <= DV_EMBED_TEXTS_MAX);
    for (size_t i = 0; i < question->count; i++) {
        asking->order[i] = (uint16_t)i;
        question->texts[i].embedded = false;
        memset(question->texts[i].vector, 0, asking->embedder->width * sizeof *question->texts[i].vector);
    }
    qsort_r(asking->order, question->count, sizeof *asking->order, shorter_first, question->texts);
    asking->next = asking->at = asking->cut = 0;
    question->rc = DV_OK;
    return make_round(asking);
}

static void on_answer(struct dv_model_request *request)
{
    struct asking *asking = request->data;
    end_round(asking);
    if (!dv_is_error(asking->base.rc) && make_round(asking)) {
        dv_model_ask(&asking->embedder->model, &asking->request);
        return;
    }
    finish(asking);
    asking->base.answer(&asking->base);
}

bool dv_embed_ask(struct dv_embed_question *question)
{
    struct asking *asking = asking_of(question);
    asking->request.answer = on_answer;
    asking->request.data = asking;
    if (!begin(asking))
        return false;
    dv_model_ask(&asking->embedder->model, &asking->request);
    return true;
}

dv_rc dv_embed_now(struct dv_embed_question *question)
{
    struct asking *asking = asking_of(question);
    bool more = begin(asking);
    while (more) {
        (void)(dv_model_run(&asking->embedder->model, &asking->request) == DV_OK); /* end_round() reads it */
        end_round(asking);
        more = !dv_is_error(question->rc) && make_round(asking);
    }
    finish(asking);
    return question->rc;
}

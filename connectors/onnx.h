/* SPDX-License-Identifier: Apache-2.0
 * onnx.h - one model of ONNX Runtime, loaded and run in this thread: connectors/model.h takes it off the loop.
 *
 * The runtime is a shared library that is opened when the first model is (it is 35 MB and no package of Debian's), so
 * the program runs without it. One thread, no spinning, no arena of its own; its log goes nowhere, since it might quote
 * a shape and we say what we know ourselves. A model takes token numbers (and whichever of attention mask and types it
 * names) and gives `width` floats for each token. */
#ifndef DV_CONNECTORS_ONNX_H
#define DV_CONNECTORS_ONNX_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_onnx;

/* Tokens of `rows` texts side by side, each padded to `length`: ids[rows][length], mask 1 for a token and 0 for padding. */
struct dv_onnx_tokens {
    const int64_t *ids, *mask;
    size_t rows, length;
};

/* Loads a model file by the runtime at `library`. DV_E_MISSING: no such file, or a program built without the runtime's
 * header; DV_E_DATA: no model of this kind; DV_E_MEMORY. Takes about a second. */
DV_CHECKED dv_rc dv_onnx_open(const char *library, const char *model, struct dv_onnx **ret_onnx, struct dv_error *error);

/* Accepts NULL. */
void dv_onnx_close(struct dv_onnx *onnx);

/* Floats for each token: 384 of an embedding model, one for each label of a tagger. */
size_t dv_onnx_width(const struct dv_onnx *onnx);

/* Runs the model: out[rows][length][width], which holds `room` floats. DV_E_LIMIT: it would not fit; DV_E_FAILED with
 * the runtime's words, which hold shapes and never tokens. */
DV_CHECKED dv_rc dv_onnx_run(struct dv_onnx *onnx, const struct dv_onnx_tokens *tokens, float *out, size_t room,
                             struct dv_error *error);

#endif

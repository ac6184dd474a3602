/* SPDX-License-Identifier: Apache-2.0
 * onnx_none.c - stands for onnx.c in a program built without ONNX Runtime's header: there are no models. */
#include "connectors/onnx.h"

dv_rc dv_onnx_open(const char *library, const char *model, struct dv_onnx **ret_onnx, struct dv_error *error)
{
    (void)library;
    *ret_onnx = NULL;
    return dv_error_set(error, DV_E_MISSING, "%s: this program was built without ONNX Runtime's header; run tools/parts header "
                        "and build again", model);
}

void dv_onnx_close(struct dv_onnx *onnx)
{
    (void)onnx;
}

size_t dv_onnx_width(const struct dv_onnx *onnx)
{
    (void)onnx;
    return 0;
}

dv_rc dv_onnx_run(struct dv_onnx *onnx, const struct dv_onnx_tokens *tokens, float *out, size_t room, struct dv_error *error)
{
    (void)onnx, (void)tokens, (void)out, (void)room;
    return dv_error_set(error, DV_E_MISSING, "this program runs no models");
}

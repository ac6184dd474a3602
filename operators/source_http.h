/* SPDX-License-Identifier: Apache-2.0
 * source_http.h - what the HTTP server sees of `source from: http`. */
#ifndef DV_OPERATORS_SOURCE_HTTP_H
#define DV_OPERATORS_SOURCE_HTTP_H

#include "operators/ingest.h"

/* The state of the operator. */
struct dv_source_http {
    struct dv_ingest ingest; /* first: the core finds itself there */
    int64_t answer_within;   /* ms */
};

/* The node's state if it is such a source, else NULL. */
struct dv_source_http *dv_source_http_of(const struct dv_node *node);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * sink_reply.h - what the HTTP server sees of `sink-reply`. */
#ifndef DV_OPERATORS_SINK_REPLY_H
#define DV_OPERATORS_SINK_REPLY_H

#include "engine/graph.h"

/* Whether records of this source come to a sink-reply: what is asked there is answered. */
bool dv_source_is_answered(const struct dv_graph *graph, uint32_t source);

#endif

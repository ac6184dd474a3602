/* SPDX-License-Identifier: Apache-2.0
 * reply.h - whole answers: status, headers that every answer has, and a body. */
#ifndef DV_DASHBOARD_REPLY_H
#define DV_DASHBOARD_REPLY_H

#include <h2o.h>
#include <stddef.h>

#include "engine/json.h"

/* The reason phrase of a status that this server sends. */
const char *dv_status_phrase(int status);

/* Adds a header; both texts must live as long as the request. */
void dv_reply_header(h2o_req_t *request, const char *name, const char *value);

/* The status and the headers that every answer has, body or stream. */
void dv_reply_begin(h2o_req_t *request, int status, const char *type);

/* Answers with `body`, which is copied. */
void dv_reply(h2o_req_t *request, int status, const char *type, const char *body, size_t length);

/* What is wrong, as problem details (RFC 9457) say it. */
struct dv_problem {
    int status;
    const char *detail; /* a literal */
    uint64_t line;      /* of the request's body, or 0 */
    const char *reason; /* why that line is wrong, a literal, or NULL */
};

enum { DV_PROBLEM_BYTES = 1024 };

/* Writes them as JSON; returns the length. */
size_t dv_problem_text(char out[DV_PROBLEM_BYTES], const struct dv_problem *problem);

/* Answers with problem details; `detail` is a literal in the second. */
void dv_reply_problem_of(h2o_req_t *request, const struct dv_problem *problem);
void dv_reply_problem(h2o_req_t *request, int status, const char *detail);

/* Writes a text into a JSON writer. */
typedef void (*dv_json_maker)(struct dv_json *json, const void *data);

/* Answers with the JSON that `make` writes, in as much memory of the request's pool as it takes. */
void dv_reply_json(h2o_req_t *request, int status, dv_json_maker make, const void *data);

/* The same as problem details with members of their own. */
void dv_reply_problem_json(h2o_req_t *request, int status, dv_json_maker make, const void *data);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * auth.h - the one place where a request is allowed or refused. */
#ifndef DV_DASHBOARD_AUTH_H
#define DV_DASHBOARD_AUTH_H

#include <stdbool.h>

#include "connectors/bearer.h"
#include "dashboard/server/head.h"
#include "engine/error.h"

/* What is needed to judge. */
struct dv_auth {
    bool loopback; /* the listener is on a loopback address */
    struct dv_bearer token;
};

/* Whom a route is for. */
enum dv_access { DV_ACCESS_OPEN, DV_ACCESS_TOKEN };

/* The judgement. */
struct dv_verdict {
    int status;         /* 0: allowed; else the answer's status */
    const char *detail; /* a literal that says why not */
    const char *allow;  /* of a 405: the methods there are, a literal */
    int retry_after_s;  /* when it is worth trying again; 0: nothing is said */
    bool trusted;       /* may see details: it showed the token, or none is configured */
};

/* Reads the token behind `reference` (NULL: none is configured). DV_E_CONFIG if it is too weak. */
DV_CHECKED dv_rc dv_auth_init(struct dv_auth *auth, bool loopback, const char *reference, struct dv_error *error);

enum { DV_WHO_MAX = 8 + DV_TOKEN_DIGEST };

/* Who shows the token: bytes that name him, fewer than DV_WHO_MAX, and how many. There is one token, or none: then whoever can connect is one. */
size_t dv_auth_who(const struct dv_auth *auth, uint8_t ret[DV_WHO_MAX]);

/* Judges one request by its head, the fault found in it, and whom the route is for. */
struct dv_verdict dv_auth_judge(const struct dv_auth *auth, const struct dv_head *head, enum dv_head_fault fault,
                                enum dv_access access);

#endif

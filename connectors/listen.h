/* SPDX-License-Identifier: Apache-2.0
 * listen.h - where to listen, whether that is safe, and the socket. */
#ifndef DV_CONNECTORS_LISTEN_H
#define DV_CONNECTORS_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/error.h"

/* A parsed address. */
struct dv_listen {
    struct sockaddr_storage address;
    socklen_t length;
    bool loopback;
};

/* Parses "127.0.0.1:8080", "[::1]:8080" or "localhost:8080"; names other than localhost are refused, because looking
 * them up would block and could change. */
DV_CHECKED dv_rc dv_listen_parse(const char *text, struct dv_listen *where, struct dv_error *error);

/* The rule: an address that others can reach needs a token and TLS. */
DV_CHECKED dv_rc dv_listen_rule(const struct dv_listen *where, const char *text, bool has_token, bool has_tls,
                                struct dv_error *error);

/* Binds a non-blocking socket; the caller owns *ret_fd. */
DV_CHECKED dv_rc dv_listen_bind(const struct dv_listen *where, const char *text, int *ret_fd, struct dv_error *error);

/* The port a socket is bound to. */
uint16_t dv_listen_port(int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * tls_cure.h - keeps libuv's empty reads away from h2o's TLS.
 *
 * When a read fills the buffer exactly, libuv reads again, finds nothing and reports 0 bytes, which means "not now".
 * The libuv backend of h2o 2.2.5 takes that for an I/O error and drops the TLS connection: a first flight of exactly
 * 8192 or 16384 bytes is enough. libh2o.so calls uv_read_start() through its procedure linkage table, so a definition
 * in the executable comes first: it hands libuv a read callback that swallows empty reads. Only connections marked here
 * are treated so; every other stream of the process passes through untouched.
 *
 * The executable must be the one that links tls_cure.c (it is, by `dashboard_dep`), and must export the symbol. The
 * linker does that by itself because libh2o.so refers to it; dv_tls_cure_in_place() proves it at the start. */
#ifndef DV_DASHBOARD_TLS_CURE_H
#define DV_DASHBOARD_TLS_CURE_H

#include <stdbool.h>
#include <uv.h>

/* A connection that h2o reads from. `tcp` is first, so that libuv's handle is the connection. */
struct dv_cured_tcp {
    uv_tcp_t tcp;
    uv_read_cb read; /* h2o's own callback, set whenever it starts to read */
    bool (*before)(struct dv_cured_tcp *connection, ssize_t count); /* false: h2o does not see this read */
    /* h2o has seen it; the connection may be closing. */
    void (*after)(struct dv_cured_tcp *connection, ssize_t count);
};

/* Marks an initialised handle, whose `before` and `after` are set; before h2o sees it. */
void dv_tls_cure_mark(struct dv_cured_tcp *connection);

/* Whether calls from libh2o.so reach the definition here. */
bool dv_tls_cure_in_place(void);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * grpc_internal.h - the parts of the gRPC server: listener and connections (grpc.c), HTTP/2 (grpc_session.c), heads of
 * calls (grpc_head.c), calls (grpc_call.c), nghttp2's memory (grpc_memory.c), health and reflection. */
#ifndef DV_CONNECTORS_GRPC_INTERNAL_H
#define DV_CONNECTORS_GRPC_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <uv.h>

#include "connectors/grpc.h"
#include "connectors/grpc_wire.h"
#include "connectors/tls.h"
#include "engine/arena.h"
#include "engine/log.h"

enum {
    DV_GRPC_HEAD_MAX = 8 * 1024,    /* of a header list, as HTTP/2 counts */
    DV_GRPC_FAULTS_MAX = 1000,      /* frames that are only work, at once */
    DV_GRPC_FAULTS_PER_S = 100,     /* and in the long run */
    DV_GRPC_WINDOW = 256 * 1024,    /* of a stream */
    DV_GRPC_OUT_HIGH = 64 * 1024,   /* of answers that are not taken: no more messages are */
    DV_GRPC_WIRE_BYTES = 64 * 1024, /* gathered for one write */
};

struct dv_grpc_session;

/* What is wrong with the head of a call; the worst comes first. */
enum dv_grpc_head_fault {
    DV_GRPC_HEAD_SOUND,
    DV_GRPC_HEAD_LARGE,
    DV_GRPC_HEAD_METHOD,
    DV_GRPC_HEAD_TYPE,
    DV_GRPC_HEAD_TIMEOUT,
    DV_GRPC_HEAD_BINARY,
    DV_GRPC_HEAD_ENCODING,
};

/* A call. */
struct dv_grpc_call {
    struct dv_grpc_server *server;
    struct dv_grpc_session *session;      /* NULL: it is over */
    struct dv_grpc_call *next, *previous; /* of the session's */
    struct dv_grpc_call *next_waiting;    /* of those that are to be pumped */
    const struct dv_grpc_method *method;  /* NULL: unknown */
    int32_t stream;
    uint32_t references;
    enum dv_grpc_status status;
    enum dv_grpc_head_fault fault;
    bool post, typed;      /* the head said so */
    bool known;            /* the caller showed the server's token */
    bool allowed;          /* the caller showed the method's token */
    bool begun;            /* the head is judged and the call goes on */
    bool got;              /* of a method with one message: it was taken */
    bool half_closed;      /* the client has sent all */
    bool told_half_closed; /* and the method knows */
    bool held;             /* take() said LATER */
    bool waiting;          /* in the list of those to be pumped */
    bool answered;         /* the head of the answer is out */
    bool finishing;        /* a status is set */
    bool deferred;         /* nghttp2 waits for more to send */
    size_t head_bytes;
    size_t owed;          /* bytes whose window is not given back while the call is held */
    uint64_t due_ns;      /* its deadline; 0: none */
    uint64_t progress_ns; /* when the client last took something of the answer, or nothing was there */
    struct dv_grpc_buffer in, out;
    char text[DV_GRPC_TEXT_MAX / 2]; /* of the status */
    _Alignas(16) uint8_t data[DV_GRPC_CALL_DATA];
};

/* HTTP/2 with one client, whatever carries the bytes. */
struct dv_grpc_session {
    struct dv_grpc_server *server;
    nghttp2_session *http;
    struct dv_grpc_call *calls;
    struct dv_grpc_call *waiting; /* to be pumped */
    uint32_t call_count;
    bool dirty; /* in the server's list of those with something to send */
    struct dv_grpc_session *next_dirty;
    uint64_t faults; /* see dv_grpc_session_fault() */
    uint64_t faults_ns;
    bool flooded;           /* it is being sent away */
    bool greeted;           /* the client speaks HTTP/2 */
    bool draining, drained; /* told to go elsewhere; told from which stream on */
    uint64_t draining_ns;
};

/* nghttp2's memory: bounded, and wiped when given back, because heads hold tokens. */
struct dv_grpc_memory {
    nghttp2_mem mem;
    size_t used, max;
    struct dv_grpc_block *free[16]; /* by size, in steps of 64 bytes */
    size_t kept;                    /* bytes in the lists above */
};

/* A client's socket. The handle is first: libuv's handle is the connection. */
struct dv_grpc_connection {
    uv_tcp_t tcp;
    struct dv_grpc_session session;
    struct dv_tls tls;
    struct dv_grpc_connection *next, *previous;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct dv_grpc_buffer unsent; /* what libuv is writing */
    bool writing, closing;
    bool ends;        /* what is said is said: waits for the client to hang up */
    bool asked;       /* for a sign of life */
    size_t discarded; /* bytes that came after that */
    uint64_t born_ns;
    uint64_t heard_ns; /* of the client */
    uint64_t stuck_ns; /* since when it takes nothing */
    uint64_t ends_ns;
};

struct dv_grpc_server {
    struct dv_grpc_config config;
    uv_tcp_t listener;
    uv_prepare_t prepare; /* once per turn: everything that is to be sent */
    uv_timer_t linger;    /* at the end: until the clients have hung up */
    struct dv_timer pulse, deadline;
    uint16_t port;
    bool accept_owed; /* a client waits for whom there was no memory */
    bool draining, closed;
    uint64_t closed_ns;
    struct dv_grpc_connection *connections;
    uint32_t connection_count;
    uint64_t refused_count, flood_count;
    uint64_t untrusted_count, untrusted_told; /* handshakes that failed; as many as the log has */
    struct dv_log_pair untrusted_why;         /* the last one did */
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
    struct dv_grpc_memory memory;
    struct dv_grpc_budget budget; /* of messages */
    struct dv_grpc_session *dirty;
    struct dv_grpc_call *free_calls;
    uint32_t free_count;
    uint64_t due_ns; /* of the next deadline; 0: none */
    struct dv_grpc_method methods[DV_GRPC_METHODS_MAX + 5];
    uint32_t method_count;
    const struct dv_grpc_method *last; /* the method called last */
    struct dv_arena scratch;           /* for one message of health or reflection */
    char wire[DV_GRPC_WIRE_BYTES];     /* bytes in, or out, for a moment */
};

/* ---- grpc_memory.c ---- */
void dv_grpc_memory_init(struct dv_grpc_memory *memory, size_t max);
void dv_grpc_memory_free(struct dv_grpc_memory *memory);

/* ---- the server without its sockets: grpc_session.c ---- */

/* Everything but the listener. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_grpc_core_init(struct dv_grpc_server *server, const struct dv_grpc_config *config);
void dv_grpc_core_free(struct dv_grpc_server *server);

/* Begins to speak HTTP/2. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_grpc_session_init(struct dv_grpc_session *session, struct dv_grpc_server *server);
/* Ends what is left of its calls; ended() is called unless the server is closed. */
void dv_grpc_session_free(struct dv_grpc_session *session);

/* Takes in what the client sent. False: the session cannot go on; what it has to say is still to be sent. */
bool dv_grpc_session_feed(struct dv_grpc_session *session, const char *bytes, size_t length);

/* Gathers bytes for the client, up to `size`; 0: nothing now. */
size_t dv_grpc_session_take(struct dv_grpc_session *session, char *buffer, size_t size);

/* Whether both sides have said all. */
bool dv_grpc_session_is_over(const struct dv_grpc_session *session);

/* Work that the client makes without wanting anything: resets, pings, settings, empty frames. Too much of it ends the
 * session. */
void dv_grpc_session_fault(struct dv_grpc_session *session);

/* Tells the client to go elsewhere, at first without and then with the last stream that counts. */
void dv_grpc_session_drain(struct dv_grpc_session *session);

/* Every second: answers nobody reads, and the drain's second half. */
void dv_grpc_session_sweep(struct dv_grpc_session *session, uint64_t now);

/* There is something to send. */
void dv_grpc_session_touch(struct dv_grpc_session *session);

/* ---- grpc_head.c ---- */
void dv_grpc_head_field(struct dv_grpc_call *call, const char *name, size_t name_length, const char *value,
                        size_t value_length);
/* The head is whole: the call goes on, or is answered. */
void dv_grpc_head_judge(struct dv_grpc_call *call);

/* ---- grpc_call.c ---- */
struct dv_grpc_call *dv_grpc_call_new(struct dv_grpc_session *session, int32_t stream);
/* The stream is gone. */
void dv_grpc_call_over(struct dv_grpc_call *call);
/* Takes in a part of the body. */
void dv_grpc_call_data_in(struct dv_grpc_call *call, const uint8_t *bytes, size_t length);
/* Hands over messages that are whole. */
void dv_grpc_call_pump(struct dv_grpc_call *call);
/* Calls whose deadline has come are finished; sets the timer for the next. */
void dv_grpc_call_set_due(struct dv_grpc_call *call, uint64_t timeout_ms);
void dv_grpc_deadlines(struct dv_grpc_server *server, struct dv_grpc_session *session, uint64_t now);
/* Frees the calls that are kept for the next. */
void dv_grpc_calls_free(struct dv_grpc_server *server);
/* Answers something that is not gRPC. */
void dv_grpc_call_not_grpc(struct dv_grpc_call *call, const char *http_status);

/* ---- health and reflection ---- */
enum dv_grpc_taken dv_grpc_health_check(struct dv_grpc_call *call, const uint8_t *message, size_t length);
enum dv_grpc_taken dv_grpc_health_watch(struct dv_grpc_call *call, const uint8_t *message, size_t length);
/* Tells those who watch. */
void dv_grpc_health_tell(struct dv_grpc_session *session);
enum dv_grpc_taken dv_grpc_reflect(struct dv_grpc_call *call, const uint8_t *message, size_t length);
/* A stream of questions ends when the client says so. */
void dv_grpc_finish_ok(struct dv_grpc_call *call);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * redis.h - one connection to a Redis server: commands go out, replies come back to callbacks, and it mends itself.
 *
 * A connection that is lost is made again by itself, when its circuit breaker says so, and ever later while none lasts.
 * Names are resolved off the loop; every address of a name is tried. TLS (rediss://) verifies the certificate's chain and the
 * server's name. User, password and database are sent again on every connection before anything else. A quiet line is
 * asked now and then whether somebody is there.
 *
 * By a URL of sentinels or of a cluster the server is sought before every connection: a guide, the next in turn, says
 * where the master is, or the master of the slot. A server that turns out not to be it is left, for where it points to
 * or for the guides, as soon as everything that was asked is answered. A connection serves one slot of a cluster: it
 * goes where the slot goes.
 *
 * A request is taken only while the connection is ready: its callback comes from the loop, once, never inside
 * request(), with the reply, or with DV_E_DEPENDENCY if the connection was lost before it. Then nobody knows whether the
 * server did what it was asked: callers ask for things that may be done twice. Replies come in the order of requests. No
 * callback comes after close(). The object lives in memory of its owner's that must stay until the loop has run dry
 * after close(). */
#ifndef DV_CONNECTORS_REDIS_H
#define DV_CONNECTORS_REDIS_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/redis_reply.h"
#include "connectors/tls.h"
#include "connectors/redis_url.h"
#include "engine/breaker.h"
#include "engine/log.h"
#include "engine/loop.h"

enum {
    DV_REDIS_READ_BYTES = 64 * 1024,
    DV_REDIS_FAILURES_MAX = 3, /* in a row, before the circuit opens */
    DV_REDIS_BACKOFF_MIN_MS = 50,
    DV_REDIS_BACKOFF_MAX_MS = 2000,
    DV_REDIS_LASTING_MS = 2000, /* a connection that was ready for so long was a success */
    DV_REDIS_SECRET_MAX = 1024,
    DV_REDIS_GREETINGS = 4, /* AUTH, SELECT, ROLE, PING */
    DV_REDIS_KNOWN_MAX = 16,
};

/* ---- what callers see, whoever answers: a server or a test's script ---- */

/* One word of a command. */
struct dv_redis_word {
    const char *at;
    size_t length;
};

struct dv_redis_request;
typedef void (*dv_redis_callback)(struct dv_redis_request *request);

/* A command and its answer; lives in its owner until the callback. */
struct dv_redis_request {
    dv_redis_callback callback;
    void *data;
    uint64_t wait_ms; /* how long the server may keep it back (BLOCK), beside the connection's own patience */

    dv_rc rc;                           /* the answer: DV_OK and a reply, or DV_E_DEPENDENCY and none */
    const struct dv_redis_reply *reply; /* readable until the next reply begins or the connection is lost */
    uint64_t due_ns;                    /* the connection's: */
    bool asking;                        /* a reply to ASKING comes first */
    struct dv_redis_request *next;
};

/* What is known of a connection. */
enum dv_redis_health {
    DV_REDIS_DOWN,    /* waits() tells why; it is being mended */
    DV_REDIS_UP,      /* takes requests */
    DV_REDIS_REFUSED, /* the server was reached and will not have us, from the first attempt on: a wrong configuration */
};

struct dv_redis;

struct dv_redis_ops {
    /* Sends a command, whose words are read before it returns. DV_E_DEPENDENCY: the connection is not up, and the
     * callback will not come. DV_E_MEMORY. */
    dv_rc (*request)(struct dv_redis *redis, struct dv_redis_request *request, const struct dv_redis_word *words,
                     uint32_t count);
    enum dv_redis_health (*health)(const struct dv_redis *redis);
    /* Why nothing can be asked, a literal, or NULL. */
    const char *(*waits)(const struct dv_redis *redis);
    /* Gives the connection up and makes another: the server's answers make no sense. `reason` is a literal. */
    void (*drop)(struct dv_redis *redis, const char *reason);
    /* Waits, at most so long, until everything asked for is answered; callbacks come from inside. */
    void (*finish)(struct dv_redis *redis, uint64_t patience_ms);
    void (*close)(struct dv_redis *redis);
};

/* The base of every connection. */
struct dv_redis {
    const struct dv_redis_ops *ops;
    const struct dv_breaker *breaker; /* of the server, or NULL: a script has none */
};

/* The functions of the table; close() accepts a connection that was never opened. */
DV_CHECKED static inline dv_rc dv_redis_request(struct dv_redis *redis, struct dv_redis_request *request,
                                                const struct dv_redis_word *words, uint32_t count)
{
    return redis->ops->request(redis, request, words, count);
}

/* How it is. */
static inline enum dv_redis_health dv_redis_health(const struct dv_redis *redis)
{
    return redis->ops->health(redis);
}

/* Why it is not up, a literal, or NULL. */
static inline const char *dv_redis_waits(const struct dv_redis *redis)
{
    return redis->ops->waits(redis);
}

/* Makes the connection anew; `reason` is a literal. */
static inline void dv_redis_drop(struct dv_redis *redis, const char *reason)
{
    redis->ops->drop(redis, reason);
}

/* Lets what is under way end, at most this long. */
static inline void dv_redis_finish(struct dv_redis *redis, uint64_t patience_ms)
{
    redis->ops->finish(redis, patience_ms);
}

/* Ends it; accepts a connection that was never opened. */
static inline void dv_redis_close(struct dv_redis *redis)
{
    if (redis->ops != NULL)
        redis->ops->close(redis);
}

/* ---- the real one ---- */

enum dv_redis_state {
    DV_REDIS_CLOSED,
    DV_REDIS_WAITING,    /* for the end of the back-off */
    DV_REDIS_RESOLVING,
    DV_REDIS_CONNECTING,
    DV_REDIS_SECURING,   /* the TLS handshake */
    DV_REDIS_GREETING,   /* AUTH, SELECT, ROLE, PING; or a guide's AUTH and the question */
    DV_REDIS_READY,
    DV_REDIS_TURNED_AWAY, /* refused for good */
    DV_REDIS_STATES
};

struct dv_redis_options {
    struct dv_loop *loop;
    const char *name;             /* of the node, for log events: a DV_NAME */
    const char *role;             /* which of the node's connections it is, a literal, or NULL: it has one */
    struct dv_redis_url url;
    uint16_t slot;                /* in a cluster, of all keys that are asked for */
    const char *sentinel_user;    /* or NULL */
    const char *sentinel_password; /* as `password` */
    bool sentinel_tls;
    const char *user;             /* or NULL */
    const char *password;         /* a secret's reference, or NULL; read anew for every connection */
    const char *ca;               /* file of certificates that are trusted; NULL: the system's */
    uint64_t connect_ms;          /* patience until the connection is ready */
    uint64_t command_ms;          /* patience for a reply */
    struct dv_redis_limits limits;
    void (*changed)(void *data);  /* from the loop: health() has changed */
    void *data;
};

/* Bytes on their way out. */
struct dv_redis_buffer {
    char *bytes;
    size_t size, used, sent;
};

struct dv_redis_client {
    struct dv_redis redis;
    struct dv_redis_options options;
    enum dv_redis_state state;
    struct dv_redis_reader reader;
    struct ssl_ctx_st *trusted; /* for TLS */
    struct dv_tls tls;
    struct dv_redis_buffer out;             /* commands in clear */
    struct dv_redis_buffer wire;            /* the same under TLS */
    struct dv_redis_request *first, *last;  /* sent and not answered, oldest first */
    struct dv_redis_request greetings[DV_REDIS_GREETINGS];
    uv_getaddrinfo_t resolving;
    struct addrinfo *addresses; /* what a name stands for, or NULL */
    struct addrinfo *address;   /* the one being tried */
    uv_poll_t *poll;            /* of the socket; on the heap, because it outlives the connection by a turn */
    int fd;
    int watched;                /* events that the poll looks for */
    struct dv_timer timer;      /* back-off or patience */
    struct dv_breaker breaker;
    const char *reason;         /* why it is not ready, a literal */
    const char *logged;         /* the reason that was logged last, or NULL */
    uint64_t logged_ns;
    uint64_t ready_ns;          /* since when it is, or was last */
    uint32_t short_lived;       /* connections in a row that were ready and did not last */
    struct dv_redis_place place;   /* that is or will be connected to */
    struct dv_redis_place sent_to; /* a redirection's, if `told` */
    struct dv_redis_place sought;  /* whose name libuv resolves */
    struct dv_redis_place known[DV_REDIS_KNOWN_MAX]; /* nodes of the cluster, by its map: guides, too */
    uint32_t known_count;
    uint32_t guide;             /* the next to be asked */
    const char *leaving;        /* why it will be left when all is answered, a literal, or NULL */
    uint64_t heard_ns;          /* when the server last said something */
    uint64_t asking_until_ns;
    bool seeking;               /* `place` is a guide */
    bool told;                  /* the next place is known without a guide */
    bool asking;                /* commands need ASKING: the slot is moving here */
    bool resolving_now;         /* libuv still has `resolving` */
    bool useful;                /* the server that was sought was reached since the last loss that was logged */
    bool told_ready;            /* that it is, since then */
    bool welcomed;              /* the server has once let us in */
    bool turned_away;           /* a greeting was answered by a refusal */
};

/* Begins to connect; a server that is down is waited for. DV_E_CONFIG: the CA file or the password cannot be read. */
DV_CHECKED dv_rc dv_redis_open(struct dv_redis_client *client, const struct dv_redis_options *options,
                               struct dv_error *error);

/* ---- between redis.c, redis_greet.c, redis_guide.c and redis_link.c: the socket below, commands above ---- */

/* redis_link.c: begins to resolve and connect. */
void dv_redis_link_start(struct dv_redis_client *client);

/* redis_link.c: writes what is in `out` now, or asks to be told when that is possible. */
void dv_redis_link_flush(struct dv_redis_client *client);
void dv_redis_link_later(struct dv_redis_client *client);

/* redis_link.c: closes the socket and forgets the addresses. */
void dv_redis_link_close(struct dv_redis_client *client);

/* redis_link.c: reads what is there and hands it up. */
void dv_redis_link_ready(struct dv_redis_client *client, int status, int events);

/* redis_greet.c: the socket is connected, or secured: greets the server. */
void dv_redis_connected(struct dv_redis_client *client);

/* redis_greet.c: asks whether somebody is there. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_redis_ping(struct dv_redis_client *client);

/* redis_guide.c: sets `place` to the server's if that is known, or to a guide's. */
void dv_redis_guide_choose(struct dv_redis_client *client);

/* redis_guide.c: sends the question to a guide. */
DV_CHECKED dv_rc dv_redis_guide_ask(struct dv_redis_client *client, struct dv_redis_request *request);

/* redis_guide.c: what an answer tells of the place itself: that the key is elsewhere, or that it is no master. */
void dv_redis_guide_note(struct dv_redis_client *client, const struct dv_redis_reply *reply);

/* redis.c: a command of the connection's own or of its owner's, unsent. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_redis_append(struct dv_redis_client *client, struct dv_redis_request *request,
                                 const struct dv_redis_word *words, uint32_t count);

/* redis.c: to the place that is chosen. */
void dv_redis_start(struct dv_redis_client *client);

/* redis.c: bytes of the server, in clear. */
void dv_redis_received(struct dv_redis_client *client, const char *bytes, size_t length);

/* redis.c: the connection is lost or could not be made; `reason` is a literal. */
void dv_redis_lost(struct dv_redis_client *client, const char *reason);

/* redis.c: logs an event of the connection; `reason` is a literal, or NULL. */
void dv_redis_tell(const struct dv_redis_client *client, enum dv_log_level level, const char *event, const char *reason);

/* redis.c: moves to another state, if that is allowed. */
void dv_redis_move(struct dv_redis_client *client, enum dv_redis_state to);

/* Whether the connection to this place is under TLS. */
static inline bool dv_redis_under_tls(const struct dv_redis_client *client)
{
    bool sentinel = client->seeking && client->options.url.kind == DV_REDIS_SENTINEL;
    return sentinel ? client->options.sentinel_tls : client->options.url.tls;
}

/* redis_link.c: room for `size` more bytes, or NULL when memory is short; and wiping what was sent. */
char *dv_redis_buffer_room(struct dv_redis_buffer *buffer, size_t size);
void dv_redis_buffer_clear(struct dv_redis_buffer *buffer, bool whole);

#endif

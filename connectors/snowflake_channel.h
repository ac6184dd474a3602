/* SPDX-License-Identifier: Apache-2.0
 * snowflake_channel.h - a named channel of Snowpipe Streaming: rows go in by order, each once, as offsets tell.
 *
 *   owner                         channel
 *   open()                        finds the host, is given a token for it, opens
 *                     on_open     `state.offset` is committed: every row behind it is to be appended, again or for the
 *                                 first time; rows up to it never
 *   append()                      one at a time, within Snowflake's pace
 *                     on_end      taken, which is not committed; or lost: on_open comes again
 *                     on_commit   `state` has changed: more is committed, or more rows were refused
 *   look()            asks once more, though nothing is under way
 *                     on_commit   `state` was told anew, changed or not
 *                     on_fail     for good; nothing comes any more
 *
 * What was sent and not committed may be gone at any time, so whoever appends keeps it until it is committed. When the
 * answer to an append is lost nobody knows whether it was taken: the channel is opened anew, which tells, and nothing is
 * sent again before. Refused rows pass silently: the offset goes on, and only `state.errors` grows.
 *
 * A channel of which an offset is known and that has none is not the one that it was (its table was made anew, or it was
 * dropped): going on would lose rows or double them, so it fails. Two who append to one channel take it from each other:
 * there must be one owner, and who sees it taken again and again fails, too. So does one that cannot be opened for a reason that
 * is not known to pass, or that nobody knows once it was opened.
 *
 * The owner may append, or close the channel, inside any callback. */
#ifndef DV_CONNECTORS_SNOWFLAKE_CHANNEL_H
#define DV_CONNECTORS_SNOWFLAKE_CHANNEL_H

#include "connectors/snowflake.h"
#include "connectors/snowflake_answer.h"
#include "connectors/snowflake_rows.h"

enum {
    DV_SNOWFLAKE_PACE_MS = 100,          /* between two requests: ten a second are allowed */
    DV_SNOWFLAKE_RAW_PER_MS = 20 * 1000, /* bytes of rows, unpacked: 20 MB a second are */
    DV_SNOWFLAKE_POLL_FIRST_MS = 250,    /* between two looks at what is committed */
    DV_SNOWFLAKE_POLL_LAST_MS = 4000,
    DV_SNOWFLAKE_SETTLE_MS = 60000,           /* how long rows of a process before us are waited for */
    DV_SNOWFLAKE_SCOPED_LIFE_MS = 50 * 60000, /* of the host's token: how long it lives is not told */
    DV_SNOWFLAKE_COMMIT_MS = 5 * 60000,       /* after which what was taken counts as lost */
    DV_SNOWFLAKE_STALE_MAX = 8,               /* times that somebody takes the channel while nothing is committed */
    DV_SNOWFLAKE_REFUSED_MAX = 5,             /* times in a row that it is refused or not known, though it was opened */
    DV_SNOWFLAKE_BASE_MAX = 1000              /* bytes of the names in a path */
};

struct dv_snowflake_append;
struct dv_snowflake_call;
struct dv_snowflake_channel;

/* Rows for a channel. Zero-initialise; lent until its end. */
struct dv_snowflake_append {
    const struct dv_snowflake_rows *rows; /* ended */
    const char *first, *last;             /* the offsets of its first and its last row: words, at most
                                             DV_SNOWFLAKE_OFFSET_MAX long */
    void (*on_end)(struct dv_snowflake_append *append);
    void *data; /* the owner's */

    dv_rc
        rc; /* DV_OK: taken; DV_E_DEPENDENCY: lost, the channel is opened anew; DV_E_LIMIT or DV_E_DATA: Snowflake refuses
               * these rows: fewer at a time; else the channel has failed */
    const char *reason; /* a literal; NULL if DV_OK */
    const char *code;   /* of DV_E_LIMIT and DV_E_DATA: as Snowflake lists it, "": none; valid in on_end() */
};

/* What a channel is made of; its texts must stay. Names are as SHOW writes them. */
struct dv_snowflake_channel_config {
    const char *database, *schema, *pipe, *name; /* each at most DV_SNOWFLAKE_NAME_MAX bytes */
    const char *known; /* an offset that was committed once, as the owner remembers; NULL or "": none */
    void (*on_open)(struct dv_snowflake_channel *channel);
    void (*on_commit)(struct dv_snowflake_channel *channel);
    void (*on_fail)(struct dv_snowflake_channel *channel);
    void *data; /* the owner's */
};

/* The exchange that is under way. */
enum dv_snowflake_way {
    DV_SNOWFLAKE_IDLE,
    DV_SNOWFLAKE_FIND,  /* the host */
    DV_SNOWFLAKE_SCOPE, /* a token for it */
    DV_SNOWFLAKE_OPEN,
    DV_SNOWFLAKE_APPEND,
    DV_SNOWFLAKE_DROP,
};

/* The channel. Lives in memory of the owner's that must stay until the loop has run dry after close(). All but `config`,
 * `state`, `rc` and `reason` is private. */
struct dv_snowflake_channel {
    struct dv_snowflake *snowflake;
    struct dv_snowflake_channel_config config;
    struct dv_snowflake_channel_state state; /* as Snowflake told it last */
    dv_rc rc;                                /* of a failure */
    const char *reason;                      /* of it, or of the last thing that went wrong; NULL: nothing did */

    bool opened, open, failed;
    bool asked; /* to look once more */
    struct dv_http_client client; /* of the host that takes rows */
    struct dv_http *http;         /* it, or a script; NULL: the host is not known yet */
    char host[DV_SNOWFLAKE_HOST_MAX + 1];
    char base[DV_SNOWFLAKE_BASE_MAX + 1];        /* "/databases/…/pipes/…" */
    char channel[3 * DV_SNOWFLAKE_NAME_MAX + 4]; /* the name in a path */
    char told[DV_SNOWFLAKE_NAME_MAX + 1];        /* the name as Snowflake writes it */
    char *scoped;                                /* "Bearer …", or NULL */
    uint64_t scoped_ns;
    char continuation[DV_SNOWFLAKE_CONTINUATION_MAX + 1];
    char session[DV_SNOWFLAKE_SESSION_MAX + 1];
    char last[DV_SNOWFLAKE_OFFSET_MAX + 1];  /* that was taken */
    char known[DV_SNOWFLAKE_OFFSET_MAX + 1]; /* that was committed once */

    struct dv_snowflake_append *append; /* that is to be sent, or under way */
    void (*on_drop)(struct dv_snowflake_channel *channel);
    enum dv_snowflake_way way;
    struct dv_snowflake_call *call, *look; /* `look` asks what is committed */
    bool look_at_control;                  /* of the account's own host: the other one does not tell */
    bool looked_elsewhere;                 /* of the other one, too: the first did not know it */
    uint32_t tries, renewals, stales;
    uint32_t refusals, gone, unfound; /* in a row: of the opening; of appends, of looks to a channel that is not known */
    uint64_t due_ns, look_ns, quiet_ns; /* no request before `quiet_ns` */
    uint64_t look_pause_ms;
    uint64_t settle_ns; /* since when rows of a process before us are waited for; 0: they are not */
    uint64_t moved_ns;  /* when something was committed last, or taken first */
    char body[2560]; /* with a host and a role */
    char look_body[2048];
    struct dv_timer timer;
};

/* Begins to open a channel; the rest comes by callbacks, never from inside. DV_E_CONFIG with a text: names that are too
 * long, or an identity that is not a key pair. Close it before the account. */
DV_CHECKED dv_rc dv_snowflake_channel_open(struct dv_snowflake_channel *channel, struct dv_snowflake *snowflake,
                                           const struct dv_snowflake_channel_config *config, struct dv_error *error);

/* Whether rows can be appended now: it is open, and no others are under way. */
bool dv_snowflake_channel_is_ready(const struct dv_snowflake_channel *channel);

/* Appends rows to a channel that is ready. */
void dv_snowflake_channel_append(struct dv_snowflake_channel *channel, struct dv_snowflake_append *append);

/* Asks for the state once more: on_commit tells it, also if it is the same; or on_open. */
void dv_snowflake_channel_look(struct dv_snowflake_channel *channel);

/* Drops a channel that is ready, once everything in it is committed; then it is failed with DV_OK, or with why it could
 * not be dropped, and `on_drop` is called. */
void dv_snowflake_channel_drop(struct dv_snowflake_channel *channel,
                               void (*on_drop)(struct dv_snowflake_channel *channel));

/* Ends everything at once, without another word; what is in the channel stays there. Accepts a zeroed one. */
void dv_snowflake_channel_close(struct dv_snowflake_channel *channel);

/* Why nothing goes in now, a literal; or NULL. */
const char *dv_snowflake_channel_waits(const struct dv_snowflake_channel *channel);

#endif

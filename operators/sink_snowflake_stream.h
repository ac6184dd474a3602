/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_stream.h - between the two files of `mode: streaming`: what goes into the channel, and what of it is settled. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_STREAM_H
#define DV_OPERATORS_SINK_SNOWFLAKE_STREAM_H

#include "engine/loop.h"

struct dv_node;
struct dv_snow_ask;
struct dv_snow_load;
struct dv_snow_options;
struct dv_snow_pack;
struct dv_snowflake;
struct dv_snowflake_append;
struct dv_snowflake_channel;

/* The stream's state. */
struct dv_snow_stream {
    const struct dv_snow_options *options;
    struct dv_snowflake *snowflake;
    void (*ready)(struct dv_node *node, dv_rc rc);
    bool halted;
    dv_rc rc; /* why */
    const char *reason;

    bool judged;              /* what the channel holds was compared with the journal */
    uint64_t committed, sure; /* the last request that is; and of which the count of refused rows is known */
    uint64_t held, held_ns;   /* the one that will be sure, since when it is held, */
    uint64_t held_errors;     /* with which count, */
    uint32_t held_looks;      /* and how often that was told again */
    uint64_t errors;          /* rows that were refused, as told last */
    bool rests;               /* more than are accounted for: all that is on its way must be settled first */
    struct dv_snow_ask *ask;
    struct dv_timer again; /* before it asks once more, or goes on with what is settled */
    uint32_t asked;        /* times, of the requests that `ask` names */
    uint64_t ask_errors;   /* that are written off */
    uint64_t missing; /* hash of what was, the last time */
    uint64_t proved;  /* up to which request what was settled was found in the table */
    bool proving;     /* it is looked for */
    uint32_t proofs;          /* times, in vain */
    struct dv_timer behind;   /* until the count is looked at once more */
    uint32_t behind_looks;
    bool settling; /* it is not durable yet */
    uint64_t settle_to, settle_ticket;
    uint32_t refused; /* of them, the ids that are missing in `ask` */

    struct dv_snowflake_channel *channel;
    struct dv_snow_load *load;
    struct dv_snow_pack *sending;
    struct dv_snowflake_append *append;
    struct dv_timer timer;
    struct dv_timer alone;  /* before a row that was refused alone is tried once more, though nothing passed */
    struct dv_error told;   /* why rows were refused last */
    char *channel_name, *pipe_name; /* of DV_SNOWFLAKE_NAME_MAX bytes and a NUL */
};

/* sink_snowflake_settle.c: the state was told, or the channel was opened anew; what can be settled now; the table has answered; and
 * for `behind`. */
void dv_snow_stream_told(struct dv_snow_stream *stream, bool anew);
void dv_snow_stream_settle(struct dv_snow_stream *stream);
void dv_snow_stream_on_asked(struct dv_snow_ask *ask, dv_rc rc, const char *reason);
void dv_snow_stream_on_behind(struct dv_timer *timer);

/* Whether no request may be made now. */
bool dv_snow_stream_rests(const struct dv_snow_stream *stream);

/* sink_snowflake_stream.c: ends the run, for a reason that is a literal or stands in `told`; and whatever can be done now, to be called after everything
 * that has happened. */
void dv_snow_stream_halt(struct dv_snow_stream *stream, dv_rc rc, const char *reason);
void dv_snow_stream_go_on(struct dv_snow_stream *stream);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_channel_way.h - between the files of channels: what each exchange asks, and what its answer says. */
#ifndef DV_CONNECTORS_SNOWFLAKE_CHANNEL_WAY_H
#define DV_CONNECTORS_SNOWFLAKE_CHANNEL_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "connectors/snowflake_limits.h"
#include "engine/error.h"

enum { DV_SNOWFLAKE_SCOPED_ROOM = sizeof "Bearer " - 1 + DV_SNOWFLAKE_SCOPED_MAX }; /* bytes of `scoped` */

struct dv_snowflake_call;
struct dv_snowflake_channel;
struct dv_snowflake_channel_state;

/* Fills `call` for an exchange (an enum dv_snowflake_way), or `look`; false: the path is too long, or there is no randomness. */
bool dv_snowflake_way_fill(struct dv_snowflake_channel *channel, int way);
bool dv_snowflake_look_fill(struct dv_snowflake_channel *channel);

/* Writes the names into the path; false: too long. */
bool dv_snowflake_way_base(struct dv_snowflake_channel *channel);

/* What an answer that is fine says; each false if it does not say it; a session need not be. The host opens the client; DV_E_MEMORY there is
 * false, too. */
bool dv_snowflake_take_host(struct dv_snowflake_channel *channel);
bool dv_snowflake_take_scoped(struct dv_snowflake_channel *channel);
void dv_snowflake_take_session(struct dv_snowflake_channel *channel);
bool dv_snowflake_take_continuation(struct dv_snowflake_channel *channel);
bool dv_snowflake_take_state(struct dv_snowflake_channel *channel, struct dv_snowflake_channel_state *ret);

/* The look's answer: DV_OK and the state, which may be that there is no such channel; DV_E_DATA: it is none. */
DV_CHECKED dv_rc dv_snowflake_take_look(struct dv_snowflake_channel *channel, struct dv_snowflake_channel_state *ret);

/* snowflake_channel.c: time; when something is due next; nobody knows what is in the channel, so it is opened anew; Snowflake does
 * not know it, the `count`-th time in a row, so it is opened anew, which tells what is gone, or fails; it has failed
 * for good, or was dropped; a token was refused (true: there is hope); whether something is to be looked for; and a request goes out. */
uint64_t dv_snowflake_channel_now(const struct dv_snowflake_channel *channel);
uint64_t dv_snowflake_channel_after(const struct dv_snowflake_channel *channel, uint64_t pause_ms);
void dv_snowflake_channel_arm(struct dv_snowflake_channel *channel);
void dv_snowflake_channel_reopen(struct dv_snowflake_channel *channel, const char *reason);
void dv_snowflake_channel_lose(struct dv_snowflake_channel *channel, uint32_t *count, const char *reason);
void dv_snowflake_channel_end(struct dv_snowflake_channel *channel, dv_rc rc, const char *reason);
bool dv_snowflake_channel_renews(struct dv_snowflake_channel *channel);
bool dv_snowflake_channel_is_looking(const struct dv_snowflake_channel *channel);
void dv_snowflake_channel_keep_pace(struct dv_snowflake_channel *channel, int way);

/* snowflake_channel_look.c: asks what is committed, if the breaker lets it; and the answer. */
void dv_snowflake_channel_start_look(struct dv_snowflake_channel *channel);
void dv_snowflake_channel_on_look(struct dv_snowflake_call *look);

#endif

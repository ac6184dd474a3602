/* SPDX-License-Identifier: Apache-2.0
 * snowflake_channel_look.c - what of a channel is committed: asked again and again, and of whichever host tells. */
#include <string.h>

#include "connectors/snowflake_channel.h"
#include "connectors/snowflake_channel_way.h"
#include "connectors/snowflake_internal.h"

enum { NS_PER_MS = 1000000 };

static void look_later(struct dv_snowflake_channel *channel)
{
    uint64_t pause_ms = 2 * channel->look_pause_ms;
    channel->look_pause_ms = pause_ms < DV_SNOWFLAKE_POLL_LAST_MS ? pause_ms : DV_SNOWFLAKE_POLL_LAST_MS;
    channel->look_ns = dv_snowflake_channel_after(channel, channel->look_pause_ms);
    if (dv_snowflake_channel_now(channel) - channel->moved_ns >= (uint64_t)DV_SNOWFLAKE_COMMIT_MS * NS_PER_MS)
        dv_snowflake_channel_reopen(channel, "Snowflake does not commit what it has taken");
}

/* The other host may know it: one that the pipe has moved away from does not. Then the opening tells what is gone. */
static void look_lost(struct dv_snowflake_channel *channel)
{
    if (channel->looked_elsewhere) {
        dv_snowflake_channel_lose(channel, &channel->unfound, "Snowflake does not know the channel any more");
        return;
    }
    channel->looked_elsewhere = true;
    channel->look_at_control = !channel->look_at_control;
    channel->look_ns = dv_snowflake_channel_now(channel);
}

static void take_look(struct dv_snowflake_channel *channel)
{
    struct dv_snowflake_channel_state state;
    if (dv_snowflake_take_look(channel, &state) != DV_OK) {
        look_later(channel);
        return;
    }
    if (!state.found) {
        look_lost(channel);
        return;
    }
    bool lost = channel->known[0] != '\0' && state.offset[0] == '\0';
    if (lost || !dv_snowflake_state_is_sound(&state)) {
        dv_snowflake_channel_reopen(channel, lost ? "the channel has lost its offset"
                                                  : "the channel must be opened anew");
        return;
    }
    channel->renewals = channel->unfound = 0;
    channel->looked_elsewhere = false;
    const bool asked = channel->asked;
    channel->asked = false;
    bool moved = strcmp(state.offset, channel->state.offset) != 0;
    bool changed = moved || state.errors != channel->state.errors;
    channel->state = state;
    memcpy(channel->known, state.offset, sizeof channel->known);
    if (moved) {
        channel->stales = 0;
        channel->moved_ns = dv_snowflake_channel_now(channel);
        channel->look_pause_ms = DV_SNOWFLAKE_POLL_FIRST_MS / 2; /* and doubled at once */
    }
    look_later(channel);
    if (changed || asked)
        channel->config.on_commit(channel);
}

/* The sheets and the clients in use do not agree which of the two hosts tells: whoever does. */
static void look_elsewhere(struct dv_snowflake_channel *channel, struct dv_snowflake_verdict verdict)
{
    if (channel->look_at_control) {
        dv_snowflake_channel_end(channel, verdict.rc, verdict.reason);
        return;
    }
    channel->look_at_control = true;
    channel->look_ns = dv_snowflake_channel_now(channel);
}

void dv_snowflake_channel_on_look(struct dv_snowflake_call *look)
{
    struct dv_snowflake_channel *channel = look->data;
    const enum dv_snowflake_action action = dv_snowflake_is_gone(look) ? DV_SNOWFLAKE_REOPEN : look->verdict.action;
    switch (action) {
    case DV_SNOWFLAKE_FINE: take_look(channel); break;
    case DV_SNOWFLAKE_RENEW:
        if (dv_snowflake_channel_renews(channel))
            break;
        channel->renewals = 0;
        look_elsewhere(channel, look->verdict);
        break;
    case DV_SNOWFLAKE_REOPEN: look_lost(channel); break;
    case DV_SNOWFLAKE_LARGE:
    case DV_SNOWFLAKE_STOP: look_elsewhere(channel, look->verdict); break;
    default: look_later(channel); break;
    }
    if (channel->opened && !channel->failed)
        dv_snowflake_channel_arm(channel);
}

void dv_snowflake_channel_start_look(struct dv_snowflake_channel *channel)
{
    uint64_t wait_ms = dv_snowflake_admits(channel->look);
    if (wait_ms > 0) {
        channel->look_ns = dv_snowflake_channel_after(channel, wait_ms);
        return;
    }
    bool filled = dv_snowflake_look_fill(channel);
    DV_ASSERT(filled); /* open() has tried */
    dv_snowflake_channel_keep_pace(channel, DV_SNOWFLAKE_IDLE);
    dv_snowflake_call_start(channel->look);
}

void dv_snowflake_channel_look(struct dv_snowflake_channel *channel)
{
    bool looks = dv_snowflake_channel_is_looking(channel);
    channel->asked = true;
    if (looks || !channel->open)
        return; /* it comes soon, or the opening tells */
    channel->look_pause_ms = DV_SNOWFLAKE_POLL_FIRST_MS;
    channel->look_ns = dv_snowflake_channel_after(channel, channel->look_pause_ms);
    channel->moved_ns = dv_snowflake_channel_now(channel);
    dv_snowflake_channel_arm(channel);
}

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_channel.c - a channel from its opening to its end: what is asked next, and what each answer changes. */
#include "connectors/snowflake_channel.h"

#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_channel_way.h"
#include "connectors/snowflake_internal.h"
#include "engine/memory.h"

enum { NS_PER_MS = 1000000, RENEWALS_MAX = 2 };

uint64_t dv_snowflake_channel_now(const struct dv_snowflake_channel *channel)
{
    return dv_now_ns(channel->snowflake->config.loop);
}

uint64_t dv_snowflake_channel_after(const struct dv_snowflake_channel *channel, uint64_t pause_ms)
{
    return dv_snowflake_channel_now(channel) + pause_ms * NS_PER_MS;
}

/* ---- the host's token ---- */

static void drop_scope(struct dv_snowflake_channel *channel)
{
    if (channel->scoped != NULL) /* all of it: a longer one may have stood there before */
        explicit_bzero(channel->scoped, DV_SNOWFLAKE_SCOPED_ROOM);
    dv_memory_free(channel->scoped);
    channel->scoped = NULL;
}

static bool has_scope(const struct dv_snowflake_channel *channel)
{
    return channel->scoped != NULL &&
           dv_snowflake_channel_now(channel) - channel->scoped_ns < (uint64_t)DV_SNOWFLAKE_SCOPED_LIFE_MS * NS_PER_MS;
}

/* ---- ends ---- */

/* The owner may do anything inside. */
static void end_append(struct dv_snowflake_channel *channel, dv_rc rc, const char *reason)
{
    struct dv_snowflake_append *append = channel->append;
    channel->append = NULL;
    if (append == NULL)
        return;
    append->rc = rc;
    append->reason = reason;
    append->code = channel->call->code;
    append->on_end(append);
}

void dv_snowflake_channel_end(struct dv_snowflake_channel *channel, dv_rc rc, const char *reason)
{
    channel->failed = true;
    channel->open = false;
    channel->rc = rc;
    channel->reason = reason;
    dv_timer_stop(&channel->timer);
    dv_snowflake_call_cancel(channel->call);
    dv_snowflake_call_cancel(channel->look);
    end_append(channel, rc == DV_E_LIMIT || rc == DV_E_DATA ? DV_E_FAILED : rc, reason); /* the rows are not at fault */
    if (!channel->opened)
        return;
    if (channel->on_drop != NULL)
        channel->on_drop(channel);
    else
        channel->config.on_fail(channel);
}

static void try_later(struct dv_snowflake_channel *channel, const char *reason)
{
    struct dv_snowflake *snowflake = channel->snowflake;
    uint64_t pause_ms = dv_backoff_ms(snowflake->breaker.backoff, ++channel->tries, &snowflake->breaker.random);
    uint64_t asked_ms = (uint64_t)channel->call->request.retry_after_s * 1000;
    channel->reason = reason;
    channel->due_ns = dv_snowflake_channel_after(channel, pause_ms > asked_ms ? pause_ms : asked_ms);
    dv_snowflake_channel_arm(channel);
}

/* Nobody knows what is in the channel: nothing is sent before it was opened and has told. */
void dv_snowflake_channel_reopen(struct dv_snowflake_channel *channel, const char *reason)
{
    channel->open = false;
    channel->continuation[0] = channel->session[0] = '\0';
    dv_snowflake_call_cancel(channel->call);
    dv_snowflake_call_cancel(channel->look);
    channel->way = DV_SNOWFLAKE_IDLE;
    try_later(channel, reason);
    end_append(channel, DV_E_DEPENDENCY, reason);
}

/* One after the other, later and later. */
void dv_snowflake_channel_lose(struct dv_snowflake_channel *channel, uint32_t *count, const char *reason)
{
    if (*count >= DV_SNOWFLAKE_REFUSED_MAX) {
        dv_snowflake_channel_end(channel, DV_E_CONFIG,
                                 "Snowflake opens the channel again and again, and does not know it afterwards");
        return;
    }
    channel->tries = (*count)++;
    dv_snowflake_channel_reopen(channel, reason);
}

/* ---- what is asked next ---- */

bool dv_snowflake_channel_is_looking(const struct dv_snowflake_channel *channel)
{
    return channel->open && (channel->asked || strcmp(channel->last, channel->state.offset) != 0);
}

static enum dv_snowflake_way next_way(const struct dv_snowflake_channel *channel)
{
    enum dv_snowflake_way wanted = DV_SNOWFLAKE_IDLE;
    if (!channel->open)
        wanted = DV_SNOWFLAKE_OPEN;
    else if (channel->append != NULL)
        wanted = DV_SNOWFLAKE_APPEND;
    else if (channel->on_drop != NULL && !dv_snowflake_channel_is_looking(channel))
        wanted = DV_SNOWFLAKE_DROP;
    if (wanted == DV_SNOWFLAKE_IDLE && !dv_snowflake_channel_is_looking(channel))
        return DV_SNOWFLAKE_IDLE;
    if (channel->http == NULL)
        return DV_SNOWFLAKE_FIND;
    return has_scope(channel) ? wanted : DV_SNOWFLAKE_SCOPE;
}

static uint64_t later_of(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

static uint64_t main_due(const struct dv_snowflake_channel *channel)
{
    bool wanted = !channel->call->asking && next_way(channel) != DV_SNOWFLAKE_IDLE;
    return wanted ? later_of(channel->due_ns, channel->quiet_ns) : UINT64_MAX;
}

static uint64_t look_due(const struct dv_snowflake_channel *channel)
{
    bool wanted = dv_snowflake_channel_is_looking(channel) && !channel->look->asking &&
                  (channel->look_at_control || has_scope(channel));
    return wanted ? later_of(channel->look_ns, channel->quiet_ns) : UINT64_MAX;
}

void dv_snowflake_channel_arm(struct dv_snowflake_channel *channel)
{
    uint64_t now = dv_snowflake_channel_now(channel), main = main_due(channel), look = look_due(channel);
    uint64_t first = main < look ? main : look;
    dv_timer_stop(&channel->timer);
    if (first != UINT64_MAX)
        dv_timer_start(&channel->timer, first > now ? (first - now) / NS_PER_MS + 1 : 0);
}

/* ---- answers of the exchanges in turn ---- */

static void settle_later(struct dv_snowflake_channel *channel, const char *reason)
{
    uint64_t pause_ms = (uint64_t)DV_SNOWFLAKE_POLL_FIRST_MS << (channel->tries < 4 ? channel->tries : 4);
    if (channel->settle_ns == 0)
        channel->settle_ns = dv_snowflake_channel_now(channel);
    channel->tries++;
    channel->reason = reason;
    channel->due_ns = dv_snowflake_channel_after(channel, pause_ms);
    dv_snowflake_channel_arm(channel);
}

static void take_opened(struct dv_snowflake_channel *channel)
{
    struct dv_snowflake_channel_state state;
    if (!dv_snowflake_take_continuation(channel) || !dv_snowflake_take_state(channel, &state)) {
        try_later(channel, "the answer is not of a channel that was opened");
        return;
    }
    if (!dv_snowflake_state_is_sound(&state)) {
        dv_snowflake_channel_end(channel, DV_E_CONFIG,
                                 "Snowflake says that the channel is not sound: do pipe and table fit?");
        return;
    }
    if (channel->known[0] != '\0' && state.offset[0] == '\0') {
        dv_snowflake_channel_end(channel, DV_E_FAILED,
                                 "the channel has lost its offset: its table was made anew, or it was dropped");
        return;
    }
    if (strcmp(state.offset, channel->state.offset) != 0)
        channel->unfound = 0;
    channel->state = state;
    memcpy(channel->known, state.offset, sizeof channel->known);
    memcpy(channel->last, state.offset, sizeof channel->last);
    channel->tries = channel->renewals = channel->refusals = 0;
    channel->looked_elsewhere = false;
    dv_snowflake_take_session(channel);
    channel->settle_ns = 0;
    channel->reason = NULL;
    channel->asked = false;
    channel->open = true;
    channel->config.on_open(channel);
}

static void take_appended(struct dv_snowflake_channel *channel)
{
    if (!dv_snowflake_take_continuation(channel)) {
        dv_snowflake_channel_reopen(channel, "the answer does not say that the rows were taken");
        return;
    }
    if (!dv_snowflake_channel_is_looking(channel)) {
        channel->look_pause_ms = DV_SNOWFLAKE_POLL_FIRST_MS;
        channel->look_ns = dv_snowflake_channel_after(channel, channel->look_pause_ms);
        channel->moved_ns = dv_snowflake_channel_now(channel);
    }
    dv_snowflake_take_session(channel);
    (void)snprintf(channel->last, sizeof channel->last, "%s", channel->append->last);
    channel->tries = channel->renewals = channel->gone = 0;
    channel->reason = NULL;
    end_append(channel, DV_OK, NULL);
}

static void take_fine(struct dv_snowflake_channel *channel, enum dv_snowflake_way way)
{
    switch (way) {
    case DV_SNOWFLAKE_FIND:
        if (!dv_snowflake_take_host(channel))
            try_later(channel, "the answer names no host that takes rows");
        return;
    case DV_SNOWFLAKE_SCOPE:
        channel->scoped_ns = dv_snowflake_channel_now(channel);
        if (dv_snowflake_take_scoped(channel))
            return;
        drop_scope(channel);
        try_later(channel, "the answer holds no token for the host that takes rows");
        return;
    case DV_SNOWFLAKE_OPEN: take_opened(channel); return;
    case DV_SNOWFLAKE_APPEND: take_appended(channel); return;
    case DV_SNOWFLAKE_DROP: dv_snowflake_channel_end(channel, DV_OK, NULL); return;
    case DV_SNOWFLAKE_IDLE: break;
    }
    DV_ASSERT(!"an exchange was under way");
}

/* Somebody else took the channel. Once is an accident; again and again, while nothing gets in, is another owner. */
static bool is_fenced(struct dv_snowflake_channel *channel)
{
    const char *code = channel->call->code;
    bool stale = strstr(code, "STALE") != NULL || strcmp(code, "STATUS_CODE_4") == 0;
    channel->stales += stale;
    return channel->stales > DV_SNOWFLAKE_STALE_MAX;
}

/* Not taken for want of a token; true: there is hope. */
bool dv_snowflake_channel_renews(struct dv_snowflake_channel *channel)
{
    drop_scope(channel);
    return ++channel->renewals < RENEWALS_MAX;
}

/* What answers an append, but does not say what became of it: too long to be read, or a refusal without a code, as of a proxy. */
static bool is_untold(const struct dv_snowflake_call *call, struct dv_snowflake_verdict verdict)
{
    return (verdict.action == DV_SNOWFLAKE_STOP && verdict.rc == DV_E_LIMIT) ||
           (verdict.action == DV_SNOWFLAKE_LARGE && verdict.rc == DV_E_DATA && call->code[0] == '\0');
}

/* A way in that is refused, for a reason that may pass or not. */
static void refuse_way(struct dv_snowflake_channel *channel, enum dv_snowflake_way way)
{
    if (way == DV_SNOWFLAKE_SCOPE)
        dv_snowflake_channel_end(channel, DV_E_CONFIG,
                                 "Snowflake gives no token for the host that takes rows: does the user have the role?");
    else if (++channel->refusals >= DV_SNOWFLAKE_REFUSED_MAX)
        dv_snowflake_channel_end(channel, DV_E_CONFIG,
                                 "Snowflake refuses to open the channel, again and again: are its pipe and its table in order?");
    else
        try_later(channel, "Snowflake refuses to open the channel");
}

/* Not of an append: whose rows are not at fault. */
static bool is_refusal(const struct dv_snowflake_call *call, enum dv_snowflake_way way)
{
    const struct dv_snowflake_verdict verdict = call->verdict;
    if (way == DV_SNOWFLAKE_APPEND)
        return false;
    return verdict.action == DV_SNOWFLAKE_REOPEN ||
           (verdict.action == DV_SNOWFLAKE_LARGE && verdict.rc == DV_E_DATA) ||
           (way == DV_SNOWFLAKE_SCOPE && verdict.action == DV_SNOWFLAKE_STOP && call->request.status == 400);
}

static void take_answer(struct dv_snowflake_channel *channel, enum dv_snowflake_way way,
                        struct dv_snowflake_verdict verdict)
{
    bool appends = way == DV_SNOWFLAKE_APPEND;
    enum dv_snowflake_action action =
        appends && is_untold(channel->call, verdict) ? DV_SNOWFLAKE_UNKNOWN : verdict.action;
    if (action == DV_SNOWFLAKE_RENEW && dv_snowflake_channel_renews(channel))
        return;
    if (action == DV_SNOWFLAKE_FINE)
        take_fine(channel, way);
    else if (action == DV_SNOWFLAKE_LARGE && appends)
        end_append(channel, verdict.rc, verdict.reason);
    else if (appends && dv_snowflake_is_gone(channel->call)) /* the opening tells what */
        dv_snowflake_channel_lose(channel, &channel->gone, verdict.reason);
    else if (is_refusal(channel->call, way))
        refuse_way(channel, way);
    else if (action == DV_SNOWFLAKE_RENEW || action == DV_SNOWFLAKE_STOP || action == DV_SNOWFLAKE_LARGE)
        dv_snowflake_channel_end(channel, verdict.rc, verdict.reason);
    else if (action == DV_SNOWFLAKE_REOPEN && appends && is_fenced(channel))
        dv_snowflake_channel_end(channel, DV_E_FENCED,
                                 "somebody else opens the channel again and again: it can have one owner only");
    else if (action == DV_SNOWFLAKE_SETTLE && !appends)
        settle_later(channel, verdict.reason);
    else if (action == DV_SNOWFLAKE_AGAIN || !appends)
        try_later(channel, verdict.reason);
    else
        dv_snowflake_channel_reopen(channel, verdict.reason);
}

static void on_call_end(struct dv_snowflake_call *call)
{
    struct dv_snowflake_channel *channel = call->data;
    enum dv_snowflake_way way = channel->way;
    channel->way = DV_SNOWFLAKE_IDLE;
    take_answer(channel, way, call->verdict);
    if (channel->opened && !channel->failed)
        dv_snowflake_channel_arm(channel);
}

/* ---- turns ---- */

/* Ten requests a second, and so many bytes of rows. */
void dv_snowflake_channel_keep_pace(struct dv_snowflake_channel *channel, int way)
{
    uint64_t pause_ms = DV_SNOWFLAKE_PACE_MS;
    if (way == DV_SNOWFLAKE_APPEND)
        pause_ms = later_of(pause_ms, channel->append->rows->raw / DV_SNOWFLAKE_RAW_PER_MS);
    channel->quiet_ns = dv_snowflake_channel_after(channel, pause_ms);
}

static void start_main(struct dv_snowflake_channel *channel)
{
    enum dv_snowflake_way way = next_way(channel);
    uint64_t wait_ms = dv_snowflake_admits(channel->call);
    if (wait_ms > 0) {
        channel->due_ns = dv_snowflake_channel_after(channel, wait_ms);
        return;
    }
    if (!dv_snowflake_way_fill(channel, way)) {
        dv_snowflake_channel_end(channel, DV_E_CONFIG, "the names and offsets of the channel are too long for a path");
        return;
    }
    channel->way = way;
    dv_snowflake_channel_keep_pace(channel, way);
    dv_snowflake_call_start(channel->call);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snowflake_channel *channel = timer->data;
    if (look_due(channel) <= dv_snowflake_channel_now(channel))
        dv_snowflake_channel_start_look(channel);
    if (channel->opened && !channel->failed && main_due(channel) <= dv_snowflake_channel_now(channel))
        start_main(channel);
    if (channel->opened && !channel->failed)
        dv_snowflake_channel_arm(channel);
}

/* ---- the owner's calls ---- */

bool dv_snowflake_channel_is_ready(const struct dv_snowflake_channel *channel)
{
    return channel->open && channel->append == NULL && channel->on_drop == NULL;
}

void dv_snowflake_channel_append(struct dv_snowflake_channel *channel, struct dv_snowflake_append *append)
{
    DV_ASSERT(dv_snowflake_channel_is_ready(channel) && append->on_end != NULL && append->rows->used > 0);
    DV_ASSERT(strlen(append->first) <= DV_SNOWFLAKE_OFFSET_MAX && strlen(append->last) <= DV_SNOWFLAKE_OFFSET_MAX);
    append->rc = DV_OK;
    append->reason = NULL;
    channel->append = append;
    channel->due_ns = dv_snowflake_channel_now(channel);
    dv_snowflake_channel_arm(channel);
}

void dv_snowflake_channel_drop(struct dv_snowflake_channel *channel,
                               void (*on_drop)(struct dv_snowflake_channel *channel))
{
    DV_ASSERT(dv_snowflake_channel_is_ready(channel));
    channel->on_drop = on_drop;
    channel->due_ns = dv_snowflake_channel_now(channel);
    dv_snowflake_channel_arm(channel);
}

static void free_calls(struct dv_snowflake_channel *channel)
{
    struct dv_snowflake_call *const calls[] = { channel->call, channel->look };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (calls[i] == NULL)
            continue;
        dv_snowflake_call_cancel(calls[i]);
        dv_snowflake_call_free(calls[i]);
        dv_memory_free(calls[i]);
    }
    channel->call = channel->look = NULL;
}

static bool make_call(struct dv_snowflake_channel *channel, struct dv_snowflake_call **ret_call,
                      void (*end)(struct dv_snowflake_call *call))
{
    struct dv_snowflake_call *call = dv_memory_zeroed(1, sizeof *call);
    if (call == NULL)
        return false;
    call->snowflake = channel->snowflake;
    call->side = DV_SNOWFLAKE_CHANNEL;
    call->end = end;
    call->data = channel;
    *ret_call = call;
    return true;
}

static dv_rc check(struct dv_snowflake_channel *channel, struct dv_error *error)
{
    const char *known = channel->config.known;
    if (channel->snowflake->token.identity.proof != DV_SNOWFLAKE_KEYPAIR)
        return dv_error_set(error, DV_E_CONFIG, "channels of Snowflake are opened with a key pair only");
    if (!dv_snowflake_way_base(channel) || (known != NULL && strlen(known) > DV_SNOWFLAKE_OFFSET_MAX))
        return dv_error_set(error, DV_E_CONFIG, "a channel of Snowflake needs names that are not too long");
    if (known != NULL)
        (void)snprintf(channel->known, sizeof channel->known, "%s", known);
    channel->config.known = NULL; /* lent until now */
    return DV_OK;
}

dv_rc dv_snowflake_channel_open(struct dv_snowflake_channel *channel, struct dv_snowflake *snowflake,
                                const struct dv_snowflake_channel_config *config, struct dv_error *error)
{
    DV_ASSERT(snowflake->opened && config->on_open != NULL && config->on_commit != NULL && config->on_fail != NULL);
    *channel = (struct dv_snowflake_channel){ .snowflake = snowflake, .config = *config };
    DV_TRY(check(channel, error));
    bool made = make_call(channel, &channel->call, on_call_end) &&
                make_call(channel, &channel->look, dv_snowflake_channel_on_look);
    if (!made || !dv_snowflake_look_fill(channel)) {
        free_calls(channel);
        return dv_error_set(error, made ? DV_E_CONFIG : DV_E_MEMORY,
                            made ? "a channel of Snowflake needs names that are not too long" : "no memory");
    }
    dv_timer_init(snowflake->config.loop, &channel->timer, on_timer, channel);
    channel->opened = true;
    channel->due_ns = dv_snowflake_channel_now(channel);
    dv_snowflake_channel_arm(channel);
    return DV_OK;
}

void dv_snowflake_channel_close(struct dv_snowflake_channel *channel)
{
    if (!channel->opened)
        return;
    channel->opened = channel->open = false;
    channel->append = NULL;
    free_calls(channel);
    drop_scope(channel);
    if (channel->http == &channel->client.base)
        dv_http_close(channel->http);
    channel->http = NULL;
    dv_timer_close(&channel->timer);
}

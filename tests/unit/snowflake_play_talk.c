/* SPDX-License-Identifier: Apache-2.0
 * snowflake_play_talk.c - the channel, and questions about the table: how they are answered, and when. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_channel.h"
#include "engine/id.h"
#include "tests/unit/snowflake_play.h"

enum { NS_PER_MS = 1000000, PAUSE_FIRST_MS = 250, PAUSE_LAST_MS = 4000, TOKEN = DV_SNOWFLAKE_TOKEN - 1, DIGITS = 20, ANSWER = 1 << 14 };

/* ---- the channel ---- */

static bool untaken; /* the append that is under way */

static void arm(struct dv_snowflake_channel *channel)
{
    const uint64_t now = dv_now_ns(play.loop);
    bool works = !channel->open || channel->append != NULL;
    bool looks = channel->open && (channel->asked || strcmp(channel->last, channel->state.offset) != 0);
    uint64_t due = works ? channel->due_ns : UINT64_MAX;
    if (looks && channel->look_ns < due)
        due = channel->look_ns;
    dv_timer_stop(&channel->timer);
    if (due != UINT64_MAX && channel->opened)
        dv_timer_start(&channel->timer, due > now ? (due - now) / NS_PER_MS + 1 : 0);
}

static uint64_t after(uint64_t ms)
{
    return dv_now_ns(play.loop) + ms * NS_PER_MS;
}

static void end_append(struct dv_snowflake_channel *channel, dv_rc rc, const char *reason)
{
    struct dv_snowflake_append *append = channel->append;
    channel->append = NULL;
    if (append == NULL)
        return;
    append->rc = rc;
    append->reason = reason;
    append->on_end(append);
}

static void reopen(struct dv_snowflake_channel *channel)
{
    play.counts.openings++;
    play_say("the channel is to be opened anew");
    channel->open = false;
    channel->due_ns = after(500 + play_in_ms(1000) + play_in_ms(play.rules.answer_ms));
    end_append(channel, DV_E_DEPENDENCY, "lost");
}

static void answer_open(struct dv_snowflake_channel *channel)
{
    play_open_again();
    play_tell(&channel->state);
    play_say("opens: %.20s, %" PRIu64 " refused", channel->state.offset, channel->state.errors);
    memcpy(channel->last, channel->state.offset, sizeof channel->last);
    channel->asked = false;
    channel->open = true;
    channel->config.on_open(channel);
}

static void answer_append(struct dv_snowflake_channel *channel)
{
    if (untaken || play_chance(play.rules.lost)) {
        play.counts.lost++;
        reopen(channel);
        return;
    }
    (void)snprintf(channel->last, sizeof channel->last, "%s", channel->append->last);
    channel->look_pause_ms = PAUSE_FIRST_MS;
    channel->look_ns = after(PAUSE_FIRST_MS);
    end_append(channel, DV_OK, NULL);
}

static void answer_look(struct dv_snowflake_channel *channel)
{
    const struct dv_snowflake_channel_state was = channel->state;
    const uint64_t pause_ms = 2 * channel->look_pause_ms;
    channel->look_pause_ms = pause_ms < PAUSE_LAST_MS ? pause_ms : PAUSE_LAST_MS;
    channel->look_ns = after(channel->look_pause_ms + play_in_ms(play.rules.answer_ms));
    if (play_chance(play.rules.opened)) {
        reopen(channel);
        return;
    }
    if (play_chance(play.rules.broken)) {
        play.counts.broken++;
        return;
    }
    const bool asked = channel->asked;
    channel->asked = false;
    play_tell(&channel->state);
    bool moved = strcmp(was.offset, channel->state.offset) != 0;
    if (moved) {
        channel->look_pause_ms = PAUSE_FIRST_MS;
        channel->look_ns = after(PAUSE_FIRST_MS + play_in_ms(play.rules.answer_ms));
    }
    if (!moved && was.errors == channel->state.errors && !asked)
        return;
    play_say("looks: %.20s, %" PRIu64 " refused", channel->state.offset, channel->state.errors);
    channel->config.on_commit(channel);
}

static void on_channel(struct dv_timer *timer)
{
    struct dv_snowflake_channel *channel = timer->data;
    const uint64_t now = dv_now_ns(play.loop);
    if (channel->open && channel->look_ns <= now && (channel->asked || strcmp(channel->last, channel->state.offset) != 0))
        answer_look(channel);
    else if (!channel->open && channel->due_ns <= now)
        answer_open(channel);
    else if (channel->append != NULL && channel->due_ns <= now)
        answer_append(channel);
    arm(channel);
}

dv_rc dv_snowflake_channel_open(struct dv_snowflake_channel *channel, struct dv_snowflake *snowflake,
                                const struct dv_snowflake_channel_config *config, struct dv_error *error)
{
    (void)error;
    *channel = (struct dv_snowflake_channel){ .snowflake = snowflake, .config = *config, .opened = true };
    dv_timer_init(play.loop, &channel->timer, on_channel, channel);
    channel->due_ns = after(play_in_ms(play.rules.answer_ms));
    arm(channel);
    return DV_OK;
}

bool dv_snowflake_channel_is_ready(const struct dv_snowflake_channel *channel)
{
    return channel->open && channel->append == NULL;
}

void dv_snowflake_channel_append(struct dv_snowflake_channel *channel, struct dv_snowflake_append *append)
{
    assert_true(dv_snowflake_channel_is_ready(channel));
    untaken = play_chance(play.rules.lost / 2);
    play_say("sends %.20s", append->last);
    if (!untaken && !play.dead)
        play_take(append->last, append->rows);
    channel->append = append;
    channel->due_ns = after(play_in_ms(play.rules.answer_ms));
    arm(channel);
}

void dv_snowflake_channel_look(struct dv_snowflake_channel *channel)
{
    bool looks = channel->open && (channel->asked || strcmp(channel->last, channel->state.offset) != 0);
    channel->asked = true;
    if (looks || !channel->open)
        return;
    channel->look_pause_ms = PAUSE_FIRST_MS;
    channel->look_ns = after(PAUSE_FIRST_MS + play_in_ms(play.rules.answer_ms));
    arm(channel);
}

void dv_snowflake_channel_close(struct dv_snowflake_channel *channel)
{
    if (!channel->opened)
        return;
    channel->opened = channel->open = false;
    channel->append = NULL;
    dv_timer_close(&channel->timer);
}

const char *dv_snowflake_channel_waits(const struct dv_snowflake_channel *channel)
{
    (void)channel;
    return NULL;
}

/* ---- questions ---- */

static struct asks {
    struct dv_http base;
    struct dv_timer timer;
    struct { struct dv_http_request *request; uint64_t due_ns; } open[PLAY_ASKS];
    uint32_t count;
} asks;

static void arm_asks(void)
{
    const uint64_t now = dv_now_ns(play.loop);
    uint64_t due = UINT64_MAX;
    for (uint32_t i = 0; i < asks.count; i++)
        due = asks.open[i].due_ns < due ? asks.open[i].due_ns : due;
    dv_timer_stop(&asks.timer);
    if (due != UINT64_MAX)
        dv_timer_start(&asks.timer, due > now ? (due - now) / NS_PER_MS + 1 : 0);
}

static void on_request(struct dv_http *http, struct dv_http_request *request)
{
    (void)http;
    assert_true(asks.count < PLAY_ASKS);
    request->rc = DV_OK;
    request->reason = NULL;
    request->status = request->retry_after_s = 0;
    request->date_s = 0;
    asks.open[asks.count].request = request;
    asks.open[asks.count++].due_ns = after(1 + play_in_ms(play.rules.answer_ms));
    arm_asks();
}

static void on_cancel(struct dv_http *http, struct dv_http_request *request)
{
    uint32_t at = 0;
    (void)http;
    while (asks.open[at].request != request)
        assert_true(++at < asks.count);
    asks.open[at] = asks.open[--asks.count];
    arm_asks();
}

static void on_close(struct dv_http *http)
{
    (void)http;
    asks.count = 0;
    dv_timer_close(&asks.timer);
}

static const struct dv_http_ops ops = { on_request, on_cancel, on_close };

/* The question names tokens, or the numbers between which they are. */
static bool is_asked_for(const char *question, const char *token)
{
    char ends[2][DIGITS + 1];
    uint32_t count = 0;
    for (const char *at = strchr(question, '"'); at != NULL; at = strchr(at + 1, '"')) {
        size_t length = strspn(at + 1, "0123456789abcdef-");
        if (length == TOKEN && strncmp(at + 1, token, TOKEN) == 0)
            return true;
        if (length == DIGITS && count < 2)
            (void)snprintf(ends[count++], DIGITS + 1, "%s", at + 1);
    }
    return count == 2 && strcmp(token, ends[0]) >= 0 && strcmp(token, ends[1]) < 0;
}

static uint32_t write_rows(const char *question, char *out, size_t room)
{
    uint32_t count = 0;
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < play.request_count; i++) {
        const struct play_request *request = &play.request[i];
        for (uint32_t row = 0; row < request->count && request->commit_ns <= play_now() && is_asked_for(question, request->token); row++) {
            uint8_t id[DV_UUID_BYTES];
            char text[DV_UUID_TEXT];
            if (play.bad[request->number[row]] || request->told_ns[row] > play_now())
                continue;
            dv_id_make(id, request->number[row], 0, 7);
            at += (size_t)snprintf(out + at, room - at, "%s[\"%s\"]", count++ > 0 ? "," : "", dv_id_text(text, id));
            assert_true(at < room);
        }
    }
    return count;
}

static void answer_ask(struct dv_http_request *request)
{
    static char rows[ANSWER], answer[2 * ANSWER];
    char *question = strndup(request->body != NULL ? request->body : "", request->length);
    bool broken = play_chance(play.rules.broken);
    uint32_t count = write_rows(question, rows, sizeof rows);
    play.counts.asked++;
    play.counts.broken += broken;
    play_say("the table is asked: %u rows%s", count, broken ? ", but fails" : "");
    (void)snprintf(answer, sizeof answer,
                   "{\"code\":\"090001\",\"sqlState\":\"00000\",\"statementHandle\":\"h-1\",\"resultSetMetaData\":{\"numRows\":%u,"
                   "\"rowType\":[{\"name\":\"DV_ID\"}],\"partitionInfo\":[{}]},\"data\":[%s]}",
                   count, rows);
    request->status = broken ? 503 : 200;
    (void)request->piece(request, broken ? "{}" : answer, broken ? 2 : strlen(answer));
    free(question);
    request->end(request);
}

static void on_asks(struct dv_timer *timer)
{
    (void)timer;
    for (uint32_t i = 0; i < asks.count; i++)
        if (asks.open[i].due_ns <= dv_now_ns(play.loop)) {
            struct dv_http_request *request = asks.open[i].request;
            asks.open[i] = asks.open[--asks.count];
            answer_ask(request);
            break;
        }
    arm_asks();
}

dv_rc play_open(struct dv_snowflake *snowflake, struct dv_loop *loop, struct dv_error *error)
{
    assert_int_equal(setenv("PLAY_TOKEN", "given", 1), 0);
    const struct dv_snowflake_config config = { .loop = loop, .http = &asks.base, .database = "DB", .schema = "S",
                                                .identity = { .proof = DV_SNOWFLAKE_PAT, .account = "org-acc", .secret = "env:PLAY_TOKEN" } };
    asks = (struct asks){ .base = { &ops } };
    dv_timer_init(loop, &asks.timer, on_asks, NULL);
    return dv_snowflake_open(snowflake, &config, error);
}

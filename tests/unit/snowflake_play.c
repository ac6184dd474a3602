/* SPDX-License-Identifier: Apache-2.0
 * snowflake_play.c - workers, requests, and what Snowflake knows of them, by dice. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_channel.h"
#include "engine/memory.h"
#include "tests/unit/snowflake_play.h"

enum { NS_PER_MS = 1000000 };

struct play play;

/* ---- dice, and what is written down ---- */

uint64_t play_below(uint64_t bound)
{
    return dv_random_below(&play.dice, bound);
}

bool play_chance(unsigned percent)
{
    return dv_random_chance(&play.dice, percent) != 0;
}

uint64_t play_now(void)
{
    return play.base_ns + (play.loop != NULL && !play.dead ? dv_now_ns(play.loop) : 0);
}

uint64_t play_in_ms(uint64_t most)
{
    return most > 0 ? play_below(most + 1) : 0;
}

void play_say(const char *format, ...)
{
    va_list list;
    size_t at = strlen(play.text);
    if (at + 256 > sizeof play.text)
        return;
    at += (size_t)snprintf(play.text + at, 64, "%10.3f ", (double)play_now() / 1e9);
    va_start(list, format);
    (void)vsnprintf(play.text + at, 190, format, list);
    va_end(list);
    at += strlen(play.text + at);
    (void)snprintf(play.text + at, 2, "\n");
}

void play_wrong(const char *format, ...)
{
    va_list list;
    if (play.wrong[0] != '\0')
        return;
    va_start(list, format);
    (void)vsnprintf(play.wrong, sizeof play.wrong, format, list);
    va_end(list);
    play_say("WRONG: %s", play.wrong);
}

/* ---- workers ---- */

static struct worker {
    struct dv_job *job; /* NULL: nobody's */
    struct dv_timer timer;
    bool worked;
} workers[PLAY_JOBS];

static struct worker *worker_of(const struct dv_job *job)
{
    for (size_t i = 0; i < PLAY_JOBS; i++)
        if (workers[i].job == job)
            return &workers[i];
    fail_msg("there are too few workers");
    return NULL;
}

static void on_worker(struct dv_timer *timer)
{
    struct worker *worker = timer->data;
    struct dv_job *job = worker->job;
    if (!worker->worked) {
        job->work(job);
        worker->worked = true;
        dv_timer_start(timer, play_in_ms(play.rules.work_ms));
        return;
    }
    job->busy = false;
    job->done(job);
}

void dv_job_init(struct dv_job *job, struct dv_loop *loop, dv_job_function work, dv_job_function done, void *data)
{
    struct worker *worker = worker_of(NULL);
    *job = (struct dv_job){ .loop = loop, .work = work, .done = done, .data = data };
    worker->job = job;
    dv_timer_init(loop, &worker->timer, on_worker, worker);
}

void dv_job_start(struct dv_job *job)
{
    struct worker *worker = worker_of(job);
    assert_false(job->busy);
    job->busy = true;
    worker->worked = false;
    dv_timer_start(&worker->timer, play_in_ms(play.rules.work_ms));
}

bool dv_job_close(struct dv_job *job)
{
    struct worker *worker = worker_of(job);
    if (job->busy && !worker->worked && play_chance(50)) {
        job->work(job);
        worker->worked = true;
    }
    dv_timer_close(&worker->timer);
    worker->job = NULL;
    return !job->busy || worker->worked;
}

/* ---- requests: the numbers of their rows ---- */

dv_rc dv_snowflake_rows_init(struct dv_snowflake_rows *rows)
{
    *rows = (struct dv_snowflake_rows){ .bytes = dv_memory_zeroed(PLAY_REQUEST_ROWS, sizeof(uint32_t)) };
    return rows->bytes != NULL ? DV_OK : DV_E_MEMORY;
}

dv_rc dv_snowflake_rows_add(struct dv_snowflake_rows *rows, const char *row, size_t length)
{
    char text[256];
    uint32_t number = 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)length, row);
    assert_non_null(strstr(text, "\"n\":"));
    number = (uint32_t)strtoul(strstr(text, "\"n\":") + 4, NULL, 10);
    assert_in_range(number, 1, PLAY_NUMBERS);
    if (rows->count == play.rules.rows)
        return DV_E_FULL;
    memcpy(rows->bytes + rows->count++ * sizeof number, &number, sizeof number);
    return DV_OK;
}

void dv_snowflake_rows_end(struct dv_snowflake_rows *rows)
{
    rows->used = 1;
}

void dv_snowflake_rows_reset(struct dv_snowflake_rows *rows)
{
    rows->used = rows->count = 0;
}

void dv_snowflake_rows_free(struct dv_snowflake_rows *rows)
{
    dv_memory_free(rows->bytes);
    *rows = (struct dv_snowflake_rows){ 0 };
}

/* ---- what Snowflake knows ---- */

static const char *rows_text(const struct play_request *request)
{
    static char text[128];
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < request->count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u%s", i > 0 ? " " : "", request->number[i],
                               play.bad[request->number[i]] ? "!" : "");
    return text;
}

/* When a row of it is told, of which the request is committed then. */
static void throw_row(struct play_request *request, uint32_t i, uint64_t now)
{
    const bool bad = play.bad[request->number[i]];
    if (bad && play_chance(play.rules.early))
        request->told_ns[i] = now + play_below(request->commit_ns - now + 1);
    else
        request->told_ns[i] = request->commit_ns + play_in_ms(bad ? play.rules.late_ms : play.rules.table_ms) * NS_PER_MS;
}

void play_take(const char *token, const struct dv_snowflake_rows *rows)
{
    const uint64_t now = play_now();
    assert_true(play.request_count < PLAY_REQUESTS && rows->count > 0 && rows->count <= PLAY_REQUEST_ROWS);
    struct play_request *request = &play.request[play.request_count++];
    *request = (struct play_request){ .count = rows->count, .commit_ns = now + play_in_ms(play.rules.commit_ms) * NS_PER_MS };
    for (uint32_t i = 0; i + 1 < play.request_count; i++) /* one after the other */
        if (play.request[i].commit_ns != UINT64_MAX && play.request[i].commit_ns > request->commit_ns)
            request->commit_ns = play.request[i].commit_ns;
    (void)snprintf(request->token, sizeof request->token, "%s", token);
    memcpy(request->number, rows->bytes, rows->count * sizeof request->number[0]);
    for (uint32_t i = 0; i < request->count; i++)
        throw_row(request, i, now);
    play.counts.requests++;
    play_say("takes %.20s (%s), commits at %.3f", token, rows_text(request), (double)request->commit_ns / 1e9);
    for (uint32_t i = 0; i < request->count; i++)
        play_say("  row %u is %s at %.3f", request->number[i], play.bad[request->number[i]] ? "counted" : "seen", (double)request->told_ns[i] / 1e9);
}

void play_tell(struct dv_snowflake_channel_state *ret)
{
    const uint64_t now = play_now();
    *ret = (struct dv_snowflake_channel_state){ .found = true };
    (void)strcpy(ret->code, "SUCCESS");
    for (uint32_t i = 0; i < play.request_count; i++) {
        const struct play_request *request = &play.request[i];
        if (request->commit_ns <= now)
            (void)snprintf(ret->offset, sizeof ret->offset, "%s", request->token);
        for (uint32_t row = 0; row < request->count && request->commit_ns != UINT64_MAX; row++)
            ret->errors += play.bad[request->number[row]] && request->told_ns[row] <= now;
    }
    for (uint32_t i = 0; i < play.ghost_count; i++)
        ret->errors += play.ghost_ns[i] <= now;
}

uint32_t play_copies(uint32_t number, bool now)
{
    uint32_t copies = 0;
    for (uint32_t i = 0; i < play.request_count; i++)
        for (uint32_t row = 0; row < play.request[i].count; row++)
            copies += play.request[i].number[row] == number && !play.bad[number] && play.request[i].commit_ns != UINT64_MAX &&
                      (!now || play.request[i].commit_ns <= play_now());
    return copies;
}

/* Of what was taken away the refused rows may have been counted, or will be. */
static void take_away(struct play_request *request, uint64_t now)
{
    play_say("%.20s is taken away", request->token);
    play.counts.taken_away++;
    for (uint32_t i = 0; i < request->count; i++) {
        bool counted = request->told_ns[i] <= now;
        if (!play.bad[request->number[i]] || (!counted && !play_chance(play.rules.ghosts)))
            continue;
        assert_true(play.ghost_count < PLAY_COUNTS);
        const uint64_t at = counted ? request->told_ns[i] : now + play_in_ms(play.rules.ghost_ms) * NS_PER_MS;
        play.ghost_ns[play.ghost_count++] = at;
        play.counts.ghosts++;
        play_say("  row %u is counted at %.3f", request->number[i], (double)at / 1e9);
    }
    request->commit_ns = UINT64_MAX;
}

/* It is committed now, and told as much later as it would have been. */
static void commit_now(struct play_request *request, uint64_t now)
{
    for (uint32_t i = 0; i < request->count; i++)
        if (request->told_ns[i] > now)
            request->told_ns[i] = request->told_ns[i] > request->commit_ns ? request->told_ns[i] - request->commit_ns + now : now;
    request->commit_ns = now;
}

/* Before a channel is opened all that was taken is committed, or what is not committed by then is gone. */
void play_open_again(void)
{
    const uint64_t now = play_now();
    bool away = play_chance(play.rules.taken_away), committed = true;
    for (uint32_t i = 0; i < play.request_count; i++) {
        struct play_request *request = &play.request[i];
        if (request->commit_ns <= now || request->commit_ns == UINT64_MAX)
            continue;
        committed = committed && (!away || play_chance(30));
        if (committed)
            commit_now(request, now);
        else
            take_away(request, now);
    }
}

/* ---- lives ---- */

void play_begin(uint64_t seed)
{
    dv_random_seed(&play.dice, seed);
    play.loop = NULL;
    play.base_ns = 0;
    play.request_count = play.ghost_count = 0;
    play.dead = false;
    play.wrong[0] = play.text[0] = '\0';
    memset(play.bad, 0, sizeof play.bad);
}

void play_live(struct dv_loop *loop)
{
    play.loop = loop;
    play.dead = false;
    play_say("a process begins");
}

void play_die(void)
{
    play.base_ns = play_now();
    play.dead = true;
    play_say("the process is dead");
}

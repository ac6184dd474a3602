/* SPDX-License-Identifier: Apache-2.0
 * loop.c - the two worlds: libuv's, and a simulated one whose time moves only when nothing else is left to do. */
#include "engine/loop.h"

#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    DV_ASSERT(failed == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void dv_timer_init(struct dv_loop *loop, struct dv_timer *timer, dv_timer_callback callback, void *data)
{
    *timer = (struct dv_timer){ .loop = loop, .callback = callback, .data = data };
    loop->ops->timer_init(timer);
}

void dv_timer_start(struct dv_timer *timer, uint64_t delay_ms)
{
    timer->loop->ops->timer_start(timer, delay_ms);
}

void dv_timer_stop(struct dv_timer *timer)
{
    timer->loop->ops->timer_stop(timer);
}

void dv_timer_close(struct dv_timer *timer)
{
    if (timer->loop != NULL)
        timer->loop->ops->timer_close(timer);
}

/* The real world. */

static uint64_t real_now_ns(const struct dv_loop *loop)
{
    (void)loop;
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t real_wall_ms(const struct dv_loop *loop)
{
    (void)loop;
    return (int64_t)(clock_ns(CLOCK_REALTIME) / 1000000);
}

static void real_fire(uv_timer_t *handle)
{
    struct dv_timer *timer = (struct dv_timer *)handle;
    timer->active = false;
    timer->callback(timer);
}

static void real_timer_init(struct dv_timer *timer)
{
    int failed = uv_timer_init(dv_loop_uv(timer->loop), &timer->uv);
    DV_ASSERT(failed == 0);
}

static void real_timer_start(struct dv_timer *timer, uint64_t delay_ms)
{
    timer->active = true;
    uv_update_time(dv_loop_uv(timer->loop));
    int failed = uv_timer_start(&timer->uv, real_fire, delay_ms, 0);
    DV_ASSERT(failed == 0);
}

static void real_timer_stop(struct dv_timer *timer)
{
    timer->active = false;
    (void)uv_timer_stop(&timer->uv);
}

static void real_timer_close(struct dv_timer *timer)
{
    timer->active = false;
    if (!uv_is_closing((uv_handle_t *)&timer->uv))
        uv_close((uv_handle_t *)&timer->uv, NULL);
}

static void real_tick(uv_idle_t *handle)
{
    struct dv_loop *loop = handle->data;
    if (loop->tick != NULL)
        loop->tick(loop->tick_data);
}

static void real_arm(struct dv_loop *loop, bool armed)
{
    struct dv_loop_real *real = (struct dv_loop_real *)loop;
    if (uv_is_closing((uv_handle_t *)&real->idle))
        return;
    if (armed)
        (void)uv_idle_start(&real->idle, real_tick);
    else
        (void)uv_idle_stop(&real->idle);
}

static const struct dv_loop_ops real_ops = {
    .now_ns = real_now_ns,
    .wall_ms = real_wall_ms,
    .timer_init = real_timer_init,
    .timer_start = real_timer_start,
    .timer_stop = real_timer_stop,
    .timer_close = real_timer_close,
    .arm = real_arm,
};

/* Behind a stop of the whole process come no more than these. */
enum { LAG_SAMPLES_MAX = 100000, NS_PER_MS = 1000000 };

void dv_loop_note_work(struct dv_loop *loop, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t last = to_ns / NS_PER_MS;
    uint64_t first = from_ns / NS_PER_MS;
    if (last - first > LAG_SAMPLES_MAX)
        first = last - LAG_SAMPLES_MAX;
    for (uint64_t due = first + 1; due <= last; due++)
        dv_histogram_add(&loop->lag, to_ns - due * NS_PER_MS);
}

void dv_loop_note_wait(struct dv_loop *loop, uint64_t from_ns, uint64_t to_ns)
{
    dv_histogram_add_zeros(&loop->lag, to_ns / NS_PER_MS - from_ns / NS_PER_MS);
}

static void before_wait(uv_prepare_t *handle)
{
    struct dv_loop_real *real = handle->data;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (real->waited_ns != 0)
        dv_loop_note_work(&real->base, real->waited_ns, now);
    real->waited_ns = now;
}

static void after_wait(uv_check_t *handle)
{
    struct dv_loop_real *real = handle->data;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (real->waited_ns != 0)
        dv_loop_note_wait(&real->base, real->waited_ns, now);
    real->waited_ns = now;
}

/* Neither keeps the loop alive. */
static bool watch_lag(struct dv_loop_real *loop)
{
    loop->before_wait.data = loop;
    loop->after_wait.data = loop;
    if (uv_prepare_init(loop->uv, &loop->before_wait) != 0 || uv_check_init(loop->uv, &loop->after_wait) != 0)
        return false;
    (void)uv_prepare_start(&loop->before_wait, before_wait);
    (void)uv_check_start(&loop->after_wait, after_wait);
    uv_unref((uv_handle_t *)&loop->before_wait);
    uv_unref((uv_handle_t *)&loop->after_wait);
    return true;
}

dv_rc dv_loop_real_init(struct dv_loop_real *loop, uv_loop_t *uv)
{
    *loop = (struct dv_loop_real){ .base.ops = &real_ops, .uv = uv };
    if (uv_idle_init(uv, &loop->idle) != 0 || !watch_lag(loop))
        return DV_E_FAILED;
    loop->idle.data = &loop->base;
    return DV_OK;
}

void dv_loop_real_close(struct dv_loop_real *loop)
{
    if (uv_is_closing((uv_handle_t *)&loop->idle))
        return;
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->before_wait, NULL);
    uv_close((uv_handle_t *)&loop->after_wait, NULL);
}

uv_loop_t *dv_loop_uv(struct dv_loop *loop)
{
    DV_ASSERT(loop->ops == &real_ops);
    return ((struct dv_loop_real *)loop)->uv;
}

/* The simulated world. */

static struct dv_loop_sim *sim_of(struct dv_loop *loop)
{
    return (struct dv_loop_sim *)loop;
}

static uint64_t sim_now_ns(const struct dv_loop *loop)
{
    return ((const struct dv_loop_sim *)loop)->now_ns;
}

static int64_t sim_wall_ms(const struct dv_loop *loop)
{
    return INT64_C(1700000000000) + (int64_t)(sim_now_ns(loop) / 1000000);
}

static void sim_timer_init(struct dv_timer *timer)
{
    timer->next = NULL;
}

static void sim_timer_stop(struct dv_timer *timer)
{
    struct dv_timer **link = &sim_of(timer->loop)->timers;
    while (*link != NULL && *link != timer)
        link = &(*link)->next;
    if (*link == timer)
        *link = timer->next;
    timer->next = NULL;
    timer->active = false;
}

static void sim_timer_start(struct dv_timer *timer, uint64_t delay_ms)
{
    sim_timer_stop(timer);
    struct dv_loop_sim *loop = sim_of(timer->loop);
    timer->due_ns = loop->now_ns + delay_ms * UINT64_C(1000000);
    timer->active = true;
    struct dv_timer **link = &loop->timers;
    while (*link != NULL && (*link)->due_ns <= timer->due_ns)
        link = &(*link)->next;
    timer->next = *link;
    *link = timer;
}

static void sim_arm(struct dv_loop *loop, bool armed)
{
    sim_of(loop)->armed = armed;
}

static const struct dv_loop_ops sim_ops = {
    .now_ns = sim_now_ns,
    .wall_ms = sim_wall_ms,
    .timer_init = sim_timer_init,
    .timer_start = sim_timer_start,
    .timer_stop = sim_timer_stop,
    .timer_close = sim_timer_stop,
    .arm = sim_arm,
};

void dv_loop_sim_init(struct dv_loop_sim *loop)
{
    *loop = (struct dv_loop_sim){ .base.ops = &sim_ops };
}

bool dv_loop_sim_step(struct dv_loop_sim *loop)
{
    if (loop->armed && loop->base.tick != NULL) {
        loop->base.tick(loop->base.tick_data);
        return true;
    }
    struct dv_timer *timer = loop->timers;
    if (timer == NULL)
        return false;
    loop->timers = timer->next;
    timer->next = NULL;
    timer->active = false;
    DV_ASSERT(timer->due_ns >= loop->now_ns);
    loop->now_ns = timer->due_ns;
    timer->callback(timer);
    return true;
}

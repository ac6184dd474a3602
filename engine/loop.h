/* SPDX-License-Identifier: Apache-2.0
 * loop.h - time, timers and the idle tick behind an interface: the same graph runs on libuv or in a simulated world.
 *
 * The engine and the operators see only this. Connectors, which talk to the outside, ask for the libuv loop with
 * dv_loop_uv(); in a simulated world they are replaced by scripted ones. */
#ifndef DV_ENGINE_LOOP_H
#define DV_ENGINE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "engine/error.h"
#include "engine/histogram.h"

struct dv_loop;
struct dv_timer;

typedef void (*dv_timer_callback)(struct dv_timer *timer);
typedef void (*dv_tick_callback)(void *data);

/* A one-shot timer; lives in its owner's state and must stay there until dv_timer_close(). */
struct dv_timer {
    uv_timer_t uv; /* first: libuv's handle is the timer */
    struct dv_loop *loop;
    dv_timer_callback callback;
    void *data; /* the owner's */
    uint64_t due_ns;
    bool active;
    struct dv_timer *next; /* the simulated world's queue */
};

/* What a world must offer. Callbacks never run inside the call that asks for them. */
struct dv_loop_ops {
    uint64_t (*now_ns)(const struct dv_loop *loop);
    int64_t (*wall_ms)(const struct dv_loop *loop);
    void (*timer_init)(struct dv_timer *timer);
    void (*timer_start)(struct dv_timer *timer, uint64_t delay_ms);
    void (*timer_stop)(struct dv_timer *timer);
    void (*timer_close)(struct dv_timer *timer);
    void (*arm)(struct dv_loop *loop, bool armed);
};

/* The base of both worlds. */
struct dv_loop {
    const struct dv_loop_ops *ops;
    dv_tick_callback tick; /* called once per turn of the loop while armed */
    void *tick_data;
    /* How late a timer due at each millisecond of the clock would have fired: a turn that works for 30 ms counts 30 times,
     * from 30 ms down, and a millisecond spent waiting counts as 0. Computed once a turn, so no timer is needed for it. */
    struct dv_histogram lag;
    uint32_t away; /* requests that may come back into the memory of an owner that has closed meanwhile */
};

/* The real world on a libuv loop. */
struct dv_loop_real {
    struct dv_loop base;
    uv_loop_t *uv;
    uv_idle_t idle;
    uv_prepare_t before_wait;
    uv_check_t after_wait;
    uint64_t waited_ns; /* when the last wait began or ended; 0 before the first */
};

/* Makes `loop` run on `uv`; both are the caller's. Close with dv_loop_real_close() and run `uv` once more. */
DV_CHECKED dv_rc dv_loop_real_init(struct dv_loop_real *loop, uv_loop_t *uv);
void dv_loop_real_close(struct dv_loop_real *loop);

/* Counts a stretch of work, or of waiting, in `lag`; the real world does so by itself, once a turn. */
void dv_loop_note_work(struct dv_loop *loop, uint64_t from_ns, uint64_t to_ns);
void dv_loop_note_wait(struct dv_loop *loop, uint64_t from_ns, uint64_t to_ns);

/* The libuv loop of a real world; a bug in a simulated one. */
uv_loop_t *dv_loop_uv(struct dv_loop *loop);

/* The simulated world: time moves only by dv_loop_sim_step(). */
struct dv_loop_sim {
    struct dv_loop base;
    uint64_t now_ns;
    bool armed;
    struct dv_timer *timers; /* by due time, then by order of start */
};

/* Makes a world in which it is time 0 and nothing is due. */
void dv_loop_sim_init(struct dv_loop_sim *loop);

/* Runs the tick if armed, else jumps to the next timer and fires it. False: nothing is left to happen. */
bool dv_loop_sim_step(struct dv_loop_sim *loop);

/* Monotonic time, exact, in ns. */
static inline uint64_t dv_now_ns(const struct dv_loop *loop)
{
    return loop->ops->now_ns(loop);
}

/* Wall clock, ms since 1970. */
static inline int64_t dv_wall_ms(const struct dv_loop *loop)
{
    return loop->ops->wall_ms(loop);
}

/* While armed, the tick runs once per turn of the loop. */
static inline void dv_loop_arm(struct dv_loop *loop, bool armed)
{
    loop->ops->arm(loop, armed);
}

/* Timers. init before anything else; close before the memory goes (the real one is gone after the loop's next turn). */
void dv_timer_init(struct dv_loop *loop, struct dv_timer *timer, dv_timer_callback callback, void *data);
void dv_timer_start(struct dv_timer *timer, uint64_t delay_ms);
void dv_timer_stop(struct dv_timer *timer);
void dv_timer_close(struct dv_timer *timer);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * job.h - work that may block, off the loop: one libuv worker job at a time, which its owner can wait for.
 *
 * This is the only place where threads meet the loop. A job touches nothing but what its owner set aside for it, from
 * dv_job_start() until done(). */
#ifndef DV_CONNECTORS_JOB_H
#define DV_CONNECTORS_JOB_H

#include <stdbool.h>
#include <uv.h>

struct dv_job;
struct dv_loop;
typedef void (*dv_job_function)(struct dv_job *job);

/* Lives in its owner, whose memory must stay until the loop has run dry after dv_job_close(). */
struct dv_job {
    uv_work_t uv;
    struct dv_loop *loop;
    uv_sem_t worked;      /* posted when work() is over */
    dv_job_function work; /* on a worker thread */
    dv_job_function done; /* back on the loop */
    void *data;           /* the owner's */
    bool busy;
    bool abandoned; /* done() is not wanted any more */
};

/* Makes a job that can be started; it lives in its owner's memory. */
void dv_job_init(struct dv_job *job, struct dv_loop *loop, dv_job_function work, dv_job_function done, void *data);

/* Starts work(); the job must not be busy. done() never runs inside this call. */
void dv_job_start(struct dv_job *job);

/* Waits until work() is over, or takes it back if it has not begun (then false). done() is not called any more. */
bool dv_job_close(struct dv_job *job);

#endif

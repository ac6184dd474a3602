/* SPDX-License-Identifier: Apache-2.0
 * job.c - uv_queue_work with a semaphore, so that an owner that closes can wait for its worker. */
#include "connectors/job.h"
#include "engine/loop.h"

#include "engine/error.h"

void dv_job_init(struct dv_job *job, struct dv_loop *loop, dv_job_function work, dv_job_function done, void *data)
{
    DV_ASSERT(work != NULL && done != NULL);
    *job = (struct dv_job){ .loop = loop, .work = work, .done = done, .data = data };
    int failed = uv_sem_init(&job->worked, 0);
    DV_ASSERT(failed == 0);
    job->uv.data = job;
}

static void on_worker(uv_work_t *uv)
{
    struct dv_job *job = uv->data;
    job->work(job);
    uv_sem_post(&job->worked);
}

static void on_loop(uv_work_t *uv, int status)
{
    struct dv_job *job = uv->data;
    job->busy = false;
    if (job->abandoned) {
        job->loop->away--;
        return;
    }
    DV_ASSERT(status == 0);
    uv_sem_wait(&job->worked);
    job->done(job);
}

void dv_job_start(struct dv_job *job)
{
    DV_ASSERT(!job->busy && !job->abandoned);
    job->busy = true;
    int failed = uv_queue_work(dv_loop_uv(job->loop), &job->uv, on_worker, on_loop);
    DV_ASSERT(failed == 0);
}

bool dv_job_close(struct dv_job *job)
{
    DV_ASSERT(!job->abandoned);
    job->abandoned = true;
    job->loop->away += job->busy;
    bool taken_back = job->busy && uv_cancel((uv_req_t *)&job->uv) == 0;
    if (job->busy && !taken_back)
        uv_sem_wait(&job->worked);
    uv_sem_destroy(&job->worked);
    return !taken_back;
}

/* SPDX-License-Identifier: Apache-2.0
 * checkpoint.c - checkpoints: their text, their file, and when they are saved. */
#include "connectors/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/crash.h"
#include "engine/id.h"
#include "engine/log.h"

/* Row: from; bit: to. */
static const unsigned allowed[DV_CHECKPOINT_STATES] = {
    [DV_CHECKPOINT_CLOSED] = 1u << DV_CHECKPOINT_IDLE,
    [DV_CHECKPOINT_IDLE] = 1u << DV_CHECKPOINT_SAVING | 1u << DV_CHECKPOINT_CLOSED,
    [DV_CHECKPOINT_PAUSING] = 1u << DV_CHECKPOINT_IDLE | 1u << DV_CHECKPOINT_CLOSED,
    [DV_CHECKPOINT_SAVING] = 1u << DV_CHECKPOINT_PAUSING | 1u << DV_CHECKPOINT_CLOSED,
};

static void move(struct dv_checkpoints *checkpoints, enum dv_checkpoint_state to)
{
    DV_ASSERT((allowed[checkpoints->state] >> to & 1u) != 0);
    checkpoints->state = to;
}

size_t dv_checkpoint_print(const struct dv_checkpoint *checkpoint, char text[DV_CHECKPOINT_BYTES])
{
    int body = snprintf(text, DV_CHECKPOINT_BYTES,
                        "datavault checkpoint 1\nsource %016" PRIx64 "\noffset %" PRIu64 "\nline %" PRIu64
                        "\nrecords %" PRIu64 "\n",
                        checkpoint->source, checkpoint->offset, checkpoint->line, checkpoint->records);
    DV_ASSERT(body > 0 && body < DV_CHECKPOINT_BYTES);
    uint64_t check = dv_hash64(text, (size_t)body, 0);
    int tail = snprintf(text + body, (size_t)(DV_CHECKPOINT_BYTES - body), "check %016" PRIx64 "\n", check);
    DV_ASSERT(tail > 0 && body + tail < DV_CHECKPOINT_BYTES);
    return (size_t)(body + tail);
}

/* Whatever was read must print as the very bytes it was read from: so no second spelling is accepted. */
bool dv_checkpoint_parse(struct dv_checkpoint *ret, const char *text, size_t length)
{
    char copy[DV_CHECKPOINT_BYTES];
    char again[DV_CHECKPOINT_BYTES];
    struct dv_checkpoint read = { 0 };
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (sscanf(copy,
               "datavault checkpoint 1\nsource %" SCNx64 "\noffset %" SCNu64 "\nline %" SCNu64 "\nrecords %" SCNu64,
               &read.source, &read.offset, &read.line, &read.records) != 4)
        return false;
    if (dv_checkpoint_print(&read, again) != length || memcmp(copy, again, length) != 0)
        return false;
    *ret = read;
    return true;
}

/* The whole of a save; 0 or an errno. */
static int save(struct dv_checkpoints *checkpoints)
{
    char text[DV_CHECKPOINT_BYTES];
    size_t length = dv_checkpoint_print(&checkpoints->saving, text);
    return dv_sys_replace(checkpoints->options.sys, checkpoints->path, checkpoints->fresh, text, length);
}

static void on_worker(struct dv_job *job)
{
    struct dv_checkpoints *checkpoints = job->data;
    checkpoints->error = save(checkpoints);
}

static void start(struct dv_checkpoints *checkpoints)
{
    move(checkpoints, DV_CHECKPOINT_SAVING);
    checkpoints->saving = checkpoints->newest;
    checkpoints->dirty = false;
    dv_job_start(&checkpoints->job);
}

static dv_rc code_of(int error)
{
    return error == ENOSPC || error == EDQUOT ? DV_E_FULL : DV_E_IO;
}

static void note_outcome(struct dv_checkpoints *checkpoints)
{
    bool was_failing = checkpoints->reason != NULL;
    checkpoints->reason = checkpoints->error != 0 ? dv_sys_reason(checkpoints->error) : NULL;
    if (checkpoints->error != 0 && !was_failing)
        dv_log(DV_LOG_WARN, "checkpoint.not-saved", DV_LOG_NAMED("node", checkpoints->options.name),
               DV_LOG_REASON("why", code_of(checkpoints->error)), DV_LOG_NUMBER("errno", checkpoints->error));
    if (checkpoints->error == 0 && was_failing)
        dv_log(DV_LOG_INFO, "checkpoint.saved-again", DV_LOG_NAMED("node", checkpoints->options.name));
}

static void after_save(struct dv_job *job)
{
    struct dv_checkpoints *checkpoints = job->data;
    bool failed = checkpoints->error != 0;
    bool resumes = !failed && checkpoints->reason != NULL;
    DV_CRASH_POINT("checkpoint.saved");
    checkpoints->dirty = checkpoints->dirty || failed;
    note_outcome(checkpoints);
    move(checkpoints, DV_CHECKPOINT_PAUSING);
    dv_timer_start(&checkpoints->timer, failed ? DV_CHECKPOINT_RETRY_MS : DV_CHECKPOINT_EVERY_MS);
    if (resumes && checkpoints->options.resumed != NULL)
        checkpoints->options.resumed(checkpoints->options.data);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_checkpoints *checkpoints = timer->data;
    move(checkpoints, DV_CHECKPOINT_IDLE);
    if (checkpoints->dirty)
        start(checkpoints);
}

void dv_checkpoint_save(struct dv_checkpoints *checkpoints, const struct dv_checkpoint *checkpoint)
{
    DV_ASSERT(checkpoints->state != DV_CHECKPOINT_CLOSED);
    checkpoints->newest = *checkpoint;
    checkpoints->dirty = true;
    if (checkpoints->state == DV_CHECKPOINT_IDLE)
        start(checkpoints);
}

const char *dv_checkpoint_waits(const struct dv_checkpoints *checkpoints)
{
    return checkpoints->reason;
}

/* Reads the file; false if there is none, or it is not sound: then it is set aside. */
static bool load(struct dv_checkpoints *checkpoints, struct dv_checkpoint *ret)
{
    const struct dv_sys *sys = checkpoints->options.sys;
    char text[DV_CHECKPOINT_BYTES];
    char aside[PATH_MAX + 16];
    int fd = sys->open(checkpoints->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return false;
    ssize_t length = fd < 0 ? -1 : sys->pread(fd, text, sizeof text, 0);
    if (fd >= 0)
        (void)sys->close(fd);
    if (length >= 0 && dv_checkpoint_parse(ret, text, (size_t)length))
        return true;
    (void)snprintf(aside, sizeof aside, "%s.corrupt", checkpoints->path);
    (void)sys->rename(checkpoints->path, aside);
    checkpoints->quarantined = true;
    dv_log(DV_LOG_WARN, "checkpoint.corrupt", DV_LOG_NAMED("node", checkpoints->options.name),
           DV_LOG_LITERAL("then", "the source is read from its beginning"));
    return false;
}

static dv_rc failed_open(const struct dv_checkpoint_options *options, int error, struct dv_error *ret)
{
    return dv_error_set(ret, code_of(error), "%s: no directory for checkpoints: %s", options->directory,
                        strerror(error));
}

dv_rc dv_checkpoint_open(struct dv_checkpoints *checkpoints, const struct dv_checkpoint_options *options,
                         struct dv_checkpoint *ret, bool *ret_found, struct dv_error *error)
{
    *checkpoints = (struct dv_checkpoints){ .options = *options };
    *ret_found = false;
    int length =
        snprintf(checkpoints->path, sizeof checkpoints->path, "%s/%s.checkpoint", options->directory, options->name);
    if (length <= 0 || length + (int)sizeof ".new" > (int)sizeof checkpoints->fresh)
        return failed_open(options, ENAMETOOLONG, error);
    memcpy(checkpoints->fresh, checkpoints->path, (size_t)length);
    memcpy(checkpoints->fresh + length, ".new", sizeof ".new");
    int failed = dv_sys_make_parents(checkpoints->path);
    if (failed != 0)
        return failed_open(options, failed, error);
    *ret_found = load(checkpoints, ret);
    dv_job_init(&checkpoints->job, options->loop, on_worker, after_save, checkpoints);
    dv_timer_init(options->loop, &checkpoints->timer, on_timer, checkpoints);
    move(checkpoints, DV_CHECKPOINT_IDLE);
    return DV_OK;
}

dv_rc dv_checkpoint_close(struct dv_checkpoints *checkpoints)
{
    if (checkpoints->state == DV_CHECKPOINT_CLOSED)
        return DV_OK;
    bool was_saving = checkpoints->state == DV_CHECKPOINT_SAVING;
    bool finished = dv_job_close(&checkpoints->job);
    if (was_saving && (!finished || checkpoints->error != 0))
        checkpoints->dirty = true;
    checkpoints->error = 0;
    if (checkpoints->dirty) {
        checkpoints->saving = checkpoints->newest;
        checkpoints->error = save(checkpoints);
        note_outcome(checkpoints);
    }
    dv_timer_close(&checkpoints->timer);
    move(checkpoints, DV_CHECKPOINT_CLOSED);
    return checkpoints->error == 0 ? DV_OK : code_of(checkpoints->error);
}

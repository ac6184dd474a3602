/* SPDX-License-Identifier: Apache-2.0
 * reload.c - the keyring first, then the graph: nodes that use a key get the newest one. */
#include "cli/reload.h"

#include <unistd.h>

#include "cli/command.h"
#include "cli/services.h"
#include "cli/spending.h"
#include "engine/diag.h"
#include "engine/log.h"

static uint64_t generation_of(const struct dv_services *services)
{
    return services->keyring != NULL ? dv_keyring_generation(services->keyring) : 0;
}

void dv_reloader_init(struct dv_reloader *reloader, struct dv_graph *graph, struct dv_services *services,
                      const char *path, bool json)
{
    *reloader = (struct dv_reloader){ .graph = graph, .services = services, .path = path, .json = json };
    reloader->generation = generation_of(services);
}

static void print_findings(const struct dv_reloader *reloader, const struct dv_diags *diags)
{
    if (reloader->json)
        dv_diags_print_json(diags, stderr);
    else
        dv_diags_print(diags, stderr, dv_colour(STDERR_FILENO));
}

static void log_names(const struct dv_reload_names *names, const char *event)
{
    for (uint32_t i = 0; i < names->count; i++) {
        const struct dv_log_pair pairs[] = { DV_LOG_NAMED("node", names->names[i]), { NULL, DV_LOG_END, 0, NULL } };
        dv_log_write(DV_LOG_INFO, event, pairs);
    }
}

static void log_outcome(const struct dv_reload_report *report)
{
    const struct dv_log_pair result = { "result", DV_LOG_WORD, 0, dv_reload_result_name(report->result) };
    bool done = report->result == DV_RELOAD_DONE;
    dv_log(done ? DV_LOG_INFO : DV_LOG_ERROR, "reload.ended", result, DV_LOG_NUMBER("changed", report->changed.count),
           DV_LOG_NUMBER("added", report->added.count), DV_LOG_NUMBER("removed", report->removed.count),
           DV_LOG_NUMBER("unchanged", report->unchanged), DV_LOG_NUMBER("took_ms", report->took_ns / 1000000));
    if (!done)
        return;
    log_names(&report->changed, "reload.changed");
    log_names(&report->added, "reload.added");
    log_names(&report->removed, "reload.removed");
}

static void ended(struct dv_graph *graph, const struct dv_reload_report *report, void *data)
{
    struct dv_reloader *reloader = data;
    log_outcome(report);
    /* What a graph of other rules has told is not told again by this one; open pages have it. */
    if (report->result == DV_RELOAD_DONE && report->changed.count + report->added.count + report->removed.count > 0)
        dv_feed_forget(reloader->services->feed);
    if (report->result == DV_RELOAD_DONE)
        reloader->generation = generation_of(reloader->services);
    else if (report->result == DV_RELOAD_INVALID)
        print_findings(reloader, report->diags);
    else
        (void)dv_say_error(report->error.code, &report->error);
    dv_reload_done done = reloader->done;
    reloader->done = NULL;
    if (done != NULL)
        done(graph, report, reloader->data);
}

static dv_rc refuse(dv_rc rc, const struct dv_error *error)
{
    dv_log(DV_LOG_ERROR, "reload.refused", DV_LOG_REASON("code", rc));
    if (error != NULL)
        (void)dv_say_error(rc, error);
    return rc;
}

dv_rc dv_reloader_begin(struct dv_reloader *reloader, dv_reload_done done, void *data)
{
    struct dv_error error = { 0 };
    struct dv_keyring *keyring = reloader->services->keyring;
    if (!dv_graph_can_reload(reloader->graph))
        return refuse(DV_E_USAGE, NULL);
    dv_rc rc = keyring != NULL ? dv_keyring_reload(keyring, &error) : DV_OK;
    if (dv_is_error(rc))
        return refuse(rc, &error);
    bool renewed = generation_of(reloader->services) != reloader->generation;
    const struct dv_reload_request request = { .path = reloader->path,
                                               .renewed = renewed ? 1u << DV_SERVICE_KEYRING : 0,
                                               .approve = dv_spending_check,
                                               .done = ended,
                                               .data = reloader };
    reloader->done = done;
    reloader->data = data;
    dv_log(DV_LOG_INFO, "reload.begun", DV_LOG_NUMBER("new_keys", renewed));
    rc = dv_graph_reload(reloader->graph, &request);
    return dv_is_error(rc) ? refuse(rc, NULL) : DV_OK;
}

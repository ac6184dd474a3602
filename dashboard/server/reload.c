/* SPDX-License-Identifier: Apache-2.0
 * reload.c - POST /v1/reload: begins a reload and answers when it has ended. The client may be gone by then: the reload
 * goes on without it. */
#include <string.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"
#include "engine/diag.h"

/* The request that waits for the end of its reload. */
struct caller {
    struct dv_server *server;
    h2o_req_t *request;
};

static void write_names(struct dv_json *json, const char *key, const struct dv_reload_names *names)
{
    dv_json_key(json, key);
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < names->count; i++)
        dv_json_string(json, names->names[i]);
    dv_json_close(json, ']');
}

static void make_done(struct dv_json *json, const void *data)
{
    const struct dv_reload_report *report = data;
    dv_json_open(json, '{');
    dv_json_key(json, "result");
    dv_json_string(json, dv_reload_result_name(report->result));
    write_names(json, "changed", &report->changed);
    write_names(json, "added", &report->added);
    write_names(json, "removed", &report->removed);
    dv_json_key(json, "unchanged");
    dv_json_uint(json, report->unchanged);
    dv_json_key(json, "took_ms");
    dv_json_uint(json, report->took_ns / 1000000);
    dv_json_close(json, '}');
}

static void write_text(struct dv_json *json, const char *key, const char *text)
{
    if (text == NULL)
        return;
    dv_json_key(json, key);
    dv_json_string(json, text);
}

static void write_finding(struct dv_json *json, const struct dv_diag *diag)
{
    dv_json_open(json, '{');
    write_text(json, "file", diag->place.file);
    dv_json_key(json, "line");
    dv_json_uint(json, diag->place.line);
    dv_json_key(json, "column");
    dv_json_uint(json, diag->place.column);
    write_text(json, "code", diag->code);
    write_text(json, "message", diag->message);
    write_text(json, "detail", diag->detail);
    write_text(json, "help", diag->help);
    dv_json_close(json, '}');
}

static int status_of(const struct dv_reload_report *report)
{
    return report->result == DV_RELOAD_INVALID ? 422 : 503;
}

static void make_refused(struct dv_json *json, const void *data)
{
    const struct dv_reload_report *report = data;
    dv_json_open(json, '{');
    write_text(json, "type", "about:blank");
    write_text(json, "title", dv_status_phrase(status_of(report)));
    dv_json_key(json, "status");
    dv_json_int(json, status_of(report));
    write_text(json, "detail", report->error.text);
    write_text(json, "result", dv_reload_result_name(report->result));
    if (report->diags != NULL) {
        dv_json_key(json, "findings");
        dv_json_open(json, '[');
        for (const struct dv_diag *diag = report->diags->first; diag != NULL; diag = diag->next)
            write_finding(json, diag);
        dv_json_close(json, ']');
    }
    dv_json_close(json, '}');
}

static void on_ended(struct dv_graph *graph, const struct dv_reload_report *report, void *data)
{
    struct dv_server *server = data;
    h2o_req_t *request = server->reload_caller != NULL ? server->reload_caller->request : NULL;
    (void)graph;
    server->reload_caller = NULL;
    if (request == NULL)
        return;
    if (report->result == DV_RELOAD_DONE)
        dv_reply_json(request, 200, make_done, report);
    else
        dv_reply_problem_json(request, status_of(report), make_refused, report);
    if (!server->reload_begins) /* else it is counted as any answer */
        dv_routes_count(server, request);
}

/* h2o lets go of the request. */
static void on_disposed(void *data)
{
    const struct caller *caller = data;
    if (caller->server->reload_caller == caller)
        caller->server->reload_caller = NULL;
}

void dv_reload_reply(const struct dv_call *call)
{
    struct dv_server *server = call->server;
    if (!server->ready || server->reload.begin == NULL) {
        dv_reply_problem(call->request, 503, "The run starts or ends: nothing is reloaded now.");
        return;
    }
    if (!dv_graph_can_reload(server->graph)) {
        dv_reply_problem(call->request, 409, "Another reload is under way.");
        return;
    }
    struct caller *caller = h2o_mem_alloc_shared(&call->request->pool, sizeof *caller, on_disposed);
    *caller = (struct caller){ .server = server, .request = call->request };
    server->reload_caller = caller;
    server->reload_begins = true;
    dv_rc rc = server->reload.begin(server->reload.data, on_ended, server);
    server->reload_begins = false;
    if (!dv_is_error(rc))
        return;
    server->reload_caller = NULL;
    dv_reply_problem(call->request, 503, "The keyring cannot be read, or there is no memory: the log says which.");
}

/* SPDX-License-Identifier: Apache-2.0
 * run.c - `datavault run`: a graph on the real loop, with its server, until it ends or is told to. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "cli/reload.h"
#include "cli/services.h"
#include "dashboard/server/server.h"
#include "engine/log.h"

/* A run under way. */
struct run {
    struct dv_loaded loaded;
    struct dv_services services;
    struct dv_progress progress;
    struct dv_loop_real loop;
    struct dv_server *server;
    uv_loop_t uv;
    struct dv_reloader reloader;
    const char *path;
    uv_signal_t terminate, interrupt, hangup;
    dv_rc rc;
    bool once, json, quiet;
};

static void server_stopped(struct dv_server *server, void *data)
{
    (void)server;
    (void)data;
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* There is nothing left to stop: a signal now must not make a death of a good end. */
static void leave_signals(struct run *run)
{
    close_handle((uv_handle_t *)&run->terminate);
    close_handle((uv_handle_t *)&run->interrupt);
    if (!run->once)
        close_handle((uv_handle_t *)&run->hangup);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    if (!run->once)
        (void)signal(SIGHUP, SIG_IGN);
}

/* The graph has ended: what keeps the loop alive goes, so that it runs dry. */
static void graph_done(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct run *run = data;
    run->rc = rc;
    if (rc != DV_OK)
        (void)dv_say_error(rc, dv_graph_error(graph));
    dv_progress_close(&run->progress);
    dv_services_close(&run->services);
    leave_signals(run);
    if (run->server != NULL)
        dv_server_stop(run->server, server_stopped, run);
    dv_loop_real_close(&run->loop);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct run *run = signal->data;
    dv_log(DV_LOG_INFO, "run.stopping", DV_LOG_NUMBER("signal", number));
    if (run->server != NULL)
        dv_server_ready(run->server, false);
    dv_graph_stop(run->loaded.graph);
}

static void on_hangup(uv_signal_t *signal, int number)
{
    struct run *run = signal->data;
    (void)number;
    (void)!dv_reloader_begin(&run->reloader, NULL, NULL);
}

static void watch_signals(struct run *run)
{
    (void)uv_signal_init(&run->uv, &run->terminate);
    (void)uv_signal_init(&run->uv, &run->interrupt);
    run->terminate.data = run;
    run->interrupt.data = run;
    (void)uv_signal_start(&run->terminate, on_signal, SIGTERM);
    (void)uv_signal_start(&run->interrupt, on_signal, SIGINT);
    uv_unref((uv_handle_t *)&run->terminate);
    uv_unref((uv_handle_t *)&run->interrupt);
    if (run->once)
        return; /* a pipe ends with its terminal; only what serves takes the signal for a reload */
    (void)uv_signal_init(&run->uv, &run->hangup);
    run->hangup.data = run;
    (void)uv_signal_start(&run->hangup, on_hangup, SIGHUP);
    uv_unref((uv_handle_t *)&run->hangup);
}

static dv_rc begin_reload(void *data, dv_reload_done done, void *done_data)
{
    return dv_reloader_begin(data, done, done_data);
}

static dv_rc start_server(struct run *run, struct dv_error *error)
{
    const struct dv_graph_settings *settings = dv_graph_settings(run->loaded.graph);
    if (run->once || settings->listen == NULL)
        return DV_OK;
    const struct dv_server_config config = {
        .listen = settings->listen,
        .token = settings->token,
        .tls_cert = settings->tls_cert,
        .tls_key = settings->tls_key,
        .dead_letters = dv_dead_letter_file_base(run->services.letters),
        .replies = run->services.replies,
        .reload = { begin_reload, &run->reloader },
    };
    DV_TRY(dv_server_start(&run->server, &config, run->loaded.graph, run->services.feed, &run->loop, error));
    if (!run->quiet)
        (void)fprintf(stderr, "datavault: open http%s://%s\n", dv_server_is_tls(run->server) ? "s" : "",
                      settings->listen);
    return DV_OK;
}

static dv_rc start(struct run *run, struct dv_error *error)
{
    DV_TRY(dv_services_open(&run->services, run->loaded.graph, &run->loop.base, run->once, error));
    DV_TRY(start_server(run, error));
    dv_progress_start(&run->progress, run->loaded.graph, &run->loop.base, run->quiet);
    dv_rc rc = dv_graph_start(run->loaded.graph, &run->loop.base, graph_done, run, error);
    if (rc != DV_OK)
        dv_progress_close(&run->progress);
    else
        dv_log(DV_LOG_INFO, "run.proved", DV_LOG_NAMED("graph", dv_graph_settings(run->loaded.graph)->name),
               DV_LOG_NAMED("config_sha256", dv_graph_config_hash(run->loaded.graph)));
    if (rc == DV_OK)
        dv_reloader_init(&run->reloader, run->loaded.graph, &run->services, run->path, run->json);
    if (rc == DV_OK && run->server != NULL)
        dv_server_ready(run->server, true);
    return rc;
}

/* What start() left open after it failed. */
static void undo(struct run *run)
{
    dv_services_close(&run->services);
    leave_signals(run);
    if (run->server != NULL)
        dv_server_stop(run->server, server_stopped, run);
    dv_loop_real_close(&run->loop);
}

/* 1 if records were rejected in a pipe: a script must notice. */
static int exit_code(const struct run *run)
{
    if (run->rc != DV_OK)
        return dv_rc_exit(run->rc);
    return run->once && dv_totals_of(run->loaded.graph).rejected > 0 ? DV_EXIT_FAILED : DV_EXIT_OK;
}

static int run_graph(struct run *run)
{
    struct dv_error error = { 0 };
    if (uv_loop_init(&run->uv) != 0 || dv_loop_real_init(&run->loop, &run->uv) != DV_OK)
        return dv_say_error(DV_E_FAILED, NULL);
    watch_signals(run);
    dv_rc rc = start(run, &error);
    if (rc != DV_OK) {
        run->rc = rc;
        (void)dv_say_error(rc, &error);
        undo(run);
    }
    (void)uv_run(&run->uv, UV_RUN_DEFAULT);
    if (rc == DV_OK && !run->quiet)
        dv_progress_summary(&run->progress, run->json);
    int code = exit_code(run);
    dv_server_free(run->server);
    dv_services_free(&run->services);
    dv_graph_free(run->loaded.graph);
    run->loaded.graph = NULL;
    (void)uv_loop_close(&run->uv);
    return code;
}

static int run_file(struct run *run, const char *path)
{
    run->path = path;
    int code = dv_loaded_init(&run->loaded, path, run->json);
    if (code == DV_EXIT_OK)
        code = run_graph(run);
    dv_loaded_free(&run->loaded);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "once", no_argument, NULL, 'o' },  { "json", no_argument, NULL, 'j' },
                                             { "quiet", no_argument, NULL, 'q' }, { "verbose", no_argument, NULL, 'v' },
                                             { "help", no_argument, NULL, 'h' },  { 0 } };
    struct run run = { 0 };
    bool verbose = false;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 'o': run.once = true; break;
        case 'q': run.quiet = true; break;
        case 'v': verbose = true; break;
        default: run.json = true; break;
        }
    }
    if (optind + 1 != argc)
        return dv_usage(self, "which graph file?");
    dv_log_setup(verbose ? DV_LOG_DEBUG : run.quiet ? DV_LOG_ERROR : DV_LOG_INFO, run.json || !isatty(STDERR_FILENO));
    return run_file(&run, argv[optind]);
}

const struct dv_command dv_command_run = {
    .name = "run",
    .summary = "Proves a graph and runs it.",
    .help = "examples:\n"
            "  datavault run conf/demo.yaml                                  until SIGTERM, with the live page\n"
            "  datavault run --once conf/anonymize-stdio.yaml < in > out     as a filter\n"
            "  datavault run --once --quiet conf/seal-stdio.yaml < in > sealed\n\n"
            "usage: datavault run [--once] [--json] [--quiet | --verbose] FILE.yaml\n\n"
            "  --once     as part of a pipe: no server, and exit code 1 if any record was rejected\n"
            "  --json     findings, logs and the summary as JSON\n"
            "  --quiet    only errors;  --verbose: also debugging events\n\n"
            "The graph is proved leak-free first; one that is not does not start. SIGTERM or Ctrl-C drains what is in\n"
            "flight and loses nothing; a second one stops at once. SIGHUP reads the graph file, what it names and the\n"
            "keyring again: only nodes that differ are opened anew, and a file that is wrong changes nothing.\n\n"
            "exit codes: 0 ok, 1 failed, 2 usage, 3 the file is wrong, 4 personal data would leak,\n"
            "            5 something it depends on is down, 6 the privacy budget is spent\n",
    .run = run,
};

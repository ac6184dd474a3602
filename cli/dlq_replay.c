/* SPDX-License-Identifier: Apache-2.0
 * dlq_replay.c - `datavault dlq replay`: letters go again into the node that rejected them, and what lies behind it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/dlq.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/services.h"
#include "engine/memory.h"
#include "operators/dead_letter_scan.h"
#include "operators/dead_letter_source.h"

enum { TARGETS_MAX = DV_NODES_MAX, NAME_ROOM = 129 };

/* Letters of one node. */
struct target {
    char rejected_by[NAME_ROOM];
    char schema[NAME_ROOM]; /* of their records; "" if all are raw input */
    int at;                 /* the node they are fed to, or -1: the graph has none of this name */
    uint64_t letters, raw;
};

/* A replay under way. */
struct replay {
    struct dv_dlq *dlq;
    struct target target[TARGETS_MAX];
    uint32_t target_count;
    uint64_t letters, notices, damaged;
    bool last_again; /* where the last letter stands that is meant: the order is main, then again */
    uint64_t last_offset;
    struct dv_letter_replay shared;
    struct dv_letter_source source[TARGETS_MAX];
    struct dv_letter_paths paths;
    struct dv_marker marker;
    struct dv_services services;
    struct dv_progress progress;
    struct dv_loop_real loop;
    uv_loop_t uv;
    uv_signal_t terminate, interrupt;
    bool run_over, closed;
    dv_rc rc;
    struct dv_error error;
};

/* ---- which letters, and where to ---- */

static int find_node(const struct dv_graph *graph, const char *name)
{
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++)
        if (strcmp(dv_node_name(dv_graph_node(graph, i)), name) == 0)
            return (int)i;
    return -1;
}

static void copy_name(char to[NAME_ROOM], struct dv_bytes name)
{
    (void)snprintf(to, NAME_ROOM, "%.*s", (int)name.length, (const char *)name.at);
}

/* The letters of this node, in the end all of them if --at says where to. */
static struct target *target_of(struct replay *replay, const struct dv_letter_view *letter)
{
    char name[NAME_ROOM];
    copy_name(name, letter->node);
    for (uint32_t i = 0; i < replay->target_count; i++)
        if (replay->dlq->at != NULL || strcmp(replay->target[i].rejected_by, name) == 0)
            return &replay->target[i];
    if (replay->target_count == TARGETS_MAX)
        return NULL;
    struct target *target = &replay->target[replay->target_count++];
    (void)snprintf(target->rejected_by, sizeof target->rejected_by, "%s", name);
    target->at = find_node(replay->dlq->loaded.graph, replay->dlq->at != NULL ? replay->dlq->at : name);
    return target;
}

static dv_rc refuse_mixed(struct replay *replay, const struct target *target, const char *schema)
{
    return dv_error_set(&replay->error, DV_E_CONFIG,
                        "node '%s' rejected records of several schemas, '%s' and '%s'; choose letters by id and replay "
                        "each kind with --at NODE",
                        target->rejected_by, target->schema, schema);
}

static dv_rc select_letter(struct replay *replay, const struct dv_letter_view *letter)
{
    struct target *target = target_of(replay, letter);
    if (target == NULL)
        return dv_error_set(&replay->error, DV_E_LIMIT, "letters of more than %d nodes; replay them by --node",
                            TARGETS_MAX);
    if (letter->schema.at != NULL) {
        char schema[NAME_ROOM];
        copy_name(schema, letter->schema);
        if (target->schema[0] != '\0' && strcmp(target->schema, schema) != 0)
            return refuse_mixed(replay, target, schema);
        (void)snprintf(target->schema, sizeof target->schema, "%s", schema);
    }
    target->letters++;
    target->raw += letter->schema.at == NULL;
    replay->letters++;
    replay->last_again = letter->again;
    replay->last_offset = letter->offset;
    return DV_OK;
}

static dv_rc select_letters(struct replay *replay, struct dv_letter_scan *scan)
{
    struct dv_letter_view letter;
    bool end = false;
    DV_TRY(dv_letter_scan_open(scan, replay->dlq->letters, replay->dlq->keyring, &replay->error));
    while (replay->letters < replay->dlq->limit) {
        DV_TRY(dv_letter_scan_next(scan, &letter, &end, &replay->error));
        if (end)
            break;
        if (letter.opened != DV_OK)
            dv_dlq_say_damage(&letter, &replay->damaged);
        if (letter.opened != DV_OK || !dv_dlq_wants(replay->dlq, &letter) || letter.state != DV_LETTER_OPEN)
            continue;
        replay->notices += letter.notice;
        if (!letter.notice)
            DV_TRY(select_letter(replay, &letter));
    }
    return DV_OK;
}

/* The same letters again, for the sources. */
static bool is_selected(void *data, const struct dv_letter_view *letter)
{
    const struct replay *replay = data;
    bool in_range = letter->again == replay->last_again ? letter->offset <= replay->last_offset : !letter->again;
    return in_range && dv_dlq_wants(replay->dlq, letter);
}

/* Whether the letters still fit the graph; if not, the error says what to do. */
static dv_rc check_target(struct replay *replay, const struct target *target)
{
    const struct dv_dlq *dlq = replay->dlq;
    const char *name = dlq->at != NULL ? dlq->at : target->rejected_by;
    if (target->at < 0 && dlq->at != NULL)
        return dv_error_set(&replay->error, DV_E_CONFIG, "%s has no node '%s'", dlq->file, name);
    if (target->at < 0)
        return dv_error_set(
            &replay->error, DV_E_CONFIG,
            "node '%s', which rejected %llu of the letters, is not in %s any more: say --node %s --at NODE "
            "for the node that takes its place, or leave them out by --node",
            name, (unsigned long long)target->letters, dlq->file, name);
    const struct dv_node *node = dv_graph_node(dlq->loaded.graph, (uint32_t)target->at);
    bool source = dv_node_operator(node)->source;
    const struct dv_schema *schema = source ? dv_node_schema_out(node, 0) : dv_node_schema_in(node);
    if (!source && target->raw > 0)
        return dv_error_set(
            &replay->error, DV_E_CONFIG,
            "%llu of the letters hold input that was never parsed, which only a source can read, and '%s' "
            "is none: name the source with --at",
            (unsigned long long)target->raw, name);
    if (target->schema[0] != '\0' && strcmp(target->schema, schema->name) != 0)
        return dv_error_set(
            &replay->error, DV_E_CONFIG,
            "the letters of '%s' hold records of schema '%s', but node '%s' takes '%s' now: say --at NODE "
            "for a node that takes '%s'",
            target->rejected_by, target->schema, name, schema->name, target->schema);
    return DV_OK;
}

static dv_rc check_targets(struct replay *replay)
{
    for (uint32_t i = 0; i < replay->target_count; i++)
        DV_TRY(check_target(replay, &replay->target[i]));
    return DV_OK;
}

static void print_plan(const struct replay *replay)
{
    for (uint32_t i = 0; i < replay->target_count; i++) {
        const struct target *target = &replay->target[i];
        const char *to = replay->dlq->at != NULL ? replay->dlq->at : target->rejected_by;
        const char *form = replay->dlq->json ? "{\"node\":\"" : "would feed ";
        if (replay->dlq->json)
            (void)printf("%s%s\",\"letters\":%llu,\"raw\":%llu}\n", form, to, (unsigned long long)target->letters,
                         (unsigned long long)target->raw);
        else
            (void)printf("%s%llu letters to '%s', %llu of them to be parsed again\n", form,
                         (unsigned long long)target->letters, to, (unsigned long long)target->raw);
    }
}

/* ---- the run ---- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* All is over once the marks are on the disk. */
static void close_all(struct replay *replay)
{
    if (replay->closed)
        return;
    replay->closed = true;
    dv_services_close(&replay->services);
    dv_marker_close(&replay->marker);
    close_handle((uv_handle_t *)&replay->terminate);
    close_handle((uv_handle_t *)&replay->interrupt);
    dv_loop_real_close(&replay->loop);
}

static void on_marks(void *data)
{
    struct replay *replay = data;
    if (!replay->run_over || !(dv_marker_idle(&replay->marker) || dv_marker_failed(&replay->marker)))
        return;
    close_all(replay);
}

static void graph_done(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct replay *replay = data;
    replay->rc = rc;
    if (rc != DV_OK)
        replay->error = *dv_graph_error(graph);
    dv_progress_close(&replay->progress);
    replay->run_over = true;
    dv_marker_flush(&replay->marker);
    on_marks(replay);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct replay *replay = signal->data;
    (void)number;
    if (!replay->run_over)
        dv_graph_stop(replay->dlq->loaded.graph);
}

static void watch_signals(struct replay *replay)
{
    (void)uv_signal_init(&replay->uv, &replay->terminate);
    (void)uv_signal_init(&replay->uv, &replay->interrupt);
    replay->terminate.data = replay;
    replay->interrupt.data = replay;
    (void)uv_signal_start(&replay->terminate, on_signal, SIGTERM);
    (void)uv_signal_start(&replay->interrupt, on_signal, SIGINT);
    uv_unref((uv_handle_t *)&replay->terminate);
    uv_unref((uv_handle_t *)&replay->interrupt);
}

static dv_rc cut_graph(struct replay *replay)
{
    struct dv_dlq *dlq = replay->dlq;
    struct dv_graph_feed feeds[TARGETS_MAX];
    for (uint32_t i = 0; i < replay->target_count; i++) {
        replay->source[i].replay = &replay->shared;
        replay->source[i].rejected_by = dlq->at == NULL ? replay->target[i].rejected_by : NULL;
        feeds[i] =
            (struct dv_graph_feed){ (uint32_t)replay->target[i].at, &dv_operator_dead_letters, &replay->source[i] };
    }
    DV_TRY(dv_graph_cut(dlq->loaded.graph, feeds, replay->target_count, &replay->error));
    return dv_graph_check(dlq->loaded.graph, &dlq->loaded.diags);
}

static dv_rc start(struct replay *replay)
{
    struct dv_dlq *dlq = replay->dlq;
    replay->shared = (struct dv_letter_replay){
        .path = dlq->letters, .keyring = dlq->keyring, .marker = &replay->marker, .wanted = is_selected, .data = replay
    };
    replay->services.letters_again = replay->paths.again;
    DV_TRY(cut_graph(replay));
    DV_TRY(dv_services_open(&replay->services, dlq->loaded.graph, &replay->loop.base, true, &replay->error));
    dv_progress_start(&replay->progress, dlq->loaded.graph, &replay->loop.base, dlq->quiet);
    replay->progress.expected = replay->letters;
    dv_rc rc = dv_graph_start(dlq->loaded.graph, &replay->loop.base, graph_done, replay, &replay->error);
    if (rc != DV_OK)
        dv_progress_close(&replay->progress);
    return rc;
}

static dv_rc prepare(struct replay *replay, struct dv_letter_scan *scan)
{
    DV_TRY(dv_letter_paths_of(&replay->paths, replay->dlq->letters, &replay->error));
    DV_TRY(dv_marker_open(&replay->marker, &replay->loop.base, replay->paths.marks, on_marks, replay, &replay->error));
    DV_TRY(select_letters(replay, scan));
    DV_TRY(check_targets(replay));
    bool go = replay->letters > 0 && !replay->dlq->dry_run;
    if (!go)
        close_all(replay);
    return go ? start(replay) : DV_OK;
}

static void print_summary(const struct replay *replay)
{
    const struct dv_letter_replay *done = &replay->shared;
    unsigned long long rejected = done->fed > 0 ? dv_totals_of(replay->dlq->loaded.graph).rejected : 0;
    unsigned long long unfit = done->unfit;
    if (replay->dlq->json)
        (void)printf("{\"fed\":%llu,\"rejected\":%llu,\"unfit\":%llu,\"notices\":%llu,\"damaged\":%llu}\n",
                     (unsigned long long)done->fed, rejected, unfit, (unsigned long long)replay->notices,
                     (unsigned long long)replay->damaged);
    else
        (void)fprintf(stderr,
                      "datavault: %llu records fed again, %llu rejected again into new letters, %llu could not be "
                      "read and stay as they are\n",
                      (unsigned long long)done->fed, rejected, unfit);
}

static int summarize(struct replay *replay, const struct dv_letter_scan *scan)
{
    const struct dv_letter_replay *done = &replay->shared;
    int code = dv_dlq_end(replay->dlq, scan, replay->damaged, replay->rc, &replay->error);
    if (replay->notices > 0)
        (void)fprintf(stderr, "datavault: %llu letters tell of a loss and hold no record; see and then drop them\n",
                      (unsigned long long)replay->notices);
    if (replay->rc == DV_OK && replay->dlq->dry_run) {
        print_plan(replay);
        return code;
    }
    print_summary(replay);
    if (replay->rc == DV_OK)
        dv_dlq_compact(replay->dlq, replay->letters > 0);
    if (done->unmarked > 0)
        (void)fprintf(stderr,
                      "datavault: %llu letters were replayed and could not be marked: they stay open, and another "
                      "replay meets their ids\n",
                      (unsigned long long)done->unmarked);
    bool again = done->unfit > 0 || done->unmarked > 0 ||
                 (done->fed > 0 && dv_totals_of(replay->dlq->loaded.graph).rejected > 0);
    return code == DV_EXIT_OK && again ? DV_EXIT_FAILED : code;
}

int dv_dlq_replay(struct dv_dlq *dlq)
{
    struct dv_letter_scan scan = { 0 };
    struct replay *replay = dv_memory_zeroed(1, sizeof *replay);
    if (replay == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    replay->dlq = dlq;
    if (uv_loop_init(&replay->uv) != 0 || dv_loop_real_init(&replay->loop, &replay->uv) != DV_OK)
        return dv_say_error(DV_E_FAILED, NULL);
    watch_signals(replay);
    replay->rc = prepare(replay, &scan);
    if (replay->rc != DV_OK)
        close_all(replay);
    (void)uv_run(&replay->uv, UV_RUN_DEFAULT);
    int code = summarize(replay, &scan);
    dv_letter_scan_close(&scan);
    dv_marks_free(&replay->shared.fed_ids);
    dv_services_free(&replay->services);
    dv_graph_free(dlq->loaded.graph);
    dlq->loaded.graph = NULL;
    (void)uv_loop_close(&replay->uv);
    dv_memory_free(replay);
    return code;
}

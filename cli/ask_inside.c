/* SPDX-License-Identifier: Apache-2.0
 * ask_inside.c - a graph, cut down to what lies behind its source of questions, on a loop of its own until it has answered. */
#include "cli/ask_inside.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask_print.h"
#include "cli/command.h"
#include "cli/services.h"
#include "engine/log.h"
#include "engine/memory.h"
#include "operators/asked_source.h"
#include "operators/sink_reply.h"
#include "operators/source_http.h"

enum { DOCUMENT_MAX = 4 * 1024 * 1024, ROWS_MAX = 1024 * 1024, TEXT_MAX = 512 * 1024 };

/* A question under way. */
struct inside {
    struct dv_loaded loaded;
    struct dv_services services;
    struct dv_asked_source source;
    struct dv_reply_wait wait;
    struct dv_ask_printer printer;
    struct dv_loop_real loop;
    uv_loop_t uv;
    struct dv_json rows; /* sentences, as JSON */
    char *room;          /* for them, the text of all of them, and the document */
    size_t text_length;
    bool as_json, waits;
    dv_rc rc;
    struct dv_error error;
};

/* ---- the answer ---- */

/* As POST /v1/query answers. */
static void print_document(struct inside *inside, const struct dv_reply *end)
{
    char id[DV_UUID_TEXT];
    char *text = inside->room + ROWS_MAX, *document = text + TEXT_MAX;
    struct dv_json json;
    dv_json_close(&inside->rows, ']');
    dv_json_init(&json, document, DOCUMENT_MAX - ROWS_MAX - TEXT_MAX);
    dv_json_open(&json, '{');
    dv_json_key(&json, "id");
    dv_json_string(&json, dv_id_text(id, inside->wait.id));
    dv_json_key(&json, "answer");
    if (end->withdrawn)
        dv_json_text(&json, end->text != NULL ? end->text : "", end->text_length);
    else
        dv_json_text(&json, text, inside->text_length);
    dv_json_key(&json, "sentences");
    dv_json_raw(&json, end->withdrawn ? "[]" : inside->room, end->withdrawn ? 2 : dv_json_length(&inside->rows));
    dv_json_raw(&json, end->json + 1, end->length - 2);
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    (void)fwrite(document, 1, dv_json_length(&json), stdout);
    (void)fputc('\n', stdout);
}

/* A sentence of the document; what finds no room there is left out, as the server does not take so much either. */
static void keep_row(struct inside *inside, const struct dv_reply *reply)
{
    char *text = inside->room + ROWS_MAX;
    size_t blank = inside->text_length > 0;
    if (reply->length + 2 > ROWS_MAX - dv_json_length(&inside->rows) || reply->text_length + blank > TEXT_MAX - inside->text_length)
        return;
    dv_json_raw(&inside->rows, reply->json, reply->length);
    memset(text + inside->text_length, ' ', blank);
    if (reply->text_length > 0)
        memcpy(text + inside->text_length + blank, reply->text, reply->text_length);
    inside->text_length += blank + reply->text_length;
}

static void on_reply(const struct dv_reply *reply, void *data)
{
    struct inside *inside = data;
    if (!inside->as_json || reply->last)
        dv_ask_print_row(&inside->printer, reply->json, reply->length);
    if (inside->as_json && reply->last)
        print_document(inside, reply);
    else if (inside->as_json)
        keep_row(inside, reply);
}

/* ---- the graph ---- */

static dv_rc find_source(const struct dv_graph *graph, uint32_t *ret_at, struct dv_error *error)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        if (dv_source_http_of(dv_graph_node(graph, i)) == NULL || !dv_source_is_answered(graph, i))
            continue;
        *ret_at = i;
        found++;
    }
    if (found == 1)
        return DV_OK;
    return dv_error_set(error, DV_E_CONFIG, found == 0 ? "the graph has no source that takes questions: `source` with `from: http` that leads to "
                                                         "a `sink-reply`"
                                                       : "the graph has several sources that take questions: run it, and ask by --url");
}

static dv_rc cut_graph(struct inside *inside)
{
    struct dv_graph_feed feed = { .op = &dv_operator_asked, .state = &inside->source };
    DV_TRY(find_source(inside->loaded.graph, &feed.at, &inside->error));
    DV_TRY(dv_graph_cut(inside->loaded.graph, &feed, 1, &inside->error));
    return dv_graph_check(inside->loaded.graph, &inside->loaded.diags);
}

static void graph_done(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct inside *inside = data;
    inside->rc = rc;
    if (rc != DV_OK)
        inside->error = *dv_graph_error(graph);
    dv_services_close(&inside->services);
    dv_loop_real_close(&inside->loop);
}

static dv_rc start(struct inside *inside)
{
    struct dv_graph *graph = inside->loaded.graph;
    inside->services.without_letters = true;
    DV_TRY(cut_graph(inside));
    DV_TRY(dv_services_open(&inside->services, graph, &inside->loop.base, true, &inside->error));
    if (RAND_bytes(inside->wait.id, sizeof inside->wait.id) != 1)
        return dv_error_set(&inside->error, DV_E_FAILED, "no random bytes for the question's id");
    inside->wait.callback = on_reply;
    inside->wait.data = inside;
    memcpy(inside->source.id, inside->wait.id, sizeof inside->source.id);
    dv_replies_wait(inside->services.replies, &inside->wait);
    inside->waits = true;
    return dv_graph_start(graph, &inside->loop.base, graph_done, inside, &inside->error);
}

/* ---- the command ---- */

static int conclude(struct inside *inside)
{
    struct dv_error *error = &inside->error;
    const struct dv_asked_source *source = &inside->source;
    if (inside->rc == DV_OK && source->rc != DV_OK)
        return dv_say_error(source->rc, (dv_error_set(error, source->rc, "the question cannot be asked: %s", source->reason), error));
    if (inside->rc != DV_OK)
        return dv_say_error(inside->rc, error);
    if (!inside->printer.over)
        return dv_say_error(DV_E_FAILED, (dv_error_set(error, DV_E_FAILED, "the question was taken out on its way, as a guard does that finds "
                                                                           "personal data in it"), error));
    if (inside->as_json)
        return inside->printer.stands ? DV_EXIT_OK : DV_EXIT_FAILED;
    return dv_ask_print_end(&inside->printer) ? DV_EXIT_OK : DV_EXIT_FAILED;
}

static int ask(struct inside *inside)
{
    if (uv_loop_init(&inside->uv) != 0 || dv_loop_real_init(&inside->loop, &inside->uv) != DV_OK)
        return dv_say_error(DV_E_FAILED, NULL);
    inside->rc = start(inside);
    if (inside->rc != DV_OK) {
        dv_services_close(&inside->services);
        dv_loop_real_close(&inside->loop);
    }
    (void)uv_run(&inside->uv, UV_RUN_DEFAULT);
    if (inside->waits)
        dv_replies_leave(inside->services.replies, &inside->wait);
    int code = conclude(inside);
    dv_services_free(&inside->services);
    dv_graph_free(inside->loaded.graph);
    inside->loaded.graph = NULL;
    (void)uv_loop_close(&inside->uv);
    return code;
}

static int open_and_ask(struct inside *inside, const char *path)
{
    inside->room = dv_memory_alloc(DOCUMENT_MAX);
    if (inside->room == NULL || !dv_ask_printer_open(&inside->printer))
        return dv_say_error(DV_E_MEMORY, NULL);
    dv_json_init(&inside->rows, inside->room, ROWS_MAX);
    dv_json_open(&inside->rows, '[');
    int code = dv_loaded_init(&inside->loaded, path, false);
    if (code == DV_EXIT_OK)
        code = ask(inside);
    dv_loaded_free(&inside->loaded);
    return code;
}

int dv_ask_inside(const char *path, const char *record, size_t length, bool as_json)
{
    struct inside *inside = dv_memory_zeroed(1, sizeof *inside);
    if (inside == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    dv_log_setup(DV_LOG_ERROR, !isatty(STDERR_FILENO));
    inside->as_json = as_json;
    inside->source.text = record;
    inside->source.length = length;
    int code = open_and_ask(inside, path);
    dv_ask_printer_close(&inside->printer);
    dv_memory_free(inside->room);
    dv_memory_free(inside);
    return code;
}

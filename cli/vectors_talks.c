/* SPDX-License-Identifier: Apache-2.0
 * vectors_talks.c - the conversations of `datavault vectors forget`. */
#include "cli/vectors_talks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/vectors.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "operators/conversation.h"

enum { MANY = 1 << 16, ROOM_FIRST = 1024 };

/* ---- the files ---- */

static bool is_new(const struct dv_vectors_talks *talks, const char *path)
{
    for (uint32_t i = 0; i < talks->count; i++)
        if (strcmp(talks->at[i].path, path) == 0)
            return false;
    return true;
}

/* Who only forgets needs no limits: nothing is kept, and nothing lapses. */
static dv_rc open_file(struct dv_vectors_cli *cli, const char *node, const char *path, struct dv_error *error)
{
    static const struct dv_conversations_limits none = { .turns = 1, .conversations = 1, .remembered = 1 };
    struct dv_vectors_talks *talks = &cli->talks;
    if (!is_new(talks, path))
        return DV_OK;
    if (talks->count == DV_VECTORS_TALKS_MAX)
        return dv_error_set(error, DV_E_LIMIT, "'%s' has more than %d files of conversations", cli->file, DV_VECTORS_TALKS_MAX);
    struct dv_vectors_talk *talk = &talks->at[talks->count++];
    *talk = (struct dv_vectors_talk){ .node = node, .path = path };
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return node != NULL ? DV_OK : dv_error_set(error, DV_E_USAGE, "there are no conversations at %s", path);
    DV_TRY(dv_conversations_open(&talk->store, &cli->loop.base, path, dv_graph_settings(cli->loaded.graph)->tenant, &none, error));
    talk->opened = true;
    return DV_OK;
}

dv_rc dv_vectors_talks_open(struct dv_vectors_cli *cli, struct dv_error *error)
{
    for (uint32_t i = 0; i < dv_graph_node_count(cli->loaded.graph); i++) {
        const struct dv_node *node = dv_graph_node(cli->loaded.graph, i);
        if (dv_node_keeps_conversations(node))
            DV_TRY(open_file(cli, dv_node_name(node), dv_conversations_path(node), error));
    }
    return cli->talks_path != NULL ? open_file(cli, NULL, cli->talks_path, error) : DV_OK;
}

void dv_vectors_talks_close(struct dv_vectors_cli *cli)
{
    for (uint32_t i = 0; i < cli->talks.count; i++)
        dv_conversations_close(&cli->talks.at[i].store);
    dv_memory_free(cli->talks.ids);
    cli->talks.ids = NULL;
}

/* ---- which records ---- */

static bool reserve(struct dv_vectors_talks *talks, uint32_t more)
{
    uint32_t room = talks->room == 0 ? ROOM_FIRST : 2 * talks->room;
    if (talks->noted + more <= talks->room)
        return true;
    uint8_t(*ids)[DV_STORE_ID_BYTES] = dv_memory_zeroed(room, sizeof *ids);
    if (ids == NULL)
        return false;
    if (talks->noted > 0)
        memcpy(ids, talks->ids, talks->noted * sizeof *ids);
    dv_memory_free(talks->ids);
    talks->ids = ids;
    talks->room = room;
    return true;
}

static dv_rc note(struct dv_vectors_talks *talks, const uint8_t (*ids)[DV_STORE_ID_BYTES], uint32_t count, struct dv_error *error)
{
    if (talks->noted + count > DV_VECTORS_NOTED_MAX)
        return dv_error_set(error, DV_E_LIMIT, "somebody has more than %d texts: name their records by --record", DV_VECTORS_NOTED_MAX);
    if (!reserve(talks, count))
        return dv_error_set(error, DV_E_MEMORY, "no memory for the ids of records");
    if (count > 0)
        memcpy(talks->ids + talks->noted, ids, count * sizeof *ids);
    talks->noted += count;
    return DV_OK;
}

/* The records of a person in one place, piece by piece. */
static dv_rc note_person(struct dv_vectors_cli *cli, struct dv_vectors_at *at, const struct dv_vectors_row *person, struct dv_error *error)
{
    uint8_t ids[DV_VECTORS_IDS_MAX][DV_STORE_ID_BYTES];
    struct dv_vectors_row row = { .subject_ref = person->subject_ref };
    struct dv_vectors_request request = { .kind = DV_VECTORS_IDS, .rows = &row, .count = 1, .ids = ids, .total = DV_VECTORS_IDS_MAX };
    while (request.total == DV_VECTORS_IDS_MAX) {
        DV_TRY(dv_vectors_cli_ask(cli, at, &request, error));
        DV_TRY(note(&cli->talks, (const uint8_t(*)[DV_STORE_ID_BYTES])ids, (uint32_t)request.total, error));
        if (request.total > 0)
            memcpy(row.id, ids[request.total - 1], sizeof row.id);
    }
    return DV_OK;
}

bool dv_vectors_talks_any(const struct dv_vectors_cli *cli)
{
    for (uint32_t i = 0; i < cli->talks.count; i++)
        if (cli->talks.at[i].opened)
            return true;
    return false;
}

dv_rc dv_vectors_talks_note(struct dv_vectors_cli *cli, const struct dv_vectors_row *row, struct dv_error *error)
{
    if (!dv_vectors_talks_any(cli))
        return DV_OK;
    if (row->subject_ref.at == NULL)
        return note(&cli->talks, &row->id, 1, error);
    for (uint32_t i = 0; i < cli->count; i++)
        DV_TRY(note_person(cli, &cli->at[i], row, error));
    return DV_OK;
}

bool dv_vectors_talks_full(const struct dv_vectors_cli *cli)
{
    return cli->talks.noted >= MANY;
}

/* ---- dropping ---- */

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, DV_STORE_ID_BYTES);
}

static void sort_once(struct dv_vectors_talks *talks)
{
    uint32_t kept = 0;
    if (talks->noted > 0)
        qsort(talks->ids, talks->noted, sizeof *talks->ids, by_id);
    for (uint32_t i = 0; i < talks->noted; i++)
        if (i == 0 || by_id(talks->ids[i], talks->ids[kept - 1]) != 0)
            memmove(talks->ids[kept++], talks->ids[i], sizeof *talks->ids);
    talks->noted = kept;
}

static void on_answer(struct dv_conversations_request *request)
{
    *(bool *)request->data = true;
}

static dv_rc ask(struct dv_vectors_cli *cli, struct dv_vectors_talk *talk, struct dv_conversations_request *request, struct dv_error *error)
{
    bool done = false;
    request->callback = on_answer;
    request->data = &done;
    dv_conversations_request(&talk->store, request);
    while (!done)
        (void)uv_run(&cli->uv, UV_RUN_ONCE);
    if (request->rc == DV_OK || request->file_is_well)
        return DV_OK;
    talk->failed = true;
    return dv_error_set(error, request->rc, "%s: %s", talk->path, request->reason != NULL ? request->reason : dv_rc_text(request->rc));
}

dv_rc dv_vectors_talks_drop(struct dv_vectors_cli *cli, bool open_too, struct dv_error *error)
{
    struct dv_vectors_talks *talks = &cli->talks;
    sort_once(talks);
    for (uint32_t i = 0; i < talks->count; i++) {
        struct dv_conversations_request request = { .kind = DV_CONVERSATIONS_FORGET, .ids = (const uint8_t(*)[DV_STORE_ID_BYTES])talks->ids,
                                                    .id_count = talks->noted, .open_too = open_too };
        if (!talks->at[i].opened)
            continue;
        dv_rc rc = ask(cli, &talks->at[i], &request, error);
        talks->at[i].dropped += request.total; /* before it failed, too */
        DV_TRY(rc);
    }
    return DV_OK;
}

void dv_vectors_talks_tell_noted(const struct dv_vectors_cli *cli)
{
    char text[DV_UUID_TEXT];
    (void)fprintf(stderr, "datavault: turns may be left that cite what was removed: do it again for these records\n");
    for (uint32_t i = 0; i < cli->talks.noted; i++)
        (void)fprintf(stderr, "--record %s\n", dv_id_text(text, cli->talks.ids[i]));
}

/* Who reads a file keeps its log: that is told at the end, as what is to be done is to do it again. */
dv_rc dv_vectors_talks_cut(struct dv_vectors_cli *cli, struct dv_error *error)
{
    for (uint32_t i = 0; i < cli->talks.count; i++) {
        struct dv_vectors_talk *talk = &cli->talks.at[i];
        struct dv_conversations_request request = { .kind = DV_CONVERSATIONS_CUT };
        if (!talk->opened || talk->failed)
            continue;
        DV_TRY(ask(cli, talk, &request, error));
        talk->remains = request.rc != DV_OK;
    }
    return DV_OK;
}

uint64_t dv_vectors_talks_dropped(const struct dv_vectors_cli *cli)
{
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < cli->talks.count; i++)
        dropped += cli->talks.at[i].dropped;
    return dropped;
}

/* ---- what is said ---- */

static void print_json(const struct dv_vectors_cli *cli, const struct dv_vectors_talk *talk)
{
    char buffer[DV_VECTORS_LINE_BYTES];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    if (talk->node != NULL) {
        dv_json_key(&json, "node");
        dv_json_string(&json, talk->node);
    }
    dv_json_key(&json, "place");
    dv_json_string(&json, talk->path);
    dv_json_key(&json, "tenant");
    dv_json_string(&json, dv_graph_settings(cli->loaded.graph)->tenant);
    dv_json_key(&json, "turns");
    dv_json_uint(&json, talk->dropped);
    dv_json_key(&json, "remains");
    dv_json_bool(&json, talk->remains);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

int dv_vectors_talks_print(const struct dv_vectors_cli *cli)
{
    int code = DV_EXIT_OK;
    for (uint32_t i = 0; i < cli->talks.count; i++) {
        const struct dv_vectors_talk *talk = &cli->talks.at[i];
        if (cli->json)
            print_json(cli, talk);
        else
            (void)printf("%s: %llu %s of conversations removed\n", talk->path, (unsigned long long)talk->dropped, talk->dropped == 1 ? "turn" : "turns");
        if (!talk->remains)
            continue;
        (void)fprintf(stderr, "datavault: %s is being read: bytes of what was removed are still in its log; do it again\n", talk->path);
        code = DV_EXIT_FAILED;
    }
    return code;
}

/* SPDX-License-Identifier: Apache-2.0
 * vectors_forget.c - `datavault vectors forget`: from people's names, or ids of records, to what is removed: texts, and turns that cite
 * them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/keyring.h"
#include "cli/lines.h"
#include "cli/vectors.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "operators/decrypt.h"
#include "operators/subject_ref.h"
#include "operators/vectors_option.h"

enum { TOGETHER = DV_VECTORS_PUT_MAX, TOGETHER_WITH_TALKS = 32 * TOGETHER };

/* A removal under way: references or ids, until they are enough to be sent. */
struct forget {
    struct dv_vectors_cli *cli;
    struct dv_error *error;
    struct dv_subject_namer namer;
    struct dv_vectors_row rows[TOGETHER_WITH_TALKS];
    uint8_t refs[DV_SUBJECT_REFS_MAX][DV_SUBJECT_REF_BYTES]; /* of one name */
    uint8_t sent[TOGETHER_WITH_TALKS][DV_SUBJECT_REF_BYTES];
    uint32_t count, most; /* `most`: each dropping of turns reads every citation, and so there are few */
    uint64_t named, lines;
    bool shows, broken; /* `broken`: a place did not answer, and is not asked again */
};

/* ---- removing ---- */

static uint64_t removed_of(const struct forget *forget)
{
    uint64_t removed = 0;
    for (uint32_t i = 0; i < forget->cli->count; i++)
        removed += forget->cli->at[i].removed;
    return removed;
}

static void show(struct forget *forget)
{
    if (forget->shows)
        (void)fprintf(stderr, "\r\033[K%llu named, %llu texts removed", (unsigned long long)forget->named,
                      (unsigned long long)removed_of(forget));
}

static dv_rc remove_rows(struct forget *forget, const struct dv_vectors_row *rows, uint32_t count)
{
    struct dv_vectors_cli *cli = forget->cli;
    for (uint32_t i = 0; i < cli->count; i++) {
        struct dv_vectors_at *at = &cli->at[i];
        struct dv_vectors_request request = { .kind = DV_VECTORS_REMOVE, .rows = rows, .count = count };
        DV_TRY(dv_vectors_cli_ask(cli, at, &request, forget->error));
        at->removed += request.total;
        at->met += request.met;
        at->remains = at->place->path != NULL ? request.remains : at->remains || request.remains;
    }
    return DV_OK;
}

static dv_rc remove_texts(struct forget *forget)
{
    for (uint32_t at = 0; at < forget->count; at += TOGETHER)
        DV_TRY(remove_rows(forget, forget->rows + at, forget->count - at < TOGETHER ? forget->count - at : TOGETHER));
    return DV_OK;
}

/* Whoever asked before the texts went may still be answered from them: his turn goes too, and above all if not all of them went, for
 * those that did are not found again. */
static dv_rc drop_late(struct forget *forget, dv_rc removed, bool any)
{
    struct dv_error late = { 0 };
    dv_rc rc = dv_vectors_talks_drop(forget->cli, any || removed != DV_OK, removed == DV_OK ? forget->error : &late);
    if (rc != DV_OK)
        dv_vectors_talks_tell_noted(forget->cli);
    return removed != DV_OK ? removed : rc;
}

static dv_rc remove_them(struct forget *forget)
{
    struct dv_vectors_cli *cli = forget->cli;
    uint64_t before = removed_of(forget);
    if (forget->count == 0)
        return DV_OK;
    forget->broken = true;
    DV_TRY(dv_vectors_talks_drop(cli, false, forget->error));
    dv_rc removed = remove_texts(forget);
    DV_TRY(drop_late(forget, removed, removed_of(forget) > before));
    forget->broken = false;
    cli->talks.noted = forget->count = 0;
    show(forget);
    return DV_OK;
}

static dv_rc add(struct forget *forget, const struct dv_vectors_row *row)
{
    forget->broken = true;
    DV_TRY(dv_vectors_talks_note(forget->cli, row, forget->error));
    forget->broken = false;
    forget->rows[forget->count++] = *row;
    return forget->count == forget->most || dv_vectors_talks_full(forget->cli) ? remove_them(forget) : DV_OK;
}

static dv_rc take_name(void *context, const char *line, size_t length)
{
    struct forget *forget = context;
    uint32_t count = 0;
    forget->lines++;
    if (length == 0)
        return DV_OK;
    dv_rc rc = dv_subject_names(&forget->namer, line, length, forget->refs, &count);
    if (rc != DV_OK)
        return dv_error_set(forget->error, rc, "line %llu of standard input names nobody: %s", (unsigned long long)forget->lines, dv_rc_text(rc));
    forget->named++;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *sent = forget->sent[forget->count];
        memcpy(sent, forget->refs[i], DV_SUBJECT_REF_BYTES);
        DV_TRY(add(forget, &(struct dv_vectors_row){ .subject_ref = { sent, DV_SUBJECT_REF_BYTES } }));
    }
    return DV_OK;
}

static dv_rc by_name(struct forget *forget)
{
    dv_rc rc = dv_input_lines(stdin, take_name, forget);
    if (rc == DV_OK && forget->named == 0)
        return dv_error_set(forget->error, DV_E_USAGE, "standard input names nobody: one name a line, or say --record");
    return rc;
}

static dv_rc by_id(struct forget *forget)
{
    for (uint32_t i = 0; i < forget->cli->id_count; i++) {
        struct dv_vectors_row row = { .subjects = 0 };
        memcpy(row.id, forget->cli->ids[i], sizeof row.id);
        forget->named++;
        DV_TRY(add(forget, &row));
    }
    return DV_OK;
}

/* ---- whose names ---- */

static bool same(const struct dv_opened *a, const struct dv_opened *b)
{
    bool policies = a->policy == b->policy || (a->policy != NULL && b->policy != NULL && strcmp(a->policy, b->policy) == 0);
    return policies && strcmp(a->schema, b->schema) == 0;
}

/* The records that the graph opens, by the node that knows what was sealed: one kind, or the one that was named. */
static dv_rc find_opened(const struct dv_vectors_cli *cli, struct dv_opened *ret, struct dv_error *error)
{
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < dv_graph_node_count(cli->loaded.graph); i++) {
        struct dv_opened opened;
        if (!dv_decrypt_opened(dv_graph_node(cli->loaded.graph, i), &opened) || !opened.references ||
            (cli->schema != NULL && strcmp(opened.schema, cli->schema) != 0) || (kinds > 0 && same(&opened, ret)))
            continue;
        *ret = opened;
        kinds++;
    }
    if (kinds == 1)
        return DV_OK;
    if (kinds == 0)
        return dv_error_set(error, DV_E_USAGE, "no `decrypt` of '%s' gives references to people on%s: name records by --record", cli->file,
                            cli->schema != NULL ? " for records of this schema" : "");
    return dv_error_set(error, DV_E_USAGE, "'%s' opens several kinds of records: say which by --schema", cli->file);
}

static dv_rc forget_people(struct forget *forget)
{
    const struct dv_graph_settings *settings = dv_graph_settings(forget->cli->loaded.graph);
    struct dv_opened opened = { 0 };
    struct dv_subject_place place = { .tenant = settings->tenant, .key = forget->cli->key };
    DV_TRY(find_opened(forget->cli, &opened, forget->error));
    if (settings->keyring == NULL)
        return dv_error_set(forget->error, DV_E_CONFIG, "'%s' names no keyring: without its keys a name leads nowhere", forget->cli->file);
    DV_TRY(dv_keyring_open_named(&place.keyring, settings->keyring, settings->passphrase, forget->error));
    place.sealed = opened.sealed;
    place.plan = forget->cli->as_sealed ? NULL : opened.plan;
    dv_rc rc = dv_subject_namer_open(&forget->namer, &place, forget->error);
    dv_keyring_close(place.keyring);
    if (rc == DV_OK)
        rc = by_name(forget);
    dv_subject_namer_close(&forget->namer);
    return rc;
}

/* ---- what is said ---- */

static void print(const struct forget *forget, const struct dv_vectors_at *at)
{
    char buffer[DV_VECTORS_LINE_BYTES], text[DV_VECTORS_PLACE_TEXT];
    struct dv_json json;
    if (!forget->cli->json) {
        (void)printf("%s: %llu texts removed, of %llu named\n", dv_vectors_cli_place(at, text), (unsigned long long)at->removed,
                     (unsigned long long)forget->named);
        return;
    }
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "node");
    dv_json_string(&json, dv_node_name(at->node));
    dv_json_key(&json, "place");
    dv_json_string(&json, dv_vectors_cli_place(at, text));
    dv_json_key(&json, "tenant");
    dv_json_string(&json, dv_graph_settings(forget->cli->loaded.graph)->tenant);
    dv_json_key(&json, "named");
    dv_json_uint(&json, forget->named);
    dv_json_key(&json, "found");
    dv_json_uint(&json, at->met);
    dv_json_key(&json, "removed");
    dv_json_uint(&json, at->removed);
    dv_json_key(&json, "remains");
    dv_json_bool(&json, at->remains);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static int conclude(const struct forget *forget)
{
    int code = DV_EXIT_OK;
    for (uint32_t i = 0; i < forget->cli->count; i++) {
        const struct dv_vectors_at *at = &forget->cli->at[i];
        char text[DV_VECTORS_PLACE_TEXT];
        print(forget, at);
        if (at->remains && at->place->path != NULL) {
            (void)fprintf(stderr, "datavault: %s is being read: bytes of what was removed are still in its log; do it again\n",
                          dv_vectors_cli_place(at, text));
            code = DV_EXIT_FAILED;
        } else if (at->remains && at->place->snowflake.account != NULL) {
            (void)fprintf(stderr, "datavault: %s: Snowflake keeps what was removed for the table's DATA_RETENTION_TIME_IN_DAYS, and seven days more unless it is transient\n",
                          dv_vectors_cli_place(at, text));
        } else if (at->remains) {
            (void)fprintf(stderr, "datavault: %s: the server keeps dead rows until it cleans up: VACUUM %s\n", dv_vectors_cli_place(at, text), text);
        }
    }
    int told = dv_vectors_talks_print(forget->cli);
    return code != DV_EXIT_OK ? code : told;
}

/* Who was named before a line that is at fault is forgotten too, and told of first: an error takes nothing back. */
static int end(struct forget *forget, dv_rc rc)
{
    const struct dv_error *first = forget->error;
    struct dv_error late = { 0 }, ignored = { 0 };
    int code = DV_EXIT_OK;
    forget->error = &late;
    dv_rc removed = forget->broken ? DV_OK : remove_them(forget);
    dv_rc cut = dv_vectors_talks_cut(forget->cli, removed == DV_OK ? &late : &ignored);
    if (removed == DV_OK)
        removed = cut;
    if (forget->shows && forget->named > 0)
        (void)fprintf(stderr, "\r\033[K");
    if (forget->broken ? removed_of(forget) + dv_vectors_talks_dropped(forget->cli) > 0 : rc == DV_OK || forget->named > 0)
        code = conclude(forget);
    if (removed != DV_OK)
        code = dv_say_error(removed, &late);
    return rc != DV_OK ? dv_say_error(rc, first) : code;
}

int dv_vectors_forget(struct dv_vectors_cli *cli)
{
    struct dv_error error = { 0 };
    struct forget *forget = dv_memory_zeroed(1, sizeof *forget);
    if (forget == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    forget->cli = cli;
    forget->error = &error;
    forget->shows = dv_colour(STDERR_FILENO) && !cli->json;
    dv_rc rc = dv_vectors_talks_open(cli, &error);
    forget->broken = rc != DV_OK;
    forget->most = dv_vectors_talks_any(cli) ? TOGETHER_WITH_TALKS : TOGETHER;
    if (rc == DV_OK)
        rc = cli->id_count > 0 ? by_id(forget) : forget_people(forget);
    int code = end(forget, rc);
    dv_vectors_talks_close(cli);
    explicit_bzero(forget->refs, sizeof forget->refs);
    explicit_bzero(forget->sent, sizeof forget->sent);
    dv_memory_free(forget);
    return code;
}

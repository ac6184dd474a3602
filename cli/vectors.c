/* SPDX-License-Identifier: Apache-2.0
 * vectors.c - `datavault vectors count|forget`: what is kept for questions in the places of a graph. */
#include "cli/vectors.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "operators/vectors_option.h"

const char *dv_vectors_cli_place(const struct dv_vectors_at *at, char text[DV_VECTORS_PLACE_TEXT])
{
    const struct dv_vectors_place *place = at->place;
    bool is_account = place->snowflake.account != NULL;
    if (place->path != NULL)
        return place->path;
    (void)snprintf(text, DV_VECTORS_PLACE_TEXT, "%s%s%s.%s", is_account ? place->snowflake.database : "", is_account ? "." : "",
                   place->server.schema, place->server.table);
    return text;
}

/* ---- the places ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_place(const struct dv_vectors_place *a, const struct dv_vectors_place *b)
{
    bool table = same_text(a->server.schema, b->server.schema) && same_text(a->server.table, b->server.table);
    bool server = same_text(a->server.url, b->server.url) && same_text(a->snowflake.account, b->snowflake.account) &&
                  same_text(a->snowflake.url, b->snowflake.url) && same_text(a->snowflake.database, b->snowflake.database);
    return same_text(a->path, b->path) && (a->path != NULL || (server && table));
}

/* Each once, however many nodes keep there. */
static bool is_new(const struct dv_vectors_cli *cli, const struct dv_vectors_place *place)
{
    for (uint32_t i = 0; i < cli->count; i++)
        if (same_place(cli->at[i].place, place))
            return false;
    return true;
}

/* All that the graph keeps vectors in, or that of the node that was named. */
static int find_places(struct dv_vectors_cli *cli)
{
    for (uint32_t i = 0; i < dv_graph_node_count(cli->loaded.graph); i++) {
        struct dv_node *node = dv_graph_node(cli->loaded.graph, i);
        const struct dv_vectors_place *place = dv_vectors_place_of(node);
        bool named = cli->node != NULL ? strcmp(dv_node_name(node), cli->node) == 0 : dv_node_operator(node)->sink;
        if (place == NULL || !named || !is_new(cli, place))
            continue;
        if (cli->count == DV_VECTORS_PLACES_MAX)
            return dv_usage(cli->self, "'%s' has more than %d places of vectors: name a node", cli->file, DV_VECTORS_PLACES_MAX);
        cli->at[cli->count++] = (struct dv_vectors_at){ .node = node, .place = place };
    }
    if (cli->count > 0)
        return DV_EXIT_OK;
    return cli->node != NULL ? dv_usage(cli->self, "'%s' has no node '%s' with vectors", cli->file, cli->node)
                             : dv_usage(cli->self, "'%s' has no sink-vectors", cli->file);
}

static dv_rc open_places(struct dv_vectors_cli *cli, struct dv_error *error)
{
    for (uint32_t i = 0; i < cli->count; i++)
        DV_TRY(dv_vectors_place_open_alone(cli->at[i].node, &cli->loop.base, &cli->at[i].vectors, error));
    return DV_OK;
}

static void on_answer(struct dv_vectors_request *request)
{
    *(bool *)request->data = true;
}

dv_rc dv_vectors_cli_ask(struct dv_vectors_cli *cli, struct dv_vectors_at *at, struct dv_vectors_request *request, struct dv_error *error)
{
    const struct dv_graph_settings *settings = dv_graph_settings(cli->loaded.graph);
    char text[DV_VECTORS_PLACE_TEXT];
    bool done = false;
    request->query.tenant = (struct dv_store_bytes){ settings->tenant, strlen(settings->tenant) };
    request->callback = on_answer;
    request->data = &done;
    dv_vectors_request(at->vectors, request);
    while (!done)
        (void)uv_run(&cli->uv, UV_RUN_ONCE);
    if (request->rc == DV_OK)
        return DV_OK;
    return dv_error_set(error, request->rc, "%s: %s", dv_vectors_cli_place(at, text),
                        request->reason != NULL ? request->reason : dv_rc_text(request->rc));
}

/* ---- counting ---- */

static void print_count(const struct dv_vectors_cli *cli, const struct dv_vectors_at *at, uint64_t texts)
{
    char buffer[DV_VECTORS_LINE_BYTES], text[DV_VECTORS_PLACE_TEXT];
    struct dv_json json;
    const char *tenant = dv_graph_settings(cli->loaded.graph)->tenant;
    if (!cli->json) {
        (void)printf("%s: %llu texts of tenant %s\n", dv_vectors_cli_place(at, text), (unsigned long long)texts, tenant);
        return;
    }
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "node");
    dv_json_string(&json, dv_node_name(at->node));
    dv_json_key(&json, "place");
    dv_json_string(&json, dv_vectors_cli_place(at, text));
    dv_json_key(&json, "tenant");
    dv_json_string(&json, tenant);
    dv_json_key(&json, "texts");
    dv_json_uint(&json, texts);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static int count(struct dv_vectors_cli *cli)
{
    struct dv_error error = { 0 };
    for (uint32_t i = 0; i < cli->count; i++) {
        struct dv_vectors_request request = { .kind = DV_VECTORS_COUNT };
        dv_rc rc = dv_vectors_cli_ask(cli, &cli->at[i], &request, &error);
        if (rc != DV_OK)
            return dv_say_error(rc, &error);
        print_count(cli, &cli->at[i], request.total);
    }
    return DV_EXIT_OK;
}

/* ---- the command line ---- */

typedef int (*verb_function)(struct dv_vectors_cli *cli);

static int with_places(struct dv_vectors_cli *cli, verb_function verb)
{
    struct dv_error error = { 0 };
    if (uv_loop_init(&cli->uv) != 0 || dv_loop_real_init(&cli->loop, &cli->uv) != DV_OK)
        return dv_say_error(DV_E_FAILED, NULL);
    dv_rc rc = open_places(cli, &error);
    int code = rc == DV_OK ? verb(cli) : dv_say_error(rc, &error);
    for (uint32_t i = 0; i < cli->count; i++)
        dv_vectors_node_close(cli->at[i].node);
    dv_loop_real_close(&cli->loop);
    (void)uv_run(&cli->uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&cli->uv);
    return code;
}

static int act(struct dv_vectors_cli *cli, const char *word)
{
    bool forget = strcmp(word, "forget") == 0;
    if (!forget && strcmp(word, "count") != 0)
        return dv_usage(cli->self, "no verb '%s': it is count or forget", word);
    if (!forget && (cli->schema != NULL || cli->key != NULL || cli->talks_path != NULL || cli->as_sealed || cli->id_count > 0))
        return dv_usage(cli->self, "all of a place are counted: name nobody");
    int code = dv_loaded_init(&cli->loaded, cli->file, cli->json);
    if (code == DV_EXIT_OK)
        code = find_places(cli);
    if (code == DV_EXIT_OK)
        code = with_places(cli, forget ? dv_vectors_forget : count);
    dv_loaded_free(&cli->loaded);
    return code;
}

static int take_id(struct dv_vectors_cli *cli, const char *text)
{
    if (!dv_id_parse(text, strlen(text), cli->ids[cli->id_count++]))
        return dv_usage(cli->self, "--record: an id looks like 018f2c5e-0000-8000-8000-000000000000");
    return DV_EXIT_OK;
}

/* *ret_code is the exit code if it is not to go on. */
static bool parse(struct dv_vectors_cli *cli, int argc, char **argv, int *ret_code)
{
    static const struct option options[] = {
        { "schema", required_argument, NULL, 's' }, { "record", required_argument, NULL, 'r' }, { "key", required_argument, NULL, 'k' },
        { "as-sealed", no_argument, NULL, 'a' },    { "json", no_argument, NULL, 'j' },         { "help", no_argument, NULL, 'h' },
        { "conversations", required_argument, NULL, 'c' },
        { 0 },
    };
    *ret_code = DV_EXIT_OK;
    for (int option; *ret_code == DV_EXIT_OK && (option = dv_next_option(cli->self, argc, argv, options, ret_code)) != -1;) {
        switch (option) {
        case -2: return false;
        case 's': cli->schema = optarg; break;
        case 'r': *ret_code = take_id(cli, optarg); break;
        case 'k': cli->key = optarg; break;
        case 'c': cli->talks_path = optarg; break;
        case 'a': cli->as_sealed = true; break;
        default: cli->json = true; break;
        }
    }
    if (*ret_code == DV_EXIT_OK && (argc - optind < 2 || argc - optind > 3))
        *ret_code = dv_usage(cli->self, "say count or forget, and which graph file");
    if (*ret_code != DV_EXIT_OK)
        return false;
    cli->file = argv[optind + 1];
    cli->node = argv[optind + 2];
    return true;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    struct dv_vectors_cli *cli = dv_memory_zeroed(1, sizeof *cli);
    uint8_t(*ids)[DV_STORE_ID_BYTES] = dv_memory_zeroed((size_t)argc, sizeof *ids);
    int code = DV_EXIT_FAILED;
    if (cli != NULL && ids != NULL) {
        cli->self = self;
        cli->ids = ids;
        if (parse(cli, argc, argv, &code))
            code = act(cli, argv[optind]);
    }
    dv_memory_free(ids);
    dv_memory_free(cli);
    return code;
}

const struct dv_command dv_command_vectors = {
    .name = "vectors",
    .summary = "Counts the texts that questions find, and forgets people.",
    .help = "examples:\n"
            "  datavault vectors count conf/embed.yaml\n"
            "  datavault vectors forget conf/embed.yaml < patient-ids     all that is kept about these people, one name a line\n"
            "  datavault vectors forget conf/embed.yaml --record 018f2c5e-0000-8000-8000-000000000000\n\n"
            "usage: datavault vectors count GRAPH.yaml [NODE] [--json]\n"
            "       datavault vectors forget GRAPH.yaml [NODE] [--schema NAME] [--as-sealed] [--key REF] [--record ID]...\n"
            "                                  [--conversations FILE] [--json]\n\n"
            "The places are those of the graph's sink-vectors, or that of NODE; only the graph's tenant has anything to do with it.\n"
            "`forget` reads people from standard input, by the plain value that the schema calls the subject, so that no name is in a\n"
            "command line. It goes the way it went when it was sealed: through the policy that the graph's `decrypt` names and the\n"
            "tenant's keys, all versions of them. A graph that runs meanwhile finds nothing of it from its next question on. From the\n"
            "conversations of the graph's `conversation` go the turns whose answers cite what is removed.\n"
            "  --schema NAME    of which records, if the graph opens several kinds\n"
            "  --as-sealed      the names are as they are in the sealed records: pseudonyms, where the policy makes them\n"
            "  --key REF        env:NAME or file:PATH, if the policy's pseudonyms have a key of their own\n"
            "  --record ID      forgets the text of this record, and nothing is read\n"
            "  --conversations FILE   the file of a `conversation` of another graph, which asks the same texts\n\n"
            "A vector comes again as long as the sealed record is read again: delete that, or destroy its key, first. On a PostgreSQL\n"
            "server the bytes go with the next VACUUM, in Snowflake with Time Travel and Fail-safe. Exit code 1: something is still on\n"
            "the disk; it is safe to do it again.\n",
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * retrieve.c - `datavault retrieve ID`: one sealed record, opened for whoever holds the keyring. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/keyring.h"
#include "cli/load.h"
#include "connectors/sqlite.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "operators/blob_row.h"
#include "operators/sink_pg.h"
#include "vault/blob.h"

enum { PATH_ROOM = 1024 };

/* What was asked for. */
struct arguments {
    const char *store; /* the path of an embedded store, or NULL: then it is in PostgreSQL */
    struct dv_pg_config pg;
    const char *keyring;
    const char *passphrase;
    bool json;
};

/* The store's answer, while the loop runs. */
struct answer {
    const struct arguments *arguments;
    struct dv_keyring *keyring;
    struct dv_error *error;
    dv_rc rc;
};

static void print_json(const struct dv_blob *blob, const char *plaintext, size_t length)
{
    char buffer[1024];
    char id[DV_UUID_TEXT];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "id");
    dv_json_string(&json, dv_id_text(id, blob->id));
    dv_json_key(&json, "tenant");
    dv_json_text(&json, (const char *)blob->tenant.at, blob->tenant.length);
    dv_json_key(&json, "schema");
    dv_json_text(&json, (const char *)blob->schema.at, blob->schema.length);
    dv_json_key(&json, "created_ms");
    dv_json_int(&json, blob->created_ms);
    dv_json_key(&json, "key_ref");
    dv_json_text(&json, (const char *)blob->key_ref.at, blob->key_ref.length);
    dv_json_key(&json, "record");
    (void)fwrite(buffer, 1, dv_json_length(&json), stdout);
    (void)fwrite(plaintext, 1, length, stdout);
    (void)fputs("}\n", stdout);
}

static dv_rc open_and_print(const struct answer *answer, const struct dv_store_row *row)
{
    struct dv_blob blob;
    if (!dv_blob_of_store(row, &blob))
        return dv_error_set(answer->error, DV_E_TAMPER, "the stored record was altered");
    size_t length = blob.ciphertext.length - DV_TAG_BYTES;
    uint8_t *plaintext = dv_memory_secret(length + 1);
    if (plaintext == NULL)
        return dv_error_set(answer->error, DV_E_MEMORY, "no locked memory for the record");
    dv_rc rc = dv_keyring_open_blob(answer->keyring, &blob, plaintext, answer->error);
    if (rc == DV_OK && answer->arguments->json) {
        print_json(&blob, (const char *)plaintext, length);
    } else if (rc == DV_OK) {
        (void)fwrite(plaintext, 1, length, stdout);
        (void)fputc('\n', stdout);
    }
    dv_memory_secret_free(plaintext, length + 1);
    return rc;
}

static void answered(struct dv_store_request *request)
{
    struct answer *answer = request->data;
    answer->rc = request->rc;
    if (request->rc == DV_OK)
        answer->rc = open_and_print(answer, &request->row);
    else if (request->rc == DV_E_MISSING)
        (void)dv_error_set(answer->error, DV_E_MISSING, "the store has no record with this id");
}

/* Asks an embedded store on a loop of its own and waits for the answer. */
static void ask_file(struct answer *answer, struct dv_store_request *request)
{
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_sqlite sqlite = { 0 };
    if (uv_loop_init(&uv) != 0 || dv_loop_real_init(&loop, &uv) != DV_OK) {
        answer->rc = DV_E_FAILED;
        return;
    }
    answer->rc = dv_sqlite_open(&sqlite, &loop.base, answer->arguments->store, answer->error);
    if (answer->rc == DV_OK) {
        dv_store_request(&sqlite.store, request);
        (void)uv_run(&uv, UV_RUN_DEFAULT);
    }
    dv_store_close(&sqlite.store);
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&uv);
}

static dv_rc ask(struct answer *answer, const uint8_t *id)
{
    struct dv_store_request request = { .kind = DV_STORE_GET, .callback = answered, .data = answer };
    memcpy(request.id, id, sizeof request.id);
    if (answer->arguments->store != NULL) {
        ask_file(answer, &request);
        return answer->rc;
    }
    dv_rc rc = dv_pg_ask(&answer->arguments->pg, &request, answer->error);
    return rc == DV_OK ? answer->rc : rc;
}

static dv_rc retrieve(const struct arguments *arguments, const char *text, struct dv_error *error)
{
    uint8_t id[DV_UUID_BYTES];
    if (!dv_id_parse(text, strlen(text), id))
        return dv_error_set(error, DV_E_USAGE, "an id looks like 018f2c5e-0000-8000-8000-000000000000");
    if (arguments->store != NULL && access(arguments->store, F_OK) != 0) /* opening would make it */
        return dv_error_set(error, DV_E_MISSING, "there is no store at '%s'", arguments->store);
    struct answer answer = { .arguments = arguments, .error = error };
    DV_TRY(dv_keyring_open_named(&answer.keyring, arguments->keyring, arguments->passphrase, error));
    dv_rc rc = ask(&answer, id);
    dv_keyring_close(answer.keyring);
    return rc;
}

static const char *path_of(const struct dv_node *node)
{
    const struct dv_option *row = dv_node_operator(node)->options;
    while (strcmp(row->name, "path") != 0)
        row++;
    return *(const char *const *)((const char *)dv_state(node) + row->offset);
}

/* Finds the first store in the graph. */
static bool take_store(struct arguments *arguments, const struct dv_graph *graph)
{
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        if (strcmp(dv_node_operator(node)->name, "sink-store") == 0) {
            arguments->store = path_of(node);
            return true;
        }
        if (strcmp(dv_node_operator(node)->name, "sink-pg") == 0) {
            arguments->pg = dv_sink_pg_config(node);
            arguments->pg.reads_only = true;
            return true;
        }
    }
    return false;
}

/* Takes store and keyring from a graph file and retrieves. */
static int retrieve_by_graph(const struct dv_command *self, struct arguments *arguments, const char *file,
                             const char *id)
{
    struct dv_loaded loaded;
    struct dv_error error = { 0 };
    int code = dv_loaded_init(&loaded, file, arguments->json);
    if (code == DV_EXIT_OK) {
        const struct dv_graph_settings *settings = dv_graph_settings(loaded.graph);
        arguments->keyring = settings->keyring;
        arguments->passphrase = settings->passphrase;
        if (!take_store(arguments, loaded.graph) || arguments->keyring == NULL) {
            code = dv_usage(self, "'%s' has no sink-store or sink-pg, or no keyring", file);
        } else {
            dv_rc rc = retrieve(arguments, id, &error);
            code = rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, &error);
        }
    }
    dv_loaded_free(&loaded);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' }, { "store", required_argument, NULL, 's' },
        { "keyring", required_argument, NULL, 'k' }, { "passphrase", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { 0 },
    };
    struct arguments arguments = { .keyring = "file:var/keyring" };
    const char *config = NULL;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 'c': config = optarg; break;
        case 's': arguments.store = optarg; break;
        case 'k': arguments.keyring = optarg; break;
        case 'p': arguments.passphrase = optarg; break;
        default: arguments.json = true; break;
        }
    }
    if (optind + 1 != argc || (config == NULL) == (arguments.store == NULL))
        return dv_usage(self, "say which ID, and either --config or --store");
    if (config != NULL)
        return retrieve_by_graph(self, &arguments, config, argv[optind]);
    struct dv_error error = { 0 };
    dv_rc rc = retrieve(&arguments, argv[optind], &error);
    return rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, &error);
}

const struct dv_command dv_command_retrieve = {
    .name = "retrieve",
    .summary = "Opens one sealed record.",
    .help = "examples:\n"
            "  datavault retrieve --config conf/demo.yaml 018f2c5e-0000-8000-8000-000000000000\n"
            "  datavault retrieve --store var/demo/vault.sqlite --json ID | jq .record\n\n"
            "usage: datavault retrieve --config FILE.yaml | --store PATH [--keyring file:DIR] [--passphrase REF] ID\n\n"
            "Prints the record byte for byte as it was sealed: already anonymised. Whoever can open the keyring may;\n"
            "a record that was altered by a bit is refused.\n",
    .run = run,
};

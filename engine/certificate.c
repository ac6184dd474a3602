/* SPDX-License-Identifier: Apache-2.0
 * certificate.c - the proof as a certificate whose bytes are the same for the same configuration. */
#include <stdlib.h>

#include "engine/json.h"
#include "engine/node.h"
#include "engine/proof.h"
#include "engine/yaml.h"

enum { CERTIFICATE_FIRST_BYTES = 1 << 16, CERTIFICATE_BYTES_MAX = 1 << 26, OPTIONS_MAX = 64 };

const char *dv_proof_teller(const struct dv_proof_row *row)
{
    return row->fact != NULL ? row->fact->node->name : NULL;
}

static void member(struct dv_json *json, const char *key, const char *text)
{
    dv_json_key(json, key);
    dv_json_string(json, text);
}

static void write_path(struct dv_json *json, const struct dv_proof_row *row)
{
    const char *names[DV_NODES_MAX];
    uint32_t count = dv_proof_path(row, names);
    dv_json_key(json, "path");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < count; i++)
        dv_json_string(json, names[i]);
    dv_json_close(json, ']');
}

static void write_row(struct dv_json *json, const struct dv_proof_row *row)
{
    char label[64];
    dv_json_open(json, '{');
    member(json, "class", dv_class_name((enum dv_class)row->label.class));
    member(json, "field", row->field);
    member(json, "form", dv_form_name((enum dv_form)row->label.form));
    member(json, "label", dv_label_text(row->label, label, sizeof label));
    dv_json_key(json, "parameter");
    dv_json_uint(json, row->label.parameter);
    write_path(json, row);
    member(json, "told_by", dv_proof_teller(row));
    member(json, "why", row->why);
    dv_json_close(json, '}');
}

static void write_guard(struct dv_json *json, const struct dv_node *exit)
{
    const struct dv_guard_account account = dv_node_guard(exit);
    dv_json_key(json, "guard");
    dv_json_open(json, '{');
    member(json, "do", account.word);
    member(json, "fields", account.fields);
    member(json, "why", account.why);
    dv_json_close(json, '}');
}

/* All rows of one exit follow each other. */
static void write_exits(struct dv_json *json, const struct dv_proof_row *rows, uint32_t count)
{
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < count;) {
        const struct dv_node *exit = rows[i].node;
        dv_json_open(json, '{');
        member(json, "exit", exit->name);
        dv_json_key(json, "fields");
        dv_json_open(json, '[');
        for (; i < count && rows[i].node == exit; i++)
            write_row(json, &rows[i]);
        dv_json_close(json, ']');
        write_guard(json, exit);
        member(json, "kind", dv_exit_name(dv_node_exit(exit)));
        dv_json_close(json, '}');
    }
    dv_json_close(json, ']');
}

/* What a variable gave may be a secret, and is not shown. */
static void write_value(struct dv_json *json, const struct dv_yaml *value)
{
    if (value->kind == DV_YAML_SCALAR) {
        dv_json_string(json, dv_yaml_shown(value));
        return;
    }
    bool map = value->kind == DV_YAML_MAP;
    dv_json_open(json, map ? '{' : '[');
    for (const struct dv_yaml *child = value->first; child != NULL; child = child->next) {
        if (map)
            dv_json_key(json, child->key);
        write_value(json, child);
    }
    dv_json_close(json, map ? '}' : ']');
}

static int key_order(const void *a, const void *b)
{
    const struct dv_yaml *const *x = a;
    const struct dv_yaml *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static void write_node(struct dv_json *json, const struct dv_node *node)
{
    const struct dv_yaml *options[OPTIONS_MAX];
    size_t count = 0;
    for (const struct dv_yaml *option = node->yaml->first; option != NULL && count < OPTIONS_MAX; option = option->next)
        if (strcmp(option->key, "op") != 0)
            options[count++] = option;
    qsort(options, count, sizeof *options, key_order);
    dv_json_open(json, '{');
    member(json, "node", node->name);
    member(json, "op", node->op->name);
    dv_json_key(json, "options");
    dv_json_open(json, '{');
    for (size_t i = 0; i < count; i++) {
        dv_json_key(json, options[i]->key);
        write_value(json, options[i]);
    }
    dv_json_close(json, '}');
    dv_json_close(json, '}');
}

static void write_certificate(struct dv_json *json, const struct dv_graph *graph, const struct dv_proof_row *rows,
                              uint32_t count)
{
    dv_json_open(json, '{');
    dv_json_key(json, "certificate");
    dv_json_uint(json, 1);
    member(json, "config_sha256", graph->config_hash);
    dv_json_key(json, "exits");
    write_exits(json, rows, count);
    member(json, "graph", graph->settings.name);
    dv_json_key(json, "nodes");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < graph->node_count; i++)
        write_node(json, graph->nodes[i]);
    dv_json_close(json, ']');
    member(json, "program", "datavault " DV_VERSION);
    member(json, "rejected", graph->settings.keyring != NULL ? "sealed" : "not kept");
    member(json, "tenant", graph->settings.tenant);
    dv_json_close(json, '}');
}

const char *dv_certificate(const struct dv_graph *graph, struct dv_arena *arena, size_t *ret_length)
{
    uint32_t count = 0;
    const struct dv_proof_row *rows = dv_proof_rows(graph, arena, &count);
    for (size_t size = CERTIFICATE_FIRST_BYTES; rows != NULL && size <= CERTIFICATE_BYTES_MAX; size *= 4) {
        char *buffer = dv_arena_zeroed(arena, 1, size);
        if (buffer == NULL)
            return NULL;
        struct dv_json json;
        dv_json_init(&json, buffer, size - 1);
        write_certificate(&json, graph, rows, count);
        *ret_length = dv_json_length(&json);
        if (!json.full)
            return buffer;
    }
    return NULL;
}

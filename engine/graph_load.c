/* SPDX-License-Identifier: Apache-2.0
 * graph_load.c - a graph file becomes nodes and links; everything that is wrong is told at once. */
#include <stdlib.h>

#include "engine/memory.h"
#include "engine/node.h"
#include "engine/yaml.h"

static const struct dv_option settings_options[] = {
    { "name", DV_NAME, offsetof(struct dv_graph_settings, name), .flags = DV_REQUIRED, .help = "Name of the graph." },
    { "tenant", DV_NAME, offsetof(struct dv_graph_settings, tenant), .initial = "default",
      .help = "Tenant whose keys, budget and labels the graph uses." },
    { "listen", DV_STR, offsetof(struct dv_graph_settings, listen),
      .help = "Address of the dashboard, as 127.0.0.1:8080; none: no server." },
    { "keyring", DV_STR, offsetof(struct dv_graph_settings, keyring), .help = "Keyring, as file:var/keyring." },
    { "passphrase", DV_SECRET, offsetof(struct dv_graph_settings, passphrase),
      .help = "Passphrase of the keyring; none: its machine key." },
    { "token", DV_SECRET, offsetof(struct dv_graph_settings, token), .help = "Bearer token that /v1 asks for." },
    { "tls_cert", DV_STR, offsetof(struct dv_graph_settings, tls_cert), .help = "Certificate chain of the server, PEM." },
    { "tls_key", DV_STR, offsetof(struct dv_graph_settings, tls_key), .help = "Private key of the server, PEM." },
    { "dead_letters", DV_STR, offsetof(struct dv_graph_settings, dead_letters),
      .help = "File of rejected records, sealed; none: <state>/dead-letters.msgpack." },
    { "dead_letters_max", DV_SIZE, offsetof(struct dv_graph_settings, dead_letters_max), .initial = "1GiB", .min = 1 << 12,
      .max = INT64_C(1) << 40,
      .help = "Size at which the file of rejected records stops the intake, until `datavault dlq drop` has made room." },
    { "state", DV_STR, offsetof(struct dv_graph_settings, state), .initial = "var/state",
      .help = "Directory of checkpoints and dead letters." },
    { "memory", DV_SIZE, offsetof(struct dv_graph_settings, memory_bytes), .flags = DV_LIVE, .initial = "512MiB", .min = 1 << 20,
      .max = INT64_C(1) << 40, .help = "The most that records may use; a graph that could pass it is refused." },
    { "batch_bytes", DV_SIZE, offsetof(struct dv_graph_settings, batch_bytes), .flags = DV_LIVE, .initial = "8MiB", .min = 1 << 18,
      .max = INT64_C(1) << 32, .help = "The most that one batch of records may use." },
    { "drain", DV_DURATION, offsetof(struct dv_graph_settings, drain_ms), .flags = DV_LIVE, .initial = "10s", .min = 0, .max = 3600000,
      .help = "How long a stop or a reload waits for what is in flight." },
    { "stall", DV_DURATION, offsetof(struct dv_graph_settings, stall_ms), .flags = DV_LIVE, .initial = "30s", .min = 0, .max = 86400000,
      .help = "How long records may wait while none is finished before /readyz says so; 0s: for ever." },
    { "stall_exit", DV_BOOL, offsetof(struct dv_graph_settings, stall_exit), .flags = DV_LIVE, .initial = "false",
      .help = "Whether a stall ends the process, with exit code 5, so that a supervisor starts it again." },
    { "budget", DV_TREE, offsetof(struct dv_graph_settings, budget),
      .help = "What noised answers may cost in a period: { epsilon: 10, delta: 1e-6, per: 1d }; a graph that could spend more is refused." },
    { "graph", DV_TREE, offsetof(struct dv_graph_settings, graph), .flags = DV_REQUIRED,
      .help = "The nodes, each with its `op` and what it comes `after`; a sink may say `order: key`, and `order_by: COLUMN`, an exit `guard: { do: block }`, a source `credits: N`, the batches it may have out." },
    { 0 },
};

const struct dv_option *dv_graph_options(void)
{
    return settings_options;
}

static const char *const node_keys[] = { "op", "from", "after", "order", "order_by", "guard", "credits", NULL };

static void finding(struct dv_graph *graph, const struct dv_yaml *at, const char *code, const char *help,
                    const char *format, ...) DV_FORMAT(5, 6);
static void finding(struct dv_graph *graph, const struct dv_yaml *at, const char *code, const char *help,
                    const char *format, ...)
{
    char text[DV_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dv_diags_add(graph->diags, at->place, code, NULL, help, "%s", text);
}

static const char *suggest_operator(struct dv_graph *graph, const char *word, bool from)
{
    const char *names[128];
    size_t count = 0;
    for (const struct dv_operator *const *op = graph->operators; *op != NULL && count < 128; op++) {
        const char *name = from ? (*op)->from : (*op)->name;
        if (name != NULL)
            names[count++] = name;
    }
    return dv_diags_suggest(graph->diags, word, names, count);
}

/* The operator of the table with this `op` and `from`; NULL after a finding. */
static const struct dv_operator *find_operator(struct dv_graph *graph, const struct dv_yaml *map)
{
    const struct dv_yaml *name = dv_yaml_get(map, "op");
    const struct dv_yaml *from = dv_yaml_get(map, "from");
    if (name == NULL || name->kind != DV_YAML_SCALAR || (from != NULL && from->kind != DV_YAML_SCALAR)) {
        dv_diags_add(graph->diags, map->key_place, "C010", NULL, "`datavault list` shows what there is",
                     "node '%s' has no operator (op: NAME)", map->key);
        return NULL;
    }
    bool known = false;
    for (const struct dv_operator *const *op = graph->operators; *op != NULL; op++) {
        if (strcmp((*op)->name, name->text) != 0)
            continue;
        known = true;
        if ((*op)->from == NULL ? from == NULL : from != NULL && strcmp((*op)->from, from->text) == 0)
            return *op;
    }
    if (!known)
        finding(graph, name, "C011", suggest_operator(graph, name->text, false), "no operator '%s'", dv_yaml_shown(name));
    else if (from != NULL)
        finding(graph, from, "C012", suggest_operator(graph, from->text, true), "no source from '%s'", dv_yaml_shown(from));
    else
        finding(graph, name, "C012", "say where it reads: from: file", "'%s' needs `from`", name->text);
    return NULL;
}

static uint32_t count_outputs(const struct dv_operator *op)
{
    uint32_t count = op->sink ? 0 : 1;
    for (const char *at = op->outputs; at != NULL && (at = strchr(at, '|')) != NULL; at++)
        count++;
    DV_ASSERT(count <= DV_OUTPUTS_MAX);
    return count;
}

static bool name_is_free(const struct dv_graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->name, name) == 0)
            return false;
    return true;
}

static struct dv_node *add_node(struct dv_graph *graph, const struct dv_operator *op, const struct dv_yaml *map)
{
    void *blank = dv_arena_zeroed(graph->arena, 1, op->size);
    struct dv_node *node = blank != NULL ? dv_node_new(op) : NULL;
    if (node == NULL) {
        finding(graph, map, "C007", NULL, "no memory for node '%s'", map->key);
        return NULL;
    }
    *node = (struct dv_node){ .op = op, .name = map->key, .graph = graph, .index = graph->node_count, .yaml = map };
    node->arena = graph->arena;
    node->state = node->blank = blank;
    node->output_count = count_outputs(op);
    dv_credits_load(node);
    node->credits_left = op->makes ? dv_node_credits(node) : 0;
    graph->nodes[graph->node_count++] = node;
    return node;
}

static bool load_node(struct dv_graph *graph, const struct dv_yaml *map)
{
    if (map->kind != DV_YAML_MAP) {
        finding(graph, map, "C013", "write it as { op: NAME, after: NODE }", "node '%s' is not a map", map->key);
        return false;
    }
    if (!dv_is_name(map->key) || strchr(map->key, '.') != NULL || !name_is_free(graph, map->key)) {
        dv_diags_add(graph->diags, map->key_place, "C014", NULL, "use letters, digits, - and _",
                     "a node cannot be named like this");
        return false;
    }
    const struct dv_operator *op = find_operator(graph, map);
    if (op == NULL)
        return false;
    struct dv_node *node = add_node(graph, op, map);
    if (node == NULL)
        return false;
    char what[192];
    (void)snprintf(what, sizeof what, "operator '%s'", op->name);
    static const struct dv_option none[] = { { 0 } };
    return dv_options_parse(op->options != NULL ? op->options : none, node->state, map, node_keys, what, graph->arena,
                            graph->diags) == DV_OK;
}

/* "split.matched" into node and output; the node is one of those before `limit`. */
static bool resolve(const struct dv_graph *graph, const char *word, uint32_t limit, uint32_t *ret_node,
                    uint32_t *ret_output)
{
    size_t length = strcspn(word, ".");
    const char *output = word[length] == '.' ? word + length + 1 : NULL;
    for (uint32_t i = 0; i < limit; i++) {
        const struct dv_node *node = graph->nodes[i];
        if (strlen(node->name) != length || memcmp(node->name, word, length) != 0)
            continue;
        *ret_node = i;
        if (output == NULL) {
            *ret_output = 0;
            return node->op->outputs == NULL && node->output_count > 0;
        }
        for (uint32_t o = 0; node->op->outputs != NULL && o < node->output_count; o++) {
            char name[64];
            *ret_output = o;
            if (strcmp(dv_node_output_name(node, o, name, sizeof name), output) == 0)
                return true;
        }
        return false;
    }
    return false;
}

/* Every word that may stand after `after:` of a node at `limit`, in the graph's arena. */
static size_t possible_inputs(const struct dv_graph *graph, uint32_t limit, const char **words, size_t size)
{
    size_t count = 0;
    for (uint32_t i = 0; i < limit; i++) {
        const struct dv_node *node = graph->nodes[i];
        for (uint32_t output = 0; output < node->output_count && count < size; output++) {
            char name[64];
            (void)dv_node_output_name(node, output, name, sizeof name);
            const char *word = name[0] == '\0' ? node->name
                                               : dv_arena_printf(graph->arena, "%s.%s", node->name, name);
            if (word != NULL)
                words[count++] = word;
        }
    }
    return count;
}

/* Whether the file has a node of this name that could not be loaded. */
static bool is_broken(struct dv_graph *graph, const char *word)
{
    const char *name = dv_arena_copy(graph->arena, word, strcspn(word, "."));
    return name != NULL && dv_yaml_get(graph->settings.graph, name) != NULL && name_is_free(graph, name);
}

static void add_link(struct dv_graph *graph, struct dv_node *node, const struct dv_yaml *word)
{
    struct dv_link link = { .to = node->index };
    if (word->kind != DV_YAML_SCALAR) {
        finding(graph, word, "C015", NULL, "`after` of '%s' must name a node", node->name);
        return;
    }
    if (!resolve(graph, word->text, node->index, &link.from, &link.output)) {
        if (is_broken(graph, word->text))
            return; /* what is wrong with it was told already */
        const char *words[DV_LINKS_MAX];
        size_t count = possible_inputs(graph, node->index, words, DV_LINKS_MAX);
        const char *help = dv_diags_suggest(graph->diags, word->text, words, count);
        finding(graph, word, "C016", help != NULL ? help : "name a node (or node.output) that stands above",
                "nothing above is called '%s'", dv_yaml_shown(word));
        return;
    }
    if (graph->link_count == DV_LINKS_MAX) {
        finding(graph, word, "C017", NULL, "too many links at '%s'", node->name);
        return;
    }
    graph->links[graph->link_count++] = link;
}

static void load_links(struct dv_graph *graph, struct dv_node *node)
{
    const struct dv_yaml *after = dv_yaml_get(node->yaml, "after");
    if (after == NULL && !node->op->source)
        (void)dv_refuse(node, NULL, "C018", "add after: NODE", "node '%s' has no input", node->name);
    if (after == NULL)
        return;
    if (node->op->source) {
        (void)dv_refuse(node, "after", "C019", NULL, "a source comes after nothing");
        return;
    }
    if (after->kind == DV_YAML_LIST) {
        for (const struct dv_yaml *word = after->first; word != NULL; word = word->next)
            add_link(graph, node, word);
    } else {
        add_link(graph, node, after);
    }
}

static int link_order(const void *a, const void *b)
{
    const struct dv_link *x = a;
    const struct dv_link *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->output != y->output)
        return x->output < y->output ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

void dv_graph_index_links(struct dv_graph *graph)
{
    qsort(graph->links, graph->link_count, sizeof *graph->links, link_order);
    for (uint32_t i = 0; i < graph->link_count; i++) {
        struct dv_node *from = graph->nodes[graph->links[i].from];
        if (from->link_count == 0)
            from->link_first = i;
        from->link_count++;
        graph->nodes[graph->links[i].to]->upstream_open++;
    }
}

/* The one schema that all inputs of a node send; NULL after a finding or if an input has none. */
static const struct dv_schema *input_schema(struct dv_graph *graph, struct dv_node *node)
{
    const struct dv_schema *schema = NULL;
    for (uint32_t i = 0; i < graph->link_count; i++) {
        const struct dv_link *link = &graph->links[i];
        if (link->to != node->index)
            continue;
        const struct dv_schema *sent = graph->nodes[link->from]->out[link->output];
        if (sent == NULL)
            return NULL;
        if (schema != NULL && !dv_schema_equal(schema, sent)) {
            (void)dv_refuse(node, "after", "C021", "bring them to the same columns with `project`",
                            "the inputs of '%s' differ in their columns or labels", node->name);
            return NULL;
        }
        schema = schema == NULL ? sent : dv_schema_join(graph->arena, schema, sent);
        if (schema == NULL)
            return NULL;
    }
    return schema;
}

static void shape_node(struct dv_graph *graph, struct dv_node *node)
{
    struct dv_shape shape = { 0 };
    if (!node->op->source) {
        shape.in = input_schema(graph, node);
        if (shape.in == NULL)
            return;
    }
    node->in = shape.in;
    uint32_t before = graph->diags->count;
    const struct dv_source_text *known = graph->diags->sources;
    dv_rc rc = node->op->transfer != NULL ? node->op->transfer(node, &shape) : DV_OK;
    if (dv_is_error(rc) && graph->diags->count == before)
        (void)dv_refuse(node, NULL, "C022", NULL, "%s", node->error.text[0] ? node->error.text : dv_rc_text(rc));
    if (dv_is_error(rc))
        return;
    node->files = dv_diags_sources_hash(graph->diags, known);
    memcpy(node->out, shape.out, sizeof node->out);
    node->cleared = shape.cleared;
    node->shown = shape.shown;
    node->shown_at = shape.shown_at;
    node->counts = shape.counts;
    if (!dv_facts_load(graph, node, &shape))
        (void)dv_refuse(node, NULL, "C007", NULL, "no memory for what the conditions before '%s' tell", node->name);
    dv_order_load(node);
    dv_exit_guard_load(node);
    for (uint32_t output = 0; output < node->output_count; output++)
        DV_ASSERT(node->out[output] != NULL);
}

static void check_shape(struct dv_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (!node->op->sink && node->link_count == 0)
            (void)dv_refuse(node, NULL, "C023", "add a sink after it", "nothing reads what '%s' sends", node->name);
    }
    if (!dv_graph_count_bound(graph) || graph->bound.bytes > (uint64_t)graph->settings.memory_bytes) {
        struct dv_place place = graph->settings.graph->key_place;
        dv_diags_add(graph->diags, place, "C024", NULL, "raise `memory`, lower `batch_bytes`, or join branches earlier",
                     "the graph could need %llu MiB of records, more than `memory` allows",
                     (unsigned long long)(graph->bound.bytes >> 20));
    }
}

/* Keys and stores know tenants by names of at most this many characters. */
enum { TENANT_MAX = 64 };

static void check_settings(struct dv_graph *graph, const struct dv_yaml *root)
{
    const struct dv_yaml *tenant = dv_yaml_get(root, "tenant");
    if (tenant != NULL && graph->settings.tenant != NULL && strlen(graph->settings.tenant) > TENANT_MAX)
        finding(graph, tenant, "C026", NULL, "a tenant's name has at most %d characters", TENANT_MAX);
}

/* The setting of a row in two graphs. */
struct setting {
    char *from;
    const char *to;
};

static struct setting setting_of(const struct dv_option *row, struct dv_graph *from, const struct dv_graph *to)
{
    return (struct setting){ (char *)&from->settings + row->offset, (const char *)&to->settings + row->offset };
}

static size_t size_of_setting(const struct dv_option *row)
{
    return row->type == DV_BOOL ? sizeof(bool) : sizeof(int64_t);
}

static bool same_setting(const struct dv_option *row, struct setting setting)
{
    if (row->type != DV_STR && row->type != DV_NAME && row->type != DV_SECRET)
        return memcmp(setting.from, setting.to, size_of_setting(row)) == 0;
    const char *from = *(const char *const *)(const void *)setting.from;
    const char *to = *(const char *const *)(const void *)setting.to;
    return from == to || (from != NULL && to != NULL && strcmp(from, to) == 0);
}

bool dv_settings_can_change(struct dv_graph *from, const struct dv_graph *to)
{
    bool can = true;
    for (const struct dv_option *row = settings_options; row->name != NULL; row++) {
        bool may = (row->flags & DV_LIVE) != 0 || row->type == DV_TREE;
        if (may || same_setting(row, setting_of(row, from, to)))
            continue;
        const struct dv_yaml *at = dv_yaml_get(to->root, row->name);
        dv_diags_add(to->diags, at != NULL ? at->place : to->root->place, "C028", NULL, "restart datavault",
                     "`%s` cannot be changed while the graph runs", row->name);
        can = false;
    }
    return can;
}

void dv_settings_change(struct dv_graph *from, const struct dv_graph *to)
{
    for (const struct dv_option *row = settings_options; row->name != NULL; row++) {
        struct setting setting = setting_of(row, from, to);
        if ((row->flags & DV_LIVE) != 0)
            memcpy(setting.from, setting.to, size_of_setting(row));
    }
}

static void load_nodes(struct dv_graph *graph)
{
    const struct dv_yaml *list = graph->settings.graph;
    if (list->kind != DV_YAML_MAP || list->count == 0 || list->count > DV_NODES_MAX) {
        dv_diags_add(graph->diags, list->key_place, "C025", NULL, NULL, "`graph` must be a map of 1 to %d nodes",
                     DV_NODES_MAX);
        return;
    }
    bool sound = true;
    for (const struct dv_yaml *map = list->first; map != NULL; map = map->next)
        sound = load_node(graph, map) && sound;
    for (uint32_t i = 0; i < graph->node_count; i++)
        load_links(graph, graph->nodes[i]);
    dv_graph_index_links(graph);
    if (!sound)
        return; /* transfer() needs complete options */
    for (uint32_t i = 0; i < graph->node_count; i++)
        shape_node(graph, graph->nodes[i]);
    dv_owners_check(graph);
    if (graph->diags->count == 0)
        check_shape(graph);
}

static const char *directory_of(struct dv_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? dv_arena_copy(arena, path, (size_t)(slash - path)) : ".";
}

static struct dv_graph *build(const char *path, const struct dv_yaml *root,
                              const struct dv_operator *const *operators, struct dv_diags *diags)
{
    if (root == NULL)
        return NULL;
    struct dv_graph *graph = dv_arena_zeroed(diags->arena, 1, sizeof *graph);
    if (graph == NULL)
        return NULL;
    graph->arena = diags->arena;
    graph->diags = diags;
    graph->root = root;
    graph->operators = operators;
    graph->directory = directory_of(graph->arena, path);
    graph->nodes = dv_arena_zeroed(graph->arena, DV_NODES_MAX, sizeof *graph->nodes);
    graph->links = dv_arena_zeroed(graph->arena, DV_LINKS_MAX, sizeof *graph->links);
    if (graph->nodes == NULL || graph->links == NULL || graph->directory == NULL)
        return NULL;
    dv_rc rc = dv_options_parse(settings_options, &graph->settings, root, NULL, "the graph file", graph->arena, diags);
    check_settings(graph, root);
    if (graph->settings.graph != NULL)
        load_nodes(graph);
    dv_config_hash(graph);
    if (rc == DV_OK && diags->count == 0)
        return graph;
    dv_graph_free(graph);
    return NULL;
}

struct dv_graph *dv_graph_load(const char *path, const struct dv_operator *const *operators, struct dv_diags *diags)
{
    return build(path, dv_yaml_load_partial(path, diags->arena, diags), operators, diags);
}

struct dv_graph *dv_graph_parse(const char *name, const char *text, size_t length,
                                const struct dv_operator *const *operators, struct dv_diags *diags)
{
    return build(name, dv_yaml_parse_partial(name, text, length, diags->arena, diags), operators, diags);
}

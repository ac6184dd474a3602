/* SPDX-License-Identifier: Apache-2.0
 * exit_guard.c - asks an exit's guard about each batch before the exit is offered it. */
#include "engine/exit_guard.h"

#include "engine/id.h"
#include "engine/log.h"
#include "engine/node.h"
#include "engine/yaml.h"

static const struct dv_exit_guard *kind_of(const struct dv_node *node)
{
    return dv_node_exit(node) != DV_EXIT_NONE ? node->op->guard : NULL;
}

static bool looks(const struct dv_node *node)
{
    return node->guard_blank != NULL && kind_of(node)->looks(node->guard_blank);
}

/* Which nodes of the graph records can come from. */
static void mark_before(const struct dv_node *node, bool before[DV_NODES_MAX])
{
    const struct dv_graph *graph = node->graph;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < graph->link_count; i++) {
            const struct dv_link *link = &graph->links[i];
            if ((link->to == node->index || before[link->to]) && !before[link->from])
                before[link->from] = more = true;
        }
    }
}

uint32_t dv_exit_guard_sought(struct dv_node *node, const void **ret_sought, uint32_t max)
{
    bool before[DV_NODES_MAX] = { false };
    uint32_t count = 0;
    mark_before(node, before);
    for (uint32_t i = 0; i < node->graph->node_count; i++) {
        const struct dv_node *other = node->graph->nodes[i];
        const void *sought = before[i] && other->op->sought != NULL ? other->op->sought(other) : NULL;
        if (sought == NULL)
            continue;
        node->files = dv_hash64(&other->files, sizeof other->files, node->files);
        if (count < max)
            ret_sought[count] = sought;
        count++;
    }
    return count;
}

/* Options of a map; of nothing, their defaults. */
static dv_rc read_options(struct dv_node *node, const struct dv_yaml *how)
{
    static const struct dv_yaml nothing = { .kind = DV_YAML_MAP };
    if (how != NULL && how->kind != DV_YAML_MAP)
        return dv_refuse(node, "guard", "C035", "write it as guard: { do: redact }, or guard: { do: off, reason: WHY }",
                         "the guard of '%s' is not a map", node->name);
    return dv_options_parse(kind_of(node)->options, node->guard_blank, how != NULL ? how : &nothing, NULL, "`guard`", node->arena,
                            node->graph->diags);
}

void dv_exit_guard_load(struct dv_node *node)
{
    const struct dv_yaml *how = dv_yaml_get(node->yaml, "guard");
    if (kind_of(node) == NULL) {
        if (how != NULL)
            (void)dv_refuse(node, "guard", "C035", "put it at the exit", "'%s' is no exit that has a guard", node->name);
        return;
    }
    node->guard_blank = dv_arena_zeroed(node->arena, 1, kind_of(node)->size);
    if (node->guard_blank == NULL) {
        (void)dv_refuse(node, NULL, "C007", NULL, "no memory for the guard of '%s'", node->name);
        return;
    }
    if (!dv_is_error(read_options(node, how)))
        (void)!kind_of(node)->load(node, node->guard_blank, node->cleared != NULL ? node->cleared : node->in, node->in);
}

/* Who switched a guard off answers for it: each start says so. */
static void tell_off(const struct dv_node *node)
{
    if (node->guard_blank != NULL && strcmp(kind_of(node)->account(node->guard_blank).word, DV_GUARD_OFF) == 0)
        dv_log(DV_LOG_WARN, "guard.off", DV_LOG_NAMED("graph", node->graph->settings.name), DV_LOG_NAMED("node", node->name));
}

dv_rc dv_exit_guard_open(struct dv_node *node)
{
    tell_off(node);
    if (!looks(node))
        return DV_OK;
    node->guard = dv_arena_zeroed(node->arena, 1, kind_of(node)->size);
    if (node->guard == NULL)
        return DV_E_MEMORY;
    memcpy(node->guard, node->guard_blank, kind_of(node)->size);
    return kind_of(node)->open(node, node->guard);
}

void dv_exit_guard_close(struct dv_node *node)
{
    if (node->guard != NULL)
        kind_of(node)->close(node->guard);
    node->guard = NULL;
}

bool dv_exit_guard_edits(const struct dv_node *node)
{
    return looks(node) && kind_of(node)->edits(node->guard_blank);
}

/* What could not be mended does not leave. */
static void give_up(struct dv_node *node, struct dv_batch *batch, dv_rc rc)
{
    dv_reject_all(node, batch, rc);
    batch->rows = 0;
    batch->rejected_count = 0;
}

/* There is one copy in the pool for each guard: the next waits until the exit has done with it, as it will by itself. */
bool dv_exit_guard_admits(struct dv_node *node)
{
    if (node->guard == NULL)
        return true;
    const struct dv_batch *batch = node->edge.slots[node->edge.head];
    if (node->guard_seen != batch)
        node->guard_hit = kind_of(node)->look(node, node->guard, batch, node->stats.guarded);
    node->guard_seen = batch;
    return !node->guard_hit || batch->references == 1 || !dv_node_has(node, node->guard_copy);
}

/* A batch that nobody else reads. */
static struct dv_batch *own_copy(struct dv_node *node, struct dv_batch *batch)
{
    if (batch->references == 1)
        return batch;
    struct dv_batch *copy = dv_pool_share(batch);
    DV_ASSERT(copy != NULL); /* the pool counts one for every guard: bound.c */
    copy->offered_ns = batch->offered_ns;
    dv_batch_unref(batch);
    node->guard_copy = copy;
    return copy;
}

struct dv_batch *dv_exit_guard_pass(struct dv_node *node, struct dv_batch *batch)
{
    node->guard_seen = NULL;
    if (node->guard == NULL || !node->guard_hit)
        return batch;
    batch = own_copy(node, batch);
    dv_rc rc = kind_of(node)->mend(node, node->guard, batch);
    if (!dv_is_error(rc) && batch->rejected_count > 0)
        rc = dv_batch_compact(batch);
    if (dv_is_error(rc))
        give_up(node, batch, rc);
    return batch;
}

struct dv_guard_account dv_node_guard(const struct dv_node *node)
{
    static const struct dv_guard_account none = { .word = DV_GUARD_OFF, .fields = "(none)", .types = "", .why = "this exit has no guard" };
    return node->guard_blank != NULL ? kind_of(node)->account(node->guard_blank) : none;
}

const char *dv_node_guarded(const struct dv_node *node, uint32_t type, uint64_t *ret_count)
{
    const char *name = kind_of(node) != NULL && type < DV_GUARDED_MAX ? kind_of(node)->type_name(type) : NULL;
    *ret_count = name != NULL ? node->stats.guarded[type] : 0;
    return name;
}

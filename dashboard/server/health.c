/* SPDX-License-Identifier: Apache-2.0
 * health.c - what /readyz says: ready means that every node and the dead letters can go on. */
#include "dashboard/server/server_internal.h"
#include "engine/operator.h"

static bool goes_on(const struct dv_server *server, struct dv_node *node)
{
    return !server->ready || dv_node_status(node)[0] == '\0';
}

const char *dv_health_trouble(const struct dv_server *server, struct dv_node *node)
{
    return server->ready ? dv_node_trouble(node) : "";
}

static const char *letters_reason(const struct dv_server *server)
{
    const struct dv_dead_letters *letters = server->letters;
    if (letters == NULL || !server->ready)
        return NULL;
    const char *reason = letters->waits != NULL ? letters->waits(letters) : NULL;
    if (reason != NULL)
        return reason;
    return letters->full != NULL && letters->full(letters) ? "full" : NULL;
}

bool dv_health_ready(const struct dv_server *server)
{
    if (!server->ready || letters_reason(server) != NULL || dv_graph_stall(server->graph).node != NULL)
        return false;
    for (uint32_t i = 0; i < dv_graph_node_count(server->graph); i++)
        if (!goes_on(server, dv_graph_node(server->graph, i)))
            return false;
    return true;
}

static void write_check(struct dv_json *json, const char *name, const char *reason)
{
    dv_json_key(json, name);
    dv_json_string(json, reason != NULL ? reason : "ok");
}

/* Which dependency is left alone now, since when and why. */
static void write_breakers(struct dv_json *json, const struct dv_server *server)
{
    dv_json_key(json, "breakers");
    dv_json_open(json, '{');
    for (uint32_t i = 0; i < dv_graph_node_count(server->graph); i++) {
        const struct dv_node *node = dv_graph_node(server->graph, i);
        if (dv_node_circuit(node).state == DV_BREAKER_CLOSED)
            continue;
        dv_json_key(json, dv_node_name(node));
        dv_json_open(json, '{');
        dv_circuit_json(json, server, node);
        dv_json_close(json, '}');
    }
    dv_json_close(json, '}');
}

/* "ok", or who holds everything up since when. */
void dv_stall_json(struct dv_json *json, const struct dv_server *server)
{
    const struct dv_stall stall = dv_graph_stall(server->graph);
    if (stall.node == NULL) {
        dv_json_string(json, "ok");
        return;
    }
    uint64_t ago_ms = (dv_now_ns(server->loop) - stall.since_ns) / 1000000;
    dv_json_open(json, '{');
    dv_json_key(json, "node");
    dv_json_string(json, stall.node);
    dv_json_key(json, "since_ms");
    dv_json_int(json, dv_wall_ms(server->loop) - (int64_t)ago_ms);
    dv_json_close(json, '}');
}

void dv_health_json(struct dv_json *json, const void *data)
{
    const struct dv_server *server = data;
    dv_json_open(json, '{');
    dv_json_key(json, "status");
    dv_json_string(json, dv_health_ready(server) ? "ready" : "not ready");
    write_check(json, "server", server->ready ? NULL : "starting or stopping");
    write_check(json, "dead_letters", letters_reason(server));
    dv_json_key(json, "stall");
    dv_stall_json(json, server);
    dv_json_key(json, "nodes");
    dv_json_open(json, '{');
    for (uint32_t i = 0; i < dv_graph_node_count(server->graph); i++) {
        struct dv_node *node = dv_graph_node(server->graph, i);
        const char *trouble = dv_health_trouble(server, node);
        write_check(json, dv_node_name(node), trouble[0] != '\0' ? trouble : NULL);
    }
    dv_json_close(json, '}');
    write_breakers(json, server);
    dv_json_close(json, '}');
}

/* SPDX-License-Identifier: Apache-2.0
 * reloads.c - reloads at random moments: the same graph with other options, another graph, a broken one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/reload.h"
#include "tests/sim/world.h"

enum { GAP_STEPS = 250 };

static void remember_graph(struct sim_world *world)
{
    struct sim_epoch *epoch = &world->epochs[world->epoch];
    const struct dv_link *links = NULL;
    epoch->link_count = dv_graph_links(world->graph, &links);
    memcpy(epoch->links, links, epoch->link_count * sizeof *links);
    for (uint32_t i = 0; i < dv_graph_node_count(world->graph); i++)
        epoch->operators[i] = dv_node_operator(dv_graph_node(world->graph, i))->name;
}

static void plan_next(struct sim_reloads *reloads, uint64_t step)
{
    reloads->next_at = step + 1 + dv_random_below(&reloads->random, GAP_STEPS);
}

void sim_reloads_start(struct sim_reloads *reloads, struct sim_world *world, uint64_t seed)
{
    reloads->seed = seed;
    reloads->max = seed / 2 % 2 == 1 ? SIM_EPOCHS_MAX - 1 : 0;
    dv_random_seed(&reloads->random, ~seed);
    world->shaky = seed % 3 == 0;
    remember_graph(world);
    plan_next(reloads, 0);
}

static void reloaded(struct dv_graph *graph, const struct dv_reload_report *report, void *data)
{
    struct sim_world *world = data;
    (void)graph;
    world->told++;
    if (world->verbose)
        (void)fprintf(stderr, "reload: %s: %u changed, %u added, %u removed, %u unchanged: %s\n",
                      dv_reload_result_name(report->result), report->changed.count, report->added.count,
                      report->removed.count, report->unchanged, report->error.text);
    if (report->result != DV_RELOAD_DONE)
        return;
    world->epoch++;
    remember_graph(world);
}

/* Mostly the structure stays, so that nodes can; the broken ones have a node twice. */
static void say_file(struct sim_reloads *reloads, struct sim_text *text)
{
    struct dv_random structure;
    bool other = dv_random_chance(&reloads->random, 30);
    dv_random_seed(&structure, other ? reloads->seed + 1000000 * (1 + reloads->count) : reloads->seed);
    sim_random_graph(text, &structure, &reloads->random);
    if (dv_random_chance(&reloads->random, 10))
        text->bytes[text->length - 3] = '[';
}

void sim_reloads_step(struct sim_reloads *reloads, struct sim_world *world, uint64_t step)
{
    if (step != reloads->next_at || reloads->count == reloads->max)
        return;
    struct sim_text *text = calloc(1, sizeof *text);
    reloads->texts[reloads->count++] = text;
    say_file(reloads, text);
    struct dv_reload_request request = { .path = "sim.yaml", .text = text->bytes, .length = text->length,
                                         .done = reloaded, .data = world };
    if (dv_graph_reload(world->graph, &request) == DV_OK)
        world->reloads++;
    plan_next(reloads, step);
}

void sim_reloads_end(struct sim_reloads *reloads)
{
    for (uint32_t i = 0; i < reloads->count; i++)
        free(reloads->texts[i]);
}

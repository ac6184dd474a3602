/* SPDX-License-Identifier: Apache-2.0
 * sim.c - random graphs under a simulated clock, each from one seed: sim [--seed N] [--count N] [--verbose].
 *
 * shows: MIS-2 MIS-3 MIS-5 ING-6 BCP-8
 *
 * Checked for every seed: each record comes exactly to the ends that the graph tells, each receipt settles once and not
 * before every branch is durable, the pool never runs dry and is full again at the end, memory stays within the bound
 * that `datavault check` prints, and nothing is left waiting for ever. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/node.h"
#include "tests/sim/world.h"

uint32_t sim_make(struct sim_world *world, uint32_t origin)
{
    if (world->record_count + 1 >= SIM_RECORDS_MAX) {
        sim_break(world, "too many records for the ledger");
        return world->record_count;
    }
    sim_leaves(world, ++world->record_count, origin);
    return world->record_count;
}

void sim_leaves(struct sim_world *world, uint32_t record, uint32_t origin)
{
    world->records[record].origin = origin;
    world->records[record].epoch = world->epoch;
}

static void *room(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity * 2 + 4;
    void *grown = realloc(array, *capacity * size);
    return grown != NULL ? grown : (abort(), NULL);
}

void sim_ended(struct sim_world *world, uint32_t record, uint32_t node, uint64_t mask)
{
    struct sim_record *entry = &world->records[record];
    entry->ends = room(entry->ends, entry->end_count, &entry->end_room, sizeof *entry->ends);
    entry->ends[entry->end_count++] = (struct sim_end){ .node = (uint16_t)node, .mask = mask };
}

void sim_absorbed(struct sim_world *world, uint32_t record, uint32_t window_record)
{
    struct sim_record *entry = &world->records[record];
    entry->inside = room(entry->inside, entry->inside_count, &entry->inside_room, sizeof *entry->inside);
    entry->inside[entry->inside_count++] = window_record;
}

void sim_break(struct sim_world *world, const char *what)
{
    if (world->broken == NULL)
        world->broken = what;
}

void sim_world_free(struct sim_world *world)
{
    for (uint32_t i = 0; i <= world->record_count; i++) {
        free(world->records[i].ends);
        free(world->records[i].inside);
    }
    free(world->records);
}

static void say(struct sim_text *text, const char *format, ...) DV_FORMAT(2, 3);
static void say(struct sim_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, sizeof text->bytes - text->length, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

/* One of the outputs of the nodes before `limit` that are no sinks. */
static void say_input(struct sim_text *text, struct dv_random *random, const char (*outputs)[24], uint32_t count)
{
    say(text, "%s", outputs[dv_random_below(random, count)]);
}

static const char *pick_operator(struct dv_random *random)
{
    static const char *const middle[] = { "sim-pass", "sim-edit", "sim-edit", "sim-reject", "sim-route", "sim-window",
                                         "sim-filter" };
    return middle[dv_random_below(random, sizeof middle / sizeof middle[0])];
}

/* What makes a node of a reloaded file another one; most stay as they are. */
static void say_knobs(struct sim_text *text, struct dv_random *changes)
{
    if (changes != NULL && dv_random_chance(changes, 20))
        say(text, ", tag: %u", (unsigned)dv_random_below(changes, 3));
    if (changes != NULL && dv_random_chance(changes, 1))
        say(text, ", broken: true");
}

void sim_random_graph(struct sim_text *text, struct dv_random *random, struct dv_random *changes)
{
    char outputs[64][24];
    uint32_t count = 0;
    uint32_t sources = 1 + (uint32_t)dv_random_below(random, 3);
    uint32_t middles = (uint32_t)dv_random_below(random, 9);
    say(text, "name: sim\nmemory: %s\nbatch_bytes: 256KiB\ngraph:\n", changes != NULL ? "25GiB" : "1TiB");
    for (uint32_t i = 0; i < sources; i++) {
        say(text, "  s%u: { op: sim-source, count: %u", i, 1 + (unsigned)dv_random_below(random, 30));
        say_knobs(text, changes);
        say(text, " }\n");
        (void)snprintf(outputs[count++], sizeof outputs[0], "s%u", i);
    }
    for (uint32_t i = 0; i < middles; i++) {
        const char *op = pick_operator(random);
        say(text, "  m%u: { op: %s, after: [", i, op);
        say_input(text, random, (const char(*)[24])outputs, count);
        for (uint32_t extra = (uint32_t)dv_random_below(random, 3); extra > 1; extra--) {
            say(text, ", ");
            say_input(text, random, (const char(*)[24])outputs, count);
        }
        say(text, "]");
        say_knobs(text, changes);
        say(text, " }\n");
        bool route = strcmp(op, "sim-route") == 0;
        const char *output = route ? ".even" : strcmp(op, "sim-filter") == 0 ? ".kept" : "";
        (void)snprintf(outputs[count++], sizeof outputs[0], "m%u%s", i, output);
        if (route)
            (void)snprintf(outputs[count++], sizeof outputs[0], "m%u.odd", i);
    }
    for (uint32_t i = 0; i < count; i++)
        if (dv_random_chance(random, 30) || i + 1 == count) {
            say(text, "  k%u: { op: sim-sink, after: %s", i, outputs[i]);
            say_knobs(text, changes);
            say(text, " }\n");
        }
    say(text, "  all: { op: sim-sink, after: [%s", outputs[0]);
    for (uint32_t i = 1; i < count; i++)
        say(text, ", %s", outputs[i]);
    say(text, "] }\n");
}

static void put_letter(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt);
static bool letters_full(const struct dv_dead_letters *letters);
static bool letters_idle(const struct dv_dead_letters *letters);

/* Dead letters that are durable some time later. */
struct letters {
    struct dv_dead_letters base;
    struct sim_world *world;
    struct dv_timer timer;
    struct dv_receipt *waiting[4096];
    uint32_t count;
};

static void put_letter(struct dv_dead_letters *base, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    struct letters *letters = (struct letters *)base;
    (void)letter;
    letters->world->letters++;
    if (receipt == NULL || letters->count == 4096) {
        sim_break(letters->world, "a rejected record has no receipt, or the gate was passed");
        return;
    }
    if (letters->count > letters->world->letters_max + DV_BATCH_ROWS)
        sim_break(letters->world, "the gate of the dead letters was passed");
    letters->waiting[letters->count++] = dv_receipt_ref(receipt);
    if (!letters->timer.active)
        dv_timer_start(&letters->timer, 20);
}

static void letters_durable(struct dv_timer *timer)
{
    struct letters *letters = timer->data;
    uint32_t count = letters->count;
    letters->count = 0;
    for (uint32_t i = 0; i < count; i++)
        dv_receipt_unref(letters->waiting[i], false);
}

static bool letters_full(const struct dv_dead_letters *base)
{
    const struct letters *letters = (const struct letters *)base;
    return letters->count > letters->world->letters_max;
}

static bool letters_idle(const struct dv_dead_letters *base)
{
    return ((const struct letters *)base)->count == 0;
}

static void finished(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct sim_world *world = data;
    (void)graph;
    world->done = true;
    world->rc = rc;
}

static void check_end(struct sim_world *world, bool stopped)
{
    const struct dv_graph *graph = world->graph;
    if (!world->done)
        sim_break(world, "deadlock: nothing is left to happen and the run is not over");
    else if (graph->pool.live_max > graph->bound.batches)
        sim_break(world, "more batches than the bound");
    else if (world->settled > world->claimed)
        sim_break(world, "a receipt settled twice");
    else if (world->starved || (world->hurried && world->rc == DV_E_FAILED))
        return; /* not all of it could arrive; it was seen that nothing was settled that had not */
    else if (world->rc != DV_OK)
        sim_break(world, "the run ended with an error");
    else if (world->claimed != world->settled)
        sim_break(world, "not every receipt settled exactly once");
    else if (graph->receipts.live != 0 || graph->receipts.live_links != 0)
        sim_break(world, "receipts or links are left over");
    else if (graph->pool.free_count != graph->pool.capacity)
        sim_break(world, "batches are left over");
    else if (!sim_exact(world))
        sim_break(world, stopped ? "after a stop records are missing, doubled or mixed up"
                                 : "records are missing, doubled or mixed up");
}

/* Some seeds are harder than others. */
static void set_hardships(struct sim_world *world, uint64_t seed)
{
    world->letters_max = (uint32_t)dv_random_below(&world->random, 7);
    world->stormy = seed % 7 == 0;
    world->hurried = seed % 10 == 0;
    world->starved = seed % 11 == 0;
    if (world->starved)
        dv_memory_fail_at(1 + dv_random_below(&world->random, 40));
}

static void run(struct sim_world *world, uint64_t seed)
{
    struct dv_loop_sim loop;
    dv_loop_sim_init(&loop);
    struct letters letters = { .base = { put_letter, letters_full, NULL, letters_idle }, .world = world };
    dv_timer_init(&loop.base, &letters.timer, letters_durable, &letters);
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    dv_graph_dead_letters(world->graph, &letters.base);
    struct dv_error error = { 0 };
    if (dv_graph_start(world->graph, &loop.base, finished, world, &error) != DV_OK) {
        sim_break(world, "the graph did not start");
        return;
    }
    dv_random_seed(&world->graph->random, seed);
    bool stops = seed % 5 == 0;
    uint64_t stop_at = dv_random_below(&world->random, 400);
    uint64_t hurry_at = stop_at + dv_random_below(&world->random, 40);
    set_hardships(world, seed);
    struct sim_reloads reloads = { 0 };
    sim_reloads_start(&reloads, world, seed);
    for (uint64_t step = 0; !world->done && step < 4000000; step++) {
        if (stops && step == stop_at) {
            world->graph->settings.drain_ms = 100000000;
            dv_graph_stop(world->graph);
        }
        if (world->hurried && step == hurry_at)
            dv_graph_stop(world->graph);
        sim_reloads_step(&reloads, world, step);
        if (dv_graph_bytes_held(world->graph) > world->graph->bound.bytes)
            sim_break(world, "more memory than the bound");
        if (!dv_loop_sim_step(&loop))
            break;
    }
    dv_memory_fail_at(0);
    check_end(world, stops);
    if (world->done && world->told != world->reloads)
        sim_break(world, "a reload never came to an end");
    if (!world->done)
        world->graph->state = DV_GRAPH_DONE;
    dv_graph_free(world->graph);
    world->graph = NULL;
    sim_reloads_end(&reloads);
}

/* True if the seed holds. */
static bool try_seed(uint64_t seed, bool verbose)
{
    struct sim_world world = { .records = calloc(SIM_RECORDS_MAX, sizeof *world.records), .verbose = verbose };
    struct sim_text *text = calloc(1, sizeof *text);
    struct dv_arena arena;
    struct dv_diags diags;
    dv_random_seed(&world.random, seed);
    sim_random_graph(text, &world.random, NULL);
    dv_arena_init(&arena, 64 << 20);
    dv_diags_init(&diags, &arena);
    if (verbose)
        (void)fprintf(stderr, "%s", text->bytes);
    world.graph = dv_graph_parse("sim.yaml", text->bytes, text->length, sim_operators, &diags);
    if (world.graph == NULL) {
        dv_diags_print(&diags, stderr, false);
        sim_break(&world, "the graph does not load");
    } else if (world.graph->bound.batches < 100000) {
        run(&world, seed);
    }
    if (world.broken != NULL)
        (void)fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, world.broken);
    bool held = world.broken == NULL;
    dv_graph_free(world.graph);
    dv_arena_free(&arena);
    sim_world_free(&world);
    free(text);
    return held;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    uint64_t count = 2000;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
            count = 1;
        } else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            (void)fprintf(stderr, "usage: sim [--seed N] [--count N] [--verbose]\n");
            return 2;
        }
    }
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count && failed < 5; i++)
        failed += !try_seed(seed + i, verbose);
    (void)printf("%llu seeds from %llu: %llu passed, %llu failed\n", (unsigned long long)count,
                 (unsigned long long)seed, (unsigned long long)(count - failed), (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}

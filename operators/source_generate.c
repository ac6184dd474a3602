/* SPDX-License-Identifier: Apache-2.0
 * source_generate.c - invented records at a given pace: for trying things out, and for load. */
#include "engine/id.h"
#include "engine/json.h"
#include "engine/operator.h"
#include "operators/generator.h"
#include "operators/schema_option.h"

enum {
    SHORTEST_WAIT_MS = 20, /* at a high pace records come in bursts, not one by one */
    NS_PER_S = 1000000000,
    SURGE_MAX_MS = 366 * 86400 * INT64_C(1000),
};

struct generate {
    const char *schema_name;
    int domain;
    int64_t count;
    int64_t rate;
    int64_t seed;
    const char *surge;
    int64_t surge_factor, surge_after_ms, surge_for_ms, surge_every_ms;
    const struct dv_schema *schema;
    struct dv_generator generator;
    struct dv_json_reader *reader;
    uint64_t source; /* stands for graph, node, domain and seed in the records' ids */
    uint64_t started_ns;
    struct dv_timer timer;
    struct dv_node *node;
    struct dv_batch *held; /* waits for the timer, or NULL */
    bool timed;
    bool ended;
};

static const struct dv_option options[] = {
    { "schema", DV_NAME, offsetof(struct generate, schema_name), .flags = DV_REQUIRED,
      .help = "Schema of the records: the name of a file in schemas/ beside the graph file." },
    { "domain", DV_ENUM, offsetof(struct generate, domain), .initial = "healthcare", .values = DV_DOMAIN_NAMES,
      .help = "What the records are about." },
    { "count", DV_INT, offsetof(struct generate, count), .initial = "0", .min = 0, .max = INT64_MAX,
      .help = "How many records are made; 0 goes on for ever." },
    { "rate", DV_INT, offsetof(struct generate, rate), .initial = "0", .min = 0, .max = 10000000,
      .help = "Records per second; 0 is as fast as they are taken." },
    { "seed", DV_INT, offsetof(struct generate, seed), .initial = "1", .min = 0, .max = INT64_MAX,
      .help = "The same seed makes the same records with the same ids." },
    { "surge", DV_STR, offsetof(struct generate, surge),
      .help = "Plants something to be found: this diagnosis is made more often for a while, or in this category of merchants more is "
              "spent. It goes by the records' numbers, so it needs a `rate`." },
    { "surge_factor", DV_INT, offsetof(struct generate, surge_factor), .initial = "3", .min = 2, .max = 100,
      .help = "How many times as often, or as much." },
    { "surge_after", DV_DURATION, offsetof(struct generate, surge_after_ms), .initial = "40s", .min = 0, .max = SURGE_MAX_MS,
      .help = "When the first one begins." },
    { "surge_for", DV_DURATION, offsetof(struct generate, surge_for_ms), .initial = "20s", .min = 1, .max = SURGE_MAX_MS,
      .help = "How long one lasts." },
    { "surge_every", DV_DURATION, offsetof(struct generate, surge_every_ms), .initial = "2m", .min = 0, .max = SURGE_MAX_MS,
      .help = "From the beginning of one to that of the next; 0s: there is one only." },
    { 0 },
};

static dv_rc check_surge(struct dv_node *node, const struct generate *generate)
{
    if (generate->surge == NULL)
        return DV_OK;
    if (!dv_domain_has((enum dv_domain)generate->domain, generate->surge))
        return dv_refuse(node, "surge", "C240", "`datavault generate` shows what there is, as in surge: Asthma, or surge: Travel",
                         "no record of %s has '%s'", dv_domain_name((enum dv_domain)generate->domain), generate->surge);
    if (generate->rate == 0)
        return dv_refuse(node, "surge", "C241", "say how many records come each second, as in rate: 200",
                         "a surge is so many seconds of records, and without `rate` nobody knows how many those are");
    if (generate->surge_every_ms > 0 && generate->surge_every_ms <= generate->surge_for_ms)
        return dv_refuse(node, "surge_every", "C242", "make it longer than `surge_for`", "one surge would begin before the other has ended");
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct generate *generate = dv_state(node);
    generate->schema = dv_load_schema(node, "schema", generate->schema_name);
    if (generate->schema == NULL)
        return DV_E_CONFIG;
    DV_TRY(check_surge(node, generate));
    shape->out[0] = generate->schema;
    return DV_OK;
}

static uint64_t records_in(const struct generate *generate, int64_t ms)
{
    return (uint64_t)((unsigned __int128)ms * (uint64_t)generate->rate / 1000);
}

static struct dv_surge surge_of(const struct generate *generate)
{
    return (struct dv_surge){
        .value = generate->surge,
        .factor = (uint32_t)generate->surge_factor,
        .after = records_in(generate, generate->surge_after_ms),
        .length = records_in(generate, generate->surge_for_ms),
        .every = records_in(generate, generate->surge_every_ms),
    };
}

static uint64_t name_source(struct dv_node *node, const struct generate *generate)
{
    uint64_t hash = dv_hash64(&generate->seed, sizeof generate->seed, (uint64_t)generate->domain);
    hash = dv_hash64(dv_node_graph(node), strlen(dv_node_graph(node)), hash);
    return dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), hash);
}

static bool all_made(const struct generate *generate)
{
    return generate->count != 0 && generate->generator.next >= (uint64_t)generate->count;
}

static void end(struct generate *generate)
{
    if (!generate->ended)
        dv_end(generate->node);
    generate->ended = true;
}

/* How many records the pace allows now, at most a batch. Counting from the start keeps the pace without drift. */
static uint32_t due_now(const struct generate *generate)
{
    uint64_t due = DV_BATCH_ROWS;
    if (generate->rate > 0) {
        uint64_t elapsed_ns = dv_now_ns(dv_node_loop(generate->node)) - generate->started_ns;
        unsigned __int128 allowed = (unsigned __int128)elapsed_ns * (uint64_t)generate->rate / NS_PER_S + 1;
        due = allowed > generate->generator.next ? (uint64_t)(allowed - generate->generator.next) : 0;
    }
    if (generate->count > 0 && due > (uint64_t)generate->count - generate->generator.next)
        due = (uint64_t)generate->count - generate->generator.next;
    return due < DV_BATCH_ROWS ? (uint32_t)due : DV_BATCH_ROWS;
}

/* Until the next record is due, rounded up so that the timer never comes too early. */
static uint64_t wait_ms(const struct generate *generate)
{
    uint64_t elapsed_ns = dv_now_ns(dv_node_loop(generate->node)) - generate->started_ns;
    unsigned __int128 due_ns = (unsigned __int128)generate->generator.next * NS_PER_S / (uint64_t)generate->rate;
    uint64_t left_ms = due_ns > elapsed_ns ? (uint64_t)(due_ns - elapsed_ns) / 1000000 + 1 : 0;
    return left_ms > SHORTEST_WAIT_MS ? left_ms : SHORTEST_WAIT_MS;
}

static struct dv_row place_of(const struct generate *generate, uint64_t number, int64_t now_ms)
{
    struct dv_row place = { .offset = number, .created_ms = now_ms };
    dv_id_make(place.id, number, 0, generate->source);
    return place;
}

/* Makes one record into the batch. DV_E_MEMORY: the batch can hold no more, and the record comes again. */
static dv_rc make_record(struct generate *generate, struct dv_batch *batch, int64_t now_ms)
{
    enum { ROOM = DV_GENERATE_MAX + DV_JSON_PADDING };
    const char *reason = "";
    uint64_t number = generate->generator.next;
    char *text = dv_arena_text(&batch->arena, ROOM);
    if (text == NULL)
        return DV_E_MEMORY;
    size_t length = dv_generate(&generate->generator, text, DV_GENERATE_MAX);
    DV_ASSERT(length > 0);
    dv_arena_trim(&batch->arena, text, ROOM, length);
    dv_rc rc = dv_json_reader_in_place(generate->reader, text, length, batch, batch->rows, &reason);
    struct dv_row place = place_of(generate, number, now_ms);
    if (rc == DV_E_MEMORY)
        generate->generator.next = number;
    else if (rc != DV_OK)
        dv_reject_raw(generate->node, batch, text, length, &place, rc, reason);
    else
        batch->row[batch->rows++] = place;
    return rc == DV_E_MEMORY ? rc : DV_OK;
}

/* Fills the batch with `due` records, or as many as it holds. */
static dv_rc fill(struct generate *generate, struct dv_batch *batch, uint32_t due)
{
    uint64_t first = generate->generator.next;
    int64_t now_ms = dv_wall_ms(dv_node_loop(generate->node));
    dv_rc rc = DV_OK;
    for (uint32_t made = 0; made < due && rc == DV_OK; made++)
        rc = make_record(generate, batch, now_ms);
    uint64_t made = generate->generator.next - first;
    if (rc != DV_OK && made == 0)
        return dv_fail(generate->node, rc, "a batch has no room for a single record");
    dv_claim(generate->node, batch, first, first + made - 1);
    if (all_made(generate))
        end(generate);
    return DV_PASS;
}

static void on_time(struct dv_timer *timer)
{
    struct generate *generate = timer->data;
    struct dv_batch *batch = generate->held;
    if (batch == NULL)
        return;
    uint32_t due = due_now(generate);
    if (due == 0) {
        dv_timer_start(timer, wait_ms(generate));
        return;
    }
    generate->held = NULL;
    dv_finish(generate->node, batch, fill(generate, batch, due));
}

static dv_rc open_node(struct dv_node *node)
{
    struct generate *generate = dv_state(node);
    generate->node = node;
    generate->started_ns = dv_now_ns(dv_node_loop(node));
    generate->source = name_source(node, generate);
    dv_generator_init(&generate->generator, (enum dv_domain)generate->domain, (uint64_t)generate->seed);
    generate->generator.surge = surge_of(generate);
    dv_timer_init(dv_node_loop(node), &generate->timer, on_time, generate);
    generate->timed = true;
    generate->reader = dv_json_reader_new(generate->schema, DV_GENERATE_MAX);
    return generate->reader != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory for the JSON reader");
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct generate *generate = dv_state(node);
    DV_ASSERT(generate->held == NULL);
    if (generate->ended || all_made(generate)) {
        end(generate);
        return DV_DROP;
    }
    if (generate->rate == 0 || due_now(generate) == DV_BATCH_ROWS)
        return fill(generate, batch, due_now(generate));
    generate->held = batch;
    dv_timer_start(&generate->timer, wait_ms(generate));
    return DV_HOLD;
}

static void stop(struct dv_node *node)
{
    struct generate *generate = dv_state(node);
    struct dv_batch *batch = generate->held;
    generate->held = NULL;
    end(generate);
    if (batch != NULL) {
        dv_timer_stop(&generate->timer);
        dv_finish(node, batch, DV_DROP);
    }
}

static void close_node(struct dv_node *node)
{
    struct generate *generate = dv_state(node);
    dv_json_reader_free(generate->reader);
    generate->reader = NULL;
    if (generate->timed)
        dv_timer_close(&generate->timer);
    generate->timed = false;
}

const struct dv_operator dv_operator_source_generate = {
    .name = "source",
    .from = "generate",
    .summary = "Makes records of invented people: the same ones for the same seed.",
    .options = options,
    .size = sizeof(struct generate),
    .source = true,
    .makes = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .stop = stop,
    .close = close_node,
};

/* SPDX-License-Identifier: Apache-2.0
 * operators_world.c - the source, the sink and the dead letters of the operators' tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dead_letter.h"
#include "engine/diag.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/log.h"
#include "operators/schema_option.h"
#include "tests/unit/operators_world.h"
#include "vault/keyring.h"

extern const struct dv_operator dv_operator_aggregate, dv_operator_anonymize, dv_operator_declassify,
    dv_operator_decrypt, dv_operator_embed, dv_operator_encrypt, dv_operator_explain, dv_operator_insights, dv_operator_kanonymize, dv_operator_noise, dv_operator_project, dv_operator_risk, dv_operator_route;

static struct world *world_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

/* ---- the source ---- */

struct text_source {
    const char *schema_name;
    const struct dv_schema *schema;
    struct dv_json_reader *reader;
    struct dv_timer timer;
    struct dv_batch *held;
    uint64_t line;
};

static const struct dv_option source_options[] = {
    { "schema", DV_NAME, offsetof(struct text_source, schema_name), .flags = DV_REQUIRED, .help = "Schema." },
    { 0 },
};

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct text_source *source = dv_state(node);
    source->schema = dv_load_schema(node, "schema", source->schema_name);
    shape->out[0] = source->schema;
    return source->schema != NULL ? DV_OK : DV_E_CONFIG;
}

static void read_line(struct dv_node *node, struct dv_batch *batch, const char *line, size_t length)
{
    struct text_source *source = dv_state(node);
    static char padded[WORLD_LINE + DV_JSON_PADDING];
    const char *reason = "";
    assert_true(length < WORLD_LINE);
    memcpy(padded, line, length);
    dv_rc rc = dv_json_reader_record(source->reader, padded, length, batch, batch->rows, &reason);
    if (rc == DV_E_MEMORY)
        return;
    assert_int_equal(rc, DV_OK);
    batch->row[batch->rows].created_ms = dv_wall_ms(dv_node_loop(node));
    batch->row[batch->rows].line = ++source->line;
    dv_id_make(batch->row[batch->rows].id, source->line, 0, 7);
    batch->rows++;
}

static dv_rc fill(struct dv_node *node, struct dv_batch *batch)
{
    struct world *world = world_of(node);
    struct text_source *source = dv_state(node);
    uint64_t first = source->line + 1;
    while (*world->input != '\0' && *world->input != '\n') {
        size_t length = strcspn(world->input, "\n");
        read_line(node, batch, world->input, length);
        world->input += length + (world->input[length] == '\n');
    }
    world->input += strspn(world->input, "\n");
    dv_claim(node, batch, first, source->line);
    world->claimed++;
    return DV_PASS;
}

static void source_wakes(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct text_source *source = dv_state(node);
    struct dv_batch *batch = source->held;
    source->held = NULL;
    dv_finish(node, batch, fill(node, batch));
}

static dv_rc source_open(struct dv_node *node)
{
    struct text_source *source = dv_state(node);
    source->reader = dv_json_reader_new(source->schema, WORLD_LINE);
    dv_timer_init(dv_node_loop(node), &source->timer, source_wakes, node);
    return source->reader != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no reader");
}

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct world *world = world_of(node);
    struct text_source *source = dv_state(node);
    if (*world->input == '\0') {
        dv_end(node);
        return DV_DROP;
    }
    if (*world->input != '@')
        return fill(node, batch);
    uint64_t due_ms = strtoul(world->input + 1, NULL, 10) * 1000;
    uint64_t now_ms = dv_now_ns(dv_node_loop(node)) / 1000000;
    world->input = strchr(world->input, '\n') + 1;
    source->held = batch;
    dv_timer_start(&source->timer, due_ms > now_ms ? due_ms - now_ms : 0);
    return DV_HOLD;
}

static void source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    world_of(node)->settled += receipt->claimed && !receipt->failed;
}

static void source_close(struct dv_node *node)
{
    struct text_source *source = dv_state(node);
    dv_timer_close(&source->timer);
    dv_json_reader_free(source->reader);
}

static const struct dv_operator text_source = {
    .name = "source",
    .from = "text",
    .summary = "Reads the world's input.",
    .options = source_options,
    .size = sizeof(struct text_source),
    .source = true,
    .makes = true,
    .transfer = source_transfer,
    .open = source_open,
    .process = source_process,
    .settle = source_settle,
    .close = source_close,
};

/* ---- the sink, and a node that spoils what passes ---- */

static dv_rc pass_on(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

static dv_rc write_lines(struct dv_node *node, struct dv_batch *batch)
{
    struct world *world = world_of(node);
    for (uint32_t row = 0; row < batch->rows; row++) {
        size_t left = WORLD_TEXT - world->output_length;
        assert_true(dv_json_record_bound(batch, row) + 256 < left);
        char *at = world->output + world->output_length;
        int head = snprintf(at, left, "%s.%s ", dv_node_name(node), batch->schema->name);
        size_t length = dv_json_record(batch, row, at + head);
        at[(size_t)head + length] = '\n';
        at[(size_t)head + length + 1] = '\0';
        world->output_length += (size_t)head + length + 1;
    }
    return DV_PASS;
}

static const struct dv_operator lines = {
    .name = "lines",
    .summary = "Writes the world's output.",
    .sink = true,
    .transfer = pass_on,
    .process = write_lines,
};

static dv_rc spoil(struct dv_node *node, struct dv_batch *batch)
{
    world_of(node)->tamper(batch);
    return DV_PASS;
}

static const struct dv_operator tamper = {
    .name = "tamper",
    .summary = "Spoils batches.",
    .edits = true,
    .transfer = pass_on,
    .process = spoil,
};

/* An exit of each kind, for the label proof. */
static const struct dv_operator file_exit = {
    .name = "file",
    .summary = "A file.",
    .sink = true,
    .exit = DV_EXIT_FILE,
    .transfer = pass_on,
    .process = write_lines,
};
static const struct dv_operator sse_exit = {
    .name = "sse",
    .summary = "A stream.",
    .sink = true,
    .exit = DV_EXIT_SSE,
    .transfer = pass_on,
    .process = write_lines,
};
static const struct dv_operator store_exit = {
    .name = "store",
    .summary = "A store.",
    .sink = true,
    .exit = DV_EXIT_STORE,
    .transfer = pass_on,
    .process = write_lines,
};

static const struct dv_operator *const operators[] = {
    &text_source,
    &lines,
    &tamper,
    &file_exit,
    &sse_exit,
    &store_exit,
    &dv_operator_aggregate,
    &dv_operator_anonymize,
    &dv_operator_declassify,
    &dv_operator_decrypt,
    &dv_operator_embed,
    &dv_operator_encrypt,
    &dv_operator_explain,
    &dv_operator_insights,
    &dv_operator_kanonymize,
    &dv_operator_noise,
    &dv_operator_project,
    &dv_operator_risk,
    &dv_operator_route,
    NULL,
};

/* ---- dead letters ---- */

static void put_letter(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    struct world *world = (struct world *)((char *)letters - offsetof(struct world, letters));
    struct world_letter *kept = &world->letter[world->letter_count++];
    (void)receipt;
    assert_true(world->letter_count <= WORLD_LETTERS);
    (void)snprintf(kept->node, sizeof kept->node, "%s", letter->node);
    (void)snprintf(kept->payload, sizeof kept->payload, "%.*s", (int)letter->length, letter->payload);
    kept->code = letter->code;
    kept->reason = letter->reason;
}

static bool never_full(const struct dv_dead_letters *letters)
{
    (void)letters;
    return false;
}

static bool always_idle(const struct dv_dead_letters *letters)
{
    (void)letters;
    return true;
}

static const char *never_waits(const struct dv_dead_letters *letters)
{
    (void)letters;
    return NULL;
}

/* ---- the world ---- */

static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    (void)strcpy(world->directory, "/tmp/dv-operators-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    dv_log_setup(DV_LOG_ERROR, false);
    dv_arena_init(&world->arena, 256u << 20);
    dv_diags_init(&world->diags, &world->arena);
    world->sys = dv_sys_real;
    world->sys.fsync = world->sys.fdatasync = sync_nothing;
    world->bank = (struct dv_bank){ .sys = &world->sys, .state = world->directory, .in_place = true };
    world->letters =
        (struct dv_dead_letters){ .put = put_letter, .full = never_full, .idle = always_idle, .waits = never_waits };
    *state = world;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry = NULL;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char below[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (unlink(below) != 0)
            remove_tree(below);
    }
    if (directory != NULL)
        (void)closedir(directory);
    (void)rmdir(path);
}

static void drop_graph(struct world *world)
{
    if (!world->running) /* else a check failed in the midst of a run, and the run cannot be undone */
        dv_graph_free(world->graph);
    world->graph = NULL;
}

int world_teardown(void **state)
{
    struct world *world = *state;
    drop_graph(world);
    dv_keyring_close(world->keyring);
    dv_arena_free(&world->arena);
    remove_tree(world->directory);
    free(world);
    return 0;
}

void world_file(struct world *world, const char *path, const char *text)
{
    char full[256];
    (void)snprintf(full, sizeof full, "%s/schemas", world->directory);
    (void)mkdir(full, 0700);
    (void)snprintf(full, sizeof full, "%s/policies", world->directory);
    (void)mkdir(full, 0700);
    (void)snprintf(full, sizeof full, "%s/%s", world->directory, path);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

void world_keyring(struct world *world)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/keyring", world->directory);
    assert_int_equal(dv_keyring_create(path, NULL, &world->error), DV_OK);
    assert_int_equal(dv_keyring_open(&world->keyring, path, NULL, &world->error), DV_OK);
}

static struct dv_account account_of(const struct world *world, const char *dataset, const char *node)
{
    return (struct dv_account){ &world->sys, world->directory, "default", dataset, node };
}

void world_budget(struct world *world, const char *dataset, const char *node, int64_t limit_nano)
{
    struct dv_account account = account_of(world, dataset, node);
    struct dv_budget budget;
    assert_int_equal(dv_ledger_set(&account, limit_nano, -1, &budget, &world->error), DV_OK);
}

struct dv_budget world_spent(struct world *world, const char *dataset, const char *node)
{
    struct dv_account account = account_of(world, dataset, node);
    struct dv_budget budget = { 0 };
    assert_int_equal(dv_ledger_read(&account, &budget, &world->error), DV_OK);
    return budget;
}

bool world_load(struct world *world, const char *nodes)
{
    drop_graph(world);
    dv_diags_init(&world->diags, &world->arena);
    (void)snprintf(world->name, sizeof world->name, "%s/test.yaml", world->directory);
    (void)snprintf(world->text, sizeof world->text, "name: test\nbatch_bytes: 1MiB\nstall: 0s\ngraph:\n%s", nodes);
    world->graph = dv_graph_parse(world->name, world->text, strlen(world->text),
                                  world->operators != NULL ? world->operators : operators, &world->diags);
    bool sound = world->graph != NULL && dv_graph_check(world->graph, &world->diags) == DV_OK;
    FILE *out = fmemopen(world->findings, sizeof world->findings, "w");
    dv_diags_print(&world->diags, out, false);
    (void)fclose(out);
    return sound && world->diags.count == 0;
}

static void ended(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct world *world = data;
    (void)graph;
    world->done = true;
    world->rc = rc;
}

void world_begin(struct world *world, const char *input)
{
    assert_non_null(world->graph);
    world->input = input;
    world->output_length = 0;
    world->output[0] = '\0';
    world->letter_count = 0;
    world->claimed = world->settled = 0;
    world->done = false;
    dv_loop_sim_init(&world->loop);
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    dv_graph_provide(world->graph, DV_SERVICE_KEYRING, world->keyring);
    dv_graph_provide(world->graph, DV_SERVICE_BANK, &world->bank);
    dv_graph_dead_letters(world->graph, &world->letters);
    world->running = true;
    world->rc = dv_graph_start(world->graph, &world->loop.base, ended, world, &world->error);
}

void world_steps(struct world *world)
{
    while (world->rc == DV_OK && !world->done && dv_loop_sim_step(&world->loop))
        ;
}

void world_end(struct world *world)
{
    world->stalled = world->rc == DV_OK && !world->done;
    if (world->stalled)
        dv_graph_stop(world->graph);
    while (world->stalled && !world->done && dv_loop_sim_step(&world->loop))
        ;
    assert_true(world->done || world->rc != DV_OK);
    world->running = false;
    if (world->done && world->rc != DV_OK)
        world->error = *dv_graph_error(world->graph);
}

const char *world_run(struct world *world, const char *input)
{
    world_begin(world, input);
    world_steps(world);
    world_end(world);
    return world->output;
}

static const struct dv_column *entering(struct world *world, const char *node, const char *column)
{
    for (uint32_t i = 0; i < dv_graph_node_count(world->graph); i++) {
        const struct dv_node *at = dv_graph_node(world->graph, i);
        if (strcmp(dv_node_name(at), node) != 0)
            continue;
        int index = dv_schema_find(dv_node_schema_in(at), column);
        return index >= 0 ? &dv_node_schema_in(at)->columns[index] : NULL;
    }
    return NULL;
}

const char *world_label(struct world *world, const char *node, const char *column)
{
    const struct dv_column *found = entering(world, node, column);
    char *buffer = dv_arena_alloc(&world->arena, 64);
    return found != NULL ? dv_label_text(found->label, buffer, 64) : "-";
}

const char *world_type(struct world *world, const char *node, const char *column)
{
    const struct dv_column *found = entering(world, node, column);
    return found != NULL ? dv_type_name(found->type) : "-";
}

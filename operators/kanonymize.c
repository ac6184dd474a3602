/* SPDX-License-Identifier: Apache-2.0
 * kanonymize.c - coarsens the quasi-identifiers of a window's records until each combination is shared by k subjects.
 *
 * The records of a window are kept, parted into classes (privacy/kanon.h) and passed on with the range of their class in place
 * of their own values, class by class and shuffled within each, since the order would tell what the ranges hide. What fits no
 * class is left out: dropped, or carried into the next window once. Receipts are settled when all of the window is durable. */
#include "engine/id.h"
#include "engine/operator.h"
#include "engine/random.h"
#include "engine/stats.h"
#include "operators/kanon_store.h"
#include "operators/kanon_text.h"
#include "operators/kanonymize_plan.h"
#include "privacy/kanon_table.h"

enum { SPARE_ROWS = 4 * DV_BATCH_ROWS, BYTES_A_RANK = 64 };

struct kanonymize {
    struct dv_kanonymize_plan plan;
    struct dv_kanon_store store;
    struct dv_arena work; /* the classes of the window that is being passed on */
    struct dv_kanon_table table;
    struct dv_kanon_column sensitive;
    struct dv_kanon_classes classes;
    struct dv_cell *shown[DV_KANON_QUASI_MAX]; /* the texts of the class that is being passed on */
    struct dv_random random;
    struct dv_timer timer;
    struct dv_keep keep;    /* of the records of this window */
    struct dv_keep waiting; /* of the window before, if records of it were carried into this one */
    struct dv_keep due;     /* to be given to the next batch */
    int64_t start_ms, end_ms;
    uint64_t origin;
    uint32_t planned; /* rows of the window that is being passed on; 0: none is */
    uint32_t next_row, next_class;
    uint64_t windows, shown_total, suppressed_total, classes_total;
    bool opened, is_last;
    bool carries; /* what fits no class of the window that is being passed on stays for the next */
};

static void window_ends(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    const struct kanonymize *state = dv_state(node);
    if (state->store.rows > 0)
        dv_want(node);
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct kanonymize *state = dv_state(node);
    DV_TRY(dv_kanonymize_plan(node, shape, &state->plan));
    shape->out[0] = state->plan.columns.schema;
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    struct kanonymize *state = dv_state(node);
    const struct dv_kanonymize_plan *plan = &state->plan;
    struct dv_loop *loop = dv_node_loop(node);
    uint64_t seed = dv_now_ns(loop) ^ (uint64_t)(uintptr_t)state;
    uint32_t capacity = (uint32_t)plan->rows_max + SPARE_ROWS;
    struct dv_kanon_shape shape = { .from = plan->columns.from, .count = plan->columns.schema->column_count,
                                    .subject = plan->in->subject, .schema = plan->in };
    dv_arena_init(&state->work, (size_t)capacity * BYTES_A_RANK * (plan->quasi_count + 3) + (size_t)64 * DV_ARENA_CHUNK);
    state->opened = true;
    dv_random_seed(&state->random, seed);
    dv_timer_init(loop, &state->timer, window_ends, node);
    if (dv_is_error(dv_kanon_store_init(&state->store, &shape, capacity, (uint64_t)plan->bytes_max, seed,
                                        dv_node_arena(node))))
        return dv_fail(node, DV_E_MEMORY, "no memory for %u records", capacity);
    return DV_OK;
}

static void begin(struct dv_node *node)
{
    struct kanonymize *state = dv_state(node);
    int64_t now_ms = dv_wall_ms(dv_node_loop(node));
    state->start_ms = now_ms > state->end_ms ? now_ms : state->end_ms;
    int64_t end_ms = now_ms - now_ms % state->plan.window_ms + state->plan.window_ms;
    dv_timer_start(&state->timer, (uint64_t)(end_ms - now_ms));
}

static dv_rc absorb(struct dv_node *node, struct dv_batch *batch)
{
    struct kanonymize *state = dv_state(node);
    struct dv_kanon_store *store = &state->store;
    if (store->rows + batch->rows > store->capacity)
        return dv_fail(node, DV_E_FULL, "the window is full and cannot be passed on yet");
    if (dv_is_error(dv_keep_receipt(node, &state->keep, batch)))
        return dv_fail(node, DV_E_FULL, "the graph keeps as many receipts as it can");
    state->is_last = false; /* a reload may hear a window that goes on */
    if (store->rows == 0) {
        begin(node);
        state->origin = dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), 0);
        state->origin = dv_hash64(batch->row[0].id, sizeof batch->row[0].id, state->origin);
    }
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_kanon_store_add(store, batch, row))
            dv_reject(node, batch, row, DV_E_LIMIT, "the record's texts do not fit the window");
    if (store->rows >= state->plan.rows_max || store->text_bytes >= store->text_max / 2)
        dv_want(node);
    return DV_DROP;
}

/* Ranks of all that the classes are made of. */
static dv_rc encode(struct kanonymize *state)
{
    const struct dv_kanonymize_plan *plan = &state->plan;
    const struct dv_kanon_store *store = &state->store;
    uint32_t *subjects = NULL;
    state->table = (struct dv_kanon_table){ .rows = store->rows, .quasi_count = plan->quasi_count };
    for (uint32_t i = 0; i < plan->quasi_count; i++)
        DV_TRY(dv_kanon_encode(store->cells[plan->quasi[i].column], plan->quasi[i].type, store->rows, &state->work,
                               &state->table.quasi[i]));
    DV_TRY(dv_kanon_encode_hashes(store->subjects, store->rows, &state->work, &subjects));
    state->table.subjects = subjects;
    if (plan->sensitive < 0)
        return DV_OK;
    return dv_kanon_encode(store->cells[plan->sensitive], plan->sensitive_type, store->rows, &state->work, &state->sensitive);
}

static void shuffle(struct kanonymize *state)
{
    const struct dv_kanon_classes *classes = &state->classes;
    for (uint32_t i = 0; i < classes->count; i++) {
        uint32_t *rows = &classes->rows[classes->from[i]];
        for (uint32_t left = classes->from[i + 1] - classes->from[i]; left > 1; left--) {
            uint32_t other = (uint32_t)dv_random_below(&state->random, left);
            uint32_t row = rows[left - 1];
            rows[left - 1] = rows[other];
            rows[other] = row;
        }
    }
}

/* The receipts: with carried records among them they wait for the next window, else they go with this one. */
static void collect_receipts(struct kanonymize *state, bool carries)
{
    DV_ASSERT(state->due.first == NULL);
    state->due = state->waiting;
    state->waiting = (struct dv_keep){ 0 };
    struct dv_keep *to = carries ? &state->waiting : &state->due;
    if (state->keep.first == NULL)
        return;
    if (to->last != NULL)
        to->last->next = state->keep.first;
    else
        to->first = state->keep.first;
    to->last = state->keep.last;
    to->count += state->keep.count;
    state->keep = (struct dv_keep){ 0 };
}

/* A record that fits no class waits for one more window, if there is one. */
static bool may_stay(const struct kanonymize *state, uint32_t row)
{
    return state->carries && !state->store.carried[row];
}

static bool any_stays(const struct kanonymize *state)
{
    const struct dv_kanon_classes *classes = &state->classes;
    for (uint32_t i = classes->from[classes->count]; i < state->planned; i++)
        if (may_stay(state, classes->rows[i]))
            return true;
    return false;
}

/* Ends the window: from now on its classes are passed on. */
static dv_rc end_window(struct dv_node *node)
{
    struct kanonymize *state = dv_state(node);
    struct dv_kanon_rules rules = state->plan.rules;
    int64_t now_ms = dv_wall_ms(dv_node_loop(node));
    rules.sensitive = state->plan.sensitive >= 0 ? &state->sensitive : NULL;
    rules.outliers_max = (uint32_t)(state->plan.suppress_max * state->store.rows);
    dv_arena_reset(&state->work);
    DV_TRY(encode(state));
    DV_TRY(dv_kanon_partition(&state->table, &rules, &state->work, &state->classes));
    for (uint32_t i = 0; i < state->plan.quasi_count; i++) {
        state->shown[i] = dv_arena_zeroed(&state->work, 1, sizeof(struct dv_cell));
        if (state->shown[i] == NULL)
            return DV_E_MEMORY;
    }
    shuffle(state);
    state->planned = state->store.rows;
    state->next_row = 0;
    state->next_class = 0;
    state->end_ms = now_ms > state->start_ms ? now_ms : state->start_ms + 1;
    dv_timer_stop(&state->timer);
    state->carries = state->plan.leftover == DV_LEFTOVER_CARRY && !state->is_last;
    collect_receipts(state, any_stays(state));
    return DV_OK;
}

/* After the last batch: what stays is the beginning of the next window. */
static void begin_next(struct dv_node *node)
{
    struct kanonymize *state = dv_state(node);
    const struct dv_kanon_classes *classes = &state->classes;
    uint32_t first = classes->from[classes->count];
    uint64_t *stays = dv_arena_zeroed(&state->work, state->planned + 1, sizeof *stays);
    uint32_t *sorted = NULL;
    uint32_t count = 0;
    for (uint32_t i = first; stays != NULL && i < state->planned; i++)
        if (may_stay(state, classes->rows[i]))
            stays[count++] = classes->rows[i];
    sorted = stays != NULL ? dv_kanon_sort(stays, count, &state->work) : NULL;
    DV_ASSERT(sorted != NULL); /* the arena has room for it: BYTES_A_RANK */
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = (uint32_t)stays[sorted[i]];
    state->windows++;
    state->shown_total += first;
    state->classes_total += classes->count;
    state->suppressed_total += state->planned - first - count;
    dv_kanon_store_keep(&state->store, sorted, count, state->planned);
    state->planned = 0;
    if (state->store.rows > 0)
        begin(node);
    if (state->store.rows >= state->plan.rows_max || (state->is_last && state->store.rows > 0))
        dv_want(node);
}

/* The texts of class `index`, into the batch's arena. */
static dv_rc show_class(struct kanonymize *state, uint32_t index, struct dv_arena *arena)
{
    const struct dv_kanonymize_plan *plan = &state->plan;
    const struct dv_kanon_classes *classes = &state->classes;
    for (uint32_t i = 0; i < plan->quasi_count; i++) {
        struct dv_kanon_shown shown = { .ranks = &state->table.quasi[i], .cells = state->store.cells[plan->quasi[i].column],
                                        .type = plan->quasi[i].type, .is_prefix = plan->quasi[i].is_prefix };
        DV_TRY(dv_kanon_show(&shown, &classes->rows[classes->from[index]], classes->from[index + 1] - classes->from[index],
                             arena, state->shown[i]));
    }
    return DV_OK;
}

static dv_rc put_row(struct kanonymize *state, uint32_t from, struct dv_batch *batch, uint32_t to)
{
    const struct dv_schema *schema = state->plan.columns.schema;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct dv_cell *cell = &batch->cells[i][to];
        int quasi = state->plan.quasi_of[i];
        *cell = quasi >= 0 ? *state->shown[quasi] : state->store.cells[i][from];
        enum dv_type type = schema->columns[i].type;
        if (quasi >= 0 || !cell->present || (type != DV_TYPE_TEXT && type != DV_TYPE_BYTES && type != DV_TYPE_JSON))
            continue;
        cell->text = dv_arena_copy(&batch->arena, cell->text, cell->length);
        if (cell->text == NULL)
            return DV_E_MEMORY;
    }
    batch->row[to] = (struct dv_row){ .created_ms = state->end_ms };
    dv_id_make(batch->row[to].id, (uint64_t)state->start_ms, state->next_row + to, state->origin);
    return DV_OK;
}

/* Fills a batch with the next rows; fewer if its memory is used up. */
static dv_rc fill(struct kanonymize *state, struct dv_batch *batch)
{
    const struct dv_kanon_classes *classes = &state->classes;
    uint32_t end = classes->from[classes->count];
    uint32_t class = state->next_class, shown = UINT32_MAX;
    for (uint32_t row = state->next_row; row < end && batch->rows < DV_BATCH_ROWS; row++) {
        while (classes->from[class + 1] <= row)
            class++;
        if ((shown != class && dv_is_error(show_class(state, class, &batch->arena))) ||
            dv_is_error(put_row(state, classes->rows[row], batch, batch->rows)))
            return batch->rows > 0 ? DV_OK : DV_E_MEMORY;
        shown = class;
        batch->rows++;
    }
    return DV_OK;
}

/* A window is settled as a whole: each batch holds the receipt of the one before, and the first those of the records. */
static dv_rc give_receipts(struct dv_node *node, struct dv_batch *batch, bool more)
{
    struct kanonymize *state = dv_state(node);
    struct dv_keep chain = { 0 };
    if (more)
        DV_TRY(dv_keep_receipt(node, &chain, batch));
    dv_give_receipts(node, &state->due, batch);
    state->due = chain;
    return DV_OK;
}

static dv_rc emit(struct dv_node *node, struct dv_batch *batch)
{
    struct kanonymize *state = dv_state(node);
    if (state->planned == 0 && state->store.rows == 0)
        return DV_DROP; /* all of it was passed on while this was wanted */
    if (state->planned == 0 && dv_is_error(end_window(node)))
        return dv_fail(node, DV_E_MEMORY, "no memory for the classes of %u records", state->store.rows);
    if (dv_is_error(fill(state, batch)))
        return dv_fail(node, DV_E_MEMORY, "a record does not fit a batch");
    uint32_t rows = batch->rows;
    bool more = state->next_row + rows < state->classes.from[state->classes.count];
    if (dv_is_error(give_receipts(node, batch, more))) {
        batch->rows = 0;
        return dv_fail(node, DV_E_FULL, "the graph keeps as many receipts as it can");
    }
    state->next_row += rows;
    while (more && state->classes.from[state->next_class + 1] <= state->next_row)
        state->next_class++;
    if (more)
        dv_want(node);
    else
        begin_next(node);
    return rows > 0 ? DV_PASS : DV_DROP;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct kanonymize *state = dv_state(node);
    if (batch != NULL)
        return batch->rows == 0 ? emit(node, batch) : absorb(node, batch);
    state->is_last = true;
    if (state->store.rows > 0)
        dv_want(node);
    return DV_DROP;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct kanonymize *state = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "windows", (double)state->windows },
        { "classes", (double)state->classes_total },
        { "shown", (double)state->shown_total },
        { "suppressed", (double)state->suppressed_total },
        { "average_class", state->classes_total > 0 ? (double)state->shown_total / (double)state->classes_total : 0 },
        { "waiting", (double)state->store.rows },
    };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}

static void close_node(struct dv_node *node)
{
    struct kanonymize *state = dv_state(node);
    if (!state->opened)
        return;
    dv_timer_close(&state->timer);
    dv_kanon_store_free(&state->store);
    dv_arena_free(&state->work);
}

const struct dv_operator dv_operator_kanonymize = {
    .name = "kanonymize",
    .summary = "Coarsens the quasi-identifiers of a window's records until each combination is shared by k subjects.",
    .options = dv_kanonymize_options,
    .size = sizeof(struct kanonymize),
    .edits = true,
    .makes = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .gauge = gauge,
    .close = close_node,
};

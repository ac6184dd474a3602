/* SPDX-License-Identifier: Apache-2.0
 * risk.c - measures how easily a person is found again in the newest records, and may keep back what passes a limit.
 *
 * Records pass as they are. Above `max_risk` a batch is held until others have joined its people, at most for `hold`, and then
 * rejected; or rejected at once; or the run ends. Batches leave in the order in which they came. */
#include "engine/id.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "privacy/kanon_table.h"
#include "privacy/risk_meter.h"

enum { HELD_MAX = 8 };
enum when_over { OVER_HOLD, OVER_REJECT, OVER_STOP };
enum measure { BY_PROSECUTOR, BY_JOURNALIST, BY_MARKETER, BY_UNIQUENESS };

struct held {
    struct dv_batch *batch;
    uint64_t until_ns;
};

struct risk {
    struct dv_strs names;
    int64_t sample, population, hold_ms;
    double max_risk;
    int measure, when_over;

    uint32_t quasi[DV_KANON_QUASI_MAX];
    uint32_t quasi_count;
    int32_t subject;
    struct dv_risk_meter meter;
    struct dv_risk now;
    struct dv_timer timer;
    struct held held[HELD_MAX]; /* the oldest first */
    uint32_t held_count;
    uint64_t seed, serial, held_total, rejected_total;
    bool opened, is_over;
};

static const struct dv_option options[] = {
    { "quasi", DV_STRS, offsetof(struct risk, names),
      .help = "The columns by which a person could be known, at most 16; without it all that the schema calls quasi-id." },
    { "sample", DV_INT, offsetof(struct risk, sample), .initial = "1000", .min = 100, .max = 1000000,
      .help = "Of how many of the newest records the risk is measured." },
    { "population", DV_INT, offsetof(struct risk, population), .initial = "0", .min = 0, .max = INT64_C(1000000000000),
      .help = "How many people the records are a sample of, for the journalist's and the marketer's risk; 0: of nobody else." },
    { "max_risk", DV_FLOAT, offsetof(struct risk, max_risk), .initial = "1", .min = 0, .max = 1,
      .help = "The highest risk at which records pass, above 0; 1: they always pass." },
    { "measure", DV_ENUM, offsetof(struct risk, measure), .initial = "prosecutor",
      .values = "prosecutor|journalist|marketer|uniqueness", .help = "Which of the risks `max_risk` is about." },
    { "when_over", DV_ENUM, offsetof(struct risk, when_over), .initial = "hold", .values = "hold|reject|stop",
      .help = "Above `max_risk`: hold batches until others have joined their people, reject them, or end the run." },
    { "hold", DV_DURATION, offsetof(struct risk, hold_ms), .initial = "10s", .min = 1, .max = 3600000,
      .help = "How long a batch is held before it is rejected." },
    { 0 },
};

static bool is_measured(const struct dv_column *column)
{
    return column->label.form != DV_FORM_SEALED && column->label.form != DV_FORM_AGGREGATE;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct risk *risk = dv_state(node);
    risk->quasi_count = 0;
    risk->subject = shape->in->subject;
    for (size_t i = 0; i < risk->names.count && i < DV_KANON_QUASI_MAX; i++) {
        int column = dv_shape_column(node, shape, "quasi", risk->names.items[i]);
        if (column < 0)
            return DV_E_CONFIG;
        risk->quasi[risk->quasi_count++] = (uint32_t)column;
    }
    for (uint32_t i = 0; risk->names.count == 0 && i < shape->in->column_count; i++) {
        const struct dv_column *column = &shape->in->columns[i];
        if (column->label.class != DV_CLASS_QUASI_ID || !is_measured(column))
            continue;
        if (risk->quasi_count < DV_KANON_QUASI_MAX)
            risk->quasi[risk->quasi_count] = i;
        risk->quasi_count++;
    }
    if (risk->quasi_count == 0 || risk->quasi_count > DV_KANON_QUASI_MAX || risk->names.count > DV_KANON_QUASI_MAX)
        return dv_refuse(node, "quasi", "C191", "name the columns by which a person could be known",
                         "there are %zu quasi-identifiers; there can be 1 to %d",
                         risk->names.count > 0 ? risk->names.count : risk->quasi_count, DV_KANON_QUASI_MAX);
    if (!(risk->max_risk > 0))
        return dv_refuse(node, "max_risk", "C198", "0.2 lets pass what five people share", "`max_risk` is above 0");
    shape->out[0] = shape->in;
    return DV_OK;
}

static void look_again(struct dv_timer *timer);

static dv_rc open_node(struct dv_node *node)
{
    struct risk *risk = dv_state(node);
    risk->seed = dv_now_ns(dv_node_loop(node)) ^ (uint64_t)(uintptr_t)risk;
    if (dv_is_error(dv_risk_meter_init(&risk->meter, (uint32_t)risk->sample, dv_node_arena(node))))
        return dv_fail(node, DV_E_MEMORY, "no memory for a sample of %lld records", (long long)risk->sample);
    dv_timer_init(dv_node_loop(node), &risk->timer, look_again, node);
    risk->opened = true;
    return DV_OK;
}

static uint64_t hash_cell(const struct dv_batch *batch, uint32_t column, uint32_t row, uint64_t seed)
{
    const struct dv_cell *cell = &dv_batch_cells(batch, column)[row];
    enum dv_type type = batch->schema->columns[column].type;
    if (!cell->present)
        return dv_hash64(NULL, 0, seed);
    if (type == DV_TYPE_INT || type == DV_TYPE_FLOAT || type == DV_TYPE_BOOL)
        return dv_hash64(&cell->integer, sizeof cell->integer, seed);
    return dv_hash64(cell->text, cell->length, seed);
}

static uint64_t subject_of(struct risk *risk, const struct dv_batch *batch, uint32_t row)
{
    if (risk->subject < 0)
        return ++risk->serial;
    if (!dv_batch_cells(batch, (uint32_t)risk->subject)[row].present)
        return 0;
    return hash_cell(batch, (uint32_t)risk->subject, row, risk->seed) | 1u;
}

static void measure(struct risk *risk, const struct dv_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint64_t quasi = risk->seed;
        for (uint32_t i = 0; i < risk->quasi_count; i++)
            quasi = hash_cell(batch, risk->quasi[i], row, quasi);
        dv_risk_meter_add(&risk->meter, quasi, subject_of(risk, batch, row));
    }
    risk->now = dv_risk_meter_read(&risk->meter, (uint64_t)risk->population);
}

static double judged(const struct risk *risk)
{
    switch ((enum measure)risk->measure) {
    case BY_PROSECUTOR: return risk->now.prosecutor;
    case BY_JOURNALIST: return risk->now.journalist;
    case BY_MARKETER: return risk->now.marketer;
    default: return risk->now.uniqueness;
    }
}

static bool update(struct dv_node *node)
{
    struct risk *risk = dv_state(node);
    bool is_over = judged(risk) > risk->max_risk + 1e-12;
    if (is_over && !risk->is_over)
        dv_log(DV_LOG_WARN, "risk-over", DV_LOG_NAMED("graph", dv_node_graph(node)),
               DV_LOG_NAMED("node", dv_node_name(node)));
    risk->is_over = is_over;
    return is_over;
}

/* Gives back the oldest of the held batches. */
static void let_go(struct dv_node *node, dv_rc answer)
{
    struct risk *risk = dv_state(node);
    struct dv_batch *batch = risk->held[0].batch;
    risk->held_count--;
    memmove(&risk->held[0], &risk->held[1], risk->held_count * sizeof risk->held[0]);
    if (dv_is_error(answer)) {
        risk->rejected_total += batch->rows;
        answer = dv_fail(node, answer, "the risk of re-identification is above `max_risk`");
    }
    dv_finish(node, batch, answer);
}

/* Batches pass when the risk is below its limit, and are rejected when their time is over. */
static void look_again(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct risk *risk = dv_state(node);
    uint64_t now_ns = dv_now_ns(dv_node_loop(node));
    while (risk->held_count > 0 && !risk->is_over)
        let_go(node, DV_PASS);
    while (risk->held_count > 0 && risk->held[0].until_ns <= now_ns)
        let_go(node, DV_E_LIMIT);
    if (risk->held_count > 0)
        dv_timer_start(timer, (risk->held[0].until_ns - now_ns) / 1000000 + 1);
}

static dv_rc hold(struct dv_node *node, struct dv_batch *batch)
{
    struct risk *risk = dv_state(node);
    uint64_t until_ns = dv_now_ns(dv_node_loop(node)) + (uint64_t)risk->hold_ms * 1000000;
    DV_ASSERT(risk->held_count < HELD_MAX);
    risk->held[risk->held_count++] = (struct held){ batch, until_ns };
    risk->held_total++;
    if (!risk->is_over)
        dv_timer_start(&risk->timer, 0);
    else if (risk->held_count == 1)
        dv_timer_start(&risk->timer, (uint64_t)risk->hold_ms);
    return DV_HOLD;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct risk *risk = dv_state(node);
    measure(risk, batch);
    bool is_over = update(node);
    if (!is_over)
        return risk->held_count > 0 ? hold(node, batch) : DV_PASS;
    switch ((enum when_over)risk->when_over) {
    case OVER_HOLD: return hold(node, batch);
    case OVER_REJECT:
        risk->rejected_total += batch->rows;
        return dv_fail(node, DV_E_LIMIT, "the risk of re-identification is above `max_risk`");
    default: return dv_fail(node, DV_E_RISK, "the risk of re-identification is above `max_risk`");
    }
}

static const char *waits(struct dv_node *node)
{
    const struct risk *risk = dv_state(node);
    return risk->held_count > 0 ? "the risk of re-identification is above max_risk" : NULL;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct risk *risk = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "k", (double)risk->now.k },
        { "uniqueness", risk->now.uniqueness },
        { "prosecutor", risk->now.prosecutor },
        { "prosecutor_average", risk->now.prosecutor_average },
        { "journalist", risk->now.journalist },
        { "marketer", risk->now.marketer },
        { "sample", (double)risk->now.records },
        { "over", risk->is_over },
        { "held", (double)risk->held_total },
        { "rejected", (double)risk->rejected_total },
    };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}

static void close_node(struct dv_node *node)
{
    struct risk *risk = dv_state(node);
    if (risk->opened)
        dv_timer_close(&risk->timer);
}

const struct dv_operator dv_operator_risk = {
    .name = "risk",
    .summary = "Measures how easily a person is found again in the newest records, and may keep back what passes a limit.",
    .options = options,
    .size = sizeof(struct risk),
    .held_max = HELD_MAX,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .gauge = gauge,
    .close = close_node,
};

/* SPDX-License-Identifier: Apache-2.0
 * sink_vectors.c - keeps texts with their vectors where questions find them.
 *
 * What is kept here will stand in a prompt: so the text and its vector must be cleared for one, too, and `check` refuses the
 * graph otherwise. Beside them are kept who a text is about (a pseudonym, by which it is found and erased), of how many
 * people it tells at least, and the hash by which a citation proves itself. Each text is kept once, by its record's id, and as long as
 * `keep` says. */
#include <math.h>
#include <string.h>

#include <openssl/evp.h>

#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/embed.h"
#include "operators/exit_guard.h"
#include "operators/vectors_option.h"

enum { HELD_MAX = 4, HASH_BYTES = 32, PARTS = 5, EXPIRE_EVERY_MS = 1000 };
enum part { TEXT, VECTOR, MODEL, HASH, SUBJECT };

struct sink_vectors;

/* A batch that is being kept. */
struct slot {
    struct dv_vectors_request request;
    struct sink_vectors *sink;
    struct dv_batch *batch; /* NULL: free */
    struct dv_vectors_row rows[DV_BATCH_ROWS];
    uint8_t hashes[DV_BATCH_ROWS][HASH_BYTES];
};

struct sink_vectors {
    struct dv_vectors_place place; /* first */
    const char *names[PARTS];
    int column[PARTS]; /* -1: there is none */
    uint32_t subjects; /* that each record is about, at least */
    int64_t keep_ms;   /* 0: for ever */
    const char *schema;
    struct dv_node *node;
    struct slot *slots;
    struct dv_vectors_request expire;
    bool expiring;
    int64_t expire_ms; /* when to look next for what is old */
    uint64_t kept, wordless, expired;
};

static const struct dv_option options[] = {
    DV_VECTORS_PLACE_ROWS(struct sink_vectors),
    { "text", DV_STR, offsetof(struct sink_vectors, names[TEXT]), .initial = DV_EMBED_TEXT, .help = "Column of the text; records without one are passed over." },
    { "embedding", DV_STR, offsetof(struct sink_vectors, names[VECTOR]), .initial = DV_EMBED_VECTOR,
      .help = "Column of its vector; a text without one is found by its words only." },
    { "embedding_model", DV_STR, offsetof(struct sink_vectors, names[MODEL]), .initial = DV_EMBED_MODEL, .help = "Column that names the vector's model." },
    { "hash", DV_STR, offsetof(struct sink_vectors, names[HASH]), .initial = "data_hash",
      .help = "Column of what a citation proves itself by; without it, the SHA-256 of the text." },
    { "subject_ref", DV_STR, offsetof(struct sink_vectors, names[SUBJECT]), .initial = "subject_ref",
      .help = "Column of the pseudonym of the person, if there is one: by it people are counted, and erased." },
    { "keep", DV_DURATION, offsetof(struct sink_vectors, keep_ms), .initial = "0s", .max = INT64_C(100) * 366 * 86400000,
      .help = "How long texts of this schema are kept, from the records' own time; 0: for ever." },
    { 0 },
};

/* ---- the schema ---- */

static const enum dv_type types[PARTS] = { DV_TYPE_TEXT, DV_TYPE_BYTES, DV_TYPE_TEXT, DV_TYPE_BYTES, DV_TYPE_BYTES };

static dv_rc find_columns(struct dv_node *node, const struct dv_shape *shape)
{
    struct sink_vectors *sink = dv_state(node);
    for (uint32_t i = 0; i < PARTS; i++) {
        sink->column[i] = i == TEXT ? dv_shape_column(node, shape, "text", sink->names[i]) : dv_schema_find(shape->in, sink->names[i]);
        if (i == TEXT && sink->column[i] < 0)
            return DV_E_CONFIG;
        if (sink->column[i] >= 0 && shape->in->columns[sink->column[i]].type != types[i])
            return dv_refuse(node, NULL, "C230", "put `embed` before it, and leave its columns as they are", "column '%s' is %s, not %s",
                             sink->names[i], dv_type_name(shape->in->columns[sink->column[i]].type), dv_type_name(types[i]));
    }
    if ((sink->column[VECTOR] >= 0) != (sink->column[MODEL] >= 0))
        return dv_refuse(node, NULL, "C231", "put `embed` before it, and keep both of its columns",
                         "a vector is kept with the name of its model, and one of '%s' and '%s' is not there", sink->names[VECTOR],
                         sink->names[MODEL]);
    return DV_OK;
}

/* A schema of the parts [from, to) that there are. */
static const struct dv_schema *schema_of(struct dv_node *node, const struct dv_schema *in, uint32_t from, uint32_t to)
{
    const struct sink_vectors *sink = dv_state(node);
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), in->name, PARTS);
    for (uint32_t i = from; schema != NULL && i < to; i++)
        if (sink->column[i] >= 0)
            (void)dv_schema_add(schema, in->columns[sink->column[i]].name, types[i], in->columns[sink->column[i]].label);
    return schema;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_vectors *sink = dv_state(node);
    DV_TRY(dv_vectors_place_check(node, &sink->place));
    DV_TRY(find_columns(node, shape));
    sink->schema = shape->in->name;
    struct dv_label label = shape->in->columns[sink->column[TEXT]].label;
    sink->subjects = label.form == DV_FORM_AGGREGATE ? label.parameter : 1;
    shape->cleared = schema_of(node, shape->in, TEXT, PARTS);
    shape->shown = schema_of(node, shape->in, TEXT, MODEL);
    shape->shown_at = DV_EXIT_LLM;
    return shape->cleared != NULL && shape->shown != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory for the schema");
}

/* ---- rows ---- */

static struct dv_store_bytes part_of(const struct sink_vectors *sink, const struct dv_batch *batch, enum part part, uint32_t row)
{
    if (sink->column[part] < 0)
        return (struct dv_store_bytes){ 0 };
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)sink->column[part])[row];
    return cell->present ? (struct dv_store_bytes){ cell->text, cell->length } : (struct dv_store_bytes){ 0 };
}

/* Of length 1, as every model's of ours: cosines could not be told by products otherwise. */
static bool is_vector(struct dv_store_bytes vector)
{
    size_t width = vector.length / sizeof(float);
    if (vector.length % sizeof(float) != 0 || width == 0 || width > DV_VECTORS_WIDTH_MAX)
        return false;
    return fabs((double)dv_vectors_product(vector.at, vector.at, width) - 1) < 1e-3;
}

static bool hash_text(struct slot *slot, uint32_t index, struct dv_store_bytes text)
{
    unsigned length = 0;
    slot->rows[index].hash = (struct dv_store_bytes){ slot->hashes[index], HASH_BYTES };
    return EVP_Digest(text.at, text.length, slot->hashes[index], &length, EVP_sha256(), NULL) == 1 && length == HASH_BYTES;
}

/* Fills the next row of the put; false: the record has no text, or was rejected. */
static bool fill(struct slot *slot, const struct dv_batch *batch, uint32_t row, uint32_t index)
{
    struct sink_vectors *sink = slot->sink;
    struct dv_vectors_row *to = &slot->rows[index];
    struct dv_store_bytes text = part_of(sink, batch, TEXT, row);
    if (text.at == NULL || text.length == 0) {
        sink->wordless++;
        return false;
    }
    *to = (struct dv_vectors_row){ .created_ms = batch->row[row].created_ms, .tenant = { batch->tenant, strlen(batch->tenant) },
                                   .schema = { batch->schema->name, strlen(batch->schema->name) }, .text = text,
                                   .vector = part_of(sink, batch, VECTOR, row), .model = part_of(sink, batch, MODEL, row),
                                   .hash = part_of(sink, batch, HASH, row), .subject_ref = part_of(sink, batch, SUBJECT, row),
                                   .subjects = sink->subjects };
    memcpy(to->id, batch->row[row].id, sizeof to->id);
    return true;
}

static bool is_sound(const struct dv_vectors_row *row)
{
    return row->vector.at == NULL || (row->model.at != NULL && row->model.length > 0 && is_vector(row->vector));
}

static uint32_t fill_all(struct slot *slot, struct dv_batch *batch)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (dv_batch_rejected(batch, row) || !fill(slot, batch, row, count))
            continue;
        const struct dv_vectors_row *filled = &slot->rows[count];
        if (!is_sound(filled))
            dv_reject(slot->sink->node, batch, row, DV_E_DATA, "the embedding is no vector of length 1 with its model's name");
        else if (filled->hash.at == NULL && !hash_text(slot, count, filled->text))
            dv_reject(slot->sink->node, batch, row, DV_E_MEMORY, "the text's hash cannot be made");
        else
            count++;
    }
    return count;
}

/* ---- the run ---- */

/* A failure is no batch's: it is tried again later, and the place says what it waits for. */
static void on_expired(struct dv_vectors_request *request)
{
    struct sink_vectors *sink = request->data;
    bool more = request->rc == DV_OK && request->total == DV_VECTORS_EXPIRE_MAX;
    sink->expiring = false;
    sink->expired += request->rc == DV_OK ? request->total : 0;
    sink->expire_ms = more ? 0 : dv_wall_ms(dv_node_loop(sink->node)) + EXPIRE_EVERY_MS + sink->keep_ms / 1000;
}

/* Beside what is kept, so that a place that nothing comes to is left alone. */
static void let_go(struct sink_vectors *sink)
{
    int64_t now_ms = dv_wall_ms(dv_node_loop(sink->node));
    const char *tenant = dv_node_tenant(sink->node);
    if (sink->keep_ms == 0 || sink->expiring || now_ms < sink->expire_ms)
        return;
    sink->expiring = true;
    sink->expire = (struct dv_vectors_request){ .kind = DV_VECTORS_EXPIRE, .callback = on_expired, .data = sink,
                                                .query = { .tenant = { tenant, strlen(tenant) },
                                                           .schema = { sink->schema, strlen(sink->schema) },
                                                           .to_ms = now_ms - sink->keep_ms } };
    dv_vectors_request(sink->place.vectors, &sink->expire);
}

static void on_kept(struct dv_vectors_request *request)
{
    struct slot *slot = request->data;
    struct dv_node *node = slot->sink->node;
    struct dv_batch *batch = slot->batch;
    dv_rc rc = request->rc;
    slot->batch = NULL;
    if (rc == DV_OK)
        slot->sink->kept += request->total;
    else
        rc = dv_fail(node, rc, "the vectors: %s", request->reason != NULL ? request->reason : dv_rc_text(rc));
    let_go(slot->sink); /* also if the place is full */
    dv_finish(node, batch, rc);
}

static struct slot *free_slot(struct sink_vectors *sink)
{
    for (uint32_t i = 0; i < HELD_MAX; i++)
        if (sink->slots[i].batch == NULL)
            return &sink->slots[i];
    DV_ASSERT(!"a free slot while the node is called");
    return NULL;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_vectors *sink = dv_state(node);
    struct slot *slot = free_slot(sink);
    uint32_t count = fill_all(slot, batch);
    if (count == 0)
        return DV_PASS;
    slot->batch = batch;
    slot->request = (struct dv_vectors_request){ .kind = DV_VECTORS_PUT, .rows = slot->rows, .count = count, .callback = on_kept, .data = slot };
    dv_vectors_request(sink->place.vectors, &slot->request);
    return DV_HOLD;
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_vectors *sink = dv_state(node);
    sink->node = node;
    sink->slots = dv_arena_zeroed(dv_node_arena(node), HELD_MAX, sizeof *sink->slots);
    if (sink->slots == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    for (uint32_t i = 0; i < HELD_MAX; i++)
        sink->slots[i].sink = sink;
    return dv_vectors_place_open(node, &sink->place, false);
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct sink_vectors *sink = dv_state(node);
    const struct dv_gauge gauges[] = { { "kept", (double)sink->kept }, { "without_text", (double)sink->wordless }, { "expired", (double)sink->expired } };
    if (index >= 3)
        return false;
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_sink_vectors = {
    .name = "sink-vectors",
    .summary = "Keeps texts with their vectors, each once, where questions find them.",
    .options = options,
    .size = sizeof(struct sink_vectors),
    .sink = true,
    .held_max = HELD_MAX,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = dv_vectors_node_waits,
    .breaker = dv_vectors_node_breaker,
    .gauge = gauge,
    .close = dv_vectors_node_close,
};

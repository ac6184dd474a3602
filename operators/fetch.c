/* SPDX-License-Identifier: Apache-2.0
 * fetch.c - replaces the text of each hit by what its sealed record says now.
 *
 * Behind `search`: a hit names the record it was made of, and by what hash that proves itself. The record is looked up in the store,
 * opened with the keyring, and the text of some of its columns takes the place of what was kept beside the vector. So a hit whose
 * record is gone, cannot be opened any more, or is not the one that was embedded is no evidence: it is left out, and counted. What is
 * told of groups has no record behind it and stays. All records of a batch of questions are looked up together.
 *
 * The graph says what was sealed, as with `source from: pg`; evidence has the worst label of what was found and of the columns. */
#include <stdlib.h>
#include <string.h>

#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/anonymize_plan.h"
#include "operators/blob_place.h"
#include "operators/embed_text.h"
#include "operators/fetch_evidence.h"
#include "operators/fetch_open.h"
#include "operators/keys.h"
#include "operators/schema_option.h"
#include "vault/seal.h"

enum { LONGEST_MAX = 64 * 1024, LONGEST_RECORD = 16 * 1024 * 1024, WORK_BYTES = 64 * 1024 * 1024 };

/* What became of a record. */
enum state { GONE, UNOPENED, CHANGED, OPEN, STATES };

/* A record that some hits of the batch name. */
struct wanted {
    uint8_t hash[DV_FETCH_HASH_BYTES];
    enum state state;
    const char *text;
    size_t length;
};

struct fetch {
    struct dv_blob_place place; /* first */
    const char *records, *policy, *evidence_name;
    struct dv_strs names;
    int64_t longest, max_record;
    bool groups;
    struct dv_text_form form;
    const struct dv_schema *sealed;
    struct dv_anonymize_plan plan;
    const struct dv_schema *out;
    int from[DV_COLUMNS_MAX];
    uint32_t evidence; /* the column */
    struct dv_node *node;
    struct dv_fetch_opener opener;
    struct dv_batch *held;
    struct dv_arena work; /* what is known of the batch held: empty between batches */
    bool full;
    uint8_t (*ids)[DV_STORE_ID_BYTES]; /* sorted */
    struct wanted *wanted;
    uint32_t count;
    struct dv_blob_search search;
    struct dv_fetch_hit hits[DV_FETCH_HITS_MAX];
    uint64_t of[STATES], told_of_groups;
};

static const struct dv_option options[] = {
    DV_BLOB_PLACE_ROWS(struct fetch),
    { "records", DV_NAME, offsetof(struct fetch, records), .flags = DV_REQUIRED,
      .help = "Schema of the sealed records: schemas/<name>.yaml beside the graph file. Hits of other schemas are left out." },
    { "policy", DV_NAME, offsetof(struct fetch, policy),
      .help = "Policy they went through before they were sealed, taken at its word; none: they were sealed as they came." },
    { "columns", DV_STRS, offsetof(struct fetch, names), .flags = DV_REQUIRED,
      .help = "Columns whose values make the text, as with `embed`." },
    { "longest", DV_SIZE, offsetof(struct fetch, longest), .initial = "2KiB", .min = 64, .max = LONGEST_MAX,
      .help = "How much of a record's text is given." },
    { "max_record", DV_SIZE, offsetof(struct fetch, max_record), .initial = "64KiB", .min = 64, .max = LONGEST_RECORD,
      .help = "Longest sealed record that is opened; a longer one counts as gone." },
    { "groups", DV_BOOL, offsetof(struct fetch, groups), .initial = "true",
      .help = "Whether what is told of groups stays, though nothing sealed stands behind it." },
    { "evidence", DV_STR, offsetof(struct fetch, evidence_name), .initial = "evidence", .help = "Column of what was found." },
    { 0 },
};

/* ---- the schema ---- */

static dv_rc find_sealed(struct dv_node *node)
{
    struct fetch *fetch = dv_state(node);
    fetch->sealed = dv_load_schema(node, "records", fetch->records);
    if (fetch->sealed == NULL)
        return DV_E_CONFIG;
    if (fetch->policy != NULL) {
        DV_TRY(dv_anonymize_plan(node, "policy", fetch->policy, fetch->sealed, &fetch->plan));
        fetch->sealed = fetch->plan.columns.schema;
    }
    return dv_text_form_of(node, fetch->sealed, &fetch->names, &fetch->form);
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct fetch *fetch = dv_state(node);
    DV_TRY(dv_blob_place_check(node, &fetch->place));
    DV_TRY(find_sealed(node));
    int evidence = dv_shape_column(node, shape, "evidence", fetch->evidence_name);
    if (evidence < 0)
        return DV_E_CONFIG;
    if (shape->in->columns[evidence].type != DV_TYPE_JSON)
        return dv_refuse(node, "evidence", "C240", "put `search` before it", "column '%s' is %s, not json", fetch->evidence_name,
                         dv_type_name(shape->in->columns[evidence].type));
    struct dv_schema *out = dv_schema_copy(dv_node_arena(node), shape->in);
    if (out == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < out->column_count; i++)
        fetch->from[i] = (int)i != evidence ? (int)i : -1;
    fetch->evidence = (uint32_t)evidence;
    out->columns[evidence].label = dv_label_join(out->columns[evidence].label, dv_text_label(&fetch->form, fetch->sealed));
    fetch->out = out;
    shape->out[0] = out;
    return DV_OK;
}

/* ---- which records ---- */

static const struct dv_cell *evidence_of(const struct fetch *fetch, const struct dv_batch *batch, uint32_t row)
{
    const struct dv_cell *cell = &dv_batch_cells(batch, fetch->evidence)[row];
    return cell->present && !dv_batch_rejected(batch, row) ? cell : NULL;
}

/* The hits of a row, into `hits`; 0 if it has none, or is rejected for what stands there. */
static uint32_t read_hits(struct fetch *fetch, struct dv_batch *batch, uint32_t row)
{
    const struct dv_cell *cell = evidence_of(fetch, batch, row);
    uint32_t count = 0;
    if (cell != NULL && dv_is_error(dv_fetch_hits(cell->text, cell->length, fetch->hits, &count)))
        dv_reject(fetch->node, batch, row, DV_E_DATA, "the evidence is not as `search` writes it");
    return cell != NULL && !dv_batch_rejected(batch, row) ? count : 0;
}

/* Whether a record is to be looked up for a hit. */
static bool wants(const struct dv_fetch_hit *hit)
{
    return hit->named && !hit->group;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, DV_STORE_ID_BYTES);
}

static void sort_once(struct fetch *fetch)
{
    uint32_t kept = 0;
    qsort(fetch->ids, fetch->count, sizeof *fetch->ids, by_id);
    for (uint32_t i = 0; i < fetch->count; i++)
        if (i == 0 || memcmp(fetch->ids[i], fetch->ids[kept - 1], sizeof *fetch->ids) != 0)
            memmove(fetch->ids[kept++], fetch->ids[i], sizeof *fetch->ids);
    fetch->count = kept;
}

/* The ids of all records that hits of the batch name, each once. */
static dv_rc collect(struct fetch *fetch, struct dv_batch *batch)
{
    size_t most = 0;
    fetch->count = 0;
    fetch->full = false;
    dv_arena_reset(&fetch->work);
    for (uint32_t row = 0; row < batch->rows; row++)
        most += read_hits(fetch, batch, row);
    fetch->ids = dv_arena_zeroed(&fetch->work, most + 1, sizeof *fetch->ids);
    fetch->wanted = dv_arena_zeroed(&fetch->work, most + 1, sizeof *fetch->wanted);
    if (fetch->ids == NULL || fetch->wanted == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint32_t hits = read_hits(fetch, batch, row);
        for (uint32_t i = 0; i < hits; i++)
            if (wants(&fetch->hits[i]))
                memcpy(fetch->ids[fetch->count++], fetch->hits[i].id, sizeof *fetch->ids);
    }
    sort_once(fetch);
    return DV_OK;
}

static struct wanted *wanted_of(const struct fetch *fetch, const uint8_t *id)
{
    const uint8_t(*found)[DV_STORE_ID_BYTES] = fetch->count > 0 ? bsearch(id, fetch->ids, fetch->count, sizeof *fetch->ids, by_id) : NULL;
    return found != NULL ? &fetch->wanted[found - fetch->ids] : NULL;
}

/* ---- the records ---- */

/* Opens a record that was found, if it is the tenant's, and keeps its text. */
static void on_found(struct dv_blob_search *search, const struct dv_store_row *row)
{
    struct fetch *fetch = search->data;
    const char *tenant = fetch->held->tenant;
    struct wanted *wanted = wanted_of(fetch, row->id);
    struct dv_fetch_opened opened;
    if (wanted == NULL || row->tenant.length != strlen(tenant) || memcmp(row->tenant.at, tenant, row->tenant.length) != 0)
        return;
    wanted->state = UNOPENED;
    if (!dv_fetch_open(&fetch->opener, row, &opened))
        return;
    memcpy(wanted->hash, opened.hash, sizeof wanted->hash);
    size_t length = dv_text_cut(opened.text, opened.length, (size_t)fetch->longest);
    wanted->text = dv_arena_copy(&fetch->work, opened.text, length);
    wanted->length = length;
    wanted->state = length > 0 ? OPEN : CHANGED;
    fetch->full = fetch->full || wanted->text == NULL;
    dv_fetch_opener_wipe(&fetch->opener);
}

/* ---- the evidence again ---- */

static struct dv_fetch_fate fate_of(struct fetch *fetch, const struct dv_fetch_hit *hit)
{
    const struct wanted *wanted = wants(hit) ? wanted_of(fetch, hit->id) : NULL;
    if (hit->group) {
        fetch->told_of_groups += fetch->groups;
        return (struct dv_fetch_fate){ .goes = !fetch->groups };
    }
    enum state state = wanted != NULL ? wanted->state : GONE;
    if (state == OPEN && memcmp(wanted->hash, hit->hash, sizeof wanted->hash) != 0)
        state = CHANGED;
    fetch->of[state]++;
    return state == OPEN ? (struct dv_fetch_fate){ .text = wanted->text, .length = wanted->length } : (struct dv_fetch_fate){ .goes = true };
}

/* False: no memory. */
static bool write_again(struct fetch *fetch, struct dv_batch *batch, uint32_t row, struct dv_cell *cell)
{
    struct dv_fetch_fate fates[DV_FETCH_HITS_MAX];
    const struct dv_cell *before = evidence_of(fetch, batch, row);
    *cell = (struct dv_cell){ .present = 0 };
    if (before == NULL)
        return true;
    uint32_t count = read_hits(fetch, batch, row);
    for (uint32_t i = 0; i < count; i++)
        fates[i] = fate_of(fetch, &fetch->hits[i]);
    size_t size = dv_fetch_bound(before->length, fates, count);
    char *text = size <= UINT32_MAX ? dv_arena_text(&batch->arena, size) : NULL;
    if (text == NULL)
        return false;
    size_t length = dv_fetch_write(before->text, before->length, fetch->hits, fates, count, text, size);
    *cell = (struct dv_cell){ .text = text, .length = (uint32_t)length, .present = 1 };
    dv_arena_trim(&batch->arena, text, size, length);
    return true;
}

static dv_rc pass_on(struct fetch *fetch, struct dv_batch *batch)
{
    struct dv_cell *cells[DV_COLUMNS_MAX] = { 0 };
    struct dv_cell *evidence = dv_batch_new_cells(batch);
    bool fits = evidence != NULL && !fetch->full;
    for (uint32_t row = 0; fits && row < batch->rows; row++)
        fits = write_again(fetch, batch, row, &evidence[row]);
    dv_arena_reset(&fetch->work);
    cells[fetch->evidence] = evidence;
    dv_rc rc = fits ? dv_batch_reshape_with(batch, fetch->out, fetch->from, cells) : DV_E_MEMORY;
    return dv_is_error(rc) ? dv_fail(fetch->node, rc, "no memory for the evidence of a batch") : DV_PASS;
}

/* ---- the run ---- */

static void on_looked(struct dv_blob_search *search)
{
    struct fetch *fetch = search->data;
    struct dv_batch *batch = fetch->held;
    fetch->held = NULL;
    if (search->rc != DV_OK)
        dv_arena_reset(&fetch->work); /* it is asked for again, whole */
    dv_rc rc = search->rc == DV_OK ? pass_on(fetch, batch)
                                   : dv_fail(fetch->node, search->rc, "the sealed records: %s",
                                             search->reason != NULL ? search->reason : dv_rc_text(search->rc));
    dv_finish(fetch->node, batch, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct fetch *fetch = dv_state(node);
    if (dv_is_error(collect(fetch, batch)))
        return dv_fail(node, DV_E_MEMORY, "no memory for the evidence of a batch");
    if (fetch->count == 0)
        return pass_on(fetch, batch);
    fetch->held = batch;
    fetch->search = (struct dv_blob_search){ .ids = (const uint8_t(*)[DV_STORE_ID_BYTES])fetch->ids, .count = fetch->count,
                                             .longest = (uint32_t)fetch->max_record + DV_TAG_BYTES, .found = on_found, .looked = on_looked,
                                             .data = fetch };
    dv_blob_place_search(&fetch->place, &fetch->search);
    return DV_HOLD;
}

static dv_rc open_node(struct dv_node *node)
{
    struct fetch *fetch = dv_state(node);
    struct dv_keyring *keyring = dv_node_keyring(node, "opening sealed records needs their keys");
    fetch->node = node;
    if (keyring == NULL)
        return DV_E_KEY;
    dv_arena_init(&fetch->work, WORK_BYTES);
    if (dv_is_error(dv_fetch_opener_open(&fetch->opener, dv_node_arena(node), keyring, fetch->sealed, &fetch->form, (size_t)fetch->max_record)))
        return dv_fail(node, DV_E_MEMORY, "no memory for opening records");
    return dv_blob_place_open(node, &fetch->place);
}

static void close_node(struct dv_node *node)
{
    struct fetch *fetch = dv_state(node);
    dv_blob_place_close(node);
    dv_fetch_opener_close(&fetch->opener);
    dv_arena_free(&fetch->work);
}

/* For the guards of exits: the detectors of the policy. */
static const void *sought(const struct dv_node *node)
{
    const struct fetch *fetch = dv_state(node);
    return fetch->plan.custom;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct fetch *fetch = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "opened", (double)fetch->of[OPEN] },       { "gone", (double)fetch->of[GONE] },          { "unopened", (double)fetch->of[UNOPENED] },
        { "changed", (double)fetch->of[CHANGED] }, { "of_groups", (double)fetch->told_of_groups },
    };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_fetch = {
    .name = "fetch",
    .summary = "Replaces the text of each hit of a search by what its sealed record says now.",
    .options = options,
    .size = sizeof(struct fetch),
    .edits = true,
    .sought = sought,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = dv_blob_place_waits,
    .breaker = dv_blob_place_breaker,
    .gauge = gauge,
    .close = close_node,
};

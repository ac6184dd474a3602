/* SPDX-License-Identifier: Apache-2.0
 * search.c - finds what is kept that is like a question, and puts it beside the question as evidence.
 *
 * The column `evidence` (json) is added:
 *
 *   {"lexical":false,"hits":[{"id":"…","hash":"hex","schema":"healthcare","at":ms,"score":0.83,"cosine":0.61,
 *                             "subject":2,"subjects":1,"text":"…"}]}
 *
 * Best first; what insights tell of a group window after window (operators/form.h) stands there once, of the newest
 * of the 64 best. `lexical`: no vector was compared, only words; then `cosine` is null. `subject` numbers the people within this
 * answer, no pseudonym leaves the place; it is null where the text is about a group of `subjects`, and 0 for a person nobody
 * can name, who may be the same in all of them. Only what the batch's tenant has is looked at. Evidence is redacted text:
 * whatever is kept was cleared for a prompt, and redacted text may go to no exit that refuses one of those labels. */
#include <inttypes.h>
#include <string.h>

#include "connectors/vectors.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/embed.h"
#include "operators/embed_text.h"
#include "operators/form.h"
#include "operators/vectors_option.h"

enum { HIT_BYTES = 640, TEXT_GROWTH = 6, SUBJECTS_MAX = DV_VECTORS_TOP_MAX, PARTS = 6 };
enum part { QUESTION, VECTOR, MODEL, SCHEMA, FROM, TO };

struct search {
    struct dv_vectors_place place; /* first */
    const char *names[PARTS];
    int column[PARTS]; /* -1: there is none */
    int64_t top, longest;
    double floor;
    const struct dv_schema *out;
    int from[DV_COLUMNS_MAX];
    struct dv_node *node;
    struct dv_batch *held;
    uint32_t row; /* asked for now */
    struct dv_cell *evidence;
    struct dv_vectors_request request;
    uint64_t questions, unanswered, lexical;
};

static const struct dv_option options[] = {
    DV_VECTORS_PLACE_ROWS(struct search),
    { "top", DV_INT, offsetof(struct search, top), .initial = "8", .min = 1, .max = DV_VECTORS_TOP_MAX, .help = "How many hits a question gets at most." },
    { "floor", DV_FLOAT, offsetof(struct search, floor), .initial = "0.25", .min = -1, .max = 1,
      .help = "Smallest cosine of a hit; where words alone decide there is none." },
    { "longest", DV_SIZE, offsetof(struct search, longest), .initial = "2KiB", .min = 64, .max = DV_VECTORS_TEXT_MAX,
      .help = "How much of a hit's text is given." },
    { "question", DV_STR, offsetof(struct search, names[QUESTION]), .initial = "question", .help = "Column of the question." },
    { "embedding", DV_STR, offsetof(struct search, names[VECTOR]), .initial = DV_EMBED_VECTOR, .help = "Column of its vector; without it words alone decide." },
    { "embedding_model", DV_STR, offsetof(struct search, names[MODEL]), .initial = DV_EMBED_MODEL, .help = "Column that names the vector's model." },
    { "schema_column", DV_STR, offsetof(struct search, names[SCHEMA]), .initial = "schema",
      .help = "Column of the schema that hits must be of, if there is one." },
    { "from_column", DV_STR, offsetof(struct search, names[FROM]), .initial = "from_ms", .help = "Column of the time hits are of at the earliest, if there is one." },
    { "to_column", DV_STR, offsetof(struct search, names[TO]), .initial = "to_ms", .help = "Column of the time they are before, if there is one." },
    { 0 },
};

/* ---- the schema ---- */

static const enum dv_type types[PARTS] = { DV_TYPE_TEXT, DV_TYPE_BYTES, DV_TYPE_TEXT, DV_TYPE_TEXT, DV_TYPE_INT, DV_TYPE_INT };

static dv_rc find_columns(struct dv_node *node, const struct dv_shape *shape)
{
    struct search *search = dv_state(node);
    for (uint32_t i = 0; i < PARTS; i++) {
        search->column[i] = i == QUESTION ? dv_shape_column(node, shape, "question", search->names[i]) : dv_schema_find(shape->in, search->names[i]);
        if (i == QUESTION && search->column[i] < 0)
            return DV_E_CONFIG;
        if (search->column[i] >= 0 && shape->in->columns[search->column[i]].type != types[i])
            return dv_refuse(node, NULL, "C232", "name another column, or none that is there", "column '%s' is %s, not %s", search->names[i],
                             dv_type_name(shape->in->columns[search->column[i]].type), dv_type_name(types[i]));
    }
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct search *search = dv_state(node);
    DV_TRY(dv_vectors_place_check(node, &search->place));
    DV_TRY(find_columns(node, shape));
    if (shape->in->column_count == DV_COLUMNS_MAX || dv_schema_find(shape->in, "evidence") >= 0)
        return dv_refuse(node, NULL, "C233", "put a `project` before it", "there is no room for a column 'evidence', or one is there already");
    struct dv_schema *out = dv_schema_copy(dv_node_arena(node), shape->in);
    if (out == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        search->from[i] = (int)i;
    search->from[out->column_count] = -1;
    (void)dv_schema_add(out, "evidence", DV_TYPE_JSON, dv_label(DV_CLASS_FREE_TEXT, DV_FORM_REDACTED));
    search->out = out;
    shape->out[0] = out;
    return DV_OK;
}

/* ---- what is told once ---- */

/* The hits that are given, best first. */
struct chosen {
    const struct dv_vectors_hit *hits[DV_VECTORS_TOP_MAX];
    uint64_t forms[DV_VECTORS_TOP_MAX]; /* 0: of a person, or no finding */
    uint32_t count;
};

static uint64_t form_of(const struct dv_vectors_row *row)
{
    uint64_t schema = dv_hash64(row->schema.at, row->schema.length, 0);
    return row->subjects > 1 ? dv_form_of(row->text.at, row->text.length, schema) : 0;
}

/* Of what is told of a group window after window the newest has the place of the best. */
static void choose(struct chosen *chosen, const struct dv_vectors_request *request, uint32_t top)
{
    chosen->count = 0;
    for (uint64_t i = 0; i < request->total; i++) {
        const struct dv_vectors_hit *hit = &request->hits[i];
        uint64_t form = form_of(&hit->row);
        uint32_t at = 0;
        while (at < chosen->count && (form == 0 || chosen->forms[at] != form))
            at++;
        if (at == chosen->count && chosen->count < top)
            chosen->count++;
        else if (at == chosen->count || hit->row.created_ms <= chosen->hits[at]->row.created_ms)
            continue;
        chosen->hits[at] = hit;
        chosen->forms[at] = form;
    }
}

/* ---- evidence ---- */

/* The people of an answer, numbered as they come. */
struct people {
    struct dv_store_bytes refs[SUBJECTS_MAX];
    uint32_t count;
};

static uint32_t number_of(struct people *people, struct dv_store_bytes ref)
{
    for (uint32_t i = 0; i < people->count; i++)
        if (people->refs[i].length == ref.length && memcmp(people->refs[i].at, ref.at, ref.length) == 0)
            return i + 1;
    people->refs[people->count++] = ref;
    return people->count;
}

static void write_subject(struct dv_json *json, struct people *people, const struct dv_vectors_row *row)
{
    dv_json_key(json, "subject");
    if (row->subjects > 1)
        dv_json_null(json);
    else
        dv_json_uint(json, row->subject_ref.at != NULL ? number_of(people, row->subject_ref) : 0);
    dv_json_key(json, "subjects");
    dv_json_uint(json, row->subjects);
}

static void write_hex(struct dv_json *json, struct dv_store_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * 64];
    size_t length = bytes.length < sizeof hex / 2 ? bytes.length : sizeof hex / 2;
    for (size_t i = 0; i < length; i++) {
        hex[2 * i] = digits[((const uint8_t *)bytes.at)[i] >> 4];
        hex[2 * i + 1] = digits[((const uint8_t *)bytes.at)[i] & 15];
    }
    dv_json_text(json, hex, 2 * length);
}

static void write_hit(struct dv_json *json, const struct search *search, struct people *people, const struct dv_vectors_hit *hit)
{
    const struct dv_vectors_row *row = &hit->row;
    char id[DV_UUID_TEXT];
    dv_json_open(json, '{');
    dv_json_key(json, "id");
    dv_json_string(json, dv_id_text(id, row->id));
    dv_json_key(json, "hash");
    write_hex(json, row->hash);
    dv_json_key(json, "schema");
    dv_json_text(json, row->schema.at, row->schema.length);
    dv_json_key(json, "at");
    dv_json_int(json, row->created_ms);
    dv_json_key(json, "score");
    dv_json_float(json, hit->score);
    dv_json_key(json, "cosine");
    if (hit->compared)
        dv_json_float(json, hit->cosine);
    else
        dv_json_null(json);
    write_subject(json, people, row);
    dv_json_key(json, "text");
    dv_json_text(json, row->text.at, dv_text_cut(row->text.at, row->text.length, (size_t)search->longest));
    dv_json_close(json, '}');
}

static size_t bound(const struct search *search, const struct chosen *chosen)
{
    size_t bytes = HIT_BYTES;
    for (uint32_t i = 0; i < chosen->count; i++) {
        const struct dv_vectors_row *row = &chosen->hits[i]->row;
        bytes += HIT_BYTES + (row->schema.length + dv_text_cut(row->text.at, row->text.length, (size_t)search->longest)) * TEXT_GROWTH;
    }
    return bytes;
}

/* False: no memory. */
static bool write_evidence(const struct search *search, const struct dv_vectors_request *request, struct dv_batch *batch, struct dv_cell *cell)
{
    struct people people = { .count = 0 };
    struct chosen chosen;
    struct dv_json json;
    choose(&chosen, request, (uint32_t)search->top);
    size_t size = bound(search, &chosen);
    char *text = dv_arena_text(&batch->arena, size);
    if (text == NULL)
        return false;
    dv_json_init(&json, text, size);
    dv_json_open(&json, '{');
    dv_json_key(&json, "lexical");
    dv_json_bool(&json, request->lexical);
    dv_json_key(&json, "hits");
    dv_json_open(&json, '[');
    for (uint32_t i = 0; i < chosen.count; i++)
        write_hit(&json, search, &people, chosen.hits[i]);
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    *cell = (struct dv_cell){ .text = text, .length = (uint32_t)dv_json_length(&json), .present = 1 };
    dv_arena_trim(&batch->arena, text, size, dv_json_length(&json));
    return true;
}

/* ---- the run ---- */

static const struct dv_cell *cell_of(const struct search *search, enum part part)
{
    if (search->column[part] < 0)
        return NULL;
    const struct dv_cell *cell = &dv_batch_cells(search->held, (uint32_t)search->column[part])[search->row];
    return cell->present ? cell : NULL;
}

static struct dv_store_bytes bytes_of(const struct search *search, enum part part)
{
    const struct dv_cell *cell = cell_of(search, part);
    return cell != NULL ? (struct dv_store_bytes){ cell->text, cell->length } : (struct dv_store_bytes){ 0 };
}

static int64_t time_of(const struct search *search, enum part part, int64_t otherwise)
{
    const struct dv_cell *cell = cell_of(search, part);
    return cell != NULL ? cell->integer : otherwise;
}

static void ask(struct search *search);

static void on_found(struct dv_vectors_request *request)
{
    struct search *search = request->data;
    struct dv_batch *batch = search->held;
    dv_rc rc = request->rc;
    if (dv_is_error(rc))
        (void)dv_fail(search->node, rc, "the search: %s", request->reason != NULL ? request->reason : dv_rc_text(rc));
    else if (!write_evidence(search, request, batch, &search->evidence[search->row]))
        rc = dv_fail(search->node, DV_E_MEMORY, "no memory for the evidence of a batch");
    if (dv_is_error(rc)) {
        search->held = NULL;
        dv_finish(search->node, batch, rc);
        return;
    }
    search->questions++;
    search->unanswered += request->total == 0;
    search->lexical += request->lexical;
    search->row++;
    ask(search);
}

/* Whether the row has a question that something can be looked for by. */
static bool make_request(struct search *search)
{
    struct dv_store_bytes question = bytes_of(search, QUESTION), vector = bytes_of(search, VECTOR), model = bytes_of(search, MODEL);
    bool compares = vector.at != NULL && model.at != NULL && vector.length > 0 && vector.length % sizeof(float) == 0 &&
                    vector.length <= DV_VECTORS_WIDTH_MAX * sizeof(float);
    search->request = (struct dv_vectors_request){ .kind = DV_VECTORS_SEARCH, .callback = on_found, .data = search };
    search->request.query = (struct dv_vectors_query){
        .tenant = { search->held->tenant, strlen(search->held->tenant) },
        .schema = bytes_of(search, SCHEMA),
        .text = question,
        .vector = compares ? vector : (struct dv_store_bytes){ 0 },
        .model = compares ? model : (struct dv_store_bytes){ 0 },
        .from_ms = time_of(search, FROM, INT64_MIN),
        .to_ms = time_of(search, TO, INT64_MAX),
        .top = DV_VECTORS_TOP_MAX, /* of windows that are told alike all but one is left out */
        .floor = search->floor,
    };
    return question.at != NULL;
}

/* Asks for the next row; after the last the batch goes on. */
static void ask(struct search *search)
{
    struct dv_batch *batch = search->held;
    for (; search->row < batch->rows; search->row++) {
        if (dv_batch_rejected(batch, search->row) || !make_request(search))
            continue;
        dv_vectors_request(search->place.vectors, &search->request);
        return;
    }
    struct dv_cell *cells[DV_COLUMNS_MAX] = { 0 };
    cells[search->out->column_count - 1] = search->evidence;
    search->held = NULL;
    dv_rc rc = dv_batch_reshape_with(batch, search->out, search->from, cells);
    dv_finish(search->node, batch, dv_is_error(rc) ? dv_fail(search->node, rc, "no memory for the evidence of a batch") : DV_PASS);
}

/* Whether any row has a question: a batch without one must not be finished from inside process(). */
static bool has_questions(struct search *search)
{
    for (search->row = 0; search->row < search->held->rows; search->row++)
        if (!dv_batch_rejected(search->held, search->row) && cell_of(search, QUESTION) != NULL)
            return true;
    return false;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct search *search = dv_state(node);
    struct dv_cell *cells[DV_COLUMNS_MAX] = { 0 };
    search->evidence = dv_batch_new_cells(batch);
    if (search->evidence == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the evidence of a batch");
    memset(search->evidence, 0, batch->rows * sizeof *search->evidence);
    search->held = batch;
    if (has_questions(search)) {
        ask(search);
        return DV_HOLD;
    }
    search->held = NULL;
    cells[search->out->column_count - 1] = search->evidence;
    return dv_batch_reshape_with(batch, search->out, search->from, cells);
}

static dv_rc open_node(struct dv_node *node)
{
    struct search *search = dv_state(node);
    search->node = node;
    return dv_vectors_place_open(node, &search->place, true);
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct search *search = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "questions", (double)search->questions },
        { "without_hits", (double)search->unanswered },
        { "by_words_only", (double)search->lexical },
    };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_search = {
    .name = "search",
    .summary = "Finds what is kept that is like a question, and puts it beside the question as evidence.",
    .options = options,
    .size = sizeof(struct search),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = dv_vectors_node_waits,
    .breaker = dv_vectors_node_breaker,
    .gauge = gauge,
    .close = dv_vectors_node_close,
};

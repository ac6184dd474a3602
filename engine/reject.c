/* SPDX-License-Identifier: Apache-2.0
 * reject.c - takes bad records out of their batch and hands them to the dead letters with their receipt. */
#include "engine/json.h"
#include "engine/log.h"
#include "engine/node.h"

enum { LOGGED_MAX = 20 }; /* rejected records of a node that are logged one by one; all are counted */

/* Where and why, never what. */
static void tell(const struct dv_node *node, const struct dv_letter *letter)
{
    if (node->stats.rejected > LOGGED_MAX)
        return;
    const struct dv_log_pair reason = { "reason", DV_LOG_WORD, 0, letter->reason };
    dv_log(DV_LOG_WARN, "record.rejected", DV_LOG_NAMED("node", node->name), DV_LOG_NUMBER("line", letter->line),
           DV_LOG_NUMBER("offset", letter->offset), DV_LOG_REASON("code", letter->code), reason);
    if (node->stats.rejected == LOGGED_MAX)
        dv_log(DV_LOG_WARN, "record.rejected.more", DV_LOG_NAMED("node", node->name));
}

/* The receipt that covers the batch's records; a part of a batch has its parent's. */
static struct dv_receipt *receipt_of(const struct dv_batch *batch)
{
    while (batch->receipt == NULL && batch->parent != NULL)
        batch = batch->parent;
    return batch->receipt;
}

static void put(struct dv_node *node, const struct dv_batch *batch, const struct dv_row *place, struct dv_letter letter)
{
    struct dv_dead_letters *letters = node->graph->letters;
    node->stats.rejected++;
    node->stats.rejected_for[letter.code]++;
    letter.node = node->name;
    letter.offset = place->offset;
    letter.line = place->line;
    tell(node, &letter);
    if (letters == NULL)
        return;
    letter.created_ms = place->created_ms;
    memcpy(letter.id, place->id, sizeof letter.id);
    letters->put(letters, &letter, receipt_of(batch));
}

/* One row as a letter. A row that cannot become one must not be settled. */
static void send_row(struct dv_node *node, struct dv_batch *batch, uint32_t row, dv_rc code, const char *reason)
{
    size_t bound = dv_json_record_bound(batch, row);
    char *payload = dv_arena_alloc(&node->scratch, bound);
    if (payload == NULL) {
        struct dv_receipt *receipt = receipt_of(batch);
        if (receipt != NULL)
            receipt->failed = true;
        dv_graph_fail(node->graph, node,
                      dv_fail(node, DV_E_MEMORY, "a rejected record is too large for the dead letters"));
        return;
    }
    struct dv_letter letter = { .code = code, .reason = reason, .schema = batch->schema->name, .payload = payload };
    letter.length = dv_json_record(batch, row, payload);
    put(node, batch, &batch->row[row], letter);
    explicit_bzero(payload, letter.length);
    dv_arena_trim(&node->scratch, payload, bound, 0);
}

void dv_reject_row(struct dv_node *node, struct dv_batch *batch, uint32_t row, dv_rc code, const char *reason)
{
    DV_ASSERT(row < batch->rows && dv_is_error(code));
    if (dv_batch_rejected(batch, row))
        return;
    send_row(node, batch, row, code, reason);
    bool shared = batch->references > 1;
    DV_ASSERT(!shared || node->op->sink);
    if (!shared) { /* the other readers of a sink's batch still want the row */
        batch->rejected[row / 64] |= UINT64_C(1) << (row % 64);
        batch->rejected_count++;
    }
}

void dv_reject_raw(struct dv_node *node, struct dv_batch *batch, const char *raw, size_t length,
                   const struct dv_row *place, dv_rc code, const char *reason)
{
    DV_ASSERT(node->op->source && batch->maker == node);
    put(node, batch, place, (struct dv_letter){ .code = code, .reason = reason, .payload = raw, .length = length });
}

void dv_reject_all(struct dv_node *node, struct dv_batch *batch, dv_rc rc)
{
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row)) /* nothing is marked: others may read the batch, and this node is done with it */
            send_row(node, batch, row, rc, dv_rc_text(rc));
}

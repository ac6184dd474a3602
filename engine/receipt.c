/* SPDX-License-Identifier: Apache-2.0
 * receipt.c - receipts and the links by which windows keep them. */
#include "engine/receipt.h"

#include "engine/crash.h"
#include "engine/memory.h"
#include "engine/node.h"

dv_rc dv_receipts_init(struct dv_receipts *receipts, uint32_t capacity)
{
    *receipts = (struct dv_receipts){ .capacity = capacity, .link_capacity = 2 * capacity + DV_NODES_MAX };
    receipts->items = dv_memory_zeroed(capacity, sizeof *receipts->items);
    receipts->links = dv_memory_zeroed(receipts->link_capacity, sizeof *receipts->links);
    if (receipts->items == NULL || receipts->links == NULL) {
        dv_receipts_free(receipts);
        return DV_E_MEMORY;
    }
    for (uint32_t i = capacity; i-- > 0;) {
        receipts->items[i].next_free = receipts->free;
        receipts->free = &receipts->items[i];
    }
    for (uint32_t i = receipts->link_capacity; i-- > 0;) {
        receipts->links[i].next = receipts->free_links;
        receipts->free_links = &receipts->links[i];
    }
    return DV_OK;
}

void dv_receipts_free(struct dv_receipts *receipts)
{
    dv_memory_free(receipts->items);
    dv_memory_free(receipts->links);
    *receipts = (struct dv_receipts){ 0 };
}

struct dv_receipt *dv_receipt_take(struct dv_receipts *receipts, struct dv_node *source)
{
    struct dv_receipt *receipt = receipts->free;
    if (receipt == NULL)
        return NULL;
    receipts->free = receipt->next_free;
    receipts->live++;
    source->receipts_live++;
    *receipt = (struct dv_receipt){ .source = source, .references = 1, .of = receipts };
    return receipt;
}

struct dv_receipt *dv_receipt_ref(struct dv_receipt *receipt)
{
    DV_ASSERT(receipt->references > 0);
    receipt->references++;
    return receipt;
}

/* Takes the first receipt out of what a window kept; NULL when there is none left. */
static struct dv_receipt *take_kept(struct dv_receipts *receipts, struct dv_keep *keep)
{
    struct dv_receipt_link *link = keep->first;
    if (link == NULL)
        return NULL;
    struct dv_receipt *receipt = link->receipt;
    keep->first = link->next;
    if (keep->first == NULL)
        keep->last = NULL;
    keep->count--;
    link->next = receipts->free_links;
    link->receipt = NULL;
    receipts->free_links = link;
    receipts->live_links--;
    return receipt;
}

static void settle(struct dv_receipt *receipt)
{
    struct dv_node *source = receipt->source;
    struct dv_graph *graph = source->graph;
    struct dv_receipts *receipts = receipt->of;
    struct dv_receipt *kept = NULL;
    DV_CRASH_POINT("receipt.before-settle");
    while ((kept = take_kept(receipts, &receipt->kept)) != NULL)
        dv_receipt_unref(kept, receipt->failed);
    if (source->op->settle != NULL && receipt->claimed && graph->state != DV_GRAPH_DONE)
        source->op->settle(source, receipt);
    DV_CRASH_POINT("receipt.settled");
    receipt->next_free = receipts->free;
    receipts->free = receipt;
    receipts->live--;
    source->receipts_live--;
    receipts->settled++;
    source->answers++;
}

void dv_receipt_unref(struct dv_receipt *receipt, bool failed)
{
    if (receipt == NULL)
        return;
    DV_ASSERT(receipt->references > 0);
    struct dv_node *source = receipt->source;
    receipt->failed = receipt->failed || failed;
    if (failed)
        dv_graph_fail(source->graph, source, dv_fail(source, DV_E_IO, "what was read cannot be made durable"));
    dv_graph_wake(source->graph); /* who let go may have been in the way: a letter that is durable opens the gate */
    if (--receipt->references == 0)
        settle(receipt);
}

bool dv_receipts_full(const struct dv_node *maker)
{
    const struct dv_receipts *receipts = &maker->graph->receipts;
    return receipts->live + maker->receipts_spared >= receipts->capacity;
}

/* One for each node is left over: a window that is told while a batch waits for the next one needs it, or none would ever be
 * told again. */
bool dv_links_full(const struct dv_graph *graph)
{
    return graph->receipts.live_links + DV_NODES_MAX >= graph->receipts.link_capacity;
}

dv_rc dv_keep_receipt(struct dv_node *node, struct dv_keep *keep, struct dv_batch *batch)
{
    struct dv_receipts *receipts = &node->graph->receipts;
    struct dv_receipt_link *link = receipts->free_links;
    if (batch->receipt == NULL)
        return DV_OK;
    if (link == NULL)
        return DV_E_LIMIT;
    receipts->free_links = link->next;
    receipts->live_links++;
    *link = (struct dv_receipt_link){ .receipt = dv_receipt_ref(batch->receipt) };
    if (keep->last != NULL)
        keep->last->next = link;
    else
        keep->first = link;
    keep->last = link;
    keep->count++;
    return DV_OK;
}

void dv_give_receipts(struct dv_node *node, struct dv_keep *keep, struct dv_batch *batch)
{
    DV_ASSERT(batch->maker == node && batch->receipt != NULL);
    DV_ASSERT(batch->receipt->kept.first == NULL);
    batch->receipt->kept = *keep;
    *keep = (struct dv_keep){ 0 };
}

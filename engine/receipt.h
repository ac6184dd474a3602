/* SPDX-License-Identifier: Apache-2.0
 * receipt.h - a source's claim ticket for what it read: settled when every branch of it is durable.
 *
 * Every batch holds one reference to one receipt; copies of the batch hold their own. When the last reference goes, the
 * source's settle() is called, once. An operator that absorbs records into a window keeps their receipts in a
 * dv_keep and passes them on: the window's batch gets a receipt of its own, whose settling drops the kept ones. */
#ifndef DV_ENGINE_RECEIPT_H
#define DV_ENGINE_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

struct dv_node;

/* Link of a list of kept receipts; from the graph's pool of links. */
struct dv_receipt_link {
    struct dv_receipt *receipt;
    struct dv_receipt_link *next;
};

/* Receipts that a window keeps. Zero-initialise. */
struct dv_keep {
    struct dv_receipt_link *first;
    struct dv_receipt_link *last;
    uint32_t count;
};

/* A claim ticket. `source` is told at the end; `first` and `last` are the source's offsets (both included). */
struct dv_receipt {
    struct dv_node *source;
    uint32_t references;
    bool failed;  /* some branch could not be made durable: the source must not settle it */
    bool claimed; /* dv_claim() was called; only then the source is told */
    uint64_t first, last;
    uint64_t sequence;      /* counts the source's claimed receipts from 0, with no gap */
    struct dv_keep kept;    /* what a window's receipt stands for */
    struct dv_receipts *of; /* the pool it goes back to */
    struct dv_receipt *next_free;
};

/* The pool of a graph's receipts; bounded, like everything. */
struct dv_receipts {
    struct dv_receipt *items;
    struct dv_receipt *free;
    struct dv_receipt_link *links;
    struct dv_receipt_link *free_links;
    uint32_t capacity, live;
    uint64_t settled; /* since the start */
    uint32_t link_capacity, live_links;
};

/* Takes one more reference and gives the receipt back. */
struct dv_receipt *dv_receipt_ref(struct dv_receipt *receipt);

/* Drops a reference; the last settles the receipt. `failed` marks it first and ends the run: what can never be settled
 * must not be passed over. Accepts NULL. */
void dv_receipt_unref(struct dv_receipt *receipt, bool failed);

#endif

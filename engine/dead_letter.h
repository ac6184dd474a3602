/* SPDX-License-Identifier: Apache-2.0
 * dead_letter.h - where rejected records go: an interface that the rooms above fill in, sealed and durable.
 *
 * The engine calls put() and keeps the record's receipt open until the letter is durable. When full() says so, no node
 * is called until it does not: a flood of bad records, or a full disk, stops the intake and loses nothing. */
#ifndef DV_ENGINE_DEAD_LETTER_H
#define DV_ENGINE_DEAD_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_receipt;

/* One rejected record. All pointers are lent for the call. */
struct dv_letter {
    const char *node;   /* which node rejected it */
    dv_rc code;         /* why */
    const char *reason; /* a literal */
    const char *schema; /* of the payload's columns; NULL for raw input */
    uint8_t id[16];     /* the record's id; zero if it never had one */
    uint64_t offset, line;
    int64_t created_ms;
    const char *payload; /* the raw input, or the record as JSON */
    size_t length;
};

/* A place for dead letters. */
struct dv_dead_letters {
    /* Takes a copy of `letter` and a reference of its own to `receipt` (may be NULL), dropped when it is durable. */
    void (*put)(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt);
    bool (*full)(const struct dv_dead_letters *letters);
    /* Why nothing is written now, a literal, or NULL. */
    const char *(*waits)(const struct dv_dead_letters *letters);
    /* True when nothing waits to be written. */
    bool (*idle)(const struct dv_dead_letters *letters);
};

#endif

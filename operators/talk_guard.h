/* SPDX-License-Identifier: Apache-2.0
 * talk_guard.h - the guard of texts that models are given or have written: patterns of personal data, and nothing passes. */
#ifndef DV_OPERATORS_TALK_GUARD_H
#define DV_OPERATORS_TALK_GUARD_H

#include "engine/error.h"

struct dv_guard;
struct dv_guard_rules;

/* The guard and its rules. Zero-initialise. */
struct dv_talk_guard {
    struct dv_guard_rules *rules;
    struct dv_guard *guard; /* NULL: not open */
};

/* DV_E_MEMORY. Close it in any case. */
DV_CHECKED dv_rc dv_talk_guard_open(struct dv_talk_guard *guard);

/* Accepts a zeroed one. */
void dv_talk_guard_close(struct dv_talk_guard *guard);

#endif

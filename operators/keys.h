/* SPDX-License-Identifier: Apache-2.0
 * keys.h - the keys that nodes take from the graph's keyring, made when they are asked for the first time.
 *
 * A first start needs no preparation: a dataset or a purpose without a key gets one, and the log says so. Nothing is
 * lost by a mistyped name, as whatever is sealed names its key. All of it is for open(): making keys writes files. */
#ifndef DV_OPERATORS_KEYS_H
#define DV_OPERATORS_KEYS_H

#include "engine/operator.h"
#include "vault/keyring.h"

enum { DV_RAW_KEY_MAX = 256 };

/* The graph's keyring, or NULL after dv_fail(DV_E_KEY). `what` needs it: "sealing needs a key". */
struct dv_keyring *dv_node_keyring(struct dv_node *node, const char *what);

/* A sealer for new records of a dataset of the graph's tenant; the caller owns it. Fails as dv_fail(). */
DV_CHECKED dv_rc dv_node_sealer(struct dv_node *node, const char *dataset, struct dv_sealer **ret);

/* The tenant's newest key for a purpose, and its version; the caller wipes it. Fails as dv_fail(). */
DV_CHECKED dv_rc dv_node_purpose_key(struct dv_node *node, const char *purpose, uint32_t *ret_version,
                                     uint8_t ret[DV_KEY_BYTES]);

/* The raw bytes behind a reference; the caller wipes them. Fails as dv_fail(). */
DV_CHECKED dv_rc dv_node_raw_key(struct dv_node *node, const char *reference, uint8_t ret[DV_RAW_KEY_MAX],
                                 size_t *ret_length);

#endif

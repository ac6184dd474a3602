/* SPDX-License-Identifier: Apache-2.0
 * conversation.h - what the HTTP server and `sink-conversation` see of `conversation`. */
#ifndef DV_OPERATORS_CONVERSATION_H
#define DV_OPERATORS_CONVERSATION_H

#include "connectors/conversations.h"
#include "engine/operator.h"

/* Whether a node is of this kind. */
bool dv_node_keeps_conversations(const struct dv_node *node);

/* The path of its file. The node is of this kind, open or not. */
const char *dv_conversations_path(const struct dv_node *node);

/* Its store; NULL: the node is of another kind, or not open. */
struct dv_conversations *dv_conversations_of_node(const struct dv_node *node);

/* The digest that stands for whoever `who` names, keyed by the tenant's key of the purpose "asker". The node is open, and its graph has a
 * keyring. */
void dv_conversations_asker(const struct dv_node *node, const void *who, size_t length, uint8_t ret[DV_ASKER_BYTES]);

#endif

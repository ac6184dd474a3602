/* SPDX-License-Identifier: Apache-2.0
 * conversations.h - what `datavault ask` needs of conversations. */
#ifndef DV_CLI_CONVERSATIONS_H
#define DV_CLI_CONVERSATIONS_H

#include "engine/id.h"

struct dv_post_to;

/* Begins one at the server; DV_EXIT_OK with its id, or another exit code after saying why not. */
int dv_conversation_make(const struct dv_post_to *to, char id[DV_UUID_TEXT]);

#endif

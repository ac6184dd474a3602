/* SPDX-License-Identifier: Apache-2.0
 * llm_shelf.c - kept answers, newest first. There are few of them: bytes are what they are bounded by. */
#include "connectors/llm_shelf.h"

#include <string.h>

#include "engine/memory.h"

enum { SHARE = 4, /* of the shelf that one answer may take */ KEPT_MAX = 1024 };

static size_t cost_of(size_t length)
{
    return sizeof(struct dv_llm_kept) + length;
}

static void throw_away(struct dv_llm_shelf *shelf, struct dv_llm_kept **link)
{
    struct dv_llm_kept *kept = *link;
    *link = kept->older;
    shelf->bytes -= cost_of(kept->length);
    shelf->count--;
    explicit_bzero(kept, cost_of(kept->length));
    dv_memory_free(kept);
}

static struct dv_llm_kept **link_to(struct dv_llm_shelf *shelf, const uint8_t *hash)
{
    struct dv_llm_kept **link = &shelf->newest;
    while (*link != NULL && memcmp((*link)->hash, hash, DV_LLM_HASH_BYTES) != 0)
        link = &(*link)->older;
    return link;
}

static void throw_oldest(struct dv_llm_shelf *shelf)
{
    struct dv_llm_kept **link = &shelf->newest;
    while ((*link)->older != NULL)
        link = &(*link)->older;
    throw_away(shelf, link);
}

const struct dv_llm_kept *dv_llm_shelf_find(struct dv_llm_shelf *shelf, const uint8_t *hash)
{
    struct dv_llm_kept **link = link_to(shelf, hash);
    struct dv_llm_kept *found = *link;
    if (found == NULL)
        return NULL;
    *link = found->older;
    found->older = shelf->newest;
    shelf->newest = found;
    return found;
}

size_t dv_llm_shelf_longest(const struct dv_llm_shelf *shelf)
{
    return shelf->bytes_max / SHARE;
}

void dv_llm_shelf_put(struct dv_llm_shelf *shelf, const struct dv_llm_kept *head, const char *text)
{
    size_t cost = cost_of(head->length);
    struct dv_llm_kept **same = link_to(shelf, head->hash);
    if (*same != NULL)
        throw_away(shelf, same);
    if (head->length > dv_llm_shelf_longest(shelf) || cost > shelf->bytes_max)
        return;
    while (shelf->newest != NULL && (shelf->bytes + cost > shelf->bytes_max || shelf->count >= KEPT_MAX))
        throw_oldest(shelf);
    struct dv_llm_kept *kept = dv_memory_alloc(cost);
    if (kept == NULL)
        return;
    *kept = *head;
    if (head->length > 0)
        memcpy(kept->text, text, head->length);
    kept->older = shelf->newest;
    shelf->newest = kept;
    shelf->bytes += cost;
    shelf->count++;
}

void dv_llm_shelf_clear(struct dv_llm_shelf *shelf)
{
    while (shelf->newest != NULL)
        throw_away(shelf, &shelf->newest);
}

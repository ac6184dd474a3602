/* SPDX-License-Identifier: Apache-2.0
 * vectors_option.c - from an operator's options to an open place of vectors. */
#include "operators/vectors_option.h"

dv_rc dv_vectors_place_check(struct dv_node *node, const struct dv_vectors_place *place)
{
    (void)node;
    (void)place;
    return DV_OK;
}

dv_rc dv_vectors_place_open(struct dv_node *node, struct dv_vectors_place *place)
{
    struct dv_error error = { 0 };
    dv_rc rc = dv_vectors_sqlite_open(&place->of.sqlite, dv_node_loop(node), place->path, (size_t)place->memory_bytes, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    place->vectors = &place->of.sqlite.vectors;
    return DV_OK;
}

void dv_vectors_place_close(struct dv_vectors_place *place)
{
    if (place->vectors != NULL)
        dv_vectors_close(place->vectors);
    place->vectors = NULL;
}

const char *dv_vectors_place_waits(const struct dv_vectors_place *place)
{
    return place->vectors != NULL ? dv_vectors_waits(place->vectors) : NULL;
}

const struct dv_breaker *dv_vectors_place_breaker(const struct dv_vectors_place *place, uint32_t index)
{
    return index == 0 && place->vectors != NULL ? place->vectors->breaker : NULL;
}

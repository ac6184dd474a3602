/* SPDX-License-Identifier: Apache-2.0
 * schema_path.c - paths into objects and lists. */
#include "engine/schema_path.h"

#include <string.h>

#include "engine/option.h"
#include "engine/schema.h"

enum { NAME_BYTES = 128 };

static bool ends_as_list(const char *name, size_t length)
{
    return length >= 2 && memcmp(name + length - 2, "[]", 2) == 0;
}

const char *dv_path_step(const char *path, struct dv_path_step *ret_step)
{
    size_t length = strcspn(path, ".");
    bool list = ends_as_list(path, length);
    bool last = path[length] == '\0';
    *ret_step = (struct dv_path_step){ path, (uint32_t)(list ? length - 2 : length), list, last };
    return path + length + !last;
}

static bool is_step(const struct dv_path_step *step)
{
    char name[NAME_BYTES + 1];
    if (step->length > NAME_BYTES || (step->list && step->last))
        return false;
    memcpy(name, step->name, step->length);
    name[step->length] = '\0';
    return dv_is_name(name);
}

bool dv_is_path(const char *name)
{
    struct dv_path_step step = { 0 };
    const char *at = name;
    if (strlen(name) > NAME_BYTES)
        return false;
    for (int depth = 0; !step.last; depth++) {
        at = dv_path_step(at, &step);
        if (depth == DV_PATH_DEPTH_MAX || !is_step(&step))
            return false;
    }
    return true;
}

bool dv_path_is_nested(const char *name)
{
    return strchr(name, '.') != NULL;
}

bool dv_path_is_list(const char *name)
{
    return strstr(name, "[].") != NULL;
}

static bool is_same_step(const struct dv_path_step *a, const struct dv_path_step *b)
{
    return a->length == b->length && memcmp(a->name, b->name, a->length) == 0;
}

const char *dv_path_conflict(const char *first, const char *second)
{
    struct dv_path_step a = { 0 };
    struct dv_path_step b = { 0 };
    while (!a.last && !b.last) {
        first = dv_path_step(first, &a);
        second = dv_path_step(second, &b);
        if (!is_same_step(&a, &b))
            return NULL;
        if (a.last != b.last)
            return "one lies inside the other";
        if (a.list != b.list)
            return "one takes for a list what the other takes for an object";
    }
    return NULL;
}

uint32_t dv_path_steps(const struct dv_schema *schema)
{
    uint32_t steps = 0;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const char *at = schema->columns[i].name;
        struct dv_path_step step = { .last = !dv_path_is_nested(at) };
        for (; !step.last; steps++)
            at = dv_path_step(at, &step);
    }
    return steps;
}

/* SPDX-License-Identifier: Apache-2.0
 * option.c - an option table read from a map: defaults, values, and everything that is wrong with either. */
#include "engine/option.h"

#include <string.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/option_value.h"
#include "engine/yaml.h"

enum { OPTIONS_MAX = 256 };

/* One dv_options_parse(). */
struct reading {
    const struct dv_option *table;
    void *state;
    const char *const *skip;
    const char *what;
    struct dv_arena *arena;
    struct dv_diags *diags;
    bool is_faulty;
};

static const struct dv_option *find_option(const struct dv_option *table, const char *name)
{
    for (const struct dv_option *option = table; option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0)
            return option;
    }
    return NULL;
}

static bool is_skipped(const char *const *skip, const char *key)
{
    for (; skip != NULL && *skip != NULL; skip++) {
        if (strcmp(*skip, key) == 0)
            return true;
    }
    return false;
}

/* A list's default is written "a, b". Gives back the list's items as a tree, or NULL when memory is short. */
static struct dv_yaml *default_items(const char *text, struct dv_arena *arena)
{
    struct dv_yaml *list = dv_arena_zeroed(arena, 1, sizeof *list);
    if (list == NULL)
        return NULL;
    list->kind = DV_YAML_LIST;
    struct dv_yaml **link = &list->first;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        struct dv_yaml *item = dv_arena_zeroed(arena, 1, sizeof *item);
        const char *copy = dv_arena_copy(arena, text, length);
        if (item == NULL || copy == NULL)
            return NULL;
        *item = (struct dv_yaml){ .kind = DV_YAML_SCALAR, .text = copy, .length = length };
        *link = item;
        link = &item->next;
        list->count++;
        text += length;
        text += strspn(text, ", ");
    }
    return list;
}

static enum dv_value_result set_default(const struct dv_option *option, void *state, struct dv_arena *arena,
                                        struct dv_diags *diags)
{
    struct dv_value_fault fault;
    if (option->type == DV_STRS) {
        const struct dv_yaml *items = default_items(option->initial, arena);
        return items != NULL ? dv_option_value(option, items, state, arena, diags, &fault) : DV_VALUE_MEMORY;
    }
    struct dv_yaml node = { .kind = DV_YAML_SCALAR, .text = option->initial, .length = strlen(option->initial) };
    return dv_option_value(option, &node, state, arena, diags, &fault);
}

static void tell_memory(const struct reading *reading, struct dv_place place)
{
    dv_diags_add(reading->diags, place, "C007", NULL, NULL, "out of memory");
}

static void set_defaults(const struct reading *reading, struct dv_place place)
{
    for (const struct dv_option *option = reading->table; option->name != NULL; option++) {
        if (option->initial == NULL)
            continue;
        enum dv_value_result result = set_default(option, reading->state, reading->arena, reading->diags);
        DV_ASSERT(result != DV_VALUE_WRONG); /* the table is wrong, not the file: see dv_options_well_made() */
        if (result == DV_VALUE_MEMORY)
            tell_memory(reading, place);
    }
}

/* The words that could have stood there: the table's and those of the other owners of the map. */
static const char *suggest_key(const struct reading *reading, const char *key)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    for (const struct dv_option *option = reading->table; option->name != NULL && count < OPTIONS_MAX; option++)
        names[count++] = option->name;
    for (const char *const *skip = reading->skip; skip != NULL && *skip != NULL && count < OPTIONS_MAX; skip++)
        names[count++] = *skip;
    return dv_diags_suggest(reading->diags, key, names, count);
}

static void tell_unknown(const struct reading *reading, const struct dv_yaml *child)
{
    dv_diags_add(reading->diags, child->key_place, "C004", NULL, suggest_key(reading, child->key),
                 "unknown option '%s' of %s", child->key, reading->what);
}

static void read_value(const struct reading *reading, const struct dv_option *option, const struct dv_yaml *child)
{
    struct dv_value_fault fault;
    enum dv_value_result result =
        dv_option_value(option, child, reading->state, reading->arena, reading->diags, &fault);
    if (result == DV_VALUE_MEMORY)
        tell_memory(reading, child->place);
    if (result != DV_VALUE_WRONG)
        return;
    if (fault.secret) {
        struct dv_place hidden = fault.place;
        hidden.length = child->kind == DV_YAML_SCALAR ? hidden.length : UINT32_MAX;
        dv_diags_hide(reading->diags, hidden);
    }
    dv_diags_add(reading->diags, fault.place, fault.code, NULL, fault.help[0] != '\0' ? fault.help : NULL,
                 "option '%s' of %s %s", option->name, reading->what, fault.message);
}

static bool is_given(const struct dv_option *option, const struct dv_yaml *value)
{
    if (value == NULL || dv_yaml_is_none(value))
        return false;
    return option->type != DV_STRS || value->kind == DV_YAML_SCALAR || value->count != 0;
}

static void check_required(const struct reading *reading, const struct dv_yaml *node, struct dv_place place)
{
    for (const struct dv_option *option = reading->table; option->name != NULL; option++) {
        const struct dv_yaml *value = dv_yaml_get(node, option->name);
        if ((option->flags & DV_REQUIRED) == 0 || is_given(option, value))
            continue;
        dv_diags_add(reading->diags, value != NULL ? value->key_place : place, "C005", NULL, option->help,
                     "option '%s' of %s is missing", option->name, reading->what);
    }
}

dv_rc dv_options_parse(const struct dv_option *table, void *state, const struct dv_yaml *node, const char *const *skip,
                       const char *what, struct dv_arena *arena, struct dv_diags *diags)
{
    DV_ASSERT(table != NULL && state != NULL && what != NULL);
    uint32_t before = diags->count;
    struct reading reading = { table, state, skip, what, arena, diags, false };
    struct dv_place place = { .length = 1 };
    if (node != NULL)
        place = node->key != NULL ? node->key_place : node->place;
    set_defaults(&reading, place);
    if (node != NULL && node->kind != DV_YAML_MAP && !dv_yaml_is_none(node)) {
        if (!node->faulty)
            dv_diags_add(diags, node->place, "C006", NULL, NULL, "%s needs a map of options", what);
        return DV_E_CONFIG;
    }
    for (const struct dv_yaml *child = node != NULL ? node->first : NULL; child != NULL; child = child->next) {
        const struct dv_option *option = find_option(table, child->key);
        if (child->faulty)
            reading.is_faulty = true;
        else if (option != NULL && !dv_yaml_is_none(child))
            read_value(&reading, option, child);
        else if (option == NULL && !is_skipped(skip, child->key))
            tell_unknown(&reading, child);
    }
    check_required(&reading, node, place);
    return diags->count == before && !reading.is_faulty ? DV_OK : DV_E_CONFIG;
}

static const char *fault_of_row(const struct dv_option *table, const struct dv_option *option)
{
    size_t length = option->help != NULL ? strlen(option->help) : 0;
    if (!dv_is_name(option->name) || find_option(table, option->name) != option)
        return "a name is not a DV_NAME, or stands twice";
    if (length == 0 || option->help[length - 1] != '.')
        return "a help is no sentence with a full stop";
    if ((option->type == DV_ENUM) != (option->values != NULL))
        return "an enum has no values, or another type has some";
    if (option->min > option->max)
        return "min is over max";
    if (option->initial != NULL && ((option->flags & DV_REQUIRED) != 0 || option->type == DV_TREE))
        return "a required option or a sub-tree has a default";
    return NULL;
}

bool dv_options_well_made(const struct dv_option *table, const char **ret_why)
{
    const char *why = NULL;
    struct dv_arena arena;
    struct dv_diags diags;
    dv_arena_init(&arena, (size_t)1 << 20);
    dv_diags_init(&diags, &arena);
    for (const struct dv_option *option = table; option->name != NULL && why == NULL; option++) {
        _Alignas(16) char member[64] = { 0 };
        struct dv_option row = *option;
        row.offset = 0;
        why = fault_of_row(table, option);
        if (why == NULL && option->initial != NULL && set_default(&row, member, &arena, &diags) == DV_VALUE_WRONG)
            why = "a default is refused by its own row";
    }
    dv_arena_free(&arena);
    if (ret_why != NULL)
        *ret_why = why;
    return why == NULL;
}

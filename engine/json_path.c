/* SPDX-License-Identifier: Apache-2.0
 * json_path.c - numbers for the columns of a schema and for the steps of their paths. */
#include "engine/id.h"
#include "engine/json_reading.h"

static void make_key(struct dv_json_key *key, const char *name, uint32_t length)
{
    char text[DV_JSON_KEY_BYTES] = { '"' };
    unsigned char mask[DV_JSON_KEY_BYTES] = { 0 };
    key->name = name;
    key->length = length + 2;
    if (key->length <= DV_JSON_KEY_BYTES) {
        memcpy(text + 1, name, length);
        text[key->length - 1] = '"';
        memset(mask, 0xff, key->length);
    }
    memcpy(key->bytes, text, sizeof text);
    memcpy(key->mask, mask, sizeof mask);
}

static uint32_t slot_of(uint32_t parent, const char *name, uint32_t length)
{
    return (uint32_t)dv_hash64(name, length, parent) % DV_JSON_SLOTS;
}

static void add_slot(struct dv_json_reader *reader, uint32_t parent, uint32_t id)
{
    const struct dv_json_key *key = &reader->keys[id];
    uint32_t slot = slot_of(parent, key->name, key->length - 2);
    while (reader->slots[slot] != DV_JSON_NONE)
        slot = (slot + 1) % DV_JSON_SLOTS;
    reader->slots[slot] = (uint16_t)id;
}

uint32_t dv_json_path_find(const struct dv_json_reader *reader, uint32_t parent, struct dv_json_span name)
{
    uint32_t slot = slot_of(parent, name.start, name.length);
    for (; reader->slots[slot] != DV_JSON_NONE; slot = (slot + 1) % DV_JSON_SLOTS) {
        uint32_t id = reader->slots[slot];
        uint32_t its_parent = id < DV_JSON_NONE ? DV_JSON_NONE : reader->steps[id - DV_JSON_STEPS].parent;
        const struct dv_json_key *key = &reader->keys[id];
        if (its_parent == parent && key->length == name.length + 2 && memcmp(key->name, name.start, name.length) == 0)
            return id;
    }
    return DV_JSON_NONE;
}

static void add_column(struct dv_json_reader *reader, uint32_t index)
{
    const struct dv_column *column = &reader->schema->columns[index];
    make_key(&reader->keys[index], column->name, column->name_length);
    if ((int32_t)index == reader->schema->extra)
        return;
    add_slot(reader, DV_JSON_NONE, index);
    if (column->required)
        reader->required[index / 64] |= (uint64_t)1 << (index % 64);
}

static uint32_t add_step(struct dv_json_reader *reader, uint32_t parent, const struct dv_path_step *step)
{
    uint32_t id = DV_JSON_STEPS + reader->step_count++;
    bool listed = parent != DV_JSON_NONE &&
                  (dv_json_step_of(reader, parent)->list || dv_json_step_of(reader, parent)->listed);
    *dv_json_step_of(reader, id) = (struct dv_json_step){
        .parent = (uint16_t)parent, .column = DV_JSON_NONE, .first = DV_JSON_NONE, .list = step->list, .listed = listed
    };
    make_key(&reader->keys[id], step->name, step->length);
    add_slot(reader, parent, id);
    return id;
}

/* Adds the steps that no path before had. A path that cannot be followed (a column or a list stands in its way, or there
 * are too many) is left: what lies there is found by nobody and goes to `_extra`. */
static void add_path(struct dv_json_reader *reader, uint32_t index)
{
    const char *at = reader->schema->columns[index].name;
    uint32_t parent = DV_JSON_NONE;
    struct dv_path_step step = { 0 };
    while (!step.last && reader->step_count < DV_PATH_STEPS_MAX) {
        at = dv_path_step(at, &step);
        uint32_t id = dv_json_path_find(reader, parent, (struct dv_json_span){ step.name, step.length, false });
        if (id < DV_JSON_NONE)
            return;
        if (id == DV_JSON_NONE)
            id = add_step(reader, parent, &step);
        else if (step.last || dv_json_step_of(reader, id)->list != step.list ||
                 dv_json_step_of(reader, id)->column != DV_JSON_NONE)
            return;
        if (step.last)
            dv_json_step_of(reader, id)->column = (uint16_t)index;
        parent = id;
    }
}

static void fill(uint16_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = DV_JSON_NONE;
}

void dv_json_paths_init(struct dv_json_reader *reader)
{
    fill(reader->next, DV_JSON_IDS);
    fill(reader->slots, DV_JSON_SLOTS);
    /* 0xff is in no UTF-8 text: what stands for "no column" equals no name. */
    memset(&reader->keys[DV_JSON_NONE], 0xff, sizeof reader->keys[DV_JSON_NONE]);
    reader->keys[DV_JSON_NONE].length = 0;
    for (uint32_t i = 0; i < reader->schema->column_count; i++)
        add_column(reader, i);
    for (uint32_t i = 0; i < reader->schema->column_count; i++) {
        if (dv_path_is_nested(reader->schema->columns[i].name))
            add_path(reader, i);
    }
}

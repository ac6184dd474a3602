/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_tally.c - two hash tables, of people and of groups, and counters. */
#include "operators/aggregate_dp_tally.h"

#include <math.h>

#include "engine/id.h"

/* A person's place. */
struct dv_tally_subject {
    uint64_t key[2];
    uint32_t records, groups;
};

static uint32_t power_of_two(uint32_t count)
{
    uint32_t size = 8;
    while (size < count)
        size *= 2;
    return size;
}

void dv_tally_lay_out(struct dv_tally_plan *plan)
{
    plan->at_sums = DV_TALLY_FIRST;
    plan->at_means = plan->at_sums + plan->sum_count;
    plan->at_bins = plan->at_means + 2 * plan->mean_count;
    plan->at_ranks = plan->at_bins + (plan->histogram >= 0 ? plan->edge_count + 1 : 0);
    plan->width = plan->at_ranks + (plan->quantile >= 0 ? plan->rank_count : 0);
}

bool dv_tally_has_table(const struct dv_tally_plan *plan)
{
    return plan->subject >= 0 || plan->is_open;
}

static size_t group_bytes(const struct dv_tally_plan *plan)
{
    size_t names = plan->is_open ? (size_t)plan->by_count * (DV_TALLY_NAME_MAX + 16) : 0;
    return sizeof(struct dv_tally_group) + plan->width * sizeof(int64_t) + names + 32;
}

/* A chunk's end may go to waste, which is what the quarter is for. */
static size_t open_bytes(const struct dv_tally_plan *plan)
{
    size_t bytes = plan->groups_max * group_bytes(plan);
    return bytes + bytes / 4 + DV_ARENA_CHUNK;
}

size_t dv_tally_bytes(const struct dv_tally_plan *plan)
{
    size_t subject = sizeof(struct dv_tally_subject) + (plan->groups_of_one + 4) * sizeof(uint32_t);
    size_t table = dv_tally_has_table(plan) ? plan->subjects_max * subject : 0;
    return table + plan->groups_max * (sizeof(void *) + 4 * sizeof(uint32_t)) + open_bytes(plan);
}

static bool make_subjects(struct dv_tally *tally, struct dv_arena *arena)
{
    const struct dv_tally_plan *plan = tally->plan;
    tally->subject_mask = power_of_two(2 * plan->subjects_max) - 1;
    tally->subjects = dv_arena_zeroed(arena, plan->subjects_max, sizeof *tally->subjects);
    tally->of_subjects = dv_arena_zeroed(arena, (size_t)plan->subjects_max * plan->groups_of_one, sizeof(uint32_t));
    tally->subject_slots = dv_arena_zeroed(arena, (size_t)tally->subject_mask + 1, sizeof(uint32_t));
    return tally->subjects != NULL && tally->of_subjects != NULL && tally->subject_slots != NULL;
}

dv_rc dv_tally_init(struct dv_tally *tally, const struct dv_tally_plan *plan, struct dv_arena *arena,
                    const uint64_t seeds[3])
{
    DV_ASSERT(plan->records_max > 0 && plan->groups_of_one > 0 && plan->groups_max > 0 && plan->width >= DV_TALLY_FIRST);
    tally->plan = plan;
    memcpy(tally->seeds, seeds, sizeof tally->seeds);
    dv_arena_init(&tally->arena, open_bytes(plan));
    tally->slot_mask = power_of_two(2 * plan->groups_max) - 1;
    tally->groups = dv_arena_zeroed(arena, plan->groups_max, sizeof(struct dv_tally_group *));
    tally->slots = dv_arena_zeroed(arena, (size_t)tally->slot_mask + 1, sizeof *tally->slots);
    bool made = tally->groups != NULL && tally->slots != NULL;
    if (plan->subject >= 0)
        made = made && make_subjects(tally, arena);
    return made ? DV_OK : DV_E_MEMORY;
}

void dv_tally_free(struct dv_tally *tally)
{
    dv_arena_free(&tally->arena);
}

/* ---- groups ---- */

static bool is_text(enum dv_type type)
{
    return type == DV_TYPE_TEXT || type == DV_TYPE_BYTES || type == DV_TYPE_JSON;
}

static uint64_t hash_cell(const struct dv_cell *cell, enum dv_type type, uint64_t seed)
{
    if (!cell->present)
        return dv_hash64(NULL, 0, ~seed);
    return is_text(type) ? dv_hash64(cell->text, cell->length, seed)
                         : dv_hash64(&cell->integer, sizeof cell->integer, seed);
}

static bool cells_equal(const struct dv_cell *a, const struct dv_cell *b, enum dv_type type)
{
    if (a->present == 0 || b->present == 0)
        return a->present == b->present;
    if (!is_text(type))
        return a->integer == b->integer;
    return a->length == b->length && (a->length == 0 || memcmp(a->text, b->text, a->length) == 0);
}

static enum dv_type by_type(const struct dv_tally *tally, uint32_t index)
{
    return tally->plan->schema->columns[tally->plan->by[index]].type;
}

static uint64_t hash_group(const struct dv_tally *tally, const struct dv_cell *by)
{
    uint64_t hash = tally->seeds[0];
    for (uint32_t i = 0; i < tally->plan->by_count; i++)
        hash = hash_cell(&by[i], by_type(tally, i), hash);
    return hash;
}

static bool is_group(const struct dv_tally *tally, const struct dv_tally_group *group, const struct dv_cell *by)
{
    for (uint32_t i = 0; i < tally->plan->by_count; i++)
        if (!cells_equal(&group->by[i], &by[i], by_type(tally, i)))
            return false;
    return true;
}

/* The slot of a group, or the free one where it would be. Half of the slots stay empty, so the walk ends. */
static uint32_t find_slot(const struct dv_tally *tally, const struct dv_cell *by, uint64_t hash)
{
    uint32_t slot = (uint32_t)(hash >> 32) & tally->slot_mask;
    for (; tally->slots[slot] != 0; slot = (slot + 1) & tally->slot_mask) {
        const struct dv_tally_group *group = tally->groups[tally->slots[slot] - 1];
        if (group->hash == hash && is_group(tally, group, by))
            break;
    }
    return slot;
}

/* A new group in a free slot; its index plus 1, or 0. */
static uint32_t put_group(struct dv_tally *tally, uint32_t slot, const struct dv_cell *by, uint64_t hash,
                          struct dv_arena *arena)
{
    if (tally->group_count == tally->plan->groups_max)
        return 0;
    struct dv_tally_group *group = dv_arena_zeroed(arena, 1, sizeof *group);
    int64_t *counters = group != NULL ? dv_arena_zeroed(arena, tally->plan->width, sizeof *counters) : NULL;
    if (counters == NULL)
        return 0;
    *group = (struct dv_tally_group){ .hash = hash, .counters = counters };
    memcpy(group->by, by, sizeof group->by);
    tally->groups[tally->group_count++] = group;
    tally->slots[slot] = tally->group_count;
    return tally->group_count;
}

bool dv_tally_list(struct dv_tally *tally, const struct dv_cell by[DV_TALLY_BY_MAX], struct dv_arena *arena)
{
    uint64_t hash = hash_group(tally, by);
    uint32_t slot = find_slot(tally, by, hash);
    return tally->slots[slot] == 0 && put_group(tally, slot, by, hash, arena) != 0;
}

/* A group that was found in the data keeps its own copies of its names. */
static uint32_t found_group(struct dv_tally *tally, uint32_t slot, const struct dv_cell *by, uint64_t hash)
{
    struct dv_cell own[DV_TALLY_BY_MAX] = { 0 };
    for (uint32_t i = 0; i < tally->plan->by_count; i++) {
        own[i] = by[i];
        if (!by[i].present || !is_text(by_type(tally, i)))
            continue;
        own[i].text = dv_arena_copy(&tally->arena, by[i].text, by[i].length);
        if (own[i].text == NULL)
            return 0;
    }
    return put_group(tally, slot, own, hash, &tally->arena);
}

/* ---- people ---- */

static bool is_same(const struct dv_tally_subject *subject, const uint64_t key[2])
{
    return subject->key[0] == key[0] && subject->key[1] == key[1];
}

/* The person's index plus 1; 0: the record has no subject, or there is no place. */
static uint32_t place_of(struct dv_tally *tally, const struct dv_batch *batch, uint32_t row)
{
    uint32_t column = (uint32_t)tally->plan->subject;
    const struct dv_cell *cell = &dv_batch_cells(batch, column)[row];
    enum dv_type type = tally->plan->schema->columns[column].type;
    if (!cell->present)
        return 0;
    uint64_t key[2] = { hash_cell(cell, type, tally->seeds[1]), hash_cell(cell, type, tally->seeds[2]) };
    uint32_t slot = (uint32_t)(key[0] >> 32) & tally->subject_mask;
    for (; tally->subject_slots[slot] != 0; slot = (slot + 1) & tally->subject_mask)
        if (is_same(&tally->subjects[tally->subject_slots[slot] - 1], key))
            return tally->subject_slots[slot];
    if (tally->subject_count == tally->plan->subjects_max) {
        tally->full = true;
        return 0;
    }
    tally->subjects[tally->subject_count] = (struct dv_tally_subject){ .key = { key[0], key[1] } };
    tally->subject_slots[slot] = ++tally->subject_count;
    return tally->subject_count;
}

/* Each record is a person: a place for each, where groups are found in the data and their number must be bounded. */
static bool admit_record(struct dv_tally *tally)
{
    if (!tally->plan->is_open)
        return true;
    tally->full = tally->full || tally->subject_count == tally->plan->subjects_max;
    tally->subject_count += !tally->full;
    return !tally->full;
}

static bool is_in(const uint32_t *groups, uint32_t count, uint32_t group)
{
    for (uint32_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* ---- counting ---- */

static double number_of(const struct dv_tally *tally, const struct dv_cell *cell, uint32_t column)
{
    return tally->plan->schema->columns[column].type == DV_TYPE_INT ? (double)cell->integer : cell->number;
}

static uint32_t bin_of(const struct dv_tally_plan *plan, double value)
{
    uint32_t bin = 0;
    while (bin < plan->edge_count && value >= plan->edges[bin])
        bin++;
    return bin;
}

static uint32_t rank_of(const struct dv_tally_plan *plan, double value)
{
    double bin = floor((value - plan->low) / (plan->high - plan->low) * plan->rank_count);
    if (!(bin > 0))
        return 0;
    return bin < plan->rank_count ? (uint32_t)bin : plan->rank_count - 1;
}

static const struct dv_cell *cell_at(const struct dv_batch *batch, uint32_t column, uint32_t row)
{
    return &dv_batch_cells(batch, column)[row];
}

static void count_values(const struct dv_tally *tally, int64_t *counters, const struct dv_batch *batch, uint32_t row)
{
    const struct dv_tally_plan *plan = tally->plan;
    for (uint32_t i = 0; i < plan->sum_count + plan->mean_count; i++) {
        bool is_mean = i >= plan->sum_count;
        const struct dv_tally_number *number = is_mean ? &plan->means[i - plan->sum_count] : &plan->sums[i];
        const struct dv_cell *cell = cell_at(batch, number->column, row);
        if (!cell->present)
            continue;
        uint32_t at = is_mean ? plan->at_means + 2 * (i - plan->sum_count) : plan->at_sums + i;
        counters[at] += dv_dp_steps(&number->range, number_of(tally, cell, number->column));
        if (is_mean)
            counters[at + 1]++;
    }
    if (plan->histogram >= 0 && cell_at(batch, (uint32_t)plan->histogram, row)->present) {
        const struct dv_cell *cell = cell_at(batch, (uint32_t)plan->histogram, row);
        counters[plan->at_bins + bin_of(plan, number_of(tally, cell, (uint32_t)plan->histogram))]++;
    }
    if (plan->quantile >= 0 && cell_at(batch, (uint32_t)plan->quantile, row)->present) {
        const struct dv_cell *cell = cell_at(batch, (uint32_t)plan->quantile, row);
        counters[plan->at_ranks + rank_of(plan, number_of(tally, cell, (uint32_t)plan->quantile))]++;
    }
}

/* What names the row's group; false: a name too long to be kept, which depends on this record alone. */
static bool name_group(const struct dv_tally *tally, const struct dv_batch *batch, uint32_t row, struct dv_cell *ret)
{
    for (uint32_t i = 0; i < tally->plan->by_count; i++) {
        ret[i] = *cell_at(batch, tally->plan->by[i], row);
        if (ret[i].present && is_text(by_type(tally, i)) && ret[i].length > DV_TALLY_NAME_MAX)
            return false;
    }
    return true;
}

/* Counts the row, or leaves it out. */
static dv_rc add_row(struct dv_tally *tally, const struct dv_batch *batch, uint32_t row, bool *ret_counts)
{
    const struct dv_tally_plan *plan = tally->plan;
    struct dv_cell by[DV_TALLY_BY_MAX] = { 0 };
    uint32_t place = 0;
    *ret_counts = false;
    if (!name_group(tally, batch, row, by))
        return DV_OK;
    uint64_t hash = hash_group(tally, by);
    uint32_t slot = find_slot(tally, by, hash);
    uint32_t group = tally->slots[slot];
    if (group == 0 && !plan->is_open)
        return DV_OK;
    if (plan->subject >= 0 ? (place = place_of(tally, batch, row)) == 0 : !admit_record(tally))
        return DV_OK;
    struct dv_tally_subject *subject = place != 0 ? &tally->subjects[place - 1] : NULL;
    uint32_t *groups = place != 0 ? &tally->of_subjects[(size_t)(place - 1) * plan->groups_of_one] : NULL;
    bool is_new = subject == NULL || group == 0 || !is_in(groups, subject->groups, group);
    if (subject != NULL && (subject->records == plan->records_max || (is_new && subject->groups == plan->groups_of_one)))
        return DV_OK;
    if (group == 0 && (group = found_group(tally, slot, by, hash)) == 0)
        return DV_E_MEMORY;
    int64_t *counters = tally->groups[group - 1]->counters;
    if (subject != NULL && is_new)
        groups[subject->groups++] = group;
    if (subject != NULL)
        subject->records++;
    counters[DV_TALLY_RECORDS]++;
    counters[DV_TALLY_SUBJECTS] += is_new;
    count_values(tally, counters, batch, row);
    *ret_counts = true;
    return DV_OK;
}

dv_rc dv_tally_add(struct dv_tally *tally, const struct dv_batch *batch)
{
    DV_ASSERT(batch->schema->column_count == tally->plan->schema->column_count);
    for (uint32_t row = 0; row < batch->rows; row++) {
        bool counts = false;
        DV_TRY(add_row(tally, batch, row, &counts));
        tally->left_out += !counts;
    }
    return DV_OK;
}

void dv_tally_reset(struct dv_tally *tally, bool keep_subjects)
{
    const struct dv_tally_plan *plan = tally->plan;
    tally->left_out = 0;
    if (plan->is_open) {
        dv_arena_reset(&tally->arena);
        memset(tally->slots, 0, ((size_t)tally->slot_mask + 1) * sizeof *tally->slots);
        tally->group_count = 0;
    }
    for (uint32_t i = 0; i < tally->group_count; i++)
        memset(tally->groups[i]->counters, 0, plan->width * sizeof(int64_t));
    if (keep_subjects)
        return;
    if (tally->subjects != NULL) {
        explicit_bzero(tally->subjects, tally->subject_count * sizeof *tally->subjects);
        memset(tally->subject_slots, 0, ((size_t)tally->subject_mask + 1) * sizeof *tally->subject_slots);
    }
    tally->subject_count = 0;
    tally->full = false;
}

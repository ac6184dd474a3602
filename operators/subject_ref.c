/* SPDX-License-Identifier: Apache-2.0
 * subject_ref.c - from a person's name to the references that sealed records have for it. */
#include "operators/subject_ref.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "operators/anonymize_plan.h"
#include "operators/keys.h"

enum { ARENA_BYTES = 256 * 1024, NUMBER_DIGITS = 24 };

struct dv_subject_keys {
    struct dv_hmac references[DV_SUBJECT_VERSIONS_MAX];
    struct dv_pseudonym makers[DV_SUBJECT_VERSIONS_MAX][DV_APPLY_MAKERS];
    uint8_t key[DV_RAW_KEY_MAX];
};

void dv_subject_ref(const struct dv_hmac *key, enum dv_type type, const struct dv_cell *cell, uint8_t ret[DV_SUBJECT_REF_BYTES])
{
    bool is_text = type == DV_TYPE_TEXT || type == DV_TYPE_BYTES || type == DV_TYPE_JSON;
    uint8_t name[DV_HMAC_BYTES];
    dv_hmac(key, is_text ? cell->text : (const void *)&cell->integer, is_text ? cell->length : sizeof cell->integer, name);
    memcpy(ret, name, DV_SUBJECT_REF_BYTES);
}

/* ---- keys ---- */

/* A key of every version that is kept, the newest first. */
typedef dv_rc (*take_key)(struct dv_subject_namer *namer, uint32_t index, size_t length, uint32_t version);

static dv_rc each_version(struct dv_subject_namer *namer, const struct dv_subject_place *place, const char *purpose, take_key take,
                          uint32_t *ret_count, struct dv_error *error)
{
    uint32_t version = 0;
    *ret_count = 0;
    do {
        DV_TRY(dv_keyring_derive(place->keyring, place->tenant, purpose, &version, namer->keys->key, error));
        DV_TRY(take(namer, *ret_count, DV_KEY_BYTES, version));
        (*ret_count)++;
    } while (--version > 0 && *ret_count < DV_SUBJECT_VERSIONS_MAX);
    return DV_OK;
}

static dv_rc take_reference(struct dv_subject_namer *namer, uint32_t index, size_t length, uint32_t version)
{
    (void)version;
    dv_hmac_init(&namer->keys->references[index], (struct dv_bytes){ namer->keys->key, length });
    return DV_OK;
}

static dv_rc open_applier(struct dv_subject_namer *namer, uint32_t index)
{
    return dv_applier_open(&namer->appliers[index], namer->step->rule, namer->step->column, namer->step->type);
}

static dv_rc take_maker(struct dv_subject_namer *namer, uint32_t index, size_t length, uint32_t version)
{
    DV_TRY(open_applier(namer, index));
    return dv_applier_key(&namer->appliers[index], namer->keys->makers[index], namer->keys->key, length, version);
}

static dv_rc open_makers(struct dv_subject_namer *namer, const struct dv_subject_place *place, struct dv_error *error)
{
    size_t length = 0;
    namer->makers = 1;
    if (namer->step == NULL)
        return DV_OK;
    if (!dv_rule_is_keyed(namer->step->rule))
        return open_applier(namer, 0);
    if (place->key == NULL)
        return each_version(namer, place, DV_PURPOSE_PSEUDONYM, take_maker, &namer->makers, error);
    DV_TRY(dv_secret_read_raw(place->key, (char *)namer->keys->key, DV_RAW_KEY_MAX, &length, error));
    return take_maker(namer, 0, length, 1);
}

/* ---- opening ---- */

static const struct dv_anonymize_step *step_on_subject(const struct dv_anonymize_plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++)
        if ((int32_t)plan->steps[i].from == plan->subject)
            return &plan->steps[i];
    return NULL;
}

/* Whether a plain name leads to what is sealed: a surrogate that is counted is another with every run. */
static dv_rc find_way(struct dv_subject_namer *namer, const struct dv_subject_place *place, struct dv_error *error)
{
    if (place->sealed->subject < 0)
        return dv_error_set(error, DV_E_CONFIG, "the records of '%s' are sealed without a subject: name them by --record", place->sealed->name);
    namer->step = place->plan != NULL ? step_on_subject(place->plan) : NULL;
    namer->type = place->plan != NULL ? place->plan->subject_type : place->sealed->columns[place->sealed->subject].type;
    if (namer->step != NULL && namer->step->rule->surrogate.domain != NULL && namer->step->rule->surrogate.style == DV_SURROGATE_LABEL)
        return dv_error_set(error, DV_E_CONFIG, "the policy gives a subject of '%s' a surrogate by counting: name records by --record",
                            place->sealed->name);
    if (namer->type != DV_TYPE_TEXT && namer->type != DV_TYPE_INT)
        return dv_error_set(error, DV_E_CONFIG, "a subject of '%s' is %s, which has no plain name: name records by --record",
                            place->sealed->name, dv_type_name(namer->type));
    return DV_OK;
}

static dv_rc open_keys(struct dv_subject_namer *namer, const struct dv_subject_place *place, struct dv_error *error)
{
    DV_TRY(find_way(namer, place, error));
    namer->keys = dv_memory_secret(sizeof *namer->keys);
    if (namer->keys == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l, LimitMEMLOCK=)");
    dv_rc rc = open_makers(namer, place, error);
    if (rc == DV_OK)
        rc = each_version(namer, place, DV_PURPOSE_SUBJECT, take_reference, &namer->references, error);
    explicit_bzero(namer->keys->key, sizeof namer->keys->key);
    return rc;
}

dv_rc dv_subject_namer_open(struct dv_subject_namer *namer, const struct dv_subject_place *place, struct dv_error *error)
{
    *namer = (struct dv_subject_namer){ .makers = 0 };
    dv_arena_init(&namer->arena, ARENA_BYTES);
    dv_rc rc = open_keys(namer, place, error);
    if (rc != DV_OK)
        dv_subject_namer_close(namer);
    return rc;
}

void dv_subject_namer_close(struct dv_subject_namer *namer)
{
    for (uint32_t i = 0; namer->step != NULL && i < DV_SUBJECT_VERSIONS_MAX; i++)
        dv_applier_close(&namer->appliers[i]);
    dv_memory_secret_free(namer->keys, sizeof *namer->keys);
    dv_arena_free(&namer->arena);
    namer->keys = NULL;
    namer->step = NULL;
}

/* ---- names ---- */

static dv_rc read_name(const struct dv_subject_namer *namer, const char *name, size_t length, struct dv_cell *ret)
{
    char digits[NUMBER_DIGITS], *end = NULL;
    *ret = (struct dv_cell){ .text = name, .length = (uint32_t)length, .present = 1 };
    if (length == 0 || length > DV_SUBJECT_NAME_MAX)
        return DV_E_DATA;
    if (namer->type == DV_TYPE_TEXT)
        return DV_OK;
    if (length >= sizeof digits || !(name[0] == '-' || (name[0] >= '0' && name[0] <= '9')))
        return DV_E_DATA;
    memcpy(digits, name, length);
    digits[length] = '\0';
    errno = 0;
    *ret = (struct dv_cell){ .integer = strtoll(digits, &end, 10), .present = 1 };
    return errno == 0 && end == digits + length ? DV_OK : DV_E_DATA;
}

static bool is_among(uint8_t (*refs)[DV_SUBJECT_REF_BYTES], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(refs[i], refs[count], DV_SUBJECT_REF_BYTES) == 0)
            return true;
    return false;
}

/* What is sealed of the name, under one version of the policy's key. */
static dv_rc apply(struct dv_subject_namer *namer, uint32_t maker, const struct dv_cell *plain, struct dv_cell *ret, enum dv_type *ret_type)
{
    *ret = *plain;
    *ret_type = namer->type;
    if (namer->step == NULL)
        return DV_OK;
    struct dv_apply_row around = { .arena = &namer->arena, .subject = plain, .subject_type = namer->type };
    *ret_type = dv_rule_type(namer->step->rule, namer->type);
    dv_rc rc = dv_apply(&namer->appliers[maker], &around, plain, ret);
    return rc == DV_OK && !ret->present ? DV_E_DATA : rc;
}

dv_rc dv_subject_names(struct dv_subject_namer *namer, const char *name, size_t length,
                       uint8_t refs[DV_SUBJECT_REFS_MAX][DV_SUBJECT_REF_BYTES], uint32_t *ret_count)
{
    struct dv_cell plain, sealed;
    enum dv_type type = DV_TYPE_TEXT;
    *ret_count = 0;
    DV_TRY(read_name(namer, name, length, &plain));
    for (uint32_t maker = 0; maker < namer->makers; maker++) {
        dv_rc rc = apply(namer, maker, &plain, &sealed, &type);
        for (uint32_t i = 0; rc == DV_OK && i < namer->references; i++) {
            dv_subject_ref(&namer->keys->references[i], type, &sealed, refs[*ret_count]);
            *ret_count += !is_among(refs, *ret_count);
        }
        dv_arena_reset(&namer->arena);
        DV_TRY(rc);
    }
    return DV_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * fuzz_infer.c - any bytes as sample records: members stand inside their object, every field can be judged, and
 * all of them can stand in one schema. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/schema_path.h"
#include "privacy/infer.h"
#include "privacy/infer_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each line is a record, copied to memory of its own length so that a byte read behind it is found. */
static void take_records(struct dv_infer *infer, const uint8_t *data, size_t size)
{
    for (size_t from = 0; from < size;) {
        const uint8_t *end = memchr(data + from, '\n', size - from);
        size_t length = end != NULL ? (size_t)(end - data) - from : size - from;
        char *record = malloc(length + (length == 0));
        DV_ASSERT(record != NULL);
        memcpy(record, data + from, length);
        dv_infer_record(infer, record, length);
        struct dv_members members = dv_members_of(record, length);
        struct dv_member member;
        while (dv_members_next(&members, &member)) {
            char said[16];
            DV_ASSERT(member.key >= record && member.key + member.key_length <= record + length);
            DV_ASSERT(member.value >= record && member.value + member.value_length <= record + length);
            DV_ASSERT(dv_json_said(member.value, member.value_length, said, sizeof said) <= sizeof said);
        }
        free(record);
        from += length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_infer *infer = dv_infer_new();
    struct dv_inferred field, other;
    uint32_t subjects = 0;
    DV_ASSERT(infer != NULL);
    take_records(infer, data, size);
    for (uint32_t i = 0; dv_infer_field(infer, i, &field); i++) {
        DV_ASSERT(field.name[0] != '\0' && field.reason != NULL && field.class != DV_CLASS_PUBLIC);
        DV_ASSERT(field.distinct <= field.present || dv_path_is_list(field.name));
        DV_ASSERT(dv_is_path(field.name) && (!field.ranged || field.low <= field.high));
        for (uint32_t k = 0; k < i && dv_infer_field(infer, k, &other); k++)
            DV_ASSERT(strcmp(other.name, field.name) != 0 && dv_path_conflict(other.name, field.name) == NULL);
        subjects += field.is_subject;
    }
    DV_ASSERT(subjects <= 1);
    dv_infer_free(infer);
    return 0;
}

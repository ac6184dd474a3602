/* SPDX-License-Identifier: Apache-2.0
 * fetch_evidence.c - reads the ids and hashes of hits, and writes evidence with other texts. */
#include "operators/fetch_evidence.h"

#include <string.h>

#include "engine/id.h"
#include "engine/json.h"
#include "privacy/infer_json.h"

enum { GROWTH = 6 }; /* of a byte that is escaped */

static bool is_key(const struct dv_member *member, const char *key)
{
    return member->key_length == strlen(key) && memcmp(member->key, key, member->key_length) == 0;
}

static bool is_value(const struct dv_member *member, const char *value)
{
    return member->value_length == strlen(value) && memcmp(member->value, value, member->value_length) == 0;
}

/* ---- one hit ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A string of as many hexadecimal digits as are wanted. */
static bool read_hash(const struct dv_member *member, uint8_t hash[DV_FETCH_HASH_BYTES])
{
    if (member->value_length != 2 * DV_FETCH_HASH_BYTES + 2 || member->value[0] != '"')
        return false;
    for (size_t i = 0; i < DV_FETCH_HASH_BYTES; i++) {
        int high = digit(member->value[1 + 2 * i]), low = digit(member->value[2 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_id(const struct dv_member *member, uint8_t id[DV_FETCH_ID_BYTES])
{
    return member->value_length > 2 && member->value[0] == '"' && dv_id_parse(member->value + 1, member->value_length - 2, id);
}

static bool is_many(const struct dv_member *member)
{
    return member->value_length > 0 && member->value[0] >= '1' && member->value[0] <= '9' && !is_value(member, "1");
}

static void read_hit(struct dv_fetch_hit *hit)
{
    struct dv_members members = dv_members_of(hit->at, hit->length);
    struct dv_member member;
    bool id = false, hash = false, nobody = false, many = false;
    while (dv_members_next(&members, &member)) {
        if (is_key(&member, "id"))
            id = read_id(&member, hit->id);
        else if (is_key(&member, "hash"))
            hash = read_hash(&member, hit->hash);
        else if (is_key(&member, "subject"))
            nobody = is_value(&member, "null");
        else if (is_key(&member, "subjects"))
            many = is_many(&member);
    }
    hit->named = id && hash;
    hit->group = nobody && many;
}

/* ---- the evidence ---- */

static bool find_hits(const char *evidence, size_t length, struct dv_member *ret)
{
    struct dv_members members = dv_members_of(evidence, length);
    while (dv_members_next(&members, ret))
        if (is_key(ret, "hits") && ret->value_length >= 2 && ret->value[0] == '[')
            return true;
    return false;
}

dv_rc dv_fetch_hits(const char *evidence, size_t length, struct dv_fetch_hit hits[DV_FETCH_HITS_MAX], uint32_t *ret_count)
{
    struct dv_member list, element;
    *ret_count = 0;
    if (!find_hits(evidence, length, &list))
        return DV_E_SYNTAX;
    struct dv_members elements = dv_elements_of(list.value, list.value_length);
    while (dv_elements_next(&elements, &element)) {
        if (*ret_count == DV_FETCH_HITS_MAX || element.value_length < 2 || element.value[0] != '{')
            return DV_E_SYNTAX;
        struct dv_fetch_hit *hit = &hits[(*ret_count)++];
        *hit = (struct dv_fetch_hit){ .at = element.value, .length = element.value_length };
        read_hit(hit);
    }
    return DV_OK;
}

/* ---- writing ---- */

size_t dv_fetch_bound(size_t length, const struct dv_fetch_fate *fates, uint32_t count)
{
    size_t bytes = length + sizeof "{\"hits\":[]}";
    for (uint32_t i = 0; i < count; i++)
        bytes += fates[i].length * GROWTH + sizeof ",\"text\":\"\"";
    return bytes;
}

/* The member as it stands, key and all. */
static void copy_member(struct dv_json *json, const struct dv_member *member)
{
    const char *from = member->key - 1;
    dv_json_raw(json, from, (size_t)(member->value + member->value_length - from));
}

static void write_hit(struct dv_json *json, const struct dv_fetch_hit *hit, const struct dv_fetch_fate *fate)
{
    struct dv_members members = dv_members_of(hit->at, hit->length);
    struct dv_member member;
    if (fate->text == NULL) {
        dv_json_raw(json, hit->at, hit->length);
        return;
    }
    dv_json_open(json, '{');
    while (dv_members_next(&members, &member))
        if (!is_key(&member, "text"))
            copy_member(json, &member);
    dv_json_key(json, "text");
    dv_json_text(json, fate->text, fate->length);
    dv_json_close(json, '}');
}

size_t dv_fetch_write(const char *evidence, size_t length, const struct dv_fetch_hit *hits, const struct dv_fetch_fate *fates, uint32_t count,
                      char *out, size_t size)
{
    struct dv_members members = dv_members_of(evidence, length);
    struct dv_member member;
    struct dv_json json;
    dv_json_init(&json, out, size);
    dv_json_open(&json, '{');
    while (dv_members_next(&members, &member))
        if (!is_key(&member, "hits"))
            copy_member(&json, &member);
    dv_json_key(&json, "hits");
    dv_json_open(&json, '[');
    for (uint32_t i = 0; i < count; i++)
        if (!fates[i].goes)
            write_hit(&json, &hits[i], &fates[i]);
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    return dv_json_length(&json);
}

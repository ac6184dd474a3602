/* SPDX-License-Identifier: Apache-2.0
 * infer_json.h - the members of JSON objects and lists that were checked by the engine's reader; private to infer*.c. */
#ifndef DV_PRIVACY_INFER_JSON_H
#define DV_PRIVACY_INFER_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A walk over an object's members. */
struct dv_members {
    const char *at, *end;
};

/* A member: the bytes of its key between the quotes, and of its value as they stand. */
struct dv_member {
    const char *key, *value;
    size_t key_length, value_length;
};

/* Begins before the first member. */
struct dv_members dv_members_of(const char *object, size_t length);

/* The next member; false at the end, and for anything that is no member. Reads no byte behind the object. */
bool dv_members_next(struct dv_members *members, struct dv_member *ret_member);

/* The same of a list: its elements are members without a key. */
struct dv_members dv_elements_of(const char *list, size_t length);
bool dv_elements_next(struct dv_members *elements, struct dv_member *ret_element);

/* What a JSON string, given with its quotes, says: at most `size` bytes of it in `out`. Returns their number. */
size_t dv_json_said(const char *string, size_t length, char *out, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * policy_detectors.h - reads the section `detectors` of a policy.
 *
 *   detectors:
 *     - { name: STUDY_ID, pattern: '\bST-[0-9]{6}\b' }
 *     - { name: CARD_NO, pattern: '\b[0-9]{12}\b', context: [badge, staff], validator: luhn }
 *     - { name: PROJECT, dictionary: [Blue Heron, Nightjar], score: 0.8 } */
#ifndef DV_PRIVACY_POLICY_DETECTORS_H
#define DV_PRIVACY_POLICY_DETECTORS_H

#include "engine/error.h"

struct dv_arena;
struct dv_custom;
struct dv_diags;
struct dv_yaml;

/* Compiles the list, which may be NULL, into `arena`; *ret_custom is NULL if there is none. Whatever was wrong is in `diags`. */
DV_CHECKED dv_rc dv_policy_read_detectors(const struct dv_yaml *list, struct dv_arena *arena, struct dv_diags *diags,
                                          const struct dv_custom **ret_custom);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * yaml_check.h - inside yaml.c's door: what is checked before libfyaml sees a file, and what it does not check. */
#ifndef DV_ENGINE_YAML_CHECK_H
#define DV_ENGINE_YAML_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/diag.h"
#include "engine/yaml.h"

/* Refuses text that is too large, is not UTF-8 or holds control characters. False after a finding. */
bool dv_yaml_check_text(const char *name, const char *text, size_t length, struct dv_diags *diags);

/* Tells every key that a map has twice. False: there was no memory to look. */
bool dv_yaml_check_duplicates(const struct dv_yaml *map, struct dv_diags *diags);

#endif

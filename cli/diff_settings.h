/* SPDX-License-Identifier: Apache-2.0
 * diff_settings.h - what holds data back beside the labels, compared between two graphs: guards, bounds of risk, budgets,
 * and what policies say. */
#ifndef DV_CLI_DIFF_SETTINGS_H
#define DV_CLI_DIFF_SETTINGS_H

#include "cli/load.h"

enum dv_verdict { DV_SAME, DV_TIGHTER, DV_LOOSER, DV_VERDICTS };

/* One of them: where it stands (a node, a policy's file, or "graph"), its name, and what it was and is in words. */
struct dv_setting {
    const char *place, *name;
    const char *old, *new;
};

typedef void (*dv_setting_told)(void *context, enum dv_verdict verdict, const struct dv_setting *setting);

/* Tells each setting that differs. What cannot be compared is looser. The old graph's arena takes some memory. */
DV_CHECKED dv_rc dv_diff_settings(struct dv_loaded *old, struct dv_loaded *new, dv_setting_told told, void *context);

#endif

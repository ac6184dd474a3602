/* SPDX-License-Identifier: Apache-2.0
 * detect_score.h - `datavault detect --score`: what is found in marked texts, beside the marks. */
#ifndef DV_CLI_DETECT_SCORE_H
#define DV_CLI_DETECT_SCORE_H

#include <stdbool.h>

struct dv_command;
struct dv_finder;

/* What is scored. */
struct dv_score_work {
    const char *gold;               /* path of the marked texts */
    const char *spans;              /* path of spans that somebody else found; NULL: `finder` looks for them */
    const struct dv_finder *finder; /* open unless there are spans */
    bool json;
};

/* Prints the scores; gives back the exit code of the process, after saying what was wrong. */
int dv_detect_score(const struct dv_score_work *work);

#endif

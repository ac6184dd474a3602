/* SPDX-License-Identifier: Apache-2.0
 * noises.c - prints what the samplers draw, a number a line: `noises laplace OVER UNDER COUNT`, of scale OVER / UNDER, or
 * `noises gaussian OVER UNDER COUNT`, of that variance. For the comparison with a reference library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "privacy/dp_sample.h"

int main(int count, char **arguments)
{
    static struct dv_noise noise;
    bool is_gaussian = count == 5 && strcmp(arguments[1], "gaussian") == 0;
    if (!is_gaussian && (count != 5 || strcmp(arguments[1], "laplace") != 0)) {
        (void)fprintf(stderr, "usage: noises laplace|gaussian OVER UNDER COUNT\n");
        return 2;
    }
    struct dv_ratio ratio = { strtoull(arguments[2], NULL, 10), strtoull(arguments[3], NULL, 10) };
    dv_noise_init(&noise);
    for (unsigned long left = strtoul(arguments[4], NULL, 10); left > 0; left--) {
        int64_t drawn = 0;
        dv_rc rc = is_gaussian ? dv_noise_gaussian(&noise, ratio, &drawn) : dv_noise_laplace(&noise, ratio, &drawn);
        if (rc != DV_OK) {
            (void)fprintf(stderr, "noises: %s\n", dv_rc_text(rc));
            return 1;
        }
        (void)printf("%" PRId64 "\n", drawn);
    }
    dv_noise_wipe(&noise);
    return 0;
}

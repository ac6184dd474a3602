/* SPDX-License-Identifier: Apache-2.0
 * ids.c - answers for test_ids.py: lines of "ROW NUMBER" in, a line of 1 or 0 out; --list shows the rows and their shapes. */
#include <stdio.h>
#include <string.h>

#include "privacy/detect_id.h"

static int list(void)
{
    size_t count = 0;
    const struct dv_id_row *rows = dv_id_rows(&count);
    for (size_t i = 0; i < count; i++)
        (void)printf("%zu %s %s\n", i, rows[i].name, rows[i].shape);
    return 0;
}

int main(int argc, char **argv)
{
    char line[256];
    size_t count = 0;
    const struct dv_id_row *rows = dv_id_rows(&count);
    if (argc > 1 && strcmp(argv[1], "--list") == 0)
        return list();
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t row = 0;
        int at = 0;
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%zu %n", &row, &at) != 1 || row >= count)
            return 2;
        (void)puts(dv_id_is_valid(&rows[row], line + at, strlen(line + at)) ? "1" : "0");
    }
    return 0;
}

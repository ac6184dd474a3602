/* SPDX-License-Identifier: Apache-2.0
 * query_saved.c - statements out of files, and what there are. */
#include "cli/query_saved.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "connectors/snowflake_sql.h"
#include "engine/memory.h"
#include "engine/option.h"
#include "engine/text.h"

enum { TITLE_MAX = 512, NAME_WIDTH = 18 };

#define ENDING ".sql"

dv_rc dv_query_read(const char *path, char **ret_sql, struct dv_error *error)
{
    *ret_sql = dv_memory_alloc(DV_QUERY_SQL_MAX + 2);
    return *ret_sql != NULL ? dv_snowflake_sql_read(path, *ret_sql, DV_QUERY_SQL_MAX, error) : dv_error_set(error, DV_E_MEMORY, "no memory for a statement");
}

static bool path_of(const char *folder, const char *name, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s" ENDING, folder, name);
    return length > 0 && length < PATH_MAX;
}

dv_rc dv_query_read_saved(const char *folder, const char *name, char **ret_sql, struct dv_error *error)
{
    char path[PATH_MAX];
    if (!dv_is_name(name) || !path_of(folder, name, path))
        return dv_error_set(error, DV_E_USAGE, "--saved takes a name, as `datavault query --saved` lists them; a file is --file");
    dv_rc rc = dv_query_read(path, ret_sql, error);
    if (rc == DV_E_MISSING)
        return dv_error_set(error, rc, "there is no saved statement '%s' in %s: `datavault query --saved` lists them", name, folder);
    return rc;
}

/* ---- the list ---- */

static bool is_saved(const char *name)
{
    size_t length = strlen(name), ending = strlen(ENDING);
    return length > ending && strcmp(name + length - ending, ENDING) == 0 && name[0] != '.';
}

/* What stands behind "--" in the first line; "": nothing does. */
static void read_title(const char *folder, const char *file_name, char title[TITLE_MAX])
{
    char path[PATH_MAX];
    title[0] = '\0';
    int length = snprintf(path, sizeof path, "%s/%s", folder, file_name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(title, TITLE_MAX, file) == NULL || strncmp(title, "--", 2) != 0)
        title[0] = '\0';
    (void)fclose(file);
    size_t skip = strspn(title, "- ");
    memmove(title, title + skip, strlen(title + skip) + 1);
    title[strcspn(title, "\r\n")] = '\0';
}

static void print_saved(const char *folder, const char *file_name, bool json)
{
    char title[TITLE_MAX], name[NAME_MAX + 1];
    read_title(folder, file_name, title);
    int length = snprintf(name, sizeof name, "%.*s", (int)(strlen(file_name) - strlen(ENDING)), file_name);
    if (json) {
        (void)fputs("{\"name\":", stdout);
        dv_put_json(stdout, name);
        (void)fputs(",\"shows\":", stdout);
        dv_put_json(stdout, title);
        (void)fputs("}\n", stdout);
        return;
    }
    dv_put_clean(stdout, name, strlen(name));
    (void)printf("%*s", length < NAME_WIDTH ? NAME_WIDTH - length : 2, "");
    dv_put_clean(stdout, title, strlen(title));
    (void)fputc('\n', stdout);
}

dv_rc dv_query_list_saved(const char *folder, bool json, struct dv_error *error)
{
    uv_fs_t request;
    uv_dirent_t entry;
    int found = uv_fs_scandir(NULL, &request, folder, 0, NULL); /* in the order of their names */
    while (found >= 0 && uv_fs_scandir_next(&request, &entry) == 0)
        if (is_saved(entry.name))
            print_saved(folder, entry.name, json);
    uv_fs_req_cleanup(&request);
    if (found < 0)
        return dv_error_set(error, found == UV_ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s; another folder is --analytics DIR", folder,
                            uv_strerror(found));
    return DV_OK;
}

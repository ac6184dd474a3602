/* SPDX-License-Identifier: Apache-2.0
 * query_saved.c - statements out of files, and what there are. */
#include "cli/query_saved.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "connectors/snowflake_sql.h"
#include "engine/arena.h"
#include "engine/memory.h"
#include "engine/option.h"
#include "engine/text.h"

enum { WIDTH_MIN = 16, NAMES_BYTES = 64 * 1024 * 1024 };

#define ENDING ".sql"
#define BLANKS " \t\r\n"

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

/* What is told of one; the texts are its own statement's. */
struct saved {
    char *sql;
    const char *shows; /* "": it does not say */
    const char *fault; /* why it is not run, a literal; NULL: it may be */
    uint32_t binds;    /* its question marks */
};

/* The first comment before the statement that says anything, as far as its line goes; cut off where it stands. */
static const char *find_title(char *sql)
{
    char *at = sql + strspn(sql, BLANKS);
    while (strncmp(at, "--", 2) == 0 || strncmp(at, "/*", 2) == 0) {
        char *end = at + strcspn(at, "\r\n"), *close = at[0] == '/' ? strstr(at, "*/") : NULL;
        char *from = at + 2 + strspn(at + 2, "-* \t"), *to = close != NULL && close < end ? close : end;
        at = to == close ? close + 2 : end;
        while (to > from && strchr(BLANKS, to[-1]) != NULL)
            to--;
        if (from < to) {
            *to = '\0';
            return from;
        }
        at += strspn(at, BLANKS);
    }
    return "";
}

static void read_saved(const char *folder, const char *name, struct saved *saved)
{
    struct dv_error error = { 0 };
    if (dv_query_read_saved(folder, name, &saved->sql, &error) != DV_OK) {
        saved->shows = "";
        saved->fault = "the file cannot be read";
        return;
    }
    saved->fault = dv_snowflake_sql_fault(saved->sql, &saved->binds);
    saved->shows = find_title(saved->sql);
}

static void print_json(const char *name, const struct saved *saved)
{
    (void)fputs("{\"name\":", stdout);
    dv_put_json(stdout, name);
    (void)fputs(",\"shows\":", stdout);
    dv_put_json(stdout, saved->shows);
    (void)printf(",\"binds\":%u,\"fault\":", saved->binds);
    dv_put_json(stdout, saved->fault);
    (void)fputs("}\n", stdout);
}

static void print_text(const char *name, size_t width, const struct saved *saved)
{
    (void)printf("%-*s  ", (int)width, name);
    dv_put_clean(stdout, saved->shows, strlen(saved->shows));
    if (saved->fault != NULL)
        (void)printf("%s(cannot be run: %s)", saved->shows[0] != '\0' ? " " : "", saved->fault);
    else if (saved->binds > 0)
        (void)printf("%s(takes %u --bind)", saved->shows[0] != '\0' ? " " : "", saved->binds);
    (void)fputc('\n', stdout);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of a file's name, without its ending; 0: it is none of ours. */
static size_t name_length(const char *file_name)
{
    size_t length = strlen(file_name), ending = strlen(ENDING);
    return length > ending && strcmp(file_name + length - ending, ENDING) == 0 ? length - ending : 0;
}

static void print_all(const char *folder, char *const *names, size_t count, bool json)
{
    size_t width = WIDTH_MIN;
    for (size_t i = 0; i < count; i++)
        width = strlen(names[i]) > width ? strlen(names[i]) : width;
    for (size_t i = 0; i < count; i++) {
        struct saved saved = { 0 };
        read_saved(folder, names[i], &saved);
        if (json)
            print_json(names[i], &saved);
        else
            print_text(names[i], width, &saved);
        dv_memory_free(saved.sql);
    }
    if (count == 0)
        (void)fprintf(stderr, "there are no saved statements in %s; another folder is --analytics DIR\n", folder);
}

/* The names, in an order that the files' own is not: "a-b.sql" is before "a.sql". */
static dv_rc gather(uv_fs_t *request, struct dv_arena *arena, char **names, size_t *ret_count)
{
    uv_dirent_t entry;
    *ret_count = 0;
    while (uv_fs_scandir_next(request, &entry) == 0) {
        size_t length = entry.type != UV_DIRENT_DIR ? name_length(entry.name) : 0;
        char *name = length > 0 ? dv_arena_copy(arena, entry.name, length) : NULL;
        if (length > 0 && name == NULL)
            return DV_E_MEMORY;
        if (length > 0 && dv_is_name(name))
            names[(*ret_count)++] = name;
    }
    qsort(names, *ret_count, sizeof *names, by_name);
    return DV_OK;
}

dv_rc dv_query_list_saved(const char *folder, bool json, struct dv_error *error)
{
    uv_fs_t request;
    struct dv_arena arena;
    size_t count = 0;
    int found = uv_fs_scandir(NULL, &request, folder, 0, NULL);
    if (found < 0) {
        uv_fs_req_cleanup(&request);
        return dv_error_set(error, found == UV_ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s; another folder is --analytics DIR", folder, uv_strerror(found));
    }
    dv_arena_init(&arena, NAMES_BYTES);
    char **names = dv_arena_zeroed(&arena, (size_t)found + 1, sizeof *names);
    dv_rc rc = names != NULL ? gather(&request, &arena, names, &count) : DV_E_MEMORY;
    uv_fs_req_cleanup(&request);
    if (rc == DV_OK)
        print_all(folder, names, count, json);
    else
        rc = dv_error_set(error, rc, "no memory for the names in %s", folder);
    dv_arena_free(&arena);
    return rc;
}

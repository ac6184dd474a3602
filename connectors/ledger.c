/* SPDX-License-Identifier: Apache-2.0
 * ledger.c - one small file an account, replaced whole under a lock. */
#include "connectors/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/id.h"

#define SUFFIX ".budget"

enum { NANO = 1000000000 };

/* An account's files. */
struct paths {
    char main[PATH_MAX], fresh[PATH_MAX + 8], lock[PATH_MAX + 8];
};

struct dv_decimal dv_ledger_decimal(int64_t nano)
{
    struct dv_decimal ret;
    DV_ASSERT(nano >= 0);
    (void)snprintf(ret.text, sizeof ret.text, "%" PRId64 ".%09" PRId64, nano / NANO, nano % NANO);
    size_t length = strlen(ret.text);
    while (ret.text[length - 1] == '0')
        length--;
    ret.text[length - (ret.text[length - 1] == '.')] = '\0';
    return ret;
}

size_t dv_ledger_print(const struct dv_account *account, const struct dv_budget *budget, char ret[DV_LEDGER_BYTES])
{
    int body = snprintf(ret, DV_LEDGER_BYTES,
                        "datavault budget 1\ntenant %s\ndataset %s\noperator %s\nlimit %" PRId64 "\nspent %" PRId64
                        "\ncharges %" PRIu64 "\n",
                        account->tenant, account->dataset, account->operator, budget->limit_nano, budget->spent_nano,
                        budget->charges);
    DV_ASSERT(body > 0 && body < DV_LEDGER_BYTES);
    int tail = snprintf(ret + body, (size_t)DV_LEDGER_BYTES - (size_t)body, "check %016" PRIx64 "\n",
                        dv_hash64(ret, (size_t)body, 0));
    DV_ASSERT(tail > 0 && body + tail < DV_LEDGER_BYTES);
    return (size_t)body + (size_t)tail;
}

/* Behind the names, which the account knows, stand numbers; what was read must print as the very same bytes. */
bool dv_ledger_parse(const struct dv_account *account, const char *text, size_t length, struct dv_budget *ret)
{
    char copy[DV_LEDGER_BYTES];
    char again[DV_LEDGER_BYTES];
    struct dv_budget read = { 0 };
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    const char *numbers = strstr(copy, "\nlimit ");
    if (numbers == NULL || sscanf(numbers, "\nlimit %" SCNd64 "\nspent %" SCNd64 "\ncharges %" SCNu64, &read.limit_nano,
                                  &read.spent_nano, &read.charges) != 3)
        return false;
    if (read.limit_nano < 0 || read.spent_nano < 0 || dv_ledger_print(account, &read, again) != length ||
        memcmp(copy, again, length) != 0)
        return false;
    *ret = read;
    return true;
}

static dv_rc make_paths(const struct dv_account *account, struct paths *ret, struct dv_error *error)
{
    DV_ASSERT(strlen(account->tenant) <= DV_LEDGER_NAME_MAX && strlen(account->dataset) <= DV_LEDGER_NAME_MAX &&
              strlen(account->operator) <= DV_LEDGER_NAME_MAX);
    int length = snprintf(ret->main, sizeof ret->main, "%s/budgets/%s/%s/%s" SUFFIX, account->state, account->tenant,
                          account->dataset, account->operator);
    if (length <= 0 || (size_t)length >= sizeof ret->main)
        return dv_error_set(error, DV_E_CONFIG, "the path of `state` is too long");
    (void)snprintf(ret->fresh, sizeof ret->fresh, "%s.new", ret->main);
    (void)snprintf(ret->lock, sizeof ret->lock, "%s.lock", ret->main);
    return DV_OK;
}

static dv_rc failed(const char *path, int number, struct dv_error *error)
{
    dv_rc rc = number == ENOSPC || number == EDQUOT ? DV_E_FULL : DV_E_IO;
    return dv_error_set(error, rc, "%s: %s", path, strerror(number));
}

static dv_rc load(const struct dv_account *account, const struct paths *paths, struct dv_budget *ret,
                  struct dv_error *error)
{
    char text[DV_LEDGER_BYTES];
    int fd = account->sys->open(paths->main, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return dv_error_set(error, DV_E_MISSING,
                            "no privacy budget was set for %s of dataset %s: `datavault budget set` sets one",
                            account->operator, account->dataset);
    if (fd < 0)
        return failed(paths->main, errno, error);
    ssize_t length = account->sys->pread(fd, text, sizeof text, 0);
    int number = errno;
    (void)account->sys->close(fd);
    if (length < 0)
        return failed(paths->main, number, error);
    if (!dv_ledger_parse(account, text, (size_t)length, ret))
        return dv_error_set(
            error, DV_E_TAMPER,
            "%s is damaged, and nothing is released on its account: find out what was spent, and say it "
            "by `datavault budget set --spent`",
            paths->main);
    return DV_OK;
}

static dv_rc store(const struct dv_account *account, const struct paths *paths, const struct dv_budget *budget,
                   struct dv_error *error)
{
    char text[DV_LEDGER_BYTES];
    size_t length = dv_ledger_print(account, budget, text);
    int number = dv_sys_replace(account->sys, paths->main, paths->fresh, text, length);
    return number == 0 ? DV_OK : failed(paths->main, number, error);
}

/* Waits until no other process changes the account. */
static dv_rc lock(const struct dv_account *account, const struct paths *paths, int *ret_fd, struct dv_error *error)
{
    int fd = account->sys->open(paths->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(paths->lock, errno, error);
    int locked = -1;
    do
        locked = flock(fd, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    if (locked != 0) {
        int number = errno;
        (void)account->sys->close(fd);
        return failed(paths->lock, number, error);
    }
    *ret_fd = fd;
    return DV_OK;
}

dv_rc dv_ledger_read(const struct dv_account *account, struct dv_budget *ret, struct dv_error *error)
{
    struct paths paths;
    DV_TRY(make_paths(account, &paths, error));
    return load(account, &paths, ret, error);
}

static dv_rc charge(const struct dv_account *account, const struct paths *paths, int64_t epsilon_nano,
                    struct dv_budget *ret, struct dv_error *error)
{
    struct dv_budget budget = { 0 };
    int64_t spent = 0;
    DV_TRY(load(account, paths, &budget, error));
    if (__builtin_add_overflow(budget.spent_nano, epsilon_nano, &spent) || spent > budget.limit_nano)
        return dv_error_set(error, DV_E_BUDGET,
                            "the privacy budget of %s of dataset %s is spent: %s of %s, and %s more was asked for; "
                            "`datavault budget set` gives it more",
                            account->operator, account->dataset, dv_ledger_decimal(budget.spent_nano).text,
                            dv_ledger_decimal(budget.limit_nano).text, dv_ledger_decimal(epsilon_nano).text);
    budget.spent_nano = spent;
    budget.charges++;
    DV_TRY(store(account, paths, &budget, error));
    if (ret != NULL)
        *ret = budget;
    return DV_OK;
}

dv_rc dv_ledger_charge(const struct dv_account *account, int64_t epsilon_nano, struct dv_budget *ret,
                       struct dv_error *error)
{
    struct paths paths;
    struct dv_budget there = { 0 };
    int fd = -1;
    DV_ASSERT(epsilon_nano > 0);
    DV_TRY(make_paths(account, &paths, error));
    DV_TRY(load(account, &paths, &there, error)); /* an account that is not there gets no lock file */
    DV_TRY(lock(account, &paths, &fd, error));
    dv_rc rc = charge(account, &paths, epsilon_nano, ret, error);
    (void)account->sys->close(fd);
    return rc;
}

static dv_rc set(const struct dv_account *account, const struct paths *paths, int64_t limit_nano, int64_t spent_nano,
                 struct dv_budget *ret, struct dv_error *error)
{
    struct dv_budget budget = { 0 };
    dv_rc rc = load(account, paths, &budget, error);
    if (rc != DV_OK && rc != DV_E_MISSING && (rc != DV_E_TAMPER || spent_nano < 0))
        return rc;
    budget.limit_nano = limit_nano;
    if (spent_nano >= 0)
        budget.spent_nano = spent_nano;
    DV_TRY(store(account, paths, &budget, error));
    *ret = budget;
    return DV_OK;
}

dv_rc dv_ledger_set(const struct dv_account *account, int64_t limit_nano, int64_t spent_nano, struct dv_budget *ret,
                    struct dv_error *error)
{
    struct paths paths;
    int fd = -1;
    DV_ASSERT(limit_nano >= 0 && spent_nano >= -1);
    DV_TRY(make_paths(account, &paths, error));
    int number = dv_sys_make_parents(paths.main);
    if (number != 0)
        return failed(paths.main, number, error);
    DV_TRY(lock(account, &paths, &fd, error));
    dv_rc rc = set(account, &paths, limit_nano, spent_nano, ret, error);
    (void)account->sys->close(fd);
    return rc;
}

/* ---- all of a tenant's ---- */

/* Calls back with each name in a directory but hidden ones; one that is not there is empty. DV_E_LIMIT ends it. */
static dv_rc each_name(const char *path, dv_rc (*callback)(const char *name, void *data), void *data,
                       struct dv_error *error)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return errno == ENOENT || errno == ENOTDIR ? DV_OK : failed(path, errno, error);
    dv_rc rc = DV_OK;
    for (const struct dirent *entry; rc == DV_OK && (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            rc = callback(entry->d_name, data);
    (void)closedir(directory);
    return rc;
}

/* What is being listed. */
struct listing {
    const struct dv_account *from;
    struct dv_account_name *names;
    uint32_t count, max;
    const char *dataset;
    struct dv_error *error;
};

static dv_rc add_account(const char *name, void *data)
{
    struct listing *listing = data;
    size_t length = strlen(name);
    size_t suffix = strlen(SUFFIX);
    if (length <= suffix || length - suffix > DV_LEDGER_NAME_MAX || strcmp(name + length - suffix, SUFFIX) != 0)
        return DV_OK;
    if (listing->count == listing->max)
        return dv_error_set(listing->error, DV_E_LIMIT, "there are more than %u privacy budgets", listing->max);
    struct dv_account_name *to = &listing->names[listing->count++];
    (void)snprintf(to->dataset, sizeof to->dataset, "%s", listing->dataset);
    (void)snprintf(to->operator, sizeof to->operator, "%.*s", (int)(length - suffix), name);
    return DV_OK;
}

static dv_rc add_dataset(const char *name, void *data)
{
    struct listing *listing = data;
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/budgets/%s/%s", listing->from->state, listing->from->tenant, name);
    if (length <= 0 || (size_t)length >= sizeof path || strlen(name) > DV_LEDGER_NAME_MAX)
        return DV_OK; /* no account has such a path */
    listing->dataset = name;
    return each_name(path, add_account, listing, listing->error);
}

static int by_name(const void *a, const void *b)
{
    const struct dv_account_name *one = a;
    const struct dv_account_name *other = b;
    int order = strcmp(one->dataset, other->dataset);
    return order != 0 ? order : strcmp(one->operator, other->operator);
}

dv_rc dv_ledger_list(const struct dv_account *from, struct dv_account_name *ret, uint32_t max, uint32_t *ret_count,
                     struct dv_error *error)
{
    struct listing listing = { .from = from, .names = ret, .max = max, .error = error };
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/budgets/%s", from->state, from->tenant);
    if (length <= 0 || (size_t)length >= sizeof path)
        return dv_error_set(error, DV_E_CONFIG, "the path of `state` is too long");
    DV_TRY(each_name(path, add_dataset, &listing, error));
    qsort(ret, listing.count, sizeof *ret, by_name);
    *ret_count = listing.count;
    return DV_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_journal.c - a header, the ids, a check sum: read at the open, replaced whole by a worker. */
#include "connectors/snowflake_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "engine/id.h"
#include "engine/memory.h"

struct header {
    char magic[8];
    uint64_t channel, unit, settled, errors, count;
    char token[40], before[40];
};

static const char magic[8] = "DVSNOW2";

enum {
    CHECK = sizeof(uint64_t),
    FILE_MAX = sizeof(struct header) + DV_SNOWFLAKE_JOURNAL_IDS * sizeof(struct dv_snowflake_sent) + CHECK
};

/* ---- reading ---- */

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, DV_SNOWFLAKE_JOURNAL_ID);
}

static uint32_t *chain_of(struct dv_snowflake_journal *journal, const uint8_t *id)
{
    return &journal->chains[dv_hash64(id, DV_SNOWFLAKE_JOURNAL_ID, 0) % DV_SNOWFLAKE_JOURNAL_IDS];
}

/* A record that was sent twice, since it was refused the first time, is found as it was sent last. */
static void link_sent(struct dv_snowflake_journal *journal, uint32_t at)
{
    uint32_t *chain = chain_of(journal, journal->sent[at].id);
    journal->next[at] = *chain;
    *chain = at + 1;
}

static void unlink_sent(struct dv_snowflake_journal *journal, uint32_t at)
{
    uint32_t *place = chain_of(journal, journal->sent[at].id);
    while (*place != at + 1)
        place = &journal->next[*place - 1];
    *place = journal->next[at];
}

static bool parse(struct dv_snowflake_journal *journal, const char *bytes, size_t length, struct header *ret)
{
    uint64_t check = 0;
    if (length < sizeof *ret + CHECK)
        return false;
    memcpy(ret, bytes, sizeof *ret);
    memcpy(&check, bytes + length - CHECK, CHECK);
    if (memcmp(ret->magic, magic, sizeof magic) != 0 || ret->token[DV_SNOWFLAKE_TOKEN - 1] != '\0' ||
        ret->before[DV_SNOWFLAKE_TOKEN - 1] != '\0' || ret->count > DV_SNOWFLAKE_JOURNAL_IDS ||
        length != sizeof *ret + ret->count * sizeof *journal->sent + CHECK ||
        check != dv_hash64(bytes, length - CHECK, 0))
        return false;
    journal->unit = ret->unit;
    journal->settled = ret->settled;
    journal->errors = ret->errors;
    memcpy(journal->token, ret->token, sizeof journal->token);
    memcpy(journal->token_before, ret->before, sizeof journal->token_before);
    journal->count = (uint32_t)ret->count;
    memcpy(journal->sent, bytes + sizeof *ret, ret->count * sizeof *journal->sent);
    for (uint32_t i = 0; i < journal->count; i++)
        link_sent(journal, i);
    return true;
}

/* The length, or -1 with errno. */
static ssize_t read_all(const struct dv_snowflake_journal *journal)
{
    size_t at = 0;
    int fd = journal->sys->open(journal->path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    for (;;) {
        ssize_t got = journal->sys->pread(fd, journal->bytes + at, FILE_MAX + 1 - at, (off_t)at);
        if (got <= 0) {
            (void)journal->sys->close(fd);
            return got < 0 ? -1 : (ssize_t)at;
        }
        at += (size_t)got;
    }
}

static dv_rc read_file(struct dv_snowflake_journal *journal, struct dv_error *error)
{
    struct header header;
    ssize_t length = read_all(journal);
    if (length < 0 && errno == ENOENT)
        return DV_OK;
    if (length < 0)
        return dv_error_set(error, DV_E_IO, "journal '%s': %s", journal->path, strerror(errno));
    if (!parse(journal, journal->bytes, (size_t)length, &header))
        return dv_error_set(error, DV_E_TAMPER, "journal '%s' is damaged: what is in the channel is not known",
                            journal->path);
    if (header.channel != journal->channel)
        return dv_error_set(error, DV_E_CONFIG, "journal '%s' is of another channel", journal->path);
    return DV_OK;
}

/* ---- writing ---- */

static void print(struct dv_snowflake_journal *journal)
{
    struct header header = { .channel = journal->channel,
                             .unit = journal->unit,
                             .settled = journal->settled,
                             .errors = journal->errors,
                             .count = journal->count };
    memcpy(header.magic, magic, sizeof magic);
    memcpy(header.token, journal->token, sizeof journal->token);
    memcpy(header.before, journal->token_before, sizeof journal->token_before);
    memcpy(journal->bytes, &header, sizeof header);
    size_t at = sizeof header;
    for (uint32_t i = 0; i < journal->count; i++, at += sizeof *journal->sent)
        memcpy(journal->bytes + at, &journal->sent[(journal->first + i) % DV_SNOWFLAKE_JOURNAL_IDS],
               sizeof *journal->sent);
    uint64_t check = dv_hash64(journal->bytes, at, 0);
    memcpy(journal->bytes + at, &check, CHECK);
    journal->length = at + CHECK;
}

static void on_worker(struct dv_job *job)
{
    struct dv_snowflake_journal *journal = job->data;
    journal->error = dv_sys_replace(journal->sys, journal->path, journal->fresh, journal->bytes, journal->length);
}

static void after_save(struct dv_job *job)
{
    struct dv_snowflake_journal *journal = job->data;
    journal->reason = journal->error != 0 ? dv_sys_reason(journal->error) : NULL;
    if (journal->error != 0)
        dv_timer_start(&journal->timer, DV_SNOWFLAKE_JOURNAL_RETRY_MS);
    else
        journal->saved(journal->data);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snowflake_journal *journal = timer->data;
    dv_job_start(&journal->job);
}

void dv_snowflake_journal_save(struct dv_snowflake_journal *journal)
{
    print(journal);
    journal->dirty = false;
    dv_job_start(&journal->job);
}

/* ---- records ---- */

void dv_snowflake_journal_begin(struct dv_snowflake_journal *journal)
{
    uint64_t random = 0;
    ssize_t got = getrandom(&random, sizeof random, 0);
    DV_ASSERT(got == sizeof random); /* so few bytes are given whole, or waited for */
    journal->unit++;
    memcpy(journal->token_before, journal->token, sizeof journal->token);
    (void)snprintf(journal->token, sizeof journal->token, "%020" PRIu64 "-%016" PRIx64, journal->unit, random);
}

void dv_snowflake_journal_note(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID])
{
    uint32_t at = (journal->first + journal->count) % DV_SNOWFLAKE_JOURNAL_IDS;
    if (journal->count < DV_SNOWFLAKE_JOURNAL_IDS) {
        journal->count++;
    } else {
        unlink_sent(journal, at); /* the oldest */
        journal->first = (journal->first + 1) % DV_SNOWFLAKE_JOURNAL_IDS;
    }
    journal->sent[at].unit = journal->unit;
    memcpy(journal->sent[at].id, id, DV_SNOWFLAKE_JOURNAL_ID);
    link_sent(journal, at);
}

void dv_snowflake_journal_settle(struct dv_snowflake_journal *journal, uint64_t errors)
{
    journal->settled = journal->unit;
    journal->errors = errors;
    journal->dirty = true;
}

void dv_snowflake_journal_take_back(struct dv_snowflake_journal *journal)
{
    while (journal->count > 0) {
        uint32_t last = (journal->first + journal->count - 1) % DV_SNOWFLAKE_JOURNAL_IDS;
        if (journal->sent[last].unit != journal->unit)
            break;
        unlink_sent(journal, last);
        journal->count--;
    }
    journal->unit--;
    memcpy(journal->token, journal->token_before, sizeof journal->token);
    memset(journal->token_before, 0, sizeof journal->token_before);
}

uint64_t dv_snowflake_journal_find(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID])
{
    for (uint32_t at = *chain_of(journal, id); at != 0; at = journal->next[at - 1])
        if (by_id(journal->sent[at - 1].id, id) == 0)
            return journal->sent[at - 1].unit;
    return 0;
}

void dv_snowflake_journal_drop(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID])
{
    for (uint32_t at = *chain_of(journal, id); at != 0; at = journal->next[at - 1])
        if (by_id(journal->sent[at - 1].id, id) == 0)
            journal->sent[at - 1].unit = 0;
}

static bool is_missing(const struct dv_snowflake_sent *sent, uint64_t unit,
                       const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    return sent->unit == unit && (count == 0 || bsearch(sent->id, ids, count, sizeof *ids, by_id) == NULL);
}

void dv_snowflake_journal_keep_only(struct dv_snowflake_journal *journal, uint64_t unit,
                                    const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    for (uint32_t i = 0; i < journal->count; i++) {
        const struct dv_snowflake_sent *sent = &journal->sent[(journal->first + i) % DV_SNOWFLAKE_JOURNAL_IDS];
        if (is_missing(sent, unit, ids, count))
            dv_snowflake_journal_drop(journal, sent->id);
    }
}

uint32_t dv_snowflake_journal_missing(const struct dv_snowflake_journal *journal, uint64_t unit,
                                      const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < journal->count; i++)
        missing += is_missing(&journal->sent[(journal->first + i) % DV_SNOWFLAKE_JOURNAL_IDS], unit, ids, count);
    return missing;
}

/* ---- life ---- */

static void free_all(struct dv_snowflake_journal *journal)
{
    dv_memory_free(journal->sent);
    dv_memory_free(journal->chains);
    dv_memory_free(journal->next);
    dv_memory_free(journal->bytes);
    if (journal->lock >= 0)
        (void)journal->sys->close(journal->lock);
    journal->lock = -1;
    journal->sent = NULL;
    journal->chains = journal->next = NULL;
    journal->bytes = NULL;
}

/* The journal itself is replaced by every save, so a lock on it would be lost. */
static dv_rc lock(struct dv_snowflake_journal *journal, struct dv_error *error)
{
    journal->lock = journal->sys->open(journal->locked, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->lock >= 0 && flock(journal->lock, LOCK_EX | LOCK_NB) == 0)
        return DV_OK;
    if (journal->lock >= 0 && errno == EWOULDBLOCK)
        return dv_error_set(error, DV_E_FENCED, "journal '%s' is in use by another process or node", journal->path);
    return dv_error_set(error, DV_E_IO, "journal '%s': its lock: %s", journal->path, strerror(errno));
}

static dv_rc prepare(struct dv_snowflake_journal *journal, const char *path, struct dv_error *error)
{
    int length = snprintf(journal->path, sizeof journal->path, "%s", path);
    int fresh = snprintf(journal->fresh, sizeof journal->fresh, "%s.fresh", path);
    int locked = snprintf(journal->locked, sizeof journal->locked, "%s.lock", path);
    if (length <= 0 || locked <= 0 || fresh <= 0 || (size_t)fresh >= sizeof journal->fresh)
        return dv_error_set(error, DV_E_CONFIG, "the journal's path is too long");
    journal->sent = dv_memory_zeroed(DV_SNOWFLAKE_JOURNAL_IDS, sizeof *journal->sent);
    journal->chains = dv_memory_zeroed(DV_SNOWFLAKE_JOURNAL_IDS, sizeof *journal->chains);
    journal->next = dv_memory_zeroed(DV_SNOWFLAKE_JOURNAL_IDS, sizeof *journal->next);
    journal->bytes = dv_memory_alloc(FILE_MAX + 1);
    if (journal->sent == NULL || journal->chains == NULL || journal->next == NULL || journal->bytes == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a journal");
    int made = dv_sys_make_parents(journal->path);
    if (made != 0)
        return dv_error_set(error, DV_E_IO, "journal '%s': %s", journal->path, strerror(made));
    DV_TRY(lock(journal, error));
    return read_file(journal, error);
}

dv_rc dv_snowflake_journal_open(struct dv_snowflake_journal *journal,
                                const struct dv_snowflake_journal_options *options, struct dv_error *error)
{
    *journal = (struct dv_snowflake_journal){ .loop = options->loop,
                                              .sys = options->sys,
                                              .channel = options->channel,
                                              .saved = options->saved,
                                              .lock = -1,
                                              .data = options->data };
    dv_rc rc = prepare(journal, options->path, error);
    if (rc != DV_OK) {
        free_all(journal);
        return rc;
    }
    dv_job_init(&journal->job, journal->loop, on_worker, after_save, journal);
    dv_timer_init(journal->loop, &journal->timer, on_timer, journal);
    journal->opened = true;
    return DV_OK;
}

void dv_snowflake_journal_close(struct dv_snowflake_journal *journal)
{
    if (!journal->opened)
        return;
    journal->opened = false;
    (void)dv_job_close(&journal->job);
    if (journal->dirty) { /* what cannot be written now is found out again at the next start */
        print(journal);
        on_worker(&journal->job);
    }
    dv_timer_close(&journal->timer);
    free_all(journal);
}

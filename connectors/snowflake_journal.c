/* SPDX-License-Identifier: Apache-2.0
 * snowflake_journal.c - the tokens of what is under way, and pages of records for the worker. */
#include "connectors/snowflake_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "engine/memory.h"

enum { ID = DV_SNOWFLAKE_JOURNAL_ID, DIGITS = 20, RANDOM = 16 };

/* ---- tokens ---- */

static void write_token(uint64_t unit, uint64_t random, char token[DV_SNOWFLAKE_TOKEN])
{
    (void)snprintf(token, DV_SNOWFLAKE_TOKEN, "%020" PRIu64 "-%016" PRIx64, unit, random);
}

uint64_t dv_snowflake_token_number(const char *token)
{
    uint64_t unit = 0;
    if (token[0] == '\0')
        return 0;
    if (strlen(token) != DIGITS + 1 + RANDOM || strspn(token, "0123456789") != DIGITS || token[0] != '0' ||
        token[DIGITS] != '-' || strspn(token + DIGITS + 1, "0123456789abcdef") != RANDOM)
        return UINT64_MAX;
    for (; *token != '-'; token++)
        unit = 10 * unit + (uint64_t)(*token - '0');
    return unit;
}

void dv_snowflake_journal_token(const struct dv_snowflake_journal *journal, uint64_t unit,
                                char token[DV_SNOWFLAKE_TOKEN])
{
    DV_ASSERT(unit >= journal->settled && unit <= journal->unit);
    token[0] = '\0';
    if (unit > 0)
        write_token(
            unit, unit == journal->settled ? journal->settled_random : journal->randoms[unit % DV_SNOWFLAKE_UNITS_MAX],
            token);
}

uint64_t dv_snowflake_journal_number(const struct dv_snowflake_journal *journal, const char *token)
{
    char ours[DV_SNOWFLAKE_TOKEN];
    uint64_t unit = dv_snowflake_token_number(token);
    if (unit < journal->settled || unit > journal->unit)
        return UINT64_MAX;
    dv_snowflake_journal_token(journal, unit, ours);
    return strcmp(ours, token) == 0 ? unit : UINT64_MAX;
}

/* ---- pages ---- */

static dv_rc make_room(struct dv_snowflake_page *page, size_t more)
{
    size_t room = page->room > 0 ? page->room : 4096;
    while (room - page->used < more)
        room *= 2;
    if (room == page->room)
        return DV_OK;
    char *bytes = room <= DV_SNOWFLAKE_SAVE_MAX ? dv_memory_alloc(room) : NULL;
    if (bytes == NULL)
        return DV_E_MEMORY;
    if (page->used > 0)
        memcpy(bytes, page->bytes, page->used);
    dv_memory_free(page->bytes);
    page->bytes = bytes;
    page->room = room;
    return DV_OK;
}

static void put(struct dv_snowflake_page *page, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(page->bytes + page->used, bytes, length);
    page->used += length;
}

/* The head of a record of which the ids follow; there is room for them afterwards. */
static dv_rc put_record(struct dv_snowflake_journal *journal, const struct dv_snowflake_record *record)
{
    struct dv_snowflake_page *page = &journal->pending;
    DV_TRY(make_room(page, sizeof *record + (size_t)record->count * ID));
    put(page, record, sizeof *record);
    page->ticket = ++journal->ticket;
    return DV_OK;
}

static void save(struct dv_snowflake_journal *journal)
{
    struct dv_snowflake_log *log = &journal->log;
    int error = dv_snowflake_log_compact(log, journal->ids.room, journal->writing.in_file);
    if (!log->spoilt) /* else there is no file that it could be added to */
        error = dv_snowflake_log_save(log, journal->writing.bytes, journal->writing.used);
    journal->error = error;
}

static void after_save(struct dv_snowflake_journal *journal)
{
    journal->reason = journal->error != 0 ? dv_sys_reason(journal->error) : NULL;
    if (journal->error != 0) {
        dv_timer_start(&journal->timer, DV_SNOWFLAKE_JOURNAL_RETRY_MS);
        return;
    }
    journal->durable = journal->writing.ticket;
    journal->in_file = journal->writing.settled;
    journal->writing.used = 0;
    dv_snowflake_journal_save(journal);
    journal->options.saved(journal->options.data);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snowflake_journal *journal = timer->data;
    dv_job_start(&journal->job);
}

static void turn_page(struct dv_snowflake_journal *journal)
{
    const struct dv_snowflake_page written = journal->writing;
    journal->writing = journal->pending;
    journal->writing.settled = journal->settled;
    journal->writing.in_file = journal->in_file;
    journal->pending = written;
    journal->pending.used = 0;
}

void dv_snowflake_journal_save(struct dv_snowflake_journal *journal)
{
    if (journal->writing.used > 0 || journal->pending.used == 0)
        return;
    turn_page(journal);
    dv_job_start(&journal->job);
}

bool dv_snowflake_journal_is_durable(const struct dv_snowflake_journal *journal, uint64_t ticket)
{
    return ticket <= journal->durable;
}

/* ---- requests ---- */

bool dv_snowflake_journal_has_room(const struct dv_snowflake_journal *journal)
{
    return journal->unit - journal->settled < DV_SNOWFLAKE_UNITS_MAX - 1;
}

void dv_snowflake_journal_begin(struct dv_snowflake_journal *journal, char token[DV_SNOWFLAKE_TOKEN])
{
    ssize_t got = getrandom(&journal->random, sizeof journal->random, 0);
    DV_ASSERT(got == sizeof journal->random && !journal->begun && dv_snowflake_journal_has_room(journal));
    journal->begun = true;
    write_token(journal->unit + 1, journal->random, token);
}

void dv_snowflake_journal_note(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID])
{
    DV_ASSERT(journal->begun);
    dv_snowflake_ids_push(&journal->ids, id, journal->unit + 1);
}

void dv_snowflake_journal_drop(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID])
{
    DV_ASSERT(journal->begun);
    dv_snowflake_ids_forget(&journal->ids, id);
}

void dv_snowflake_journal_cancel(struct dv_snowflake_journal *journal)
{
    journal->begun = false;
    dv_snowflake_ids_take_back(&journal->ids, journal->unit);
}

dv_rc dv_snowflake_journal_enter(struct dv_snowflake_journal *journal, uint32_t count)
{
    DV_ASSERT(journal->begun);
    count = dv_snowflake_ids_keep_first(&journal->ids, journal->unit + 1, count);
    const struct dv_snowflake_record record = {
        .kind = DV_SNOWFLAKE_SENT, .count = count, .unit = journal->unit + 1, .random = journal->random
    };
    dv_rc rc = put_record(journal, &record);
    if (rc != DV_OK) {
        dv_snowflake_journal_cancel(journal);
        return rc;
    }
    journal->begun = false;
    journal->unit++;
    journal->randoms[journal->unit % DV_SNOWFLAKE_UNITS_MAX] = journal->random;
    journal->known[journal->unit % DV_SNOWFLAKE_UNITS_MAX] = true;
    dv_snowflake_ids_copy(&journal->ids, journal->unit, count, journal->pending.bytes + journal->pending.used);
    journal->pending.used += (size_t)count * ID;
    return DV_OK;
}

static void note_settled(struct dv_snowflake_journal *journal, uint64_t unit, uint64_t random, uint64_t errors)
{
    for (uint64_t i = journal->settled + 1; i <= unit; i++)
        journal->known[i % DV_SNOWFLAKE_UNITS_MAX] = false;
    journal->settled = unit;
    journal->settled_random = random;
    journal->errors = errors;
}

dv_rc dv_snowflake_journal_settle(struct dv_snowflake_journal *journal, uint64_t unit, uint64_t errors,
                                  const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    DV_ASSERT(unit >= journal->settled && unit <= journal->unit);
    const struct dv_snowflake_record record = { .kind = DV_SNOWFLAKE_SETTLED,
                                                .count = count,
                                                .unit = unit,
                                                .errors = errors,
                                                .random = unit == journal->settled
                                                              ? journal->settled_random
                                                              : journal->randoms[unit % DV_SNOWFLAKE_UNITS_MAX] };
    DV_TRY(put_record(journal, &record));
    put(&journal->pending, ids, (size_t)count * ID);
    for (uint32_t i = 0; i < count; i++)
        dv_snowflake_ids_forget(&journal->ids, ids[i]);
    note_settled(journal, unit, record.random, errors);
    return DV_OK;
}

dv_rc dv_snowflake_journal_take_back(struct dv_snowflake_journal *journal, uint64_t unit)
{
    DV_ASSERT(unit >= journal->settled && unit <= journal->unit);
    const struct dv_snowflake_record record = { .kind = DV_SNOWFLAKE_BACK, .unit = unit };
    if (unit < journal->unit)
        DV_TRY(put_record(journal, &record));
    for (; journal->unit > unit; journal->unit--)
        journal->known[journal->unit % DV_SNOWFLAKE_UNITS_MAX] = false;
    dv_snowflake_journal_cancel(journal);
    return DV_OK;
}

/* ---- reading ---- */

static void on_head(void *data, const struct dv_snowflake_told *told)
{
    struct dv_snowflake_journal *journal = data;
    journal->unit = told->unit;
    journal->settled = told->settled;
    journal->settled_random = told->settled_random;
    journal->errors = told->errors;
}

static bool take_sent(struct dv_snowflake_journal *journal, const struct dv_snowflake_record *record,
                      const uint8_t *ids)
{
    if (!dv_snowflake_journal_has_room(journal))
        return false;
    journal->unit = record->unit;
    journal->randoms[record->unit % DV_SNOWFLAKE_UNITS_MAX] = record->random;
    journal->known[record->unit % DV_SNOWFLAKE_UNITS_MAX] = true;
    for (uint32_t i = 0; i < record->count; i++)
        dv_snowflake_ids_push(&journal->ids, ids + (size_t)i * ID, record->unit);
    return true;
}

/* Whose numbers fit is looked at by the reader. */
static bool on_record(void *data, const struct dv_snowflake_record *record, const uint8_t *ids)
{
    struct dv_snowflake_journal *journal = data;
    if (record->kind == DV_SNOWFLAKE_SENT)
        return take_sent(journal, record, ids);
    if (record->kind == DV_SNOWFLAKE_SETTLED) {
        for (uint32_t i = 0; i < record->count; i++)
            dv_snowflake_ids_forget(&journal->ids, ids + (size_t)i * ID);
        note_settled(journal, record->unit, record->random, record->errors);
        return true;
    }
    for (; journal->unit > record->unit; journal->unit--)
        journal->known[journal->unit % DV_SNOWFLAKE_UNITS_MAX] = false;
    dv_snowflake_ids_take_back(&journal->ids, record->unit);
    return true;
}

/* The tokens of all that may be committed must be there. */
static bool knows_all(const struct dv_snowflake_journal *journal)
{
    for (uint64_t unit = journal->settled + 1; unit <= journal->unit; unit++)
        if (!journal->known[unit % DV_SNOWFLAKE_UNITS_MAX])
            return false;
    return true;
}

/* ---- life ---- */

static void free_all(struct dv_snowflake_journal *journal)
{
    dv_snowflake_ids_free(&journal->ids);
    dv_memory_free(journal->pending.bytes);
    dv_memory_free(journal->writing.bytes);
    dv_snowflake_log_close(&journal->log);
    if (journal->lock >= 0)
        (void)dv_sys_real.close(journal->lock);
    journal->lock = -1;
    journal->pending = journal->writing = (struct dv_snowflake_page){ 0 };
}

/* The journal itself is replaced when it is compacted, so a lock on it would be lost. */
static dv_rc lock(struct dv_snowflake_journal *journal, struct dv_error *error)
{
    const struct dv_snowflake_journal_options *options = &journal->options;
    char locked[PATH_MAX];
    int length = snprintf(locked, sizeof locked, "%s.lock", options->path);
    if (length <= 0 || (size_t)length >= sizeof locked)
        return dv_error_set(error, DV_E_CONFIG, "the journal's path is too long");
    int made = dv_sys_make_parents(options->path);
    if (made != 0)
        return dv_error_set(error, DV_E_IO, "journal '%s': %s", options->path, strerror(made));
    journal->lock = options->sys->open(locked, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->lock >= 0 && flock(journal->lock, LOCK_EX | LOCK_NB) == 0)
        return DV_OK;
    if (journal->lock >= 0 && errno == EWOULDBLOCK)
        return dv_error_set(error, DV_E_FENCED, "journal '%s' is in use by another process or node", options->path);
    return dv_error_set(error, DV_E_IO, "journal '%s': its lock: %s", options->path, strerror(errno));
}

static dv_rc read_all(struct dv_snowflake_journal *journal, struct dv_error *error)
{
    const struct dv_snowflake_journal_options *options = &journal->options;
    if (dv_snowflake_ids_init(&journal->ids, options->remember) != DV_OK)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a journal");
    DV_TRY(lock(journal, error));
    DV_TRY(dv_snowflake_log_open(&journal->log, options->sys, options->path, options->channel, on_head, on_record,
                                 journal, error));
    journal->in_file = journal->settled;
    return knows_all(journal)
               ? DV_OK
               : dv_error_set(error, DV_E_TAMPER, "journal '%s' is damaged: requests are missing", options->path);
}

static void after_read(struct dv_snowflake_journal *journal)
{
    journal->opened = journal->rc == DV_OK;
    if (!journal->opened)
        free_all(journal);
    journal->options.read(journal, journal->rc, &journal->fault);
}

static void on_worker(struct dv_job *job)
{
    struct dv_snowflake_journal *journal = job->data;
    if (journal->opened)
        save(journal);
    else
        journal->rc = read_all(journal, &journal->fault);
}

static void on_loop(struct dv_job *job)
{
    struct dv_snowflake_journal *journal = job->data;
    if (journal->opened)
        after_save(journal);
    else
        after_read(journal);
}

void dv_snowflake_journal_open(struct dv_snowflake_journal *journal, const struct dv_snowflake_journal_options *options)
{
    DV_ASSERT(options->remember >= DV_SNOWFLAKE_JOURNAL_IDS_MIN && options->remember <= DV_SNOWFLAKE_JOURNAL_IDS_MAX);
    *journal = (struct dv_snowflake_journal){ .options = *options, .lock = -1, .log = { .fd = -1 }, .held = true };
    dv_timer_init(options->loop, &journal->timer, on_timer, journal);
    dv_job_init(&journal->job, options->loop, on_worker, on_loop, journal);
    dv_job_start(&journal->job);
}

/* What cannot be written now is found out again at the next start. */
static void write_rest(struct dv_snowflake_journal *journal, bool worked)
{
    bool left = journal->writing.used > 0 && (!worked || journal->error != 0);
    if (left)
        save(journal);
    if (journal->pending.used == 0 || (left && journal->error != 0))
        return;
    turn_page(journal);
    save(journal);
}

void dv_snowflake_journal_close(struct dv_snowflake_journal *journal)
{
    if (!journal->held)
        return;
    bool worked = dv_job_close(&journal->job);
    if (journal->opened)
        write_rest(journal, worked);
    journal->held = journal->opened = false;
    dv_timer_close(&journal->timer);
    free_all(journal);
}

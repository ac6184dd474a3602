/* SPDX-License-Identifier: Apache-2.0
 * query_ask.c - asks, waits, prints, and ends what nobody waits for any more. */
#include "cli/query_ask.h"

#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/query_print.h"
#include "connectors/snowflake.h"
#include "engine/memory.h"
#include "engine/text.h"
#include "operators/snowflake_option.h"

enum {
    TICK_MS = 200,
    WAITS_MS = 5000,   /* after Ctrl-C, for Snowflake to say that it has the statement */
    ANSWER_MS = 60000, /* for anything at all */
    WORDS_MAX = 4096,
    NS_PER_MS = 1000000,
};

/* One statement under way. */
struct asking {
    const struct dv_query_question *question;
    struct dv_query_printer printer;
    struct dv_snowflake snowflake;
    struct dv_snowflake_statement statement;
    struct dv_loop_real loop;
    struct dv_timer tick;
    uv_signal_t interrupt, terminate;
    uv_loop_t uv;
    uint64_t started_ns, interrupted_ns;
    bool over, shown;
    bool cut;       /* there were more rows */
    dv_rc rc;
    const char *reason;
    size_t words_length;
    char words[WORDS_MAX];
};

/* ---- the line that tells how long it takes ---- */

static uint64_t since_ms(const struct asking *asking, uint64_t from_ns)
{
    return (dv_now_ns(&asking->loop.base) - from_ns) / NS_PER_MS;
}

static void clear_line(struct asking *asking)
{
    if (asking->shown)
        (void)fputs("\r\033[K", stderr);
    asking->shown = false;
}

static void draw_line(struct asking *asking)
{
    if (isatty(STDERR_FILENO) == 0 || asking->printer.widths != NULL)
        return;
    const char *waits = dv_snowflake_waits(&asking->snowflake);
    const char *what = waits != NULL ? waits : asking->statement.running ? "running in Snowflake" : "asking Snowflake";
    (void)fprintf(stderr, "\r\033[K%s, %llu s (Ctrl-C ends it)", what, (unsigned long long)(since_ms(asking, asking->started_ns) / 1000));
    (void)fflush(stderr);
    asking->shown = true;
}

/* ---- ends ---- */

/* Nothing more of the statement is wanted; what was printed so far is whole. */
static void give_up(struct asking *asking, dv_rc rc, const char *reason)
{
    dv_query_printer_end(&asking->printer);
    dv_snowflake_cancel(&asking->snowflake, &asking->statement);
    asking->rc = rc;
    asking->reason = reason;
    asking->over = true;
}

/* Before Snowflake has said that it runs, nobody could tell it to end. */
static void end_if_it_can(struct asking *asking)
{
    bool can = asking->statement.running || asking->printer.widths != NULL;
    if (asking->over || (!can && since_ms(asking, asking->interrupted_ns) < WAITS_MS))
        return;
    give_up(asking, DV_E_FAILED, "the statement was ended");
}

static void on_interrupt(uv_signal_t *handle, int number)
{
    struct asking *asking = handle->data;
    (void)number;
    bool again = asking->interrupted_ns != 0;
    asking->interrupted_ns = again ? asking->interrupted_ns : dv_now_ns(&asking->loop.base);
    if (again && !asking->over)
        give_up(asking, DV_E_FAILED, "the statement was not waited for; it may still run in Snowflake");
    else
        end_if_it_can(asking);
    if (again) {
        asking->over = true;
        dv_snowflake_close(&asking->snowflake);
    }
}

static void on_tick(struct dv_timer *timer)
{
    struct asking *asking = timer->data;
    bool silent = !asking->statement.running && asking->printer.widths == NULL && since_ms(asking, asking->started_ns) > ANSWER_MS;
    if (asking->over)
        return;
    if (asking->interrupted_ns != 0)
        end_if_it_can(asking);
    else if (silent)
        give_up(asking, DV_E_DEPENDENCY, "Snowflake does not answer, or is too busy to");
    if (asking->over)
        return;
    draw_line(asking);
    dv_timer_start(timer, TICK_MS);
}

/* ---- answers ---- */

static void on_columns(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns, uint32_t count)
{
    struct asking *asking = statement->data;
    clear_line(asking);
    asking->rc = dv_query_printer_begin(&asking->printer, columns, count, &asking->reason);
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct asking *asking = statement->data;
    DV_ASSERT(count == asking->printer.column_count);
    if (asking->rc == DV_OK && asking->question->rows_max != 0 && asking->printer.rows == asking->question->rows_max) {
        asking->cut = true;
        give_up(asking, DV_OK, NULL);
        return;
    }
    if (asking->rc == DV_OK && dv_query_printer_row(&asking->printer, cells) != DV_OK)
        give_up(asking, DV_E_MEMORY, "no memory for a row");
    else if (asking->rc != DV_OK || ferror(stdout) != 0) /* main() says that output did not arrive */
        give_up(asking, asking->rc, asking->reason);
}

static void on_words(struct dv_snowflake_statement *statement, const char *text, size_t length)
{
    struct asking *asking = statement->data;
    asking->words_length = length < WORDS_MAX ? length : WORDS_MAX;
    memcpy(asking->words, text, asking->words_length);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    struct asking *asking = statement->data;
    dv_query_printer_end(&asking->printer);
    if (asking->rc == DV_OK) {
        asking->rc = statement->rc;
        asking->reason = statement->reason;
    }
    asking->over = true;
}

/* ---- what is said behind it ---- */

/* The server's own words hold pieces of the statement, and values: they are for the person at the terminal. */
static void print_words(const struct asking *asking)
{
    const char *at = asking->words, *end = asking->words + asking->words_length;
    if (asking->words_length == 0)
        return;
    if (!asking->question->words && isatty(STDERR_FILENO) == 0) {
        (void)fputs("datavault: what Snowflake says of it may hold values: it is shown on a terminal, or with --words\n", stderr);
        return;
    }
    (void)fputs("Snowflake says:\n", stderr);
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line != NULL ? line : end) - at);
        (void)fputs("  ", stderr);
        dv_put_clean(stderr, at, length);
        (void)fputc('\n', stderr);
        at += length + 1;
    }
}

static int say_failure(const struct asking *asking)
{
    const struct dv_snowflake_statement *statement = &asking->statement;
    struct dv_error error = { 0 };
    const char *reason = asking->reason != NULL ? asking->reason : dv_rc_text(asking->rc);
    if (statement->code[0] != '\0' && statement->sqlstate[0] != '\0')
        (void)dv_error_set(&error, asking->rc, "%s (code %s, SQL state %s)", reason, statement->code, statement->sqlstate);
    else if (statement->code[0] != '\0')
        (void)dv_error_set(&error, asking->rc, "%s (code %s)", reason, statement->code);
    else
        (void)dv_error_set(&error, asking->rc, "%s", reason);
    int code = dv_say_error(asking->rc, &error);
    print_words(asking);
    return code;
}

static int conclude(const struct asking *asking)
{
    bool table = asking->question->form == DV_QUERY_TABLE;
    if (asking->rc != DV_OK)
        return say_failure(asking);
    if (asking->cut)
        (void)fprintf(stderr, "datavault: these are the first %llu rows, and there are more: --max-rows says how many\n",
                      (unsigned long long)asking->printer.rows);
    else if (table && isatty(STDERR_FILENO) != 0)
        (void)fprintf(stderr, "%llu row%s, %.1f s\n", (unsigned long long)asking->printer.rows, asking->printer.rows == 1 ? "" : "s",
                      (double)since_ms(asking, asking->started_ns) / 1000);
    return DV_EXIT_OK;
}

/* ---- the run ---- */

/* Asked for until it is over, so that Snowflake says at once what it is to be ended by. */
static dv_rc start(struct asking *asking, struct dv_error *error)
{
    const struct dv_query_question *question = asking->question;
    struct dv_snowflake_config config = dv_snowflake_server_config(&asking->loop.base, question->server);
    config.deadlines.total_ms = question->timeout_ms;
    DV_TRY(dv_snowflake_open(&asking->snowflake, &config, error));
    asking->statement = (struct dv_snowflake_statement){ .sql = question->sql,
                                                         .binds = question->binds,
                                                         .bind_count = question->bind_count,
                                                         .tag = "datavault-query",
                                                         .async = true,
                                                         .on_columns = on_columns,
                                                         .on_row = on_row,
                                                         .on_words = on_words,
                                                         .on_end = on_end,
                                                         .data = asking };
    if (RAND_bytes(asking->statement.request_id, sizeof asking->statement.request_id) != 1)
        return dv_error_set(error, DV_E_FAILED, "no random numbers");
    dv_rc rc = dv_snowflake_run(&asking->snowflake, &asking->statement);
    return rc == DV_OK ? DV_OK : dv_error_set(error, rc, "the statement and its values are too long, or there is no memory");
}

static void run_loop(struct asking *asking)
{
    while (!asking->over)
        (void)uv_run(&asking->uv, UV_RUN_ONCE);
    while (!dv_snowflake_is_idle(&asking->snowflake)) /* what was cancelled is ended in Snowflake, too */
        (void)uv_run(&asking->uv, UV_RUN_ONCE);
    clear_line(asking);
}

static void watch(struct asking *asking, uv_signal_t *handle, int number)
{
    (void)uv_signal_init(&asking->uv, handle);
    handle->data = asking;
    (void)uv_signal_start(handle, on_interrupt, number);
}

static int ask(struct asking *asking)
{
    struct dv_error error = { 0 };
    if (uv_loop_init(&asking->uv) != 0 || dv_loop_real_init(&asking->loop, &asking->uv) != DV_OK)
        return dv_say_error(DV_E_FAILED, NULL);
    watch(asking, &asking->interrupt, SIGINT);
    watch(asking, &asking->terminate, SIGTERM);
    dv_timer_init(&asking->loop.base, &asking->tick, on_tick, asking);
    dv_timer_start(&asking->tick, TICK_MS);
    asking->started_ns = dv_now_ns(&asking->loop.base);
    dv_rc rc = start(asking, &error);
    if (rc == DV_OK)
        run_loop(asking);
    int code = rc == DV_OK ? conclude(asking) : dv_say_error(rc, &error);
    uv_close((uv_handle_t *)&asking->interrupt, NULL);
    uv_close((uv_handle_t *)&asking->terminate, NULL);
    dv_timer_close(&asking->tick);
    dv_snowflake_close(&asking->snowflake);
    dv_loop_real_close(&asking->loop);
    (void)uv_run(&asking->uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&asking->uv);
    return code;
}

int dv_query_ask(const struct dv_query_question *question)
{
    struct asking *asking = dv_memory_zeroed(1, sizeof *asking);
    if (asking == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    asking->question = question;
    asking->printer.form = question->form;
    asking->printer.guarded = question->guarded;
    int code = ask(asking);
    dv_query_printer_free(&asking->printer);
    explicit_bzero(asking->words, sizeof asking->words);
    dv_memory_free(asking);
    return code;
}

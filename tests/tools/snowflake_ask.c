/* SPDX-License-Identifier: Apache-2.0
 * snowflake_ask.c - asks Snowflake what its arguments say, and prints what came, a JSON object a line:
 *
 *   snowflake_ask account=A url=URL user=U key=REF [ca=FILE ...] op=sql sql=TEXT [bind=TEXT] [async=1] [sent=1] [id=N]
 *   snowflake_ask ... op=load pipe=P channel=C rows=N [batch=100] [known=OFFSET] [width=BYTES] [stop_at=OFFSET]
 *
 * `load` is the least that an owner of a channel must do: rows 1 to N, each with its offset, from the committed one on,
 * again where the channel says so, until all are committed. tests/e2e/test_snowflake.py drives it, and kills it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connectors/snowflake_channel.h"
#include "engine/json.h"

enum { OFFSET_DIGITS = 20 };

static struct loader {
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_snowflake snowflake;
    struct dv_snowflake_channel channel;
    struct dv_snowflake_statement statement;
    struct dv_snowflake_bind bind;
    struct dv_snowflake_append append;
    struct dv_snowflake_rows rows;
    char first[OFFSET_DIGITS + 1], last[OFFSET_DIGITS + 1];
    uint64_t next, count, batch, width, stop_at;
    uint64_t halved; /* the rows of an append that was refused: fewer at a time */
    int exit_code;
    bool over;
} loader;

static void print(const char *op, dv_rc rc, const char *reason, const char *offset, uint64_t number)
{
    char room[1024];
    struct dv_json json;
    dv_json_init(&json, room, sizeof room);
    dv_json_open(&json, '{');
    dv_json_key(&json, "op");
    dv_json_string(&json, op);
    dv_json_key(&json, "rc");
    dv_json_string(&json, rc == DV_OK ? "DV_OK" : dv_rc_name(rc));
    dv_json_key(&json, "reason");
    dv_json_string(&json, reason);
    dv_json_key(&json, "offset");
    dv_json_string(&json, offset);
    dv_json_key(&json, "number");
    dv_json_uint(&json, number);
    dv_json_close(&json, '}');
    printf("%.*s\n", (int)dv_json_length(&json), room);
    (void)fflush(stdout);
}

static void finish(int exit_code)
{
    loader.exit_code = exit_code;
    loader.over = true;
}

/* ---- statements ---- */

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    char room[65536];
    struct dv_json json;
    (void)statement;
    dv_json_init(&json, room, sizeof room);
    dv_json_open(&json, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].at == NULL)
            dv_json_null(&json);
        else
            dv_json_text(&json, cells[i].at, cells[i].length);
    }
    dv_json_close(&json, ']');
    printf("{\"op\":\"row\",\"cells\":%.*s}\n", (int)dv_json_length(&json), room);
}

static void on_sql_end(struct dv_snowflake_statement *statement)
{
    print(statement->code[0] != '\0' ? statement->code : "sql", statement->rc, statement->reason, statement->sqlstate,
          statement->on_row != NULL && statement->inserted == 0 ? statement->rows : statement->inserted);
    finish(statement->rc == DV_OK ? 0 : dv_rc_exit(statement->rc));
}

/* ---- channels ---- */

static uint64_t number_of(const char *offset)
{
    return strtoull(offset, NULL, 10);
}

static void fill(uint64_t last)
{
    static char row[DV_SNOWFLAKE_ROW_MAX];
    dv_snowflake_rows_reset(&loader.rows);
    for (uint64_t number = loader.next; number <= last; number++) {
        int length = snprintf(row, sizeof row, "{\"N\":%" PRIu64 ",\"TEXT\":\"%0*" PRIu64 "\"}", number,
                              (int)loader.width, number * UINT64_C(2654435761) % UINT64_C(4294967296));
        dv_rc rc = dv_snowflake_rows_add(&loader.rows, row, (size_t)length);
        if (rc != DV_OK)
            break;
    }
    dv_snowflake_rows_end(&loader.rows);
}

static void on_append_end(struct dv_snowflake_append *append);

static void send_next(void)
{
    uint64_t most = loader.halved != 0 ? loader.halved : loader.batch;
    uint64_t last = loader.next + most - 1 < loader.count ? loader.next + most - 1 : loader.count;
    if (loader.next > loader.count || !dv_snowflake_channel_is_ready(&loader.channel))
        return;
    fill(last);
    last = loader.next + loader.rows.count - 1;
    (void)snprintf(loader.first, sizeof loader.first, "%0*" PRIu64, OFFSET_DIGITS, loader.next);
    (void)snprintf(loader.last, sizeof loader.last, "%0*" PRIu64, OFFSET_DIGITS, last);
    loader.append = (struct dv_snowflake_append){
        .rows = &loader.rows, .first = loader.first, .last = loader.last, .on_end = on_append_end
    };
    dv_snowflake_channel_append(&loader.channel, &loader.append);
}

static void on_append_end(struct dv_snowflake_append *append)
{
    print("append", append->rc, append->reason, append->last, loader.rows.used);
    if (append->rc == DV_OK) {
        loader.next = number_of(append->last) + 1;
        loader.halved = 0;
        send_next();
    } else if ((append->rc == DV_E_LIMIT || append->rc == DV_E_DATA) && loader.rows.count > 1) {
        loader.halved = loader.rows.count / 2;
        send_next();
    } else if (append->rc != DV_E_DEPENDENCY) {
        finish(dv_rc_exit(append->rc));
    }
}

static void on_progress(struct dv_snowflake_channel *channel, const char *what)
{
    print(what, DV_OK, NULL, channel->state.offset, channel->state.errors);
    if (number_of(channel->state.offset) >= loader.count ||
        (loader.stop_at != 0 && number_of(channel->state.offset) >= loader.stop_at))
        finish(0);
}

static void on_open(struct dv_snowflake_channel *channel)
{
    loader.next = number_of(channel->state.offset) + 1;
    on_progress(channel, "open");
    if (!loader.over)
        send_next();
}

static void on_commit(struct dv_snowflake_channel *channel)
{
    on_progress(channel, "commit");
}

static void on_fail(struct dv_snowflake_channel *channel)
{
    print("fail", channel->rc, channel->reason, channel->state.offset, channel->state.errors);
    finish(channel->rc == DV_OK ? 0 : dv_rc_exit(channel->rc));
}

/* ---- the program ---- */

static const char *argument(char **arguments, const char *name)
{
    size_t length = strlen(name);
    for (; *arguments != NULL; arguments++)
        if (strncmp(*arguments, name, length) == 0 && (*arguments)[length] == '=')
            return *arguments + length + 1;
    return NULL;
}

static uint64_t number(char **arguments, const char *name, uint64_t other)
{
    const char *text = argument(arguments, name);
    return text != NULL ? strtoull(text, NULL, 10) : other;
}

static dv_rc begin_sql(char **arguments)
{
    struct dv_snowflake_statement *statement = &loader.statement;
    const char *bind = argument(arguments, "bind");
    uint64_t id = number(arguments, "id", (uint64_t)time(NULL) << 20 | (uint64_t)getpid());
    memcpy(statement->request_id, &id, sizeof id);
    statement->sql = argument(arguments, "sql");
    statement->async = number(arguments, "async", 0) != 0;
    statement->sent = number(arguments, "sent", 0) != 0;
    statement->statements = (uint32_t)number(arguments, "statements", 0);
    statement->on_row = statement->statements > 1 ? NULL : on_row;
    statement->on_end = on_sql_end;
    if (bind != NULL) {
        loader.bind.value = (struct dv_snowflake_text){ bind, strlen(bind) };
        statement->binds = &loader.bind;
        statement->bind_count = 1;
    }
    return dv_snowflake_run(&loader.snowflake, statement);
}

static dv_rc begin_load(char **arguments, struct dv_error *error)
{
    const struct dv_snowflake_channel_config config = { .database = loader.snowflake.config.database,
                                                        .schema = loader.snowflake.config.schema,
                                                        .pipe = argument(arguments, "pipe"),
                                                        .name = argument(arguments, "channel"),
                                                        .known = argument(arguments, "known"),
                                                        .on_open = on_open,
                                                        .on_commit = on_commit,
                                                        .on_fail = on_fail };
    loader.count = number(arguments, "rows", 0);
    loader.batch = number(arguments, "batch", 100);
    loader.width = number(arguments, "width", 8);
    loader.stop_at = number(arguments, "stop_at", 0);
    DV_TRY(dv_snowflake_rows_init(&loader.rows));
    return dv_snowflake_channel_open(&loader.channel, &loader.snowflake, &config, error);
}

static dv_rc open_all(char **arguments, struct dv_error *error)
{
    const char *proof = argument(arguments, "proof");
    const struct dv_snowflake_config config = {
        .loop = &loader.loop.base,
        .url = argument(arguments, "url"),
        .identity = { .proof = proof == NULL               ? DV_SNOWFLAKE_KEYPAIR
                               : strcmp(proof, "pat") == 0 ? DV_SNOWFLAKE_PAT
                                                           : DV_SNOWFLAKE_OAUTH,
                      .account = argument(arguments, "account"),
                      .user = argument(arguments, "user"),
                      .secret = argument(arguments, "key"),
                      .passphrase = argument(arguments, "passphrase") },
        .role = argument(arguments, "role"),
        .warehouse = argument(arguments, "warehouse"),
        .database = argument(arguments, "database"),
        .schema = argument(arguments, "schema"),
        .ca = argument(arguments, "ca"),
        .deadlines = { .total_ms = (uint32_t)number(arguments, "total_ms", 0) },
        .pause_ms = (uint32_t)number(arguments, "pause_ms", 20),
    };
    DV_TRY(dv_snowflake_open(&loader.snowflake, &config, error));
    return strcmp(argument(arguments, "op"), "sql") == 0 ? begin_sql(arguments) : begin_load(arguments, error);
}

int main(int count, char **arguments)
{
    struct dv_error error = { 0 };
    (void)count;
    if (uv_loop_init(&loader.uv) != 0 || dv_loop_real_init(&loader.loop, &loader.uv) != DV_OK)
        return 1;
    dv_rc rc = open_all(arguments, &error);
    if (rc != DV_OK) {
        print("open", rc, error.text, "", 0);
        loader.exit_code = dv_rc_exit(rc);
        loader.over = true;
    }
    while (!loader.over)
        (void)uv_run(&loader.uv, UV_RUN_ONCE);
    dv_snowflake_channel_close(&loader.channel);
    dv_snowflake_close(&loader.snowflake);
    dv_snowflake_rows_free(&loader.rows);
    dv_loop_real_close(&loader.loop);
    while (uv_run(&loader.uv, UV_RUN_DEFAULT) != 0)
        ;
    return uv_loop_close(&loader.uv) == 0 ? loader.exit_code : 99;
}

/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake.c - rows into a table of Snowflake by a named channel, each once.
 *
 * Rows travel in requests that are numbered; the number and 64 random bits are the channel's offset. A request is written into the journal, sent,
 * and its batches are finished when it is committed: then the next. After a crash, or a lost answer, the channel tells the
 * last number that is committed, and the journal which records those were. What Snowflake refuses passes silently there, and
 * only a counter grows: then the table is asked which rows it has, and the others go to the dead letters.
 *
 * Where journal and channel cannot be of the same history (the offset is gone or behind: the table was made anew; or ahead:
 * somebody else writes, or the journal is an old one), the run halts: every guess would lose records or double them. */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "connectors/snowflake_channel.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/exit_guard.h"
#include "operators/sink_snowflake.h"

enum { GATHER_MS = 5, ASK_AGAIN_MS = 1000, ASKED_MAX = 30 };

/* What the sink is about. */
enum dv_snow_phase {
    DV_SNOW_OPENING,
    DV_SNOW_CHECKING,   /* asks the table what of the last process' request got in */
    DV_SNOW_RESTING,    /* nothing is on its way */
    DV_SNOW_WRITING,    /* the request is written down */
    DV_SNOW_SENDING,    /* it is sent, or waits for the channel */
    DV_SNOW_COMMITTING, /* it was taken */
    DV_SNOW_ASKING,     /* some of its rows were refused: the table is asked which */
    DV_SNOW_HALTED,
};

/* The sink's state. */
struct dv_sink_snowflake {
    const char *account, *url, *user, *key, *passphrase, *role, *warehouse, *database, *schema, *table, *pipe, *name;
    const char *ca, *journal_path;
    int64_t timeout_ms;

    enum dv_snow_phase phase;
    dv_rc rc; /* why it halted */
    const char *reason;
    bool judged;     /* what the channel holds was compared with the journal */
    struct dv_snowflake snowflake;
    struct dv_snowflake_channel channel;
    struct dv_snow_load load;
    struct dv_snowflake_append append;
    struct dv_snowflake_statement statement;
    struct dv_snowflake_bind bind;
    struct dv_timer timer;

    uint32_t asked; /* times that the table was asked */
    char channel_name[DV_SNOWFLAKE_NAME_MAX + 1], pipe_name[DV_SNOWFLAKE_NAME_MAX + 1];
    char sql[4 * DV_SNOWFLAKE_NAME_MAX];
};

static const struct dv_option options[] = {
    { "account", DV_STR, offsetof(struct dv_sink_snowflake, account), .flags = DV_REQUIRED,
      .help = "Account, as myorg-account1, or a locator as xy12345.eu-central-1." },
    { "url", DV_STR, offsetof(struct dv_sink_snowflake, url), .help = "Address of the account; none: https://ACCOUNT.snowflakecomputing.com." },
    { "user", DV_STR, offsetof(struct dv_sink_snowflake, user), .flags = DV_REQUIRED, .help = "User whose public key Snowflake knows." },
    { "key", DV_SECRET, offsetof(struct dv_sink_snowflake, key), .flags = DV_REQUIRED, .help = "Private RSA key of the user, in PEM." },
    { "passphrase", DV_SECRET, offsetof(struct dv_sink_snowflake, passphrase), .help = "Passphrase of the key; none: it has none." },
    { "ca", DV_STR, offsetof(struct dv_sink_snowflake, ca), .help = "File of trusted certificates; none: the system's." },
    { "role", DV_NAME, offsetof(struct dv_sink_snowflake, role), .help = "Role for statements; none: the user's own." },
    { "warehouse", DV_NAME, offsetof(struct dv_sink_snowflake, warehouse), .help = "Warehouse for statements; none: the user's own." },
    { "database", DV_NAME, offsetof(struct dv_sink_snowflake, database), .flags = DV_REQUIRED, .help = "Database, as SHOW writes it." },
    { "schema", DV_NAME, offsetof(struct dv_sink_snowflake, schema), .initial = "PUBLIC", .help = "Schema, as SHOW writes it." },
    { "table", DV_NAME, offsetof(struct dv_sink_snowflake, table), .flags = DV_REQUIRED,
      .help = "Table, as SHOW writes it, with the record's columns and DV_ID and DV_UNIT, both VARCHAR." },
    { "pipe", DV_NAME, offsetof(struct dv_sink_snowflake, pipe), .help = "Pipe into the table; none: the table's own, TABLE-STREAMING." },
    { "channel", DV_NAME, offsetof(struct dv_sink_snowflake, name), .help = "Channel, of this graph alone; none: GRAPH.NODE." },
    { "journal", DV_STR, offsetof(struct dv_sink_snowflake, journal_path), .flags = DV_REQUIRED,
      .help = "File that remembers what was sent; it belongs to the channel, and without it the channel cannot be gone on with." },
    { "timeout", DV_DURATION, offsetof(struct dv_sink_snowflake, timeout_ms), .initial = "120s", .min = 1000, .max = 600000,
      .help = "How long a request may take." },
    { 0 },
};

/* ---- halting ---- */

static void halt(struct dv_sink_snowflake *sink, dv_rc rc, const char *reason)
{
    if (sink->phase == DV_SNOW_HALTED)
        return;
    bool known = rc == DV_E_CONFIG || rc == DV_E_FENCED;
    sink->phase = DV_SNOW_HALTED;
    sink->rc = known ? rc : DV_E_FAILED; /* no batch is at fault: none may be tried in halves */
    sink->reason = reason;
    dv_timer_stop(&sink->timer);
    dv_log(DV_LOG_ERROR, "snowflake.halted", DV_LOG_NAMED("node", dv_node_name(sink->load.node)), DV_LOG_REASON("why", rc));
    dv_snow_fail_batches(&sink->load, sink->rc, reason);
}

/* ---- requests ---- */

static void kick(struct dv_sink_snowflake *sink, uint64_t pause_ms)
{
    dv_timer_stop(&sink->timer);
    dv_timer_start(&sink->timer, pause_ms);
}

static void on_append_end(struct dv_snowflake_append *append);

static void send_unit(struct dv_sink_snowflake *sink)
{
    sink->phase = DV_SNOW_SENDING;
    if (!dv_snowflake_channel_is_ready(&sink->channel))
        return; /* it is when it opens */
    sink->append = (struct dv_snowflake_append){
        .rows = &sink->load.rows, .first = sink->load.offset, .last = sink->load.offset, .on_end = on_append_end, .data = sink
    };
    dv_snowflake_channel_append(&sink->channel, &sink->append);
}

static void send_less(struct dv_sink_snowflake *sink, dv_rc rc)
{
    dv_snow_halve_unit(&sink->load, rc);
    sink->phase = DV_SNOW_RESTING;
    kick(sink, 0);
}

static void rest(struct dv_sink_snowflake *sink)
{
    if (sink->load.journal.unit > 0)
        dv_snowflake_journal_settle(&sink->load.journal, sink->channel.state.errors);
    sink->phase = DV_SNOW_RESTING;
    sink->load.unit_most = DV_SNOW_UNIT_ROWS;
    dv_snow_finish_batches(&sink->load);
    kick(sink, GATHER_MS);
}

static void ask(struct dv_sink_snowflake *sink, enum dv_snow_phase phase);

static void on_committed(struct dv_sink_snowflake *sink)
{
    uint64_t refused = sink->channel.state.errors - sink->load.journal.errors;
    if (sink->channel.state.errors < sink->load.journal.errors) {
        halt(sink, DV_E_FAILED, "the channel's count of refused rows went back: it is not the one that it was");
    } else if (refused == 0) {
        dv_snow_settle_unit(&sink->load, false);
        rest(sink);
    } else {
        sink->asked = 0;
        ask(sink, DV_SNOW_ASKING);
    }
}

static void on_append_end(struct dv_snowflake_append *append)
{
    struct dv_sink_snowflake *sink = append->data;
    if (append->rc == DV_OK)
        sink->phase = DV_SNOW_COMMITTING;
    else if (append->rc == DV_E_LIMIT || append->rc == DV_E_DATA)
        send_less(sink, append->rc);
    /* else it is lost, and the channel opens anew; or it has failed, and says so */
}

static void on_saved(void *data)
{
    struct dv_sink_snowflake *sink = data;
    if (sink->phase == DV_SNOW_WRITING)
        send_unit(sink);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_sink_snowflake *sink = timer->data;
    if (sink->phase == DV_SNOW_ASKING || sink->phase == DV_SNOW_CHECKING) {
        ask(sink, sink->phase);
        return;
    }
    if (sink->phase != DV_SNOW_RESTING || !dv_snow_holds_any(&sink->load))
        return;
    if (dv_snow_make_unit(&sink->load)) {
        sink->phase = DV_SNOW_WRITING;
        dv_snowflake_journal_save(&sink->load.journal);
    } else {
        dv_snow_finish_batches(&sink->load);
    }
}

/* ---- which rows the table has ---- */

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_sink_snowflake *sink = statement->data;
    if (count == 1 && cells[0].at != NULL && sink->load.got_count < DV_SNOW_UNIT_ROWS &&
        dv_id_parse(cells[0].at, cells[0].length, sink->load.got[sink->load.got_count]))
        sink->load.got_count++;
}

/* What is committed may be seen a moment later: the counter and the table must agree. */
static void ask_again(struct dv_sink_snowflake *sink)
{
    if (sink->asked >= ASKED_MAX)
        halt(sink, DV_E_FAILED, "the count of refused rows and what the table holds do not agree");
    else
        kick(sink, ASK_AGAIN_MS);
}

static void on_asked(struct dv_snowflake_statement *statement)
{
    struct dv_sink_snowflake *sink = statement->data;
    uint64_t refused = sink->channel.state.errors - sink->load.journal.errors;
    bool checks = sink->phase == DV_SNOW_CHECKING;
    if (statement->rc == DV_E_DEPENDENCY || statement->rc == DV_E_MEMORY) {
        sink->asked--;
        kick(sink, ASK_AGAIN_MS);
        return;
    }
    if (statement->rc != DV_OK) {
        halt(sink, statement->rc == DV_E_CONFIG ? DV_E_CONFIG : DV_E_FAILED, statement->reason);
        return;
    }
    uint32_t missing = dv_snow_count_missing(&sink->load);
    if (checks)
        missing = dv_snowflake_journal_missing(&sink->load.journal, sink->load.journal.unit,
                                               (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])sink->load.got, sink->load.got_count);
    if (missing != refused) {
        ask_again(sink);
        return;
    }
    if (checks)
        dv_snowflake_journal_keep_only(&sink->load.journal, sink->load.journal.unit,
                                       (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])sink->load.got, sink->load.got_count);
    else
        dv_snow_settle_unit(&sink->load, true);
    rest(sink);
}

static void ask(struct dv_sink_snowflake *sink, enum dv_snow_phase phase)
{
    struct dv_snowflake_statement *statement = &sink->statement;
    sink->phase = phase;
    sink->asked++;
    sink->load.got_count = 0;
    sink->bind.value = (struct dv_snowflake_text){ sink->load.offset, strlen(sink->load.offset) };
    *statement = (struct dv_snowflake_statement){ .sql = sink->sql, .binds = &sink->bind, .bind_count = 1,
                                                  .tag = "datavault-refused", .on_row = on_row, .on_end = on_asked,
                                                  .data = sink };
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1 ||
        dv_snowflake_run(&sink->snowflake, statement) != DV_OK)
        kick(sink, ASK_AGAIN_MS);
}

/* ---- the channel ---- */

#define NOT_OURS "the channel's offset is not one of ours: somebody else writes"

/* An offset that is not one of the journal's. */
static const char *name_fault(const struct dv_snowflake_journal *journal, const char *offset)
{
    uint64_t committed = dv_snow_unit_of(offset);
    if (committed == UINT64_MAX || (committed == journal->unit && committed > 0))
        return NOT_OURS;
    return committed > journal->unit ? "the channel is ahead of the journal: somebody else writes, or the journal is an old one"
                                     : "the channel is behind the journal: rows that were committed are gone";
}

/* The channel's history and ours, before anything is sent: are they the same? NULL, or why not. */
static const char *compare(const struct dv_sink_snowflake *sink, bool last_is_in)
{
    const struct dv_snowflake_journal *journal = &sink->load.journal;
    const char *offset = sink->channel.state.offset;
    if (!last_is_in && (journal->unit == journal->settled || strcmp(offset, journal->token_before) != 0))
        return name_fault(journal, offset);
    if (journal->unit > 0 && (sink->channel.state.errors < journal->errors ||
                              (!last_is_in && sink->channel.state.errors != journal->errors)))
        return "the channel's count of refused rows is not the one that the journal knows";
    return NULL;
}

static void judge(struct dv_sink_snowflake *sink)
{
    struct dv_snowflake_journal *journal = &sink->load.journal;
    bool last_is_in = strcmp(sink->channel.state.offset, journal->token) == 0;
    const char *reason = compare(sink, last_is_in);
    if (reason != NULL) {
        halt(sink, strcmp(reason, NOT_OURS) == 0 ? DV_E_FENCED : DV_E_FAILED, reason);
        return;
    }
    sink->judged = true;
    if (journal->unit == 0)
        journal->errors = sink->channel.state.errors; /* the counter is as old as the channel */
    else if (!last_is_in)
        dv_snowflake_journal_take_back(journal);
    memcpy(sink->load.offset, journal->token, sizeof sink->load.offset);
    sink->asked = 0;
    if (journal->unit > 0 && sink->channel.state.errors > journal->errors)
        ask(sink, DV_SNOW_CHECKING);
    else
        rest(sink);
}

/* Opened anew: was the request that was on its way committed? Its token tells, for another owner may have sent one of the
 * same number. */
static void judge_again(struct dv_sink_snowflake *sink)
{
    const struct dv_snowflake_journal *journal = &sink->load.journal;
    const char *offset = sink->channel.state.offset;
    bool under_way = sink->phase == DV_SNOW_WRITING || sink->phase == DV_SNOW_SENDING || sink->phase == DV_SNOW_COMMITTING;
    bool sent = sink->phase == DV_SNOW_SENDING || sink->phase == DV_SNOW_COMMITTING;
    if (sent && strcmp(offset, journal->token) == 0)
        on_committed(sink);
    else if (strcmp(offset, under_way ? journal->token_before : journal->token) != 0)
        halt(sink, DV_E_FENCED, NOT_OURS);
    else if (sent)
        send_unit(sink);
}

static void on_open(struct dv_snowflake_channel *channel)
{
    struct dv_sink_snowflake *sink = channel->config.data;
    if (!sink->judged)
        judge(sink);
    else
        judge_again(sink);
}

static void on_commit(struct dv_snowflake_channel *channel)
{
    struct dv_sink_snowflake *sink = channel->config.data;
    if (sink->phase != DV_SNOW_COMMITTING)
        return;
    if (strcmp(channel->state.offset, sink->load.offset) == 0)
        on_committed(sink);
    else if (dv_snow_unit_of(channel->state.offset) >= sink->load.journal.unit)
        halt(sink, DV_E_FENCED, NOT_OURS);
}

static void on_fail(struct dv_snowflake_channel *channel)
{
    halt(channel->config.data, channel->rc, channel->reason);
}

/* ---- the node ---- */

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    const struct dv_sink_snowflake *sink = dv_state(node);
    char host[DV_SNOWFLAKE_NAME_MAX + 1];
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        if (strcasecmp(shape->in->columns[i].name, "DV_ID") == 0 || strcasecmp(shape->in->columns[i].name, "DV_UNIT") == 0)
            return dv_refuse(node, NULL, "C252", "rename it", "column '%s' is one of the sink's own", shape->in->columns[i].name);
    if (!dv_snowflake_account_host(sink->account, host, sizeof host))
        return dv_refuse(node, "account", "C250", NULL, "an account is like 'myorg-account1' or 'xy12345.eu-central-1'");
    const char *fault = sink->url != NULL ? dv_http_url_fault(sink->url, true) : NULL;
    if (fault != NULL)
        return dv_refuse(node, "url", "C251", NULL, "%s", fault);
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_sink_snowflake *sink = dv_state(node);
    if (sink->phase == DV_SNOW_HALTED)
        return dv_fail(node, sink->rc, "Snowflake: %s", sink->reason);
    dv_snow_hold(&sink->load, batch);
    if (sink->phase == DV_SNOW_RESTING)
        kick(sink, GATHER_MS);
    return DV_HOLD;
}

static const char *waits(struct dv_node *node)
{
    const struct dv_sink_snowflake *sink = dv_state(node);
    if (sink->phase == DV_SNOW_HALTED)
        return sink->reason;
    return sink->load.journal.reason != NULL ? sink->load.journal.reason : dv_snowflake_channel_waits(&sink->channel);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct dv_sink_snowflake *sink = dv_state(node);
    return index == 0 ? dv_snowflake_breaker(&sink->snowflake) : NULL;
}

static bool write_names(struct dv_sink_snowflake *sink)
{
    int pipe = sink->pipe != NULL ? snprintf(sink->pipe_name, sizeof sink->pipe_name, "%s", sink->pipe)
                                  : snprintf(sink->pipe_name, sizeof sink->pipe_name, "%s-STREAMING", sink->table);
    int name = sink->name != NULL ? snprintf(sink->channel_name, sizeof sink->channel_name, "%s", sink->name)
                                  : snprintf(sink->channel_name, sizeof sink->channel_name, "%s.%s",
                                             dv_node_graph(sink->load.node), dv_node_name(sink->load.node));
    int sql = snprintf(sink->sql, sizeof sink->sql, "SELECT \"DV_ID\" FROM \"%s\".\"%s\".\"%s\" WHERE \"DV_UNIT\" = ?",
                       sink->database, sink->schema, sink->table);
    return pipe > 0 && (size_t)pipe < sizeof sink->pipe_name && name > 0 && (size_t)name < sizeof sink->channel_name &&
           sql > 0 && (size_t)sql < sizeof sink->sql;
}

/* That was committed for certain; "": none. */
static const char *known_offset(const struct dv_snowflake_journal *journal)
{
    return journal->settled == journal->unit ? journal->token : journal->token_before;
}

static dv_rc open_channel(struct dv_sink_snowflake *sink, struct dv_error *error)
{
    const struct dv_snowflake_journal *journal = &sink->load.journal;
    const struct dv_snowflake_channel_config config = { .database = sink->database, .schema = sink->schema,
                                                        .pipe = sink->pipe_name, .name = sink->channel_name,
                                                        .known = known_offset(journal), .on_open = on_open, .on_commit = on_commit,
                                                        .on_fail = on_fail, .data = sink };
    return dv_snowflake_channel_open(&sink->channel, &sink->snowflake, &config, error);
}

static dv_rc open_all(struct dv_sink_snowflake *sink, struct dv_error *error)
{
    struct dv_loop *loop = dv_node_loop(sink->load.node);
    const struct dv_snowflake_config config = {
        .loop = loop, .url = sink->url, .ca = sink->ca, .role = sink->role, .warehouse = sink->warehouse,
        .identity = { .account = sink->account, .user = sink->user, .secret = sink->key, .passphrase = sink->passphrase },
        .database = sink->database, .schema = sink->schema, .deadlines = { .total_ms = (uint32_t)sink->timeout_ms },
    };
    const struct dv_snowflake_journal_options journal = {
        .loop = loop, .sys = &dv_sys_real, .path = sink->journal_path, .saved = on_saved, .data = sink,
        .channel = dv_hash64(sink->channel_name, strlen(sink->channel_name), dv_hash64(sink->sql, strlen(sink->sql), 0)),
    };
    DV_TRY(dv_snowflake_journal_open(&sink->load.journal, &journal, error));
    DV_TRY(dv_snowflake_open(&sink->snowflake, &config, error));
    return open_channel(sink, error);
}

static void close_node(struct dv_node *node)
{
    struct dv_sink_snowflake *sink = dv_state(node);
    dv_snowflake_channel_close(&sink->channel);
    dv_snowflake_close(&sink->snowflake);
    dv_snow_load_close(&sink->load);
    if (sink->timer.loop != NULL)
        dv_timer_close(&sink->timer);
    sink->timer.loop = NULL;
}

static dv_rc open_node(struct dv_node *node)
{
    struct dv_sink_snowflake *sink = dv_state(node);
    struct dv_error error = { 0 };
    DV_TRY(dv_snow_load_open(&sink->load, node));
    if (!write_names(sink))
        return dv_fail(node, DV_E_CONFIG, "the names of table, pipe and channel are too long");
    dv_timer_init(dv_node_loop(node), &sink->timer, on_timer, sink);
    dv_rc rc = open_all(sink, &error);
    if (rc == DV_OK)
        return DV_OK;
    close_node(node);
    return dv_fail(node, rc, "Snowflake: %s", error.text);
}

const struct dv_operator dv_operator_sink_snowflake = {
    .name = "sink-snowflake",
    .summary = "Streams records into a table of Snowflake, each once.",
    .options = options,
    .size = sizeof(struct dv_sink_snowflake),
    .sink = true,
    .held_max = DV_SNOW_HELD_MAX,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .close = close_node,
};

/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_stream.c - `mode: streaming`: rows into a table of Snowflake by a named channel, each once.
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

#include "connectors/snowflake_channel.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/sink_snowflake.h"
#include "operators/sink_snowflake_unit.h"

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

/* The stream's state. */
struct dv_snow_stream {
    const struct dv_snow_options *options;
    struct dv_snowflake *snowflake;

    enum dv_snow_phase phase;
    dv_rc rc; /* why it halted */
    const char *reason;
    bool judged; /* what the channel holds was compared with the journal */
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

/* ---- halting ---- */

static void halt(struct dv_snow_stream *stream, dv_rc rc, const char *reason)
{
    if (stream->phase == DV_SNOW_HALTED)
        return;
    bool known = rc == DV_E_CONFIG || rc == DV_E_FENCED;
    stream->phase = DV_SNOW_HALTED;
    stream->rc = known ? rc : DV_E_FAILED; /* no batch is at fault: none may be tried in halves */
    stream->reason = reason;
    dv_timer_stop(&stream->timer);
    dv_log(DV_LOG_ERROR, "snowflake.halted", DV_LOG_NAMED("node", dv_node_name(stream->load.node)), DV_LOG_REASON("why", rc));
    dv_snow_fail_batches(&stream->load, stream->rc, reason);
}

/* ---- requests ---- */

static void kick(struct dv_snow_stream *stream, uint64_t pause_ms)
{
    dv_timer_stop(&stream->timer);
    dv_timer_start(&stream->timer, pause_ms);
}

static void on_append_end(struct dv_snowflake_append *append);

static void send_unit(struct dv_snow_stream *stream)
{
    stream->phase = DV_SNOW_SENDING;
    if (!dv_snowflake_channel_is_ready(&stream->channel))
        return; /* it is when it opens */
    stream->append = (struct dv_snowflake_append){
        .rows = &stream->load.rows, .first = stream->load.offset, .last = stream->load.offset, .on_end = on_append_end, .data = stream
    };
    dv_snowflake_channel_append(&stream->channel, &stream->append);
}

static void send_less(struct dv_snow_stream *stream, dv_rc rc)
{
    dv_snow_halve_unit(&stream->load, rc);
    stream->phase = DV_SNOW_RESTING;
    kick(stream, 0);
}

static void rest(struct dv_snow_stream *stream)
{
    if (stream->load.journal.unit > 0)
        dv_snowflake_journal_settle(&stream->load.journal, stream->channel.state.errors);
    stream->phase = DV_SNOW_RESTING;
    stream->load.unit_most = DV_SNOW_UNIT_ROWS;
    dv_snow_finish_batches(&stream->load);
    kick(stream, GATHER_MS);
}

static void ask(struct dv_snow_stream *stream, enum dv_snow_phase phase);

static void on_committed(struct dv_snow_stream *stream)
{
    uint64_t refused = stream->channel.state.errors - stream->load.journal.errors;
    if (stream->channel.state.errors < stream->load.journal.errors) {
        halt(stream, DV_E_FAILED, "the channel's count of refused rows went back: it is not the one that it was");
    } else if (refused == 0) {
        dv_snow_settle_unit(&stream->load, false);
        rest(stream);
    } else {
        stream->asked = 0;
        ask(stream, DV_SNOW_ASKING);
    }
}

static void on_append_end(struct dv_snowflake_append *append)
{
    struct dv_snow_stream *stream = append->data;
    if (append->rc == DV_OK)
        stream->phase = DV_SNOW_COMMITTING;
    else if (append->rc == DV_E_LIMIT || append->rc == DV_E_DATA)
        send_less(stream, append->rc);
    /* else it is lost, and the channel opens anew; or it has failed, and says so */
}

static void on_saved(void *data)
{
    struct dv_snow_stream *stream = data;
    if (stream->phase == DV_SNOW_WRITING)
        send_unit(stream);
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snow_stream *stream = timer->data;
    if (stream->phase == DV_SNOW_ASKING || stream->phase == DV_SNOW_CHECKING) {
        ask(stream, stream->phase);
        return;
    }
    if (stream->phase != DV_SNOW_RESTING || !dv_snow_holds_any(&stream->load))
        return;
    if (dv_snow_make_unit(&stream->load)) {
        stream->phase = DV_SNOW_WRITING;
        dv_snowflake_journal_save(&stream->load.journal);
    } else {
        dv_snow_finish_batches(&stream->load);
    }
}

/* ---- which rows the table has ---- */

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_snow_stream *stream = statement->data;
    if (count == 1 && cells[0].at != NULL && stream->load.got_count < DV_SNOW_UNIT_ROWS &&
        dv_id_parse(cells[0].at, cells[0].length, stream->load.got[stream->load.got_count]))
        stream->load.got_count++;
}

/* What is committed may be seen a moment later: the counter and the table must agree. */
static void ask_again(struct dv_snow_stream *stream)
{
    if (stream->asked >= ASKED_MAX)
        halt(stream, DV_E_FAILED, "the count of refused rows and what the table holds do not agree");
    else
        kick(stream, ASK_AGAIN_MS);
}

static void on_asked(struct dv_snowflake_statement *statement)
{
    struct dv_snow_stream *stream = statement->data;
    uint64_t refused = stream->channel.state.errors - stream->load.journal.errors;
    bool checks = stream->phase == DV_SNOW_CHECKING;
    if (statement->rc == DV_E_DEPENDENCY || statement->rc == DV_E_MEMORY) {
        stream->asked--;
        kick(stream, ASK_AGAIN_MS);
        return;
    }
    if (statement->rc != DV_OK) {
        halt(stream, statement->rc == DV_E_CONFIG ? DV_E_CONFIG : DV_E_FAILED, statement->reason);
        return;
    }
    uint32_t missing = dv_snow_count_missing(&stream->load);
    if (checks)
        missing = dv_snowflake_journal_missing(&stream->load.journal, stream->load.journal.unit,
                                               (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])stream->load.got, stream->load.got_count);
    if (missing != refused) {
        ask_again(stream);
        return;
    }
    if (checks)
        dv_snowflake_journal_keep_only(&stream->load.journal, stream->load.journal.unit,
                                       (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])stream->load.got, stream->load.got_count);
    else
        dv_snow_settle_unit(&stream->load, true);
    rest(stream);
}

static void ask(struct dv_snow_stream *stream, enum dv_snow_phase phase)
{
    struct dv_snowflake_statement *statement = &stream->statement;
    stream->phase = phase;
    stream->asked++;
    stream->load.got_count = 0;
    stream->bind.value = (struct dv_snowflake_text){ stream->load.offset, strlen(stream->load.offset) };
    *statement = (struct dv_snowflake_statement){ .sql = stream->sql, .binds = &stream->bind, .bind_count = 1,
                                                  .tag = "datavault-refused", .on_row = on_row, .on_end = on_asked,
                                                  .data = stream };
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1 ||
        dv_snowflake_run(stream->snowflake, statement) != DV_OK)
        kick(stream, ASK_AGAIN_MS);
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
static const char *compare(const struct dv_snow_stream *stream, bool last_is_in)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    const char *offset = stream->channel.state.offset;
    if (!last_is_in && (journal->unit == journal->settled || strcmp(offset, journal->token_before) != 0))
        return name_fault(journal, offset);
    if (journal->unit > 0 && (stream->channel.state.errors < journal->errors ||
                              (!last_is_in && stream->channel.state.errors != journal->errors)))
        return "the channel's count of refused rows is not the one that the journal knows";
    return NULL;
}

static void judge(struct dv_snow_stream *stream)
{
    struct dv_snowflake_journal *journal = &stream->load.journal;
    bool last_is_in = strcmp(stream->channel.state.offset, journal->token) == 0;
    const char *reason = compare(stream, last_is_in);
    if (reason != NULL) {
        halt(stream, strcmp(reason, NOT_OURS) == 0 ? DV_E_FENCED : DV_E_FAILED, reason);
        return;
    }
    stream->judged = true;
    if (journal->unit == 0)
        journal->errors = stream->channel.state.errors; /* the counter is as old as the channel */
    else if (!last_is_in)
        dv_snowflake_journal_take_back(journal);
    memcpy(stream->load.offset, journal->token, sizeof stream->load.offset);
    stream->asked = 0;
    if (journal->unit > 0 && stream->channel.state.errors > journal->errors)
        ask(stream, DV_SNOW_CHECKING);
    else
        rest(stream);
}

/* Opened anew: was the request that was on its way committed? Its token tells, for another owner may have sent one of the
 * same number. */
static void judge_again(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    const char *offset = stream->channel.state.offset;
    bool under_way = stream->phase == DV_SNOW_WRITING || stream->phase == DV_SNOW_SENDING || stream->phase == DV_SNOW_COMMITTING;
    bool sent = stream->phase == DV_SNOW_SENDING || stream->phase == DV_SNOW_COMMITTING;
    if (sent && strcmp(offset, journal->token) == 0)
        on_committed(stream);
    else if (strcmp(offset, under_way ? journal->token_before : journal->token) != 0)
        halt(stream, DV_E_FENCED, NOT_OURS);
    else if (sent)
        send_unit(stream);
}

static void on_open(struct dv_snowflake_channel *channel)
{
    struct dv_snow_stream *stream = channel->config.data;
    if (!stream->judged)
        judge(stream);
    else
        judge_again(stream);
}

static void on_commit(struct dv_snowflake_channel *channel)
{
    struct dv_snow_stream *stream = channel->config.data;
    if (stream->phase != DV_SNOW_COMMITTING)
        return;
    if (strcmp(channel->state.offset, stream->load.offset) == 0)
        on_committed(stream);
    else if (dv_snow_unit_of(channel->state.offset) >= stream->load.journal.unit)
        halt(stream, DV_E_FENCED, NOT_OURS);
}

static void on_fail(struct dv_snowflake_channel *channel)
{
    halt(channel->config.data, channel->rc, channel->reason);
}

static bool write_names(struct dv_snow_stream *stream)
{
    const struct dv_snow_options *options = stream->options;
    const struct dv_snowflake_server *server = &options->snowflake;
    const struct dv_node *node = stream->load.node;
    int pipe = options->pipe != NULL ? snprintf(stream->pipe_name, sizeof stream->pipe_name, "%s", options->pipe)
                                     : snprintf(stream->pipe_name, sizeof stream->pipe_name, "%s-STREAMING", options->table);
    int name = options->channel != NULL ? snprintf(stream->channel_name, sizeof stream->channel_name, "%s", options->channel)
                                        : snprintf(stream->channel_name, sizeof stream->channel_name, "%s.%s",
                                                   dv_node_graph(node), dv_node_name(node));
    int sql = snprintf(stream->sql, sizeof stream->sql, "SELECT \"DV_ID\" FROM \"%s\".\"%s\".\"%s\" WHERE \"DV_UNIT\" = ?",
                       server->database, server->schema, options->table);
    return pipe > 0 && (size_t)pipe < sizeof stream->pipe_name && name > 0 && (size_t)name < sizeof stream->channel_name &&
           sql > 0 && (size_t)sql < sizeof stream->sql;
}

/* That was committed for certain; "": none. */
static const char *known_offset(const struct dv_snowflake_journal *journal)
{
    return journal->settled == journal->unit ? journal->token : journal->token_before;
}

static dv_rc open_channel(struct dv_snow_stream *stream, struct dv_error *error)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    const struct dv_snowflake_channel_config config = { .database = stream->options->snowflake.database, .schema = stream->options->snowflake.schema,
                                                        .pipe = stream->pipe_name, .name = stream->channel_name,
                                                        .known = known_offset(journal), .on_open = on_open, .on_commit = on_commit,
                                                        .on_fail = on_fail, .data = stream };
    return dv_snowflake_channel_open(&stream->channel, stream->snowflake, &config, error);
}

static dv_rc open_all(struct dv_snow_stream *stream, struct dv_error *error)
{
    const struct dv_snowflake_journal_options journal = {
        .loop = dv_node_loop(stream->load.node), .sys = &dv_sys_real, .path = stream->options->journal, .saved = on_saved, .data = stream,
        .channel = dv_hash64(stream->channel_name, strlen(stream->channel_name), dv_hash64(stream->sql, strlen(stream->sql), 0)),
    };
    DV_TRY(dv_snowflake_journal_open(&stream->load.journal, &journal, error));
    return open_channel(stream, error);
}

/* ---- the node ---- */

dv_rc dv_snow_stream_open(struct dv_node *node, const struct dv_snow_options *options, struct dv_snowflake *snowflake,
                          struct dv_snow_stream **ret)
{
    struct dv_error error = { 0 };
    struct dv_snow_stream *stream = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *stream);
    if (stream == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a stream");
    stream->options = options;
    stream->snowflake = snowflake;
    *ret = stream;
    DV_TRY(dv_snow_load_open(&stream->load, node));
    if (!write_names(stream))
        return dv_fail(node, DV_E_CONFIG, "the names of table, pipe and channel are too long");
    dv_timer_init(dv_node_loop(node), &stream->timer, on_timer, stream);
    dv_rc rc = open_all(stream, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "Snowflake: %s", error.text);
}

void dv_snow_stream_close(struct dv_snow_stream *stream)
{
    dv_snowflake_channel_close(&stream->channel);
    dv_snow_load_close(&stream->load);
    if (stream->timer.loop != NULL)
        dv_timer_close(&stream->timer);
    stream->timer.loop = NULL;
}

dv_rc dv_snow_stream_take(struct dv_snow_stream *stream, struct dv_batch *batch)
{
    if (stream->phase == DV_SNOW_HALTED)
        return dv_fail(stream->load.node, stream->rc, "Snowflake: %s", stream->reason);
    dv_snow_hold(&stream->load, batch);
    if (stream->phase == DV_SNOW_RESTING)
        kick(stream, GATHER_MS);
    return DV_HOLD;
}

const char *dv_snow_stream_waits(const struct dv_snow_stream *stream)
{
    if (stream->phase == DV_SNOW_HALTED)
        return stream->reason;
    return stream->load.journal.reason != NULL ? stream->load.journal.reason : dv_snowflake_channel_waits(&stream->channel);
}

/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_stream.c - `mode: streaming`: rows into a table of Snowflake by a named channel, each once.
 *
 * Rows travel in requests that are numbered; the number and 64 random bits are the channel's offset. Several are on their way at
 * once: one is made by a worker while the one before is sent, and those before that wait until they are committed. A request is written into the
 * journal before it is sent. When the channel tells how far it is, all requests up to there are settled: that is made durable,
 * and then their batches are finished. After a crash, or a lost answer, the channel is opened anew and tells the last one that is
 * committed; those behind it are taken back, and their rows go into new ones.
 *
 * What Snowflake refuses passes silently there, and only a counter grows: then the table is asked which rows of the requests that are committed
 * since it has, and the others go to the dead letters. Counter and offset need not be told at the same moment, so an offset counts only when
 * the counter was told once more after it.
 *
 * Where journal and channel cannot be of the same history (the offset is gone or behind: the table was made anew; or ahead:
 * somebody else writes, or the journal is an old one), the run halts: every guess would lose records or double them. */
#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_channel.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "operators/sink_snowflake.h"
#include "operators/sink_snowflake_ask.h"

enum { GATHER_MS = 5, ASKED_MAX = 30, LOOSE_ASKS = 3 };

#define NOT_OURS "the channel's offset is not one of ours: somebody else writes"
#define AHEAD "the channel is ahead of the journal: somebody else writes, or the journal is an old one"
#define BEHIND "the channel is behind the journal: rows that were committed are gone"

/* The stream's state. */
struct dv_snow_stream {
    const struct dv_snow_options *options;
    struct dv_snowflake *snowflake;
    bool halted;
    dv_rc rc; /* why */
    const char *reason;

    bool judged;              /* what the channel holds was compared with the journal */
    uint64_t committed, sure; /* the last request that is; and that was, when it was told the time before */
    uint64_t errors;          /* rows that were refused, as told last */
    bool loose;               /* it may have counted rows of requests that were taken back */
    struct dv_snow_ask ask;
    struct dv_timer again; /* before it asks once more */
    uint32_t asked;        /* times, of what is committed now */
    uint64_t ask_errors;
    bool settling; /* it is not durable yet */
    uint64_t settle_to, settle_ticket;
    uint32_t refused; /* of them, the ids that are missing in `ask` */

    struct dv_snowflake_channel channel;
    struct dv_snow_load load;
    struct dv_snow_pack *sending;
    struct dv_snowflake_append append;
    struct dv_timer timer;
    char channel_name[DV_SNOWFLAKE_NAME_MAX + 1], pipe_name[DV_SNOWFLAKE_NAME_MAX + 1];
};

static void go_on(struct dv_snow_stream *stream);

/* ---- halting ---- */

/* Not while a worker reads the batches: then when he is back. */
static void fail_batches(struct dv_snow_stream *stream)
{
    if (!dv_snow_is_packing(&stream->load))
        dv_snow_fail_batches(&stream->load, stream->rc, stream->reason);
}

static void halt(struct dv_snow_stream *stream, dv_rc rc, const char *reason)
{
    if (stream->halted)
        return;
    bool known = rc == DV_E_CONFIG || rc == DV_E_FENCED;
    stream->halted = true;
    stream->rc = known ? rc : DV_E_FAILED; /* no batch is at fault: none may be tried in halves */
    stream->reason = reason;
    dv_timer_stop(&stream->timer);
    dv_timer_stop(&stream->again);
    dv_log(DV_LOG_ERROR, "snowflake.halted", DV_LOG_NAMED("node", dv_node_name(stream->load.node)),
           DV_LOG_REASON("why", rc));
    fail_batches(stream);
}

static bool halt_if(struct dv_snow_stream *stream, dv_rc rc)
{
    if (rc != DV_OK)
        halt(stream, rc, "no memory for the journal");
    return stream->halted;
}

/* ---- requests ---- */

static void on_append_end(struct dv_snowflake_append *append)
{
    struct dv_snow_stream *stream = append->data;
    struct dv_snow_load *load = &stream->load;
    struct dv_snow_pack *pack = stream->sending;
    if (append->rc == DV_OK) {
        dv_snow_pack_free(pack);
        load->unit_most = load->unit_most < DV_SNOW_UNIT_ROWS / 2 ? 2 * load->unit_most : DV_SNOW_UNIT_ROWS;
    } else if (append->rc == DV_E_LIMIT || append->rc == DV_E_DATA) {
        (void)halt_if(stream, dv_snow_halve(load, pack, append->rc));
    } else {
        return; /* it is lost, and the channel opens anew; or it has failed, and says so */
    }
    stream->sending = NULL;
    go_on(stream);
}

/* The first that is not sent yet. */
static struct dv_snow_pack *next_pack(struct dv_snow_load *load)
{
    struct dv_snow_pack *next = NULL;
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        if (load->packs[i].step == DV_SNOW_READY && (next == NULL || load->packs[i].unit < next->unit))
            next = &load->packs[i];
    return next;
}

static void send_next(struct dv_snow_stream *stream)
{
    struct dv_snow_pack *pack = next_pack(&stream->load);
    if (pack == NULL || stream->sending != NULL ||
        !dv_snowflake_journal_is_durable(&stream->load.journal, pack->ticket) ||
        !dv_snowflake_channel_is_ready(&stream->channel))
        return;
    pack->step = DV_SNOW_SENDING;
    stream->sending = pack;
    stream->append = (struct dv_snowflake_append){
        .rows = &pack->rows, .first = pack->token, .last = pack->token, .on_end = on_append_end, .data = stream
    };
    dv_snowflake_channel_append(&stream->channel, &stream->append);
}

static void make_next(struct dv_snow_stream *stream)
{
    struct dv_snow_load *load = &stream->load;
    if (dv_snow_is_packing(load) || !dv_snowflake_journal_has_room(&load->journal) || !dv_snow_rests_any(load))
        return;
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        if (load->packs[i].step == DV_SNOW_FREE) {
            (void)dv_snow_pack_start(load, &load->packs[i]);
            return;
        }
}

static void on_packed(struct dv_snow_pack *pack)
{
    struct dv_snow_stream *stream = pack->load->data;
    dv_rc rc = DV_OK;
    (void)dv_snow_pack_end(pack, &rc);
    if (stream->halted)
        fail_batches(stream);
    else if (!halt_if(stream, rc))
        go_on(stream);
}

/* ---- what is committed ---- */

static void begin_settling(struct dv_snow_stream *stream, uint64_t unit, uint64_t errors, uint32_t refused)
{
    struct dv_snowflake_journal *journal = &stream->load.journal;
    const uint8_t(*ids)[DV_SNOWFLAKE_JOURNAL_ID] = (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])stream->ask.missing;
    if (halt_if(stream, dv_snowflake_journal_settle(journal, unit, errors, ids, refused)))
        return;
    stream->settling = true;
    stream->settle_to = unit;
    stream->settle_ticket = journal->ticket;
    stream->refused = refused;
    stream->loose = stream->loose && unit < stream->committed;
    stream->asked = 0;
}

/* Only what is durably settled is told to the sources. */
static void end_settling(struct dv_snow_stream *stream)
{
    if (!stream->settling || !dv_snowflake_journal_is_durable(&stream->load.journal, stream->settle_ticket))
        return;
    stream->settling = false;
    dv_snow_rows_over(&stream->load, stream->settle_to, (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])stream->ask.missing,
                      stream->refused);
}

static void settle(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    end_settling(stream);
    if (stream->settling || stream->ask.asking || stream->again.active || stream->committed == journal->settled)
        return;
    if (stream->errors != journal->errors) {
        stream->asked++;
        stream->ask_errors = stream->errors;
        dv_snow_ask_start(&stream->ask, journal->settled, stream->committed);
        return;
    }
    if (stream->sure > journal->settled)
        begin_settling(stream, stream->sure, stream->errors, 0);
    if (stream->sure < stream->committed)
        dv_snowflake_channel_look(&stream->channel);
}

/* What is committed may be seen a moment later, and so may the counter: they must agree in the end. */
static void ask_again(struct dv_snow_stream *stream)
{
    if (stream->asked >= ASKED_MAX) {
        halt(stream, DV_E_FAILED, "the count of refused rows and what the table holds do not agree");
        return;
    }
    dv_snowflake_channel_look(&stream->channel);
    dv_timer_start(&stream->again, DV_SNOW_ASK_AGAIN_MS);
}

/* Since the journal's count the channel was opened, and rows that were refused then may have been taken back, and counted. */
static void end_check(struct dv_snow_stream *stream)
{
    if (stream->ask.missing_count > 0)
        halt(stream, DV_E_FAILED, "rows that were committed and accounted for are not in the table");
    else
        begin_settling(stream, stream->load.journal.settled, stream->ask_errors, 0);
}

static void on_asked(struct dv_snow_ask *ask, dv_rc rc, const char *reason)
{
    struct dv_snow_stream *stream = ask->data;
    const uint64_t refused = stream->ask_errors - stream->load.journal.errors;
    if (stream->halted)
        return;
    if (rc != DV_OK)
        halt(stream, rc == DV_E_CONFIG ? DV_E_CONFIG : DV_E_FAILED, reason);
    else if (ask->to == stream->load.journal.settled)
        end_check(stream);
    else if (ask->missing_count == refused ||
             (stream->loose && ask->missing_count < refused && stream->asked >= LOOSE_ASKS))
        begin_settling(stream, ask->to, stream->ask_errors, ask->missing_count);
    else
        ask_again(stream);
    go_on(stream);
}

/* ---- the channel ---- */

/* Why an offset is none of the requests that may be committed; NULL: it is one. */
static const char *name_fault(const struct dv_snow_stream *stream, const char *offset)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    uint64_t unit = dv_snowflake_token_number(offset);
    if (dv_snowflake_journal_number(journal, offset) != UINT64_MAX)
        return unit < stream->committed ? BEHIND : NULL;
    if (unit == UINT64_MAX || (unit >= journal->settled && unit <= journal->unit) || stream->judged)
        return NOT_OURS;
    return unit > journal->unit ? AHEAD : BEHIND;
}

/* What was refused by now, if nothing new is committed, is not of rows that are on their way any more. */
static void take_count(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    stream->loose = stream->committed > journal->settled || stream->errors != journal->errors;
    if (stream->committed > journal->settled || stream->errors == journal->errors || stream->settling ||
        stream->ask.asking)
        return;
    stream->ask_errors = stream->errors;
    if (journal->settled > 0)
        dv_snow_ask_start(&stream->ask, journal->settled - 1, journal->settled);
    else
        begin_settling(stream, 0, stream->errors, 0); /* the counter is as old as the channel */
}

static void on_open(struct dv_snowflake_channel *channel)
{
    struct dv_snow_stream *stream = channel->config.data;
    struct dv_snow_load *load = &stream->load;
    const char *fault = name_fault(stream, channel->state.offset);
    if (fault == NULL && channel->state.errors < load->journal.errors)
        fault = "the channel's count of refused rows went back: it is not the one that it was";
    if (fault != NULL) {
        halt(stream, strcmp(fault, NOT_OURS) == 0 ? DV_E_FENCED : DV_E_FAILED, fault);
        return;
    }
    stream->sure = stream->judged ? stream->committed : load->journal.settled;
    stream->committed = dv_snowflake_token_number(channel->state.offset);
    stream->errors = channel->state.errors;
    stream->judged = true;
    if (halt_if(stream, dv_snow_take_back(load, stream->committed)))
        return;
    if (stream->sending != NULL && stream->sending->step == DV_SNOW_SENDING)
        dv_snow_pack_free(stream->sending); /* it is committed */
    stream->sending = NULL;
    take_count(stream);
    go_on(stream);
}

static void on_commit(struct dv_snowflake_channel *channel)
{
    struct dv_snow_stream *stream = channel->config.data;
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    uint64_t unit = dv_snowflake_token_number(channel->state.offset);
    if (unit < stream->committed)
        return; /* it was told late */
    if (dv_snowflake_journal_number(journal, channel->state.offset) == UINT64_MAX) {
        halt(stream, DV_E_FENCED, NOT_OURS);
        return;
    }
    if (channel->state.errors < journal->errors) {
        halt(stream, DV_E_FAILED, "the channel's count of refused rows went back: it is not the one that it was");
        return;
    }
    stream->sure = stream->committed;
    stream->committed = unit;
    stream->errors = channel->state.errors;
    go_on(stream);
}

static void on_fail(struct dv_snowflake_channel *channel)
{
    halt(channel->config.data, channel->rc, channel->reason);
}

/* ---- turns ---- */

/* Whatever can be done now; called after everything that has happened. */
static void go_on(struct dv_snow_stream *stream)
{
    if (stream->halted || !stream->judged)
        return;
    settle(stream);
    if (stream->halted)
        return;
    send_next(stream);
    make_next(stream);
    dv_snowflake_journal_save(&stream->load.journal);
    dv_snow_finish_batches(&stream->load);
}

static void on_saved(void *data)
{
    go_on(data);
}

static void on_timer(struct dv_timer *timer)
{
    go_on(timer->data);
}

/* ---- life ---- */

static bool write_names(struct dv_snow_stream *stream)
{
    const struct dv_snow_options *options = stream->options;
    const struct dv_snowflake_server *server = &options->snowflake;
    const struct dv_node *node = stream->load.node;
    int pipe = options->pipe != NULL
                   ? snprintf(stream->pipe_name, sizeof stream->pipe_name, "%s", options->pipe)
                   : snprintf(stream->pipe_name, sizeof stream->pipe_name, "%s-STREAMING", options->table);
    int name = options->channel != NULL
                   ? snprintf(stream->channel_name, sizeof stream->channel_name, "%s", options->channel)
                   : snprintf(stream->channel_name, sizeof stream->channel_name, "%s.%s", dv_node_graph(node),
                              dv_node_name(node));
    return pipe > 0 && (size_t)pipe < sizeof stream->pipe_name && name > 0 &&
           (size_t)name < sizeof stream->channel_name &&
           dv_snow_ask_open(&stream->ask, dv_node_loop(node), server->database, server->schema, options->table);
}

/* Of everything that tells one channel from another. */
static uint64_t hash_of(const struct dv_snow_stream *stream)
{
    const struct dv_snowflake_server *server = &stream->options->snowflake;
    const char *const texts[] = { server->account,        stream->snowflake->url, server->database,    server->schema,
                                  stream->options->table, stream->pipe_name,      stream->channel_name };
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash = dv_hash64(texts[i], strlen(texts[i]) + 1, hash);
    return hash;
}

static dv_rc open_channel(struct dv_snow_stream *stream, struct dv_error *error)
{
    const struct dv_snowflake_journal *journal = &stream->load.journal;
    char known[DV_SNOWFLAKE_TOKEN]; /* that was committed for certain; "": none */
    dv_snowflake_journal_token(journal, journal->settled, known);
    const struct dv_snowflake_channel_config config = { .database = stream->options->snowflake.database,
                                                        .schema = stream->options->snowflake.schema,
                                                        .pipe = stream->pipe_name,
                                                        .name = stream->channel_name,
                                                        .known = known,
                                                        .on_open = on_open,
                                                        .on_commit = on_commit,
                                                        .on_fail = on_fail,
                                                        .data = stream };
    return dv_snowflake_channel_open(&stream->channel, stream->snowflake, &config, error);
}

static dv_rc open_all(struct dv_snow_stream *stream, struct dv_error *error)
{
    struct dv_snow_load *load = &stream->load;
    const struct dv_snowflake_journal_options journal = { .loop = dv_node_loop(load->node),
                                                          .sys = &dv_sys_real,
                                                          .path = stream->options->journal,
                                                          .saved = on_saved,
                                                          .remember = (uint32_t)stream->options->remember,
                                                          .data = stream,
                                                          .channel = hash_of(stream) };
    DV_TRY(dv_snowflake_journal_open(&load->journal, &journal, error));
    load->done = stream->committed = stream->sure = load->journal.settled;
    return open_channel(stream, error);
}

dv_rc dv_snow_stream_open(struct dv_node *node, const struct dv_snow_options *options, struct dv_snowflake *snowflake,
                          struct dv_snow_stream **ret)
{
    struct dv_error error = { 0 };
    struct dv_snow_stream *stream = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *stream);
    if (stream == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a stream");
    stream->options = options;
    stream->snowflake = stream->ask.snowflake = snowflake;
    stream->ask.journal = &stream->load.journal;
    stream->ask.on_end = on_asked;
    stream->load.packed = on_packed;
    stream->load.data = stream->ask.data = stream;
    *ret = stream;
    DV_TRY(dv_snow_load_open(&stream->load, node));
    if (!write_names(stream))
        return dv_fail(node, DV_E_CONFIG, "the names of table, pipe and channel are too long");
    dv_timer_init(dv_node_loop(node), &stream->timer, on_timer, stream);
    dv_timer_init(dv_node_loop(node), &stream->again, on_timer, stream);
    dv_rc rc = open_all(stream, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "Snowflake: %s", error.text);
}

void dv_snow_stream_close(struct dv_snow_stream *stream)
{
    dv_snow_ask_close(&stream->ask);
    dv_snowflake_channel_close(&stream->channel);
    dv_snow_load_close(&stream->load);
    if (stream->timer.loop == NULL)
        return;
    dv_timer_close(&stream->timer);
    dv_timer_close(&stream->again);
    stream->timer.loop = NULL;
}

dv_rc dv_snow_stream_take(struct dv_snow_stream *stream, struct dv_batch *batch)
{
    if (stream->halted)
        return dv_fail(stream->load.node, stream->rc, "Snowflake: %s", stream->reason);
    dv_snow_hold(&stream->load, batch);
    if (!stream->timer.active)
        dv_timer_start(&stream->timer, GATHER_MS);
    return DV_HOLD;
}

const char *dv_snow_stream_waits(const struct dv_snow_stream *stream)
{
    if (stream->halted)
        return stream->reason;
    return stream->load.journal.reason != NULL ? stream->load.journal.reason
                                               : dv_snowflake_channel_waits(&stream->channel);
}

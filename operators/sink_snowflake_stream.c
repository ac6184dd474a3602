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
 * since it has, and the others go to the dead letters: see sink_snowflake_settle.c.
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
#include "operators/sink_snowflake_aside.h"
#include "operators/sink_snowflake_ask.h"
#include "operators/sink_snowflake_stream.h"

enum { GATHER_MS = 5, STARVED_MS = 1000, ALONE_MS = 1000, NAME_ROOM = DV_SNOWFLAKE_NAME_MAX + 1 };

#define NOT_OURS "the channel's offset is not one of ours: somebody else writes"
#define AHEAD "the channel is ahead of the journal: somebody else writes, or the journal is an old one"
#define BEHIND "the channel is behind the journal: rows that were committed are gone"

/* ---- halting ---- */

/* Not while a worker reads the batches: then when he is back. */
static void fail_batches(struct dv_snow_stream *stream)
{
    if (!dv_snow_is_packing(stream->load))
        dv_snow_fail_batches(stream->load, stream->rc, stream->reason);
}

void dv_snow_stream_halt(struct dv_snow_stream *stream, dv_rc rc, const char *reason)
{
    if (stream->halted)
        return;
    bool known = rc == DV_E_CONFIG || rc == DV_E_FENCED;
    stream->halted = true;
    stream->rc = known ? rc : DV_E_FAILED; /* no batch is at fault: none may be tried in halves */
    stream->reason = reason;
    dv_timer_stop(&stream->timer);
    dv_timer_stop(&stream->again);
    dv_timer_stop(&stream->behind);
    dv_timer_stop(&stream->alone);
    dv_log(DV_LOG_ERROR, "snowflake.halted", DV_LOG_NAMED("node", dv_node_name(stream->load->node)),
           DV_LOG_REASON("why", rc));
    fail_batches(stream);
    (void)dv_fail(stream->load->node, stream->rc, "Snowflake: %s", reason);
    dv_halt(stream->load->node, stream->rc); /* there may be no batch */
}

static bool halt_if(struct dv_snow_stream *stream, dv_rc rc)
{
    if (rc != DV_OK)
        dv_snow_stream_halt(stream, rc, "no memory for the journal");
    return stream->halted;
}

/* ---- requests ---- */

/* Codes are letters and digits. */
static void on_refused(struct dv_snow_stream *stream, const struct dv_snowflake_append *append)
{
    const char *code = append->code[0] != '\0' ? append->code : "none";
    (void)dv_error_set(&stream->told, DV_E_FAILED, "it refuses every record (code %s: %s): is the table one for them?", code,
                       append->reason);
    (void)halt_if(stream, dv_snow_halve(stream->load, stream->sending, append->rc));
}

static void on_append_end(struct dv_snowflake_append *append)
{
    struct dv_snow_stream *stream = append->data;
    struct dv_snow_load *load = stream->load;
    struct dv_snow_pack *pack = stream->sending;
    if (stream->halted)
        return; /* its batches are gone */
    if (append->rc == DV_OK) {
        dv_snow_aside_passed(load, pack);
        dv_snow_pack_free(pack);
        load->unit_most = load->unit_most < DV_SNOW_UNIT_ROWS / 2 ? 2 * load->unit_most : DV_SNOW_UNIT_ROWS;
    } else if (append->rc == DV_E_LIMIT || append->rc == DV_E_DATA) {
        on_refused(stream, append);
    } else {
        return; /* it is lost, and the channel opens anew; or it has failed, and says so */
    }
    stream->sending = NULL;
    dv_snow_stream_go_on(stream);
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
    struct dv_snow_pack *pack = next_pack(stream->load);
    if (pack == NULL || stream->sending != NULL ||
        !dv_snowflake_journal_is_durable(&stream->load->journal, pack->ticket) ||
        !dv_snowflake_channel_is_ready(stream->channel))
        return;
    pack->step = DV_SNOW_SENDING;
    stream->sending = pack;
    *stream->append = (struct dv_snowflake_append){
        .rows = &pack->rows, .first = pack->token, .last = pack->token, .on_end = on_append_end, .data = stream
    };
    dv_snowflake_channel_append(stream->channel, stream->append);
}

/* Nothing passes, and a row that was refused alone is tried again, later and later. */
static void wait_alone(struct dv_snow_stream *stream)
{
    const uint32_t vain = stream->load->vain;
    if (vain == DV_SNOW_VAIN_MAX)
        dv_snow_stream_halt(stream, DV_E_FAILED, stream->told.text);
    else if (!stream->alone.active)
        dv_timer_start(&stream->alone, (uint64_t)ALONE_MS << vain);
}

static void on_alone(struct dv_timer *timer)
{
    struct dv_snow_stream *stream = timer->data;
    if (dv_snow_aside_is_stuck(stream->load))
        dv_snow_aside_try(stream->load);
    dv_snow_stream_go_on(stream);
}

static void make_next(struct dv_snow_stream *stream)
{
    struct dv_snow_load *load = stream->load;
    if (dv_snow_is_packing(load) || !dv_snow_rests_any(load) || dv_snow_stream_rests(stream))
        return;
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        if (load->packs[i].step == DV_SNOW_FREE) {
            if (!dv_snow_pack_start(load, &load->packs[i]) && dv_snow_aside_is_stuck(load))
                wait_alone(stream);
            return;
        }
}

static void on_packed(struct dv_snow_pack *pack)
{
    struct dv_snow_stream *stream = pack->load->data;
    dv_rc rc = DV_OK;
    bool made = dv_snow_pack_end(pack, &rc);
    if (stream->halted) {
        fail_batches(stream);
    } else if (!halt_if(stream, rc) && !made && pack->starved) {
        dv_timer_stop(&stream->timer);
        dv_timer_start(&stream->timer, STARVED_MS);
    } else {
        dv_snow_stream_go_on(stream);
    }
}

/* ---- the channel ---- */

/* Why an offset is none of the requests that may be committed; NULL: it is one. */
static const char *name_fault(const struct dv_snow_stream *stream, const char *offset)
{
    const struct dv_snowflake_journal *journal = &stream->load->journal;
    uint64_t unit = dv_snowflake_token_number(offset);
    if (dv_snowflake_journal_number(journal, offset) != UINT64_MAX)
        return unit < stream->committed ? BEHIND : NULL;
    if (unit == UINT64_MAX || (unit >= journal->settled && unit <= journal->unit) || stream->judged)
        return NOT_OURS;
    return unit > journal->unit ? AHEAD : BEHIND;
}

static void on_open(struct dv_snowflake_channel *channel)
{
    struct dv_snow_stream *stream = channel->config.data;
    struct dv_snow_load *load = stream->load;
    if (stream->halted)
        return;
    const char *fault = name_fault(stream, channel->state.offset);
    if (fault == NULL && channel->state.errors < load->journal.errors)
        fault = "the channel's count of refused rows went back: it is not the one that it was";
    if (fault != NULL) {
        dv_snow_stream_halt(stream, strcmp(fault, NOT_OURS) == 0 ? DV_E_FENCED : DV_E_FAILED, fault);
        return;
    }
    stream->committed = dv_snowflake_token_number(channel->state.offset);
    stream->errors = channel->state.errors;
    stream->judged = true;
    dv_snow_stream_told(stream, true);
    if (halt_if(stream, dv_snow_take_back(load, stream->committed)))
        return;
    if (stream->sending != NULL && stream->sending->step == DV_SNOW_SENDING)
        dv_snow_pack_free(stream->sending); /* it is committed */
    stream->sending = NULL;
    dv_snow_stream_go_on(stream);
}

static void on_commit(struct dv_snowflake_channel *channel)
{
    struct dv_snow_stream *stream = channel->config.data;
    const struct dv_snowflake_journal *journal = &stream->load->journal;
    uint64_t unit = dv_snowflake_token_number(channel->state.offset);
    if (stream->halted || unit < stream->committed)
        return; /* it was told late */
    if (dv_snowflake_journal_number(journal, channel->state.offset) == UINT64_MAX) {
        dv_snow_stream_halt(stream, DV_E_FENCED, NOT_OURS);
        return;
    }
    if (channel->state.errors < journal->errors) {
        dv_snow_stream_halt(stream, DV_E_FAILED, "the channel's count of refused rows went back: it is not the one that it was");
        return;
    }
    stream->committed = unit;
    stream->errors = channel->state.errors;
    dv_snow_stream_told(stream, false);
    dv_snow_stream_go_on(stream);
}

static void on_fail(struct dv_snowflake_channel *channel)
{
    dv_snow_stream_halt(channel->config.data, channel->rc, channel->reason);
}

/* ---- turns ---- */

void dv_snow_stream_go_on(struct dv_snow_stream *stream)
{
    if (stream->halted || !stream->judged)
        return;
    dv_snow_stream_settle(stream);
    if (stream->halted)
        return;
    send_next(stream);
    make_next(stream);
    dv_snowflake_journal_save(&stream->load->journal);
    dv_snow_finish_batches(stream->load);
}

static void on_saved(void *data)
{
    dv_snow_stream_go_on(data);
}

static void on_timer(struct dv_timer *timer)
{
    dv_snow_stream_go_on(timer->data);
}

/* ---- life ---- */

static bool write_names(struct dv_snow_stream *stream)
{
    const struct dv_snow_options *options = stream->options;
    const struct dv_snowflake_server *server = &options->snowflake;
    const struct dv_node *node = stream->load->node;
    int pipe = options->pipe != NULL
                   ? snprintf(stream->pipe_name, NAME_ROOM, "%s", options->pipe)
                   : snprintf(stream->pipe_name, NAME_ROOM, "%s-STREAMING", options->table);
    int name = options->channel != NULL
                   ? snprintf(stream->channel_name, NAME_ROOM, "%s", options->channel)
                   : snprintf(stream->channel_name, NAME_ROOM, "%s.%s", dv_node_graph(node),
                              dv_node_name(node));
    return pipe > 0 && pipe < NAME_ROOM && name > 0 &&
           name < NAME_ROOM &&
           dv_snow_ask_open(stream->ask, dv_node_loop(node), server->database, server->schema, options->table);
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
    const struct dv_snowflake_journal *journal = &stream->load->journal;
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
    return dv_snowflake_channel_open(stream->channel, stream->snowflake, &config, error);
}

static void on_read(struct dv_snowflake_journal *journal, dv_rc rc, const struct dv_error *error)
{
    struct dv_snow_stream *stream = journal->options.data;
    struct dv_snow_load *load = stream->load;
    struct dv_error fault = *error;
    if (rc == DV_OK) {
        load->done = stream->committed = stream->sure = journal->settled;
        rc = open_channel(stream, &fault);
    }
    if (rc != DV_OK)
        (void)dv_fail(load->node, rc, "Snowflake: %s", fault.text);
    stream->ready(load->node, rc);
}

static void open_journal(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal_options options = { .loop = dv_node_loop(stream->load->node),
                                                          .sys = &dv_sys_real,
                                                          .path = stream->options->journal,
                                                          .read = on_read,
                                                          .saved = on_saved,
                                                          .remember = (uint32_t)stream->options->remember,
                                                          .data = stream,
                                                          .channel = hash_of(stream) };
    dv_snowflake_journal_open(&stream->load->journal, &options);
}

/* A stream and all that it points to. */
struct whole {
    struct dv_snow_stream stream;
    struct dv_snow_ask ask;
    struct dv_snowflake_channel channel;
    struct dv_snow_load load;
    struct dv_snowflake_append append;
    char channel_name[NAME_ROOM], pipe_name[NAME_ROOM];
};

static struct dv_snow_stream *make_stream(struct dv_node *node, const struct dv_snow_options *options,
                                          struct dv_snowflake *snowflake)
{
    struct whole *whole = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *whole);
    if (whole == NULL)
        return NULL;
    struct dv_snow_stream *stream = &whole->stream;
    *stream = (struct dv_snow_stream){ .options = options,
                                       .snowflake = snowflake,
                                       .ask = &whole->ask,
                                       .channel = &whole->channel,
                                       .load = &whole->load,
                                       .append = &whole->append,
                                       .channel_name = whole->channel_name,
                                       .pipe_name = whole->pipe_name };
    whole->ask.snowflake = snowflake;
    whole->ask.journal = &whole->load.journal;
    whole->ask.on_end = dv_snow_stream_on_asked;
    whole->load.packed = on_packed;
    whole->load.data = whole->ask.data = stream;
    return stream;
}

dv_rc dv_snow_stream_open(struct dv_node *node, const struct dv_snow_options *options, struct dv_snowflake *snowflake,
                          void (*ready)(struct dv_node *node, dv_rc rc), struct dv_snow_stream **ret)
{
    struct dv_snow_stream *stream = make_stream(node, options, snowflake);
    if (stream == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a stream");
    *ret = stream;
    stream->ready = ready;
    DV_TRY(dv_snow_load_open(stream->load, node));
    if (!write_names(stream))
        return dv_fail(node, DV_E_CONFIG, "the names of table, pipe and channel are too long");
    dv_timer_init(dv_node_loop(node), &stream->timer, on_timer, stream);
    dv_timer_init(dv_node_loop(node), &stream->again, on_timer, stream);
    dv_timer_init(dv_node_loop(node), &stream->behind, dv_snow_stream_on_behind, stream);
    dv_timer_init(dv_node_loop(node), &stream->alone, on_alone, stream);
    open_journal(stream);
    return DV_HOLD;
}

void dv_snow_stream_close(struct dv_snow_stream *stream)
{
    dv_snow_ask_close(stream->ask);
    dv_snowflake_channel_close(stream->channel);
    dv_snow_load_close(stream->load);
    if (stream->timer.loop == NULL)
        return;
    dv_timer_close(&stream->timer);
    dv_timer_close(&stream->again);
    dv_timer_close(&stream->behind);
    dv_timer_close(&stream->alone);
    stream->timer.loop = NULL;
}

dv_rc dv_snow_stream_take(struct dv_snow_stream *stream, struct dv_batch *batch)
{
    if (stream->halted)
        return dv_fail(stream->load->node, stream->rc, "Snowflake: %s", stream->reason);
    dv_snow_hold(stream->load, batch);
    if (!stream->timer.active)
        dv_timer_start(&stream->timer, GATHER_MS);
    return DV_HOLD;
}

const char *dv_snow_stream_waits(const struct dv_snow_stream *stream)
{
    if (stream->halted)
        return stream->reason;
    if (stream->alone.active)
        return "Snowflake refuses a record, and no other has passed since";
    return stream->load->journal.reason != NULL ? stream->load->journal.reason
                                               : dv_snowflake_channel_waits(stream->channel);
}

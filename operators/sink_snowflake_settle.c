/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_settle.c - which requests are settled: of which it is known that each row is in the table, or was refused.
 *
 * The offset may be told before the counter of refused rows, by more than one look: what is committed is held until the counter has been
 * told again, for a while, and is the same. When the count grows the table is asked, of the same requests again and again until it says the
 * same twice: what it does not have then was refused.
 *
 * The count only tells when to ask, and that as many were refused at least. It does not tell which, nor of which requests: it may tell of rows that
 * are on their way, before their offset, or that were refused and taken back. So one that is equal to what is missing proves nothing: the table may be
 * late by a good row. And only as many are accounted for as are missing. The rest is a surplus, which is written off at rest, when all is
 * settled and nothing is on its way that could have been counted; then the requests that were settled last are looked for as well: a row of theirs
 * that is not there was acknowledged and is lost, and nobody may write that off. While there is a surplus, no request is made. */
#include "connectors/snowflake_channel.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "operators/sink_snowflake_aside.h"
#include "operators/sink_snowflake_ask.h"
#include "operators/sink_snowflake_stream.h"

enum {
    NS_PER_MS = 1000000,
    ASKED_MAX = 30,
    SURE_ASKS = 3, /* before what the table says is believed */
    PROOFS_MAX = 5,
    PORTION_ROWS = 1024, /* of what is settled, in one turn of the loop: each may be a dead letter, which is sealed and written */
    PORTION_MS = 1, /* before the next; a timer of 0 may fire in the same turn */
    HELD_LOOKS = 2,
    HELD_MS = 1000,
    BEHIND_LOOKS = 4, /* after the last one that is settled: 1, 2, 4 and 8 s */
    BEHIND_MS = 1000
};

static void begin_settling(struct dv_snow_stream *stream, uint64_t unit, uint64_t errors, uint32_t refused)
{
    struct dv_snowflake_journal *journal = &stream->load->journal;
    const uint8_t(*ids)[DV_SNOWFLAKE_JOURNAL_ID] = (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])stream->ask->missing;
    dv_rc rc = dv_snowflake_journal_settle(journal, unit, errors, ids, refused);
    if (rc != DV_OK) {
        dv_snow_stream_halt(stream, rc, "no memory for the journal");
        return;
    }
    stream->settling = true;
    stream->settle_to = unit;
    stream->settle_ticket = journal->ticket;
    stream->refused = refused;
    stream->rests = stream->errors != errors;
    stream->asked = 0;
    if (refused == 0 && unit > stream->load->done)
        stream->load->whole_units = stream->load->whole_rows = 0;
}

/* Only what is durably settled is told to the sources; a portion in each turn, and nothing else is settled or asked before the last. */
static void end_settling(struct dv_snow_stream *stream)
{
    if (!stream->settling || stream->again.active ||
        !dv_snowflake_journal_is_durable(&stream->load->journal, stream->settle_ticket))
        return;
    if (!dv_snow_rows_over(stream->load, stream->settle_to,
                           (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])stream->ask->missing, stream->refused,
                           PORTION_ROWS)) {
        dv_timer_start(&stream->again, PORTION_MS);
        return;
    }
    stream->settling = false;
    stream->behind_looks = 0;
    dv_timer_start(&stream->behind, BEHIND_MS);
}

void dv_snow_stream_on_behind(struct dv_timer *timer)
{
    struct dv_snow_stream *stream = timer->data;
    dv_snowflake_channel_look(stream->channel);
    if (++stream->behind_looks < BEHIND_LOOKS)
        dv_timer_start(timer, (uint64_t)BEHIND_MS << stream->behind_looks);
}

/* ---- what was settled ---- */

/* The requests that were settled last, as many as can be under way at once. */
static void prove(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal *journal = &stream->load->journal;
    uint64_t to = journal->settled, from = dv_snowflake_ids_behind(&journal->ids, to, DV_SNOW_ROWS_MAX);
    stream->proving = true;
    if (to > DV_SNOWFLAKE_UNITS_MAX && from < to - DV_SNOWFLAKE_UNITS_MAX)
        from = to - DV_SNOWFLAKE_UNITS_MAX;
    dv_snow_ask_start_range(stream->ask, from, to);
}

/* The count is that of rows that were taken back, if no row is missing. */
static void write_off(struct dv_snow_stream *stream)
{
    if (stream->proved < stream->load->journal.settled)
        prove(stream);
    else
        begin_settling(stream, stream->load->journal.settled, stream->ask_errors, 0);
}

/* What is committed may be seen a moment later. */
static void end_proof(struct dv_snow_stream *stream)
{
    const struct dv_snow_ask *ask = stream->ask;
    if (ask->missing_count == 0) {
        stream->proving = false;
        stream->proved = ask->to;
        write_off(stream);
    } else if (++stream->proofs < PROOFS_MAX) {
        dv_timer_start(&stream->again, DV_SNOW_ASK_AGAIN_MS);
    } else {
        dv_log(DV_LOG_ERROR, "snowflake.lost", DV_LOG_NAMED("node", dv_node_name(stream->load->node)),
               DV_LOG_NUMBER("rows", ask->missing_count), DV_LOG_NUMBER("unit_first", ask->from + 1),
               DV_LOG_NUMBER("unit_last", ask->to));
        dv_snow_stream_halt(stream, DV_E_FAILED, "rows that were committed and accounted for are not in the table");
    }
}

/* With nothing on its way that could have been counted: rows that were refused and taken back, or of what was settled. */
static void check_late(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal *journal = &stream->load->journal;
    if (stream->errors == journal->errors || journal->unit != journal->settled)
        return;
    stream->ask_errors = stream->errors;
    stream->proofs = 0;
    write_off(stream);
}

/* ---- what is committed ---- */

static void hold_on(struct dv_snow_stream *stream)
{
    stream->held = stream->committed;
    stream->held_errors = stream->errors;
    stream->held_looks = 0;
    stream->held_ns = dv_now_ns(dv_node_loop(stream->load->node));
}

void dv_snow_stream_told(struct dv_snow_stream *stream, bool anew)
{
    uint64_t now = dv_now_ns(dv_node_loop(stream->load->node));
    if (anew || stream->held == stream->sure || stream->errors != stream->held_errors) {
        hold_on(stream);
    } else if (++stream->held_looks >= HELD_LOOKS && now - stream->held_ns >= (uint64_t)HELD_MS * NS_PER_MS) {
        stream->sure = stream->held;
        hold_on(stream);
    }
}

/* Of what is committed now; and of the same, until the answer is believed. */
static void ask(struct dv_snow_stream *stream)
{
    const uint64_t to = stream->asked > 0 ? stream->ask->to : stream->committed;
    stream->asked++;
    dv_snow_ask_start(stream->ask, stream->load->journal.settled, to);
}

bool dv_snow_stream_rests(const struct dv_snow_stream *stream)
{
    return stream->rests && stream->errors != stream->load->journal.errors;
}

void dv_snow_stream_settle(struct dv_snow_stream *stream)
{
    const struct dv_snowflake_journal *journal = &stream->load->journal;
    end_settling(stream);
    if (stream->settling || stream->ask->asking || stream->again.active)
        return;
    if (stream->proving) {
        prove(stream);
    } else if (stream->committed == journal->settled) {
        check_late(stream);
    } else if (stream->errors != journal->errors) {
        ask(stream);
    } else {
        if (stream->sure > journal->settled)
            begin_settling(stream, stream->sure, stream->errors, 0);
        if (stream->sure < stream->committed)
            dv_snowflake_channel_look(stream->channel);
    }
}

/* What is committed may be seen a moment later, and so may the counter: all that is missing must be counted in the end. */
static void ask_again(struct dv_snow_stream *stream)
{
    if (stream->asked >= ASKED_MAX) {
        dv_snow_stream_halt(stream, DV_E_FAILED, "the count of refused rows and what the table holds do not agree");
        return;
    }
    dv_snowflake_channel_look(stream->channel);
    dv_timer_start(&stream->again, DV_SNOW_ASK_AGAIN_MS);
}

/* Whether the same records were missing the time before. */
static bool is_stable(struct dv_snow_stream *stream)
{
    const struct dv_snow_ask *ask = stream->ask;
    uint64_t missing = dv_hash64(ask->missing, (size_t)ask->missing_count * sizeof *ask->missing, 0);
    bool same = stream->asked > 1 && missing == stream->missing;
    stream->missing = missing;
    return same && stream->asked >= SURE_ASKS;
}

/* What the table does not have was refused; but if it has none of them it is the table: then they stay as they are, and come again. */
static void settle_asked(struct dv_snow_stream *stream, uint64_t accounted)
{
    const struct dv_snow_ask *ask = stream->ask;
    const uint8_t(*refused)[DV_SNOWFLAKE_JOURNAL_ID] = (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ask->missing;
    if (dv_snow_refuses_all(stream->load, ask->to, refused, ask->missing_count))
        dv_snow_stream_halt(stream, DV_E_FAILED, "the table refuses every record: is it one for them?");
    else
        begin_settling(stream, ask->to, accounted, ask->missing_count);
}

static void judge(struct dv_snow_stream *stream)
{
    const struct dv_snow_ask *ask = stream->ask;
    const uint64_t accounted = stream->load->journal.errors + ask->missing_count;
    if (is_stable(stream) && accounted <= stream->errors)
        settle_asked(stream, accounted);
    else
        ask_again(stream);
}

void dv_snow_stream_on_asked(struct dv_snow_ask *ask, dv_rc rc, const char *reason)
{
    struct dv_snow_stream *stream = ask->data;
    if (stream->halted)
        return;
    if (rc != DV_OK)
        dv_snow_stream_halt(stream, rc == DV_E_CONFIG ? DV_E_CONFIG : DV_E_FAILED, reason);
    else if (stream->proving)
        end_proof(stream);
    else
        judge(stream);
    dv_snow_stream_go_on(stream);
}

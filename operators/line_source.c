/* SPDX-License-Identifier: Apache-2.0
 * line_source.c - cuts what a reader shows into lines, and lines into batches. */
#include "operators/line_source.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/id.h"
#include "engine/log.h"
#include "operators/schema_option.h"

_Static_assert((int)DV_FILE_PADDING >= (int)DV_JSON_PADDING, "the parser may look behind a line");

/* One filling of a batch. */
struct filling {
    struct dv_line_source *source;
    struct dv_batch *batch;
    uint64_t start; /* offset in the file where it began */
    int64_t now_ms;
    uint32_t lines; /* not blank */
    size_t bytes;
    bool moved; /* something was read that the claim must cover */
};

/* One line, without its end. */
struct line {
    const char *text;
    size_t length;
    bool whole; /* it has a newline */
};

/* ---- the file's name ---- */

static uint64_t seed_of(const struct dv_line_source *source)
{
    const struct dv_file_facts *facts = &source->reader.facts;
    char resolved[PATH_MAX];
    if (!facts->regular) {
        uint64_t once[] = { dv_now_ns(source->reader.options.loop), (uint64_t)dv_wall_ms(source->reader.options.loop),
                            (uint64_t)getpid() };
        return dv_hash64(once, sizeof once, 0);
    }
    const char *path = realpath(source->path, resolved) != NULL ? resolved : source->path;
    uint64_t born[] = { facts->inode, (uint64_t)facts->born_ns };
    return dv_hash64(born, sizeof born, dv_hash64(path, strlen(path), 0));
}

/* The first line tells a file that was emptied and written anew from its former self, which had the same inode. */
static void name_source(struct dv_line_source *source, const char *text, size_t length)
{
    size_t known = length < DV_LINE_NAMING_BYTES ? length : DV_LINE_NAMING_BYTES;
    const char *newline = memchr(text, '\n', known);
    source->source = dv_hash64(text, newline != NULL ? (size_t)(newline - text) : known, source->source_seed);
}

static bool name_from_head(struct dv_line_source *source)
{
    char head[DV_LINE_NAMING_BYTES];
    size_t length = dv_reader_head(&source->reader, head, sizeof head);
    name_source(source, head, length);
    explicit_bzero(head, length);
    return length > 0;
}

/* ---- lines into the batch ---- */

static struct dv_row place_of(const struct filling *filling, uint64_t offset)
{
    struct dv_row place = { .offset = offset, .line = filling->source->lines + 1, .created_ms = filling->now_ms };
    dv_id_make(place.id, offset, 0, filling->source->source);
    return place;
}

static void reject(struct filling *filling, struct line line, dv_rc code, const char *reason)
{
    struct dv_row place = place_of(filling, filling->source->reader.offset);
    size_t kept = line.length < DV_LINE_KEPT_BYTES || code != DV_E_LIMIT ? line.length : DV_LINE_KEPT_BYTES;
    dv_reject_raw(filling->source->node, filling->batch, line.text, kept, &place, code, reason);
}

/* DV_E_MEMORY: the batch's arena is used up, and the line may fit into an empty one. */
static dv_rc parse(struct filling *filling, struct line line)
{
    struct dv_line_source *source = filling->source;
    struct dv_batch *batch = filling->batch;
    const char *reason = "the record does not fit into a batch";
    size_t size = line.length + DV_JSON_PADDING;
    char *text = dv_arena_text(&batch->arena, size);
    dv_rc rc = DV_E_MEMORY;
    if (text != NULL) {
        memcpy(text, line.text, size);
        dv_arena_trim(&batch->arena, text, size, line.length);
        rc = dv_json_reader_in_place(source->json, text, line.length, batch, batch->rows, &reason);
    }
    if (rc == DV_E_MEMORY && filling->lines > 0)
        return DV_E_MEMORY;
    if (rc != DV_OK) {
        reject(filling, line, rc, rc == DV_E_SYNTAX && !line.whole ? "the last line is cut off" : reason);
        return DV_OK;
    }
    batch->row[batch->rows++] = place_of(filling, source->reader.offset);
    source->records++;
    return DV_OK;
}

static bool is_blank(struct line line)
{
    for (size_t i = 0; i < line.length; i++)
        if (line.text[i] != ' ' && line.text[i] != '\t' && line.text[i] != '\r')
            return false;
    return true;
}

/* Without the byte-order mark of a file's start and the carriage return of other systems. */
static struct line trimmed(const struct dv_line_source *source, struct line line)
{
    if (source->reader.offset == 0 && line.length >= 3 && memcmp(line.text, "\xef\xbb\xbf", 3) == 0) {
        line.text += 3;
        line.length -= 3;
    }
    if (line.length > 0 && line.text[line.length - 1] == '\r')
        line.length--;
    return line;
}

static void take(struct filling *filling, size_t bytes)
{
    dv_reader_take(&filling->source->reader, bytes);
    filling->source->scanned = 0;
    filling->bytes += bytes;
    filling->moved = true;
}

static bool room(const struct filling *filling)
{
    return filling->lines < DV_BATCH_ROWS && filling->bytes < DV_LINE_BATCH_BYTES;
}

/* Takes the line of `length` bytes that the reader shows first. False: the batch is full, and it stays. */
static bool take_line(struct filling *filling, size_t length, bool whole)
{
    struct dv_line_source *source = filling->source;
    size_t unread = 0;
    struct line line = { .text = dv_reader_text(&source->reader, &unread), .length = length, .whole = whole };
    DV_ASSERT(length + (whole ? 1 : 0) <= unread);
    if (source->reader.offset == 0)
        name_source(source, line.text, length);
    line = trimmed(source, line);
    bool blank = is_blank(line);
    if (!blank && line.length > (size_t)source->max_record)
        reject(filling, line, DV_E_LIMIT, "the line is longer than max_record; its beginning is kept");
    else if (!blank && parse(filling, line) != DV_OK)
        return false;
    filling->lines += !blank;
    take(filling, length + (whole ? 1 : 0));
    source->lines++;
    return true;
}

/* A line that will not end within max_record: its beginning is rejected now, the rest passed over as it comes. */
static void begin_passing(struct filling *filling)
{
    struct dv_line_source *source = filling->source;
    size_t unread = 0;
    struct line line = { .text = dv_reader_text(&source->reader, &unread) };
    line.length = unread;
    if (source->reader.offset == 0)
        name_source(source, line.text, unread);
    reject(filling, line, DV_E_LIMIT, "the line is longer than max_record; its beginning is kept");
    source->long_line = source->reader.offset;
    source->passing = true;
    filling->lines++;
    take(filling, unread);
}

static void pass_over(struct filling *filling, const char *newline, const char *text, size_t unread)
{
    struct dv_line_source *source = filling->source;
    size_t bytes = newline != NULL ? (size_t)(newline - text) + 1 : unread;
    take(filling, bytes);
    if (newline == NULL)
        return;
    source->passing = false;
    source->lines++;
}

/* Works off what the reader shows. False: the batch is full; true: no further line is there. */
static bool take_shown(struct filling *filling)
{
    struct dv_line_source *source = filling->source;
    while (room(filling)) {
        size_t unread = 0;
        const char *text = dv_reader_text(&source->reader, &unread);
        const char *newline = memchr(text + source->scanned, '\n', unread - source->scanned);
        if (source->passing && unread > 0) {
            pass_over(filling, newline, text, unread);
        } else if (newline != NULL) {
            if (!take_line(filling, (size_t)(newline - text), true))
                return false;
        } else if (unread > (size_t)source->max_record) {
            begin_passing(filling);
        } else {
            source->scanned = unread;
            return true;
        }
    }
    return false;
}

/* The last line, which has no newline. False: it does not fit into this batch. */
static bool take_tail(struct filling *filling)
{
    struct dv_line_source *source = filling->source;
    size_t unread = 0;
    (void)dv_reader_text(&source->reader, &unread);
    if (source->passing) {
        source->passing = false;
        source->lines++;
        filling->moved = true;
    }
    return unread == 0 || take_line(filling, unread, false);
}

static void restart(struct dv_line_source *source)
{
    dv_reader_restart(&source->reader);
    source->lines = 0;
    source->records = 0;
    source->scanned = 0;
    source->source_seed = seed_of(source);
    dv_log(DV_LOG_WARN, "source.restarted", DV_LOG_NAMED("node", dv_node_name(source->node)),
           DV_LOG_LITERAL("why", "the file was replaced or cut"));
}

/* Fills the batch as far as it goes. DV_MORE_LATER: nothing more is there now; DV_MORE_BYTES: it is full. */
static enum dv_more fill(struct filling *filling)
{
    struct dv_line_source *source = filling->source;
    while (take_shown(filling)) {
        enum dv_more more = dv_reader_more(&source->reader);
        if (more == DV_MORE_LATER)
            return more;
        if (more == DV_MORE_BYTES)
            continue;
        if (!take_tail(filling))
            return DV_MORE_BYTES;
        if (more == DV_MORE_END)
            return more;
        return DV_MORE_RESTART;
    }
    return DV_MORE_BYTES;
}

/* ---- the operator ---- */

/* After a crash a line that was being passed over is met from its start again: its rest alone could look like a
 * record. */
static void claim(struct filling *filling)
{
    struct dv_line_source *source = filling->source;
    uint64_t offset = source->passing ? source->long_line : source->reader.offset;
    struct dv_checkpoint after = {
        .source = source->source, .offset = offset, .line = source->lines, .records = source->records
    };
    dv_claim(source->node, filling->batch, filling->start < offset ? filling->start : offset,
             offset > filling->start ? offset - 1 : offset);
    dv_claims_add(&source->claims, &after);
}

static void let_go(struct dv_line_source *source)
{
    struct dv_batch *batch = source->held;
    source->held = NULL;
    if (batch != NULL)
        dv_finish(source->node, batch, DV_DROP);
}

/* The empty batch goes back, and the runner offers another one when it is this node's turn. */
static void on_change(void *data)
{
    let_go(data);
}

static dv_rc hold(struct dv_line_source *source, struct dv_batch *batch)
{
    source->held = batch;
    return DV_HOLD;
}

dv_rc dv_line_source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_line_source *source = dv_state(node);
    DV_ASSERT(source->held == NULL && !source->ended);
    if (source->checkpoint && dv_checkpoint_waits(&source->checkpoints) != NULL)
        return hold(source, batch);
    if (dv_claims_reserve(&source->claims) != DV_OK)
        return dv_fail(node, DV_E_FAILED, "no memory for what is in flight");
    struct filling filling = { .source = source, .batch = batch, .start = source->reader.offset };
    filling.now_ms = dv_wall_ms(dv_node_loop(node));
    DV_CRASH_POINT("lines.before-read");
    enum dv_more more = fill(&filling);
    DV_CRASH_POINT("lines.parsed");
    if (filling.moved)
        claim(&filling);
    DV_CRASH_POINT("lines.claimed");
    if (more == DV_MORE_RESTART)
        restart(source);
    if (more == DV_MORE_END) {
        source->ended = true;
        dv_end(node);
    }
    if (filling.moved)
        return DV_PASS;
    if (more != DV_MORE_LATER || source->ended) /* a letter that was lost may have stopped the run meanwhile */
        return DV_DROP;
    dv_reader_request(&source->reader, on_change, source);
    return hold(source, batch);
}

void dv_line_source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct dv_line_source *source = dv_state(node);
    struct dv_checkpoint reached;
    if (source->json == NULL)
        return; /* closed: the run was given up */
    DV_CRASH_POINT("lines.settled");
    if (dv_claims_settle(&source->claims, receipt->sequence, receipt->failed, &reached) && source->checkpoint)
        dv_checkpoint_save(&source->checkpoints, &reached);
}

void dv_line_source_stop(struct dv_node *node)
{
    struct dv_line_source *source = dv_state(node);
    if (source->ended)
        return;
    source->ended = true;
    let_go(source);
    dv_end(node);
}

const char *dv_line_source_waits(struct dv_node *node)
{
    const struct dv_line_source *source = dv_state(node);
    const char *reason = source->checkpoint ? dv_checkpoint_waits(&source->checkpoints) : NULL;
    return reason != NULL ? reason : dv_reader_waits(&source->reader);
}

/* A disk that never answers. */
bool dv_line_source_behind(const struct dv_node *node)
{
    const struct dv_line_source *source = dv_state(node);
    return !source->reader.streamed && source->reader.state == DV_READER_FILLING;
}

const struct dv_breaker *dv_line_source_breaker(const struct dv_node *node, uint32_t index)
{
    const struct dv_line_source *source = dv_state(node);
    return index == 0 ? &source->reader.breaker : NULL;
}

dv_rc dv_line_source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_line_source *source = dv_state(node);
    source->shape = dv_load_schema(node, "schema", source->schema);
    shape->out[0] = source->shape;
    return source->shape != NULL ? DV_OK : DV_E_CONFIG;
}

/* Goes on where the last run came to, if this is still the file it read. */
static void resume(struct dv_line_source *source, const struct dv_checkpoint *reached)
{
    if (reached->source != source->source || reached->offset > source->reader.facts.size) {
        dv_log(DV_LOG_WARN, "source.other-file", DV_LOG_NAMED("node", dv_node_name(source->node)),
               DV_LOG_LITERAL("then", "it is read from its beginning"));
        return;
    }
    dv_reader_seek(&source->reader, reached->offset);
    source->lines = reached->line;
    source->records = reached->records;
    dv_log(DV_LOG_INFO, "source.resumed", DV_LOG_NAMED("node", dv_node_name(source->node)),
           DV_LOG_NUMBER("offset", reached->offset), DV_LOG_NUMBER("line", reached->line));
}

static dv_rc open_checkpoint(struct dv_line_source *source, bool named, struct dv_error *error)
{
    struct dv_node *node = source->node;
    struct dv_checkpoint_options options = {
        .loop = dv_node_loop(node), .sys = &dv_sys_real, .resumed = on_change, .data = source
    };
    options.directory = dv_node_service(node, DV_SERVICE_DIRECTORY);
    options.name = dv_node_name(node);
    source->checkpoint = source->checkpoint && source->reader.facts.regular && options.directory != NULL;
    if (!source->checkpoint)
        return DV_OK;
    struct dv_checkpoint reached;
    bool found = false;
    DV_TRY(dv_checkpoint_open(&source->checkpoints, &options, &reached, &found, error));
    if (found && named)
        resume(source, &reached);
    return DV_OK;
}

dv_rc dv_line_source_open(struct dv_node *node)
{
    struct dv_line_source *source = dv_state(node);
    struct dv_error error = { 0 };
    struct dv_reader_options options = { .loop = dv_node_loop(node), .sys = &dv_sys_real, .path = source->path };
    source->node = node;
    options.follow = source->follow;
    options.record_max = (size_t)source->max_record;
    dv_rc rc = dv_reader_open(&source->reader, &options, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    source->source_seed = seed_of(source);
    bool named = name_from_head(source);
    rc = open_checkpoint(source, named, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    source->json = dv_json_reader_new(source->shape, (size_t)source->max_record);
    return source->json != NULL ? DV_OK : dv_fail(node, DV_E_FAILED, "no memory for the parser");
}

void dv_line_source_close(struct dv_node *node)
{
    struct dv_line_source *source = dv_state(node);
    source->held = NULL;
    if (source->checkpoint)
        (void)dv_checkpoint_close(&source->checkpoints);
    dv_reader_close(&source->reader);
    dv_json_reader_free(source->json);
    source->json = NULL;
    dv_claims_free(&source->claims);
}

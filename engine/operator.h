/* SPDX-License-Identifier: Apache-2.0
 * operator.h - how to write an operator: this file is the manual.
 *
 * An operator is a kind of node: a const struct with a name, an option table, the size of its state and four functions.
 * A graph file makes nodes of it. Copy operators/project.c for a transform, operators/sink_file.c for a sink,
 * operators/source_file.c for a source.
 *
 * How data flows. The runner offers a batch to process(): a full one to a transform or a sink, an empty one to a source.
 * The answer is
 *   DV_PASS  done: the batch goes on to the output (from a source: it is filled now; from a sink: it is durable now);
 *   DV_HOLD  not yet: the node keeps the batch and later calls dv_finish(node, batch, answer), never from inside
 *            process(). A HOLD must end by itself - a reply, a timer - never by waiting for another batch;
 *   DV_DROP  done, and nothing goes on (a window absorbed it, a filter took all of it);
 *   an error dv_fail(node, code, "..."). Its policy in errors.def says what happens: REJECT and RETRY keep the run going.
 * process() is called only when a batch is there, the node holds fewer than `held_max`, and every output has a free
 * slot. So no operator has code for "full". One bad record is taken out with dv_reject(); the rest goes on.
 *
 * Who owns what. The batch is lent to process() and, after DV_HOLD, until dv_finish(). Just read it, unless the operator
 * says `.edits`: then it has no other reader. Text for new values goes into the batch's arena. State lives in the
 * graph's arena and starts as zero; the option table fills it before transfer() and open().
 *
 * Several outputs. `.outputs` names them ("matched|rest"). process() sends at most one batch to each by dv_emit(), made
 * with dv_select() from the offered one, and answers DV_DROP.
 *
 * Batches of one's own. A window (`.makes`) keeps the receipts of what it absorbs with dv_keep_receipt(), asks with
 * dv_want() for an empty batch when it has something to say, gets it by process() with rows == 0, fills it, hands it the
 * receipts with dv_give_receipts() and answers DV_PASS. A source is offered empty batches until it calls dv_end(). When
 * the input has ended, process() of a window is called with NULL: what is left must be wanted now.
 *
 * Privacy. transfer() tells the schema that leaves, types and labels, for the schema that enters; the proof of
 * `datavault check` and the run use the same function. Who picks records by a column says so in `told` (fact.h). An exit
 * states its kind in `.exit` and the engine compares each batch's labels with what was proved. No field value may enter a
 * message: dv_reject() takes a literal. */
#ifndef DV_ENGINE_OPERATOR_H
#define DV_ENGINE_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/batch.h"
#include "engine/breaker.h"
#include "engine/error.h"
#include "engine/label.h"
#include "engine/loop.h"
#include "engine/option.h"
#include "engine/receipt.h"
#include "engine/schema.h"
#include "engine/service.h"

enum { DV_OUTPUTS_MAX = 8 };

struct dv_node;
struct dv_batch;
struct dv_exit_guard;
struct dv_gauge;

/* What it tells about a record that it leaves by an output: something about this column of the input. */
struct dv_told {
    bool any;
    bool exact; /* the value itself, as behind `equals`; else one bit of it */
    uint32_t column;
};

/* What an aggregate tells of the records that come in. */
struct dv_counts {
    bool any;
    bool noised;         /* and so tells nothing that could be compared */
    bool margins;        /* it hides totals, too */
    struct dv_strs by;   /* columns of its groups */
    struct dv_strs sums; /* columns it sums */
};

/* What transfer() is given and fills. */
struct dv_shape {
    const struct dv_schema *in;                   /* NULL for a source */
    const struct dv_schema *out[DV_OUTPUTS_MAX];  /* to fill: one per output; a sink has none */
    const struct dv_schema *cleared;              /* to fill by an exit that sends other columns than `in` */
    const struct dv_schema *shown;                /* to fill by an exit whose records another kind of exit will show: those columns */
    enum dv_exit shown_at;                        /* and which kind: they must be cleared for it, too */
    struct dv_told told[DV_OUTPUTS_MAX];          /* to fill by whoever sends only some records on, by what they hold */
    uint32_t subjects;                            /* to fill if each record that leaves is of so many subjects at least */
    struct dv_counts counts;                      /* to fill by an aggregate: two of one stream are compared (overlap.h) */
};

/* What the answers of a node cost in privacy: ε each, in billionths, and δ, at most one in every `every_ms`. */
struct dv_spending {
    int64_t epsilon_nano;
    double delta;
    int64_t every_ms;
    const char *dataset; /* the account is the graph's tenant, this and the node's name */
};

/* What a node kind is. Const, one per file, listed in operators/meson.build. */
struct dv_operator {
    const char *name;    /* the word after `op:` */
    const char *from;    /* sources: the word after `from:`; else NULL */
    const char *summary; /* one sentence */
    const struct dv_option *options;
    size_t size;         /* of the state */
    const char *outputs; /* "matched|rest", or NULL: one unnamed output */
    bool source;         /* no input */
    bool sink;           /* no output */
    bool edits;          /* changes the batches it is given */
    bool makes;          /* makes batches of its own (every source does) */
    uint8_t held_max;    /* batches it may hold at a time; 0 means 1 */
    uint8_t credits;     /* batches of its own it may have out at a time, unless a source's file says another number; 0 means 4 */
    enum dv_exit exit;
    /* After transfer(): whether records leave, of an exit that is one with some of its options only; NULL: they do. */
    bool (*leaves)(const struct dv_node *node);
    const struct dv_exit_guard *guard; /* an exit: what looks at the records that reach it */
    dv_rc (*transfer)(struct dv_node *node, struct dv_shape *shape); /* NULL: a sink that takes any columns */
    dv_rc (*open)(struct dv_node *node);
    dv_rc (*process)(struct dv_node *node, struct dv_batch *batch);
    void (*settle)(struct dv_node *node, const struct dv_receipt *receipt);
    void (*stop)(struct dv_node *node);          /* a source: read no more, call dv_end() soon */
    const char *(*waits)(struct dv_node *node);  /* why the node cannot go on now, a literal for /readyz; or NULL */
    /* Why what it gives is old or less than it should be, while all can go on and nothing can be lost: a literal for status; or NULL. */
    const char *(*troubles)(struct dv_node *node);
    /* A source: whether it works for itself, as on a commit, so that standing still is no rest. For the watchdog. */
    bool (*behind)(const struct dv_node *node);
    /* The circuit breaker of the index-th outside system it depends on; NULL behind the last. */
    const struct dv_breaker *(*breaker)(const struct dv_node *node, uint32_t index);
    /* After transfer(): false if the node charges no account of ε. */
    bool (*spends)(const struct dv_node *node, struct dv_spending *ret);
    /* After transfer(): what the guards of the exits behind it are to look for, too, in the graph's arena; or NULL. The guard knows
     * what it is. */
    const void *(*sought)(const struct dv_node *node);
    /* The index-th figure of its own, for /metrics, /v1/stats and the page; false behind the last. */
    bool (*gauge)(const struct dv_node *node, uint32_t index, struct dv_gauge *ret);
    void (*close)(struct dv_node *node);
};

/* The node's state: `size` bytes, filled from the options. */
void *dv_state(const struct dv_node *node);

/* The node's name in the graph. */
const char *dv_node_name(const struct dv_node *node);

/* The world, the graph's arena (lives as long as the graph), and scratch memory that is empty again at the next call. */
struct dv_loop *dv_node_loop(const struct dv_node *node);
struct dv_arena *dv_node_arena(const struct dv_node *node);
struct dv_arena *dv_node_scratch(struct dv_node *node);

/* The graph's tenant, a DV_NAME, and its name. */
const char *dv_node_tenant(const struct dv_node *node);
const char *dv_node_graph(const struct dv_node *node);

/* The most one batch may use, in bytes. */
int64_t dv_node_batch_bytes(const struct dv_node *node);

/* Another node of the same graph, by its name, or NULL; from open() on. */
struct dv_node *dv_node_named(const struct dv_node *node, const char *name);

/* What the rooms above lent; NULL if nobody provided it. */
void *dv_node_service(struct dv_node *node, enum dv_service service);

/* Fails: keeps the text for the log and status, and gives back `code`. Texts hold names and numbers, never a value. */
dv_rc dv_fail(struct dv_node *node, dv_rc code, const char *format, ...) DV_FORMAT(3, 4);

/* During transfer(): a finding at the option's place in the file (NULL: at the node). Gives back DV_E_CONFIG. */
dv_rc dv_refuse(struct dv_node *node, const char *option, const char *code, const char *help, const char *format, ...)
    DV_FORMAT(5, 6);

/* During transfer(): the index of the column an option names, or -1 after a finding with "did you mean". */
int dv_shape_column(struct dv_node *node, const struct dv_shape *shape, const char *option, const char *column);

/* During transfer(): the sub-tree's own place, for findings inside a DV_TREE. */
struct dv_diags *dv_node_diags(struct dv_node *node);

/* The directory of the graph file ("conf"), for what it names: `policies/x.yaml` is looked up beside it. */
const char *dv_node_directory(const struct dv_node *node);

/* Takes one row out of the batch: it goes sealed to the dead letters and is counted. `reason` is a literal. */
#define dv_reject(node, batch, row, code, reason) dv_reject_row((node), (batch), (row), (code), "" reason)
void dv_reject_row(struct dv_node *node, struct dv_batch *batch, uint32_t row, dv_rc code, const char *reason);

/* A source rejects input that never became a row: `raw` goes sealed to the dead letters. The batch is the one being
 * filled: its receipt also covers the rejected input. */
#define dv_reject_input(node, batch, raw, length, place, code, reason)                                                 \
    dv_reject_raw((node), (batch), (raw), (length), (place), (code), "" reason)
void dv_reject_raw(struct dv_node *node, struct dv_batch *batch, const char *raw, size_t length,
                   const struct dv_row *place, dv_rc code, const char *reason);

/* Ends a HOLD with the answers of process(). */
void dv_finish(struct dv_node *node, struct dv_batch *batch, dv_rc answer);

/* Ends the run with an error that is no batch's: what a node finds out between two, and no later one would mend. From the loop, not
 * inside process(); the batches that the node holds it must finish as well. */
void dv_halt(struct dv_node *node, dv_rc rc);

/* Sends `batch` to output number `output`; takes over the caller's reference. Only inside process(). */
void dv_emit(struct dv_node *node, uint32_t output, struct dv_batch *batch);

/* A batch with the given rows of `batch`, sharing its memory, with its receipt; the caller has the one reference. Inside
 * process() of an operator with named outputs this never fails for want of a batch; NULL: its arena is full. */
struct dv_batch *dv_select(struct dv_node *node, struct dv_batch *batch, const uint16_t *rows, uint32_t count);

/* Asks for an empty batch (a window with something to say). It comes before any more input does. */
void dv_want(struct dv_node *node);

/* During open(): it holds at most so many batches at a time, which is fewer than `held_max`. */
void dv_hold_at_most(struct dv_node *node, uint32_t batches);

/* Whether there is input for the node on its way, or a source before it that others keep from sending: who waits for a silence
 * has not heard one. */
bool dv_input_waits(const struct dv_node *node);

/* Whether nothing more can come to the node because windows keep as many receipts as there are: one must be told first. */
bool dv_input_starves(const struct dv_node *node);

/* Whether nothing more comes to the node before it has finished some of what it holds: its input has ended, a reload waits, or all
 * who could send have as much under way as they may. What it gathers need not wait then. Nobody is woken by it. */
bool dv_input_rests(const struct dv_node *node);

/* Tells whether a node's privacy budget is spent, so that what comes to it comes to nothing; and whether that is so on
 * every way behind `source`: who would send something there can be told at once. */
void dv_note_spent(struct dv_node *node, bool spent);
bool dv_leads_nowhere(const struct dv_node *source);

/* During transfer(): the most records that can have come to the node and come again after a crash: those of the batches that the
 * sources and windows before it may have out; of one that also feeds a window, of as many as there are receipts. */
uint64_t dv_records_under_way(const struct dv_node *node);

/* Counts answers kept back, and records that no answer counts. */
void dv_note_withheld(struct dv_node *node);
void dv_note_left_out(struct dv_node *node, uint64_t records);

/* A source will fill no more batches. */
void dv_end(struct dv_node *node);

/* A source tells which offsets the batch it fills claims; settle() gets them back. */
void dv_claim(struct dv_node *node, struct dv_batch *batch, uint64_t first, uint64_t last);

/* A window keeps the receipt of a batch it absorbs, and gives all it kept to a batch it makes. DV_E_LIMIT: no link. */
DV_CHECKED dv_rc dv_keep_receipt(struct dv_node *node, struct dv_keep *keep, struct dv_batch *batch);
void dv_give_receipts(struct dv_node *node, struct dv_keep *keep, struct dv_batch *batch);

#endif

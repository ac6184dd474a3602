/* SPDX-License-Identifier: Apache-2.0
 * guard.h - the last look at a text that leaves piece by piece: an answer word by word, a log, a stream.
 *
 *   rules = which types, what to do, how strong, known secrets: made once, shared by the streams of one thread
 *   guard = one stream: push() what comes, end() when it is over; what may leave is written at once
 *
 * A byte is held back while some continuation could still make it a part of a finding, and no longer: while a verifier
 * that looked at it would have to look past the end, or while a mark that is still to come could reach back to it
 * (detect_open.c). So "seen in the clin" holds "clin", which may become clin@example.org, and ". " lets it go. What leaves
 * does not depend on how the text was cut: it is what one push of the whole gives, and with the strength `patterns` what
 * dv_detect() finds in the whole text, in it without its escapes (decode.h), and without escapes in those. So an e-mail address
 * is found with \u0040, %40, &#64; or %2540 in it, wherever the stream was cut. Two things only a whole text can tell (dv_find()): that
 * it is quoted-printable is known here from the first sign of it on (a line that goes on, "=3D", two escapes side by side), and
 * what base64 holds is not looked at, nor are other disguises (fold.h), structure and what was found elsewhere in the text.
 *
 * `full` also asks the tagger, which needs company: text is let go at the ends of lines and sentences, and after
 * DV_GUARD_SEGMENT_MAX bytes at the latest; each such piece is a document of its own for dv_find().
 *
 * Memory is fixed: some 200 kB a stream. No more than DV_GUARD_HELD_MAX bytes are held undecided (in `full` a piece more). A match that is
 * longer, such as an address of the web of a thousand bytes, is covered to its end, which is then the next blank or control
 * character; the scan begins anew behind it. Work for a byte is bounded by what is held. No value is kept or told. */
#ifndef DV_PRIVACY_GUARD_H
#define DV_PRIVACY_GUARD_H

#include "engine/error.h"
#include "privacy/finder.h"
#include "privacy/guard_secret.h"

enum dv_guard_action {
    DV_GUARD_BLOCK,  /* the stream ends before the first finding, with DV_GUARD_MARKER */
    DV_GUARD_REDACT, /* a finding becomes "[TYPE]" */
    DV_GUARD_ALERT,  /* everything leaves at once; findings are counted */
};

enum dv_guard_strength { DV_GUARD_PATTERNS, DV_GUARD_FULL };

enum { DV_GUARD_HELD_MAX = 1024, DV_GUARD_STEP = 256, DV_GUARD_SEGMENT_MAX = 2048 };

#define DV_GUARD_MARKER "[BLOCKED]"

/* Where bytes go that may leave. They are lent for the call. */
struct dv_guard_out {
    void (*write)(void *data, const char *bytes, size_t length);
    void *data;
};

/* How rules are made. */
struct dv_guard_options {
    uint32_t types; /* bits 1u << type; secrets count always. Names and the like need DV_GUARD_FULL */
    enum dv_guard_action action;
    enum dv_guard_strength strength;
    const struct dv_secret *secrets; /* lent for the call */
    size_t secret_count;
};

/* Members are private. */
struct dv_guard_rules {
    struct dv_finder finder;
    struct dv_secrets secrets;
    struct dv_span *piece; /* scratch */
    uint32_t types;
    enum dv_guard_action action;
    enum dv_guard_strength strength;
};

/* Makes rules. DV_E_CONFIG, DV_E_LIMIT: see dv_secrets_open(). DV_E_MEMORY. Close them with dv_guard_rules_close(). */
DV_CHECKED dv_rc dv_guard_rules_open(struct dv_guard_rules *rules, const struct dv_guard_options *options);

/* Wipes and frees; no guard of them may be used any more. Accepts zeroed ones. */
void dv_guard_rules_close(struct dv_guard_rules *rules);

struct dv_guard;

/* A guard for one stream; `rules` must stay. DV_E_MEMORY. Close it with dv_guard_close(). */
DV_CHECKED dv_rc dv_guard_open(struct dv_guard **ret_guard, const struct dv_guard_rules *rules);

/* Takes the next bytes of the stream and writes those that may leave now. DV_E_LEAK: the stream is blocked, now or
 * before; what stood before the finding and the marker were written, and nothing more will be. */
DV_CHECKED dv_rc dv_guard_push(struct dv_guard *guard, const char *bytes, size_t length, const struct dv_guard_out *out);

/* The stream is over: writes the rest. Answers as dv_guard_push(). The guard may be used for a new stream. */
DV_CHECKED dv_rc dv_guard_end(struct dv_guard *guard, const struct dv_guard_out *out);

/* Whether there is a finding in a text, all of it a stream of its own: of a guard that blocks, between streams. */
bool dv_guard_finds(struct dv_guard *guard, const char *text, size_t length);

/* Bytes that are held back now. */
size_t dv_guard_held(const struct dv_guard *guard);

/* Findings of a type so far, over all streams of this guard; secrets and what was covered unread are DV_PII_OTHER. */
uint64_t dv_guard_count(const struct dv_guard *guard, enum dv_pii type);

/* Wipes and frees; accepts NULL. */
void dv_guard_close(struct dv_guard *guard);

#endif

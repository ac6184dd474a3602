/* SPDX-License-Identifier: Apache-2.0
 * redact.h - replaces the personal data in a text by its kind: "call 555-123-4567" becomes "call [PHONE]". */
#ifndef DV_PRIVACY_REDACT_H
#define DV_PRIVACY_REDACT_H

#include "engine/arena.h"
#include "engine/error.h"
#include "privacy/finder.h"

struct dv_surrogate;

enum { DV_REDACT_SPANS_MAX = 128 };

/* A text that is the caller's input (nothing found) or lives in the arena; not NUL-terminated. */
struct dv_redacted {
    const char *text;
    uint32_t length; /* bytes */
};

/* What stands in the place of a finding; all zero: its type in brackets. */
struct dv_redact_how {
    int64_t days; /* whole dates are moved by so many days; 0: as all findings */
    const struct dv_surrogate *surrogate; /* makes what stands for a finding, if it can; NULL: types. Its .people is not used */
};

/* Replaces each finding of `finder` in text[0..length) by "[TYPE]", or as `how` says where that can be done. Nothing
 * found: *ret_redacted is the input itself, uncopied, and must not outlive it. Past DV_REDACT_SPANS_MAX findings the rest
 * of the text becomes "[REDACTED]". Errors: DV_E_MEMORY when the arena is full, DV_E_LIMIT for a text of 4 GiB;
 * *ret_redacted is empty then. */
DV_CHECKED dv_rc dv_redact_with(const struct dv_finder *finder, const struct dv_redact_how *how, struct dv_arena *arena,
                                const char *text, size_t length, struct dv_redacted *ret_redacted);

/* The same for findings that are known already: spans[0..count), sorted and apart, at most DV_REDACT_SPANS_MAX. */
DV_CHECKED dv_rc dv_redact_found(const struct dv_span *spans, size_t count, const struct dv_redact_how *how,
                                 struct dv_arena *arena, const char *text, size_t length,
                                 struct dv_redacted *ret_redacted);

/* The same with the types alone. */
DV_CHECKED dv_rc dv_redact(const struct dv_finder *finder, struct dv_arena *arena, const char *text, size_t length,
                           struct dv_redacted *ret_redacted);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * error.h - result codes, their policies, and the error text that travels with them.
 *
 * Every function that can fail returns `dv_rc`, which the compiler makes the caller look at. The answers of an operator
 * (DV_PASS, DV_HOLD, DV_DROP) share the enum, so that `return dv_fail(...)` fits everywhere. A text says what happened,
 * where and what to do; it never holds a field's value. */
#ifndef DV_ENGINE_ERROR_H
#define DV_ENGINE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#define DV_CHECKED __attribute__((warn_unused_result))
#define DV_UNINITIALIZED __attribute__((uninitialized)) /* a large local that hardened builds need not zero */
#define DV_FORMAT(text, first) __attribute__((format(printf, text, first)))

/* The answers: 0..2 are an operator's, the rest come from errors.def. */
typedef enum dv_rc {
    DV_OK = 0,
    DV_PASS = 0, /* done; the batch goes on (a source: the batch is filled; a sink: it is durable) */
    DV_HOLD = 1, /* not done yet; dv_finish() will tell */
    DV_DROP = 2, /* done; nothing goes on */
#define DV_ERROR(code, policy, exit_code, text) code,
#include "engine/errors.def"
#undef DV_ERROR
    DV_RC_COUNT
} dv_rc;

/* What the engine does about an error. */
enum dv_policy { DV_POLICY_NONE, DV_POLICY_REFUSE, DV_POLICY_REJECT, DV_POLICY_RETRY, DV_POLICY_STOP };

enum { DV_ERROR_TEXT_MAX = 512 };

/* An error with its text; zero-initialise it. The caller owns it. */
struct dv_error {
    dv_rc code;
    char text[DV_ERROR_TEXT_MAX];
};

/* True for a code of errors.def. */
static inline int dv_is_error(dv_rc rc)
{
    return rc > DV_DROP;
}

/* Fills `error` (may be NULL) and gives back `code`, so that callers can `return dv_error_set(...)`. */
dv_rc dv_error_set(struct dv_error *error, dv_rc code, const char *format, ...) DV_FORMAT(3, 4);

/* The same with a va_list. */
dv_rc dv_error_setv(struct dv_error *error, dv_rc code, const char *format, va_list arguments);

/* The table's columns for a code: its text, its symbol ("DV_E_IO"), its policy and the exit code of the process. */
const char *dv_rc_text(dv_rc rc);
const char *dv_rc_name(dv_rc rc);
enum dv_policy dv_rc_policy(dv_rc rc);
int dv_rc_exit(dv_rc rc);

/* Ends the process with file and line if `condition` is false: a bug, never a user's mistake. Stays on in release. */
#define DV_ASSERT(condition) ((condition) ? (void)0 : dv_assert_failed(#condition, __FILE__, __LINE__))
__attribute__((noreturn)) void dv_assert_failed(const char *condition, const char *file, int line);

/* The unwinding guard: returns from the enclosing function with the code if `call` failed. */
#define DV_TRY(call)                                                                                                   \
    do {                                                                                                               \
        dv_rc dv_try_rc_ = (call);                                                                                     \
        if (dv_is_error(dv_try_rc_))                                                                                   \
            return dv_try_rc_;                                                                                         \
    } while (0)

#endif

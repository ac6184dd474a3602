/* SPDX-License-Identifier: Apache-2.0
 * ledger.h - what is left of a privacy budget, on the disk: `<state>/budgets/<tenant>/<dataset>/<operator>.budget`.
 *
 * A charge is durable before it answers DV_OK, and who releases something charges first. So whatever kills the program
 * whenever, what is spent is never less than what was released. A charge that would pass the limit is refused and changes
 * nothing. Charges of several processes wait for one another (a lock on a file beside it).
 *
 * It fails closed. An account is opened by dv_ledger_set() only: a file that is missing is no budget, not a fresh one. A
 * file in which any bit has changed, or that belongs to another account, releases nothing until somebody mends it. An
 * older copy that is put back cannot be told from the newest: keep the directory out of what is restored.
 *
 * The text, in one spelling only; numbers of ε are billionths:
 *
 *     datavault budget 1
 *     tenant hospital
 *     dataset healthcare
 *     operator by-diagnosis
 *     limit 10000000000
 *     spent 500000000
 *     charges 1
 *     check 0123456789abcdef
 */
#ifndef DV_CONNECTORS_LEDGER_H
#define DV_CONNECTORS_LEDGER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "connectors/sys.h"
#include "engine/error.h"

enum { DV_LEDGER_BYTES = 640, DV_LEDGER_NAME_MAX = 128 };

/* Which account; names are DV_NAMEs. The caller's memory. */
struct dv_account {
    const struct dv_sys *sys; /* &dv_sys_real */
    const char *state;        /* the directory of the setting `state` */
    const char *tenant, *dataset, *operator;
};

/* What tells the accounts of a tenant apart. */
struct dv_account_name {
    char dataset[DV_LEDGER_NAME_MAX + 1], operator[DV_LEDGER_NAME_MAX + 1];
};

/* What is in an account, in billionths of ε. `limit_nano` may be below what is spent after it was lowered. */
struct dv_budget {
    int64_t limit_nano, spent_nano;
    uint64_t charges;
};

/* All of these block, on the disk and for other processes: call them from a worker job or a command. Errors: DV_E_MISSING
 * (no budget was set), DV_E_TAMPER (the file is damaged), DV_E_IO and DV_E_FULL, DV_E_CONFIG (a path too long). */

/* Looks. */
DV_CHECKED dv_rc dv_ledger_read(const struct dv_account *account, struct dv_budget *ret, struct dv_error *error);

/* Spends `epsilon_nano` > 0, or DV_E_BUDGET. After any error nothing may be released; it may be spent all the same. *ret,
 * if not NULL, is what is there after it. */
DV_CHECKED dv_rc dv_ledger_charge(const struct dv_account *account, int64_t epsilon_nano, struct dv_budget *ret,
                                  struct dv_error *error);

/* Sets the limit ≥ 0, and opens the account if it is not there. What is spent stays spent. A damaged one stays damaged:
 * `spent_nano` ≥ 0 replaces it, and says what was spent so far; else it is -1. */
DV_CHECKED dv_rc dv_ledger_set(const struct dv_account *account, int64_t limit_nano, int64_t spent_nano,
                               struct dv_budget *ret, struct dv_error *error);

/* The names of the accounts that the tenant of `from` has, sorted, at most `max`; more: DV_E_LIMIT. */
DV_CHECKED dv_rc dv_ledger_list(const struct dv_account *from, struct dv_account_name *ret, uint32_t max,
                                uint32_t *ret_count, struct dv_error *error);

/* Billionths as people write them: 500000000 is "0.5". */
struct dv_decimal {
    char text[32];
};
struct dv_decimal dv_ledger_decimal(int64_t nano);

/* The text of an account, and what it says; false unless every byte is as it was printed. */
size_t dv_ledger_print(const struct dv_account *account, const struct dv_budget *budget, char ret[DV_LEDGER_BYTES]);
bool dv_ledger_parse(const struct dv_account *account, const char *text, size_t length, struct dv_budget *ret);

#endif

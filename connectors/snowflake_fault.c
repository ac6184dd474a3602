/* SPDX-License-Identifier: Apache-2.0
 * snowflake_fault.c - the tables of Snowflake's codes and statuses: what each means, and what is to be done.
 *
 * A code says more than a status, which gateways give, too. Codes are compared without "ERR_", underscores and case, and
 * what follows …_DOES_NOT_EXIST is not looked at: the same one is written in different ways. */
#include <string.h>

#include "connectors/snowflake_internal.h"

#define BUSY "Snowflake is busy or down"
#define OFTEN "Snowflake is asked too often"
#define REOPENED "the channel must be opened anew"
#define UNTOLD "the answer does not say that the rows were taken"
#define ELSEWHERE "the channel was opened by somebody else"
#define TOKEN "Snowflake does not accept the token: is the key the user's, and are account and user right?"
#define FORBIDDEN                                                                                                        \
    "Snowflake forbids this: is the account right, does a network policy keep this machine out, or may the user or the role not?"
#define EXPIRED "the token has expired, or is not one that Snowflake knows"

static const struct rule {
    const char *code;
    struct dv_snowflake_verdict verdict;
} codes[] = {
    /* tokens */
    { "390144", { DV_SNOWFLAKE_RENEW, DV_E_CONFIG, TOKEN } },
    { "390303", { DV_SNOWFLAKE_RENEW, DV_E_CONFIG, EXPIRED } },
    { "390318", { DV_SNOWFLAKE_RENEW, DV_E_CONFIG, EXPIRED } },
    { "STATUS_CODE_3", { DV_SNOWFLAKE_RENEW, DV_E_CONFIG, EXPIRED } },
    /* channels */
    { "STATUS_CODE_4", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, ELSEWHERE } },
    { "STALE_CONTINUATION_TOKEN_SEQUENCER", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, ELSEWHERE } },
    { "OPEN_CHANNEL_IN_PROGRESS", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, "somebody else is opening the channel" } },
    { "CHANNEL_HAS_UNCOMMITTED_DATA",
      { DV_SNOWFLAKE_SETTLE, DV_E_DEPENDENCY, "what was sent into the channel before is not committed yet" } },
    { "CHANNEL_MUST_BE_REOPENED", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, REOPENED } },
    { "CHANNEL_MUST_BE_REOPENED_DUE_TO_ROW_SEQ_GAP", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, REOPENED } },
    { "INVALID_CONTINUATION_TOKEN", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, REOPENED } },
    { "CHANNEL_HAS_INVALID_ROW_SEQUENCER", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, REOPENED } },
    { "CHANNEL_HAS_INVALID_CLIENT_SEQUENCER", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, REOPENED } },
    { "CHANNEL_DOES_NOT_EXIST", { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, "Snowflake does not know the channel any more" } },
    { "PIPE_DOES_NOT_EXIST",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such pipe, or the role may not use it" } },
    { "TABLE_DOES_NOT_EXIST",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such table, or the role may not use it" } },
    { "SCHEMA_DOES_NOT_EXIST",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such schema, or the role may not use it" } },
    { "DATABASE_DOES_NOT_EXIST",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such database, or the role may not use it" } },
    { "PIPE_IN_INVALID_STATE",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "the pipe is not in order, Snowflake says: SHOW PIPES may tell why" } },
    { "CHANNEL_LIMIT_EXCEEDED_FOR_TABLE",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "the table has as many channels as it may have: drop those that nobody uses" } },
    { "TABLE_OR_COLUMN_TYPE_NOT_SUPPORTED",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG,
        "rows cannot be streamed into this table: of its kind, or for a column's type, DEFAULT or AUTOINCREMENT" } },
    { "ReceiverSaturated", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, BUSY } },
    { "MemoryThresholdExceeded", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, BUSY } },
    { "MemoryThresholdExceededInContainer", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, BUSY } },
    { "HttpRetryableClientError", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, BUSY } },
    { "GENERAL_EXCEPTION_RETRY_REQUEST", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, BUSY } },
    { "390505", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, OFTEN } },
    { "390701", { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, OFTEN } },
    /* statements */
    { "000604", { DV_SNOWFLAKE_STOP, DV_E_FAILED, "the statement was cancelled in Snowflake" } },
    { "000606", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no warehouse, or the role may not use it" } },
    { "000608", { DV_SNOWFLAKE_STOP, DV_E_DEPENDENCY, "the warehouse is suspended and does not resume by itself" } },
    { "000625", { DV_SNOWFLAKE_STOP, DV_E_DEPENDENCY, "too many statements wait for the table" } },
    { "000709", { DV_SNOWFLAKE_STOP, DV_E_FAILED, "Snowflake does not know the statement any more" } },
    { "000904", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "the table has no such column" } },
    { "001003", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "the statement is not one that Snowflake can compile" } },
    { "001044",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "a function cannot be given values of these types: is the table of another kind?" } },
    { "001795", { DV_SNOWFLAKE_STOP, DV_E_LIMIT, "the statement's list is too long" } },
    { "002003",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "what the statement names does not exist, or the role may not use it" } },
    { "090073", { DV_SNOWFLAKE_STOP, DV_E_DEPENDENCY, "a resource monitor keeps the warehouse from resuming" } },
    { "002043",
      { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "what the statement names does not exist, or the role may not use it" } },
    { "100037", { DV_SNOWFLAKE_STOP, DV_E_DATA, "a value does not fit its column" } },
    { "390142", { DV_SNOWFLAKE_STOP, DV_E_FAILED, "Snowflake does not understand the request" } },
    { "391902", { DV_SNOWFLAKE_STOP, DV_E_FAILED, "Snowflake does not understand the request" } },
    { "391908", { DV_SNOWFLAKE_STOP, DV_E_LIMIT, "the statement's result is too large" } },
    { "390189", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such role, or the user does not have it" } },
    { "391919", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such schema, or the role may not use it" } },
    { "391918", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such database, or the role may not use it" } },
    { "391920", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "there is no such warehouse, or the role may not use it" } },
};

/* By the class, of a statement that was refused. */
static const struct rule sqlstates[] = {
    { "22", { DV_SNOWFLAKE_STOP, DV_E_DATA, "a value does not fit its column" } },
    { "23", { DV_SNOWFLAKE_STOP, DV_E_DATA, "a row breaks a rule of the table" } },
    { "02", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "what the statement names does not exist, or the role may not use it" } },
    { "42", { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "the statement names what is not there, or what the role may not use" } },
};

/* The first row of a status counts. */
static const struct status_rule {
    unsigned from, to;
    bool of_sql, of_channel;
    struct dv_snowflake_verdict verdict;
} statuses[] = {
    { 202, 202, true, false, { DV_SNOWFLAKE_RUNNING, DV_OK, NULL } },
    { 200, 299, true, true, { DV_SNOWFLAKE_FINE, DV_OK, NULL } },
    { 300, 399, true, true, { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "Snowflake redirects, which is not followed" } },
    { 401, 401, true, true, { DV_SNOWFLAKE_RENEW, DV_E_CONFIG, TOKEN } },
    { 403, 403, true, false, { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "Snowflake forbids this to the user or the role" } },
    { 403, 403, false, true, { DV_SNOWFLAKE_RENEW, DV_E_CONFIG, "Snowflake forbids this to the user or the role" } },
    { 404, 405, true, true, { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "Snowflake has no such path: is the account right?" } },
    { 408,
      408,
      true,
      false,
      { DV_SNOWFLAKE_STOP, DV_E_DEPENDENCY, "the statement took longer than it may, and was cancelled" } },
    { 408, 408, false, true, { DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY, BUSY } },
    { 409, 409, false, true, { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, REOPENED } },
    { 413, 413, true, true, { DV_SNOWFLAKE_LARGE, DV_E_LIMIT, "the request is too large for Snowflake" } },
    { 422, 422, true, false, { DV_SNOWFLAKE_STOP, DV_E_FAILED, "Snowflake refuses the statement" } },
    { 429, 429, true, true, { DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY, OFTEN } },
    { 522, 522, true, true, { DV_SNOWFLAKE_STOP, DV_E_CONFIG, "Snowflake's front does not trust its own server" } },
    { 500, 599, true, true, { DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY, BUSY } },
    { 400, 400, false, true, { DV_SNOWFLAKE_LARGE, DV_E_DATA, "Snowflake refuses the rows" } },
    { 422, 422, false, true, { DV_SNOWFLAKE_LARGE, DV_E_DATA, "Snowflake refuses the rows" } },
    { 400, 499, true, true, { DV_SNOWFLAKE_STOP, DV_E_FAILED, "Snowflake does not understand the request" } },
};

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* …_NOT_AUTHORIZED behind a code of what is not there comes with and without OR, and OR_IS. */
static bool is_absence(const char *known)
{
    static const char end[] = "_DOES_NOT_EXIST";
    size_t length = strlen(known);
    return length > sizeof end - 1 && strcmp(known + length - (sizeof end - 1), end) == 0;
}

static bool same_code(const char *code, const char *known)
{
    const char *other = known;
    for (;; code++, other++) {
        code += strspn(code, "_");
        other += strspn(other, "_");
        if (*other == '\0')
            return *code == '\0' || is_absence(known);
        if (folded(*code) != folded(*other))
            return false;
    }
}

static const struct dv_snowflake_verdict *by_code(const char *code)
{
    const char *bare = strncmp(code, "ERR_", 4) == 0 ? code + 4 : code;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (same_code(bare, codes[i].code))
            return &codes[i].verdict;
    return NULL;
}

static const struct dv_snowflake_verdict *by_state(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof sqlstates / sizeof sqlstates[0]; i++)
        if (strncmp(sqlstate, sqlstates[i].code, strlen(sqlstates[i].code)) == 0)
            return &sqlstates[i].verdict;
    return NULL;
}

/* A number in an answer of 2xx to a channel is 0, or that of what is wrong. */
static const struct dv_snowflake_verdict *by_number(unsigned status, const char *code)
{
    static const struct dv_snowflake_verdict untold = { DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY, UNTOLD };
    bool numbered = status >= 200 && status < 300 && strncmp(code, "STATUS_CODE_", 12) == 0;
    return numbered ? &untold : NULL;
}

struct dv_snowflake_verdict dv_snowflake_judge(enum dv_snowflake_side side, unsigned status, const char *code,
                                               const char *sqlstate)
{
    const struct dv_snowflake_verdict *known = by_code(code);
    if (known == NULL && side == DV_SNOWFLAKE_SQL && status == 422)
        known = by_state(sqlstate);
    if (known == NULL && side == DV_SNOWFLAKE_CHANNEL)
        known = by_number(status, code);
    for (size_t i = 0; known == NULL && i < sizeof statuses / sizeof statuses[0]; i++)
        if (status >= statuses[i].from && status <= statuses[i].to &&
            (side == DV_SNOWFLAKE_SQL ? statuses[i].of_sql : statuses[i].of_channel))
            known = &statuses[i].verdict;
    if (known != NULL)
        return (struct dv_snowflake_verdict){ known->action, known->rc,
                                              status == 403 && code[0] == '\0' ? FORBIDDEN : known->reason };
    return (struct dv_snowflake_verdict){ DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY,
                                          "what answers does not speak as Snowflake does" };
}

bool dv_snowflake_is_gone(const struct dv_snowflake_call *call)
{
    const enum dv_snowflake_action action = call->verdict.action;
    return call->request.status == 404 && (action == DV_SNOWFLAKE_STOP || action == DV_SNOWFLAKE_REOPEN);
}

bool dv_snowflake_is_disturbed(const struct dv_snowflake_statement *statement)
{
    /* somebody ended it; in each other's way; connection; out of something; system; internal */
    static const char *const classes[] = { "57", "40", "08", "53", "58", "XX" };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(statement->sqlstate, classes[i], 2) == 0)
            return true;
    return strcmp(statement->code, "000604") == 0 || strcmp(statement->code, "000709") == 0;
}

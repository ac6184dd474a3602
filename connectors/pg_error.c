/* SPDX-License-Identifier: Apache-2.0
 * pg_error.c - the table of SQLSTATEs: whose fault it is, and whether it heals. */
#include "connectors/pg_error.h"

#include <string.h>

enum { SQLSTATE_LENGTH = 5 };

#define MIGRATE "; run: datavault migrate GRAPH.yaml"

/* The first row that a code begins with counts. */
static const struct {
    const char *prefix;
    dv_rc rc;
    bool reconnects; /* what the connection was prepared for does not hold any more */
    const char *reason;
} meanings[] = {
    { "08", DV_E_DEPENDENCY, true, "the connection to the server was lost" },
    { "0A000", DV_E_DEPENDENCY, true, "the table was changed under a prepared statement" },
    { "0B", DV_E_DEPENDENCY, false, "the server refuses a transaction" },
    { "22", DV_E_DATA, false, NULL },
    { "23505", DV_E_DATA, false, "another unique index of the table refuses records: drop it, or name another table" },
    { "23", DV_E_DATA, false, NULL },
    { "25", DV_E_DEPENDENCY, true, "the server takes no writes" },
    { "26", DV_E_DEPENDENCY, true, "the server has lost a prepared statement" },
    { "28", DV_E_CONFIG, true, "the server refuses user or password" },
    { "3D", DV_E_CONFIG, true, "there is no such database" },
    { "3F", DV_E_CONFIG, true, "there is no such schema" MIGRATE },
    { "40", DV_E_DEPENDENCY, false, "the transaction met another one" },
    { "42501", DV_E_CONFIG, true, "permission denied: the role needs USAGE on the schema, SELECT and INSERT on the table (with an owner, UPDATE on fences, too)" },
    { "42P01", DV_E_CONFIG, true, "there is no such table" MIGRATE },
    { "42", DV_E_CONFIG, true, "the table is not of the form that it must have; another one can be made by: datavault migrate GRAPH.yaml" },
    { "53100", DV_E_FULL, false, "no space left on the server's disk" },
    { "53", DV_E_DEPENDENCY, false, "the server is short of memory or connections" },
    { "54", DV_E_DATA, false, NULL },
    { "55P03", DV_E_DEPENDENCY, true, "somebody has locked the table" },
    { "55", DV_E_DEPENDENCY, false, "the table is locked" },
    { "57014", DV_E_DEPENDENCY, false, "the statement took too long" },
    { "57", DV_E_DEPENDENCY, true, "the server is starting or stopping" },
    { "58", DV_E_DEPENDENCY, false, "the server cannot read or write its files" },
    { "XX001", DV_E_FAILED, false, "the server says that its data is damaged" },
    { "XX002", DV_E_FAILED, false, "the server says that its index is damaged" },
};

static bool is_sqlstate(const char *text)
{
    return text != NULL && strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= SQLSTATE_LENGTH;
}

struct dv_pg_outcome dv_pg_outcome_make(dv_rc rc, const char *reason)
{
    return (struct dv_pg_outcome){ .rc = rc, .reason = reason, .reconnects = rc == DV_E_DEPENDENCY };
}

struct dv_pg_outcome dv_pg_outcome_of(const char *sqlstate)
{
    if (sqlstate == NULL)
        return dv_pg_outcome_make(DV_E_DEPENDENCY, "the connection to the server was lost");
    struct dv_pg_outcome outcome = { .rc = DV_E_IO, .reason = "the server reports an error" };
    if (!is_sqlstate(sqlstate))
        return outcome;
    memcpy(outcome.sqlstate, sqlstate, SQLSTATE_LENGTH);
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strncmp(outcome.sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) != 0)
            continue;
        outcome.rc = meanings[i].rc;
        outcome.reason = meanings[i].reason;
        outcome.reconnects = meanings[i].reconnects;
        break;
    }
    return outcome;
}

/* "… FATAL:  28P01\n": the code stands behind the last blank. */
static const char *last_word(const char *message, char word[SQLSTATE_LENGTH + 1])
{
    size_t length = strlen(message);
    while (length > 0 && message[length - 1] == '\n')
        length--;
    if (length < SQLSTATE_LENGTH + 2 || message[length - SQLSTATE_LENGTH - 1] != ' ' ||
        message[length - SQLSTATE_LENGTH - 2] != ' ')
        return NULL;
    memcpy(word, message + length - SQLSTATE_LENGTH, SQLSTATE_LENGTH);
    word[SQLSTATE_LENGTH] = '\0';
    return is_sqlstate(word) ? word : NULL;
}

/* libpq's own texts, which have no code. Those about TLS come first: they also name the server. */
static const struct {
    const char *part;
    dv_rc rc;
    const char *reason;
} own_texts[] = {
    { "does not match host name", DV_E_CONFIG, "TLS: the server's certificate is for another name" },
    { "root certificate file", DV_E_CONFIG, "TLS: there is no file of authorities; name one by sslrootcert in the URL" },
    { "certificate", DV_E_CONFIG, "TLS: the server's certificate is not one to trust" },
    { "does not support SSL", DV_E_CONFIG, "TLS: the server has none; for a trusted network say sslmode=disable in the URL" },
    { "SSL", DV_E_DEPENDENCY, "TLS: the server and we do not come together" },
    { "no password supplied", DV_E_CONFIG, "the server asks for a password, and there is none" },
    { "session is read-only", DV_E_DEPENDENCY, "the server takes no writes" },
    { "invalid", DV_E_CONFIG, "the URL has an option with a wrong value" },
};

struct dv_pg_outcome dv_pg_outcome_of_message(const char *message)
{
    char word[SQLSTATE_LENGTH + 1];
    if (message == NULL)
        message = "";
    if (last_word(message, word) != NULL) {
        struct dv_pg_outcome outcome = dv_pg_outcome_of(word);
        outcome.reconnects = true;
        return outcome;
    }
    for (size_t i = 0; i < sizeof own_texts / sizeof own_texts[0]; i++)
        if (strstr(message, own_texts[i].part) != NULL)
            return (struct dv_pg_outcome){ .rc = own_texts[i].rc, .reason = own_texts[i].reason, .reconnects = true };
    return dv_pg_outcome_make(DV_E_DEPENDENCY, "the server cannot be reached");
}

dv_rc dv_pg_outcome_error(const struct dv_pg_outcome *outcome, struct dv_error *error)
{
    const char *reason = outcome->reason != NULL ? outcome->reason : dv_rc_text(outcome->rc);
    if (outcome->sqlstate[0] == '\0')
        return dv_error_set(error, outcome->rc, "PostgreSQL: %s", reason);
    return dv_error_set(error, outcome->rc, "PostgreSQL: %s (SQLSTATE %s)", reason, outcome->sqlstate);
}

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_sql.c - the words of a statement, as far as it takes to tell reading from all else. */
#include "connectors/snowflake_sql.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NOT_CLOSED "a text, a name or a comment in the statement is not closed"
#define NOT_READING "only statements that read are run: they begin with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN"
#define NOT_SELECT "a WITH is only run if it ends in a SELECT"
#define SEVERAL "only one statement is run at a time"
#define NOTHING "there is no statement"

/* What stands next. */
enum token { END, WORD, OPEN, CLOSE, SEMICOLON, FLOW, MARK, OTHER, BROKEN };

/* A statement being read. */
struct reading {
    const char *at;
    const char *word; /* the last one */
    size_t length;
    uint32_t marks;
    int depth, base; /* of parentheses; before the word that says what is done */
    enum token last;
    bool begun;      /* the first word was read */
    bool with;       /* a WITH whose SELECT was not read yet */
    bool over;       /* the semicolon */
};

static const char *const reading_words[] = { "SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN" };
static const char *const doing_words[] = { "PROCEDURE", "CALL", "INSERT", "UPDATE", "DELETE", "MERGE", "EXECUTE", "CREATE", "DROP", "ALTER", "TRUNCATE" };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Past a text in quotes: doubled they belong to it, and in a text (not in a name) a backslash takes the next one with it. */
static bool skip_quoted(const char **at)
{
    char quote = **at;
    for ((*at)++; **at != '\0'; (*at)++) {
        if (quote == '\'' && **at == '\\' && (*at)[1] != '\0') {
            (*at)++;
        } else if (**at == quote) {
            if ((*at)[1] != quote) {
                (*at)++;
                return true;
            }
            (*at)++;
        }
    }
    return false;
}

/* Past everything up to `end`, with it. */
static bool skip_to(const char **at, const char *end)
{
    const char *found = strstr(*at + 2, end);
    if (found != NULL)
        *at = found + strlen(end);
    return found != NULL;
}

/* Past blanks and comments; false: one is not closed. */
static bool skip_blank(const char **at)
{
    for (;;) {
        *at += strspn(*at, " \t\r\n\v\f");
        if (strncmp(*at, "--", 2) == 0 || strncmp(*at, "//", 2) == 0)
            *at += strcspn(*at, "\n");
        else if (strncmp(*at, "/*", 2) != 0)
            return true;
        else if (!skip_to(at, "*/"))
            return false;
    }
}

static enum token take_word(struct reading *reading)
{
    reading->word = reading->at;
    while (is_word(*reading->at))
        reading->at++;
    reading->length = (size_t)(reading->at - reading->word);
    return WORD;
}

static enum token next(struct reading *reading)
{
    if (!skip_blank(&reading->at))
        return BROKEN;
    const char *at = reading->at;
    if (*at == '\0')
        return END;
    if (*at == '\'' || *at == '"')
        return skip_quoted(&reading->at) ? OTHER : BROKEN;
    if (strncmp(at, "$$", 2) == 0)
        return skip_to(&reading->at, "$$") ? OTHER : BROKEN;
    if (is_word(*at))
        return take_word(reading);
    if (strncmp(at, "->>", 3) == 0) {
        reading->at += 3;
        return FLOW;
    }
    reading->at++;
    return *at == '(' ? OPEN : *at == ')' ? CLOSE : *at == ';' ? SEMICOLON : *at == '?' ? MARK : OTHER;
}

static bool is_one_of(const struct reading *reading, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == reading->length && strncasecmp(words[i], reading->word, reading->length) == 0)
            return true;
    return false;
}

static bool says(const struct reading *reading, const char *word)
{
    return is_one_of(reading, &word, 1);
}

static const char *read_word(struct reading *reading)
{
    if (!reading->begun) {
        reading->begun = true;
        reading->base = reading->depth;
        reading->with = says(reading, "WITH");
        return is_one_of(reading, reading_words, sizeof reading_words / sizeof reading_words[0]) ? NULL : NOT_READING;
    }
    if (!reading->with || reading->depth != reading->base)
        return NULL;
    reading->with = !says(reading, "SELECT");
    return is_one_of(reading, doing_words, sizeof doing_words / sizeof doing_words[0]) ? NOT_SELECT : NULL;
}

static const char *read_token(struct reading *reading, enum token token)
{
    if (token == BROKEN)
        return NOT_CLOSED;
    if (token == SEMICOLON) {
        reading->over = true;
        return reading->with ? NOT_SELECT : reading->begun ? NULL : NOTHING;
    }
    if (reading->over)
        return SEVERAL;
    if (token == WORD)
        return read_word(reading);
    /* A SELECT may stand in parentheses of its own, behind those of the last table; names and AS come before all others. */
    if (token == OPEN && reading->with && reading->depth == reading->base && (reading->last == CLOSE || reading->last == OPEN))
        reading->base++;
    reading->depth += token == OPEN ? 1 : token == CLOSE ? -1 : 0;
    reading->marks += token == MARK;
    if (token == FLOW) { /* another statement */
        if (reading->with)
            return NOT_SELECT;
        reading->begun = false;
        reading->depth = 0;
        return NULL;
    }
    return reading->begun || token == OPEN ? NULL : NOT_READING;
}

const char *dv_snowflake_sql_fault(const char *sql, uint32_t *ret_marks)
{
    struct reading reading = { .at = sql };
    const char *fault = NULL;
    for (enum token token; fault == NULL && (token = next(&reading)) != END; reading.last = token)
        fault = read_token(&reading, token);
    if (ret_marks != NULL)
        *ret_marks = reading.marks;
    if (fault == NULL && !reading.begun)
        fault = NOTHING;
    return fault == NULL && reading.with ? NOT_SELECT : fault;
}

static dv_rc read_all(FILE *file, const char *path, char *text, size_t most, struct dv_error *error)
{
    size_t length = fread(text, 1, most + 1, file);
    if (ferror(file) != 0)
        return dv_error_set(error, DV_E_IO, "%s: %s", path, strerror(errno));
    if (length > most)
        return dv_error_set(error, DV_E_LIMIT, "%s: a statement has at most %zu bytes", path, most);
    if (memchr(text, '\0', length) != NULL)
        return dv_error_set(error, DV_E_DATA, "%s: this is no text", path);
    text[length] = '\0';
    return DV_OK;
}

dv_rc dv_snowflake_sql_read(const char *path, char *text, size_t most, struct dv_error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL)
        return dv_error_set(error, errno == ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s", path, strerror(errno));
    dv_rc rc = read_all(file, path, text, most, error);
    if (file != stdin)
        (void)fclose(file);
    return rc;
}

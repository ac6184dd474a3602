/* SPDX-License-Identifier: Apache-2.0
 * snowflake_script.h - Snowflake as a test wrote it, in a simulated world: what it answers to which path. */
#ifndef DV_TESTS_SNOWFLAKE_SCRIPT_H
#define DV_TESTS_SNOWFLAKE_SCRIPT_H

#include "connectors/snowflake.h"

enum { SNOW_REPLIES_MAX = 64, SNOW_ASKED_MAX = 256, SNOW_TEXT_MAX = 2048 };

/* What is answered to a request whose path has `to` in it. */
struct snow_reply {
    const char *to; /* NULL: any */
    unsigned status;
    const char *body;
    size_t length; /* 0: that of the text */
    dv_rc rc;      /* how the connection ends */
    const char *reason;
    uint32_t retry_after_s;
    int64_t date_s;
    const char *session; /* of the header; NULL: none */
    bool never; /* no answer: until it is cancelled */
    int times;  /* 0: once; -1: ever again */
    int used;   /* private */
};

/* What was asked. */
struct snow_asked {
    char method[8], path[SNOW_TEXT_MAX], body[SNOW_TEXT_MAX];
    char headers[3 * SNOW_TEXT_MAX]; /* "Name: value\n" each */
    size_t length;
    uint64_t at_ms;
};

/* The service, the world, and the connector. Zero-initialise. */
struct snow_script {
    struct dv_http base;
    struct dv_loop_sim loop;
    struct dv_snowflake snowflake;
    struct dv_timer timer;
    struct snow_reply replies[SNOW_REPLIES_MAX];
    uint32_t reply_count, asked_count, cancelled;
    struct snow_asked asked[SNOW_ASKED_MAX];
    struct dv_http_request *open[DV_HTTP_REQUESTS_MAX];
    uint32_t open_count;
};

/* For cmocka: *state is a script. At the end nothing may be left to happen. */
int snow_setup(void **state);
int snow_teardown(void **state);

/* Opens the connector, by default with a key of its own in SNOW_TEST_KEY and the account "org-acc". */
void snow_open(struct snow_script *script, const struct dv_snowflake_config *config);
void snow_close(struct snow_script *script);

/* The configuration that is used by default; and the test's RSA key, made once. */
struct dv_snowflake_config snow_config(void);
struct evp_pkey_st *snow_key(void);

/* Adds a reply; gives it back to be changed. */
struct snow_reply *snow_reply(struct snow_script *script, const char *to, unsigned status, const char *body);

/* Runs the world until nothing happens any more, or until so many ms have passed. */
void snow_run(struct snow_script *script);
void snow_run_ms(struct snow_script *script, uint64_t ms);

/* The n-th request whose path has this in it, from 0, or NULL; and how many there were. */
const struct snow_asked *snow_asked(const struct snow_script *script, const char *to, unsigned nth);
unsigned snow_count(const struct snow_script *script, const char *to);

/* ---- statements ---- */

/* An answer with a result of two columns, "1,~;\xc3\xa4,x;" as text; its beginning; and that it is not over yet. */
#define SNOW_HEAD(rows, partitions)                                                                                    \
    "{\"code\":\"090001\",\"sqlState\":\"00000\",\"statementHandle\":\"h-1\",\"resultSetMetaData\":{\"numRows\":" rows \
    ","                                                                                                                \
    "\"rowType\":[{\"name\":\"A\"},{\"name\":\"B\"}],\"partitionInfo\":[" partitions "]}"
#define SNOW_RESULT SNOW_HEAD("2", "{}") ",\"data\":[[\"1\",null],[\"\\u00e4\",\"x\"]]}"
#define SNOW_RESULT_TEXT "1,~;\xc3\xa4,x;"
#define SNOW_RUNNING "{\"code\":\"333334\",\"statementHandle\":\"h-1\"}"

/* A statement as it came out. */
struct snow_outcome {
    struct dv_snowflake_statement statement;
    struct snow_script *script;
    char text[256];
    unsigned ends;
    unsigned cancel_at; /* at this row */
};

/* Opens the connector as it is by default; and once more, with an empty script. */
void snow_open_default(struct snow_script *script);
void snow_open_again(struct snow_script *script);

/* Runs a statement: begins, and must have begun; or to its end. */
dv_rc snow_try(struct snow_script *script, struct snow_outcome *outcome);
void snow_begin(struct snow_script *script, struct snow_outcome *outcome);
void snow_ask(struct snow_script *script, struct snow_outcome *outcome);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * snowflake_owner.h - a channel's owner, who writes down what he is told, before a scripted Snowflake. */
#ifndef DV_TESTS_SNOWFLAKE_OWNER_H
#define DV_TESTS_SNOWFLAKE_OWNER_H

#include "connectors/snowflake_channel.h"
#include "tests/unit/snowflake_script.h"

/* Answers; offsets are JSON: "\"0007\"" or "null". */
#define SNOW_HOST "{\"hostname\":\"in_gest.example.com\"}"
#define SNOW_SCOPED "{\"token\":\"scoped-1\"}"
#define SNOW_STATUS(offset, errors)                                                                                    \
    "{\"channel_status_code\":\"SUCCESS\",\"last_committed_offset_token\":" offset ",\"rows_error_count\":" errors "}"
#define SNOW_OPENED(offset) "{\"next_continuation_token\":\"1_1\",\"channel_status\":" SNOW_STATUS(offset, "3") "}"
#define SNOW_TAKEN "{\"next_continuation_token\":\"1_2\"}"
#define SNOW_LOOK(offset, errors) "{\"channel_statuses\":{\"c 1\":" SNOW_STATUS(offset, errors) "}}"

/* A channel, its owner, and what he was told. */
struct snow_owner {
    struct snow_script *script;
    struct dv_snowflake_channel channel;
    struct dv_snowflake_append append;
    struct dv_snowflake_rows rows;
    char told[1024];
    const char *first, *last; /* what is appended when it is open; NULL: nothing */
    unsigned left;            /* so often */
    bool closes;              /* inside the first callback */
};

/* For cmocka: *state is an owner with a script. */
int owner_setup(void **state);
int owner_teardown(void **state);

/* Writes down that he was told something, and closes the channel if he is to. */
void owner_tell(struct snow_owner *owner, const char *what, const char *text, unsigned number);

/* The channel "c 1" of his; and opens it, when he knows of an offset or (NULL) of none. */
struct dv_snowflake_channel_config owner_config_of(struct snow_owner *owner);
void owner_open_known(struct snow_owner *owner, const char *known);

/* The usual beginning; what stands before it in the script comes first. `opened` is what opening answers, or NULL. */
void owner_script_start(struct snow_owner *owner, const char *opened);

/* Everything anew, with an empty script. */
void owner_start_again(struct snow_owner *owner);

/* Rows with these offsets, which he appends so often when the channel is open; and once now, if any are left. */
void owner_fill_rows(struct snow_owner *owner, const char *first, const char *last, unsigned times);
void owner_append(struct snow_owner *owner);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_count.c - one statement, and the one number that it gives. */
#include "operators/sink_snowflake_count.h"

#include <openssl/rand.h>

enum { DIGITS_MAX = 18 };

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t columns)
{
    struct dv_snow_count *count = statement->data;
    uint64_t number = 0;
    if (columns != 1 || cells[0].at == NULL || cells[0].length > DIGITS_MAX)
        return;
    for (size_t i = 0; i < cells[0].length; i++) {
        if (cells[0].at[i] < '0' || cells[0].at[i] > '9')
            return;
        number = 10 * number + (uint64_t)(cells[0].at[i] - '0');
    }
    count->found = number;
}

static void end(struct dv_snow_count *count, dv_rc rc, const char *reason)
{
    count->rc = rc;
    count->reason = reason;
    count->snowflake = NULL;
    count->on_end(count);
}

dv_rc dv_snow_asked(const struct dv_snowflake_statement *statement)
{
    return statement->rc != DV_OK && dv_snowflake_is_disturbed(statement) ? DV_E_DEPENDENCY : statement->rc;
}

static void on_statement_end(struct dv_snowflake_statement *statement)
{
    end(statement->data, dv_snow_asked(statement), statement->reason);
}

void dv_snow_count_start(struct dv_snow_count *count, struct dv_snowflake *snowflake, const char *sql,
                         struct dv_snowflake_text array)
{
    struct dv_snowflake_statement *statement = &count->statement;
    count->snowflake = snowflake;
    count->found = 0;
    count->bind.value = array;
    *statement = (struct dv_snowflake_statement){ .sql = sql,
                                                  .binds = &count->bind,
                                                  .bind_count = 1,
                                                  .tag = "datavault-count",
                                                  .on_row = on_row,
                                                  .on_end = on_statement_end,
                                                  .data = count };
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1 ||
        dv_snowflake_run(snowflake, statement) != DV_OK)
        end(count, DV_E_MEMORY, "no memory for a request");
}

void dv_snow_count_close(struct dv_snow_count *count)
{
    if (count->snowflake != NULL)
        dv_snowflake_cancel(count->snowflake, &count->statement);
    count->snowflake = NULL;
}

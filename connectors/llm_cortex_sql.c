/* SPDX-License-Identifier: Apache-2.0
 * llm_cortex_sql.c - vectors by a statement of SQL, AI_EMBED: for whom Cortex' REST interface is closed. It needs a warehouse.
 *
 * One statement makes the vectors of a request's texts, which are one value of it: a JSON array. Rows come in their order, a vector
 * as text. Snowflake's connector tries again by itself and sends a statement that may have been executed under its old id; what it
 * gives up is not tried once more here. Tokens are not told: they are guessed by the bytes. */
#include <openssl/rand.h>
#include <string.h>

#include "connectors/llm_internal.h"
#include "connectors/snowflake.h"

static const char statement_text[] =
    "SELECT f.index, AI_EMBED(?, f.value::VARCHAR) FROM TABLE(FLATTEN(PARSE_JSON(?))) f ORDER BY 1";

dv_rc dv_llm_sql_open(struct dv_llm *llm, struct dv_error *error)
{
    const struct dv_llm_config *config = &llm->config;
    const struct dv_snowflake_config account = { .loop = config->loop,
                                                 .url = config->url,
                                                 .identity = config->identity,
                                                 .role = config->role,
                                                 .warehouse = config->warehouse,
                                                 .ca = config->ca,
                                                 .deadlines = config->deadlines,
                                                 .pause_ms = config->pause_ms,
                                                 .http = config->http };
    DV_ASSERT(config->snowflake != NULL);
    return dv_snowflake_open(config->snowflake, &account, error);
}

void dv_llm_sql_cancel(struct dv_llm_talk *talk)
{
    dv_snowflake_cancel(talk->llm->config.snowflake, &talk->statement);
    talk->ran = talk->statement.executed && talk->texts_done == 0;
}

static bool write_texts(const struct dv_llm_talk *talk, struct dv_json *json)
{
    dv_llm_cortex_texts(json, talk->embedding);
    return true;
}

/* ---- rows ---- */

/* Whether it is the number of the row that is to come next. */
static bool is_next(const struct dv_llm_talk *talk, const struct dv_snowflake_text *cell)
{
    uint32_t number = 0;
    if (cell->at == NULL || cell->length == 0 || cell->length > 3)
        return false;
    for (size_t i = 0; i < cell->length; i++) {
        if (cell->at[i] < '0' || cell->at[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(cell->at[i] - '0');
    }
    return number == talk->texts_done && number < talk->embedding->count;
}

static bool take_vector(struct dv_llm_talk *talk, const struct dv_snowflake_text *cell)
{
    if (cell->at == NULL)
        return dv_llm_refuse(talk, DV_E_DATA, "the service gave a text no vector", false);
    talk->whole.used = 0;
    if (!dv_sse_text_add(&talk->whole, cell->at, cell->length)) /* a copy, for the reader reads behind the end */
        return dv_llm_refuse(talk, DV_E_MEMORY, "no memory for a vector", false);
    return dv_llm_read(talk, talk->whole.bytes, talk->whole.used) &&
           dv_llm_take_row(talk, dv_doc_root(&talk->doc), talk->texts_done, false);
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_llm_talk *talk = statement->data;
    if (talk->verdict.rc != DV_OK)
        return;
    if (count != 2 || !is_next(talk, &cells[0]))
        (void)dv_llm_refuse(talk, DV_E_DATA, "the service numbers the vectors wrongly", false);
    else if (take_vector(talk, &cells[1]))
        talk->texts_done++;
}

/* ---- the statement ---- */

/* What it says is looked at here and goes nowhere. */
static void on_words(struct dv_snowflake_statement *statement, const char *text, size_t length)
{
    struct dv_llm_talk *talk = statement->data;
    const struct dv_llm_text said = { text, length };
    talk->verdict = dv_llm_cortex_words(talk, &said);
}

/* Texts are at fault where a value is, or there are too many, or the words say so. A statement that is refused for no reason that is
 * known is refused to all of them, unless others are taken just now: Cortex says the same whether it is overloaded, has no such model
 * any more or does not like a text. */
static struct dv_llm_verdict judge(struct dv_llm_talk *talk)
{
    const struct dv_snowflake_statement *statement = &talk->statement;
    if (statement->rc == DV_OK && talk->verdict.rc == DV_OK && talk->texts_done != talk->embedding->count)
        (void)dv_llm_refuse(talk, DV_E_DATA, "the service gave another number of vectors than of texts", false);
    if (statement->rc == DV_OK)
        return talk->verdict;
    if (statement->rc == DV_E_FAILED && talk->verdict.rc != DV_OK)
        return talk->verdict;
    if (statement->rc == DV_E_FAILED && talk->embedding->well)
        return (struct dv_llm_verdict){ .rc = DV_E_DATA, .reason = "the service refuses a text" };
    talk->embedding->doubtful = statement->rc == DV_E_FAILED;
    dv_rc rc = statement->rc == DV_E_FAILED ? DV_E_DEPENDENCY : statement->rc;
    return (struct dv_llm_verdict){ .rc = rc,
                                    .reason = statement->reason,
                                    .outage = rc == DV_E_DEPENDENCY || rc == DV_E_CONFIG };
}

static void end_try(struct dv_llm_talk *talk, struct dv_llm_verdict verdict)
{
    talk->state = DV_LLM_OVER;
    talk->llm->asking--;
    if (verdict.rc == DV_OK)
        talk->finish = DV_LLM_COMPLETE;
    dv_llm_tried(talk, verdict);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    struct dv_llm_talk *talk = statement->data;
    talk->ran = statement->executed && talk->texts_done == 0;
    end_try(talk, judge(talk));
}

void dv_llm_sql_run(struct dv_llm_talk *talk, uint32_t total_ms)
{
    const char *model = talk->llm->config.model;
    talk->binds[0] = (struct dv_snowflake_bind){ .value = { model, strlen(model) } };
    talk->binds[1] = (struct dv_snowflake_bind){ .value = { talk->body.bytes, talk->body.used } };
    talk->statement = (struct dv_snowflake_statement){ .sql = statement_text,
                                                       .binds = talk->binds,
                                                       .bind_count = 2,
                                                       .tag = "datavault-embed",
                                                       .total_ms = total_ms,
                                                       .on_row = on_row,
                                                       .on_words = on_words,
                                                       .on_end = on_end,
                                                       .data = talk };
    dv_rc rc = DV_E_MEMORY;
    if (RAND_bytes(talk->statement.request_id, sizeof talk->statement.request_id) == 1)
        rc = dv_snowflake_run(talk->llm->config.snowflake, &talk->statement);
    if (rc != DV_OK)
        end_try(talk, (struct dv_llm_verdict){ .rc = rc, .reason = "the statement cannot be sent" });
}

const struct dv_llm_api dv_llm_cortex_sql = { .of_snowflake = true, .by_statements = true, .write = write_texts };

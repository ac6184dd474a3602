/* SPDX-License-Identifier: Apache-2.0
 * ask.c - `datavault ask "…"`: a question to a running graph, and its answer while it grows, with what it cites. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask_print.h"
#include "cli/command.h"
#include "connectors/http.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/option.h"

enum { QUESTION_MAX = 64 * 1024, BODY_MAX = 1024 * 1024, TOKEN_MAX = 4096, WAIT_MS = 600000 };

#define TOKEN_VARIABLE "DATAVAULT_TOKEN"

/* What was given. */
struct arguments {
    const char *url, *token, *ca, *question, *schema, *path;
    bool json;
};

/* One question under way. */
struct asking {
    const struct arguments *arguments;
    struct dv_http_client client;
    struct dv_http_request request;
    struct dv_ask_printer printer;
    char *body;    /* what has come and is not printed yet */
    size_t length;
    char *question;
    size_t question_length;
    char bearer[TOKEN_MAX + sizeof "Bearer "];
};

/* ---- what comes ---- */

/* Prints the events that are whole. */
static void print_events(struct asking *asking)
{
    char *end = NULL;
    size_t at = 0;
    while ((end = memmem(asking->body + at, asking->length - at, "\n\n", 2)) != NULL) {
        size_t length = (size_t)(end - (asking->body + at));
        char *data = memmem(asking->body + at, length, "data: ", 6);
        if (data != NULL)
            dv_ask_print_row(&asking->printer, data + 6, (size_t)(end - data) - 6);
        at += length + 2;
    }
    memmove(asking->body, asking->body + at, asking->length - at);
    asking->length -= at;
}

static bool on_piece(struct dv_http_request *request, const char *bytes, size_t length)
{
    struct asking *asking = request->data;
    if (length > BODY_MAX - asking->length)
        return false;
    memcpy(asking->body + asking->length, bytes, length);
    asking->length += length;
    if (request->status == 200 && !asking->arguments->json)
        print_events(asking);
    return true;
}

static void on_end(struct dv_http_request *request)
{
    struct asking *asking = request->data;
    dv_http_close(&asking->client.base);
}

/* ---- asking ---- */

static bool write_question(struct asking *asking)
{
    const struct arguments *arguments = asking->arguments;
    struct dv_json json;
    dv_json_init(&json, asking->question, QUESTION_MAX);
    dv_json_open(&json, '{');
    dv_json_key(&json, "question");
    dv_json_string(&json, arguments->question);
    if (arguments->schema != NULL) {
        dv_json_key(&json, "schema");
        dv_json_string(&json, arguments->schema);
    }
    dv_json_close(&json, '}');
    asking->question_length = dv_json_length(&json);
    return !json.full;
}

static dv_rc read_token(struct asking *asking, struct dv_error *error)
{
    static const char word[] = "Bearer ";
    const char *token = asking->arguments->token;
    size_t length = 0;
    if (token == NULL && getenv(TOKEN_VARIABLE) != NULL)
        token = "env:" TOKEN_VARIABLE;
    if (token == NULL)
        return DV_OK;
    memcpy(asking->bearer, word, sizeof word);
    dv_rc rc = dv_secret_read(token, asking->bearer + sizeof word - 1, TOKEN_MAX, &length, error);
    if (rc != DV_OK)
        asking->bearer[0] = '\0';
    return rc;
}

static dv_rc begin(struct asking *asking, struct dv_loop *loop, struct dv_error *error)
{
    const struct arguments *arguments = asking->arguments;
    const struct dv_http_config config = {
        .loop = loop,
        .url = arguments->url,
        .ca = arguments->ca,
        .deadlines = { .first_byte_ms = WAIT_MS, .idle_ms = WAIT_MS, .total_ms = WAIT_MS },
        .answer_max = BODY_MAX,
    };
    if (!write_question(asking))
        return dv_error_set(error, DV_E_USAGE, "the question is longer than %d bytes", QUESTION_MAX);
    DV_TRY(read_token(asking, error));
    const char *fault = dv_http_url_fault(arguments->url, asking->bearer[0] != '\0');
    if (fault != NULL)
        return dv_error_set(error, DV_E_USAGE, "--url: %s", fault);
    return dv_http_open(&asking->client, &config, error);
}

/* Asks and waits for the end. */
static dv_rc talk(struct asking *asking, struct dv_error *error)
{
    uv_loop_t uv;
    struct dv_loop_real loop;
    const struct dv_http_header headers[] = {
        { "Content-Type", "application/json" },
        { "Accept", asking->arguments->json ? "application/json" : "text/event-stream" },
        { "Authorization", asking->bearer },
    };
    int failed = uv_loop_init(&uv);
    DV_ASSERT(failed == 0);
    dv_rc rc = dv_loop_real_init(&loop, &uv);
    DV_ASSERT(rc == DV_OK);
    rc = begin(asking, &loop.base, error);
    if (rc == DV_OK) {
        asking->request = (struct dv_http_request){
            .path = asking->arguments->path, .headers = headers, .header_count = asking->bearer[0] != '\0' ? 3 : 2,
            .body = asking->question, .length = asking->question_length, .piece = on_piece, .end = on_end, .data = asking,
        };
        dv_http_request(&asking->client.base, &asking->request);
        (void)uv_run(&uv, UV_RUN_DEFAULT);
    }
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    failed = uv_loop_close(&uv);
    DV_ASSERT(failed == 0);
    return rc;
}

/* The exit code for what came. */
static int conclude(struct asking *asking, struct dv_error *error)
{
    const struct dv_http_request *request = &asking->request;
    if (request->status == 200 && request->rc == DV_OK && asking->arguments->json) {
        (void)fwrite(asking->body, 1, asking->length, stdout);
        (void)fputc('\n', stdout);
        return DV_EXIT_OK;
    }
    if (request->status == 200 && asking->printer.over)
        return dv_ask_print_end(&asking->printer) ? DV_EXIT_OK : DV_EXIT_FAILED;
    if (request->status != 0 && request->status != 200)
        return dv_ask_print_problem(asking->body, asking->length, request->status);
    dv_rc rc = request->rc != DV_OK ? request->rc : DV_E_DEPENDENCY;
    const char *reason = request->reason != NULL ? request->reason : "the answer broke off";
    return dv_say_error(rc, (dv_error_set(error, rc, "%s: %s", asking->arguments->url, reason), error));
}

/* Makes what one question needs, and asks it. */
static int ask_with(struct asking *asking)
{
    struct dv_error error = { 0 };
    asking->body = dv_memory_alloc(BODY_MAX);
    asking->question = dv_memory_alloc(QUESTION_MAX);
    bool ready = asking->body != NULL && asking->question != NULL && dv_ask_printer_open(&asking->printer);
    dv_rc rc = ready ? talk(asking, &error) : dv_error_set(&error, DV_E_MEMORY, "no memory for the answer");
    int code = rc == DV_OK ? conclude(asking, &error) : dv_say_error(rc, &error);
    dv_ask_printer_close(&asking->printer);
    explicit_bzero(asking->bearer, sizeof asking->bearer);
    dv_memory_free(asking->body);
    dv_memory_free(asking->question);
    return code;
}

static int ask(const struct arguments *arguments)
{
    struct dv_error error = { 0 };
    struct asking *asking = dv_memory_zeroed(1, sizeof *asking);
    if (asking == NULL)
        return dv_say_error(dv_error_set(&error, DV_E_MEMORY, "no memory for a question"), &error);
    asking->arguments = arguments;
    int code = ask_with(asking);
    dv_memory_free(asking);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },    { "token", required_argument, NULL, 't' }, { "ca", required_argument, NULL, 'c' },
        { "schema", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct arguments arguments = { .url = "http://127.0.0.1:8080", .path = "/v1/query" };
    int exit = DV_EXIT_OK, option = 0;
    while ((option = dv_next_option(self, argc, argv, options, &exit)) != -1) {
        switch (option) {
        case 'u': arguments.url = optarg; break;
        case 't': arguments.token = optarg; break;
        case 'c': arguments.ca = optarg; break;
        case 's': arguments.schema = optarg; break;
        case 'j': arguments.json = true; break;
        default: return exit;
        }
    }
    if (optind == argc)
        return dv_usage(self, "ask what? write the question in quotes");
    if (argc - optind > 1)
        return dv_usage(self, "one question at a time: write it in quotes");
    arguments.question = argv[optind];
    return ask(&arguments);
}

const struct dv_command dv_command_ask = {
    .name = "ask",
    .summary = "Ask a running graph a question.",
    .help = "  datavault ask \"which conditions are rising?\"\n"
            "  datavault ask --url https://vault.example:8443 --token file:var/token \"what of asthma?\"\n"
            "  datavault ask --json --schema healthcare \"what of asthma?\" | jq .citations\n"
            "\n"
            "Sentences are shown as they come, then the records that they cite. A refusal says why.\n"
            "\n"
            "  --url URL      where the graph listens (default: http://127.0.0.1:8080)\n"
            "  --token REF    its token, as env:NAME or file:PATH (default: env:" TOKEN_VARIABLE ", if that is set)\n"
            "  --ca FILE      certificates to trust (default: the system's)\n"
            "  --schema NAME  look among records of this schema only\n"
            "  --json         the answer as one JSON document, when it is complete\n"
            "\n"
            "Exit code 0: answered, or in part; 1: refused, or failed; 5: there is no such server.\n",
    .run = run,
};

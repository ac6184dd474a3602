/* SPDX-License-Identifier: Apache-2.0
 * ask.c - `datavault ask "…"`: a question to a running graph, and its answer while it grows, with what it cites. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/ask_inside.h"
#include "cli/ask_print.h"
#include "cli/command.h"
#include "cli/conversations.h"
#include "cli/post.h"
#include "cli/when.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"

enum { QUESTION_MAX = 64 * 1024 };

#define TOO_LONG "the question is longer than %d bytes"

/* What was given. */
struct arguments {
    struct dv_post_to to;
    const char *question, *schema, *conversation, *graph;
    int64_t from_ms, to_ms;
    bool has_from, has_to;
};

/* One question under way. */
struct asking {
    const struct arguments *arguments;
    struct dv_post post;
    struct dv_ask_printer printer;
    char question[QUESTION_MAX];
    char conversation[DV_UUID_TEXT]; /* a new one */
};

/* Prints the events that are whole. */
static void print_events(struct dv_post *post)
{
    struct asking *asking = post->data;
    char *end = NULL;
    size_t at = 0;
    if (post->request.status != 200)
        return;
    while ((end = memmem(post->answer + at, post->answer_length - at, "\n\n", 2)) != NULL) {
        size_t length = (size_t)(end - (post->answer + at));
        char *data = memmem(post->answer + at, length, "data: ", 6);
        if (data != NULL)
            dv_ask_print_row(&asking->printer, data + 6, (size_t)(end - data) - 6);
        at += length + 2;
    }
    memmove(post->answer, post->answer + at, post->answer_length - at);
    post->answer_length -= at;
}

static void write_time(struct dv_json *json, const char *key, bool given, int64_t time_ms)
{
    if (!given)
        return;
    dv_json_key(json, key);
    dv_json_int(json, time_ms);
}

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
    write_time(&json, "from_ms", arguments->has_from, arguments->from_ms);
    write_time(&json, "to_ms", arguments->has_to, arguments->to_ms);
    if (arguments->conversation != NULL) {
        dv_json_key(&json, "conversation");
        dv_json_string(&json, arguments->conversation);
    }
    dv_json_close(&json, '}');
    asking->post.length = dv_json_length(&json);
    return !json.full;
}

/* The exit code for what came. */
static int conclude(const struct asking *asking)
{
    const struct dv_post *post = &asking->post;
    if (post->request.status == 200 && post->request.rc == DV_OK && asking->arguments->to.json) {
        (void)fwrite(post->answer, 1, post->answer_length, stdout);
        (void)fputc('\n', stdout);
        return DV_EXIT_OK;
    }
    if (post->request.status == 200 && asking->printer.over)
        return dv_ask_print_end(&asking->printer) ? DV_EXIT_OK : DV_EXIT_FAILED;
    return dv_post_fail(post);
}

static int ask_inside(struct asking *asking)
{
    const struct arguments *arguments = asking->arguments;
    if (write_question(asking))
        return dv_ask_inside(arguments->graph, asking->question, asking->post.length, arguments->to.json);
    struct dv_error error = { 0 };
    return dv_say_error(dv_error_set(&error, DV_E_USAGE, TOO_LONG, QUESTION_MAX), &error);
}

static dv_rc send_question(struct asking *asking, struct dv_error *error)
{
    const struct arguments *arguments = asking->arguments;
    asking->post = (struct dv_post){
        .to = arguments->to, .path = "/v1/query", .accept = arguments->to.json ? "application/json" : "text/event-stream",
        .body = asking->question, .came = arguments->to.json ? NULL : print_events, .data = asking,
    };
    if (!write_question(asking))
        return dv_error_set(error, DV_E_USAGE, TOO_LONG, QUESTION_MAX);
    if (!dv_ask_printer_open(&asking->printer))
        return dv_error_set(error, DV_E_MEMORY, "no memory for the answer");
    return dv_post_send(&asking->post, error);
}

/* `new` is made first, and its id shown: the next question can be asked in it. */
static int begin_conversation(struct arguments *arguments, char id[DV_UUID_TEXT])
{
    if (arguments->conversation == NULL || strcmp(arguments->conversation, "new") != 0)
        return DV_EXIT_OK;
    int code = dv_conversation_make(&arguments->to, id);
    arguments->conversation = id;
    if (code == DV_EXIT_OK)
        (void)fprintf(stderr, "conversation %s\n", id);
    return code;
}

static int ask(struct arguments *arguments)
{
    struct dv_error error = { 0 };
    struct asking *asking = dv_memory_zeroed(1, sizeof *asking);
    if (asking == NULL)
        return dv_say_error(dv_error_set(&error, DV_E_MEMORY, "no memory for a question"), &error);
    asking->arguments = arguments;
    int code = DV_EXIT_OK;
    if (arguments->graph != NULL)
        code = ask_inside(asking);
    else if ((code = begin_conversation(arguments, asking->conversation)) == DV_EXIT_OK) {
        dv_rc rc = send_question(asking, &error);
        code = rc == DV_OK ? conclude(asking) : dv_say_error(rc, &error);
    }
    dv_ask_printer_close(&asking->printer);
    dv_post_free(&asking->post);
    dv_memory_free(asking);
    return code;
}

/* Takes a time; false: it is none. */
static bool take_time(const char *text, int64_t *ret_ms, bool *ret_given)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *ret_given = true;
    return dv_when_parse(text, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, ret_ms);
}

static int check(const struct dv_command *self, int argc, const struct arguments *arguments)
{
    if (arguments->has_from && arguments->has_to && arguments->from_ms >= arguments->to_ms)
        return dv_usage(self, "nothing is between --from and --to: --from is not before it");
    if (arguments->graph != NULL && arguments->conversation != NULL)
        return dv_usage(self, "conversations are a server's: leave --graph out, or --conversation");
    if (optind == argc)
        return dv_usage(self, "ask what? write the question in quotes");
    if (argc - optind > 1)
        return dv_usage(self, "one question at a time: write it in quotes");
    return DV_EXIT_OK;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        DV_POST_OPTIONS, { "schema", required_argument, NULL, 's' }, { "conversation", required_argument, NULL, 'o' },
        { "from", required_argument, NULL, 'f' }, { "to", required_argument, NULL, 'b' }, { "graph", required_argument, NULL, 'g' },
        { NULL, 0, NULL, 0 },
    };
    struct arguments arguments = { .to.url = DV_POST_URL };
    int exit = DV_EXIT_OK, option = 0;
    while ((option = dv_next_option(self, argc, argv, options, &exit)) != -1) {
        switch (option) {
        case 's': arguments.schema = optarg; break;
        case 'o': arguments.conversation = optarg; break;
        case 'g': arguments.graph = optarg; break;
        case 'f':
            if (!take_time(optarg, &arguments.from_ms, &arguments.has_from))
                return dv_usage(self, "--from is " DV_WHEN_HELP);
            break;
        case 'b':
            if (!take_time(optarg, &arguments.to_ms, &arguments.has_to))
                return dv_usage(self, "--to is " DV_WHEN_HELP);
            break;
        default:
            if (!dv_post_takes(&arguments.to, option, optarg))
                return exit;
        }
    }
    exit = check(self, argc, &arguments);
    arguments.question = argv[optind];
    return exit == DV_EXIT_OK ? ask(&arguments) : exit;
}

const struct dv_command dv_command_ask = {
    .name = "ask",
    .summary = "Ask a running graph a question.",
    .help = "  datavault ask \"which conditions are rising?\"\n"
            "  datavault ask --url https://vault.example:8443 --token file:var/token \"what of asthma?\"\n"
            "  datavault ask --from 2h \"what has risen?\"\n"
            "  datavault ask --json --schema healthcare \"what of asthma?\" | jq .citations\n"
            "  datavault ask --graph conf/ask.yaml \"which conditions are rising?\"      without a server\n"
            "  datavault ask --conversation new \"what of asthma?\"     # shows the id of the conversation that begins\n"
            "  datavault ask --conversation 7f0c… \"and asthma?\"\n"
            "\n"
            "Sentences are shown as they come, then the records that they cite. A refusal says why.\n"
            "\n"
            DV_POST_HELP
            "  --schema NAME  look among records of this schema only\n"
            "  --from TIME    and of this time on: " DV_WHEN_HELP "\n"
            "  --to TIME      and before this time\n"
            "  --graph FILE   answer in this process, by the part of this graph that leads from a question to its answer\n"
            "  --conversation ID|new\n"
            "                 ask in this conversation of yours: what was asked before counts\n"
            "  --json         the answer as one JSON document, when it is complete\n"
            "\n"
            "Exit code 0: answered, or in part; 1: refused, or failed; 5: there is no such server.\n",
    .run = run,
};

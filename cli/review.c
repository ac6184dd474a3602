/* SPDX-License-Identifier: Apache-2.0
 * review.c - `datavault review ANSWER good|bad`: what somebody says of an answer, into the graph that gave it. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/post.h"
#include "engine/json.h"
#include "engine/memory.h"

enum { REVIEW_MAX = 64 * 1024, CREATED = 201 };

/* What was given. */
struct arguments {
    const char *url, *token, *ca, *answer, *verdict, *reason;
    bool json;
};

static bool write_review(const struct arguments *arguments, char out[REVIEW_MAX], size_t *ret_length)
{
    struct dv_json json;
    dv_json_init(&json, out, REVIEW_MAX);
    dv_json_open(&json, '{');
    dv_json_key(&json, "answer");
    dv_json_string(&json, arguments->answer);
    dv_json_key(&json, "verdict");
    dv_json_string(&json, arguments->verdict);
    if (arguments->reason != NULL) {
        dv_json_key(&json, "reason");
        dv_json_string(&json, arguments->reason);
    }
    dv_json_close(&json, '}');
    *ret_length = dv_json_length(&json);
    return !json.full;
}

/* The exit code for what came. */
static int conclude(const struct arguments *arguments, const struct dv_post *post)
{
    unsigned status = post->request.status;
    if (post->request.rc != DV_OK || (status != 200 && status != CREATED))
        return dv_post_fail(post);
    if (arguments->json) {
        (void)fwrite(post->answer, 1, post->answer_length, stdout);
        (void)fputc('\n', stdout);
    } else {
        (void)puts(status == CREATED ? "The review is kept." : "It was reviewed before, and the first review stands.");
    }
    return DV_EXIT_OK;
}

static int review(const struct arguments *arguments)
{
    struct dv_error error = { 0 };
    char *body = dv_memory_alloc(REVIEW_MAX);
    struct dv_post *post = dv_memory_zeroed(1, sizeof *post);
    dv_rc rc = DV_OK;
    if (body == NULL || post == NULL) {
        rc = dv_error_set(&error, DV_E_MEMORY, "no memory for a review");
    } else {
        *post = (struct dv_post){ .url = arguments->url, .token = arguments->token, .ca = arguments->ca,
                                  .path = "/v1/reviews", .accept = "application/json", .body = body };
        rc = write_review(arguments, body, &post->length)
                 ? dv_post_send(post, &error)
                 : dv_error_set(&error, DV_E_USAGE, "the reason is longer than 4096 bytes");
    }
    int code = rc == DV_OK ? conclude(arguments, post) : dv_say_error(rc, &error);
    if (post != NULL)
        dv_post_free(post);
    dv_memory_free(post);
    dv_memory_free(body);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },    { "token", required_argument, NULL, 't' }, { "ca", required_argument, NULL, 'c' },
        { "reason", required_argument, NULL, 'r' }, { "json", no_argument, NULL, 'j' },        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct arguments arguments = { .url = DV_POST_URL };
    int exit = DV_EXIT_OK, option = 0;
    while ((option = dv_next_option(self, argc, argv, options, &exit)) != -1) {
        switch (option) {
        case 'u': arguments.url = optarg; break;
        case 't': arguments.token = optarg; break;
        case 'c': arguments.ca = optarg; break;
        case 'r': arguments.reason = optarg; break;
        case 'j': arguments.json = true; break;
        default: return exit;
        }
    }
    if (argc - optind != 2)
        return dv_usage(self, "of which answer, and what? write ANSWER good|bad");
    arguments.answer = argv[optind];
    arguments.verdict = argv[optind + 1];
    return review(&arguments);
}

const struct dv_command dv_command_review = {
    .name = "review",
    .summary = "Say whether an answer was good.",
    .help = "  datavault review 018f2c5e-1234-7abc-8def-0123456789ab good\n"
            "  datavault review --reason \"flu is not in the record it cites\" 018f2c5e-1234-7abc-8def-0123456789ab bad\n"
            "\n"
            "`datavault ask` shows the id of its answer. Of one answer the first review with a token is kept; its reason is redacted and sealed\n"
            "like any other record.\n"
            "\n"
            "  --reason TEXT  why, of at most 4096 bytes\n"
            DV_POST_HELP
            "  --json         what the server says, as JSON\n"
            "\n"
            "Exit code 0: it is kept; 1: it was refused; 5: there is no such server.\n",
    .run = run,
};

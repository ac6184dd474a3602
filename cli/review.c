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
    struct dv_post_to to;
    const char *answer, *verdict, *reason;
};

/* One review under way. */
struct reviewing {
    struct dv_post post;
    char body[REVIEW_MAX];
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
    if (arguments->to.json) {
        (void)fwrite(post->answer, 1, post->answer_length, stdout);
        (void)fputc('\n', stdout);
    } else {
        (void)puts(status == CREATED ? "The review is kept." : "It was reviewed before, and the first review stands.");
    }
    return DV_EXIT_OK;
}

static dv_rc send_review(const struct arguments *arguments, struct reviewing *reviewing, struct dv_error *error)
{
    struct dv_post *post = &reviewing->post;
    *post = (struct dv_post){ .to = arguments->to, .path = "/v1/reviews", .accept = "application/json", .body = reviewing->body };
    if (!write_review(arguments, reviewing->body, &post->length))
        return dv_error_set(error, DV_E_USAGE, "the review is longer than %d bytes", REVIEW_MAX);
    return dv_post_send(post, error);
}

static int review(const struct arguments *arguments)
{
    struct dv_error error = { 0 };
    struct reviewing *reviewing = dv_memory_zeroed(1, sizeof *reviewing);
    if (reviewing == NULL)
        return dv_say_error(dv_error_set(&error, DV_E_MEMORY, "no memory for a review"), &error);
    dv_rc rc = send_review(arguments, reviewing, &error);
    int code = rc == DV_OK ? conclude(arguments, &reviewing->post) : dv_say_error(rc, &error);
    dv_post_free(&reviewing->post);
    explicit_bzero(reviewing->body, sizeof reviewing->body);
    dv_memory_free(reviewing);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { DV_POST_OPTIONS, { "reason", required_argument, NULL, 'r' }, { NULL, 0, NULL, 0 } };
    struct arguments arguments = { .to.url = DV_POST_URL };
    int exit = DV_EXIT_OK, option = 0;
    while ((option = dv_next_option(self, argc, argv, options, &exit)) != -1) {
        if (option == 'r')
            arguments.reason = optarg;
        else if (!dv_post_takes(&arguments.to, option, optarg))
            return exit;
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

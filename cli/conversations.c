/* SPDX-License-Identifier: Apache-2.0
 * conversations.c - `datavault conversations list|show|erase`: one's own, at a running graph. */
#include "cli/conversations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/dlq.h"
#include "cli/post.h"
#include "engine/json_doc.h"
#include "engine/memory.h"
#include "engine/text.h"

enum { PATH_BYTES = 96, CREATED = 201 };

#define PATH "/v1/conversations"

/* What came, as a tree. */
struct answer {
    struct dv_post post;
    struct dv_doc doc;
    char path[PATH_BYTES];
};

static void print_text(struct dv_doc *doc, dv_doc_at value)
{
    const char *text = NULL;
    size_t length = 0;
    if (dv_doc_text(doc, value, &text, &length))
        dv_put_clean(stdout, text, length);
}

static int64_t number_of(struct dv_doc *doc, dv_doc_at object, const char *name)
{
    int64_t number = 0;
    (void)dv_doc_whole(doc, dv_doc_in(doc, object, name), &number);
    return number;
}

/* ---- asking the server ---- */

/* Sends one request without a body and reads its answer; DV_EXIT_OK, or another exit code after saying why not. */
static int fetch(struct answer *answer, const struct dv_post_to *to, const char *method, const char *id)
{
    struct dv_error error = { 0 };
    struct dv_post *post = &answer->post;
    bool post_method = strcmp(method, "POST") == 0, get = strcmp(method, "GET") == 0;
    int length = snprintf(answer->path, sizeof answer->path, PATH "%s%s", id != NULL ? "/" : "", id != NULL ? id : "");
    uint8_t parsed[DV_UUID_BYTES];
    if (id != NULL && (length >= PATH_BYTES || !dv_id_parse(id, strlen(id), parsed)))
        return dv_say_error(dv_error_set(&error, DV_E_USAGE, "an id looks like 018f2c5e-0000-8000-8000-000000000000"), &error);
    *post = (struct dv_post){ .to = *to, .path = answer->path, .accept = "application/json", .body = post_method ? "" : NULL,
                              .method = post_method || get ? NULL : method };
    dv_rc rc = dv_post_send(post, &error);
    if (rc != DV_OK)
        return dv_say_error(rc, &error);
    if (post->request.rc != DV_OK || (post->request.status != 200 && post->request.status != CREATED))
        return dv_post_fail(post);
    rc = dv_doc_read(&answer->doc, post->answer, post->answer_length);
    return rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, (dv_error_set(&error, rc, "%s: what answers is no such server", to->url), &error));
}

/* Makes room for an answer; NULL after saying so. */
static struct answer *new_answer(void)
{
    struct dv_error error = { 0 };
    struct answer *answer = dv_memory_zeroed(1, sizeof *answer);
    if (answer != NULL && dv_doc_init(&answer->doc, DV_POST_ANSWER_MAX) == DV_OK)
        return answer;
    dv_memory_free(answer);
    (void)dv_say_error(dv_error_set(&error, DV_E_MEMORY, "no memory for an answer"), &error);
    return NULL;
}

static void free_answer(struct answer *answer)
{
    dv_doc_free(&answer->doc);
    dv_post_free(&answer->post);
    dv_memory_free(answer);
}

int dv_conversation_make(const struct dv_post_to *to, char id[DV_UUID_TEXT])
{
    struct answer *answer = new_answer();
    const char *text = NULL;
    size_t length = 0;
    uint8_t parsed[DV_UUID_BYTES];
    if (answer == NULL)
        return dv_rc_exit(DV_E_MEMORY);
    int code = fetch(answer, to, "POST", NULL);
    if (code == DV_EXIT_OK && dv_doc_text(&answer->doc, dv_doc_in(&answer->doc, dv_doc_root(&answer->doc), "id"), &text, &length) &&
        dv_id_parse(text, length, parsed))
        (void)dv_id_text(id, parsed);
    else if (code == DV_EXIT_OK)
        code = DV_EXIT_FAILED;
    free_answer(answer);
    return code;
}

/* ---- what is shown ---- */

static void print_list(struct dv_doc *doc)
{
    dv_doc_at one = dv_doc_first(doc, dv_doc_in(doc, dv_doc_root(doc), "conversations"));
    if (one == NULL)
        (void)puts("You have no conversations.");
    for (; one != NULL; one = dv_doc_next(doc, one)) {
        char used[DV_DLQ_TIME_TEXT];
        print_text(doc, dv_doc_in(doc, one, "id"));
        (void)printf("  %s  %" PRId64 " turns\n", dv_dlq_time(used, number_of(doc, one, "used_ms")), number_of(doc, one, "turns"));
    }
}

static void print_turn(struct dv_doc *doc, dv_doc_at turn)
{
    char asked[DV_DLQ_TIME_TEXT];
    (void)printf("%s  ", dv_dlq_time(asked, number_of(doc, turn, "asked_ms")));
    print_text(doc, dv_doc_in(doc, turn, "question"));
    (void)fputc('\n', stdout);
    dv_doc_at said = dv_doc_first(doc, dv_doc_in(doc, turn, "sentences"));
    for (; said != NULL; said = dv_doc_next(doc, said)) {
        (void)fputs("  ", stdout);
        print_text(doc, dv_doc_in(doc, said, "text"));
        (void)fputc('\n', stdout);
    }
    (void)fputs("  (", stdout);
    if (dv_doc_is_null(doc, dv_doc_in(doc, turn, "status")))
        (void)fputs("no answer yet", stdout);
    else
        print_text(doc, dv_doc_in(doc, turn, "status"));
    (void)puts(dv_doc_is_true(doc, dv_doc_in(doc, turn, "cut")) ? ", and longer than is kept)" : ")");
}

static void print_turns(struct dv_doc *doc)
{
    dv_doc_at turn = dv_doc_first(doc, dv_doc_in(doc, dv_doc_root(doc), "turns"));
    if (turn == NULL)
        (void)puts("Nothing was asked yet.");
    for (; turn != NULL; turn = dv_doc_next(doc, turn))
        print_turn(doc, turn);
}

static void print_erased(struct dv_doc *doc)
{
    (void)printf("%" PRId64 " erased\n", number_of(doc, dv_doc_root(doc), "erased"));
}

/* ---- the command ---- */

static int act(const struct dv_post_to *to, const char *method, const char *id, void (*print)(struct dv_doc *doc))
{
    struct answer *answer = new_answer();
    if (answer == NULL)
        return dv_rc_exit(DV_E_MEMORY);
    int code = fetch(answer, to, method, id);
    if (code == DV_EXIT_OK && to->json) {
        (void)fwrite(answer->post.answer, 1, answer->post.answer_length, stdout);
        (void)fputc('\n', stdout);
    } else if (code == DV_EXIT_OK) {
        print(&answer->doc);
    }
    free_answer(answer);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { DV_POST_OPTIONS, { "all", no_argument, NULL, 'a' }, { NULL, 0, NULL, 0 } };
    struct dv_post_to to = { .url = DV_POST_URL };
    bool all = false;
    int exit = DV_EXIT_OK, option = 0;
    while ((option = dv_next_option(self, argc, argv, options, &exit)) != -1) {
        if (option == 'a')
            all = true;
        else if (!dv_post_takes(&to, option, optarg))
            return exit;
    }
    const char *verb = optind < argc ? argv[optind] : "", *id = optind + 1 < argc ? argv[optind + 1] : NULL;
    bool one = id != NULL && optind + 2 == argc && !all;
    if (strcmp(verb, "list") == 0 && id == NULL && !all)
        return act(&to, "GET", NULL, print_list);
    if (strcmp(verb, "show") == 0 && one)
        return act(&to, "GET", id, print_turns);
    if (strcmp(verb, "erase") == 0 && (one || (all && id == NULL)))
        return act(&to, "DELETE", id, print_erased);
    return dv_usage(self, "write list, show ID, erase ID or erase --all");
}

const struct dv_command dv_command_conversations = {
    .name = "conversations",
    .summary = "Lists, shows and erases one's conversations.",
    .help = "  datavault conversations list\n"
            "  datavault conversations show 018f2c5e-1234-4abc-8def-0123456789ab\n"
            "  datavault conversations erase 018f2c5e-1234-4abc-8def-0123456789ab\n"
            "  datavault conversations erase --all\n"
            "\n"
            "`datavault ask --conversation new` begins one. They belong to the token, and nobody else sees them; what is erased is gone for good.\n"
            "\n"
            "  --all          erase all of them\n"
            DV_POST_HELP
            "  --json         what the server says, as JSON\n"
            "\n"
            "Exit code 0: done; 1: there is no such conversation of yours, or it was refused; 5: there is no such server.\n",
    .run = run,
};

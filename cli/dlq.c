/* SPDX-License-Identifier: Apache-2.0
 * dlq.c - `datavault dlq list|show|replay|drop`: what is given on the command line, and the parts its verbs share. */
#include "cli/dlq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/keyring.h"
#include "cli/services.h"
#include "cli/when.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/memory.h"
#include "operators/dead_letter_scan.h"

enum { TOLD_MAX = 10 };

int64_t dv_dlq_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *dv_dlq_time(char text[DV_DLQ_TIME_TEXT], int64_t ms)
{
    struct tm parts;
    time_t seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &parts) == NULL || strftime(text, DV_DLQ_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(text, DV_DLQ_TIME_TEXT, "-");
    return text;
}

static bool text_is(struct dv_bytes text, const char *word)
{
    return dv_bytes_equal(text, dv_bytes_text(word));
}

/* DV_E_DATA may be typed as that, or as DATA. */
static bool code_is(struct dv_bytes code, const char *word)
{
    enum { PREFIX = 5 };
    bool short_form = code.length > PREFIX && strncmp(word, "DV_E_", PREFIX) != 0;
    return text_is(short_form ? (struct dv_bytes){ code.at + PREFIX, code.length - PREFIX } : code, word);
}

static bool id_wanted(const struct dv_dlq *dlq, const uint8_t *id)
{
    bool wanted = dlq->id_count == 0;
    for (uint32_t i = 0; i < dlq->id_count; i++) {
        if (memcmp(dlq->ids[i], id, sizeof dlq->ids[i]) != 0)
            continue;
        dlq->met[i] = true;
        wanted = true;
    }
    return wanted;
}

bool dv_dlq_wants(const struct dv_dlq *dlq, const struct dv_letter_view *letter)
{
    return id_wanted(dlq, letter->key.id) && (dlq->node == NULL || text_is(letter->node, dlq->node)) &&
           (dlq->code == NULL || code_is(letter->code, dlq->code)) && letter->created_ms >= dlq->since_ms;
}

void dv_dlq_say_damage(const struct dv_letter_view *letter, uint64_t *count)
{
    *count += 1;
    if (*count > TOLD_MAX)
        return;
    const char *why = letter->opened == DV_E_KEY      ? "is sealed by a key that this keyring does not have"
                      : letter->opened == DV_E_SYNTAX ? "is damaged"
                                                      : "does not open: it was altered, or the keyring is another one";
    (void)fprintf(stderr, "datavault: the letter at byte %llu%s %s (%llu bytes); it is passed over\n",
                  (unsigned long long)letter->offset, letter->again ? " of .again" : "", why,
                  (unsigned long long)letter->length);
}

int dv_dlq_end(const struct dv_dlq *dlq, const struct dv_letter_scan *scan, uint64_t damaged, dv_rc rc,
               const struct dv_error *error)
{
    int code = rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, error);
    if (damaged > TOLD_MAX)
        (void)fprintf(stderr, "datavault: %llu letters in all could not be opened\n", (unsigned long long)damaged);
    if (scan != NULL && scan->marks.damaged_bytes > 0)
        (void)fprintf(
            stderr, "datavault: %llu bytes of '%s' from byte %llu on are damaged: letters they marked are open again\n",
            (unsigned long long)scan->marks.damaged_bytes, scan->paths.marks,
            (unsigned long long)scan->marks.damaged_at);
    if (damaged > 0 && code == DV_EXIT_OK)
        code = DV_EXIT_FAILED;
    for (uint32_t i = 0; rc == DV_OK && i < dlq->id_count; i++) {
        char text[DV_UUID_TEXT];
        if (dlq->met[i])
            continue;
        (void)fprintf(stderr, "datavault: there is no dead letter with the id %s\n", dv_id_text(text, dlq->ids[i]));
        code = DV_EXIT_FAILED;
    }
    return code;
}

/* ---- the command line ---- */

static bool parse_limit(const char *text, uint64_t *ret)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    *ret = number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number > 0;
}

static int take_ids(struct dv_dlq *dlq, int count, char **words)
{
    dlq->ids = dv_memory_zeroed((size_t)count + 1, sizeof *dlq->ids);
    dlq->met = dv_memory_zeroed((size_t)count + 1, sizeof *dlq->met);
    if (dlq->ids == NULL || dlq->met == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    for (int i = 0; i < count; i++)
        if (!dv_id_parse(words[i], strlen(words[i]), dlq->ids[dlq->id_count++]))
            return dv_usage(dlq->self, "'%s' is no id: one looks like 018f2c5e-0000-8000-8000-000000000000", words[i]);
    return DV_EXIT_OK;
}

static dv_rc open_letters(struct dv_dlq *dlq, struct dv_error *error)
{
    const struct dv_graph_settings *settings = dv_graph_settings(dlq->loaded.graph);
    if (settings->keyring == NULL)
        return dv_error_set(error, DV_E_CONFIG, "%s has no `keyring`: without one no dead letters are kept", dlq->file);
    if (dlq->path != NULL)
        (void)snprintf(dlq->letters, sizeof dlq->letters, "%s", dlq->path);
    else
        DV_TRY(dv_letters_path(settings, dlq->letters, sizeof dlq->letters, error));
    dv_rc rc = dv_keyring_open_named(&dlq->keyring, settings->keyring, settings->passphrase, error);
    if (rc != DV_OK)
        (void)fprintf(stderr, "datavault: all that a letter says is sealed, also which node rejected it and why: "
                              "nothing can be told without its keyring\n");
    return rc;
}

typedef int (*verb_function)(struct dv_dlq *dlq);

/* A verb; `changes`: it must be told which letters, and the graph must be proved. */
static const struct {
    const char *name;
    verb_function run;
} verbs[] = {
    { "list", dv_dlq_list },
    { "show", dv_dlq_show },
    { "replay", dv_dlq_replay },
    { "drop", dv_dlq_drop },
};

static verb_function find_verb(const char *word)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, word) == 0)
            return verbs[i].run;
    return NULL;
}

/* What does not go together is refused before anything is opened. */
static int check(const struct dv_dlq *dlq, verb_function verb)
{
    bool chosen = dlq->id_count > 0;
    if (verb == dv_dlq_show && !chosen)
        return dv_usage(dlq->self, "show which letter? `datavault dlq list %s` tells their ids", dlq->file);
    if ((verb == dv_dlq_replay || verb == dv_dlq_drop) && chosen == dlq->all)
        return dv_usage(dlq->self, chosen ? "name ids, or say --all" : "which letters? name ids, or say --all");
    if (verb == dv_dlq_drop && !dlq->yes)
        return dv_usage(dlq->self, "a dropped letter is gone for good: say --yes");
    return DV_EXIT_OK;
}

static int act(struct dv_dlq *dlq, verb_function verb)
{
    struct dv_error error = { 0 };
    int code = check(dlq, verb);
    if (code != DV_EXIT_OK)
        return code;
    code = dv_loaded_init(&dlq->loaded, dlq->file, false);
    if (dlq->loaded.graph != NULL && (code == DV_EXIT_OK || verb != dv_dlq_replay)) {
        dv_rc rc = open_letters(dlq, &error);
        code = rc == DV_OK ? verb(dlq) : dv_say_error(rc, &error);
    }
    dv_keyring_close(dlq->keyring);
    dv_loaded_free(&dlq->loaded);
    return code;
}

static int take_option(struct dv_dlq *dlq, int option)
{
    switch (option) {
    case 'n': dlq->node = optarg; break;
    case 'c': dlq->code = optarg; break;
    case 't': dlq->at = optarg; break;
    case 'f': dlq->path = optarg; break;
    case 'a': dlq->all = true; break;
    case 'r': dlq->raw = true; break;
    case 'd': dlq->dry_run = true; break;
    case 'y': dlq->yes = true; break;
    case 'q': dlq->quiet = true; break;
    case 's':
        if (!dv_when_parse(optarg, dv_dlq_now_ms(), &dlq->since_ms))
            return dv_usage(dlq->self, "--since is " DV_WHEN_HELP);
        break;
    case 'l':
        if (!parse_limit(optarg, &dlq->limit))
            return dv_usage(dlq->self, "--limit is a number from 1 on");
        break;
    default: dlq->json = true; break;
    }
    return DV_EXIT_OK;
}

static int run_words(struct dv_dlq *dlq, int argc, char **argv)
{
    if (optind == argc)
        return dv_usage(dlq->self, "list, show, replay or drop?");
    verb_function verb = find_verb(argv[optind]);
    if (verb == NULL)
        return dv_usage(dlq->self, "no verb '%s': it is list, show, replay or drop", argv[optind]);
    if (optind + 1 == argc)
        return dv_usage(dlq->self, "which graph file?");
    dlq->file = argv[optind + 1];
    int code = take_ids(dlq, argc - optind - 2, argv + optind + 2);
    return code == DV_EXIT_OK ? act(dlq, verb) : code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "node", required_argument, NULL, 'n' },  { "code", required_argument, NULL, 'c' },
        { "since", required_argument, NULL, 's' }, { "limit", required_argument, NULL, 'l' },
        { "at", required_argument, NULL, 't' },    { "letters", required_argument, NULL, 'f' },
        { "all", no_argument, NULL, 'a' },         { "raw", no_argument, NULL, 'r' },
        { "dry-run", no_argument, NULL, 'd' },     { "yes", no_argument, NULL, 'y' },
        { "quiet", no_argument, NULL, 'q' },       { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },        { 0 },
    };
    struct dv_dlq dlq = { .self = self, .since_ms = INT64_MIN, .limit = UINT64_MAX };
    int code = DV_EXIT_OK;
    for (int option; code == DV_EXIT_OK && (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        code = take_option(&dlq, option);
    }
    dv_log_setup(dlq.quiet ? DV_LOG_ERROR : DV_LOG_INFO, dlq.json || !isatty(STDERR_FILENO));
    if (code == DV_EXIT_OK)
        code = run_words(&dlq, argc, argv);
    dv_memory_free(dlq.ids);
    dv_memory_free(dlq.met);
    return code;
}

const struct dv_command dv_command_dlq = {
    .name = "dlq",
    .summary = "Lists, shows, replays and drops rejected records.",
    .help =
        "examples:\n"
        "  datavault dlq list conf/redis-pg.yaml                       what was rejected where and why; no field "
        "values\n"
        "  datavault dlq show conf/redis-pg.yaml 018f2c5e-0000-8000-8000-000000000000\n"
        "  datavault dlq replay conf/redis-pg.yaml --all --dry-run     what a replay would do\n"
        "  datavault dlq replay conf/redis-pg.yaml --all --node blobs  again, at the node that rejected them\n"
        "  datavault dlq drop conf/redis-pg.yaml --all --code SYNTAX --yes\n\n"
        "usage: datavault dlq list   FILE.yaml [filters] [--json]\n"
        "       datavault dlq show   FILE.yaml ID... [--raw]\n"
        "       datavault dlq replay FILE.yaml ID...|--all [filters] [--at NODE] [--dry-run] [--json] [--quiet]\n"
        "       datavault dlq drop   FILE.yaml ID...|--all [filters] --yes\n\n"
        "  --node NAME     rejected by this node            --since TIME  from 2h ago, or a date in UTC, on\n"
        "  --code CODE     as DV_E_DATA, or DATA            --limit N     the first N of those\n"
        "  --at NODE       feeds them to this node: after it was renamed, or its input has changed\n"
        "  --letters PATH  another file of letters, as one that was set aside as .corrupt\n"
        "  --raw           the rejected input alone, byte for byte\n\n"
        "`show` opens a record: that is a privileged act, for whoever holds the keyring, and it is logged.\n"
        "A replay starts at the node that rejected the record, with the id the record has had from the first: what "
        "was\n"
        "stored after all stays one. What fails again becomes a new letter. Windows see the replayed records alone.\n"
        "All of it works beside a running graph, but for sinks that write a file or a journal (sink-snowflake). What is replayed or dropped goes "
        "from\n"
        "the disk at once if the graph is not running, else at its next start.\n\n"
        "exit codes: 0 ok, 1 something failed again, is damaged or is not there; others as of `datavault run`\n",
    .run = run,
};

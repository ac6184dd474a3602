/* SPDX-License-Identifier: Apache-2.0
 * detect.c - `datavault detect`: where personal data is in texts, and why. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/detect_score.h"
#include "cli/lines.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/pool.h"
#include "engine/schema.h"
#include "operators/thorough.h"
#include "privacy/finder.h"
#include "privacy/policy.h"

enum { TEXT_BYTES_MAX = DV_LINE_BYTES_MAX, SPANS_MAX = 65536, POLICY_BYTES_MAX = 64 * 1024 * 1024, SPAN_JSON_MAX = 256, COLUMN_ID = 0, COLUMN_TEXT = 1 };

/* All that a run needs, made once. */
struct detect {
    struct dv_finder finder;
    struct dv_span *spans;
    size_t count; /* of them */
    struct dv_arena arena;
    struct dv_pool pool;
    struct dv_json_reader *reader;
    const struct dv_schema *schema;
    const struct dv_privacy_policy *policy; /* whose detectors are used; NULL: none */
    bool jsonl, explain, patterns;
    const char *parts; /* where the models are; NULL: no thorough mode */
    struct dv_thorough *thorough;
    struct dv_thorough_question *question; /* NULL: no thorough mode */
    struct dv_error error;
    uint64_t line, failed;
};

static const struct dv_schema *make_schema(struct dv_arena *arena)
{
    const struct dv_label label = { .class = DV_CLASS_FREE_TEXT, .form = DV_FORM_PLAIN };
    struct dv_schema *schema = dv_schema_new(arena, "texts", 3);
    if (schema == NULL)
        return NULL;
    (void)dv_schema_add(schema, "id", DV_TYPE_JSON, label);
    (void)dv_schema_add(schema, "text", DV_TYPE_TEXT, label);
    (void)dv_schema_add(schema, DV_EXTRA_COLUMN, DV_TYPE_JSON, label);
    schema->extra = 2;
    return schema;
}

static dv_rc open_thorough(struct detect *detect)
{
    DV_TRY(dv_thorough_open(&detect->thorough, &detect->arena, NULL, detect->parts, &detect->error));
    detect->question = dv_thorough_question_new(detect->thorough);
    return detect->question != NULL ? DV_OK : DV_E_MEMORY;
}

static dv_rc open_finder(struct detect *detect)
{
    DV_TRY(dv_finder_open(&detect->finder, detect->patterns ? DV_PII_PATTERNS : DV_PII_ALL));
    return detect->policy != NULL && detect->policy->custom != NULL ? dv_finder_add(&detect->finder, detect->policy->custom) : DV_OK;
}

static dv_rc open_all(struct detect *detect)
{
    dv_arena_init(&detect->arena, 1024 * 1024);
    if (detect->parts != NULL)
        DV_TRY(open_thorough(detect));
    DV_TRY(open_finder(detect));
    detect->schema = make_schema(&detect->arena);
    detect->reader = detect->schema != NULL ? dv_json_reader_new(detect->schema, TEXT_BYTES_MAX) : NULL;
    detect->spans = dv_memory_zeroed(SPANS_MAX, sizeof *detect->spans);
    if (detect->reader == NULL || detect->spans == NULL)
        return DV_E_MEMORY;
    return dv_pool_init(&detect->pool, 1, 4 * (size_t)TEXT_BYTES_MAX);
}

static void close_all(struct detect *detect)
{
    dv_thorough_question_free(detect->question);
    dv_thorough_close(detect->thorough);
    dv_json_reader_free(detect->reader);
    dv_finder_close(&detect->finder);
    dv_memory_free(detect->spans);
    dv_pool_free(&detect->pool);
    dv_arena_free(&detect->arena);
}

static dv_rc find(struct detect *detect, const char *text, size_t length)
{
    struct dv_thorough_text one = { .text = text, .length = length, .spans = detect->spans, .max = SPANS_MAX };
    one.count = dv_find(&detect->finder, text, length, detect->spans, SPANS_MAX);
    dv_rc rc = DV_OK;
    if (detect->question != NULL) {
        detect->question->texts = &one;
        detect->question->count = 1;
        rc = dv_thorough_now(detect->question);
        detect->error = detect->question->error;
    }
    detect->count = one.count;
    return rc;
}

/* How many code points the bytes from..to begin. */
static uint32_t code_points(const char *text, uint32_t from, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t at = from; at < to; at++)
        count += ((unsigned char)text[at] & 0xC0) != 0x80;
    return count;
}

static void write_span(struct dv_json *json, const struct detect *detect, const struct dv_span *span, uint32_t start, uint32_t end)
{
    dv_json_open(json, '{');
    dv_json_key(json, "start");
    dv_json_uint(json, start);
    dv_json_key(json, "end");
    dv_json_uint(json, end);
    dv_json_key(json, "type");
    dv_json_string(json, dv_span_name(span));
    dv_json_key(json, "score");
    dv_json_float(json, span->score / 1000.0);
    if (detect->explain) {
        dv_json_key(json, "why");
        dv_json_string(json, span->why);
    }
    dv_json_close(json, '}');
}

/* One line: {"id": …, "spans": […]}, offsets in code points. */
static dv_rc print_spans(const struct detect *detect, const struct dv_cell *id, const char *text)
{
    size_t size = detect->count * SPAN_JSON_MAX + SPAN_JSON_MAX + (id->present ? id->length : 0);
    char *buffer = dv_memory_alloc(size);
    if (buffer == NULL)
        return DV_E_MEMORY;
    struct dv_json json;
    dv_json_init(&json, buffer, size);
    dv_json_open(&json, '{');
    dv_json_key(&json, "id");
    dv_json_raw(&json, id->present ? id->text : "null", id->present ? id->length : 4);
    dv_json_key(&json, "spans");
    dv_json_open(&json, '[');
    uint32_t at = 0, points = 0;
    for (size_t i = 0; i < detect->count; i++) {
        const struct dv_span *span = &detect->spans[i];
        points += code_points(text, at, span->start);
        uint32_t end = points + code_points(text, span->start, span->end);
        write_span(&json, detect, span, points, end);
        points = end;
        at = span->end;
    }
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    (void)fwrite(buffer, 1, dv_json_length(&json), stdout);
    (void)putchar('\n');
    dv_memory_free(buffer);
    return DV_OK;
}

/* For people: the words found, with their kind. The text is theirs already. */
static void print_found(const struct detect *detect, const char *text)
{
    for (size_t i = 0; i < detect->count; i++) {
        const struct dv_span *span = &detect->spans[i];
        (void)printf("%llu:%u: %-11s %.*s", (unsigned long long)detect->line, span->start + 1, dv_span_name(span),
                     (int)(span->end - span->start), text + span->start);
        if (detect->explain)
            (void)printf("  (%s, %.2f)", span->why, span->score / 1000.0);
        (void)putchar('\n');
    }
}

static dv_rc take_json(struct detect *detect, const char *line, size_t length)
{
    const char *reason = NULL;
    struct dv_batch *batch = dv_pool_take(&detect->pool, detect->schema, "default");
    if (batch == NULL)
        return DV_E_MEMORY;
    batch->rows = 1;
    dv_rc rc = dv_json_reader_record(detect->reader, line, length, batch, 0, &reason);
    const struct dv_cell *text = &dv_batch_cells(batch, COLUMN_TEXT)[0];
    if (rc == DV_OK && text->present) {
        rc = find(detect, text->text, text->length);
        if (rc == DV_OK)
            rc = print_spans(detect, &dv_batch_cells(batch, COLUMN_ID)[0], text->text);
    } else {
        detect->failed++;
        (void)fprintf(stderr, "datavault: line %llu: %s\n", (unsigned long long)detect->line,
                      rc == DV_OK ? "there is no \"text\"" : reason);
        rc = rc == DV_E_MEMORY ? rc : DV_OK;
    }
    dv_batch_unref(batch);
    return rc;
}

static dv_rc take_line(void *context, const char *line, size_t length)
{
    struct detect *detect = context;
    detect->line++;
    if (length == 0)
        return DV_OK;
    if (detect->jsonl)
        return take_json(detect, line, length);
    DV_TRY(find(detect, line, length));
    print_found(detect, line);
    return DV_OK;
}

/* Scores instead of answers. */
static int score(struct detect *detect, struct dv_score_work *work)
{
    work->finder = &detect->finder;
    dv_rc rc = work->spans != NULL ? DV_OK : open_finder(detect);
    int code = rc == DV_OK ? dv_detect_score(work) : dv_say_error(rc, NULL);
    dv_finder_close(&detect->finder);
    return code;
}

static int answer(struct detect *detect)
{
    dv_rc rc = open_all(detect);
    if (rc == DV_OK)
        rc = dv_input_lines(stdin, take_line, detect);
    close_all(detect);
    if (rc != DV_OK)
        return dv_say_error(rc, detect->error.code != DV_OK ? &detect->error : NULL);
    return detect->failed > 0 ? DV_EXIT_FAILED : DV_EXIT_OK;
}

/* The exit code; what is wrong is told. */
static int load_policy(const char *path, struct dv_arena *arena, const struct dv_privacy_policy **ret_policy)
{
    struct dv_diags diags;
    dv_diags_init(&diags, arena);
    *ret_policy = dv_policy_load(path, arena, &diags);
    if (*ret_policy == NULL)
        dv_diags_print(&diags, stderr, dv_colour(STDERR_FILENO));
    return *ret_policy != NULL ? DV_EXIT_OK : dv_rc_exit(DV_E_CONFIG);
}

static int run_with_policy(struct detect *detect, struct dv_score_work *work, const char *policy)
{
    struct dv_arena arena;
    dv_arena_init(&arena, POLICY_BYTES_MAX);
    int code = policy != NULL ? load_policy(policy, &arena, &detect->policy) : DV_EXIT_OK;
    if (code == DV_EXIT_OK)
        code = work->gold != NULL ? score(detect, work) : answer(detect);
    dv_arena_free(&arena);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "jsonl", no_argument, NULL, 'j' },
                                             { "explain", no_argument, NULL, 'e' },
                                             { "patterns", no_argument, NULL, 'p' },
                                             { "thorough", optional_argument, NULL, 't' },
                                             { "score", required_argument, NULL, 's' },
                                             { "spans", required_argument, NULL, 'S' },
                                             { "json", no_argument, NULL, 'J' },
                                             { "policy", required_argument, NULL, 'P' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct detect detect = { 0 };
    struct dv_score_work work = { 0 };
    const char *policy = NULL;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 'j': detect.jsonl = true; break;
        case 'e': detect.explain = true; break;
        case 't': detect.parts = optarg != NULL ? optarg : "parts"; break;
        case 's': work.gold = optarg; break;
        case 'S': work.spans = optarg; break;
        case 'J': work.json = true; break;
        case 'P': policy = optarg; break;
        default: detect.patterns = true; break;
        }
    }
    if (dv_no_more(self, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    if (work.gold == NULL && (work.spans != NULL || work.json))
        return dv_usage(self, "'--%s' goes with --score", work.spans != NULL ? "spans" : "json");
    if (work.gold != NULL && (detect.jsonl || detect.explain || detect.parts != NULL))
        return dv_usage(self, "'--%s' does not go with --score", detect.jsonl ? "jsonl" : detect.explain ? "explain" : "thorough");
    if (detect.parts != NULL && detect.patterns)
        return dv_usage(self, "--thorough looks for names, --patterns for none");
    return run_with_policy(&detect, &work, policy);
}

const struct dv_command dv_command_detect = {
    .name = "detect",
    .summary = "Finds personal data in texts.",
    .help = "examples:\n"
            "  echo 'Call Ann Lee on 555-123-4567' | datavault detect --explain\n"
            "  datavault detect --jsonl < texts.jsonl > spans.jsonl\n"
            "  datavault detect --score marked.jsonl\n\n"
            "usage: datavault detect [--jsonl] [--explain] [--patterns | --thorough[=FOLDER]] [--policy FILE] < TEXTS\n"
            "       datavault detect --score GOLD [--spans FILE] [--patterns] [--json]\n\n"
            "  --jsonl     lines of {\"id\", \"text\"}; the answers are {\"id\", \"spans\": [{start, end, type, score}]}, with offsets in\n"
            "              code points. Without it each line is a text, and what is found is shown: it is personal data\n"
            "  --explain   which rule found it\n"
            "  --patterns  numbers and addresses only, no names\n"
            "  --thorough  asks a small neural model, too, about parts with words that are not of every day: finds half of the names\n"
            "              that are left, at a hundredth of the speed. FOLDER (parts) is where tools/parts brought the models\n"
            "  --policy    the detectors of this policy, too\n"
            "  --score     how well it finds what is marked in lines of {\"id\", \"text\", \"spans\", \"source\"}: the share of personal\n"
            "              letters and digits that is left (leak) and of others that is covered (over-redaction), precision, recall,\n"
            "              F1 and F2 by strict and by overlapping places, by type and by source\n"
            "  --spans     scores what somebody else found, as --jsonl writes it\n"
            "  --json      the scores for machines\n",
    .run = run,
};

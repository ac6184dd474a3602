/* SPDX-License-Identifier: Apache-2.0
 * llm_ask.c - asks a language model's service what standard input says, a JSON object a line, and prints what came:
 *
 *   llm_ask kind=openai|gemini|cortex|cortex-native|cortex-sql url=URL model=NAME [NAME=VALUE ...] < commands
 *
 *   {"op":"ask","prompt":"...","system":"...","schema":"...","max_tokens":9,"tenant":"t","stop_at":5}
 *   {"op":"embed","texts":["...","..."],"dims":64,"query":false}
 *   "fail_at":N of either: the n-th allocation from then on fails; close_after=N: the connector is closed at the N-th answer
 *   {"op":"sleep","ms":100}     {"op":"find","file":"key"}: how often the file's text stands in this process' memory
 *
 * "together":true begins a request beside the one before it. tests/e2e/test_llm.py drives it. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/llm.h"
#include "connectors/snowflake.h"
#include "engine/json.h"
#include "engine/json_doc.h"
#include "engine/memory.h"

enum { LINE_MAX_BYTES = 6 * 1024 * 1024, DIMS_SHOWN = 4 };

/* A line of the input, and what became of it. */
struct command {
    struct dv_llm_request request;
    struct dv_llm_embedding embedding;
    struct dv_llm_text texts[DV_LLM_TEXTS_MAX];
    char *line;
    struct dv_doc doc;
    const char *op;
    char *text;
    size_t used, size;
    uint64_t pieces, stop_at;
    uint64_t found_inside; /* the key, while the answer came */
    const char *tenant, *schema, *file;
    struct command *next;
};

struct asker {
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_llm llm;
    const char *key_file;
    unsigned open;
    uint64_t answers, close_after;
    struct command *commands; /* all: what they hold is kept to the end of the process */
};

static struct asker asker;

/* ---- memory ---- */

/* The needle is held altered, so that it is not found where we keep it. */
__attribute__((no_sanitize("address", "undefined"))) static uint64_t
count_in(const unsigned char *at, size_t size, const unsigned char *needle, size_t length)
{
    const unsigned char *end = at + size;
    uint64_t found = 0;
    while (size >= length && (at = memchr(at, needle[0] ^ 0x55, (size_t)(end - at))) != NULL &&
           (size_t)(end - at) >= length) {
        size_t same = 1;
        while (same < length && (at[same] ^ 0x55) == needle[same])
            same++;
        found += same == length;
        at++;
    }
    return found;
}

__attribute__((no_sanitize("address"))) static uint64_t find_text(const char *path)
{
    static unsigned char needle[256], block[1 << 16];
    char line[512];
    uint64_t found = 0;
    int file = open(path, O_RDONLY);
    ssize_t read_bytes = read(file, needle, sizeof needle);
    size_t length = read_bytes > 0 ? (size_t)read_bytes : 0;
    (void)close(file);
    while (length > 0 && needle[length - 1] == '\n')
        length--;
    for (size_t i = 0; i < sizeof needle; i++)
        needle[i] ^= 0x55;
    int memory = open("/proc/self/mem", O_RDONLY);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        char *rest = line;
        unsigned long from = strtoul(rest, &rest, 16);
        unsigned long to = strtoul(rest + 1, &rest, 16);
        if (strncmp(rest, " rw", 3) != 0 || to - from > 1UL << 32)
            continue;
        for (unsigned long at = from; at < to; at += sizeof block - length) {
            ssize_t got = pread(memory, block, sizeof block < to - at ? sizeof block : to - at, (off_t)at);
            if (got > 0 && !(at <= (unsigned long)block && (unsigned long)block < at + (unsigned long)got))
                found += count_in(block, (size_t)got, needle, length);
        }
    }
    explicit_bzero(block, sizeof block);
    if (maps != NULL)
        (void)fclose(maps);
    (void)close(memory);
    return found;
}

/* ---- output ---- */

static const char *const finishes[] = { "complete", "truncated", "blocked", "personal", "failed" };

static void print(struct dv_json *json)
{
    printf("%.*s\n", (int)dv_json_length(json), json->start);
    (void)fflush(stdout);
}

static void begin(struct dv_json *json, char *room, size_t size, const char *op, dv_rc rc, const char *reason)
{
    dv_json_init(json, room, size);
    dv_json_open(json, '{');
    dv_json_key(json, "op");
    dv_json_string(json, op);
    dv_json_key(json, "rc");
    dv_json_string(json, rc == DV_OK ? "DV_OK" : dv_rc_name(rc));
    dv_json_key(json, "reason");
    dv_json_string(json, reason);
}

static void put(struct dv_json *json, const char *name, uint64_t value)
{
    dv_json_key(json, name);
    dv_json_uint(json, value);
}

static void is_over(void)
{
    --asker.open;
    if (++asker.answers == asker.close_after) {
        dv_llm_close(&asker.llm);
        asker.open = 0;
    }
    if (asker.open == 0)
        uv_stop(&asker.uv);
}

static void on_end(struct dv_llm_request *request)
{
    struct command *command = request->data;
    struct dv_json json;
    size_t size = 6 * command->used + 4096;
    char *room = malloc(size);
    begin(&json, room, size, "ask", request->rc, request->reason);
    dv_json_key(&json, "finish");
    dv_json_string(&json, finishes[request->finish]);
    dv_json_key(&json, "text");
    dv_json_text(&json, command->text, command->used);
    put(&json, "pieces", command->pieces);
    put(&json, "tokens_in", request->tokens_in);
    put(&json, "tokens_out", request->tokens_out);
    put(&json, "keys", command->found_inside);
    dv_json_key(&json, "kept");
    dv_json_bool(&json, request->kept);
    dv_json_close(&json, '}');
    print(&json);
    free(room);
    is_over();
}

static void on_text(struct dv_llm_request *request, const char *bytes, size_t length)
{
    struct command *command = request->data;
    if (command->used + length > command->size) {
        command->size = 2 * (command->size + length);
        command->text = realloc(command->text, command->size);
    }
    memcpy(command->text + command->used, bytes, length);
    command->used += length;
    if (command->pieces++ == 0 && asker.key_file != NULL)
        command->found_inside = find_text(asker.key_file);
    if (command->stop_at == 0 || command->used < command->stop_at)
        return;
    dv_llm_cancel(&asker.llm, request);
    printf("{\"op\":\"cancelled\",\"pieces\":%llu}\n", (unsigned long long)command->pieces);
    is_over();
}

static double norm_of(const float *row, uint32_t dims)
{
    double sum = 0;
    for (uint32_t i = 0; i < dims; i++)
        sum += (double)row[i] * (double)row[i];
    return sqrt(sum);
}

static void on_rows(struct dv_llm_embedding *embedding)
{
    struct dv_json json;
    static char room[1 << 16];
    begin(&json, room, sizeof room, "embed", embedding->rc, embedding->reason);
    put(&json, "tokens_in", embedding->tokens_in);
    dv_json_key(&json, "rows");
    dv_json_open(&json, '[');
    for (uint32_t row = 0; embedding->rc == DV_OK && row < embedding->count; row++) {
        dv_json_open(&json, '[');
        for (uint32_t i = 0; i < embedding->dims && i < DIMS_SHOWN; i++)
            dv_json_float(&json, (double)embedding->rows[(size_t)row * embedding->dims + i]);
        dv_json_close(&json, ']');
    }
    dv_json_close(&json, ']');
    dv_json_key(&json, "norms");
    dv_json_open(&json, '[');
    for (uint32_t row = 0; embedding->rc == DV_OK && row < embedding->count; row++)
        dv_json_float(&json, norm_of(embedding->rows + (size_t)row * embedding->dims, embedding->dims));
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    print(&json);
    is_over();
}

/* ---- commands ---- */

static dv_doc_at member(struct command *command, const char *name)
{
    return dv_doc_in(&command->doc, dv_doc_root(&command->doc), name);
}

static const char *text_of(struct command *command, dv_doc_at at, size_t *ret_length)
{
    const char *text = NULL;
    *ret_length = 0;
    return dv_doc_text(&command->doc, at, &text, ret_length) ? text : NULL;
}

/* NUL-terminated; or NULL. */
static const char *string_of(struct command *command, const char *name)
{
    size_t length = 0;
    const char *text = text_of(command, member(command, name), &length);
    return text != NULL ? strndup(text, length) : NULL;
}

static uint64_t number_of(struct command *command, const char *name, int64_t other)
{
    int64_t number = other;
    return (uint64_t)(dv_doc_whole(&command->doc, member(command, name), &number) ? number : other);
}

static dv_rc ask(struct command *command)
{
    struct dv_llm_request *request = &command->request;
    request->prompt.at = text_of(command, member(command, "prompt"), &request->prompt.length);
    request->system.at = text_of(command, member(command, "system"), &request->system.length);
    request->tenant = command->tenant != NULL ? command->tenant : "test";
    request->max_tokens = (uint32_t)number_of(command, "max_tokens", 0);
    command->schema = string_of(command, "schema");
    request->json_schema = command->schema;
    request->on_text = on_text;
    request->on_end = on_end;
    request->data = command;
    command->stop_at = number_of(command, "stop_at", 0);
    return dv_llm_ask(&asker.llm, request);
}

static dv_rc embed(struct command *command)
{
    struct dv_llm_embedding *embedding = &command->embedding;
    struct dv_doc *doc = &command->doc;
    for (dv_doc_at at = dv_doc_first(doc, member(command, "texts")); at != NULL; at = dv_doc_next(doc, at)) {
        struct dv_llm_text *text = &command->texts[embedding->count++];
        text->at = text_of(command, at, &text->length);
    }
    embedding->texts = command->texts;
    embedding->dims = (uint32_t)number_of(command, "dims", 64);
    embedding->task = dv_doc_is_true(doc, member(command, "query")) ? DV_LLM_QUERY : DV_LLM_DOCUMENT;
    embedding->tenant = command->tenant != NULL ? command->tenant : "test";
    embedding->rows = calloc(embedding->count * (size_t)embedding->dims, sizeof *embedding->rows);
    embedding->on_end = on_rows;
    embedding->data = command;
    return dv_llm_embed(&asker.llm, embedding);
}

static void wait_for(uint64_t ms)
{
    uint64_t end = uv_hrtime() / 1000000 + ms;
    while (uv_hrtime() / 1000000 < end) {
        (void)uv_run(&asker.uv, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}

static void drain(void)
{
    while (asker.open > 0)
        (void)uv_run(&asker.uv, UV_RUN_ONCE);
}

static void run(struct command *command)
{
    command->tenant = string_of(command, "tenant");
    command->file = string_of(command, "file");
    command->op = string_of(command, "op");
    if (!dv_doc_is_true(&command->doc, member(command, "together")))
        drain();
    if (strcmp(command->op, "sleep") == 0) {
        wait_for(number_of(command, "ms", 0));
        return;
    }
    if (strcmp(command->op, "find") == 0) {
        printf("{\"op\":\"find\",\"keys\":%llu}\n", (unsigned long long)find_text(command->file));
        return;
    }
    asker.open++;
    uint64_t fail_at = number_of(command, "fail_at", 0);
    dv_memory_fail_at(fail_at);
    dv_rc rc = strcmp(command->op, "embed") == 0 ? embed(command) : ask(command);
    if (rc == DV_OK && fail_at > 0)
        drain();
    dv_memory_fail_at(0);
    if (rc == DV_OK)
        return;
    asker.open--;
    printf("{\"op\":\"refused\",\"rc\":\"%s\",\"reason\":\"\",\"text\":\"\"}\n", dv_rc_name(rc));
}

static const char *argument(char **arguments, const char *name)
{
    size_t length = strlen(name);
    for (; *arguments != NULL; arguments++)
        if (strncmp(*arguments, name, length) == 0 && (*arguments)[length] == '=')
            return *arguments + length + 1;
    return NULL;
}

static uint64_t number(char **arguments, const char *name)
{
    const char *text = argument(arguments, name);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

/* Its place in a list of words, or 0. */
static int choice(const char *word, const char *const *words, int count)
{
    for (int i = 0; word != NULL && i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return 0;
}

static dv_rc open_llm(char **arguments, struct dv_error *error)
{
    static const char *const kinds[] = { "openai", "gemini", "cortex", "cortex-native", "cortex-sql" };
    static struct dv_snowflake snowflake;
    static const char *const proofs[] = { "keypair", "pat", "oauth" };
    asker.key_file = argument(arguments, "find");
    asker.close_after = number(arguments, "close_after");
    const struct dv_llm_config config = {
        .loop = &asker.loop.base,
        .kind = (enum dv_llm_kind)choice(argument(arguments, "kind"), kinds, 5),
        .identity = { .proof = (enum dv_snowflake_proof)choice(argument(arguments, "proof"), proofs, 3),
                      .account = argument(arguments, "account"),
                      .user = argument(arguments, "user"),
                      .secret = argument(arguments, "secret") },
        .warehouse = argument(arguments, "warehouse"),
        .snowflake = &snowflake,
        .guarded = argument(arguments, "guarded") != NULL,
        .url = argument(arguments, "url"),
        .key = argument(arguments, "key"),
        .model = argument(arguments, "model"),
        .ca = argument(arguments, "ca"),
        .deadlines = { (uint32_t)number(arguments, "connect_ms"), (uint32_t)number(arguments, "first_byte_ms"),
                       (uint32_t)number(arguments, "idle_ms"), (uint32_t)number(arguments, "total_ms") },
        .pause_ms = (uint32_t)number(arguments, "pause_ms"),
        .at_a_time = (uint32_t)number(arguments, "at_a_time"),
        .tokens_per_day = number(arguments, "tokens_per_day"),
        .keeps_none = argument(arguments, "keeps_none") != NULL,
        .base64 = argument(arguments, "base64") != NULL,
    };
    return dv_llm_open(&asker.llm, &config, error);
}

static void report(void)
{
    const struct dv_llm_figures *figures = dv_llm_figures(&asker.llm);
    const char *waits = dv_llm_waits(&asker.llm);
    struct dv_json json;
    char room[1024];
    begin(&json, room, sizeof room, "end", DV_OK, waits);
    put(&json, "asked", figures->asked);
    put(&json, "failed", figures->failed);
    put(&json, "retries", figures->retries);
    put(&json, "kept", figures->kept);
    put(&json, "refused", figures->refused);
    put(&json, "blocked", figures->blocked);
    put(&json, "personal", figures->personal);
    put(&json, "lag_us", dv_histogram_percentile(&asker.loop.base.lag, 100) / 1000);
    dv_json_close(&json, '}');
    print(&json);
}

static bool read_commands(void)
{
    static char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct command *command = calloc(1, sizeof *command);
        command->next = asker.commands;
        asker.commands = command;
        size_t length = strcspn(line, "\n");
        command->line = calloc(1, length + DV_JSON_PADDING);
        memcpy(command->line, line, length);
        if (dv_doc_init(&command->doc, LINE_MAX_BYTES) != DV_OK ||
            dv_doc_read(&command->doc, command->line, length) != DV_OK)
            return false;
        run(command);
    }
    return true;
}

int main(int count, char **arguments)
{
    struct dv_error error = { 0 };
    (void)count;
    if (uv_loop_init(&asker.uv) != 0 || dv_loop_real_init(&asker.loop, &asker.uv) != DV_OK)
        return 1;
    if (open_llm(arguments, &error) != DV_OK) {
        printf("{\"op\":\"open\",\"rc\":\"%s\",\"text\":\"%s\"}\n", dv_rc_name(error.code), error.text);
        return 0;
    }
    if (!read_commands())
        return 2;
    drain();
    report();
    dv_llm_close(&asker.llm);
    dv_loop_real_close(&asker.loop);
    while (uv_run(&asker.uv, UV_RUN_DEFAULT) != 0)
        ;
    return uv_loop_close(&asker.uv) == 0 ? 0 : 3;
}

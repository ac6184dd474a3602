/* SPDX-License-Identifier: Apache-2.0
 * check.c - `datavault check`: proves that a graph leaks nothing, or shows the path of the leak. */
#include <string.h>

#include "cli/command.h"
#include "cli/connect.h"
#include "cli/load.h"
#include "cli/spending.h"
#include "engine/proof.h"

/* What is asked of each file. */
struct asked {
    bool json;
    bool connect;
    const char *certificate; /* a file to compare with, or NULL */
};

static const char table_row[] = "%-16s %-12s %-20s %-28s %s\n";

/* A condition is shown as "(split: age)". */
static void print_row(const struct dv_proof_row *row)
{
    char label[64];
    char told[288]; /* two names and what stands around them */
    const char *teller = dv_proof_teller(row);
    if (teller != NULL)
        (void)snprintf(told, sizeof told, "(%s: %s)", teller, row->field);
    (void)printf(table_row, dv_node_name(row->node), dv_exit_name(row->kind), teller != NULL ? told : row->field,
                 dv_label_text(row->label, label, sizeof label), row->why);
}

/* What looks at the values themselves, where the labels cannot. */
static void print_guard(const struct dv_node *node)
{
    const struct dv_guard_account account = dv_node_guard(node);
    (void)printf(table_row, dv_node_name(node), "guard", account.fields, account.word, account.why);
}

static void print_proof(const struct dv_graph *graph, struct dv_arena *arena)
{
    uint32_t count = 0;
    const struct dv_proof_row *rows = dv_proof_rows(graph, arena, &count);
    (void)printf(table_row, "EXIT", "KIND", "FIELD", "LABEL", "WHY IT MAY");
    for (uint32_t i = 0; i < count; i++) {
        print_row(&rows[i]);
        if (i + 1 == count || rows[i + 1].node != rows[i].node)
            print_guard(rows[i].node);
    }
    bool kept = dv_graph_settings(graph)->keyring != NULL;
    (void)printf(table_row, "(every node)", "dead letter", kept ? "(whole record)" : "(none)", kept ? "sealed" : "not kept",
                 kept ? "rejected records are sealed before they are written"
                      : "without a keyring rejected records are counted and told by line, and their input stays");
    (void)printf(table_row, "(every node)", "log", "(none)", "public",
                 "logs, metrics and errors hold names, numbers and codes only");
}

static void print_bound(const struct dv_graph *graph)
{
    struct dv_bound bound = dv_graph_bound(graph);
    (void)printf("\nmemory: records in flight take at most %llu batches, %.1f MiB\n", (unsigned long long)bound.batches,
                 (double)bound.bytes / (1024 * 1024));
    (void)printf("config: sha256 %s\n", dv_graph_config_hash(graph));
}

/* The beginning of a file without its line's end, as much as `size` bytes; NULL if it cannot be read. */
static const char *read_text(const char *path, struct dv_arena *arena, size_t size, size_t *ret_length)
{
    char *text = dv_arena_zeroed(arena, 1, size + 1);
    FILE *file = text != NULL ? fopen(path, "re") : NULL;
    if (file == NULL)
        return NULL;
    size_t length = fread(text, 1, size, file);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (length > 0 && text[length - 1] == '\n')
        length--;
    *ret_length = length;
    return failed ? NULL : text;
}

/* Why a certificate is not the one that would be made now. */
static const char *difference(const struct dv_graph *graph, const char *certificate)
{
    const char *hash = strstr(certificate, "\"config_sha256\":\"");
    if (hash == NULL)
        return "it is no certificate";
    hash += strlen("\"config_sha256\":\"");
    bool same = strncmp(hash, dv_graph_config_hash(graph), DV_CONFIG_HASH_BYTES - 1) == 0;
    return same ? "it was changed after it was made" : "the configuration is another: its graph file, a variable, a schema, "
                                                       "a policy or the program's version";
}

static int compare(struct dv_loaded *loaded, const char *path, const char *certificate)
{
    size_t length = 0;
    size_t made_length = 0;
    const char *made = dv_certificate(loaded->graph, &loaded->arena, &made_length);
    if (made == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    const char *text = read_text(certificate, &loaded->arena, made_length + 2, &length);
    if (text == NULL) {
        (void)fprintf(stderr, "datavault: check: cannot read the certificate '%s'\n", certificate);
        return dv_rc_exit(DV_E_CONFIG);
    }
    if (length == made_length && memcmp(text, made, length) == 0) {
        (void)fprintf(stderr, "%s: proved, as certified\n", path);
        return DV_EXIT_OK;
    }
    (void)fprintf(stderr, "%s: not what '%s' certifies: %s\n", path, certificate, difference(loaded->graph, text));
    return dv_rc_exit(DV_E_LEAK);
}

static int show(struct dv_loaded *loaded, const char *path, bool json)
{
    if (json) {
        size_t length = 0;
        const char *certificate = dv_certificate(loaded->graph, &loaded->arena, &length);
        if (certificate == NULL)
            return dv_say_error(DV_E_MEMORY, NULL);
        (void)printf("%.*s\n", (int)length, certificate);
    } else {
        print_proof(loaded->graph, &loaded->arena);
        print_bound(loaded->graph);
        dv_spending_print(loaded->graph);
    }
    (void)fprintf(stderr, "%s: proved: every exit receives only what it may\n", path);
    return DV_EXIT_OK;
}

static int check_file(const char *path, const struct asked *asked)
{
    struct dv_loaded loaded;
    int code = dv_loaded_init(&loaded, path, asked->json);
    if (code != DV_EXIT_OK)
        (void)fprintf(stderr, "%s: refused\n", path);
    else if (asked->certificate != NULL)
        code = compare(&loaded, path, asked->certificate);
    else
        code = show(&loaded, path, asked->json);
    if (code == DV_EXIT_OK && asked->connect)
        code = dv_connect_check(loaded.graph);
    dv_loaded_free(&loaded);
    return code;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "certificate", required_argument, NULL, 'c' },
                                             { "connect", no_argument, NULL, 'o' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct asked asked = { 0 };
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        asked.json = asked.json || option == 'j';
        asked.connect = asked.connect || option == 'o';
        asked.certificate = option == 'c' ? optarg : asked.certificate;
    }
    if (optind >= argc)
        return dv_usage(self, "which graph file?");
    if (asked.certificate != NULL && optind + 1 != argc)
        return dv_usage(self, "a certificate is of one graph file");
    for (; optind < argc; optind++) {
        int one = check_file(argv[optind], &asked);
        code = one > code ? one : code;
    }
    return code;
}

const struct dv_command dv_command_check = {
    .name = "check",
    .summary = "Proves that nothing leaks, before anything runs.",
    .help = "examples:\n"
            "  datavault check conf/demo.yaml\n"
            "  datavault check --json conf/demo.yaml > demo.cert\n"
            "  datavault check --certificate demo.cert conf/demo.yaml\n"
            "  datavault check --connect conf/snowflake.yaml\n\n"
            "usage: datavault check [--json] [--connect] FILE.yaml...\n"
            "       datavault check [--connect] --certificate CERT FILE.yaml\n\n"
            "  --json              the proof as a certificate: one JSON object a file, always the same bytes\n"
            "  --certificate CERT  proves again and compares with what was certified\n"
            "  --connect           then looks at Snowflake: whether each sink's table takes the records, what other nodes name is there, and\n"
            "                      Cortex has their models\n\n"
            "Follows the labels of every field through the graph to each exit and prints the proof: exit, field, label\n"
            "and the rule that allows it; and the most memory the graph can use. A leak is shown with its path and a mend.\n"
            "`(split: age)` is what it tells about a record that the condition of `split` sent it there.\n\n"
            "exit codes: 0 proved, 3 the file or, with --connect, what it names is wrong, 4 personal data would leak, or it is not\n"
            "what was certified, 5 a service does not answer\n",
    .run = run,
};

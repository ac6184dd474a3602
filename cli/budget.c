/* SPDX-License-Identifier: Apache-2.0
 * budget.c - `datavault budget show|plan|set`: the privacy budgets of a graph's tenant. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/load.h"
#include "cli/spending.h"
#include "connectors/ledger.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/option.h"
#include "privacy/dp.h"

enum { ACCOUNTS_MAX = 1024, JSON_BYTES = 1024, SET_WORDS = 3 };

/* What was given. */
struct arguments {
    const struct dv_command *self;
    const char *verb, *file;
    char **words; /* behind the file */
    int word_count;
    const char *spent; /* or NULL */
    bool json;
};

static void add_number(struct dv_json *json, const char *key, int64_t nano)
{
    struct dv_decimal decimal = dv_ledger_decimal(nano);
    dv_json_key(json, key);
    dv_json_raw(json, decimal.text, strlen(decimal.text));
}

static void print_json(const struct dv_account *account, const struct dv_budget *budget, const char *why)
{
    char buffer[JSON_BYTES];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "tenant");
    dv_json_string(&json, account->tenant);
    dv_json_key(&json, "dataset");
    dv_json_string(&json, account->dataset);
    dv_json_key(&json, "operator");
    dv_json_string(&json, account->operator);
    if (why == NULL) {
        bool is_over = budget->spent_nano > budget->limit_nano;
        add_number(&json, "limit", budget->limit_nano);
        add_number(&json, "spent", budget->spent_nano);
        add_number(&json, "left", is_over ? 0 : budget->limit_nano - budget->spent_nano);
        dv_json_key(&json, "charges");
        dv_json_uint(&json, budget->charges);
    } else {
        dv_json_key(&json, "error");
        dv_json_string(&json, why);
    }
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static void print_row(const struct dv_account *account, const struct dv_budget *budget, const char *why)
{
    (void)printf("%-20s %-24s ", account->dataset, account->operator);
    if (why != NULL) {
        (void)printf("%s\n", why);
        return;
    }
    bool is_over = budget->spent_nano > budget->limit_nano;
    (void)printf("%12s %12s %12s %8llu\n", dv_ledger_decimal(budget->limit_nano).text,
                 dv_ledger_decimal(budget->spent_nano).text,
                 dv_ledger_decimal(is_over ? 0 : budget->limit_nano - budget->spent_nano).text,
                 (unsigned long long)budget->charges);
}

static void print_one(const struct arguments *arguments, const struct dv_account *account,
                      const struct dv_budget *budget, const char *why)
{
    if (arguments->json)
        print_json(account, budget, why);
    else
        print_row(account, budget, why);
}

/* The first error of any account is the command's, after all of them are shown. */
static dv_rc print_all(const struct arguments *arguments, const struct dv_account *from,
                       const struct dv_account_name *names, uint32_t count, struct dv_error *error)
{
    dv_rc worst = DV_OK;
    if (!arguments->json && count > 0)
        (void)printf("%-20s %-24s %12s %12s %12s %8s\n", "dataset", "operator", "limit", "spent", "left", "charges");
    for (uint32_t i = 0; i < count; i++) {
        struct dv_account account = *from;
        struct dv_budget budget = { 0 };
        struct dv_error own = { 0 };
        account.dataset = names[i].dataset;
        account.operator= names[i].operator;
        dv_rc rc = dv_ledger_read(&account, &budget, &own);
        print_one(arguments, &account, &budget, rc == DV_OK ? NULL : dv_rc_text(rc));
        if (rc != DV_OK && worst == DV_OK) {
            worst = rc;
            *error = own;
        }
    }
    return worst;
}

static dv_rc show(const struct arguments *arguments, const struct dv_account *from, struct dv_error *error)
{
    uint32_t count = 0;
    struct dv_account_name *names = dv_memory_zeroed(ACCOUNTS_MAX, sizeof *names);
    if (names == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for the list");
    dv_rc rc = dv_ledger_list(from, names, ACCOUNTS_MAX, &count, error);
    if (rc == DV_OK)
        rc = print_all(arguments, from, names, count, error);
    dv_memory_free(names);
    return rc;
}

static dv_rc set(const struct arguments *arguments, const struct dv_account *from, struct dv_error *error)
{
    struct dv_account account = *from;
    struct dv_budget budget = { 0 };
    int64_t limit_nano = 0;
    int64_t spent_nano = -1;
    account.dataset = arguments->words[0];
    account.operator= arguments->words[1];
    if (!dv_is_name(account.dataset) || !dv_is_name(account.operator))
        return dv_error_set(error, DV_E_USAGE, "a dataset and an operator are names: letters, digits, _ . and -");
    if (!dv_dp_nano(arguments->words[2], &limit_nano) ||
        (arguments->spent != NULL && !dv_dp_nano(arguments->spent, &spent_nano)))
        return dv_error_set(error, DV_E_USAGE, "a budget is a number as 10 or 2.5, with at most nine decimals");
    DV_TRY(dv_ledger_set(&account, limit_nano, spent_nano, &budget, error));
    print_one(arguments, &account, &budget, NULL);
    return DV_OK;
}

/* A graph that could spend more than its `budget:` is planned all the same; the exit code tells. */
static int plan(const struct arguments *arguments)
{
    struct dv_loaded loaded = { 0 };
    int code = dv_loaded_init(&loaded, arguments->file, false);
    bool is_whole = loaded.graph != NULL && code != dv_rc_exit(DV_E_CONFIG);
    if (is_whole && !arguments->json)
        dv_spending_print(loaded.graph);
    else if (is_whole && !dv_spending_print_json(loaded.graph, &loaded.arena))
        code = dv_say_error(DV_E_MEMORY, NULL);
    dv_loaded_free(&loaded);
    return code;
}

/* A graph that would leak may still have its budgets looked at. */
static int act(const struct arguments *arguments)
{
    struct dv_loaded loaded = { 0 };
    struct dv_error error = { 0 };
    int code = dv_loaded_init(&loaded, arguments->file, false);
    if (loaded.graph != NULL) {
        const struct dv_graph_settings *settings = dv_graph_settings(loaded.graph);
        const struct dv_account from = { .sys = &dv_sys_real, .state = settings->state, .tenant = settings->tenant };
        bool is_set = strcmp(arguments->verb, "set") == 0;
        dv_rc rc = is_set ? set(arguments, &from, &error) : show(arguments, &from, &error);
        code = rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, &error);
    }
    dv_loaded_free(&loaded);
    return code;
}

static int run_words(struct arguments *arguments)
{
    bool is_set = strcmp(arguments->verb, "set") == 0;
    bool is_plan = strcmp(arguments->verb, "plan") == 0;
    if (!is_set && !is_plan && strcmp(arguments->verb, "show") != 0)
        return dv_usage(arguments->self, "no verb '%s': it is show, plan or set", arguments->verb);
    if (arguments->file == NULL)
        return dv_usage(arguments->self, "which graph file?");
    if (is_set && arguments->word_count != SET_WORDS)
        return dv_usage(arguments->self, "set needs a dataset, an operator and a number");
    if (!is_set && (arguments->word_count > 0 || arguments->spent != NULL))
        return dv_usage(arguments->self, "%s takes a graph file and nothing else", arguments->verb);
    return is_plan ? plan(arguments) : act(arguments);
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "spent", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct arguments arguments = { .self = self };
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 's': arguments.spent = optarg; break;
        default: arguments.json = true; break;
        }
    }
    if (optind == argc)
        return dv_usage(self, "show, plan or set?");
    arguments.verb = argv[optind];
    arguments.file = optind + 1 < argc ? argv[optind + 1] : NULL;
    arguments.words = argv + optind + 2;
    arguments.word_count = argc - optind - 2;
    return run_words(&arguments);
}

const struct dv_command dv_command_budget = {
    .name = "budget",
    .summary = "Shows, plans and sets privacy budgets.",
    .help =
        "examples:\n"
        "  datavault budget show conf/demo.yaml                            limit, spent and left, of each account\n"
        "  datavault budget plan conf/demo.yaml                            what the graph's windows cost, and how long it lasts\n"
        "  datavault budget set conf/demo.yaml healthcare by-diagnosis 10  at most ε = 10 in all\n\n"
        "usage: datavault budget show FILE.yaml [--json]\n"
        "       datavault budget plan FILE.yaml [--json]\n"
        "       datavault budget set  FILE.yaml DATASET OPERATOR EPSILON [--spent EPSILON] [--json]\n\n"
        "  --spent EPSILON  mends an account whose file is damaged: what was spent so far, rather too much\n\n"
        "An account is a tenant's (the graph's), a dataset and an operator; its file lies in <state>/budgets. It is\n"
        "opened by `set`: nothing is released on an account that is not there. A new limit changes nothing about "
        "what\n"
        "is spent. Works beside a running graph.\n\n"
        "exit codes: 0 ok, 1 an account is damaged, 2 wrong usage, 3 the graph file is wrong, 4 `plan`: it would leak, or could\n"
        "spend more than its `budget:`, 5 the disk fails\n",
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * keys.c - `datavault keys init|list|rotate`: the keyring. Keys themselves are never shown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/command.h"
#include "cli/keyring.h"
#include "engine/json.h"
#include "engine/option.h"

/* The options of all three, as given. */
struct arguments {
    const char *verb;
    const char *keyring;
    const char *passphrase;
    const char *tenant;
    bool json;
    bool if_missing;
    char **datasets;
    int dataset_count;
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Makes the directories above the keyring's own. */
static dv_rc make_parents(const char *directory, struct dv_error *error)
{
    char path[DV_PRIVATE_PATH_MAX];
    if (strlen(directory) >= sizeof path)
        return dv_error_set(error, DV_E_LIMIT, "the keyring's path is too long");
    (void)strcpy(path, directory);
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return dv_error_set(error, DV_E_IO, "cannot make the directory '%s': %s", path, strerror(errno));
        *at = '/';
    }
    return DV_OK;
}

static dv_rc add_datasets(const struct arguments *arguments, struct dv_error *error)
{
    struct dv_keyring *keyring = NULL;
    DV_TRY(dv_keyring_open_named(&keyring, arguments->keyring, arguments->passphrase, error));
    dv_rc rc = DV_OK;
    for (int i = 0; i < arguments->dataset_count && rc == DV_OK; i++) {
        rc = dv_keyring_add(keyring, arguments->tenant, arguments->datasets[i], now_ms(), error);
        if (rc == DV_E_USAGE && arguments->if_missing)
            rc = DV_OK;
    }
    dv_keyring_close(keyring);
    return rc;
}

static dv_rc init(const struct arguments *arguments, struct dv_error *error)
{
    const char *directory = dv_keyring_directory(arguments->keyring, error);
    if (directory == NULL)
        return DV_E_CONFIG;
    DV_TRY(make_parents(directory, error));
    dv_rc rc = dv_keyring_create_named(arguments->keyring, arguments->passphrase, error);
    if (rc == DV_OK)
        (void)fprintf(stderr, "datavault: made a keyring in %s, sealed by %s\n", directory,
                      arguments->passphrase != NULL ? "the passphrase" : "a machine key");
    else if (rc != DV_E_USAGE || !arguments->if_missing)
        return rc;
    return add_datasets(arguments, error);
}

static dv_rc rotate(const struct arguments *arguments, struct dv_error *error)
{
    struct dv_keyring *keyring = NULL;
    DV_TRY(dv_keyring_open_named(&keyring, arguments->keyring, arguments->passphrase, error));
    dv_rc rc = DV_OK;
    for (int i = 0; i < arguments->dataset_count && rc == DV_OK; i++)
        rc = dv_keyring_rotate(keyring, arguments->tenant, arguments->datasets[i], now_ms(), error);
    dv_keyring_close(keyring);
    if (rc == DV_OK)
        (void)fprintf(stderr, "datavault: rotated %d; what was sealed before still opens\n", arguments->dataset_count);
    return rc;
}

static void print_key_json(const struct dv_key_info *info)
{
    char buffer[1024];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "kind");
    dv_json_string(&json, info->dataset ? "dataset" : "purpose");
    dv_json_key(&json, "tenant");
    dv_json_text(&json, (const char *)info->tenant.at, info->tenant.length);
    dv_json_key(&json, "name");
    dv_json_text(&json, (const char *)info->name.at, info->name.length);
    dv_json_key(&json, "version");
    dv_json_uint(&json, info->version);
    dv_json_key(&json, "created_ms");
    dv_json_int(&json, info->created_ms);
    dv_json_key(&json, "active");
    dv_json_bool(&json, info->active);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static dv_rc print_key(void *data, const struct dv_key_info *info)
{
    const struct arguments *arguments = data;
    if (arguments->json) {
        print_key_json(info);
        return DV_OK;
    }
    char created[32] = "";
    time_t seconds = (time_t)(info->created_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) != NULL)
        (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)printf("%-8s %-16.*s %-20.*s v%-4u %-21s %s\n", info->dataset ? "dataset" : "purpose",
                 (int)info->tenant.length, (const char *)info->tenant.at, (int)info->name.length,
                 (const char *)info->name.at, info->version, created, info->active ? "active" : "retired");
    return DV_OK;
}

static dv_rc list(struct arguments *arguments, struct dv_error *error)
{
    struct dv_keyring *keyring = NULL;
    DV_TRY(dv_keyring_open_named(&keyring, arguments->keyring, arguments->passphrase, error));
    dv_rc rc = dv_keyring_list(keyring, print_key, arguments);
    dv_keyring_close(keyring);
    return rc;
}

static int act(const struct dv_command *self, struct arguments *arguments)
{
    struct dv_error error = { 0 };
    dv_rc rc = DV_OK;
    if (strcmp(arguments->verb, "init") == 0)
        rc = init(arguments, &error);
    else if (strcmp(arguments->verb, "list") == 0)
        rc = list(arguments, &error);
    else if (strcmp(arguments->verb, "rotate") != 0)
        return dv_usage(self, "no verb '%s': it is init, list or rotate", arguments->verb);
    else if (arguments->dataset_count == 0)
        return dv_usage(self, "rotate which dataset?");
    else
        rc = rotate(arguments, &error);
    return rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, &error);
}

/* Where the shipped graphs that know one folder for everything look for it. False: DV_STATE is too long. */
static bool default_keyring(char *out, size_t size)
{
    const char *state = getenv("DV_STATE");
    int length = snprintf(out, size, "file:%s/keyring", state != NULL && state[0] != '\0' ? state : "var");
    return length >= 0 && (size_t)length < size;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        { "keyring", required_argument, NULL, 'k' }, { "passphrase", required_argument, NULL, 'p' },
        { "tenant", required_argument, NULL, 't' },  { "if-missing", no_argument, NULL, 'm' },
        { "json", no_argument, NULL, 'j' },          { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    char keyring[DV_PRIVATE_PATH_MAX];
    struct arguments arguments = { .keyring = keyring, .tenant = "default" };
    int code = DV_EXIT_OK;
    if (!default_keyring(keyring, sizeof keyring))
        return dv_usage(self, "the path in DV_STATE is too long");
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        switch (option) {
        case -2: return code;
        case 'k': arguments.keyring = optarg; break;
        case 'p': arguments.passphrase = optarg; break;
        case 't': arguments.tenant = optarg; break;
        case 'm': arguments.if_missing = true; break;
        default: arguments.json = true; break;
        }
    }
    if (optind == argc)
        return dv_usage(self, "init, list or rotate?");
    arguments.verb = argv[optind];
    arguments.datasets = argv + optind + 1;
    arguments.dataset_count = argc - optind - 1;
    return act(self, &arguments);
}

const struct dv_command dv_command_keys = {
    .name = "keys",
    .summary = "Makes, lists and rotates keys.",
    .help = "examples:\n"
            "  datavault keys init                                     a keyring sealed by a machine key, for trying out\n"
            "  datavault keys init --passphrase file:/run/secrets/pass healthcare finance\n"
            "  datavault keys list --json\n"
            "  datavault keys rotate healthcare\n\n"
            "usage: datavault keys init [--if-missing] [DATASET...] | list [--json] | rotate DATASET...\n"
            "  --keyring file:DIR      default file:$DV_STATE/keyring; file:var/keyring without DV_STATE\n"
            "  --passphrase REF        env:NAME or file:PATH; never the passphrase itself\n"
            "  --tenant NAME           default 'default'\n\n"
            "Rotating gives a dataset a new key for new records; what was sealed before still opens.\n",
    .run = run,
};

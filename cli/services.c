/* SPDX-License-Identifier: Apache-2.0
 * services.c - opens the keyring, the feed and the dead letters of a graph. */
#include "cli/services.h"

#include <stdio.h>

#include "cli/keyring.h"
#include "connectors/sys.h"
#include "engine/log.h"
#include "operators/dead_letter_compact.h"

enum { FEED_EVENTS = 1024, FEED_BYTES = 4 * 1024 * 1024 };

static dv_rc open_state(struct dv_services *services, const struct dv_graph_settings *settings, struct dv_error *error)
{
    int length = snprintf(services->state, sizeof services->state, "%s/%s", settings->state, settings->name);
    if (length < 0 || (size_t)length >= sizeof services->state)
        return dv_error_set(error, DV_E_CONFIG, "the path of `state` is too long");
    char inside[DV_STATE_PATH_MAX + 2];
    (void)snprintf(inside, sizeof inside, "%s/x", services->state);
    if (dv_sys_make_parents(inside) != 0)
        return dv_error_set(error, DV_E_IO, "cannot make the state directory '%s'", services->state);
    return DV_OK;
}

dv_rc dv_letters_path(const struct dv_graph_settings *settings, char *ret, size_t size, struct dv_error *error)
{
    int length = settings->dead_letters != NULL
                     ? snprintf(ret, size, "%s", settings->dead_letters)
                     : snprintf(ret, size, "%s/%s/dead-letters.msgpack", settings->state, settings->name);
    if (length < 0 || (size_t)length >= size)
        return dv_error_set(error, DV_E_CONFIG, "the path of the dead letters is too long");
    return DV_OK;
}

/* What was replayed or dropped while the last run had the file goes now. That it cannot is no reason not to run. */
static void compact_letters(const char *path)
{
    struct dv_letter_compaction done;
    struct dv_error error = { 0 };
    dv_rc rc = dv_letters_compact(path, &done, &error);
    if (rc != DV_OK)
        dv_log(DV_LOG_WARN, "dead-letter.not-compacted", DV_LOG_REASON("why", rc));
    else if (done.removed > 0)
        dv_log(DV_LOG_INFO, "dead-letter.compacted", DV_LOG_NUMBER("kept", done.kept),
               DV_LOG_NUMBER("removed", done.removed));
}

static dv_rc open_letters(struct dv_services *services, struct dv_graph *graph, struct dv_loop *loop,
                          struct dv_error *error)
{
    const struct dv_graph_settings *settings = dv_graph_settings(graph);
    DV_TRY(dv_letters_path(settings, services->letters_path, sizeof services->letters_path, error));
    if (services->letters_again == NULL)
        compact_letters(services->letters_path);
    const struct dv_dead_letter_options options = {
        .loop = loop,
        .sys = &dv_sys_real,
        .path = services->letters_again != NULL ? services->letters_again : services->letters_path,
        .bytes_max = services->letters_again != NULL ? UINT64_MAX : (uint64_t)settings->dead_letters_max,
        .tenant = settings->tenant,
        .keyring = services->keyring,
    };
    DV_TRY(dv_dead_letter_file_open(&services->letters, &options, error));
    dv_graph_dead_letters(graph, dv_dead_letter_file_base(services->letters));
    return DV_OK;
}

dv_rc dv_services_open(struct dv_services *services, struct dv_graph *graph, struct dv_loop *loop, bool once,
                       struct dv_error *error)
{
    const struct dv_graph_settings *settings = dv_graph_settings(graph);
    if (settings->keyring == NULL && !once)
        return dv_error_set(error, DV_E_CONFIG, "rejected records are kept sealed, which needs a key: add `keyring: "
                                                "file:var/keyring` to the graph file (only `run --once` does without)");
    DV_TRY(open_state(services, settings, error));
    dv_graph_provide(graph, DV_SERVICE_DIRECTORY, services->state);
    services->bank = (struct dv_bank){ .sys = &dv_sys_real, .state = settings->state };
    dv_graph_provide(graph, DV_SERVICE_BANK, &services->bank);
    services->feed = dv_feed_new(FEED_EVENTS, FEED_BYTES);
    services->replies = dv_replies_new();
    if (services->feed == NULL || services->replies == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for the live feed");
    dv_graph_provide(graph, DV_SERVICE_FEED, services->feed);
    dv_graph_provide(graph, DV_SERVICE_REPLIES, services->replies);
    if (settings->keyring == NULL)
        return DV_OK;
    DV_TRY(dv_keyring_open_named(&services->keyring, settings->keyring, settings->passphrase, error));
    dv_graph_provide(graph, DV_SERVICE_KEYRING, services->keyring);
    return services->without_letters ? DV_OK : open_letters(services, graph, loop, error);
}

void dv_services_close(struct dv_services *services)
{
    dv_dead_letter_file_close(services->letters);
}

void dv_services_free(struct dv_services *services)
{
    dv_dead_letter_file_free(services->letters);
    dv_keyring_close(services->keyring);
    if (services->feed != NULL)
        dv_feed_free(services->feed);
    dv_replies_free(services->replies);
    *services = (struct dv_services){ 0 };
}

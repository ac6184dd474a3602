/* SPDX-License-Identifier: Apache-2.0
 * snowflake_channel_way.c - paths and bodies of a channel's exchanges, and what stands in the answers. */
#include "connectors/snowflake_channel_way.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "connectors/snowflake_channel.h"
#include "connectors/snowflake_internal.h"
#include "connectors/snowflake_name.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"

#define BEARER "Bearer "
#define GRANT "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&scope="

static const char settled_only[] = "{\"fail_on_uncommitted_rows\":true}";

/* ---- questions ---- */

static bool is_named(const char *name)
{
    return name != NULL && name[0] != '\0' && strlen(name) <= DV_SNOWFLAKE_NAME_MAX;
}

/* A table's own pipe is named after it, and its name is as plain as the table's. */
static bool is_plain(const char *name)
{
    static const char own[] = "-STREAMING";
    char stem[DV_SNOWFLAKE_NAME_MAX + 1];
    size_t length = strlen(name), behind = sizeof own - 1;
    memcpy(stem, name, length + 1);
    if (length > behind && strcmp(name + length - behind, own) == 0)
        stem[length - behind] = '\0';
    return dv_snowflake_is_plain_name(stem);
}

/* As Snowflake's own client writes it: without quotation marks case does not count in a path, so what would be another name has them. */
static bool write_name(const char *name, char *out, size_t size)
{
    char quoted[DV_SNOWFLAKE_QUOTED_MAX];
    if (!is_named(name))
        return false;
    if (is_plain(name))
        return dv_snowflake_escape(name, out, size);
    return dv_snowflake_quote_name(quoted, sizeof quoted, name) && dv_snowflake_escape(quoted, out, size);
}

bool dv_snowflake_way_base(struct dv_snowflake_channel *channel)
{
    const struct dv_snowflake_channel_config *config = &channel->config;
    const char *const names[] = { config->database, config->schema, config->pipe };
    static const char *const words[] = { "/databases/", "/schemas/", "/pipes/" };
    char escaped[3 * DV_SNOWFLAKE_QUOTED_MAX];
    size_t at = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!write_name(names[i], escaped, sizeof escaped))
            return false;
        int length = snprintf(channel->base + at, sizeof channel->base - at, "%s%s", words[i], escaped);
        at += (size_t)length;
        if (length < 0 || at >= sizeof channel->base)
            return false;
    }
    if (!is_named(config->name) || !dv_snowflake_escape(config->name, channel->channel, sizeof channel->channel))
        return false;
    memcpy(channel->told, config->name, strlen(config->name) + 1);
    return true;
}

/* "requestId=…", for whoever looks for a request in Snowflake's logs. */
static bool make_id(char out[DV_UUID_TEXT])
{
    uint8_t id[DV_UUID_BYTES];
    if (RAND_bytes(id, sizeof id) != 1)
        return false;
    (void)dv_id_text(out, id);
    return true;
}

static void fill_common(struct dv_snowflake_channel *channel, struct dv_snowflake_call *call, bool at_control)
{
    call->http = at_control ? channel->snowflake->http : channel->http;
    call->scoped = at_control ? NULL : channel->scoped;
    call->method = NULL;
    call->body = NULL;
    call->length = 0;
    call->type = "application/json";
    call->packing = NULL;
    call->untyped = false;
    call->raw_length[0] = '\0';
    call->affinity = NULL;
}

static void set_body(struct dv_snowflake_call *call, const char *method, const char *body)
{
    call->method = method;
    call->body = body;
    call->length = strlen(body);
}

/* Without a role the token is of the user's own. */
static bool write_role(const struct dv_snowflake_channel *channel, char *out, size_t size)
{
    const char *role = channel->snowflake->config.role;
    char said[DV_SNOWFLAKE_QUOTED_MAX], escaped[3 * DV_SNOWFLAKE_QUOTED_MAX];
    out[0] = '\0';
    if (role == NULL || role[0] == '\0')
        return true;
    bool plain = dv_snowflake_is_plain_name(role) && strlen(role) < sizeof said;
    if (plain)
        memcpy(said, role, strlen(role) + 1);
    if ((!plain && !dv_snowflake_quote_name(said, sizeof said, role)) ||
        !dv_snowflake_escape(said, escaped, sizeof escaped))
        return false;
    int length = snprintf(out, size, "%%20session%%3Arole%%3A%s", escaped);
    return length > 0 && (size_t)length < size;
}

/* What kind of proof it is, no client says here. */
static bool fill_scope(struct dv_snowflake_channel *channel, struct dv_snowflake_call *call)
{
    char role[3 * DV_SNOWFLAKE_QUOTED_MAX + 32];
    if (!write_role(channel, role, sizeof role))
        return false;
    int length = snprintf(channel->body, sizeof channel->body, GRANT "%s%s", channel->host, role);
    set_body(call, "POST", channel->body);
    call->type = "application/x-www-form-urlencoded";
    call->untyped = true;
    return length > 0 && (size_t)length < sizeof channel->body;
}

/* Rows of a process before us are waited for, if that does not take too long: then they are not sent twice. */
static const char *open_body(const struct dv_snowflake_channel *channel)
{
    uint64_t now = dv_now_ns(channel->snowflake->config.loop);
    bool waited = channel->settle_ns != 0 && now - channel->settle_ns >= (uint64_t)DV_SNOWFLAKE_SETTLE_MS * 1000000;
    return waited ? "{}" : settled_only;
}

static int write_append(struct dv_snowflake_channel *channel, const char *id)
{
    const struct dv_snowflake_append *append = channel->append;
    struct dv_snowflake_call *call = channel->call;
    char first[3 * DV_SNOWFLAKE_OFFSET_MAX + 4], last[sizeof first], token[2 * DV_SNOWFLAKE_CONTINUATION_MAX];
    if (!dv_snowflake_escape(append->first, first, sizeof first) ||
        !dv_snowflake_escape(append->last, last, sizeof last) ||
        !dv_snowflake_escape(channel->continuation, token, sizeof token))
        return -1;
    call->method = "POST";
    call->body = append->rows->bytes;
    call->length = append->rows->used;
    call->type = "application/x-ndjson";
    call->packing = "gzip";
    (void)snprintf(call->raw_length, sizeof call->raw_length, "%zu", append->rows->raw);
    call->affinity = channel->session[0] != '\0' ? channel->session : NULL;
    return snprintf(call->path, sizeof call->path,
                    "/v2/streaming/data%s/channels/%s/rows?continuationToken=%s&startOffsetToken=%s"
                    "&endOffsetToken=%s&requestId=%s",
                    channel->base, channel->channel, token, first, last, id);
}

static int write_way(struct dv_snowflake_channel *channel, int way, const char *id)
{
    struct dv_snowflake_call *call = channel->call;
    const size_t size = sizeof call->path;
    fill_common(channel, call, way == DV_SNOWFLAKE_FIND || way == DV_SNOWFLAKE_SCOPE);
    switch (way) {
    case DV_SNOWFLAKE_FIND: return snprintf(call->path, size, "/v2/streaming/hostname");
    case DV_SNOWFLAKE_SCOPE: return fill_scope(channel, call) ? snprintf(call->path, size, "/oauth/token") : -1;
    case DV_SNOWFLAKE_OPEN:
        set_body(call, "PUT", open_body(channel));
        return snprintf(call->path, size, "/v2/streaming%s/channels/%s?requestId=%s", channel->base, channel->channel,
                        id);
    case DV_SNOWFLAKE_APPEND: return write_append(channel, id);
    case DV_SNOWFLAKE_DROP:
        set_body(call, "DELETE", settled_only);
        return snprintf(call->path, size, "/v2/streaming%s/channels/%s?requestId=%s", channel->base, channel->channel,
                        id);
    default: break;
    }
    return -1;
}

bool dv_snowflake_way_fill(struct dv_snowflake_channel *channel, int way)
{
    char id[DV_UUID_TEXT];
    int length = make_id(id) ? write_way(channel, way, id) : -1;
    return length > 0 && (size_t)length < sizeof channel->call->path;
}

bool dv_snowflake_look_fill(struct dv_snowflake_channel *channel)
{
    struct dv_snowflake_call *look = channel->look;
    struct dv_json json;
    dv_json_init(&json, channel->look_body, sizeof channel->look_body - 1);
    dv_json_open(&json, '{');
    dv_json_key(&json, "channel_names");
    dv_json_open(&json, '[');
    dv_json_string(&json, channel->told);
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    channel->look_body[dv_json_length(&json)] = '\0';
    fill_common(channel, look, channel->look_at_control);
    set_body(look, "POST", channel->look_body);
    int length = snprintf(look->path, sizeof look->path, "/v2/streaming%s:bulk-channel-status", channel->base);
    return !json.full && length > 0 && (size_t)length < sizeof look->path;
}

/* ---- answers ---- */

static bool open_client(struct dv_snowflake_channel *channel)
{
    const struct dv_snowflake *snowflake = channel->snowflake;
    const struct dv_snowflake_config *config = &snowflake->config;
    char url[DV_SNOWFLAKE_HOST_MAX + 16];
    bool plain = strncmp(snowflake->url, "http://", 7) == 0;
    if (config->http != NULL) {
        channel->http = config->http;
        return true;
    }
    int length = snprintf(url, sizeof url, "%s%s", plain ? "http://" : "https://", channel->host);
    const struct dv_http_config http = {
        .loop = config->loop, .url = url, .ca = config->ca, .deadlines = config->deadlines
    };
    if (length < 0 || (size_t)length >= sizeof url || dv_http_url_fault(url, true) != NULL ||
        dv_http_open(&channel->client, &http, NULL) != DV_OK)
        return false;
    channel->client.config.url = NULL; /* was lent; the client has its own */
    channel->http = &channel->client.base;
    return true;
}

bool dv_snowflake_take_host(struct dv_snowflake_channel *channel)
{
    return dv_snowflake_answer_host(&channel->call->answer, channel->host) && open_client(channel);
}

bool dv_snowflake_take_scoped(struct dv_snowflake_channel *channel)
{
    const size_t skip = sizeof BEARER - 1;
    if (channel->scoped == NULL)
        channel->scoped = dv_memory_zeroed(1, DV_SNOWFLAKE_SCOPED_ROOM);
    if (channel->scoped == NULL)
        return false;
    memcpy(channel->scoped, BEARER, skip);
    return dv_snowflake_answer_word(&channel->call->answer, "token", channel->scoped + skip, DV_SNOWFLAKE_SCOPED_MAX);
}

bool dv_snowflake_take_continuation(struct dv_snowflake_channel *channel)
{
    struct dv_snowflake_answer *answer = &channel->call->answer;
    return dv_snowflake_answer_text(answer, dv_snowflake_answer_in(answer, "next_continuation_token"),
                                    channel->continuation, sizeof channel->continuation);
}

/* What an answer calls a session leads to the same server again; it is the channel's until it is opened anew. */
void dv_snowflake_take_session(struct dv_snowflake_channel *channel)
{
    if (channel->call->session[0] != '\0')
        memcpy(channel->session, channel->call->session, sizeof channel->session);
}

/* A status is asked by the name as the opening tells it: case counts there, and does not in a path. */
static void take_name(struct dv_snowflake_channel *channel, dv_doc_at status)
{
    struct dv_snowflake_answer *answer = &channel->call->answer;
    const char *text = NULL, *name = channel->config.name;
    size_t length = 0;
    if (dv_doc_text(&answer->doc, dv_doc_in(&answer->doc, status, "channel_name"), &text, &length) &&
        length == strlen(name) && strncasecmp(text, name, length) == 0)
        memcpy(channel->told, text, length);
}

bool dv_snowflake_take_state(struct dv_snowflake_channel *channel, struct dv_snowflake_channel_state *ret)
{
    struct dv_snowflake_answer *answer = &channel->call->answer;
    dv_doc_at status = dv_snowflake_answer_in(answer, "channel_status");
    if (!dv_snowflake_answer_state(answer, status, ret))
        return false;
    take_name(channel, status);
    return true;
}

dv_rc dv_snowflake_take_look(struct dv_snowflake_channel *channel, struct dv_snowflake_channel_state *ret)
{
    struct dv_snowflake_answer *answer = &channel->look->answer;
    dv_doc_at all = dv_snowflake_answer_in(answer, "channel_statuses");
    *ret = (struct dv_snowflake_channel_state){ 0 };
    if (all == NULL || dv_doc_is_null(&answer->doc, all))
        return DV_E_DATA;
    dv_doc_at ours = dv_doc_in(&answer->doc, all, channel->told);
    if (ours == NULL)
        return DV_OK;
    return dv_snowflake_answer_state(answer, ours, ret) ? DV_OK : DV_E_DATA;
}

const char *dv_snowflake_channel_waits(const struct dv_snowflake_channel *channel)
{
    const char *waits = dv_snowflake_waits(channel->snowflake);
    if (channel->reason != NULL || waits != NULL)
        return waits != NULL && !channel->failed ? waits : channel->reason;
    return channel->open ? NULL : "the channel is being opened";
}

/* SPDX-License-Identifier: Apache-2.0
 * page.c - serves the page's files. They know nothing of the data: they ask the /v1 routes for it as anybody would. */
#include "dashboard/server/page.h"

#include <string.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"

/* No other origin is ever asked for anything, and no other page may frame this one. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                             "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct dv_asset *find(struct dv_span path)
{
    for (const struct dv_asset *asset = dv_assets; asset->path != NULL; asset++)
        if (dv_span_is(path, asset->path))
            return asset;
    return dv_span_is(path, "/") ? find((struct dv_span){ "/index.html", 11 }) : NULL;
}

bool dv_page_has(struct dv_span path)
{
    return find(path) != NULL;
}

/* Whether If-None-Match names the tag, among others or as a weak one. */
static bool is_known(struct dv_span header, const char *etag)
{
    return header.text != NULL &&
           (dv_span_is(header, "*") || memmem(header.text, header.length, etag, strlen(etag)) != NULL);
}

bool dv_page_reply(h2o_req_t *request, const struct dv_head *head)
{
    const struct dv_asset *asset = find(head->path);
    if (asset == NULL)
        return false;
    dv_reply_header(request, "etag", asset->etag);
    dv_reply_header(request, "cache-control", "no-cache");
    dv_reply_header(request, "content-security-policy", policy);
    if (is_known(head->if_none_match, asset->etag))
        dv_reply(request, 304, NULL, "", 0);
    else
        dv_reply(request, 200, asset->type, (const char *)asset->bytes, asset->length);
    return true;
}

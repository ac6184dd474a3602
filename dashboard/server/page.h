/* SPDX-License-Identifier: Apache-2.0
 * page.h - the files of the page as the build embeds them. */
#ifndef DV_DASHBOARD_PAGE_H
#define DV_DASHBOARD_PAGE_H

#include <stddef.h>

/* One file. */
struct dv_asset {
    const char *path; /* "/app.js" */
    const char *type;
    const char *etag; /* with its quotes; from the content */
    const unsigned char *bytes;
    size_t length;
};

/* All of them; the last has a NULL path. Made by tools/embed.py. */
extern const struct dv_asset dv_assets[];

#endif

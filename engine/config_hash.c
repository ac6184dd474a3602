/* SPDX-License-Identifier: Apache-2.0
 * config_hash.c - one number for all that a graph was made from. */
#include <openssl/evp.h>

#include "engine/node.h"
#include "engine/yaml.h"

/* Lengths go before texts, so that no two configurations feed the same bytes. */
static bool feed(EVP_MD_CTX *context, const char *text, size_t length)
{
    uint64_t size = text != NULL ? length : UINT64_MAX;
    unsigned char head[8];
    for (unsigned i = 0; i < sizeof head; i++)
        head[i] = (unsigned char)(size >> (8 * i));
    return EVP_DigestUpdate(context, head, sizeof head) == 1 &&
           (text == NULL || length == 0 || EVP_DigestUpdate(context, text, length) == 1);
}

static bool feed_text(EVP_MD_CTX *context, const char *text)
{
    return feed(context, text, text != NULL ? strlen(text) : 0);
}

/* The tree and not the file: comments and layout change nothing, variables do. Depth is that of the file, at most 64. */
static bool feed_tree(EVP_MD_CTX *context, const struct dv_yaml *node)
{
    char shape[32];
    int length = snprintf(shape, sizeof shape, "%d %d %zu", (int)node->kind, node->plain, node->count);
    bool fed = feed(context, shape, (size_t)length) && feed_text(context, node->key) &&
               feed(context, node->text, node->length);
    for (const struct dv_yaml *child = node->first; fed && child != NULL; child = child->next)
        fed = feed_tree(context, child);
    return fed;
}

/* A file's name as seen from the graph file, so that it does not matter from where both are looked at. */
static const char *beside(const struct dv_graph *graph, const char *file)
{
    size_t length = strlen(graph->directory);
    return strncmp(file, graph->directory, length) == 0 && file[length] == '/' ? file + length + 1 : file;
}

/* The newest source comes first and the graph file last, which is fed as a tree. */
static bool feed_files(EVP_MD_CTX *context, const struct dv_graph *graph)
{
    const char *file = NULL;
    const char *text = NULL;
    const char *next = NULL;
    size_t length = 0;
    size_t next_length = 0;
    bool fed = true;
    bool any = dv_diags_source_at(graph->diags, 0, &file, &text, &length);
    for (uint32_t i = 1; any && fed; i++) {
        const char *next_file = NULL;
        any = dv_diags_source_at(graph->diags, i, &next_file, &next, &next_length);
        fed = !any || (feed_text(context, beside(graph, file)) && feed(context, text, length));
        file = next_file;
        text = next;
        length = next_length;
    }
    return fed;
}

void dv_config_hash(struct dv_graph *graph)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                feed_text(context, "datavault " DV_VERSION) && feed_tree(context, graph->root) &&
                feed_files(context, graph) && EVP_DigestFinal_ex(context, digest, &length) == 1;
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; made && i < length; i++)
        (void)snprintf(graph->config_hash + (size_t)2 * i, 3, "%02x", digest[i]);
}

const char *dv_graph_config_hash(const struct dv_graph *graph)
{
    return graph->config_hash;
}

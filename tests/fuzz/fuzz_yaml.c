/* SPDX-License-Identifier: Apache-2.0
 * fuzz_yaml.c - libFuzzer: any bytes as a configuration file and as a schema; findings are printed, too.
 *
 * shows: MIS-3 */
#include <stdint.h>
#include <stdio.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/schema.h"
#include "engine/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every text of the tree is what the header promises. */
static void walk(const struct dv_yaml *node, int depth)
{
    DV_ASSERT(depth <= DV_YAML_LEVELS_MAX);
    size_t count = 0;
    for (const struct dv_yaml *child = node->first; child != NULL; child = child->next, count++) {
        DV_ASSERT((child->key != NULL) == (node->kind == DV_YAML_MAP));
        DV_ASSERT(child->place.line > 0 && child->place.column > 0 && child->place.length > 0);
        walk(child, depth + 1);
    }
    DV_ASSERT(count == node->count);
    DV_ASSERT(node->kind != DV_YAML_SCALAR || node->text[node->length] == '\0');
}

/* The numbers of a position are bounded by the text, so that carets stay in it. */
static void check_findings(const struct dv_diags *diags)
{
    FILE *sink = fopen("/dev/null", "w");
    DV_ASSERT(sink != NULL);
    dv_diags_print(diags, sink, true);
    dv_diags_print_json(diags, sink);
    (void)fclose(sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_arena arena;
    struct dv_diags diags;
    dv_arena_init(&arena, (size_t)64 << 20);
    dv_diags_init(&diags, &arena);
    const struct dv_yaml *partial = dv_yaml_parse_partial("fuzz.yaml", (const char *)data, size, &arena, &diags);
    bool clean = diags.count == 0;
    DV_ASSERT(partial != NULL || !clean);
    if (partial != NULL) {
        walk(partial, 0);
        const struct dv_schema *schema = dv_schema_from_yaml(partial, &arena, &diags);
        DV_ASSERT(schema != NULL || diags.count != 0);
    }
    check_findings(&diags);
    dv_arena_free(&arena);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * keys.c - asks the keyring, and makes what it has not. */
#include "operators/keys.h"

#include "engine/log.h"

struct dv_keyring *dv_node_keyring(struct dv_node *node, const char *what)
{
    struct dv_keyring *keyring = dv_node_service(node, DV_SERVICE_KEYRING);
    if (keyring == NULL)
        (void)dv_fail(node, DV_E_KEY, "%s: name a `keyring` in the graph file", what);
    return keyring;
}

static void log_new(const struct dv_node *node, const char *name)
{
    dv_log(DV_LOG_INFO, "key-made", DV_LOG_NAMED("node", dv_node_name(node)),
           DV_LOG_NAMED("tenant", dv_node_tenant(node)), DV_LOG_NAMED("name", name));
}

/* DV_E_USAGE from making a key: another process was quicker, and its key is in the file. */
static bool made(struct dv_keyring *keyring, dv_rc rc)
{
    return rc == DV_OK || (rc == DV_E_USAGE && dv_keyring_reload(keyring, NULL) == DV_OK);
}

dv_rc dv_node_sealer(struct dv_node *node, const char *dataset, struct dv_sealer **ret)
{
    struct dv_error error = { 0 };
    struct dv_keyring *keyring = dv_node_keyring(node, "sealing needs a key");
    if (keyring == NULL)
        return DV_E_KEY;
    const char *tenant = dv_node_tenant(node);
    dv_rc rc = dv_keyring_sealer(keyring, tenant, dataset, ret, &error);
    if (rc == DV_E_KEY) {
        rc = dv_keyring_add(keyring, tenant, dataset, dv_wall_ms(dv_node_loop(node)), &error);
        if (rc == DV_OK)
            log_new(node, dataset);
        if (made(keyring, rc))
            rc = dv_keyring_sealer(keyring, tenant, dataset, ret, &error);
    }
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

dv_rc dv_node_purpose_key(struct dv_node *node, const char *purpose, uint32_t *ret_version, uint8_t ret[DV_KEY_BYTES])
{
    struct dv_error error = { 0 };
    struct dv_keyring *keyring = dv_node_keyring(node, "pseudonyms need a key");
    if (keyring == NULL)
        return DV_E_KEY;
    const char *tenant = dv_node_tenant(node);
    *ret_version = 0;
    dv_rc rc = dv_keyring_derive(keyring, tenant, purpose, ret_version, ret, &error);
    if (rc == DV_E_KEY) {
        rc = dv_keyring_add_purpose(keyring, tenant, purpose, dv_wall_ms(dv_node_loop(node)), &error);
        if (rc == DV_OK)
            log_new(node, purpose);
        *ret_version = 0;
        if (made(keyring, rc))
            rc = dv_keyring_derive(keyring, tenant, purpose, ret_version, ret, &error);
    }
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

dv_rc dv_node_raw_key(struct dv_node *node, const char *reference, uint8_t ret[DV_RAW_KEY_MAX], size_t *ret_length)
{
    struct dv_error error = { 0 };
    dv_rc rc = dv_secret_read_raw(reference, (char *)ret, DV_RAW_KEY_MAX, ret_length, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

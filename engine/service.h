/* SPDX-License-Identifier: Apache-2.0
 * service.h - what the rooms above lend to nodes, by kind: the engine passes them on unseen. */
#ifndef DV_ENGINE_SERVICE_H
#define DV_ENGINE_SERVICE_H

enum dv_service {
    DV_SERVICE_KEYRING,
    DV_SERVICE_FEED,
    DV_SERVICE_DIRECTORY,
    DV_SERVICE_SERVER,
    DV_SERVICE_BANK,
    DV_SERVICE_REPLIES,
    DV_SERVICE_COUNT
};

#endif

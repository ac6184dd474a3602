/* SPDX-License-Identifier: Apache-2.0
 * fuzz_http.c - whatever a client sends as a head is judged within its bytes, and a body never passes for none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dashboard/server/auth.h"
#include "dashboard/server/expo.h"
#include "dashboard/server/sse_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_head head;
    enum dv_head_fault fault = dv_head_scan((const char *)data, size, &head);
    DV_ASSERT(fault != DV_HEAD_SOUND || (head.hosts == 1 && !head.has_body && head.path.text[0] == '/'));
    /* A body's length is known in one way alone, or the head is not let through. */
    DV_ASSERT(fault != DV_HEAD_BODY || (head.has_body && head.lengths + head.codings == 1));
    DV_ASSERT(fault != DV_HEAD_BODY || head.codings == 1 || head.body_length < UINT64_C(1000000000000000000));
    struct dv_auth auth = { .loopback = true, .token = { .is_set = true } };
    struct dv_verdict verdict = dv_auth_judge(&auth, &head, fault, DV_ACCESS_TOKEN);
    /* The digest of no token is all zeros, which nothing hashes to. */
    DV_ASSERT(verdict.status >= 400 && !verdict.trusted);
    struct dv_span whole = { (const char *)data, size };
    (void)dv_expo_negotiate(size > 0 ? whole : head.accept);
    uint64_t seq = 0;
    (void)dv_sse_parse_id(whole, 0, &seq);
    return 0;
}

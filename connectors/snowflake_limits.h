/* SPDX-License-Identifier: Apache-2.0
 * snowflake_limits.h - how long what Snowflake answers may be; more is refused, never cut. */
#ifndef DV_CONNECTORS_SNOWFLAKE_LIMITS_H
#define DV_CONNECTORS_SNOWFLAKE_LIMITS_H

enum {
    DV_SNOWFLAKE_ANSWER_MAX = 64 * 1024 * 1024, /* bytes of an unpacked answer */
    DV_SNOWFLAKE_SHORT_MAX = 64 * 1024,         /* of one to a channel, which says little */
    DV_SNOWFLAKE_CODE_MAX = 80,
    DV_SNOWFLAKE_SQLSTATE = 5,
    DV_SNOWFLAKE_HANDLE_MAX = 64,  /* of a statement */
    DV_SNOWFLAKE_OFFSET_MAX = 128, /* bytes of an offset token */
    DV_SNOWFLAKE_HOST_MAX = 253 + 6,
    DV_SNOWFLAKE_SESSION_MAX = 512, /* of what leads to the same server again */
    DV_SNOWFLAKE_SCOPED_MAX = 8 * 1024,
    DV_SNOWFLAKE_CONTINUATION_MAX = 1024
};

#endif

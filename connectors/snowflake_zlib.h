/* SPDX-License-Identifier: Apache-2.0
 * snowflake_zlib.h - the memory of zlib is the engine's, so that a test can make it fail; and it is wiped. */
#ifndef DV_CONNECTORS_SNOWFLAKE_ZLIB_H
#define DV_CONNECTORS_SNOWFLAKE_ZLIB_H

#include <zlib.h>

/* Gives a zeroed stream its allocator; before inflateInit2() or deflateInit2(). */
void dv_snowflake_zlib(z_stream *stream);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_pack.h - the worker that makes requests of rows. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_PACK_H
#define DV_OPERATORS_SINK_SNOWFLAKE_PACK_H

#include "operators/sink_snowflake_unit.h"

/* Takes the memory and makes the job; and waits for that, and wipes. Accepts a zeroed one. */
DV_CHECKED dv_rc dv_snow_pack_open(struct dv_snow_pack *pack, struct dv_snow_load *load);
void dv_snow_pack_close(struct dv_snow_pack *pack);

#endif
